"""Which commits of a repository's local branches were made in a stretch of time, by one bounded look at its history."""

from typing import Final

import msgspec

from kioku.errors import ToolError
from kioku.workspace.gitcall import call, open_repository

__all__ = ["Made", "made"]

DEADLINE_S: Final = 2.0  # for each of the two times that git is called

_OUTPUT_MAX = 16 * 1024 * 1024
_TEXT_MAX = 500
_FIELDS = 6


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A commit; `authored_at` is when its change was first made, `committed_at` when it got this form (ms)."""

    sha: str
    short: str
    author: str
    authored_at: int
    committed_at: int
    subject: str

    def at(self, since: int, until: int) -> int | None:
        """Return the instant at which it was made within a stretch of time, both ends included; None if it was not.

        That is when it got its form, or, where that was at another time, when its change was first made.
        """
        return next((at for at in (self.committed_at, self.authored_at) if since <= at <= until), None)


def made(root: str, since: int, until: int, *, deadline_s: float = DEADLINE_S) -> list[Made] | None:
    """Return the commits on any local branch that were made from `since` to `until` (ms, included), in no order.

    None where nobody can tell: without git, without a repository, or where git has no answer in time.
    """
    try:
        repository = open_repository(root, deadline_s=deadline_s)
        # What was committed before cannot have been changed later. Later commits may tell of earlier changes.
        found = call(
            repository,
            [
                *("log", "-z", "--branches", f"--max-age={max(0, since // 1000)}"),
                *("--no-show-signature", "--no-notes", "--no-decorate", "--no-mailmap", "--no-color"),
                *("--format=tformat:%H%x00%h%x00%an%x00%at%x00%ct%x00%s", "--end-of-options", "--"),
            ],
            max_bytes=_OUTPUT_MAX,
        )
    except ToolError:
        return None
    if found.exit_code != 0:
        return None
    fields = found.stdout.decode("utf-8", "replace").split("\0")
    commits = [_commit(fields[at : at + _FIELDS]) for at in range(0, len(fields) - _FIELDS + 1, _FIELDS)]
    return [commit for commit in commits if commit.at(since, until) is not None]


def _commit(fields: list[str]) -> Made:
    sha, short, author, authored, committed, subject = fields
    return Made(
        sha=sha, short=short, author=author[:_TEXT_MAX], authored_at=_ms(authored), committed_at=_ms(committed),
        subject=subject[:_TEXT_MAX],
    )  # fmt: skip


def _ms(seconds: str) -> int:
    return int(seconds) * 1000 if seconds.lstrip("-").isdecimal() and len(seconds) < 15 else 0
