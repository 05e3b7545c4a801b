"""What the person asked for last, what the assistant asked and was not told, and whether it was stopped by a limit.

The rules, on what was said. A request is what a person typed: a nod that lets the assistant go on, a command of the
client's, what a client wrote in the person's place, and pasted logs are none. Markup that the person writes about, a
path or a comment in code is the person's own; only what stands between other tags was put there by a program.
"""

import re
from collections.abc import Sequence
from typing import Final

from kioku.knowledge.extraction.sentences import untagged
from kioku.store.discoveries import Turn

_QUESTIONS: Final = 3
_LAST_SENTENCES: Final = 4
_FEW_WORDS: Final = 4  # of a request that does not tell what it is about, such as "commit and push"
_FEW_BYTES: Final = 40  # and no more than this; not every script divides words
_LONGEST_NOTICE: Final = 300  # characters

# What a person says to let the assistant go on, in several languages: no goal.
_NODS: Final = frozenset(
    """ok okay k yes yep yeah sure go on ahead continue proceed please do it thanks thank you good great nice fine cool
    perfect next done hi hello no nope stop retry again try keep going right correct y n yup lgtm exactly ja weiter mach
    danke bitte gut gerne oui continuez continue vas-y merci bien d'accord si sí sigue adelante continúa gracias vale
    sim continua obrigado grazie va bene да продолжай дальше спасибо хорошо 继续 好 好的 谢谢 可以 是 続けて はい
    お願いします ありがとう 계속 네 예 감사합니다""".split()
)
_NOT_THE_PERSONS: Final = (
    "[Request interrupted", "This session is being continued", "Caveat: ", "Base directory for this skill",
    "# AGENTS.md instructions",
)  # fmt: skip
_COMMAND = re.compile(r"/(?!(?:home|etc|usr|var|tmp|opt|root|srv|mnt|dev|proc|sys|bin|lib|Users)\s)[\w:-]+(?:\s|$)")
_FENCED = re.compile(r"^(```|~~~).{0,20000}?(^\1|\Z)", re.DOTALL | re.MULTILINE)

# Elements of HTML, and components, which begin with a capital: the person speaks of them.
_ELEMENT = re.compile(
    r"<(/?(?:[A-Z](?:[a-z0-9]\w*(?:\.\w+)*)?|a|abbr|article|aside|audio|b|body|br|button|canvas|code|dd|div|dl|dt|em"
    r"|fieldset|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|label|legend|li|link|main|meta|nav|ol|option"
    r"|p|path|pre|script|section|select|small|span|strong|style|sub|summary|sup|svg|table|tbody|td|textarea|tfoot|th"
    r"|thead|title|tr|u|ul|video)(?:\s[^<>\n]{0,300})?/?)>"
)
_ANY_TAG = re.compile(r"[<‹]/?[A-Za-z][^<>‹›\n]{0,300}[>›]")

_LOG_LINE = re.compile(
    r"\s*(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d|\[\d\d:\d\d:\d\d|\d\d:\d\d:\d\d[.,\d]*\s+(?:\[|[A-Z]{4,}\b)|Traceback \("
    r"|File \"[^\"]*\", line|at [\w.$<>]+ ?\(.*\)\s*$|\+\+\+ [ab/]|--- [ab/]|@@ -|\|.*\||E {2,}"
    r"|\[?(?:ERROR|WARN|WARNING|INFO|DEBUG|FATAL|FAILED)(?:[:\]]| {2}| \[))"
)
_LEVELED = re.compile(r"\s*(?:ERROR|WARN|WARNING|INFO|DEBUG|FATAL|FAILED) ")  # of a log only among others of its kind
_QUOTING = re.compile(r"\s*(?:>(?! ?\d)|\$ )")
_SENTENCE = re.compile(r"(?<=[.!?。！？])[\s]+|\n+|(?<=[。！？])")

