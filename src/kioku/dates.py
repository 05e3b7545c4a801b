"""Dates as a person reads them in a heading."""

from datetime import date

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_text(day: date, *, year: bool = False) -> str:
    """Write a day: `Tue 24 Nov`, `Tue 24 Nov 2026`."""
    return f"{WEEKDAYS[day.weekday()]} {short_text(day)}" + (f" {day.year}" if year else "")


def short_text(day: date) -> str:
    """Write a day without its weekday: `24 Nov`."""
    return f"{day.day} {MONTHS[day.month - 1]}"


def range_text(first: date, last: date) -> str:
    """Write days from one to the other: `Mon 23 to Tue 24 Nov 2026`, `1 Jan to 24 Nov 2026`."""
    if first == last:
        return day_text(first, year=True)
    if first.year != last.year:
        return f"{short_text(first)} {first.year} to {short_text(last)} {last.year}"
    if (last - first).days >= 14:
        begin = short_text(first) if first.month != last.month else f"{first.day}"
        return f"{begin} to {short_text(last)} {last.year}"
    begin = day_text(first) if first.month != last.month else f"{WEEKDAYS[first.weekday()]} {first.day}"
    return f"{begin} to {day_text(last, year=True)}"
