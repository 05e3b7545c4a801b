"""What the operating system tells about processes: the one place that knows how each platform does.

Everything here supports other evidence or watches over our own parent; None means that the platform does not tell.
"""

import os
import sys
from collections.abc import Callable

# Programs that only start others: behind one of them, the client is whoever started it.
_LAUNCHERS = frozenset(
    "uv uvx npx npm pnpm bunx pipx env sh bash dash zsh fish cmd cmd.exe uv.exe uvx.exe timeout nice setsid".split()
)


def boot_id() -> str | None:
    """Return an id that changes with every start of the machine."""
    return _first_line("/proc/sys/kernel/random/boot_id") if sys.platform.startswith("linux") else None


def pid_namespace() -> str | None:
    """Return the id of the namespace in which our process ids mean something."""
    try:
        return os.readlink("/proc/self/ns/pid") if sys.platform.startswith("linux") else None
    except OSError:
        return None


def start_token(pid: int) -> str | None:
    """Return what tells a process from a later one with the same id: its start, in ticks since boot."""
    fields = _stat(pid)
    return fields[19] if fields is not None else None


PREFIX = "p:"  # how the token of an owner that is a client's process, and has no lease, begins


def token_of(pid: int, start: str, boot: str | None, namespace: str | None) -> str:
    """Return the owner's token for a client's process: all that tells it from any other, on this machine or another."""
    return f"{PREFIX}{pid}:{start}:{boot or ''}:{namespace or ''}"


def is_running(token: str) -> bool | None:
    """Tell whether the process that a token names still runs; None where that cannot be told from here."""
    parts = token.removeprefix(PREFIX).split(":", 3)
    if not sys.platform.startswith("linux") or len(parts) != 4 or not parts[0].isdecimal():
        return None
    pid, start, boot, namespace = parts
    if boot != boot_id() or namespace != pid_namespace():
        return None  # before a reboot, in a container, or on another machine that shares the folder
    return describe(int(pid), start) == "running"


def describe(pid: int, start: str | None) -> str:
    """Say what became of a process: `running`, `gone`, `a zombie`, `another process now`, or `unknown`."""
    if not sys.platform.startswith("linux"):
        return "unknown"
    fields = _stat(pid)
    if fields is None:
        return "gone"
    if start is not None and fields[19] != start:
        return "another process now"
    return "a zombie" if fields[0] == "Z" else "running"


def memory_kb(pid: int) -> int | None:
    """Return a process's resident memory in kB."""
    text = _read(f"/proc/{pid}/statm") if sys.platform.startswith("linux") else None
    return int(text.split()[1]) * os.sysconf("SC_PAGESIZE") // 1024 if text else None


def parent_watch() -> Callable[[], bool]:
    """Return a function that tells whether our client is gone, as of now.

    It is gone when our parent changed, or, behind launchers that survive it, when a launcher's parent did. Without a
    parent that could change (a client that is process 1 of a container) it never is.
    """
    first = os.getppid()
    watched: list[tuple[int, int]] = []
    pid, parent = first, _parent(first)
    while parent is not None and parent > 1 and _program(pid) in _LAUNCHERS and len(watched) < 8:
        watched.append((pid, parent))
        pid, parent = parent, _parent(parent)

    def is_gone() -> bool:
        return os.getppid() != first or any(_parent(launcher) != client for launcher, client in watched)

    return is_gone


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields is not None else None


def _program(pid: int) -> str:
    return (_first_line(f"/proc/{pid}/comm") or "").lower() if sys.platform.startswith("linux") else ""


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat (proc(5)) from the state on; the name before may hold anything."""
    text = _read(f"/proc/{pid}/stat") if sys.platform.startswith("linux") else None
    return text.rpartition(")")[2].split() if text else None


def _first_line(path: str) -> str | None:
    text = _read(path)
    return text.partition("\n")[0] if text else None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None
