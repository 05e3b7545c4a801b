"""Generated years: what hooks, transcripts and servers tell, late, twice, in parallel, by clocks that jump.

Every instant that matters is met often, and missed by a millisecond as often: changes of the clocks, beginnings of
local days, multiples of a quarter of an hour, the pauses of 5 and 30 minutes. `generated` makes a whole year from a
seed, `small_years` a few activities that hypothesis can make smaller still.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import NamedTuple

import apsw
import msgspec
from hypothesis import strategies as st

from kioku.models import (
    ANSWER,
    CALL_END,
    CONVERSATION_START,
    EVENT,
    FILE_EDIT,
    FILE_READ,
    HOOK,
    PROMPT,
    SERVER,
    SERVER_START,
    SERVER_STOP,
    TOOL_CALL,
    TRANSCRIPT,
    TURN_END,
    Report,
)
from kioku.redaction import Redacted, redact
from kioku.sessions.canonical import canonical
from kioku.store import activities
from kioku.store.store import Store
from kioku.times import DAY, HOUR, MINUTE, SECOND
from tests.reports.calendars import calendar
from tests.reports.reference import Stream
from tests.sessions.stage import T0, TIMEOUT, Stage, report

QUARTER = 15 * MINUTE

# Zones and a year in which something happened to their clocks: half an hour, at midnight, a day left out.
PLACES = (
    ("Europe/Berlin", 2026),
    ("America/New_York", 2026),
    ("America/Havana", 2026),
    ("Australia/Lord_Howe", 2026),
    ("Pacific/Chatham", 2026),
    ("Africa/Casablanca", 2026),
    ("Asia/Kathmandu", 2026),
    ("America/St_Johns", 2010),
    ("Pacific/Apia", 2011),
    ("Asia/Pyongyang", 2018),
    ("UTC", 2024),
)
STARTS = (0, 15, 2 * 60 + 30, 4 * 60, 23 * 60 + 45)  # minutes after midnight at which days begin

LONG_AGO = (0, 1, QUARTER - 1, QUARTER, DAY - 1)
FAR_AHEAD = (4_102_444_800_000, 253_402_300_799_999, 253_402_300_800_000, 1 << 52)  # 2100, the end of 9999, beyond

# Streams by key: what may tell of them, and the client, where the key does not say it.
STREAMS: dict[str, tuple[int, ...]] = {
    "claude:one": (TRANSCRIPT, HOOK),
    "claude:two": (HOOK,),
    "codex:three": (TRANSCRIPT,),
    "server:four": (SERVER,),
    "server:five": (SERVER,),
}
SERVED = redact("some-editor")

_TOOLS = ("Read", "Edit", "Bash", "Grep")
_PATHS = ("src/a.py", "src/b.py", "docs/c.md")
_BRANCHES = (None, None, "main", "topic", "Zweig")
_SLIPS = (0, 0, 0, -1, 1)
_GAPS = (
    0, 1, SECOND, 20 * SECOND, MINUTE, 5 * MINUTE - 1, 5 * MINUTE, 5 * MINUTE + 1, QUARTER, TIMEOUT - 1, TIMEOUT,
)  # fmt: skip
_LENGTHS = (None, None, 0, 1, SECOND, MINUTE, 5 * MINUTE, QUARTER, 25 * MINUTE, TIMEOUT, 70 * MINUTE)
_NIGHT = 8 * HOUR
_KINDS: tuple[Redacted, ...] = (
    TOOL_CALL, TOOL_CALL, FILE_READ, FILE_READ, FILE_EDIT, FILE_EDIT, PROMPT, PROMPT, ANSWER, TURN_END, TURN_END,
    CALL_END, EVENT, CONVERSATION_START,
)  # fmt: skip
_SERVER_KINDS: tuple[Redacted, ...] = (TOOL_CALL, FILE_READ, FILE_READ, FILE_EDIT, SERVER_START, SERVER_STOP)


class Delivery(NamedTuple):
    """Reports that a store is given at once, for one stream, at the instant that its clock then shows."""

    stream: str
    reports: list[Report]
    now: int


class Year(NamedTuple):
    """What a store is told in a year, in the order of arrival, and the calendars by which people ask about it.

    The first calendar is where most of it happened; in the others the person has travelled since.
    """

    deliveries: list[Delivery]
    calendars: list[tuple[str, int]]
    first: date
    last: date
    now: int

    def play(self, stage: Stage) -> None:
        """Tell a store all of it."""
        for told in self.deliveries:
            stream = stage.stream(told.stream)
            if told.stream.startswith("server:"):
                stage.store.write(lambda db, at=stream: activities.name_client(db, at, SERVED, redact("1")))  # type: ignore[misc]
            stage.take(stream, told.reports, told.now)
        stage.sweep(self.now)


def streams_of(store: Store) -> list[Stream]:
    """Return what a store holds, as the reference takes it: the canonical reports of each stream."""

    def work(db: apsw.Connection) -> list[Stream]:
        served = activities.is_served(db)
        found = []
        for number in activities.all_streams(db):
            facts = activities.stream_facts(db, number)
            assert facts is not None
            steps = activities.timeouts(db, number)
            assert len(steps) == 1
            reports = canonical(activities.load(db, number), served=served).reports
            found.append(Stream(reports, facts["client"], steps[0][1]))
        return found

    return store.read(work)


@cache
def edges(zone: str, year: int, day_starts: int) -> tuple[int, ...]:
    """Return the instants of a year at which local days of another length than 24 hours begin and end, and some more.

    In a year without any, a few ordinary days stand in for them.
    """
    days = calendar(zone, day_starts)
    found: set[int] = set()
    for number in range(366):
        day = date(year, 1, 1) + timedelta(days=number)
        since, until = days.bounds(day)
        if until - since != DAY or number in (0, 59, 180):
            found |= {since, until, *_changes(days.hour_of, since, until)}
    return tuple(sorted(found))


def _changes(hour_of: Callable[[int], int], since: int, until: int) -> list[int]:
    """Return the quarters of an hour in a day at which the wall clock jumps."""
    found = []
    for at in range(since - QUARTER, until, QUARTER):
        step = (hour_of(at + QUARTER) - hour_of(at)) % 24
        if step not in (0, 1):
            found.append(at + QUARTER)
    return found


# --- a whole year from a seed -----------------------------------------------------------------------------------------


def generated(seed: int, sessions: int = 60) -> Year:
    """Make a year with about so many sessions and about 10 activities in each: the same for the same seed."""
    return _Maker(Random(seed)).year(sessions)


class _Maker:
    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._key = chance.getrandbits(40)

    def year(self, sessions: int) -> Year:
        chance = self._chance
        zone, year = chance.choice(PLACES)
        day_starts = chance.choice(STARTS)
        wanted = edges(zone, year, day_starts)
        begin, over = calendar(zone, day_starts).bounds(date(year, 1, 1))[0], max(wanted[-1], T0) + DAY
        told: list[Delivery] = []
        late: list[Delivery] = []
        for _ in range(sessions):
            near = chance.choice(wanted) + chance.randrange(-8, 9) * QUARTER + chance.choice(_SLIPS)
            far = begin + chance.randrange(365) * DAY + chance.randrange(6, 20) * HOUR + chance.randrange(HOUR)
            at = chance.choice((near, near, far))
            for stream in chance.sample(list(STREAMS), chance.choice((1, 1, 2, 3))):  # in parallel
                self._session(stream, at + chance.choice((0, 1, MINUTE, QUARTER)), told, late)
        told.sort(key=lambda delivery: delivery.now)
        for delivery in late:
            told.insert(chance.randrange(len(told) + 1), delivery)
        told += self._strays(over)
        ask = [(zone, day_starts), *((chance.choice(PLACES)[0], chance.choice(STARTS)) for _ in range(2))]
        return Year(told, ask, date(year, 1, 1), date(year, 12, 31), over)

    def _session(self, stream: str, at: int, told: list[Delivery], late: list[Delivery]) -> None:
        """Tell of one stretch of work: most of it as it happens, some of it late or twice, by a clock that may jump."""
        chance = self._chance
        # A server's own clock is believed, also while it is wrong.
        jump = chance.choice((0, 0, 0, 0, -3 * HOUR, 2 * HOUR, 1)) if stream.startswith("server:") else 0
        wrong_from = chance.randrange(12)
        batch: list[Report] = []
        for number in range(chance.randrange(1, 18)):
            shown = at + jump if number >= wrong_from else at
            made = self._report(stream, shown)
            fate = chance.random()
            if fate < 0.12:
                late.append(Delivery(stream, [made], max(shown, made.until) + chance.randrange(1, 400) * HOUR))
            else:
                batch.append(made)
            if fate > 0.85:
                (batch if fate > 0.92 else _late_batch(late, stream, shown)).append(self._again(stream, made))
            if chance.random() < 0.3:
                told.append(Delivery(stream, batch, shown + (made.took or 0)))
                batch = []
            at = self._next(made.until if chance.random() < 0.7 else made.at) - (jump if number >= wrong_from else 0)
        if batch:
            told.append(Delivery(stream, batch, batch[-1].until))

    def _next(self, at: int) -> int:
        """Return when the next activity begins: soon, after a pause, at a quarter of an hour, or after a night."""
        chance = self._chance
        way = chance.random()
        if way < 0.03:
            return at + _NIGHT
        if way < 0.2:
            return _quarter_after(at) + chance.choice(_SLIPS)
        return at + chance.choice(_GAPS)

    def _report(self, stream: str, at: int) -> Report:
        chance = self._chance
        self._key += 2
        source = chance.choice(STREAMS[stream])
        kind = chance.choice(_SERVER_KINDS if source == SERVER else _KINDS)
        loose = source == HOOK and kind in (PROMPT, TURN_END) and chance.random() < 0.5
        length = chance.choice(_LENGTHS)
        way = chance.random()
        if way < 0.1:
            length = max(0, _quarter_after(at) + chance.choice(_SLIPS) - at)
        elif way < 0.13:
            length = _NIGHT + chance.randrange(HOUR)  # a call that seems to have lasted the night
        return told_of(self._key | loose, at, length, source, kind, chance.randrange(1 << 16))

    def _again(self, stream: str, known: Report) -> Report:
        """Return a report that was told already: word for word, by another source, or told better."""
        source = self._chance.choice(STREAMS[stream])
        if known.is_loose or self._chance.random() < 0.4:
            return known
        took = self._chance.choice((known.took, (known.took or 0) + SECOND))
        return msgspec.structs.replace(known, source=source, took=took)

    def _strays(self, now: int) -> list[Delivery]:
        """Return rows from 1970 and from the far future, told by servers that believed it, and by a transcript."""
        found = [
            Delivery(stream, [self._report(stream, at)], now)
            for stream, instants in (("server:four", LONG_AGO), ("codex:three", LONG_AGO), ("server:five", FAR_AHEAD))
            for at in instants
        ]
        return [*found, Delivery("codex:three", [self._report("codex:three", FAR_AHEAD[0])], now)]


def _late_batch(late: list[Delivery], stream: str, at: int) -> list[Report]:
    """Return a new batch that arrives late."""
    late.append(Delivery(stream, [], at + DAY))
    return late[-1].reports


def _quarter_after(at: int) -> int:
    return (at // QUARTER + 1) * QUARTER


def told_of(key: int, at: int, took: int | None, source: int, kind: Redacted, pick: int) -> Report:
    """Make a report that has what its kind has; `pick` chooses tool, path and branch."""
    is_file = kind in (FILE_READ, FILE_EDIT)
    tool = _TOOLS[pick % 4] if is_file or kind == TOOL_CALL else None
    if is_file and pick % 16 == 5:
        tool = None  # a further file of a call
    path = _PATHS[pick // 16 % 3] if is_file and pick % 64 != 7 else None  # one whose name is not kept
    branch = _BRANCHES[pick // 64 % 5]
    if kind in (PROMPT, ANSWER, TURN_END, SERVER_STOP, CALL_END, EVENT, SERVER_START):
        took = None
    return report(key, at - T0, took, source=source, kind=kind, tool=tool, path=path, branch=branch)


# --- a few activities, for hypothesis ---------------------------------------------------------------------------------


@st.composite
def small_years(draw: st.DrawFn, most: int = 14) -> Year:
    """Draw a few activities of a few streams around the edges of a year, in any order, and some of them twice."""
    zone, year = draw(st.sampled_from(PLACES))
    day_starts = draw(st.sampled_from(STARTS))
    wanted = edges(zone, year, day_starts)
    # Most lie about one edge, so that they meet.
    edge = draw(st.sampled_from(wanted))
    now = max(wanted[-1], T0) + DAY
    places = draw(st.lists(st.sampled_from(sorted(STREAMS)), min_size=1, max_size=3, unique=True))
    found: list[Delivery] = []
    for _ in range(draw(st.integers(1, most))):
        stream = draw(st.sampled_from(places))
        made = draw(_activities(stream, edge, wanted))
        found.append(Delivery(stream, [made], draw(st.sampled_from((now, max(0, made.at))))))
    again = draw(st.lists(st.sampled_from(found), max_size=3))
    return Year([*found, *again], [(zone, day_starts)], date(year, 1, 1), date(year, 12, 31), now)


@st.composite
def _activities(draw: st.DrawFn, stream: str, edge: int, others: Sequence[int]) -> Report:
    base = draw(st.sampled_from((edge, edge, edge, edge, edge, *others[:2], LONG_AGO[0], FAR_AHEAD[0])))
    at = max(0, base + draw(st.integers(-12, 12)) * 5 * MINUTE + draw(st.sampled_from(_SLIPS)))
    source = draw(st.sampled_from(STREAMS[stream]))
    kind = draw(st.sampled_from(_SERVER_KINDS if source == SERVER else _KINDS))
    took = draw(st.sampled_from((*_LENGTHS, _NIGHT, _quarter_after(at) - at)))
    key = sorted(STREAMS).index(stream) * 1000 + draw(st.integers(0, 30))
    return told_of(key, at, took, source, kind, draw(st.integers(0, (1 << 16) - 1)))


@st.composite
def ranges(draw: st.DrawFn, year: Year) -> tuple[date, date]:
    """Draw a range of days of a year, first and last, that begins near something that happened, and ends there too."""
    days = calendar(*year.calendars[0])
    since, until = days.bounds(year.first)[0], days.bounds(year.last)[1]
    told = {days.day_of(r.at) for d in year.deliveries for r in d.reports if since <= r.at < until}
    near = st.builds(
        lambda day, number: day + timedelta(days=number),
        st.sampled_from(sorted(told | {year.first})),
        st.integers(-2, 2),
    )
    first, last = sorted((draw(near), draw(near)))
    return first, last
