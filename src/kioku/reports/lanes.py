"""Sessions side by side: each with the stretches in which it was active, in as few lanes as hold them all."""

from collections.abc import Iterable, Sequence
from datetime import date
from heapq import heappop, heappush
from typing import Final, NamedTuple

import apsw
import msgspec

from kioku import times
from kioku.days import Calendar, Range
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


class LanesOfDay(NamedTuple):
    """A day, and the sessions that lie in it or reach into it, in rows."""

    date: date
    since: int
    until: int
    rows: list[list[Lane]]

    @property
    def sessions(self) -> list[Lane]:
        """Return the day's sessions, the earliest first."""
        return sorted((lane for row in self.rows for lane in row), key=lambda lane: (lane.since, lane.session.id))

    @property
    def active_ms(self) -> int:
        """Return the time of the day in which at least one session was active."""
        return covered(stretch for lane in self.sessions for stretch in self.within(lane))

    def within(self, lane: Lane) -> list[tuple[int, int]]:
        """Return what of a session's stretches lies in the day."""
        found = [(max(since, self.since), min(until, self.until)) for since, until in lane.stretches]
        return [(since, until) for since, until in found if since < until]


def by_day(found: Sequence[Lane], wanted: Range, calendar: Calendar) -> list[LanesOfDay]:
    """Return the range's days with the sessions that begin, were active or end in each.

    So one whose start a person moved decades off is drawn there and where it was active, and not on each day between.
    """
    held: dict[int, list[Lane]] = {}
    for lane in found:
        first, last = calendar.date_of(lane.since), calendar.date_of(max(lane.since, lane.until - 1))
        if first == last:
            if wanted.first <= first <= wanted.last:
                held.setdefault(first.toordinal(), []).append(lane)
            continue
        spans = [(lane.since, lane.since), *lane.stretches, (lane.until - 1, lane.until)]
        dates = {
            number
            for since, until in spans
            for number in range(*_dates(calendar, max(since, lane.since), max(until - 1, lane.since), wanted))
        }
        for number in dates:
            held.setdefault(number, []).append(lane)
    return [
        LanesOfDay(day, *calendar.day(day), assign(held.get(number, ())))
        for number in range(wanted.first.toordinal(), wanted.last.toordinal() + 1)
        for day in (date.fromordinal(number),)
    ]


def _dates(calendar: Calendar, since: int, until: int, wanted: Range) -> tuple[int, int]:
    """Return the first of the range's dates that a stretch lies in, and the one after the last, as ordinals."""
    first, last = calendar.date_of(since), calendar.date_of(until)
    return max(first, wanted.first).toordinal(), min(last, wanted.last).toordinal() + 1
