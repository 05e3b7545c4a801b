"""Which conversations are known from a file alone that the person does not vouch for.

Anybody can write such a file. What was said there is kept, found and counted, but has nobody's authority: no discovery
of it is the person's, and no session begins with it. Every function works inside the caller's transaction.
"""

import apsw


def doubt(db: apsw.Connection, stream: int) -> None:
    """Note that a stream is told of by such a file. Safe to repeat."""
    db.execute("INSERT OR IGNORE INTO unvouched VALUES (?)", (stream,))


def doubt_turn(db: apsw.Connection, key: int, source: int) -> None:
    """Note so of the stream that has a turn."""
    db.execute("INSERT OR IGNORE INTO unvouched SELECT stream FROM turns WHERE key = ? AND source = ?", (key, source))


def vouch(db: apsw.Connection, stream: int) -> None:
    """Note that the person vouches for what is told of a stream. Safe to repeat."""
    db.execute("DELETE FROM unvouched WHERE stream = ?", (stream,))


def is_doubted(db: apsw.Connection, stream: int) -> bool:
    """Tell whether a stream is told of by such a file."""
    return db.execute("SELECT 1 FROM unvouched WHERE stream = ?", (stream,)).fetchone() is not None


# Of a row of `sessions` called s: whether every stream that it is made of is vouched for.
IS_VOUCHED = """NOT EXISTS (SELECT 1 FROM runs u CROSS JOIN unvouched x ON x.stream = u.stream WHERE u.session = s.seq)
AND NOT EXISTS (SELECT 1 FROM archived_runs r CROSS JOIN unvouched x ON x.stream = r.stream WHERE r.session = s.seq)"""


def is_vouched(db: apsw.Connection, seq: int) -> bool:
    """Tell whether all of a session is vouched for."""
    return db.execute(f"SELECT 1 FROM sessions s WHERE s.seq = ? AND {IS_VOUCHED}", (seq,)).fetchone() is not None
