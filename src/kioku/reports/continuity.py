"""How sessions continue each other: what the rules of `sessions.continuity` say about those in the store.

A session is compared with those near it in time and no others, so the work does not grow with the store: the 50 that
ended last before it began, and the 50 that began next after it. What they left behind is read in three queries. A
session's predecessor and what continued it are each other's inverse.
"""

from collections.abc import Callable, Hashable, Iterable

import apsw
import msgspec

from kioku.models import Session
from kioku.reports import sessions as reports
from kioku.reports.sessions import Judge
from kioku.sessions import blocks as block_rules
from kioku.sessions import continuity as rules
from kioku.sessions.blocks import Block, Link, Suggestion, suggest
from kioku.sessions.continuity import Touch, Trace
from kioku.sessions.topics import words
from kioku.store import sessions as rows
from kioku.store.values import text

NEAREST = 50  # sessions looked at on either side
LOOKED_THROUGH = 1_000  # rows in which they are looked for
FILES = 500  # of a session, those touched last
PROMPTS = 3  # of a session, the first
PROMPT_LENGTH = 2_000  # characters

_COLUMNS = ", ".join(f"s.{name}" for name in Session.__struct_fields__)
_END = "coalesce(s.ended_at, s.last_activity_at)"
_FROM = f"SELECT s.seq, x.folder, {_COLUMNS} FROM sessions s LEFT JOIN streams x ON x.id = s.stream"


class Continuity(msgspec.Struct, frozen=True, kw_only=True):
    """What a session goes on with and what goes on with it, by their beginning.

    `continues` is the session before it in the same conversation, which need not be the predecessor: work is often
    taken up in another one.
    """

    session_id: str
    continues: str | None
    predecessor: Link | None
    successors: list[Link]


def continuity(db: apsw.Connection, session_id: str, *, now: int, judge: Judge, own: bool = False) -> Continuity:
    """Return the predecessor of a session, with its score, and what continued it.

    Only sessions of the same store and, where it keeps those of several folders, of the same folder are candidates.
    `own` tells that it is the person's own, where a session without a folder is of a repository that nobody knows.
    `session_id` is a whole id, as `reports.sessions.find` gives it; for an unknown one there is nothing.
    """
    found = db.execute(f"{_FROM} WHERE s.id = ?", (session_id,)).fetchall()
    mine = _traces(db, found, now=now, judge=judge, own=own)
    if not mine:
        return Continuity(session_id=session_id, continues=None, predecessor=None, successors=[])
    trace, continues = mine[0], text(found[0][2 + Session.__struct_fields__.index("continues")])
    place = {"start": trace.started_at, "folder": text(found[0][1]), "id": trace.id}
    near = db.execute(_BEFORE, place).fetchall() + db.execute(_AFTER, place).fetchall()
    traces = [trace, *_traces(db, near, now=now, judge=judge, own=own)]
    before = _predecessor(traces, trace)
    links = [
        _predecessor(traces, later) for later in sorted(traces, key=lambda t: t.order) if later.order > trace.order
    ]
    return Continuity(
        session_id=session_id,
        continues=continues,
        predecessor=before,
        successors=[link for link in links if link is not None and link.before.id == trace.id],
    )


def traces_since(db: apsw.Connection, since: int, *, now: int, judge: Judge, own: bool = False) -> list[Trace]:
    """Return what every session that began at or after an instant, and is not empty, left behind, by its beginning."""
    query = f"{_FROM} WHERE s.started_at >= ? AND typeof(s.started_at) = 'integer' AND s.empty = 0"
    found = db.execute(query, (since,)).fetchall()
    return sorted(_traces(db, found, now=now, judge=judge, own=own), key=lambda trace: trace.order)


def suggestions(
    db: apsw.Connection, since: int, *, now: int, judge: Judge, day_of: Callable[[int], Hashable], own: bool = False
) -> list[Suggestion]:
    """Return which of the sessions that began at or after an instant could be merged; `day_of` gives the local day."""
    return suggest(traces_since(db, since, now=now, judge=judge, own=own), day_of=day_of)


def work_blocks(db: apsw.Connection, since: int, *, now: int, judge: Judge, own: bool = False) -> list[Block]:
    """Return the work blocks of more than one session, by their beginning, of those that began since an instant."""
    blocks = block_rules.work_blocks(traces_since(db, since, now=now, judge=judge, own=own))
    return [block for block in blocks if block.links]


