"""Archiving: old sessions keep what they came to and lose the activities that they were made of.

What a session came to is settled first, so that no figure of any report changes. Its keys stay, so that whoever tells
of it again tells nothing new; a late report of something else in its time is a session of its own.
"""

from collections.abc import Iterable

import apsw

from kioku.redaction import redact
from kioku.sessions import edits, settling
from kioku.store import activities, archive, rollups, sessions
from kioku.store.names import Names
from kioku.summaries import Part

AT_ONCE = 200  # sessions in one transaction: others wait for it


def archive_some(db: apsw.Connection, seqs: Iterable[int], *, now: int) -> tuple[int, int]:
    """Archive sessions that are over, given by row number; return how many there were and how many reports went.

    One that is archived already, or goes on again, is left alone.
    """
    done = reports = 0
    for seq in seqs:
        row = sessions.by_seq(db, seq)
        if row is None or row.session.status == "active" or archive.is_archived(db, seq):
            continue
        if row.stream is None or not sessions.runs_of(db, seq):
            _mark(db, row, now)
        else:
            reports += _fold(db, seq, now)
        done += 1
    return done, reports


def _fold(db: apsw.Connection, seq: int, now: int) -> int:
    for part, checksum in [] if rollups.checksum_of(db, seq) is not None else settling.parts(db, [seq]):
        rollups.put_digest(db, part, checksum)
    facts = rollups.part_facts(db, seq)
    assert facts is not None
    streams = [stream for stream, _ in sessions.runs_of(db, seq)]
    removed = archive.fold(db, seq, facts["gap_before"], now=now)
    for stream in streams:
        if activities.has_hidden(db, stream):  # perhaps because of what is gone now
            activities.mark_stale(db, stream)
    sessions.reproject(db, seq)
    was = archive.columns(db, seq)
    data = {"reports": removed, "ended_at": was["ended_at"], "end_reason": was["end_reason"]}
    sessions.amend(db, was["id"], archive.ARCHIVED, data, now=now)
    return removed


def _mark(db: apsw.Connection, row: sessions.Row, now: int) -> None:
    """Archive a session without activities, from the older program's store: there is nothing to remove."""
    seen = row.session
    changes = {"status": "archived", "ended_at": seen.ended_at, "end_reason": seen.end_reason}
    sessions.amend(db, seen.id, edits.EDITED, {"through": seen.last_activity_at, "set": changes}, now=now)
    sessions.update(db, row.seq, {"status": "archived", "amended": 1, "updated_at": now})
    sessions.reproject(db, row.seq)


def refresh(db: apsw.Connection, seq: int) -> None:
    """Put in place again what an archived session's amendments say of it, after a person's edit or for a rebuild."""
    was = archive.columns(db, seq)
    ids = list(dict.fromkeys([was["id"], *archive.ids(db, seq)]))
    told = sessions.amendments(db, ids, archive.ARCHIVED)
    facts = rollups.part_facts(db, seq)
    if not told or facts is None:
        return
    values = {
        "last_activity_at": was["last_activity_at"], "started_at": facts["first_at"], "status": "archived",
        "ended_at": told[-1]["ended_at"], "end_reason": told[-1]["end_reason"], "title": None, "topics": "[]",
    }  # fmt: skip
    edits.overlay(db, ids, values)
    branch, client = sessions.columns(db, seq, ("branch", "client"))
    for name, text in (("branch", branch), ("client", client)):
        if isinstance(text, str):
            values[name] = redact(text)
    sessions.update(db, seq, values)
    sessions.reproject(db, seq)
    facts = rollups.part_facts(db, seq)
    assert facts is not None
    part = Part(**facts, digest=rollups.digest_of(db, seq, Names(db)))
    checksum = settling.checksum(part, ())
    if rollups.checksum_of(db, seq) != checksum:
        rollups.put_digest(db, part, checksum)
