"""Lanes: what ran beside what. Active stretches are solid, breaks a thin line, and what still runs ends in a point."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from kioku.web.pictures.svg import element, link, picture, words

_ROW: Final = 26
_BAR: Final = 14
_TOP: Final = 20


class Piece(NamedTuple):
    """A stretch of a lane from `since` to `until`, what was active in it, and what it is in words."""

    since: int
    until: int
    stretches: Sequence[tuple[int, int]]
    label: str
    title: str
    href: str | None
    kind: int  # which of the kinds of clients; each has a colour and a dash of its own
    runs: bool = False


class Axis(NamedTuple):
    """The time from left to right, and what stands over it: (instant, text)."""

    since: int
    until: int
    ticks: Sequence[tuple[int, str]]


def lanes(over: Axis, rows: Sequence[Sequence[Piece]], label: str, width: int = 760) -> Markup:
    """Draw each row of pieces, which must not overlap, with its words below its time where they have room."""
    span = max(1, over.until - over.since)

    def x(at: int) -> float:
        return (min(max(at, over.since), over.until) - over.since) / span * (width - 2) + 1

    height = _TOP + max(1, len(rows)) * _ROW
    shapes = []
    free = 0.0
    for at, text in over.ticks:
        shapes.append(element("line", x1=x(at), x2=x(at), y1=_TOP - 4, y2=height, class_="grid"))
        if x(at) >= free and x(at) + 7 * len(text) <= width:
            shapes.append(words(x(at) + 3, 12, text))
            free = x(at) + 7 * len(text) + 10
    for number, row in enumerate(rows):
        y = _TOP + number * _ROW
        for place, piece in enumerate(row):
            shapes.append(_piece(piece, x, y))
            following = x(row[place + 1].since) if place + 1 < len(row) else float(width)
            room = following - x(piece.since)
            if room >= 7 * len(piece.label):
                shapes.append(words(x(piece.since), y + _BAR + 10, piece.label, "small"))
    return picture(width, height + 4, label, *shapes, links=True)


def _piece(piece: Piece, x: Callable[[int], float], y: float) -> Markup:
    begin, end = x(piece.since), max(x(piece.until), x(piece.since) + 2)
    middle = y + _BAR / 2
    parts = [
        element("rect", x=begin, y=y, width=end - begin, height=_BAR, class_="room"),
        element("line", x1=begin, x2=end, y1=middle, y2=middle, class_=f"break kind{piece.kind}"),
    ]
    bars = [(x(since), max(1.5, x(until) - x(since))) for since, until in piece.stretches]
    drawn = "".join([f"M{left:.1f} {y}h{width:.1f}v{_BAR}h-{width:.1f}z" for left, width in bars])
    parts.append(element("path", d=drawn, class_=f"kind{piece.kind}"))
    if piece.runs:
        points = f"{end:.1f},{y} {end + 8:.1f},{middle} {end:.1f},{y + _BAR}"
        parts.append(element("polygon", points=points, class_=f"kind{piece.kind} runs"))
    return link(piece.href, piece.title, *parts)
