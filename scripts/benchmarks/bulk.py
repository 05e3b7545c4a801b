"""Many sessions at once."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import apsw

from kioku import project as places
from kioku import times
from kioku.models import SERVER, SERVER_START, Report, new_key
from kioku.redaction import redact
from kioku.sessions import lease, record
from kioku.store import activities
from kioku.store.opening import open_store
from kioku.store.store import Store
from scripts.benchmarks.figures import KIOKU, Figure, workplace

ORPHANS = 100_000


def cleanup() -> Iterator[Figure]:
    """Close 100,000 sessions that nobody ended, with the whole command."""
    with workplace() as (project, env):
        _make_orphans(project)
        began = time.perf_counter()
        result = subprocess.run(
            [*KIOKU, "cleanup-sessions", "--force", "--older-than", "0"], cwd=project, env=env, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        elapsed = time.perf_counter() - began
        assert f"Closed {ORPHANS} sessions." in result.stdout, result
    yield Figure(f"cleanup-sessions closes {ORPHANS} orphans", elapsed, "s", 3)


def _make_orphans(project: Path) -> None:
    """Record sessions of servers that were killed: each left its lease behind, and nobody holds the lock."""
    where = places.find(str(project), [], str(project))
    places.prepare(where)
    store: Store = open_store(where.store_path)
    now = times.now_ms()

    def work(db: apsw.Connection) -> None:
        for number in range(ORPHANS):
            token = redact(f"gone{number}")
            stream = activities.stream(
                db, token, project_id=store.project_id, owner=token, timeout_ms=30 * times.MINUTE, now=now
            )
            start = Report(key=new_key(), source=SERVER, at=now - number, kind=SERVER_START)
            record.take(db, stream, [start], now=now)
            with open(lease.path_of(where.run_dir, token), "wb") as file:
                file.write(lease.content(token, file.fileno()))

    store.write(work)
    store.close()
