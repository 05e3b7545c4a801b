"""Totals of a range of days: by day, by hour and weekday, and by client, branch, module, file and tool.

Every figure is of sessions with activity; how many have none is told beside. A session's time counts where it was
spent, to the millisecond; the session itself counts where it began. What parallel sessions share counts for each of
them in `active_ms`, and once in `union_ms`.
"""

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add
from typing import Final

import apsw
import msgspec

from kioku import times
from kioku.days import Calendar, Range
from kioku.reports.sources import Source
from kioku.sessions import rollup
from kioku.store.connection import one
from kioku.summaries import AT, BRANCH, CLIENT, COLUMNS, FILE, SLOT, SLOTS, TOOL, Shares
from kioku.summaries import Day as Rollup

Modules = Callable[[str], str | None]  # a path's module


class Clocks(msgspec.Struct, frozen=True, kw_only=True):
    """Time on the clocks, in ms: sums over sessions; `union_ms` is the time in which at least one was active."""

    active_ms: int
    union_ms: int
    agent_ms: int | None
    waiting_ms: int | None


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A local day, from `since` to `until`, and what was done in it; `sessions` began in it."""

    date: datetime.date
    since: int
    until: int
    clocks: Clocks
    sessions: int
    calls: int
    prompts: int
    reads: int
    edits: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one client, branch, module, file or tool has of the range.

    `active_ms` is known of clients and branches, `sessions` (begun in the range) of all but modules.
    """

    name: str
    active_ms: int | None
    sessions: int | None
    calls: int
    reads: int
    edits: int


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """The active times of the sessions that began in the range."""

    sessions: int
    average_ms: int | None
    median_ms: int | None
    longest_ms: int | None
    longest_id: str | None


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What was done in a range of local days. `grid` is `union_ms` by weekday (Monday first) and local hour.

    A streak is a run of days of the range with active time: `streak_days` up to today or yesterday,
    `longest_streak_days` at the most. `discoveries` are those, proposed or accepted, of the sessions that began in it;
    `sessions_per_discovery` is None while there are none.
    """

    since: int
    until: int
    days: list[Day]
    clocks: Clocks
    sessions: int
    calls: int
    prompts: int
    reads: int
    edits: int
    grid: list[list[int]]
    lengths: Lengths
    streak_days: int
    longest_streak_days: int
    hidden_empty: int
    discoveries: int
    sessions_per_discovery: float | None
    clients: list[Share]
    branches: list[Share]
    modules: list[Share]
    files: list[Share]
    tools: list[Share]


def statistics(
    db: apsw.Connection, wanted: Range, calendar: Calendar, *, now: int, modules: Modules | None = None
) -> Statistics:
    """Return what was done in a range of local days."""
    source = Source(db, wanted.since, wanted.until)
    rollups = {day.day: day for day in source.days()}
    days = [
        _day(date, since, until, rollups)
        for date, since, until in ((date, *calendar.day(date)) for date in _dates(wanted))
    ]
    shares = _by_kind(source.shares())
    files = shares[FILE]
    streak, longest_streak = _streaks(days, calendar.date_of(now))
    sessions, discoveries = sum(day.sessions for day in days), _discoveries(db, wanted)
    return Statistics(
        since=wanted.since, until=wanted.until, days=days, clocks=total(day.clocks for day in days),
        sessions=sessions, calls=sum(day.calls for day in days),
        prompts=sum(day.prompts for day in days), reads=sum(day.reads for day in days),
        edits=sum(day.edits for day in days), grid=_grid(days, rollups, calendar),
        lengths=_lengths(db, wanted, rollups), streak_days=streak, longest_streak_days=longest_streak,
        hidden_empty=_hidden(db, wanted), discoveries=discoveries,
        sessions_per_discovery=sessions / discoveries if discoveries else None,
        clients=shares[CLIENT], branches=shares[BRANCH],
        modules=[] if modules is None else _by_module(files, modules), files=files, tools=shares[TOOL],
    )  # fmt: skip


def _dates(wanted: Range) -> Iterator[datetime.date]:
    date = wanted.first
    while date <= wanted.last:
        yield date
        date += datetime.timedelta(days=1)


def _slices(since: int, until: int, rollups: dict[int, Rollup]) -> Iterator[tuple[Rollup, int, int]]:
    """Return the rollups that make up a stretch of time, each with the slots of it that lie within."""
    first, last = since // SLOT, until // SLOT
    for number in range(first // SLOTS, -(-last // SLOTS)):
        day = rollups.get(number)
        if day is not None:
            yield day, max(0, first - number * SLOTS), min(SLOTS, last - number * SLOTS)


def _day(date: datetime.date, since: int, until: int, rollups: dict[int, Rollup]) -> Day:
    sums = dict.fromkeys(COLUMNS, 0)
    for day, first, last in _slices(since, until, rollups):
        for name, at in AT.items():
            sums[name] += sum(day.slots[at + first : at + last])
    knows = bool(sums["known"])
    clocks = Clocks(
        active_ms=sums["active"], union_ms=sums["together"], agent_ms=sums["agent"] if knows else None,
        waiting_ms=sums["waiting"] if knows else None,
    )  # fmt: skip
    return Day(
        date=date, since=since, until=until, clocks=clocks, sessions=sums["begun"], calls=sums["calls"],
        prompts=sums["prompts"], reads=sums["reads"], edits=sums["edits"],
    )  # fmt: skip


def total(clocks: Iterable[Clocks]) -> Clocks:
    """Add up the clocks of several days; `agent` and `waiting` are unknown where no day knows them."""
    found = list(clocks)
    agent = [clock.agent_ms for clock in found if clock.agent_ms is not None]
    waiting = [clock.waiting_ms for clock in found if clock.waiting_ms is not None]
    return Clocks(
        active_ms=sum(clock.active_ms for clock in found), union_ms=sum(clock.union_ms for clock in found),
        agent_ms=sum(agent) if agent else None, waiting_ms=sum(waiting) if waiting else None,
    )  # fmt: skip


def _grid(days: Sequence[Day], rollups: dict[int, Rollup], calendar: Calendar) -> list[list[int]]:
    grid = [[0] * 24 for _ in range(7)]
    even: dict[tuple[int, int], list[int]] = {}  # by weekday and first hour: days of 24 hours are added up as they are
    for day in days:
        if not day.clocks.union_ms:
            continue
        weekday, slots = day.date.weekday(), _together(day, rollups)
        offset = calendar.offset(day.since)
        if offset != calendar.offset(day.until - 1) or (day.since + offset) % times.HOUR or len(slots) != SLOTS:
            for place, ms in enumerate(slots):
                if ms:
                    at = day.since + place * SLOT
                    grid[weekday][(at + calendar.offset(at)) // times.HOUR % 24] += ms
        else:
            key = weekday, (day.since + offset) // times.HOUR % 24
            even[key] = list(map(add, even[key], slots)) if key in even else slots
    for (weekday, hour), slots in even.items():
        for place in range(0, SLOTS, _SLOTS_AN_HOUR):
            grid[weekday][(hour + place // _SLOTS_AN_HOUR) % 24] += sum(slots[place : place + _SLOTS_AN_HOUR])
    return grid


def _together(day: Day, rollups: dict[int, Rollup]) -> list[int]:
    """Return `union_ms` of each slot of a day."""
    slots: list[int] = []
    for number in range(day.since // times.DAY, (day.until - 1) // times.DAY + 1):
        first = max(0, day.since // SLOT - number * SLOTS)
        last = min(SLOTS, day.until // SLOT - number * SLOTS)
        rolled = rollups.get(number)
        slots += rolled.slots[_TOGETHER + first : _TOGETHER + last].tolist() if rolled else [0] * (last - first)
    return slots


_TOGETHER: Final = AT["together"]
_SLOTS_AN_HOUR: Final = times.HOUR // SLOT


def _lengths(db: apsw.Connection, wanted: Range, rollups: dict[int, Rollup]) -> Lengths:
    found: list[int] = []
    slices = list(_slices(wanted.since, wanted.until, rollups))
    for day, first, last in slices:
        found += rollup.within(day.lengths, first, last)
    if not found:
        return Lengths(sessions=0, average_ms=None, median_ms=None, longest_ms=None, longest_id=None)
    found.sort()
    middle, longest = len(found) // 2, found[-1]
    where = next(day.day for day, first, last in slices if longest in rollup.within(day.lengths, first, last))
    median = found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) // 2
    since, until = max(wanted.since, where * times.DAY), min(wanted.until, (where + 1) * times.DAY)
    named = db.execute(
        """SELECT id FROM sessions WHERE started_at >= ? AND started_at < ? AND empty = 0 AND active_ms = ?
           ORDER BY started_at, id LIMIT 1""",
        (since, until, longest),
    ).fetchone()
    return Lengths(
        sessions=len(found), average_ms=sum(found) // len(found), median_ms=median, longest_ms=longest,
        longest_id=None if named is None else str(named[0]),
    )  # fmt: skip


def _streaks(days: Sequence[Day], today: datetime.date) -> tuple[int, int]:
    """Return how many days in a row had active time, up to today or yesterday, and at the most."""
    current = longest = row = 0
    for day in days:
        row = row + 1 if day.clocks.union_ms else 0
        longest = max(longest, row)
        if (today - day.date).days in (0, 1):
            current = row or current
    return current, longest


def _hidden(db: apsw.Connection, wanted: Range) -> int:
    query = "SELECT count(*) FROM sessions WHERE empty = 1 AND started_at >= ? AND started_at < ?"
    return int(one(db, query, (wanted.since, wanted.until))[0])


def _discoveries(db: apsw.Connection, wanted: Range) -> int:
    query = """SELECT count(DISTINCT d.id) FROM discoveries d
               LEFT JOIN merged_sessions m ON m.id = d.session_id AND m.id <> m.into_id
               JOIN sessions s ON s.id = coalesce(m.into_id, d.session_id)
               WHERE d.state IN ('proposed', 'accepted') AND s.empty = 0 AND s.started_at >= ? AND s.started_at < ?"""
    return int(one(db, query, (wanted.since, wanted.until))[0])


def _by_kind(shares: Shares) -> dict[int, list[Share]]:
    """Return the shares of each kind, the most important first."""
    found: dict[int, list[Share]] = {CLIENT: [], BRANCH: [], FILE: [], TOOL: []}
    for (kind, name), s in shares.items():
        if kind in (CLIENT, BRANCH) or s.calls or s.reads or s.edits:
            found[kind].append(
                Share(
                    name=str(name), active_ms=s.active_ms, sessions=s.sessions, calls=s.calls, reads=s.reads,
                    edits=s.edits,
                )
            )  # fmt: skip
    for ones in found.values():
        ones.sort(key=_importance)
    return found


def _importance(share: Share) -> tuple[int, int, int, str]:
    return -(share.active_ms or 0), -(share.calls + share.reads + share.edits), -(share.sessions or 0), share.name


def _by_module(files: Sequence[Share], modules: Modules) -> list[Share]:
    sums: dict[str, list[int]] = {}
    for file in files:
        name = modules(file.name)
        if name is not None:
            known = sums.setdefault(name, [0, 0])
            known[0] += file.reads
            known[1] += file.edits
    found = [
        Share(name=name, active_ms=None, sessions=None, calls=0, reads=reads, edits=edits)
        for name, (reads, edits) in sums.items()
    ]
    return sorted(found, key=_importance)
