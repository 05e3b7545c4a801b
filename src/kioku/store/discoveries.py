"""The table `discoveries`: what was learned, on which evidence it rests, and what the person decided about it.

Evidence is a list in JSON: where it was said and the exact words. What an older program or a person's SQL put in its
place is read as a quotation of nobody's. Every function works inside the caller's transaction.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import apsw
import msgspec

from kioku.redaction import redact
from kioku.store.values import count, text

PROPOSED: Final = "proposed"
ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
SUPERSEDED: Final = "superseded"
STATES: Final = (PROPOSED, ACCEPTED, REJECTED, SUPERSEDED)


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a discovery rests on: the exact words, by whom, in which session and turn (its stable number), and when."""

    quote: str
    by: str = ""
    session: str | None = None
    turn: str | None = None
    at: int | None = None
    solution: str | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A stored discovery. `superseded_by` is what took its place, `proposed_by` what is proposed to."""

    id: str
    type: str
    content: str
    module: str | None
    confidence: float | None
    state: str
    provenance: str
    session: str | None
    created_at: int
    updated_at: int
    evidence: tuple[Evidence, ...] = ()
    superseded_by: str | None = None
    proposed_by: tuple[str, ...] = ()

    @property
    def seen(self) -> int:
        """Return in how many sessions it was said."""
        return len({part.session for part in self.evidence if part.session is not None})


class Turn(msgspec.Struct, frozen=True):
    """What was said in a session: by whom (`user` or `assistant`), and its stable number."""

    key: int
    at: int
    role: str
    text: str


class Touch(msgspec.Struct, frozen=True):
    """A file that a session read or edited, and when."""

    path: str
    at: int
    is_edit: bool


class Unlearned(msgspec.Struct, frozen=True):
    """A session that is over and was not looked at since it is as it is; `digest` says how it is."""

    seq: int
    id: str
    digest: bytes


_OVER: Final = "digest IS NOT NULL AND status <> 'active' AND learned IS NOT digest"  # as the index has it
_COLUMNS: Final = (
    "id, type, content, module, confidence, state, provenance, session_id, created_at, updated_at, evidence"
)


def has_unlearned(db: apsw.Connection) -> bool:
    """Tell whether a session waits to be looked at."""
    return db.execute(f"SELECT 1 FROM sessions WHERE {_OVER} LIMIT 1").fetchone() is not None


def unlearned(db: apsw.Connection, most: int) -> list[Unlearned]:
    """Return sessions that wait to be looked at, the latest first."""
    found = db.execute(f"SELECT seq, id, digest FROM sessions WHERE {_OVER} ORDER BY seq DESC LIMIT ?", (most,))
    return [Unlearned(*row) for row in found]


def note_learned(db: apsw.Connection, seq: int, digest: bytes) -> None:
    """Note that a session was looked at as it was then."""
    db.execute("UPDATE sessions SET learned = ? WHERE seq = ?", (digest, seq))


def turns(db: apsw.Connection, seq: int, most: int = -1) -> list[Turn]:
    """Return what was said in a session, in order; what stands twice, once. With `most`, the last so many turns."""
    found = db.execute(
        """SELECT t.key, t.at, t.role, t.text FROM runs u JOIN turns t ON t.stream = u.stream AND t.at >= u.since
           WHERE u.session = ?
             AND NOT EXISTS (SELECT 1 FROM runs n WHERE n.stream = u.stream AND n.since > u.since AND n.since <= t.at)
             AND NOT EXISTS (SELECT 1 FROM reports r
                             WHERE r.key = t.key AND r.source = t.source AND r.hidden IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM turns c WHERE c.key = t.key AND c.source < t.source)
           ORDER BY t.at DESC, t.id DESC LIMIT ?""",
        (seq, most),
    )
    return [Turn(key, count(at), text(role) or "", text(words) or "") for key, at, role, words in found][::-1]


def touches(db: apsw.Connection, seq: int, edits: Sequence[str]) -> list[Touch]:
    """Return the files that a session touched, and when; `edits` are the kinds of activity that edit."""
    found = db.execute(
        """SELECT p.text, r.at, k.text FROM runs u JOIN reports r ON r.stream = u.stream AND r.at >= u.since
           JOIN names p ON p.id = r.path JOIN names k ON k.id = r.kind
           WHERE u.session = ? AND r.hidden IS NULL
             AND NOT EXISTS (SELECT 1 FROM runs n WHERE n.stream = u.stream AND n.since > u.since AND n.since <= r.at)
             AND NOT EXISTS (SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source)""",
        (seq,),
    )
    told = [Touch(text(path) or "", count(at), kind in edits) for path, at, kind in found]
    if told:
        return told
    # An archived session has no activities any more, but its files.
    kept = db.execute(
        "SELECT n.text, t.last_at, t.edits FROM touched t JOIN names n ON n.id = t.path WHERE t.session = ?", (seq,)
    )
    return [Touch(text(path) or "", count(at), bool(number)) for path, at, number in kept]


def every(db: apsw.Connection) -> list[Row]:
    """Return all discoveries, the latest first."""
    return _rows(db, "ORDER BY created_at DESC, id")


def by_id(db: apsw.Connection, id: str) -> Row | None:
    """Return one discovery."""
    return next(iter(_rows(db, "WHERE id = ?", (id,))), None)


def put(db: apsw.Connection, row: Row) -> None:
    """Store a discovery, in place of the one with its id."""
    content, module = redact(row.content), None if row.module is None else redact(row.module)
    db.execute(
        f"""INSERT INTO discoveries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET type = excluded.type, content = excluded.content, module = excluded.module,
              confidence = excluded.confidence, state = excluded.state, provenance = excluded.provenance,
              session_id = excluded.session_id, updated_at = excluded.updated_at, evidence = excluded.evidence""",
        (
            row.id, redact(row.type), content, module, row.confidence, redact(row.state), redact(row.provenance),
            row.session, row.created_at, row.updated_at, _written(row.evidence),
        ),
    )  # fmt: skip


def propose_succession(db: apsw.Connection, id: str, by: str) -> None:
    """Note that one discovery contradicts another that came before it. Safe to repeat."""
    db.execute("INSERT OR IGNORE INTO successions VALUES (?, ?, NULL)", (id, by))


def decide_succession(db: apsw.Connection, id: str, by: str, *, now: int) -> None:
    """Let a discovery take another's place."""
    db.execute("DELETE FROM successions WHERE id IN (?1, ?2) AND superseded_by IN (?1, ?2)", (id, by))
    db.execute("INSERT OR REPLACE INTO successions VALUES (?, ?, ?)", (id, by, now))
    db.execute("UPDATE discoveries SET state = ?, updated_at = ? WHERE id = ?", (SUPERSEDED, now, id))


