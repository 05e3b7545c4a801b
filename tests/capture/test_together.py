"""Hooks, server and import as they really run: processes, files, one store, and no secret in any of them."""

import json
import os
import random
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from kioku import hook, spooling, terse_json
from kioku.capture import draining, spool, stores
from kioku.sessions import record
from tests.capture.test_import import everything, imported, own
from tests.support import PATIENCE_S, Clock, Server, kioku, rows, wait_until

HOOK = [sys.executable, "-m", "kioku.hook"]
SESSION = "0c6f4d1e-1111-2222-3333-444455556666"


@pytest.fixture
def marked(project: Path) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=project, check=True)
    (project / "a.py").write_text("print(1)\n")
    return project


def send(project: Path, name: str, env: dict[str, str] | None = None, client: str = "claude", **fields: Any) -> None:
    event = {"session_id": SESSION, "cwd": str(project), "hook_event_name": name, **fields}
    subprocess.run(
        [*HOOK, client], input=json.dumps(event).encode(), check=True, cwd=project, env={**os.environ, **(env or {})},
        timeout=PATIENCE_S,
    )  # fmt: skip


def call(project: Path, name: str, id: str, tool: str = "Edit", **given: Any) -> None:
    send(project, name, tool_name=tool, tool_use_id=id, tool_input=given or {"file_path": f"{project}/a.py"})


