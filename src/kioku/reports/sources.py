"""Where figures about a stretch of time come from: rollups of whole days, and what is not rolled up, made on the spot.

A day that is outdated is made anew in memory by the rules that make the rollups; what sessions without a digest have in
a day is added to its rollup by the same rules. So figures are right on a store that nobody settles, and long stretches
cost little, also while somebody works.
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
        self._stale = {day for day in rollups.outdated(db) if self.first <= day <= self.last}
        self._live: dict[int, list[Part]] = {}  # by day: sessions that no digest tells of
        for part, _ in settling.parts(db, unsettled):
            for day in () if part.empty else part.days:
                if self.first <= day <= self.last:
                    self._live.setdefault(day, []).append(part)

    @property
    def changed(self) -> set[int]:
        """Return the UTC days of which there is more, or other, than their rollup says."""
        return {*self._stale, *self._live}

    def days(self) -> Iterator[Day]:
        """Return the UTC days in which there is anything, in order."""
        return self.days_between(self.first, self.last)

    def days_between(self, first: int, last: int) -> Iterator[Day]:
        """Return those of them that are not before the first, nor after the last, both of them within the stretch."""
        changed = iter(sorted(day for day in self.changed if first <= day <= last))
        next_changed = next(changed, None)
        for day in rollups.days(self._db, first, last):
            while next_changed is not None and next_changed < day.day:
                yield self._made(next_changed)
                next_changed = next(changed, None)
            if next_changed != day.day:
                yield day
                continue
            if day.day in self._stale:
                yield self._made(day.day)
            else:
                yield rollup.with_more(day, self._live[day.day], rollups.active_in(self._db, day.day))
            next_changed = next(changed, None)
        while next_changed is not None:
            yield self._made(next_changed)
            next_changed = next(changed, None)

    def _made(self, day: int) -> Day:
        parts = rollups.parts_of_day(self._db, day, self._names)
        return rollup.day(day, [*parts, *self._live.get(day, ())])

    def shares(self) -> Shares:
        """Return what each client, branch, tool and file has of it."""
        whole = range(self._whole_first, self._whole_last + 1)
        stale = [day for day in self._stale if day in whole]
        found: Shares = {}
        if whole:
            found = rollups.shares(self._db, whole[0], whole[-1], stale, self._names)
            found |= rollups.files(self._db, cover(whole[0], whole[-1]), stale)
        for day in {self.first, self.last, *stale, *self._live}:
            since, until = max(self.since, day * times.DAY), min(self.until, (day + 1) * times.DAY)
            if day not in whole or day in self._stale:
                _add(found, edges.shares(self._db, day, since, until, self._names))
            _add(found, rollup.shares(self._live.get(day, ()), since, until))
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
        for day in sorted((weights.keys() - settled.keys()) | (weights.keys() & self._live.keys())):
            since, until = max(self.since, day * times.DAY), min(self.until, (day + 1) * times.DAY)
            parts = {} if day in settled else edges.shares(self._db, day, since, until, self._names)
            _add(parts, rollup.shares(self._live.get(day, ()), since, until))
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
