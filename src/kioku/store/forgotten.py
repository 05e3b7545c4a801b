"""What was deleted, as salted hashes: enough to know it when it is told again, and to tell nobody what it was.

A report's key is forgotten for ever. Of a session's minutes, and of a whole conversation, what is dated up to the
deletion is: what is done afterwards is new. Every function works inside the caller's transaction.
"""

import os
from collections.abc import Iterable
from typing import Final

import apsw

from kioku import times

_SALT: Final = "salt"  # in `meta`; others' salts, that came with conversations from another store, are `salt:…`
_PENDING: Final = "unwritten"


def is_any(db: apsw.Connection) -> bool:
    """Tell whether anything was ever deleted."""
    return db.execute("SELECT 1 FROM forgotten LIMIT 1").fetchone() is not None


def has(db: apsw.Connection, conversation: str, key: int, at: int) -> bool:
    """Tell whether something was deleted: by its key, or as a part of its conversation's time."""
    for salt in _salts(db):
        wanted = (_key(salt, key), _minute(salt, conversation, at // times.MINUTE), _conversation(salt, conversation))
        row = db.execute(
            "SELECT 1 FROM forgotten WHERE hash IN (?, ?, ?) AND (until IS NULL OR until >= ?)", (*wanted, at)
        ).fetchone()
        if row is not None:
            return True
    return False


def has_key(db: apsw.Connection, key: int) -> bool:
    """Tell whether what has a key was deleted."""
    found = [_key(salt, key) for salt in _salts(db)]
    return any(db.execute("SELECT 1 FROM forgotten WHERE hash = ?", (one,)).fetchone() for one in found)


def has_conversation(db: apsw.Connection, conversation: str, at: int) -> bool:
    """Tell whether all that a conversation told up to an instant was deleted."""
    hashes = [_conversation(salt, conversation) for salt in _salts(db)] if is_any(db) else []
    query = "SELECT 1 FROM forgotten WHERE hash = ? AND until >= ?"
    return any(db.execute(query, (found, at)).fetchone() is not None for found in hashes)


def has_session(db: apsw.Connection, id: str) -> bool:
    """Tell whether a session of that id was deleted."""
    found = [_id(salt, id) for salt in _salts(db)]
    return any(db.execute("SELECT 1 FROM forgotten WHERE hash = ?", (one,)).fetchone() for one in found)


def add_keys(db: apsw.Connection, keys: Iterable[int]) -> None:
    """Forget what has these keys, for ever."""
    salt = _own_salt(db)
    _add(db, ((_key(salt, key), None) for key in keys))


def add_minutes(db: apsw.Connection, conversation: str, minutes: Iterable[int], now: int) -> None:
    """Forget what a conversation did in some minutes."""
    salt = _own_salt(db)
    _add(db, ((_minute(salt, conversation, minute), now) for minute in minutes))


def add_conversation(db: apsw.Connection, conversation: str, now: int) -> None:
    """Forget all that a conversation did until now."""
    _add(db, [(_conversation(_own_salt(db), conversation), now)])


def add_sessions(db: apsw.Connection, ids: Iterable[str]) -> None:
    """Remember that sessions of these ids were deleted, also by their beginnings, as lists show them."""
    salt = _own_salt(db)
    _add(db, ((_id(salt, name), None) for id in ids for name in (id, id[:8])))


Carried = tuple[list[str], list[tuple[bytes, int | None]], list[int]]


def carried(db: apsw.Connection) -> Carried:
    """Return what another store must know too that gets conversations of this one: salts, hashes, archived keys.

    Of the keys those are meant of which nobody knows whose they are: others go with their session.
    """
    return (
        list(_salts(db)),
        [(row[0], row[1]) for row in db.execute("SELECT hash, until FROM forgotten")],
        [row[0] for row in db.execute("SELECT key FROM folded WHERE session IS NULL")],
    )


def carry(db: apsw.Connection, given: Carried) -> None:
    """Take over what another store has forgotten and archived. Safe to repeat."""
    salts, hashes, keys = given
    known = set(_salts(db))
    for salt in salts:
        if salt not in known:
            db.execute("INSERT INTO meta VALUES (?, ?)", (f"{_SALT}:{salt[:8]}", salt))
    _add(db, hashes)
    db.executemany("INSERT OR IGNORE INTO folded VALUES (?, NULL)", ((key,) for key in keys))


def set_pending(db: apsw.Connection, *, is_pending: bool) -> None:
    """Note whether the file is yet to be written anew, so that nothing of what was deleted is left in it."""
    if is_pending:
        db.execute("INSERT OR IGNORE INTO meta VALUES (?, 'yes')", (_PENDING,))
    else:
        db.execute("DELETE FROM meta WHERE key = ?", (_PENDING,))


def is_pending(db: apsw.Connection) -> bool:
    """Tell whether a deletion did not come so far as to write the file anew."""
    return db.execute("SELECT 1 FROM meta WHERE key = ?", (_PENDING,)).fetchone() is not None


def _add(db: apsw.Connection, rows: Iterable[tuple[bytes, int | None]]) -> None:
    db.executemany(
        """INSERT INTO forgotten (hash, until) VALUES (?, ?)
           ON CONFLICT (hash) DO UPDATE SET until = max(until, excluded.until)""",
        rows,
    )


def _salts(db: apsw.Connection) -> list[str]:
    return [str(row[0]) for row in db.execute(f"SELECT value FROM meta WHERE key = '{_SALT}' OR key LIKE '{_SALT}:%'")]


def _own_salt(db: apsw.Connection) -> str:
    db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_SALT, os.urandom(16).hex()))
    return str(db.execute("SELECT value FROM meta WHERE key = ?", (_SALT,)).fetchall()[0][0])


def _hash(salt: str, *names: str | int) -> bytes:
    from hashlib import blake2b  # it loads OpenSSL, which most commands never need

    told = "\0".join(map(str, names)).encode("utf-8", "surrogatepass")
    return blake2b(told, digest_size=8, key=salt.encode()[:64]).digest()


def _key(salt: str, key: int) -> bytes:
    return _hash(salt, "key", key)


def _minute(salt: str, conversation: str, minute: int) -> bytes:
    return _hash(salt, "minute", conversation, minute)


def _conversation(salt: str, conversation: str) -> bytes:
    return _hash(salt, "conversation", conversation)


def _id(salt: str, id: str) -> bytes:
    return _hash(salt, "session", id)
