"""What one session taught: the best of what its sentences say, each once, with the module that was worked on then."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from kioku import times
from kioku.knowledge.extraction import alike
from kioku.knowledge.extraction.authority import ASSISTANT, PERSON
from kioku.knowledge.extraction.judging import Found, judged_in
from kioku.store.discoveries import Touch, Turn

MOST: Final = 10  # of a session
_NEAR: Final = 10 * times.MINUTE
_MEANT: Final = 0.6  # the share of the weight of files nearby that a module must have


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """A discovery with the turn that it was made in."""

    found: Found
    turn: int
    at: int
    module: str | None


def extract(
    turns: Iterable[Turn], touches: Sequence[Touch] = (), module_of: Callable[[str], str | None] = lambda _path: None
) -> list[Learned]:
    """Return what a session taught, the surest first, at most `MOST`."""
    found: list[Learned] = []
    told: set[str] = set()  # by the assistant: the person who repeats it quotes
    asked = ""
    for turn in turns:
        for sentence, made in judged_in(turn.text, turn.role, asked):
            form = " ".join(sentence.text.lower().split())
            if turn.role == "assistant":
                told.add(form)
            if made is None:
                continue
            is_repeated = made.provenance == PERSON and form in told
            judged = msgspec.structs.replace(made, provenance=ASSISTANT) if is_repeated else made
            found.append(Learned(found=judged, turn=turn.key, at=turn.at, module=None))
        if turn.role == "user":
            asked = turn.text
    found.sort(key=lambda one: (-one.found.confidence, one.found.provenance != PERSON, -one.at))
    best: list[Learned] = []
    for one in found:
        if len(best) == MOST:
            break
        if not any(alike.says_the_same(one.found.content, other.found.content) for other in best):
            best.append(msgspec.structs.replace(one, module=module_near(touches, one.at, module_of)))
    return best


def module_near(touches: Iterable[Touch], at: int, module_of: Callable[[str], str | None]) -> str | None:
    """Return the module that most of the files touched around an instant belong to; None where there is no such."""
    weights: dict[str | None, float] = {}
    for touch in touches:
        distance = abs(touch.at - at)
        if distance <= _NEAR:
            weight = (2.0 if touch.is_edit else 1.0) * (1 - distance / (2 * _NEAR))
            module = module_of(touch.path)
            weights[module] = weights.get(module, 0.0) + weight
    best = max(weights, key=lambda module: (weights[module], module or ""), default=None)
    return best if best is not None and weights[best] >= _MEANT * sum(weights.values()) else None
