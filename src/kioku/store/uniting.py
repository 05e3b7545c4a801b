"""Uniting what an export holds with what a store has: streams, sightings, ids, amendments, and what was learned.

Of two versions of one thing the same stands whichever came first, so the order of imports has no part in the result;
only of discoveries, in files that the person does not vouch for, the first stands. What is there already stays as it
is. Every function works inside the caller's transaction.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import apsw
import msgspec

from kioku.redaction import Redacted, redact
from kioku.store import activities, archive, barred, forgotten, rollups
from kioku.store.connection import one
from kioku.store.discoveries import ACCEPTED, PROPOSED, SUPERSEDED
from kioku.store.portable import Amendment, Discovery, Item, Refinement, Succession
from kioku.store.sessions import json_text
from kioku.store.values import count

_FACTS = ("client", "folder", "claim", "owner")


def stream(
    db: apsw.Connection,
    key: Redacted,
    *,
    project_id: str,
    created_at: int,
    facts: dict[str, Redacted | None],
    version: Redacted | None,
    timeouts: Sequence[tuple[int, int]],
) -> int:
    """Put a stream in place, or unite what is known of it; return its number.

    Of two texts the smaller stands, of versions the higher, of instants of creation the earlier; of two timeouts in
    force from the same instant on, the longer.
    """
    number = activities.find_stream(db, key)
    is_new = number is None
    if number is None:
        steps = timeouts or ((0, activities.BUILT_IN_TIMEOUT_MS),)
        number = activities.stream(db, key, project_id=project_id, owner=None, timeout_ms=steps[0][1], now=created_at)
        db.execute("DELETE FROM timeouts WHERE stream = ?", (number,))
        db.execute("UPDATE streams SET client = NULL WHERE id = ?", (number,))
    before = _known(db, number)
    for name in _FACTS:
        db.execute(
            f"UPDATE streams SET {name} = ?2 WHERE id = ?1 AND ?2 IS NOT NULL AND ({name} IS NULL OR {name} > ?2)",
            (number, facts[name]),
        )
    if version is not None:
        activities.note_version(db, number, version)
    db.execute("UPDATE streams SET created_at = ?2 WHERE id = ?1 AND created_at > ?2", (number, created_at))
    db.executemany(
        """INSERT INTO timeouts VALUES (?, ?, ?) ON CONFLICT (stream, since)
           DO UPDATE SET timeout_ms = max(timeout_ms, excluded.timeout_ms)""",
        ((number, since, timeout) for since, timeout in timeouts),
    )
    if _known(db, number) != before and not is_new:
        activities.mark_stale(db, number)
        rollups.outdate_stream(db, number)
    return number


def _known(db: apsw.Connection, stream: int) -> tuple[Any, ...]:
    row = one(db, f"SELECT client_version, {', '.join(_FACTS)} FROM streams WHERE id = ?", (stream,))
    return (*row, *activities.timeouts(db, stream))


def sighting(
    db: apsw.Connection, process: Redacted, stream: int, since: int, until: int | None, succeeds: int | None
) -> None:
    """Unite sightings of a stream under a process: the earliest begin, the latest end and succession known."""
    db.execute(
        """INSERT INTO sightings VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (process, stream) DO UPDATE SET
             since = min(since, ?3), until = coalesce(max(until, ?4), until, ?4),
             succeeds = coalesce(max(succeeds, ?5), succeeds, ?5)""",
        (process, stream, since, until, succeeds),
    )


def anchor(db: apsw.Connection, id: Redacted, stream: int | None, key: int | None, created_at: int) -> bool:
    """Give an id to the session that has the report with that key; return False where it is another session's."""
    known = db.execute("SELECT stream, key FROM anchors WHERE id = ?", (id,)).fetchone()
    if known is not None:
        if (known[0] is None, known[1]) != (stream is None, key):
            return False
        db.execute("UPDATE anchors SET created_at = ?2 WHERE id = ?1 AND created_at > ?2", (id, created_at))
        if db.changes() and known[0] is not None:
            activities.mark_stale(db, known[0])
        return True
    if stream is not None:
        stream = _holder(db, stream, key)
        activities.mark_stale(db, stream)
    db.execute("INSERT INTO anchors VALUES (?, ?, ?, ?)", (id, stream, key if stream else None, created_at))
    return True


