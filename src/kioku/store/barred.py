"""What must not be taken in again: reports that an archived session was made of, and everything that was deleted.

Of an archived session each report's key is known. A thing without an id of the client's has another key in a transcript
than in a hook's report: there the time decides, as it does among reports that are still there. Every function works
inside the caller's transaction.
"""

from typing import Final

import apsw

from kioku import times
from kioku.models import EVIDENCE, MARKS, PROMPT, TRANSCRIPT, TURN_END, Report
from kioku.redaction import Redacted
from kioku.store import forgotten

SLACK: Final = times.MINUTE  # how far apart a hook and a transcript may date one thing

TOLD_BY_TRANSCRIPT: Final = 1
_SORTS: Final = {PROMPT: 2, TURN_END: 4}
_CALL: Final = 8


def sort_of(kind: Redacted) -> int:
    """Return the bit for what sort of thing a kind is of, 0 for what two reports can never tell of under two keys."""
    if kind in _SORTS:
        return _SORTS[kind]
    return 0 if kind in EVIDENCE or kind in MARKS else _CALL


def is_told(db: apsw.Connection, stream: int, report: Report) -> bool:
    """Tell whether a report that is not in the store is of something that was archived or deleted."""
    if is_barred(db, stream, report.key, report.at):
        return True
    session = _of_twin(db, stream, report)
    if session is None:
        return False
    fold(db, report.key, session)  # what else is told under this key is that thing's too
    return True


def is_barred(db: apsw.Connection, stream: int, key: int, at: int) -> bool:
    """Tell whether what has a key was archived or deleted."""
    is_folded = db.execute("SELECT 1 FROM folded WHERE key = ?", (key,)).fetchone() is not None
    return is_folded or is_forgotten(db, stream, key, at)


def is_forgotten(db: apsw.Connection, stream: int, key: int, at: int) -> bool:
    """Tell whether what a stream tells of an instant under a key was deleted."""
    if not forgotten.is_any(db):
        return False
    row = db.execute("SELECT key FROM streams WHERE id = ?", (stream,)).fetchone()
    return forgotten.has(db, "" if row is None else str(row[0]), key, at)


def fold(db: apsw.Connection, key: int, session: int | None) -> None:
    """Keep a key of what was archived with a session, given by row number."""
    db.execute("INSERT OR IGNORE INTO folded VALUES (?, ?)", (key, session))


def _of_twin(db: apsw.Connection, stream: int, report: Report) -> int | None:
    """Return the archived session of the stream that has a thing which this report tells of under another key."""
    sort = sort_of(report.kind)
    if not sort or not (report.is_loose or report.source == TRANSCRIPT):
        return None
    told = TOLD_BY_TRANSCRIPT if report.is_loose else sort
    row = db.execute(
        """SELECT session FROM archived_runs
           WHERE stream = ?1 AND since <= ?2 + ?3 AND until >= ?2 - ?3 AND told & ?4 ORDER BY since""",
        (stream, report.at, SLACK, told),
    ).fetchone()
    return None if row is None else int(row[0])
