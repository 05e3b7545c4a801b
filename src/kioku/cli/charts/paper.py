"""What charts are drawn on: a width in terminal cells, and the characters that the reader's stream can show.

A line is a list of parts, each a text and its style. A text that comes from outside is made printable before it is
measured, since that can lengthen it.
"""

import codecs
import sys
from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from kioku.cli.output import clean, on_terminal

Part = tuple[str, str]
Line = list[Part]

_PIPE_WIDTH = 80
_LONGEST = 1_000  # characters of a name that are looked at: no terminal shows more


class Marks(NamedTuple):
    """The characters of charts: partly filled cells from empty to full, levels of heat, lines and signs."""

    lying: str
    standing: str
    heat: str
    halves: str  # of an active stretch: none, the left half of the cell, its right half, both
    pause: str
    tick: str
    edge: str
    running: str
    cut: str


UNICODE = Marks(" ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█", "·░▒▓█", " ▌▐█", "─", "┊", "▏", "▸", "…")
ASCII = Marks(" #", " .:#", ".-+*#", " ###", "-", ":", "|", ">", "~")
_PLAIN = {"–": "-", "…": "~", "·": ".", "—": "-"}


class Paper:
    """A width, and what can be drawn on it."""

    def __init__(self, width: int, encoding: str = "utf-8") -> None:
        self.width = max(1, width)
        self.encoding = encoding if _shows("", encoding) else "ascii"
        self.marks = UNICODE if _shows("".join(UNICODE), self.encoding) else ASCII

    def narrowed(self, width: int) -> "Paper":
        """Return such paper of another width."""
        return Paper(width, self.encoding)

    def printable(self, text: str) -> str:
        """Return text as it will be seen: what the stream cannot show stands for itself in ASCII."""
        shown = clean(text if len(text) <= 2 * _LONGEST else text[:_LONGEST] + text[-_LONGEST:])
        if _shows(shown, self.encoding):
            return shown
        shown = "".join(_PLAIN.get(c, c) if not _shows(c, self.encoding) else c for c in shown)
        return shown.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def cut(self, text: str, width: int, *, keep_end: bool = False) -> str:
        """Return printable text of at most `width` cells; where some is left out, a sign stands for it."""
        shown = self.printable(text)
        if cell_len(shown) <= width:
            return shown
        if width < 1:
            return ""
        room = width - cell_len(self.marks.cut)
        low, high = 0, len(shown)
        while low < high:  # the longest part that fits: cells can be counted only of a whole text
            middle = (low + high + 1) // 2
            part = shown[-middle:] if keep_end else shown[:middle]
            low, high = (middle, high) if cell_len(part) <= room else (low, middle - 1)
        return self.marks.cut + shown[len(shown) - low :] if keep_end else shown[:low] + self.marks.cut

    def fill(self, text: str, width: int, *, right: bool = False, keep_end: bool = False) -> str:
        """Return printable text of exactly `width` cells."""
        shown = self.cut(text, width, keep_end=keep_end)
        space = " " * (width - cell_len(shown))
        return space + shown if right else shown + space

    def trimmed(self, line: Line) -> Line:
        """Return a line that is not wider than the paper."""
        found, room = Line(), self.width
        for text, style in line:
            part = self.cut(text, room)
            found.append((part, style))
            if part != self.printable(text):
                break
            room -= cell_len(part)
        return found

    def flowing(self, items: Sequence[Line], divider: str, margin: str = "") -> list[Line]:
        """Set items one after another, with a divider between those in one line, in as many lines as they need."""
        lines: list[Line] = []
        for item in items:
            joined: Line = [*lines[-1], (divider, "dim"), *item] if lines else []
            if lines and width_of(joined) <= self.width:
                lines[-1] = joined
            else:
                lines.append([(margin, ""), *item])
        return [self.trimmed(line) for line in lines]


def of_output() -> Paper:
    """Return the paper that standard output is: the terminal's width, or 80 cells."""
    import shutil

    width = shutil.get_terminal_size((_PIPE_WIDTH, 24)).columns if on_terminal() else _PIPE_WIDTH
    return Paper(width, getattr(sys.stdout, "encoding", None) or "ascii")


def width_of(line: Line) -> int:
    """Return how many cells a line takes."""
    return sum(cell_len(text) for text, _ in line)


def beside(blocks: Sequence[Sequence[Line]], width: int, gap: int) -> list[Line]:
    """Set blocks of lines, none wider than `width`, beside each other."""
    height = max((len(block) for block in blocks), default=0)
    lines = []
    for row in range(height):
        line = Line()
        for block in blocks:
            part = list(block[row]) if row < len(block) else []
            line += [*part, (" " * (width - width_of(part) + gap), "")]
        lines.append(line[:-1])
    return lines


def stacked(blocks: Sequence[Sequence[Line]], count: int) -> list[list[Line]]:
    """Stack blocks in `count` columns, in their order, each where the least is yet; a free line divides them."""
    columns: list[list[Line]] = [[] for _ in range(count)]
    for block in blocks:
        column = min(columns, key=len)
        column += [*([[]] if column else []), *block]
    return columns


def _shows(text: str, encoding: str) -> bool:
    try:
        codecs.encode(text, encoding)
    except (UnicodeError, LookupError):
        return False
    return True
