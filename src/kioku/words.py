"""Small words around numbers, for people."""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 session`, `2 sessions`, `3 activities`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun.removesuffix('y')}ies" if noun.endswith("y") else f"{number} {noun}s"
