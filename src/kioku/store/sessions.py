"""Writing the `sessions` projection and what hangs on it: anchors, touched files, amendments.

Only `record` and the sweep decide what is written here; these are the statements. A session's row ends with
`projected`, the text of what we wrote into the columns that a person may edit by SQL. Every function works inside the
caller's transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import apsw
import msgspec

from kioku.models import Session
from kioku.redaction import Redacted
from kioku.store import rollups
from kioku.store.connection import one
from kioku.store.migrations import EDITED, PROJECTED
from kioku.store.names import intern
from kioku.store.values import count, text, whole

_FIELDS = Session.__struct_fields__
_RULES = (
    "seq, stream, first_activity_at, last_start_at, block_start_at, branch_at, phase, amended, digest IS NOT NULL, tied"
)
# What keeps a session from being brought up to date by itself: its stream is divided later than that, or it is merged.
LOOSE: Final = 0
DIVIDED: Final = 1
MERGED: Final = 2

_SELECT = f"SELECT {', '.join(_FIELDS)}, {_RULES}, {EDITED} FROM sessions"


class Row(msgspec.Struct, kw_only=True):
    """A row of `sessions`: what people see of it, and what the rules need to go on from it.

    `edited` tells that a person changed it by SQL since we last wrote it; `amended`, that amendments exist for it;
    `digested`, that reports need not look at its activities. `tied` is LOOSE, DIVIDED or MERGED.
    """

    seq: int
    session: Session
    stream: int | None
    first_activity_at: int
    last_start_at: int
    block_start_at: int
    branch_at: int | None
    phase: str | None
    amended: bool
    digested: bool
    tied: int
    edited: bool


class Anchor(msgspec.Struct, frozen=True):
    """An id that was given to the session that holds the activity `key`."""

    id: str
    key: int
    created_at: int


def last_of(db: apsw.Connection, stream: int) -> Row | None:
    """Return the session that the stream's last run is part of."""
    last = "(SELECT session FROM runs WHERE stream = ?1 ORDER BY since DESC LIMIT 1)"
    return _one(db, f"{_SELECT} WHERE seq = {last} AND (stream = ?1 OR tied = {MERGED})", (stream,))


def of_stream(db: apsw.Connection, stream: int) -> list[Row]:
    """Return the sessions that a stream has a part in, oldest first."""
    query = f"""{_SELECT} WHERE stream = ?1 OR seq IN (SELECT session FROM runs WHERE stream = ?1)
                ORDER BY first_activity_at"""
    return [_row(row) for row in db.execute(query, (stream,))]


def by_seq(db: apsw.Connection, seq: int) -> Row | None:
    """Return the session with that row number."""
    return _one(db, f"{_SELECT} WHERE seq = ?", (seq,))


def active(db: apsw.Connection) -> list[dict[str, Any]]:
    """Return what is stored as active, oldest first: of a merged session each part that is."""
    found = db.execute(
        f"""SELECT seq, id, stream, owner, client, started_at, first_activity_at, last_activity_at, timeout_ms, 0
            FROM sessions INDEXED BY sessions_active WHERE status = 'active' AND tied <> {MERGED}
            UNION ALL
            SELECT s.seq, s.id, m.stream, m.owner, m.client, m.started_at, m.first_activity_at, m.last_activity_at,
                   m.timeout_ms, 1
            FROM merged_sessions m JOIN sessions s ON s.id = m.into_id WHERE m.status = 'active'
            ORDER BY 6"""
    )
    names = ("seq", "id", "stream", "owner", "client", "started_at", "first_activity_at", "last_activity_at",
             "timeout_ms", "is_part")  # fmt: skip
    return [
        {**dict(zip(names, row, strict=True)), **{n: count(row[i]) for i, n in enumerate(names) if 5 <= i <= 8},
         "is_part": bool(row[9])}
        for row in found
    ]  # fmt: skip


