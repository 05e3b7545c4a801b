"""Whether a store's schema is ours, to the letter, so that a file from elsewhere cannot bring triggers of its own.

Ours is what the migrations make, byte for byte: made in memory to compare with, or for the newest version read from
`schema.sql`, where it is written down. SQLite takes names and kinds in any case and of any type from a file that was
made by hand; whatever is not as SQLite itself writes it is a stranger's.
"""

import os
from typing import Final

import apsw

from kioku.errors import ForeignStoreError
from kioku.store.migrations import VERSION, migrate, user_version

Schema = dict[tuple[str, str], tuple[str, str | None]]  # table and SQL by kind and name

# What all migrations make, as `told` writes it; `python -m scripts.schema` writes it anew.
TOLD: Final = os.path.join(os.path.dirname(__file__), "schema.sql")
_KINDS: Final = ("table", "index", "view", "trigger")
_STATISTICS: Final = ("sqlite_stat1", "sqlite_stat4")  # what ANALYZE makes, in anybody's database


def check(db: apsw.Connection, path: str) -> None:
    """Make sure that the schema is ours: that of the version that the file says it has.

    Tables and views that a person added beside ours are left alone; a trigger, or anything of a stranger's that hangs
    on one of our tables, is not. Raises ForeignStoreError.
    """
    version = user_version(db)
    if version < 1:
        raise ForeignStoreError(f"{path} is not a store of Kioku's")
    found = _read(db, path)
    if version == VERSION and _is_told(found):
        return  # making ours to compare with costs more than all else that opening does
    ours = expected(version)
    tables = {name for kind, name in ours if kind == "table"}
    for item, (table, sql) in ours.items():
        if found.get(item) != (table, sql):
            raise ForeignStoreError(f"{path} is not a store of Kioku's: its {item[0]} '{item[1]}' differs")
    for (kind, name), (table, _) in found.items():
        if (kind, name) not in ours and (kind == "trigger" or table.lower() in tables):
            raise ForeignStoreError(f"{path} is not a store of Kioku's: it has a {kind} '{name}'")


def names() -> set[str]:
    """Return the names of everything in our schema."""
    return {name for _, name in expected(VERSION)}


def expected(version: int) -> Schema:
    """Return the schema that the migrations up to a version make."""
    db = apsw.Connection(":memory:")
    try:
        migrate(db, version)
        return _read(db, "the memory")
    finally:
        db.close()


def told(schema: Schema) -> str:
    """Write a schema as SQL, in the order of names."""
    rows = sorted((name, kind, table, sql or "") for (kind, name), (table, sql) in schema.items())
    parts = (f"-- {kind} {name}, of {table}\n{sql};\n" for name, kind, table, sql in rows)
    return "\n".join([f"-- {len(rows)} tables, views, indexes and triggers\n", *parts])


def _is_told(schema: Schema) -> bool:
    try:
        with open(TOLD, encoding="utf-8", newline="") as file:
            return file.read() == told(schema)
    except OSError:
        return False  # then it is compared with what the migrations make


def _read(db: apsw.Connection, path: str) -> Schema:
    found: Schema = {}
    for kind, name, table, sql in db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"):
        is_text = isinstance(name, str) and isinstance(table, str) and isinstance(sql, str | None)
        if kind not in _KINDS or not is_text or (kind, name) in found:
            raise ForeignStoreError(f"{path} is not a store of Kioku's: its schema was not written by SQLite alone")
        if kind != "table" or name not in _STATISTICS:
            found[kind, name] = table, sql
    return found
