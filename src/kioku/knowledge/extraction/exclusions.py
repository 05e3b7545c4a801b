# ruff: noqa: E501 - a pattern stands on one line, however long
"""What cannot be a discovery, whatever speaks for it: questions, what is only supposed, plans, code, lists, pasted reports."""

import re
import unicodedata
from typing import Final

from kioku.knowledge.extraction.cues import ORDERS_IT, WHAT_THE_RULES_SAY, WORD

_SHORTEST, _SHORTEST_WIDE = 18, 8  # signs
_FEWEST: Final = 4  # words

_QUESTION: Final = re.compile(
    r"[?？]\W*$|^(?:and |so |but |ok(?:ay)?,? |also,? )?(?:should (?:we|i|it|the)|do (?:we|you|i)|does|did|is (?:it|there|this)|are (?:there|we|you)|"
    r"can (?:we|you|i)|could (?:we|you|i)|would (?:you|it|we)|what|which|why|how|where|who|when should|shall we|will (?:you|it))\b"
    r"|\b(?:do you want|would you like|let me know|not sure (?:if|whether)|wondering|i wonder|any thoughts|what happens (?:when|if))\b"
)
_SUPPOSED: Final = re.compile(
    r"^(?:if|unless|suppose|assuming|in case|imagine|what if)\b.*\b(?:would|could|might|you)\b"
)
_GOING: Final = re.compile(
    r"^(?:\W|and |so |ok(?:ay)? |now |next |first |then |great |good |perfect |finally |also |but |done |yes |since [^,]{1,80}, )*(?:i'll|i will|i'm going to|i am going to|let me|let us|let's|we'll|i need to|we need to|i should|we should|i want to|we can|we could|i can (?!see)|you can|you could|you may|you need|want me to|would you|going to)\b|\b(?:let me|i'm going to|i'll|want me to)\b"
)
_DOING: Final = re.compile(r"\b(?:i'm|i am) (?:now |also |just |still )?\w+ing\b|^(?:now|still|just) \w+ing\b")
_LISTED: Final = re.compile(r"^prs? [#▪]|^https?:")
_RULES: Final = re.compile(WHAT_THE_RULES_SAY)
_ORDERS: Final = re.compile(ORDERS_IT)
# What a person pastes: code, messages of programs, reports of changes, parts of a document.
_OF_MACHINES: Final = re.compile(
    r"[{}].*[{}]|^(?://|[-+/@])|:=|;$|^(?:diff|func|hint:|error:|warning:) |\)$|^\d+ packages? "
)
_REPORTED: Final = re.compile(
    r"^(?:added|updated|fixed|changed|removed|refactored|improved|implemented|introduced|created|this (?:pull request|pr|change)|these changes)\b"
)
_OF_A_DOCUMENT: Final = re.compile(
    r"^(?:role|focus|file|location|impact|goal|task|step|phase|item)s?(?: \d+)? ?[:—–-]|^(?:item|fix|step|task|phase) \d|\bcommit message\b"
)
# That something is not decided, which has every word of a decision.
_UNDECIDED: Final = re.compile(
    r"(?:\bnot|n't|\bnever)(?: \w+){0,2} (?:decided?|agreed?|chosen?|choose|settled?|picked?|made (?:a|the|any) (?:decision|choice))\b"
    r"|\b(?:don't|doesn't|do not|not) (?:think|believe|know|sure|remember|recall)\b.{0,40}\b(?:decided?|agreed?|chose|chosen|settled)\b"
    r"|\bundecided\b|\byet to (?:decide|agree|choose|settle)\b|\bno decision\b|\bnobody (?:decided|agreed)\b"
    r"|\bnicht (?:entschieden|beschlossen|festgelegt)\b|\b(?:pas|jamais)(?: encore)? (?:décidé|choisi)\b|\bno (?:lo )?(?:hemos|he|se ha|está) (?:decidid|elegid|acordad)\w+|\bno (?:lo )?decid(?:í|imos)(?!\w)|\bnão (?:decidi|decidimos|foi decidido|está decidido|escolhi|escolhemos)\b"
    r"|\bnon (?:abbiamo|ho|è stato)(?: ancora)? (?:deciso|scelto)\b|не (?:решил|решено|выбра)|(?:फैसला|फ़ैसला|निर्णय|तय) नहीं|(?:还没|没有|尚未|未)(?:有)?(?:决定|决策)|(?:決めて|決まって)い(?:ない|ません)|결정하지 (?:않|못)|정하지 (?:않|못)|못 정했"
)
# What a prompt begins with, or holds, that asks how something is.
_ASKS: Final = re.compile(
    r"^(?:what|why|how|where|which|who|is|are|does|do|did|explain|describe|tell me|in \w+ what|so (?:does|what|then do))\b"
    r"|[.!?\n] *(?:what|why|how|where|which|does|do|is|are)\b|\bwhat (?:happens|are|is|do|does)\b|\bexplain\b"
    r"|\bhow (?:do|does|can|is|are|to)\b|\bdoes (?:that|it|this)\b"
)
_LONGEST_QUESTION: Final = 700  # signs


def is_out(text: str, bare: str, role: str) -> bool:
    """Tell whether a sentence cannot be a discovery; `bare` is its bare form."""
    if len(text) < (_SHORTEST_WIDE if is_wide(text) else _SHORTEST):
        return True
    if text.rstrip().endswith(("?", "？")) or _SUPPOSED.search(bare) or _UNDECIDED.search(bare):
        return True
    if role != "user":
        return (
            "?" in text or _QUESTION.search(bare) is not None or _LISTED.search(bare) is not None or _is_planned(bare)
        )
    if _REPORTED.search(bare) or _OF_A_DOCUMENT.search(bare):
        return True
    if (_QUESTION.search(bare) or _OF_MACHINES.search(text)) and not _ORDERS.search(bare):
        return True
    return len(WORD.findall(text)) < _FEWEST and not is_wide(text)


def _is_planned(bare: str) -> bool:
    """Tell whether the assistant says what it is about to do, unless it says so of what a rule keeps it from."""
    return (_GOING.search(bare) or _DOING.search(bare)) is not None and _RULES.search(bare) is None


def is_question(prompt: str) -> bool:
    """Tell whether a prompt asks how something is, and not for work."""
    return 0 < len(prompt) < _LONGEST_QUESTION and _ASKS.search(prompt.strip().lower()) is not None


def is_wide(text: str) -> bool:
    """Tell whether a sentence is written in signs that are words by themselves."""
    return not text.isascii() and sum(unicodedata.east_asian_width(c) in "WF" for c in text) * 3 > len(text)
