"""Which sessions a model was asked about, so that none is asked about twice as it is.

Every function works inside the caller's transaction.
"""

import apsw
import msgspec

from kioku.redaction import Redacted
from kioku.store.discoveries import Unlearned
from kioku.store.names import require_redacted


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What asking about one session came to; tokens are None where the model counts none."""

    input_tokens: int | None
    output_tokens: int | None
    found: int
    dropped: int


def waiting(db: apsw.Connection, model: str, most: int, ids: list[str] | None = None) -> list[Unlearned]:
    """Return sessions that are over, in which something was said and that this model was not asked about.

    The latest come first; with `ids`, of those sessions only.
    """
    found = db.execute(
        """SELECT s.seq, s.id, s.digest FROM sessions s
           WHERE s.digest IS NOT NULL AND s.status <> 'active' AND s.empty = 0
             AND (?3 IS NULL OR s.id IN (SELECT value FROM json_each(?3)))
             AND EXISTS (SELECT 1 FROM runs u JOIN turns t ON t.stream = u.stream WHERE u.session = s.seq)
             AND NOT EXISTS (SELECT 1 FROM refinements r WHERE r.session_id = s.id AND r.model = ?1
                               AND r.digest = s.digest)
           ORDER BY s.started_at DESC, s.seq DESC LIMIT ?2""",
        (model, most, None if ids is None else msgspec.json.encode(ids).decode()),
    )
    return [Unlearned(*row) for row in found]


def note(db: apsw.Connection, session: Unlearned, model: Redacted, asked: Asked, *, now: int) -> None:
    """Note that a model was asked about a session as it is."""
    require_redacted(model)
    db.execute(
        "INSERT OR REPLACE INTO refinements VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (session.id, model, session.digest, now, asked.input_tokens, asked.output_tokens, asked.found, asked.dropped),
    )


def forget(db: apsw.Connection, session: str) -> None:
    """Remove what was noted of a session."""
    db.execute("DELETE FROM refinements WHERE session_id = ?", (session,))
