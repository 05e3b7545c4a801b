"""Heat: how much in each cell of a calendar or of a week. More is larger, not only darker."""

import datetime
from collections.abc import Callable, Sequence
from typing import Final

from markupsafe import Markup

from kioku.dates import MONTHS, WEEKDAYS, day_text
from kioku.levels import level
from kioku.times import work_text
from kioku.web.pictures.svg import element, link, picture, words

_CELL: Final = 15
_SIZES: Final = (3, 6, 8, 10, 12)  # of the square in a cell, by level
_LEFT: Final = 34
_TOP: Final = 18


def calendar(days: Sequence[tuple[datetime.date, int]], href: Callable[[datetime.date], str | None]) -> Markup:
    """Draw a year of days or less, weeks from left to right: each a link, its square the larger the more was done."""
    first, last = days[0][0], days[-1][0]
    monday = first - datetime.timedelta(days=first.weekday())
    most = max(ms for _, ms in days)
    shapes: list[Markup] = [words(0, _TOP + row * _CELL + 11, WEEKDAYS[row]) for row in (0, 2, 4, 6)]
    named = -3
    for date, ms in days:
        week, row = divmod((date - monday).days, 7)
        if (date.day == 1 and week - named >= 3) or (date == first and date.day < 22):
            shapes.append(words(_LEFT + week * _CELL, 11, MONTHS[date.month - 1]))
            named = week
        done = f"{work_text(ms)} active" if ms else "nothing"
        label = f"{day_text(date, year=True)}: {done}"
        x, y = _LEFT + week * _CELL, _TOP + row * _CELL
        if ms:
            shapes.append(link(href(date), label, _square(x, y, level(ms, most))))
        else:
            shapes.append(_square(x, y, 0, label))
    weeks = (last - monday).days // 7 + 1
    title = f"Active time by day, {day_text(first, year=True)} to {day_text(last, year=True)}"
    return picture(_LEFT + weeks * _CELL, _TOP + 7 * _CELL, title, *shapes, links=True)


def week(grid: Sequence[Sequence[int]]) -> Markup:
    """Draw the hours of the week: a row each weekday, Monday first, with its sum at the end."""
    most = max(max(row) for row in grid)
    shapes = [words(_LEFT + hour * _CELL, 11, str(hour)) for hour in range(0, 24, 3)]
    for day, row in enumerate(grid):
        y = _TOP + day * _CELL
        shapes.append(words(0, y + 11, WEEKDAYS[day]))
        for hour, ms in enumerate(row):
            label = f"{WEEKDAYS[day]} {hour}:00 to {hour + 1}:00: {work_text(ms)}"
            shapes.append(_square(_LEFT + hour * _CELL, y, level(ms, most), label))
        shapes.append(words(_LEFT + 24 * _CELL + 84, y + 11, work_text(sum(row)), anchor="end"))
    return picture(_LEFT + 24 * _CELL + 88, _TOP + 7 * _CELL, "Active time by hour and weekday", *shapes)


def _square(x: float, y: float, found: int, title: str | None = None) -> Markup:
    size = _SIZES[found]
    margin = (_CELL - size) / 2
    named = f"heat{found}"
    return element("rect", x=x + margin, y=y + margin, width=size, height=size, rx=1, class_=named, title=title)
