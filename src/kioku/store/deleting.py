"""Removing sessions for good, with everything that only they had.

What is left is what keeps them from coming back: hashes in `forgotten`. Whoever calls derives what remains of their
conversations, makes the rollups anew, and then removes the names that nothing refers to any more. Every function works
inside the caller's transaction.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import apsw
import msgspec

from kioku import times
from kioku.models import SWEEP, new_id
from kioku.store import archive, discoveries, forgotten, refinements, rollups
from kioku.store.archive import Piece
from kioku.store.barred import SLACK
from kioku.store.connection import one
from kioku.store.values import whole

_LONGEST: Final = 100_000  # minutes of one session that are forgotten one by one

# Where the number of a name may stand.
_NAMED: Final = (
    ("reports", ("kind", "tool", "path", "branch")), ("turns", ("model",)), ("usage", ("model",)),
    ("touched", ("path",)), ("counts", ("name",)), ("branches", ("branch",)), ("day_shares", ("name",)),
    ("day_files", ("path",)), ("month_files", ("path",)), ("year_files", ("path",)),
)  # fmt: skip


class Found(msgspec.Struct, frozen=True):
    """What there is of sessions that are to be deleted: their row numbers, every id of theirs, and conversations."""

    seqs: list[int]
    ids: list[str]
    conversations: list[str]


def find(db: apsw.Connection, seqs: Iterable[int]) -> Found:
    """Return by what names else something of these sessions may be found."""
    seqs = list(seqs)
    ids: dict[str, None] = {}
    conversations: dict[str, None] = {}
    for seq in seqs:
        ids[str(one(db, "SELECT id FROM sessions WHERE seq = ?", (seq,))[0])] = None
        for stream, pieces in _places(db, seq):
            key = str(one(db, "SELECT key FROM streams WHERE id = ?", (stream,))[0])
            if not key.startswith((archive.PREFIX, "server:")):
                conversations[key] = None
            for piece in pieces:
                archive.gather(db, piece)
                query = "SELECT id FROM anchors WHERE stream = ? AND key IN (SELECT key FROM temp.going)"
                ids |= dict.fromkeys(str(row[0]) for row in db.execute(query, (stream,)))
        if archive.is_archived(db, seq):
            ids |= dict.fromkeys(archive.ids(db, seq))
    db.execute("DROP TABLE IF EXISTS temp.going")
    return Found(seqs, list(ids), list(conversations))


def _places(db: apsw.Connection, seq: int) -> list[tuple[int, list[Piece]]]:
    """Return the streams that a session is told of in, and its pieces of each; an archived one has none any more."""
    if archive.is_archived(db, seq):
        found = db.execute("SELECT DISTINCT stream FROM archived_runs WHERE session = ?", (seq,))
        return [(row[0], []) for row in found]
    pieces = archive.pieces(db, seq)
    return [(stream, [p for p in pieces if p.stream == stream]) for stream in {piece.stream for piece in pieces}]


def remove(db: apsw.Connection, found: Found, is_alive: Callable[[str], bool], *, now: int) -> set[str]:
    """Remove sessions; return the texts that only they may have used, by number, to be given to `drop_names`.

    `is_alive` tells whether an owner lives: what a running server needs to go on stays. What remains of their
    conversations is marked as stale.
    """
    names = _names_of(db, found.seqs)
    forgotten.add_sessions(db, found.ids)
    touched: set[int] = set()
    # What stays has reports that the transcript's stand for, and perhaps none of those stays.
    replaced = {
        stream: archive.replaced(db, stream)
        for stream in {stream for seq in found.seqs for stream, _ in _places(db, seq)}
    }
    for seq in found.seqs:
        for stream, pieces in _places(db, seq):
            touched.add(stream)
            for piece in pieces:
                names |= _remove_piece(db, seq, piece, now)
        if archive.is_archived(db, seq):
            _remove_archived(db, seq, now)
    _remove_rows(db, found)
    for stream in touched:
        for key, source in replaced[stream]:
            forgotten.add_keys(db, [key])
            archive.remove_report(db, key, source)
        if _is_over(db, stream):
            names |= _remove_stream(db, stream, is_alive, now)
        else:
            db.execute("UPDATE streams SET stale = 1 WHERE id = ?", (stream,))
    forgotten.set_pending(db, is_pending=True)
    return {str(name) for name in names}


def _names_of(db: apsw.Connection, seqs: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for seq in seqs:
        for table, column in (("touched", "path"), ("counts", "name"), ("branches", "branch")):
            found |= {row[0] for row in db.execute(f"SELECT {column} FROM {table} WHERE session = ?", (seq,))}
    return found


def _remove_piece(db: apsw.Connection, seq: int, piece: Piece, now: int) -> set[int]:
    """Remove what was told of a piece; return the numbers of the names in it."""
    archive.gather(db, piece)
    conversation, first, last = one(
        db,
        """SELECT x.key, (SELECT max(s.first_activity_at, min(at)) FROM temp.going), s.last_activity_at
           FROM sessions s, streams x WHERE s.seq = ? AND x.id = ?""",
        (seq, piece.stream),
    )
    keys = [row[0] for row in db.execute("SELECT DISTINCT key FROM temp.going WHERE source <> ?", (SWEEP,))]
    names: set[int] = set()
    query = """SELECT r.kind, r.tool, r.path, r.branch FROM reports r JOIN temp.going g
               ON (g.stream, g.at, g.key, g.source) = (r.stream, r.at, r.key, r.source)"""
    for row in db.execute(query):
        names |= {number for number in row if number is not None}
    where = "stream = ?1 AND at >= ?2 AND at < ?3"
    for table in ("turns", "usage"):
        keys += [row[0] for row in db.execute(f"SELECT key FROM {table} WHERE {where}", piece)]
        names |= {row[0] for row in db.execute(f"SELECT model FROM {table} WHERE {where}", piece)} - {None}
        db.execute(f"DELETE FROM {table} WHERE {where}", piece)
    db.execute("DELETE FROM anchors WHERE stream = ? AND key IN (SELECT key FROM temp.going)", (piece.stream,))
    archive.remove_gathered(db)
    for table in ("turns", "usage"):  # told of these things, but dated into another session's time
        db.executemany(f"DELETE FROM {table} WHERE key = ?", ((key,) for key in keys))
    forgotten.add_keys(db, keys)
    _forget_minutes(db, piece.stream, str(conversation), whole(first), whole(last), now)
    return names


def _forget_minutes(
    db: apsw.Connection, stream: int, conversation: str, first: int | None, last: int | None, now: int
) -> None:
    """Forget the minutes of a session in which nothing else is told that remains."""
    if first is None or last is None or conversation.startswith("server:"):
        return
    since, until = first - SLACK, min(last, now) + SLACK
    minutes = range(since // times.MINUTE, until // times.MINUTE + 1)[:_LONGEST]
    query = "SELECT DISTINCT at / 60000 FROM reports WHERE stream = ? AND at >= ? AND at <= ?"
    kept = {row[0] for row in db.execute(query, (stream, since - times.MINUTE, until + times.MINUTE))}
    forgotten.add_minutes(db, conversation, (minute for minute in minutes if minute not in kept), now)


def _remove_archived(db: apsw.Connection, seq: int, now: int) -> None:
    """Remove what an archived session's own stream has; of the keys of its reports only salted hashes stay.

    Those of which nobody knows whose they are go the same way: it may be its.
    """
    keys = [row[0] for row in db.execute("SELECT key FROM folded WHERE session = ? OR session IS NULL", (seq,))]
    forgotten.add_keys(db, keys)
    db.execute("DELETE FROM folded WHERE session = ? OR session IS NULL", (seq,))
    for stream, key, since, until in list(
        db.execute(
            """SELECT x.id, x.key, r.since, r.until FROM archived_runs r JOIN streams x ON x.id = r.stream
               WHERE r.session = ?""",
            (seq,),
        )
    ):
        _forget_minutes(db, stream, str(key), since, until, now)
    own = int(one(db, "SELECT stream FROM sessions WHERE seq = ?", (seq,))[0])
    for table in ("turns", "usage"):
        forgotten.add_keys(db, [row[0] for row in db.execute(f"SELECT key FROM {table} WHERE stream = ?", (own,))])
    rollups.outdate(db, seq)
    db.execute("DELETE FROM sessions WHERE seq = ?", (seq,))
    for table in ("anchors", "turns", "usage", "timeouts", "runs"):
        db.execute(f"DELETE FROM {table} WHERE stream = ?", (own,))
    db.execute("DELETE FROM streams WHERE id = ?", (own,))


def _remove_rows(db: apsw.Connection, found: Found) -> None:
    """Remove the sessions' rows and whatever names them."""
    for seq in found.seqs:
        rollups.outdate(db, seq)
        db.execute("DELETE FROM sessions WHERE seq = ?", (seq,))
    for id in found.ids:
        for table, column in (("amendments", "session_id"), ("anchors", "id"), ("merge_groups", "id"), ("cuts", "id")):
            db.execute(f"DELETE FROM {table} WHERE {column} = ?", (id,))
        # What was decided about others with it stays in force, under a name that leads nowhere.
        db.execute(
            """UPDATE amendments SET data = replace(data, ?1, ?2)
               WHERE kind IN ('merged', 'unmerged', 'split') AND instr(data, ?1)""",
            (f'"{id}"', f'"{new_id()}"'),
        )
        discoveries.forget(db, id, found.ids)
        refinements.forget(db, id)
        # An archived session is not derived again: what came before it is known no more.
        follows = "SELECT seq FROM sessions WHERE continues = ? AND seq IN (SELECT session FROM archived)"
        for (seq,) in list(db.execute(follows, (id,))):
            rollups.outdate(db, seq)
            db.execute("UPDATE archived SET gap_before = NULL WHERE session = ?", (seq,))
            db.execute("UPDATE sessions SET continues = NULL WHERE seq = ?", (seq,))


