"""Sessions are derived from activities: the rules, as pure functions.

A session is a maximal run of one stream's activities in which every gap (an activity's start minus the latest end so
far) is shorter than the timeout. Where the setting changed, each activity holds its session open until its own end plus
the timeout in force at its start, so that one that arrives late can join runs but never divides one. Marks end a
session but are no activity: one that is followed by activity within the timeout is taken back. `fold` adds one activity
to a run, whether it is the next live one or one of a whole stream that is derived anew, so what is kept up to date step
by step equals what a rebuild finds.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from kioku import times
from kioku.models import (
    CONVERSATION_START,
    ECHO,
    EVENT,
    EVIDENCE,
    FILE_EDIT,
    FILE_READ,
    HOOK,
    MARKS,
    PROMPT,
    SERVER_START,
    TRANSCRIPT,
    TURN_END,
    Report,
)  # fmt: skip
from kioku.summaries import ACTIVE_CLOCK, AGENT_CLOCK, WAITING_CLOCK, Stretch

ACTIVE_GAP: Final = 5 * times.MINUTE  # gaps up to this count as active time in full, longer ones not at all

ACTIVE: Final = "active"
COMPLETED: Final = "completed"
IDLE: Final = "idle"

AGENT: Final = "agent"  # the assistant works: its model answers, or a tool runs
WAITING: Final = "waiting"  # the assistant has finished, the person is not back yet


# They tell nothing of whose turn it is: starts, and compactions, sub-agents' ends and notices to the person.
_TURNLESS: Final = (SERVER_START, CONVERSATION_START, EVENT)


class Timeouts(msgspec.Struct, frozen=True):
    """Which timeout was in force when, for one stream: (since, timeout) in ms, oldest first, never empty."""

    steps: tuple[tuple[int, int], ...]

    def at(self, instant: int) -> int:
        """Return the timeout in force at an instant; before the first step, the first."""
        index = bisect_right(self.steps, instant, key=lambda step: step[0]) - 1
        return self.steps[max(0, index)][1]


class Run(msgspec.Struct, kw_only=True):
    """A session in the making. `block_start_at` is where the last stretch of active time began.

    `last_activity_at` is the latest end so far, `last_start_at` the latest start; `timeout_ms` is the silence after the
    latest end that ends the run. `phase` says whose turn it is; it is unknown, and so are the two clocks, until a hook
    or a transcript tells of the conversation: a server sees no more than calls of its own tools.
    """

    first_activity_at: int
    last_start_at: int
    block_start_at: int
    last_activity_at: int
    timeout_ms: int
    active_ms: int = 0
    agent_ms: int | None = None
    waiting_ms: int | None = None
    phase: str | None = None
    activities: int = 0
    tool_calls: int = 0
    branch: str | None = None
    branch_at: int | None = None


class Standing(msgspec.Struct, frozen=True):
    """How a session stands at an instant."""

    status: str
    ended_at: int | None
    end_reason: str | None


def opened(activity: Report) -> Run:
    """Return the run that an activity begins, with nothing in it yet."""
    return Run(
        first_activity_at=activity.at,
        last_start_at=activity.at,
        block_start_at=activity.at,
        last_activity_at=activity.at,
        timeout_ms=0,
    )


def begin(activity: Report, timeouts: Timeouts) -> Run:
    """Start a run with its first activity."""
    run = opened(activity)
    fold(run, activity, timeouts)
    return run


def belongs(run: Run, activity: Report) -> bool:
    """Tell whether an activity that starts no earlier than the run's last active stretch continues the run."""
    return activity.at - run.last_activity_at < run.timeout_ms


def fold(run: Run, activity: Report, timeouts: Timeouts) -> list[Stretch]:
    """Add an activity to the run that it belongs to; return what it adds to each clock.

    It must start no earlier than the run's last active stretch. Among such activities the order does not matter:
    parallel calls end in any order.
    """
    added = _fold_clocks(run, activity)
    held_until = max(run.last_activity_at + run.timeout_ms, activity.until + timeouts.at(activity.at))
    if activity.at - run.last_activity_at > ACTIVE_GAP:
        run.block_start_at = activity.at
    run.last_activity_at = max(run.last_activity_at, activity.until)
    run.timeout_ms = held_until - run.last_activity_at
    run.last_start_at = max(run.last_start_at, activity.at)
    if is_counted(activity):
        run.activities += 1
        run.tool_calls += activity.tool is not None
    if activity.branch is not None and (
        run.branch is None or run.branch_at is None or (activity.at, activity.branch) > (run.branch_at, run.branch)
    ):
        run.branch, run.branch_at = activity.branch, activity.at
    return added


