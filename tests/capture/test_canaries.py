"""Secrets in every field of everything that comes from outside: the real programs run, and no byte of any is kept."""

import itertools
import json
import os
import random
import string
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kioku.hook import CLIENTS
from tests.capture.test_readers import AT, AT_MS, HISTORY, claude, codex, opencode
from tests.capture.test_together import HOOK, marked
from tests.support import PATIENCE_S, Server, kioku, rows

__all__ = ["marked"]

LETTERS = string.ascii_letters + string.digits
chance = random.Random(20_261_124)


def some(length: int, of: str = LETTERS) -> str:
    return "".join(chance.choices(of, k=length))


MAKERS: list[Callable[[], str]] = [
    lambda: "gl" + "pat-" + some(20),
    lambda: "gh" + "p_" + some(36),
    lambda: "AK" + "IA" + some(16, string.ascii_uppercase),
    lambda: "sk-" + "ant-api03-" + some(60),
    lambda: "xo" + "xb-" + some(12, string.digits) + "-" + some(24),
    lambda: "ey" + "J" + some(30) + ".ey" + "J" + some(60) + "." + some(43),
    lambda: "np" + "m_" + some(36),
]


class Canaries:
    """Makes secrets, a new one each time, and knows all that it made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self._makers = itertools.cycle(MAKERS)

    def one(self) -> str:
        self.made.append(next(self._makers)())
        return self.made[-1]

    def in_all(self, value: Any, spared: frozenset[str] = frozenset(), name: str = "") -> Any:
        """Return a value with a secret in every text of it, in a member that nobody knows, and in that one's name."""
        if isinstance(value, str):
            return value if name in spared else f"{value} {self.one()}"
        if isinstance(value, list):
            return [self.in_all(part, spared, name) for part in value]
        if isinstance(value, dict):
            members = {key: self.in_all(part, spared, key) for key, part in value.items()}
            return {**members, "unknown": self.one(), f"x-{self.one()}": {"deep": [self.one()]}}
        return value


# What a reader must find as it is to take the rest for what it is.
STRUCTURE = frozenset({
    "type", "role", "timestamp", "cwd", "hook_event_name", "hookEventName", "tool_name", "toolName", "directory",
    "workspace_roots", "name", "tool", "status", "toolUse",
})  # fmt: skip
EVENTS = (
    "SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "Stop", "SubagentStop",
    "Notification", "PreCompact", "SessionEnd", "BeforeAgent", "AfterTool", "beforeSubmitPrompt", "afterFileEdit",
    "afterShellExecution", "stop", "SomethingNew",
)  # fmt: skip


def event(name: str, folder: Path) -> dict[str, Any]:
    return {
        "hook_event_name": name, "cwd": str(folder), "session_id": "s", "conversation_id": "s", "source": "startup",
        "transcript_path": "/t", "prompt": "do it", "last_assistant_message": "done", "prompt_response": "done",
        "tool_name": "Bash", "tool_use_id": "toolu_1", "model": "m", "agent_id": None, "error": "e", "reason": "r",
        "tool_input": {
            "command": "run it", "file_path": "/x/a.py", "path": "b.py", "pattern": "p", "query": "q",
            "content": "c", "old_string": "o", "edits": [{"new_string": "n"}],
        },
        "tool_response": {"stdout": "out", "filePath": "f", "success": True},
        "file_path": "/x/c.py", "command": "run", "edits": [{"old_string": "a", "new_string": "b"}],
    }  # fmt: skip


