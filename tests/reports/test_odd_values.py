"""Reports on a store in which a person's SQL left what nobody meant: a figure, or an error that says what mends it."""

import apsw
import pytest

from kioku.days import Calendar
from kioku.errors import StoreError
from kioku.reports import commits, continuity, extent, gaps, heat, lanes, statistics
from kioku.sessions import settling
from kioku.times import DAY
from kioku.workspace.commits import Made
from tests.reports.years import generated
from tests.sessions.stage import TIMEOUT, Stage, unknown

NOW = 1_797_336_000_000
CALENDAR = Calendar("Europe/Berlin", 240)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE days SET slots = 'x', lengths = 9e999, gaps = x'04'",
        "UPDATE days SET gaps = x'04000000ff', lengths = x'0401000000'",
        "UPDATE day_shares SET active_ms = 'x', sessions = 9e999, calls = x'00'",
        "UPDATE day_files SET reads = 'x', edits = 9e999",
        "UPDATE month_gaps SET active_ms = 'x', gaps = 9e999",
        "UPDATE month_gaps SET active_ms = -9e999, gaps = x'04000000'",
        "UPDATE month_files SET reads = 'x', edits = 1.5",
        "UPDATE OR IGNORE clocks SET since = 'x'",
        "UPDATE clocks SET until = 9e999",
        "UPDATE OR IGNORE counts SET slot = 'x', number = 'many'",
        "UPDATE OR IGNORE branches SET since = 'x', branch = 'x'",
        "UPDATE OR IGNORE session_days SET day = 'x'",
        "INSERT INTO outdated_days VALUES (1 << 60), (-(1 << 60))",
        "UPDATE sessions SET client = 7, active_ms = 'long', empty = 'no'",
        "UPDATE sessions SET started_at = -9e999, last_activity_at = 'x'",
        # Days between 1970 and the activity are not gone through for it.
        "UPDATE sessions SET digest = NULL, started_at = 12",
        "UPDATE sessions SET digest = NULL, first_activity_at = 'x', last_start_at = 9e999",
        "UPDATE names SET text = 7",
    ],
)
def test_reports_answer_or_name_what_mends_the_store_and_a_rebuild_does(statement: str) -> None:
    year = generated(5, 15)
    made = [
        Made(sha="a", short="a", author="", authored_at=at, committed_at=at, subject="")
        for at in range(year.now - 300 * DAY, year.now, DAY)
    ]

    def ask(db: apsw.Connection) -> None:
        for words in ("all", "2026-03-10..2026-06-20"):
            wanted = CALENDAR.range(words, NOW, extent.earliest(db))
            statistics.statistics(db, wanted, CALENDAR, now=NOW, modules=lambda _path: "module")
            heat.heat(db, wanted)
            lanes.lanes(db, wanted, now=NOW, judge=unknown)
            commits.of_range(db, wanted.since, wanted.until, made, union_ms=1)
        for session in ids:
            commits.of_session(db, session, 0, year.now, made)
        gaps.sensitivity(db, TIMEOUT)
        continuity.suggestions(db, 0, now=NOW, judge=unknown, day_of=CALENDAR.date_of)

    with Stage() as stage:
        year.play(stage)
        settling.settle(stage.store)
        ids = [str(row["id"]) for row in stage.whole_rows()]
        stage.sql(statement)
        try:
            stage.store.read(ask)
            settling.settle(stage.store)
            stage.store.read(ask)
        except StoreError as error:
            said = error.hint
        else:
            said = None
        assert said in (None, "run 'kioku doctor'")
        stage.rebuild(NOW)
        settling.settle(stage.store)
        stage.store.read(ask)
