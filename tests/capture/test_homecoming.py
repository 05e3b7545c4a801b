"""What hooks saw of a project before it had a store is the project's once it has one: moved, and nowhere twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.capture.test_import import own
from tests.capture.test_together import SESSION, call, marked, send, sessions
from tests.support import PATIENCE_S, Clock, Server, kioku, rows, wait_until

__all__ = ["marked"]


def at_home(cwd: Path) -> list[dict[str, Any]]:
    done = kioku("sessions", "list", "--own", "--json", cwd=cwd)
    return [] if done.returncode else list(json.loads(done.stdout)["sessions"])


def work(project: Path) -> None:
    send(project, "UserPromptSubmit", prompt="please mend it")
    call(project, "PreToolUse", "toolu_with_a_long_id_0001", file_path=f"{project}/a.py")
    call(project, "PostToolUse", "toolu_with_a_long_id_0001", file_path=f"{project}/a.py")
    patch = f"*** Begin Patch\n*** Update File: {project}/b.py\n*** Update File: {project}/c.py\n*** End Patch"
    call(project, "PreToolUse", "toolu_with_a_long_id_0002", tool="apply_patch", input=patch)
    send(project, "Stop", last_assistant_message="mended")


def test_a_projects_sessions_move_from_the_persons_own_store_when_it_begins_one(marked: Path, home: Path) -> None:
    work(marked)
    (before,) = at_home(marked)
    assert (before["folder"], before["tool_calls"]) == (str(marked), 2)
    with Server(marked, env={"CLAUDE_CODE_SESSION_ID": SESSION}) as server:
        server.initialize()
        server.call("read_file", path="a.py")
        server.end()
    (session,) = sessions(marked)
    assert (session["tool_calls"], session["files"], session["client"]) == (3, 3, "claude-code")
    assert at_home(marked) == []
    assert rows(marked, "SELECT path, reads, edits FROM session_files ORDER BY path") == [
        ("a.py", 1, 1), ("b.py", 0, 1), ("c.py", 0, 1),
    ]  # fmt: skip
    assert rows(marked, "SELECT role, text FROM session_turns ORDER BY at") == [
        ("user", "please mend it"), ("assistant", "mended"),
    ]  # fmt: skip
    shown = kioku("sessions", "show", before["id"], "--json", cwd=marked)
    assert json.loads(shown.stdout)["id"] == session["id"], "an id that was given holds for ever"
    assert "same rows as before" in kioku("doctor", "--rebuild", cwd=marked).stdout
    for table in ("reports", "turns", "sessions", "anchors", "streams", "sightings"):
        assert rows(own(home).parent.parent, f"SELECT count(*) FROM {table}") == [(0,)], table


def test_a_running_server_brings_them_home_too(marked: Path) -> None:
    work(marked)
    at_home(marked)
    with Server(marked) as server:
        server.initialize()
        server.call("read_file", path="a.py")
        wait_until(lambda: rows(marked, "SELECT 1 FROM turns"), "what the person's own store had")
        server.end()
    assert sum(session["tool_calls"] for session in sessions(marked)) == 3


def test_another_projects_sessions_stay_where_they_are(marked: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / ".git").mkdir(parents=True)
    work(marked)
    send(other, "UserPromptSubmit", prompt="elsewhere", session_id="another-conversation")
    assert {session["folder"] for session in at_home(marked)} == {str(marked), str(other)}
    with Server(marked) as server:
        server.initialize()
        server.end()
    sessions(marked)
    assert {session["folder"] for session in at_home(marked)} == {str(other)}


def test_who_is_killed_in_between_leaves_nothing_twice_and_nothing_lost(marked: Path, home: Path) -> None:
    with Server(marked) as server:
        server.initialize()
        server.end()
    (marked / ".context").rename(marked / "aside")
    work(marked)
    at_home(marked)
    (marked / "aside").rename(marked / ".context")
    script = """
