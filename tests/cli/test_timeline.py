"""`kioku sessions timeline`: sessions side by side, drawn true to their times."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from kioku import times
from kioku.cli.timeline_command import _as_json
from kioku.cli.timeline_screen import screen
from kioku.days import Range
from kioku.reports.lanes import Lane, LanesOfDay, assign, by_day, covered
from tests.cli.made_up import CALENDAR, lane

DAY = date(2026, 11, 24)
MORNING = CALENDAR.day(DAY)[0] + 5 * times.HOUR  # nine o'clock: the day begins at four
MINUTE = times.MINUTE

spans = st.tuples(st.integers(0, 3 * 1440), st.integers(0, 400))
some_lanes = st.lists(spans, max_size=40).map(
    lambda found: [
        lane(f"{n:04}abcdefghjkmn", [(MORNING + s * MINUTE, MORNING + (s + length) * MINUTE)], client=f"client{n % 7}")
        for n, (s, length) in enumerate(found)
    ]
)


def days_of(found: list[Lane], count: int = 1) -> list[LanesOfDay]:
    last = DAY + timedelta(days=count - 1)
    return by_day(found, Range(DAY, last, CALENDAR.day(DAY)[0], CALENDAR.day(last)[1]), CALENDAR)


def shown(days: list[LanesOfDay], width: int = 70, encoding: str = "utf-8") -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in screen(days, CALENDAR, width, encoding)]


@given(some_lanes)
def test_no_two_sessions_in_a_lane_overlap_and_there_are_no_more_lanes_than_needed(found: list[Lane]) -> None:
    rows = assign(found)
    assert sorted(one.session.id for row in rows for one in row) == [one.session.id for one in found]
    for row in rows:
        assert all(one.until <= other.since and one.since < other.since for one, other in pairwise(row))
    begins = {one.since for one in found}
    at_once = [sum(one.since <= at < max(one.until, one.since + 1) for one in found) for at in begins]
    assert len(rows) == max(at_once, default=0)


@given(some_lanes, st.randoms())
def test_lanes_do_not_depend_on_the_order_in_which_sessions_are_given(found: list[Lane], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert assign(shuffled) == assign(found)


@given(some_lanes)
def test_a_later_session_moves_none_that_began_before_it(found: list[Lane]) -> None:
    ordered = sorted(found, key=lambda one: (one.since, one.until, one.session.id))
    before, after = assign(ordered[:-1]), assign(ordered)
    assert [row[: len(before[n])] for n, row in enumerate(after) if n < len(before)] == before


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 90)), max_size=20))
def test_the_union_is_the_time_that_at_least_one_covers(found: list[tuple[int, int]]) -> None:
    stretches = [(since, since + length) for since, length in found]
    assert covered(stretches) == len({at for since, until in stretches for at in range(since, until)})


@settings(deadline=None)
@given(some_lanes, st.integers(1, 220), st.sampled_from(("utf-8", "ascii", "cp437")), st.integers(1, 4))
def test_no_line_is_wider_than_the_terminal_or_more_than_its_stream_can_show(
    found: list[Lane], width: int, encoding: str, count: int
) -> None:
    for line in shown(days_of(found, count), width, encoding):
        assert cell_len(line) <= width
        line.encode(encoding)


@given(some_lanes)
def test_every_session_is_in_each_day_that_it_reaches_into_and_no_time_is_lost(found: list[Lane]) -> None:
    days = days_of(found, 5)
    for one in found:
        held = [day for day in days if one in day.sessions]
        assert held == [
            day for day in days if one.since < day.until and (one.until > day.since or one.since >= day.since)
        ]
        assert sum(until - since for day in held for since, until in day.within(one)) == one.until - one.since


def test_a_day_is_drawn_with_its_hours_its_lanes_and_a_line_for_each_session() -> None:
    one = lane("k7w2m9qd0000", [(MORNING, MORNING + 60 * MINUTE), (MORNING + 75 * MINUTE, MORNING + 120 * MINUTE)],
               client="claude-code", title="Make it so")  # fmt: skip
    other = lane("x0f4hn3b0000", [(MORNING + 90 * MINUTE, MORNING + 180 * MINUTE)])
    late = lane("9ae5tzr10000", [(MORNING + 300 * MINUTE, MORNING + 330 * MINUTE)], status="active")
    lines = shown(days_of([late, other, one]), 64)
    assert lines[:6] == [
        "Tue 24 Nov 2026  3 sessions  3 h 15 min active  up to 2 at once",
        " 09        10        11         12        13        14",
        " ██████████▌──███████▌          ┊         ┊         ▐█████▸",
        " claude-code k7w2m9qd                            codex 9ae5tzr1",
        " ┊         ┊    ▐███████████████┊         ┊         ┊",
        "                codex x0f4hn3b",
    ]
    assert lines[6:] == [
        "",
        " k7w2m9qd  09:00 to 11:00  1 h 45 min  claude-code  main · Make…",
        " x0f4hn3b  10:30 to 12:00  1 h 30 min  codex        main",
        " 9ae5tzr1  14:00 to now        30 min  codex        main",
    ]


def test_what_reaches_over_the_start_of_day_is_in_both_days() -> None:
    night = CALENDAR.day(DAY)[1]
    days = days_of([lane("k7w2m9qd0000", [(night - 60 * MINUTE, night + 30 * MINUTE)])], 3)
    assert [day.active_ms for day in days] == [60 * MINUTE, 30 * MINUTE, 0]
    text = "\n".join(shown(days))
    assert "Tue 24 Nov  1 session  1 h active" in text
    assert "Wed 25 Nov  1 session  30 min active" in text
    (first, *_) = days_of([lane("k7w2m9qd0000", [(night - 60 * MINUTE, night + 30 * MINUTE)])])
    assert shown([first])[-1].split()[:4] == ["k7w2m9qd", "03:00", "to", "later"]


def test_a_session_whose_start_lies_far_before_its_activity_is_not_drawn_on_the_days_between() -> None:
    late = lane("k7w2m9qd0000", [(MORNING + 9 * times.DAY, MORNING + 9 * times.DAY + MINUTE)])
    moved = replace(late, session=replace(late.session, started_at=MORNING))
    days = days_of([moved], 11)
    assert [number for number, day in enumerate(days) if moved in day.sessions] == [0, 9]
    assert [line for line in shown(days) if "no sessions" in line] == [
        "Wed 25 Nov to Wed 2 Dec 2026  no sessions", "Fri 4 Dec 2026  no sessions",
    ]  # fmt: skip


def test_days_without_sessions_are_gathered_in_one_line() -> None:
    text = shown(days_of([lane("k7w2m9qd0000", [(MORNING, MORNING + MINUTE)])], 5))
    assert text[-1] == "Wed 25 to Sat 28 Nov 2026  no sessions"
    assert shown(days_of([])) == ["Tue 24 Nov 2026  no sessions"]


def test_hours_are_those_of_the_local_clock_also_where_it_was_changed() -> None:
    day = date(2026, 10, 24)  # begins at four, and ends after the night in which two o'clock came twice
    since, until = CALENDAR.day(day)
    found = [lane("k7w2m9qd0000", [(until - 6 * times.HOUR, until)])]
    lines = shown(by_day(found, Range(day, day, since, until), CALENDAR), 80)
    assert lines[1].split() == ["23", "00", "01", "02", "02", "03"]


def test_json_tells_each_lane_with_what_lies_in_the_day() -> None:
    night = CALENDAR.day(DAY)[1]
    (day,) = days_of([lane("k7w2m9qd0000", [(night - 60 * MINUTE, night + 30 * MINUTE)])])
    plain = _as_json(day)
    assert (plain["date"], plain["until"], plain["union_ms"]) == (DAY, night, 60 * MINUTE)
    assert isinstance(plain["rows"], list)
    ((session,),) = plain["rows"]
    assert session["id"] == "k7w2m9qd0000"
    assert session["stretches"] == [(night - 60 * MINUTE, night)]
