"""Folding sessions: the reports that one was made of go, what was made of them stays.

An archived session has a stream of its own, so that whatever is still told of its conversation is derived without it:
its turns, usage and ids are there. Its row, files and digest are the truth from then on. Every function works inside
the caller's transaction.
"""

from typing import Any, Final, NamedTuple

import apsw

from kioku.models import HOOK, SWEEP, TRANSCRIPT, TURN_END
from kioku.redaction import Redacted
from kioku.store import barred, merges
from kioku.store.connection import one

PREFIX: Final = "archive:"  # and the session's id: the key of its stream
ARCHIVED: Final = "archived"

_ALWAYS: Final = -(1 << 62)
_FOREVER: Final = (1 << 63) - 1


class Piece(NamedTuple):
    """What of a stream is one session's: everything told from an instant on, up to the session after it."""

    stream: int
    since: int
    until: int


class Before(NamedTuple):
    """An archived session that came before: its id, and when its last activity was over."""

    id: str
    until: int


def candidates(db: apsw.Connection, before: int) -> list[tuple[int, int]]:
    """Return the sessions that were over before an instant and are not archived, as (row number, activities)."""
    found = db.execute(
        """SELECT seq, activities FROM sessions
           WHERE status <> 'active' AND typeof(last_activity_at) = 'integer' AND typeof(started_at) = 'integer'
           AND max(last_activity_at, CASE typeof(ended_at) WHEN 'integer' THEN ended_at ELSE 0 END) < ?
           AND seq NOT IN (SELECT session FROM archived) AND NOT (stream IS NULL AND status = 'archived')
           ORDER BY last_activity_at, seq""",
        (before,),
    )
    return [(seq, activities) for seq, activities in found]


def is_archived(db: apsw.Connection, seq: int) -> bool:
    """Tell whether a session's activities are gone."""
    return db.execute("SELECT 1 FROM archived WHERE session = ?", (seq,)).fetchone() is not None


def all_archived(db: apsw.Connection) -> list[int]:
    """Return the row number of every archived session."""
    return [row[0] for row in db.execute("SELECT session FROM archived ORDER BY session")]


def session_of(db: apsw.Connection, stream: int) -> int | None:
    """Return the archived session whose own stream it is."""
    query = "SELECT a.session FROM runs u JOIN archived a ON a.session = u.session WHERE u.stream = ?"
    row = db.execute(query, (stream,)).fetchone()
    return None if row is None else int(row[0])


def own_streams(db: apsw.Connection, folder: str) -> list[int]:
    """Return the own streams of the archived sessions that were held in a folder."""
    query = f"SELECT id FROM streams WHERE folder = ? AND key LIKE '{PREFIX}%' ORDER BY id"
    return [row[0] for row in db.execute(query, (folder,))]


def pieces(db: apsw.Connection, seq: int) -> list[Piece]:
    """Return what of its streams is a session's. What was told before the first session there is is the first one's."""
    found = []
    for stream, since in db.execute("SELECT stream, since FROM runs WHERE session = ? ORDER BY stream, since", (seq,)):
        before, after = one(
            db,
            """SELECT (SELECT max(since) FROM runs WHERE stream = ?1 AND since < ?2),
                      (SELECT min(since) FROM runs WHERE stream = ?1 AND since > ?2)""",
            (stream, since),
        )
        found.append(Piece(stream, _ALWAYS if before is None else since, _FOREVER if after is None else after))
    return found


def before(db: apsw.Connection, stream: int, since: int, other: Before | None) -> str | None:
    """Return the id of what a session of a stream goes on with: an archived one, or the other if that came later."""
    row = db.execute(
        """SELECT s.id, r.until FROM archived_runs r JOIN sessions s ON s.seq = r.session
           WHERE r.stream = ? AND r.since < ? ORDER BY r.since DESC LIMIT 1""",
        (stream, since),
    ).fetchone()
    found = [place for place in (other, None if row is None else Before(*row)) if place is not None]
    return max(found, key=lambda place: place.until).id if found else None


def fold(db: apsw.Connection, seq: int, gap_before: int | None, *, now: int) -> int:
    """Remove the activities of a session that has its digest; return how many reports there were."""
    id, first, last = one(db, "SELECT id, first_activity_at, last_activity_at FROM sessions WHERE seq = ?", (seq,))
    stream = own_stream(db, seq, id)
    db.execute("INSERT INTO archived VALUES (?, ?)", (seq, gap_before))
    removed = 0
    starts = dict(db.execute("SELECT stream, min(since) FROM runs WHERE session = ? GROUP BY stream", (seq,)))
    ends = {(part.stream, part.first_activity_at): part.last_activity_at for part in merges.members(db, id)}
    for piece in pieces(db, seq):
        removed += _fold_piece(db, piece, stream, seq)
        _fold_replaced(db, piece, seq)
        since = max(piece.since, starts[piece.stream])
        # A part of a merged session ends before the whole, and what the next one begins with is no twin of its last.
        until = min(ends.get((piece.stream, since), last), piece.until - barred.SLACK - 1)
        db.execute("INSERT INTO archived_runs VALUES (?, ?, ?, ?, ?)", (piece.stream, since, until, seq, _told(db)))
    db.execute("DELETE FROM runs WHERE session = ?", (seq,))
    db.execute("INSERT INTO runs VALUES (?, ?, ?)", (stream, first, seq))
    values = (stream, now, seq)
    db.execute("UPDATE sessions SET stream = ?, status = 'archived', updated_at = ? WHERE seq = ?", values)
    return removed


