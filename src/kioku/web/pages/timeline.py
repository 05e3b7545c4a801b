"""Days as lanes: what ran beside what. Few days are drawn one by one, more of them as a calendar that leads there."""

from typing import Any, Final, NamedTuple

from markupsafe import Markup

from kioku import times
from kioku.days import Calendar, Range
from kioku.errors import UsageError
from kioku.reports import lanes
from kioku.reports.lanes import Lane, LanesOfDay
from kioku.store.store import Store
from kioku.web.pages.statistics import RANGES
from kioku.web.pictures import lanes as pictures
from kioku.web.pictures.lanes import Axis, Piece
from kioku.web.shelf import Place, Shelf, range_of

LONGEST: Final = 31  # days that are drawn one by one
_KINDS: Final = 6
_WIDTH: Final = 760


class Drawn(NamedTuple):
    """A day with sessions: its figures and its picture."""

    day: LanesOfDay
    picture: Markup


def values(shelf: Shelf, place: Place, words: str, now: int) -> dict[str, Any]:
    """Return what the page shows of a range. Raises UsageError for what is no range, or too long to be drawn."""
    with shelf.opened(place) as store:
        found, calendar, wanted = lanes_of(place, store, words, now)
    days = lanes.by_day(found, wanted, calendar)
    clients = sorted({lane.session.client or "" for lane in found})
    kinds = {client: number % _KINDS for number, client in enumerate(clients)}
    return {
        "days": [Drawn(day, _picture(day, calendar, kinds, place)) for day in reversed(days) if day.rows],
        "free": sum(not day.rows for day in days), "words": words, "ranges": RANGES[:6], "first": wanted.first,
        "last": wanted.last, "kinds": kinds,
    }  # fmt: skip


def lanes_of(place: Place, store: Store, words: str, now: int) -> tuple[list[Lane], Calendar, Range]:
    """Return the sessions of a range that is not too long to be drawn, and its days."""
    calendar, wanted = range_of(place, store, words, now)
    if (wanted.last - wanted.first).days >= LONGEST:
        raise UsageError(f"{words} is too long for a timeline", hint=f"at most {LONGEST} days; see the statistics")
    return store.read(lambda db: lanes.lanes(db, wanted, now=now, judge=place.judge)), calendar, wanted


def _picture(day: LanesOfDay, calendar: Calendar, kinds: dict[str, int], place: Place) -> Markup:
    hours = [
        (hour.since, f"{hour.hour:02}")
        for hour in calendar.hours(day.since, day.until)
        if (hour.since + calendar.offset(hour.since)) % times.HOUR == 0
    ]
    over = Axis(day.since, day.until, hours)
    rows = [[_piece(day, lane, kinds, place) for lane in row] for row in day.rows]
    return pictures.lanes(over, rows, f"Sessions of {day.date}, hours from left to right", _WIDTH)


def _piece(day: LanesOfDay, lane: Lane, kinds: dict[str, int], place: Place) -> Piece:
    session, client = lane.session, lane.session.client or ""
    active = times.work_text(sum(until - since for since, until in day.within(lane)))
    begun, ended = times.local_text(lane.since)[-5:], times.local_text(lane.until)[-5:]
    title = f"{session.id[:8]}, {client or 'client not known'}: {begun} to {ended}, {active} active"
    return Piece(
        since=lane.since, until=lane.until, stretches=day.within(lane), label=f"{client} {session.id[:8]}".strip(),
        title=title, href=f"/{place.name}/session/{session.id}", kind=kinds[client],
        runs=session.status == "active" and day.since <= lane.until <= day.until,
    )  # fmt: skip
