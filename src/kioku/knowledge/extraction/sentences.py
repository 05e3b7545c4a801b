"""Dividing what was said into sentences, without what nobody said in earnest.

Left out are code, quotations, pasted documents and logs, tables, headings, and what a client wrapped around a prompt. A
sentence knows its heading, whether it stands under one that announces a plan, and what follows it. Work is linear in
the length of the text, and text beyond `LONGEST` is not looked at.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

LONGEST: Final = 200_000  # signs of a turn
_LONGEST_PARAGRAPH: Final = 6_000
_LONGEST_SENTENCE: Final = 420


class _Paragraph(NamedTuple):
    """Lines that belong together; each item of a list is a paragraph."""

    text: str
    heading: str
    lead: str
    is_planned: bool
    is_item: bool


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence, as it was said.

    `previous` and `following` are its neighbours in the same paragraph, `lead` is the line with a colon that announced
    the list that it is an item of.
    """

    text: str
    heading: str = ""
    lead: str = ""
    is_planned: bool = False
    is_item: bool = False
    previous: str = ""
    following: str = ""


_TAG = re.compile(r"<(/?)([A-Za-z][\w-]{0,60})(?:\s[^<>\n]{0,300})?>")
_FENCE = re.compile(r"\s{0,12}(?:[-*]\s+)?(```+|~~~+)")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.{1,200})")
_BOLD = re.compile(r"\s*(?:\d{1,3}[.)]\s+)?\*\*([^*]{1,120})\*\*:?\s*$")
_MARKER = re.compile(r"\s*(?:[-*•+–]|\d{1,3}[.)]|\([a-z0-9]\))\s+")
_OUTPUT = re.compile(
    r"\s*(?:[$❯⎿⏺%]\s|\|.*\||@@ |\+\+\+ |--- |diff --git|"
    r"Traceback|File \"|at [\w.$<>]+ ?\(|\[?\d{4}-\d\d-\d\d[T ]\d\d:|"
    r"(?:ERROR|WARN|WARNING|INFO|DEBUG|FAIL|PASS|ok|npm|error)[:\s\]!]|\d+[:|→]|[✓✗✔✘☐☒✅❌]|[A-Z]:\\|/[\w./-]+$)"
)
_PLAN = re.compile(
    r"\b(?:plan|next steps?|to-?dos?|options?|alternatives?|questions?|proposals?|proposed|suggest\w*|recommend\w*|"
    r"future|follow-?ups?|verification|test plan|steps|remaining|goals?|considerations?|if we|ideas?|examples?)\b",
    re.IGNORECASE,
)
_PASTED = re.compile(
    r"(?:implement the following|(?:here(?:'s| is| are)|this is|see|got|get|getting|from|following|below)\b.{0,80}"
    r"\b(?:plan|logs?|output|errors?|doc\w*|readme|review|comments?|spec\w*|feedback|trace\w*|message|file|text|says?|"
    r"summary|report|issue|response|content\w*))\b.{0,40}:\s*$"
    r"|^\W{0,3}(?:stdout|stderr|output|ausgabe|sortie|salida|saída|вывод)\b.{0,40}:\s*$"
    r"|(?:\b(?:readme|contributing|changelog|docs?|documentation|file|page|doku\w*|datei|fichier|archivo|arquivo)\b"
    r"|\b[\w./-]{1,60}\.(?:md|mdx|txt|rst|adoc|html?|ya?ml|toml|json)\b).{0,60}:\s*$",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"\s*[$❯%]\s")  # and what it printed comes after it
# What clients write in the person's place.
_NOT_TYPED = (
    "this session is being continued", "base directory for this skill", "caveat: the messages below",
    "[request interrupted", "<system", "<command", "<local-command", "<environment_context", "<user_instructions",
    "# agents.md instructions", "you are ", "<task-notification", "<permissions", "<skill", "your task is to create a",
)  # fmt: skip
_END = re.compile(
    r"(?<=[.!?])[\"')\]*_”’]{0,3}\s+(?=[\"'(\[*_`“‘A-ZÀ-ÞЀ-Я0-9])|(?<=[。！？])|(?<=[.!?])\s+(?=[\u3040-\uffef])"
)
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|z\.B|d\.h|bzw|ca|Nr|No|Mr|Dr|p\.ej)\.|\b[A-Z]\.)$")


