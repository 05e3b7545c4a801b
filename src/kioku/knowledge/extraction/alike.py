"""Whether two discoveries say the same, or contradict each other: by their words, without their forms."""

import re
from typing import Final

SAME: Final = 0.7  # of the words of both
_ABOUT_THE_SAME: Final = 0.5

_WORD = re.compile(r"[^\W_]+(?:[._/-][^\W_]+)*|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STOP: Final = frozenset(
    "a an the is are was were be been to of in on at for and or we i you it this that with by as from so our your its"
    " have has had will shall der die das ein eine und oder wir ist sind el la los las un una y o es son le les et est"
    " decided agreed chose always must should use uses using used".split()
)
_NOT: Final = frozenset(
    "not never no don't doesn't won't mustn't shouldn't without avoid stop dont nicht nie niemals kein keine nunca"
    " jamais pas não mai non не никогда нельзя against forbidden".split()
)
_NEGATED: Final = re.compile(r"n't\b|不|没|別|禁止|ない|않|말")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_INSTEAD: Final = re.compile(r"([\w.`/-]{2,40}),? (?:instead of|rather than|over|not) ([\w`/-][\w.`/-]{0,38}[\w`/-])")
_FOR: Final = re.compile(r"\b(?:use|uses|using|used|with|store|stored|in) ([\w.`/-]{2,40}) (?:for|as) (.{3,80})")


def words(text: str) -> frozenset[str]:
    """Return the words of a text that carry its meaning, without endings and negation."""
    folded = text.lower().replace("’", "'")
    found = (word.strip("._/-") for word in _WORD.findall(folded))
    return frozenset(_stem(word) for word in found if word not in _STOP and word not in _NOT)


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of the words of both that both have (Jaccard)."""
    return len(one & other) / len(one | other) if one and other else 0.0


def says_the_same(one: str, other: str) -> bool:
    """Tell whether two texts are the same but for their form: with the same numbers, and no word in another's place."""
    first, second = words(one), words(other)
    if likeness(first, second) < SAME or is_negated(one) != is_negated(other) or contradicts(one, other):
        return False
    if sorted(_NUMBER.findall(one)) != sorted(_NUMBER.findall(other)):
        return False
    gone, come = first - second, second - first
    if len(gone) == len(come) == 1:
        (was,), (now,) = gone, come
        return was.startswith(now) or now.startswith(was)  # repo, repository
    return True


def contradicts(one: str, other: str) -> bool:
    """Tell whether two texts about the same thing cannot both hold."""
    alike = likeness(words(one), words(other))
    if alike >= _ABOUT_THE_SAME and is_negated(one) != is_negated(other):
        return True
    if (first := _INSTEAD.search(one.lower())) and (second := _INSTEAD.search(other.lower())):
        return first.groups() == second.groups()[::-1]
    if (first := _FOR.search(one.lower())) and (second := _FOR.search(other.lower())):
        return first[1] != second[1] and likeness(words(first[2]), words(second[2])) >= SAME
    return False


def is_negated(text: str) -> bool:
    """Tell whether a text says that something is not, or shall not be."""
    folded = text.lower().replace("’", "'")
    return bool(_NEGATED.search(folded)) or any(word in _NOT for word in re.findall(r"[\w']+", folded))


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
