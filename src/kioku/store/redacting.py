"""Redacting once more what is stored: rules grow better, and a project gets secrets that it did not have before.

What people see of a session is derived from this, so the sessions are to be derived anew afterwards. Nothing is made
readable again: a mark stays a mark. Every function works inside the caller's transaction.
"""

import os
from typing import Any, Final

import apsw
import msgspec

from kioku.redaction import redact
from kioku.store import imports, indexing

# Every column with text from outside: table, its key, the column. Of those with JSON, the texts in it.
_TEXTS: Final = (
    ("names", "id", "text"),
    ("turns", "id", "text"),
    ("reports", "stream, at, key, source", "detail"),
    ("streams", "id", "client"),
    ("streams", "id", "client_version"),
    ("streams", "id", "folder"),
    ("streams", "id", "claim"),
    ("quarantine", "key, source", "stream_key"),
    ("discoveries", "id", "content"),
    ("discoveries", "id", "module"),
    ("context_items", "id", "content"),
)
_JSON: Final = (
    ("amendments", "id", "data"),
    ("quarantine", "key, source", "report"),
    ("discoveries", "id", "evidence"),
    ("context_items", "id", "metadata_json"),
)


def redact_again(db: apsw.Connection, *, dry_run: bool = False) -> dict[str, int]:
    """Redact every stored text; return how many changed, by `table.column`."""
    found: dict[str, int] = {}
    for columns, change in ((_TEXTS, _text), (_JSON, _json)):
        for table, key, column in columns:
            rows = db.execute(f"SELECT {key}, {column} FROM {table} WHERE typeof({column}) = 'text'")
            # Only what changes is held; it is written when the whole table has been read.
            changed = [(new, *row[:-1]) for row in rows if (new := change(row[-1])) != row[-1]]
            if changed:
                found[f"{table}.{column}"] = len(changed)
            if not dry_run:
                where = " AND ".join(f"{name.strip()} = ?" for name in key.split(","))
                db.executemany(f"UPDATE {table} SET {column} = ? WHERE {where}", changed)
    keys = [(key, id) for id, key in db.execute("SELECT id, key FROM streams") if redact(key) != key]
    if keys:
        found["streams.key"] = len(keys)
    for key, id in () if dry_run else keys:
        db.execute("UPDATE OR IGNORE streams SET key = ? WHERE id = ?", (redact(key), id))
        if not db.changes():  # another conversation differs by the secret only
            db.execute("UPDATE streams SET key = ? WHERE id = ?", (f"{redact(key)}:{id}", id))
    stale = [source for source in imports.sources(db) if imports.without_secrets(source) != source]
    if stale:
        found["sources.state"] = len(stale)
    if not dry_run:
        for source in stale:
            imports.put_source(db, source)
        indexing.remove_words(db)
    return found


def folders(db: apsw.Connection) -> list[str]:
    """Return the folders that this store has something of: in the person's own, many projects' and their secrets."""
    found = {str(folder): None for (folder,) in db.execute("SELECT folder FROM streams WHERE folder IS NOT NULL")}
    for source in imports.sources(db):
        found |= dict.fromkeys(os.path.dirname(os.path.dirname(path)) for path, _ in source.stores)
    return list(found)


def _text(stored: str) -> str:
    return redact(stored)


def _json(stored: str) -> str:
    try:
        value = msgspec.json.decode(stored)
    except msgspec.DecodeError:
        return redact(stored)  # a person's own text in the place of ours
    changed = leaves(value)
    return stored if changed == value else msgspec.json.encode(changed).decode()


def leaves(value: Any) -> Any:
    """Redact every text in decoded JSON."""
    if isinstance(value, str):
        return str(redact(value))
    if isinstance(value, list):
        return [leaves(part) for part in value]
    if isinstance(value, dict):
        return {str(redact(name)): leaves(part) for name, part in value.items()}
    return value
