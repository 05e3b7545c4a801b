"""A slow calendar, from its definitions alone: local days by asking the wall clock, never by adding hours.

A day begins at the first instant at which the wall clock of the zone reads its date and the start of day, or later.
So a time that does not exist is the instant of the change, and of one that exists twice it is the first.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from kioku.times import HOUR, MINUTE
from tests.reports.reference import Calendar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = 15 * MINUTE  # one lands on the time wanted wherever that exists, for zones differ by whole quarters of an hour


def calendar(zone: str, day_starts: int = 0) -> Calendar:
    """Return the calendar of a zone whose days begin `day_starts` minutes after midnight."""
    place = ZoneInfo(zone)
    begins_at = (datetime.combine(date(2000, 1, 1), time()) + timedelta(minutes=day_starts)).time()

    def wall(instant: int) -> datetime:
        return (_EPOCH + timedelta(milliseconds=instant)).astimezone(place).replace(tzinfo=None)

    @cache
    def begin(day: date) -> int:
        wanted = datetime.combine(day, begins_at)
        since = (wanted.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1) - 26 * HOUR
        while wall(since + _STEP) < wanted:
            since += _STEP
        until = since + _STEP
        while until - since > 1:  # the wall clock has not read it at `since`, and has at `until`
            middle = (since + until) // 2
            since, until = (since, middle) if wall(middle) >= wanted else (middle, until)
        return until

    def bounds(day: date) -> tuple[int, int]:
        return begin(day), begin(day + timedelta(days=1))

    def day_of(instant: int) -> date:
        day = wall(instant).date() + timedelta(days=1)
        while begin(day) > instant:
            day -= timedelta(days=1)
        return day

    return Calendar(day_of, bounds, lambda instant: wall(instant).hour)
