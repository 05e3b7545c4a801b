"""Every promise, command, query and remedy of the session management document, as its reader would meet it.

The parts in SQL and shell are the document's own text, run as it stands by the programs that it names.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Terminal, command_line, has_ended, lease_of, let_it_tick, state_of, stored
from tests.support import Clock, Server, kioku, rows, wait_until

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks processes up in /proc")
needs_sqlite3 = pytest.mark.skipif(shutil.which("sqlite3") is None, reason="the sqlite3 program is not installed")
needs_ps = pytest.mark.skipif(shutil.which("ps") is None, reason="the ps program is not installed")

WIDE = {**os.environ, "COLUMNS": "1000"}  # without a terminal, ps may cut its lines at 80
LONG = {"KIOKU_SESSION_TIMEOUT_MINUTES": "1440"}  # so that only the owner's death, or a person, ends a session


def session(project: Path, *columns: str) -> tuple[Any, ...]:
    """Return columns of the project's only session."""
    (row,) = rows(project, f"SELECT {', '.join(columns)} FROM sessions")
    return row


def statuses(project: Path) -> dict[str, str]:
    return dict(rows(project, "SELECT id, status FROM sessions"))


def start(project: Path, **options: Any) -> Server:
    """Start a server and make it busy: connected, with one tool call."""
    server = Server(project, **options)
    server.initialize()
    server.call("sessions")
    return server


@contextmanager
def servers_from(project: Path, clocks: Path, *minutes_ago: float) -> Iterator[list[tuple[Server, str]]]:
    """Run servers that started so many minutes ago and were last used then; give each with its session's id."""
    with ExitStack() as stack:
        found: list[tuple[Server, str]] = []
        for number, minutes in enumerate(minutes_ago):
            clock = Clock(clocks / f"clock-{number}")
            clock.shift(-minutes)
            server = stack.enter_context(start(project, env=clock.env | LONG))
            known = {known_id for _, known_id in found}
            (session_id,) = {row[0] for row in rows(project, "SELECT id FROM sessions")} - known
            found.append((server, session_id))
        yield found


def orphans(project: Path, clocks: Path, *minutes_ago: float) -> list[str]:
    """Leave sessions behind whose servers were killed by force; return their ids."""
    with servers_from(project, clocks, *minutes_ago) as found:
        for server, _ in found:
            server.kill()
    assert set(statuses(project).values()) == {"active"}
    return [session_id for _, session_id in found]


def contents(project: Path) -> dict[str, bytes]:
    """Return the bytes of the database, also of those that are still in its log."""
    names = ("sessions.db", "sessions.db-wal")
    return {
        name: (project / ".context" / name).read_bytes() for name in names if (project / ".context" / name).exists()
    }


# --- how sessions work ------------------------------------------------------------------------------------------------


def test_a_session_is_active_as_soon_as_the_server_has_started(project: Path) -> None:
    with Server(project):
        wait_until(lambda: stored(project, "SELECT * FROM sessions"), "a session")
        assert session(project, "status", "ended_at", "tool_calls") == ("active", None, 0)


def test_the_database_is_the_file_that_the_queries_name(project: Path) -> None:
    with start(project, arguments=[]):
        assert (project / ".context" / "sessions.db").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: signal.Signals(number).name)
def test_a_signal_ends_server_and_session(project: Path, number: signal.Signals) -> None:
    with start(project) as server:
        server.signal(number)
        assert server.wait() == 0
        assert server.errors() == ""
    status, ended, last, reason = session(project, "status", "ended_at", "last_activity_at", "end_reason")
    assert (status, reason) == ("completed", "stopped")
    assert ended >= last


def test_a_closed_standard_input_ends_server_and_session(project: Path) -> None:
    with start(project) as server:
        assert server.end() == 0
        assert server.errors() == ""
    status, ended = session(project, "status", "ended_at")
    assert status == "completed"
    assert ended is not None


