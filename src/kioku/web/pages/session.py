"""One session: its clocks, what was active when, files, tools, what it goes on with, and the latest activity."""

from typing import Any, Final

from kioku import surroundings, times
from kioku.knowledge.believing import believed
from kioku.reports import continuity, said, sessions
from kioku.sessions import continuity as rules
from kioku.store import discoveries
from kioku.web.pictures import lanes as pictures
from kioku.web.pictures.lanes import Axis, Piece
from kioku.web.shelf import Place, Shelf

_ACTIVITIES: Final = 100


def values(shelf: Shelf, place: Place, session_id: str, now: int) -> dict[str, Any]:
    """Return what the page shows of a session. Raises UsageError for an id that no session has, naming the nearest."""
    judge = place.judge
    with shelf.opened(place) as store:
        session = store.read(lambda db: sessions.find(db, session_id, now=now, judge=judge))
        active = store.read(lambda db: sessions.active_stretches(db, session.id))
        chain = store.read(lambda db: continuity.continuity(db, session.id, now=now, judge=judge, own=place.own))
        found = {
            "files": store.read(lambda db: sessions.files(db, session.id)),
            "tools": store.read(lambda db: sessions.tools(db, session.id)),
            "latest": store.read(lambda db: sessions.activities(db, session.id, limit=_ACTIVITIES)),
            "turns": [turn for turn in store.read(lambda db: said.latest(db, session.id)) if turn.text.strip()],
            "discoveries": [
                believed(row, registered=store.is_registered)
                for row in store.read(discoveries.every)
                if any(part.session == session.id for part in row.evidence) or row.session == session.id
            ],
            "commits": None if place.own else surroundings.commits_of_session(place.where, store, session),
            "folder": store.read(lambda db: sessions.folders(db, [session.id])).get(session.id),
        }
    until = max([session.started_at + 1, session.last_activity_at, *(end for _, end in active[-1:])])
    piece = Piece(
        since=session.started_at, until=until, stretches=active, label="", title="active stretches and breaks",
        href=None, kind=0, runs=session.status == "active",
    )  # fmt: skip
    over = Axis(session.started_at, until, _ticks(session.started_at, until))
    return {
        **found, "session": session, "chain": chain, "breaks": rules.breaks(active, session.timeout_ms),
        "strip": pictures.lanes(over, [[piece]], "When the session was active"),
    }  # fmt: skip


def _ticks(since: int, until: int) -> list[tuple[int, str]]:
    """Return eight instants at most, evenly spread, as the local clock shows them."""
    step = max(times.MINUTE, (until - since) // 8)
    return [(at, times.local_text(at)[-5:]) for at in range(since, until, step)]