def is_counted(activity: Report) -> bool:
    """Tell whether an activity counts, and is no mere evidence of time."""
    return activity.kind not in EVIDENCE and activity.kind != ECHO


def _fold_clocks(run: Run, activity: Report) -> list[Stretch]:
    """Add what lies between the run's latest end and the activity's to the clock of whose turn it was.

    The assistant's turn counts like active time: a longer silence in it may be a machine asleep. The person's counts
    in full, for it lasts until something says otherwise.
    """
    last, at, until = run.last_activity_at, activity.at, activity.until
    is_near = at - last <= ACTIVE_GAP
    found = [Stretch(ACTIVE_CLOCK, last if is_near else at, until)]
    if run.phase == AGENT and is_near:
        found.append(Stretch(AGENT_CLOCK, last, at))
    elif run.phase == WAITING:
        found.append(Stretch(WAITING_CLOCK, last, at))
    if activity.kind not in (SERVER_START, CONVERSATION_START):
        found.append(Stretch(AGENT_CLOCK, max(at, last), until))
    if activity.kind == TURN_END:
        run.phase = WAITING
    elif activity.kind in _TURNLESS:
        pass
    elif activity.kind == PROMPT or run.phase is not None or activity.source in (HOOK, TRANSCRIPT):
        run.phase = AGENT
    if run.phase is None:
        del found[1:]
    else:
        run.agent_ms, run.waiting_ms = run.agent_ms or 0, run.waiting_ms or 0
    # A point of activity has no length, and is a stretch of active time all the same: pauses are between those.
    found = [s for s in found if s.until > s.since or (s.clock == ACTIVE_CLOCK and s.until == s.since)]
    for stretch in found:
        length = stretch.until - stretch.since
        if stretch.clock == ACTIVE_CLOCK:
            run.active_ms += length
        elif stretch.clock == AGENT_CLOCK:
            run.agent_ms = (run.agent_ms or 0) + length
        else:
            run.waiting_ms = (run.waiting_ms or 0) + length
    return found


def runs(activities: Iterable[Report], timeouts: Timeouts, cuts: Sequence[int] = ()) -> list[tuple[Run, list[Report]]]:
    """Divide a stream's activities (canonical ones, no marks, by start) into runs, each with its activities.

    `cuts` (in order) are instants at which a run ends whatever the silence: what starts there is the next one's.
    """
    found: list[tuple[Run, list[Report]]] = []
    for activity in activities:
        if found and belongs(found[-1][0], activity) and not _is_cut(cuts, found[-1][0], activity):
            fold(found[-1][0], activity, timeouts)
            found[-1][1].append(activity)
        else:
            found.append((begin(activity, timeouts), [activity]))
    return found


def _is_cut(cuts: Sequence[int], run: Run, activity: Report) -> bool:
    return bool(cuts) and bisect_right(cuts, run.first_activity_at) < bisect_right(cuts, activity.at)


def current(starts: Sequence[int], now: int) -> int:
    """Return the index of the only run that may be active: the last that began by `now`, else the first.

    A run that lies in the future was made by a clock that was wrong, or is wrong now.
    """
    return max(0, bisect_right(starts, now) - 1)


def standing(run: Run, marks: Iterable[Report], *, is_current: bool, now: int) -> Standing:
    """Judge a run at an instant, given the marks of its stream.

    A mark counts if nothing of the run started after it and the run was not over by silence before it. The end is
    the last evidence, never `now`.
    """
    last = min(
        (mark for mark in marks if run.last_start_at <= mark.at < run.last_activity_at + run.timeout_ms),
        key=lambda mark: (-mark.at, list(MARKS).index(mark.kind)),
        default=None,
    )
    if last is not None:
        return Standing(COMPLETED, max(run.last_activity_at, last.at), MARKS[last.kind])
    if is_current and now < run.last_activity_at + run.timeout_ms:
        return Standing(ACTIVE, None, None)
    return Standing(COMPLETED, run.last_activity_at, IDLE)


class Count(msgspec.Struct):
    """How a session touched one file."""

    reads: int
    edits: int
    first_at: int
    last_at: int


def touched(activities: Iterable[Report]) -> dict[str, Count]:
    """Count reads and edits by path."""
    counts: dict[str, Count] = {}
    for activity in activities:
        if activity.path is None or activity.kind not in (FILE_READ, FILE_EDIT):
            continue
        count = counts.setdefault(activity.path, Count(0, 0, activity.at, activity.at))
        if activity.kind == FILE_EDIT:
            count.edits += 1
        else:
            count.reads += 1
        count.first_at = min(count.first_at, activity.at)
        count.last_at = max(count.last_at, activity.at)
    return counts
