"""Which runs make one session: each by itself, and those together that were merged, of whatever streams.

To bring one stream up to date takes every run that is, or was, one session with any of its runs. A run of another
stream is taken in alone: the rest of that stream stays as it is.
"""

from collections.abc import Iterable

import apsw
import msgspec

from kioku.sessions import streams
from kioku.sessions.streams import Place, Stream
from kioku.store import merges, sessions
from kioku.store.sessions import Row


class Gathered(msgspec.Struct, frozen=True):
    """What has to be written: `units` are the runs of each session, and `rows` the sessions that they were part of.

    `merged_at` is when a run was merged, `cuts` where each stream is divided.
    """

    streams: dict[int, Stream]
    units: list[list[Place]]
    rows: dict[int, Row]
    merged_at: dict[Place, int]
    cuts: dict[int, tuple[int, ...]]


def gather(db: apsw.Connection, own: int, *, now: int) -> Gathered | None:
    """Find what a stream's sessions are made of; None for a number that is no stream's.

    Where both sides of a cut are one session there is none: a split is taken back by merging what it made.
    """
    healed: set[tuple[int, int]] = set()
    while True:
        search = _Search(db, healed, now)
        if search.stream(own) is None:
            return None
        search.run(own)
        units = search.units()
        idle = set(_idle_cuts(search, units))
        if not idle:
            return Gathered(search.streams, units, search.rows, search.merged_at(), search.cuts)
        healed |= idle


def _idle_cuts(search: "_Search", units: Iterable[list[Place]]) -> Iterable[tuple[int, int]]:
    unit_of = {place: number for number, unit in enumerate(units) for place in unit}
    for number, cuts in search.cuts.items():
        for cut in cuts:
            sides = search.streams[number].beside(cut)
            if sides is not None:
                before, after = (unit_of.get((number, index)) for index in sides)
                if before is not None and before == after:
                    yield number, cut


class _Search:
    """The runs that have been reached so far, and those from which the search has still to go on."""

    def __init__(self, db: apsw.Connection, healed: set[tuple[int, int]], now: int) -> None:
        self._db = db
        self._healed = healed
        self._now = now
        self.streams: dict[int, Stream] = {}
        self.cuts: dict[int, tuple[int, ...]] = {}
        self.rows: dict[int, Row] = {}
        self._held: dict[int, dict[str, tuple[str, int]]] = {}
        self._starts: dict[int, dict[int, int]] = {}
        self._places: dict[Place, set[str]] = {}  # with the groups of each
        self._waiting: list[Place] = []

    def stream(self, number: int) -> Stream | None:
        if number not in self.streams:
            cuts = tuple(c for c in merges.cuts(self._db, number) if (number, c) not in self._healed)
            found = streams.load(self._db, number, cuts, now=self._now)
            if found is None:
                return None
            self.streams[number], self.cuts[number] = found, cuts
            self._held[number] = merges.groups_of(self._db, number)
            self._starts[number] = sessions.starts_of(self._db, number)
        return self.streams[number]

    def run(self, own: int) -> None:
        """Reach every run of a stream, and from there whatever is or was one session with them."""
        for index in range(len(self.streams[own].found)):
            self._reach((own, index))
        for row in sessions.of_stream(self._db, own):
            self._reach_row(row)
        seen: set[str] = set()
        while self._waiting:
            number, index = place = self._waiting.pop()
            if number != own:
                for since, seq in self._starts[number].items():
                    if self.streams[number].index_at(since) == index and seq not in self.rows:
                        known = sessions.by_seq(self._db, seq)
                        if known is not None:
                            self._reach_row(known)
            for group in self._places[place] - seen:
                seen.add(group)
                for other in merges.streams_of(self._db, group):
                    self._reach_group(other, group)

    def _reach(self, place: Place) -> None:
        number, index = place
        if place not in self._places:
            held = self._held[number]
            ids = [anchor.id for anchor in self.streams[number].given.get(index, ())]
            self._places[place] = {held[id][0] for id in ids if id in held}
            self._waiting.append(place)

    def _reach_row(self, row: Row) -> None:
        self.rows[row.seq] = row
        if row.tied != sessions.MERGED:
            return
        for number, since in sessions.runs_of(self._db, row.seq):
            stream = self.stream(number)
            index = None if stream is None else stream.index_at(since)
            if index is not None:
                self._reach((number, index))

    def _reach_group(self, number: int, group: str) -> None:
        stream = self.stream(number)
        if stream is None:
            return
        held = self._held[number]
        for index, anchors in stream.given.items():
            if any(held[anchor.id][0] == group for anchor in anchors if anchor.id in held):
                self._reach((number, index))

    def units(self) -> list[list[Place]]:
        """Return the runs of each session, by stream and start; sessions by their first run."""
        unit_of: dict[Place, list[Place]] = {}
        of_group: dict[str, list[Place]] = {}
        for place in sorted(self._places):
            unit = [place]
            for group in sorted(self._places[place]):
                other = of_group.get(group)
                if other is not None and other is not unit:
                    other += unit
                    unit = other
                    of_group |= {g: unit for member in unit for g in self._places[member] if g in of_group}
                of_group[group] = unit
            for member in unit:
                unit_of[member] = unit
        units = {id(unit): unit for unit in unit_of.values()}
        return sorted(sorted(unit) for unit in units.values())

    def merged_at(self) -> dict[Place, int]:
        """Return when each of the runs that have been merged was merged."""
        found: dict[Place, int] = {}
        for number, index in self._places:
            held = self._held[number]
            anchors = self.streams[number].given.get(index, ())
            times = [held[anchor.id][1] for anchor in anchors if anchor.id in held]
            if times:
                found[number, index] = max(times)
        return found
