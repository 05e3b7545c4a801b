"""How much something is beside the most there is, in five levels: what calendars and grids draw, in every face."""

from typing import Final

LEVELS: Final = 5


def level(value: float, most: float) -> int:
    """Return the level of a value, from 0 for none to 4 for the upper quarter of what there is at most."""
    if value <= 0 or most <= 0:
        return 0
    return min(LEVELS - 1, 1 + int(value / most * (LEVELS - 1)))
