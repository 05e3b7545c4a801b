"""Codex' rollouts: `{timestamp, type, payload}` a line; the first one says whose conversation it is, and where.

The user's text stands in two kinds of lines; the one that is shown to the person is taken. Prompts and answers have no
ids: they get one of the turn, or of their time, and their place in it, which is the same however often they are read.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kioku.capture import tools
from kioku.capture.seen import Seen
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


class _Line(msgspec.Struct):
    type: str = ""
    timestamp: str | int | float | None = None
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Payload(msgspec.Struct):
    """What is needed of any payload."""

    type: str | None = None
    id: str | None = None
    message: str | None = None
    name: str | None = None
    namespace: str | None = None
    call_id: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | dict[str, Any] | None = None
    action: dict[str, Any] | None = None
    success: bool | None = None
    status: str | None = None
    turn_id: str | None = None
    model: str | None = None
    cwd: str | None = None
    cli_version: str | None = None
    timestamp: str | int | float | None = None
    git: dict[str, Any] | None = None
    source: Any = None
    info: dict[str, Any] | None = None


_lines = msgspec.json.Decoder(_Line)
_payloads = msgspec.json.Decoder(_Payload)

# The tools that a kind of call is of, where its line does not name one.
_CALLS: Final = {
    "function_call": "unknown", "custom_tool_call": "unknown", "mcp_tool_call": "unknown", "local_shell_call": "shell",
    "web_search_call": "web_search", "tool_search_call": "tool_search",
}  # fmt: skip
_ENDS: Final = (
    "function_call_output", "custom_tool_call_output", "tool_search_output", "patch_apply_end", "exec_command_end",
    "mcp_tool_call_end",
)  # fmt: skip
_TURN_ENDS: Final = ("task_complete", "turn_complete", "turn_aborted")
_USAGE: Final = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_input_tokens")
_REMEMBERED: Final = ("conversation", "folder", "branch", "version", "model")
_COUNTED_TIMES: Final = 64
_NEEDED: Final = ("session_meta", "turn_context", "event_msg", "response_item")


class CodexReader:
    """Reads one rollout. What its first lines say is remembered for the later ones."""

    def __init__(self, path: str, state: Mapping[str, str]) -> None:
        self._path = path
        self._known = {name: state[name] for name in _REMEMBERED if name in state}
        # How often each of the latest times was used for an id. Lines may be out of order, but not by much.
        counts = anything(state.get("counts", "{}"))
        self._counts: dict[str, int] = counts if isinstance(counts, dict) else {}

    def state(self) -> dict[str, str]:
        """Return what the first lines said, and how many things had each of the latest times."""
        return {**self._known, "counts": msgspec.json.encode(self._counts).decode()}

    def read(self, line: bytes) -> Iterator[Seen]:
        """Return what a line tells."""
        return objects(_lines, _Line, line, self._told)

    def _told(self, line: _Line) -> Iterator[Seen]:
        payload = fitted(_payloads, _Payload, line.payload) if line.type in _NEEDED else None
        if payload is None:
            return
        at = instant(line.timestamp)
        if at is None:
            raise BadLineError("has no time")
        if line.type == "session_meta":
            began = instant(payload.timestamp)
            self._begin(payload)
            yield self._seen("start", began if began is not None else at, id=self._known["conversation"])
        elif line.type == "turn_context":
            self._remember(model=payload.model, folder=payload.cwd)
        elif line.type == "response_item":
            yield from self._item(at, payload, str(line.timestamp))
        else:
            yield from self._event(at, payload, str(line.timestamp))

    def _begin(self, payload: _Payload) -> None:
        parent = _find(payload.source, "parent_thread_id")
        branch = (payload.git or {}).get("branch")
        # A sub-agent's rollout belongs to the conversation that started it. A rollout that was resumed begins again.
        self._remember(
            conversation=identifier(parent) or conversation(payload.id), folder=payload.cwd,
            version=payload.cli_version, branch=branch if isinstance(branch, str) else None,
        )  # fmt: skip

    def _remember(self, **facts: str | None) -> None:
        self._known |= {name: value for name, value in facts.items() if value}

    def _item(self, at: int, payload: _Payload, time: str) -> Iterator[Seen]:
        call = identifier(payload.call_id) or identifier(payload.id)
        if payload.type == "web_search_call" and call is None:
            call = self._id("search", time)  # Codex gives these none
        if payload.type in _CALLS and call is not None:
            name = payload.name or _CALLS[payload.type]
            tool = f"{payload.namespace}.{name.lstrip('_')}" if payload.namespace else name
            use = tools.describe(tool, _arguments(payload))
            yield self._seen("call", at, id=call, tool=tool, touches=use.touches, detail=use.detail)
        elif payload.type in _ENDS and call is not None:
            yield self._seen("call_end", at, id=call)

    def _event(self, at: int, payload: _Payload, time: str) -> Iterator[Seen]:
        call = identifier(payload.call_id)
        if payload.type == "user_message" and payload.message:
            yield self._seen("prompt", at, id=self._id("user", time), text=payload.message)
        elif payload.type == "agent_message" and payload.message:
            yield self._seen("answer", at, id=self._id("agent", time), text=payload.message)
        elif payload.type == "token_count" and payload.info is not None:
            last = payload.info.get("last_token_usage")
            if isinstance(last, dict):
                counted = payload.info.get("total_token_usage")
                total = counted.get("total_tokens") if isinstance(counted, dict) else None
                # Codex tells the same count again when nothing was added: the total names it.
                name = f"tokens:{self._id('tokens', time) if total is None else total}"
                spent = usage(name, last, _USAGE, cached_within=True)
                yield self._seen("answer", at, id=f"{self._conversation()}:{name}", usage=spent)
        elif payload.type in _ENDS and call is not None:
            ok = payload.success if payload.success is not None else None
            yield self._seen("call_end", at, id=call, ok=ok)
        elif payload.type in _TURN_ENDS:
            yield self._seen("turn_end", at, id=identifier(payload.turn_id) or self._id("end", time))
        elif payload.type == "context_compacted":
            yield self._seen("event", at, id=self._id("compaction", time), detail="compaction")

    def _id(self, kind: str, time: str) -> str:
        """Return an id for a thing that has none: conversation, kind and time, and how many had that time before."""
        place = f"{kind} {time}"
        repeats = self._counts.pop(place, -1) + 1
        self._counts[place] = repeats
        if len(self._counts) > _COUNTED_TIMES:
            del self._counts[next(iter(self._counts))]
        return f"{self._conversation()}:{place}:{repeats}"

    def _conversation(self) -> str:
        return self._known.get("conversation") or os.path.basename(self._path)[:200]

    def _seen(self, kind: Any, at: int, **facts: Any) -> Seen:
        known = self._known
        return Seen(
            kind=kind, at=at, conversation=self._conversation(), folder=known.get("folder"),
            branch=known.get("branch"), version=known.get("version"), model=known.get("model"), **facts,
        )  # fmt: skip


def _arguments(payload: _Payload) -> Any:
    """Return a call's arguments: often JSON in a text, sometimes a patch."""
    given = payload.arguments if payload.arguments is not None else payload.input or payload.action
    if isinstance(given, str) and given.lstrip().startswith("{"):
        return anything(given)
    return given


def _find(value: Any, name: str, depth: int = 0) -> object:
    """Look for a member in nested objects."""
    if not isinstance(value, dict) or depth > 4:
        return None
    if name in value:
        return value[name]
    return next((found for part in value.values() if (found := _find(part, name, depth + 1)) is not None), None)


def _files(places: Places) -> Iterator[str]:
    base = places.environ.get("CODEX_HOME") or os.path.join(places.home, ".codex")
    for folder in ("sessions", "archived_sessions"):
        yield from below(os.path.join(base, folder), ".jsonl")


FORMAT = Format("codex", "Codex", _files, reader=CodexReader)
