"""Where a project's git folder is, which working tree is the main one, and which branch is checked out.

Invariant: a `.git` that leads elsewhere is believed only where the other end names this very folder. No
program runs and little is imported: this is on the start-up path.
"""

import os
import stat
from collections.abc import Sequence

import msgspec

from kioku.errors import ToolError

DETACHED = "detached:"  # and a short hash, where no branch is checked out: no branch can be called so
_SMALL = 64 * 1024


class GitDir(msgspec.Struct, frozen=True, kw_only=True):
    """A validated repository: `common` is what worktrees share, `linked` says that this is one."""

    path: str
    common: str
    linked: bool


def find_git_dir(root: str) -> GitDir:
    """Return the git folder of the repository whose top folder is `root`.

    Raises ToolError where there is none, or where it is not to be trusted.
    """
    entry = os.path.join(root, ".git")
    try:
        mode = os.lstat(entry).st_mode
    except (OSError, ValueError):
        raise ToolError(
            "The project's folder is not the top of a git repository.",
            hint="start Kioku at the repository's top folder",
        ) from None
    if stat.S_ISDIR(mode):
        return GitDir(path=entry, common=entry, linked=False)
    text = _small_text(entry) if stat.S_ISREG(mode) else None
    if text is None or not text.startswith("gitdir:"):
        raise ToolError("The project's .git is neither a folder nor a git link file; it is not followed.")
    admin = os.path.realpath(os.path.join(root, text.removeprefix("gitdir:").strip("\r\n").strip(" ")))
    found = _linked_worktree(entry, admin) or _submodule(root, admin)
    if found is None:
        raise ToolError(
            "The project's .git file leads to a repository that does not know this folder: not followed.",
            hint='"git worktree repair" mends the link of a worktree that was moved',
        )
    return found


def main_worktree(root: str) -> str | None:
    """Return the main working tree of a linked worktree, None for every other folder."""
    try:
        git = find_git_dir(root)
    except ToolError:
        return None
    if not git.linked or os.path.basename(git.common) != ".git":
        return None
    main = os.path.dirname(git.common)
    return main if stat.S_ISDIR(os.lstat(git.common).st_mode) else None


def linked_worktrees(root: str) -> list[str]:
    """Return the linked worktrees of which a folder is the main one, as far as they are still there."""
    folder = os.path.join(root, ".git", "worktrees")
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    found = []
    for name in names:
        named = (_small_text(os.path.join(folder, name, "gitdir")) or "").strip("\r\n")
        worktree = os.path.dirname(os.path.realpath(os.path.join(folder, name, named)))
        if named and main_worktree(worktree) == root:
            found.append(worktree)
    return found


def read_branch(root: str) -> str | None:
    """Return the branch that is checked out, "detached:" and a short hash, or None where unknown."""
    try:
        head = _small_text(os.path.join(find_git_dir(root).path, "HEAD"))
    except ToolError:
        return None
    line = (head or "").strip()
    if line.startswith("ref: refs/heads/"):
        branch = line.removeprefix("ref: refs/heads/")
        usable = 0 < len(branch) <= 255 and branch.isprintable() and branch != ".invalid"  # .invalid: reftable
        return branch if usable else None
    if len(line) in (40, 64) and set(line) <= set("0123456789abcdef"):
        return f"{DETACHED}{line[:7]}"
    return None


def moving_files(root: str, branches: Sequence[str | None]) -> list[str]:
    """Return the files of git's of which one changes when a folder's commit, its branch or one of `branches` does."""
    try:
        git = find_git_dir(root)
    except ToolError:
        return []
    names = {read_branch(root), *branches}
    heads = [os.path.join("refs", "heads", *name.split("/")) for name in sorted(filter(None, names))]
    shared = [*heads, os.path.join("refs", "stash"), "packed-refs", os.path.join("reftable", "tables.list")]
    return [os.path.join(git.path, "HEAD"), *(os.path.join(git.common, name) for name in shared)]


def _small_text(path: str) -> str | None:
    """Return the text of a small regular file, None for everything else."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        opened = os.open(path, flags)
    except (OSError, ValueError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            return None
        data = os.read(opened, _SMALL)
        return None if b"\0" in data else os.fsdecode(data)
    except OSError:
        return None
    finally:
        os.close(opened)


def _linked_worktree(entry: str, admin: str) -> GitDir | None:
    back, shared = _small_text(os.path.join(admin, "gitdir")), _small_text(os.path.join(admin, "commondir"))
    if not back or not shared:
        return None
    common = os.path.realpath(os.path.join(admin, shared.strip("\r\n")))
    named = os.path.join(admin, back.strip("\r\n"))  # may be relative to the folder it is in (git 2.48)
    # The place as well as the content: both files are the repository's own word, where they are is not.
    if os.path.realpath(named) != os.path.realpath(entry) or os.path.dirname(admin) != os.path.join(
        common, "worktrees"
    ):
        return None
    return GitDir(path=admin, common=common, linked=True) if _is_repository(common) else None


def _submodule(root: str, admin: str) -> GitDir | None:
    worktree = _core_worktree(_small_text(os.path.join(admin, "config")) or "")
    if worktree is None or os.path.realpath(os.path.join(admin, worktree)) != os.path.realpath(root):
        return None
    return GitDir(path=admin, common=admin, linked=False) if _is_repository(admin) else None


def _is_repository(folder: str) -> bool:
    return all(os.path.lexists(os.path.join(folder, name)) for name in ("HEAD", "objects", "refs"))


def _core_worktree(config: str) -> str | None:
    section, found = "", None
    for line in map(str.strip, config.splitlines()):
        if line.startswith("["):
            section = line.split("]")[0].strip("[ ").lower()
        elif section == "core":
            key, equals, value = line.partition("=")
            if equals and key.strip().lower() == "worktree":
                found = value.strip().strip('"')
    return found