@needs_linux
def test_ctrl_c_typed_at_a_terminal_ends_server_and_session(project: Path) -> None:
    with Terminal("serve", cwd=project) as terminal:
        terminal.read_until("Ctrl+C ends it")
        assert session(project, "status") == ("active",)
        terminal.type("\x03")
        assert terminal.wait() == 0
        assert "ended" in terminal.shown
        assert "Traceback" not in terminal.shown
    assert session(project, "status", "end_reason") == ("completed", "stopped")


def test_after_the_end_nothing_of_the_server_is_left_but_the_database(project: Path) -> None:
    with start(project) as server:
        assert (project / ".context" / "sessions.db-wal").exists()
        server.signal(signal.SIGINT)
        server.wait()
    left = {path.name for path in (project / ".context").iterdir()}
    assert left == {".gitignore", "run", "sessions.db"}  # no log: the connection was closed in order
    assert list((project / ".context" / "run").glob("*.lease")) == []


def test_every_tool_call_is_activity(project: Path, clock: Clock) -> None:
    (project / "a.py").write_text("import os\n")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    arguments: dict[str, dict[str, Any]] = {
        "read_file": {"path": "a.py"},
        "grep_codebase": {"pattern": "import"},
        "git_blame": {"path": "a.py"},
    }  # what is not named here is called without any, which may fail: a failed call is activity too
    with Server(project, env=clock.env) as server:
        server.initialize()
        names = [tool["name"] for tool in server.request("tools/list")["result"]["tools"]]
        assert {"read_file", "grep_codebase", "git_log", "git_blame", "git_diff", "sessions"} <= set(names)
        for calls, name in enumerate(names, 1):
            (before,) = session(project, "last_activity_at")
            clock.shift(1)
            server.call(name, **arguments.get(name, {}))
            last, counted = session(project, "last_activity_at", "tool_calls")
            assert last >= before + 60_000, name
            assert counted == calls, name
        recorded = rows(project, "SELECT tool FROM activities WHERE tool IS NOT NULL ORDER BY at")
        assert [tool for (tool,) in recorded] == names


def test_every_file_access_is_tracked_with_its_path(project: Path, clock: Clock) -> None:
    (project / "a.py").write_text("import b\n")
    (project / "b.py").write_text("x = 1\n")
    with Server(project, env=clock.env) as server:
        server.initialize()
        server.call("read_file", path="a.py")
        server.call("read_file", path="a.py")
        server.call("read_file", path="a.py", include_deps=True)
        found = rows(project, "SELECT path, reads FROM session_files ORDER BY path")
        assert found == [("a.py", 3), ("b.py", 1)]
        assert session(project, "files") == (2,)


def test_a_call_that_fails_is_activity(project: Path, clock: Clock) -> None:
    with Server(project, env=clock.env) as server:
        server.initialize()
        assert server.call("read_file", path="missing.py")["isError"]
        assert rows(project, "SELECT tool, ok FROM activities WHERE tool IS NOT NULL") == [("read_file", 0)]


def test_every_resource_read_is_activity(project: Path, clock: Clock) -> None:
    with Server(project, env=clock.env) as server:
        server.initialize()
        addresses = [found["uri"] for found in server.request("resources/list")["result"]["resources"]]
        assert "context://session/current" in addresses
        for address in [*addresses, f"context://session/{session(project, 'id')[0]}"]:
            (before,) = session(project, "last_activity_at")
            clock.shift(1)
            assert "result" in server.request("resources/read", {"uri": address}), address
            assert session(project, "last_activity_at") >= (before + 60_000,), address
        count = rows(project, "SELECT count(*) FROM activities WHERE kind = 'resource_read'")
        assert count == [(len(addresses) + 1,)]


def test_each_activity_is_on_disk_before_its_answer_comes(project: Path) -> None:
    with Server(project) as server:
        server.initialize()
        for calls in range(1, 20):
            server.call("sessions")
            assert session(project, "tool_calls") == (calls,)
        server.kill()
    assert session(project, "tool_calls") == (19,)


# --- 30 minutes of silence --------------------------------------------------------------------------------------------


