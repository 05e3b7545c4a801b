"""Resuming: the last session's recap and the working tree, put together for whoever begins the next one.

What hooks hand over is a file in the user's state folder, made ready after a session ended. A store that the person
has not adopted gives nothing there: what it knows is the repository's text. Each worktree has a file of its own; one
in which no Kioku process was since tells of no branch and of nothing uncommitted.
"""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from kioku import telling
from kioku.errors import KiokuError
from kioku.hook import user_folder
from kioku.knowledge.resume import Line, Resume, prepared, resume
from kioku.project import Project
from kioku.redaction import redact
from kioku.reports import recap as recaps
from kioku.reports import sessions as reports
from kioku.reports.sessions import Judge
from kioku.settings import is_excluded
from kioku.spooling import folder_name, make_private
from kioku.store.store import Store
from kioku.workspace.plain_files import replace_plain
from kioku.workspace.uncommitted import DEADLINE_S, tree
from kioku.workspace.worktree import linked_worktrees, moving_files

if TYPE_CHECKING:
    import apsw

START: Final = "start"  # the folder that hooks look in
_FORM: Final = 2  # of the file: what an older Kioku laid down is made anew
_ELSEWHERE: Final = b"elsewhere "  # made ready by a process in another worktree


def look(
    store: Store,
    where: Project,
    *,
    budget: float,
    now: int,
    judge: Judge,
    session_id: str | None = None,
    without: Sequence[str] = (),
    git_deadline_s: float = DEADLINE_S,
) -> Resume:
    """Return what the next session is told: of the session asked for, else of the one it goes on with.

    Raises UsageError for a session that there is not, StoreError.
    """
    recap = _recap(store, now, judge, session_id=session_id, without=without)
    branch = None if recap is None or recap.session is None else recap.session.branch
    here = None if recap is None else tree(where.workdir, branch, deadline_s=git_deadline_s)
    return resume(recap, here, _seeing(where.workdir), budget=budget, now=now)


def _recap(
    store: Store,
    now: int,
    judge: Judge,
    *,
    session_id: str | None = None,
    without: Sequence[str] = (),
    only_ended: bool = False,
) -> recaps.Recap | None:
    own = store.is_registered

    def gather(db: "apsw.Connection") -> recaps.Recap | None:
        if session_id is not None:
            return recaps.recap(db, reports.find(db, session_id, now=now, judge=judge), own=own)
        last = recaps.last(db, now=now, judge=judge, without=without, only_ended=only_ended)
        found = recaps.recap(db, None, own=own) if last is None else recaps.recap(db, *last, own=own)
        return found if found.session is not None or found.known else None

    return store.read(gather)


def _seeing(folder: str) -> Callable[[str], bool]:
    return lambda path: os.path.lexists(os.path.join(folder, path))


def discard(where: Project) -> None:
    """Remove what hooks hand over, in every worktree: it quotes what is about to be gone. Raises OSError.

    It is made ready again after the next session.
    """
    for root in _roots(where):
        _remove(_path(root))
    folder = os.path.join(user_folder("state"), START)
    store = f" {where.store_path}".encode("utf-8", "surrogateescape")
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if (_read(os.path.join(folder, name)) or b"").partition(b"\n")[0].endswith(store):
            _remove(os.path.join(folder, name))  # of a worktree that is gone


def _roots(where: Project) -> list[str]:
    return list(dict.fromkeys((where.workdir, where.root, *linked_worktrees(where.root))))


def _path(root: str) -> str:
    return os.path.join(user_folder("state"), START, folder_name(root))


def prepare(
    store: Store,
    where: Project,
    *,
    budget: float,
    now: int,
    judge: Judge,
    exclude: Sequence[str] = (),
    git_deadline_s: float = DEADLINE_S,
) -> None:
    """Make ready what hooks hand over when a session begins, unless nothing ended since. Raises nothing.

    Nothing is made for a worktree in one of the folders `exclude`.
    """
    try:
        if not store.is_registered:
            discard(where)
            return
        status = os.lstat(store.path)
        made_from = (_FORM, store.id, f"{budget:g}", store.read(recaps.stamp), status.st_dev, status.st_ino, store.path)
        stamp = " ".join(map(str, made_from)).encode("utf-8", "surrogateescape")
        if _read(f"{_path(where.workdir)}.of") == stamp:
            return
        recap = _recap(store, now, judge, only_ended=True)
        make_private(os.path.join(user_folder("state"), START))
        for root in _roots(where):
            if is_excluded(root, exclude):
                continue
            is_here = root == where.workdir
            mark = stamp if is_here else _ELSEWHERE + stamp
            if _read(f"{_path(root)}.of") not in (mark, stamp):
                text = _text(store, root, recap, budget, now, git_deadline_s if is_here else None)
                if text is None:
                    _remove(_path(root))
                else:
                    replace_plain(_path(root), text)
                replace_plain(f"{_path(root)}.of", mark)
    except (KiokuError, OSError):
        return  # the next process tries again; until then a session begins without it


def _text(
    store: Store, root: str, recap: recaps.Recap | None, budget: float, now: int, git_deadline_s: float | None
) -> bytes | None:
    """Return what hooks hand over in a folder; without a deadline for git, nothing of what is checked out there."""
    if recap is None:
        return None
    branch = None if recap.session is None else recap.session.branch
    names = [] if git_deadline_s is None else moving_files(root, [branch])
    # Before git is asked: what changes meanwhile counts as changed.
    watched = [(name, telling.status(name)) for name in names if redact(name) == name]
    here = None if git_deadline_s is None else tree(root, branch, deadline_s=git_deadline_s)
    lines = prepared(recap, here, _seeing(root), budget=budget, now=now)
    return telling.lay_down(store.path, watched, [told for line in lines if (told := _told(line)) is not None])


def _told(line: Line) -> "telling.Told | None":
    """Return a line as it may lie in a file: one that a secret is the name of cannot be looked for, and is left out."""
    files = [(path, redact(shown)) for path, shown in line.files if redact(path) == path]
    return None if line.files and not files else (line.when, redact(line.text), redact(line.tail), files)


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
