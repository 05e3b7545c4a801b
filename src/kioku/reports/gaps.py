"""The pauses in the store: what another timeout would make of them, and the person's own distribution of them."""

from itertools import pairwise

import apsw
import msgspec

from kioku.models import MARKS
from kioku.sessions import canonical, derive, gaps
from kioku.sessions.derive import Timeouts
from kioku.sessions.gaps import Mixture, Row
from kioku.store import activities
from kioku.store.connection import one

# Divides a conversation where a pause is no active time any more: where it is longer than five minutes.
_STRETCHES = Timeouts(((0, derive.ACTIVE_GAP + 1),))


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
    """Read the pauses of every conversation. Sessions without activity that counts are left out, as in every list."""
    served = activities.is_served(db)
    streams = active_ms = 0
    found: list[int] = []
    for stream in activities.all_streams(db):
        told = canonical.canonical(activities.load(db, stream), served=served).reports
        timeouts = Timeouts(activities.timeouts(db, stream))
        sessions = derive.runs((report for report in told if report.kind not in MARKS), timeouts)
        stretches = [
            stretch
            for session, members in sessions
            if session.activities
            for stretch, _ in derive.runs(members, _STRETCHES)
        ]
        streams += bool(stretches)
        active_ms += sum(stretch.active_ms for stretch in stretches)
        found += [after.first_activity_at - before.last_activity_at for before, after in pairwise(stretches)]
    return Pauses(streams, active_ms, found)
