"""Commits and the time that went into them: what git says was made, put beside what was recorded.

A commit was made during a session if it was committed (or, where it was rewritten later, authored) from its start to
5 minutes after its end. Its time is the session's active time since the commit before it, or since the start.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import apsw
import msgspec

from kioku import times
from kioku.reports.sessions import active_stretches
from kioku.store.values import whole

if TYPE_CHECKING:  # what runs git is not loaded where there is nothing to ask it
    from kioku.workspace.commits import Made

SLACK: Final = 5 * times.MINUTE  # a commit often is the last thing that a session comes to


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit made during a session at `at`; `active_ms` is the session's active time since the one before it."""

    sha: str
    short: str
    author: str
    at: int
    subject: str
    active_ms: int


class Commits(msgspec.Struct, frozen=True, kw_only=True):
    """The commits of a range: how many were made during sessions, how many at other times.

    `active_ms` is the range's `union_ms` for each commit made during a session; None while there is none.
    """

    during_sessions: int
    others: int
    active_ms: int | None


def span(since: int, until: int) -> tuple[int, int]:
    """Return the first and the last instant at which a commit counts to a session from `since` to `until`."""
    return since, max(since, until) + SLACK


def of_session(db: apsw.Connection, session_id: str, since: int, until: int, made: "Iterable[Made]") -> list[Commit]:
    """Return the commits made during a session that lasted from `since` to `until`, each with its time, by instant."""
    first, last = span(since, until)
    told = [(at, commit) for commit in made if (at := commit.at(first, last)) is not None]
    active = active_stretches(db, session_id)
    found, before = [], min([first, *(since for since, _ in active[:1])])
    for at, commit in sorted(told, key=lambda one: (one[0], one[1].committed_at, one[1].sha)):
        found.append(
            Commit(
                sha=commit.sha, short=commit.short, author=commit.author, at=at, subject=commit.subject,
                active_ms=sum(max(0, min(until, at) - max(since, before)) for since, until in active),
            )
        )  # fmt: skip
        before = at
    return found


def of_range(db: apsw.Connection, since: int, until: int, made: "Iterable[Made]", *, union_ms: int) -> Commits:
    """Return the commits made from `since` up to `until`, where `union_ms` is the active time of that range."""
    instants = sorted(at for commit in made if (at := commit.at(since, until - 1)) is not None)
    spans = _spans(db, instants)
    during = sum(
        any(first <= at <= last for day in {(at - SLACK) // times.DAY, at // times.DAY} for first, last in spans[day])
        for at in instants
    )
    return Commits(
        during_sessions=during, others=len(instants) - during, active_ms=union_ms // during if during else None
    )


def _spans(db: apsw.Connection, instants: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    """Return when a commit counts to a session, for each UTC day that has to do with one of the instants."""
    days = {day for at in instants for day in ((at - SLACK) // times.DAY, at // times.DAY)}
    found: dict[int, list[tuple[int, int]]] = {day: [] for day in days}
    for day in days:
        for row in db.execute(_OF_DAY, (day, (day + 1) * times.DAY, day * times.DAY)):
            started_at, ended_at = whole(row[0]), whole(row[1])
            if started_at is not None:
                found[day].append(span(started_at, ended_at or started_at))
    return found


_OF_DAY: Final = """
SELECT s.started_at, coalesce(s.ended_at, s.last_activity_at) FROM session_days d
JOIN sessions s ON s.seq = d.session WHERE d.day = ?1 AND s.digest IS NOT NULL AND s.empty = 0
UNION ALL
SELECT started_at, coalesce(ended_at, last_activity_at) FROM sessions INDEXED BY sessions_undigested
WHERE digest IS NULL AND empty = 0 AND started_at < ?2 AND last_activity_at >= ?3"""