def _holder(db: apsw.Connection, stream: int, key: int | None) -> int:
    """Return the stream that has the report with a key: where several have, the one named, else the first by name."""
    rows = db.execute(
        "SELECT DISTINCT s.id FROM reports r JOIN streams s ON s.id = r.stream WHERE r.key = ? ORDER BY s.key", (key,)
    )
    found = [int(row[0]) for row in rows]
    return stream if stream in found or not found else found[0]


def follow(db: apsw.Connection, stream: int, place: int, keys: Iterable[int]) -> None:
    """Take the ids that were given for reports along to the stream that these are kept in."""
    db.executemany("UPDATE anchors SET stream = ? WHERE stream = ? AND key = ?", ((place, stream, key) for key in keys))


def streams_of(db: apsw.Connection, ids: Iterable[str]) -> tuple[set[int], list[str]]:
    """Return the streams of the sessions that some ids were given to, and the ids of those that have none."""
    streams: set[int] = set()
    alone: list[str] = []
    for id in ids:
        row = db.execute("SELECT stream FROM anchors WHERE id = ?", (id,)).fetchone()
        if row is not None and row[0] is not None:
            streams.add(row[0])
        elif row is not None:
            alone.append(id)
    return streams, alone


def is_given(db: apsw.Connection, id: str) -> bool:
    """Tell whether an id is any session's here."""
    query = """SELECT EXISTS (SELECT 1 FROM anchors WHERE id = ?1) OR EXISTS (SELECT 1 FROM sessions WHERE id = ?1)
               OR EXISTS (SELECT 1 FROM streams WHERE key = ?2)"""
    return bool(one(db, query, (id, archive.PREFIX + id))[0])


def served(db: apsw.Connection) -> None:
    """Note that a server records in one of the stores. Safe to repeat."""
    if not activities.is_served(db):
        activities.note_served(db)


def keep(db: apsw.Connection, keys: Iterable[int]) -> None:
    """Keep keys of archived reports of which nobody knows whose they are; what is here with its report stays so."""
    for key in keys:
        if db.execute("SELECT 1 FROM reports WHERE key = ?", (key,)).fetchone() is None:
            barred.fold(db, key, None)


def discovery(db: apsw.Connection, found: Discovery, *, trusted: bool) -> bool:
    """Unite a discovery; return whether one that was accepted there is only proposed here.

    Of a trusted file the later of two versions stands, with the authority that it had. Any other may have been written
    by anybody: what is here stands, and what is new is the repository's word, and for the person to accept.
    """
    if found.session is not None and forgotten.has_session(db, found.session):
        return False
    is_here = db.execute("SELECT 1 FROM discoveries WHERE id = ?", (found.id,)).fetchone() is not None
    if is_here and not trusted:
        return False
    is_lowered = found.state == ACCEPTED and not trusted
    _newest(db, "discoveries", "updated_at", {
        "id": redact(found.id), "session_id": _maybe(found.session), "type": redact(found.kind),
        "content": redact(found.content), "module": _maybe(found.module), "confidence": found.confidence,
        "state": redact(PROPOSED if is_lowered else found.state),
        "provenance": redact(found.provenance) if trusted else "repository", "evidence": _maybe(found.evidence),
        "created_at": found.created_at, "updated_at": found.updated_at,
    })  # fmt: skip
    return is_lowered


def succession(db: apsw.Connection, found: Succession, *, trusted: bool) -> None:
    """Unite which discovery takes another's place, where both are here and nobody here has decided otherwise.

    What a file decides that is not trusted is only proposed, but for what came superseded with it.
    """
    states = dict(db.execute("SELECT id, state FROM discoveries WHERE id IN (?, ?)", (found.id, found.superseded_by)))
    if len(states) < 2:
        return
    is_decided = found.decided_at is not None
    if not trusted:
        query = "SELECT 1 FROM successions WHERE id = ? AND decided_at IS NOT NULL"
        is_open = db.execute(query, (found.id,)).fetchone() is None
        if states[found.id] == SUPERSEDED and not is_open:
            return
        is_decided = is_decided and states[found.id] == SUPERSEDED
    if is_decided or states[found.id] != SUPERSEDED:
        db.execute(
            """INSERT INTO successions VALUES (?, ?, ?) ON CONFLICT (id, superseded_by)
               DO UPDATE SET decided_at = coalesce(max(decided_at, excluded.decided_at), decided_at,
                                                   excluded.decided_at)""",
            (redact(found.id), redact(found.superseded_by), found.decided_at if is_decided else None),
        )


