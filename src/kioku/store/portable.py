"""The lines of an export: one JSON object each, of which docs/export.md tells the meaning.

What is read is checked here: every number lies where numbers of its kind can lie, every text is as long as one may be.
Keys are 16 hexadecimal digits, since many programs that read JSON know no whole numbers of 64 bits.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from kioku.models import SOURCES, Report
from kioku.redaction import redact
from kioku.store import plausible
from kioku.store.redactor import Redactor
from kioku.store.values import FARTHEST
from kioku.summaries import (
    ACTIVE_CLOCK,
    ACTIVITY,
    AGENT_CLOCK,
    CALL,
    EDIT,
    ON_BRANCH,
    PROMPTED,
    READ,
    WAITING_CLOCK,
)

FORMAT: Final = "kioku-sessions"
VERSION: Final = 3

KEYS_IN_A_LINE: Final = 1_000
LONGEST_DIGEST: Final = 64  # bytes

CLOCKS: Final = {ACTIVE_CLOCK: "active", AGENT_CLOCK: "agent", WAITING_CLOCK: "waiting"}
KINDS: Final = {
    CALL: "call", READ: "read", EDIT: "edit", PROMPTED: "prompt", ACTIVITY: "activity",
    ON_BRANCH[CALL]: "call_on_branch", ON_BRANCH[READ]: "read_on_branch", ON_BRANCH[EDIT]: "edit_on_branch",
}  # fmt: skip

Instant = Annotated[int, Meta(ge=-FARTHEST, le=FARTHEST)]
Count = Annotated[int, Meta(ge=0, le=FARTHEST)]
Name = Annotated[str, Meta(max_length=1 << 16)]
Text = Annotated[str, Meta(max_length=1 << 22)]
Key = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Source = Literal["transcript", "server", "hook", "sweep"]
Real = Annotated[float, Meta(ge=-FARTHEST, le=FARTHEST)]
_Kind = Literal[
    "call", "read", "edit", "prompt", "activity", "call_on_branch", "read_on_branch", "edit_on_branch"
]  # fmt: skip


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """Whose sessions are exported; the person's own store has no name."""

    id: Name
    name: Name | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a part holds: the sessions begun between two instants (ms, `until` excluded), or those with these ids."""

    since: Instant | None = None
    until: Instant | None = None
    ids: list[Name] | None = None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `served` tells that a server records there; `part` is None for a whole store."""

    format: Name
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    project: Project
    exported_at: Instant
    kioku: Name
    served: bool = False
    part: Part | None = None


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    pass


class Stream(_Line, frozen=True, kw_only=True, tag="stream"):
    """A conversation, or the life of a server; `timeouts` are (since, timeout) in ms.

    It is `doubted` where the person whose store it was did not vouch for what is told of it.
    """

    key: Annotated[Name, Meta(min_length=1)]
    created_at: Instant
    client: Name | None = None
    client_version: Name | None = None
    folder: Name | None = None
    claim: Name | None = None
    owner: Name | None = None
    doubted: bool = False
    timeouts: Annotated[list[tuple[Instant, Count]], Meta(max_length=100_000)] = []


class Sighting(_Line, frozen=True, kw_only=True, tag="sighting"):
    """A stream was seen under a client's process."""

    process: Name
    stream: Name
    since: Instant
    until: Instant | None = None
    succeeds: Instant | None = None


class Span(_Line, frozen=True, kw_only=True, tag="span"):
    """From an instant on (None: always) a server's calls belong to a conversation: what follows from the sightings."""

    stream: Name
    since: int | None = None
    conversation: Name | None = None


class Id(_Line, frozen=True, kw_only=True, tag="id"):
    """An id that was given to the session with the report `key`; without a stream, to one that never had reports."""

    id: Annotated[str, Meta(min_length=1, max_length=1_000)]
    created_at: Instant
    stream: Name | None = None
    key: Key | None = None


