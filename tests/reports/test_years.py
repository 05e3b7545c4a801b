"""Generated years hold what they promise, and the reference finds in them the sessions that the store has."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kioku.models import FILE_EDIT, FILE_READ
from tests.reports import reference
from tests.reports.calendars import calendar
from tests.reports.reference import Figures, Session
from tests.reports.years import FAR_AHEAD, QUARTER, Year, generated, ranges, small_years, streams_of
from tests.sessions.stage import Stage

# Of `Stage.nameless`, what the reference knows too.
NAMES = (
    "started_at", "last_activity_at", "client", "branch", "active_ms", "agent_ms", "waiting_ms", "activities",
    "tool_calls", "empty",
)  # fmt: skip

ADDED = ("sessions", "calls", "prompts", "reads", "edits", "hidden_empty")
SHARES = ("clients", "branches", "modules", "files", "tools")


def expected(session: Session) -> dict[str, Any]:
    return {
        "started_at": session.since,
        "last_activity_at": session.until,
        "client": session.client,
        "branch": session.branch_at(session.until),
        "active_ms": session.active_ms,
        "agent_ms": None if session.agent is None else reference.measure(session.agent),
        "waiting_ms": None if session.waiting is None else reference.measure(session.waiting),
        "activities": len(session.counted),
        "tool_calls": sum(a.tool is not None for a in session.counted),
        "empty": int(not session.counted),
        "touched": sorted(touched(session)),
    }


def touched(session: Session) -> list[tuple[str, int, int]]:
    reads = Counter(str(a.path) for a in session.counted if a.kind == FILE_READ and a.path is not None)
    edits = Counter(str(a.path) for a in session.counted if a.kind == FILE_EDIT and a.path is not None)
    return [(path, reads[path], edits[path]) for path in reads.keys() | edits.keys()]


def assert_reference_finds_the_stored_sessions(year: Year, least: int = 0) -> None:
    with Stage() as stage:
        year.play(stage)
        stored = [
            {**{name: row[name] for name in NAMES}, "touched": sorted(file[:3] for file in row["touched"])}
            for row in stage.nameless()
        ]
        found = [expected(session) for session in reference.sessions(streams_of(stage.store))]
    assert len(stored) >= least
    assert sorted(found, key=repr) == sorted(stored, key=repr)


@settings(deadline=None, max_examples=80)
@given(small_years())
def test_a_small_year_has_the_sessions_of_the_reference(year: Year) -> None:
    assert_reference_finds_the_stored_sessions(year)


@pytest.mark.parametrize("seed", range(4))
def test_a_whole_year_has_the_sessions_of_the_reference(seed: int) -> None:
    assert_reference_finds_the_stored_sessions(generated(seed), least=60)


def test_the_same_seed_gives_the_same_year() -> None:
    assert generated(3) == generated(3)
    assert generated(3) != generated(4)


def test_years_hold_late_repeated_parallel_and_sleeping_work_at_the_edges_of_slots() -> None:
    made = [generated(seed) for seed in range(10)]
    told = [(d, r) for year in made for d in year.deliveries for r in d.reports]
    assert len({year.calendars[0] for year in made}) > 3
    assert sum(d.now - r.at > 24 * 4 * QUARTER for d, r in told) > 100  # late
    assert len(told) - len({(r.key, r.source) for _, r in told}) > 100  # told again
    assert sum((r.took or 0) > 8 * 4 * QUARTER for _, r in told) > 20  # it seems to have lasted the night
    assert {r.at % QUARTER for _, r in told} >= {0, 1, QUARTER - 1}
    assert sum(r.at < 366 * 24 * 4 * QUARTER for _, r in told) == 100  # in 1970
    assert sum(r.at >= FAR_AHEAD[0] for _, r in told) == 50
    for year in made:
        ends = [d.now for d in year.deliveries]
        assert ends != sorted(ends)  # the clock jumps


@pytest.mark.parametrize("seed", [1, 2])
def test_the_figures_of_days_add_up_to_those_of_the_range(seed: int) -> None:
    year = generated(seed, 30)
    with Stage() as stage:
        year.play(stage)
        streams = streams_of(stage.store)
    for zone, day_starts in year.calendars:
        found = reference.statistics(streams, calendar(zone, day_starts), year.first, year.last, year.now)
        assert found["sessions"] > 0
        for name in ("sessions", "calls", "prompts", "reads", "edits"):
            assert sum(day[name] for day in found["days"]) == found[name]
        for name in ("active_ms", "union_ms", "agent_ms", "waiting_ms"):
            assert total(found["days"], name) == found["clocks"][name]
        assert sum(map(sum, found["grid"])) == found["clocks"]["union_ms"] <= found["clocks"]["active_ms"]
        assert sum(s["active_ms"] for s in found["clients"].values()) == found["clocks"]["active_ms"]


@settings(deadline=None, max_examples=60)
@given(small_years(), st.data())
def test_the_figures_of_a_range_that_is_divided_add_up_to_those_of_the_whole(year: Year, data: st.DataObject) -> None:
    first, last = data.draw(ranges(year))
    middle = first + timedelta(days=data.draw(st.integers(0, min(3, (last - first).days))))
    with Stage() as stage:
        year.play(stage)
        streams = streams_of(stage.store)

    def figures(since: date, until: date) -> Figures:
        found = reference.statistics(
            streams, calendar(*year.calendars[0]), since, until, year.now, lambda path: path.partition("/")[0]
        )
        return {name: found[name] for name in ADDED} | {
            "clocks": {name: ms or 0 for name, ms in found["clocks"].items()},
            "grid": {(d, h): ms for d, row in enumerate(found["grid"]) for h, ms in enumerate(row)},
            "shares": {
                (kind, name, number): value
                for kind in SHARES
                for name, share in found[kind].items()
                for number, value in share.items()
                if value and (number != "sessions" or kind in ("clients", "branches"))
            },
        }

    whole = figures(first, last)
    parts = [figures(first, middle)] + ([figures(middle + timedelta(days=1), last)] if middle < last else [])
    for name in ADDED:
        assert sum(part[name] for part in parts) == whole[name]
    for name in ("clocks", "grid", "shares"):
        keys = {key for part in (whole, *parts) for key in part[name]}
        assert {k: sum(part[name].get(k, 0) for part in parts) for k in keys} == {
            k: whole[name].get(k, 0) for k in keys
        }


def module_of(path: str) -> str:
    return path.partition("/")[0]


def total(days: list[Figures], name: str) -> int:
    return sum(day["clocks"][name] or 0 for day in days)
