"""Whether everything is well: what `kioku doctor` finds without reading the whole file."""

from typing import Any

from kioku.doctor import checks
from kioku.reports import health
from kioku.web.shelf import Place, Shelf


def values(shelf: Shelf, place: Place, now: int) -> dict[str, Any]:
    """Return what the page shows. Raises StoreError."""
    with shelf.opened(place) as store:
        totals = store.read(health.totals)
    return {
        "findings": checks.examine(place.where, now, whole=False), "totals": totals,
        "size": sum(health.sizes(place.where.store_path).values()), "store": place.where.store_path,
    }  # fmt: skip
