"""Local days and ranges of them, in the person's zone and with their start of day.

A day begins at the first instant at which the local clock shows its start or later. So days tile time whatever the
clocks did: a day has 23 or 25 hours where they were changed, and none where a zone left it out.
"""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from kioku import times
from kioku.errors import UsageError

_EARLIEST = date(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = (-50_000_000_000, 253_370_764_800)  # of the years 386 to 9999: `datetime` knows none much farther
_CELL = times.DAY  # no zone has changed its clocks twice within a week since 1970
_AROUND = 26 * times.HOUR  # no zone is farther from UTC

_WORDS = ("today", "yesterday", "week", "last week", "month", "last month", "year", "last year", "all")
_DATES = "say 2026-03-01, 2026-03, 2026, today, yesterday, week, month or year"
_HINT = "say today, yesterday, week, month, year, last week, all, 2026-03-01, 2026-03, 2026 or 2026-03-01..2026-03-14"


class Range(NamedTuple):
    """Days from `first` to `last`, both included: the time from `since` up to `until`, in ms."""

    first: date
    last: date
    since: int
    until: int


class Hour(NamedTuple):
    """A stretch of time in which the local clock shows one hour (0 to 23), and the day to which it counts."""

    since: int
    until: int
    date: date
    hour: int


class Calendar:
    """Days that begin `day_starts` minutes after midnight in a zone; None is the system's."""

    def __init__(self, zone: str | None, day_starts: int = 0) -> None:
        self._shift = day_starts * times.MINUTE
        self._offset_at = _system_offset if zone is None else _offset_in(zone)
        self._cells: dict[int, list[tuple[int, int]]] = {}
        self._starts: dict[int, int] = {}

    def offset(self, instant: int) -> int:
        """Return what the local clock is ahead of UTC at an instant, in ms."""
        return next(offset for since, offset in reversed(self._cell(instant // _CELL)) if since <= instant)

    def day(self, day: date) -> tuple[int, int]:
        """Return the instants between which a day lies; a day that the zone left out has no length."""
        return self._start(day.toordinal()), self._start(day.toordinal() + 1)

    def date_of(self, instant: int) -> date:
        """Return the day to which an instant counts; beyond the calendar's ends, its first or last one."""
        local = instant + self.offset(instant) - self._shift
        found = local // times.DAY + _EARLIEST.toordinal()
        found = min(max(found, date.min.toordinal()), date.max.toordinal())
        while found > date.min.toordinal() and self._start(found) > instant:
            found -= 1
        while found < date.max.toordinal() and self._start(found + 1) <= instant:
            found += 1
        return date.fromordinal(found)

    def hours(self, since: int, until: int) -> Iterator[Hour]:
        """Cut a stretch of time where the local hour or the day changes."""
        at = since
        while at < until:
            offset, today = self.offset(at), self.date_of(at)
            end = min(at + times.HOUR - (at + offset) % times.HOUR, self._start(today.toordinal() + 1), until)
            for cell in range(at // _CELL, end // _CELL + 1):
                end = min((change for change, _ in self._cell(cell)[1:] if at < change < end), default=end)
            yield Hour(at, end, today, (at + offset) // times.HOUR % 24)
            at = end

    def range(self, words: str, now: int, earliest: int | None = None) -> Range:
        """Read what a person calls a range of days; it never reaches beyond the day of `now`.

        `earliest` is where `all` begins. Raises UsageError that names what is wrong and what to say instead.
        """
        today = self.date_of(now)
        text = " ".join(words.split()).lower()
        begin, divider, end = (part.strip() for part in text.partition(".."))
        first, last = self._named(begin, words, today, earliest)
        if divider:
            other, last = self._named(end, words, today, earliest)
            if min(other, last) < first:
                hint = f"turn it round: {_short(end)}..{_short(begin)}"
                raise UsageError(f"'{_short(words)}' ends before it begins", hint=hint)
        if first > today:
            raise UsageError(f"'{_short(words)}' is in the future", hint=f"today is {today}; {_HINT}")
        last = min(last, today)
        return Range(first, last, self._start(first.toordinal()), self._start(last.toordinal() + 1))

    def span(self, text: str, now: int) -> tuple[int, int]:
        """Return the instants between which the days lie that a part of a range names; they may be in the future.

        Raises UsageError for what names none, and for `all`.
        """
        name = " ".join(text.split()).lower()
        found = None if name == "all" else self._days(name, self.date_of(now), None)
        if found is None:
            raise UsageError(f"'{_short(text)}' is no date", hint=_DATES)
        return self._start(found[0].toordinal()), self._start(found[1].toordinal() + 1)

    def _named(self, text: str, words: str, today: date, earliest: int | None) -> tuple[date, date]:
        """Return the first and the last day of what one side of a range names."""
        found = self._days(text, today, earliest)
        if found is not None:
            return found
        if not words.strip():
            raise UsageError("an empty text is no range of days", hint=_HINT)
        if not text:
            raise UsageError(f"'{_short(words)}' lacks an end", hint=_HINT)
        raise UsageError(f"'{_short(text)}' is no range of days", hint=_nearest(text))

    def _days(self, text: str, today: date, earliest: int | None) -> tuple[date, date] | None:
        """Return the first and the last day of a word or a date; None for what is neither."""
        if text in _WORDS:
            return self._word(text, today, earliest)
        for form, first_of, length in _FORMS:
            if re.fullmatch(form, text, re.ASCII):
                try:
                    first = date.fromisoformat(first_of.format(text))
                    last = length(first)
                except ValueError:
                    raise UsageError(f"'{_short(text)}' is no date of the calendar", hint=_HINT) from None
                if first < _EARLIEST:
                    raise UsageError(f"'{_short(text)}' is before 1970: nothing was recorded then", hint=_HINT)
                return first, last
        return None

    def _word(self, word: str, today: date, earliest: int | None) -> tuple[date, date]:
        name = word.removeprefix("last ")
        if name == "all":
            first = today if earliest is None else max(_EARLIEST, self.date_of(earliest))
            return min(first, today), today
        if name in ("today", "yesterday"):
            day = _earlier(today, int(name == "yesterday"))
            return day, day
        begin = {"week": _monday, "month": _first_of_month, "year": _first_of_year}[name]
        first = begin(today)
        if word == name:
            return first, today
        before = _earlier(first, 1)
        return begin(before), before

    def _start(self, ordinal: int) -> int:
        """Return the first instant at which the local clock shows that day's start or later."""
        known = self._starts.get(ordinal)
        if known is None:
            wanted = (ordinal - _EARLIEST.toordinal()) * times.DAY + self._shift
            known = self._starts[ordinal] = self._first(wanted)
        return known

    def _first(self, local: int) -> int:
        """Return the first instant at which the local clock shows `local` (ms since 1970 by that clock) or later."""
        stretches = [
            stretch
            for cell in range((local - _AROUND) // _CELL, (local + _AROUND) // _CELL + 1)
            for stretch in self._cell(cell)
        ]
        untils = [since for since, _ in stretches[1:]]
        for (since, offset), until in zip(stretches, untils, strict=False):
            if (found := max(since, local - offset)) < until:
                return found
        since, offset = stretches[-1]
        return max(since, local - offset)

    def _cell(self, number: int) -> list[tuple[int, int]]:
        """Return the offsets in a stretch of UTC, each with the instant from which on it holds."""
        known = self._cells.get(number)
        if known is None:
            since = number * _CELL
            known = [(since, self._at(since))]
            if (after := self._at(since + _CELL - 1)) != known[0][1]:
                known.append((self._change(since, since + _CELL - 1), after))
            self._cells[number] = known
        return known

    def _change(self, low: int, high: int) -> int:
        """Return the first instant after `low` with the offset that there is at `high`."""
        after = self._at(high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._at(middle) == after else (middle, high)
        return high

    def _at(self, instant: int) -> int:
        return self._offset_at(min(max(instant // times.SECOND, _SECONDS[0]), _SECONDS[1])) * times.SECOND


def is_zone(name: str) -> bool:
    """Tell whether there is a time zone with that name."""
    try:
        _offset_in(name)
    except UsageError:
        return False
    return True


def minutes_of(text: str) -> int | None:
    """Return the minutes after midnight of a time of day, `04:00`; None for what is none, or no quarter of an hour."""
    found = re.fullmatch(r"([01][0-9]|2[0-3]):(00|15|30|45)", text, re.ASCII)
    return int(found[1]) * 60 + int(found[2]) if found else None


def _system_offset(second: int) -> int:
    try:
        return time.localtime(second).tm_gmtoff
    except (OSError, OverflowError):
        return time.localtime(0).tm_gmtoff  # some systems know no time before 1970


def _offset_in(name: str) -> Callable[[int], int]:
    from zoneinfo import ZoneInfo

    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"there is no time zone '{_short(name)}'", hint="name one such as Europe/Berlin") from error

    def offset(second: int) -> int:
        found = (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
        assert found is not None
        return found.days * 86_400 + found.seconds

    return offset


def _earlier(day: date, days: int) -> date:
    return date.fromordinal(max(1, day.toordinal() - days))


def _monday(day: date) -> date:
    return _earlier(day, day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


def _first_of_year(day: date) -> date:
    return day.replace(month=1, day=1)


def _end_of_month(first: date) -> date:
    return _earlier(first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1), 1)


# A form, the ISO date of its first day, and its last day.
_FORMS: tuple[tuple[str, str, Callable[[date], date]], ...] = (
    (r"\d{4}-\d\d-\d\d", "{}", lambda first: first),
    (r"\d{4}-\d\d", "{}-01", _end_of_month),
    (r"\d{4}", "{}-01-01", lambda first: first.replace(month=12, day=31)),
)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _nearest(text: str) -> str:
    import difflib

    close = difflib.get_close_matches(text, _WORDS, 1)
    return f"did you mean '{close[0]}'? Else {_HINT}" if close else _HINT
