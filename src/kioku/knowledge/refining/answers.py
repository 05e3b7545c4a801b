"""What of a model's answer is believed: what has a quote in the session, and says no more than the session does.

A model may be wrong, or be led astray by what it reads. So a quote must stand in the turn that it is said to be of, in
what was said there in earnest; the sentence made of it must use that turn's words; and whose word it is follows from
who spoke, never from the answer.
"""

from collections import Counter
from typing import Annotated, Final

import msgspec

from kioku.knowledge.extraction import alike
from kioku.knowledge.extraction.extract import MOST, Learned, Turn
from kioku.knowledge.extraction.judging import ASSISTANT, LEAST, PERSON, Found
from kioku.knowledge.extraction.phrases import ISSUE, TYPES
from kioku.knowledge.extraction.sentences import sentences
from kioku.knowledge.refining.endpoint import ModelError
from kioku.redaction import redact

_LONGEST: Final = 400  # signs of a sentence
_OWN_WORDS: Final = 0.6  # the share of a sentence's words that must be the turn's

_Text = Annotated[str, msgspec.Meta(max_length=4_000)]


class _Claim(msgspec.Struct, forbid_unknown_fields=True):
    type: _Text
    content: _Text
    turn: int
    quote: _Text
    confidence: float = LEAST
    solution: _Text | None = None


class _Claims(msgspec.Struct, forbid_unknown_fields=True):
    discoveries: Annotated[list[_Claim], msgspec.Meta(max_length=100)]


def believed(text: str, turns: dict[int, Turn]) -> tuple[list[Learned], Counter[str]]:
    """Return what an answer found, the surest first, and why how many of its claims are dropped.

    Raises ModelError for an answer that is not the JSON that was asked for.
    """
    try:
        claims = msgspec.json.decode(_bare(text), type=_Claims).discoveries
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ModelError(f"the model's answer is not what was asked for: {str(error)[:200]}") from error
    found: list[Learned] = []
    dropped: Counter[str] = Counter()
    for claim in claims:
        turn = turns.get(claim.turn)
        reason = _objection(claim, turn)
        if reason is not None or turn is None:
            dropped[reason or _NO_TURN] += 1
            continue
        said = Found(
            type=claim.type, content=redact(_flat(claim.content)), confidence=round(claim.confidence, 2),
            provenance=PERSON if turn.role == "user" else ASSISTANT, quote=redact(_flat(claim.quote)),
            reasons=("a model found it",), solution=_solution(claim, turns),
        )  # fmt: skip
        found.append(Learned(found=said, turn=turn.key, at=turn.at, module=None))
    found.sort(key=lambda one: -one.found.confidence)
    return found[:MOST], dropped


_NO_TURN: Final = "of a turn that there is not"


def _objection(claim: _Claim, turn: Turn | None) -> str | None:
    """Return why a claim is not believed; None if it is."""
    if turn is None:
        return _NO_TURN
    quote, content = _flat(claim.quote), _flat(claim.content)
    if claim.type not in TYPES:
        return "of no known kind"
    if not LEAST <= claim.confidence <= 1:
        return "not sure enough"
    if not 8 <= len(content) <= _LONGEST or len(quote) < 8:
        return "no sentence"
    if quote not in _flat(redact(turn.text)):
        return "a quote that nobody said"
    earnest = [_flat(redact(one.text)) for one in sentences(turn.text, turn.role)]
    if not any(quote in sentence or sentence in quote for sentence in earnest):
        return "said by nobody in earnest: quoted, code, or output"
    words = alike.words(content)
    if not words or len(words & alike.words(redact(turn.text))) < _OWN_WORDS * len(words):
        return "more than the session says"
    return None


def _solution(claim: _Claim, turns: dict[int, Turn]) -> str | None:
    """Return how an issue was solved, where the session says so in those words."""
    said = _flat(claim.solution or "")
    if claim.type != ISSUE or not 8 <= len(said) <= _LONGEST:
        return None
    return redact(said) if any(said in _flat(redact(turn.text)) for turn in turns.values()) else None


def _bare(text: str) -> str:
    """Take an answer out of the fence that some models put around it."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text[3:-3].strip()
        text = text.removeprefix("json").strip()
    return text


def _flat(text: str) -> str:
    return " ".join(text.split())
