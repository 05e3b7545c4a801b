"""Sessions that belong together: work blocks, and which sessions a person may want to merge.

Both only ever suggest. A session goes on with one that was over when it began and that it continues highly
(`Score.is_high`); nothing is joined across more than `LONGEST_GAP`, and nothing live is ever proposed for merging.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final

import msgspec

from kioku import times
from kioku.sessions import continuity
from kioku.sessions.continuity import Score, Trace
from kioku.words import counted

BLOCK_GAP: Final = 90 * times.MINUTE  # a longer gap ends a work block
LONGEST_GAP: Final = 4 * times.HOUR  # over a longer one, sessions are never put together but by hand


class Link(msgspec.Struct, frozen=True):
    """A session, the one that it goes on with, and how far."""

    before: Trace
    after: Trace
    score: Score

    @property
    def gap_ms(self) -> int:
        """Return the time between the two."""
        return continuity.gap_ms(self.before, self.after)


class Block(msgspec.Struct, frozen=True):
    """Sessions that are one stretch of work, by their beginning, and what links them; often it is one alone."""

    traces: tuple[Trace, ...]
    links: tuple[Link, ...]

    @property
    def since(self) -> int:
        """Return when the first of them began."""
        return self.traces[0].started_at

    @property
    def until(self) -> int:
        """Return when the last of them ended."""
        return max(trace.ended_at for trace in self.traces)


class Suggestion(msgspec.Struct, frozen=True):
    """Sessions that could be merged, in order, each going on with the one before, and the reason in words."""

    ids: tuple[str, ...]
    links: tuple[Link, ...]
    reason: str


def work_blocks(traces: Iterable[Trace]) -> list[Block]:
    """Divide sessions into blocks: each goes into that of its predecessor if the two are at most 90 minutes apart.

    A gap inside one conversation's block has at least its timeout, usually 30 minutes; a shorter one lies between two
    conversations, and binds as well. Every session is in exactly one block.
    """
    found: list[tuple[list[Trace], list[Link]]] = []
    place: dict[str, int] = {}
    for after, link in _linked(sorted(traces, key=_by_order), BLOCK_GAP):
        if link is None:
            place[after.id] = len(found)
            found.append(([after], []))
        else:
            place[after.id] = place[link.before.id]
            members, links = found[place[after.id]]
            members.append(after)
            links.append(link)
    return [Block(tuple(members), tuple(links)) for members, links in found]


def suggest(traces: Iterable[Trace], *, day_of: Callable[[int], Hashable]) -> list[Suggestion]:
    """Suggest which sessions to merge: of one day, one known repository, over, and highly continuous.

    The earliest come first. `day_of` gives the local day of an instant; a session belongs to the day on which it began.
    Each session is followed by one at most, the one that continues it most, so that merged sessions never overlap.
    """
    days: dict[tuple[Hashable, str], list[Trace]] = {}
    for trace in sorted(traces, key=_by_order):
        if trace.repository is not None and not trace.is_live:
            days.setdefault((day_of(trace.started_at), trace.repository), []).append(trace)
    chains: list[list[Link]] = []
    for members in days.values():
        chains += _chains([link for _, link in _linked(members, LONGEST_GAP) if link is not None])
    chains.sort(key=lambda chain: chain[0].before.order)
    return [
        Suggestion((chain[0].before.id, *(link.after.id for link in chain)), tuple(chain), _reason(chain))
        for chain in chains
    ]


def _linked(traces: Sequence[Trace], within: int) -> list[tuple[Trace, Link | None]]:
    """Pair each session, by their beginning, with its link to the predecessor, if that is high."""
    found: list[tuple[Trace, Link | None]] = []
    near: list[Trace] = []  # those that began earlier and ended, or may yet end, at most `within` before the next
    for after in traces:
        near = [trace for trace in near if after.started_at - trace.ended_at <= within]
        best = continuity.predecessor(near, after, within=within)
        found.append((after, Link(best[0], after, best[1]) if best is not None and best[1].is_high else None))
        near.append(after)
    return found


def _chains(links: Iterable[Link]) -> list[list[Link]]:
    """Make chains of links; of several that begin at one session, the highest score goes on, then the earliest."""
    best: dict[str, Link] = {}
    for link in links:
        other = best.get(link.before.id)
        if other is None or link.score.value > other.score.value:
            best[link.before.id] = link
    continued = {link.after.id for link in best.values()}
    chains = []
    for first in best.values():
        if first.before.id not in continued:
            chain = [first]
            while (following := best.get(chain[-1].after.id)) is not None:
                chain.append(following)
            chains.append(chain)
    return chains


def _reason(chain: Sequence[Link]) -> str:
    return "; then ".join(_link_reason(link) for link in chain)


def _link_reason(link: Link) -> str:
    before, after = link.before, link.after
    said = [f"{times.duration_text(link.gap_ms)} apart" if link.gap_ms else "one right after the other"]
    if before.branch is not None and before.branch == after.branch:
        said.append(f"both on branch {before.branch}")
    shared = sorted(before.files.keys() & after.files.keys(), key=lambda path: (-before.files[path].last_at, path))
    if shared:
        said.append(f"{counted(len(shared), 'file')} in common ({_some(shared)})")
    if words := sorted((before.topics or frozenset()) & (after.topics or frozenset()), key=lambda w: (-len(w), w)):
        said.append(f"{counted(len(words), 'word')} in common ({_some(words)})")
    return f"{', '.join(said)}: continuity {link.score.value:.2f}"


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:3]) + (", …" if len(texts) > 3 else "")


def _by_order(trace: Trace) -> tuple[int, int, str]:
    return trace.order
