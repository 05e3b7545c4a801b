"""Instants, durations and zones.

Inside Kioku an instant is an integer: milliseconds since 1970-01-01 UTC. This is the only module that turns one into
something a person reads, or reads the clock. Rules never call `now_ms`; they are given `now`.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_LONGEST_SHOWN = 253_402_214_400_000  # 9999-12-31T00:00Z: `datetime` knows no later year, in any zone


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


_clock: Callable[[], int] = _wall_clock
_zone: "tzinfo | None" = None  # the system's


def now_ms() -> int:
    """Return the present instant, in ms."""
    return _clock()


def use_clock(clock: Callable[[], int]) -> None:
    """Replace the clock of this process: for tests that must not wait for half an hour."""
    global _clock
    _clock = clock


def use_zone(name: str | None) -> None:
    """Show and read local times of this process in a named zone; None is the system's. It must exist."""
    global _zone
    if name is None:
        _zone = None
    else:
        from zoneinfo import ZoneInfo

        _zone = ZoneInfo(name)


def shifted_clock(offset_file: str) -> Callable[[], int]:
    """Return a clock that adds the number of ms written in `offset_file` (missing or empty: 0) to the real one."""

    def clock() -> int:
        try:
            with open(offset_file, encoding="ascii") as stream:
                return _wall_clock() + int(stream.read() or 0)
        except FileNotFoundError:
            return _wall_clock()

    return clock


def local_text(instant: int, *, seconds: bool = False) -> str:
    """Write an instant in the person's zone: `2026-11-22 14:05`; out of the calendar's range: the bare number."""
    if not 0 <= instant <= _LONGEST_SHOWN:
        return f"{instant} ms"
    return local_time(instant).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def local_time(instant: int) -> "datetime":
    """Return what the calendar and the clock in the person's zone show at an instant of the years 1 to 9998."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(instant / 1000, UTC).astimezone(_zone)


def instant_of(local: "datetime") -> int:
    """Return the instant at which they show that, in ms; one that comes twice is the first, unless it says which."""
    known = local if local.tzinfo is not None or _zone is None else local.replace(tzinfo=_zone)
    return round(known.timestamp() * 1000)


def iso_text(instant: int) -> str:
    """Write an instant for machines, in UTC with milliseconds: `2026-11-22T13:05:00.000Z`."""
    from datetime import UTC, datetime

    if not 0 <= instant <= _LONGEST_SHOWN:
        return str(instant)
    whole, part = divmod(instant, 1000)
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{part:03d}Z"


def duration_text(length: int | None) -> str:
    """Write a length of time, given in ms, in at most two units: `1 h 12 min`, `40 s`; unknown is an en dash."""
    if length is None:
        return "–"
    if length < 0:
        return f"-{duration_text(-length)}"
    if length < SECOND:
        return f"{length} ms"
    if length < MINUTE:
        return f"{length // SECOND} s"
    if length < HOUR:
        return f"{length // MINUTE} min"
    hours, rest = divmod(length, HOUR)
    if hours < 48:
        return f"{hours} h {rest // MINUTE} min" if rest >= MINUTE else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def work_text(length: int | None) -> str:
    """Write time that was worked: in hours, however many, since a day of work has no 24; none is `0 min`."""
    if length == 0:
        return "0 min"
    if length is None or length < 48 * HOUR:
        return duration_text(length)
    hours, rest = divmod(length, HOUR)
    return f"{hours} h {rest // MINUTE} min" if hours < 100 and rest >= MINUTE else f"{hours:,} h"


def ago_text(instant: int, now: int) -> str:
    """Write how long ago an instant was: `12 min ago`, `just now`, `in 3 h`."""
    length = now - instant
    if -SECOND < length < 10 * SECOND:
        return "just now"
    return f"{duration_text(length)} ago" if length > 0 else f"in {duration_text(-length)}"


def parse_since(text: str, now: int) -> int | None:
    """Read the beginning of a stretch of time that lasts until now: `7d`, `24h`, `today`, a date or a time of day.

    Dates are the person's own, in their zone. Returns None for what is no time.
    """
    from datetime import datetime, timedelta

    wanted = text.strip().lower()
    unit = {"m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}.get(wanted[-1:])
    if unit is not None and wanted[:-1].isdecimal() and len(wanted) < 9:
        return now - int(wanted[:-1]) * unit
    midnight = local_time(now).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    days = {"today": 0, "yesterday": 1}.get(wanted)
    try:
        return instant_of(datetime.fromisoformat(text.strip()) if days is None else midnight - timedelta(days=days))
    except (ValueError, OverflowError):
        return None


def parse_age(text: str) -> int | None:
    """Read an age: `12h`, `180d`, `26w`, `2y` (of 365 days); return it in ms, None for what is none."""
    wanted = text.strip().lower()
    unit = {"h": HOUR, "d": DAY, "w": 7 * DAY, "y": 365 * DAY}.get(wanted[-1:])
    is_number = wanted[:-1].isdecimal() and wanted.isascii() and len(wanted) < 9
    return None if unit is None or not is_number else int(wanted[:-1]) * unit
