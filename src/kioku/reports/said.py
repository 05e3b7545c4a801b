"""What was said in a session: what the person asked first, what was said last, and what stands around a turn."""

from collections.abc import Collection
from typing import Any, Final

import apsw
import msgspec

from kioku.errors import UsageError
from kioku.store import discoveries, sessions
from kioku.store.discoveries import Turn
from kioku.store.values import count, text
from kioku.workspace.untrusted_text import one_line

BESIDE: Final = 2  # turns on each side of the one that is asked for
_LOOKED_AT: Final = 5  # of what the person said, for something that tells what a session is about
_HEADING: Final = 80  # characters
_NOD: Final = 8  # bytes: "yes", "continue"
_TELLS_NOTHING: Final = ("<", "/", "[", "Caveat: ")  # how commands and the client's own words begin

WHO: Final = {"user": "you", "assistant": "the assistant"}

_SHOWN: Final = """NOT EXISTS (
  SELECT 1 FROM reports r WHERE r.key = t.key AND r.source = t.source AND r.hidden IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM turns c WHERE c.key = t.key AND c.source < t.source)"""
_RUNS: Final = """
SELECT u.stream, u.since, (SELECT min(n.since) FROM runs n WHERE n.stream = u.stream AND n.since > u.since)
FROM runs u WHERE u.session = ? ORDER BY u.since"""
_ENDLESS: Final = (1 << 63) - 1


class Said(msgspec.Struct, frozen=True):
    """A turn: its number, when it was said, by whom (`user` or `assistant`), with which model, and its words.

    `is_sought` is true of the one that was asked for.
    """

    id: int
    at: int
    role: str
    model: str | None
    text: str
    is_sought: bool


def latest(db: apsw.Connection, session_id: str, *, limit: int = 60) -> list[Turn]:
    """Return the last of what was said in a session, in order."""
    row = sessions.by_id(db, session_id)
    return [] if row is None else discoveries.turns(db, row.seq, limit)


def around(db: apsw.Connection, session_id: str, turn: int) -> list[Said]:
    """Return a turn of a session with those beside it, by time.

    The number is the one that search gives, or the stable one that a discovery's evidence has. Raises UsageError where
    the session has no such turn.
    """
    query = f"SELECT t.at, t.id, t.key FROM turns t WHERE t.stream = ? AND t.at >= ? AND t.at < ? AND {_SHOWN}"
    found = [row for run in _runs_of(db, session_id) for row in db.execute(query, run)]
    found.sort(key=lambda row: (count(row[0]), row[1]))
    place = next((place for place, (_, *numbers) in enumerate(found) if turn in numbers), None)
    if place is None:
        raise UsageError(f"session {session_id[:8]} has no turn {turn}", hint="kioku search --type turn finds them")
    query = """SELECT t.id, t.at, t.role, m.text, t.text FROM turns t LEFT JOIN names m ON m.id = t.model
               WHERE t.id = ?"""
    sought = found[place][1]
    near = found[max(0, place - BESIDE) : place + BESIDE + 1]
    rows = [row for _, id, _ in near for row in db.execute(query, (id,))]
    return [
        Said(id, count(at), text(role) or "", text(model), text(words) or "", id == sought)
        for id, at, role, model, words in rows
    ]


def asked_first(db: apsw.Connection, sessions: Collection[int]) -> dict[int, str]:
    """Return, in one line, what the person first asked for in sessions, by row number, where something was."""
    return {seq: asked for seq in sessions if (asked := _asked(db, seq))}


def _asked(db: apsw.Connection, seq: int) -> str:
    query = f"""SELECT substr(t.text, 1, {4 * _HEADING}) FROM turns t WHERE t.stream = ? AND t.at >= ? AND t.at < ?
                AND t.role = 'user' AND typeof(t.text) = 'text' AND {_SHOWN} ORDER BY t.at, t.id LIMIT {_LOOKED_AT}"""
    first = ""
    for run in _bounded(db.execute(_RUNS, (seq,))):
        for (words,) in db.execute(query, run):
            line = one_line(words, _HEADING)
            first = first or line
            if len(line.encode()) > _NOD and not line.startswith(_TELLS_NOTHING):
                return line
        if first:
            break
    return first


def _runs_of(db: apsw.Connection, session_id: str) -> list[tuple[int, int, int]]:
    found = db.execute("SELECT seq FROM sessions WHERE id = ?", (session_id,)).fetchall()
    return [run for (seq,) in found for run in _bounded(db.execute(_RUNS, (seq,)))]


def _bounded(runs: apsw.Cursor) -> list[tuple[Any, Any, Any]]:
    return [(stream, since, _ENDLESS if until is None else until) for stream, since, until in runs]
