"""What the commands print, to people and to programs, and what they say to bad input."""

import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest

from kioku.cli.app import COMMANDS
from tests.capture.test_import import line, transcript
from tests.support import KIOKU, PATIENCE_S, Server, kioku, read_only, rows


@pytest.fixture
def recorded(project: Path) -> Path:
    """Return a project with one completed session that touched two files, and an empty one."""
    (project / "a.py").write_text("import b\n")
    (project / "b.py").write_text("VALUE = 1\n")
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="a.py", include_deps=True)
        server.call("read_file", path="a.py")
        server.call("grep_codebase", pattern="VALUE")
        server.call("read_file", path="missing.py")
        server.end()
    with Server(project) as server:
        server.initialize()
        server.end()
    return project


def on_terminal(*arguments: str, cwd: Path, columns: int = 120) -> str:
    """Run a command on a real terminal and return what it shows, escape sequences included."""
    leader, follower = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    process = subprocess.Popen([*KIOKU, *arguments], cwd=cwd, env=env, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    while select.select([leader], [], [], PATIENCE_S)[0]:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(leader)
    assert process.wait(PATIENCE_S) == 0, shown
    return shown.decode()


def test_every_command_has_a_help_text() -> None:
    listed = kioku("--help").stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\S", listed, re.MULTILINE), name
        assert "Usage: kioku" in kioku(name, "--help").stdout


def test_an_unknown_command_names_the_nearest() -> None:
    result = kioku("sesions", "list")
    assert result.returncode == 2
    assert "did you mean 'sessions'?" in result.stderr


def test_the_list_in_a_pipe_is_plain_lines_of_tabs(recorded: Path) -> None:
    result = kioku("sessions", "list", cwd=recorded)
    (line,) = result.stdout.splitlines()
    cells = line.split("\t")
    assert cells[2] == "completed (stopped)"
    assert cells[5:8] == ["2", "4", "test-client"]
    assert "\x1b" not in result.stdout
    assert "1 without any activity not shown" in result.stderr
    assert len(kioku("sessions", "list", "--empty", cwd=recorded).stdout.splitlines()) == 2


@pytest.mark.parametrize("columns", [80, 200])
def test_a_long_folder_takes_one_line_in_the_list_of_the_own_store(home: Path, project: Path, columns: int) -> None:
    folder = f"/gone/{'a-long-name/' * 9}end"
    transcript(home, "one", [line(number, folder) for number in range(6)])
    assert "kioku sessions list --own" in kioku("import", "claude", cwd=project).stdout
    heading, row = on_terminal("sessions", "list", "--own", cwd=project, columns=columns).splitlines()
    assert "folder" in heading
    assert re.sub(r"\x1b\[[\d;]*m", "", row).split()[-1].endswith("name/end")
    assert (folder in row) == (columns == 200)


def test_the_list_on_a_terminal_is_a_table_with_headings(recorded: Path) -> None:
    shown = on_terminal("sessions", "list", cwd=recorded)
    assert "session" in shown
    assert "started" in shown
    assert "\x1b[1m" in shown


def test_json_tells_the_same_as_the_store(recorded: Path) -> None:
    found = json.loads(kioku("sessions", "list", "--json", cwd=recorded).stdout)
    (session,) = found["sessions"]
    query = "SELECT id, started_at, ended_at, tool_calls, files, active_ms FROM sessions WHERE empty = 0"
    ((*values,),) = rows(recorded, query)
    assert [session[name] for name in ("id", "started_at", "ended_at", "tool_calls", "files", "active_ms")] == values
    assert session["span_ms"] == session["ended_at"] - session["started_at"]
    assert session["agent_ms"] is None
    assert found["hidden_empty"] == 1


def test_one_session_is_shown_by_the_beginning_of_its_id(recorded: Path) -> None:
    ((session_id,),) = rows(recorded, "SELECT id FROM sessions WHERE empty = 0")
    shown = kioku("sessions", "show", session_id[:6], cwd=recorded).stdout
    assert session_id in shown
    assert re.search(r"^a\.py\t2\t0\t", shown, re.MULTILINE)
    assert re.search(r"^b\.py\t1\t0\t", shown, re.MULTILINE)
    assert "read_file\t3" in shown
    as_json = json.loads(kioku("sessions", "show", session_id, "--json", cwd=recorded).stdout)
    assert as_json["tools"] == {"read_file": 3, "grep_codebase": 1}
    assert {file["path"]: file["reads"] for file in as_json["touched"]} == {"a.py": 2, "b.py": 1}


def test_an_unknown_session_names_the_nearest_and_changes_nothing(recorded: Path) -> None:
    kioku("sessions", "list", cwd=recorded)  # what is over has been settled then
    before = rows(recorded, "SELECT * FROM sessions ORDER BY id")
    result = kioku("sessions", "show", "nonsense", cwd=recorded)
    assert result.returncode == 2
    assert "there is no session 'nonsense'" in result.stderr
    assert "the nearest is" in result.stderr
    assert rows(recorded, "SELECT * FROM sessions ORDER BY id") == before


@pytest.mark.parametrize("session_id", ["%", "_", "", "\\", "' OR 1=1 --", "\x00"])
def test_an_id_is_never_a_pattern(recorded: Path, session_id: str) -> None:
    if "\x00" in session_id:
        session_id = "a\ufffd"
    assert kioku("sessions", "show", session_id, cwd=recorded).returncode == 2


@pytest.mark.parametrize("command", [["status"], ["doctor"], ["config", "show"], ["config", "path"], ["show"]])
def test_commands_work_where_nothing_was_recorded_yet(project: Path, command: list[str]) -> None:
    result = kioku(*command, cwd=project)
    assert result.returncode == 0, result
    assert json.loads(kioku(*command, "--json", cwd=project).stdout)
    assert not (project / ".context").exists()


@pytest.mark.parametrize("command", [["sessions", "list"], ["sessions", "show", "x"]])
def test_commands_that_need_a_store_say_how_to_get_one(project: Path, command: list[str]) -> None:
    result = kioku(*command, cwd=project)
    assert result.returncode == 1
    assert "nothing has been recorded" in result.stderr
    assert "kioku serve" in result.stderr
    assert not (project / ".context").exists()


@pytest.mark.parametrize("options", [["--dry-run"], ["--force"], ["--force", "--json"], []])
def test_there_is_nothing_to_clean_up_where_nothing_was_recorded(project: Path, options: list[str]) -> None:
    result = kioku("cleanup-sessions", *options, cwd=project)
    assert result.returncode == 0, result
    assert result.stdout
    assert not (project / ".context").exists()


def test_status_tells_what_is_being_recorded(recorded: Path) -> None:
    with Server(recorded) as server:
        server.initialize(client="some-editor")
        server.call("read_file", path="a.py")
        shown = kioku("status", cwd=recorded).stdout
        assert "some-editor" in shown
        found = json.loads(kioku("status", "--json", cwd=recorded).stdout)
        assert [session["client"] for session in found["active"]] == ["some-editor"]
        server.end()
    assert "Nothing is being recorded now" in kioku("status", cwd=recorded).stdout


def test_doctor_finds_a_healthy_store_healthy_and_lists_live_servers(recorded: Path) -> None:
    with Server(recorded) as server:
        server.initialize()
        server.call("read_file", path="a.py")
        result = kioku("doctor", cwd=recorded)
        assert result.returncode == 0, result.stdout
        assert f"process {server.process.pid} (test-client" in result.stdout
        server.end()


def test_doctor_finds_orphans_and_mends_them(recorded: Path) -> None:
    with Server(recorded) as server:
        server.initialize()
        server.call("read_file", path="a.py")
        server.kill()
    assert "1 active session whose server died" in kioku("doctor", cwd=recorded).stdout
    assert "mended" in kioku("doctor", "--fix", cwd=recorded).stdout
    assert rows(recorded, "SELECT count(*) FROM sessions WHERE status = 'active'") == [(0,)]
    findings = json.loads(kioku("doctor", "--json", cwd=recorded).stdout)["findings"]
    assert {finding["state"] for finding in findings} == {"ok"}


def test_doctor_tightens_a_folder_that_others_can_read(recorded: Path) -> None:
    (recorded / ".context").chmod(0o755)
    assert "open to other users" in kioku("doctor", cwd=recorded).stdout
    kioku("doctor", "--fix", cwd=recorded)
    assert (recorded / ".context").stat().st_mode & 0o777 == 0o700


def test_doctor_reports_a_damaged_store_and_keeps_it(recorded: Path) -> None:
    store = recorded / ".context" / "sessions.db"
    damaged = b"not a database at all" * 400
    for side in ("-wal", "-shm"):
        store.with_name(store.name + side).unlink(missing_ok=True)
    store.write_bytes(damaged)
    result = kioku("doctor", cwd=recorded)
    assert result.returncode == 1
    assert "damaged" in result.stdout
    kioku("doctor", "--fix", cwd=recorded)
    (kept,) = store.parent.glob("sessions.db.corrupt-*")
    assert kept.read_bytes() == damaged
    assert kioku("doctor", cwd=recorded).returncode == 0


def test_rebuild_finds_the_same_rows_and_another_timeout_divides_anew(recorded: Path) -> None:
    assert "the same rows as before" in kioku("doctor", "--rebuild", cwd=recorded).stdout
    result = kioku("doctor", "--rebuild", "--timeout", "45", cwd=recorded)
    assert result.returncode == 0
    assert rows(recorded, "SELECT DISTINCT timeout_ms FROM sessions") == [(45 * 60_000,)]
    assert kioku("doctor", "--timeout", "45", cwd=recorded).returncode == 2


def test_a_store_from_elsewhere_is_used_but_not_trusted_until_adopted(recorded: Path, home: Path) -> None:
    for known in (home / ".local" / "state" / "kioku" / "stores").iterdir():
        known.unlink()
    assert "not begun by you" in kioku("doctor", cwd=recorded).stdout
    assert kioku("sessions", "list", cwd=recorded).returncode == 0
    kioku("doctor", "--adopt", cwd=recorded)
    assert "not begun by you" not in kioku("doctor", cwd=recorded).stdout


def test_stored_text_cannot_move_the_cursor(recorded: Path) -> None:
    with Server(recorded) as server:
        server.initialize(client="evil\x1b[2J\u202eclient\r\n")
        server.call("read_file", path="a.py")
        server.end()
    for shown in (
        kioku("sessions", "list", cwd=recorded).stdout,
        on_terminal("sessions", "list", cwd=recorded, columns=200),
        kioku("status", cwd=recorded).stdout,
    ):
        assert "\x1b[2J" not in shown
        assert "\u202e" not in shown
    assert len(kioku("sessions", "list", cwd=recorded).stdout.splitlines()) == 2


def test_init_writes_what_show_shows(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\nname = "shop"\ndependencies = ["flask"]\n')
    (project / "shop").mkdir()
    (project / "shop" / "__init__.py").write_text('"""The shop."""\n')
    result = kioku("init", cwd=project)
    assert result.returncode == 0, result
    assert "written" in result.stdout
    shown = kioku("show", cwd=project).stdout
    assert "shop" in shown
    assert "Flask" in shown
    assert "nothing to change" in kioku("init", cwd=project).stdout
    assert kioku("show", "--module", "nonsense", cwd=project).returncode == 2


def test_init_dry_run_writes_nothing(project: Path) -> None:
    (project / "go.mod").write_text("module example.com/x\n")
    result = kioku("init", "--dry-run", cwd=project)
    assert "would change" in result.stdout
    assert not (project / ".context").exists()


def test_a_closed_pipe_ends_a_command_quietly(recorded: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [*KIOKU, "sessions", "list"], cwd=recorded, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert "Traceback" not in result.stderr
    assert result.returncode == 0


def test_a_store_in_a_folder_that_cannot_be_written_is_read(recorded: Path) -> None:
    with read_only(recorded / ".context") as prefix:
        command = [*prefix, *KIOKU, "sessions", "list", "--project", str(recorded)]
        result = subprocess.run(command, capture_output=True, text=True)
    assert "test-client" in result.stdout, result
    assert result.returncode == 0
