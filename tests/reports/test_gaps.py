"""The pauses of a store, against a reference that shares nothing with the program but the reports."""

from random import Random

import pytest

from kioku.models import SERVER_START
from kioku.reports import gaps as reports
from tests.reports.test_continuity import NOW, many, take
from tests.sessions.stage import HOUR, MINUTE, TIMEOUT, Stage, read, report


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
