"""Heat of files: how much was done with them lately.

A reading weighs 1, an edit 2, and either half as much for each 14 days by which it was earlier, counted in whole UTC
days before the last one of the range. What is more than 180 days before the end of the range weighs nothing.
"""

from typing import Final

import apsw

from kioku import times
from kioku.days import Range
from kioku.reports.sources import Source

READ_WEIGHS: Final = 1
EDIT_WEIGHS: Final = 2
HALVES: Final = 14  # days
REACHES: Final = 180  # days


def heat(db: apsw.Connection, wanted: Range) -> dict[str, float]:
    """Return the heat of each file by path, from what was done with it in the last 180 days of the range."""
    since = max(wanted.since, wanted.until - REACHES * times.DAY)
    source = Source(db, since, wanted.until)
    weights = {day: weight(source.last - day) for day in range(source.first, source.last + 1)}
    return source.weighted_files(weights, READ_WEIGHS, EDIT_WEIGHS)


def weight(days: int) -> float:
    """Return what something weighs that is so many days old."""
    return float(0.5 ** (days / HALVES))
