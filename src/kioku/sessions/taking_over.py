"""Taking over an archived session from another store: nobody can derive it here, so it comes with what it keeps."""

from collections.abc import Iterable

import apsw

from kioku.sessions import settling
from kioku.store import keepsake, rollups
from kioku.store.portable import Archived
from kioku.store.redactor import Redactor
from kioku.summaries import Part


def take_over(db: apsw.Connection, found: Archived, keys: Iterable[int], *, project_id: str, hide: Redactor) -> int:
    """Put another store's archived session, whose streams are there, into this one; return the row's number."""
    seq = keepsake.put(db, found, keys, project_id=project_id, hide=hide)
    facts = rollups.part_facts(db, seq)
    assert facts is not None
    part = Part(**facts, digest=keepsake.digest(found, hide))
    rollups.put_digest(db, part, settling.checksum(part, ()))
    return seq
