"""The full-text index of what was said, kept up to date stream by stream.

Whatever changes turns or runs puts their stream into `unindexed` (triggers do). A stream is indexed by comparing what
ought to be in the index with what is, so any order, repetition or interruption ends in the same index. Nothing that
answers a tool waits for it; a search of what is not indexed yet misses it.
"""

import time
from itertools import zip_longest
from typing import Final

import apsw

from kioku.errors import StoreBusyError
from kioku.store.connection import one
from kioku.store.passages import Passage, Said, date_words, parts, passages
from kioku.store.store import Store

SHIFT: Final = 20  # bits of a passage's number that count within its talk
AT_ONCE: Final = 30_000  # characters that are indexed in one transaction: others wait for it
_PAUSE_S: Final = 0.001  # between transactions, so that whoever waits to write comes in
_LOOK: Final = 100  # characters that are as long to index as a stream is to look at
_ENDLESS: Final = (1 << 63) - 1

_TURNS: Final = """
SELECT t.id, t.at, t.text FROM turns t WHERE t.stream = ?1 AND t.at >= ?2 AND t.at < ?3 AND typeof(t.text) = 'text'
AND NOT EXISTS (SELECT 1 FROM reports r WHERE r.key = t.key AND r.source = t.source AND r.hidden IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM turns c WHERE c.key = t.key AND c.source < t.source)
ORDER BY t.at, t.id"""


def catch_up(store: Store, *, most_ms: float | None = None) -> bool:
    """Index what is not indexed yet, in small transactions; return whether nothing is left.

    With `most_ms`, no transaction is begun after that time, nor waited for beyond it. Raises StoreError.
    """
    until = None if most_ms is None else time.monotonic() + most_ms / 1000
    while store.read(behind):
        if until is None:
            store.write(index_some)
        else:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            try:
                store.write(index_some, patience_s=left_s)
            except StoreBusyError:
                return False
        time.sleep(_PAUSE_S)
    return True


def behind(db: apsw.Connection) -> int:
    """Return how many conversations have something that is not indexed as it is."""
    return int(one(db, "SELECT count(*) FROM unindexed")[0])


def count(db: apsw.Connection) -> int:
    """Return how many passages are indexed."""
    return int(one(db, "SELECT passages FROM indexed")[0])


def index_some(db: apsw.Connection) -> None:
    """Bring some streams' part of the index up to date, inside the caller's transaction."""
    left = AT_ONCE
    for stream, since in list(db.execute("SELECT stream, since FROM unindexed ORDER BY stream DESC LIMIT 500")):
        left -= _index_stream(db, stream, since, left)
        if left <= 0:
            return


def remove_words(db: apsw.Connection) -> None:
    """Take the words of what is deleted or changed out of the index, so that none of them is left in the file.

    The caller writes with pages overwritten, and compacts the file. Inside the caller's transaction.
    """
    query = """SELECT stream, since FROM unindexed u WHERE EXISTS (SELECT 1 FROM talks WHERE stream = u.stream)"""
    streams = list(db.execute(query))
    for stream, since in streams:
        _index_stream(db, stream, since, None)
    if streams:
        db.execute("INSERT INTO passage_words(passage_words) VALUES ('optimize')")


def _index_stream(db: apsw.Connection, stream: int, since: int, most: int | None) -> int:
    """Bring the index of a stream up to date from an instant on, or about `most` characters of it; return how many."""
    starts = [row[0] for row in db.execute("SELECT since FROM runs WHERE stream = ? ORDER BY since", (stream,))]
    done = _LOOK
    gone = "SELECT id FROM talks WHERE stream = ?1 AND since NOT IN (SELECT since FROM runs WHERE stream = ?1)"
    for (talk,) in list(db.execute(gone, (stream,))):
        for id, length in list(_known_lengths(db, talk)):
            _remove(db, id, length)
        db.execute("DELETE FROM talks WHERE id = ?", (talk,))
    for start, end in zip(starts, [*starts[1:], _ENDLESS], strict=False):
        if end < since:  # one that ends there may have had what is another's now
            continue
        first = max(start, since)
        wanted = passages(Said(*row) for row in db.execute(_TURNS, (stream, first, end)))
        cost, reached = _index_talk(db, stream, start, first, wanted, None if most is None else most - done)
        done += cost
        if reached is not None:
            db.execute("UPDATE unindexed SET since = ? WHERE stream = ?", (reached, stream))
            return done
    db.execute("DELETE FROM unindexed WHERE stream = ?", (stream,))
    return done


def _known_lengths(db: apsw.Connection, talk: int) -> apsw.Cursor:
    bounds = (talk << SHIFT, (talk + 1) << SHIFT)
    return db.execute("SELECT id, length FROM passages WHERE id >= ? AND id < ?", bounds)


def _index_talk(
    db: apsw.Connection, stream: int, start: int, since: int, wanted: list[Passage], most: int | None
) -> tuple[int, int | None]:
    """Make a talk what it ought to be from an instant on.

    Return how many characters that took, and from which instant on there is more to do; None if there is not.
    """
    row = db.execute("SELECT id FROM talks WHERE stream = ? AND since = ?", (stream, start)).fetchone()
    if row is None and not wanted:
        return 0, None
    if row is None:
        db.execute("INSERT INTO talks (stream, since, length) VALUES (?, ?, 0)", (stream, start))
    talk = db.last_insert_rowid() if row is None else int(row[0])
    base, beyond = talk << SHIFT, (talk + 1) << SHIFT
    query = (
        "SELECT id, turn, at, start, checksum, length FROM passages WHERE id >= ? AND id < ? AND at >= ? ORDER BY id"
    )
    known = list(db.execute(query, (base, beyond, since)))
    before = one(db, "SELECT max(id) FROM passages WHERE id >= ? AND id < ?", (base, known[0][0] if known else beyond))
    next_id = base if before[0] is None else before[0] + 1
    cost, reached = 0, None
    for id, (old, new) in enumerate(zip_longest(known, wanted[: beyond - next_id]), next_id):
        checksum = None if new is None else new.checksum
        if old is not None and new is not None and old[1:5] == (new.turn, new.at, new.start, checksum):
            continue
        if most is not None and cost >= most and new is not None:
            reached = new.at if old is None else min(new.at, old[2])
            break
        if old is not None:
            _remove(db, old[0], old[5])
        if new is not None:
            _add(db, id, new)
            cost += len(new.text)
    total = one(db, "SELECT coalesce(sum(length), 0) FROM passages WHERE id >= ? AND id < ?", (base, beyond))[0]
    if total or reached is not None:
        db.execute("UPDATE talks SET length = ? WHERE id = ?", (total, talk))
    else:
        db.execute("DELETE FROM talks WHERE id = ?", (talk,))
    return cost, reached


def _add(db: apsw.Connection, id: int, made: Passage) -> None:
    values = (id, made.turn, made.at, made.start, len(made.text), made.checksum)
    db.execute("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)", values)
    db.execute(
        "INSERT INTO passage_words (rowid, text, parts, date) VALUES (?, ?, ?, ?)",
        (id, made.text, parts(made.text), date_words(made.at)),
    )
    db.execute("UPDATE indexed SET passages = passages + 1, length = length + ?", (len(made.text),))


def _remove(db: apsw.Connection, id: int, length: int) -> None:
    db.execute("DELETE FROM passage_words WHERE rowid = ?", (id,))
    db.execute("DELETE FROM passages WHERE id = ?", (id,))
    db.execute("UPDATE indexed SET passages = passages - 1, length = length - ?", (length,))
