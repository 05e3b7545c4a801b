"""Judging what was said: which sentences are discoveries, of what kind, how sure that is, and why.

A sentence that is out of the question (a question, a plan, code, what a person pasted) is left aside. Of the others the
cues are weighed for each type, and the type that is likeliest takes it, if it is likely enough.
"""

import re
import unicodedata
from collections.abc import Iterator
from math import exp
from typing import Final

import msgspec

from kioku.knowledge.extraction import cues, phrases
from kioku.knowledge.extraction.phrases import ELSEWHERE, ISSUE, TYPES
from kioku.knowledge.extraction.sentences import Sentence, sentences
from kioku.knowledge.extraction.weights import LIKELY, WEIGHTS, WITHOUT

LEAST: Final = 0.5  # what is less sure is no discovery
SUREST: Final = 0.95
PERSON: Final = "person"
ASSISTANT: Final = "assistant"
REPOSITORY: Final = "repository"

_TOLD: Final = 0.2  # the least weight of a cue that is told as a reason
_SHORTEST, _SHORTEST_WIDE = 18, 8  # signs
_FEWEST: Final = 4  # words
_SAID_BY_MACHINES: Final = re.compile(
    r"[{}].*[{}]|^(?://|[-+/@])|:=|;$|^(?:diff|func|hint:|error:|warning:) |\)$|^\d+ packages? "
)
_REPORTED: Final = re.compile(
    r"^(?:added|updated|fixed|changed|removed|refactored|improved|implemented|introduced|created|this (?:pull request|pr|change)"
    r"|these changes)\b"
)
_LISTED: Final = re.compile(r"^prs? [#▪]|^https?:")
_SUPPOSED: Final = re.compile(r"^(?:if|unless|suppose|assuming|in case|imagine|what if)\b.*\b(?:would|could|might|you)\b")
_QUESTION: Final = re.compile(
    r"^(?:what|why|how|where|which|who|is|are|does|do|did|explain|describe|tell me|in \w+ what|so (?:does|what|then do))\b"
    r"|[.!?\n] *(?:what|why|how|where|which|does|do|is|are)\b|\bwhat (?:happens|are|is|do|does)\b|\bexplain\b"
    r"|\bhow (?:do|does|can|is|are|to)\b|\bdoes (?:that|it|this)\b"
)
_LONGEST_QUESTION: Final = 700  # signs
# What makes even a few words one.
_SPEAKS_ALONE: Final = frozenset(
    {"names one piece of code", "names two", "names three or more", "orders it", "we shall", "says a preference",
     "always or never this", "an order for good", "was decided"}
)  # fmt: skip


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A discovery that a sentence makes. `reasons` say why `confidence` (0 to 1) is what it is, the weightiest first."""

    type: str
    content: str
    confidence: float
    provenance: str
    quote: str
    reasons: tuple[str, ...]
    solution: str | None = None


def found_in(text: str, role: str, asked: str = "") -> Iterator[Found]:
    """Return the discoveries of a turn; `asked` is what the person said last before it."""
    answers = role != "user" and is_question(asked)
    for sentence in sentences(text, role):
        found = judge(sentence, role, is_answer=answers)
        if found is not None:
            yield found


def is_question(text: str) -> bool:
    """Tell whether a prompt asks how something is, and not for work."""
    return 0 < len(text) < _LONGEST_QUESTION and _QUESTION.search(text.strip().lower()) is not None


def judge(sentence: Sentence, role: str, *, is_answer: bool = False) -> Found | None:
    """Return the discovery that a sentence makes, or None."""
    text = sentence.text
    if len(text) < (_SHORTEST_WIDE if _is_wide(text) else _SHORTEST):
        return None
    seen = cues.see(text)
    said = cues.cues(sentence, seen, role)
    said += [f"another language: {one.type}" for one in ELSEWHERE if one.pattern.search(seen.marked)]
    if _is_out(text, seen.bare, frozenset(said), role):
        return None
    if is_answer:
        said.append("answers a question")
    likely = {type: _likelihood(type, said) for type in TYPES}
    type = max(likely, key=lambda one: likely[one])
    if likely[type] < LIKELY[type]:
        return None
    solution = _solution(sentence, seen.marked) if type == ISSUE else None
    return Found(
        type=type, content=content(text), confidence=_confidence(likely[type], LIKELY[type]),
        provenance=authority(text, role), quote=text, reasons=_reasons(type, said), solution=solution,
    )  # fmt: skip


def _is_out(text: str, bare: str, said: frozenset[str], role: str) -> bool:
    """Tell whether a sentence cannot be a discovery, whatever speaks for it."""
    is_order = role == "user" and "orders it" in said
    if text.rstrip().endswith(("?", "？")) or (role != "user" and "?" in text) or _SUPPOSED.search(bare):
        return True
    if phrases.QUESTION.search(bare) and not is_order:
        return True
    if role == "user":
        if _REPORTED.search(bare) or "a document" in said:
            return True
        if _SAID_BY_MACHINES.search(text) and not is_order:
            return True
        if len(cues.WORD.findall(text)) < _FEWEST and not _is_wide(text):
            return True
    elif _LISTED.search(bare) or ({"is going to", "is doing"} & said and "what the rules say" not in said):
        return True
    return "under 6 words" in said and not said & _SPEAKS_ALONE and not _is_wide(text)


def _likelihood(type: str, said: list[str]) -> float:
    """Return how likely a sentence with these cues is a discovery of a type, from 0 to 1 (logistic)."""
    column = TYPES.index(type)
    return 1 / (1 + exp(-WITHOUT[type] - sum(WEIGHTS[cue][column] for cue in said if cue in WEIGHTS)))


def _confidence(likelihood: float, least: float) -> float:
    """Return a likelihood as a confidence: that which is just enough is `LEAST`."""
    return round(min(LEAST + (1 - LEAST) * (likelihood - least) / (1 - least), SUREST), 2)


def _reasons(type: str, said: list[str]) -> tuple[str, ...]:
    column = TYPES.index(type)
    weighed = [(WEIGHTS[cue][column], cue) for cue in dict.fromkeys(said) if cue in WEIGHTS]
    weighed.sort(key=lambda one: -abs(one[0]))
    return tuple(f"{cue} {weight:+g}" for weight, cue in weighed if abs(weight) >= _TOLD)


def _solution(sentence: Sentence, marked: str) -> str | None:
    if phrases.SOLVED.search(marked):
        return sentence.text
    if sentence.following and phrases.SOLVED.search(cues.see(sentence.following).marked):
        return sentence.following
    return None


def authority(text: str, role: str) -> str:
    """Return whose word a sentence is: who tells what a file says lends it nothing."""
    if phrases.SAID_BY_A_FILE.search(cues.see(text).marked):
        return REPOSITORY
    return PERSON if role == "user" else ASSISTANT


def content(text: str) -> str:
    """Return a sentence as it stands by itself: without the words that tie it to what came before."""
    led = phrases.LEAD.match(text)
    plain = text[led.end() :] if led else text
    return plain[:1].upper() + plain[1:]


def _is_wide(text: str) -> bool:
    """Tell whether a sentence is written in signs that are words by themselves."""
    return sum(unicodedata.east_asian_width(c) in "WF" for c in text) * 3 > len(text)