def test_after_30_minutes_of_silence_the_server_itself_ends_the_session(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env) as server:
        (last,) = session(project, "last_activity_at")
        clock.shift(31)
        wait_until(lambda: session(project, "status") == ("completed",), "the end by silence")
        assert session(project, "ended_at", "end_reason") == (last, "idle")
        assert server.process.poll() is None


def test_29_minutes_of_silence_end_nothing(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env):
        clock.shift(29)
        let_it_tick(project)
        assert session(project, "status", "ended_at") == ("active", None)
        clock.shift(6)
        wait_until(lambda: session(project, "status") == ("completed",), "the end by silence")


def test_every_tool_call_begins_the_30_minutes_anew(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env) as server:
        for _ in range(5):
            clock.shift(25)
            server.call("sessions")
        let_it_tick(project)
        assert session(project, "status", "tool_calls") == ("active", 6)


def test_activity_after_the_silence_begins_a_session_that_continues_the_old_one(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env) as server:
        (old,) = session(project, "id")
        clock.shift(31)
        wait_until(lambda: session(project, "status") == ("completed",), "the end by silence")
        server.call("sessions")
        found = rows(project, "SELECT id, status, continues FROM sessions ORDER BY started_at")
        assert [row[1:] for row in found] == [("completed", None), ("active", old)]
        assert server.end() == 0
    assert rows(project, "SELECT end_reason, tool_calls FROM sessions ORDER BY started_at") == [
        ("idle", 1),
        ("stopped", 1),
    ]


def test_activity_after_the_silence_begins_a_new_session_also_when_nobody_had_looked(
    project: Path, clock: Clock
) -> None:
    with start(project, env=clock.env) as server:
        (last,) = session(project, "last_activity_at")
        clock.shift(45)
        server.call("sessions")
        found = rows(project, "SELECT status, ended_at, end_reason FROM sessions ORDER BY started_at")
        assert found == [("completed", last, "idle"), ("active", None, None)]


def test_the_running_server_also_ends_what_a_crashed_one_left(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env) as first, start(project, env=clock.env) as second:
        second.kill()
        (orphan,) = [id for id, tool_calls in rows(project, "SELECT id, tool_calls FROM sessions ORDER BY created_at")][
            1:
        ]
        clock.shift(6)
        wait_until(lambda: statuses(project)[orphan] == "completed", "the sweep of the living server")
        assert rows(project, "SELECT end_reason FROM sessions WHERE id = ?", orphan) == [("orphaned",)]
        assert sorted(statuses(project).values()) == ["active", "completed"]
        assert first.end() == 0


def test_the_timeout_can_be_set(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env | {"KIOKU_SESSION_TIMEOUT_MINUTES": "5"}):
        clock.shift(6)
        wait_until(lambda: session(project, "status", "end_reason") == ("completed", "idle"), "the end by silence")


# --- cleanup-sessions -------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_what_would_be_closed_and_changes_no_byte(project: Path, tmp_path: Path) -> None:
    old, young = orphans(project, tmp_path, 90, 20)
    before = contents(project)
    result = kioku("cleanup-sessions", "--dry-run", cwd=project)
    assert result.returncode == 0
    assert contents(project) == before
    assert statuses(project) == {old: "active", young: "active"}
    first, _, second = result.stdout.partition("closes by itself")
    assert old[:8] in first
    assert young[:8] not in first
    assert young[:8] in second


def test_a_dry_run_beside_a_running_server_changes_nothing(project: Path, tmp_path: Path) -> None:
    with servers_from(project, tmp_path, 90) as [(_, live)]:
        before = contents(project)
        result = kioku("cleanup-sessions", "--dry-run", cwd=project)
        assert result.returncode == 0
        assert contents(project) == before
        assert live[:8] in result.stdout


def test_cleanup_closes_sessions_older_than_an_hour(project: Path, tmp_path: Path) -> None:
    old, young = orphans(project, tmp_path, 61, 59)
    result = kioku("cleanup-sessions", "--force", cwd=project)
    assert result.returncode == 0
    assert "Closed 1 session." in result.stdout
    assert statuses(project) == {old: "completed", young: "active"}
    assert rows(project, "SELECT ended_at = last_activity_at FROM sessions WHERE id = ?", old) == [(1,)]