# Those that ended last before it began, and all that it overlaps: they may be what a later one goes on with.
_BEFORE = f"""
WITH earlier AS (SELECT seq FROM sessions WHERE started_at <= :start ORDER BY started_at DESC LIMIT {LOOKED_THROUGH}),
found AS (
  SELECT s.seq AS seq, s.started_at AS started_at, s.id AS id, {_END} AS end
  FROM earlier e JOIN sessions s ON s.seq = e.seq LEFT JOIN streams x ON x.id = s.stream
  WHERE s.empty = 0 AND x.folder IS :folder AND s.id <> :id AND typeof({_END}) = 'integer'),
ended AS (SELECT seq FROM found WHERE end <= :start ORDER BY end DESC, started_at DESC, id DESC LIMIT {NEAREST}),
going_on AS (SELECT seq FROM found WHERE end > :start ORDER BY end DESC, started_at DESC, id DESC LIMIT {NEAREST})
{_FROM} WHERE s.seq IN (SELECT seq FROM ended UNION ALL SELECT seq FROM going_on)"""

_AFTER = f"""
WITH later AS (SELECT seq FROM sessions WHERE started_at > :start ORDER BY started_at LIMIT {LOOKED_THROUGH})
{_FROM} WHERE s.seq IN (
  SELECT s.seq FROM later l JOIN sessions s ON s.seq = l.seq LEFT JOIN streams x ON x.id = s.stream
  WHERE s.empty = 0 AND x.folder IS :folder AND typeof(s.started_at) = 'integer'
  ORDER BY s.started_at, s.id LIMIT {NEAREST})"""


def _predecessor(traces: Iterable[Trace], after: Trace) -> Link | None:
    over = [trace for trace in traces if trace.ended_at <= after.started_at]
    nearest = sorted(over, key=lambda trace: (trace.ended_at, trace.order), reverse=True)[:NEAREST]
    best = rules.predecessor(nearest, after)
    return None if best is None else Link(best[0], after, best[1])


def _traces(
    db: apsw.Connection, found: Iterable[tuple[object, ...]], *, now: int, judge: Judge, own: bool = False
) -> list[Trace]:
    """Return what sessions, given as rows of `_FROM`, left behind."""
    sessions = {
        int(str(seq)): (text(folder), reports.standing(rows.session(tuple(columns)), now, judge))
        for seq, folder, *columns in found
    }
    numbers = msgspec.json.encode([*sessions]).decode()
    files: dict[int, dict[str, Touch]] = {}
    for seq, path, first, last in db.execute(_TOUCHED, (numbers,)):
        files.setdefault(seq, {})[text(path) or ""] = Touch(first, last)
    prompts: dict[int, list[str]] = {}
    for seq, said in db.execute(_PROMPTS, (numbers,)):
        prompts.setdefault(seq, []).append(text(said) or "")
    return [
        Trace(
            id=session.id,
            started_at=session.started_at,
            ended_at=max(session.started_at, session.started_at + session.span_ms),
            repository=folder or (None if own else session.project_id),
            branch=session.branch,
            files=files.get(seq, {}),
            topics=words([session.title or "", *session.topics, *prompts.get(seq, ())]) or None,
            is_live=session.status == "active",
        )
        for seq, (folder, session) in sessions.items()
    ]


_TOUCHED = f"""
SELECT t.session, n.text, t.first_at, t.last_at
FROM json_each(?) j CROSS JOIN touched t ON t.session = j.value JOIN names n ON n.id = t.path
WHERE t.path IN (SELECT path FROM touched WHERE session = j.value ORDER BY last_at DESC, path LIMIT {FILES})
AND typeof(t.first_at) = 'integer' AND typeof(t.last_at) = 'integer'"""

# A prompt told by several sources, or not believed, is read once.
_PROMPTS = f"""
SELECT s.seq, substr(t.text, 1, {PROMPT_LENGTH})
FROM json_each(?) j CROSS JOIN sessions s ON s.seq = j.value JOIN turns t ON t.id IN (
  SELECT u.id FROM runs q CROSS JOIN turns u ON u.stream = q.stream AND u.at >= q.since AND u.at <= s.last_activity_at
  AND NOT EXISTS (SELECT 1 FROM runs n WHERE n.stream = q.stream AND n.since > q.since AND n.since <= u.at)
  WHERE q.session = s.seq AND u.role = 'user'
  AND NOT EXISTS (SELECT 1 FROM reports r WHERE r.key = u.key AND r.source = u.source AND r.hidden IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM turns c WHERE c.key = u.key AND c.source < u.source)
  ORDER BY u.at LIMIT {PROMPTS})"""
