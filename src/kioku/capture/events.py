"""Hook events, in whatever words a client puts them, become `Seen`.

A `Stop` ends a turn, not a conversation. A tool's call is told twice, when it begins and when it is over: both have the
call's id, and become one. Clients that give calls no id tell of them once, when they are over. A sub-agent's events
belong to the conversation that started it. An event that is not known is kept by its name.
"""

from typing import Any, Final

from kioku.capture.seen import Kind, Seen
from kioku.capture.spool import Record
from kioku.capture.tools import describe

_KINDS: Final[dict[str, Kind]] = {
    "sessionstart": "start",
    "sessionend": "end",
    "userpromptsubmit": "prompt",
    "userpromptsubmitted": "prompt",
    "beforesubmitprompt": "prompt",
    "beforeagent": "prompt",
    "pretooluse": "call",
    "beforetool": "call",
    "posttooluse": "call_end",
    "posttoolusefailure": "call_end",
    "aftertool": "call_end",
    "stop": "turn_end",
    "agentstop": "turn_end",
    "afteragent": "turn_end",
}
_NOTES: Final = {"precompact": "compaction", "precompress": "compaction", "subagentstop": "sub-agent finished"}

# Cursor's events that tell of a call without the name of its tool.
_NAMELESS_TOOLS: Final = {"afterfileedit": "Edit", "aftershellexecution": "Shell", "aftermcpexecution": "MCP"}

_LONGEST_ID: Final = 200
_LONGEST_NAME: Final = 60


def seen(record: Record) -> list[Seen]:
    """Return what an event tells: usually one thing, and none for one that names no conversation."""
    event = record.event
    conversation = _id(event.get("session"))
    if conversation is None:
        return []
    name = _text(event.get("name")) or ""
    word = name.replace("_", "").replace("-", "").lower()
    kind = _KINDS.get(word, "event")
    detail: str | None = None
    tool: str | None = None
    text: str | None = None
    is_sub_agent = event.get("agent") is not None
    if kind == "start" or kind == "end":
        detail = (_text(event.get("why")) or "unknown")[:_LONGEST_NAME]
    elif kind == "prompt":
        text = _text(event.get("prompt"))
    elif kind == "turn_end":
        text = _text(event.get("said"))
    elif kind == "call" or kind == "call_end" or word in _NAMELESS_TOOLS:
        tool = (_text(event.get("tool")) or _NAMELESS_TOOLS.get(word) or "unknown")[:_LONGEST_ID]
        kind = "call_end" if kind == "event" else kind
    else:
        detail = _NOTES.get(word) or _printable(name)
    if is_sub_agent and kind in ("prompt", "turn_end", "start", "end"):
        # The sub-agent's turn, not the person's: the conversation goes on.
        kind, detail, text = "event", f"sub-agent: {_printable(name)}", None
    id = _id(event.get("call")) if tool is not None else None
    if tool is not None and id is None and word in ("pretooluse", "beforetool"):
        # Without an id the end could not be told from another call: it alone counts, this is only when it began.
        return [_made(record, conversation, "event", detail=f"{_printable(name)}: {tool}"[:_LONGEST_ID])]
    use = None if tool is None else describe(tool, event.get("input"))
    return [
        _made(
            record, conversation, kind, id=id, tool=tool, detail=detail if use is None else use.detail, text=text,
            touches=() if use is None else use.touches,
        )
    ]  # fmt: skip


def _made(record: Record, conversation: str, kind: Kind, **facts: Any) -> Seen:
    ok = record.event.get("ok")
    return Seen(
        conversation=conversation, at=record.at, kind=kind, folder=record.cwd,
        ok=ok if isinstance(ok, bool) else None, model=_text(record.event.get("model")), **facts,
    )  # fmt: skip


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _id(value: Any) -> str | None:
    """Return an id of a client's if it can be one."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable() else None


def _printable(name: str) -> str:
    return "".join(c for c in name if c.isprintable())[:_LONGEST_NAME] or "nameless event"
