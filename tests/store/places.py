"""Real stores on disk for the tests of the store."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw

from kioku import project
from kioku.models import FILE_READ, SERVER, TOOL_CALL, Report, new_key
from kioku.project import Project
from kioku.redaction import redact
from kioku.sessions import record
from kioku.store import activities
from kioku.store.opening import open_store
from kioku.store.store import Store

T0 = 1_780_000_000_000
MINUTE = 60_000


def place(root: Path) -> Path:
    """Prepare `.context/` in a folder; return the path where its store goes."""
    root.mkdir(exist_ok=True)
    project.prepare(Project(str(root), str(root)))
    return root / ".context" / "sessions.db"


def add(store: Store, count: int = 1, *, detail: str = "", stream: str = "stream") -> list[int]:
    """Record that many activities, a minute apart; return their keys."""

    def work(db: apsw.Connection) -> list[int]:
        number = activities.stream(
            db, redact(stream), project_id="p", owner=None, timeout_ms=30 * MINUTE, now=T0
        )  # fmt: skip
        reports = [
            Report(
                key=new_key(), source=SERVER, at=T0 + n * MINUTE, kind=FILE_READ if n % 2 else TOOL_CALL,
                tool=redact("read_file"), path=redact(f"src/file{n % 30}.py") if n % 2 else None,
                detail=redact(detail + str(n)) if detail else None,
            )
            for n in range(count)
        ]  # fmt: skip
        record.take(db, number, reports, now=T0 + count * MINUTE)
        return [report.key for report in reports]

    return store.write(work)


def filled(path: Path, count: int = 60) -> list[int]:
    """Make a store with some sessions at a path and close it; return the keys of its activities."""
    store = open_store(str(path))
    try:
        return add(store, count)
    finally:
        store.close()


def ask(path: Path, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run one statement as a person would, over a connection that knows nothing of our rules.

    It is apsw's, since a second SQLite library in one process would drop the first one's locks.
    """
    db = apsw.Connection(str(path))
    try:
        db.set_busy_timeout(30_000)
        return list(db.execute(statement, parameters))
    finally:
        db.close()


def keys(path: Path) -> set[int]:
    """Return the keys of all activities."""
    return {row[0] for row in ask(path, "SELECT key FROM reports")}


def is_whole(path: Path) -> bool:
    return ask(path, "PRAGMA integrity_check") == [("ok",)]


def beside(path: Path, word: str) -> list[Path]:
    """Return what was kept under a name with that word, side files left out."""
    found = path.parent.glob(f"sessions.db.{word}-*")
    return sorted(kept for kept in found if not kept.name.endswith(("-wal", "-shm", "-journal")))


def start(script: str, *arguments: object, env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    """Start a Python process with our modules."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **(env or {})},
    )  # fmt: skip


def outputs(running: Sequence["subprocess.Popen[str]"], timeout: float = 60) -> list[str]:
    """Wait for processes; fail with what the first unhappy one complained about."""
    found = [(process.communicate(timeout=timeout), process.returncode) for process in running]
    for (_, complaint), code in found:
        assert code == 0, complaint
    return [output for (output, _), _ in found]
