"""Which conversation a server served, as evidence and as rows: sightings, claims, spans, and reports in their places.

A report of a server's lies in the stream of the conversation that its span names, and says in `origin` whose it is;
when the evidence changes, it is moved. Every function works inside the caller's transaction.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from kioku.models import SERVER, SWEEP
from kioku.redaction import Redacted
from kioku.store.connection import one


class Sighting(NamedTuple):
    """A stream was seen under a client's process: since when, until when (None: not known to be over).

    `succeeds` is when it last took another conversation's place there: `/clear`, `/resume`.
    """

    stream: int
    since: int
    until: int | None
    succeeds: int | None


class Span(NamedTuple):
    """From an instant on, a server's calls belong to a conversation; None: to none that can be told."""

    since: int
    conversation: int | None


def sight(
    db: apsw.Connection, process: Redacted, stream: int, at: int, *, ended: bool = False, succeeds: bool = False
) -> bool:
    """Note that a stream was seen under a process; return whether that tells something new."""
    row = db.execute(
        "SELECT since, until, succeeds FROM sightings WHERE process = ? AND stream = ?", (process, stream)
    ).fetchone()
    since, until, taken = row or (at, None, None)
    if ended:
        until = max(until or at, at)
    elif until is not None and at > until:
        until = None  # it goes on: that was no end
    found = (
        min(since, at),
        until,
        max(taken or at, at) if succeeds else taken,
    )
    if row == found:
        return False
    db.execute("INSERT OR REPLACE INTO sightings VALUES (?, ?, ?, ?, ?)", (process, stream, *found))
    return True


def claim(db: apsw.Connection, stream: int, conversation: Redacted) -> None:
    """Note which conversation's key a server's client named when it started the server."""
    db.execute("UPDATE streams SET claim = ? WHERE id = ?", (conversation, stream))


def claim_of(db: apsw.Connection, stream: int) -> str | None:
    """Return the key of the conversation that a server claims to serve."""
    claimed: str | None = one(db, "SELECT claim FROM streams WHERE id = ?", (stream,))[0]
    return claimed


def processes(db: apsw.Connection, stream: int) -> list[str]:
    """Return the processes under which a stream was seen, the latest first."""
    return [
        row[0] for row in db.execute("SELECT process FROM sightings WHERE stream = ? ORDER BY since DESC", (stream,))
    ]


def under(db: apsw.Connection, process: str) -> tuple[list[int], list[Sighting]]:
    """Return the servers and the conversations that were seen under a process, the latter by their beginning."""
    rows = db.execute(
        """SELECT g.stream, g.since, g.until, g.succeeds, s.key LIKE 'server:%' FROM sightings g
           JOIN streams s ON s.id = g.stream WHERE g.process = ? ORDER BY g.since, g.stream""",
        (process,),
    )
    servers: list[int] = []
    conversations: list[Sighting] = []
    for stream, since, until, succeeds, is_server in rows:
        if is_server:
            servers.append(stream)
        else:
            conversations.append(Sighting(stream, since, until, succeeds))
    return servers, conversations


def place(db: apsw.Connection, stream: int, at: int) -> int:
    """Return the stream in which what a stream tells of an instant is kept."""
    row = db.execute(
        "SELECT conversation FROM stream_spans WHERE stream = ? AND since <= ? ORDER BY since DESC LIMIT 1",
        (stream, at),
    ).fetchone()
    return stream if row is None or row[0] is None else int(row[0])


def spans(db: apsw.Connection, stream: int) -> list[Span]:
    """Return the spans of a server, by their beginning."""
    rows = db.execute("SELECT since, conversation FROM stream_spans WHERE stream = ? ORDER BY since", (stream,))
    return [Span(*row) for row in rows]


def owners(db: apsw.Connection, conversation: int) -> str | None:
    """Return whose life the conversation's last session hangs on: the latest server's, and its client's process."""
    server = db.execute(
        """SELECT s.owner FROM stream_spans p JOIN streams s ON s.id = p.stream
           WHERE p.conversation = ? AND s.owner IS NOT NULL ORDER BY s.created_at DESC, s.key DESC LIMIT 1""",
        (conversation,),
    ).fetchone()
    process = db.execute(
        "SELECT process FROM sightings WHERE stream = ? ORDER BY since DESC, process LIMIT 1", (conversation,)
    ).fetchone()
    return "+".join(row[0] for row in (server, process) if row is not None) or None


def respan(db: apsw.Connection, stream: int, found: Iterable[Span]) -> set[int]:
    """Put a server's spans in place and its reports where they say; return the streams that changed."""
    was, wanted = spans(db, stream), list(found)
    if was == wanted:
        return set()
    db.execute("DELETE FROM stream_spans WHERE stream = ?", (stream,))
    db.executemany("INSERT INTO stream_spans VALUES (?, ?, ?)", ((stream, *span) for span in wanted))
    changed: set[int] = {span.conversation for span in wanted if span.conversation is not None}
    for holder in {stream} | {span.conversation for span in was if span.conversation is not None}:
        mine = db.execute(
            """SELECT at, key, source FROM reports WHERE stream = ?1
               AND ((?1 = ?2 AND origin IS NULL AND source IN (?3, ?4)) OR origin = ?2)""",
            (holder, stream, SERVER, SWEEP),
        )
        reports: list[tuple[Any, ...]] = mine.fetchall()
        for at, *rest in reports:
            target = place(db, stream, at)
            if target != holder:
                _move(db, (holder, at, *rest), target, None if target == stream else stream)
                changed |= {holder, target}
    return changed


def _move(db: apsw.Connection, report: tuple[Any, ...], target: int, origin: int | None) -> None:
    """Move a report, and the ids that were given to sessions for it."""
    db.execute(
        "UPDATE reports SET stream = ?, origin = ?, hidden = NULL WHERE (stream, at, key, source) = (?, ?, ?, ?)",
        (target, origin, *report),
    )
    db.execute("UPDATE anchors SET stream = ? WHERE stream = ? AND key = ?", (target, report[0], report[2]))