def refinement(db: apsw.Connection, found: Refinement) -> None:
    """Unite that a model was asked about a session: the latest time stands."""
    if forgotten.has_session(db, found.session):
        return
    db.execute(
        """INSERT INTO refinements VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (session_id, model)
           DO UPDATE SET digest = ?3, asked_at = ?4, input_tokens = ?5, output_tokens = ?6, found = ?7, dropped = ?8
           WHERE asked_at < ?4""",
        (
            redact(found.session), redact(found.model), bytes.fromhex(found.digest), found.asked_at, found.input_tokens,
            found.output_tokens, found.found, found.dropped,
        ),
    )  # fmt: skip


def item(db: apsw.Connection, found: Item, *, trusted: bool, now: int) -> None:
    """Unite an item of what is known of the project: of two versions the later stands.

    Of a file that is not trusted only what is new is taken, as in use, and as of no later than now.
    """
    if not trusted:
        if db.execute("SELECT 1 FROM context_items WHERE id = ?", (found.id,)).fetchone() is not None:
            return
        instants = (found.used_at, found.created_at, found.updated_at)
        used_at, created_at, updated_at = (None if at is None else min(at, now) for at in instants)
        found = msgspec.structs.replace(
            found, status="active", used_at=used_at, created_at=created_at, updated_at=updated_at
        )
    _newest(db, "context_items", "updated_at", {
        "id": redact(found.id), "type": redact(found.kind), "content": redact(found.content),
        "metadata_json": redact(found.metadata), "score": found.score, "recency_factor": found.recency,
        "access_factor": found.frequency, "last_accessed_at": found.used_at, "access_count": found.accesses,
        "tokens": found.tokens, "status": found.status, "created_at": found.created_at, "updated_at": found.updated_at,
    })  # fmt: skip


def _newest(db: apsw.Connection, table: str, written: str, row: dict[str, Any]) -> None:
    """Put a row in place unless the one with its id was written later, or then and is the greater."""
    names = ", ".join(row)
    known = db.execute(f"SELECT {names} FROM {table} WHERE id = ?", (row["id"],)).fetchone()
    if known is not None:
        was = dict(zip(row, known, strict=True))
        if (count(was[written]), repr(known)) >= (count(row[written]), repr(tuple(row.values()))):
            return
    db.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


def _maybe(text: str | None) -> Redacted | None:
    return None if text is None else redact(text)


def runs(db: apsw.Connection, stream: int) -> int:
    """Return into how many runs a stream is divided."""
    return int(one(db, "SELECT count(*) FROM runs WHERE stream = ?", (stream,))[0])


def is_decided(db: apsw.Connection, found: Amendment) -> bool:
    """Tell whether a decision is known."""
    query = "SELECT 1 FROM amendments WHERE session_id = ? AND kind = ? AND made_at = ? AND data = ?"
    return db.execute(query, (found.session, found.kind, found.made_at, json_text(found.data))).fetchone() is not None


def amend(db: apsw.Connection, decided: Sequence[Amendment]) -> None:
    """Put decisions that are not known yet among those that are, by the time at which they were made.

    Each keeps its place among those of its own store, also where a clock was set back.
    """
    last, latest = one(db, "SELECT max(id), max(made_at) FROM amendments")
    db.executemany(
        "INSERT INTO amendments (made_at, kind, session_id, data) VALUES (?, ?, ?, ?)",
        ((found.made_at, found.kind, found.session, json_text(found.data)) for found in decided),
    )
    if last is None or all(found.made_at >= latest for found in decided):
        return
    db.execute(
        """UPDATE amendments SET id = -place FROM (
             SELECT id AS was, row_number() OVER (ORDER BY reached, is_new, id) AS place FROM (
               SELECT id, id > ?1 AS is_new, max(made_at) OVER (PARTITION BY id > ?1 ORDER BY id) AS reached
               FROM amendments))
           WHERE id = was""",
        (last,),
    )
    db.execute("UPDATE amendments SET id = -id")
