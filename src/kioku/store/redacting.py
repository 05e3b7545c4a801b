"""Redacting once more what is stored: rules grow better, and a project gets secrets that it did not have before.

What people see of a session is derived from this, so the sessions are to be derived anew afterwards. Nothing is made
readable again: a mark stays a mark. Every function works inside the caller's transaction.
"""

from typing import Any, Final

import apsw
import msgspec

from kioku.redaction import redact

# Every column with text from outside: table, its key, the column. Of those with JSON, the texts in it.
_TEXTS: Final = (
    ("names", "id", "text"),
    ("turns", "id", "text"),
    ("reports", "stream, at, key, source", "detail"),
    ("streams", "id", "client"),
    ("streams", "id", "client_version"),
    ("streams", "id", "folder"),
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
    return found


def _text(stored: str) -> str:
    return redact(stored)


def _json(stored: str) -> str:
    try:
        value = msgspec.json.decode(stored)
    except msgspec.DecodeError:
        return redact(stored)  # a person's own text in the place of ours
    changed = _leaves(value)
    return stored if changed == value else msgspec.json.encode(changed).decode()


def _leaves(value: Any) -> Any:
    if isinstance(value, str):
        return str(redact(value))
    if isinstance(value, list):
        return [_leaves(part) for part in value]
    if isinstance(value, dict):
        return {name: _leaves(part) for name, part in value.items()}
    return value