def transcripts(folder: Path) -> Iterator[tuple[str, str, Any]]:
    cwd = str(folder)
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "c", "file_path": "/x/a.py"}}
    more: dict[str, Any] = {"cwd": cwd, "gitBranch": "b", "version": "1", "slug": "s"}
    yield "claude", "a.jsonl", [
        claude("user", "go", **more),
        claude("assistant", [{"type": "text", "text": "yes"}, {"type": "thinking", "thinking": "hm"}, use],
               message={"model": "m", "id": "i", "usage": {"input_tokens": 1, "output_tokens": 2}}, **more),
        claude("user", [{"type": "tool_result", "tool_use_id": "t", "content": "out"}], toolUseResult="out", **more),
        {"type": "summary", "summary": "s", "leafUuid": "u"},
        {"type": "surprise", "timestamp": AT, "sessionId": "s1", "content": "c"},
    ]  # fmt: skip
    yield "codex", "rollout-a.jsonl", [
        codex("session_meta", {"id": "c1", "cwd": cwd, "cli_version": "1", "git": {"branch": "b", "url": "u"}}),
        codex("turn_context", {"cwd": cwd, "model": "m"}),
        codex("event_msg", {"type": "user_message", "message": "go"}),
        codex("response_item", {"type": "message", "role": "assistant",
                                "content": [{"type": "output_text", "text": "y"}]}),
        codex("response_item", {"type": "function_call", "name": "shell", "call_id": "k",
                                "arguments": json.dumps({"command": ["run", "it"]})}),
        codex("response_item", {"type": "function_call_output", "call_id": "k", "output": "out"}),
        codex("event_msg", {"type": "agent_message", "message": "done"}),
    ]  # fmt: skip
    yield (
        "copilot",
        "events.jsonl",
        [
            {"type": kind, "id": kind, "timestamp": AT, "data": data}
            for kind, data in {
                "session.start": {"sessionId": "c1", "copilotVersion": "1", "context": {"cwd": cwd, "branch": "b"}},
                "user.message": {"content": "go"},
                "assistant.message": {"messageId": "m", "content": "yes", "model": "m"},
                "tool.execution_start": {
                    "toolCallId": "k",
                    "toolName": "bash",
                    "arguments": {"command": "c", "path": "p"},
                },
                "tool.execution_complete": {"toolCallId": "k", "success": False, "result": {"content": "out"}},
            }.items()
        ],
    )
    call = {"id": "k", "name": "write_file", "args": {"file_path": "a.py"}, "status": "success", "timestamp": AT}
    yield "gemini", "session-a.json", {
        "sessionId": "g1", "projectHash": "0", "messages": [
            {"id": "1", "timestamp": AT, "type": "user", "content": "go"},
            {"id": "2", "timestamp": AT, "type": "gemini", "content": "yes", "toolCalls": [call], "model": "g",
             "thoughts": [{"subject": "s", "description": "d"}]},
        ],
    }  # fmt: skip
    state = {"status": "completed", "input": {"filePath": "a.py", "command": "c"}, "output": "out", "title": "t"}
    yield "opencode", "ses_1.json", opencode(
        {"directory": cwd, "title": "t"},
        {"info": {"id": "msg_1", "role": "user", "time": {"created": AT_MS}},
         "parts": [{"type": "text", "text": "go"}]},
        {"info": {"id": "msg_2", "role": "assistant", "time": {"created": AT_MS}, "modelID": "m"},
         "parts": [{"type": "tool", "callID": "k", "tool": "bash", "state": state}, {"type": "text", "text": "yes"}]},
    )  # fmt: skip


def bytes_below(*folders: Path) -> list[tuple[str, bytes]]:
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file() and ".git" not in file.parts]
    return [(str(file), file.read_bytes()) for file in files]


