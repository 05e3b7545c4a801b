"""Settling: sessions that are over get their digest, and the days that changed their rollup.

Reports must be right on a store that nobody settles, so the same functions give them what is not settled yet. Every
process that sweeps settles some; correctness never depends on how much.
"""

import datetime
from collections.abc import Iterable, Iterator
from typing import Final

import apsw

from kioku import times
from kioku.models import MARKS, Report
from kioku.sessions import canonical, derive, digest, rollup
from kioku.store import activities, rollups, sessions
from kioku.store.names import Names
from kioku.store.store import Store
from kioku.summaries import READ, SLOT, Digest, Part, Tally

SESSIONS_AT_ONCE: Final = 250  # in one transaction: others wait for it
DAYS_AT_ONCE: Final = 50


def settle(store: Store, most: int | None = None) -> bool:
    """Make what digests and rollups are missing, of at most so many sessions; return whether nothing is missing now."""
    done = 0
    while store.read(rollups.has_unsettled):
        if most is not None and done >= most:
            return False
        done += store.write(_settle_some) or SESSIONS_AT_ONCE
    return True


def _settle_some(db: apsw.Connection) -> int:
    """Settle some sessions, or some days when no session is left; return how many sessions."""
    over = sessions.over_without_digest(db, SESSIONS_AT_ONCE)
    for part, checksum in parts(db, over):
        rollups.put_digest(db, part, checksum)
    if not over:
        refresh(db, rollups.outdated(db)[:DAYS_AT_ONCE])
    return len(over)


def refresh(db: apsw.Connection, days: Iterable[int]) -> None:
    """Make the rollups of some UTC days anew, and those of their months and years."""
    names = Names(db)
    months = {}
    for number in days:
        found = list(rollups.parts_of_day(db, number, names))
        since = number * times.DAY
        rollups.put_day(db, rollup.day(number, found), rollup.shares(found, since, since + times.DAY))
        month = month_of(number)
        months[month] = month_days(month)
    for month, (first, last) in months.items():
        rollups.put_gaps(db, month, first, last)
        rollups.put_files(db, "month", month, "day", first, last)
    for year in {month // 12 for month in months}:
        rollups.put_files(db, "year", year, "month", year * 12, year * 12 + 11)


def parts(db: apsw.Connection, seqs: Iterable[int]) -> Iterator[tuple[Part, bytes]]:
    """Make the parts of some sessions anew from their activities, each with the checksum of what it was made from."""
    loaded: dict[int, dict[int, list[Report]]] = {}
    for seq in seqs:
        facts = rollups.part_facts(db, seq)
        if facts is None:
            continue
        members: list[Report] = []
        digests: list[Digest] = []
        for stream, since in sessions.runs_of(db, seq):
            if stream not in loaded:
                loaded.clear()  # sessions come stream by stream
                loaded[stream] = _members(db, stream)
            found = loaded[stream].get(since, [])
            members += found
            if found:
                digests.append(digest.digest(found))
        if not digests:
            digests = [_from_files(db, seq)]
        made = digests[0] if len(digests) == 1 else digest.united(digests)
        part = Part(**facts, digest=made)
        yield part, checksum(part, members)


def checksum(part: Part, members: Iterable[Report]) -> bytes:
    """Return the checksum of what a session's digest and its place in the rollups are made from."""
    facts = (part.started_at, part.until, part.client, part.empty, part.active_ms, part.agent_ms, part.gap_before)
    return digest.checksum(members, *facts)


def _members(db: apsw.Connection, stream: int) -> dict[int, list[Report]]:
    """Return the activities of each of a stream's runs, by when it began."""
    reports, _ = canonical.canonical(activities.load(db, stream), served=activities.is_served(db))
    timeouts = derive.Timeouts(activities.timeouts(db, stream))
    # Where a run is known to begin, one begins: also where a person divided the stream.
    starts = tuple(sessions.starts_of(db, stream))
    found = derive.runs((report for report in reports if report.kind not in MARKS), timeouts, starts)
    return {run.first_activity_at: list(members) for run, members in found}


def _from_files(db: apsw.Connection, seq: int) -> Digest:
    """Make the digest of a session that has files and no activities: one of the older program's."""
    counts = {Tally(first // SLOT, READ, path): reads for path, reads, first in sessions.files_of(db, seq) if reads}
    return Digest([], counts, [])


def month_of(day: int) -> int:
    """Return the month of a UTC day, counted from the year 0; before the year 1 and after 9999, the nearest."""
    date = datetime.date.fromordinal(min(max(day + _EPOCH, 1), _LAST_DAY))
    return date.year * 12 + date.month - 1


def month_days(month: int) -> tuple[int, int]:
    """Return the first and the last UTC day of a month.

    The first that there is has all that come before it, the last all that come after it.
    """
    first = datetime.date(month // 12, month % 12 + 1, 1).toordinal() - _EPOCH
    if month <= month_of(1 - _EPOCH):
        first = -(1 << 60)
    if month >= month_of(_LAST_DAY):
        return first, 1 << 60
    return first, datetime.date((month + 1) // 12, (month + 1) % 12 + 1, 1).toordinal() - _EPOCH - 1


_EPOCH: Final = datetime.date(1970, 1, 1).toordinal()
_LAST_DAY: Final = datetime.date.max.toordinal()
