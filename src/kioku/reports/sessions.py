"""One session, and what was done in it.

The status shown is computed for the instant asked about, so it is right on a store that nobody sweeps: a session
that has been silent for its timeout is completed, and so is one whose owner is dead.
"""

from collections.abc import Callable, Sequence

import apsw
import msgspec

from kioku.errors import UsageError
from kioku.models import SOURCES, Session, TouchedFile
from kioku.sessions import settling, sweep
from kioku.sessions.lease import Verdict
from kioku.store import merges
from kioku.store import sessions as rows
from kioku.store.merges import Member
from kioku.store.values import whole
from kioku.summaries import ACTIVE_CLOCK, CALL

Judge = Callable[[str], Verdict]


class Activity(msgspec.Struct, frozen=True):
    """One thing that happened in a session."""

    at: int
    took_ms: int | None
    kind: str
    tool: str | None
    path: str | None
    source: str
    ok: bool | None
    detail: str | None


def standing(session: Session, now: int, judge: Judge) -> Session:
    """Return the session as it stands at `now`: what the next sweep would make of it."""
    if session.status != "active":
        return session
    columns = {name: getattr(session, name) for name in ("id", "owner", "client", "started_at", "last_activity_at")}
    candidate = sweep.Open(
        seq=0, stream=None, first_activity_at=session.started_at, timeout_ms=session.timeout_ms, **columns
    )
    over = sweep.plan([candidate], now, judge)
    if not over:
        return session
    return msgspec.structs.replace(
        session, status="completed", ended_at=session.last_activity_at, end_reason=over[0].reason
    )


def find(db: apsw.Connection, wanted: str, *, now: int, judge: Judge) -> Session:
    """Return the session with that id, or with a former id, or the only one whose id begins so.

    Raises UsageError for an unknown or ambiguous id, naming the nearest.
    """
    wanted = wanted[:64]
    ids = [row[0] for row in db.execute("SELECT id FROM sessions WHERE id = ?", (wanted,))]
    ids = ids or _led_to(db, wanted)
    if not ids and wanted:
        pattern = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        ids = [row[0] for row in db.execute("SELECT id FROM sessions WHERE id LIKE ? ESCAPE '\\' LIMIT 6", (pattern,))]
        if not ids:
            former = db.execute("SELECT id FROM anchors WHERE id LIKE ? ESCAPE '\\' ORDER BY id LIMIT 20", (pattern,))
            ids = list(dict.fromkeys(id for row in former.fetchall() for id in _led_to(db, str(row[0]))))
    if len(ids) > 1:
        raise UsageError(f"session id '{wanted}' is ambiguous", hint=f"there are {', '.join(ids[:5])}")
    if not ids:
        raise UsageError(f"there is no session '{wanted}'", hint=_nearest(db, wanted))
    row = rows.by_id(db, ids[0])
    assert row is not None
    return standing(row.session, now, judge)


def parts(db: apsw.Connection, session_id: str) -> list[Member]:
    """Return what a merged session is made of, by start; nothing for any other."""
    return merges.members(db, session_id)


def _led_to(db: apsw.Connection, id: str) -> list[str]:
    """Return the session to which a former id leads, if it does."""
    found = [row[0] for row in db.execute(_ALIAS, (id,))]
    return found or [row[0] for row in db.execute(_ARCHIVED_ALIAS, (id,))]


_ALIAS = """
SELECT s.id FROM anchors a
JOIN reports r ON r.key = a.key AND r.stream = a.stream
JOIN runs u ON u.stream = a.stream JOIN sessions s ON s.seq = u.session
WHERE a.id = ? AND NOT EXISTS (SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source)
ORDER BY u.since <= r.at DESC, abs(u.since - r.at) LIMIT 1"""

_ARCHIVED_ALIAS = """
SELECT s.id FROM anchors a JOIN sessions s ON s.stream = a.stream
WHERE a.id = ? AND s.seq IN (SELECT session FROM archived)"""