def _is_over(db: apsw.Connection, stream: int) -> bool:
    """Tell whether no session of a stream is left."""
    query = """SELECT EXISTS (SELECT 1 FROM runs WHERE stream = ?1)
               OR EXISTS (SELECT 1 FROM archived_runs WHERE stream = ?1)"""
    return not one(db, query, (stream,))[0]


def _remove_stream(db: apsw.Connection, stream: int, is_alive: Callable[[str], bool], now: int) -> set[int]:
    """Remove a conversation of which no session is left; one that a living server goes on with keeps its place."""
    key = str(one(db, "SELECT key FROM streams WHERE id = ?", (stream,))[0])
    names = _remove_piece_of_nothing(db, stream, key, now)
    servers = {row[0] for row in db.execute("SELECT stream FROM stream_spans WHERE conversation = ?", (stream,))}
    needed = {number for number in {stream, *servers} if _needs(db, number, is_alive)}
    if needed:
        return names
    for number in servers:
        db.execute("DELETE FROM stream_spans WHERE stream = ?", (number,))
        db.execute("UPDATE streams SET claim = NULL WHERE id = ?", (number,))
    for number in (stream, *(server for server in servers if _is_over(db, server))):
        for table in ("stream_spans", "sightings", "timeouts", "anchors"):
            db.execute(f"DELETE FROM {table} WHERE stream = ?", (number,))
        db.execute("DELETE FROM stream_spans WHERE conversation = ?", (number,))
        if not one(db, "SELECT EXISTS (SELECT 1 FROM reports WHERE stream = ?1 OR origin = ?1)", (number,))[0]:
            db.execute("DELETE FROM owners WHERE token = (SELECT owner FROM streams WHERE id = ?)", (number,))
            db.execute("DELETE FROM streams WHERE id = ?", (number,))
    return names


