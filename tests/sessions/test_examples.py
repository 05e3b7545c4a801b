"""Turns of events that once ended in wrong rows, or nearly did: each by name, beside the laws that cover them."""

import os
from collections.abc import Iterator

import pytest

from kioku.models import HOOK, SERVER, SERVER_STOP, TRANSCRIPT
from kioku.sessions import sweep
from kioku.sessions.lease import Lease
from kioku.store import activities
from tests.sessions.stage import HOUR, MINUTE, T0, TIMEOUT, Stage, read, report, unknown


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as found:
        yield found


def assert_rebuilt_the_same(stage: Stage, now: int) -> None:
    before = stage.whole_rows(), stage.projection()
    stage.rebuild(now)
    assert (stage.whole_rows(), stage.projection()) == before


def test_a_report_that_replaces_another_one_counts_once(stage: Stage) -> None:
    now = T0 + 4 * MINUTE
    stage.take(stage.stream(), [report(1, 0)], now)
    stage.take(stage.stream(), [read(7, 3 * MINUTE, "later.py")], now)
    stage.take(stage.stream(), [read(7, 2 * MINUTE, "earlier.py")], now)
    (row,) = stage.nameless()
    assert (row["activities"], row["files"]) == (2, 1)
    assert [file[0] for file in row["touched"]] == ["earlier.py"]
    assert_rebuilt_the_same(stage, now)


def test_of_an_end_that_two_sources_tell_of_only_the_one_that_is_believed_counts(stage: Stage) -> None:
    now, stream = T0 + 3 * MINUTE, stage.stream()
    stage.take(stream, [report(1, 0)], now)
    stage.take(stream, [report(50, 10, source=SERVER, kind=SERVER_STOP)], now)
    stage.take(stream, [report(50, 900, source=HOOK, kind=SERVER_STOP)], now)
    stage.take(stream, [report(51, 500, source=SERVER, kind=SERVER_STOP)], now)
    assert [row["ended_at"] for row in stage.nameless()] == [T0 + 500]
    assert_rebuilt_the_same(stage, now)


def test_a_late_report_never_divides_a_session_whose_timeout_was_shortened(stage: Stage) -> None:
    stream = stage.stream(timeout=HOUR)
    stage.take(stream, [report(1, 0), report(2, 2 * MINUTE)], T0 + 2 * MINUTE)
    stage.stream(timeout=MINUTE, now=T0 + 3 * MINUTE)
    stage.take(stream, [report(3, 5 * MINUTE)], T0 + 5 * MINUTE)
    stage.take(stream, [report(4, 4 * MINUTE, source=TRANSCRIPT)], T0 + 6 * MINUTE)
    assert len(stage.projection()) == 1
    assert_rebuilt_the_same(stage, T0 + 6 * MINUTE)


def test_of_two_versions_in_quarantine_the_earlier_is_released(stage: Stage) -> None:
    stream = stage.stream()
    stage.take(stream, [report(1, 0)], T0)
    for ahead in (150, 140, 155):
        stage.take(stream, [report(2, ahead * MINUTE, source=HOOK)], T0)
    stage.sweep(T0 + 5 * HOUR)
    assert [row["started_at"] for row in stage.nameless()] == [T0, T0 + 140 * MINUTE]


def test_a_session_is_opened_again_when_the_clock_that_ended_it_was_wrong(stage: Stage) -> None:
    stage.take(stage.stream(), [report(1, 0)], T0)
    stage.sweep(T0 + 9 * HOUR)
    assert [row["status"] for row in stage.nameless()] == ["completed"]
    stage.sweep(T0 + MINUTE)
    assert [row["status"] for row in stage.nameless()] == ["active"]
    assert stage.sweep(T0 + MINUTE) == 0


def test_only_one_session_of_a_stream_is_active_while_the_clock_goes_back_and_forth(stage: Stage) -> None:
    stream, later = stage.stream(), 10 * HOUR
    stage.take(stream, [report(1, later)], T0 + later)  # the clock was ahead
    stage.take(stream, [report(2, 0)], T0)  # it was set back
    assert [row["status"] for row in stage.nameless()] == ["active", "completed"]
    stage.take(stream, [report(3, later + 1)], T0 + later + 1)  # and its time has come
    assert [row["status"] for row in stage.nameless()] == ["completed", "active"]
    assert_rebuilt_the_same(stage, T0 + later + 1)


