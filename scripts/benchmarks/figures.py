"""What a benchmark reports, and the little that they share."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

KIOKU = [str(Path(sys.executable).parent / "kioku")]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}},
}


class Figure(NamedTuple):
    """A measured figure and what it may be at most (`limit`) or must be at `least`, in one unit; else only told."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    remark: str = ""
    least: float | None = None

    @property
    def is_met(self) -> bool:
        return (self.limit is None or self.value <= self.limit) and (self.least is None or self.value >= self.least)

    def __str__(self) -> str:
        words = (("at most", self.limit), ("at least", self.least))
        bounds = [f"{word} {bound:g}" for word, bound in words if bound is not None]
        verdict = "" if not bounds else ("  ok" if self.is_met else "  MISSED")
        limit = f"  ({', '.join(bounds)})" if bounds else ""
        remark = f"  [{self.remark}]" if self.remark else ""
        return f"{self.what:<62} {self.value:>10.3f} {self.unit}{limit}{verdict}{remark}"


class Client:
    """A bare client of a server on standard input and output."""

    def __init__(self, command: Sequence[str], folder: Path, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._id = 1

    def exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer to it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool."""
        self._id += 1
        params = {"name": tool, "arguments": arguments}
        return self.exchange({"jsonrpc": "2.0", "id": self._id, "method": "tools/call", "params": params})

    def end(self) -> None:
        """Close standard input and wait for the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@contextmanager
def workplace() -> Iterator[tuple[Path, dict[str, str]]]:
    """Give an empty project folder, and an environment with an empty home."""
    with tempfile.TemporaryDirectory() as folder:
        project, home = Path(folder) / "project", Path(folder) / "home"
        project.mkdir()
        home.mkdir()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("KIOKU_", "CLAUDE", "XDG_"))}
        yield project, {**env, "HOME": str(home)}


def milliseconds(seconds: Sequence[float]) -> float:
    """Return the median in ms."""
    return median(seconds) * 1000
