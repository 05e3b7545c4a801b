"""What was talked about, as a set of words to compare with another's.

Words are folded to one form, whatever their script; where a script puts no spaces between words, each pair of
neighbouring characters stands for one. Nothing here knows a grammar: a word that says nothing is left out where it is
on the list of such, and any other merely makes two sets a little less alike.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

LONGEST: Final = 40  # characters; what is longer is a key, a hash or a blob, and no word

# The commonest words of English, German, French and Spanish that name nothing, but for those that name something in
# another of them ("die", "son").
STOP_WORDS: Final = frozenset(
    """
    a about after all also am an and any are as at be because been before being both but by can cannot could couldn
    did didn do does doesn doing don done down each for from get got had has have having he her here him his how i if
    in into is isn it its just let like ll make may me might more most much must my need needs no nor not now of off
    ok okay on once one only or other our out over own please re s same she should so some still such t than thank
    thanks that the their them then there these they this those through to too under until up us use ve very want was
    we well were what when where which while who why will with without would yes yet you your
    aber als auch auf aus bei bitte das dass dein dem den der des dich dir doch du ein eine einem einen einer er es
    für hat ich ihr im ist ja kann mein mich mir mit nach nicht noch nur ob oder sich sie sind und uns von war wenn
    wie wir wird zu zum zur
    au aux avec ce ces cette dans de du elle en est et il ils je la le les leur mais ne nous ou par pas plus pour que
    qui sa se ses si sont sur un une vous
    al como con del el ella eso esta este esto hay las lo los mi muy para pero por porque su sus te una y ya yo
    """.split()
)

_HIDDEN = re.compile(r"\[REDACTED:[^\]]*\]")

# Scripts that are written without spaces: Thai to Myanmar, Khmer, kana and the Han characters.
_UNSPACED = (
    (0x0E00, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


class _Letters(dict[int, int]):
    """Which character stands for each: itself, or a space for what is in no word."""

    def __missing__(self, code: int) -> int:
        # Marks belong to the letter before them: the vowels of Hindi, the accents of whatever has no composed form.
        self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else ord(" ")
        return self[code]


_LETTERS: Final = _Letters()


def words(texts: Iterable[str]) -> frozenset[str]:
    """Return the words of some texts that say what they are about, each in its folded form."""
    return frozenset(word for text in texts for word in _words(text))


def _words(text: str) -> Iterator[str]:
    folded = unicodedata.normalize("NFKC", _HIDDEN.sub(" ", text)).casefold()
    for piece in folded.translate(_LETTERS).split():
        for is_unspaced, part in [(False, piece)] if piece.isascii() else _parts(piece):
            if is_unspaced:
                yield from (part[index : index + 2] for index in range(max(1, len(part) - 1)))
            elif 1 < len(part) <= LONGEST and not part.isnumeric() and part not in STOP_WORDS:
                yield part


def _parts(piece: str) -> Iterator[tuple[bool, str]]:
    """Divide a run of letters where a script without spaces begins or ends."""
    start = 0
    for index in range(1, len(piece) + 1):
        if index == len(piece) or _is_unspaced(piece[index]) != _is_unspaced(piece[start]):
            yield _is_unspaced(piece[start]), piece[start:index]
            start = index


def _is_unspaced(character: str) -> bool:
    code = ord(character)
    return code >= 0x0E00 and any(first <= code <= last for first, last in _UNSPACED)
