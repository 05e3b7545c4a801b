"""Draw passages to be judged: `python -m tests.knowledge.drawing [fresh] [any] [cued]` prints them, the same each time.

One part is drawn from all paragraphs, the other from those in which one of many broad words stands, so that there are
enough discoveries and enough of what only looks like one. Clients and roles share by the root of how much they said.
With `fresh` they come from what nobody has judged of the held half, with another seed.
"""

import json
import random
import re
import sys
from collections import defaultdict
from math import sqrt
from typing import Final

from tests.knowledge.labelled import Passage, files, labels, passages

SEED: Final = 20_261_124
FRESH_SEED: Final = 5_202_611
_WORDS: Final = re.compile(r"[^\W\d_]{2,}")
_CUES: Final = re.compile(
    r"\b(decid|decision|we use|uses?\b|using|always|never|must|should|convention|instead|because|fix|root cause|cause"
    r"|issue|problem|bug|prefer|rule|pattern|only|don.t|do not|avoid|require|chose|choose|switch|replac|keep|follow"
    r"|make sure|ensure|error|fail|so that|rather than|standard|policy)",
    re.IGNORECASE,
)

_FIRM: Final = re.compile(
    r"\b(always|never|must|convention|by default|no longer|not allowed|only ever|required|CLAUDE\.md|AGENTS\.md|decided"
    r"|we use|going forward|from now on|please don.t|make sure)\b",
    re.IGNORECASE,
)
_LONGEST: Final = 1_200  # characters of what is taken for a firm word


def draw(drawn_of_any: int, cued: int) -> list[Passage]:
    """Return passages to judge: those drawn of all, those with a cue in them, and the rest with a firm word in it.

    None is returned twice. What holds a diff is no talk, and is not taken for a firm word.
    """
    pool = _pool()
    drawn = _two_parts(pool, drawn_of_any, cued, random.Random(SEED))
    taken = {one.sha256 for one in drawn}
    firm = (one for one in pool if _FIRM.search(one.text) and len(one.text) < _LONGEST and "@@" not in one.text)
    return drawn + [one for one in firm if one.sha256 not in taken]


def draw_fresh(drawn_of_any: int, cued: int) -> list[Passage]:
    """Return passages of the held half that `labels.jsonl` does not refer to: of all, and with a cue in them."""
    known = {label.sha256 for label in labels() if label.half != "fresh"}
    pool = [one for one in _pool() if one.half == "held" and one.sha256 not in known]
    return _two_parts(pool, drawn_of_any, cued, random.Random(FRESH_SEED))


def _pool() -> list[Passage]:
    unique = {passage.sha256: passage for file in reversed(files()) for passage in passages(file)}
    pool = sorted(unique.values(), key=lambda one: one.sha256)
    return [one for one in pool if len(_WORDS.findall(one.text)) >= 4]


def _two_parts(pool: list[Passage], drawn_of_any: int, cued: int, chance: random.Random) -> list[Passage]:
    first = _shared(pool, drawn_of_any, chance)
    taken = {one.sha256 for one in first}
    rest = [one for one in pool if one.sha256 not in taken and _CUES.search(one.text)]
    return first + _shared(rest, cued, chance)


def _shared(pool: list[Passage], number: int, chance: random.Random) -> list[Passage]:
    strata: dict[tuple[str, str], list[Passage]] = defaultdict(list)
    for one in pool:
        strata[one.client, one.role].append(one)
    whole = sum(sqrt(len(stratum)) for stratum in strata.values())
    drawn = []
    for _, stratum in sorted(strata.items()):
        drawn += chance.sample(stratum, min(len(stratum), round(number * sqrt(len(stratum)) / whole)))
    chance.shuffle(drawn)
    return drawn


def main() -> None:
    """Print what is drawn, one a line, for whoever judges it."""
    arguments = sys.argv[1:]
    drawing = draw_fresh if arguments[:1] == ["fresh"] else draw
    numbers = [int(one) for one in arguments if one != "fresh"] or [115, 125]
    for one in drawing(*numbers):
        sys.stdout.write(json.dumps({**one._asdict(), "sha256": one.sha256}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
