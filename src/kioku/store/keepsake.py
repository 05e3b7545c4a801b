"""An archived session as one thing: all that it keeps, taken out of a store and put into another.

What it keeps is the truth about it, so it goes over as it is: its row, files, digest and parts, where its time was, and
the keys of its reports. Turns, usage and ids are lines of their own. Every function works inside the caller's
transaction.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from kioku.redaction import Redacted, redact
from kioku.store import archive, barred, forgotten, merges, rollups, sessions
from kioku.store.connection import one
from kioku.store.merges import Member
from kioku.store.names import Names
from kioku.store.portable import CLOCKS, KINDS, Archived
from kioku.store.portable import Member as Piece
from kioku.store.redacting import leaves
from kioku.store.redactor import Redactor
from kioku.store.values import count, text, whole
from kioku.summaries import EDIT, READ, Digest, Stretch, Tally

_TEXTS: Final = (
    "end_reason", "title", "continues", "owner", "client", "client_version", "branch", "phase",
)  # fmt: skip
_NUMBERS: Final = ("created_at", "updated_at", "block_start_at", "timeout_ms", "activities", "tool_calls", "files")
_PATHS: Final = (KINDS[READ], KINDS[EDIT])  # what is counted by path
_MAYBE: Final = ("ended_at", "branch_at", "active_ms", "agent_ms", "waiting_ms")


class Known(NamedTuple):
    """How many of some keys a store knows: of reports that are there, that were archived, and that were deleted."""

    there: int
    folded: int
    forgotten: int


def read(db: apsw.Connection, seq: int, hide: Redactor) -> Archived:
    """Return what an archived session keeps, without secrets."""
    names = ("id", "topics", "metadata", "tied", "amended", *_TEXTS, *_NUMBERS, *_MAYBE)
    row = dict(zip(names, sessions.columns(db, seq, names), strict=True))
    facts = rollups.part_facts(db, seq)
    assert facts is not None
    digest = rollups.digest_of(db, seq, Names(db))
    folder = db.execute("SELECT x.folder FROM sessions s JOIN streams x ON x.id = s.stream WHERE s.seq = ?", (seq,))
    clocks: dict[str, list[tuple[int, int]]] = {}
    for stretch in digest.stretches:
        clocks.setdefault(CLOCKS[stretch.clock], []).append((stretch.since, stretch.until))
    counts: dict[str, list[tuple[int, str, int]]] = {}
    for tally, number in digest.counts.items():
        counts.setdefault(KINDS[tally.kind], []).append((tally.slot, hide(tally.name), number))
    kept: dict[str, Any] = {
        **{name: hide.maybe(text(row[name])) for name in _TEXTS}, **{name: count(row[name]) for name in _NUMBERS},
        **{name: whole(row[name]) for name in _MAYBE},
        "id": hide(str(row["id"])), "topics": redact(text(row["topics"]) or "[]"),
        "metadata": _metadata(row["metadata"]), "tied": count(row["tied"]), "amended": bool(row["amended"]),
        "folder": hide.maybe(text(folder.fetchall()[0][0])), "started_at": facts["started_at"],
        "first_activity_at": facts["first_at"], "last_start_at": facts["last_start_at"],
        "last_activity_at": facts["until"], "empty": facts["empty"], "gap_before": facts["gap_before"],
        "runs": _runs(db, seq, hide), "clocks": clocks, "counts": counts,
        "branches": [(at, hide(name)) for at, name in digest.branches], "touched": _touched(db, seq, hide),
        "parts": _parts(db, str(row["id"]), hide),
    }  # fmt: skip
    return Archived(**kept)


def _metadata(stored: object) -> dict[str, Any]:
    try:
        found: dict[str, Any] = leaves(msgspec.json.decode(text(stored) or "{}", type=dict[str, Any]))
    except msgspec.DecodeError:
        return {}  # a person's own text in the place of ours
    return found


def _runs(db: apsw.Connection, seq: int, hide: Redactor) -> list[tuple[str, int, int, int]]:
    found = db.execute(
        """SELECT x.key, r.since, r.until, r.told FROM archived_runs r JOIN streams x ON x.id = r.stream
           WHERE r.session = ? ORDER BY x.key, r.since""",
        (seq,),
    )
    return [(hide(str(key)), count(since), count(until), count(told)) for key, since, until, told in found]


def _touched(db: apsw.Connection, seq: int, hide: Redactor) -> list[tuple[str, int, int, int, int]]:
    found = db.execute(
        """SELECT n.text, t.reads, t.edits, t.first_at, t.last_at FROM touched t JOIN names n ON n.id = t.path
           WHERE t.session = ? ORDER BY n.text""",
        (seq,),
    )
    return [(hide(text(path) or ""), *map(count, numbers)) for path, *numbers in found]  # type: ignore[misc]


def _parts(db: apsw.Connection, id: str, hide: Redactor) -> list[Piece]:
    found = []
    for member in merges.members(db, id):
        key = str(one(db, "SELECT key FROM streams WHERE id = ?", (member.stream,))[0])
        found.append(Piece(**_hidden(msgspec.structs.asdict(member) | {"stream": key}, hide)))
    return found


def _hidden(plain: dict[str, Any], hide: Redactor) -> dict[str, Any]:
    return {name: hide(value) if isinstance(value, str) else value for name, value in plain.items()}


def keys(db: apsw.Connection, seq: int | None) -> list[int]:
    """Return the keys that an archived session keeps; with None, those of which nobody knows whose they are."""
    return [row[0] for row in db.execute("SELECT key FROM folded WHERE session IS ? ORDER BY key", (seq,))]


def known(db: apsw.Connection, found: Iterable[int]) -> Known:
    """Tell how many of some keys are known here."""
    there = folded = deleted = 0
    salted = forgotten.is_any(db)
    for key in found:
        if db.execute("SELECT 1 FROM reports WHERE key = ? LIMIT 1", (key,)).fetchone() is not None:
            there += 1
        elif db.execute("SELECT 1 FROM folded WHERE key = ?", (key,)).fetchone() is not None:
            folded += 1
        elif salted and forgotten.has_key(db, key):
            deleted += 1
    return Known(there, folded, deleted)


def put(db: apsw.Connection, found: Archived, given: Iterable[int], *, project_id: str, hide: Redactor) -> int:
    """Put an archived session, whose streams are there, into a store that has none of its id; return the row's number.

    Its digest is the caller's to put.
    """
    values: dict[str, Any] = {
        "id": hide(found.id), "project_id": project_id, "started_at": found.started_at, "status": archive.ARCHIVED,
        "topics": redact(found.topics), "metadata": sessions.json_text(leaves(found.metadata)), "tied": found.tied,
        "amended": int(found.amended), "empty": int(found.empty), "last_activity_at": found.last_activity_at,
        "first_activity_at": found.first_activity_at, "last_start_at": found.last_start_at,
        **{name: hide.maybe(getattr(found, name)) for name in _TEXTS},
        **{name: getattr(found, name) for name in (*_NUMBERS, *_MAYBE)},
    }  # fmt: skip
    seq = sessions.write(db, values)
    own = archive.own_stream(db, seq, values["id"])
    db.execute("UPDATE streams SET folder = ? WHERE id = ?", (hide.maybe(found.folder), own))
    db.execute("UPDATE sessions SET stream = ? WHERE seq = ?", (own, seq))
    db.execute("INSERT INTO archived VALUES (?, ?)", (seq, found.gap_before))
    db.execute("INSERT INTO runs VALUES (?, ?, ?)", (own, found.first_activity_at, seq))
    for key, since, until, told in found.runs:
        stream = _stream(db, hide(key))
        db.execute("INSERT OR IGNORE INTO archived_runs VALUES (?, ?, ?, ?, ?)", (stream, since, until, seq, told))
        db.execute("UPDATE streams SET stale = 1 WHERE id = ?", (stream,))  # what follows goes on from it
    sessions.write_touched(db, seq, [(hide(path), *numbers) for path, *numbers in found.touched])  # type: ignore[misc]
    merges.write_members(db, values["id"], [_member(db, piece, hide) for piece in found.parts])
    for number in given:
        barred.fold(db, number, seq)
    return seq


def _member(db: apsw.Connection, piece: Piece, hide: Redactor) -> Member:
    plain = _hidden(msgspec.structs.asdict(piece), hide)
    return Member(**plain | {"stream": _stream(db, plain["stream"])})


def _stream(db: apsw.Connection, key: str) -> int:
    return int(one(db, "SELECT id FROM streams WHERE key = ?", (key,))[0])


def digest(found: Archived, hide: Redactor) -> Digest:
    """Return the digest that an archived session came with."""
    clocks = {name: clock for clock, name in CLOCKS.items()}
    kinds = {name: kind for kind, name in KINDS.items()}
    return Digest(
        [Stretch(clocks[name], *stretch) for name, stretches in found.clocks.items() for stretch in stretches],
        {
            Tally(slot, kinds[kind], hide(name)): number
            for kind, counts in found.counts.items()
            for slot, name, number in counts
        },
        [(at, hide(name)) for at, name in dict(found.branches).items()],
    )


def relocated(found: Archived, relocate: Callable[[Redacted], Redacted]) -> Archived:
    """Return an archived session as it is in the store of the project that its folder belongs to."""
    counts = {
        kind: [(slot, relocate(redact(name)) if kind in _PATHS else name, number) for slot, name, number in told]
        for kind, told in found.counts.items()
    }
    return msgspec.structs.replace(
        found, folder=None, metadata={name: told for name, told in found.metadata.items() if name != "folder"},
        counts=counts, touched=[(relocate(redact(path)), *numbers) for path, *numbers in found.touched],
    )  # fmt: skip


def holder(db: apsw.Connection, key: int) -> int | None:
    """Return the stream that has the report with a key; of one that was archived, its session's own."""
    row = db.execute(
        """SELECT stream FROM reports WHERE key = ?1 UNION ALL
           SELECT s.stream FROM folded f JOIN sessions s ON s.seq = f.session WHERE f.key = ?1 LIMIT 1""",
        (key,),
    ).fetchone()
    return None if row is None else int(row[0])


def remove(db: apsw.Connection, seq: int) -> None:
    """Remove an archived session that is in another store now, with its keys and all that its own stream has."""
    stream = sessions.columns(db, seq, ("stream",))[0]
    rollups.outdate(db, seq)
    db.execute("DELETE FROM amendments WHERE session_id IN (SELECT id FROM anchors WHERE stream = ?)", (stream,))
    db.execute("DELETE FROM folded WHERE session = ?", (seq,))
    db.execute("DELETE FROM sessions WHERE seq = ?", (seq,))
    for table in ("anchors", "turns", "usage", "timeouts", "runs"):
        db.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,))
    db.execute("DELETE FROM streams WHERE id = ?", (stream,))
