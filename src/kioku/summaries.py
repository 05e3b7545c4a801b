"""What sessions come to: the shapes that rules make of them, the store keeps and reports read.

Counts are kept by slots, quarters of an hour in UTC, of which the days of every time zone are made; clocks are kept
to the millisecond.
"""

from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from kioku import times

SLOT: Final = 15 * times.MINUTE
SLOTS: Final = 96  # of a day in UTC

ACTIVE_CLOCK: Final = 1
AGENT_CLOCK: Final = 2  # the assistant works: its model answers, or a tool runs
WAITING_CLOCK: Final = 3  # the assistant has finished, the person is not back yet
CLOCKS: Final = (ACTIVE_CLOCK, AGENT_CLOCK, WAITING_CLOCK)

# What is counted, by name: calls by tool, reads and edits by path; prompts and activities have none.
CALL: Final = 1
READ: Final = 2
EDIT: Final = 3
PROMPTED: Final = 4
ACTIVITY: Final = 5

# The same by the branch that was worked on.
ON_BRANCH: Final = {CALL: 6, READ: 7, EDIT: 8}

# What has a share of the time and the work.
CLIENT: Final = 1
BRANCH: Final = 2
TOOL: Final = 3
FILE: Final = 4

# Whose share it is that something was counted, and as what.
COUNTED_AS: Final = {
    CALL: (TOOL, "calls"), READ: (FILE, "reads"), EDIT: (FILE, "edits"), ON_BRANCH[CALL]: (BRANCH, "calls"),
    ON_BRANCH[READ]: (BRANCH, "reads"), ON_BRANCH[EDIT]: (BRANCH, "edits"),
}  # fmt: skip

NO_NAME: Final = ""  # a client or branch that is not known


class Stretch(NamedTuple):
    """What one of the clocks counts: from an instant to an instant, in ms."""

    clock: int
    since: int
    until: int


class Tally(NamedTuple):
    """What is counted together: what happened in one slot, of one kind and with one name."""

    slot: int
    kind: int
    name: str


class Digest(msgspec.Struct, frozen=True):
    """A session in short: `stretches` by clock and time, disjoint; `branches` from when on each was worked on."""

    stretches: list[Stretch]
    counts: dict[Tally, int]
    branches: list[tuple[int, str]]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One session as rollups see it: its first and last activity's start, and when the last of them was over.

    `gap_before` is the silence since its conversation's last session with activity before it (ms).
    """

    seq: int
    started_at: int
    first_at: int
    last_start_at: int
    until: int
    client: str | None
    empty: bool
    active_ms: int | None
    agent_ms: int | None
    gap_before: int | None
    digest: Digest

    @property
    def days(self) -> Sequence[int]:
        """Return the UTC days in which there is anything of it, in order; a person may have moved its start far off."""
        found = range(self.slots[0] // SLOTS, self.slots[-1] // SLOTS + 1)
        start = self.started_at // SLOT // SLOTS
        return found if start in found else sorted((start, *found))

    @property
    def slots(self) -> range:
        """Return the slots from its first activity to the end of its last."""
        return range(self.first_at // SLOT, max(self.last_start_at, self.until - 1) // SLOT + 1)


# What a day's rollup has of each slot: ms on each clock, and numbers. `together` counts time that sessions share once;
# `known` is how many sessions know whose turn it was: where none does, `agent` and `waiting` are unknown.
COLUMNS: Final = (
    "active", "together", "agent", "waiting", "known", "calls", "prompts", "reads", "edits", "begun",
)  # fmt: skip
AT: Final = {name: place * SLOTS for place, name in enumerate(COLUMNS)}  # where each begins


class Day(msgspec.Struct, kw_only=True):
    """A UTC day by slots: the columns one after the other in `slots`.

    `lengths` are the active times of the sessions begun in it, `gaps` the silences over 5 minutes that ended in it,
    both in pairs: slot, ms; the shortest first, but for rollups of an earlier version.
    """

    day: int
    slots: "array[int]" = msgspec.field(default_factory=lambda: array("Q", bytes(8 * SLOTS * len(COLUMNS))))
    lengths: "array[int]" = msgspec.field(default_factory=lambda: array("Q"))
    gaps: "array[int]" = msgspec.field(default_factory=lambda: array("Q"))


class Share(msgspec.Struct):
    """What one client, branch, tool or file has of a stretch of time. `sessions` began in it and had to do with it."""

    active_ms: int | None = None
    sessions: int = 0
    calls: int = 0
    reads: int = 0
    edits: int = 0

    def add(self, other: "Share") -> None:
        """Add what it has of another stretch of time."""
        if other.active_ms is not None:
            self.active_ms = (self.active_ms or 0) + other.active_ms
        self.sessions += other.sessions
        self.calls += other.calls
        self.reads += other.reads
        self.edits += other.edits

    @property
    def is_nothing(self) -> bool:
        """Tell whether it has nothing of it."""
        return not (self.active_ms or self.sessions or self.calls or self.reads or self.edits)


Shares = dict[tuple[int, str], Share]  # by kind and name