class Told(_Line, frozen=True, kw_only=True, tag="report"):
    """A report, in the stream that it is kept in; `origin` is the server that told of it."""

    stream: Name
    key: Key
    source: Source
    at: Instant
    kind: Name
    took: Count | None = None
    tool: Name | None = None
    path: Name | None = None
    branch: Name | None = None
    ok: bool | None = None
    detail: Text | None = None
    origin: Name | None = None


class Quarantined(Told, frozen=True, kw_only=True, tag="quarantined"):
    """A report from the future, which waits for its time to come."""


class Turn(_Line, frozen=True, kw_only=True, tag="turn"):
    """What was said."""

    stream: Name
    key: Key
    source: Source
    at: Instant
    role: Name
    text: Text
    model: Name | None = None


class Usage(_Line, frozen=True, kw_only=True, tag="usage"):
    """Tokens of one answer."""

    stream: Name
    key: Key
    at: Instant
    input: Count
    output: Count
    cache_read: Count
    cache_write: Count
    model: Name | None = None


class Amendment(_Line, frozen=True, kw_only=True, tag="amendment"):
    """What a person or an import decided about a session."""

    made_at: Instant
    kind: Annotated[str, Meta(min_length=1, max_length=100)]
    session: Annotated[str, Meta(max_length=1_000)]
    data: dict[str, Any]


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session that an archived one was merged from, as it stood by itself, in `stream`."""

    id: Name
    stream: Name
    first_activity_at: Instant
    started_at: Instant
    status: Name
    last_activity_at: Instant
    timeout_ms: Count
    merged_at: Instant
    activities: Count
    tool_calls: Count
    files: Count
    active_ms: Count | None = None
    ended_at: Instant | None = None
    end_reason: Name | None = None
    title: Name | None = None
    owner: Name | None = None
    client: Name | None = None
    branch: Name | None = None


class Archived(_Line, frozen=True, kw_only=True, tag="archived"):
    """An archived session with all that it keeps, but for its turns, usage, ids, and the keys of its reports.

    Those are of the stream `archive:` and its id. `runs` are where its time was: stream, from when until when, and who
    told. `clocks`, `counts` and `branches` are its digest: from when until when; slot, name and number; from when on.
    """

    id: Annotated[str, Meta(min_length=1, max_length=1_000)]
    created_at: Instant
    updated_at: Instant
    started_at: Instant
    first_activity_at: Instant
    last_start_at: Instant
    block_start_at: Instant
    last_activity_at: Instant
    timeout_ms: Count
    activities: Count
    tool_calls: Count
    files: Count
    ended_at: Instant | None = None
    end_reason: Name | None = None
    empty: bool = False
    active_ms: Count | None = None
    agent_ms: Count | None = None
    waiting_ms: Count | None = None
    gap_before: Instant | None = None
    client: Name | None = None
    client_version: Name | None = None
    folder: Name | None = None
    owner: Name | None = None
    branch: Name | None = None
    branch_at: Instant | None = None
    phase: Name | None = None
    title: Text | None = None
    topics: Text = "[]"
    metadata: dict[str, Any] = {}
    continues: Name | None = None
    amended: bool = False
    tied: Annotated[int, Meta(ge=0, le=2)] = 0
    runs: list[tuple[Name, Instant, Instant, Annotated[int, Meta(ge=0, le=15)]]] = []
    clocks: dict[Literal["active", "agent", "waiting"], list[tuple[Instant, Instant]]] = {}
    counts: dict[_Kind, list[tuple[Instant, Name, Count]]] = {}
    branches: list[tuple[Instant, Name]] = []
    touched: list[tuple[Name, Count, Count, Instant, Instant]] = []
    parts: list[Member] = []


class Kept(_Line, frozen=True, kw_only=True, tag="kept"):
    """Keys of the reports that an archived session was made of; without a session, of which one nobody knows."""

    keys: Annotated[list[Key], Meta(max_length=KEYS_IN_A_LINE)]
    session: Name | None = None


class Discovery(_Line, frozen=True, kw_only=True, tag="discovery"):
    """What was learned."""

    id: Annotated[str, Meta(min_length=1, max_length=1_000)]
    kind: Name
    content: Text
    state: Name
    created_at: Instant
    updated_at: Instant
    session: Name | None = None
    module: Name | None = None
    confidence: Real | None = None
    provenance: Name = "repository"
    evidence: Text | None = None


class Succession(_Line, frozen=True, kw_only=True, tag="succession"):
    """A discovery took another's place, or is only proposed to where nobody has decided."""

    id: Name
    superseded_by: Name
    decided_at: Instant | None = None


