"""What reports need of a session, made once it has settled: the stretches of its clocks, and what was counted when.

Everything that counts is kept by quarters of an hour in UTC, of which the days of every time zone are made; clocks to
the millisecond. The sums are those of the session itself, since the same rules make both.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from kioku.models import FILE_EDIT, FILE_READ, PROMPT, Report
from kioku.sessions import derive
from kioku.sessions.derive import Timeouts
from kioku.summaries import (
    ACTIVITY,
    CALL,
    CLOCKS,
    EDIT,
    NO_NAME,
    ON_BRANCH,
    PROMPTED,
    READ,
    SLOT,
    Digest,
    Stretch,
    Tally,
)

_NOTHING_YET: Final = Timeouts(((0, 0),))  # where a run ends has been decided: digests do not ask


def digest(activities: Sequence[Report]) -> Digest:
    """Make the digest of one run, given its activities by start (canonical ones, no marks)."""
    counts: dict[Tally, int] = {}
    branches: list[tuple[int, str]] = []
    stretches: dict[int, list[Stretch]] = {clock: [] for clock in CLOCKS}
    run = derive.opened(activities[0])
    for activity in activities:
        for stretch in derive.fold(run, activity, _NOTHING_YET):
            _append(stretches[stretch.clock], stretch)
        if activity.branch is not None and (not branches or branches[-1][1] != run.branch):
            assert run.branch is not None
            branches.append((activity.at, run.branch))
    changes = _changes(branches)
    for activity in activities:
        if derive.is_counted(activity):
            for tally in _tallies(activity, changes):
                counts[tally] = counts.get(tally, 0) + 1
    return Digest([stretch for clock in CLOCKS for stretch in stretches[clock]], counts, changes)


def united(digests: Iterable[Digest]) -> Digest:
    """Return the digest of several runs as one session: time that they share counts once, all else is added up."""
    counts: dict[Tally, int] = {}
    branches: list[tuple[int, str]] = []
    stretches: list[Stretch] = []
    for part in digests:
        stretches += part.stretches
        branches += part.branches
        for tally, number in part.counts.items():
            counts[tally] = counts.get(tally, 0) + number
    found: list[Stretch] = []
    for clock in CLOCKS:
        found += union(stretch for stretch in stretches if stretch.clock == clock)
    return Digest(found, counts, _changes(sorted(branches)))


def union(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the time that stretches of one clock cover, each part of it once, in order."""
    found: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda stretch: stretch.since):
        _append(found, stretch)
    return found


def _append(found: list[Stretch], stretch: Stretch) -> None:
    """Add a stretch that begins no earlier than the last one: where they meet or overlap they become one."""
    if found and stretch.since <= found[-1].until:
        found[-1] = found[-1]._replace(until=max(found[-1].until, stretch.until))
    else:
        found.append(stretch)


def _changes(branches: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for at, branch in branches:
        if found and found[-1][0] == at:
            found.pop()
        if not found or found[-1][1] != branch:
            found.append((at, branch))
    return found


def _tallies(activity: Report, branches: list[tuple[int, str]]) -> list[Tally]:
    slot = activity.at // SLOT
    found = [Tally(slot, ACTIVITY, "")]
    if activity.tool is not None:
        found.append(Tally(slot, CALL, activity.tool))
    if activity.kind == PROMPT:
        found.append(Tally(slot, PROMPTED, ""))
    if activity.path is not None and activity.kind in (FILE_READ, FILE_EDIT):
        found.append(Tally(slot, EDIT if activity.kind == FILE_EDIT else READ, activity.path))
    # Before the first branch that is known it is that one.
    index = max(0, bisect_right(branches, activity.at, key=lambda change: change[0]) - 1)
    branch = branches[index][1] if branches else NO_NAME
    on_branch = [Tally(slot, ON_BRANCH[tally.kind], branch) for tally in found if tally.kind in ON_BRANCH]
    return found + on_branch


def checksum(activities: Iterable[Report], *facts: object) -> bytes:
    """Return what tells one run's activities, and facts of its session, from others: 8 bytes."""
    from hashlib import blake2b

    found = blake2b(repr(facts).encode("utf-8", "surrogatepass"), digest_size=8)
    for a in activities:
        told = f"{a.key} {a.source} {a.at} {a.took} {a.kind} {a.tool} {a.path} {a.branch}\n"
        found.update(told.encode("utf-8", "surrogatepass"))
    return found.digest()