def reopen_successions(db: apsw.Connection, id: str) -> None:
    """Note that a discovery stands after all: whatever took its place is only proposed to."""
    db.execute("UPDATE successions SET decided_at = NULL WHERE id = ?", (id,))


def reverse_successions(db: apsw.Connection, id: str) -> None:
    """Note that a person went back to a discovery: it is proposed to take the place of what had taken its."""
    taken = [
        str(row[0])
        for row in db.execute(
            "DELETE FROM successions WHERE id = ? AND decided_at IS NOT NULL RETURNING superseded_by", (id,)
        )
    ]
    for by in taken:
        propose_succession(db, by, id)


def remembered(db: apsw.Connection, session: str) -> int:
    """Return how many discoveries rest on a session."""
    query = "SELECT count(*) FROM discoveries WHERE session_id = ?1 OR instr(evidence, '\"' || ?1 || '\"')"
    return int(next(db.execute(query, (session,)))[0])


def resting_on(db: apsw.Connection, ids: Iterable[str]) -> list[str]:
    """Return the ids of the discoveries of which something was said in one of these sessions."""
    found: dict[str, None] = {}
    for session in ids:
        query = "SELECT id FROM discoveries WHERE session_id = ?1 OR instr(evidence, '\"' || ?1 || '\"')"
        found |= {str(row[0]): None for row in db.execute(query, (session,))}
    return list(found)


def forget(db: apsw.Connection, id: str, ids: Iterable[str]) -> None:
    """Remove what rests on a deleted session alone, and from the rest what was said in it; `ids` are all its ids."""
    gone = set(ids)
    quoting = "WHERE session_id = ?1 OR instr(evidence, ?1) OR instr(content, ?1)"
    for row in _rows(db, quoting, (id,)):
        left = tuple(part for part in row.evidence if part.session is not None and part.session not in gone)
        if not left or any(name in row.content or any(name in part.quote for part in left) for name in gone):
            db.execute("DELETE FROM discoveries WHERE id = ?", (row.id,))
            db.execute("DELETE FROM successions WHERE ?1 IN (id, superseded_by)", (row.id,))
            db.execute("DELETE FROM context_items WHERE id = ?1 OR id LIKE '%:' || ?1 OR id LIKE '%/' || ?1", (row.id,))
            continue
        said = [part.quote for part in row.evidence if part not in left]
        words = row.content
        if _is_in(words, said) and not _is_in(words, [part.quote for part in left]):
            words = left[0].quote
        db.execute(
            "UPDATE discoveries SET content = ?, session_id = ?, evidence = ? WHERE id = ?",
            (redact(words), left[0].session, _written(left), row.id),
        )


def _is_in(words: str, quotes: Iterable[str]) -> bool:
    return any(words.lower() in quote.lower() for quote in quotes)


def _rows(db: apsw.Connection, where: str, values: tuple[str, ...] = ()) -> list[Row]:
    decided: dict[str, str] = {}
    proposed: dict[str, list[str]] = {}
    for old, new, at in db.execute("SELECT id, superseded_by, decided_at FROM successions ORDER BY id, superseded_by"):
        if at is None:
            proposed.setdefault(old, []).append(new)
        else:
            decided[old] = new
    return [
        Row(
            id=id, type=text(kind) or "", content=text(content) or "", module=text(module),
            confidence=float(sure) if isinstance(sure, int | float) and 0 <= sure <= 1 else None,
            state=text(state) or PROPOSED, provenance=text(provenance) or "", session=text(session),
            created_at=count(created), updated_at=count(updated), evidence=evidence_in(evidence),
            superseded_by=decided.get(id), proposed_by=tuple(proposed.get(id, ())),
        )
        for id, kind, content, module, sure, state, provenance, session, created, updated, evidence in db.execute(
            f"SELECT {_COLUMNS} FROM discoveries {where}", values
        )
        if isinstance(id, str)
    ]  # fmt: skip


def evidence_in(stored: object) -> tuple[Evidence, ...]:
    """Read evidence as it is stored."""
    told = text(stored)
    if not told:
        return ()
    try:
        return msgspec.json.decode(told, type=tuple[Evidence, ...])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return (Evidence(quote=told),)


def _written(evidence: tuple[Evidence, ...]) -> str | None:
    """Return evidence as it is stored: each text in it is redacted by itself."""
    parts = (
        msgspec.structs.replace(
            part,
            quote=str(redact(part.quote)),
            session=None if part.session is None else str(part.session),
            solution=None if part.solution is None else str(redact(part.solution)),
            by=str(part.by),
        )
        for part in evidence
    )
    return msgspec.json.encode(tuple(parts)).decode() if evidence else None
