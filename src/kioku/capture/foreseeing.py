"""What an import would add, counted without writing: what is neither in the store nor was met before."""

from collections.abc import Iterable
from functools import partial

import apsw

from kioku import times
from kioku.capture.stores import Home, Stores
from kioku.models import MARKS, Report
from kioku.sessions import derive
from kioku.store import activities, turns
from kioku.store.turns import Turn


class Foresight:
    """Counts what is new among what would be written. It holds the keys of all that it was shown."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._met: dict[str, tuple[set[int], set[int]]] = {}  # by store: keys of reports, and of turns

    def count(self, home: Home, reports: Iterable[Report], said: Iterable[Turn]) -> tuple[int, int]:
        """Return how many new activities and turns a store would get."""
        met_reports, met_turns = self._met.setdefault(home.project.store_path, (set(), set()))
        new = {report.key: report for report in reports if report.key not in met_reports}
        new_turns = {turn.key: turn for turn in said if turn.key not in met_turns}
        met_reports.update(new)
        met_turns.update(new_turns)
        store = self._stores.look(home)
        if store is not None:
            new, new_turns = store.read(partial(_unknown, reports=new, said=new_turns))
        latest = times.now_ms() + activities.FUTURE_LIMIT_MS
        counted = sum(
            derive.is_counted(report) and report.kind not in MARKS and report.at <= latest for report in new.values()
        )
        return counted, len(new_turns)


def _unknown(
    db: apsw.Connection, reports: dict[int, Report], said: dict[int, Turn]
) -> tuple[dict[int, Report], dict[int, Turn]]:
    return (
        {key: report for key, report in reports.items() if not activities.is_known(db, report)},
        {key: turn for key, turn in said.items() if not turns.is_known(db, turn)},
    )
