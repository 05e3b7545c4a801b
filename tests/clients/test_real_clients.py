"""The assistants themselves, as people install them: each finds the Kioku that set-up registered with it.

They reach nothing but this machine. Where one needs a model, a few lines of ours play it.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.clients import packages
from tests.support import PATIENCE_S, kioku, rows

KIOKU_PROGRAM = Path(sys.executable).parent / "kioku"
PLUGIN = Path(__file__).parents[2] / "plugin"
EXPECTED = packages.expected()
# In CI a skipped test is a failure, and the assistants are large: Claude Code alone is installed there unless the
# others are asked for, so their tests are not even collected. Elsewhere each is, and says why it is skipped.
COLLECTED = EXPECTED if os.environ.get("CI") else tuple(packages.ASSISTANTS)
LISTED = {
    "claude": rf"kioku: {re.escape(str(KIOKU_PROGRAM))} serve - \S+ Connected",
    "codex": rf"kioku +{re.escape(str(KIOKU_PROGRAM))} +serve .*\benabled\b",
    "gemini": rf"kioku: {re.escape(str(KIOKU_PROGRAM))} serve \(stdio\) - Connected",
}
STARTS_IT = ("claude", "gemini")  # when it lists its servers
OFFLINE = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    "NO_PROXY": "127.0.0.1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}


@pytest.fixture(scope="session")
def installed() -> None:
    """Install those that are expected here."""
    try:
        packages.install(packages.REAL, [packages.ASSISTANTS[name] for name in EXPECTED])
    except packages.MissingError as error:
        give_up(error)


def give_up(error: packages.MissingError) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"CI must have the assistants: {error}")
    pytest.skip(str(error))


@pytest.fixture
def project(project: Path, home: Path) -> Path:
    """Return a project that its person trusts, in each assistant's way, with a file to read."""
    (project / ".git").mkdir()
    (project / "a.py").write_text("VALUE = 1\n")
    for name in (".claude", ".codex", ".gemini"):
        (home / name).mkdir()
    (home / ".gemini" / "trustedFolders.json").write_text(json.dumps({str(project): "TRUST_FOLDER"}))
    (home / ".codex" / "config.toml").write_text(f'[projects."{project}"]\ntrust_level = "trusted"\n')
    return project


def program(name: str) -> list[str]:
    """Return the command that starts an assistant; skip the test where it is not installed."""
    try:
        return packages.assistant(name)
    except packages.MissingError as error:
        give_up(error)


def run(name: str, *arguments: str, project: Path, **env: str) -> str:
    """Run an assistant to its end, in a project; return what it says."""
    done = subprocess.run(
        [*program(name), *arguments],
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **OFFLINE, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 4,
    )
    assert done.returncode == 0, done
    return done.stdout + done.stderr


def setup(*arguments: str, project: Path) -> None:
    done = subprocess.run(
        [KIOKU_PROGRAM, "setup", "--yes", "--no-check", *arguments], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 0, done


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", COLLECTED)
def test_the_assistant_finds_the_server_until_it_is_taken_out(project: Path, name: str) -> None:
    assert "kioku" not in run(name, "mcp", "list", project=project)
    setup("--client", name, project=project)
    assert re.search(LISTED[name], run(name, "mcp", "list", project=project))
    if name in STARTS_IT:
        assert rows(project, "SELECT count(*) FROM sessions") == [(1,)]
    setup("--client", name, "--remove", project=project)
    assert "kioku" not in run(name, "mcp", "list", project=project)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", COLLECTED)
def test_the_assistant_finds_the_server_in_a_projects_files(project: Path, name: str) -> None:
    setup("--client", name, "--project", str(project), project=project)
    listed = run(name, "mcp", "list", project=project)
    if name == "claude":  # it asks its person first, whom nobody plays here
        assert re.search(rf"kioku: {re.escape(str(KIOKU_PROGRAM))} serve - \S+ Pending approval", listed)
    else:
        assert re.search(LISTED[name], listed)


def codex_hooks(project: Path) -> dict[str, tuple[str, str]]:
    """Ask Codex about the hooks that it finds: by key, their hash, and whether it trusts them."""
    hello = {"clientInfo": {"name": "test", "title": "Test", "version": "1"}, "capabilities": {"experimentalApi": True}}
    requests: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "initialized"},
        {"id": 2, "method": "hooks/list", "params": {"cwds": [str(project)]}},
    ]
    with subprocess.Popen(
        [*program("codex"), "app-server"], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **OFFLINE},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.writelines(json.dumps({"jsonrpc": "2.0", **request}) + "\n" for request in requests)
        process.stdin.flush()
        answer = next(said for said in map(json.loads, process.stdout) if said.get("id") == 2)
        process.stdin.close()
    return {hook["key"]: (hook["currentHash"], hook["trustStatus"]) for hook in answer["result"]["data"][0]["hooks"]}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", COLLECTED)
