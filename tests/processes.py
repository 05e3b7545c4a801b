"""What tests look up about processes, and how they play a person at a terminal.

Looking is by `/proc` and by process id alone; only what a test itself started is ever signalled.
"""

import fcntl
import os
import pty
import selectors
import signal
import sqlite3
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support import KIOKU, PATIENCE_S, rows, wait_until


def stored(project: Path, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Query a store that may not have been begun yet."""
    try:
        return rows(project, query, *parameters)
    except sqlite3.OperationalError:
        return []


def state_of(pid: int) -> str | None:
    """Return the letter of a process's state (proc(5)), None when there is no such process."""
    fields = _fields(pid)
    return fields[0] if fields else None


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, or a zombie that only waits to be collected."""
    return state_of(pid) in (None, "Z", "X")


def parent_of(pid: int) -> int | None:
    """Return the id of a process's parent."""
    fields = _fields(pid)
    return int(fields[1]) if fields else None


def command_line(pid: int) -> str:
    """Return a process's command line as `ps` shows it; without a process, nothing."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    except OSError:
        return ""


def working_in(folder: Path) -> set[int]:
    """Return the processes, whoever's child they are by now, whose working folder is `folder`."""
    found = set()
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.readlink(f"/proc/{name}/cwd") == str(folder):
                found.add(int(name))
        except OSError:
            continue
    return found


def alive_in(container: int) -> int:
    """Return the innermost descendant of a process that has one child, which has one child, and so on."""
    parents = {pid: parent_of(pid) for pid in map(int, filter(str.isdigit, os.listdir("/proc")))}
    while children := [pid for pid, parent in parents.items() if parent == container]:
        (container,) = children
    return container


def has_open(pid: int, end_of_path: str) -> bool:
    """Tell whether a process holds a file open whose path ends so."""
    try:
        folder = f"/proc/{pid}/fd"
        return any(os.readlink(f"{folder}/{name}").endswith(end_of_path) for name in os.listdir(folder))
    except OSError:
        return False  # it is gone, or just closed one of them


def server_pid(project: Path) -> int:
    """Return the process id of the only server that ever recorded in a project, once it does."""
    wait_until(lambda: stored(project, "SELECT pid FROM owners"), "a recording server")
    ((pid,),) = rows(project, "SELECT pid FROM owners")
    return int(pid)


def lease_of(project: Path) -> Path:
    """Return the path of the only running server's lease."""
    (lease,) = (project / ".context" / "run").glob("*.lease")
    return lease


def let_it_tick(project: Path) -> None:
    """Return when the only server of a project has gone through a whole tick since the call.

    Each tick begins with making a missing lease anew, so the second new one proves that the first tick went on to
    its end.
    """
    lease = lease_of(project)
    for _ in range(2):
        lease.unlink()
        wait_until(lease.exists, "a new lease")


def let_it_wake(pid: int) -> None:
    """Return when a silent process's main thread has woken up some more times by itself, as for each tick it does."""

    def awakenings() -> int:
        status = Path(f"/proc/{pid}/task/{pid}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    before = awakenings()
    wait_until(lambda: awakenings() >= before + 5, "a process that wakes up")


class Terminal:
    """A program on a terminal of its own, and the person in front of it."""

    def __init__(
        self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, program: Sequence[str] = KIOKU
    ) -> None:
        self._person, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*program, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm", **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - this process has one thread
        )
        os.close(theirs)
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        self.hang_up()

    def type(self, keys: str) -> None:
        """Press keys; `\\x03` is Ctrl+C."""
        os.write(self._person, keys.encode())

    def read_until(self, text: str) -> str:
        """Return all that was shown so far, as soon as `text` is part of it."""
        while text not in self.shown:
            if not self._read_more():
                raise AssertionError(f"{text!r} was not shown, but {self.shown!r}")
        return self.shown

    def wait(self) -> int:
        """Read on until the program has ended; return its exit code."""
        while self._read_more():
            pass
        return self.process.wait(PATIENCE_S)

    def hang_up(self) -> None:
        """Close the terminal's window."""
        if self._person >= 0:
            os.close(self._person)
            self._person = -1

    def _read_more(self) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._person, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise AssertionError(f"nothing more was shown after {self.shown!r}")
        try:
            data = os.read(self._person, 65_536)
        except OSError:  # Linux says EIO when nobody is left at the other end
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


def _fields(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
