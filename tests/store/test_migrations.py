"""Schema versions: brought up once, whoever comes first, and never written to by who does not know them."""

import os
from pathlib import Path

import apsw
import pytest

from kioku.errors import ForeignStoreError, StoreError
from kioku.store import schema
from kioku.store.migrations import MIGRATIONS, VERSION, migrate, user_version
from kioku.store.opening import open_for_reading, open_store
from tests.store.places import add, ask, filled, keys, outputs, place, start


@pytest.fixture
def path(project: Path) -> Path:
    return place(project)


def test_each_version_is_reached_from_each_earlier_one_and_is_ours_to_the_letter() -> None:
    for first in range(1, VERSION + 1):
        db = apsw.Connection(":memory:")
        for version in range(first, VERSION + 1):
            migrate(db, version)
            assert user_version(db) == version
            schema.check(db, "here")
            migrate(db, version)  # again changes nothing
            assert user_version(db) == version
        db.close()
    assert len(MIGRATIONS) == VERSION


def test_the_schema_that_is_written_down_is_what_the_migrations_make() -> None:
    written = Path(schema.TOLD).read_bytes().decode()
    assert written == schema.told(schema.expected(VERSION)), "python -m scripts.schema"


def test_a_migration_that_fails_leaves_nothing_of_itself(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE streams (in_the_way)")
    with pytest.raises(apsw.SQLError), db:
        migrate(db)
    assert user_version(db) == 0
    assert [row[0] for row in db.execute("SELECT name FROM sqlite_schema")] == ["streams"]
    db.close()


def test_two_processes_that_begin_a_store_at_once_begin_one(path: Path) -> None:
    script = """
    import sys
    from kioku.store.opening import open_store
    sys.stdin.readline()
    store = open_store(sys.argv[1])
    print(store.id, store.project_id, len(store.notes), store.is_registered)
    """
    for _ in range(5):
        running = [start(script, path) for _ in range(2)]
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = outputs(running)
        assert said[0] == said[1]
        assert said[0].split()[2:] == ["0", "True"]
        for entry in path.parent.glob("sessions.db*"):
            entry.unlink()
        for entry in (Path(os.environ["HOME"]) / ".local/state/kioku/stores").iterdir():
            entry.unlink()


def test_a_process_that_started_before_a_migration_stops_writing_and_names_both_versions(path: Path) -> None:
    before = set(filled(path, 5))
    store = open_store(str(path))
    try:
        add(store)
        there = keys(path)
        ask(path, f"PRAGMA user_version = {VERSION + 1}")  # what a newer Kioku's migration ends with
        with pytest.raises(ForeignStoreError, match=f"version {VERSION + 1}; this Kioku knows {VERSION}"):
            add(store)
        assert keys(path) == there
        assert before <= there
    finally:
        store.close()
    with pytest.raises(ForeignStoreError):
        open_store(str(path))


def test_a_reader_does_not_upgrade_and_says_who_does(path: Path) -> None:
    filled(path)
    ask(path, "PRAGMA user_version = 0")
    content = path.read_bytes()
    with pytest.raises(StoreError, match="older version"):
        open_for_reading(str(path))
    assert path.read_bytes() == content


def test_a_table_of_each_kind_of_ours_is_checked(path: Path) -> None:
    names = schema.names()
    assert {"sessions", "reports", "activities", "session_files", "sessions_edited", "quarantine"} <= names
    for name in ("quarantine_by_time", "sessions_edited"):
        db = apsw.Connection(":memory:")
        migrate(db)
        db.execute(f"DROP INDEX {name}")
        with pytest.raises(ForeignStoreError, match=name):
            schema.check(db, str(path))
        db.close()


EVIL = "BEFORE INSERT ON turns BEGIN SELECT RAISE(IGNORE); END"


@pytest.mark.parametrize(
    "statements",
    [
        f"CREATE TRIGGER evil {EVIL}",
        f"CREATE TRIGGER sqlitexstat1 {EVIL}",
        f"CREATE TRIGGER evil {EVIL}; UPDATE sqlite_schema SET type = 'TRIGGER' WHERE name = 'evil'",
        f"CREATE TRIGGER evil {EVIL}; UPDATE sqlite_schema SET tbl_name = 'TURNS' WHERE name = 'evil'",
        "CREATE TABLE zz (x); UPDATE sqlite_schema SET name = x'7a7a' WHERE name = 'zz'",
        "CREATE INDEX further ON turns (text); UPDATE sqlite_schema SET tbl_name = 'TURNS' WHERE name = 'further'",
    ],
)
def test_what_a_hand_made_file_adds_to_our_tables_is_a_strangers(path: Path, statements: str) -> None:
    with apsw.Connection(str(path)) as db:
        migrate(db)
        db.pragma("writable_schema", "ON")
        db.execute(statements)
    with apsw.Connection(str(path)) as db, pytest.raises(ForeignStoreError):
        schema.check(db, str(path))


def test_what_a_person_adds_beside_our_tables_is_left_alone(path: Path) -> None:
    with apsw.Connection(str(path)) as db:
        migrate(db)
        db.execute("CREATE TABLE mine (x); CREATE INDEX of_mine ON mine (x); CREATE VIEW seen AS SELECT * FROM mine")
        db.execute("ANALYZE")
        schema.check(db, str(path))
