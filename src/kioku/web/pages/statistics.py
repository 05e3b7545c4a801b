"""How much was done, when, and on what: the figures of `kioku stats`, and pictures of them."""

import datetime
from typing import Any, Final, NamedTuple

from kioku import surroundings
from kioku.dates import MONTHS, short_text
from kioku.days import Calendar, Range
from kioku.reports import statistics
from kioku.reports.periods import periods
from kioku.reports.statistics import Statistics
from kioku.store.store import Store
from kioku.web.pictures import bars, heat
from kioku.web.pictures.bars import Bar
from kioku.web.shelf import Place, Shelf, range_of

RANGES: Final = ("today", "yesterday", "week", "last week", "month", "last month", "year", "last year", "all")
_DAYS: Final = 62  # that have a bar each; of more, weeks and then months
_WEEKS: Final = 70


class Figures(NamedTuple):
    """The figures of a range, its days, and what could not be known of them."""

    found: Statistics
    calendar: Calendar
    wanted: Range
    remarks: list[str]


def figures(place: Place, store: Store, words: str, now: int) -> Figures:
    """Return the figures of a range. Raises UsageError for what is no range, and StoreError."""
    remarks: list[str] = []
    calendar, wanted = range_of(place, store, words, now)
    modules = None if place.own else surroundings.modules(place.where, remarks.append)
    found = store.read(lambda db: statistics.statistics(db, wanted, calendar, now=now, modules=modules))
    return Figures(found, calendar, wanted, remarks)


def values(shelf: Shelf, place: Place, words: str, now: int) -> dict[str, Any]:
    """Return what the page shows of a range. Raises UsageError for what is no range, and StoreError."""
    with shelf.opened(place) as store:
        found, calendar, wanted, remarks = figures(place, store, words, now)
        has_commits = found.sessions and not place.own
        commits = surroundings.commits_of_range(place.where, store, found) if has_commits else None
    worked = sum(bool(day.clocks.union_ms) for day in found.days)
    return {
        "found": found, "commits": commits, "remarks": remarks, "words": words, "ranges": RANGES,
        "first": wanted.first, "last": wanted.last, "worked": worked,
        "average_ms": found.clocks.union_ms // worked if worked else None,
        "bars": _bars(found, place), "calendars": _calendars(found, place), "week": heat.week(found.grid),
        "earlier": _beside(words, wanted.first, wanted.last, calendar, now),
    }  # fmt: skip


def _bars(found: Statistics, place: Place) -> Any:
    unit = "day" if len(found.days) <= _DAYS else "week" if len(found.days) <= 7 * _WEEKS else "month"
    drawn = [
        Bar(one.name, _short(one.name, unit), one.clocks.union_ms, _address(place, one.name))
        for one in periods(found.days, unit)
    ]
    return bars.standing(drawn, f"Active time by {unit}")


def _short(name: str, unit: str) -> str:
    if unit == "day":
        return short_text(datetime.date.fromisoformat(name))
    return name if unit == "week" else f"{MONTHS[int(name[5:7]) - 1]} {name[:4]}"


def _address(place: Place, name: str) -> str | None:
    """Return where a day or month leads; a week has no name that a range can have."""
    if "W" in name:
        return None
    return f"/{place.name}/timeline?range={name}" if len(name) == 10 else f"/{place.name}/statistics?range={name}"


def _calendars(found: Statistics, place: Place) -> list[tuple[int, Any]]:
    """Return a calendar for each year in which anything was done."""
    years: dict[int, list[tuple[datetime.date, int]]] = {}
    for day in found.days:
        years.setdefault(day.date.year, []).append((day.date, day.clocks.union_ms))
    return [
        (year, heat.calendar(days, lambda date: f"/{place.name}/timeline?range={date}"))
        for year, days in sorted(years.items(), reverse=True)
        if len(days) > 14 and any(ms for _, ms in days)
    ]


def _beside(
    words: str, first: datetime.date, last: datetime.date, calendar: Calendar, now: int
) -> tuple[str | None, str | None]:
    """Return the ranges of as many days before and after this one; none for all of the time, none in the future."""
    if words == "all":
        return None, None
    length = last - first + datetime.timedelta(days=1)
    before, after = (first - length, last - length), (first + length, last + length)
    is_past = after[0] <= calendar.date_of(now)
    return f"{before[0]}..{before[1]}", f"{after[0]}..{after[1]}" if is_past else None
