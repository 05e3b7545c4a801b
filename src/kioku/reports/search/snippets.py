"""The text around a match, with the match marked."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import apsw

from kioku.reports.search.asking import Word
from kioku.reports.search.ranking import Passage
from kioku.reports.search.wanted import END, START
from kioku.store.passages import is_run, pairs

_WORDS: Final = 24
_SIGNS: Final = 60  # on each side, of a text without spaces
_LONGEST: Final = 600  # characters of a snippet


class Snippet(NamedTuple):
    """A text with `START` and `END` around each match, the words that match, and who said it."""

    text: str
    matched: list[str]
    role: str = ""


def of_passages(db: apsw.Connection, words: Sequence[Word], passages: Sequence[Passage]) -> dict[int, Snippet]:
    """Return a snippet of each passage, by its number."""
    query = "SELECT substr(text, ? + 1, ?), role FROM turns WHERE id = ?"
    told = {}
    for passage in passages:
        row = db.execute(query, (passage.start, passage.length, passage.turn)).fetchone()
        if row is not None and isinstance(row[0], str):
            told[passage.id] = (row[0], str(row[1]))
    marked = mark(words, [text for text, _ in told.values()])
    return {id: snippet._replace(role=told[id][1]) for id, snippet in zip(told, marked, strict=True)}


def mark(words: Sequence[Word], texts: Sequence[str]) -> list[Snippet]:
    """Return a snippet of each text."""
    plain = [text.replace(START, " ").replace(END, " ") for text in texts]
    found = [Snippet(text[:200], []) for text in plain]
    if not plain or not words:
        return found
    memory = apsw.Connection(":memory:")
    try:
        memory.execute("CREATE VIRTUAL TABLE t USING fts5(text, tokenize='porter unicode61 remove_diacritics 2')")
        with memory:
            memory.executemany("INSERT INTO t (rowid, text) VALUES (?, ?)", enumerate(plain, 1))
        query = " OR ".join(f'"{part}"' for word in words for part in (word.text, *word.parts) if not is_run(part))
        marked = "SELECT rowid, snippet(t, 0, ?, ?, '…', ?), highlight(t, 0, ?, ?) FROM t WHERE t MATCH ?"
        for number, snippet, whole in memory.execute(marked, (START, END, _WORDS, START, END, query or '""')):
            matches = [part.partition(END)[0].casefold() for part in whole.split(START)[1:]]
            found[number - 1] = Snippet(_bounded(snippet), list(dict.fromkeys(matches)))
    finally:
        memory.close()
    for number, snippet in enumerate(found):
        if not snippet.matched:
            found[number] = _of_signs(words, plain[number]) or snippet
    return found


def _of_signs(words: Sequence[Word], text: str) -> Snippet | None:
    """Mark a word in a text without spaces, or the first pair of its signs that is there."""
    for run in (word.text for word in words if is_run(word.text)):
        for sought in (run, *pairs(run)):
            at = text.find(sought)
            if at >= 0:
                before, after = text[max(0, at - _SIGNS) : at], text[at + len(sought) :][:_SIGNS]
                return Snippet(f"{before}{START}{sought}{END}{after}", [sought])
    return None


def _bounded(snippet: str) -> str:
    """Cut a snippet of endless words, around its first match."""
    if len(snippet) <= _LONGEST:
        return snippet
    at = max(0, snippet.find(START) - _LONGEST // 4)
    part = snippet[at : at + _LONGEST]
    return part + (END if part.rfind(START) > part.rfind(END) else "")
