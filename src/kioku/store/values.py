"""What the store holds is read here once, so that rules meet only whole numbers and text.

SQLite lets any column hold anything, and a person's SQL or a file from elsewhere may have put it there: text or an
infinite number where an instant belongs, bytes where a name does. What cannot be meant is read as absent.
"""

from typing import Any

FARTHEST = 1 << 53  # ms from 1970 in either direction: about 285,000 years


def whole(value: Any) -> int | None:
    """Return a number as a whole one within `FARTHEST`; None for whatever is no such number."""
    if isinstance(value, int):
        return value if abs(value) <= FARTHEST else None
    if isinstance(value, float) and abs(value) <= FARTHEST:
        return round(value)
    return None


def count(value: Any) -> int:
    """Return a number of things or an instant that must be there; 0 for what is no number."""
    return whole(value) or 0


def text(value: Any) -> str | None:
    """Return text; bytes and numbers are shown as they are written in SQL."""
    return value if value is None or isinstance(value, str) else str(value)
