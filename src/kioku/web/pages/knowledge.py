"""What was learned, and one box to search in everything that was recorded."""

from typing import Any, Final, NamedTuple

from markupsafe import Markup, escape

from kioku import finding
from kioku.errors import KiokuError
from kioku.knowledge.believing import believed, surest_first
from kioku.knowledge.extraction.phrases import TYPES
from kioku.reports.search.wanted import END, KINDS, START, Hit, Query
from kioku.store import discoveries
from kioku.store.discoveries import ACCEPTED, STATES, Row
from kioku.web.shelf import Place, Shelf, range_of
from kioku.web.visible import visible

_SHOWN: Final = 200


class Asked(NamedTuple):
    """The state of the page, as its address has it; what is empty is not asked for."""

    text: str = ""
    kind: str = ""
    date: str = ""
    module: str = ""
    client: str = ""
    branch: str = ""
    type: str = ""
    state: str = ""


class Shown(NamedTuple):
    """A thing that was found: its snippet with the match marked, and where it leads."""

    hit: Hit
    snippet: Markup
    href: str | None


def values(shelf: Shelf, place: Place, asked: Asked, now: int) -> dict[str, Any]:
    """Return what the page shows. Raises StoreError."""
    with shelf.opened(place) as store:
        registered = store.is_registered
        rows = [believed(row, registered=registered) for row in store.read(discoveries.every)]
    fitting = [
        row
        for row in rows
        if row.state in ((asked.state,) if asked.state else ("proposed", ACCEPTED))
        and asked.type in ("", row.type)
        and asked.module in ("", row.module)
    ]
    fitting.sort(key=surest_first)
    found: dict[str, Any] = {"hits": [], "behind": 0, "problem": None}
    if asked.text.strip():
        try:
            found |= _search(shelf, place, asked, now)
        except KiokuError as error:
            found["problem"] = str(error)
    return {
        **found, "asked": asked, "rows": fitting[:_SHOWN], "more": max(0, len(fitting) - _SHOWN), "types": TYPES,
        "states": STATES, "kinds": KINDS, "modules": sorted({row.module for row in rows if row.module}),
        "sessions_of": _sessions,
    }  # fmt: skip


def _search(shelf: Shelf, place: Place, asked: Asked, now: int) -> dict[str, Any]:
    with shelf.opened(place) as store:
        span = range_of(place, store, asked.date, now)[1] if asked.date else None
        query = Query(
            text=asked.text, kinds=(asked.kind,) if asked.kind in KINDS else KINDS, since=span and span.since,
            until=span and span.until, client=asked.client or None, branch=asked.branch or None,
            module=asked.module or None,
        )  # fmt: skip
        found = finding.find(store, None if place.own else place.where, query)
    return {"hits": [_shown(place, hit) for hit in found.hits], "behind": found.behind}


def _shown(place: Place, hit: Hit) -> Shown:
    parts = []
    for number, part in enumerate(hit.snippet.split(START)):
        matched, _, rest = part.partition(END) if number else ("", "", part)
        marked = Markup("<mark>{}</mark>").format(visible(matched)) if matched else Markup()
        parts.append(marked + escape(visible(rest)))
    href = f"/{place.name}/session/{hit.session_id}" if hit.session_id else None
    return Shown(hit, Markup().join(parts), href)


def _sessions(row: Row) -> list[str]:
    """Return the sessions that a discovery rests on, each once."""
    return list(dict.fromkeys(part.session for part in row.evidence if part.session))