class Refinement(_Line, frozen=True, kw_only=True, tag="refinement"):
    """A model was asked about a session as it was with that digest."""

    session: Name
    model: Name
    digest: Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{2}){1,64}\Z")]
    asked_at: Instant
    found: Count
    dropped: Count
    input_tokens: Count | None = None
    output_tokens: Count | None = None


class Item(_Line, frozen=True, kw_only=True, tag="item"):
    """What is known of the project and has a place in what an assistant is shown of it."""

    id: Annotated[str, Meta(min_length=1, max_length=10_000)]
    kind: Name
    content: Text
    status: Literal["active", "archived"] = "active"
    metadata: Text = "{}"
    score: Real | None = None
    recency: Real | None = None
    frequency: Real | None = None
    accesses: Count | None = None
    used_at: Instant | None = None
    tokens: Count | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None


class Derived(_Line, frozen=True, kw_only=True, tag="session"):
    """A session as it stood: what follows from the other lines, for whoever reads no more than this."""

    id: Name


class End(_Line, frozen=True, kw_only=True, tag="end"):
    """The last line: how many lines came before it."""

    lines: Count


Line = (
    Stream | Sighting | Span | Kept | Archived | Id | Told | Quarantined | Turn | Usage | Amendment | Discovery
    | Succession | Refinement | Item | Derived | End
)  # fmt: skip

NUMBERS: Final = {name: number for number, name in SOURCES.items()}
_head: Final = msgspec.json.Decoder(Head)
_line: Final = msgspec.json.Decoder(Line)


def read_head(line: bytes) -> Head:
    """Read the first line. Raises ValueError."""
    return _head.decode(line)


def read(line: bytes) -> Line:
    """Read any other line. Raises ValueError, also for a path that leads out of its project or is none."""
    try:
        found: Line = _line.decode(line)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    if isinstance(found, Told) and found.path is not None:
        plausible.check_path(found.path)
    if isinstance(found, Amendment):
        plausible.check_depth(found.data)
    if isinstance(found, Archived):
        plausible.check_archived(found)
    return found


def write(line: Head | Line | dict[str, Any] | str) -> bytes:
    """Write a line. What a terminal could take for more than text is written as JSON's escapes."""
    text = msgspec.json.encode(line, enc_hook=str.__str__).decode()
    return (text if text.isprintable() else "".join(map(_escaped, text))).encode() + b"\n"


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def key_text(key: int) -> str:
    """Write a key."""
    return f"{key & (1 << 64) - 1:016x}"


def key_number(text: str) -> int:
    """Read a key."""
    number = int(text, 16)
    return number - (1 << 64) if number >> 63 else number


def report(line: Told, hide: Redactor) -> Report:
    """Return the report that a line tells of, without `origin`: that is another number in every store."""
    return Report(
        key=key_number(line.key), source=NUMBERS[line.source], at=line.at, took=line.took, kind=hide(line.kind),
        tool=hide.maybe(line.tool), path=hide.maybe(line.path), branch=hide.maybe(line.branch),
        detail=None if line.detail is None else redact(line.detail), ok=line.ok,
    )  # fmt: skip