def own_stream(db: apsw.Connection, seq: int, id: str) -> int:
    """Make the stream in which an archived session is kept."""
    row = one(
        db,
        """INSERT INTO streams (key, project_id, client, client_version, created_at, folder)
           SELECT ?2, s.project_id, s.client, s.client_version, s.created_at, x.folder
           FROM sessions s LEFT JOIN streams x ON x.id = s.stream WHERE s.seq = ?1 RETURNING id""",
        (seq, PREFIX + id),
    )
    return int(row[0])


_RANGE: Final = "stream = ?1 AND at >= ?2 AND at < ?3"


def gather(db: apsw.Connection, piece: Piece) -> None:
    """Put the places of the reports that make a piece into the table `temp.going`.

    Which of several tellings is believed says where a thing belongs, and the others go with it.
    """
    db.execute("DROP TABLE IF EXISTS temp.going")
    db.execute(
        f"""CREATE TEMP TABLE going AS
            SELECT r.stream, r.at, r.key, r.source, k.text AS kind FROM reports r JOIN names k ON k.id = r.kind
            WHERE r.stream = ?1 AND r.key IN (SELECT key FROM reports b WHERE {_RANGE} AND NOT EXISTS (
              SELECT 1 FROM reports c WHERE c.key = b.key AND c.source < b.source AND c.stream = b.stream))""",
        piece,
    )


def remove_gathered(db: apsw.Connection) -> int:
    """Remove the reports that were gathered; return how many there were."""
    db.execute(
        """DELETE FROM reports WHERE (stream, at, key, source) IN (SELECT stream, at, key, source FROM temp.going)"""
    )
    return int(one(db, "SELECT count(*) FROM temp.going")[0])


def _fold_piece(db: apsw.Connection, piece: Piece, stream: int, seq: int) -> int:
    """Remove the reports of a piece, keep their keys, and move to a stream what else there is of it."""
    gather(db, piece)
    # A turn that another's stands for would come to light again with the report that hid it.
    db.execute(
        f"""DELETE FROM turns WHERE {_RANGE} AND EXISTS (SELECT 1 FROM reports r
            WHERE r.key = turns.key AND r.source = turns.source AND r.hidden IS NOT NULL)""",
        piece,
    )
    for table in ("turns", "usage"):
        db.execute(f"UPDATE {table} SET stream = ?4 WHERE {_RANGE}", (*piece, stream))
    db.execute(
        "UPDATE anchors SET stream = ?2 WHERE stream = ?1 AND key IN (SELECT key FROM temp.going)",
        (piece.stream, stream),
    )
    db.execute("INSERT OR IGNORE INTO folded SELECT key, ? FROM temp.going WHERE source <> ?", (seq, SWEEP))
    return remove_gathered(db)


def _told(db: apsw.Connection) -> int:
    """Return who told of the piece that was folded last, as the bits of `archived_runs`."""
    told = 0
    for source, is_odd, kind in db.execute("SELECT DISTINCT source, key & 1, kind FROM temp.going"):
        if source == TRANSCRIPT:
            told |= barred.TOLD_BY_TRANSCRIPT
        elif source == HOOK and is_odd:
            told |= barred.sort_of(Redacted(kind))
    db.execute("DROP TABLE temp.going")
    return told


def replaced(db: apsw.Connection, stream: int) -> list[tuple[int, int]]:
    """Return the hook's reports of a stream that the transcript's stand for, as (key, source).

    That they do rests on all that the transcript tells of: less of it might bring them to light.
    """
    found = db.execute(
        """SELECT r.key, r.source FROM reports r JOIN names k ON k.id = r.kind
           WHERE r.stream = ? AND r.hidden IS NOT NULL AND r.source = ? AND r.key & 1 AND k.text <> ?
           AND EXISTS (SELECT 1 FROM reports t WHERE t.stream = r.stream AND t.source = ?)""",
        (stream, HOOK, TURN_END, TRANSCRIPT),
    )
    return [(key, source) for key, source in found]


def _fold_replaced(db: apsw.Connection, piece: Piece, seq: int) -> None:
    told = one(db, "SELECT count(*) FROM temp.going WHERE source = ?", (TRANSCRIPT,))[0]
    for place in replaced(db, piece.stream) if told else ():
        barred.fold(db, place[0], seq)
        remove_report(db, *place)


def remove_report(db: apsw.Connection, key: int, source: int) -> None:
    """Remove one report that stands for nothing, and its turn."""
    for table in ("reports", "turns"):
        db.execute(f"DELETE FROM {table} WHERE key = ? AND source = ?", (key, source))


def columns(db: apsw.Connection, seq: int) -> dict[str, Any]:
    """Return what a person may change of an archived session, and what that is checked against."""
    names = ("id", "started_at", "ended_at", "status", "end_reason", "title", "topics", "last_activity_at")
    return dict(zip(names, one(db, f"SELECT {', '.join(names)} FROM sessions WHERE seq = ?", (seq,)), strict=True))


def ids(db: apsw.Connection, seq: int) -> list[str]:
    """Return every id that was given to an archived session."""
    found = db.execute(
        "SELECT a.id FROM anchors a JOIN sessions s ON s.stream = a.stream WHERE s.seq = ? ORDER BY a.created_at, a.id",
        (seq,),
    )
    return [row[0] for row in found]
