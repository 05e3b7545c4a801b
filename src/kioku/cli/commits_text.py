"""The commits of a session, for people."""

import os

from kioku import times
from kioku.cli.output import print_table
from kioku.models import Session
from kioku.project import Project
from kioku.reports import commits
from kioku.reports.commits import Commit
from kioku.store.store import Store


def of_session(where: Project, store: Store, session: Session) -> list[Commit] | None:
    """Return the commits made during a session; None without a repository, or where git has no answer in time."""
    if session.empty or not os.path.lexists(os.path.join(where.workdir, ".git")):
        return None
    from kioku.workspace.commits import made

    since, until = session.started_at, session.started_at + session.span_ms
    known = made(where.workdir, *commits.span(since, until))
    if known is None:
        return None
    return store.read(lambda db: commits.of_session(db, session.id, since, until, known))


def show(found: list[Commit]) -> None:
    """Print them, each with the active time that went into it."""
    print("\nCommits")
    rows = [
        (commit.short, times.local_text(commit.at), times.duration_text(commit.active_ms), commit.subject)
        for commit in found
    ]
    print_table(("commit", "made", "active", "subject"), rows, right=("active",))
