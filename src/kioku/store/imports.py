"""How far transcripts were read, which batches of the spool were taken in, and what is counted on the way.

Positions are in the person's own store; batches and counters in the store that got the rows, so that they are committed
together. Every function works inside the caller's transaction.
"""

import os
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from kioku import times
from kioku.redaction import Redacted, redact
from kioku.store.names import require_redacted

_KEPT_BATCHES_MS: Final = 30 * times.DAY  # far longer than a batch can be left behind by a process that was killed


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A transcript and how far it was read: `position` bytes, `lines` lines.

    `identity` tells what was read from what another file has there; as long as `size` and `changed_at` (ns) are the
    file's, there is nothing new in it. `state` is what its reader must know to go on, `stores` are
    the (path, id) of the stores that got its rows, `conversations` its conversations' stream keys.
    """

    path: str
    client: str
    identity: str
    size: int
    changed_at: int
    position: int
    lines: int
    state: dict[str, str]
    stores: list[tuple[str, str]]
    conversations: list[str]
    read_at: int


_LISTS: Final = ("state", "stores", "conversations")
_NAMES: Final = Source.__struct_fields__


def name_of(path: str) -> str:
    """Return a file's name as it is kept: what in it is no UTF-8 is written out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def source(db: apsw.Connection, path: str) -> Source | None:
    """Return what is known of a transcript; None also for a row that is no longer what we wrote."""
    row = db.execute(f"SELECT {', '.join(_NAMES)} FROM sources WHERE path = ?", (path,)).fetchone()
    return None if row is None else _source(row)


def sources(db: apsw.Connection) -> list[Source]:
    """Return every transcript that was read."""
    rows = db.execute(f"SELECT {', '.join(_NAMES)} FROM sources ORDER BY path")
    return [found for row in rows if (found := _source(row)) is not None]


def put_source(db: apsw.Connection, found: Source) -> None:
    """Note how far a transcript was read."""
    kept = without_secrets(found)
    values = [
        msgspec.json.encode(getattr(kept, name)).decode() if name in _LISTS else getattr(kept, name) for name in _NAMES
    ]
    marks = ", ".join("?" * len(_NAMES))
    db.execute(f"INSERT OR REPLACE INTO sources ({', '.join(_NAMES)}) VALUES ({marks})", values)


def without_secrets(found: Source) -> Source:
    """Return what is kept of a transcript: its reader's state is text from outside too, but a real folder stays one."""
    state = {
        str(redact(name)): text if os.path.isdir(text) else str(redact(text)) for name, text in found.state.items()
    }
    return msgspec.structs.replace(found, state=state, conversations=[str(redact(key)) for key in found.conversations])


def _source(row: tuple[Any, ...]) -> Source | None:
    values = dict(zip(_NAMES, row, strict=True))
    try:
        for name in _LISTS:
            values[name] = msgspec.json.decode(values[name])
        return msgspec.convert(values, Source)
    except (msgspec.MsgspecError, TypeError):
        return None


def take_batch(db: apsw.Connection, batch: str, now: int) -> bool:
    """Note that a batch of the spool is taken in; return False when it was before."""
    db.execute("DELETE FROM drained WHERE at < ?", (now - _KEPT_BATCHES_MS,))
    db.execute("INSERT OR IGNORE INTO drained VALUES (?, ?)", (batch, now))
    return bool(db.changes())


def count(db: apsw.Connection, name: Redacted, more: int, now: int) -> None:
    """Add to a counter."""
    require_redacted(name)
    if more:
        db.execute(
            """INSERT INTO counters VALUES (?1, ?2, ?3)
               ON CONFLICT (name) DO UPDATE SET value = value + ?2, at = max(at, ?3)""",
            (name, more, now),
        )


class Counter(NamedTuple):
    """How often something happened, and when it did for the last time (ms)."""

    value: int
    at: int


def counters(db: apsw.Connection) -> dict[str, Counter]:
    """Return every counter that holds what we put into it."""
    rows = db.execute("SELECT name, value, at FROM counters WHERE typeof(value) = 'integer' AND typeof(at) = 'integer'")
    return {str(name): Counter(value, at) for name, value, at in rows}
