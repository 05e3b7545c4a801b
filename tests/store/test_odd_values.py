"""Values that nobody meant, written by a person's SQL or shipped in a file: recording goes on, and doctor says so."""

import sqlite3
from pathlib import Path

import pytest

from kioku.store.values import FARTHEST, count, text, whole
from tests.support import Server, kioku, rows

EVERYWHERE = ["9e999", "-9e999", "1e300", "9223372036854775807", "'x'", "x'00ff'", "''", "12.5"]


def change(project: Path, statement: str) -> None:
    """Run a statement as the sqlite3 program would, with checks of types off."""
    db = sqlite3.connect(project / ".context" / "sessions.db")
    db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        *(f"UPDATE sessions SET ended_at = {value}" for value in EVERYWHERE),
        *(f"UPDATE sessions SET started_at = {value}" for value in EVERYWHERE),
        "UPDATE sessions SET last_activity_at = 'x'",
        "UPDATE sessions SET status = 'finished', title = x'00ff', topics = 7",
        "UPDATE sessions SET timeout_ms = 'soon', first_activity_at = 'x', active_ms = 9e999",
        "UPDATE timeouts SET timeout_ms = 'soon'",
        "UPDATE OR IGNORE timeouts SET since = 9e999",
        "UPDATE reports SET took = 'long', ok = 'yes', detail = x'00'",
        "UPDATE OR IGNORE reports SET at = 'yesterday'",
        "UPDATE sessions SET client = 7, branch = x'00ff', active_ms = 'long', agent_ms = 'x', empty = 'no'",
        "UPDATE days SET slots = 'x', lengths = 9e999, gaps = x'04'",
        "UPDATE day_shares SET active_ms = 'x', sessions = 9e999, calls = 'y'",
        "UPDATE day_files SET reads = 'x', edits = 9e999",
        "UPDATE OR IGNORE clocks SET since = 'x', until = 9e999",
        "UPDATE OR IGNORE counts SET slot = 'x', number = 'many'",
        "UPDATE OR IGNORE session_days SET day = 'x'",
        "INSERT OR IGNORE INTO outdated_days VALUES (1 << 60)",
        "INSERT OR IGNORE INTO outdated_days VALUES (-(1 << 60))",
        "INSERT OR IGNORE INTO discoveries VALUES ('d', x'00', 7, 'c', NULL, 'x', 'accepted', 'p', NULL, 'x', 9e999)",
        "INSERT INTO amendments (made_at, kind, session_id, data) SELECT 0, 'edited', id, '{garbage' FROM sessions",
        "INSERT INTO amendments (made_at, kind, session_id, data) SELECT 0, 'edited', id, '[]' FROM sessions",
    ],
)
def test_recording_and_every_command_go_on_whatever_a_column_holds(project: Path, statement: str) -> None:
    (project / "a.txt").write_text("text\n")
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="a.txt")
        change(project, statement)
        # The same conversation goes on, and so does another.
        assert not server.call("read_file", path="a.txt")["isError"]
        with Server(project) as other:
            other.initialize()
            assert not other.call("read_file", path="a.txt")["isError"]
            assert not other.call("sessions", action="list")["isError"]
            assert other.end() == 0
        assert "Traceback" not in kioku("stats", cwd=project).stderr  # there are rollups now
        change(project, statement)
        for words in (
            ["sessions", "list", "--empty"], ["status"], ["cleanup-sessions", "--dry-run"], ["doctor"],
            ["sessions", "suggest", "--days", "3660"], ["sessions", "sensitivity"],
            ["stats", "all", "--files", "heat"], ["stats", "today", "--json"], ["stats", "--csv"],
            ["sessions", "timeline", "all"],
            ["cleanup-sessions", "--force", "--older-than", "0"], ["doctor", "--rebuild"],
        ):  # fmt: skip
            result = kioku(*words, cwd=project)
            assert "Traceback" not in result.stderr, (words, result.stderr)
            assert result.returncode in (0, 1), (words, result)
        assert server.end() == 0
        assert "Traceback" not in server.errors()
    assert rows(project, "SELECT count(*) FROM activities WHERE tool = 'read_file'")[0][0] >= 3


def test_doctor_names_impossible_values_and_a_rebuild_mends_them(project: Path) -> None:
    (project / "a.txt").write_text("text\n")
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="a.txt")
        server.end()
    before = rows(project, "SELECT last_activity_at, status FROM sessions")
    change(project, "UPDATE sessions SET last_activity_at = 'x'")
    result = kioku("doctor", cwd=project)
    assert result.returncode == 1
    assert "1 session with impossible values" in result.stdout
    assert kioku("doctor", "--rebuild", cwd=project).returncode == 0
    assert rows(project, "SELECT last_activity_at, status FROM sessions") == before


def test_only_whole_numbers_and_text_get_past_the_door() -> None:
    assert [whole(value) for value in (7, 7.4, float("inf"), float("nan"), 10**300, "7", b"7", None, FARTHEST)] == [
        7, 7, None, None, None, None, None, None, FARTHEST,
    ]  # fmt: skip
    assert count("x") == 0
    assert [text(value) for value in ("a", None, 7, b"\xff")] == ["a", None, "7", "b'\\xff'"]
