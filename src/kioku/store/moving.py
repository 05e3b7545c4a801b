"""Taking one conversation out of a store, whole, and putting it into another.

What is put in twice is there once: its rows have keys of their own. Every function works inside the caller's
transaction.
"""

from collections.abc import Callable
from typing import Any

import apsw
import msgspec

from kioku.models import Report
from kioku.redaction import Redacted
from kioku.store import activities, keepsake, rollups, turns
from kioku.store.turns import Spent, Turn
from kioku.store.values import text


class Carried(msgspec.Struct, frozen=True):
    """A conversation with all that is known of it; `rows` are those that are carried over as they are, by table."""

    key: str
    version: str | None
    reports: list[Report]
    turns: list[Turn]
    spent: list[Spent]
    rows: dict[str, list[tuple[Any, ...]]]


def read(db: apsw.Connection, stream: int) -> Carried:
    """Return a conversation as it is stored."""
    key, version = db.execute("SELECT key, client_version FROM streams WHERE id = ?", (stream,)).fetchall()[0]
    said = db.execute(
        """SELECT t.key, t.source, t.at, t.role, t.text, m.text FROM turns t LEFT JOIN names m ON m.id = t.model
           WHERE t.stream = ? ORDER BY t.id""",
        (stream,),
    )
    spent = db.execute(
        """SELECT u.key, u.at, m.text, u.input, u.output, u.cache_read, u.cache_write
           FROM usage u LEFT JOIN names m ON m.id = u.model WHERE u.stream = ? ORDER BY u.at, u.key""",
        (stream,),
    )
    return Carried(
        key=str(key), version=text(version),
        reports=[*activities.load_whole(db, stream), *activities.waiting(db, str(key))],
        turns=[
            Turn(key=k, source=source, at=at, role=role, text=Redacted(words), model=_known(model))
            for k, source, at, role, words, model in said
        ],
        spent=[
            Spent(key=k, at=at, model=_known(model), input=i, output=o, cache_read=r, cache_write=w)
            for k, at, model, i, o, r, w in spent
        ],
        rows={
            "sightings": list(
                db.execute("SELECT process, since, until, succeeds FROM sightings WHERE stream = ?", (stream,))
            ),
            "anchors": list(db.execute("SELECT id, key, created_at FROM anchors WHERE stream = ?", (stream,))),
            "amendments": list(
                db.execute(
                    """SELECT made_at, kind, session_id, data FROM amendments
                       WHERE session_id IN (SELECT id FROM anchors WHERE stream = ?) ORDER BY id""",
                    (stream,),
                )
            ),
        },
    )  # fmt: skip


def put(
    db: apsw.Connection,
    stream: int,
    carried: Carried,
    relocate: Callable[[Redacted], Redacted],
    now: int,
    *,
    of_archived: bool = False,
) -> list[str]:
    """Put a conversation into a stream; return the processes under which it was seen. Derive its sessions afterwards.

    `relocate` says what a path becomes. With `of_archived`, the stream is an archived session's own.
    """
    for report in carried.reports:
        path = None if report.path is None else relocate(report.path)
        activities.add(db, stream, msgspec.structs.replace(report, path=path), now=now)
    for turn in carried.turns:
        turns.add_turn(db, stream, turn, of_archived=of_archived)
    for spent in carried.spent:
        turns.add_usage(db, stream, spent)
    if carried.version is not None:
        activities.note_version(db, stream, Redacted(carried.version))
    for process, *times in carried.rows["sightings"]:
        db.execute("INSERT OR IGNORE INTO sightings VALUES (?, ?, ?, ?, ?)", (process, stream, *times))
    for id, key, created_at in carried.rows["anchors"]:
        db.execute("INSERT OR IGNORE INTO anchors VALUES (?, ?, ?, ?)", (id, stream, key, created_at))
    _decide(db, carried)
    activities.mark_stale(db, stream)
    return [row[0] for row in carried.rows["sightings"]]


def lead(db: apsw.Connection, carried: Carried) -> None:
    """Let the ids of a conversation lead to the sessions that have its reports already."""
    for id, key, created_at in carried.rows["anchors"]:
        holder = keepsake.holder(db, key)
        if holder is not None:
            db.execute("INSERT OR IGNORE INTO anchors VALUES (?, ?, ?, ?)", (id, holder, key, created_at))
            activities.mark_stale(db, holder)
    _decide(db, carried)


def _decide(db: apsw.Connection, carried: Carried) -> None:
    for amendment in carried.rows["amendments"]:
        known = db.execute(
            "SELECT 1 FROM amendments WHERE (made_at, kind, session_id, data) = (?, ?, ?, ?)", amendment
        ).fetchone()
        if known is None:
            db.execute("INSERT INTO amendments (made_at, kind, session_id, data) VALUES (?, ?, ?, ?)", amendment)


def remove(db: apsw.Connection, stream: int) -> None:
    """Remove a conversation that is in another store now, and nothing else."""
    rollups.outdate_stream(db, stream)
    # What it was merged with stays, and is derived without it.
    db.execute(
        """UPDATE streams SET stale = 1 WHERE id <> ?1 AND id IN (SELECT u.stream FROM runs u WHERE u.session IN
           (SELECT session FROM runs WHERE stream = ?1))""",
        (stream,),
    )
    db.execute("DELETE FROM amendments WHERE session_id IN (SELECT id FROM anchors WHERE stream = ?)", (stream,))
    tables = ("sessions", "runs", "merged_sessions", "anchors", "turns", "usage", "sightings", "stream_spans",
              "timeouts", "reports")  # fmt: skip
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,))
    db.execute("DELETE FROM stream_spans WHERE conversation = ?", (stream,))
    db.execute("DELETE FROM quarantine WHERE stream_key = (SELECT key FROM streams WHERE id = ?)", (stream,))
    db.execute("DELETE FROM archived_runs WHERE stream = ?", (stream,))  # of those that had to stay
    db.execute("DELETE FROM streams WHERE id = ?", (stream,))


def _known(name: object) -> Redacted | None:
    return None if name is None else Redacted(text(name) or "")
