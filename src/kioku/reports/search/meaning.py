"""How near passages are in meaning to what is asked: the best by words are weighed once more, by a model's vectors.

Words find, meaning only sorts: a passage that has none of the words and stands beside none is not found. What was
measured is a weight of 0.3 to 0.8 on normalised scores of the best 50; adding ranks instead made results worse.
"""

import math
from array import array
from collections.abc import Mapping, Sequence
from operator import mul
from typing import TYPE_CHECKING, Final, NamedTuple

import apsw

from kioku.store import vectors

if TYPE_CHECKING:
    from kioku.reports.search.ranking import Passage

BEST: Final = 50  # passages that are weighed, by words alone and by words and pairs of them
WEIGHT: Final = 0.5


class Meant(NamedTuple):
    """What is asked as a vector, and of which model."""

    fingerprint: str
    vector: bytes


def weigh(db: apsw.Connection, passages: "Sequence[Passage]", meant: Meant) -> "list[Passage]":
    """Add to the scores of the best passages how much nearer each is than they are on average.

    A passage without a vector is taken for average, so it keeps its score. No score falls below 0.
    """
    best = {passage.id for score in ("by_words", "score") for passage in _first(passages, score)}
    near = _cosines(meant.vector, vectors.of(db, meant.fingerprint, len(meant.vector), best))
    if len(near) < 2:
        return list(passages)
    least, most = min(near.values()), max(near.values())
    if most - least < 1e-9:
        return list(passages)
    mean = sum(near.values()) / len(near)
    share = {id: WEIGHT * (cosine - mean) / (most - least) for id, cosine in near.items()}
    tops = {score: max((getattr(p, score) for p in passages), default=0.0) for score in ("by_words", "score")}
    weighed = []
    for passage in passages:
        gain = share.get(passage.id, 0.0)
        by_words = max(0.0, passage.by_words + gain * tops["by_words"])
        score = max(0.0, passage.score + gain * tops["score"])
        weighed.append(
            passage._replace(
                by_words=by_words, score=score, near_words=by_words - passage.by_words, near=score - passage.score
            )
        )
    return weighed


def _first(passages: "Sequence[Passage]", score: str) -> "list[Passage]":
    return sorted(passages, key=lambda passage: (-getattr(passage, score), -passage.at, passage.id))[:BEST]


def _cosines(asked: bytes, found: Mapping[int, bytes]) -> dict[int, float]:
    """Return the cosine of a vector of signed bytes and each of some others, as long as it, that point anywhere."""
    one = array("b", asked)
    length = math.sqrt(sum(map(mul, one, one)))
    cosines = {}
    for id, vector in found.items():
        other = array("b", vector)
        lengths = length * math.sqrt(sum(map(mul, other, other)))
        if lengths:
            cosines[id] = sum(map(mul, one, other)) / lengths
    return cosines
