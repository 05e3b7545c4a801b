"""What a line of an export can say: a path inside of its project, and a session that could have been."""

from typing import TYPE_CHECKING, Any, Final

from kioku import times
from kioku.summaries import SLOT

if TYPE_CHECKING:
    from kioku.store.portable import Archived

_DEEPEST: Final = 50  # levels of what was decided
_LONGEST_SESSION: Final = 3_660 * times.DAY  # a file must not make up millions of days


def check_archived(found: "Archived") -> None:
    """Make sure that an archived session is one that could have been. Raises ValueError."""
    check_depth(found.metadata)
    if not found.first_activity_at <= found.last_activity_at <= found.first_activity_at + _LONGEST_SESSION:
        raise ValueError("has a session that ends before it begins, or years later")
    paths = [name for kind in ("read", "edit") for _, name, _ in found.counts.get(kind, ())]
    for path in {*paths, *(path for path, *_ in found.touched)}:
        check_path(path)
    first, last = found.first_activity_at, max(found.last_start_at, found.last_activity_at)
    for stretches in found.clocks.values():
        ends = [first, *(end for stretch in stretches for end in stretch), last]
        if ends != sorted(ends):
            raise ValueError("has a clock that does not go on from stretch to stretch")
    for counts in found.counts.values():
        if not all(first // SLOT <= slot <= last // SLOT for slot, _, _ in counts):
            raise ValueError("has counts outside of its time")


def check_depth(value: Any, left: int = _DEEPEST) -> None:
    """Make sure that decoded JSON can be walked through. Raises ValueError."""
    if not left:
        raise ValueError("is nested too deeply")
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            check_depth(part, left - 1)


def check_path(path: str) -> None:
    """Make sure that a path does not lead out of its project. Raises ValueError."""
    if "\0" in path or ".." in path.replace("\\", "/").split("/"):
        raise ValueError("has a path that leads elsewhere")
