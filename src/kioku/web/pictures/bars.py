"""Standing bars: one figure a day, week or month."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from kioku.times import work_text
from kioku.web.pictures.svg import element, link, picture, words

_HEIGHT: Final = 120
_WIDEST: Final = 40
_LEFT: Final = 84


class Bar(NamedTuple):
    """A figure in ms: its name in full, a short one for under the bar (empty: none), and where it leads."""

    name: str
    short: str
    ms: int
    href: str | None


def standing(bars: Sequence[Bar], label: str, width: int = 760) -> Markup:
    """Draw bars beside each other, the highest as high as there is room for."""
    each = min(_WIDEST, (width - _LEFT) / max(1, len(bars)))
    most = max((bar.ms for bar in bars), default=0)
    shapes = [
        words(_LEFT - 8, 14, work_text(most), anchor="end"),
        element("line", x1=_LEFT, x2=_LEFT + each * len(bars), y1=_HEIGHT + 4, y2=_HEIGHT + 4, class_="axis"),
    ]
    free = 0.0
    for number, bar in enumerate(bars):
        x = _LEFT + number * each
        height = max(1.0, bar.ms / most * (_HEIGHT - 6)) if bar.ms else 0.0
        named = f"{bar.name}: {work_text(bar.ms)} active"
        gap = min(3.0, each / 5)
        whole = element("rect", x=x, y=4, width=each, height=_HEIGHT, class_="room")
        filled = element("rect", x=x + gap / 2, y=_HEIGHT + 4 - height, width=each - gap, height=height, class_="bar")
        shapes.append(link(bar.href if bar.ms else None, named, whole, filled))
        if bar.short and x >= free:
            shapes.append(words(x, _HEIGHT + 20, bar.short))
            free = x + 7 * len(bar.short) + 6
    return picture(_LEFT + each * len(bars) + 24, _HEIGHT + 26, label, *shapes, links=True)
