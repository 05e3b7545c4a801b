import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kioku.errors import CancelledCallError, ToolError
from kioku.workspace import children
from kioku.workspace.children import ChildResult, child_environment, find_program, kill_all, never, run
from tests.support import wait_until

# A child that starts a child of its own and tells both numbers; neither ever ends by itself.
FAMILY = """
import os, subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), inner.pid, flush=True)
time.sleep(600)
"""


def python(code: str, *, deadline_s: float = 60, max_bytes: int = 1 << 20) -> ChildResult:
    return run([sys.executable, "-c", code], cwd=None, deadline_s=deadline_s, max_bytes=max_bytes)


def assert_gone(pid: int) -> None:
    """Killed is what counts: an orphan is reaped by init, when it likes."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(handle):
        assert select.select([handle], [], [], 20)[0], f"{pid} still runs"


@pytest.fixture(params=["selector", "thread"])
def both_readers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "thread":
        monkeypatch.setattr(children, "_chunks_by_selector", children._chunks_by_thread)


@pytest.mark.usefixtures("both_readers")
def test_output_and_exit_code_of_a_child_come_back() -> None:
    result = python("import sys; print('out' * 100000); print('err', file=sys.stderr); sys.exit(3)")
    assert result.exit_code == 3
    assert result.stdout == b"out" * 100000 + b"\n"
    assert result.stderr == b"err\n"
    assert not result.truncated
    assert not result.timed_out


@pytest.mark.usefixtures("both_readers")
def test_output_beyond_the_cap_is_dropped_and_the_child_stopped() -> None:
    result = python("while True: print('x' * 1000)", max_bytes=5000)
    assert result.truncated
    assert result.exit_code is None
    assert len(result.stdout) == 5000


@pytest.mark.usefixtures("both_readers")
def test_a_child_and_its_child_are_killed_at_the_deadline() -> None:
    result = python(FAMILY, deadline_s=0.5)
    while not result.stdout:  # a busy machine: it had no time to start
        result = python(FAMILY, deadline_s=5)
    assert result.timed_out
    for pid in result.stdout.split():
        assert_gone(int(pid))


@pytest.mark.usefixtures("both_readers")
def test_a_cancelled_call_kills_the_child_and_its_child() -> None:
    seen: list[bytes] = []

    def keep(data: bytes) -> bool:
        seen.append(data)
        return True

    with pytest.raises(CancelledCallError):
        run(
            [sys.executable, "-c", FAMILY],
            cwd=None,
            deadline_s=60,
            max_bytes=1000,
            cancelled=lambda: b"\n" in b"".join(seen),
            on_data=keep,
        )
    for pid in b"".join(seen).split():
        assert_gone(int(pid))


def test_a_reader_that_has_enough_stops_the_child() -> None:
    result = run(
        [sys.executable, "-c", "while True: print('x')"],
        cwd=None,
        deadline_s=60,
        max_bytes=1 << 30,
        on_data=lambda data: False,
    )
    assert result.truncated
    assert result.stdout == b""


def test_a_reader_that_fails_leaves_no_child() -> None:
    seen: list[int] = []

    def fail(data: bytes) -> bool:
        seen.extend(int(pid) for pid in data.split())
        raise RuntimeError("defect")

    with pytest.raises(RuntimeError, match="defect"):
        run([sys.executable, "-c", FAMILY], cwd=None, deadline_s=60, max_bytes=1000, on_data=fail)
    assert seen
    for pid in seen:
        assert_gone(pid)
    assert not children._running


def test_a_grandchild_that_keeps_the_pipes_does_not_keep_the_call() -> None:
    result = python(
        "import subprocess, sys;"
        "sleeper = [sys.executable, '-c', 'import time; time.sleep(600)'];"
        "p = subprocess.Popen(sleeper, start_new_session=True);"
        "print(p.pid)"
    )
    try:
        assert result.exit_code == 0
        assert not result.timed_out
    finally:
        os.kill(int(result.stdout), signal.SIGKILL)


def test_a_child_that_closes_its_pipes_is_waited_for() -> None:
    result = python("import os, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(7)")
    assert result.exit_code == 7


def test_stdin_of_a_child_is_empty() -> None:
    assert python("import sys; print(repr(sys.stdin.read()))").stdout == b"''\n"


def test_a_child_inherits_no_open_file(tmp_path: Path) -> None:
    with open(tmp_path / "secret", "w") as secret:
        os.set_inheritable(secret.fileno(), True)
        result = python("import os; print(sorted(os.listdir('/proc/self/fd')))")
        assert f"'{secret.fileno()}'" not in result.stdout.decode()


def test_a_flood_of_errors_is_capped() -> None:
    result = python("import sys\nfor _ in range(20000): sys.stderr.write('e' * 100)")
    assert result.exit_code == 0
    assert len(result.stderr) == children.STDERR_MAX


def test_keys_and_git_variables_do_not_reach_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("LC_TIME", "C")
    shown = python("import os; print(dict(os.environ))").stdout.decode()
    assert "sk-secret" not in shown
    assert "GIT_DIR" not in shown
    assert "LC_TIME" in shown
    assert child_environment({"EXTRA": "1"})["EXTRA"] == "1"


def test_programs_in_relative_path_entries_are_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([".", "", os.path.basename(tmp_path)]))
    assert find_program("tool") is None
    assert child_environment()["PATH"] == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("tool") == str(program)


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="nothing-here could not be started"):
        run([str(tmp_path / "nothing-here")], cwd=None, deadline_s=1, max_bytes=1)
    with pytest.raises(ToolError, match="could not be started"):
        run([sys.executable, "a\0b"], cwd=None, deadline_s=1, max_bytes=1)


def test_shutdown_ends_every_child_and_lets_no_other_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_closed", False)  # restored afterwards
    pids: list[int] = []
    outcomes: list[str] = []
    ready = threading.Barrier(4)

    def call() -> None:
        def started(data: bytes) -> bool:
            pids.extend(int(pid) for pid in data.split())
            ready.wait()
            return True

        try:
            run([sys.executable, "-c", FAMILY], cwd=None, deadline_s=600, max_bytes=99, on_data=started)
        except CancelledCallError:
            outcomes.append("cancelled")

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    kill_all()
    for thread in threads:
        thread.join(60)
    assert outcomes == ["cancelled"] * 3
    assert len(pids) == 6
    for pid in pids:
        assert_gone(pid)
    with pytest.raises(CancelledCallError):
        python("print()")


_ENDING_WHILE_IMPORTING = """
import sys, threading
from kioku.cli import serve

