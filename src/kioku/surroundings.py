"""What reports are told from beyond the store: which module a file is of, and which commits git knows."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from kioku.errors import KiokuError

if TYPE_CHECKING:
    from kioku.models import Session
    from kioku.project import Project
    from kioku.reports.commits import Commit, Commits
    from kioku.reports.statistics import Statistics
    from kioku.store.store import Store


def modules(where: "Project", tell: Callable[[str], None]) -> Callable[[str], str | None] | None:
    """Return the function that names a file's module, where the project has been scanned.

    `tell` hears why it cannot be known.
    """
    if not os.path.lexists(os.path.join(where.context_dir, "project.yaml")):
        return None
    from kioku.knowledge import belonging

    try:
        return belonging.of_project(where.context_dir)
    except KiokuError as error:
        tell(f"without modules: {error}")
        return None


def commits_of_range(where: "Project", store: "Store", found: "Statistics") -> "Commits | None":
    """Ask git for the commits of a range; None without a repository, or where git has no answer in time."""
    if not _is_repository(where):
        return None
    from kioku.reports import commits
    from kioku.workspace.commits import made

    known = made(where.workdir, found.since, found.until)
    if known is None:
        return None
    union_ms = found.clocks.union_ms
    return store.read(lambda db: commits.of_range(db, found.since, found.until, known, union_ms=union_ms))


def commits_of_session(where: "Project", store: "Store", session: "Session") -> "list[Commit] | None":
    """Return the commits made during a session; None without a repository, or where git has no answer in time."""
    if session.empty or not _is_repository(where):
        return None
    from kioku.reports import commits
    from kioku.workspace.commits import made

    since, until = session.started_at, session.started_at + session.span_ms
    known = made(where.workdir, *commits.span(since, until))
    if known is None:
        return None
    return store.read(lambda db: commits.of_session(db, session.id, since, until, known))


def _is_repository(where: "Project") -> bool:
    return os.path.lexists(os.path.join(where.workdir, ".git"))
