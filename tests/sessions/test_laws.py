"""The laws of deriving sessions from activities, on the pure rules and on the real store.

What they are held to is in `pairwise`, which shares nothing with the program but the reports.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise as neighbours
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kioku.models import (
    FILE_EDIT,
    FILE_READ,
    HOOK,
    SERVER,
    SERVER_START,
    SERVER_STOP,
    TOOL_CALL,
    TRANSCRIPT,
    Report,
)
from kioku.sessions import derive
from kioku.sessions.canonical import canonical
from kioku.sessions.derive import Timeouts
from tests.sessions import pairwise
from tests.sessions.stage import HOUR, MINUTE, T0, TIMEOUT, Stage, read, report

HALF_HOUR = Timeouts(((0, TIMEOUT),))

# Instants that meet the boundaries of 5 and 30 minutes often, and miss them by a millisecond as often.
slips = st.sampled_from((0, 0, 0, -1, 1))
instants = st.builds(lambda fives, slip: fives * 5 * MINUTE + slip, st.integers(0, 60), slips)
lengths = st.one_of(st.none(), st.sampled_from((0, 1, MINUTE, 5 * MINUTE, 25 * MINUTE, 70 * MINUTE)))
kinds = st.sampled_from((TOOL_CALL, FILE_READ, FILE_EDIT, SERVER_START))


any_key = st.integers(-(2**63), 2**63 - 1)


@st.composite
def activities(
    draw: st.DrawFn, *, keys: st.SearchStrategy[int] = any_key, sources: Sequence[int] = (SERVER,)
) -> Report:
    """Draw an activity."""
    kind = draw(kinds)
    is_file = kind in (FILE_READ, FILE_EDIT)
    return report(
        draw(keys),
        draw(instants),
        draw(lengths),
        source=draw(st.sampled_from(sources)),
        kind=kind,
        tool=draw(st.sampled_from(("read_file", "grep"))) if kind != SERVER_START else None,
        path=draw(st.sampled_from(("a.py", "b.py", "c.py"))) if is_file else None,
        branch=draw(st.sampled_from((None, "main", "topic"))),
    )


def several(least: int = 0, most: int = 14) -> st.SearchStrategy[list[Report]]:
    """Draw activities with different keys."""
    return st.lists(activities(), min_size=least, max_size=most, unique_by=lambda found: found.key)


steps = st.lists(
    st.tuples(instants.map(lambda at: T0 + at), st.sampled_from((MINUTE, 5 * MINUTE, TIMEOUT, 2 * HOUR))),
    min_size=1, max_size=4, unique_by=lambda step: step[0],
).map(lambda found: Timeouts(tuple(sorted(found))))  # fmt: skip


def derived(found: Iterable[Report], timeouts: Timeouts = HALF_HOUR) -> list[derive.Run]:
    return [run for run, _ in derive.runs(canonical(found, served=True).reports, timeouts)]


def boundaries(found: Iterable[derive.Run]) -> list[tuple[int, int]]:
    return [(run.first_activity_at, run.last_activity_at) for run in found]


# --- the pure rules -------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(several(), steps)
def test_sessions_and_active_time_are_those_of_the_slow_reference_to_the_millisecond(
    found: list[Report], timeouts: Timeouts
) -> None:
    expected = pairwise.sessions(found, pairwise.step(timeouts))
    runs = derived(found, timeouts)
    assert boundaries(runs) == [(min(a.at for a in part), max(map(pairwise.end, part))) for part in expected]
    assert [run.active_ms for run in runs] == [pairwise.active(part) for part in expected]
    assert [run.activities for run in runs] == [sum(a.kind != SERVER_START for a in part) for part in expected]


@settings(deadline=None, max_examples=100)
@given(several(), several(), steps)
def test_sessions_of_two_sets_are_those_of_merging_the_sessions_of_each(
    a: list[Report], b: list[Report], timeouts: Timeouts
) -> None:
    merged: list[list[int]] = []  # first, last, and until when it is held open
    for run in sorted(derived(a, timeouts) + derived(b, timeouts), key=lambda run: run.first_activity_at):
        held = run.last_activity_at + run.timeout_ms
        if merged and run.first_activity_at < merged[-1][2]:
            merged[-1][1:] = [max(merged[-1][1], run.last_activity_at), max(merged[-1][2], held)]
        else:
            merged.append([run.first_activity_at, run.last_activity_at, held])
    both = {**{r.key: r for r in a}, **{r.key: r for r in b}}
    if len(both) == len(a) + len(b):
        assert boundaries(derived(both.values(), timeouts)) == [(first, last) for first, last, _ in merged]


@settings(deadline=None, max_examples=100)
@given(several(), steps, st.sampled_from((1, MINUTE, HOUR)))
def test_a_larger_timeout_never_gives_more_sessions(found: list[Report], timeouts: Timeouts, more: int) -> None:
    larger = Timeouts(tuple((since, length + more) for since, length in timeouts.steps))
    assert len(derived(found, larger)) <= len(derived(found, timeouts))


@settings(deadline=None, max_examples=100)
@given(several(), steps)
def test_sessions_of_a_stream_never_overlap_and_active_time_is_within_the_span(
    found: list[Report], timeouts: Timeouts
) -> None:
    runs = derived(found, timeouts)
    assert all(one.last_activity_at < next_.first_activity_at for one, next_ in neighbours(runs))
    assert all(0 <= run.active_ms <= run.last_activity_at - run.first_activity_at for run in runs)


@settings(deadline=None, max_examples=100)
@given(st.lists(activities(keys=st.integers(0, 4), sources=(TRANSCRIPT, SERVER, HOOK)), max_size=14), st.randoms())
def test_which_report_of_a_thing_is_believed_does_not_depend_on_the_order(
    found: list[Report], shuffler: Random
) -> None:
    shuffled = list(found)
    shuffler.shuffle(shuffled)
    assert canonical(shuffled, served=True) == canonical(found, served=True)
    assert canonical(found + shuffled, served=True) == canonical(found, served=True)


@pytest.mark.parametrize(
    ("silence", "sessions"), [(30 * MINUTE - 1, 1), (30 * MINUTE, 2), (30 * MINUTE + 1, 2), (0, 1), (1, 1)]
)
def test_a_silence_of_exactly_half_an_hour_begins_a_new_session(silence: int, sessions: int) -> None:
    assert len(derived([report(1, 0), report(2, silence)])) == sessions


@pytest.mark.parametrize(
    ("silence", "active"), [(5 * MINUTE - 1, 5 * MINUTE - 1), (5 * MINUTE, 5 * MINUTE), (5 * MINUTE + 1, 0)]
)
def test_a_gap_counts_as_active_up_to_five_minutes_and_not_at_all_beyond(silence: int, active: int) -> None:
    assert [run.active_ms for run in derived([report(1, 0), report(2, silence)])] == [active]


def test_the_gap_is_measured_from_the_latest_end_of_parallel_calls() -> None:
    long_call, short_call = report(1, 0, 60 * MINUTE), report(2, 10 * MINUTE, MINUTE)
    after = report(3, 60 * MINUTE + TIMEOUT - 1)
    (run,) = derived([long_call, short_call, after])
    assert (run.activities, run.active_ms) == (3, 60 * MINUTE)


def test_a_start_without_an_end_is_a_point() -> None:
    assert boundaries(derived([report(1, 0)])) == [(T0, T0)]


def test_a_night_of_sleep_adds_nothing_to_the_active_time() -> None:
    found = [report(1, 0), report(2, MINUTE), report(3, 9 * HOUR), report(4, 9 * HOUR + MINUTE)]
    (run,) = derived(found, Timeouts(((0, 24 * HOUR),)))
    assert run.active_ms == 2 * MINUTE


class TestAnEndMark:
    """When a mark ends a session, and when it is taken back."""

    run = derived([report(1, 0), report(2, 10 * MINUTE)])[0]

    def standing(self, *marks_at: int, now: int = 11 * MINUTE) -> derive.Standing:
        marks = [report(100 + at, at, kind=SERVER_STOP) for at in marks_at]
        return derive.standing(self.run, marks, is_current=True, now=T0 + now)

    def test_ends_the_session_at_the_mark(self) -> None:
        assert self.standing(10 * MINUTE + 5) == derive.Standing("completed", T0 + 10 * MINUTE + 5, "stopped")

    def test_is_taken_back_by_later_activity(self) -> None:
        assert self.standing(9 * MINUTE).status == "active"

    def test_counts_nothing_once_silence_has_ended_the_session(self) -> None:
        at = 10 * MINUTE + TIMEOUT
        assert self.standing(at, now=at) == derive.Standing("completed", T0 + 10 * MINUTE, "idle")

    def test_gives_way_to_a_later_one(self) -> None:
        assert self.standing(10 * MINUTE + 5, 10 * MINUTE + 9, 10 * MINUTE).ended_at == T0 + 10 * MINUTE + 9


# --- the same on the real store -------------------------------------------------------------------------------

NOW = T0 + 12 * HOUR
shared_keys = st.integers(0, 7)
told = st.one_of(
    activities(keys=shared_keys, sources=(TRANSCRIPT, SERVER, HOOK)),
    st.builds(
        lambda key, at, source: report(key, at, source=source, kind=SERVER_STOP),
        st.integers(100, 103),
        instants,
        st.sampled_from((TRANSCRIPT, SERVER, HOOK)),
    ),
)


def played(reports: Sequence[Report], sizes: Sequence[int], now: int = NOW) -> Stage:
    """Give reports to a new store in batches of those sizes, over and over."""
    stage = Stage()
    stream = stage.stream()
    position = turn = 0
    while position < len(reports):
        size = sizes[turn % len(sizes)]
        stage.take(stream, reports[position : position + size], now)
        position, turn = position + size, turn + 1
    return stage


batches = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(st.lists(told, min_size=1, max_size=12), batches, batches, st.randoms())
def test_the_store_ends_in_the_same_rows_whatever_the_order_of_arrival(
    found: list[Report], sizes: list[int], other_sizes: list[int], shuffler: Random
) -> None:
    shuffled = list(found)
    shuffler.shuffle(shuffled)
    with played(found, sizes) as one, played(shuffled, other_sizes) as other:
        assert one.nameless() == other.nameless()


@settings(deadline=None, max_examples=50)
@given(st.lists(told, min_size=1, max_size=10), batches, st.randoms())
def test_reports_told_again_change_no_row(found: list[Report], sizes: list[int], shuffler: Random) -> None:
    with played(found, sizes) as stage:
        before = stage.whole_rows(), stage.projection()
        again = list(found)
        shuffler.shuffle(again)
        stage.take(stage.stream(), again, NOW)
        assert (stage.whole_rows(), stage.projection()) == before


@settings(deadline=None, max_examples=60)
@given(st.lists(told, min_size=1, max_size=12), batches, st.integers(0, 7 * 60))
@example(
    [
        report(0, T0, source=TRANSCRIPT, kind=TOOL_CALL),
        report(0, T0 + 5 * MINUTE, source=TRANSCRIPT, kind=TOOL_CALL),
        report(1, T0 + 5 * MINUTE, source=HOOK, kind=TOOL_CALL),
    ],
    [1],
    0,
)
def test_a_rebuild_finds_the_rows_that_recording_step_by_step_has_made(
    found: list[Report], sizes: list[int], minutes: int
) -> None:
    now = T0 + minutes * MINUTE
    live = [told for told in found if told.at <= now + HOUR]
    if not live:
        return
    with played(live, sizes, now) as stage:
        before = stage.whole_rows(), stage.projection()
        stage.rebuild(now)
        assert (stage.whole_rows(), stage.projection()) == before


@settings(deadline=None, max_examples=40)
@given(st.lists(told, min_size=1, max_size=12), batches)
def test_every_id_that_was_ever_given_still_leads_to_a_session(found: list[Report], sizes: list[int]) -> None:
    with played(found, sizes) as stage:
        stage.rebuild(NOW, timeout=5 * MINUTE)
        stage.rebuild(NOW, timeout=24 * HOUR)
        now_there = stage.projection()
        for wanted in stage.given:
            assert stage.resolve(wanted, NOW) in now_there


@settings(deadline=None, max_examples=40)
@given(several(1, 10), st.randoms())
def test_the_rows_of_the_store_are_those_of_the_slow_reference(found: list[Report], shuffler: Random) -> None:
    shuffled = list(found)
    shuffler.shuffle(shuffled)
    with played(shuffled, (2, 1)) as stage:
        rows = stage.nameless()
    expected = pairwise.sessions(found, lambda _: TIMEOUT)
    assert [(row["started_at"], row["last_activity_at"]) for row in rows] == [
        (min(a.at for a in part), max(map(pairwise.end, part))) for part in expected
    ]
    assert [row["active_ms"] for row in rows] == [pairwise.active(part) for part in expected]
    for row, part in zip(rows, expected, strict=True):
        paths = {a.path for a in part if a.path is not None}
        counts = {
            path: (
                sum(a.path == path and a.kind == FILE_READ for a in part),
                sum(a.path == path and a.kind == FILE_EDIT for a in part),
            )
            for path in paths
        }
        assert {path: (reads, edits) for path, reads, edits, _, _ in row["touched"]} == counts


@settings(deadline=None, max_examples=40)
@given(several(1, 8), steps)
def test_a_late_report_changes_the_rows_as_if_it_had_come_in_time_whatever_the_setting_was(
    found: list[Report], timeouts: Timeouts
) -> None:
    """The timeout goes with the activity that it was in force for."""
    results = []
    for order in (sorted(found, key=lambda r: r.at), sorted(found, key=lambda r: -r.at)):
        with Stage() as stage:
            stream = stage.stream(timeout=timeouts.steps[0][1])
            rows = [(stream, *step) for step in timeouts.steps]
            stage.store.write(lambda db, rows=rows: db.execute("DELETE FROM timeouts"))  # type: ignore[misc]
            stage.store.write(lambda db, rows=rows: db.executemany("INSERT INTO timeouts VALUES (?, ?, ?)", rows))  # type: ignore[misc]
            for one in order:
                stage.take(stream, [one], NOW)
            results.append(stage.nameless())
    assert results[0] == results[1]
    expected = pairwise.sessions(found, pairwise.step(timeouts))
    assert [row["started_at"] for row in results[0]] == [min(a.at for a in part) for part in expected]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(activities(keys=st.integers(0, 4), sources=(TRANSCRIPT, HOOK)), min_size=1, max_size=8),
    st.integers(0, 5 * 60),
    st.randoms(),
)
def test_reports_from_the_future_end_in_the_same_rows_whatever_their_order(
    found: list[Report], minutes: int, shuffler: Random
) -> None:
    shuffled = list(found)
    shuffler.shuffle(shuffled)
    early = T0 + minutes * MINUTE - HOUR
    with played(found, (1,), early) as one, played(shuffled, (3,), early) as other:
        for stage in (one, other):
            stage.sweep(NOW)
        assert one.nameless() == other.nameless()
        assert one.store.read(lambda db: db.execute("SELECT count(*) FROM quarantine").fetchone()) == (0,)


def test_a_change_of_the_setting_leaves_what_was_recorded_as_it_was() -> None:
    with Stage() as stage:
        stream = stage.stream(timeout=TIMEOUT)
        stage.take(stream, [report(1, 0), report(2, 50 * MINUTE)], T0 + 50 * MINUTE)
        before = stage.projection()
        stage.stream(timeout=2 * HOUR, now=T0 + 10 * MINUTE)  # the clock has been set back meanwhile
        stage.rebuild(T0 + 50 * MINUTE)
        assert stage.projection() == before
        assert len(before) == 2


def test_a_rebuild_with_a_timeout_derives_as_if_it_had_always_been_in_force() -> None:
    with Stage() as stage:
        stage.take(stage.stream(), [report(1, 0), report(2, 40 * MINUTE), report(3, 100 * MINUTE)], NOW)
        assert len(stage.projection()) == 3
        stage.rebuild(NOW, timeout=41 * MINUTE)
        assert [row["started_at"] - T0 for row in stage.nameless()] == [0, 100 * MINUTE]
        stage.rebuild(NOW, timeout=10 * MINUTE)
        assert len(stage.projection()) == 3


def test_the_same_version_of_a_report_wins_whichever_came_first() -> None:
    early, later = read(7, 0, "a.py"), read(7, 3 * MINUTE, "b.py")
    results = []
    for order in ([early, later], [later, early]):
        with played(order, (1,)) as stage:
            results.append(stage.nameless())
    assert results[0] == results[1]
    assert results[0][0]["activities"] == 1
    assert [file[0] for file in results[0][0]["touched"]] == ["a.py"]
