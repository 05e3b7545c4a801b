"""How far one session goes on with the work of another: a score from 0 to 1, with the parts that explain it.

A score is the weighted mean of those parts that are known; what is unknown (no branch, no file touched, nothing said)
has no weight, and is never counted as a difference. Nothing here decides anything: a score says how alike two sessions
are, `predecessor` which one comes closest, and what to do about it is the person's choice.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from kioku import times
from kioku.sessions.derive import ACTIVE_GAP

SILENCE: Final = 30 * times.MINUTE  # the built-in timeout: a gap this long is none inside a session
WINDOW: Final = 30 * times.DAY  # a session does not go on from one that ended longer ago
FADING: Final = 60 * times.MINUTE  # a gap this long leaves 1/e of its part
HALF_LIFE: Final = 30 * times.MINUTE  # a touch this much further from the gap weighs half
HIGH: Final = 0.6  # from here on, two sessions count as one piece of work

# How much each part weighs, of 100. They are whole numbers so that rounding never carries a score past 1.
REPOSITORY, BRANCH, FILES, TOPICS, GAP = "repository", "branch", "files", "topics", "gap"
WEIGHTS: Final[dict[str, int]] = {REPOSITORY: 10, BRANCH: 15, FILES: 35, TOPICS: 15, GAP: 25}


class Touch(NamedTuple):
    """When a session first and last touched a file."""

    first_at: int
    last_at: int


class Weights(NamedTuple):
    """What the files of a session weigh, and all of them together."""

    files: dict[str, float]
    total: float

    @classmethod
    def of(cls, ages: Mapping[str, int]) -> "Weights":
        """Weigh files by their ages in ms."""
        files = {path: math.exp2(-age / HALF_LIFE) for path, age in ages.items()}
        return cls(files, math.fsum(files.values()))

    def share(self, paths: Iterable[str]) -> float:
        """Return the share of the weight that lies on some of the files."""
        return math.fsum(self.files[path] for path in paths) / self.total


class Trace(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a session left behind by which it can be compared. No files, or no topics, means that none are known."""

    id: str
    started_at: int
    ended_at: int  # of a live session: its last activity
    repository: str | None
    branch: str | None = None
    files: Mapping[str, Touch] = {}
    topics: frozenset[str] | None = None
    is_live: bool = False

    @property
    def order(self) -> tuple[int, int, str]:
        """Order sessions by their beginning; which of two comes first never depends on how they were found."""
        return self.started_at, self.ended_at, self.id

    @cached_property
    def left(self) -> Weights:
        """Weigh the files as the session left them: by the time from the last touch of each to the last of all."""
        last = max((touch.last_at for touch in self.files.values()), default=0)
        return Weights.of({path: last - touch.last_at for path, touch in self.files.items()})

    @cached_property
    def taken_up(self) -> Weights:
        """Weigh the files as the session took them up: by the time from the first touch of all to the first of each."""
        first = min((touch.first_at for touch in self.files.values()), default=0)
        return Weights.of({path: touch.first_at - first for path, touch in self.files.items()})


class Part(msgspec.Struct, frozen=True):
    """One reason for a score: how alike two sessions are in it (0 to 1; None: not known), and what it weighs."""

    name: str
    value: float | None
    weight: int


class Score(msgspec.Struct, frozen=True):
    """How far a session goes on with another, and why: `value` is the weighted mean of the parts that are known."""

    value: float
    parts: tuple[Part, ...]

    @property
    def is_high(self) -> bool:
        """Tell whether the two are one piece of work, for all that can be told.

        That takes something known of the work itself, files or words, that both share: nearness in time and place alone
        says nothing about what was done.
        """
        return self.value >= HIGH and any(part.value for part in self.parts if part.name in (FILES, TOPICS))


def score(before: Trace, after: Trace) -> Score:
    """Compare a session with a later one.

    repository  1 when both are in the same, else 0
    branch      1 when both were last on the same branch of the same repository, else 0
    files       the mean of two shares: of all that `before` touched, each file weighed by 2 ** (-age / 30 min), the
                share that `after` touched too, age being the time from the file's last touch to the last of all; and of
                what `after` touched the share that `before` had touched, age being the time from the first touch of all
                to the file's first; 0 in different repositories, where one name is two files
    topics      words in common / words of either (Jaccard)
    gap         exp(-gap / 60 min); sessions that overlap have no gap
    """
    same = _same(before.repository, after.repository)
    branch = None if same is None else _same(before.branch, after.branch)
    values = {
        REPOSITORY: same,
        BRANCH: None if branch is None or same is None else same * branch,
        FILES: (0.0 if same == 0 else _files(before, after)) if before.files and after.files else None,
        TOPICS: _topics(before.topics, after.topics) if before.topics and after.topics else None,
        GAP: math.exp(-gap_ms(before, after) / FADING),
    }
    parts = tuple(Part(name, values[name], weight) for name, weight in WEIGHTS.items())
    return Score(mean(parts), parts)


def _same(one: str | None, other: str | None) -> float | None:
    return None if one is None or other is None else float(one == other)


def mean(parts: Iterable[Part]) -> float:
    """Return the weighted mean of the parts that are known."""
    known = [(part.value, part.weight) for part in parts if part.value is not None]
    return math.fsum(value * weight for value, weight in known) / sum(weight for _, weight in known)


def gap_ms(before: Trace, after: Trace) -> int:
    """Return the time between two sessions; 0 for those that overlap."""
    return max(0, after.started_at - before.ended_at)


def _files(before: Trace, after: Trace) -> float:
    shared = before.files.keys() & after.files.keys()
    return (before.left.share(shared) + after.taken_up.share(shared)) / 2


def _topics(before: frozenset[str], after: frozenset[str]) -> float:
    common = len(before & after)
    return common / (len(before) + len(after) - common)


def predecessor(candidates: Iterable[Trace], after: Trace, *, within: int = WINDOW) -> tuple[Trace, Score] | None:
    """Return the session that `after` goes on with most, and the score; None when none ended before it began.

    Only sessions that are over count, and that ended within `within` ms (at most) before it began. Of equal scores the
    later end decides, then the later start, then the id.
    """
    best: tuple[tuple[float, int, int, str], Trace, Score] | None = None
    for trace in candidates:
        if trace.is_live or trace.order >= after.order or not 0 <= after.started_at - trace.ended_at <= within:
            continue
        found = score(trace, after)
        rank = (found.value, trace.ended_at, trace.started_at, trace.id)
        if best is None or rank > best[0]:
            best = (rank, trace, found)
    return None if best is None else best[1:]


class Gap(Enum):
    """What a silence means."""

    WORK = "work"  # up to 5 minutes: it counts as active time
    BREAK = "break"  # a pause inside a session
    BETWEEN = "between sessions"


def gap_class(length: int, timeout_ms: int = SILENCE) -> Gap:
    """Say what a silence of that length means where a session ends after `timeout_ms`."""
    if length >= timeout_ms:
        return Gap.BETWEEN
    return Gap.WORK if length <= ACTIVE_GAP else Gap.BREAK


def breaks(active: Sequence[tuple[int, int]], timeout_ms: int = SILENCE) -> list[tuple[int, int]]:
    """Return the breaks between a session's active stretches (since, until), as such.

    What lies between the parts of a merged session is none where it is as long as the timeout.
    """
    gaps = [(before[1], after[0]) for before, after in pairwise(active)]
    return [(since, until) for since, until in gaps if gap_class(until - since, timeout_ms) is Gap.BREAK]
