"""Few rollups cover any stretch of days, and each day of it counts once."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kioku.reports.covering import Span, cover
from kioku.sessions.settling import month_days, month_of


def days_of(span: Span) -> range:
    if span.unit == "day":
        return range(span.first, span.last + 1)
    years = span.unit == "year"
    first = month_days(span.first * 12 if years else span.first)[0]
    return range(first, month_days(span.last * 12 + 11 if years else span.last)[1] + 1)


@given(st.integers(-1_000, 40_000), st.integers(0, 3_000))
def test_every_day_of_the_stretch_counts_once_and_no_other(first: int, more: int) -> None:
    counted: Counter[int] = Counter()
    for span in cover(first, first + more):
        for day in days_of(span):
            counted[day] += span.sign
    assert {day for day, times in counted.items() if times} == set(range(first, first + more + 1))
    assert set(counted.values()) <= {0, 1}


@given(st.integers(0, 40_000), st.integers(0, 3_000))
def test_a_stretch_never_costs_more_rollups_than_it_has_days_and_a_long_one_few(first: int, more: int) -> None:
    spans = cover(first, first + more)
    rollups = sum(span.last + 1 - span.first for span in spans)
    assert rollups <= more + 1
    assert rollups <= 2 * 16 + 2 * 6 + more // 365 + 1
    assert [a for a, b in pairwise(spans) if a.unit == b.unit == "year"] == []


def test_a_year_that_lacks_its_last_day_is_the_year_less_a_day() -> None:
    first = month_days(2022 * 12)[0]
    assert cover(first, first + 363) == [Span("day", first + 364, first + 364, -1), Span("year", 2022, 2022, 1)]


def test_the_last_month_of_the_calendar_has_no_end_to_take_out() -> None:
    last = month_days(month_of(1 << 50))[0]
    assert cover(last, last + 3) == [Span("day", last, last + 3, 1)]
