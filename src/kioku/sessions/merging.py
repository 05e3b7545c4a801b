"""Which sessions a person put together or divided: the rules, as pure functions over what was decided.

A decision names ids, and every id names the stretch of activity that it was given for, whatever else is told later. Two
merges that share an id are one; a merge taken back is as if it had never been made. So merging is commutative,
associative and idempotent, and the order in which reports arrive has no part in it.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

MERGED: Final = "merged"
UNMERGED: Final = "unmerged"
SPLIT: Final = "split"
KINDS: Final = (MERGED, UNMERGED, SPLIT)


class Decision(msgspec.Struct, frozen=True):
    """What was decided, as it is kept.

    `ids` are: of a merge the sessions; of one taken back those of that merge; of a split one in each stream that has
    activity on both sides of `at` (ms). `number` gives the order. A split divides the session that has the ids `of`
    into `parts`.
    """

    kind: str
    made_at: int
    number: int
    ids: tuple[str, ...]
    at: int | None = None
    of: tuple[str, ...] = ()
    parts: tuple[tuple[str, ...], ...] = ()
    automatic: bool = False

    def data(self) -> dict[str, Any]:
        """Return what is kept of it as JSON."""
        found: dict[str, Any] = {"number": self.number, "ids": list(self.ids)}
        if self.at is not None:
            found |= {"at": self.at, "of": list(self.of), "parts": [list(part) for part in self.parts]}
        return {**found, "automatic": True} if self.automatic else found


class Merge(msgspec.Struct, frozen=True):
    """A merge in force: the ids that it holds together, and when it was made."""

    ids: frozenset[str]
    made_at: int


class Force(msgspec.Struct, frozen=True):
    """What is in force: merges, the latest last, and where which id's stream is divided (ms)."""

    merges: tuple[Merge, ...]
    cuts: frozenset[tuple[str, int]]


def in_force(decisions: Iterable[Decision]) -> Force:
    """Return what is in force after some decisions.

    A merge of what is one session already adds nothing. Taking back undoes the latest merge that has one of the ids. A
    split undoes every merge of its session, and merges each of its sides.
    """
    made = _Merges()
    cuts: set[tuple[str, int]] = set()
    for decision in sorted(decisions, key=lambda d: (d.number, d.made_at, d.kind, d.ids)):
        ids = frozenset(decision.ids)
        if decision.kind == MERGED:
            if len(ids) > 1 and not ids <= made.together(ids):
                made.add(Merge(ids, decision.made_at))
        elif decision.kind == UNMERGED:
            found = made.latest(ids)
            if found is not None:
                made.drop(found)
        elif decision.at is not None:
            of = frozenset(decision.of).union(*decision.parts)
            while (found := made.latest(of)) is not None:
                made.drop(found)
            for part in decision.parts:
                if len(part) > 1:
                    made.add(Merge(frozenset(part), decision.made_at))
            cuts.update((id, decision.at) for id in decision.ids)
    return Force(tuple(made.merges.values()), frozenset(cuts))


def last(merges: Iterable[Merge], ids: Iterable[str]) -> Merge | None:
    """Return the latest merge that holds any of the ids."""
    wanted = frozenset(ids)
    return next((merge for merge in reversed(tuple(merges)) if merge.ids & wanted), None)


def groups(merges: Iterable[Merge]) -> list[frozenset[str]]:
    """Return the ids that belong together: merges that share an id are one group."""
    made = _Merges()
    for merge in merges:
        made.add(merge)
    found: list[frozenset[str]] = []
    seen: set[str] = set()
    for merge in made.merges.values():
        if not merge.ids <= seen:
            found.append(made.together(merge.ids))
            seen |= found[-1]
    return found


class _Merges:
    """Merges by number, and by each id that they hold."""

    def __init__(self) -> None:
        self.merges: dict[int, Merge] = {}
        self._of: dict[str, set[int]] = {}
        self._next = 0

    def add(self, merge: Merge) -> None:
        self.merges[self._next] = merge
        for id in merge.ids:
            self._of.setdefault(id, set()).add(self._next)
        self._next += 1

    def drop(self, number: int) -> None:
        for id in self.merges.pop(number).ids:
            self._of[id].discard(number)

    def latest(self, ids: Iterable[str]) -> int | None:
        return max((number for id in ids for number in self._of.get(id, ())), default=None)

    def together(self, ids: Iterable[str]) -> frozenset[str]:
        """Return all ids that are held together with any one of some, itself included."""
        start = min(ids)
        found, waiting = {start}, [start]
        while waiting:
            for number in self._of.get(waiting.pop(), ()):
                waiting += self.merges[number].ids - found
                found |= self.merges[number].ids
        return frozenset(found)