@pytest.mark.parametrize(
    ("hours", "closed"), [("2", 1), ("0.5", 2), ("0", 3), ("24", 0)], ids=["2h", "half-an-hour", "0h", "24h"]
)
def test_older_than_moves_the_threshold(project: Path, tmp_path: Path, hours: str, closed: int) -> None:
    found = orphans(project, tmp_path, 121, 31, 0)
    result = kioku("cleanup-sessions", "--force", "--older-than", hours, cwd=project)
    assert result.returncode == 0
    expected = {id: "completed" if number < closed else "active" for number, id in enumerate(found)}
    assert statuses(project) == expected


@pytest.mark.parametrize("hours", ["-1", "soon", "nan"])
def test_a_threshold_that_is_no_length_of_time_is_refused(project: Path, tmp_path: Path, hours: str) -> None:
    orphans(project, tmp_path, 90)
    result = kioku("cleanup-sessions", "--force", "--older-than", hours, cwd=project)
    assert result.returncode == 2
    assert session(project, "status") == ("active",)


@needs_linux
@pytest.mark.parametrize(("answer", "status"), [("y\n", "completed"), ("n\n", "active"), ("\n", "active")])
def test_cleanup_asks_at_a_terminal(project: Path, tmp_path: Path, answer: str, status: str) -> None:
    (old,) = orphans(project, tmp_path, 90)
    with Terminal("cleanup-sessions", cwd=project) as terminal:
        terminal.read_until("Close 1 session?")
        assert old[:8] in terminal.shown
        assert statuses(project) == {old: "active"}
        terminal.type(answer)
        assert terminal.wait() == 0
    assert statuses(project) == {old: status}


@needs_linux
def test_ctrl_c_at_the_question_changes_nothing(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 90)
    with Terminal("cleanup-sessions", cwd=project) as terminal:
        terminal.read_until("Close 1 session?")
        wait_until(lambda: state_of(terminal.process.pid) == "S", "a program that waits for the answer")
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert "Traceback" not in terminal.shown
    assert session(project, "status") == ("active",)


@needs_linux
def test_a_session_that_is_used_while_the_question_waits_stays_open(project: Path, clock: Clock) -> None:
    clock.shift(-90)
    with start(project, env=clock.env | LONG) as server:
        server.signal(signal.SIGSTOP)
        wait_until(lambda: state_of(server.process.pid) == "T", "a stopped server")
        lease_of(project).unlink()  # so that nobody can tell whether it lives
        with Terminal("cleanup-sessions", cwd=project) as terminal:
            terminal.read_until("Close 1 session?")
            clock.shift(1)
            server.signal(signal.SIGCONT)
            server.call("sessions")
            terminal.type("y\n")
            assert terminal.wait() == 0
        assert session(project, "status", "ended_at", "tool_calls") == ("active", None, 2)


@needs_linux
def test_force_asks_nothing_at_a_terminal_either(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 90)
    with Terminal("cleanup-sessions", "--force", cwd=project) as terminal:
        assert terminal.wait() == 0
        assert "Closed 1 session." in terminal.shown
    assert session(project, "status") == ("completed",)


def test_without_terminal_and_force_nothing_is_closed(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 90)
    before = rows(project, "SELECT * FROM sessions")
    result = kioku("cleanup-sessions", cwd=project, input="y\n")
    assert result.returncode == 2
    assert "--force" in result.stderr
    assert rows(project, "SELECT * FROM sessions") == before


def test_with_nothing_to_close_no_question_is_asked(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 20)
    result = kioku("cleanup-sessions", cwd=project)
    assert result.returncode == 0
    assert "No session older than 1 h" in result.stdout


