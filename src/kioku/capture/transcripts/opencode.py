"""OpenCode's exported conversations: one JSON document each, times in ms, sub-agents as conversations of their own.

A sub-agent's conversation belongs to its parent's. Only ids that look like OpenCode's are believed: where an export has
them blanked out, files must not fall together, and a conversation that names itself as its parent is nobody's child.
"""

import os
from collections.abc import Iterator
from typing import Any

from kioku.capture import tools
from kioku.capture.seen import Seen
from kioku.capture.transcripts.reading import Document, Format, Places, anything, below, identifier, instant, usage


def _document(path: str, content: bytes) -> Document:
    told = anything(content)
    if told is None:
        return Document((), [(None, "is no JSON")])
    if (
        not isinstance(told, dict)
        or not isinstance(told.get("info"), dict)
        or not isinstance(told.get("messages"), list)
    ):
        return Document((), [(None, "is no export of OpenCode's")])
    info = told["info"]
    own = _session(info.get("id")) or os.path.splitext(os.path.basename(path))[0][:200]
    parent = _session(info.get("parentID"))
    is_child = bool(info.get("parentID")) and parent != own  # also of a parent whose id is blanked out
    name = parent if is_child and parent is not None else own
    folder = info.get("directory") if isinstance(info.get("directory"), str) else None
    version = info.get("version") if isinstance(info.get("version"), str) else None
    seen: list[Seen] = []
    problems: list[tuple[int | None, str]] = []
    for number, message in enumerate(told["messages"]):
        facts = message.get("info") if isinstance(message, dict) else None
        if not isinstance(facts, dict):
            problems.append((None, f"message {number + 1} is no message"))
            continue
        times = _members(facts.get("time"))
        at = instant(times.get("created"))
        if at is None:
            problems.append((None, f"message {number + 1} has no time"))
            continue
        common = {"conversation": name, "folder": folder, "version": version}
        id = _id(facts.get("id"), "msg_") or f"{own}:{number}"
        parts = message.get("parts")
        parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        seen += _told(facts, parts, at, id, is_child, common)
    return Document(seen, problems)


def _told(
    facts: dict[str, Any], parts: list[dict[str, Any]], at: int, id: str, is_child: bool, common: dict[str, Any]
) -> Iterator[Seen]:
    texts = [part for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    if facts.get("role") == "user":
        typed = "\n".join(part["text"] for part in texts if not part.get("synthetic"))
        if typed and not is_child:  # a sub-agent is prompted by the assistant
            yield Seen(at=at, kind="prompt", id=id, text=typed, **common)
        return
    text = "\n".join(part["text"] for part in texts) or None
    tokens = _members(facts.get("tokens"))
    cache = _members(tokens.get("cache"))
    flat = {**tokens, "cache_read": cache.get("read"), "cache_write": cache.get("write")}
    spent = usage(id, flat, ("input", "output", "cache_read", "cache_write"))
    model = facts.get("modelID")
    yield Seen(
        at=at, kind="answer", id=id, text=text, usage=spent, model=model if isinstance(model, str) else None, **common
    )
    last = at
    for number, part in enumerate(parts):
        state = part.get("state")
        if part.get("type") != "tool" or not isinstance(state, dict) or not isinstance(part.get("tool"), str):
            continue
        call = _id(part.get("id"), "prt_") or f"{id}:{number}"  # its `callID` is the model's, and may be blanked out
        when = _members(state.get("time"))
        began, ended = instant(when.get("start")) or at, instant(when.get("end"))
        use = tools.describe(part["tool"], state.get("input"))
        yield Seen(at=began, kind="call", id=call, tool=part["tool"], touches=use.touches, detail=use.detail, **common)
        if ended is not None:
            yield Seen(at=ended, kind="call_end", id=call, ok=state.get("status") == "completed", **common)
            last = max(last, ended)
    done = _members(facts.get("time")).get("completed")
    if facts.get("finish") == "stop" and not is_child:
        yield Seen(at=max(last, instant(done) or last), kind="turn_end", id=f"{id}:end", **common)


def _members(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _session(value: object) -> str | None:
    return _id(value, "ses_")


def _id(value: object, start: str) -> str | None:
    found = identifier(value)
    return found if found is not None and found.startswith(start) else None


def _files(places: Places) -> Iterator[str]:
    """Return exports that were put where OpenCode keeps its data; its own store is a database that it may change."""
    base = places.environ.get("XDG_DATA_HOME") or os.path.join(places.home, ".local", "share")
    yield from below(os.path.join(base, "opencode", "export"), ".json")


FORMAT = Format("opencode", "OpenCode", _files, document=_document)
