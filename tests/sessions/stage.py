"""A real store for tests of the rules: reports go in, rows come out, and nothing else is between."""

import os
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import apsw

from kioku.models import FILE_EDIT, FILE_READ, SERVER, TOOL_CALL, Report
from kioku.redaction import Redacted, redact
from kioku.reports import health
from kioku.reports import sessions as reports
from kioku.sessions import record, sweep
from kioku.sessions.lease import Verdict
from kioku.store import activities
from kioku.store.opening import open_store
from kioku.store.store import Store

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
T0 = 1_780_000_000_000
TIMEOUT = 30 * MINUTE
PROJECT = redact("project")

# What a rebuild may change: the number of the row, and when it was written.
_UNSTABLE = ("seq", "updated_at", "digest")


def unknown(_owner: str) -> Verdict:
    """Judge owners when nothing is known of any."""
    return Verdict.UNKNOWN


def report(
    key: int,
    at: int,
    took: int | None = None,
    *,
    source: int = SERVER,
    kind: Redacted = TOOL_CALL,
    tool: str | None = None,
    path: str | None = None,
    branch: str | None = None,
    detail: str | None = None,
) -> Report:
    """Make a report; instants are ms after `T0`."""
    return Report(
        key=key,
        source=source,
        at=T0 + at,
        took=took,
        kind=kind,
        tool=None if tool is None else redact(tool),
        path=None if path is None else redact(path),
        branch=None if branch is None else redact(branch),
        detail=None if detail is None else redact(detail),
        ok=True,
    )


def read(key: int, at: int, path: str, took: int | None = None, *, edit: bool = False) -> Report:
    """Make a report of a file that was read or edited."""
    return report(key, at, took, kind=FILE_EDIT if edit else FILE_READ, tool="edit" if edit else "read", path=path)


class Stage:
    """A new store in a folder of its own."""

    def __init__(self) -> None:
        # In memory where that is possible: what is tested here are the rules, not that they survive a power cut.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="kioku-stage-", dir=memory)
        self.context = os.path.join(self._folder.name, ".context")
        self.run = os.path.join(self.context, "run")
        os.makedirs(self.run)
        self.path = os.path.join(self.context, "sessions.db")
        self.store: Store = open_store(self.path)
        self.given: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.store.close()
        self._folder.cleanup()

    def stream(self, key: str = "stream", *, owner: str | None = None, timeout: int = TIMEOUT, now: int = T0) -> int:
        return self.store.write(
            lambda db: activities.stream(db, redact(key), project_id=PROJECT, owner=owner, timeout_ms=timeout, now=now)
        )

    def take(self, stream: int, found: Sequence[Report], now: int) -> None:
        self.store.write(lambda db: record.take(db, stream, list(found), now=now))
        self.given |= set(self.projection())

    def sweep(self, now: int) -> int:
        closed = sweep.sweep(self.store, self.run, now)
        self.given |= set(self.projection())
        return closed

    def rebuild(self, now: int, timeout: int | None = None) -> None:
        sweep.rebuild(self.store, now, timeout_ms=timeout)
        self.given |= set(self.projection())

    def projection(self) -> dict[str, tuple[object, ...]]:
        return self.store.read(health.projection)

    def whole_rows(self) -> list[dict[str, Any]]:
        """Return every column of every session that a rebuild must find again, by id."""

        def work(db: apsw.Connection) -> list[dict[str, Any]]:
            names = [row[1] for row in db.execute("PRAGMA table_info(sessions)")]
            rows = db.execute(f"SELECT {', '.join(names)} FROM sessions ORDER BY id")
            return [dict(zip(names, row, strict=True)) for row in rows]

        found = self.store.read(work)
        return [{name: value for name, value in row.items() if name not in _UNSTABLE} for row in found]

    def nameless(self) -> list[dict[str, Any]]:
        """Return the sessions without their ids, in order, with their files."""
        rows = self.whole_rows()
        place = {row["id"]: (row["stream"], row["first_activity_at"]) for row in rows}
        files = {key: value[-1] for key, value in self.projection().items()}
        for row in rows:
            row["continues"] = None if row["continues"] is None else place[row["continues"]]
            row["touched"] = files[row.pop("id")]
            del row["created_at"]  # the anchor's, which is who came first
        return sorted(rows, key=lambda row: (str(row["stream"]), row["first_activity_at"]))

    def resolve(self, wanted: str, now: int) -> str:
        return self.store.read(lambda db: reports.find(db, wanted, now=now, judge=unknown)).id

    def sql(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        """Run a statement as a person does: over a connection that knows nothing of our rules.

        It is apsw's, since a second SQLite library in one process would drop the first one's locks.
        """
        db = apsw.Connection(self.path)
        try:
            db.execute(statement, parameters)
        finally:
            db.close()

    def copy(self, path: str) -> None:
        """Copy the store to a path."""
        source, target = apsw.Connection(self.path), apsw.Connection(path)
        try:
            with target.backup("main", source, "main") as backup:
                backup.step(-1)
        finally:
            target.close()
            source.close()
