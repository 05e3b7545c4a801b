"""The reference is held to cases that were worked out by hand, and to the other reference and the stored sessions."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from kioku.models import (
    ANSWER,
    CONVERSATION_START,
    ECHO,
    FILE_EDIT,
    FILE_READ,
    HOOK,
    PROMPT,
    SERVER_START,
    SERVER_STOP,
    TRANSCRIPT,
    TURN_END,
    Report,
)
from kioku.times import HOUR, MINUTE
from tests.reports import reference
from tests.reports.calendars import calendar
from tests.reports.reference import Calendar, Figures, Stream
from tests.sessions import pairwise
from tests.sessions.stage import T0, TIMEOUT, read
from tests.sessions.stage import report as after_t0
from tests.sessions.test_laws import several

UTC_DAYS = calendar("UTC")
DAY = date(2026, 3, 2)  # a Monday


def at(hour: int, minute: int = 0, day: date = DAY) -> int:
    """Return an instant as ms, by a clock that shows UTC."""
    return round(datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def report(key: int, instant: int, took: int | None = None, **more: Any) -> Report:
    return after_t0(key, instant - T0, took, **more)


def figures(
    *streams: Stream, first: date = DAY, last: date | None = None, days: Calendar = UTC_DAYS, now: int = at(23)
) -> Figures:
    return reference.statistics(streams, days, first, last or first, now)


def conversation(*reports: Report, client: str | None = "claude-code") -> Stream:
    return Stream(reports, client)


class TestActiveTime:
    """Pauses up to five minutes, parallel sessions, and midnight."""

    def test_counts_a_pause_of_five_minutes_and_none_that_is_longer(self) -> None:
        stream = conversation(
            report(1, at(9)), report(2, at(9, 5)), report(3, at(9, 10) + 1), report(4, at(9, 20), MINUTE)
        )
        assert figures(stream)["clocks"]["active_ms"] == 6 * MINUTE

    def test_of_parallel_sessions_is_a_sum_and_a_union(self) -> None:
        one = conversation(report(1, at(9), 20 * MINUTE))
        other = conversation(report(2, at(9, 15), 10 * MINUTE))
        third = conversation(report(3, at(10), 5 * MINUTE))
        clocks = figures(one, other, third)["clocks"]
        assert (clocks["active_ms"], clocks["union_ms"]) == (35 * MINUTE, 30 * MINUTE)

    def test_is_cut_at_midnight_and_the_session_stays_with_the_day_that_it_began_on(self) -> None:
        stream = conversation(
            report(1, at(23, 50), 15 * MINUTE, tool="Bash"), report(2, at(23, 59) + 3 * MINUTE, tool="Bash")
        )
        both = figures(stream, last=date(2026, 3, 3))
        assert [day["clocks"]["active_ms"] for day in both["days"]] == [10 * MINUTE, 5 * MINUTE]
        assert [(day["sessions"], day["calls"]) for day in both["days"]] == [(1, 1), (0, 1)]
        assert both["lengths"]["longest_ms"] == 15 * MINUTE

    def test_adds_nothing_for_a_night_between_two_calls(self) -> None:
        stream = Stream([report(1, at(1)), report(2, at(1, 2)), report(3, at(9, 2))], None, 24 * HOUR)
        assert figures(stream)["clocks"]["active_ms"] == 2 * MINUTE
        assert figures(stream)["sessions"] == 1


class TestTurns:
    """Whose turn it was, as hooks and transcripts tell of it."""

    def clocks(self, *reports: Report) -> tuple[int | None, int | None]:
        found = figures(conversation(*reports))["clocks"]
        return found["agent_ms"], found["waiting_ms"]

    def test_are_unknown_where_only_a_server_reports(self) -> None:
        assert self.clocks(report(1, at(9), MINUTE), report(2, at(9, 2))) == (None, None)

    def test_go_from_the_prompt_to_the_end_of_the_turn_and_on_to_the_next_prompt(self) -> None:
        told = [
            report(1, at(9), source=HOOK, kind=PROMPT),
            report(2, at(9, 1), MINUTE, source=HOOK),
            report(3, at(9, 3), source=HOOK, kind=TURN_END),
            report(4, at(9, 20), source=HOOK, kind=PROMPT),
        ]
        assert self.clocks(*told) == (3 * MINUTE, 17 * MINUTE)

    def test_leave_a_long_silence_of_the_assistant_out(self) -> None:
        told = [report(1, at(9), kind=PROMPT), report(2, at(9, 5)), report(3, at(9, 10) + 1, MINUTE)]
        assert self.clocks(*told) == (6 * MINUTE, 0)

    def test_count_parallel_calls_once(self) -> None:
        told = [
            report(1, at(9), 10 * MINUTE, source=TRANSCRIPT),
            report(2, at(9, 1), MINUTE, source=TRANSCRIPT),
            report(3, at(9, 8), 4 * MINUTE, source=TRANSCRIPT),
        ]
        assert self.clocks(*told) == (12 * MINUTE, 0)

    def test_begin_with_what_first_tells_of_the_conversation(self) -> None:
        told = [
            report(1, at(9), kind=SERVER_START),
            report(2, at(9), MINUTE, source=HOOK, kind=CONVERSATION_START),
            report(3, at(9, 2), MINUTE),
            report(4, at(9, 4), MINUTE, source=HOOK),
            report(5, at(9, 6), source=HOOK, kind=ANSWER),
        ]
        assert self.clocks(*told) == (2 * MINUTE, 0)

    def test_of_several_sessions_are_the_sum_of_those_that_are_known(self) -> None:
        known = conversation(report(1, at(9), MINUTE, source=HOOK))
        unknown = conversation(report(2, at(9), HOUR))
        assert figures(known, unknown)["clocks"]["agent_ms"] == MINUTE
        assert figures(unknown)["clocks"]["agent_ms"] is None

    def test_are_unknown_on_a_day_that_the_session_does_not_touch(self) -> None:
        known = conversation(report(1, at(23, 30), 30 * MINUTE, source=HOOK))
        days = figures(known, last=date(2026, 3, 3))["days"]
        assert [day["clocks"]["agent_ms"] for day in days] == [30 * MINUTE, None]


class TestNumbers:
    """What counts, where, and for whom."""

    told = conversation(
        report(1, at(9), kind=PROMPT, branch="main"),
        report(2, at(9, 1), kind=FILE_READ, tool="Read", path="src/a.py"),
        report(3, at(9, 2), kind=FILE_READ, path="src/b.py"),
        report(4, at(9, 3), MINUTE, kind=FILE_EDIT, tool="Edit", path="src/a.py", branch="topic"),
        report(5, at(9, 4), tool="Bash"),
        report(6, at(9, 5), kind=FILE_READ, tool="Read"),
        report(7, at(9, 6), kind=ECHO, tool="read_file", path="src/a.py"),
        report(8, at(9, 7), kind=TURN_END, branch="main"),
        report(9, at(9, 8), kind=SERVER_STOP),
    )

    def test_are_of_counted_activities_alone(self) -> None:
        found = figures(self.told)
        assert [found[name] for name in ("sessions", "calls", "prompts", "reads", "edits")] == [1, 4, 1, 2, 1]

    def test_go_to_the_branch_that_is_in_force(self) -> None:
        branches = figures(self.told)["branches"]
        assert {name: (s["active_ms"], s["calls"], s["reads"], s["edits"]) for name, s in branches.items()} == {
            "main": (3 * MINUTE, 1, 2, 0),
            "topic": (4 * MINUTE, 3, 0, 1),
        }

    def test_before_the_first_known_branch_go_to_that(self) -> None:
        stream = conversation(report(1, at(9), MINUTE), report(2, at(9, 1), MINUTE, branch="late"))
        assert figures(stream)["branches"]["late"]["active_ms"] == 2 * MINUTE

    def test_go_to_client_files_and_tools_by_name(self) -> None:
        found = figures(self.told)
        assert found["clients"]["claude-code"]["active_ms"] == 7 * MINUTE
        assert {name: (s["reads"], s["edits"]) for name, s in found["files"].items()} == {
            "src/a.py": (1, 1),
            "src/b.py": (1, 0),
        }
        assert {name: s["calls"] for name, s in found["tools"].items()} == {"Read": 2, "Edit": 1, "Bash": 1}
        by_module = reference.statistics([self.told], UTC_DAYS, DAY, DAY, at(23), lambda path: path.partition("/")[0])
        assert {name: (s["reads"], s["edits"]) for name, s in by_module["modules"].items()} == {"src": (2, 1)}

    def test_are_none_of_a_session_in_which_nothing_counts(self) -> None:
        empty = conversation(report(1, at(9), kind=SERVER_START), report(2, at(9, 3), source=HOOK, kind=ANSWER))
        found = figures(empty)
        assert (found["hidden_empty"], found["sessions"], found["clocks"]["union_ms"]) == (1, 0, 0)
        assert (found["lengths"]["sessions"], found["clients"], found["streak_days"]) == (0, {}, 0)


class TestLengths:
    """Of the sessions begun in the range, by their whole active time."""

    def lengths(self, *minutes: int) -> Figures:
        found: Figures = figures(
            *(conversation(report(n, at(9), length * MINUTE + n)) for n, length in enumerate(minutes))
        )["lengths"]
        return found

    def test_have_the_middle_one_as_their_median(self) -> None:
        found = self.lengths(9, 2, 4)
        assert (found["median_ms"], found["longest_ms"]) == (4 * MINUTE + 2, 9 * MINUTE)
        assert found["average_ms"] == 5 * MINUTE + 1
        assert found["longest"] == [(0, at(9))]

    def test_have_half_of_the_two_middle_ones_rounded_down_if_they_are_even(self) -> None:
        assert self.lengths(1, 2)["median_ms"] == 90_000

    def test_of_no_session_are_unknown(self) -> None:
        found = self.lengths()
        assert (found["sessions"], found["average_ms"], found["median_ms"], found["longest_ms"]) == (
            0,
            None,
            None,
            None,
        )


@pytest.mark.parametrize(
    ("worked", "today", "streak", "longest"),
    [
        ([2, 3, 4], 4, 3, 3),
        ([2, 3, 4], 5, 3, 3),  # today has only begun
        ([2, 3, 4], 6, 0, 3),
        ([2, 3, 5, 6, 7, 9], 9, 1, 3),
        ([], 9, 0, 0),
    ],
)
def test_a_streak_is_of_days_in_a_row_up_to_today_or_yesterday(
    worked: list[int], today: int, streak: int, longest: int
) -> None:
    streams = [conversation(report(n, at(9, 0, date(2026, 3, n)), MINUTE)) for n in worked]
    found = figures(*streams, last=date(2026, 3, 9), now=at(8, 0, date(2026, 3, today)))
    assert (found["streak_days"], found["longest_streak_days"]) == (streak, longest)


class TestLocalDays:
    """Zones, starts of day, and days of 23 and 25 hours."""

    def test_of_a_zone_begin_at_its_own_midnight_or_later(self) -> None:
        day = date(2026, 7, 1)
        assert calendar("Asia/Kathmandu").bounds(day)[0] == at(18, 15, date(2026, 6, 30))
        assert calendar("Asia/Kathmandu", 4 * 60).bounds(day)[0] == at(22, 15, date(2026, 6, 30))
        assert calendar("America/New_York").bounds(day)[0] == at(4, 0, day)

    def test_have_23_and_25_hours_when_the_clocks_change(self) -> None:
        berlin = calendar("Europe/Berlin")
        spans = [berlin.bounds(day) for day in (date(2026, 3, 29), date(2026, 10, 25))]
        assert [until - since for since, until in spans] == [23 * HOUR, 25 * HOUR]

    def test_begin_at_the_change_where_their_start_does_not_exist_and_at_the_first_where_it_does_twice(self) -> None:
        berlin = calendar("Europe/Berlin", 2 * 60 + 30)
        assert berlin.bounds(date(2026, 3, 29))[0] == at(1, 0, date(2026, 3, 29))
        assert berlin.bounds(date(2026, 10, 25))[0] == at(0, 30, date(2026, 10, 25))
        assert berlin.day_of(at(1, 10, date(2026, 10, 25))) == date(2026, 10, 25)  # 02:10 for the second time

    def test_that_were_skipped_have_no_time(self) -> None:
        since, until = calendar("Pacific/Apia").bounds(date(2011, 12, 30))
        assert since == until
        assert calendar("Pacific/Apia").day_of(since) == date(2011, 12, 31)

    def test_put_the_hour_that_comes_twice_into_one_cell_of_the_grid(self) -> None:
        day = date(2026, 10, 25)  # a Sunday
        stream = conversation(report(1, at(0, 0, day), 3 * HOUR))
        found = figures(stream, first=day, days=calendar("Europe/Berlin"), now=at(23, 0, day))
        assert {hour: ms for hour, ms in enumerate(found["grid"][6]) if ms} == {2: 2 * HOUR, 3: HOUR}

    def test_give_the_small_hours_to_the_weekday_that_they_end(self) -> None:
        stream = conversation(report(1, at(3, 59), 2 * MINUTE + 1))
        days = calendar("UTC", 4 * 60)
        found = figures(stream, first=date(2026, 3, 1), last=DAY, days=days)
        cells = {(d, h): ms for d, row in enumerate(found["grid"]) for h, ms in enumerate(row) if ms}
        assert cells == {(6, 3): MINUTE, (0, 4): MINUTE + 1}


@settings(deadline=None, max_examples=100)
@given(several())
def test_sessions_and_active_time_are_those_that_comparing_each_with_each_gives(found: list[Report]) -> None:
    expected: Sequence[list[Report]] = pairwise.sessions(found, lambda _: TIMEOUT)
    ours = reference.sessions([Stream(found)])
    assert [(s.since, s.until) for s in ours] == [
        (min(a.at for a in part), max(map(pairwise.end, part))) for part in expected
    ]
    assert [s.active_ms for s in ours] == [pairwise.active(part) for part in expected]


def test_a_read_of_a_file_is_one_call_and_one_read() -> None:
    found = figures(Stream([read(1, at(9) - T0, "a.py")]))
    assert (found["calls"], found["reads"]) == (1, 1)
