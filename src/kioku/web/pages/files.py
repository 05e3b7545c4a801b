"""Which files were worked on: by reads, edits or heat, and the history of one of them across sessions."""

from typing import Any, Final

from kioku.errors import UsageError
from kioku.reports.extras import ORDERS, Extras
from kioku.reports.heat import heat
from kioku.reports.listing import Wanted, listing
from kioku.web.pages.statistics import RANGES, figures
from kioku.web.shelf import Place, Shelf

_SHOWN: Final = 200
_HISTORY: Final = 100


def values(shelf: Shelf, place: Place, words: str, order: str, now: int) -> dict[str, Any]:
    """Return what the page shows of a range. Raises UsageError for what is no range or no order, and StoreError."""
    if order not in ORDERS:
        raise UsageError(f"files are not ordered by '{order[:40]}'", hint=f"there are: {', '.join(ORDERS)}")
    with shelf.opened(place) as store:
        found, _, wanted, _ = figures(place, store, words, now)
        extras = Extras(order=order, heat=store.read(lambda db: heat(db, wanted)))
    files = extras.ordered(found.files)
    weights = {"reads": lambda f: f.reads, "edits": lambda f: f.edits, "heat": extras.heat_of}[order]
    return {
        "files": files[:_SHOWN], "more": max(0, len(files) - _SHOWN), "extras": extras, "order": order,
        "orders": ORDERS, "most": max([float(weights(file)) for file in files[:1]], default=0.0) or 1.0,
        "weight": weights, "words": words, "ranges": RANGES, "first": wanted.first, "last": wanted.last,
    }  # fmt: skip


def history(shelf: Shelf, place: Place, path: str, now: int) -> dict[str, Any]:
    """Return what the page shows of one file: the sessions that touched it, newest first. Raises StoreError."""
    wanted = Wanted(path=path, limit=_HISTORY)
    with shelf.opened(place) as store:
        found = store.read(lambda db: listing(db, wanted, now=now, judge=place.judge)).sessions
    return {"path": path, "sessions": found, "is_cut": len(found) == _HISTORY}
