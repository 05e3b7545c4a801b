"""Taking over the store of the older program: nothing of it is lost, and it happens once."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kioku.reports import health
from kioku.reports import sessions as reports
from kioku.sessions import sweep
from kioku.store.opening import open_store
from kioku.store.store import Store
from tests.sessions.stage import unknown
from tests.store.places import MINUTE, T0, ask, beside, outputs, place, start

SCHEMA = """
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, project_id TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER, status TEXT,
  files_accessed TEXT, topics TEXT, metadata TEXT, created_at INTEGER, updated_at INTEGER);
CREATE TABLE discoveries (
  id TEXT PRIMARY KEY, session_id TEXT REFERENCES sessions(id), type TEXT, content TEXT, module TEXT, context_json TEXT,
  embedding_id TEXT, embedding_model TEXT, created_at INTEGER);
CREATE TABLE context_items (
  id TEXT PRIMARY KEY, type TEXT, content TEXT, metadata_json TEXT, score REAL, recency_factor REAL, access_factor REAL,
  last_accessed_at INTEGER, access_count INTEGER, tokens INTEGER, status TEXT, created_at INTEGER, updated_at INTEGER);
CREATE INDEX idx_sessions_status ON sessions (status);
CREATE INDEX idx_discoveries_session ON discoveries (session_id);
"""
Row = tuple[Any, ...]


def access(path: object, count: object = 1, first: object = T0, last: object = T0) -> dict[str, object]:
    return {"path": path, "accessCount": count, "firstAccessedAt": first, "lastAccessedAt": last}


def old_session(id: Any, **changes: Any) -> Row:
    row = {
        "id": id, "project_id": "old-project", "started_at": T0, "ended_at": T0 + 10 * MINUTE, "status": "completed",
        "files_accessed": json.dumps([access("src/a.py", 3, T0, T0 + MINUTE), access("src/b.py")]),
        "topics": '["parsing", "tests"]',
        "metadata": '{"duration": 600000, "toolCallsCount": 4, "discoveryCount": 1}',
        "created_at": T0, "updated_at": T0 + 10 * MINUTE,
    }  # fmt: skip
    return tuple({**row, **changes}.values())


SESSIONS: list[Row] = [
    old_session("plain"),
    old_session("archived", status="archived"),
    old_session("active", status="active", ended_at=None, updated_at=T0 + 5 * MINUTE),
    old_session("no-json", files_accessed="{oops", topics="", metadata="[]"),
    old_session("nulls", files_accessed=None, topics=None, metadata=None, status=None, ended_at=None, created_at=None),
    old_session("odd-json",
                files_accessed='[1, null, {"path": 5}, {"path": "c.py"}, {"path": "c.py", "accessCount": "2"}]',
                topics='{"a": 1}', metadata='{"toolCallsCount": "seven", "more": {"deep": [1, null]}}'),
    old_session("text-instants", started_at="yesterday", ended_at="2026", created_at="soon", updated_at=""),
    old_session("huge", started_at=T0, ended_at=2**62, metadata='{"toolCallsCount": 1e300}',
                files_accessed=json.dumps([access("h.py", 10**30, -(2**70), 2**80)])),
    old_session("nested", topics="[" * 50_000, metadata='{"a":' * 20_000, files_accessed="[" * 50_000),
    old_session("surrogate", topics='["\\ud800"]', files_accessed='[{"path": "\\udcff.py"}]'),
    old_session("secret", metadata='{"env": {"list": ["AKIAABCDEFGHIJKLMNOP"]}}', topics='["AKIAABCDEFGHIJKLMNOP"]'),
    old_session(None), old_session(None, started_at=T0 + 1), old_session(b"\x00bytes"), old_session(""),
    old_session("1e3"),
]  # fmt: skip
DISCOVERIES: list[Row] = [
    ("d1", "plain", "pattern", "Parsers return trees", "parser", '{"line": 3}', "e1", "model", T0),
    ("d2", "archived", "issue", "It is slow", None, None, None, None, "then"),
    ("d3", None, None, None, None, "{", None, None, None),
    (None, "plain", "rule", "Always run this", None, None, None, None, T0),
    (None, "plain", "rule", "And this", None, None, None, None, T0),
]
ITEMS: list[Row] = [
    ("c1", "file", "src/a.py", "{}", 0.5, 0.1, 0.2, T0, 3, 100, "active", T0, T0),
    ("c2", None, None, None, None, None, None, None, None, None, None, None, None),
]


def build(path: Path, sessions: list[Row], discoveries: list[Row] = DISCOVERIES, items: list[Row] = ITEMS) -> None:
    """Make the older program's database and leave it as a killed process does: with a log that was not copied."""
    script = f"""
import json, os, sqlite3, sys
db = sqlite3.connect({str(path)!r})
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA wal_autocheckpoint=0")
db.executescript({SCHEMA!r})
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
for table, rows in eval(sys.stdin.read()).items():
    for row in rows:
        db.execute(f"INSERT INTO {{table}} VALUES ({{', '.join('?' * len(row))}})", row)
db.commit()
os._exit(0)
"""
    rows = repr({"sessions": sessions, "discoveries": discoveries, "context_items": items})
    subprocess.run([sys.executable, "-c", script], input=rows, text=True, check=True)
    assert os.path.getsize(f"{path}-wal") > 0


