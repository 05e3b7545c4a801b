"""A day's rollup with sessions added to it is the rollup that all of them make."""

import apsw
from hypothesis import given, settings

from kioku.sessions import rollup, settling
from kioku.store import rollups
from kioku.store.names import Names
from kioku.summaries import ACTIVE_CLOCK, Part
from tests.reports.years import Year, small_years
from tests.sessions.stage import Stage


def by_day(db: apsw.Connection) -> dict[int, list[Part]]:
    names = Names(db)
    days = [row[0] for row in db.execute("SELECT DISTINCT day FROM session_days ORDER BY day")]
    return {day: list(rollups.parts_of_day(db, day, names)) for day in days}


@settings(deadline=None, max_examples=60)
@given(small_years())
def test_adding_sessions_to_a_rollup_makes_the_rollup_of_all(year: Year) -> None:
    with Stage() as stage:
        year.play(stage)
        settling.settle(stage.store)
        for number, parts in stage.store.read(by_day).items():
            whole = rollup.day(number, parts)
            for place in range(len(parts) + 1):
                there, more = parts[:place], parts[place:]
                active = [s for part in there for s in part.digest.stretches if s.clock == ACTIVE_CLOCK]
                assert rollup.with_more(rollup.day(number, there), more, active) == whole
            kept = [s for part in parts for s in part.digest.stretches if s.clock == ACTIVE_CLOCK]
            found = stage.store.read(lambda db, day=number: rollups.active_in(db, day))  # type: ignore[misc]
            assert sorted(found) == sorted(kept)
