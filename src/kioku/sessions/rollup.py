"""Rollups: what the sessions of a day come to, so that a report on years need not look at each of them.

A rollup is made of digests alone, and of one UTC day; whatever a report needs of part of a day it makes by the same
functions. Time that several sessions share counts once in `together`, and for each of them elsewhere.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from operator import add
from typing import Final

from kioku import times
from kioku.sessions.derive import ACTIVE_GAP
from kioku.sessions.digest import union
from kioku.summaries import (
    ACTIVE_CLOCK,
    AGENT_CLOCK,
    AT,
    BRANCH,
    CALL,
    CLIENT,
    COUNTED_AS,
    EDIT,
    NO_NAME,
    PROMPTED,
    READ,
    SLOT,
    SLOTS,
    WAITING_CLOCK,
    Day,
    Part,
    Share,
    Shares,
    Stretch,
)


def day(number: int, parts: Iterable[Part]) -> Day:
    """Make the rollup of a UTC day out of the sessions that may have something in it; empty ones count nowhere.

    It depends on the set of them alone, so that a store that was read back has the same bytes.
    """
    start = number * times.DAY
    found = Day(day=number)
    slots = found.slots
    active: list[Stretch] = []
    lengths: list[tuple[int, int]] = []
    gaps: list[tuple[int, int]] = []
    for part in parts:
        if part.empty:
            continue
        if part.agent_ms is not None:
            for slot in range(max(part.slots[0], number * SLOTS), min(part.slots[-1] + 1, (number + 1) * SLOTS)):
                slots[AT["known"] + slot - number * SLOTS] += 1
        for stretch in part.digest.stretches:
            _spread(slots, _CLOCKS[stretch.clock], stretch, start)
            if stretch.clock == ACTIVE_CLOCK:
                active.append(stretch)
        for tally, times_counted in part.digest.counts.items():
            slot = tally.slot - number * SLOTS
            if tally.kind in _COUNTED and 0 <= slot < SLOTS:
                slots[_COUNTED[tally.kind] + slot] += times_counted
        slot = part.started_at // SLOT - number * SLOTS
        if 0 <= slot < SLOTS:
            slots[AT["begun"] + slot] += 1
            if part.active_ms is not None:
                lengths.append((slot, min(part.active_ms, _MOST)))
        for at, gap in _gaps(part):
            if start <= at < start + times.DAY:
                gaps.append(((at - start) // SLOT, min(gap, _MOST)))
    for stretch in union(active):
        _spread(slots, AT["together"], stretch, start)
    found.lengths.extend(_by_length(lengths))
    found.gaps.extend(_by_length(gaps))
    return found


def with_more(rolled: Day, parts: Iterable[Part], active: Iterable[Stretch]) -> Day:
    """Return the rollup of a UTC day with further sessions; `active` are the stretches of those that are in it."""
    parts = list(parts)
    more = day(rolled.day, parts)
    begin = AT["together"]
    slots = array("Q", map(add, rolled.slots, more.slots))
    slots[begin : begin + SLOTS] = array("Q", bytes(8 * SLOTS))
    theirs = (s for part in parts for s in part.digest.stretches if s.clock == ACTIVE_CLOCK)
    for stretch in union([*active, *theirs]):
        _spread(slots, begin, stretch, rolled.day * times.DAY)
    lengths, gaps = _merged(rolled.lengths, more.lengths), _merged(rolled.gaps, more.gaps)
    return Day(day=rolled.day, slots=slots, lengths=lengths, gaps=gaps)


def _merged(one: "array[int]", other: "array[int]") -> "array[int]":
    return array("Q", _by_length([*zip(one[::2], one[1::2], strict=True), *zip(other[::2], other[1::2], strict=True)]))


def _by_length(pairs: list[tuple[int, int]]) -> Iterable[int]:
    """Order pairs of a slot and a length by the latter: what is read of many days is nearly in order then."""
    ordered = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    return chain.from_iterable(ordered)


_CLOCKS: Final = {ACTIVE_CLOCK: AT["active"], AGENT_CLOCK: AT["agent"], WAITING_CLOCK: AT["waiting"]}
_COUNTED: Final = {CALL: AT["calls"], PROMPTED: AT["prompts"], READ: AT["reads"], EDIT: AT["edits"]}
_MOST: Final = (1 << 32) - 1


def _gaps(part: Part) -> Iterator[tuple[int, int]]:
    """Return the silences that end the active stretches, as (when it was over, ms)."""
    if part.gap_before is not None and part.gap_before > ACTIVE_GAP:
        yield part.first_at, part.gap_before
    active = [stretch for stretch in part.digest.stretches if stretch.clock == ACTIVE_CLOCK]
    for before, after in pairwise(active):
        yield after.since, after.since - before.until


def _spread(slots: "array[int]", column: int, stretch: Stretch, start: int) -> None:
    """Add a stretch to the slots of a day that it lies in, in one of its columns."""
    since, until = max(stretch.since - start, 0), min(stretch.until - start, SLOT * SLOTS)
    while since < until:
        slot = since // SLOT
        end = min(until, (slot + 1) * SLOT)
        slots[column + slot] += end - since
        since = end


def shares(parts: Iterable[Part], since: int, until: int) -> Shares:
    """Return what each client, branch, tool and file has of a stretch of time that begins and ends with slots."""
    found: Shares = {}
    for part in parts:
        if part.empty:
            continue
        begins = since <= part.started_at < until
        here: Shares = {}
        client = _of(here, CLIENT, part.client or NO_NAME)
        if part.active_ms is not None:
            for name, ms in _by_branch(part, since, until):
                _of(here, BRANCH, name).add(Share(ms))
                client.add(Share(ms))
        for tally, number in part.digest.counts.items():
            kind, column = COUNTED_AS.get(tally.kind, (0, ""))
            if not kind:
                continue
            share = _of(here, kind, tally.name)
            if since <= tally.slot * SLOT < until:
                counted = Share()
                setattr(counted, column, number)
                share.add(counted)
                if kind != BRANCH:
                    client.add(counted)
        branches = {name for _, name in part.digest.branches} or {NO_NAME}
        for key, share in here.items():
            # Of a merged session, a part may tell of no branch; the session is on those that are known all the same.
            share.sessions = int(begins and (key[0] != BRANCH or key[1] in branches))
            if not share.is_nothing:
                found.setdefault(key, Share()).add(share)
    return found


def _of(found: Shares, kind: int, name: str) -> Share:
    share = found.get((kind, name))
    if share is None:
        share = found[kind, name] = Share()
    return share


def _by_branch(part: Part, since: int, until: int) -> Iterator[tuple[str, int]]:
    """Return the active time on each branch, within limits; a session that never tells has one without a name."""
    starts = [at for at, _ in part.digest.branches]
    names = [name for _, name in part.digest.branches]
    for name in names or [NO_NAME]:
        yield name, 0
    for stretch in part.digest.stretches:
        if stretch.clock != ACTIVE_CLOCK:
            continue
        at, end = max(stretch.since, since), min(stretch.until, until)
        while at < end:
            index = max(0, bisect_right(starts, at) - 1)  # before the first that is known it is that one
            change = min([end, *starts[index + 1 : index + 2]])
            yield (names[index] if names else NO_NAME), change - at
            at = change


def within(found: "array[int]", first: int, last: int) -> "array[int]":
    """Return what `Day.lengths` or `Day.gaps` has of some of the day's slots."""
    if first == 0 and last == SLOTS:
        return found[1::2]
    return array("Q", (ms for slot, ms in zip(found[::2], found[1::2], strict=True) if first <= slot < last))
