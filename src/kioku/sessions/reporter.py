"""What a server reports of its own work: each report redacted, with the branch that is checked out, in no hidden place.

Text is redacted before it is cut: a secret that crosses the border would not be known by its first half.
"""

import os
from collections.abc import Sequence
from typing import Final

from kioku.models import SERVER, Report, new_key
from kioku.redaction import Redacted, redact
from kioku.settings import is_excluded
from kioku.workspace.worktree import read_branch

_LONGEST_SECRET: Final = 65_536  # characters that are redacted beyond those that are kept


def cut(text: str, longest: int) -> Redacted:
    """Redact a text, then cut it."""
    return Redacted(redact(text[: longest + _LONGEST_SECRET])[:longest])


class Reporter:
    """Makes the reports of a server in a working tree. The names of files in folders of `exclude` are not kept."""

    def __init__(self, workdir: str, exclude: Sequence[str]) -> None:
        self._workdir = workdir
        self._exclude = exclude

    def report(
        self,
        kind: Redacted,
        at: int,
        took: int | None = None,
        *,
        tool: str | None = None,
        path: str | None = None,
        detail: str | None = None,
        ok: bool | None = None,
    ) -> Report:
        """Return a new report of what began at `at` and lasted `took` ms."""
        branch = read_branch(self._workdir)
        if path is not None and self.is_hidden(path):
            path = detail = None
        return Report(
            key=new_key(),
            source=SERVER,
            at=at,
            took=took,
            kind=kind,
            tool=None if tool is None else cut(tool, 200),
            path=None if path is None else cut(path, 4096),
            branch=None if branch is None else cut(branch, 300),
            detail=None if detail is None else cut(detail, 2000),
            ok=ok,
        )

    def is_hidden(self, path: str) -> bool:
        """Tell whether a file's name must not be kept."""
        return bool(self._exclude) and is_excluded(os.path.join(self._workdir, path), self._exclude)