def test_cleanup_speaks_json(project: Path, tmp_path: Path) -> None:
    old, young = orphans(project, tmp_path, 90, 20)
    shown = json.loads(kioku("cleanup-sessions", "--dry-run", "--json", cwd=project).stdout)
    assert [entry["id"] for entry in shown["to_close"]] == [old]
    assert [entry["id"] for entry in shown["by_sweep"]] == [young]
    assert (shown["closed"], shown["dry_run"], shown["live"]) == (0, True, [])
    unforced = kioku("cleanup-sessions", "--json", cwd=project)
    assert unforced.returncode == 2
    assert [entry["id"] for entry in json.loads(unforced.stdout)["to_close"]] == [old]
    assert statuses(project) == {old: "active", young: "active"}
    done = kioku("cleanup-sessions", "--force", "--json", cwd=project)
    assert done.returncode == 0
    assert json.loads(done.stdout)["closed"] == 1
    assert statuses(project) == {old: "completed", young: "active"}


def test_sessions_of_running_servers_are_listed_and_left_alone(project: Path, tmp_path: Path) -> None:
    with servers_from(project, tmp_path, 90, 80) as [(_, live), (killed, orphan)]:
        killed.kill()
        shown = json.loads(kioku("cleanup-sessions", "--force", "--json", "--older-than", "0", cwd=project).stdout)
        assert [entry["id"] for entry in shown["live"]] == [live]
        assert statuses(project) == {live: "active", orphan: "completed"}
        text = kioku("cleanup-sessions", "--force", "--older-than", "0", cwd=project).stdout
        assert live[:8] in text
        assert "left alone" in text


def test_what_a_killed_server_left_is_closed_as_orphaned(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 90)
    assert kioku("cleanup-sessions", "--force", cwd=project).returncode == 0
    assert session(project, "status", "end_reason", "ended_at - last_activity_at") == ("completed", "orphaned", 0)


def test_sessions_whose_owner_nobody_can_tell_of_are_closed(project: Path, tmp_path: Path) -> None:
    (old,) = orphans(project, tmp_path, 90)
    for lease in (project / ".context" / "run").glob("*.lease"):
        lease.unlink()
    shown = json.loads(kioku("cleanup-sessions", "--dry-run", "--json", cwd=project).stdout)
    assert [(entry["id"], entry["reason"]) for entry in shown["to_close"]] == [(old, "cleanup")]
    assert kioku("cleanup-sessions", "--force", cwd=project).returncode == 0
    assert session(project, "status", "end_reason", "ended_at - last_activity_at") == ("completed", "cleanup", 0)
    assert "the same rows as before" in kioku("doctor", "--rebuild", cwd=project).stdout


def test_cleanup_can_be_repeated(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 90)
    kioku("cleanup-sessions", "--force", cwd=project)
    before = rows(project, "SELECT * FROM sessions")
    assert kioku("cleanup-sessions", "--force", cwd=project).returncode == 0
    assert rows(project, "SELECT * FROM sessions") == before


@needs_linux
def test_thousands_of_sessions_are_closed_at_once_with_a_bar_that_shows_how_far_it_is(project: Path) -> None:
    with start(project) as server:
        server.end()
    db = sqlite3.connect(project / ".context" / "sessions.db")
    with db:
        db.execute(
            """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
            INSERT INTO sessions (id, project_id, started_at, created_at, updated_at, last_activity_at, timeout_ms,
                                  first_activity_at, last_start_at, block_start_at, projected)
            SELECT 'many' || i, '', i, 1, 1, i, 1800000, i, i, i, i || ' - active - []' FROM n"""
        )
    db.close()
    with Terminal("cleanup-sessions", "--force", cwd=project) as terminal:
        assert terminal.wait() == 0, terminal.shown
        assert "6000 sessions to close" in terminal.shown
        assert "100%" in terminal.shown
        assert "Closed 6000 sessions." in terminal.shown
    assert rows(project, "SELECT status, count(*) FROM sessions GROUP BY 1") == [("completed", 6001)]


def test_the_command_of_the_deployment_scripts_works(project: Path, tmp_path: Path) -> None:
    ancient, old = orphans(project, tmp_path, 25 * 60, 23 * 60)
    assert kioku("cleanup-sessions", "--force", "--older-than", "24", cwd=project).returncode == 0
    assert statuses(project) == {ancient: "completed", old: "active"}


