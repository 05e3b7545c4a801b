"""What the reports must say, from the definitions alone: intervals in whole ms, cut and added up one by one.

It shares nothing with the program but the reports and the names of their kinds. It keeps no totals and knows no slots;
every figure is found by going through every session again. Figures come as plain dicts, under the names that the
program's own classes have.

A session *belongs* to the day in which it began; what was counted in it, and its time, belong to their instants.
Sessions in which nothing counts are left out of everything but their number.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from kioku.models import (
    CONVERSATION_START,
    ECHO,
    EVENT,
    EVIDENCE,
    FILE_EDIT,
    FILE_READ,
    HOOK,
    MARKS,
    PROMPT,
    SERVER_START,
    TRANSCRIPT,
    TURN_END,
    Report,
)
from kioku.times import MINUTE

PAUSE = 5 * MINUTE  # the longest one that counts as active
CELL = MINUTE  # the wall clock's hour changes at most once in so long, even where midnight came again after a minute

Intervals = list[tuple[int, int]]
Figures = dict[str, Any]


class Stream(NamedTuple):
    """One conversation: its canonical reports in any order (end marks may be among them), its client and timeout."""

    reports: Sequence[Report]
    client: str | None = None
    timeout: int = 30 * MINUTE


class Calendar(NamedTuple):
    """Which local day an instant belongs to, from when until when a day is, and what hour the wall clock reads."""

    day_of: Callable[[int], date]
    bounds: Callable[[date], tuple[int, int]]
    hour_of: Callable[[int], int]


class Session(NamedTuple):
    """A session: the place of its stream, and its activities by start. `agent` and `waiting` are None if unknown."""

    stream: int
    client: str | None
    since: int
    until: int
    activities: list[Report]
    counted: list[Report]
    active: Intervals
    agent: Intervals | None
    waiting: Intervals | None
    branches: list[tuple[int, str]]

    @property
    def active_ms(self) -> int:
        return measure(self.active)

    def touches(self, since: int, until: int) -> bool:
        """Tell whether a moment of the session lies in a stretch of time, or an activity begins in it."""
        if self.until < since or self.since >= until:
            return False
        return bool(within([(self.since, self.until)], since, until)) or any(
            since <= a.at < until for a in self.activities
        )

    def branch_at(self, instant: int) -> str | None:
        """Return the branch in force: that named last; before any was named, the first."""
        if not self.branches:
            return None
        return ([self.branches[0][1]] + [name for since, name in self.branches if since <= instant])[-1]


# --- intervals --------------------------------------------------------------------------------------------------------


def joined(intervals: Iterable[tuple[int, int]], gap: int = 0) -> Intervals:
    """Return the connected parts of intervals, of which those no more than `gap` apart are one."""
    found: Intervals = []
    for since, until in sorted(intervals):
        if found and since - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found


def within(intervals: Iterable[tuple[int, int]], since: int, until: int) -> Intervals:
    """Return what of intervals lies in a range."""
    cut = ((max(a, since), min(b, until)) for a, b in intervals)
    return [(a, b) for a, b in cut if a < b]


def measure(intervals: Iterable[tuple[int, int]]) -> int:
    """Add up the lengths of intervals, in ms."""
    return sum(until - since for since, until in intervals)


# --- sessions ---------------------------------------------------------------------------------------------------------


def end(activity: Report) -> int:
    """Return when an activity was over; one without a length is a point."""
    return activity.at + (0 if activity.took is None else activity.took)


def sessions(streams: Sequence[Stream]) -> list[Session]:
    """Divide each stream's activities into sessions, the empty ones too."""
    found: list[Session] = []
    for place, stream in enumerate(streams):
        activities = sorted((r for r in stream.reports if r.kind not in MARKS), key=lambda r: (r.at, r.key))
        # Each holds its session open until its end and the timeout after it; what begins at that instant is too late.
        for since, until in joined((a.at, end(a) + stream.timeout - 1) for a in activities):
            members = [a for a in activities if since <= a.at <= until]
            found.append(_session(place, stream.client, members))
    return found


def _session(place: int, client: str | None, activities: list[Report]) -> Session:
    turns = _turns(activities)
    named = dict(sorted((a.at, str(a.branch)) for a in activities if a.branch is not None))
    return Session(
        stream=place,
        client=client,
        since=activities[0].at,
        until=max(map(end, activities)),
        activities=activities,
        counted=[a for a in activities if a.kind not in EVIDENCE and a.kind != ECHO],
        active=joined(((a.at, end(a)) for a in activities), PAUSE),
        agent=None if turns is None else turns[0],
        waiting=None if turns is None else turns[1],
        branches=sorted(named.items()),
    )


