"""Judging one sentence: what kind of discovery it is, how sure that is, and why."""

import re
import unicodedata
from typing import Final

import msgspec

from kioku.knowledge.extraction import phrases
from kioku.knowledge.extraction.phrases import DECISION, ELSEWHERE, ENGLISH, ISSUE, PATTERN, RULE, Phrase
from kioku.knowledge.extraction.sentences import Sentence

LEAST: Final = 0.5  # what is less sure is no discovery
LEAST_OF: Final = {PATTERN: 0.58}  # nearly everything that is said of code sounds like one
PERSON: Final = "person"
ASSISTANT: Final = "assistant"
REPOSITORY: Final = "repository"

_CODE = re.compile(r"`[^`\n]{1,300}`")
_QUOTED = re.compile(
    r"(?<!\w)\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»|„[^“”\n]{1,300}[“”]|「[^」\n]{1,300}」|(?<!\w)'[^'\n]{8,300}'(?!\w)"
)
_WORD = re.compile(r"\w+")
_FILE = re.compile(
    r"[\w-]+\.(?:py|go|ts|tsx|js|md|json|ya?ml|toml|rs|sh|sql|html|css)\b|\b\w+[_/]\w+|\b[a-z]+[A-Z]\w+|\w\(\)"
)
_REASON = re.compile(
    r"\b(?:because|since|so that|so we|in order to|to avoid|to prevent|otherwise|due to|weil|porque|parce que|perché)\b"
    r"|потому что|因为|ため|때문"
)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A discovery that a sentence makes. `reasons` say why `confidence` (0 to 1) is what it is."""

    type: str
    content: str
    confidence: float
    provenance: str
    quote: str
    reasons: tuple[str, ...]
    solution: str | None = None


def judge(sentence: Sentence, role: str) -> Found | None:
    """Return the discovery that a sentence makes, or None."""
    text = sentence.text
    bare = _bare(text)
    is_wide = _is_wide(bare)
    if not (8 if is_wide else 18) <= len(text) or (not is_wide and len(_WORD.findall(sentence.text)) < 5):
        return None
    if phrases.CONDITION.search(bare) or phrases.VAGUE.search(bare):
        return None
    if phrases.QUESTION.search(bare) and not (role == "user" and phrases.ORDER.search(bare)):
        return None
    matched = _matched(bare, role)
    if not matched:
        return None
    found = [one for type, phrase in matched.items() if (one := _weighed(sentence, role, bare, type, phrase))]
    # Of two kinds that a sentence is equally surely, the one that tells the next session more.
    order = (ISSUE, DECISION, RULE, PATTERN)
    return max(found, key=lambda one: (one.confidence, -order.index(one.type)), default=None)


def _matched(bare: str, role: str) -> dict[str, Phrase]:
    """Return the strongest phrase of each type that a sentence has."""
    best: dict[str, Phrase] = {}
    for phrase in (*ENGLISH, *ELSEWHERE):
        if phrase.by not in ("", role) or (phrase.type in best and best[phrase.type].weight >= phrase.weight):
            continue
        if phrase.pattern.search(bare):
            best[phrase.type] = phrase
    return best


def _weighed(sentence: Sentence, role: str, bare: str, type: str, phrase: Phrase) -> Found | None:
    reasons = [f"{type} phrase {phrase.weight:g}"]
    confidence = phrase.weight

    def add(amount: float, reason: str) -> None:
        nonlocal confidence
        confidence += amount
        reasons.append(f"{reason} {amount:+g}")

    is_plan = phrases.PLAN.search(bare) is not None
    if is_plan and not (role == "user" and type in (DECISION, RULE)):
        return None
    if sentence.is_planned:
        add(-0.25, "under a heading of plans")
    if phrases.HYPOTHETICAL.search(bare):
        add(-0.3, "hypothetical")
    if sentence.text.endswith(":"):
        add(-0.1, "announces something")
    if role == "user" and phrases.REPORTED.search(bare):
        add(-0.3, "a report, which persons paste")
    if phrases.MOMENT.search(bare):
        add(-0.2, "of the moment")
    if phrases.DANGLING.search(bare):
        add(-0.15, "begins with a pronoun")
    if _FILE.search(sentence.text) or "▪" in bare:
        add(0.05, "names code")
    if _REASON.search(bare):
        add(0.05, "gives a reason")
    if bare.count("▪") > 4 or len(sentence.text) > 300:
        add(-0.1, "long")
    if len(_WORD.findall(bare)) < 7 and not _is_wide(bare):
        add(-0.1, "short")
    provenance = authority(sentence.text, role)
    if provenance == REPOSITORY:
        add(-0.1, "tells what a file says")
    solution = None
    if type == ISSUE:
        if phrases.SOLVED.search(bare):
            solution = sentence.text
        elif sentence.following and phrases.SOLVED.search(_bare(sentence.following)):
            solution = sentence.following
        if solution is not None:
            add(0.05, "with its solution")
    if confidence < LEAST_OF.get(type, LEAST):
        return None
    return Found(
        type=type, content=content(sentence.text), confidence=round(min(confidence, 0.95), 2), provenance=provenance,
        quote=sentence.text, reasons=tuple(reasons), solution=solution,
    )  # fmt: skip


def authority(text: str, role: str) -> str:
    """Return whose word a sentence is: who tells what a file says lends it nothing."""
    if phrases.SAID_BY_A_FILE.search(_bare(text)):
        return REPOSITORY
    return PERSON if role == "user" else ASSISTANT


def content(text: str) -> str:
    """Return a sentence as it stands by itself: without the words that tie it to what came before."""
    led = phrases.LEAD.match(text)
    plain = text[led.end() :] if led else text
    return plain[:1].upper() + plain[1:]


def _bare(text: str) -> str:
    """Return a sentence in lower case, with a mark for each piece of code and each quotation."""
    folded = _QUOTED.sub("◦", _CODE.sub("▪", text)).replace("’", "'").lower()
    led = phrases.LEAD.match(folded)
    return folded[led.end() :] if led else folded


def _is_wide(text: str) -> bool:
    """Tell whether a sentence is written in signs that are words by themselves."""
    return sum(unicodedata.east_asian_width(c) in "WF" for c in text) * 3 > len(text)
