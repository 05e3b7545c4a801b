"""Kioku where little is as it should be: odd folders, closed streams, locked stores, missing programs."""

import json
import os
import pty
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import KIOKU, PATIENCE_S, Server, kioku, read_only, rows, wait_until

INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


def lines(*requests: tuple[str, Mapping[str, object]]) -> bytes:
    messages = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, params) in enumerate(requests, 1)
    ]
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


@contextmanager
def locked(project: Path) -> Iterator[None]:
    """Hold the store as another program would that forgot to commit."""
    with Server(project) as server:
        server.initialize()
        server.end()
    other = sqlite3.connect(project / ".context" / "sessions.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_ctrl_c_on_a_terminal_ends_a_server_whose_store_is_locked(project: Path) -> None:
    with locked(project):
        leader, follower = pty.openpty()
        process = subprocess.Popen([*KIOKU, "serve"], cwd=project, stdin=follower, stdout=follower, stderr=follower)
        os.close(follower)
        shown = b""
        while b"Ctrl+C ends it" not in shown:
            shown += os.read(leader, 4096)
        process.send_signal(signal.SIGINT)
        # Much less than the server would wait for the store.
        assert process.wait(8) == 0
        os.close(leader)


def test_at_the_end_of_input_every_request_is_answered_even_if_the_store_is_locked(project: Path) -> None:
    (project / "a.txt").write_text("text\n")
    call = ("tools/call", {"name": "read_file", "arguments": {"path": "a.txt"}})
    script = lines(("initialize", INITIALIZE), call, ("tools/list", {}), call, call)
    with locked(project):
        result = subprocess.run([*KIOKU, "serve"], cwd=project, input=script, capture_output=True, timeout=PATIENCE_S)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(answer["id"] for answer in answers) == [1, 2, 3, 4, 5]
    assert result.returncode == 0
    assert b"could not be written" in result.stderr
    assert b"Traceback" not in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_folder_whose_name_is_no_text_is_refused_with_a_clear_error(tmp_path: Path) -> None:
    folder = os.path.join(os.fsencode(tmp_path), b"\xff\xfe")
    os.mkdir(folder)
    for command in (["serve"], ["status", "--json"], ["init"]):
        result = subprocess.run(
            [*KIOKU, *command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert result.returncode == 1
        assert "UTF-8" in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["with space", "ünïcödé 記憶", "new\nline", "-dash", "quote'\"", "%3f?#"])
def test_folders_with_odd_names_are_projects_like_any_other(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "a.txt").write_text("text\n")
    with Server(folder) as server:
        server.initialize()
        assert not server.call("read_file", path="a.txt")["isError"]
        server.end()
    assert kioku("sessions", "list", cwd=folder).stdout.count("\t") == 8
    assert kioku("doctor", cwd=folder).returncode == 0


def test_a_deleted_working_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    command = ["sh", "-c", 'mkdir "$0" && cd "$0" && rmdir "$0" && exec "$@"', str(folder), *KIOKU]
    for words in (["status"], ["serve"]):
        result = subprocess.run([*command, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert result.returncode == 1
        assert "does not exist any more" in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_standard_stream_is_no_reason_to_fail_or_to_disturb_the_others(project: Path, closed: str) -> None:
    command = f'exec "$@" {closed}'
    script = lines(("initialize", INITIALIZE), ("tools/list", {}))
    served = subprocess.run(
        ["sh", "-c", command, "sh", *KIOKU, "serve"], cwd=project, input=script, capture_output=True
    )
    assert served.returncode == 0, served
    assert b"Traceback" not in served.stderr
    for line in served.stdout.splitlines():
        assert json.loads(line)["jsonrpc"] == "2.0"
    shown = subprocess.run(["sh", "-c", command, "sh", *KIOKU, "status"], cwd=project, capture_output=True)
    assert b"Traceback" not in shown.stderr


def test_errors_at_the_start_never_go_to_standard_output() -> None:
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *KIOKU, "serve", "--project", "/"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    assert result.returncode == 1
    assert result.stdout == b""


def test_thousands_of_inherited_descriptors_do_not_matter(project: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 4096)
    if wanted < 2048:
        pytest.skip("this machine allows too few descriptors")
    opener = (
        f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({wanted}, {hard}));"
        "[os.dup2(0, n) for n in range(3, 1500)]; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    prefix = [sys.executable, "-c", opener, *KIOKU[1:], "serve", "--project", str(project)]
    result = subprocess.run(prefix, input=lines(("initialize", INITIALIZE)), capture_output=True, timeout=PATIENCE_S)
    assert b'"serverInfo"' in result.stdout, result
    assert result.returncode == 0


def test_doctor_and_status_work_where_git_is_missing(project: Path, home: Path) -> None:
    (project / ".git").mkdir()
    with Server(project) as server:
        server.initialize()
        server.end()
    for known in (home / ".local" / "state" / "kioku" / "stores").iterdir():
        known.unlink()
    for command in ("doctor", "status"):
        result = kioku(command, cwd=project, env={"PATH": str(home)})
        assert result.returncode == 0, result
        assert "git could not" not in result.stderr


def test_a_reading_that_cannot_be_recorded_still_gives_what_was_asked_for(project: Path) -> None:
    with read_only(project) as prefix, Server(project, prefix=prefix) as server:
        server.initialize()
        answer = server.request("resources/read", {"uri": "context://project/overview"})
        server.end()
    (content,) = answer["result"]["contents"]
    assert "could not record" in content["text"]
    assert f"# {project.name}" in content["text"]


def test_failed_calls_are_activity_with_what_was_asked_and_without_what_was_answered(project: Path) -> None:
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="../outside")
        server.call("git_log", path="nowhere.py")
        server.call("grep_codebase", pattern="(unclosed")
        server.call("read_file", path="a", nonsense=1)
        server.request("tools/call", {"name": "no_such_tool", "arguments": {}})
        server.request("resources/read", {"uri": "context://nothing/here"})
        server.end()
    found = rows(project, "SELECT kind, tool, path, detail, ok FROM activities WHERE kind NOT LIKE 'server%'")
    assert sorted(found, key=str) == sorted(
        [
            ("tool_call", "read_file", "../outside", "refused", 0),
            ("tool_call", "git_log", "nowhere.py", "failed", 0),
            ("tool_call", "grep_codebase", None, "pattern: (unclosed", 0),
            ("tool_call", "read_file", None, "unfit arguments", 0),
            ("tool_call", "no_such_tool", None, "no such tool", 0),
            ("resource_read", None, None, "context://nothing/here", 0),
        ],
        key=str,
    )


@pytest.mark.parametrize(
    "words",
    [
        ["doctor", "--rebuild", "--timeout", "nan"],
        ["sessions", "show", "x", "--activities", "99999999999999999999"],
        ["sessions", "show", "x" * 60_000],
        ["sessions", "list", "--limit", "-1"],
        ["cleanup-sessions", "--older-than", "nan"],
        ["cleanup-sessions", "--older-than", "-1"],
        ["serve", "--project", ".", "extra"],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_impossible_options_are_refused_with_a_sentence(project: Path, words: list[str]) -> None:
    with Server(project) as server:
        server.initialize()
        server.end()
    result = kioku(*words, cwd=project)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", ["9" * 401, "9" * 5001, "1e999"])
def test_a_settings_file_with_an_endless_number_is_refused(project: Path, number: str) -> None:
    (project / ".context").mkdir()
    (project / ".context" / "config.toml").write_text(f"[session]\ntimeout_minutes = {number}\n")
    result = kioku("status", cwd=project)
    assert result.returncode == 2
    assert "config.toml" in result.stderr


def test_a_terminal_without_unicode_shows_what_it_can(project: Path) -> None:
    result = kioku("init", cwd=project, env={"PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0, result


def test_a_full_output_device_is_an_error_with_a_sentence(project: Path) -> None:
    wait_until(Path("/dev/full").exists)
    with open("/dev/full", "w") as full:
        result = subprocess.run([*KIOKU, "config", "show"], cwd=project, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
