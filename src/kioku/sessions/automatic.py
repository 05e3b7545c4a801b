"""Merging by itself, for those who set it: sessions that are over and go on with each other after a short gap.

It looks at what ended since it was switched on, and decides what a person would have decided by hand: the same kind of
decision, which the same command takes back. What a person took apart it never touches again.
"""

from collections.abc import Iterable
from typing import Final

import apsw

from kioku import times
from kioku.sessions import blocks, combining
from kioku.sessions.blocks import Link, Suggestion
from kioku.sessions.continuity import Touch, Trace
from kioku.store import merges
from kioku.store.merges import Left

REACH: Final = 7 * times.DAY  # what began longer ago is left to the person


def is_due(db: apsw.Connection, within_ms: int, now: int) -> bool:
    """Tell whether there is anything to look at."""
    if within_ms <= 0:
        return False
    since = merges.looked_at(db)
    return since is None or merges.has_changed(db, now - REACH, since)


def merge(db: apsw.Connection, within_ms: int, *, now: int) -> int:
    """Merge what goes on after less than `within_ms`; return how many sessions were made of several.

    The two must be of one conversation or on one branch, and of high continuity (`Score.is_high`).
    """
    since = merges.looked_at(db)
    merges.look_at(db, now)
    if since is None or not merges.has_changed(db, now - REACH, since):
        return 0
    apart = combining.taken_apart(combining.decisions(db))
    # What changed, and what may be near to it.
    found = [left for left in merges.left_since(db, now - REACH) if not apart & set(left.ids)]
    changed = {left.ids[0] for left in found if left.updated_at >= since}
    streams = {left.ids[0]: left.streams for left in found}
    suggested = blocks.suggest([_trace(left) for left in found], day_of=lambda _at: None)
    made = 0
    for ids in _chains(suggested, streams, within_ms):
        if changed & set(ids):
            combining.merge(db, ids, now=now, automatic=True)
            made += 1
    return made


def _chains(suggested: Iterable[Suggestion], streams: dict[str, frozenset[int]], within_ms: int) -> Iterable[list[str]]:
    """Return the longest chains of what is suggested in which every link holds."""
    for suggestion in suggested:
        chain: list[str] = []
        for link in suggestion.links:
            if _holds(link, streams, within_ms):
                chain = chain or [link.before.id]
                chain.append(link.after.id)
            elif chain:
                yield chain
                chain = []
        if chain:
            yield chain


def _holds(link: Link, streams: dict[str, frozenset[int]], within_ms: int) -> bool:
    before, after = link.before, link.after
    is_one = bool(streams[before.id] & streams[after.id]) or (
        before.branch is not None and before.branch == after.branch
    )
    return is_one and link.gap_ms < within_ms and link.score.is_high


def _trace(left: Left) -> Trace:
    return Trace(
        id=left.ids[0], started_at=left.started_at, ended_at=max(left.ended_at, left.started_at),
        repository=left.place, branch=left.branch, files={path: Touch(*at) for path, at in left.files.items()},
        is_live=left.is_live,
    )  # fmt: skip
