"""Gemini CLI's chats: one JSON document a conversation, with the calls of tools inside of the answers.

A chat names its project by a hash of the folder alone. The folder's name comes from what Gemini keeps beside the chats,
or from the projects that are known here; where neither tells, the conversation has none.
"""

import os
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from kioku.capture import tools
from kioku.capture.seen import Seen, Usage
from kioku.capture.transcripts.reading import (
    BadLineError,
    Document,
    Format,
    Places,
    anything,
    below,
    conversation,
    count,
    identifier,
    instant,
    text_of,
    usage,
)


def _document(path: str, content: bytes) -> Document:
    told = anything(content)
    if told is None:
        return Document((), [(None, "is no JSON")])
    if not isinstance(told, dict) or not isinstance(told.get("messages"), list):
        return Document((), [(None, "is no chat of Gemini's")])
    problems: list[tuple[int | None, str]] = []
    try:
        name = conversation(told.get("sessionId") or os.path.splitext(os.path.basename(path))[0])
    except BadLineError as error:
        return Document((), [(None, str(error))])
    folder = _folder(path, told.get("projectHash"))
    seen: list[Seen] = []
    for number, message in enumerate(told["messages"]):
        if not isinstance(message, dict):
            problems.append((None, f"message {number + 1} is no object"))
            continue
        at = instant(message.get("timestamp"))
        if at is None:
            problems.append((None, f"message {number + 1} has no time"))
            continue
        id = identifier(message.get("id")) or f"{name}:{number}"
        seen += _told(message, name, folder, at, id)
    return Document(seen, problems)


def _told(message: dict[str, Any], name: str, folder: str | None, at: int, id: str) -> Iterator[Seen]:
    kind = message.get("type")
    text = text_of(message.get("content")) or None
    if kind == "user" and text:
        yield Seen(conversation=name, at=at, kind="prompt", id=id, folder=folder, text=text)
    elif kind == "gemini":
        tokens = message.get("tokens")
        spent = _spent(id, tokens) if isinstance(tokens, dict) else None
        model = message.get("model")
        yield Seen(
            conversation=name, at=at, kind="answer", id=id, folder=folder, text=text, usage=spent,
            model=model if isinstance(model, str) else None,
        )  # fmt: skip
        calls = message.get("toolCalls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and isinstance(call.get("name"), str) and call["name"]:
                yield _call(call, name, folder, at)
        if not calls and text:
            yield Seen(conversation=name, at=at, kind="turn_end", id=f"{id}:end", folder=folder)


def _spent(id: str, tokens: dict[str, Any]) -> Usage | None:
    """Return the tokens of an answer: Gemini counts thoughts, and what its tools read, apart."""
    read, said = (
        sum(count(tokens.get(name)) for name in names) for names in (("input", "tool"), ("output", "thoughts"))
    )
    told = {"input": read, "output": said, "cached": tokens.get("cached")}
    return usage(id, told, ("input", "output", "cached", ""), cached_within=True)


def _call(call: dict[str, Any], name: str, folder: str | None, at: int) -> Seen:
    use = tools.describe(call["name"], call.get("args"))
    moment = instant(call.get("timestamp"))
    return Seen(
        conversation=name, at=at if moment is None else moment, kind="call", id=identifier(call.get("id")),
        folder=folder, tool=call["name"], touches=use.touches, detail=use.detail, ok=call.get("status") == "success",
    )  # fmt: skip


def _folder(path: str, project_hash: object) -> str | None:
    """Return the folder of a chat: as Gemini notes it, or the one whose hash it is."""
    base = os.path.dirname(os.path.dirname(path))
    try:
        with open(os.path.join(base, ".project_root"), encoding="utf-8") as stream:
            noted = stream.read(4096).strip()
            if os.path.isabs(noted):
                return noted
    except (OSError, UnicodeError):
        pass  # older versions do not note it
    wanted = project_hash if isinstance(project_hash, str) else os.path.basename(base)
    return next((folder for folder in _candidates if sha256(os.fsencode(folder)).hexdigest() == wanted), None)


# The folders whose hashes are tried: the projects that were known when the files were looked for.
_candidates: tuple[str, ...] = ()


def _files(places: Places) -> Iterator[str]:
    global _candidates
    _candidates = places.folders
    base = os.path.join(places.environ.get("GEMINI_CLI_HOME") or places.home, ".gemini", "tmp")
    yield from (path for path in below(base, ".json") if os.path.basename(os.path.dirname(path)) == "chats")


FORMAT = Format("gemini", "Gemini CLI", _files, document=_document)
