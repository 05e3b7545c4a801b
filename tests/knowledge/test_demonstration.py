"""Session one works and decides with one client; session two, with another, is told of it and answers from it.

The second client's assistant here has no model: it can only look for the line of what it was told that has most of a
question's words, and quote it. So whatever it answers was in what Kioku handed over, in words that can be found.
"""

import json
import re
from pathlib import Path

import mcp_types as types
import pytest
from mcp.client.client import Client

from mcp import stdio_client
from tests.knowledge.test_resume import hook, told_at_start
from tests.mcp.test_clients import run, serving
from tests.support import Server, kioku

DECISION = "Sessions are kept in Redis, because the sidecar may only read its disk."


class Assistant:
    """Answers from what it was told, and from nothing else."""

    def __init__(self, context: str) -> None:
        self._lines = [line for line in context.splitlines() if ":" in line]

    def answer(self, question: str) -> str:
        """Return the line that shares most words with a question, without its label; nothing where none shares two."""
        wanted = words(question)
        best = max(self._lines, key=lambda line: len(words(line) & wanted), default="")
        return best.partition(": ")[2].strip('"') if len(words(best) & wanted) >= 2 else ""


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def first_session(project: Path) -> None:
    """Let Claude Code, with hooks and a server, change two files, decide something, ask, and end."""
    with Server(project) as server:
        server.initialize(client="claude-code")
        hook("claude", project, "SessionStart", "one")
        hook("claude", project, "UserPromptSubmit", "one", prompt="Let users stay signed in when the server restarts")
        for name in ("store.py", "login.py"):
            (project / name).write_text("SESSIONS = 'redis'\n")
            edit = {"tool_name": "Edit", "tool_use_id": name, "tool_input": {"file_path": str(project / name)}}
            hook("claude", project, "PreToolUse", "one", **edit)
            hook("claude", project, "PostToolUse", "one", **edit)
        server.call("remember", type="decision", content=DECISION)
        hook("claude", project, "Stop", "one", last_assistant_message="Users stay signed in. Which expiry do you want?")
        hook("claude", project, "SessionEnd", "one", reason="exit")
        assert server.end() == 0


def judge(assistant: Assistant) -> None:
    assert "stay signed in" in assistant.answer("What was I last asked for by the person?")
    assert assistant.answer("What was decided about sessions and Redis?") == DECISION
    assert assistant.answer("Which question of the assistant had no answer?") == "Which expiry do you want?"
    assert assistant.answer("Which files were edited last, in order?").endswith("login.py")
    assert assistant.answer("Who painted the ceiling?") == ""


@pytest.mark.parametrize("is_accepted", [False, True])
def test_the_second_session_answers_from_what_the_first_one_left(project: Path, is_accepted: bool) -> None:
    first_session(project)
    assert Assistant("").answer("What was decided about sessions and Redis?") == ""
    if is_accepted:
        found = json.loads(kioku("discoveries", "list", "--json", cwd=project).stdout)
        (id,) = [row["id"] for row in found["discoveries"]]
        assert kioku("discoveries", "accept", id, cwd=project).returncode == 0
    told = told_at_start(project)  # what Codex's hook is answered when its session begins
    judge(Assistant(told))
    assert ("not accepted by the person" in told) is not is_accepted

    async def session() -> None:
        with (project.parent / "stderr").open("w") as errors:
            transport = stdio_client(serving(project), errlog=errors)
            async with Client(transport, client_info=types.Implementation(name="codex", version="1")) as client:
                content = (await client.get_prompt("resume")).messages[0].content
                assert isinstance(content, types.TextContent)
                assistant = Assistant(content.text)
                judge(assistant)
                # It goes on with the file that the answer names.
                path = assistant.answer("Which files were edited last, in order?").split(", ")[-1]
                read = await client.call_tool("read_file", {"path": path})
                assert isinstance(read, types.CallToolResult)
                assert read.content == [types.TextContent(text="SESSIONS = 'redis'\n")]
        assert (project.parent / "stderr").read_text() == ""

    run(session)
    listed = kioku("sessions", "list", cwd=project).stdout
    assert "claude-code" in listed
    assert "codex" in listed
