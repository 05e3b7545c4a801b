"""Sessions side by side: each with the stretches in which it was active, in as few lanes as hold them all."""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final

import apsw
import msgspec

from kioku import times
from kioku.days import Range
from kioku.models import Session
from kioku.reports.sessions import Judge, standing
from kioku.sessions import settling
from kioku.sessions.digest import union
from kioku.store import rollups
from kioku.store import sessions as rows
from kioku.store.values import whole
from kioku.summaries import ACTIVE_CLOCK, Stretch


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """A session and the stretches in which it was active, (since, until) in ms, disjoint and in order."""

    session: Session
    stretches: list[tuple[int, int]]

    @property
    def since(self) -> int:
        """Return the instant at which the session began."""
        return min([self.session.started_at, *(since for since, _ in self.stretches[:1])])

    @property
    def until(self) -> int:
        """Return the instant at which the session ended, or was last active; never before it began."""
        ended = self.session.last_activity_at if self.session.ended_at is None else self.session.ended_at
        return max([self.since, ended, *(until for _, until in self.stretches[-1:])])


def lanes(db: apsw.Connection, wanted: Range, *, now: int, judge: Judge) -> list[Lane]:
    """Return the sessions with activity that lie in a range of days, by start; the parts outside of it too."""
    stretches: dict[int, list[tuple[int, int]]] = {}
    for seq, since, until in db.execute(_ACTIVE, (wanted.since // times.DAY, (wanted.until - 1) // times.DAY)):
        if whole(since) is not None and whole(until) is not None:
            stretches.setdefault(seq, []).append((since, until))
    for part, _ in settling.parts(db, rollups.undigested_within(db, wanted.since, wanted.until)):
        active = [(s.since, s.until) for s in part.digest.stretches if s.clock == ACTIVE_CLOCK]
        stretches[part.seq] = [] if part.empty else active
    found = []
    for seq, active in stretches.items():
        row = rows.by_seq(db, seq) if active else None
        if row is not None:
            lane = Lane(session=standing(row.session, now, judge), stretches=active)
            if lane.since < wanted.until and wanted.since <= lane.until:
                found.append(lane)
    return sorted(found, key=lambda lane: (lane.since, lane.session.id))


_ACTIVE: Final = """
SELECT c.session, c.since, c.until FROM (SELECT DISTINCT session FROM session_days WHERE day BETWEEN ? AND ?) d
JOIN clocks c ON c.session = d.session AND c.clock = 1
JOIN sessions s ON s.seq = c.session AND s.digest IS NOT NULL ORDER BY c.session, c.since"""


def assign(sessions: Iterable[Lane]) -> list[list[Lane]]:
    """Put sessions into the fewest rows in which none overlaps another: each in the uppermost that is free.

    What comes earlier decides, never the order in which the sessions are given; so a session that is added later does
    not move those before it. Sessions that only touch do not overlap; one without length takes its instant.
    """
    rows: list[list[Lane]] = []
    free: list[int] = []  # rows that nobody is in
    taken: list[tuple[int, int]] = []  # (until, row)
    for lane in sorted(sessions, key=lambda lane: (lane.since, lane.until, lane.session.id)):
        while taken and taken[0][0] <= lane.since:
            heappush(free, heappop(taken)[1])
        if not free:
            free.append(len(rows))
            rows.append([])
        row = heappop(free)
        rows[row].append(lane)
        heappush(taken, (max(lane.until, lane.since + 1), row))
    return rows


def covered(stretches: Iterable[tuple[int, int]]) -> int:
    """Return the time that at least one stretch covers, in ms."""
    return sum(part.until - part.since for part in union(Stretch(ACTIVE_CLOCK, *stretch) for stretch in stretches))
