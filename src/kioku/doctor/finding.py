"""What a check says: what it found, why it matters, and the fix."""

from collections.abc import Callable
from typing import Literal

import msgspec

State = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, kw_only=True):
    """What a check found. `mend` does what `fix` says, where that is safe."""

    check: str
    state: State
    found: str
    why: str = ""
    fix: str = ""
    mend: Callable[[], None] | None = None

    def as_json(self) -> dict[str, str | bool]:
        """Return the finding as plain values."""
        texts = {name: getattr(self, name) for name in ("check", "state", "found", "why", "fix")}
        return {**texts, "fixable": self.mend is not None}
