"""Lanes: what ran beside what, with hours from left to right; active stretches are solid, breaks a thin line."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from kioku.cli.charts.paper import Line, Paper

_MARGIN = 1


class Piece(NamedTuple):
    """A stretch of a lane from `since` to `until`, and what was active in it.

    Of the labels, the first that fits is taken. What still runs gets a sign at its end.
    """

    since: int
    until: int
    stretches: Sequence[tuple[int, int]]
    labels: Sequence[str]
    style: str = "cyan"
    runs: bool = False


class Axis(NamedTuple):
    """The time from left to right, and the hours that begin in it, each (instant, hour)."""

    since: int
    until: int
    hours: Sequence[tuple[int, int]]


def axis(paper: Paper, over: Axis) -> Line:
    """Write the hours, as many as there is room for."""
    room = _room(paper)
    text = ""
    for instant, hour in _ticks(over, room):
        at = _cell(over, instant, room)
        if at + 2 <= room and (not text or at > len(text)):
            text += " " * (at - len(text)) + f"{hour:02}"
    return paper.trimmed([(" " * _MARGIN + text, "dim")])


def lanes(paper: Paper, over: Axis, rows: Sequence[Sequence[Piece]]) -> list[Line]:
    """Draw each row of pieces, which must not overlap: a line of their time, and a line of their labels below."""
    room = _room(paper)
    ticks = {_cell(over, instant, room) for instant, _ in _ticks(over, room)}
    lines = []
    for pieces in rows:
        drawn = _drawn(paper, over, sorted(pieces), room, ticks)
        lines += [paper.trimmed(drawn), paper.trimmed(_labels(paper, over, sorted(pieces), room))]
    return lines


def _room(paper: Paper) -> int:
    return max(1, paper.width - 2 * _MARGIN)


def _cell(over: Axis, instant: int, room: int) -> int:
    return (instant - over.since) * room // max(1, over.until - over.since)


def _ticks(over: Axis, room: int) -> list[tuple[int, int]]:
    """Return every hour, or each second, third, fourth or sixth, so that their names have room."""
    for every in (1, 2, 3, 4, 6, 12):
        found = [(instant, hour) for instant, hour in over.hours if hour % every == 0]
        if len(found) * 5 <= room:
            return found
    return []


def _drawn(paper: Paper, over: Axis, pieces: Sequence[Piece], room: int, ticks: set[int]) -> Line:
    """Return the line of a row: in each half of a cell it shows whether most of that time was active."""
    cells: list[tuple[str, str]] = [(paper.marks.tick if at in ticks else " ", "dim") for at in range(room)]
    for piece in pieces:
        first, last = _cells_of(over, piece, room)
        for at in range(first, last + 1):
            cells[at] = (paper.marks.pause, "dim")
        busy = _busy(over, piece, room)
        for half in busy:
            at = half // 2
            if first <= at <= last:
                both = (2 * at in busy) + 2 * (2 * at + 1 in busy)
                cells[at] = (paper.marks.halves[both], piece.style)
        if piece.runs and last + 1 < room and cells[last + 1][1] == "dim":
            cells[last + 1] = (paper.marks.running, piece.style)
    line: Line = [(" " * _MARGIN, "")]
    for mark, style in cells:
        if line[-1][1] == style:
            line[-1] = (line[-1][0] + mark, style)
        else:
            line.append((mark, style))
    return line


def _cells_of(over: Axis, piece: Piece, room: int) -> tuple[int, int]:
    """Return the first and the last cell in which a piece lies; it has one at least."""
    since, until = max(piece.since, over.since), min(piece.until, over.until)
    first = min(room - 1, max(0, _cell(over, since, room)))
    return first, min(room - 1, max(first, _cell(over, until - 1, room)))


def _busy(over: Axis, piece: Piece, room: int) -> set[int]:
    """Return the halves of cells of which at least half was active; a shorter stretch has the one that it is in."""
    span, halves = max(1, over.until - over.since), 2 * room
    found: dict[int, int] = {}
    busy: set[int] = set()
    within = [(max(since, over.since), min(until, over.until)) for since, until in piece.stretches]
    for since, until in within:
        if since > until or since >= over.until:
            continue
        begin, end = (since - over.since) * halves, (until - over.since) * halves  # in units of 1/halves ms
        first, last = begin // span, max(begin // span, (end - 1) // span)
        covered = False
        for half in range(first, last + 1):
            found[half] = found.get(half, 0) + min(end, (half + 1) * span) - max(begin, half * span)
            if 2 * found[half] >= span:
                busy.add(half)
                covered = True
        if not covered:
            busy.add((begin + end) // 2 // span if end > begin else first)
    return {half for half in busy if half < halves}


def _labels(paper: Paper, over: Axis, pieces: Sequence[Piece], room: int) -> Line:
    """Return the line of labels: each begins below its piece, and ends before the next one's."""
    begins = [_cells_of(over, piece, room)[0] for piece in pieces]
    line: Line = [(" " * _MARGIN, "")]
    reached = 0
    for number, piece in enumerate(pieces):
        begin = max(begins[number], reached)
        following = begins[bisect_right(begins, begins[number])] if begins[-1] > begins[number] else room + 1
        for text in map(paper.printable, piece.labels):
            at = begin
            if following == room + 1:  # the last one may begin further left, but not below another
                at = max(reached, begins[number - 1] + 1 if number else 0, min(begin, room - cell_len(text)))
            if at + cell_len(text) < following and at - begins[number] <= 2:
                line += [(" " * (at - reached), ""), (text, piece.style)]
                reached = at + cell_len(text) + 1
                line.append((" ", ""))
                break
    return line[:-1] if len(line) > 1 else line
