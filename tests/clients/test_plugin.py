"""The Claude Code plugin: its files are of the shape that Claude Code documents, and its commands really run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kioku
from kioku import settings
from kioku.capture import spool
from kioku.clients.table import CLAUDE_EVENTS
from tests.support import PATIENCE_S

PLUGIN = Path(__file__).parents[2] / "plugin"
KNOWN_EVENTS = {
    "SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "PostToolUse",
    "PostToolUseFailure", "Notification", "SubagentStart", "SubagentStop", "Stop", "TeammateIdle", "TaskCompleted",
    "PreCompact",
}  # fmt: skip
TOOL_EVENTS = {"PreToolUse", "PermissionRequest", "PostToolUse", "PostToolUseFailure"}
COMPONENTS = {"commands", "agents", "skills", "hooks", "scripts", ".claude-plugin", ".mcp.json", "README.md", "LICENSE"}
EVENT: dict[str, Any] = {
    "session_id": "5b3d9a52-0000-4000-8000-000000000000",
    "transcript_path": "/nowhere/5b3d9a52.jsonl",
    "permission_mode": "default",
    "source": "startup",
    "reason": "other",
    "prompt": "hello",
    "tool_name": "Read",
    "tool_input": {"file_path": "a.py"},
    "tool_use_id": "toolu_1",
    "tool_response": {"success": True},
    "stop_hook_active": False,
    "trigger": "manual",
}


def manifest() -> Any:
    return json.loads((PLUGIN / ".claude-plugin" / "plugin.json").read_text())


def hooks() -> Any:
    return json.loads((PLUGIN / "hooks" / "hooks.json").read_text())


def servers() -> Any:
    return json.loads((PLUGIN / ".mcp.json").read_text())


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the installed programs on the path, as they are for a person who installed Kioku."""
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])


def test_the_manifest_has_what_claude_code_asks_for() -> None:
    found = manifest()
    allowed = {"name", "version", "description", "author", "homepage", "repository", "license", "keywords"}
    assert set(found) <= allowed
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", found["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", found["version"])
    assert found["description"]
    assert all(isinstance(word, str) for word in found["keywords"])
    assert isinstance(found.get("author", {"name": ""})["name"], str)


def test_the_plugin_is_named_as_set_up_looks_for_it() -> None:
    assert manifest()["name"] == "kioku"


def test_the_plugin_has_the_version_of_the_package() -> None:
    assert manifest()["version"] == kioku.__version__


def test_the_manifest_is_alone_in_its_folder_and_the_rest_is_where_claude_code_looks() -> None:
    assert [path.name for path in (PLUGIN / ".claude-plugin").iterdir()] == ["plugin.json"]
    assert {path.name for path in PLUGIN.iterdir()} <= COMPONENTS
    assert [path.name for path in (PLUGIN / "hooks").iterdir()] == ["hooks.json"]


def test_the_hooks_are_for_the_events_that_set_up_registers() -> None:
    assert set(hooks()["hooks"]) == set(CLAUDE_EVENTS)
    assert set(hooks()["hooks"]) <= KNOWN_EVENTS


@pytest.mark.parametrize("event", CLAUDE_EVENTS)
def test_each_hook_is_of_the_documented_shape(event: str) -> None:
    assert set(hooks()) <= {"description", "hooks"}
    (group,) = hooks()["hooks"][event]
    assert set(group) == ({"matcher", "hooks"} if event in TOOL_EVENTS else {"hooks"})
    assert group.get("matcher", "*") == "*"
    (hook,) = group["hooks"]
    assert hook == {"type": "command", "command": "kioku-hook claude", "timeout": 5}  # seconds


def test_the_server_is_of_the_documented_shape() -> None:
    assert servers() == {"mcpServers": {"kioku": {"type": "stdio", "command": "kioku", "args": ["serve"]}}}


@pytest.mark.usefixtures("on_path")
@pytest.mark.parametrize("event", CLAUDE_EVENTS)
def test_each_hook_leaves_its_event_in_the_spool(project: Path, event: str) -> None:
    (project / ".git").mkdir()
    told = {**EVENT, "hook_event_name": event, "cwd": str(project)}
    command = hooks()["hooks"][event][0]["hooks"][0]["command"]
    done = subprocess.run(
        command, shell=True, cwd=project, input=json.dumps(told), capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    if done.stdout:
        assert json.loads(done.stdout)["hookSpecificOutput"]["hookEventName"] == event
    (folder,) = spool.pending(settings.user_folder("state"))
    assert folder.root == str(project)
    (batch,) = spool.take(folder)
    (record,) = batch.records
    assert record.client == "claude"
    assert (record.event["name"], record.event["session"]) == (event, EVENT["session_id"])


@pytest.mark.usefixtures("on_path")
def test_the_server_answers(project: Path) -> None:
    server = servers()["mcpServers"]["kioku"]
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "claude-code", "version": "2"},
        },
    }
    done = subprocess.run(
        [server["command"], *server["args"]],
        cwd=project,
        env={**os.environ, "CLAUDE_PROJECT_DIR": str(project), **server.get("env", {})},
        input=json.dumps(hello) + "\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)["result"]
    assert result["serverInfo"] == {"name": "kioku", "version": kioku.__version__}
    assert (project / ".context").is_dir()