def misjudged(db: apsw.Connection, now: int) -> list[int]:
    """Return the streams of which another run is stored as active than may be at `now`: the clock was changed."""
    found = db.execute(
        f"""SELECT DISTINCT s.stream FROM
             (SELECT stream, first_activity_at, 1 AS is_active FROM sessions
              WHERE status = 'active' AND first_activity_at > ?1 AND tied <> {MERGED}
              UNION ALL
              SELECT stream, first_activity_at, 0 FROM sessions
              WHERE end_reason = 'idle' AND last_activity_at + timeout_ms > ?1 AND tied <> {MERGED}
              UNION ALL
              SELECT stream, first_activity_at, 1 FROM merged_sessions
              WHERE status = 'active' AND first_activity_at > ?1
              UNION ALL
              SELECT stream, first_activity_at, 0 FROM merged_sessions
              WHERE end_reason = 'idle' AND last_activity_at + timeout_ms > ?1) s
           JOIN streams ON streams.id = s.stream
           WHERE s.is_active <> (s.first_activity_at = coalesce(
             (SELECT max(since) FROM runs c WHERE c.stream = s.stream AND c.since <= ?1),
             (SELECT min(since) FROM runs c WHERE c.stream = s.stream)))""",
        (now,),
    )
    return [row[0] for row in found]


def hasty(db: apsw.Connection, now: int) -> list[str]:
    """Return the sessions without a stream that are stored as ended by silence though at `now` they are not."""
    found = db.execute(
        """SELECT id FROM sessions WHERE end_reason = 'idle' AND last_activity_at + timeout_ms > ?
           AND stream IS NULL AND id IN (SELECT session_id FROM amendments WHERE kind = 'adopted')""",
        (now,),
    )
    return [row[0] for row in found]


def has_edited(db: apsw.Connection) -> bool:
    """Tell whether a person changed any session by SQL since it was last written."""
    return db.execute(f"SELECT 1 FROM sessions WHERE {EDITED} LIMIT 1").fetchone() is not None


def count_of(db: apsw.Connection, stream_keys: Iterable[str]) -> int:
    """Count the sessions of the streams with those keys."""
    query = "SELECT count(*) FROM sessions WHERE stream = (SELECT id FROM streams WHERE key = ?)"
    return sum(int(one(db, query, (key,))[0]) for key in stream_keys)


def edited(db: apsw.Connection) -> list[Row]:
    """Return the sessions that a person changed by SQL since they were last written."""
    return [_row(row) for row in db.execute(f"{_SELECT} WHERE {EDITED}")]


def by_id(db: apsw.Connection, id: str) -> Row | None:
    """Return the session with exactly that id."""
    return _one(db, f"{_SELECT} WHERE id = ?", (id,))


def write(db: apsw.Connection, values: Mapping[str, Any]) -> int:
    """Insert or replace the session with `values['id']`; return its row number."""
    columns = list(values)
    db.execute(
        f"INSERT INTO sessions ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns)}",
        tuple(values.values()),
    )
    db.execute(f"UPDATE sessions SET projected = {PROJECTED} WHERE id = ?", (values["id"],))
    return int(one(db, "SELECT seq FROM sessions WHERE id = ?", (values["id"],))[0])


def update(db: apsw.Connection, seq: int, values: Mapping[str, Any]) -> None:
    """Change columns of a session that leave `projected` true, or are followed by `reproject`."""
    assignments = ", ".join(f"{name} = ?" for name in values)
    db.execute(f"UPDATE sessions SET {assignments} WHERE seq = ?", (*values.values(), seq))


def reproject(db: apsw.Connection, seq: int) -> None:
    """Note that what the row says now is what we wrote."""
    db.execute(f"UPDATE sessions SET projected = {PROJECTED} WHERE seq = ?", (seq,))