def _remove_piece_of_nothing(db: apsw.Connection, stream: int, key: str, now: int) -> set[int]:
    """Remove what is left of a conversation without sessions: marks, what waits, and what other reports stood for."""
    rest: list[tuple[Any, ...]] = list(
        db.execute("SELECT key, kind, tool, path, branch FROM reports WHERE stream = ?", (stream,))
    )
    forgotten.add_keys(db, [row[0] for row in rest])
    names = {number for row in rest for number in row[1:]}
    for table in ("turns", "usage"):
        forgotten.add_keys(db, [row[0] for row in db.execute(f"SELECT key FROM {table} WHERE stream = ?", (stream,))])
        names |= {row[0] for row in db.execute(f"SELECT model FROM {table} WHERE stream = ?", (stream,))} - {None}
    for table in ("reports", "turns", "usage"):
        db.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,))
    forgotten.add_keys(db, [row[0] for row in db.execute("SELECT key FROM quarantine WHERE stream_key = ?", (key,))])
    db.execute("DELETE FROM quarantine WHERE stream_key = ?", (key,))
    forgotten.add_conversation(db, key, now)
    return names


def _needs(db: apsw.Connection, stream: int, is_alive: Callable[[str], bool]) -> bool:
    owner = one(db, "SELECT owner FROM streams WHERE id = ?", (stream,))[0]
    return owner is not None and is_alive(str(owner))


def drop_names(db: apsw.Connection, candidates: Iterable[str]) -> None:
    """Remove those of some texts, given by number, that nothing refers to any more."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS unused (id INTEGER PRIMARY KEY)")
    db.execute("DELETE FROM temp.unused")
    db.executemany("INSERT OR IGNORE INTO temp.unused VALUES (?)", ((int(number),) for number in candidates))
    for table, columns in _NAMED:
        for column in columns:
            db.execute(
                f"""DELETE FROM temp.unused WHERE id IN
                    (SELECT {column} FROM {table} WHERE {column} IN (SELECT id FROM temp.unused))"""
            )
    # A name gets the next free number where its own is taken: what follows one that goes must still be found.
    for (number,) in list(db.execute("SELECT id FROM temp.unused ORDER BY id DESC")):
        if db.execute("SELECT 1 FROM names WHERE id = ?", (number + 1,)).fetchone():
            db.execute("UPDATE names SET text = '' WHERE id = ?", (number,))
        else:
            db.execute("DELETE FROM names WHERE id = ?", (number,))
    db.execute("DROP TABLE temp.unused")


def remove_positions(db: apsw.Connection, conversations: Iterable[str]) -> int:
    """Remove how far the transcripts of conversations were read; return how many there were."""
    wanted = set(conversations)
    gone = 0
    for path, told in list(db.execute("SELECT path, conversations FROM sources")):
        try:
            known = set(msgspec.json.decode(told, type=list[str]))
        except (msgspec.MsgspecError, TypeError):
            continue
        if known & wanted:
            db.execute("DELETE FROM sources WHERE path = ?", (path,))
            gone += 1
    return gone
