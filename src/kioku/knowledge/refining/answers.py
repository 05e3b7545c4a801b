"""What of a model's answer is believed: what has a quote in the session, and says no more than the session does.

A model may be wrong, or be led astray by what it reads. So a quote must stand in what was said in earnest in its turn,
with nothing between that was only quoted there; what the model says of it must use those words, and not say the
opposite; kept are the whole sentences that the quote is of, in the speaker's own words; and whose word it is follows
from who spoke and how, never from the answer. How sure a model says it is puts its claims in an order, no more.
"""

from collections import Counter
from typing import Annotated, Final

import msgspec

from kioku.knowledge.extraction import alike
from kioku.knowledge.extraction.authority import authority
from kioku.knowledge.extraction.extract import MOST, Learned
from kioku.knowledge.extraction.judging import LEAST, Found, content
from kioku.knowledge.extraction.phrases import ISSUE, TYPES
from kioku.knowledge.extraction.sentences import Sentence, plain, sentences
from kioku.knowledge.refining.endpoint import ModelError
from kioku.redaction import redact
from kioku.store.discoveries import Turn

_LONGEST: Final = 400  # signs of a sentence
_OWN_WORDS: Final = 0.6  # the share of a sentence's words that must be those of what was said in earnest

_Text = Annotated[str, msgspec.Meta(max_length=4_000)]


class _Claim(msgspec.Struct):
    type: _Text
    content: _Text
    turn: int
    quote: _Text
    confidence: float = LEAST
    solution: _Text | None = None


class _Claims(msgspec.Struct):
    discoveries: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=100)]


def unrated(one: Learned) -> Learned:
    """Return what a model found as it is kept: no surer than what rules just find.

    Else, once rules find it too, it would be accepted by itself because of what the model said.
    """
    return msgspec.structs.replace(one, found=msgspec.structs.replace(one.found, confidence=LEAST))


def believed(text: str, turns: dict[int, Turn]) -> tuple[list[Learned], Counter[str]]:
    """Return what an answer found, the surest first, and why how many of its claims are dropped.

    Raises ModelError for an answer that is not the JSON that was asked for.
    """
    found: list[Learned] = []
    claims, dropped = _claims(text)
    earnest = {number: _earnest(turn) for number, turn in turns.items()}
    for claim in claims:
        reason = _objection(claim, turns, earnest)
        if reason is not None:
            dropped[reason] += 1
            continue
        turn = turns[claim.turn]
        whole = _whole(plain(claim.quote), earnest[claim.turn], turn)
        quote, beside = " ".join(redact(sentence.text) for sentence in whole), (whole[0].previous, whole[0].lead)
        if len(quote) > _LONGEST:
            dropped["no sentence"] += 1
            continue
        said = Found(
            type=claim.type, content=redact(content(quote)), confidence=round(claim.confidence, 2),
            provenance=authority(quote, turn.role, beside), quote=redact(quote), reasons=("a model found it",),
            solution=_solution(claim, earnest),
        )  # fmt: skip
        found.append(Learned(found=said, turn=turn.key, at=turn.at, module=None))
    found.sort(key=lambda one: -one.found.confidence)
    return found[:MOST], dropped


def _claims(text: str) -> tuple[list[_Claim], Counter[str]]:
    """Return the claims of an answer; one of another form costs the others nothing, unless there is no other."""
    claims: list[_Claim] = []
    error: Exception | None = None
    try:
        told = msgspec.json.decode(_bare(text), type=_Claims).discoveries
        for one in told:
            try:
                claims.append(msgspec.json.decode(one, type=_Claim))
            except msgspec.ValidationError as problem:
                error = problem
        if error is not None and not claims:
            raise error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise ModelError(f"the model's answer is not what was asked for: {str(problem)[:200]}") from problem
    odd = len(told) - len(claims)
    return claims, Counter({"not of the form that was asked for": odd} if odd else {})


def _earnest(turn: Turn) -> str:
    """Return what was said in a turn, without what was only quoted, pasted or printed in it."""
    return " ".join(redact(sentence.text) for sentence in sentences(turn.text, turn.role))


def _whole(quote: str, earnest: str, turn: Turn) -> list[Sentence]:
    """Return the whole sentences that a quote is of: a part of one can say what nobody did."""
    begins = earnest.index(quote)
    ends, at, whole = begins + len(quote), 0, []
    for sentence in sentences(turn.text, turn.role):
        length = len(redact(sentence.text))
        if at < ends and at + length > begins:
            whole.append(sentence)
        at += length + 1
    return whole


def _objection(claim: _Claim, turns: dict[int, Turn], earnest: dict[int, str]) -> str | None:
    """Return why a claim is not believed; None if it is."""
    if claim.turn not in turns:
        return "of a turn that there is not"
    quote, told = plain(claim.quote), plain(claim.content)
    if claim.type not in TYPES:
        return "of no known kind"
    if not LEAST <= claim.confidence <= 1:
        return "not sure enough"
    if not 8 <= len(told) <= _LONGEST or len(quote) < 8:
        return "no sentence"
    if quote not in plain(redact(turns[claim.turn].text)):
        return "a quote that nobody said"
    if quote not in earnest[claim.turn]:
        return "said by nobody in earnest: quoted, code, or output"
    words = alike.words(told)
    if not words or len(words & alike.words(earnest[claim.turn])) < _OWN_WORDS * len(words):
        return "more than the session says"
    if alike.is_negated(told) != alike.is_negated(quote):
        return "the opposite of what the session says"
    return None


def _solution(claim: _Claim, earnest: dict[int, str]) -> str | None:
    """Return how an issue was solved, where somebody says so in those words."""
    said = plain(claim.solution or "")
    if claim.type != ISSUE or not 8 <= len(said) <= _LONGEST:
        return None
    return redact(said) if any(said in text for text in earnest.values()) else None


def _bare(text: str) -> str:
    """Take an answer out of what models put around it: what they thought first, a fence, a word before and after."""
    if not text.lstrip().startswith("{"):
        thought, _, rest = text.partition("</think>")
        text = rest or thought
    return text[max(text.find("{"), 0) : text.rfind("}") + 1]
