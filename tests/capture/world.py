"""A conversation and those who tell of it: servers, hooks and a transcript, all writing to one real store."""

from typing import Any, Self

import apsw

from kioku.capture.keeping import Keeper
from kioku.capture.seen import Seen
from kioku.models import FILE_READ, HOOK, SERVER, SERVER_START, TRANSCRIPT, Report, key_of
from kioku.redaction import redact
from kioku.sessions import joining, record
from kioku.store import activities, joins, turns
from tests.sessions.stage import HOUR, PROJECT, T0, TIMEOUT, Stage

NOW = T0 + 80 * HOUR
CLAUDE = "p:10:1:boot:ns"
ROOT = "/home/ana/project"


class World:
    """A store, and the streams that write to it."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.transcript = Keeper("claude", TRANSCRIPT, [ROOT])
        self.hook = Keeper("claude", HOOK, [ROOT])

    def conversation(self, db: apsw.Connection, name: str) -> int:
        key = redact(f"claude:{name}")
        return activities.stream(db, key, project_id=PROJECT, owner=None, timeout_ms=TIMEOUT, now=T0)

    def server(self, name: str, at: int, process: str = CLAUDE, claim: str | None = None) -> None:
        """Let a server begin under a client's process."""

        def work(db: apsw.Connection) -> None:
            stream = self.stream_of(db, name)
            joins.sight(db, redact(process), stream, at)
            if claim is not None:
                joins.claim(db, stream, redact(f"claude:{claim}"))
            joining.join(db, stream, project_id=PROJECT, timeout_ms=TIMEOUT, now=NOW)

        self.stage.store.write(work)
        self.told(name, Report(key=key_of(name, "start"), source=SERVER, at=at, kind=SERVER_START))

    def call(self, server: str, at: int, path: str = "b.py") -> None:
        """Let a server tell of a call of its own."""
        self.told(
            server,
            Report(
                key=key_of(server, at),
                source=SERVER,
                at=at,
                took=0,
                kind=FILE_READ,
                tool=redact("read_file"),
                path=redact(path),
            ),
        )

    def stream_of(self, db: apsw.Connection, name: str) -> int:
        key = redact(f"server:{name}")
        return activities.stream(db, key, project_id=PROJECT, owner=name, timeout_ms=TIMEOUT, now=T0)

    def told(self, server: str, report: Report) -> None:
        self.stage.store.write(lambda db: record.take(db, self.stream_of(db, server), [report], now=NOW))

    def seen(
        self, keeper: Keeper, seen: Seen, record_id: str | None = None, process: str | None = None, **sighting: Any
    ) -> None:
        """Take in what a hook or a transcript told."""

        def work(db: apsw.Connection) -> None:
            stream = self.conversation(db, seen.conversation)
            kept = keeper.keep(seen, record_id)
            if keeper is self.hook:
                record.take(db, stream, kept.reports, now=NOW)
            else:
                record.store(db, stream, kept.reports, now=NOW)
                record.derive_stale(db, now=NOW)
            if kept.turn is not None:
                turns.add_turn(db, stream, kept.turn)
            if process is not None and joins.sight(db, redact(process), stream, seen.at, **sighting):
                record.derive_stream(db, stream, now=NOW)
                joining.join_under(db, process, project_id=PROJECT, timeout_ms=TIMEOUT, now=NOW)

        self.stage.store.write(work)

    def rows(self) -> list[dict[str, Any]]:
        """Return the sessions, with their streams by name and without ids."""
        names = self.stage.store.read(lambda db: dict(db.execute("SELECT id, key FROM streams")))
        found = self.stage.nameless()
        for row in found:
            row["stream"] = names[row["stream"]]
            if row["continues"] is not None:
                row["continues"] = (names[row["continues"][0]], row["continues"][1])
        return sorted(found, key=lambda row: (row["stream"], row["started_at"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stage.close()
