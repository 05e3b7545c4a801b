"""The pauses of a store, against a reference that shares nothing with the program but the reports."""

from random import Random

import msgspec
import pytest

from kioku.models import SERVER_START
from kioku.reports import gaps as reports
from kioku.sessions import settling
from kioku.store.migrations import MIGRATIONS
from kioku.times import DAY
from tests.reports.test_continuity import NOW, many, take
from tests.sessions.stage import HOUR, MINUTE, TIMEOUT, Stage, read, report

(_MAKES_MONTHS,) = (statements for statements in MIGRATIONS if "CREATE TABLE month_gaps" in statements)


def reference(stage: Stage, timeout: int) -> tuple[int, int]:
    """Count sessions and sum their spans by deriving everything anew with a timeout, in the store itself."""
    stage.rebuild(NOW, timeout)
    found = [row for row in stage.whole_rows() if not row["empty"]]
    return len(found), sum(row["last_activity_at"] - row["started_at"] for row in found)


@pytest.mark.parametrize("seed", range(4))
def test_each_timeouts_row_is_what_a_rebuild_with_it_finds(seed: int) -> None:
    with Stage() as stage:
        take(stage, many(Random(seed), 30, 20 * HOUR))
        take(stage, [(f"stream {seed}", [read(key + 1_000, key * 17 * MINUTE, "late.py") for key in range(9)])])
        found = stage.store.read(lambda db: reports.sensitivity(db, TIMEOUT))
        for row in found.rows[1:]:  # a pause of five minutes to the millisecond is active time, whatever the timeout
            assert (row.sessions, row.span_ms) == reference(stage, row.timeout_ms)
        active = sum(row["active_ms"] for row in stage.whole_rows())
        assert found.pauses.active_ms == active
        assert all(gap > 5 * MINUTE for gap in found.pauses.gaps_ms)


@pytest.mark.parametrize("seed", range(6))
def test_pauses_are_the_same_settled_in_part_settled_and_not_settled(seed: int) -> None:
    with Stage() as stage:
        random, whole = Random(seed), many(Random(seed), 60, 150 * DAY)
        later = [(name, [msgspec.structs.replace(one, key=one.key + 5_000, at=one.at + 2 * HOUR) for one in found])
                 for name, found in random.sample(whole, 9)]  # fmt: skip
        take(stage, whole)
        stage.sweep(NOW)
        settling.settle(stage.store)
        before = stage.store.read(reports.pauses)
        take(stage, later)
        stage.sweep(NOW)
        after = [stage.store.read(reports.pauses)]
        settling.settle(stage.store, most=1)
        after.append(stage.store.read(reports.pauses))
        settling.settle(stage.store)
        after.append(stage.store.read(reports.pauses))
        stage.rebuild(NOW)
        after.append(stage.store.read(reports.pauses))
        assert before.gaps_ms
        assert before != after[0]
        assert all(found == after[0] for found in after)


def test_pauses_of_a_store_of_the_version_before_are_the_same_before_and_after_its_months_are_made() -> None:
    with Stage() as stage:
        take(stage, many(Random(3), 60, 150 * DAY))
        stage.sweep(NOW)
        settling.settle(stage.store)
        told = stage.store.read(reports.pauses)
        months = "SELECT month, active_ms FROM month_gaps"
        made = stage.store.read(lambda db: db.execute(months).fetchall())
        stage.store.write(lambda db: db.execute("DROP TABLE month_gaps"))
        stage.store.write(lambda db: db.execute(_MAKES_MONTHS))
        assert stage.store.read(reports.pauses) == told
        settling.settle(stage.store)
        assert stage.store.read(reports.pauses) == told
        assert stage.store.read(lambda db: db.execute(months).fetchall()) == made
        assert len(made) >= 4


def test_a_session_without_activity_that_counts_is_left_out_and_no_pause_ends_there() -> None:
    with Stage() as stage:
        take(
            stage,
            [
                ("one", [report(1, 0, kind=SERVER_START), read(2, 60 * MINUTE, "a.py"), read(3, 70 * MINUTE, "a.py")]),
                ("two", [report(4, 0, kind=SERVER_START)]),
            ],
        )
        found = stage.store.read(reports.pauses)
        assert (found.streams, found.gaps_ms) == (1, [10 * MINUTE])


def test_reading_changes_nothing() -> None:
    with Stage() as stage:
        take(stage, many(Random(1), 10, 10 * HOUR))
        before = stage.whole_rows()
        stage.store.read(lambda db: reports.sensitivity(db, TIMEOUT))
        assert stage.whole_rows() == before
