"""From when on there is anything to report."""

import apsw


def earliest(db: apsw.Connection) -> int | None:
    """Return the instant at which the first session with activity began; None if there is none."""
    found = db.execute("SELECT started_at FROM sessions WHERE empty = 0 ORDER BY started_at LIMIT 1").fetchone()
    return found[0] if found is not None and isinstance(found[0], int) else None
