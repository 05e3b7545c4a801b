"""A stream as the rules see it: its runs, and the ids that were given to each."""

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import apsw
import msgspec

from kioku.models import MARKS, Report
from kioku.sessions import canonical, derive
from kioku.store import activities, joins, sessions
from kioku.store.sessions import Anchor

Runs = list[tuple[derive.Run, list[Report]]]
Place = tuple[int, int]  # a stream, and which of its runs


class Stream(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A stream's runs and what bears on them. `facts` are the columns that its sessions share.

    `given` are the ids of each run, the earliest first; `current` is the only run that may be active.
    """

    number: int
    facts: dict[str, Any]
    found: Runs
    given: dict[int, list[Anchor]]
    marks: list[Report]
    current: int
    hidden: set[tuple[int, int]]

    @cached_property
    def starts(self) -> list[int]:
        """Return when each run began."""
        return [run.first_activity_at for run, _ in self.found]

    def index_at(self, since: int) -> int | None:
        """Return the run that begins at an instant, or in which it lies; None if there is no run at all."""
        return derive.current(self.starts, since) if self.found else None

    def standing(self, index: int, now: int) -> derive.Standing:
        """Judge a run at an instant. What is told of the time of the next one is no mark of it."""
        until = self.starts[index + 1] if index + 1 < len(self.starts) else None
        marks = [mark for mark in self.marks if until is None or mark.at < until]
        return derive.standing(self.found[index][0], marks, is_current=index == self.current, now=now)

    def divided_after(self, cuts: Iterable[int]) -> bool:
        """Tell whether any cut lies behind the start of the last activity: the next one may begin a run."""
        return bool(self.found) and any(cut > self.found[-1][0].last_start_at for cut in cuts)

    def beside(self, cut: int) -> tuple[int, int] | None:
        """Return the runs before and after a cut; None where there is none on one side."""
        after = bisect_left(self.starts, cut)
        return (after - 1, after) if 0 < after < len(self.starts) else None


def load(db: apsw.Connection, number: int, cuts: Iterable[int], *, now: int) -> Stream | None:
    """Derive a stream's runs from its reports; None for a number that is no stream's."""
    facts = activities.stream_facts(db, number)
    if facts is None:
        return None
    if (owners := joins.owners(db, number)) is not None:
        facts["owner"] = owners
    told = activities.load(db, number)
    reports, hidden = canonical.canonical(told, served=activities.is_served(db))
    timeouts = derive.Timeouts(activities.timeouts(db, number))
    found = derive.runs((report for report in reports if report.kind not in MARKS), timeouts, sorted(cuts))
    return Stream(
        number=number, facts=facts, found=found, given=_given(sessions.anchors(db, number), found, told),
        marks=[report for report in reports if report.kind in MARKS],
        current=derive.current([run.first_activity_at for run, _ in found], now) if found else 0, hidden=hidden,
    )  # fmt: skip


def _given(anchors: Iterable[Anchor], found: Runs, told: Iterable[Report]) -> dict[int, list[Anchor]]:
    """Return the ids that were given to each run: by the activity that they were given for, or where that was in time.

    Another report may stand for that activity now; then the run that was current at its time has the id.
    """
    holder = {member.key: index for index, (_, members) in enumerate(found) for member in members}
    starts = [run.first_activity_at for run, _ in found]
    times: dict[int, int] | None = None
    given: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        index = holder.get(anchor.key)
        if index is None and found:
            if times is None:
                times = {report.key: report.at for report in sorted(told, key=lambda r: r.preference, reverse=True)}
            at = times.get(anchor.key)
            index = None if at is None else derive.current(starts, at)
        if index is not None:
            given.setdefault(index, []).append(anchor)
    return given