@pytest.fixture
def path(project: Path) -> Path:
    return place(project)


def upgraded(path: Path) -> Store:
    return open_store(str(path))


def table(path: Path, name: str) -> list[tuple[Any, ...]]:
    return sorted(ask(path, f"SELECT * FROM {name}"), key=repr)


def test_every_session_access_topic_and_discovery_is_there_afterwards(path: Path) -> None:
    build(path, SESSIONS)
    store = upgraded(path)
    store.close()
    ids = {row[0] for row in ask(path, "SELECT id FROM sessions")}
    assert len(ids) == len(SESSIONS)
    assert {row[0] for row in SESSIONS if isinstance(row[0], str) and row[0]} <= ids
    plain = ask(
        path,
        "SELECT started_at, ended_at, status, topics, tool_calls, files, created_at FROM sessions WHERE id = 'plain'",
    )
    assert plain == [(T0, T0 + 10 * MINUTE, "completed", '["parsing","tests"]', 4, 2, T0)]
    touched = ask(
        path, "SELECT path, reads, first_at, last_at FROM session_files WHERE session_id = 'plain' ORDER BY path"
    )
    assert touched == [("src/a.py", 3, T0, T0 + MINUTE), ("src/b.py", 1, T0, T0)]
    assert ask(path, "SELECT path, reads FROM session_files WHERE session_id = 'odd-json'") == [("c.py", 3)]
    assert ask(path, "SELECT status FROM sessions WHERE id = 'archived'") == [("archived",)]
    discoveries = ask(path, "SELECT id, session_id, type, content, module, provenance FROM discoveries")
    assert len(discoveries) == len(DISCOVERIES)
    assert {row[5] for row in discoveries} == {"repository"}
    assert ("d1", "plain", "pattern", "Parsers return trees", "parser", "repository") in discoveries
    assert len(ask(path, "SELECT * FROM context_items")) == len(ITEMS)


def test_a_backup_is_kept_and_equal(path: Path) -> None:
    build(path, SESSIONS)
    before = {name: table(path, name) for name in ("sessions", "discoveries", "context_items")}
    store = upgraded(path)
    store.close()
    (backup,) = beside(path, "before-upgrade")
    assert {name: table(backup, name) for name in before} == before
    assert any(backup.name in note for note in store.notes)
    assert backup.stat().st_mode & 0o077 == 0


def test_a_session_that_was_left_active_ends_with_its_last_evidence(path: Path) -> None:
    build(path, [old_session("active", status="active", ended_at=None, updated_at=T0 + 5 * MINUTE)], [], [])
    upgraded(path).close()
    found = ask(path, "SELECT status, ended_at, end_reason FROM sessions")
    assert found == [("completed", T0 + 5 * MINUTE, "idle")]


def test_a_rebuild_finds_the_same_rows_and_every_id_leads_to_its_session(path: Path) -> None:
    build(path, SESSIONS)
    store = upgraded(path)
    try:
        now = T0 + 10**9
        before = store.read(health.projection)
        sweep.rebuild(store, now)
        assert store.read(health.projection) == before
        for wanted in before:
            assert store.read(lambda db, id=wanted: reports.find(db, id, now=now, judge=unknown)).id == wanted  # type: ignore[misc]
    finally:
        store.close()


def test_a_cleanup_of_an_old_active_session_survives_a_rebuild(path: Path) -> None:
    now = T0 + 20 * MINUTE
    build(path, [old_session("active", status="active", ended_at=None, updated_at=now, started_at=T0)], [], [])
    store = upgraded(path)
    try:
        sweep.rebuild(store, now)  # at that instant it may still have been active
        closings, _ = sweep.plan_cleanup(store.read(sweep.active), now, 0, unknown)
        assert store.write(lambda db: sweep.close(db, closings, now)) == 1
        before = store.read(health.projection)
        assert before["active"][4:6] == ("completed", "cleanup")
        sweep.rebuild(store, now)
        assert store.read(health.projection) == before
    finally:
        store.close()


