"""Resuming: the last session's recap and the working tree, put together for whoever begins the next one.

What hooks hand over is a file in the user's state folder, made ready after a session ended. A store that the person
has not adopted gives nothing there: what it knows is the repository's text. The file's first line says which store it
was made from; hooks hand nothing over where that one is not there any more.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kioku.errors import KiokuError
from kioku.hook import folder_name, make_private, user_folder
from kioku.knowledge.resume import Resume, resume
from kioku.project import Project
from kioku.redaction import redact
from kioku.reports import recap as recaps
from kioku.reports import sessions as reports
from kioku.reports.sessions import Judge
from kioku.store.store import Store
from kioku.workspace.plain_files import replace_plain
from kioku.workspace.uncommitted import DEADLINE_S, tree
from kioku.workspace.worktree import linked_worktrees

if TYPE_CHECKING:
    import apsw

START: Final = "start"  # the folder that hooks look in


def look(
    store: Store,
    where: Project,
    *,
    budget: float,
    now: int,
    judge: Judge,
    session_id: str | None = None,
    without: Sequence[str] = (),
    prepared: bool = False,
    git_deadline_s: float = DEADLINE_S,
) -> Resume:
    """Return what the next session is told: of the session asked for, else of the one it goes on with.

    Raises UsageError for a session that there is not, StoreError.
    """
    own = store.is_registered

    def gather(db: "apsw.Connection") -> recaps.Recap | None:
        if session_id is not None:
            return recaps.recap(db, reports.find(db, session_id, now=now, judge=judge), own=own)
        found = recaps.last(db, now=now, judge=judge, without=without, only_ended=prepared)
        return None if found is None else recaps.recap(db, *found, own=own)

    def exists(path: str) -> bool:
        return os.path.lexists(os.path.join(where.workdir, path))

    recap = store.read(gather)
    here = None if recap is None else tree(where.workdir, recap.session.branch, deadline_s=git_deadline_s)
    return resume(recap, here, exists, budget=budget, now=now, prepared=prepared)


def discard(where: Project) -> None:
    """Remove what hooks hand over, in every worktree: it quotes what is about to be gone. Raises OSError.

    It is made ready again after the next session.
    """
    for path in _paths(where, linked_worktrees(where.root)):
        _remove(path)


def _paths(where: Project, others: Sequence[str] = ()) -> list[str]:
    folder = os.path.join(user_folder("state"), START)
    return [os.path.join(folder, folder_name(root)) for root in dict.fromkeys((where.root, where.workdir, *others))]


def prepare(
    store: Store, where: Project, *, budget: float, now: int, judge: Judge, git_deadline_s: float = DEADLINE_S
) -> None:
    """Make ready what hooks hand over when a session begins, unless nothing ended since. Raises nothing."""
    paths = _paths(where)
    try:
        if not store.is_registered:
            for path in paths:
                _remove(path)
            return
        head = _made_from(store)
        stamp = f"{store.id} {budget:g} {store.read(recaps.stamp)} ".encode() + head
        if all(_read(f"{path}.of") == stamp for path in paths):
            return
        found = look(store, where, budget=budget, now=now, judge=judge, prepared=True, git_deadline_s=git_deadline_s)
        make_private(os.path.join(user_folder("state"), START))
        for path in paths:
            if found.session_id is None:
                _remove(path)
            else:
                replace_plain(path, head + b"\n" + redact(found.text).encode("utf-8", "replace"))
            replace_plain(f"{path}.of", stamp)
    except (KiokuError, OSError):
        return  # the next process tries again; until then a session begins without it


def _made_from(store: Store) -> bytes:
    """Return which file the text is made from, as hooks compare it: device, inode and path. Raises OSError."""
    status = os.lstat(store.path)
    return b"%d %d %s" % (status.st_dev, status.st_ino, os.fsencode(store.path))


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read(4096)
    except OSError:
        return None


def _remove(path: str) -> None:
    for name in (path, f"{path}.of"):
        try:
            os.unlink(name)
        except FileNotFoundError:
            pass
