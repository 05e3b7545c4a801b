"""Small words around numbers and names, for people."""

from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 session`, `2 sessions`, `3 activities`."""
    if number == 1:
        return f"1 {noun}"
    # "activity", but "day"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}s"


def nearest(name: str, names: Sequence[str], most: int = 50) -> str:
    """Say which of the names a person may have meant; where none is close, which there are, so many of them."""
    import difflib

    close = difflib.get_close_matches(name, names, 1, 0.4)
    if close:
        return f"did you mean '{close[0]}'?"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"there are: {', '.join(names[:most])}{more}"
