"""What the store tells of its own health: counts and inconsistencies, read only."""

import os
from typing import Final

import apsw
import msgspec

from kioku.models import Owner, Session
from kioku.reports.sessions import Judge, standing
from kioku.store import activities, rollups
from kioku.store import sessions as rows
from kioku.store.connection import one
from kioku.store.values import text


class Totals(msgspec.Struct, frozen=True):
    """How much there is."""

    sessions: int
    activities: int
    files: int


class OpenOwner(msgspec.Struct, frozen=True):
    """An owner of active sessions, with their ids and its client."""

    owner: Owner
    sessions: list[str]
    client: str | None


def totals(db: apsw.Connection) -> Totals:
    """Count sessions, activities and distinct files touched."""
    queries = (
        "SELECT count(*) FROM sessions",
        "SELECT coalesce(sum(activities), 0) FROM sessions",
        _ALL_FILES if rollups.outdated(db) else _FILES,
    )
    return Totals(*(int(one(db, query)[0]) for query in queries))


class States(msgspec.Struct, frozen=True):
    """How many sessions there are by status, and by why they ended."""

    by_status: dict[str, int]
    by_reason: dict[str, int]


def states(db: apsw.Connection, now: int, judge: Judge) -> States:
    """Count sessions by status and by why they ended, as they stand at `now`."""
    found = States({}, {})
    query = "SELECT status, end_reason, count(*) FROM sessions WHERE status <> 'active' GROUP BY 1, 2"
    for status, reason, number in db.execute(query):
        _count(found, str(status), text(reason), number)
    columns = ", ".join(Session.__struct_fields__)
    for row in db.execute(f"SELECT {columns} FROM sessions WHERE status = 'active'"):
        session = standing(rows.session(row), now, judge)
        _count(found, session.status, session.end_reason, 1)
    return found


def _count(found: States, status: str, reason: str | None, number: int) -> None:
    found.by_status[status] = found.by_status.get(status, 0) + number
    if reason is not None:
        found.by_reason[reason] = found.by_reason.get(reason, 0) + number


def imported(db: apsw.Connection) -> int:
    """Return how many bytes of transcripts were taken in; it is known in the person's own store."""
    return int(one(db, "SELECT coalesce(sum(position), 0) FROM sources")[0])


_ALL_FILES: Final = "SELECT count(DISTINCT path) FROM touched"
# Rollups know the files of all that is settled, in a hundredth of the time.
_FILES: Final = """
SELECT count(*) FROM (
  SELECT path FROM year_files
  UNION SELECT t.path FROM sessions s INDEXED BY sessions_undigested CROSS JOIN touched t ON t.session = s.seq
  WHERE s.digest IS NULL)"""


def owners(db: apsw.Connection) -> list[OpenOwner]:
    """Return the owners of sessions that are stored as active."""
    rows = list(
        db.execute(
            """SELECT owner, json_group_array(id), max(client) FROM sessions
               WHERE status = 'active' AND owner IS NOT NULL GROUP BY owner ORDER BY min(started_at)"""
        )
    )
    # A session that a server and a client's process share names both; only servers are listed here.
    rows = [(str(owner).partition("+")[0], ids, client) for owner, ids, client in rows]
    known = activities.owners(db, {row[0] for row in rows})
    return [OpenOwner(known[token], msgspec.json.decode(ids), client) for token, ids, client in rows if token in known]


def unreadable(db: apsw.Connection) -> list[str]:
    """Return sessions that hold what is no instant or no status of ours: changed by hand, or damaged."""
    found = db.execute(
        """SELECT id FROM sessions WHERE typeof(started_at) <> 'integer' OR typeof(last_activity_at) <> 'integer'
           OR typeof(ended_at) NOT IN ('integer', 'null') OR typeof(timeout_ms) <> 'integer'
           OR status NOT IN ('active', 'completed', 'archived') LIMIT 1000"""
    )
    return [str(row[0]) for row in found]


def strange_times(db: apsw.Connection, now: int) -> list[str]:
    """Return sessions that end before they start, or start before 2000 or more than a day from now."""
    found = db.execute(
        """SELECT id FROM sessions WHERE ended_at < started_at OR started_at < 946684800000
           OR started_at > ? + 86400000 ORDER BY started_at LIMIT 20""",
        (now,),
    )
    return [row[0] for row in found]


def lost_rows(db: apsw.Connection) -> int:
    """Count streams with activities whose sessions are missing: rows that were deleted by hand."""
    found = one(
        db,
        """SELECT count(*) FROM streams s WHERE EXISTS (SELECT 1 FROM anchors a WHERE a.stream = s.id)
           AND NOT EXISTS (SELECT 1 FROM sessions x WHERE x.stream = s.id)
           AND NOT EXISTS (SELECT 1 FROM runs u JOIN sessions x ON x.seq = u.session WHERE u.stream = s.id)""",
    )
    return int(found[0])


def overlapping(db: apsw.Connection) -> list[tuple[str, str]]:
    """Return pairs of sessions of one stream that overlap: there must be none but those that a person made."""
    found = db.execute(
        """SELECT a.id, b.id FROM sessions a JOIN sessions b ON a.stream = b.stream AND a.seq <> b.seq
           AND a.first_activity_at <= b.first_activity_at AND a.last_activity_at >= b.first_activity_at
           WHERE a.tied <> 2 AND b.tied <> 2
           AND NOT EXISTS (SELECT 1 FROM cuts c JOIN anchors n ON n.id = c.id WHERE n.stream = a.stream
                           AND c.at > a.first_activity_at AND c.at <= b.first_activity_at) LIMIT 20"""
    )
    return [(first, second) for first, second in found]


def projection(db: apsw.Connection) -> dict[str, tuple[object, ...]]:
    """Return what a rebuild must find again: every derived column of every session by id, its files and its parts."""
    names = (
        "id, project_id, started_at, ended_at, status, end_reason, title, topics, last_activity_at, continues, stream,"
        " owner, client, branch, timeout_ms, activities, tool_calls, files, active_ms, agent_ms, waiting_ms, empty"
    )
    files: dict[str, list[tuple[object, ...]]] = {}
    for session_id, *rest in db.execute("SELECT * FROM session_files ORDER BY 1, 2"):
        files.setdefault(session_id, []).append(tuple(rest))
    for into, *rest in db.execute("SELECT into_id, * FROM merged_sessions ORDER BY into_id, stream, first_activity_at"):
        files.setdefault(into, []).append(tuple(rest))
    rows = db.execute(f"SELECT {names} FROM sessions")
    return {row[0]: (*row, tuple(files.get(row[0], ()))) for row in rows}


def sizes(path: str) -> dict[str, int]:
    """Return the sizes of the store's files in bytes, by suffix; the main file's is ''."""
    found = {}
    for suffix in ("", "-wal", "-shm", "-journal"):
        try:
            found[suffix] = os.stat(path + suffix).st_size
        except OSError:
            continue
    return found