def test_no_secret_in_any_field_of_any_source_is_kept_or_shown(marked: Path, home: Path, tmp_path: Path) -> None:
    canaries = Canaries()
    own_value = some(30)
    (marked / ".env").write_text(f"SOME_SERVICE_KEY='{own_value}'\n")
    subprocess.run(["git", "checkout", "-q", "-b", f"topic-{canaries.one()}"], cwd=marked, check=True)
    said: list[str] = []

    def run(*arguments: str, cwd: Path = marked) -> None:
        done = kioku(*arguments, cwd=cwd)
        said.extend((done.stdout, done.stderr))

    run("init")
    with Server(marked) as server:
        server.initialize(client=f"client {canaries.one()}", version="2025-11-25")
        for tool in ("read_file", "grep_codebase", "git_log", "git_blame", "git_diff"):
            given = {"path": "a.py", "pattern": "x", "ref": "HEAD", "limit": 1}
            for name in given:
                server.request(
                    "tools/call", {"name": tool, "arguments": {**given, name: f"{given[name]} {canaries.one()}"}}
                )
        server.request(
            "tools/call", {"name": f"no tool {canaries.one()}", "arguments": {canaries.one(): canaries.one()}}
        )
        server.request(f"no/{canaries.one()}", {"x": canaries.one()})
        server.request("resources/read", {"uri": f"context://module/{canaries.one()}"})
        for client in CLIENTS:
            for name in EVENTS:
                for spared in (STRUCTURE, STRUCTURE - {"tool_name", "hook_event_name"} | {"session_id"}):
                    told = json.dumps(canaries.in_all(event(name, marked), spared))
                    hook = subprocess.run(
                        [*HOOK, client], input=told.replace("done", f"done with {own_value}"), text=True, cwd=marked,
                        capture_output=True, timeout=PATIENCE_S,
                    )  # fmt: skip
                    assert hook.returncode == 0
                    said.extend((hook.stdout, hook.stderr))
        spooled = bytes_below(home)
        server.call("read_file", path="a.py")
        server.end()
        said.append(server.errors())
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    for client, name, content in transcripts(marked):
        poisoned = canaries.in_all(content, STRUCTURE)
        text = "".join(json.dumps(line) + "\n" for line in poisoned) if name.endswith("l") else json.dumps(poisoned)
        (outside / name).write_text(text)
        run("import", client, str(outside / name))
        run("import", client, str(outside / name), "--json")
    history = marked / ".specstory" / "history" / "2026-03-02_10-00Z-x.md"
    history.parent.mkdir(parents=True)
    history.write_text(
        "\n".join(f"{line} {canaries.one()}" if line[:1].isalpha() else line for line in HISTORY.split("\n"))
    )
    run("import", "specstory", str(history))
    history.unlink()
    for arguments in (
        ["status"], ["status", "--json"], ["sessions", "list", "--json"], ["sessions", "list"], ["sessions", "stats"],
        ["doctor"], ["doctor", "--json"], ["doctor", "--rebuild"], ["import", "all"],
        ["redact", "--again", "--dry-run"], ["sessions", "export", "--json"],
    ):  # fmt: skip
        run(*arguments)
    ids = [id for (id,) in rows(marked, "SELECT id FROM sessions")]
    assert len(ids) >= 6
    for id in ids:
        run("sessions", "show", id)
        run("sessions", "show", id, "--json")
    (marked / ".env").unlink()
    kept = bytes_below(marked, home)
    shown = "".join(said)
    assert "[REDACTED:" in shown
    assert sum(b"[REDACTED:" in content for _, content in kept) >= 1
    assert len(rows(marked, "SELECT 1 FROM turns")) >= 10
    assert len(canaries.made) > 1_000
    for secret in [*canaries.made, own_value]:
        # Half of one is no better: it would be known by it.
        for half in (secret[: len(secret) // 2 + 4], secret[len(secret) // 2 :]):
            assert half not in shown, secret
            assert [name for name, content in [*kept, *spooled] if half.encode() in content] == [], secret


def test_the_search_for_secrets_would_find_one(marked: Path, home: Path) -> None:
    plain = "unremarkable" + "words" * 3
    told = {**event("UserPromptSubmit", marked), "prompt": plain}
    subprocess.run([*HOOK, "claude"], input=json.dumps(told), text=True, cwd=marked, check=True, timeout=PATIENCE_S)
    assert any(plain.encode() in content for _, content in bytes_below(home))
    with Server(marked) as server:
        server.initialize()
        server.call("grep_codebase", pattern=plain)
        server.end()
    assert any(plain.encode() in content for _, content in bytes_below(marked, home))


@pytest.mark.parametrize("longest", [200, 300, 400, 2000, 4096])
def test_a_secret_across_the_border_where_texts_are_cut_is_not_kept_in_part(
    marked: Path, tmp_path: Path, longest: int
) -> None:
    secret = "gl" + "pat-" + some(20)
    text = "x" * (longest - 13) + " " + secret
    with Server(marked) as server:
        server.initialize(client=text)
        server.call("grep_codebase", pattern=text)
        server.request("tools/call", {"name": "read_file", "arguments": {"path": text}})
        server.request("resources/read", {"uri": f"context://module/{text}"})
        server.end()
    told = {**event("PreToolUse", marked), "tool_input": {"command": text}, "tool_name": text}
    subprocess.run([*HOOK, "claude"], input=json.dumps(told), text=True, cwd=marked, check=True, timeout=PATIENCE_S)
    use = {"type": "tool_use", "id": "t", "name": text, "input": {"command": text}}
    shell = {"type": "tool_use", "id": "u", "name": "Bash", "input": {"command": text}}
    line = claude("assistant", [use, shell], cwd=str(marked), gitBranch=text, message={"model": text})
    (tmp_path / "t.jsonl").write_text(json.dumps(line) + "\n")
    assert kioku("import", "claude", str(tmp_path / "t.jsonl"), cwd=marked).returncode == 0
    for name, content in bytes_below(marked, Path(os.environ["HOME"])):
        assert secret[:10].encode() not in content, name


def test_an_error_does_not_repeat_a_secret_that_it_is_about(marked: Path, home: Path) -> None:
    secret = "gl" + "pat-" + some(20)
    config = home / ".config" / "kioku" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"[session]\nx-{secret} = 1\n")
    for arguments in (["status"], ["import", f"/nowhere/{secret}"]):
        done = kioku(*arguments, cwd=marked)
        assert done.returncode != 0
        assert secret not in done.stdout + done.stderr
        assert "[REDACTED:gitlab-token]" in done.stderr
        config.write_text("")
