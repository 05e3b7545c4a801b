"""Small words around numbers, for people."""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 session`, `2 sessions`, `3 activities`."""
    if number == 1:
        return f"1 {noun}"
    # "activity", but "day"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}s"
