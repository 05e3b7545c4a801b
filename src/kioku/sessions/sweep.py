"""The sweep: closing what has ended without saying so.

`plan` is the pure rule: silence ends a session, and a dead owner ends it at once. `sweep` applies it by
compare-and-set: a session that saw activity since it was looked at stays open. Every process that opens a store to
write sweeps first, so correctness never depends on anybody's timer.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import apsw
import msgspec

from kioku import times
from kioku.models import CLOSED, MARKS, OWNER_LOST, new_key
from kioku.redaction import Redacted
from kioku.sessions import archiving, automatic, combining, derive, edits, lease, record, settling
from kioku.sessions.lease import Verdict
from kioku.store import activities, archive, connection, legacy, merges, rollups, sessions
from kioku.store.store import Store

INTERVAL: Final = 5 * times.MINUTE  # how often a server repeats it, in ms
SETTLED: Final = 1_000  # how many sessions a sweep settles at most: somebody waits for it
BATCH: Final = 5_000  # how many sessions are closed before somebody is told how far it is

Judge = Callable[[str], Verdict]


class Open(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session that is stored as active, or a part of a merged one (`is_part`) that is."""

    seq: int
    id: str
    stream: int | None
    owner: str | None
    client: str | None
    started_at: int
    first_activity_at: int
    last_activity_at: int
    timeout_ms: int
    is_part: bool = False


class Closing(msgspec.Struct, frozen=True, gc=False):
    """A session to close, and the mark that gives the reason; without one it is silence."""

    session: Open
    mark: Redacted | None

    @property
    def reason(self) -> str:
        """Return the `end_reason` that it will have."""
        return derive.IDLE if self.mark is None else MARKS[self.mark]


def plan(found: Iterable[Open], now: int, judge: Judge) -> list[Closing]:
    """Decide which active sessions are over at an instant."""
    judged = (_over(session, now, _verdict(session, judge)) for session in found)
    return [closing for closing in judged if closing is not None]


def plan_cleanup(
    found: Iterable[Open], now: int, older_than_ms: float, judge: Judge
) -> tuple[list[Closing], list[Open]]:
    """Decide which active sessions a cleanup closes: the old ones without a living owner; return also the live ones."""
    closings: list[Closing] = []
    live: list[Open] = []
    for session in found:
        if now - session.started_at < older_than_ms:
            continue
        verdict = _verdict(session, judge)
        over = _over(session, now, verdict)
        if over is not None:
            closings.append(over)
        elif verdict is Verdict.ALIVE:
            live.append(session)
        else:
            closings.append(Closing(session, CLOSED))
    return closings, live


def _over(session: Open, now: int, verdict: Verdict) -> Closing | None:
    """Return how a session is closed if it is over."""
    if verdict is Verdict.DEAD:
        return Closing(session, OWNER_LOST)
    return Closing(session, None) if now >= session.last_activity_at + session.timeout_ms else None


def sweep(store: Store, folder: str, now: int, *, merge_within_ms: int = 0) -> int:
    """Close what is over, take in persons' edits and what quarantine releases; return how many sessions were closed.

    With `merge_within_ms`, those that are over and belong together are merged.
    """
    judge = lease.judge(folder)

    def is_due(db: apsw.Connection) -> bool:
        return bool(plan(active(db), now, judge)) or _has_other_work(db, now)

    if not store.read(lambda db: is_due(db) or automatic.is_due(db, merge_within_ms, now)):
        settling.settle(store, SETTLED)
        return 0
    marks: set[Redacted | None] = set()

    def apply(db: apsw.Connection) -> int:
        take_edits(db, now)
        for key, report in activities.release(db, now):
            stream = activities.find_stream(db, key)
            if stream is not None:
                record.take(db, stream, [report], now=now)
        record.derive_stale(db, now=now)
        for stream in sessions.misjudged(db, now):
            record.derive_stream(db, stream, now=now)
        for id in sessions.hasty(db, now):
            _adopt_again(db, id, now)
        closings = plan(active(db), now, judge)
        marks.update(closing.mark for closing in closings)
        found = close(db, closings, now)
        if merge_within_ms:
            automatic.merge(db, merge_within_ms, now=now)
        return found

    closed = store.write(apply)
    if marks - {None}:
        remove_leases(store, folder)
    settling.settle(store, SETTLED)
    return closed


