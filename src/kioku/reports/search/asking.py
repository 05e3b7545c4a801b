"""What a person types, as what is looked for in the index: any text is a query. Pure rules."""

import re
import unicodedata
from itertools import pairwise
from typing import Final, NamedTuple

from kioku.store.passages import humps, is_run, pairs

MOST_WORDS: Final = 24
_LONGEST: Final = 10_000  # characters that are looked at
_LONGEST_WORD: Final = 200
_MOST_NAMES: Final = 6
_MOST_LINES: Final = 3
_MOST_IN_NAME: Final = 40  # words
_SAID: Final = 3  # words of a line that may have been said so
_COMPOSED: Final = re.compile(r"[^\W_][._/\\:]+[^\W_]")
_BETWEEN: Final = re.compile(r"[\s\"'`()\[\]{}<>,;|]+")
# "one" is among them since its stem is that of "on".
_STOP: Final = frozenset(
    """a about above after again all am an and any are as at be because been before being below between both but by
    can could did do does doing down during each few for from further had has have having he her here hers him his
    how i if in into is it its itself just me more most my no nor not now of off on once one only or other our out
    over own same she should so some such than that the their them then there these they this those through to too
    under until up us very was we were what when where which while who whom why will with would you your""".split()
)


_SHORTENED: Final = re.compile(r"\b(\w+)['’](s|t|d|m|ll|re|ve)\b", re.IGNORECASE)


class Word(NamedTuple):
    """A word that is looked for: as it stands, and, for what has parts, the parts as they are indexed."""

    text: str
    parts: tuple[str, ...] = ()

    @property
    def match(self) -> str:
        """Return it as a query of the full-text index."""
        whole = f'"{self.text}"'
        return f'({whole} OR {{parts}} : "{" ".join(self.parts)}")' if self.parts else whole


def words(text: str) -> list[Word]:
    """Return the words that are looked for: without stop words, where there are others; each once, in order."""
    found = _divided(text[:_LONGEST])
    content = [word for word in _divided(_SHORTENED.sub(_long, text[:_LONGEST])) if word.casefold() not in _STOP]
    return [Word(word[:_LONGEST_WORD], _parts(word[:_LONGEST_WORD])) for word in (content or found)[:MOST_WORDS]]


def names(text: str) -> list[str]:
    """Return as queries what may stand somewhere as it is: lines of a text, and names of several words."""
    lines = [inner for line in text[:_LONGEST].splitlines() if len(inner := _divided_all(line)) >= _SAID]
    composed = [_divided_all(name) for name in _BETWEEN.split(text[:_LONGEST]) if _COMPOSED.search(name)]
    found = [inner for inner in dict.fromkeys(lines[:_MOST_LINES] + composed) if 1 < len(inner) <= _MOST_IN_NAME]
    return [f'"{" ".join(inner)}"' for inner in found[:_MOST_NAMES]]


def phrases(found: list[Word]) -> list[str]:
    """Return each two neighbours as a query: one behind the other."""
    return [f'"{a.text} {b.text}"' for a, b in pairwise(found)]


def near(found: list[Word]) -> list[str]:
    """Return each two neighbours as a query: at most five words between them."""
    return [f'NEAR("{a.text}" "{b.text}", 5)' for a, b in pairwise(found)]


def _divided(text: str) -> list[str]:
    return list(dict.fromkeys(_divided_all(text)))


def _divided_all(text: str) -> tuple[str, ...]:
    return tuple("".join(c if _is_of_word(c) else " " for c in text).split())


def _long(shortened: re.Match[str]) -> str:
    """Return nothing for small words that were drawn together, such as "don't" and "what's"."""
    word, rest = shortened[1].casefold(), shortened[2].casefold()
    return " " if word in _STOP or (rest == "t" and word.endswith("n")) else shortened[0]


def _parts(word: str) -> tuple[str, ...]:
    """Return what an identifier or a text without spaces is made of; nothing for other words."""
    if not word.isascii():
        return tuple(pairs(word)) if is_run(word) else ()
    inner = humps(word)
    return tuple(inner) if len(inner) > 1 else ()


def _is_of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"
