"""A real MCP client works through `kioku serve` on this repository; then the recorded session is shown."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
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


async def work() -> str:
    """Let a client work for a moment; return the session's id."""
    session_id = ""
    server = StdioServerParameters(command=KIOKU, args=["serve", "--project", str(ROOT)], cwd=ROOT)
    client = Implementation(name="demo-assistant", version="1.0")
    async with stdio_client(server) as streams, ClientSession(*streams, client_info=client) as session:
        await session.initialize()
        for tool, arguments in WORK:
            result = await session.call_tool(tool, arguments)
            text = getattr(result.content[0], "text", "")
            first = next((line.strip() for line in text.splitlines() if line.strip()), "")
            mark = "refused" if result.is_error else "ok"
            said = ", ".join(f"{name}={value}" for name, value in arguments.items())
            print(f"  {mark:<8}{tool}({said})\n          {first[:96]}")
            if tool == "sessions" and result.structured_content:
                session_id = str(result.structured_content["id"])
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
    print("\nAn assistant starts 'kioku serve' and works:\n")
    session_id = anyio.run(work)
    print("\nIt closed the connection, and the session was ended and kept:")
    show("sessions", "list", "--limit", "5")
    show("sessions", "show", session_id[:8], "--activities", "5")


main()
