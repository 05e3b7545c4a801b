"""What the parts of Kioku tell each other: reports that come in, rows that go out.

Instants and lengths of time are ms. Unknown is None, never 0.
"""

import os
from typing import Any, Final

import msgspec

from kioku.redaction import Redacted, redact

# --- kinds of activity ------------------------------------------------------------------------------------------------

SERVER_START: Final = redact("server_start")
TOOL_CALL: Final = redact("tool_call")
RESOURCE_READ: Final = redact("resource_read")
FILE_READ: Final = redact("file_read")
FILE_EDIT: Final = redact("file_edit")
PROMPT: Final = redact("prompt")

# Evidence of work that counts as none: it lengthens a session, and no number in it.
CONVERSATION_START: Final = redact("conversation_start")
ANSWER: Final = redact("answer")
TURN_END: Final = redact("turn_end")
CALL_END: Final = redact("call_end")
EVENT: Final = redact("event")
EVIDENCE: Final = frozenset({SERVER_START, CONVERSATION_START, ANSWER, TURN_END, CALL_END, EVENT})

# A client's report of a call of Kioku's own tools: proof of time, and counted only where no server told of any.
ECHO: Final = redact("kioku_call")

# Marks end a session; they are no activity and never begin or lengthen one.
SERVER_STOP: Final = redact("server_stop")
OWNER_LOST: Final = redact("owner_lost")
CLOSED: Final = redact("closed")
CONVERSATION_END: Final = redact("conversation_end")

# The reason that each mark gives; "idle", given by silence alone, has none.
MARKS: Final[dict[str, str]] = {
    SERVER_STOP: "stopped",
    OWNER_LOST: "orphaned",
    CLOSED: "cleanup",
    CONVERSATION_END: "ended",
}

# --- where a report came from; the smaller is preferred where several tell of one thing -------------------------------

TRANSCRIPT: Final = 1
SERVER: Final = 2
HOOK: Final = 3
SWEEP: Final = 4
SOURCES: Final[dict[int, str]] = {TRANSCRIPT: "transcript", SERVER: "server", HOOK: "hook", SWEEP: "sweep"}


# The clients whose conversations are recorded, as our command line calls them: the names that they go by.
CLIENTS: Final[dict[str, str]] = {
    "claude": "claude-code",
    "codex": "codex",
    "gemini": "gemini-cli",
    "cursor": "cursor",
    "vscode": "vscode",
    "copilot": "copilot-cli",
    "opencode": "opencode",
    "specstory": "specstory",
}

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> Redacted:
    """Return a new random id: 80 bits, so that ids never meet, on whatever machines they were given."""
    bits = int.from_bytes(os.urandom(10))
    return Redacted("".join(_ALPHABET[bits >> shift & 31] for shift in range(75, -1, -5)))


def key_of(*names: str | int) -> int:
    """Return the key of a thing that has an id of its client's: the same for the same names, in every process.

    It is even: a hook's report of a thing without an id has an odd key.
    """
    from hashlib import blake2b

    text = "\0".join(str(name) for name in names)
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, person=b"kioku.key").digest()
    return int.from_bytes(digest, signed=True) & ~1


def new_key() -> int:
    """Return a new random key for a report of a thing that has no id of its own: 64 bits, signed."""
    return int.from_bytes(os.urandom(8), signed=True)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One timestamped report that work happened: what a source said, never changed afterwards.

    `key` names the thing reported (64 bits): the same thing told by another source has the same key. `took` is its
    length in ms; None is a point in time. `origin` is the stream that told of it, where that is another than the one it
    is kept in: a server's call in the conversation that it served.
    """

    key: int
    source: int
    at: int
    kind: Redacted
    took: int | None = None
    tool: Redacted | None = None
    path: Redacted | None = None
    branch: Redacted | None = None
    detail: Redacted | None = None
    ok: bool | None = None
    origin: int | None = None

    @property
    def until(self) -> int:
        """Return the instant at which the reported thing was over."""
        return self.at + (self.took or 0)

    @property
    def preference(self) -> tuple[int, int, str]:
        """Order reports of one thing: by source, then the earliest, then by content; the smallest is believed."""
        return self.source, self.at, repr(self)

    @property
    def is_loose(self) -> bool:
        """Tell whether a hook reported it without an id of the client's, so that no transcript's key can equal its."""
        return self.source == HOOK and bool(self.key & 1)

    def merged(self, other: "Report") -> "Report":
        """Return what two reports of one thing by one source say together, in whatever order they came.

        Hooks and transcripts tell of a call's start and end apart: together they are its interval.
        """
        first, second = sorted((self, other), key=lambda report: report.preference)
        if self.source not in (TRANSCRIPT, HOOK):
            return first
        until = max(first.until, second.until)
        kinds = sorted((first.kind, second.kind), key=lambda kind: (kind == CALL_END, kind))
        return Report(
            key=first.key, source=first.source, at=first.at, kind=kinds[0],
            took=None if first.took is None and second.took is None and until == first.at else until - first.at,
            tool=_either(first.tool, second.tool), path=_either(first.path, second.path),
            branch=_either(first.branch, second.branch), detail=_either(first.detail, second.detail),
            ok=None if first.ok is None and second.ok is None else first.ok is not False and second.ok is not False,
            origin=first.origin,
        )  # fmt: skip

    def to_json(self) -> str:
        """Return the report as JSON text that `from_json` reads back."""
        plain = {
            name: str(value) if isinstance(value, str) else value
            for name, value in msgspec.structs.asdict(self).items()
        }
        return msgspec.json.encode(plain).decode()

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read what `to_json` wrote; its text was redacted then."""
        plain: dict[str, Any] = msgspec.json.decode(text)
        return cls(**{name: _restored(value) for name, value in plain.items()})


def _either(one: Redacted | None, other: Redacted | None) -> Redacted | None:
    """Return the text that is known, of two the smaller: the order of arrival must not decide."""
    return min((text for text in (one, other) if text is not None), default=None)


def _restored(value: Any) -> Any:
    return Redacted(value) if isinstance(value, str) else value


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The process that records a stream: enough to tell later whether it still lives."""

    token: str
    pid: int
    start_token: str | None = None
    boot_id: str | None = None
    pid_namespace: str | None = None
    started_at: int = 0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One session, as lists and details show it. `status` and `end_reason` are as of the instant asked about."""

    id: str
    project_id: str
    started_at: int
    ended_at: int | None
    status: str
    end_reason: str | None
    last_activity_at: int
    client: str | None
    client_version: str | None
    branch: str | None
    title: str | None
    topics: list[str]
    tool_calls: int
    files: int
    activities: int
    active_ms: int | None
    agent_ms: int | None
    waiting_ms: int | None
    timeout_ms: int
    continues: str | None
    empty: bool
    owner: str | None
    created_at: int
    updated_at: int

    @property
    def span_ms(self) -> int:
        """Return the time from start to end (for an active session: to its last activity)."""
        return max(0, (self.last_activity_at if self.ended_at is None else self.ended_at) - self.started_at)

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain values, with `span_ms` beside them, for `--json` and structured answers."""
        return {**msgspec.structs.asdict(self), "span_ms": self.span_ms}


class TouchedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a session: how often it was read and edited, and when first and last."""

    path: str
    reads: int
    edits: int
    first_at: int
    last_at: int