begun, go_on, failed = threading.Event(), threading.Event(), []

def trace(frame, event, argument):
    if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.endswith("children.py"):
        begun.set()
        go_on.wait()

def load():
    sys.settrace(trace)
    import kioku.workspace.children

def end():
    try:
        serve._stop_children()
    except BaseException as error:
        failed.append(repr(error))

loading = threading.Thread(target=load)
loading.start()
begun.wait()
ending = threading.Thread(target=end)
ending.start()

def is_waiting():
    frame = sys._current_frames().get(ending.ident)
    while frame is not None and "importlib" not in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None

while ending.is_alive() and not is_waiting():
    pass
go_on.set()
ending.join()
loading.join()
print(failed, sys.modules["kioku.workspace.children"]._closed)
"""


def test_a_server_that_ends_while_a_thread_is_about_to_start_children_waits_until_it_can_stop_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ENDING_WHILE_IMPORTING], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("[] True\n", "")


def test_nobody_cancels_by_default() -> None:
    assert never() is False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a parent limit its child")
def test_a_child_that_eats_memory_is_ended_and_the_caller_goes_on() -> None:
    result = run(
        [sys.executable, "-c", "x = bytearray(3 << 30); print('had it')"], cwd=None, deadline_s=20, max_bytes=100
    )
    assert result.exit_code != 0
    assert b"had it" not in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a parent limit its child")
def test_a_child_whose_parent_was_killed_does_not_run_for_ever(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    spin = f"import os, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\nwhile True: pass"
    call = f"run([sys.executable, '-c', {spin!r}], cwd=None, deadline_s=1, max_bytes=1)"
    script = f"import sys; from kioku.workspace.children import run; {call}"
    parent = subprocess.Popen([sys.executable, "-c", script])
    wait_until(lambda: pid_file.exists() and pid_file.read_text())
    parent.kill()
    parent.wait()
    status = Path(f"/proc/{pid_file.read_text()}/status")
    wait_until(lambda: not status.exists() or "State:\tZ" in status.read_text(), "the end of the child")
