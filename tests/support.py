"""What tests share: a real server process, the real command line, and waiting for events, not sleeping."""

import json
import os
import selectors
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

KIOKU = [sys.executable, "-m", "kioku"]
PATIENCE_S = 30.0  # a hang becomes a failure after this; nothing is ever asserted about how long something took


def wait_until(holds: Callable[[], object], what: str = "the expected state") -> None:
    """Return as soon as `holds()` is true; fail when it does not become so."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about")
        selectors.SelectSelector().select(0.01)  # lets the other processes run; the state decides, not the clock


class Server:
    """A running `kioku serve` and the client's end of its streams."""

    def __init__(
        self,
        project: Path,
        *,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] | None = None,
        prefix: Sequence[str] = (),
        **options: Any,
    ) -> None:
        command = [
            *prefix,
            *KIOKU,
            "serve",
            *(["--project", str(project)] if arguments is None else arguments),
        ]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=project if project.is_dir() else None,
            env={**os.environ, **(env or {})},
            **options,
        )
        self.project = project
        self._next_id = 0
        self._buffer = b""
        self.notifications: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                pass

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, method: str, params: Mapping[str, Any] | None = None, **extra: Any) -> int:
        """Send a request and return its id."""
        self._next_id += 1
        message = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params or {}, **extra}
        self.send_bytes(json.dumps(message).encode() + b"\n")
        return self._next_id

    def receive(self) -> dict[str, Any]:
        """Return the next message, whatever it is."""
        assert self.process.stdout is not None
        while b"\n" not in self._buffer:
            with selectors.DefaultSelector() as selector:
                selector.register(self.process.stdout, selectors.EVENT_READ)
                if not selector.select(PATIENCE_S):
                    raise AssertionError("the server did not answer")
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                raise AssertionError("the server closed its output")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def answer(self, request_id: int) -> dict[str, Any]:
        """Return the answer to a request; notifications that come before it are kept in `notifications`."""
        while (message := self.receive()).get("id") != request_id or "method" in message:
            self.notifications.append(message)
        return message

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return its answer."""
        return self.answer(self.send(method, params))

    def initialize(self, version: str = "2025-11-25", client: str = "test-client") -> dict[str, Any]:
        """Open a stateful connection."""
        params = {
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": client, "version": "1.2.3"},
        }
        answer = self.request("initialize", params)
        self.send_bytes(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        return answer

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its result."""
        answer = self.request("tools/call", {"name": tool, "arguments": arguments})
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> int:
        """Wait for the process to end and return its exit code."""
        return self.process.wait(PATIENCE_S)

    def end(self) -> int:
        """Close standard input, as clients do, and return the exit code."""
        self.close_stdin()
        return self.wait()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it as `kill -9` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def errors(self) -> str:
        """Return what it wrote to standard error (after its end)."""
        assert self.process.stderr is not None
        text: str = self.process.stderr.read().decode()
        return text


def kioku(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str | None = "",  # noqa: A002
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*KIOKU, *arguments], cwd=cwd, env={**os.environ, **(env or {})}, input=input, capture_output=True, text=True,
        timeout=PATIENCE_S * 2,
    )  # fmt: skip


def rows(project: Path, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Query a project's store from this process, read only, as the `sqlite3` program would from another."""
    with_query = f"file:{project / '.context' / 'sessions.db'}?mode=ro"
    connection = sqlite3.connect(with_query, uri=True, timeout=PATIENCE_S)
    try:
        return connection.execute(query, parameters).fetchall()
    finally:
        connection.close()


class Clock:
    """The clock of the processes a test starts: the real one, set forward or back by `shift`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.offset_ms = 0
        self.shift(0)

    @property
    def env(self) -> dict[str, str]:
        return {"KIOKU_TEST_CLOCK": str(self._file)}

    def shift(self, minutes: float) -> None:
        """Set the clock forward (or, negative, back)."""
        self.offset_ms += round(minutes * 60_000)
        temporary = self._file.with_suffix(".new")
        temporary.write_text(str(self.offset_ms))
        temporary.replace(self._file)


@contextmanager
def read_only(folder: Path) -> Iterator[list[str]]:
    """Make a folder read-only; give the words that must come before a command that is to find it so.

    Permission bits do not bind root: for root it is a read-only mount that only the command sees.
    """
    if os.geteuid() == 0:
        script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        yield ["unshare", "--mount", "sh", "-c", script, str(folder)]
        return
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    try:
        yield []
    finally:
        folder.chmod(mode)
