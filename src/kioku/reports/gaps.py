"""The pauses in the store: what another timeout would make of them, and the person's own distribution of them."""

import apsw
import msgspec

from kioku.reports.sources import Source
from kioku.sessions import gaps, settling
from kioku.sessions.gaps import Mixture, Row
from kioku.sessions.rollup import within
from kioku.store import rollups
from kioku.store.connection import one
from kioku.summaries import AT, SLOT, SLOTS

# All instants that reports can have, as borders of slots.
_EVER = (-(1 << 62) // SLOT * SLOT, (1 << 62) // SLOT * SLOT)


class Pauses(msgspec.Struct, frozen=True):
    """The activity of all conversations: how many there are, how long they were active, and the gaps between."""

    streams: int
    active_ms: int
    gaps_ms: list[int]


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions depend on the timeout; `mixture` is None where the gaps are too few or of one kind only.

    `left_out` counts sessions that have no activities to judge: taken over from an older store.
    """

    pauses: Pauses
    rows: list[Row]
    mixture: Mixture | None
    left_out: int


def sensitivity(db: apsw.Connection, timeout_ms: int) -> Sensitivity:
    """Return what the usual timeouts, and the one given, make of all that was recorded."""
    found = pauses(db)
    timeouts = sorted({*gaps.TIMEOUTS, timeout_ms})
    return Sensitivity(
        pauses=found,
        rows=gaps.sensitivity(found.gaps_ms, found.streams, timeouts, active_ms=found.active_ms),
        mixture=gaps.mixture(found.gaps_ms),
        left_out=int(one(db, "SELECT count(*) FROM sessions WHERE stream IS NULL AND empty = 0")[0]),
    )


def pauses(db: apsw.Connection) -> Pauses:
    """Return the pauses of every conversation. Sessions without activity that counts are left out, as in every list."""
    source = Source(db, *_EVER)
    changed = {settling.month_of(day) for day in source.changed}
    active_ms = 0
    found: list[int] = []
    for month, ms, ordered in rollups.gaps(db):
        if month not in changed:
            active_ms += ms
            found += ordered
    for month in changed:
        for day in source.days_between(*settling.month_days(month)):
            active_ms += sum(day.slots[AT["active"] : AT["active"] + SLOTS])
            found += within(day.gaps, 0, SLOTS)
    found.sort()
    return Pauses(int(one(db, _CONVERSATIONS)[0]), active_ms, found)


# Conversations with any session that counts. Most have one, so those without are taken off: empty sessions are few. An
# archived session counts to the conversation that it was part of, not to the stream that it has for itself.
_COUNTS = """
EXISTS (SELECT 1 FROM runs u JOIN sessions s ON s.seq = u.session WHERE u.stream = x.stream AND s.empty = 0)"""
_CONVERSATIONS = f"""
SELECT (SELECT count(DISTINCT stream) FROM runs)
  - (SELECT count(*) FROM (SELECT DISTINCT u.stream FROM sessions s INDEXED BY sessions_empty
                           CROSS JOIN runs u ON u.session = s.seq WHERE s.empty = 1) x WHERE NOT {_COUNTS})
  + (SELECT count(*) FROM (SELECT DISTINCT r.stream FROM archived_runs r CROSS JOIN sessions s ON s.seq = r.session
                           WHERE s.empty = 0) x WHERE NOT {_COUNTS})
  - (SELECT count(*) FROM archived a CROSS JOIN sessions s ON s.seq = a.session WHERE s.empty = 0)"""