# --- the document's SQL -----------------------------------------------------------------------------------------------

QUERIES = """
sqlite3 .context/sessions.db "SELECT id, datetime(started_at/1000, 'unixepoch', 'localtime') as started, status FROM sessions WHERE status='active';"

# Count sessions by status
sqlite3 .context/sessions.db "SELECT status, COUNT(*) FROM sessions GROUP BY status;"

# List recent sessions
sqlite3 .context/sessions.db "SELECT id, status, datetime(started_at/1000, 'unixepoch', 'localtime') as started FROM sessions ORDER BY started_at DESC LIMIT 10;"

# Find old active sessions
sqlite3 .context/sessions.db "SELECT id, datetime(started_at/1000, 'unixepoch', 'localtime') as started FROM sessions WHERE status='active' AND started_at < strftime('%s','now','-1 day')*1000;"
"""  # noqa: E501 - the document's own lines

MANUAL_CLEANUP = """
-- Mark all old active sessions as completed
UPDATE sessions 
SET 
  status = 'completed',
  ended_at = started_at + 3600000,  -- +1 hour
  updated_at = strftime('%s','now') * 1000
WHERE 
  status = 'active' 
  AND started_at < strftime('%s','now','-1 hour') * 1000;
"""  # noqa: W291 - the document's own spaces

ACTIVE, COUNTS, RECENT, OLD = re.findall(r"^sqlite3 .*$", QUERIES, re.MULTILINE)
STARTED = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