def sentences(text: str, role: str) -> Iterator[Sentence]:
    """Return the sentences of a turn that its speaker meant."""
    text = text[:LONGEST].replace("\r\n", "\n").replace("\r", "\n")
    is_person = role == "user"
    if is_person and text.lstrip()[:60].lower().startswith(_NOT_TYPED):
        return
    for paragraph in _paragraphs(untagged(text), is_person=is_person):
        found = [one for one in _divided(paragraph.text) if one]
        for index, one in enumerate(found):
            if len(one) <= _LONGEST_SENTENCE:
                yield Sentence(
                    text=one, heading=paragraph.heading, lead=paragraph.lead, is_planned=paragraph.is_planned,
                    is_item=paragraph.is_item, previous=found[index - 1] if index else "",
                    following=found[index + 1] if index + 1 < len(found) else "",
                )  # fmt: skip


def untagged(text: str) -> str:
    """Return text without what stands between tags, and without the rest where a client's own tag is left open.

    Such a tag begins its line: one within a line is a placeholder (`<session-id>`).
    """
    tags = list(_TAG.finditer(text)) if "<" in text else []
    closing: dict[str, list[int]] = {}
    for tag in tags:
        if tag[1]:
            closing.setdefault(tag[2], []).append(tag.end())
    kept: list[str] = []
    done = 0
    for tag in tags:
        if tag.start() < done or tag[1]:
            continue
        ends = closing.get(tag[2], [])
        index = bisect_left(ends, tag.end())
        if index < len(ends):
            kept += [text[done : tag.start()], "\n"]
            done = ends[index]
        elif ("-" in tag[2] or "_" in tag[2]) and not text[text.rfind("\n", 0, tag.start()) + 1 : tag.start()].strip():
            return "".join((*kept, text[done : tag.start()]))
    return "".join((*kept, text[done:]))


def _paragraphs(text: str, *, is_person: bool) -> Iterator[_Paragraph]:
    heading, lead, fence, lines = "", "", "", list[str]()
    was_blank, is_item = True, False

    def gathered() -> Iterator[_Paragraph]:
        nonlocal lead, is_item
        whole = " ".join(lines)
        lines.clear()
        if 0 < len(whole) <= _LONGEST_PARAGRAPH:
            yield _Paragraph(whole, heading, lead if is_item else "", bool(_PLAN.search(heading)), is_item)
        if whole and (not is_item or whole.endswith(":")):
            lead = whole[-300:] if whole.endswith(":") else ""
        is_item = False

    for line in text.split("\n"):
        opened = _FENCE.match(line)
        if opened is not None or fence:
            if opened is not None:
                mark = opened[1][:3]
                fence = "" if fence == mark else fence or mark
            yield from gathered()
            continue
        stripped = line.strip()
        titled = _HEADING.match(line) or _BOLD.match(line)
        is_code = was_blank and (line.startswith(("    ", "\t"))) and not _MARKER.match(line)
        if not stripped or stripped[0] in ">|│┃" or titled or is_code or len(line) > _LONGEST_PARAGRAPH:
            yield from gathered()
            if titled is not None and stripped:
                if is_person and line.lstrip().startswith("#"):
                    return  # a document, and not the person's own words
                heading, lead = titled[1], ""
            was_blank = not stripped or (was_blank and is_code)
            continue
        was_blank = False
        if _OUTPUT.match(line):
            yield from gathered()
            if is_person and _COMMAND.match(line):
                return
            continue
        if is_person and _PASTED.search(stripped[-200:]):
            yield from gathered()
            return
        marker = _MARKER.match(line)
        if marker is not None:
            yield from gathered()
            is_item = True
            stripped = line[marker.end() :].strip()
            if stripped.startswith("[ ]"):
                continue
        elif stripped.endswith(":") and _PLAN.search(stripped[-200:]):
            yield from gathered()
            heading, lead = stripped[-200:], ""
            continue
        lines.append(stripped)
    yield from gathered()


def _divided(paragraph: str) -> Iterator[str]:
    """Divide a paragraph into sentences, without the marks of emphasis."""
    start = 0
    for end in _END.finditer(paragraph):
        if _ABBREVIATION.search(paragraph, max(0, end.start() - 10), end.start()):
            continue
        yield plain(paragraph[start : end.start()])
        start = end.end()
    yield plain(paragraph[start:])


def plain(sentence: str) -> str:
    """Return a sentence on one line, without the marks of emphasis."""
    return " ".join(sentence.replace("**", "").replace("__", "").split()).strip(" *_")
