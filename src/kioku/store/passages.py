"""What of a conversation's text is indexed, and in which pieces. Pure rules.

A passage is a turn, or a piece of a long one. Beside its own words it is found by its date in words, by the parts of
the identifiers in it, and by pairs of signs of scripts that are written without spaces.
"""

import hashlib
import re
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

LONGEST: Final = 1_000  # characters of a passage
_SHORTEST: Final = 400  # a piece is not cut before, to end with a paragraph, a line or a word

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


class Said(NamedTuple):
    """A turn as it is indexed: its number, its instant in ms and its text."""

    id: int
    at: int
    text: str


class Passage(NamedTuple):
    """A piece of a turn, and where it begins in it."""

    turn: int
    at: int
    start: int
    text: str

    @property
    def checksum(self) -> int:
        """Return what tells this passage from another version of it, in 64 bits."""
        digest = hashlib.blake2b(self.text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)


def passages(turns: Iterable[Said]) -> list[Passage]:
    """Return the passages of a conversation, given its turns in order of time."""
    return [Passage(turn.id, turn.at, start, text) for turn in turns for start, text in cut(turn.text)]


def cut(text: str) -> list[tuple[int, str]]:
    """Divide a text into pieces of at most `LONGEST` characters; return each with its place."""
    found = []
    start = 0
    while len(text) - start > LONGEST:
        window = text[start : start + LONGEST]
        end = next((at for mark in ("\n\n", "\n", " ") if (at := window.rfind(mark)) >= _SHORTEST), LONGEST)
        found.append((start, text[start : start + end]))
        start += end
    found.append((start, text[start:]))
    return [(at, piece) for at, piece in found if piece.strip()]


def date_words(at: int) -> str:
    """Write an instant's UTC day so that it is found by any of its words: `monday 23 march 2026`."""
    try:
        day = time.gmtime(at // 1000)
    except (OverflowError, OSError, ValueError):
        return ""
    return f"{_WEEKDAYS[day.tm_wday]} {day.tm_mday} {_MONTHS[day.tm_mon - 1]} {day.tm_year}"


_COMPOUND: Final = re.compile(r"[A-Za-z]*[a-z][A-Z][A-Za-z]*|[A-Z]{2,}[a-z]+[A-Za-z]*|[A-Za-z]+[0-9]+[A-Za-z0-9]*")
_CRUMBS, _CRUMB = 4, 2.5  # parts, and how long they are on average, that are no words
_HUMP: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# Thai, Lao, Tibetan, Burmese, Khmer, kana, Han and Hangul: written without spaces, or with words grown together.
_SPACELESS: Final = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN: Final = re.compile(f"[{_SPACELESS}]+")


def parts(text: str) -> str:
    """Return the parts of the identifiers in a text (`parseURLPath`: `parse URL Path`), and pairs of signs.

    What is divided by `_`, `.`, `/` or `-` is divided as text already.
    """
    found = [part for word in dict.fromkeys(_COMPOUND.findall(text)) for part in humps(word)]
    if not text.isascii():
        found += [pair for run in _RUN.findall(text) for pair in pairs(run)]
    return " ".join(found)


def humps(word: str) -> list[str]:
    """Return the parts of an identifier in camel case; those of a number in hexadecimal say nothing: none."""
    found = _HUMP.findall(word) if _COMPOUND.fullmatch(word) else []
    return [] if len(found) > _CRUMBS and len(word) < _CRUMB * len(found) else found


def pairs(run: str) -> list[str]:
    """Return each letter of a text without spaces together with the next; marks above or below a letter are none."""
    signs = [sign for sign in run if sign.isalnum()]
    return ["".join(signs[at : at + 2]) for at in range(max(1, len(signs) - 1))] if signs else []


def is_run(word: str) -> bool:
    """Tell whether a word is of a script without spaces."""
    return _RUN.fullmatch(word) is not None