def shell(project: Path, command: str) -> list[str]:
    """Type a command of the document in the project's folder; return the lines that it prints."""
    result = subprocess.run(["sh", "-c", command], cwd=project, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def clean_up_by_sql(project: Path) -> None:
    command = ["sqlite3", ".context/sessions.db"]
    result = subprocess.run(command, cwd=project, input=MANUAL_CLEANUP, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


@needs_sqlite3
def test_the_queries_answer_beside_running_servers(project: Path, tmp_path: Path) -> None:
    start(project).__exit__()
    kioku("sessions", "list", cwd=project)
    (done,) = statuses(project)
    with ExitStack() as stack:
        found: list[str] = []
        for number, minutes in enumerate((25 * 60, 90, 0)):
            clock = Clock(tmp_path / f"c{number}")
            clock.shift(-minutes)
            server = stack.enter_context(start(project, env=clock.env | LONG))
            clock.shift(minutes * 0.9)
            server.call("sessions")
            (new,) = statuses(project).keys() - {done, *found}
            found.append(new)
        day, hour, now = found
        assert all(re.fullmatch(rf"[0-9a-z]+\|{STARTED}\|active", line) for line in shell(project, ACTIVE))
        assert {line.partition("|")[0] for line in shell(project, ACTIVE)} == {day, hour, now}
        assert shell(project, COUNTS) == ["active|3", "completed|1"]
        recent = [line.split("|") for line in shell(project, RECENT)]
        assert [line[0] for line in recent[:2]] == [now, done]
        assert [line[:2] for line in recent[2:]] == [[hour, "active"], [day, "active"]]
        assert all(re.fullmatch(STARTED, line[2]) for line in recent)
        assert [re.fullmatch(rf"{day}\|{STARTED}", line) is not None for line in shell(project, OLD)] == [True]


@needs_sqlite3
def test_the_queries_answer_after_the_servers_have_ended(project: Path) -> None:
    for _ in range(2):
        with start(project) as server:
            server.end()
    assert shell(project, ACTIVE) == []
    assert shell(project, COUNTS) == ["completed|2"]
    assert len(shell(project, RECENT)) == 2
    assert shell(project, OLD) == []


@needs_sqlite3
def test_the_times_that_the_queries_show_are_the_persons_local_times(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(project) as server:
        server.end()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    shown = shell(project, RECENT)[0].split("|")[2]
    assert kioku("sessions", "list", cwd=project).stdout.split("\t")[1] == shown[:16]


@needs_sqlite3
def test_the_manual_cleanup_is_honoured_by_every_later_sweep_and_rebuild(project: Path, tmp_path: Path) -> None:
    old, young = orphans(project, tmp_path, 90, 20)
    clean_up_by_sql(project)
    given = "SELECT status, ended_at - started_at FROM sessions WHERE id = ?"
    assert statuses(project) == {old: "completed", young: "active"}
    for command in (
        ["sessions", "list"],
        ["doctor", "--rebuild"],
        ["cleanup-sessions", "--force"],
        ["doctor", "--rebuild"],
    ):
        result = kioku(*command, cwd=project)
        assert result.returncode == 0, result.stdout
        assert rows(project, given, old) == [("completed", 3_600_000)], command
    assert "the same rows as before" in result.stdout
    assert rows(project, "SELECT end_reason FROM sessions WHERE id = ?", young) == [("orphaned",)]


@needs_sqlite3
def test_a_rebuild_after_the_manual_cleanup_finds_the_rows_that_the_sweep_left(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 90)
    clean_up_by_sql(project)
    kioku("sessions", "list", cwd=project)
    assert "the same rows as before" in kioku("doctor", "--rebuild", cwd=project).stdout


@needs_sqlite3
def test_newer_activity_takes_the_manual_cleanup_back(project: Path, tmp_path: Path) -> None:
    with servers_from(project, tmp_path, 90) as [(server, live)]:
        clean_up_by_sql(project)
        assert statuses(project) == {live: "completed"}
        server.call("sessions")
        assert session(project, "id", "status", "ended_at", "tool_calls") == (live, "active", None, 2)
        assert "the same rows as before" in kioku("doctor", "--rebuild", cwd=project).stdout
        assert server.end() == 0
    assert session(project, "id", "status", "end_reason") == (live, "completed", "stopped")


@needs_sqlite3
def test_the_manual_cleanup_holds_while_its_server_is_silent_and_when_it_stops(project: Path, clock: Clock) -> None:
    clock.shift(-90)
    with start(project, env=clock.env | LONG) as server:
        clean_up_by_sql(project)
        clock.shift(6)
        wait_until(lambda: rows(project, "SELECT count(*) FROM amendments") == [(1,)], "the server's sweep")
        assert session(project, "status", "ended_at - started_at") == ("completed", 3_600_000)
        assert server.end() == 0
    assert session(project, "status", "ended_at - started_at") == ("completed", 3_600_000)


@needs_sqlite3
def test_sql_while_servers_write_never_meets_a_locked_database(project: Path, tmp_path: Path) -> None:
    with servers_from(project, tmp_path, 90, 90) as found:
        for server, _ in found:
            for _ in range(30):
                server.send("tools/call", {"name": "sessions", "arguments": {}})
        for _ in range(10):
            shell(project, COUNTS)
            result = subprocess.run(
                ["sqlite3", "-cmd", ".timeout 30000", ".context/sessions.db"],
                cwd=project, input=MANUAL_CLEANUP, capture_output=True, text=True,
            )  # fmt: skip
            assert (result.returncode, result.stderr) == (0, "")
        for server, _ in found:
            answers = [server.receive() for _ in range(30)]
            assert not any(answer["result"].get("isError") for answer in answers)
    assert rows(project, "SELECT tool_calls FROM sessions") == [(31,), (31,)]


# --- troubleshooting --------------------------------------------------------------------------------------------------


def test_a_crash_is_mended_without_anybody_doing_anything(project: Path, tmp_path: Path) -> None:
    (orphan,) = orphans(project, tmp_path, 90)
    with start(project):
        assert sorted(statuses(project).values()) == ["active", "completed"]
        assert rows(project, "SELECT end_reason FROM sessions WHERE id = ?", orphan) == [("orphaned",)]


def test_a_session_that_lasted_for_days_is_ended_by_cleanup_of_any_age(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 3 * 24 * 60)
    assert kioku("cleanup-sessions", "--older-than", "0", "--force", cwd=project).returncode == 0
    assert session(project, "status") == ("completed",)


def test_several_servers_at_once_have_one_session_each_and_lose_nothing(project: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(project)) for _ in range(6)]
        for server in servers:
            server.initialize()
        for _ in range(25):
            for server in servers:
                server.send("tools/call", {"name": "sessions", "arguments": {}})
        for server in servers:
            for _ in range(25):
                assert not server.receive()["result"].get("isError")
        assert rows(project, "SELECT status, tool_calls FROM sessions") == [("active", 25)] * 6
        for server in servers:
            assert server.end() == 0
            assert server.errors() == ""
    assert rows(project, "SELECT status, end_reason FROM sessions") == [("completed", "stopped")] * 6
    assert rows(project, "SELECT count(DISTINCT stream), count(*) FROM sessions") == [(6, 6)]
    assert rows(project, "SELECT count(*) FROM activities WHERE tool = 'sessions'") == [(150,)]


def serve_commands() -> list[list[str]]:
    """Return the ways in which the server is started: as a module, and as the installed program."""
    script = Path(sysconfig.get_path("scripts")) / "kioku"
    return [[sys.executable, "-m", "kioku"], *([[str(script)]] if script.exists() else [])]


@contextmanager
def running(project: Path, commands: Sequence[Sequence[str]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run `kioku serve` as each command starts it, until each has begun its session."""
    processes = [
        subprocess.Popen([*command, "serve"], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        count = "SELECT count(*) FROM sessions WHERE status = 'active'"
        wait_until(lambda: stored(project, count) == [(len(processes),)], "a session for each server")
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


@needs_linux
@needs_ps
def test_the_process_table_shows_every_server(project: Path) -> None:
    with running(project, serve_commands()) as processes:
        pids = {process.pid for process in processes}
        found = subprocess.run(
            ["sh", "-c", "ps aux | grep kioku | grep serve"], env=WIDE, capture_output=True, text=True
        ).stdout
        assert pids <= {int(line.split()[1]) for line in found.splitlines()}
        for pid in pids:
            assert re.search("kioku.*serve", command_line(pid))


@needs_linux
@needs_ps
def test_the_servers_can_be_counted(project: Path) -> None:
    commands = [command for command in serve_commands() for _ in range(2)]
    with running(project, commands) as processes:
        ours = ",".join(str(process.pid) for process in processes)
        # The document's `ps aux`, for our own processes only: others may run servers on this machine too.
        line = f'ps u -p {ours} | grep "kioku.*serve" | grep -v grep | wc -l'
        assert int(subprocess.run(["sh", "-c", line], env=WIDE, capture_output=True, text=True).stdout) == len(commands)


@needs_linux
def test_one_term_to_all_that_match_ends_every_session_and_a_restart_is_clean(project: Path) -> None:
    with running(project, serve_commands() * 2) as processes:
        for process in processes:
            if re.search("kioku.*serve", command_line(process.pid)):
                process.terminate()
        assert [process.wait(30) for process in processes] == [0] * len(processes)
    assert set(statuses(project).values()) == {"completed"}
    ended = len(statuses(project))
    with start(project, arguments=[]):
        assert sorted(statuses(project).values()) == ["active", *["completed"] * ended]


@needs_linux
def test_the_words_that_pkill_looks_for_do_not_match_other_commands_of_kioku(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 90)
    with Terminal("cleanup-sessions", cwd=project) as terminal:
        terminal.read_until("Close 1 session?")
        assert not re.search("kioku.*serve", command_line(terminal.process.pid).replace(str(project), ""))
        terminal.type("n\n")
        assert terminal.wait() == 0
        assert has_ended(terminal.process.pid)


def test_after_a_cleanup_the_server_starts_anew(project: Path, tmp_path: Path) -> None:
    orphans(project, tmp_path, 90)
    kioku("cleanup-sessions", "--force", cwd=project)
    with start(project, arguments=[]) as server:
        assert rows(project, "SELECT status, count(*) FROM sessions GROUP BY 1") == [("active", 1), ("completed", 1)]
        assert server.end() == 0
    assert rows(project, "SELECT status, count(*) FROM sessions GROUP BY 1") == [("completed", 2)]
