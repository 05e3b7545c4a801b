"""Heat of files against its formula, and sums of days by week and month."""

import datetime
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from kioku.days import Calendar, Range
from kioku.models import FILE_EDIT, FILE_READ
from kioku.reports import statistics
from kioku.reports.heat import heat, weight
from kioku.reports.periods import periods
from kioku.sessions import settling
from kioku.times import DAY
from tests.reports import reference
from tests.reports.years import Year, small_years, streams_of
from tests.sessions.stage import Stage


def slow(stage: Stage, wanted: Range) -> dict[str, float]:
    """Return the heat of each file, activity by activity."""
    found: dict[str, float] = {}
    last = (wanted.until - 1) // DAY
    for session in reference.sessions(streams_of(stage.store)):
        for activity in session.counted:
            weighs = {FILE_READ: 1, FILE_EDIT: 2}.get(activity.kind)
            within = max(wanted.since, wanted.until - 180 * DAY) <= activity.at < wanted.until
            if activity.path is not None and weighs and within:
                old = last - activity.at // DAY
                found[activity.path] = found.get(activity.path, 0.0) + weighs * 0.5 ** (old / 14)
    return found


def warmth(stage: Stage, wanted: Range) -> dict[str, float]:
    return stage.store.read(lambda db: heat(db, wanted))


def ranges(year: Year) -> Iterator[Range]:
    for place in year.calendars:
        calendar = Calendar(*place)
        for first in (year.first, max(year.first, year.last - datetime.timedelta(days=40))):
            yield Range(first, year.last, calendar.day(first)[0], calendar.day(year.last)[1])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(small_years())
def test_heat_is_its_formula_before_and_after_settling(year: Year) -> None:
    with Stage() as stage:
        for told in year.deliveries:
            stage.take(stage.stream(told.stream), told.reports, told.now)
        for settle in (False, True):
            if settle:
                stage.sweep(year.now)
                settling.settle(stage.store)
            for wanted in ranges(year):
                assert warmth(stage, wanted) == pytest.approx(slow(stage, wanted))


def test_what_was_done_a_fortnight_earlier_weighs_half() -> None:
    assert (weight(0), weight(14), weight(28)) == (1.0, 0.5, 0.25)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(small_years())
def test_weeks_and_months_are_the_sums_of_their_days(year: Year) -> None:
    with Stage() as stage:
        for told in year.deliveries:
            stage.take(stage.stream(told.stream), told.reports, told.now)
        calendar, wanted = Calendar(*year.calendars[0]), next(ranges(year))
        found = stage.store.read(lambda db: statistics.statistics(db, wanted, calendar, now=year.now))
    names = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
    for unit, form in names.items():
        made = periods(found.days, unit)
        days: dict[str, list[statistics.Day]] = {}
        for day in found.days:
            days.setdefault(day.date.strftime(form), []).append(day)
        assert [period.name for period in made] == list(days)
        for period in made:
            own = days[period.name]
            assert (period.since, period.until) == (own[0].since, own[-1].until)
            for name in ("sessions", "calls", "prompts", "reads", "edits"):
                assert getattr(period, name) == sum(getattr(day, name) for day in own)
            for name in ("active_ms", "union_ms", "agent_ms", "waiting_ms"):
                known = [value for day in own if (value := getattr(day.clocks, name)) is not None]
                assert getattr(period.clocks, name) == (sum(known) if known else None)
        for name in ("active_ms", "union_ms"):
            assert sum(getattr(period.clocks, name) for period in made) == getattr(found.clocks, name)
