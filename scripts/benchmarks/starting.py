"""How long an assistant waits for Kioku to start, and for it to end."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.benchmarks.figures import INITIALIZE, KIOKU, Client, Figure, milliseconds, workplace

ROUNDS = 21

# What a server of three tools looks like on the official SDK.
SDK_SERVER = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("three")
@server.tool()
def one(path: str) -> str:
    return path
@server.tool()
def two(pattern: str, limit: int = 10) -> str:
    return pattern
@server.tool()
def three() -> str:
    return "3"
server.run("stdio")
"""


def start() -> Iterator[Figure]:
    """Spawn to the answer of `initialize`: Kioku, an SDK server, and a bare interpreter, in turns."""
    bare: list[float] = []
    ours: list[float] = []
    fresh: list[float] = []
    sdk: list[float] = []
    with workplace() as (project, env):
        _answer([*KIOKU, "serve"], project, env)
        for number in range(ROUNDS):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", "pass"], env=env, check=True)
            bare.append(time.perf_counter() - began)
            ours.append(_answer([*KIOKU, "serve"], project, env))
            empty = project.parent / f"fresh-{number}"
            empty.mkdir()
            fresh.append(_answer([*KIOKU, "serve"], empty, env))
            if number % 4 == 0:
                sdk.append(_answer([sys.executable, "-c", SDK_SERVER], project, env))
    base = milliseconds(bare)
    remark = f"{milliseconds(ours):.0f} ms; python -c pass {base:.0f} ms; SDK server {milliseconds(sdk):.0f} ms"
    yield Figure("start to initialize / python -c pass", milliseconds(ours) / base, "x", 6, remark)
    yield Figure("start to initialize in an empty folder / python -c pass", milliseconds(fresh) / base, "x", 6)
    yield Figure(
        "start to initialize / three-tool server on the SDK", milliseconds(ours) / milliseconds(sdk), "x", 0.15
    )


def end() -> Iterator[Figure]:
    """End of standard input to the end of the process, after 200 calls."""
    times = []
    with workplace() as (project, env):
        (project / "a.txt").write_text("text\n")
        for _ in range(9):
            client = Client([*KIOKU, "serve"], project, env)
            client.exchange(INITIALIZE)
            for _ in range(200):
                client.call("read_file", path="a.txt")
            began = time.perf_counter()
            client.end()
            times.append(time.perf_counter() - began)
    yield Figure("end of input to end of process, worst of 9", max(times), "s", 0.5)


def _answer(command: list[str], project: Path, env: dict[str, str]) -> float:
    began = time.perf_counter()
    client = Client(command, project, env)
    client.exchange(INITIALIZE)
    elapsed = time.perf_counter() - began
    client.end()
    return elapsed
