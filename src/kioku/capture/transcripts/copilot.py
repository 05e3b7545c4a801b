"""Copilot CLI's events: `{type, data, id, timestamp}` a line; the first one names the conversation and its folder."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kioku.capture import tools
from kioku.capture.seen import Seen, Usage
from kioku.capture.transcripts.reading import (
    BadLineError,
    Format,
    Places,
    below,
    conversation,
    count,
    fitted,
    identifier,
    instant,
    objects,
)


class _Line(msgspec.Struct):
    type: str = ""
    id: str | None = None
    timestamp: str | int | float | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Data(msgspec.Struct, rename="camel"):
    """What is needed of any event's data."""

    session_id: str | None = None
    start_time: str | int | float | None = None
    copilot_version: str | None = None
    selected_model: str | None = None
    context: dict[str, Any] | None = None
    content: str | None = None
    message_id: str | None = None
    model: str | None = None
    output_tokens: int | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    arguments: Any = None
    success: bool | None = None


_lines = msgspec.json.Decoder(_Line)
_datas = msgspec.json.Decoder(_Data)
_NEEDED: Final = (
    "session.start", "session.resume", "user.message", "assistant.message", "tool.execution_start",
    "tool.execution_complete", "session.shutdown",
)  # fmt: skip


class CopilotReader:
    """Reads one conversation's events."""

    def __init__(self, path: str, state: Mapping[str, str]) -> None:
        # The folder that the file is in is named after the conversation.
        self._known = dict(state) or {"conversation": os.path.basename(os.path.dirname(path))[:200] or "unknown"}

    def state(self) -> dict[str, str]:
        """Return what the first line said."""
        return dict(self._known)

    def read(self, line: bytes) -> Iterator[Seen]:
        """Return what a line tells."""
        return objects(_lines, _Line, line, self._told)

    def _told(self, line: _Line) -> Iterator[Seen]:
        data = fitted(_datas, _Data, line.data) if line.type in _NEEDED else None
        if data is None:
            return
        at = instant(line.timestamp)
        if at is None:
            raise BadLineError("has no time")
        id = identifier(line.id)
        call = identifier(data.tool_call_id)
        if line.type in ("session.start", "session.resume"):
            context = data.context or {}
            facts = {
                "conversation": conversation(data.session_id or self._known["conversation"]),
                "folder": context.get("cwd"), "branch": context.get("branch"), "version": data.copilot_version,
            }  # fmt: skip
            self._known |= {name: value for name, value in facts.items() if isinstance(value, str) and value}
            began = instant(data.start_time)
            yield self._seen("start", at if began is None else began, id=id)
        elif line.type == "user.message" and data.content:
            yield self._seen("prompt", at, id=id, text=data.content)
        elif line.type == "assistant.message":
            spent = count(data.output_tokens)
            name = identifier(data.message_id) or id or f"{self._known['conversation']}:{line.timestamp}"
            usage = Usage(id=name, output=spent) if spent else None
            yield self._seen("answer", at, id=id, text=data.content or None, model=data.model, usage=usage)
        elif line.type == "tool.execution_start" and call is not None and data.tool_name:
            use = tools.describe(data.tool_name, data.arguments)
            yield self._seen("call", at, id=call, tool=data.tool_name, touches=use.touches, detail=use.detail)
        elif line.type == "tool.execution_complete" and call is not None:
            yield self._seen("call_end", at, id=call, ok=data.success)
        elif line.type == "session.shutdown":
            yield self._seen("turn_end", at, id=id)

    def _seen(self, kind: Any, at: int, **facts: Any) -> Seen:
        known = self._known
        return Seen(
            kind=kind, at=at, conversation=known["conversation"], folder=known.get("folder"),
            branch=known.get("branch"), version=known.get("version"), **facts,
        )  # fmt: skip


def _files(places: Places) -> Iterator[str]:
    base = os.path.join(places.home, ".copilot", "session-state")
    yield from (path for path in below(base, "events.jsonl") if os.path.basename(path) == "events.jsonl")


FORMAT = Format("copilot", "Copilot CLI", _files, reader=CopilotReader)
