"""What hooks left in the spool becomes reports: exactly once, and by whichever Kioku process comes first.

A batch is removed once everything in it is committed. Who is killed in between leaves it to the next, which writes the
same rows again: they have keys of their own, so nothing is there twice. A project whose store cannot be written keeps
its events in the spool, and no other's.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

import apsw

from kioku import project, times
from kioku.capture import events, homeless, spool
from kioku.capture.keeping import Keeper
from kioku.capture.spool import Batch, Record
from kioku.capture.stores import Home, Stores
from kioku.errors import KiokuError, StoreBusyError, StoreError
from kioku.models import HOOK, Report
from kioku.project import Project
from kioku.redaction import redact
from kioku.sessions import joining, processes, record
from kioku.settings import user_folder
from kioku.store import activities, forgotten, imports, joins, turns
from kioku.store.turns import Turn

_SUCCEEDS = frozenset({"clear", "resume", "fork"})  # how a conversation begins that takes another's place

TORN: Final = redact("spool.torn")
HEARD: Final = "heard."  # and the client's word: how many of its events were taken in, and when the last one was


class Drained(NamedTuple):
    """What was taken in, and what is still there because its store could not be written: (root, reason)."""

    events: int
    left: list[tuple[str, str]]


def drain(stores: Stores, only: Project | None = None) -> Drained:
    """Take in what is in the spool, of one project or of all. A failure leaves the rest for another time."""
    taken = 0
    left: list[tuple[str, str]] = []
    for folder in spool.pending(user_folder("state")):
        if only is not None and not _is_of(folder.root, only):
            continue
        try:
            for batch in spool.take(folder):
                taken += _take(stores, batch)
                batch.done()
        except (KiokuError, OSError) as error:
            if only is not None and not isinstance(error, StoreBusyError):
                raise error if isinstance(error, KiokuError) else StoreError(str(error)) from error
            left.append((folder.root, str(error)))
    return Drained(taken, left)


def _is_of(root: str, wanted: Project) -> bool:
    if root in (wanted.root, wanted.workdir):
        return True
    # Another worktree of the same repository.
    try:
        return project.find(root, (), root).root == wanted.root
    except KiokuError:
        return False


def _take(stores: Stores, batch: Batch) -> int:
    """Write a batch into the stores that it belongs to; return how many events it had."""
    now = times.now_ms()
    by_home: dict[str, tuple[Home, list[Record]]] = {}
    count = 0
    for told in batch.records:
        count += 1
        home = stores.home(told.cwd or told.root, begin=False)
        if home is not None:
            by_home.setdefault(home.project.store_path, (home, []))[1].append(told)
    if not by_home and batch.torn:
        own = stores.own()
        by_home[own.project.store_path] = own, []
    torn = batch.torn
    for home, records in by_home.values():
        store = stores.open(home)
        store.write(
            partial(_write, home=home, project_id=store.project_id, batch=(batch.id, torn), records=records, now=now)
        )
        torn = 0  # counted once
        if home.own:
            for root in {told.root for told in records}:
                homeless.note(root)
    return count


def _write(
    db: apsw.Connection, home: Home, project_id: str, batch: tuple[str, int], records: Sequence[Record], now: int
) -> None:
    if imports.take_batch(db, batch[0], now):
        imports.count(db, TORN, batch[1], now)
        for client, events_of in _by_client(records).items():
            latest = min(now, max(told.at for told in events_of))
            imports.count(db, redact(f"{HEARD}{client}"), len(events_of), latest)
    timeout = home.settings.timeout_ms
    keepers: dict[str, Keeper] = {}
    streams: dict[str, int] = {}
    reports: dict[int, list[Report]] = {}  # taken in together: to derive a conversation for each would take for ever
    seen_anew: dict[str, None] = {}
    said: list[tuple[int, Turn]] = []
    for told in records:
        keeper = keepers.get(told.client)
        if keeper is None:
            keeper = keepers[told.client] = Keeper(told.client, HOOK, home.bases, home.exclude)
        for index, seen in enumerate(events.seen(told)):
            key = f"{told.client}:{seen.conversation}"
            if forgotten.has_conversation(db, redact(key), seen.at):
                continue
            if key not in streams:
                streams[key] = activities.stream(
                    db, redact(key), project_id=project_id, owner=None, timeout_ms=timeout, now=now
                )
                if home.own:
                    activities.set_folder(db, streams[key], redact(told.root[:4096]))
            stream = streams[key]
            kept = keeper.keep(seen, f"{told.id}.{index}")
            reports.setdefault(stream, []).extend(kept.reports)
            if kept.turn is not None:
                said.append((stream, kept.turn))
            if told.process is None:
                continue
            process = processes.token_of(*told.process)
            is_news = joins.sight(
                db, redact(process), stream, seen.at, ended=seen.kind == "end",
                succeeds=seen.kind == "start" and seen.detail in _SUCCEEDS,
            )  # fmt: skip
            if is_news:
                activities.mark_stale(db, stream)
                seen_anew[process] = None
    for stream, told_of in reports.items():
        record.take(db, stream, told_of, now=now)
    for stream, turn in said:  # whether what was said is known already, its report tells
        turns.add_turn(db, stream, turn)
    for process in seen_anew:
        joining.join_under(db, process, project_id=project_id, timeout_ms=timeout, now=now)
    record.derive_stale(db, now=now)


def _by_client(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for told in records:
        found.setdefault(told.client, []).append(told)
    return found


def backlog() -> Iterator[tuple[str, int, int | None]]:
    """Return what waits in the spool: (project's folder, bytes, instant of the oldest event)."""
    for folder in spool.pending(user_folder("state")):
        yield folder.root, folder.bytes, folder.oldest