import os, signal
from kioku.store import moving
moving.remove = lambda db, stream: os.kill(os.getpid(), signal.SIGKILL)
from kioku.cli.app import run
run(["sessions", "list"])
"""
    killed = subprocess.run(
        [sys.executable, "-c", script], cwd=marked, env=os.environ, timeout=PATIENCE_S, capture_output=True
    )
    assert killed.returncode == -9
    assert rows(marked, "SELECT count(*) FROM turns") == rows(own(home).parent.parent, "SELECT count(*) FROM turns")
    (session,) = sessions(marked)
    assert (session["tool_calls"], session["files"]) == (2, 3)
    assert at_home(marked) == []


def test_archived_sessions_move_too_and_what_is_told_of_them_again_counts_nothing(
    marked: Path, home: Path, clock: Clock
) -> None:
    work(marked)
    (before,) = at_home(marked)
    clock.shift(3 * 24 * 60)
    archived = kioku("sessions", "archive", "--own", "--older-than", "1d", "--force", cwd=marked, env=clock.env)
    assert archived.returncode == 0, archived.stderr
    with Server(marked, env=clock.env) as server:
        server.initialize()
        server.end()
    listed = json.loads(kioku("sessions", "list", "--json", cwd=marked, env=clock.env).stdout)["sessions"]
    (session,) = listed
    changed = {"folder", "status", "end_reason", "ended_at", "project_id", "updated_at", "span_ms"}
    assert {name: session[name] for name in session.keys() - changed} == {
        name: before[name] for name in session.keys() - changed
    }
    assert session["status"] == "archived"
    assert rows(marked, "SELECT path, reads, edits FROM session_files ORDER BY path") == [
        ("a.py", 0, 1), ("b.py", 0, 1), ("c.py", 0, 1),
    ]  # fmt: skip
    assert rows(marked, "SELECT role, text FROM session_turns ORDER BY at") == [
        ("user", "please mend it"), ("assistant", "mended"),
    ]  # fmt: skip
    for table in ("reports", "turns", "sessions", "anchors", "streams", "folded", "archived", "archived_runs"):
        assert rows(own(home).parent.parent, f"SELECT count(*) FROM {table}") == [(0,)], table
    call(marked, "PreToolUse", "toolu_with_a_long_id_0001", file_path=f"{marked}/a.py")
    again = json.loads(kioku("sessions", "list", "--json", cwd=marked, env=clock.env).stdout)["sessions"]
    assert again == listed
    assert "same rows as before" in kioku("doctor", "--rebuild", cwd=marked, env=clock.env).stdout


def test_what_waits_for_its_time_comes_home_with_its_conversation(marked: Path, clock: Clock) -> None:
    send(marked, "UserPromptSubmit", prompt="now")
    clock.shift(5 * 60)
    later = {"file_path": f"{marked}/later.py"}
    send(
        marked, "PreToolUse", tool_name="Edit", tool_use_id="toolu_with_a_long_id_0009", tool_input=later, env=clock.env
    )  # fmt: skip
    at_home(marked)
    with Server(marked) as server:
        server.initialize()
        server.end()
    sessions(marked)
    assert rows(marked, "SELECT count(*) FROM quarantine") == [(1,)]
    kioku("sessions", "list", cwd=marked, env=clock.env)
    assert rows(marked, "SELECT path FROM session_files") == [("later.py",)]


@pytest.mark.parametrize("place", ["beside", "project/inside"])
def test_what_was_done_in_a_linked_worktree_comes_home_to_the_main_one(marked: Path, place: str) -> None:
    name = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {**os.environ, **name}
    subprocess.run(["git", "add", "."], cwd=marked, check=True)
    subprocess.run(["git", "commit", "-qm", "one"], cwd=marked, check=True, env=env)
    other = marked.parent / place
    subprocess.run(["git", "worktree", "add", "-q", str(other), "-b", "topic"], cwd=marked, check=True)
    work(other)
    assert at_home(marked)[0]["folder"] == str(other)
    with Server(marked) as server:
        server.initialize()
        server.end()
    (session,) = sessions(marked)
    assert (session["tool_calls"], session["files"]) == (2, 3)
    assert rows(marked, "SELECT path FROM session_files ORDER BY path") == [("a.py",), ("b.py",), ("c.py",)]
    assert at_home(marked) == []
