"""Covering a stretch of UTC days with few rollups: years, months and days, of which some are taken out again.

A local year begins within a UTC day, so it lacks a day of its UTC year. To read that year's rollup and take one day
out again costs a thirtieth of adding up months and days.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from kioku.sessions import settling


class Span(NamedTuple):
    """The rollups of a `unit` (`year`, `month` or `day`) from the first to the last; `sign` -1 takes them out again."""

    unit: str
    first: int
    last: int
    sign: int


def cover(first: int, last: int) -> list[Span]:
    """Return spans that add up to the UTC days from the first to the last, each of them counted once."""
    months, days = _nearest(first, last, settling.month_of, settling.month_days, "day")
    if months is None:
        return days
    years, rest = _nearest(*months, lambda month: month // _MONTHS, _months_of, "month")
    return days + rest if years is None else [*days, *rest, Span("year", *years, 1)]


def _nearest(
    first: int, last: int, of: Callable[[int], int], bounds: Callable[[int], tuple[int, int]], unit: str
) -> tuple[tuple[int, int] | None, list[Span]]:
    """Return the larger units that come nearest to a stretch of small ones, and the small ones that correct them."""
    begin, end = of(first), of(last)
    corrections = []
    since, until = bounds(begin)
    if first - since <= until + 1 - first:
        corrections.append(Span(unit, since, first - 1, -1))
    else:
        corrections.append(Span(unit, first, until, 1))
        begin += 1
    since, until = bounds(end)
    if until - last <= last + 1 - since:
        corrections.append(Span(unit, last + 1, until, -1))
    else:
        corrections.append(Span(unit, since, last, 1))
        end -= 1
    corrections = [span for span in corrections if span.first <= span.last]
    # Two corrections that overlap, or as many of them as there are small units, are no gain.
    if begin > end or sum(span.last + 1 - span.first for span in corrections) >= last + 1 - first:
        return None, [Span(unit, first, last, 1)]
    return (begin, end), corrections


_MONTHS: Final = 12


def _months_of(year: int) -> tuple[int, int]:
    return year * _MONTHS, year * _MONTHS + _MONTHS - 1
