"""A real MCP client works through `kioku serve` on this repository, and hooks tell of the rest; both are shown."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import anyio
import apsw
from mcp.client.stdio import stdio_client
from mcp_types import Implementation

from mcp import ClientSession, StdioServerParameters

ROOT = Path(__file__).parent.parent
KIOKU = str(Path(sys.executable).parent / "kioku")

WORK: list[tuple[str, dict[str, Any]]] = [
    ("read_file", {"path": "README.md", "max_lines": 40}),
    ("read_file", {"path": "src/kioku/sessions/recorder.py", "include_deps": True}),
    ("grep_codebase", {"pattern": r"def (derive|sweep|plan)\w*", "glob": "*.py"}),
    ("read_file", {"path": "src/kioku/sessions/derive.py"}),
    ("git_log", {"limit": 3}),
    ("read_file", {"path": "../outside.txt"}),
    ("sessions", {"action": "current"}),
]


CONVERSATION = str(uuid.uuid4())  # as a client names it, to its hooks and to the server

TOKEN = "gh" + "p_" + "x9K2mQ7vLr4TzB8w" * 2 + "a1b2"


def hook(event: str, **fields: Any) -> None:
    """Run the hook as Claude Code would."""
    told = {"session_id": CONVERSATION, "cwd": str(ROOT), "hook_event_name": event, **fields}
    subprocess.run([f"{KIOKU}-hook", "claude"], input=json.dumps(told), text=True, check=True)
    print(f"  {'hook':<8}{event}: {fields.get('prompt') or fields.get('tool_name') or '…'}")


async def work() -> str:
    """Let a client work for a moment; return the session's id."""
    session_id = ""
    server = StdioServerParameters(
        command=KIOKU, args=["serve", "--project", str(ROOT)], cwd=ROOT,
        env={**os.environ, "CLAUDE_CODE_SESSION_ID": CONVERSATION},
    )  # fmt: skip
    client = Implementation(name="demo-assistant", version="1.0")
    async with stdio_client(server) as streams, ClientSession(*streams, client_info=client) as session:
        await session.initialize()
        hook("UserPromptSubmit", prompt=f"See how sessions end. The token is {TOKEN}.")
        for tool, arguments in WORK:
            result = await session.call_tool(tool, arguments)
            text = getattr(result.content[0], "text", "")
            first = next((line.strip() for line in text.splitlines() if line.strip()), "")
            mark = "refused" if result.is_error else "ok"
            said = ", ".join(f"{name}={value}" for name, value in arguments.items())
            print(f"  {mark:<8}{tool}({said})\n          {first[:96]}")
            if tool == "sessions" and result.structured_content:
                session_id = str(result.structured_content["id"])
        edit = {
            "tool_name": "Edit",
            "tool_use_id": f"toolu_{uuid.uuid4().hex}",
            "tool_input": {"file_path": "README.md"},
        }
        hook("PreToolUse", **edit)
        hook("PostToolUse", **edit)
        hook("Stop", last_assistant_message="They end when the assistant says so.")
    return session_id


def show(*arguments: str) -> None:
    """Run one command as a person would, on a terminal: in a pipe it would print plain lines of tabs."""
    print(f"\n$ kioku {' '.join(arguments)}", flush=True)
    if sys.stdout.isatty() or sys.platform == "win32":
        subprocess.run([KIOKU, *arguments], cwd=ROOT, check=True)
        return
    import pty

    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "dumb", "COLUMNS": "110"}
    process = subprocess.Popen([KIOKU, *arguments], cwd=ROOT, env=env, stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    try:
        while data := os.read(leader, 65536):
            shown += data
    except OSError:
        pass  # how a terminal says that nobody writes to it any more
    os.close(leader)
    print(shown.decode().replace("\r\n", "\n"), end="", flush=True)
    if process.wait():
        sys.exit(process.returncode)


def main() -> None:
    print("\nAn assistant starts 'kioku serve' and works; its hooks tell what it does with its own tools:\n")
    session_id = anyio.run(work)
    print("\nIt closed the connection, and the session was ended and kept:")
    show("sessions", "list", "--limit", "5")
    show("sessions", "show", session_id[:8], "--activities", "5")
    print("\nWhat the next session is told of it:")
    show("resume", "--session", session_id[:8])
    print("\nWhat was said is kept too, without the secret:")
    db = apsw.Connection(
        f"file:{ROOT}/.context/sessions.db?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    for role, text in db.execute("SELECT role, text FROM session_turns ORDER BY at DESC LIMIT 2").fetchall()[::-1]:
        print(f"  {role:<10}{text}")


main()
