"""Notes of which folders' conversations wait in the person's own store until their project has one of its own.

One small file for each folder, so that looking costs next to nothing: every command looks.
"""

import os
from typing import Final

from kioku import spooling
from kioku.project import Project
from kioku.settings import user_folder
from kioku.workspace.worktree import linked_worktrees

_FOLDER: Final = "waiting"


def note(root: str) -> None:
    """Note that the person's own store keeps something of a folder. Failing is harmless: then it stays there."""
    path = place(root)
    if os.path.lexists(path):
        return
    try:
        spooling.make_private(os.path.dirname(path))
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError:
        pass  # `--own` shows it


def is_due(where: Project) -> bool:
    """Tell whether the person's own store keeps something of a project."""
    try:
        kept = set(os.listdir(_waiting()))
    except OSError:
        return False  # there never was anything
    return bool(kept) and any(spooling.folder_name(root) in kept for root in roots(where))


def roots(where: Project) -> tuple[str, ...]:
    """Return the folders of which a project's conversations may have been told."""
    return tuple(dict.fromkeys((where.root, where.workdir, *linked_worktrees(where.root))))


def place(root: str) -> str:
    """Return where the note of a folder is, or would be."""
    return os.path.join(_waiting(), spooling.folder_name(root))


def _waiting() -> str:
    return os.path.join(user_folder("state"), _FOLDER)