def close(db: apsw.Connection, closings: Iterable[tuple[int, int, str]], *, now: int) -> int:
    """Complete active sessions, given as (row number, expected last activity, reason); return how many were.

    One that saw activity since it was looked at stays as it is. The end is the last activity.
    """
    before = db.total_changes()
    db.executemany(
        """UPDATE sessions SET status = 'completed', ended_at = last_activity_at, end_reason = ?3, updated_at = ?4,
                  projected = started_at || ' ' || last_activity_at || ' completed ' || ifnull('=' || title, '-')
                    || ' ' || topics
           WHERE seq = ?1 AND last_activity_at = ?2 AND status = 'active'""",
        ((*closing, now) for closing in closings),
    )
    return int(db.total_changes() - before)


def delete(db: apsw.Connection, seq: int) -> None:
    """Remove a row of the projection (its activities stay)."""
    rollups.outdate(db, seq)
    db.execute("DELETE FROM sessions WHERE seq = ?", (seq,))


def place_runs(db: apsw.Connection, stream: int, runs: Mapping[int, int], among: Iterable[int] | None = None) -> None:
    """Note which session (its row number) each run of a stream is part of, by when it began.

    They are all there are of the stream, or, with `among`, all there are of these sessions.
    """
    replaced = None if among is None else set(among)
    known = starts_of(db, stream)
    gone = [since for since, seq in known.items() if since not in runs and (replaced is None or seq in replaced)]
    db.executemany("DELETE FROM runs WHERE stream = ? AND since = ?", ((stream, since) for since in gone))
    db.executemany(
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?)",
        ((stream, *run) for run in runs.items() if known.get(run[0]) != run[1]),
    )


def starts_of(db: apsw.Connection, stream: int) -> dict[int, int]:
    """Return when each run of a stream began, and the row number of the session that it is part of."""
    return dict(db.execute("SELECT since, session FROM runs WHERE stream = ? ORDER BY since", (stream,)))


def runs_of(db: apsw.Connection, seq: int) -> list[tuple[int, int]]:
    """Return the runs that a session is made of, as (stream, when it began)."""
    found = db.execute("SELECT stream, since FROM runs WHERE session = ? ORDER BY stream, since", (seq,))
    return [(stream, since) for stream, since in found]


def over_without_digest(db: apsw.Connection, most: int) -> list[int]:
    """Return some of the sessions (their row numbers) that are over and have no digest, stream by stream."""
    query = """SELECT seq FROM (SELECT seq, stream FROM sessions INDEXED BY sessions_undigested
                 WHERE digest IS NULL AND status <> 'active' LIMIT ?)
               ORDER BY stream, seq"""
    return [row[0] for row in db.execute(query, (most,))]


def files_of(db: apsw.Connection, seq: int) -> list[tuple[str, int, int]]:
    """Return the files of a session as (path, reads, first touched)."""
    found = db.execute(
        "SELECT n.text, t.reads, t.first_at FROM touched t JOIN names n ON n.id = t.path WHERE t.session = ?", (seq,)
    )
    return [(text(path) or "", count(reads), count(first)) for path, reads, first in found]


def count_touch(db: apsw.Connection, seq: int, path: Redacted, *, edit: bool, at: int) -> bool:
    """Count one read or edit of a file; return whether the session had not touched it before."""
    number = intern(db, path)
    known = db.execute("SELECT 1 FROM touched WHERE session = ? AND path = ?", (seq, number)).fetchone()
    db.execute(
        """INSERT INTO touched VALUES (?1, ?2, ?3, ?4, ?5, ?5)
           ON CONFLICT (session, path) DO UPDATE SET reads = reads + ?3, edits = edits + ?4,
             first_at = min(first_at, ?5), last_at = max(last_at, ?5)""",
        (seq, number, int(not edit), int(edit), at),
    )
    return known is None


def write_touched(db: apsw.Connection, seq: int, counts: Iterable[tuple[Redacted, int, int, int, int]]) -> None:
    """Replace a session's files, given as (path, reads, edits, first, last)."""
    db.execute("DELETE FROM touched WHERE session = ?", (seq,))
    db.executemany(
        "INSERT INTO touched VALUES (?, ?, ?, ?, ?, ?)",
        [(seq, intern(db, path), reads, edits, first, last) for path, reads, edits, first, last in counts],
    )