@pytest.mark.parametrize("title", ["Mend the parser", "-", "", "two  words "])
def test_a_title_that_a_person_gave_outlives_the_end_the_cleanup_and_a_rebuild(stage: Stage, title: str) -> None:
    stream, now = stage.stream(), T0 + MINUTE
    stage.take(stream, [report(1, 0)], now)
    stage.sql("UPDATE sessions SET title = ?", (title,))
    stage.take(stream, [report(2, MINUTE, kind=SERVER_STOP)], now)
    assert [(row["status"], row["title"]) for row in stage.nameless()] == [("completed", title)]
    assert_rebuilt_the_same(stage, now)


def test_a_cleanup_does_not_swallow_what_a_person_wrote_just_before(stage: Stage) -> None:
    stage.take(stage.stream(), [report(1, 0)], T0)
    stage.sql("UPDATE sessions SET title = 'Mine', topics = '[\"x\"]'")
    closings, _ = sweep.plan_cleanup(stage.store.read(sweep.active), T0 + MINUTE, 0, unknown)
    assert stage.store.write(lambda db: sweep.close(db, closings, T0 + MINUTE)) == 1
    stage.rebuild(T0 + MINUTE)
    assert [(row["title"], row["topics"], row["end_reason"]) for row in stage.nameless()] == [
        ("Mine", '["x"]', "cleanup")
    ]


def test_an_end_that_a_person_set_holds_until_newer_activity(stage: Stage) -> None:
    stream = stage.stream()
    stage.take(stream, [report(1, 0)], T0)
    stage.sql("UPDATE sessions SET status = 'completed', ended_at = started_at + 3600000 WHERE status = 'active'")
    stage.sweep(T0 + MINUTE)
    assert [(r["status"], r["ended_at"], r["end_reason"]) for r in stage.nameless()] == [
        ("completed", T0 + HOUR, "edited")
    ]
    assert_rebuilt_the_same(stage, T0 + MINUTE)
    stage.take(stream, [report(2, 2 * MINUTE)], T0 + 2 * MINUTE)
    assert [(r["status"], r["ended_at"]) for r in stage.nameless()] == [("active", None)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET status = 'active', ended_at = NULL",
        "UPDATE sessions SET status = 'paused'",
        "UPDATE sessions SET ended_at = 'soon', started_at = 'earlier'",
        "UPDATE sessions SET stream = 99, title = 'x'",
    ],
)
def test_what_the_rules_do_not_know_is_not_taken_from_a_person_and_harms_nothing(stage: Stage, statement: str) -> None:
    stream, now = stage.stream(), T0 + 2 * MINUTE
    stage.take(stream, [report(1, 0), report(2, MINUTE, kind=SERVER_STOP)], now)
    stage.sql(statement)
    stage.sweep(now)
    stage.rebuild(now)
    rows = [row for row in stage.nameless() if row["stream"] == stream]
    assert [(row["status"], row["started_at"], row["ended_at"]) for row in rows] == [("completed", T0, T0 + MINUTE)]


def test_a_session_that_a_person_inserted_is_kept_and_closed(stage: Stage) -> None:
    stage.sql(
        "INSERT INTO sessions (id, project_id, started_at, created_at, updated_at, last_activity_at, timeout_ms,"
        " first_activity_at, last_start_at, block_start_at) VALUES ('mine', 'p', ?1, ?1, ?1, ?1, 60000, ?1, ?1, ?1)",
        (T0,),
    )
    assert stage.sweep(T0 + HOUR) == 1
    stage.rebuild(T0 + HOUR)
    assert [(row["id"], row["status"]) for row in stage.whole_rows()] == [("mine", "completed")]


def test_a_released_report_of_a_dead_owner_leaves_no_open_session(stage: Stage) -> None:
    held = Lease(stage.run, now=T0)
    stage.store.write(lambda db: activities.add_owner(db, held.owner))
    stream = stage.stream(owner=held.owner.token)
    stage.take(stream, [report(1, 0)], T0)
    stage.take(stream, [report(2, 90 * MINUTE, source=HOOK)], T0)
    os.close(held._descriptor)  # as a crash does
    stage.sweep(T0 + 90 * MINUTE)
    assert stage.store.read(sweep.active) == []
    assert [row["end_reason"] for row in stage.nameless()] == ["idle", "orphaned"]


def test_the_timeout_of_the_last_activity_is_what_a_session_is_held_open_for(stage: Stage) -> None:
    stage.take(stage.stream(), [report(1, 0, 2 * MINUTE), report(2, MINUTE)], T0 + 2 * MINUTE)
    assert [row["timeout_ms"] for row in stage.nameless()] == [TIMEOUT]
