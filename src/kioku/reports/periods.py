"""Totals by day, week and month: sums of the days of a range, by the rules that hold for days.

A week is that of ISO 8601: it begins on Monday, and its year is that of its Thursday. A week or month at either end of
the range has only those of its days that the range has.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from kioku.reports.statistics import Clocks, Day, total


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A day, week or month by its `name` (`2026-11-24`, `2026-W48`, `2026-11`), and what the range has of it."""

    name: str
    since: int
    until: int
    clocks: Clocks
    sessions: int
    calls: int
    prompts: int
    reads: int
    edits: int


def periods(days: Sequence[Day], unit: str) -> list[Period]:
    """Add up the days of a range by `day`, `week` or `month`, in order."""
    together: dict[str, list[Day]] = {}
    for day in days:
        together.setdefault(_NAMED[unit](day.date), []).append(day)
    return [
        Period(
            name=name, since=found[0].since, until=found[-1].until, clocks=total(day.clocks for day in found),
            sessions=sum(day.sessions for day in found), calls=sum(day.calls for day in found),
            prompts=sum(day.prompts for day in found), reads=sum(day.reads for day in found),
            edits=sum(day.edits for day in found),
        )
        for name, found in together.items()
    ]  # fmt: skip


def _week(date: datetime.date) -> str:
    year, week, _ = date.isocalendar()
    return f"{year:04}-W{week:02}"


_NAMED: Final[dict[str, Callable[[datetime.date], str]]] = {
    "day": datetime.date.isoformat,
    "week": _week,
    "month": lambda date: date.isoformat()[:7],
}
UNITS: Final = tuple(_NAMED)