def add_anchor(db: apsw.Connection, anchor: Anchor, stream: int | None) -> None:
    """Give an id away, for ever."""
    db.execute(
        "INSERT INTO anchors VALUES (?, ?, ?, ?)",
        (anchor.id, stream, anchor.key if stream else None, anchor.created_at),
    )


def anchors(db: apsw.Connection, stream: int) -> list[Anchor]:
    """Return the ids given to sessions of a stream, the earliest first."""
    rows = db.execute("SELECT id, key, created_at FROM anchors WHERE stream = ? ORDER BY created_at, id", (stream,))
    return [Anchor(*row) for row in rows]


def amend(db: apsw.Connection, session_id: str, kind: str, data: Mapping[str, Any], *, now: int) -> None:
    """Record what a person or an import decided about a session."""
    db.execute(
        "INSERT INTO amendments (made_at, kind, session_id, data) VALUES (?, ?, ?, ?)",
        (now, kind, session_id, json_text(dict(data))),
    )


def json_text(value: Any) -> str:
    """Write a value as JSON; redacted text counts as text."""
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(type(value).__name__)


def amendments(db: apsw.Connection, session_ids: Iterable[str], kind: str) -> list[dict[str, Any]]:
    """Return what was decided about a session under any of its ids, oldest first."""
    found = [
        row
        for id in session_ids
        for row in db.execute("SELECT id, data FROM amendments WHERE session_id = ? AND kind = ?", (id, kind))
    ]
    decided = [_decided(data) for _, data in sorted(found)]
    return [data for data in decided if data is not None]


def _decided(data: Any) -> dict[str, Any] | None:
    """Read an amendment; one that is no longer what we wrote counts as not made."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, TypeError):
        return None


def amended_ids(db: apsw.Connection, kind: str) -> list[str]:
    """Return the ids of sessions that have an amendment of a kind."""
    return [
        row[0] for row in db.execute("SELECT DISTINCT session_id FROM amendments WHERE kind = ? ORDER BY 1", (kind,))
    ]


def _one(db: apsw.Connection, query: str, parameters: tuple[Any, ...]) -> Row | None:
    row = db.execute(query, parameters).fetchone()
    return None if row is None else _row(row)


def _row(row: tuple[Any, ...]) -> Row:
    seq, stream, first, last_start, block_start, branch_at, phase, amended, digested, tied, is_edited = row[
        len(_FIELDS) :
    ]
    return Row(
        seq=seq, session=session(row[: len(_FIELDS)]), stream=whole(stream), first_activity_at=count(first),
        last_start_at=count(last_start), block_start_at=count(block_start), branch_at=whole(branch_at),
        phase=text(phase), amended=bool(amended), digested=bool(digested), tied=count(tied), edited=bool(is_edited),
    )  # fmt: skip


_NUMBERS = (
    "started_at",
    "last_activity_at",
    "tool_calls",
    "files",
    "activities",
    "timeout_ms",
    "created_at",
    "updated_at",
)
_MAYBE_NUMBERS = ("ended_at", "active_ms", "agent_ms", "waiting_ms")


def session(values: tuple[Any, ...]) -> Session:
    """Map the columns named by Session's fields, in their order, to a Session."""
    found = dict(zip(_FIELDS, values, strict=True))
    for name in _FIELDS:
        if name in _NUMBERS:
            found[name] = count(found[name])
        elif name in _MAYBE_NUMBERS:
            found[name] = whole(found[name])
        elif name == "empty":
            found[name] = bool(found[name])
        elif name == "topics":
            found[name] = _topics(found[name])
        else:
            found[name] = text(found[name])
    return Session(**found)


def _topics(text: Any) -> list[str]:
    """Read the topics column, which a person's SQL may have filled with anything."""
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, TypeError):
        return []


def columns(db: apsw.Connection, seq: int, names: tuple[str, ...]) -> tuple[Any, ...]:
    """Return some columns of a session as they are stored."""
    return one(db, f"SELECT {', '.join(names)} FROM sessions WHERE seq = ?", (seq,))
