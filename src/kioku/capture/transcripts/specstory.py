"""SpecStory's histories: Markdown that it writes for other assistants, in the project that they were about.

A file is one conversation, sometimes at several stages under several names. What a turn is, its heading says. Its id is
the conversation, its place among that speaker's turns, and its time, so copies and later stages tell nothing twice.
"""

import os
import re
from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime

from kioku.capture import tools
from kioku.capture.seen import Seen
from kioku.capture.transcripts.reading import Document, Format, Places, below, identifier

_HEADER = re.compile(
    r"<!-- {0,4}(?P<client>\S.{0,40}?) Session {1,4}(?P<id>[^\s()]{8,200}) {0,4}(?:\((?P<time>[^)]{0,80})\))? {0,4}-->",
    re.IGNORECASE,
)
_CLIENTS = {"claude code": "claude", "codex": "codex", "codex cli": "codex", "gemini": "gemini", "gemini cli": "gemini"}
_TURN = re.compile(r"_\*\*(?P<who>User|Agent|Assistant)(?:\s?\((?P<facts>[^)]{0,200})\))?\*\*_$")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?) ?(?:Z|UTC|(?P<zone>[+-]\d\d:?\d\d))?")
_TOOL = re.compile(r'^<tool-use\s[^>]*data-tool-name="(?P<name>[^"]{1,200})"')
_SUMMARY = re.compile(r"^(?:<summary>)?Tool use: \*\*[^*]+\*\*\s*(?P<rest>.*)$")
_FILE = re.compile(r"`(?P<path>[^`\n]{1,400})`")
_NAME_TIME = re.compile(r"(\d{4}-\d\d-\d\d)_(\d\d)-(\d\d)(?:-(\d\d))?Z")


def _document(path: str, content: bytes) -> Document:
    text = content.decode("utf-8-sig", "replace")
    lines = text.splitlines()
    header = next((match for line in lines[:20] if (match := _HEADER.match(line))), None)
    name = identifier(header["id"]) if header else None
    began = _instant(header["time"] or "") if header else None
    if began is None:
        began = _named_instant(os.path.basename(path))
    if began is None:
        began = next((found for line in lines[:10] if (found := _instant(line)) is not None), None)
    turns = _starts(lines)
    if not turns:
        return Document((), () if header or "SpecStory" in text[:200] else [(None, "is no history of SpecStory's")])
    if began is None:
        return Document((), [(None, "has no time")])
    # Without an id of its own a conversation is known by its beginning: a later stage of the file begins the same.
    client = _CLIENTS.get(header["client"].lower()) if header else None
    retold = f"{client}:{name}" if client and name else None
    return Document(_turns(lines, turns, name or f"specstory-{began}", began, _folder(path)), retold=retold)


def _starts(lines: list[str]) -> list[tuple[int, re.Match[str]]]:
    """Return the headings of turns. They stand by themselves: one amid other text is quoted."""
    found = []
    for number, line in enumerate(lines):
        if line.startswith("_**") and (not number or not lines[number - 1].strip()):
            match = _TURN.match(line.rstrip())
            if match is not None:
                found.append((number, match))
    return found


def _turns(
    lines: list[str], turns: list[tuple[int, re.Match[str]]], name: str, began: int, folder: str | None
) -> Iterator[Seen]:
    counts = {"User": 0, "Agent": 0}
    at = began
    ends = [*(number for number, _ in turns[1:]), len(lines)]
    for (start, match), end in zip(turns, ends, strict=True):
        who = "User" if match["who"] == "User" else "Agent"
        facts = match["facts"] or ""
        at = _instant(facts) or at  # the file is in order: a turn without a time has that of the one before
        counts[who] += 1
        id = f"{name}:{who}:{counts[who]}:{at}"
        body = _text(lines[start + 1 : end])
        if who == "User":
            if body:
                yield Seen(conversation=name, at=at, kind="prompt", id=id, folder=folder, text=body)
            continue
        model = _TIME.sub("", facts).strip() or None
        yield Seen(conversation=name, at=at, kind="answer", id=id, folder=folder, text=body or None, model=model)
        yield from _calls(lines[start + 1 : end], name, id, at, folder)


def _calls(lines: list[str], name: str, id: str, at: int, folder: str | None) -> Iterator[Seen]:
    for number, line in enumerate(lines):
        match = _TOOL.match(line)
        if match is None:
            continue
        summary = next(
            (found for after in lines[number : number + 4] if (found := _SUMMARY.search(after.strip()))), None
        )
        file = _FILE.search(summary["rest"]) if summary else None
        use = tools.describe(match["name"], {"file_path": file["path"]} if file else None)
        yield Seen(
            conversation=name, at=at, kind="call", id=f"{id}:{number}", folder=folder, tool=match["name"],
            touches=use.touches,
        )  # fmt: skip


def _text(lines: list[str]) -> str:
    """Return what was said: without what tools did, and without the line that ends the turn."""
    ends = [number for number, line in enumerate(lines) if "</tool-use>" in line]
    kept = []
    tool_ends = -1
    for number, line in enumerate(lines):
        if number > tool_ends and _TOOL.match(line) and ends and ends[-1] >= number:
            tool_ends = ends[bisect_left(ends, number)]
        if number > tool_ends:
            kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    if kept and kept[-1].strip() == "---":
        kept.pop()
    return "\n".join(kept).strip()


def _instant(text: str) -> int | None:
    match = _TIME.search(text)
    if match is None:
        return None
    try:
        found = datetime.fromisoformat(f"{match[1]}T{match[2]}{match['zone'] or 'Z'}")
        return round(found.timestamp() * 1000)
    except ValueError:
        return None


def _named_instant(name: str) -> int | None:
    match = _NAME_TIME.match(name)
    return _instant(f"{match[1]} {match[2]}:{match[3]}:{match[4] or '00'}") if match else None


def _folder(path: str) -> str | None:
    """Return the project that a history lies in."""
    parts = os.path.abspath(path).split(os.sep)
    return os.sep.join(parts[: parts.index(".specstory")]) or None if ".specstory" in parts else None


def _files(places: Places) -> Iterator[str]:
    for folder in places.folders:
        yield from below(os.path.join(folder, ".specstory", "history"), ".md", 1)


FORMAT = Format("specstory", "SpecStory", _files, document=_document)
