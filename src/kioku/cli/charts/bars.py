"""Bars: lying ones with a name and figures, and standing ones over time."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from kioku.cli.charts.paper import Line, Paper

_LONGEST = 40  # cells of a bar: a longer one says no more
_ENOUGH = 10  # cells of a bar, or of a name, that say enough where it is narrow
_GAP = 2


class Row(NamedTuple):
    """A bar: its name, its value from 0 up, and the figures beside it."""

    name: str
    value: float
    figures: tuple[str, ...] = ()


def steps(value: float, most: float, room: int) -> int:
    """Return how many of `room` steps a value fills: none only for zero, all for the largest."""
    if value <= 0 or most <= 0 or room <= 0:
        return 0
    return min(room, max(1, round(value / most * room)))


def lying(value: float, most: float, room: int, marks: str) -> str:
    """Return a bar of at most `room` cells; `marks` are partly filled cells, from empty to full."""
    full = len(marks) - 1
    whole, part = divmod(steps(value, most, room * full), full)
    return marks[-1] * whole + (marks[part] if part else "")


def bars(
    paper: Paper,
    title: str,
    rows: Sequence[Row],
    *,
    headings: Sequence[str] = (),
    style: str = "cyan",
    keep_end: bool = False,
) -> list[Line]:
    """Draw a title and, for each row, its name, a bar and its figures. Narrow paper lacks the last figures first."""
    shown = [paper.printable(heading) for heading in headings]
    widths = [
        max(cell_len(paper.printable(text)) for text in (heading, *(row.figures[number] for row in rows)))
        for number, heading in enumerate(shown)
    ]
    longest = max((cell_len(paper.printable(row.name)) for row in rows), default=0)
    least = min(longest, max(_ENOUGH, paper.width // 4)) + _ENOUGH + 2
    while widths and paper.width - least - sum(widths) - _GAP * len(widths) < 0:
        widths.pop()
    free = paper.width - 1 - sum(widths) - _GAP * len(widths)
    room = min(_LONGEST, max(_ENOUGH, free - longest - 1))  # a name says more than a long bar
    if free - room - 1 < min(longest, _ENOUGH):
        room = 0
    name_width = min(longest, free - room - (1 if room else 0))
    most = max((row.value for row in rows), default=0)
    space = " " * (name_width + room + (2 if room else 1) - cell_len(paper.cut(title, paper.width)))
    head: Line = [(paper.cut(title, paper.width), "bold"), (space, "")]
    if any(shown[: len(widths)]) and space:
        head += [
            (" " * _GAP + paper.fill(text, width, right=True), "dim")
            for text, width in zip(shown, widths, strict=False)
        ]
    lines = [paper.trimmed(head)]
    for row in rows:
        line: Line = [(" " + paper.fill(row.name, name_width, keep_end=keep_end), "")]
        if room:
            bar = lying(row.value, most, room, paper.marks.lying)
            line += [(" ", ""), (bar, style), (" " * (room - len(bar)), "")]
        line += [
            (" " * _GAP + paper.fill(text, width, right=True), "")
            for text, width in zip(row.figures, widths, strict=False)
        ]
        lines.append(paper.trimmed(line))
    return lines


def standing(
    paper: Paper,
    values: Sequence[float],
    labels: Sequence[tuple[int, str]],
    *,
    top: str,
    height: int = 4,
    style: str = "cyan",
) -> list[Line]:
    """Draw one standing bar a value, `height` lines high, and labels below, each given with the value it stands under.

    `top` says what the highest bar is worth. Of more values than there is room for, the last are drawn.
    """
    top = paper.cut(top, paper.width // 3)
    gutter = cell_len(top) + 2
    room = max(1, paper.width - gutter)
    values, hidden = values[-room:], max(0, len(values) - room)
    each = max(1, min(4, room // max(1, len(values))))
    marks = paper.marks.standing
    full, most = len(marks) - 1, max(values, default=0)
    filled = [steps(value, most, full * height) for value in values]
    lines = []
    for level in range(height - 1, -1, -1):
        cells = [marks[min(full, max(0, filled_steps - level * full))] for filled_steps in filled]
        drawn = "".join(cell * max(1, each - 1) + " " * (each > 1) for cell in cells).rstrip()
        left = top if level == height - 1 else " " * cell_len(top)
        lines.append(paper.trimmed([(left + " ", "dim"), (paper.marks.edge, "dim"), (drawn, style)]))
    below = ""
    for index, label in labels:
        at, text = (index - hidden) * each, paper.printable(label)
        if index >= hidden and at + cell_len(text) <= room and (not below or at > cell_len(below)):
            below += " " * (at - cell_len(below)) + text
    return [*lines, paper.trimmed([(" " * gutter, ""), (below, "dim")])]
