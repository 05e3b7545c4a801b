"""What a session left behind for the next one: what was said, edited and decided, as rows of the store.

Which session that is, is decided by `last`: the one that ended last, unless another that ran at the same time had more
of the person's work in it. Those in which nothing was asked for or edited are left out where there is another; empty
ones are none, nor are those that only a file tells of for which the person does not vouch.
"""

from collections.abc import Sequence

import apsw
import msgspec

from kioku.models import Session
from kioku.reports.sessions import Judge, standing
from kioku.store import discoveries, vouching
from kioku.store import sessions as rows
from kioku.store.discoveries import Turn
from kioku.store.values import count, text, whole

LOOKED_AT = 50  # sessions, the newest
SURE = 0.8  # from where on what nobody has decided about is told
TURNS = 40  # of a session, the last
ASKED = 3  # of the person's, where the assistant alone has spoken since
LOOKED_BACK = 2_000  # turns, for those
SESSIONS_BEFORE = 3  # that a session goes on with
LONGEST = 20_000  # characters of a turn
EDITS = 40
KNOWN = 200

_COLUMNS = ", ".join(f"s.{name}" for name in Session.__struct_fields__)


class Edited(msgspec.Struct, frozen=True):
    """A file that was edited, and when last."""

    path: str
    at: int


class Known(msgspec.Struct, frozen=True):
    """A discovery that stands, and when it was last said or accepted."""

    type: str
    content: str
    state: str
    session_id: str | None
    at: int


class Recap(msgspec.Struct, frozen=True, kw_only=True):
    """A session with what it left behind, by time; none where no session has been recorded.

    `known` is what stands of all sessions, the newest first.

    `own` tells whether the person's Kioku made the store, or the person adopted it: otherwise nothing of it is the
    person's. Nor is anything of a session that is `doubted`, of which only a file tells that nobody vouches for.
    `beside` are sessions that ran at the same time. `failed` is the command or tool that failed last of all calls.
    """

    session: Session | None
    said: list[Turn]
    edits: list[Edited]
    known: list[Known]
    beside: list[str]
    failed: str | None
    own: bool = True
    doubted: bool = False


def last(
    db: apsw.Connection, *, now: int, judge: Judge, without: Sequence[str] = (), only_ended: bool = False
) -> tuple[Session, list[str]] | None:
    """Return the session that the next one goes on with, and the ids of those that ran beside it; None without any.

    Sessions `without` are left out; with `only_ended`, active ones too.
    """
    found: list[tuple[Session, int]] = []
    query = f"""SELECT {_COLUMNS}, (SELECT ifnull(max(f.edits > 0), 0) FROM touched f WHERE f.session = s.seq),
                  EXISTS (SELECT 1 FROM runs u CROSS JOIN turns t ON t.stream = u.stream AND t.at >= u.since
                    AND t.at <= s.last_activity_at WHERE u.session = s.seq AND t.role = 'user')
                FROM sessions s WHERE s.empty = 0 AND {vouching.IS_VOUCHED}
                ORDER BY s.started_at DESC LIMIT {LOOKED_AT}"""
    for row in db.execute(query):
        session = standing(rows.session(row[:-2]), now, judge)
        weight = count(row[-2]) + count(row[-1])
        if session.id not in without and not (only_ended and session.status == "active"):
            found.append((session, weight))
    if any(weight for _, weight in found):
        found = [one for one in found if one[1]]
    if not found:
        return None
    newest = max(found, key=lambda one: (one[0].last_activity_at, one[0].id))[0]
    beside = [one for one in found if one[0].last_activity_at > newest.started_at]
    chosen = max(beside, key=lambda one: (one[1], one[0].last_activity_at, one[0].id))[0]
    return chosen, [session.id for session, _ in beside if session.id != chosen.id]


