"""Where figures about a stretch of time come from: rollups of whole days, and what is not rolled up, made on the spot.

A day that is outdated, or in which a session has something that no digest tells yet, is made anew in memory by the
rules that make the rollups. So figures are right on a store that nobody settles, and long stretches cost little.
"""

from collections.abc import Iterator, Mapping

import apsw

from kioku import times
from kioku.reports import edges
from kioku.reports.covering import cover
from kioku.sessions import rollup, settling
from kioku.store import rollups
from kioku.store.names import Names
from kioku.summaries import BRANCH, FILE, Day, Part, Shares


class Source:
    """What is known of a stretch of time, in one state of the store. `since` and `until` are borders of slots."""

    def __init__(self, db: apsw.Connection, since: int, until: int) -> None:
        self._db = db
        self._names = Names(db)
        self.since = since
        self.until = max(since, until)
        self.first, self.last = since // times.DAY, (self.until - 1) // times.DAY
        # Whole UTC days: a part of a day at either end is made out of its sessions.
        self._whole_first, self._whole_last = -(-since // times.DAY), self.until // times.DAY - 1
        start, end = self.first * times.DAY, (self.last + 1) * times.DAY
        unsettled = rollups.undigested_within(db, start, end)
        self._live = [part for part, _ in settling.parts(db, unsettled) if not part.empty]
        self._stale = {day for day in rollups.outdated(db) if self.first <= day <= self.last}
        for part in self._live:
            self._stale.update(day for day in part.days if self.first <= day <= self.last)
        self._parts: dict[int, list[Part]] = {}

    def parts(self, day: int) -> list[Part]:
        """Return the sessions that have anything in a UTC day; empty ones have not."""
        if day not in self._parts:
            live = [part for part in self._live if day in part.days]
            self._parts[day] = [*rollups.parts_of_day(self._db, day, self._names), *live]
        return self._parts[day]

    def days(self) -> Iterator[Day]:
        """Return the UTC days in which there is anything, in order."""
        stale = iter(sorted(self._stale))
        next_stale = next(stale, None)
        for day in rollups.days(self._db, self.first, self.last):
            while next_stale is not None and next_stale < day.day:
                yield rollup.day(next_stale, self.parts(next_stale))
                next_stale = next(stale, None)
            if next_stale == day.day:
                yield rollup.day(day.day, self.parts(day.day))
                next_stale = next(stale, None)
            else:
                yield day
        while next_stale is not None:
            yield rollup.day(next_stale, self.parts(next_stale))
            next_stale = next(stale, None)

    def shares(self) -> Shares:
        """Return what each client, branch, tool and file has of it."""
        whole = range(self._whole_first, self._whole_last + 1)
        stale = [day for day in self._stale if day in whole]
        found: Shares = {}
        if whole:
            found = rollups.shares(self._db, whole[0], whole[-1], stale, self._names)
            found |= rollups.files(self._db, cover(whole[0], whole[-1]), stale)
        for day in {self.first, self.last, *stale}:
            since, until = max(self.since, day * times.DAY), min(self.until, (day + 1) * times.DAY)
            if day in whole and day not in self._stale:
                continue
            _add(found, edges.shares(self._db, day, since, until, self._names))
            live = [part for part in self._live if day in part.days]
            _add(found, rollup.shares(live, since, until))
        for (kind, _), share in found.items():
            # What was counted on a branch is of a session whose time is known, even where none of it was spent there.
            if kind == BRANCH and share.active_ms is None and not share.is_nothing:
                share.active_ms = 0
        return {key: share for key, share in found.items() if not share.is_nothing}

    def weighted_files(self, weights: Mapping[int, float], read: int, edit: int) -> dict[str, float]:
        """Add up what was done with each file, in readings and edits of those weights, by the weight of its UTC day."""
        whole = {day: by for day, by in weights.items() if self._whole_first <= day <= self._whole_last}
        settled = {day: by for day, by in whole.items() if day not in self._stale}
        found = rollups.weighted_files(self._db, settled, read, edit, self._names)
        for day in sorted(weights.keys() - settled.keys()):
            since, until = max(self.since, day * times.DAY), min(self.until, (day + 1) * times.DAY)
            parts = edges.shares(self._db, day, since, until, self._names)
            _add(parts, rollup.shares([part for part in self._live if day in part.days], since, until))
            for (kind, path), share in parts.items():
                if kind == FILE and (touches := read * share.reads + edit * share.edits):
                    found[path] = found.get(path, 0.0) + touches * weights[day]
        return found


def _add(found: Shares, others: Shares) -> None:
    for key, share in others.items():
        if key in found:
            found[key].add(share)
        else:
            found[key] = share
