"""Figures against the slow reference: whatever a store was told, in whatever order, they are the definitions'."""

import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from kioku.days import Calendar, Range
from kioku.models import EVENT
from kioku.reports import statistics
from kioku.sessions import combining, settling
from kioku.times import DAY
from tests.reports import calendars, reference
from tests.reports.years import Year, generated, small_years, streams_of
from tests.sessions.stage import HOUR, MINUTE, T0, Stage, report

_NUMBERS = ("clocks", "sessions", "calls", "prompts", "reads", "edits")
_SHARES = ("clients", "branches", "modules", "files", "tools")


def module_of(path: str) -> str | None:
    return path.partition("/")[0] if path.startswith("src/") else None


def asked(stage: Stage, place: tuple[str, int], first: datetime.date, last: datetime.date, now: int) -> dict[str, Any]:
    """Return the figures of the program, in the reference's shape."""
    calendar = Calendar(*place)
    wanted = Range(first, last, calendar.day(first)[0], calendar.day(last)[1])
    found = stage.store.read(lambda db: statistics.statistics(db, wanted, calendar, now=now, modules=module_of))
    plain: dict[str, Any] = msgspec.to_builtins(found, builtin_types=(datetime.date,))
    longest = plain["lengths"].pop("longest_id")
    if longest is not None:
        row = stage.store.read(
            lambda db: db.execute("SELECT stream, started_at FROM sessions WHERE id = ?", (longest,)).fetchone()
        )
        assert row is not None
        numbers = stage.store.read(lambda db: [n for (n,) in db.execute("SELECT id FROM streams ORDER BY id")])
        plain["longest"] = (numbers.index(row[0]), row[1])
    for name in _SHARES:
        plain[name] = {share.pop("name"): share for share in plain[name]}
        plain[name].pop("", None)
    return plain


def expected(
    stage: Stage, place: tuple[str, int], first: datetime.date, last: datetime.date, now: int
) -> dict[str, Any]:
    found = reference.statistics(
        streams_of(stage.store), calendars.calendar(*place), first, last, now, module_of=module_of
    )
    longest = found["lengths"].pop("longest")
    found["discoveries"], found["sessions_per_discovery"] = 0, None
    if longest:
        found["longest"] = longest
    for share in found["modules"].values():
        share["sessions"] = None
    return found


def agree(stage: Stage, place: tuple[str, int], first: datetime.date, last: datetime.date, now: int) -> None:
    ours, theirs = asked(stage, place, first, last, now), expected(stage, place, first, last, now)
    assert ours.pop("longest", None) in theirs.pop("longest", [None])
    for name in theirs:
        assert ours[name] == theirs[name], name
    assert ours == theirs


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(small_years())
def test_every_figure_is_the_references_before_and_after_settling(year: Year) -> None:
    with Stage() as stage:
        for told in year.deliveries:
            stage.take(stage.stream(told.stream), told.reports, told.now)
        for settle in (False, True):
            if settle:
                stage.sweep(year.now)
                settling.settle(stage.store)
            for place in year.calendars:
                agree(stage, place, year.first, year.last, year.now)


@pytest.mark.parametrize("seed", range(3))
def test_a_generated_year_is_told_as_the_reference_tells_it(seed: int) -> None:
    year = generated(seed, 40)
    with Stage() as stage:
        year.play(stage)
        settling.settle(stage.store)
        for place in year.calendars:
            agree(stage, place, year.first, year.last, year.now)
        middle = datetime.date(year.first.year, 6, 15)
        agree(stage, year.calendars[0], middle, middle + datetime.timedelta(days=40), year.now)


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_client_that_was_only_open_in_a_range_is_not_named_in_it(is_settled: bool) -> None:
    place = ("Asia/Tokyo", 0)  # whose midnight lies within a day of the rollups
    date = datetime.date(2026, 6, 1)
    midnight = Calendar(*place).day(date)[0]
    with Stage() as stage:
        stage.take(stage.stream("claude:1"), [report(1, midnight - T0 - 10 * MINUTE, MINUTE)], midnight)
        stage.take(stage.stream("claude:1"), [report(2, midnight - T0 + 10 * MINUTE, kind=EVENT)], midnight + HOUR)
        if is_settled:
            stage.sweep(midnight + HOUR)
            settling.settle(stage.store)
        before = date - datetime.timedelta(days=1)
        evening, morning = (asked(stage, place, day, day, midnight + HOUR) for day in (before, date))
        assert (evening["sessions"], list(evening["clients"])) == (1, ["claude-code"])
        assert (morning["sessions"], morning["clients"], morning["branches"]) == (0, {}, {})


def test_a_branch_without_a_name_has_no_time_rather_than_unknown_time_where_a_merged_session_knows_another() -> None:
    with Stage() as stage:
        stage.take(stage.stream("claude:1"), [report(1, 0, MINUTE, tool="Bash", branch="main")], T0 + MINUTE)
        stage.take(stage.stream("codex:2"), [report(2, HOUR, MINUTE, tool="Bash")], T0 + HOUR + MINUTE)
        stage.sweep(T0 + 9 * HOUR)
        stage.store.write(lambda db: combining.merge(db, sorted(stage.projection()), now=T0 + 9 * HOUR))
        calendar = Calendar("UTC")
        wanted = calendar.range("2026-05-28", T0 + DAY)
        shares = []
        for _ in ("live", "settled"):
            found = stage.store.read(lambda db: statistics.statistics(db, wanted, calendar, now=T0 + DAY))
            shares.append({share.name: (share.active_ms, share.calls) for share in found.branches})
            settling.settle(stage.store)
        assert shares == [{"main": (2 * MINUTE, 1), "": (0, 1)}] * 2


@pytest.mark.parametrize("start", [9_000_000_000_000_000, 0, -5])
def test_a_start_that_a_person_moved_far_off_is_one_day_more_and_not_all_that_lie_between(start: int) -> None:
    with Stage() as stage:
        stage.take(stage.stream(), [report(1, 0, MINUTE)], T0 + MINUTE)
        stage.sweep(T0 + 2 * HOUR)
        stage.sql("UPDATE sessions SET started_at = ?", (start,))
        stage.sweep(T0 + 2 * HOUR)
        settling.settle(stage.store)
        days = stage.store.read(lambda db: [day for (day,) in db.execute("SELECT day FROM session_days ORDER BY day")])
        assert days == sorted({T0 // DAY, start // DAY})


@pytest.mark.parametrize("start", [2**63 - 1, -(2**63), 2**62])
def test_a_start_beyond_every_calendar_is_put_back(start: int) -> None:
    with Stage() as stage:
        stage.take(stage.stream(), [report(1, 0, MINUTE)], T0 + MINUTE)
        stage.sweep(T0 + 2 * HOUR)
        stage.sql("UPDATE sessions SET started_at = ?", (start,))
        stage.sweep(T0 + 2 * HOUR)
        assert stage.store.read(lambda db: list(db.execute("SELECT started_at FROM sessions"))) == [(T0,)]
        assert stage.store.read(lambda db: list(db.execute("SELECT * FROM amendments"))) == []
