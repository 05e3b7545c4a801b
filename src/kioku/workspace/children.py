"""The only place that starts child processes.

A child gets no stdin of ours, no key out of our environment, and a process group of its own. Whatever
happens in `run`, when it returns or raises that group has been killed and the child reaped: nothing is left.
What `converse` starts goes on until it is killed.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from kioku.errors import CancelledCallError, ToolError

if TYPE_CHECKING:
    import subprocess

WINDOWS = os.name == "nt"
POLL_S = 0.04  # how long a cancelled call, or a deadline, may go unnoticed
CHUNK = 64 * 1024
STDERR_MAX = 16 * 1024
MEMORY_MAX = 1 << 30  # bytes of a child's own data

_PASSED_ON = frozenset(
    [
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP"),
        *("XDG_CONFIG_HOME", "__CF_USER_TEXT_ENCODING", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC"),
        *("PATHEXT", "USERPROFILE", "USERNAME", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA"),
        *("PROGRAMDATA", "PROGRAMFILES"),
    ]
)

# Children that run now. A child is killed and taken out under the lock and reaped afterwards, so a group is
# never signalled once its number may belong to somebody else.
_lock = threading.Lock()
_running: set["subprocess.Popen[bytes]"] = set()
_closed_by: int | None = None  # the thread that shuts the server down


class ChildResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a child left: `exit_code` is None where we ended it ourselves."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    truncated: bool
    timed_out: bool


def never() -> bool:
    """Answer that nobody cancelled."""
    return False


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the few variables that children may see, and `extra`; no key, token or `GIT_*` is among them."""
    kept = {name: value for name, value in os.environ.items() if name.upper() in _PASSED_ON or name.startswith("LC_")}
    if "PATH" in kept:
        kept["PATH"] = os.pathsep.join(_search_path())
    return kept | dict(extra or {})


def find_program(name: str) -> str | None:
    """Return the path of a program on PATH, whose relative entries are skipped: they may be the project."""
    suffixes = [".exe", ".cmd"] if WINDOWS else [""]
    for folder in _search_path():
        for suffix in suffixes:
            path = os.path.join(folder, name + suffix)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return None


def run(
    argv: Sequence[str],
    *,
    cwd: str | None,
    deadline_s: float,
    max_bytes: int,
    cancelled: Callable[[], bool] = never,
    env: Mapping[str, str] | None = None,
    on_data: Callable[[bytes], bool] | None = None,
    pass_fds: Sequence[int] = (),
) -> ChildResult:
    """Run a program to its end, its deadline (seconds) or its cap (bytes of stdout), whichever comes first.

    With `on_data` each piece of stdout goes there and is not kept; answering False stops the child.
    Raises CancelledCallError when `cancelled()` turns true or the server shuts down, ToolError when the
    program cannot be started.
    """
    ends_at = time.monotonic() + deadline_s
    child = _start(argv, cwd, child_environment() if env is None else env, pass_fds)
    _limit(child, deadline_s)
    kept = {"stdout": bytearray(), "stderr": bytearray()}
    received, truncated, timed_out, finished = 0, False, False, False
    chunks = _chunks(child)
    try:
        for name, data in chunks:
            if name == "stderr":
                kept[name] += data[: STDERR_MAX - len(kept[name])]
            elif name == "stdout":
                truncated = received + len(data) > max_bytes
                piece = data[: max_bytes - received]
                received += len(piece)
                if on_data is None:
                    kept[name] += piece
                elif piece and not on_data(piece):
                    truncated = True
            if _is_refused() or cancelled():
                raise CancelledCallError(f"The call was cancelled while {_name(argv)} ran.")
            timed_out = time.monotonic() >= ends_at
            if truncated or timed_out:
                break
        else:
            finished = True
    finally:
        chunks.close()
        kill(child)
        code = reap(child)
    if _is_refused():
        raise CancelledCallError(f"The server shut down while {_name(argv)} ran.")
    return ChildResult(
        exit_code=code if finished else None,
        stdout=bytes(kept["stdout"]),
        stderr=bytes(kept["stderr"]),
        truncated=truncated,
        timed_out=timed_out,
    )


def converse(
    argv: Sequence[str], *, cwd: str, env: Mapping[str, str] | None = None, memory: int = MEMORY_MAX
) -> "subprocess.Popen[bytes]":
    """Start a program that is spoken with over its standard input and output, until `kill` and `reap` end it.

    `memory` is how many bytes it may take for its own data (Linux only). Raises as `run` does.
    """
    child = _start(argv, cwd, child_environment(env), (), is_spoken_with=True)
    _limit(child, None, memory)
    return child


def kill(child: "subprocess.Popen[bytes]") -> None:
    """Kill a child and all of its group, unless that was done before."""
    with _lock:
        if child in _running:
            _kill_group(child)
            _running.discard(child)


def kill_all() -> None:
    """End every child at once, from any thread, and let no other thread start one: the server is shutting down.

    The caller's own thread may: it waits for what it starts before the process ends.
    """
    global _closed_by
    with _lock:
        _closed_by = threading.get_ident()
        for child in _running:
            _kill_group(child)
        _running.clear()


def _is_refused() -> bool:
    return _closed_by not in (None, threading.get_ident())