def sessions(project: Path) -> list[dict[str, Any]]:
    done = kioku("sessions", "list", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["sessions"]
    return found


def state(home: Path) -> Path:
    return home / ".local" / "state" / "kioku"


def test_what_hooks_left_is_recorded_by_the_next_command(marked: Path) -> None:
    kioku("init", cwd=marked)
    with Server(marked) as server:  # begins the store, and is no part of the conversation
        server.initialize()
        server.end()
    send(marked, "SessionStart", source="startup")
    send(marked, "UserPromptSubmit", prompt="please mend it")
    call(marked, "PreToolUse", "toolu_with_a_long_id_0001")
    call(marked, "PostToolUse", "toolu_with_a_long_id_0001")
    send(marked, "Stop", last_assistant_message="mended")
    send(marked, "SessionEnd", reason="other")
    (session,) = sessions(marked)
    assert (session["client"], session["tool_calls"], session["files"], session["activities"]) == (
        "claude-code",
        1,
        1,
        2,
    )
    assert (session["status"], session["end_reason"]) == ("completed", "ended")
    assert session["agent_ms"] is not None
    assert rows(marked, "SELECT role, text FROM session_turns ORDER BY at") == [
        ("user", "please mend it"), ("assistant", "mended"),
    ]  # fmt: skip
    assert sessions(marked) == [session], "nothing is taken in twice"


def test_a_hook_never_begins_a_store_in_a_repository(marked: Path, home: Path) -> None:
    send(marked, "UserPromptSubmit", prompt="hello")
    imported("all", cwd=marked)
    assert not (marked / ".context").exists()
    root = own(home).parent.parent
    assert own(home).exists()
    (session,) = json.loads(kioku("sessions", "list", "--own", "--json", cwd=marked).stdout)["sessions"]
    assert session["folder"] == str(marked)
    refused = kioku("sessions", "list", cwd=marked)
    assert (refused.returncode, "--own" in refused.stderr) == (1, True)
    assert rows(root, "SELECT json_extract(metadata, '$.folder') FROM sessions") == [(str(marked),)]


def test_a_running_server_takes_events_in_and_shares_its_session_with_them(marked: Path) -> None:
    env = {"CLAUDE_CODE_SESSION_ID": SESSION}
    with Server(marked, env=env) as server:
        server.initialize(client="claude-code")
        server.call("read_file", path="a.py")
        send(marked, "UserPromptSubmit", prompt="please mend it")
        call(marked, "PostToolUse", "toolu_with_a_long_id_0001")
        send(
            marked, "PostToolUse", tool_name="mcp__kioku__read_file", tool_use_id="toolu_with_a_long_id_0002",
            tool_input={"path": "a.py"},
        )  # fmt: skip
        wait_until(lambda: rows(marked, "SELECT 1 FROM turns"), "the prompt")
        wait_until(lambda: rows(marked, "SELECT activities FROM sessions WHERE empty = 0") == [(3,)], "one session")
        server.call("read_file", path="a.py")
        server.end()
    (session,) = sessions(marked)
    assert (session["tool_calls"], session["activities"], session["end_reason"]) == (3, 4, "stopped")
    assert rows(marked, "SELECT path, reads, edits FROM session_files") == [("a.py", 2, 1)]


@pytest.mark.parametrize("claim", ["first", ""])
def test_after_clear_a_live_servers_calls_belong_to_the_new_conversation(marked: Path, claim: str) -> None:
    """The hooks and the server are children of one process that is called as the client is."""
    program = marked.parent / "claude"
    program.symlink_to("/bin/bash")
    script = r"""
import json, subprocess, sys, os
project, hook_words = sys.argv[1], json.loads(sys.argv[2])
def hook(session, name, **fields):
    event = {"session_id": session, "cwd": project, "hook_event_name": name, **fields}
    subprocess.run(hook_words + ["claude"], input=json.dumps(event).encode(), check=True)
server = subprocess.Popen([sys.executable, "-m", "kioku", "serve", "--project", project], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, env={**os.environ, "CLAUDE_CODE_SESSION_ID": sys.argv[3]})
def ask(id, method, **params):
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode() + b"\n")
    server.stdin.flush()
    while json.loads(server.stdout.readline()).get("id") != id: pass
hook("first", "SessionStart", source="startup")
ask(1, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "claude-code", "version": "1"})
ask(2, "tools/call", name="read_file", arguments={"path": "a.py"})
if sys.argv[3]: hook("first", "SessionEnd", reason="clear")  # it is often cancelled
hook("second", "SessionStart", source="clear")
ask(3, "tools/call", name="read_file", arguments={"path": "a.py"})
ask(4, "tools/call", name="read_file", arguments={"path": "a.py"})
server.stdin.close()
server.wait()
"""
    command = f"{sys.executable} -c \"$1\" '{marked}' '{json.dumps(HOOK)}' '{claim}'; exit $?"
    subprocess.run([str(program), "-c", command, "claude", script], check=True, timeout=PATIENCE_S, cwd=marked)
    found = {session["tool_calls"]: session for session in sessions(marked)}
    assert sorted(found) == [1, 2]
    keys = rows(
        marked, "SELECT x.key, s.tool_calls FROM sessions s JOIN streams x ON x.id = s.stream ORDER BY s.started_at"
    )
    assert keys == [("claude:first", 1), ("claude:second", 2)]


def test_another_assistant_in_a_conversations_terminal_is_no_part_of_that_conversation(marked: Path) -> None:
    program = marked.parent / "gemini"
    program.symlink_to("/bin/bash")
    with Server(marked) as server:
        server.end()
    send(marked, "UserPromptSubmit", prompt="please mend it")
    prefix = [str(program), "-c", '"$@"; exit $?', "gemini"]
    with Server(marked, env={"CLAUDE_CODE_SESSION_ID": SESSION}, prefix=prefix) as server:
        server.initialize(client="gemini-cli")
        server.call("read_file", path="a.py")
        server.end()
    found = {session["client"]: session["activities"] for session in sessions(marked)}
    assert found == {"claude-code": 1, "gemini-cli": 1}


def test_a_hook_session_whose_client_was_killed_is_closed_at_once(marked: Path, clock: Clock) -> None:
    program = marked.parent / "claude"
    program.symlink_to("/bin/bash")
    with Server(marked) as server:
        server.initialize()
        server.end()
    event = json.dumps(
        {"session_id": SESSION, "cwd": str(marked), "hook_event_name": "UserPromptSubmit", "prompt": "x"}
    )
    script = f"echo '{event}' | {' '.join(HOOK)} claude; echo sent; read line"
    client = subprocess.Popen(
        [str(program), "-c", script, "claude"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=marked, text=True
    )
    assert client.stdout is not None
    assert client.stdin is not None
    assert client.stdout.readline() == "sent\n"
    (session,) = sessions(marked)
    assert session["status"] == "active"
    client.kill()
    client.wait(PATIENCE_S)
    client.stdout.close()
    client.stdin.close()
    (session,) = sessions(marked)
    assert (session["status"], session["end_reason"]) == ("completed", "orphaned")


def test_the_transcript_fills_in_what_hooks_missed_and_counts_nothing_twice(marked: Path, home: Path) -> None:
    with Server(marked) as server:
        server.initialize()
        server.end()
    clock_start = 1_790_000_000_000
    clock_file = marked.parent / "clock"
    lines = []
    for number in range(6):
        at = clock_start + number * 60_000
        iso = f"2026-09-21T14:{13 + number}:20.000Z"
        common = {"sessionId": SESSION, "timestamp": iso, "cwd": str(marked), "version": "2.1.0", "gitBranch": "main"}
        id = f"toolu_with_a_long_id_{number:04}"
        if number % 2 == 0:
            lines.append(
                {
                    **common,
                    "type": "user",
                    "uuid": f"uuid-of-prompt-{number:012}",
                    "message": {"content": f"do {number}"},
                }
            )
        else:
            block = {"type": "tool_use", "id": id, "name": "Edit", "input": {"file_path": f"{marked}/a.py"}}
            lines.append(
                {**common, "type": "assistant", "uuid": f"uuid-of-answer-{number:012}", "message": {"content": [block]}}
            )
        if number >= 2:  # the hooks were set up later
            clock_file.write_text(str(at + 700 - __import__("time").time_ns() // 1_000_000))
            env = {"KIOKU_TEST_CLOCK": str(clock_file)}
            if number % 2 == 0:
                send(marked, "UserPromptSubmit", env, prompt=f"do {number}")
            else:
                given: dict[str, Any] = {
                    "tool_name": "Edit",
                    "tool_use_id": id,
                    "tool_input": {"file_path": f"{marked}/a.py"},
                }
                send(marked, "PreToolUse", env, **given)
                send(marked, "PostToolUse", env, **given)
    (session,) = sessions(marked)
    assert (session["activities"], session["tool_calls"]) == (4, 2)
    given_id = session["id"]
    path = home / ".claude" / "projects" / "x" / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    imported("all", cwd=marked)
    (session,) = sessions(marked)
    assert (session["activities"], session["tool_calls"]) == (6, 3)
    assert kioku("sessions", "show", given_id, cwd=marked).returncode == 0
    assert len(rows(marked, "SELECT 1 FROM session_turns WHERE role = 'user'")) == 3
    before = everything(marked / ".context" / "sessions.db")
    assert kioku("doctor", "--rebuild", cwd=marked).returncode == 0
    assert everything(marked / ".context" / "sessions.db") == before


def test_no_canary_is_found_anywhere_after_everything_has_run(marked: Path, home: Path) -> None:
    shuffler = random.Random(11)

    def secret() -> str:
        return "gl" + "pat-" + "".join(shuffler.choices(string.ascii_letters + string.digits, k=20))

    canaries = [secret() for _ in range(14)]
    own_value = "".join(shuffler.choices(string.ascii_letters + string.digits, k=30))
    (marked / ".env").write_text(f"SOME_SERVICE_KEY='{own_value}'\n")
    given = iter([*canaries, own_value])
    with Server(marked) as server:
        server.initialize(client=f"client {next(given)}")
        server.call("read_file", path=f"missing-{next(given)}")
        server.call("grep_codebase", pattern=f"what {next(given)}")
        server.request("resources/read", {"uri": f"context://module/{next(given)}"})
        send(marked, "UserPromptSubmit", prompt=f"use {next(given)} and {own_value}")
        send(
            marked, "PostToolUse", tool_name=f"tool {next(given)}", tool_use_id=next(given),
            tool_input={"command": f"curl {next(given)}", "file_path": f"/x/{next(given)}"},
        )  # fmt: skip
        send(marked, "Stop", last_assistant_message=f"I used {next(given)}")
        server.call("read_file", path="a.py")
        server.end()
        errors = server.errors()
    path = home / ".claude" / "projects" / "x" / "t.jsonl"
    path.parent.mkdir(parents=True)
    at = "2026-09-21T14:13:20.000Z"
    common = {"sessionId": "two", "timestamp": at, "cwd": str(marked), "gitBranch": f"topic-{next(given)}"}
    block = {
        "type": "tool_use",
        "id": "toolu_9",
        "name": "Bash",
        "input": {"command": f"echo {next(given)} {own_value}"},
    }
    lines = [
        {**common, "type": "user", "uuid": "u1", "message": {"content": f"here: {next(given)}"}},
        {
            **common,
            "type": "assistant",
            "uuid": "u2",
            "message": {"content": [{"type": "text", "text": own_value}, block]},
        },
        {
            **common,
            "type": "user",
            "uuid": "u3",
            "message": {"content": [{"type": "tool_result", "content": next(given)}]},
        },
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = kioku("import", cwd=marked)
    said = errors + done.stdout + done.stderr + kioku("sessions", "list", cwd=marked).stdout
    path.unlink()
    (marked / ".env").unlink()
    kept = [one.read_bytes() for base in (marked, home) for one in base.rglob("*") if one.is_file()]
    assert len(rows(marked, "SELECT 1 FROM turns")) >= 4
    for canary in [*canaries, own_value]:
        assert canary not in said
        assert not any(canary.encode() in content for content in kept), canary


def test_events_wait_while_the_store_is_locked_and_are_recorded_afterwards(marked: Path, home: Path) -> None:
    with Server(marked) as server:
        server.initialize()
        server.end()
    script = (
        "import sys, apsw; db = apsw.Connection(sys.argv[1]); db.execute('BEGIN EXCLUSIVE');"
        " print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(marked / ".context" / "sessions.db")], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdin is not None
    holder.stdout.readline()
    send(marked, "UserPromptSubmit", prompt="while it is locked")
    assert spool.has_events(str(state(home)), str(marked))
    holder.communicate()
    (session,) = sessions(marked)
    assert session["activities"] == 1
    assert not spool.has_events(str(state(home)), str(marked))


def test_an_excluded_folder_is_in_nothing_at_all(marked: Path, home: Path) -> None:
    config = home / ".config" / "kioku" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[capture]\nexclude = ["{marked}"]\n')
    send(marked, "UserPromptSubmit", prompt="x")
    with Server(marked) as server:
        server.initialize()
        assert "print(1)" in server.call("read_file", path="a.py")["content"][0]["text"]
        server.end()
        assert "capture.exclude" in server.errors()
    assert not (marked / ".context" / "sessions.db").exists()
    assert spool.pending(str(state(home))) == []


def test_the_events_of_two_worktrees_are_in_the_main_ones_store(marked: Path) -> None:
    env = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    subprocess.run(["git", "add", "."], cwd=marked, check=True)
    subprocess.run(["git", "commit", "-qm", "one"], cwd=marked, check=True, env={**os.environ, **env})
    other = marked.parent / "other"
    subprocess.run(["git", "worktree", "add", "-q", str(other), "-b", "topic"], cwd=marked, check=True)
    with Server(marked) as server:
        server.initialize()
        server.end()
    send(
        other,
        "PostToolUse",
        tool_name="Edit",
        tool_use_id="toolu_with_a_long_id_0001",
        tool_input={"file_path": f"{other}/a.py"},
    )
    (session,) = sessions(marked)
    assert rows(marked, "SELECT path FROM session_files") == [("a.py",)]
    assert session["tool_calls"] == 1
    assert hook.find_root(str(other)) == str(other)


@pytest.mark.parametrize("whose", ["the person's", "the project's"])
def test_settings_that_break_while_a_server_runs_keep_events_waiting_and_the_session_ends_all_the_same(
    marked: Path, home: Path, whose: str
) -> None:
    config = (home / ".config" / "kioku" if whose == "the person's" else marked / ".context") / "config.toml"
    with Server(marked) as server:
        server.initialize()
        server.call("read_file", path="a.py")
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text("[model]\naddress = 'http://127.0.0.1:9'\n")
        send(marked, "UserPromptSubmit", prompt="please mend it")
        server.call("read_file", path="a.py")
        assert server.end() == 0
        errors = server.errors()
    assert "Traceback" not in errors
    assert errors.count(f"{config}: ") == 1, "it says once which file is in the way"
    assert rows(marked, "SELECT tool_calls, status, end_reason FROM sessions") == [(2, "completed", "stopped")]
    assert spool.has_events(str(state(home)), str(marked))
    config.unlink()
    assert sorted(session["activities"] for session in sessions(marked)) == [1, 2]


@pytest.mark.parametrize("is_drained_before", [True, False])
def test_what_was_done_in_a_folder_that_is_gone_stays_with_its_project_whoever_tells(
    marked: Path, home: Path, clock: Clock, is_drained_before: bool
) -> None:
    kioku("init", cwd=marked)
    with Server(marked) as server:
        server.end()
    build = marked / "build"
    build.mkdir()
    at = 1_790_000_000_000
    clock.shift((at - hook.now_ms()) / 60_000)
    id = "toolu_with_a_long_id_0001"
    given = {"file_path": f"{marked}/a.py"}
    send(build, "PostToolUse", clock.env, tool_name="Edit", tool_use_id=id, tool_input=given)
    if is_drained_before:
        assert len(sessions(marked)) == 1
    build.rmdir()
    path = home / ".claude" / "projects" / "x" / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    line = {
        "sessionId": SESSION, "timestamp": "2026-09-21T14:13:20.000Z", "cwd": str(build), "type": "assistant",
        "uuid": "uuid-of-answer-000000000001",
        "message": {"content": [{"type": "tool_use", "id": id, "name": "Edit", "input": given}]},
    }  # fmt: skip
    path.write_text(json.dumps(line) + "\n")
    assert imported("all", cwd=marked)["elsewhere"] == {}
    (session,) = sessions(marked)
    assert (session["tool_calls"], session["activities"]) == (1, 1)
    assert rows(marked, "SELECT path, edits FROM session_files") == [("a.py", 1)]
    assert json.loads(kioku("sessions", "list", "--own", "--json", cwd=marked).stdout)["sessions"] == []


def test_a_project_may_exclude_a_folder_of_its_own_also_when_that_is_gone(marked: Path) -> None:
    kioku("init", cwd=marked)
    with Server(marked) as server:
        server.end()
    private = marked / "private"
    private.mkdir()
    send(private, "UserPromptSubmit", prompt="x")
    private.rmdir()
    (marked / ".context" / "config.toml").write_text('[capture]\nexclude = ["private"]\n')
    assert sessions(marked) == []
    assert kioku("sessions", "list", "--own", cwd=marked).returncode == 1, "there is no store of the person's either"


def test_a_batch_that_is_taken_again_counts_nothing_again(marked: Path, home: Path) -> None:
    kioku("init", cwd=marked)
    with Server(marked) as server:
        server.end()
    send(marked, "UserPromptSubmit", prompt="please mend it")
    folder = state(home) / "spool" / spooling.folder_name(str(marked))
    batch = folder / "taken-1.spool"
    (folder / "events.spool").rename(batch)
    content = batch.read_bytes() + b"torn"
    for _ in range(2):  # the second time as if its reader had been killed before it could remove it
        batch.write_bytes(content)
        (session,) = sessions(marked)
        assert session["activities"] == 1
        assert rows(marked, "SELECT name, value FROM counters ORDER BY name") == [
            ("heard.claude", 1),
            ("spool.torn", 1),
        ]


def test_a_backlog_is_derived_once_and_not_for_each_of_its_events(
    marked: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kioku("init", cwd=marked)
    with Server(marked) as server:
        server.end()
    folder = str(state(home) / "spool" / spooling.folder_name(str(marked)))
    for number in range(40):
        for at, name in enumerate(("PreToolUse", "PostToolUse")):
            event = {
                "name": name, "session": SESSION, "tool": "Edit", "call": f"toolu_with_a_long_id_{number:04}",
                "input": {"file_path": f"{marked}/a.py"},
            }  # fmt: skip
            told = {
                "id": f"{number}.{at}", "at": hook.now_ms() + 2 * number + at, "client": "claude", "root": str(marked),
                "cwd": str(marked), "event": event,
            }  # fmt: skip
            spooling.append(folder, terse_json.encode(told))
    derived: list[int] = []
    derive = record.derive_stream

    def counting(db: apsw.Connection, stream: int, *, now: int) -> None:
        derived.append(stream)
        derive(db, stream, now=now)

    monkeypatch.setattr(record, "derive_stream", counting)
    with stores.opened() as homes:
        assert draining.drain(homes).events == 80
    assert len(derived) <= 2
    monkeypatch.undo()
    (session,) = sessions(marked)
    assert (session["tool_calls"], session["activities"]) == (40, 40)