def _nearest(db: apsw.Connection, wanted: str) -> str:
    import difflib

    ids = [row[0] for row in db.execute("SELECT id FROM sessions ORDER BY started_at DESC LIMIT 1000")]
    close = difflib.get_close_matches(wanted, ids, 1, 0.3) or ids[:1]
    return f"the nearest is {close[0]}" if close else "no session has been recorded yet"


def folders(db: apsw.Connection, session_ids: Sequence[str]) -> dict[str, str]:
    """Return the folders of those sessions that are kept in a store that is not their folder's."""
    found: dict[str, str] = {}
    for session_id in session_ids:
        row = db.execute(
            "SELECT x.folder FROM sessions s JOIN streams x ON x.id = s.stream WHERE s.id = ?", (session_id,)
        ).fetchone()
        if row is not None and isinstance(row[0], str):
            found[session_id] = row[0]
    return found


def active_stretches(db: apsw.Connection, session_id: str) -> Sequence[tuple[int, int]]:
    """Return the stretches in which a session was active, (since, until) in ms, disjoint and by time."""
    row = db.execute("SELECT seq, digest IS NULL FROM sessions WHERE id = ?", (session_id,)).fetchone()
    if row is None:
        return []
    if not row[1]:
        query = "SELECT since, until FROM clocks WHERE session = ? AND clock = ? ORDER BY since"
        found = [(whole(since), whole(until)) for since, until in db.execute(query, (row[0], ACTIVE_CLOCK))]
        return [(since, until) for since, until in found if since is not None and until is not None]
    return [
        (stretch.since, stretch.until)
        for part, _ in settling.parts(db, [row[0]])
        for stretch in part.digest.stretches
        if stretch.clock == ACTIVE_CLOCK
    ]


def files(db: apsw.Connection, session_id: str, *, limit: int = 100) -> list[TouchedFile]:
    """Return the files of a session, the most touched first; edits weigh as much as reads."""
    found = db.execute(
        """SELECT path, reads, edits, first_at, last_at FROM session_files WHERE session_id = ?
           ORDER BY reads + edits DESC, last_at DESC, path LIMIT ?""",
        (session_id, limit),
    )
    return [TouchedFile(path=path, reads=r, edits=e, first_at=f, last_at=last) for path, r, e, f, last in found]


# What was told within a session's runs. The view says the same; asked for one session, it would look at all.
_WITHIN = """
FROM sessions s JOIN runs u ON u.session = s.seq
JOIN reports r ON r.stream = u.stream AND r.at >= u.since AND r.at < coalesce(
  (SELECT min(n.since) FROM runs n WHERE n.stream = u.stream AND n.since > u.since), 9223372036854775807)
JOIN names k ON k.id = r.kind LEFT JOIN names t ON t.id = r.tool LEFT JOIN names p ON p.id = r.path
WHERE s.id = ? AND r.hidden IS NULL
AND NOT EXISTS (SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source)"""


def activities(db: apsw.Connection, session_id: str, *, limit: int = 50) -> list[Activity]:
    """Return the latest activities of a session, newest first."""
    found = db.execute(
        f"SELECT r.at, r.took, k.text, t.text, p.text, r.source, r.ok, r.detail {_WITHIN} ORDER BY r.at DESC LIMIT ?",
        (session_id, limit),
    )
    return [
        Activity(at, took, kind, tool, path, SOURCES.get(source, "sweep"), None if ok is None else bool(ok), detail)
        for at, took, kind, tool, path, source, ok, detail in found
    ]


# An archived session has no reports any more; how often each tool was called is in its digest.
_TOOLS = f"""
SELECT t.text AS name, count(*) {_WITHIN} AND r.tool IS NOT NULL GROUP BY t.text
UNION ALL
SELECT n.text, sum(c.number) FROM sessions s JOIN archived a ON a.session = s.seq
JOIN counts c ON c.session = s.seq AND c.kind = {CALL} JOIN names n ON n.id = c.name
WHERE s.id = ? GROUP BY n.text
ORDER BY 2 DESC, 1"""


def tools(db: apsw.Connection, session_id: str) -> list[tuple[str, int]]:
    """Return how often each tool was called in a session, the most called first."""
    found = db.execute(_TOOLS, (session_id, session_id))
    return [(name, count) for name, count in found]