def recap(db: apsw.Connection, session: Session | None, beside: Sequence[str] = (), *, own: bool) -> Recap:
    """Return what a session left behind, in a store that is the person's own or not, and what is known."""
    known = [
        Known(text(kind) or "", text(content) or "", str(state), text(id), whole(at) or 0)
        for kind, content, state, id, at in db.execute(_KNOWN, (SURE, KNOWN))
    ]
    if session is None:
        return Recap(session=None, said=[], edits=[], known=known, beside=[], failed=None, own=own)
    row = rows.by_id(db, session.id)
    said = [] if row is None else discoveries.turns(db, row.seq, TURNS)
    if row is not None and len(said) == TURNS and all(turn.role != "user" for turn in said):
        said = [*_asked(discoveries.turns(db, row.seq, LOOKED_BACK)[:-TURNS]), *said]
    said = [*_asked_before(db, session, sum(turn.role == "user" for turn in said)), *said]
    edits = db.execute(
        """SELECT path, last_at FROM session_files WHERE session_id = ? AND edits > 0
           ORDER BY last_at DESC, path LIMIT ?""",
        (session.id, EDITS),
    )
    said = [msgspec.structs.replace(turn, text=turn.text[:LONGEST]) for turn in said]
    return Recap(
        session=session, said=said, edits=[Edited(str(path), int(at)) for path, at in edits][::-1], known=known,
        beside=list(beside), failed=_failed(db, session.id), own=own,
        doubted=row is not None and not vouching.is_vouched(db, row.seq),
    )  # fmt: skip


def _asked(said: Sequence[Turn]) -> list[Turn]:
    return [turn for turn in said if turn.role == "user"][-ASKED:]


def _asked_before(db: apsw.Connection, session: Session, asked: int) -> list[Turn]:
    """Return what the person asked in the sessions that one goes on with, where in it only so much was asked.

    A conversation that goes on after a long silence is another session, and its goal that of the one before.
    """
    found: list[Turn] = []
    earlier = session.continues
    for _ in range(SESSIONS_BEFORE):
        row = None if earlier is None or asked + len(found) >= ASKED else rows.by_id(db, earlier)
        if row is None or not vouching.is_vouched(db, row.seq):
            break
        found = [*_asked(discoveries.turns(db, row.seq, LOOKED_BACK)), *found]
        earlier = row.session.continues
    return found


def stamp(db: apsw.Connection) -> str:
    """Return a text that changes when a session ends, or what is known changes."""
    ended = db.execute(
        f"""SELECT count(*), max(last_activity_at), max(updated_at) FROM (
              SELECT status, last_activity_at, updated_at FROM sessions ORDER BY started_at DESC LIMIT {LOOKED_AT})
            WHERE status <> 'active'"""
    )
    known = db.execute("SELECT count(*), max(updated_at) FROM discoveries")
    return " ".join(map(str, (*(ended.fetchone() or ()), *(known.fetchone() or ()))))


# By when it was said, or the person accepted it: what is learned of old sessions today is no newer for that. What a
# file says solves nothing that somebody has said.
_KNOWN = """
SELECT type, content, state, session_id,
  max(coalesce((SELECT max(part.value ->> '$.at')
                FROM json_each(CASE WHEN json_valid(d.evidence) THEN d.evidence ELSE '[]' END) part
                WHERE part.type = 'object' AND typeof(part.value ->> '$.at') = 'integer'), created_at),
      CASE state WHEN 'accepted' THEN updated_at ELSE 0 END) AS at
FROM discoveries d
WHERE (state = 'accepted' OR (state = 'proposed' AND confidence >= ? AND provenance <> 'repository'))
  AND NOT (type = 'issue' AND EXISTS (
    SELECT 1 FROM json_each(CASE WHEN json_valid(d.evidence) THEN d.evidence ELSE '[]' END) part
    WHERE part.type = 'object' AND part.value ->> '$.solution' IS NOT NULL
      AND (provenance = 'repository' OR coalesce(part.value ->> '$.by', '') <> 'repository')))
ORDER BY at DESC, updated_at DESC, id LIMIT ?"""

_LAST_CALL = """
SELECT r.ok, t.text, r.detail FROM sessions s JOIN runs u ON u.session = s.seq
JOIN reports r ON r.stream = u.stream AND r.at >= u.since
AND NOT EXISTS (SELECT 1 FROM runs n WHERE n.stream = u.stream AND n.since > u.since AND n.since <= r.at)
JOIN names t ON t.id = r.tool
WHERE s.id = ? AND r.hidden IS NULL AND r.ok IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source)
ORDER BY r.at DESC LIMIT 1"""


def _failed(db: apsw.Connection, session_id: str) -> str | None:
    row = db.execute(_LAST_CALL, (session_id,)).fetchone()
    if row is None or row[0]:
        return None
    return f"{row[1]}: {row[2]}" if row[2] else str(row[1])