def _limit(child: "subprocess.Popen[bytes]", deadline_s: float | None, memory: int = MEMORY_MAX) -> None:
    """Let the system end a child that eats memory, or that outlives us because we were killed (Linux only)."""
    if sys.platform != "linux":
        return
    import resource

    try:
        resource.prlimit(child.pid, resource.RLIMIT_DATA, (memory, memory))
        if deadline_s is not None:
            seconds = round(deadline_s * (os.cpu_count() or 1)) + 2
            resource.prlimit(child.pid, resource.RLIMIT_CPU, (seconds, seconds))
    except (ProcessLookupError, PermissionError):
        pass  # it has ended already, or the system does not let us


def _search_path() -> list[str]:
    return [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if os.path.isabs(entry)]


def _name(argv: Sequence[str]) -> str:
    return os.path.basename(argv[0])


def _start(
    argv: Sequence[str],
    cwd: str | None,
    env: Mapping[str, str],
    pass_fds: Sequence[int],
    *,
    is_spoken_with: bool = False,
) -> "subprocess.Popen[bytes]":
    import subprocess

    with _lock:  # held while starting, so that kill_all never misses a child that is just being made
        if _is_refused():
            raise CancelledCallError(f"The server is shutting down; {_name(argv)} was not started.")
        try:
            child = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE if is_spoken_with else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if is_spoken_with else subprocess.PIPE,
                bufsize=0,
                close_fds=True,
                pass_fds=pass_fds,
                start_new_session=not WINDOWS,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL or a lone surrogate in an argument
            reason = error.strerror if isinstance(error, OSError) else error
            raise ToolError(f"{_name(argv)} could not be started: {reason}.") from error
        _running.add(child)
    return child


def _chunks(child: "subprocess.Popen[bytes]") -> Generator[tuple[str, bytes], None, None]:
    """Yield ("stdout" | "stderr", data) until the child has ended, and ("", b"") when POLL_S went by."""
    reader = _chunks_by_thread if WINDOWS else _chunks_by_selector
    yield from reader(child)
    pause = 0.0005
    while not _has_ended(child):  # it closed its pipes and goes on
        yield "", b""
        time.sleep(pause)
        pause = min(pause * 2, POLL_S)


def _chunks_by_selector(child: "subprocess.Popen[bytes]") -> Iterator[tuple[str, bytes]]:
    import selectors

    with selectors.DefaultSelector() as selector:
        for name, pipe in (("stdout", child.stdout), ("stderr", child.stderr)):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, name)
        while selector.get_map():
            # A grandchild may hold the pipes open: what is there when the child ends is all.
            last_round = _has_ended(child)
            ready = selector.select(0 if last_round else POLL_S)
            for key, _ in ready:
                data = os.read(key.fd, CHUNK)
                if data:
                    yield key.data, data
                else:
                    selector.unregister(key.fileobj)
            if not ready:
                if last_round:
                    return
                yield "", b""


def _chunks_by_thread(child: "subprocess.Popen[bytes]") -> Iterator[tuple[str, bytes]]:
    """Do the same where pipes cannot be selected on (Windows)."""
    import queue

    pieces: queue.Queue[tuple[str, bytes]] = queue.Queue(maxsize=8)
    stopped = threading.Event()

    def pump(name: str, fd: int) -> None:
        data = b"-"
        while data and not stopped.is_set():
            try:
                data = os.read(fd, CHUNK)
            except OSError:
                data = b""
            while not stopped.is_set():
                try:
                    pieces.put((name, data), timeout=POLL_S)
                    break
                except queue.Full:
                    continue

    open_pipes = 0
    for name, pipe in (("stdout", child.stdout), ("stderr", child.stderr)):
        assert pipe is not None
        threading.Thread(target=pump, args=(name, pipe.fileno()), daemon=True).start()
        open_pipes += 1
    try:
        while open_pipes:
            last_round = _has_ended(child)
            try:
                name, data = pieces.get(timeout=POLL_S)
            except queue.Empty:
                if last_round:
                    return
                yield "", b""
                continue
            if data:
                yield name, data
            else:
                open_pipes -= 1
    finally:
        stopped.set()


def _has_ended(child: "subprocess.Popen[bytes]") -> bool:
    """Tell whether the child has exited; where the platform can, it stays unreaped, its number taken."""
    if child.returncode is not None:
        return True
    if hasattr(os, "waitid"):
        try:
            return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            pass
    return child.poll() is not None


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    if not WINDOWS:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            pass
        return
    import subprocess

    try:
        killer = ["taskkill", "/F", "/T", "/PID", str(child.pid)]
        subprocess.run(killer, stdin=subprocess.DEVNULL, capture_output=True, timeout=2, check=False)
    except (OSError, subprocess.SubprocessError):
        child.kill()


def reap(child: "subprocess.Popen[bytes]") -> int | None:
    """Close what leads to a killed child, from which nobody reads any more; return its exit code."""
    import subprocess

    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None and not WINDOWS:  # on Windows a pump may still read it; it is closed with the object
            pipe.close()
    try:
        return child.wait(timeout=5)
    except subprocess.TimeoutExpired:  # killed, yet stuck in the kernel (a dead network disk)
        return None
