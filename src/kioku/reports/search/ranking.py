"""How well sessions and turns fit what is asked. The design and its weights were measured: see docs/search.md.

BM25 over passages, in which the words of the two neighbours on each side count 0.3, and over whole talks. What is
found in neighbours too is as long as all of them together: else a remark of three words would pass for a text about the
one word that it shares with what is asked. A session
scores the sum of 0.7^i times the i-th best of its ten best passages, as a part of the best session's, plus 0.3 times
how well its talks fit as wholes; a turn scores its passage by words alone, plus 0.3 times its session.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import apsw
import msgspec

from kioku.reports.search import postings
from kioku.reports.search.asking import Word
from kioku.reports.search.meaning import Meant, weigh
from kioku.reports.search.postings import Posting
from kioku.store.connection import one
from kioku.store.indexing import SHIFT

_K1: Final = 1.2
_B: Final = 0.75
_NEIGHBOUR: Final = 0.3
_LONG: Final = 400  # characters of a passage, beyond which it has only one neighbour on each side
_AROUND: Final = 4  # passages that a passage and its neighbours are: three, or five of short ones
_SPREAD: Final = (1_000, 300)  # passages of a word, of a pair, that is looked for in neighbours too
_PASSAGES: Final = 500  # that are weighed exactly
_TALKS: Final = 300
_BEST: Final = 10
_FADING: Final = 0.7
WHOLE: Final = 0.3


class Passage(NamedTuple):
    """A passage that fits: by words alone, and by words and pairs of them. `session` is a row number."""

    id: int
    turn: int
    at: int
    start: int
    length: int
    session: int
    by_words: float
    score: float
    near_words: float = 0.0  # what of `by_words` is for how near it is in meaning; less than 0 for what is far
    near: float = 0.0  # what of `score` is


class Ranked(msgspec.Struct, frozen=True):
    """What fits: passages, the best first; of sessions, by row number, how well their passages and their wholes do.

    Both are parts of the best one's. `near` is what of `sums` is for nearness in meaning.
    """

    passages: list[Passage]
    sums: dict[int, float]
    wholes: dict[int, float]
    near: dict[int, float] = {}

    def best_of(self) -> dict[int, list[Passage]]:
        """Return the passages of each session, the best first."""
        found: dict[int, list[Passage]] = {}
        for passage in self.passages:
            found.setdefault(passage.session, []).append(passage)
        return found


def rank(
    db: apsw.Connection, words: Sequence[Word], sessions: Collection[int] | None, names: Sequence[str] = (),
    meant: Meant | None = None,
) -> Ranked:  # fmt: skip
    """Return what fits some words, of no other sessions than these.

    A name of several words counts as one more; `meant` is the vector of what is asked.
    """
    count, length = one(db, "SELECT passages, length FROM indexed")
    # Where most sessions are wanted, it is cheaper to leave the others out of what is found.
    is_most = sessions is None or len(sessions) * 2 > one(db, "SELECT count(*) FROM sessions")[0]
    talks = None if sessions is None or is_most else _talks_of(db, sessions)
    if not words or not count or (talks is not None and not talks):
        return Ranked([], {}, {})
    found = postings.read(db, words, talks, SHIFT, names)
    wholes = _wholes(db, found, postings.read_near(db, words, found), talks, length)
    weighed = _weighed(db, found, count, length / count)
    places = _sessions_of(db, {passage.id >> SHIFT for passage in weighed} | wholes.keys())
    if sessions is not None:
        places = {talk: seq for talk, seq in places.items() if seq in sessions}
    passages = [
        passage._replace(session=places[passage.id >> SHIFT]) for passage in weighed if passage.id >> SHIFT in places
    ]
    if meant is not None:
        passages = weigh(db, passages, meant)
    passages.sort(key=lambda passage: (-passage.score, -passage.at, passage.id))
    by_session: defaultdict[int, float] = defaultdict(float)
    for talk, score in wholes.items():
        if talk in places:
            by_session[places[talk]] += score
    ranked = Ranked(passages, {}, normal(by_session))
    sums, near = (
        {seq: _faded(getattr(passage, of) for passage in best[:_BEST]) for seq, best in ranked.best_of().items()}
        for of in ("score", "near")
    )
    best = max(sums.values(), default=0.0) or 1.0
    return Ranked(passages, normal(sums), ranked.wholes, {seq: share / best for seq, share in near.items() if share})


def _faded(scores: Iterable[float]) -> float:
    return sum(score * _FADING**number for number, score in enumerate(scores))


def normal(scores: Mapping[int, float]) -> dict[int, float]:
    """Return scores as parts of the best one."""
    best = max(scores.values(), default=0.0) or 1.0
    return {key: score / best for key, score in scores.items()}


def _weighed(db: apsw.Connection, found: Sequence[Posting], count: int, average: float) -> list[Passage]:
    """Return the passages that fit best; of which sessions they are is not said."""
    terms = []
    rough: defaultdict[int, float] = defaultdict(float)
    for posting in found:
        times = posting.times
        if not times:
            continue
        weight = _rarity(count, posting.frequency) * (_K1 + 1)
        own: Mapping[int, float] = {}
        if posting.is_whole and len(times) <= _SPREAD[posting.of - 1]:
            own, times = times, _with_neighbours(times)
        terms.append((posting.of - 1, weight, times, own))
        for id, number in times.items():
            rough[id] += weight * number / (number + _K1)
    best = rough if len(rough) <= _PASSAGES else heapq.nlargest(_PASSAGES, rough, key=rough.__getitem__)
    query = """SELECT id, turn, at, start, length,
                      (SELECT sum(n.length) FROM passages n
                       WHERE n.id BETWEEN p.id - iif(p.length > ?1, 1, 2) AND p.id + iif(p.length > ?1, 1, 2))
               FROM passages p WHERE id IN (SELECT value FROM json_each(?2))"""
    weighed = []
    for id, turn, at, start, length, around in db.execute(query, (_LONG, _listed(best))):
        norm = _K1 * (1 - _B + _B * around / (_AROUND * average))
        score = [0.0, 0.0]
        for kind, weight, times, own in terms:
            if id not in times:
                continue
            number = times[id]
            if own and length > _LONG:
                number -= _NEIGHBOUR * (own.get(id - 2, 0.0) + own.get(id + 2, 0.0))
            if number > 0:
                score[kind] += weight * number / (number + norm)
        weighed.append(Passage(id, turn, at, start, length, 0, score[0], score[0] + score[1]))
    return weighed


def _with_neighbours(times: Mapping[int, float]) -> dict[int, float]:
    found: defaultdict[int, float] = defaultdict(float)
    for id, number in times.items():
        found[id] += number
        share = _NEIGHBOUR * number
        found[id - 2] += share
        found[id - 1] += share
        found[id + 1] += share
        found[id + 2] += share
    return found


def _wholes(
    db: apsw.Connection,
    found: Sequence[Posting],
    near: Sequence[Mapping[int, float]],
    talks: Collection[int] | None,
    length: int,
) -> dict[int, float]:
    """Return how well talks fit as wholes, those that fit best."""
    (count,) = one(db, "SELECT count(*) FROM talks")
    terms = []
    rough: defaultdict[int, float] = defaultdict(float)
    for times in [posting.times for posting in found if posting.of == 1 and posting.is_whole] + list(near):
        if not times:
            continue
        sums: defaultdict[int, float] = defaultdict(float)
        for id, number in times.items():
            sums[id >> SHIFT] += number
        rarity = _rarity(count, len(sums))
        terms.append((rarity, sums))
        for talk, number in sums.items():
            if talks is None or talk in talks:
                rough[talk] += rarity * number / (number + _K1)
    best = rough if len(rough) <= _TALKS else heapq.nlargest(_TALKS, rough, key=rough.__getitem__)
    query = "SELECT id, length FROM talks WHERE id IN (SELECT value FROM json_each(?))"
    scores = {}
    for talk, own in db.execute(query, (_listed(best),)):
        norm = _K1 * (1 - _B + _B * own * count / max(1, length))
        scores[talk] = sum(
            rarity * sums[talk] * (_K1 + 1) / (sums[talk] + norm) for rarity, sums in terms if talk in sums
        )
    return scores


def _rarity(count: int, frequency: int) -> float:
    """Return BM25's inverse document frequency, as FTS5 has it."""
    return max(math.log((count - frequency + 0.5) / (frequency + 0.5)) if frequency < count else 0.0, 1e-6)


def _talks_of(db: apsw.Connection, sessions: Collection[int]) -> set[int]:
    query = """SELECT t.id FROM runs u JOIN talks t ON (t.stream, t.since) = (u.stream, u.since)
               WHERE u.session IN (SELECT value FROM json_each(?))"""
    return {row[0] for row in db.execute(query, (_listed(sessions),))}


def _sessions_of(db: apsw.Connection, talks: Collection[int]) -> dict[int, int]:
    """Return the session, by row number, that each of some talks is part of."""
    query = """SELECT t.id, u.session FROM talks t JOIN runs u ON (u.stream, u.since) = (t.stream, t.since)
               WHERE t.id IN (SELECT value FROM json_each(?))"""
    return dict(db.execute(query, (_listed(talks),)))


def _listed(numbers: Collection[int]) -> str:
    return msgspec.json.encode(list(numbers)).decode()