def test_doctor_knows_whether_the_assistant_runs_the_hooks(project: Path, home: Path, name: str) -> None:
    def told() -> list[str]:
        found = json.loads(kioku("doctor", "--json", cwd=project).stdout)["findings"]
        return [one["found"] for one in found if one["check"] == "hooks"]

    setup("--client", name, project=project)
    if name != "codex":  # which trusts a hook only as it was when its person said yes
        assert told() == []
        return
    found = codex_hooks(project)
    assert [trust for _, trust in found.values()] == ["untrusted"] * 8
    assert ["has not been told yet" in text for text in told()] == [True]
    with (home / ".codex" / "config.toml").open("a") as stream:
        stream.writelines(f'\n[hooks.state."{key}"]\ntrusted_hash = "{sha}"\n' for key, (sha, _) in found.items())
    assert [trust for _, trust in codex_hooks(project).values()] == ["trusted"] * 8
    assert told() == []
    hooks = home / ".codex" / "hooks.json"
    hooks.write_text(hooks.read_text().replace(str(KIOKU_PROGRAM.parent), "/usr/bin"))
    assert [trust for _, trust in codex_hooks(project).values()] == ["modified"] * 8
    assert ["not what you trusted" in text for text in told()] == [True]


@pytest.mark.usefixtures("installed")
def test_what_claude_code_wrote_into_its_settings_since_stays(project: Path, home: Path) -> None:
    setup("--client", "claude", project=project)
    run("claude", "mcp", "list", project=project)
    run("claude", "mcp", "add", "--scope", "user", "theirs", "--", "true", project=project)
    written = json.loads((home / ".claude.json").read_text())
    assert set(written["mcpServers"]) == {"kioku", "theirs"}
    setup("--client", "claude", "--remove", project=project)
    del written["mcpServers"]["kioku"]
    assert json.loads((home / ".claude.json").read_text()) == written


@pytest.mark.usefixtures("installed")
def test_claude_code_finds_no_fault_with_the_plugin(project: Path) -> None:
    said = run("claude", "plugin", "validate", str(PLUGIN), project=project)
    assert "Validation passed" in said
    assert "kioku stdio kioku" in said
    assert said.count('"kioku-hook claude"') == 9


@pytest.mark.usefixtures("installed")
def test_claude_code_loads_the_plugin_from_its_folder_of_skills(project: Path, home: Path) -> None:
    (home / ".claude" / "skills").mkdir()
    (home / ".claude" / "skills" / "kioku").symlink_to(PLUGIN)
    setup("--client", "claude", project=project)
    path = f"{KIOKU_PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    listed = run("claude", "mcp", "list", project=project, PATH=path)
    assert re.findall(r"(\S*kioku): .*Connected", listed) == ["plugin:kioku:kioku"]


# --- a conversation ---------------------------------------------------------------------------------------------------


class Model(BaseHTTPRequestHandler):
    """Plays the model: it asks for one file to be read, and then says that it is done."""

    asks_for: Path

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        last = json.dumps(asked["messages"][-1])
        if asked.get("tools") and "tool_result" not in last:
            argument = json.dumps({"file_path": str(self.asks_for)})
            block: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {}}
            self.say(block, {"type": "input_json_delta", "partial_json": argument}, "tool_use")
        else:
            self.say({"type": "text", "text": ""}, {"type": "text_delta", "text": "I am done."}, "end_turn")

    def say(self, block: dict[str, Any], delta: dict[str, Any], reason: str) -> None:
        message: dict[str, Any] = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "model", "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
        }  # fmt: skip
        ends = {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 1}}
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", **ends},
            {"type": "message_stop"},
        ]
        data = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def a_model(asks_for: Path) -> Iterator[dict[str, str]]:
    """Run a model on this machine; give the variables by which Claude Code talks to it."""
    handler = type("Handler", (Model,), {"asks_for": asks_for})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            yield {"ANTHROPIC_BASE_URL": address, "ANTHROPIC_API_KEY": "sk-ant-none"}
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("ways", [["set-up"], ["plugin"], ["set-up", "plugin"], ["set-up", "project"]])
def test_a_conversation_is_recorded_once(project: Path, ways: list[str]) -> None:
    arguments = ["--plugin-dir", str(PLUGIN)] if "plugin" in ways else []
    if "set-up" in ways:
        setup("--client", "claude", project=project)
    if "project" in ways:
        setup("--client", "claude", "--project", project=project)
    with a_model(project / "a.py") as env:
        path = f"{KIOKU_PROGRAM.parent}{os.pathsep}{os.environ['PATH']}" if "plugin" in ways else os.environ["PATH"]
        said = run("claude", "-p", "read a.py", *arguments, project=project, **{**env, "PATH": path})
    assert "I am done." in said
    found = kioku("sessions", "list", "--json", cwd=project)
    assert found.returncode == 0, found
    (session,) = json.loads(found.stdout)["sessions"]
    assert (session["client"], session["tool_calls"], session["files"]) == ("claude-code", 1, 1)
    query = "SELECT kind, tool, path FROM activities WHERE session_id = ?"
    activities = rows(project, query, session["id"])
    assert activities.count(("file_read", "Read", "a.py")) == 1
    assert [kind for kind, _, _ in activities].count("prompt") == 1
    assert {kind for kind, _, _ in activities} >= {"server_start", "conversation_start", "prompt", "turn_end"}
