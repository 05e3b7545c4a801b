"""Writing what was said, and what it cost: turns and usage. All text that enters is `Redacted`.

Like reports, both can be told again in any order: of two versions of a turn the longer stands, of usage the larger
numbers, since clients repeat an answer while it grows. Every function works inside the caller's transaction.
"""

import apsw
import msgspec

from kioku.redaction import Redacted
from kioku.store import barred
from kioku.store.names import intern, require_redacted


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What the person (`role` is "user") or the assistant said."""

    key: int
    source: int
    at: int
    role: str
    text: Redacted
    model: Redacted | None = None


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer."""

    key: int
    at: int
    model: Redacted | None
    input: int
    output: int
    cache_read: int
    cache_write: int


def add_turn(db: apsw.Connection, stream: int, turn: Turn, *, of_archived: bool = False) -> bool:
    """Store a turn; return whether it was not known before.

    Of what was archived only the turns come that are `of_archived`: those of an archived session, into its own stream.
    """
    require_redacted(turn.text, turn.model)
    known = db.execute(
        """SELECT t.id, t.at, t.text, m.text FROM turns t LEFT JOIN names m ON m.id = t.model
           WHERE t.key = ? AND t.source = ?""",
        (turn.key, turn.source),
    ).fetchone()
    is_barred = barred.is_forgotten if of_archived else barred.is_barred
    if known is None and is_barred(db, stream, turn.key, turn.at):
        return False
    if known is None:
        db.execute(
            # Where a resumed conversation repeats another, its report says which of the two has it.
            """INSERT INTO turns (stream, at, key, source, role, text, model) VALUES
               (coalesce((SELECT stream FROM reports WHERE key = ?3 AND source = ?4), ?1), ?2, ?3, ?4, ?5, ?6, ?7)""",
            (stream, turn.at, turn.key, turn.source, turn.role, turn.text, intern(db, turn.model)),
        )
        return True
    id, at, text, model = known
    longer = max(turn.text, text, key=lambda words: (len(words), words))
    first = min((name for name in (turn.model, model) if name is not None), default=None)
    if (min(at, turn.at), longer, first) != (at, text, model):
        number = None if first is None else intern(db, Redacted(first))
        values = (min(at, turn.at), longer, number, id)
        db.execute("UPDATE turns SET at = ?, text = ?, model = ? WHERE id = ?", values)
    return False


def is_known(db: apsw.Connection, turn: Turn) -> bool:
    """Tell whether a turn is stored."""
    found = db.execute("SELECT 1 FROM turns WHERE key = ? AND source = ?", (turn.key, turn.source)).fetchone()
    return found is not None


def add_usage(db: apsw.Connection, stream: int, spent: Spent) -> None:
    """Store what an answer cost."""
    require_redacted(spent.model)
    if barred.is_forgotten(db, stream, spent.key, spent.at):
        return
    db.execute(
        """INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
             stream = CASE WHEN (SELECT key FROM streams WHERE id = excluded.stream)
               < (SELECT key FROM streams WHERE id = usage.stream) THEN excluded.stream ELSE usage.stream END,
             at = min(at, excluded.at), input = max(input, excluded.input), output = max(output, excluded.output),
             cache_read = max(cache_read, excluded.cache_read), cache_write = max(cache_write, excluded.cache_write)""",
        (
            spent.key, stream, spent.at, intern(db, spent.model), spent.input, spent.output, spent.cache_read,
            spent.cache_write,
        ),
    )  # fmt: skip
