"""Claude Code's transcripts: one JSON object a line, each naming its conversation, folder and branch itself.

Most `user` lines are results of tools, and some hold text that nobody typed: only what the person wrote is a prompt.
An answer is spread over several lines that repeat its usage.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kioku.capture import tools
from kioku.capture.seen import Seen, Usage
from kioku.capture.transcripts.reading import (
    BadLineError,
    Format,
    Places,
    anything,
    below,
    conversation,
    fitted,
    identifier,
    instant,
    objects,
    usage,
)

# Text that the client put around or in place of what was typed.
_NOT_TYPED: Final = re.compile(
    r"<(system-reminder|local-command-stdout|local-command-stderr|local-command-caveat|command-message|bash-stdout"
    r"|bash-stderr|task-notification|ide_opened_file|ide_selection|user-prompt-submit-hook)>"
)
_INTERRUPTED: Final = "[Request interrupted by user"
_TURN_ENDS: Final = ("turn_duration", "stop_hook_summary")


class _Message(msgspec.Struct):
    role: str = ""
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    content: msgspec.Raw = msgspec.Raw(b"[]")
    usage: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct, rename="camel"):
    type: str = ""
    uuid: str | None = None
    session_id: str | None = None
    timestamp: str | int | float | None = None
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    request_id: str | None = None
    subtype: str | None = None
    is_meta: bool = False
    is_compact_summary: bool = False
    is_sidechain: bool = False
    is_visible_in_transcript_only: bool = False
    message: _Message | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Progress(msgspec.Struct):
    type: str = ""
    message: _Line | None = None


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    id: str | None = None
    name: str | None = None
    tool_use_id: str | None = None
    is_error: bool | None = None
    input: msgspec.Raw = msgspec.Raw(b"null")


_lines = msgspec.json.Decoder(_Line)
_blocks = msgspec.json.Decoder(list[_Block])
_progress = msgspec.json.Decoder(_Progress)
_TOLD: Final = ("user", "assistant", "system")
_USAGE: Final = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class ClaudeReader:
    """Reads one transcript of Claude Code's."""

    def read(self, line: bytes) -> Iterator[Seen]:
        """Return what a line tells."""
        return objects(_lines, _Line, line, _told)

    def state(self) -> dict[str, str]:
        """Return nothing: every line says what must be known."""
        return {}


def _told(line: _Line) -> Iterator[Seen]:
    if line.type == "progress":
        yield from _from_sub_agent(line)
    if line.type not in _TOLD:
        return
    at = instant(line.timestamp)
    if at is None:
        raise BadLineError("has no time")
    facts: dict[str, Any] = {
        "conversation": conversation(line.session_id),
        "at": at,
        "folder": line.cwd,
        "branch": line.git_branch,
        "version": line.version,
    }
    id = identifier(line.uuid)
    if line.type == "system":
        if line.subtype == "compact_boundary":
            yield Seen(kind="event", id=id, detail="compaction", **facts)
        elif line.subtype in _TURN_ENDS:
            yield Seen(kind="turn_end", id=id, **facts)
    elif line.message is None:
        return
    elif line.type == "user":
        yield from _from_user(line, line.message, id, facts)
    else:
        yield from _from_assistant(line, line.message, id, facts)


def _from_user(line: _Line, message: _Message, id: str | None, facts: dict[str, Any]) -> Iterator[Seen]:
    texts: list[str] = []
    for block in _content(message.content):
        if block.type == "tool_result":
            call = identifier(block.tool_use_id)
            if call is not None:
                yield Seen(kind="call_end", id=call, ok=not block.is_error, **facts)
        elif block.text is not None:
            texts.append(block.text)
    if line.is_meta or line.is_compact_summary or line.is_sidechain or line.is_visible_in_transcript_only:
        return
    text = typed("\n".join(texts))
    if text.startswith(_INTERRUPTED):
        yield Seen(kind="turn_end", id=id, **facts)
    elif text:
        yield Seen(kind="prompt", id=id, text=text, **facts)