# What clients themselves say, and nothing else, when a limit ends a conversation.
_NOTICE = re.compile(
    r"(?:\[?API Error: )?(?:prompt is too long|credit balance is too low|claude(?: ai)? usage limit reached"
    r"|you(?:'ve| have) (?:hit|reached|exhausted) your (?:[\w-]+ ){0,3}(?:limit|quota)(?: on this model)?"
    r"|(?:\d+-hour|weekly|session|usage|rate|opus weekly) limit reached|(?:rate limit|quota) exceeded"
    r"|(?:codex|the conversation|this conversation) (?:has |is )?(?:ran|run) out of (?:room|context|tokens|credits)\b.*"
    r"|context (?:window|limit|length) (?:exceeded|reached|is full))"
    r"(?:[.!]?\]?$|\|\d+$"
    r"|[.!,]? ?(?:[·∙•|]|\(?(?:resets?|upgrade|visit|try again|to get|please wait|check your plan|or try)\b).*$)",
    re.IGNORECASE,
)


def request(text: str) -> str | None:
    """Return what a person's turn asks for, in one line; None where it asks for nothing."""
    text = text.strip()
    if _COMMAND.match(text):
        return None
    plain = _plain(text)
    if not plain or plain.startswith(_NOT_THE_PERSONS):
        return None
    written = [line for line in plain.splitlines() if line.strip() and not _LOG_LINE.match(line)]
    if sum(map(bool, map(_LEVELED.match, written))) > 1:
        written = [line for line in written if not _LEVELED.match(line)]
    lines = [line for line in written if not _QUOTING.match(line)]
    if not lines and len(written) == 1 and written[0].rstrip().endswith("?"):
        lines = written
    words = [word.strip(".,!?…:;()。！？、").lower() for word in _ANY_TAG.sub(" ", " ".join(lines[:50])).split()]
    words = [word for word in words if word]
    if not words or all(word in _NODS for word in words) or not any(map(str.isalpha, " ".join(words))):
        return None
    return " ".join(lines)


def last_requests(said: Sequence[Turn]) -> list[str]:
    """Return the last thing that the person asked for, and before it what that is about, if it is a word or two.

    What only lets the assistant go on is none.
    """
    found = (asked for turn in reversed(said) if turn.role == "user" and (asked := request(turn.text)) is not None)
    last = next(found, None)
    if last is None:
        return []
    about = None if _is_telling(last) else next(filter(_is_telling, found), None)
    return [last] if about is None else [about, last]


def _is_telling(asked: str) -> bool:
    return len(asked.split()) > _FEW_WORDS or len(asked.encode("utf-8", "replace")) > _FEW_BYTES


def _spoken(said: Sequence[Turn]) -> Sequence[Turn]:
    """Return what was said, without the commands and notes of a client's that came after all words."""
    end = len(said)
    while end and said[end - 1].role == "user" and _is_the_clients(said[end - 1].text.strip()):
        end -= 1
    return said[:end]


def _is_the_clients(text: str) -> bool:
    return _COMMAND.match(text) is not None or text.startswith(_NOT_THE_PERSONS) or not _unwrapped(text)


def _plain(text: str) -> str:
    """Return text without code and without what a client wrapped around it."""
    return _FENCED.sub("\n", _unwrapped(text)).strip()


def _unwrapped(text: str) -> str:
    return untagged(_ELEMENT.sub(r"‹\1›", text)).strip()


def open_questions(said: Sequence[Turn]) -> list[str]:
    """Return the questions with which the assistant ended, in order, if the person has not answered."""
    said = _spoken(said)
    if not said or said[-1].role == "user":
        return []
    last = sentences(said[-1].text)[-_LAST_SENTENCES:]
    return [sentence for sentence in last if sentence.endswith(("?", "？"))][-_QUESTIONS:]


def notice(said: Sequence[Turn]) -> str | None:
    """Return what the client said of a limit that ended the conversation; None where the assistant itself spoke last.

    A client's notice is all there is of such a turn: an assistant that speaks of limits has more to say.
    """
    said = _spoken(said)
    if not said or said[-1].role == "user":
        return None
    text = said[-1].text.strip().replace("’", "'")
    return text if len(text) < _LONGEST_NOTICE and "\n" not in text and _NOTICE.match(text) else None


def sentences(text: str) -> list[str]:
    """Divide what an assistant said into sentences, without code."""
    return [sentence.strip(" *_#-") for sentence in _SENTENCE.split(_plain(text)) if sentence.strip(" *_#-")]
