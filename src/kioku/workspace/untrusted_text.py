"""Text that a stranger wrote, made fit to be shown on one line.

A README, a manifest or a file name may hold control characters that drive a terminal, or invisible ones that
make a reader see something else than what is there. The invariant: what leaves this module is printable.
"""

import re

_BLANKS = re.compile(r"\s+")


def one_line(text: str, limit: int = 160) -> str:
    """Return the text as one printable line of at most `limit` characters, cut with an ellipsis."""
    line = " ".join(printable(part) for part in _BLANKS.split(text[: limit * 8]) if part)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def printable(text: str) -> str:
    """Return the text without control, bidirectional, zero-width, surrogate and unassigned characters."""
    return text if text.isprintable() else "".join(char for char in text if char.isprintable())


def printable_lines(text: str) -> str:
    """Return the text with its line breaks and tabs as they are, and nothing else that cannot be printed."""
    return "".join(char for char in text if char.isprintable() or char in "\n\t")


def visible(text: str, limit: int) -> str:
    """Return the text as one line of at most `limit` characters, in which what cannot be printed shows its number."""
    line = " ".join(part for part in _BLANKS.split(text[: limit * 8]) if part)
    if not line.isprintable():
        line = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in line)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