def _from_assistant(line: _Line, message: _Message, id: str | None, facts: dict[str, Any]) -> Iterator[Seen]:
    model = None if message.model in (None, "<synthetic>") else message.model
    blocks = _content(message.content)
    text = "\n".join(block.text for block in blocks if block.type == "text" and block.text)
    yield Seen(kind="answer", id=id, text=text or None, model=model, usage=_usage(line, message, model), **facts)
    for block in blocks:
        call = identifier(block.id)
        if block.type == "tool_use" and block.name and call is not None:
            use = tools.describe(block.name, anything(block.input))
            yield Seen(kind="call", id=call, tool=block.name, touches=use.touches, detail=use.detail, **facts)
    if message.stop_reason == "end_turn" and not line.is_sidechain and id is not None:
        yield Seen(kind="turn_end", id=f"{id}:end", **facts)


def _from_sub_agent(line: _Line) -> Iterator[Seen]:
    """Return what a sub-agent did, as its parent's transcript repeats it. What it said is in its own transcript."""
    progress = fitted(_progress, _Progress, line.data)
    told = progress.message if progress is not None and progress.type == "agent_progress" else None
    if told is None or told.type not in ("user", "assistant"):
        return
    told = msgspec.structs.replace(
        told, session_id=line.session_id, timestamp=told.timestamp or line.timestamp, cwd=line.cwd,
        git_branch=line.git_branch, version=line.version, is_sidechain=True,
    )  # fmt: skip
    for seen in _told(told):
        yield msgspec.structs.replace(seen, text=None)


def _usage(line: _Line, message: _Message, model: str | None) -> Usage | None:
    id = identifier(message.id)
    if model is None or id is None:
        return None
    told = anything(message.usage)
    return usage(f"{id}:{line.request_id or ''}", told, _USAGE) if isinstance(told, dict) else None


def typed(text: str) -> str:
    """Return what the person typed of a prompt: without what the client put around it; of a command, its line."""
    if "<" not in text:
        return text.strip()
    command = _between(text, "command-name")
    if command is not None:
        name = command.strip()
        arguments = (_between(text, "command-args") or "").strip()
        return f"{name if name.startswith('/') else '/' + name} {arguments}".strip()
    return _without_wrapped(text).replace("<bash-input>", "!").replace("</bash-input>", "").strip()


def _between(text: str, tag: str) -> str | None:
    _, opening, rest = text.partition(f"<{tag}>")
    inner, closing, _ = rest.partition(f"</{tag}>")
    return inner if opening and closing else None


def _without_wrapped(text: str) -> str:
    """Remove what the client wrapped in tags of its own; a tag that is never closed is text."""
    parts = []
    end = 0
    unclosed = set()
    for match in _NOT_TYPED.finditer(text):
        tag = match[1]
        if match.start() < end or tag in unclosed:
            continue
        closing = text.find(f"</{tag}>", match.end())
        if closing < 0:
            unclosed.add(tag)  # looked for once: a text may be full of openings
            continue
        parts.append(text[end : match.start()])
        end = closing + len(tag) + 3
    return "".join((*parts, text[end:]))


def _content(raw: msgspec.Raw) -> list[_Block]:
    """Return a message's blocks; content that is a text alone is one block."""
    try:
        return _blocks.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        content = anything(raw)  # a text, or a block of an unusual make
    if isinstance(content, str):
        return [_Block(type="text", text=content)]
    parts = content if isinstance(content, list) else []
    found = (fitted(_block, _Block, msgspec.Raw(msgspec.json.encode(part))) for part in parts)
    return [block for block in found if block is not None]


_block = msgspec.json.Decoder(_Block)


def _files(places: Places) -> Iterator[str]:
    base = places.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(places.home, ".claude")
    yield from below(os.path.join(base, "projects"), ".jsonl")


def _reader(_path: str, _state: Mapping[str, str]) -> ClaudeReader:
    return ClaudeReader()


FORMAT = Format("claude", "Claude Code", _files, reader=_reader)