def _close_part(db: apsw.Connection, closing: Closing, now: int) -> bool:
    """Close what is active of a merged session if it still stands as it stood in the plan; return whether it was."""
    part = closing.session
    if part.stream is None or not merges.is_active(db, part.stream, part.first_activity_at, part.last_activity_at):
        return False
    if closing.mark is not None:
        activities.add_mark(db, part.stream, closing.mark, part.last_activity_at, new_key())
    record.derive_stream(db, part.stream, now=now)
    return True


def remove_leases(store: Store, folder: str) -> None:
    """Remove the leases that dead owners left behind and that no open session needs any more."""
    owners = {session.owner for session in store.read(active) if session.owner}
    lease.sweep_files(folder, {token for owner in owners for token in owner.split("+")})


def close(
    db: apsw.Connection, closings: Sequence[Closing], now: int, progress: Callable[[int], None] = lambda _done: None
) -> int:
    """Close sessions that still stand as they stood in the plan; return how many were closed.

    The marks go into the activities, so that a rebuild finds the same ends. `progress` is told of each batch.
    """
    take_edits(db, now)
    if len(closings) > BATCH:
        connection.expect_much(db)
    closed = 0
    for start in range(0, len(closings), BATCH):
        batch = closings[start : start + BATCH]
        for found in batch:
            if found.session.stream is None and found.mark is not None:
                edits.decide_end(db, found.session.id, found.session.last_activity_at, found.reason, now=now)
        whole = [closing for closing in batch if not closing.session.is_part]
        for mark in {closing.mark for closing in whole if closing.mark is not None}:
            places = ((c.session.seq, c.session.last_activity_at, new_key()) for c in whole if c.mark == mark)
            activities.add_marks(db, mark, places)
        closed += sessions.close(db, ((c.session.seq, c.session.last_activity_at, c.reason) for c in whole), now=now)
        closed += sum(_close_part(db, closing, now) for closing in batch if closing.session.is_part)
        progress(len(batch))
    return closed


def active(db: apsw.Connection) -> list[Open]:
    """Return the sessions that are stored as active, oldest first."""
    return [Open(**columns) for columns in sessions.active(db)]


def rebuild(store: Store, now: int, *, timeout_ms: int | None = None) -> None:
    """Derive every session of the store anew; with `timeout_ms`, as if it had always been in force."""

    def work(db: apsw.Connection) -> None:
        take_edits(db, now)
        rollups.clear(db)
        combining.put_in_force(db)
        if timeout_ms is not None:
            activities.retime(db, timeout_ms)
        for stream in activities.all_streams(db):
            record.derive_stream(db, stream, now=now)
        for id in sessions.amended_ids(db, legacy.ADOPTED):
            _adopt_again(db, id, now)
        for seq in archive.all_archived(db):
            archiving.refresh(db, seq)

    store.write(work)
    settling.settle(store)


def take_edits(db: apsw.Connection, now: int) -> None:
    """Take in what persons changed by SQL, and derive those sessions anew with it."""
    found = sessions.edited(db)
    for row in found:
        edits.capture(db, row, now=now)
    for stream in {row.stream for row in found} - {None}:
        assert stream is not None
        record.derive_stream(db, stream, now=now)
    for row in found:
        if row.stream is None:
            _adopt_again(db, row.session.id, now)
        elif archive.is_archived(db, row.seq):
            archiving.refresh(db, row.seq)


def adopt(db: apsw.Connection, ids: Iterable[str], now: int) -> None:
    """Write sessions that came from the older program's store as what is decided about them says."""
    for id in ids:
        _adopt_again(db, id, now)


def _adopt_again(db: apsw.Connection, id: str, now: int) -> None:
    """Write a session that came from the older program's store anew; others without activities stay as they are."""
    for data in sessions.amendments(db, [id], legacy.ADOPTED):
        values = legacy.values(id, data, now=now)
        edits.overlay(db, [id], values)
        rollups.outdate(db, legacy.write(db, values, data))


def _verdict(session: Open, judge: Judge) -> Verdict:
    return Verdict.UNKNOWN if session.owner is None else judge(session.owner)


def _has_other_work(db: apsw.Connection, now: int) -> bool:
    return bool(
        sessions.has_edited(db)
        or activities.has_releasable(db, now)
        or activities.stale(db)
        or sessions.misjudged(db, now)
        or sessions.hasty(db, now)
    )
