"""Deleting sessions: nothing of them remains, in whatever is made of them either."""

from collections.abc import Callable

import apsw

from kioku.sessions import archiving, combining, record, settling
from kioku.sessions.lease import Verdict
from kioku.store import archive, deleting, indexing, rollups
from kioku.store.deleting import Found


def delete(db: apsw.Connection, found: Found, judge: Callable[[str], Verdict], *, now: int) -> None:
    """Delete sessions; what remains of their conversations, and every figure, is made anew without them."""
    names = deleting.remove(db, found, lambda owner: judge(owner) is Verdict.ALIVE, now=now)
    combining.put_in_force(db)
    record.derive_stale(db, now=now)
    for seq in archive.all_archived(db):
        if rollups.is_outdated(db, seq):
            archiving.refresh(db, seq)
    # Rollups of what is over are made of digests: of whatever was derived anew just now there may be none yet.
    settling.refresh(db, rollups.outdated(db))
    deleting.drop_names(db, names)
    indexing.remove_words(db)