def _turns(activities: Sequence[Report]) -> tuple[Intervals, Intervals] | None:
    """Return when it was the assistant's turn and when the person's; None when nobody told of the conversation.

    The gap before an activity belongs to whose turn it was, the assistant's only up to five minutes. A call's own
    length is the assistant's, as far as nothing before it lasted longer. The start of a server or a conversation is
    nobody's work, and changes no turn; nor does an event, such as a compaction.
    """
    agent: Intervals = []
    waiting: Intervals = []
    turn: str | None = None
    latest = activities[0].at
    for activity in activities:
        begin, over = max(latest, activity.at), max(latest, end(activity))
        is_start = activity.kind in (SERVER_START, CONVERSATION_START)
        is_aside = is_start or activity.kind == EVENT
        if turn == "agent" and begin - latest <= PAUSE:
            agent.append((latest, begin))
        if turn == "person":
            waiting.append((latest, begin))
        if activity.kind == TURN_END:
            turn = "person"
        elif not is_aside and (activity.kind == PROMPT or activity.source in (HOOK, TRANSCRIPT) or turn is not None):
            turn = "agent"
        if turn is not None and not is_start:
            agent.append((begin, over))
        latest = over
    return None if turn is None else (agent, waiting)


# --- figures ----------------------------------------------------------------------------------------------------------


def statistics(
    streams: Sequence[Stream],
    calendar: Calendar,
    first: date,
    last: date,
    now: int,
    module_of: Callable[[str], str | None] = lambda _path: None,
) -> Figures:
    """Return every figure of the local days from `first` to `last`."""
    everything = sessions(streams)
    since, until = calendar.bounds(first)[0], calendar.bounds(last)[1]
    touching = [s for s in everything if s.counted and s.touches(since, until)]
    days = [_day(touching, calendar, first + timedelta(days=n)) for n in range((last - first).days + 1)]
    current, longest = streaks({day["date"] for day in days if day["clocks"]["union_ms"] > 0}, calendar.day_of(now))
    return {
        "since": since,
        "until": until,
        "days": days,
        **_stretch(touching, since, until),
        "grid": grid(touching, calendar, since, until),
        "lengths": lengths([s for s in touching if since <= s.since]),
        "streak_days": current,
        "longest_streak_days": longest,
        "hidden_empty": sum(not s.counted and since <= s.since < until for s in everything),
        **_shares(touching, since, until, module_of),
    }


def _day(found: Sequence[Session], calendar: Calendar, day: date) -> Figures:
    since, until = calendar.bounds(day)
    return {"date": day, "since": since, "until": until, **_stretch(found, since, until)}


def _stretch(found: Sequence[Session], since: int, until: int) -> Figures:
    """Return the clocks and numbers of a stretch of time."""
    found = [s for s in found if s.touches(since, until)]
    counted = [a for s in found for a in s.counted if since <= a.at < until]
    return {
        "clocks": clocks(found, since, until),
        "sessions": sum(since <= s.since < until for s in found),
        "calls": sum(a.tool is not None for a in counted),
        "prompts": sum(a.kind == PROMPT for a in counted),
        "reads": sum(_is(a, FILE_READ) for a in counted),
        "edits": sum(_is(a, FILE_EDIT) for a in counted),
    }


def clocks(found: Sequence[Session], since: int, until: int) -> Figures:
    """Return the clocks of sessions that touch a stretch: sums, and the time in which at least one was active.

    Whose turn it was is unknown where none of these sessions tells of it.
    """
    active = [interval for s in found for interval in within(s.active, since, until)]
    agent = [measure(within(s.agent, since, until)) for s in found if s.agent is not None]
    waiting = [measure(within(s.waiting, since, until)) for s in found if s.waiting is not None]
    return {
        "active_ms": measure(active),
        "union_ms": measure(joined(active)),
        "agent_ms": sum(agent) if agent else None,
        "waiting_ms": sum(waiting) if waiting else None,
    }


