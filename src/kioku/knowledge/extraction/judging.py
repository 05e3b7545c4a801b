"""Judging what was said: which sentences are discoveries, of what kind, how sure that is, and why.

A sentence that is out of the question (a question, a plan, code, what a person pasted) is left aside. Of the others the
cues are weighed for each type, and the type that is likeliest takes it, if it is likely enough.
"""

from collections.abc import Iterator
from math import exp
from typing import Final

import msgspec

from kioku.knowledge.extraction import cues, phrases
from kioku.knowledge.extraction.authority import authority
from kioku.knowledge.extraction.exclusions import is_out, is_question, is_wide
from kioku.knowledge.extraction.phrases import ELSEWHERE, ISSUE, TYPES
from kioku.knowledge.extraction.sentences import Sentence, sentences
from kioku.knowledge.extraction.weights import LIKELY, WEIGHTS, WITHOUT

LEAST: Final = 0.5  # what is less sure is no discovery
SUREST: Final = 0.95

_TOLD: Final = 0.2  # the least weight of a cue that is told as a reason
# What makes even a few words one.
_SPEAKS_ALONE: Final = frozenset(
    {"names one piece of code", "names two", "names three or more", "orders it", "we shall", "says a preference",
     "always or never this", "an order for good", "was decided",
     *(f"another language: {one.type}" for one in ELSEWHERE)}
)  # fmt: skip


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A discovery that a sentence makes. `reasons` say why `confidence` (0 to 1) is so, the weightiest first."""

    type: str
    content: str
    confidence: float
    provenance: str
    quote: str
    reasons: tuple[str, ...]
    solution: str | None = None


def judged_in(text: str, role: str, asked: str = "") -> Iterator[tuple[Sentence, Found | None]]:
    """Return each sentence of a turn with the discovery that it makes; `asked` is the prompt before it."""
    answers = role != "user" and is_question(asked)
    for sentence in sentences(text, role):
        yield sentence, judge(sentence, role, is_answer=answers)


def found_in(text: str, role: str, asked: str = "") -> Iterator[Found]:
    """Return the discoveries of a turn."""
    return (found for _, found in judged_in(text, role, asked) if found is not None)


def judge(sentence: Sentence, role: str, *, is_answer: bool = False) -> Found | None:
    """Return the discovery that a sentence makes, or None."""
    text = sentence.text
    seen = cues.see(text)
    if is_out(text, seen.bare, role):
        return None
    said = cues.cues(sentence, seen, role)
    if not cues.ENGLISH.search(seen.marked):
        said += [f"another language: {one.type}" for one in ELSEWHERE if one.pattern.search(seen.marked)]
    if "under 6 words" in said and _SPEAKS_ALONE.isdisjoint(said) and not is_wide(text):
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
        provenance=authority(text, role, (sentence.previous, sentence.lead)), quote=text,
        reasons=_reasons(type, said), solution=solution,
    )  # fmt: skip


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
    if sentence.following and phrases.SOLVED.search(cues.see(sentence.following[: cues.NEAR]).marked):
        return sentence.following
    return None


def content(text: str) -> str:
    """Return a sentence as it stands by itself: without the words that tie it to what came before."""
    led = phrases.LEAD.match(text)
    plain = text[led.end() :] if led else text
    return plain[:1].upper() + plain[1:]
