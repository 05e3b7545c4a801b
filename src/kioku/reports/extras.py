"""What stands beside the statistics of a range where it was asked for or is known: commits, and the order of files."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from kioku.reports.commits import Commits
from kioku.reports.statistics import Share

ORDERS: Final = ("reads", "edits", "heat")


class Extras(msgspec.Struct, frozen=True, kw_only=True):
    """`commits` is None where git knows none, `order` and `heat` (of each path) where they were not asked for."""

    commits: Commits | None = None
    order: str | None = None
    heat: dict[str, float] | None = None

    def heat_of(self, file: Share) -> float:
        """Return the heat of a file; one that was not touched lately has none."""
        return (self.heat or {}).get(file.name, 0.0)

    def ordered(self, files: Sequence[Share]) -> list[Share]:
        """Return the files in the order that was asked for, most first; what is equal stays as it was."""
        weights: dict[str, Callable[[Share], float]] = {
            "reads": lambda file: file.reads,
            "edits": lambda file: file.edits,
            "heat": self.heat_of,
        }
        return list(files) if self.order is None else sorted(files, key=weights[self.order], reverse=True)