def grid(found: Sequence[Session], calendar: Calendar, since: int, until: int) -> list[list[int]]:
    """Return the time with activity by weekday of the local day (Monday first) and hour of the wall clock."""
    cells = [[0] * 24 for _ in range(7)]

    def cell(instant: int) -> tuple[int, int]:
        return calendar.day_of(instant).weekday(), calendar.hour_of(instant)

    left = joined(interval for s in found for interval in within(s.active, since, until))
    while left:
        a, b = left.pop()
        if b - a <= CELL and cell(a) == cell(b - 1):
            weekday, hour = cell(a)
            cells[weekday][hour] += b - a
        else:
            left += (a, (a + b) // 2), ((a + b) // 2, b)
    return cells


def lengths(begun: Sequence[Session]) -> Figures:
    """Return how long sessions were, by their whole active time; `longest` are the (stream, start) of all such."""
    by_length = sorted(s.active_ms for s in begun)
    count = len(by_length)
    return {
        "sessions": count,
        "average_ms": sum(by_length) // count if count else None,
        "median_ms": (by_length[(count - 1) // 2] + by_length[count // 2]) // 2 if count else None,
        "longest_ms": by_length[-1] if count else None,
        "longest": [(s.stream, s.since) for s in begun if s.active_ms == by_length[-1]],
    }


def streaks(days: set[date], today: date) -> tuple[int, int]:
    """Return how many days in a row had activity, up to today or yesterday; and at the most."""
    one = timedelta(days=1)

    def row_until(day: date) -> int:
        row = 0
        while day - row * one in days:
            row += 1
        return row

    return row_until(today) or row_until(today - one), max(map(row_until, days), default=0)


# --- shares -----------------------------------------------------------------------------------------------------------


def _shares(found: Sequence[Session], since: int, until: int, module_of: Callable[[str], str | None]) -> Figures:
    """Return by name what belongs to each client, branch, module, file and tool; what has no name belongs to none.

    `sessions` are those begun in the stretch that ever had it. Named is what has anything of the stretch: a client or
    branch time, a session or a count that is not zero, the others something that was counted.
    """

    def path(a: Report) -> str | None:
        return str(a.path) if _is(a, FILE_READ) or _is(a, FILE_EDIT) else None

    def module(a: Report) -> str | None:
        named = path(a)
        return None if named is None else module_of(named)

    return {
        "clients": _by(found, since, until, lambda s, _at: s.client),
        "branches": _by(found, since, until, Session.branch_at),
        "modules": _by_activity(found, since, until, module, "reads", "edits"),
        "files": _by_activity(found, since, until, path, "reads", "edits"),
        "tools": _by_activity(found, since, until, lambda a: None if a.tool is None else str(a.tool), "calls"),
    }


def _by(
    found: Sequence[Session], since: int, until: int, name_at: Callable[[Session, int], str | None]
) -> dict[str, Figures]:
    """Divide sessions' time and numbers by a name that is in force at each of their instants."""
    shares: dict[str, Figures] = {}
    for s in found:
        # Between these instants the name does not change.
        steps = sorted({s.since, *(at for at, _ in s.branches)})
        spans = list(zip(steps, [*steps[1:], s.until + 1], strict=True))
        for name in sorted({name for at in steps if (name := name_at(s, at)) is not None}):
            mine = [span for span in spans if name_at(s, span[0]) == name]
            counted = [a for a in s.counted if since <= a.at < until and name_at(s, a.at) == name]
            active = [piece for a, b in mine for piece in within(s.active, max(a, since), min(b, until))]
            share = shares.setdefault(name, _nothing(0))
            share["active_ms"] += measure(active)
            share["sessions"] += since <= s.since < until
            _count(share, counted, ("calls", "reads", "edits"))
    return {name: share for name, share in shares.items() if any(share.values())}


def _by_activity(
    found: Sequence[Session], since: int, until: int, name_of: Callable[[Report], str | None], *numbers: str
) -> dict[str, Figures]:
    """Divide what was counted by a name that each activity has by itself; such a name has no time of its own."""
    shares: dict[str, Figures] = {}
    for s in found:
        for name in sorted({name for a in s.counted if (name := name_of(a)) is not None}):
            mine = [a for a in s.counted if since <= a.at < until and name_of(a) == name]
            share = shares.setdefault(name, _nothing(None))
            share["sessions"] += since <= s.since < until
            _count(share, mine, numbers)
    return {name: share for name, share in shares.items() if any(share[number] for number in numbers)}


def _nothing(active_ms: int | None) -> Figures:
    return {"active_ms": active_ms, "sessions": 0, "calls": 0, "reads": 0, "edits": 0}


def _count(share: Figures, counted: Iterable[Report], numbers: Sequence[str]) -> None:
    for a in counted:
        told = {"calls": a.tool is not None, "reads": _is(a, FILE_READ), "edits": _is(a, FILE_EDIT)}
        for number in numbers:
            share[number] += told[number]


def _is(activity: Report, kind: str) -> bool:
    """Tell whether an activity read or edited a file whose name is known."""
    return activity.kind == kind and activity.path is not None
