"""Heat: how much in each cell of a calendar or of a week, in five levels that can be told apart without colour."""

from collections.abc import Sequence
from datetime import date, timedelta

from rich.cells import cell_len

from kioku.cli.charts.paper import Line, Paper
from kioku.dates import MONTHS, WEEKDAYS
from kioku.levels import level

_STYLES = ("dim", "green", "green", "green", "bold green")
_YEAR = 54  # weeks that a year can touch
_GUTTER = 5  # cells of a weekday's name and the space around it


def strip(paper: Paper, days: Sequence[tuple[date, float]]) -> list[Line]:
    """Draw days as a calendar: weeks are columns, weekdays rows.

    More weeks than a year has, or than fit, are drawn year by year, without the years in which there is nothing.
    """
    values = dict(days)
    if not values:
        return []
    most, room = max(values.values()), max(1, paper.width - _GUTTER)
    first, last = min(values), max(values)
    if len(_mondays(first, last)) <= min(room, _YEAR):
        spans = [(first, last)]
    else:
        years = [
            (max(first, date(year, 1, 1)), min(last, date(year, 12, 31))) for year in range(first.year, last.year + 1)
        ]
        spans = [part for since, until in years for part in _broken(since, until, room)]
        busy = [day for day, value in values.items() if value]
        spans = [(s, u) for s, u in spans if any(s <= day <= u for day in busy)] or spans[-1:]
    each = 2 if all(len(_mondays(*span)) * 2 <= room for span in spans) else 1
    lines: list[Line] = []
    for since, until in spans:
        lines += _calendar(paper, values, since, until, most, each)
    return lines


def _broken(since: date, until: date, room: int) -> list[tuple[date, date]]:
    """Break up a span of days into ones of at most `room` weeks."""
    mondays = _mondays(since, until)
    begins = [max(since, monday) for monday in mondays[::room]]
    ends = [begin - timedelta(days=1) for begin in begins[1:]]
    return list(zip(begins, [*ends, until], strict=True))


def _mondays(first: date, last: date) -> list[date]:
    monday = first - timedelta(days=first.weekday())
    return [monday + timedelta(days=7 * week) for week in range((last - monday).days // 7 + 1)]


def _calendar(paper: Paper, values: dict[date, float], since: date, until: date, most: float, each: int) -> list[Line]:
    mondays = _mondays(since, until)
    width = len(mondays) * each
    head = ""
    for number, monday in enumerate(mondays):
        firsts = [day for n in range(7) if (day := monday + timedelta(days=n)).day == 1 and since <= day <= until]
        is_new = number == 0 or bool(firsts)
        month = MONTHS[(firsts[0] if firsts and number else max(since, monday)).month - 1]
        if is_new and number * each >= len(head) + (1 if head else 0) and number * each + len(month) <= width + _GUTTER:
            head += " " * (number * each - len(head)) + month
    lines: list[Line] = [paper.trimmed([(f"{_year(since, until):<{_GUTTER}}{head}", "dim")])]
    for weekday in range(7):
        line: Line = [(f" {WEEKDAYS[weekday] if weekday % 2 == 0 else '':<{_GUTTER - 1}}", "dim")]
        for monday in mondays:
            day = monday + timedelta(days=weekday)
            if since <= day <= until:
                line.append(_cell(paper, values.get(day, 0), most, each))
            else:
                line.append((" " * each, ""))
        lines.append(paper.trimmed(line))
    return lines


def _year(since: date, until: date) -> str:
    return str(until.year) if since.year == until.year else ""


def grid(
    paper: Paper, title: str, rows: Sequence[tuple[str, Sequence[float], str]], *, heading: str = ""
) -> list[Line]:
    """Draw a title and, for each row, its name, 24 hours as heat, and a figure, where there is room for it."""
    names = max([cell_len(title), *(cell_len(paper.printable(name)) + 1 for name, _, _ in rows)]) + 1
    each = 2 if names + 48 <= paper.width else 1
    figures = max((cell_len(paper.printable(text)) for text in (heading, *(row[2] for row in rows))), default=0)
    has_figures = names + 24 * each + 2 + figures <= paper.width
    hours = "".join(f"{hour:<{3 * each}}" for hour in range(0, 24, 3))
    head: Line = [(paper.fill(title, names), "bold"), (hours, "dim")]
    if has_figures:
        head.append(("  " + paper.fill(heading, figures, right=True), "dim"))
    most = max((max(values, default=0) for _, values, _ in rows), default=0)
    lines = [paper.trimmed(head)]
    for name, values, figure in rows:
        line: Line = [(paper.fill(f" {name}", names), ""), *(_cell(paper, value, most, each) for value in values)]
        if has_figures:
            line.append(("  " + paper.fill(figure, figures, right=True), ""))
        lines.append(paper.trimmed(line))
    return lines


def legend(paper: Paper, none: str, most: str) -> Line:
    """Say what the levels mean."""
    line: Line = [(f"{none} ", "dim")]
    line += [(f"{mark} ", style) for mark, style in zip(paper.marks.heat, _STYLES, strict=True)]
    return paper.trimmed([*line, (most, "dim")])


def _cell(paper: Paper, value: float, most: float, each: int) -> tuple[str, str]:
    found = level(value, most)
    mark = paper.marks.heat[found]
    return (mark + " " * (each - 1) if found == 0 else mark * each), _STYLES[found]
