"""What is going on now, in one project or in all of them."""

from typing import Any, NamedTuple

from kioku.errors import KiokuError
from kioku.models import Session
from kioku.reports.listing import Wanted, listing
from kioku.web.shelf import Place, Shelf

_LATEST = 12


class Running(NamedTuple):
    """A project, what is recorded there now, the latest sessions, and what kept it from being read."""

    place: Place
    active: list[Session]
    latest: list[Session]
    problem: str | None = None


def values(shelf: Shelf, places: list[Place], now: int) -> dict[str, Any]:
    """Return what the page shows of some projects; one that cannot be read says why."""
    return {"running": [_of(shelf, place, now, _LATEST if len(places) == 1 else 3) for place in places]}


def _of(shelf: Shelf, place: Place, now: int, count: int) -> Running:
    try:
        with shelf.opened(place) as store:
            wanted = Wanted(status="active", limit=100)
            active = store.read(lambda db: listing(db, wanted, now=now, judge=place.judge)).sessions
            latest = store.read(lambda db: listing(db, Wanted(limit=count), now=now, judge=place.judge)).sessions
    except KiokuError as error:
        return Running(place, [], [], str(error))
    running = {session.id for session in active}
    return Running(place, active, [session for session in latest if session.id not in running])