def test_a_persons_edit_of_an_old_session_is_kept(path: Path) -> None:
    build(path, [old_session("plain")], [], [])
    store = upgraded(path)
    try:
        ask(path, "UPDATE sessions SET title = 'Mine', ended_at = ended_at + 5")
        sweep.sweep(store, str(path.parent / "run"), T0 + 10**9)
        sweep.rebuild(store, T0 + 10**9)
    finally:
        store.close()
    assert ask(path, "SELECT title, ended_at FROM sessions") == [("Mine", T0 + 10 * MINUTE + 5)]


def test_secrets_of_the_old_store_are_gone_from_the_new_one(path: Path) -> None:
    build(path, SESSIONS)
    upgraded(path).close()
    ask(path, "VACUUM")
    assert b"AKIAABCDEFGHIJKLMNOP" not in path.read_bytes()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER DELETE ON sessions BEGIN SELECT 1; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE reports (x)",
        "CREATE TABLE Reports (x)",
        """CREATE TRIGGER t AFTER DELETE ON sessions BEGIN SELECT 1; END;
           PRAGMA writable_schema = ON; UPDATE sqlite_schema SET type = 'TRIGGER' WHERE name = 't'""",
    ],
)
def test_an_old_store_with_code_or_tables_of_somebody_elses_is_set_aside(path: Path, statement: str) -> None:
    build(path, [old_session("plain")])
    ask(path, statement)
    store = upgraded(path)
    store.close()
    assert len(beside(path, "foreign")) == 1
    assert beside(path, "before-upgrade") == []
    assert any("was kept as" in note for note in store.notes)


def test_tables_that_a_person_added_stay(path: Path) -> None:
    build(path, [old_session("plain")])
    ask(path, "CREATE TABLE notes AS SELECT 'mine' AS text")
    upgraded(path).close()
    assert ask(path, "SELECT text FROM notes") == [("mine",)]


def test_sixteen_processes_that_upgrade_at_once_do_it_once(path: Path) -> None:
    build(path, SESSIONS)
    running = [
        start(
            """
            import sys
            from kioku.store.opening import open_store
            sys.stdin.readline()
            store = open_store(sys.argv[1])
            print(len([note for note in store.notes if "upgraded" in note]), len(store.notes))
            store.close()
            """,
            path,
        )
        for _ in range(16)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [tuple(map(int, output.split())) for output in outputs(running)]
    assert sorted(said) == [(0, 0)] * 15 + [(1, 1)]
    assert len(beside(path, "before-upgrade")) == 1
    assert ask(path, "SELECT count(*) FROM sessions") == [(len(SESSIONS),)]
    assert ask(path, "SELECT count(*) FROM meta WHERE key = 'store_id'") == [(1,)]


anything = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=20),
)
json_text = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(("path", "accessCount", "firstAccessedAt", "lastAccessedAt", "x")), inner, max_size=4
        ),
    ),
    max_leaves=12,
).map(json.dumps)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(*[anything] * 5, *[st.one_of(json_text, anything)] * 3, anything, anything),
        min_size=1, max_size=4, unique_by=lambda row: repr(row[0]),
    )
)  # fmt: skip
def test_whatever_the_old_columns_hold_every_row_comes_over(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    path = place(tmp_path_factory.mktemp("legacy") / "project")
    db = sqlite3.connect(path)  # the store is not open in this process yet
    db.executescript(SCHEMA.replace(" NOT NULL", ""))
    stored = 0
    for row in rows:
        try:
            db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            stored += 1
        except (sqlite3.IntegrityError, UnicodeEncodeError):
            continue
    db.commit()
    db.close()
    store = upgraded(path)
    try:
        now = T0 + 10**9
        sweep.sweep(store, str(path.parent / "run"), now)
        before = store.read(health.projection)
        assert len(before) == stored
        sweep.rebuild(store, now)
        assert store.read(health.projection) == before
    finally:
        store.close()


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_a_store_that_is_taken_over_is_closed_to_others(path: Path) -> None:
    build(path, SESSIONS)
    path.chmod(0o644)
    open_store(str(path)).close()
    assert path.stat().st_mode & 0o777 == 0o600
