"""Where the words of a query stand, read from the index, within bounds.

FTS5's own ranking counts every word's passages over the whole index and weighs each that has any of the words; in a
large store nearly all have. Here rare words are read whole, with how often and in which column they stand; a frequent
word, which tells passages apart only a little, is looked up just in those that have a rare one.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import apsw

from kioku.reports.search import asking
from kioku.reports.search.asking import Word

AT_MOST: Final = 2_000  # places that are read of all words together, if rare words have enough
ENOUGH: Final = 500  # passages below which the next frequent word is read too
_LOOKED_UP: Final = 6  # frequent words
_PAIRS: Final = 1_000  # passages of a pair, the latest
_COLUMNS: Final = {"text": 1.0, "parts": 0.5, "date": 0.4}


class Posting(NamedTuple):
    """In which passages a word (`of` one) or a pair of words (`of` two) stands, and how often.

    `is_whole` tells that these are all of them; `frequency` is how many there are.
    """

    word: str
    of: int
    times: dict[int, float]
    frequency: int
    is_whole: bool


def read(
    db: apsw.Connection, words: Sequence[Word], talks: Collection[int] | None, shift: int, names: Sequence[str] = ()
) -> list[Posting]:
    """Return the postings of words, of names that are made of several, and of pairs of words, in no other talks."""
    known = {word: terms for word in words if (terms := tokens(db, word.text))}
    plain = {word: terms[0] for word, terms in known.items() if len(terms) == 1 and not word.parts}
    counts = {word: _count(db, term) for word, term in plain.items()}
    found: list[Posting] = []
    for word in known:
        if word not in plain:
            rows = _matching(db, word.match, _PAIRS)
            found.append(Posting(word.text, 1, dict.fromkeys(rows, 1.0), len(rows), is_whole=True))
    frequent: list[Word] = []
    total = sum(posting.frequency for posting in found)
    rare: list[Word] = []
    for word in sorted(counts, key=lambda word: (counts[word], word)):
        if not counts[word]:
            continue
        if total < ENOUGH or total + counts[word] <= AT_MOST:
            rare.append(word)
            total += counts[word]
            found.append(Posting(word.text, 1, _places(db, plain[word]), counts[word], is_whole=True))
        else:
            frequent.append(word)
    for name in names:
        rows = _matching(db, name, _PAIRS)
        whole = Posting(name, 1, dict.fromkeys(rows, 1.0), len(rows), is_whole=True)
        found += [whole] * name.count(" ")  # once for each two words that stand in it as they should
    there = [word for word in known if word not in counts or counts[word]]
    for a, b in pairwise(words):
        if a not in there or b not in there:
            continue
        rows = _matching(db, asking.phrases([a, b])[0], _PAIRS)
        found.append(Posting(f"{a.text} {b.text}", 2, dict.fromkeys(rows, 1.0), len(rows), is_whole=True))
    leading = " OR ".join([word.match for word in known if word not in plain] + [word.match for word in rare])
    for word in frequent[:_LOOKED_UP]:
        rows = _matching(db, f"({leading}) AND {{text}} : {word.match}", -1)
        found.append(Posting(word.text, 1, dict.fromkeys(rows, 1.0), counts[word], is_whole=False))
    if talks is not None:
        found = [
            posting._replace(times={id: number for id, number in posting.times.items() if id >> shift in talks})
            for posting in found
        ]
    return found


def read_near(db: apsw.Connection, words: Sequence[Word], found: Sequence[Posting]) -> list[dict[int, float]]:
    """Return the passages in which two neighbouring words stand near each other; of frequent ones, side by side."""
    frequent = {posting.word for posting in found if not posting.is_whole}
    missing = {word.text for word in words} - {posting.word for posting in found}
    near = []
    for a, b in pairwise(words):
        if a.text in missing or b.text in missing:
            continue
        if a.text in frequent and b.text in frequent:
            phrase = f"{a.text} {b.text}"
            near += [dict(posting.times) for posting in found if posting.of == 2 and posting.word == phrase]
        else:
            near.append(dict.fromkeys(_matching(db, asking.near([a, b])[0], _PAIRS), 1.0))
    return near


def tokens(db: apsw.Connection, word: str) -> list[str]:
    """Return a word as the index has it; nothing for what is no word to it."""
    tokenizer = db.fts5_tokenizer("porter", ["unicode61", "remove_diacritics", "2"])
    told = tokenizer(word.encode(), apsw.FTS5_TOKENIZE_QUERY, None, include_offsets=False, include_colocated=False)
    return [str(token) for token in told]


def _count(db: apsw.Connection, term: str) -> int:
    row = db.execute("SELECT doc FROM word_counts WHERE term = ?", (term,)).fetchone()
    return 0 if row is None else int(row[0])


def _places(db: apsw.Connection, term: str) -> dict[int, float]:
    found: defaultdict[int, float] = defaultdict(float)
    weights = _COLUMNS
    for id, column in db.execute("SELECT doc, col FROM word_places WHERE term = ?", (term,)):
        found[id] += weights[column]
    return found


def _matching(db: apsw.Connection, query: str, most: int) -> list[int]:
    found = db.execute(
        "SELECT rowid FROM passage_words WHERE passage_words MATCH ? ORDER BY rowid DESC LIMIT ?", (query, most)
    )
    return [row[0] for row in found]
