"""Which of what is known deserves its place: the rules of scoring and pruning, without any store.

What is known of a project are *items*; what is shown of them unasked has a budget of tokens. The rule: an item that was
used lately and often stays active, and when the active ones fill 80 % of the budget, the lowest-scored fifth of them is
archived, fifth by fifth until they fill less. An archived item comes back when it is used, and others make room for it.
Nothing is ever lost by this. The invariant: what has been pruned once is not changed by pruning it again.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from kioku import times

RECENT_MS: Final = 30 * times.DAY  # after this long an access makes nothing recent any more
MOST_ACCESSES: Final = 100  # more are no more frequent
FULL_PERCENT: Final = 80  # of the budget: from here on the lowest are archived
PART: Final = 5  # one of so many active items is archived at a time

ACTIVE: Final = "active"
ARCHIVED: Final = "archived"

BYTES_A_TOKEN: Final = 4


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is known. `used_at` is its last access or when it was made, `archived_at` None while active.

    An item that was used at or after `archived_at` was used since.
    """

    id: str
    tokens: int
    used_at: int
    accesses: int
    archived_at: int | None = None


class Score(NamedTuple):
    """What an item is worth, from 0 to 1, and of what parts."""

    total: float
    recency: float
    frequency: float


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of an item at an instant: `archived_at` is None where it is active."""

    item: Item
    score: Score
    archived_at: int | None

    @property
    def status(self) -> str:
        """Return the word for it."""
        return ACTIVE if self.archived_at is None else ARCHIVED

    @property
    def has_changed(self) -> bool:
        """Tell whether it was archived, or came back, just now."""
        return self.archived_at != self.item.archived_at


def tokens(text: str) -> int:
    """Estimate the tokens of a text: a quarter of its bytes in UTF-8, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)


def score(item: Item, now: int) -> Score:
    """Score an item: 0.6 times how recent its last access is, plus 0.4 times how frequent they are.

    Recency falls in a straight line from 1 to 0 in 30 days; frequency is the number of accesses, at most 100, of 100.
    """
    recency = min(1.0, max(0.0, 1 - (now - item.used_at) / RECENT_MS))
    frequency = min(max(item.accesses, 0), MOST_ACCESSES) / MOST_ACCESSES
    return Score(0.6 * recency + 0.4 * frequency, recency, frequency)


def prune(items: Sequence[Item], budget: float, now: int) -> list[Verdict]:
    """Decide which items are active at `now`, given a budget in tokens; return a verdict on each, in their order.

    An archived item that was used since is back, and goes last of all when room is made. Of equal scores, the item that
    was used longer ago goes first, then the one with the smaller id.
    """
    scores = {item.id: score(item, now) for item in items}
    back = {item.id for item in items if item.archived_at is not None and item.used_at >= item.archived_at}
    active = sorted(
        (item for item in items if item.archived_at is None or item.id in back),
        key=lambda item: (item.id in back, scores[item.id].total, item.used_at, item.id),
    )
    used = sum(item.tokens for item in active)
    while active and is_full(used, budget):
        count = -(-len(active) // PART)
        used -= sum(item.tokens for item in active[:count])
        del active[:count]
    staying = {item.id for item in active}

    def since(item: Item) -> int | None:
        if item.id in staying:
            return None
        return max(now, item.used_at + 1) if item.archived_at is None or item.id in back else item.archived_at

    return [Verdict(item=item, score=scores[item.id], archived_at=since(item)) for item in items]


def is_full(used: int, budget: float) -> bool:
    """Tell whether so many tokens reach the part of the budget at which room is made."""
    return used > 0 and used * 100 >= budget * FULL_PERCENT
