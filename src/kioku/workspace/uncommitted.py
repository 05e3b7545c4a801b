"""What a working tree stands at: its branch, what is not committed, and what became of another branch."""

import os
from typing import Final

import msgspec

from kioku.errors import ToolError, UsageError
from kioku.workspace.gitcall import Repository, call, commit, open_repository
from kioku.workspace.paths import printable
from kioku.workspace.worktree import DETACHED, read_branch

DEADLINE_S: Final = 1.0  # for each of at most six times that git is called

_TRUNKS: Final = frozenset({"main", "master", "trunk", "develop"})
_OUTPUT_MAX = 1024 * 1024


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A working tree: the branch checked out, and the first files that differ from its last commit.

    `others` is how many more there are. `is_gone` tells that the branch asked about was deleted, or merged into this
    one; a trunk, which others grow from, is not gone for that. `uncommitted` is None where git had no answer.
    """

    branch: str | None
    uncommitted: tuple[str, ...] | None = None
    others: int = 0
    is_gone: bool = False


def tree(root: str, other: str | None, *, most: int = 20, deadline_s: float = DEADLINE_S) -> Tree:
    """Return what a working tree stands at, and what became of the branch `other`. Raises nothing."""
    here = read_branch(root)
    try:
        repository = open_repository(root, deadline_s=deadline_s)
        status = call(
            repository,
            ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=dirty"],
            max_bytes=_OUTPUT_MAX,
        )
        names = [printable(os.fsdecode(entry[3:]), 300) for entry in status.stdout.split(b"\0") if len(entry) > 3]
        is_gone = other is not None and other != here and _is_gone(repository, other)
    except (ToolError, UsageError):
        return Tree(branch=here)
    if status.exit_code != 0:
        return Tree(branch=here, is_gone=is_gone)
    return Tree(branch=here, uncommitted=tuple(names[:most]), others=max(0, len(names) - most), is_gone=is_gone)


def _is_gone(repository: Repository, branch: str) -> bool:
    if branch.startswith(DETACHED):
        return False
    try:
        tip = commit(repository, f"refs/heads/{branch}")
    except (ToolError, UsageError):
        return True
    if branch in _TRUNKS:
        return False
    return call(repository, ["merge-base", "--is-ancestor", tip, "HEAD"], max_bytes=1024).exit_code == 0
