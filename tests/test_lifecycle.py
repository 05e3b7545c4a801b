"""How a server ends, and how others can tell that it has: every line of the hardening list's first and third part.

Each line of that list was seen to break a program of this kind. The words `alive`, `dead` and `unknown` are the
verdicts of `kioku.sessions.lease`.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.processes import (
    Terminal,
    alive_in,
    command_line,
    has_ended,
    has_open,
    lease_of,
    let_it_tick,
    let_it_wake,
    parent_of,
    server_pid,
    state_of,
    working_in,
)
from tests.support import KIOKU, PATIENCE_S, Clock, Server, kioku, rows, wait_until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks processes up in /proc")

STOPPED = ("completed", "stopped")
OPEN = ("active", None)
END = "SELECT status, end_reason FROM sessions"


def start(project: Path, **options: Any) -> Server:
    """Start a server and make it busy: connected, with one tool call."""
    server = Server(project, **options)
    server.initialize()
    server.call("sessions")
    return server


def request(number: int, method: str, params: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


def opening_lines(calls: int) -> bytes:
    """Return what a client sends that opens a connection and calls a tool so many times, with ids from 1."""
    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    call = {"name": "sessions", "arguments": {}}
    return request(0, "initialize", client) + b"".join(request(id, "tools/call", call) for id in range(1, calls + 1))


def answers_of(output: bytes) -> dict[int, dict[str, Any]]:
    """Read all that a server wrote; every line must be a message."""
    messages = [json.loads(line) for line in output.splitlines()]
    assert all(message["jsonrpc"] == "2.0" for message in messages)
    return {message["id"]: message for message in messages if "id" in message}


def edit(project: Path, statement: str, *parameters: object) -> None:
    """Change rows behind the server's back."""
    db = sqlite3.connect(project / ".context" / "sessions.db", timeout=PATIENCE_S)
    try:
        with db:
            db.execute(statement, parameters)
    finally:
        db.close()


def look(project: Path, **options: Any) -> None:
    """Let another Kioku process look at the project, which sweeps it."""
    result = kioku("sessions", "list", cwd=project, **options)
    assert result.returncode == 0, result.stderr


# --- end of input -----------------------------------------------------------------------------------------------------


def test_end_of_input_before_any_request_ends_the_server(project: Path) -> None:
    with Server(project) as server:
        assert server.end() == 0
        assert server.errors() == ""
    assert rows(project, END) == [STOPPED]


def test_end_of_input_before_initialize_was_answered_ends_the_server_and_answers(project: Path) -> None:
    with Server(project) as server:
        server.send_bytes(opening_lines(0))
        assert server.end() == 0
        assert server.process.stdout is not None
        assert "result" in answers_of(server.process.stdout.read())[0]
        assert server.errors() == ""
    assert rows(project, END) == [STOPPED]


def test_end_of_input_in_the_middle_of_a_message_ends_the_server(project: Path) -> None:
    with Server(project) as server:
        server.send_bytes(opening_lines(0)[:-20])
        assert server.end() == 0
        assert "Traceback" not in server.errors()
    assert rows(project, END) == [STOPPED]


@pytest.mark.parametrize("calls", [1, 8, 200, 2000])
def test_requests_followed_at_once_by_end_of_input_are_all_answered(project: Path, calls: int) -> None:
    with Server(project) as server:
        output, errors = server.process.communicate(opening_lines(calls), timeout=PATIENCE_S)
        assert server.process.returncode == 0
    assert errors == b""
    found = answers_of(output)
    assert sorted(found) == list(range(calls + 1))
    assert all("result" in message for message in found.values())
    assert rows(project, "SELECT status, end_reason, tool_calls FROM sessions") == [(*STOPPED, calls)]


def test_standard_input_may_be_a_regular_file(project: Path, tmp_path: Path) -> None:
    script = tmp_path / "requests"
    script.write_bytes(opening_lines(20).rstrip(b"\n"))  # whoever writes it by hand may leave the last line open
    with script.open("rb") as stream:
        done = subprocess.run([*KIOKU, "serve"], stdin=stream, cwd=project, capture_output=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(answers_of(done.stdout)) == list(range(21))
    assert rows(project, "SELECT status, end_reason, tool_calls FROM sessions") == [(*STOPPED, 20)]


def test_standard_input_that_leads_nowhere_ends_the_server(project: Path) -> None:
    done = subprocess.run([*KIOKU, "serve"], stdin=subprocess.DEVNULL, cwd=project, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert rows(project, END) == [STOPPED]


@contextmanager
def long_search(project: Path) -> Iterator[tuple[Server, int]]:
    """Run a server in the middle of a search that would take minutes; give it and the search's process id."""
    letters = random.Random(1)
    text = "".join("".join(letters.choices("ab", k=2000)) + "dc\n" for _ in range(200))
    (project / "big.txt").write_text(text * 10)
    for number in range(500):
        os.link(project / "big.txt", project / f"big{number}.txt")
    with Server(project) as server:
        server.initialize()
        # Counting 900 letters from every `a` on defeats every short cut of ripgrep's.
        server.send("tools/call", {"name": "grep_codebase", "arguments": {"pattern": "a[ab]{900}[ce]"}})

        def searching() -> set[int]:
            assert server.process.poll() is None, server.errors()
            children = {pid for pid in working_in(project) if parent_of(pid) == server.process.pid}
            return {pid for pid in children if "a[ab]{900}[ce]" in command_line(pid)}  # and no longer a copy of us

        wait_until(searching, "a search")
        (search,) = searching()
        yield server, search


def test_end_of_input_in_the_middle_of_a_long_search_leaves_no_child_behind(project: Path) -> None:
    with long_search(project) as (server, search):
        assert not has_ended(search)
        assert server.end() == 0
        wait_until(lambda: has_ended(search), "the end of the search")
        assert working_in(project) == set()
        assert server.errors() == ""
    assert rows(project, END) == [STOPPED]


def test_a_call_that_the_end_interrupts_is_activity_too(project: Path) -> None:
    with long_search(project) as (server, _):
        assert server.end() == 0
    assert rows(project, "SELECT tool, ok FROM activities WHERE tool IS NOT NULL") == [("grep_codebase", 0)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: signal.Signals(n).name)
def test_a_signal_in_the_middle_of_a_long_search_leaves_no_child_behind(project: Path, number: signal.Signals) -> None:
    with long_search(project) as (server, search):
        server.signal(number)
        assert server.wait() == 0
        wait_until(lambda: has_ended(search), "the end of the search")
        assert server.errors() == ""
    assert rows(project, END) == [STOPPED]


def test_other_requests_are_answered_while_a_long_search_runs(project: Path) -> None:
    with long_search(project) as (server, search):
        assert "structuredContent" in server.call("sessions")
        assert not has_ended(search)


# --- a client that goes without closing anything ----------------------------------------------------------------------

# Starts the server given as its arguments, keeps its input open together with a sibling, and names the sibling.
CLIENT = """
import os, subprocess, sys
read, write = os.pipe()
sibling = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=[write])
server = subprocess.Popen(sys.argv[1:], stdin=read, stdout=subprocess.DEVNULL)
os.close(read)
print(sibling.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def client_with_a_sibling(project: Path, command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """Run a client and give it, the server's process id, and the one of the sibling that holds the server's input."""
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=project
    )
    assert client.stdin is not None
    assert client.stdout is not None
    try:
        sibling = int(client.stdout.readline())
        yield client, server_pid(project), sibling
    finally:
        client.kill()
        client.wait()
        client.stdin.close()  # what the sibling waits for
        client.stdout.close()
        wait_until(lambda: has_ended(sibling), "the sibling's end")


def test_a_killed_client_ends_the_server_though_a_sibling_holds_its_input_open(project: Path) -> None:
    with client_with_a_sibling(project, [*KIOKU, "serve"]) as (client, server, sibling):
        assert parent_of(server) == client.pid
        client.kill()
        wait_until(lambda: has_ended(server), "the server's end")
        assert not has_ended(sibling)
    assert rows(project, END) == [STOPPED]


@pytest.mark.parametrize("launchers", [1, 2])
def test_a_killed_client_ends_the_server_behind_launchers_that_survive(project: Path, launchers: int) -> None:
    launcher = ["sh", "-c", '"$@"; exit $?', "sh"]
    with client_with_a_sibling(project, [*launcher * launchers, *KIOKU, "serve"]) as (client, server, sibling):
        first = parent_of(server)
        assert first is not None
        assert first != client.pid
        client.kill()
        wait_until(lambda: has_ended(server), "the server's end")
        assert not has_ended(sibling)
    assert rows(project, END) == [STOPPED]


# Starts its arguments as a process that was never anything but a child of process 1 (or of what stands in for it).
ORPHANED_FROM_THE_START = """
import os, sys
before = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == before:
    os.sched_yield()
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_client_that_is_process_1_is_no_reason_to_end(project: Path) -> None:
    with Server(project, prefix=[sys.executable, "-c", ORPHANED_FROM_THE_START]) as server:
        server.initialize()
        assert server.process.wait(PATIENCE_S) == 0  # that was the one in between
        pid = server_pid(project)
        assert parent_of(pid) != os.getpid()
        for _ in range(2):
            let_it_tick(project)
            assert not server.call("sessions").get("isError")
        server.close_stdin()
        wait_until(lambda: has_ended(pid), "the server's end")
    assert rows(project, END) == [STOPPED]


@pytest.fixture
def namespace() -> list[str]:
    """Return the beginning of a command that runs in a process id namespace of its own, as containers do."""
    prefix = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a process id namespace")
    return prefix


def test_a_server_in_a_container_whose_client_is_process_1_lives_until_its_input_ends(
    project: Path, namespace: list[str]
) -> None:
    client = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    with Server(project, prefix=[*namespace, sys.executable, "-c", client]) as server:
        server.initialize()
        assert server_pid(project) == 2
        let_it_tick(project)
        assert not server.call("sessions").get("isError")
        assert server.end() == 0
    assert rows(project, END) == [STOPPED]


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: signal.Signals(n).name)
def test_one_signal_is_enough(project: Path, number: signal.Signals) -> None:
    with start(project) as server:
        server.signal(number)
        assert server.wait() == 0
        assert server.errors() == ""
    assert rows(project, END) == [STOPPED]


def test_a_signal_before_initialize_ends_the_server(project: Path) -> None:
    with Server(project) as server:
        server_pid(project)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert server.errors() == ""
    assert rows(project, END) == [STOPPED]


def test_interrupting_works_also_where_the_shell_ignored_it_for_a_background_job(project: Path) -> None:
    ignoring = [
        sys.executable,
        "-c",
        "import os, signal, sys; signal.signal(2, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])",
    ]
    with start(project, prefix=ignoring) as server:
        server.signal(signal.SIGINT)
        assert server.wait() == 0
    assert rows(project, END) == [STOPPED]


def test_ctrl_c_at_a_terminal_ends_the_server_once(project: Path) -> None:
    with Terminal("serve", cwd=project) as terminal:
        terminal.read_until("Ctrl+C ends it")
        terminal.type("\x03\x03\x03")
        assert terminal.wait() == 0
        assert "Traceback" not in terminal.shown
    assert rows(project, END) == [STOPPED]
    assert rows(project, "SELECT count(*) FROM activities WHERE kind = 'server_stop'") == [(1,)]


def test_ctrl_d_at_a_terminal_ends_the_server(project: Path) -> None:
    with Terminal("serve", cwd=project) as terminal:
        terminal.read_until("Ctrl+C ends it")
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert rows(project, END) == [STOPPED]


def test_closing_the_terminals_window_ends_the_server(project: Path) -> None:
    with Terminal("serve", cwd=project) as terminal:
        terminal.read_until("Ctrl+C ends it")
        terminal.hang_up()
        assert terminal.process.wait(PATIENCE_S) == 0
    assert rows(project, END) == [STOPPED]


def test_nohup_is_respected(project: Path) -> None:
    with start(project, prefix=["nohup"]) as server:
        server.signal(signal.SIGHUP)
        let_it_tick(project)
        assert not server.call("sessions").get("isError")
        assert rows(project, END) == [OPEN]
        assert server.end() == 0
    assert rows(project, END) == [STOPPED]


@pytest.mark.parametrize("first", ["signal", "input"])
def test_a_signal_and_the_end_of_input_together_are_one_end(project: Path, first: str) -> None:
    with start(project) as server:
        if first == "signal":
            server.signal(signal.SIGTERM)
            server.close_stdin()
        else:
            server.close_stdin()
            server.signal(signal.SIGTERM)
        server.signal(signal.SIGINT)
        assert server.wait() == 0
        assert server.errors() == ""
    assert rows(project, END) == [STOPPED]
    assert rows(project, "SELECT count(*) FROM activities WHERE kind = 'server_stop'") == [(1,)]


def test_the_end_does_not_wait_for_a_database_that_somebody_else_holds(project: Path) -> None:
    with start(project) as server:
        holder = sqlite3.connect(project / ".context" / "sessions.db", isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
            assert "Traceback" not in server.errors()
        finally:
            holder.close()
    look(project)
    ((status,),) = rows(project, "SELECT status FROM sessions")
    assert status == "completed"


# --- output -----------------------------------------------------------------------------------------------------------


def test_a_client_that_does_not_read_loses_no_activity_and_can_end_the_session(project: Path) -> None:
    (project / "page.txt").write_text("all work and no play\n" * 400)
    with Server(project) as server:
        server.initialize()
        for _ in range(150):
            server.send("tools/call", {"name": "read_file", "arguments": {"path": "page.txt"}})
        wait_until(lambda: rows(project, "SELECT tool_calls FROM sessions") == [(150,)], "150 recorded calls")
        assert server.end() == 0
    assert rows(project, END) == [STOPPED]


@pytest.mark.parametrize("end", ["signal", "input"])
def test_a_client_that_leaves_more_unread_than_anybody_would_keep_can_end_the_session(project: Path, end: str) -> None:
    (project / "page.txt").write_text("all work and no play\n" * 4000)
    with Server(project) as server:
        server.initialize()
        for _ in range(400):
            server.send("tools/call", {"name": "read_file", "arguments": {"path": "page.txt"}})
        wait_until(lambda: rows(project, "SELECT tool_calls > 20 FROM sessions") == [(1,)], "recorded calls")
        if end == "signal":
            server.signal(signal.SIGTERM)
        else:
            server.close_stdin()
        assert server.wait() == 0
    assert rows(project, END) == [STOPPED]


def test_a_client_that_closes_its_end_of_the_output_ends_the_session(project: Path) -> None:
    with start(project) as server:
        assert server.process.stdout is not None
        server.process.stdout.close()
        server.send("ping")
        assert server.wait() == 0
        assert server.errors() == ""
    assert rows(project, END) == [STOPPED]


def test_nobody_listening_to_standard_error_is_no_reason_to_fail(project: Path) -> None:
    with start(project) as server:
        assert server.process.stderr is not None
        server.process.stderr.close()
        (project / ".context" / "sessions.db").rename(project / "elsewhere")  # which the server would like to tell
        server.call("sessions")
        assert not server.call("sessions").get("isError")
        assert server.end() == 0
    assert rows(project, END) == [STOPPED]


def test_standard_output_carries_messages_only(project: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    (project / "a.py").write_text("import os\n")
    with Server(project) as server:
        lines = [opening_lines(1), b"not json\n", b"[]\n", b"42\n", b'{"jsonrpc":"2.0"}\n', b"\xff\xfe\n", b"\n"]
        calls: list[tuple[str, dict[str, Any]]] = [
            ("read_file", {"path": "a.py"}), ("read_file", {"path": "../a.py"}), ("grep_codebase", {"pattern": "("}),
            ("grep_codebase", {"pattern": "import"}), ("git_log", {}), ("git_blame", {"path": "a.py"}),
            ("git_diff", {}), ("git_diff", {"ref": "--output=x"}), ("nothing", {}), ("sessions", {"action": "show"}),
        ]  # fmt: skip
        lines += [request(10 + n, "tools/call", {"name": name, "arguments": a}) for n, (name, a) in enumerate(calls)]
        lines += [request(90, "resources/read", {"uri": "context://nothing"}), request(91, "no/such", {})]
        output, errors = server.process.communicate(b"".join(lines), timeout=PATIENCE_S)
    found = answers_of(output)
    assert {0, 1, 90, 91, *range(10, 10 + len(calls))} <= set(found)
    assert errors == b""


def test_children_get_no_input_of_ours(project: Path) -> None:
    with long_search(project) as (_, search):
        assert os.readlink(f"/proc/{search}/fd/0") == "/dev/null"


def test_a_quiet_server_stays_up_for_days(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env) as server:
        for _ in range(3):
            clock.shift(24 * 60)
            let_it_tick(project)
        assert rows(project, END) == [("completed", "idle")]
        assert not server.call("sessions").get("isError")
        assert rows(project, END + " ORDER BY started_at") == [("completed", "idle"), OPEN]


# --- the owner of a session -------------------------------------------------------------------------------------------


def killed(project: Path) -> None:
    """Leave a session behind whose server was killed by force."""
    with start(project) as server:
        server.kill()
    assert rows(project, END) == [OPEN]


def assert_orphaned(project: Path) -> None:
    """Check that the only session was closed at its last activity since its owner is dead."""
    assert rows(project, f"{END[:-13]}, ended_at - last_activity_at FROM sessions") == [("completed", "orphaned", 0)]


def test_a_killed_servers_session_is_closed_by_the_next_process_that_looks(project: Path) -> None:
    killed(project)
    look(project)
    assert_orphaned(project)


def test_a_killed_servers_session_is_closed_by_the_next_server(project: Path) -> None:
    killed(project)
    with Server(project):
        wait_until(lambda: len(rows(project, END)) == 2, "the next session")
        assert rows(project, END + " ORDER BY created_at") == [("completed", "orphaned"), OPEN]


def test_whoever_only_reads_is_told_of_the_death_too(project: Path) -> None:
    killed(project)
    shown = kioku("cleanup-sessions", "--dry-run", cwd=project).stdout
    assert "its server died" in shown
    assert rows(project, END) == [OPEN]


def test_a_recycled_process_id_does_not_keep_a_session_open(project: Path) -> None:
    killed(project)
    edit(project, "UPDATE owners SET pid = ?", os.getpid())
    look(project)
    assert_orphaned(project)


def test_a_zombie_does_not_keep_a_session_open(project: Path) -> None:
    with start(project) as server:
        server.signal(signal.SIGKILL)
        wait_until(lambda: state_of(server.process.pid) == "Z", "a zombie")
        look(project)
        assert_orphaned(project)


def test_after_a_restart_of_the_machine_open_sessions_are_closed(project: Path) -> None:
    killed(project)
    edit(project, "UPDATE owners SET boot_id = 'a former one', start_token = '1', pid = 1")
    look(project)
    assert_orphaned(project)


def test_a_living_owner_is_alive_whatever_its_row_says_of_its_process(project: Path) -> None:
    with start(project) as server:
        edit(project, "UPDATE owners SET pid = 4194303, start_token = '1', boot_id = 'x', pid_namespace = 'y'")
        look(project)
        assert rows(project, END) == [OPEN]
        server.kill()
        look(project)
        assert_orphaned(project)


def test_a_server_that_was_stopped_for_an_hour_is_idle_and_never_orphaned(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env) as server:
        server.signal(signal.SIGSTOP)
        wait_until(lambda: state_of(server.process.pid) == "T", "a stopped server")
        clock.shift(20)
        look(project, env=clock.env)
        assert rows(project, END) == [OPEN]
        clock.shift(40)
        look(project, env=clock.env)
        assert rows(project, END) == [("completed", "idle")]
        server.signal(signal.SIGCONT)
        assert not server.call("sessions").get("isError")
        assert rows(project, END + " ORDER BY started_at") == [("completed", "idle"), OPEN]
        assert server.end() == 0


def test_two_containers_with_the_same_process_id_are_told_apart_by_their_locks(
    project: Path, namespace: list[str]
) -> None:
    inside = [*namespace, "sh", "-c", '"$@"; exit $?', "sh"]
    with Server(project, prefix=inside) as first, Server(project, prefix=inside) as second:
        for server in (first, second):
            server.initialize()
        ended, going_on = (server.call("sessions")["structuredContent"]["id"] for server in (first, second))
        state = "SELECT status, end_reason FROM sessions WHERE id = ?"
        assert rows(project, "SELECT pid FROM owners") == [(2,), (2,)]
        assert len(rows(project, "SELECT DISTINCT pid_namespace FROM owners")) == 2
        look(project)
        assert rows(project, END) == [OPEN, OPEN]
        inner = alive_in(first.process.pid)
        first.kill()
        # The kernel ends what is in the container a moment after its first process.
        wait_until(lambda: has_ended(inner), "the end of the first")
        look(project)
        assert rows(project, state, ended) == [("completed", "orphaned")]
        assert rows(project, state, going_on) == [OPEN]
        assert second.end() == 0
    assert rows(project, state, going_on) == [STOPPED]


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Stop a server, so that nothing of what it would mend is mended meanwhile."""
    server.signal(signal.SIGSTOP)
    wait_until(lambda: state_of(server.process.pid) == "T", "a stopped server")
    yield
    server.signal(signal.SIGCONT)


def test_a_deleted_lease_never_makes_a_living_owner_an_orphan(project: Path) -> None:
    with start(project) as server:
        lease = lease_of(project)
        with stopped(server):
            lease.unlink()
            look(project)
            assert rows(project, END) == [OPEN]
        wait_until(lease.exists, "the lease made anew")
        look(project)
        assert rows(project, END) == [OPEN]
        server.kill()
        look(project)
        assert_orphaned(project)


@pytest.mark.parametrize("content", ["", "nonsense", "its own"])
def test_a_lease_that_somebody_replaced_never_makes_a_living_owner_an_orphan(project: Path, content: str) -> None:
    with start(project) as server:
        lease = lease_of(project)
        made = lease.stat().st_ino
        with stopped(server):
            copy = lease.with_suffix(".copy")
            copy.write_bytes(lease.read_bytes() if content == "its own" else content.encode())
            copied = copy.stat().st_ino
            copy.replace(lease)
            look(project)
            assert rows(project, END) == [OPEN]
        wait_until(lambda: lease.stat().st_ino not in (made, copied), "the lease made anew")
        look(project)
        assert rows(project, END) == [OPEN]
        server.kill()
        look(project)
        assert_orphaned(project)


def test_a_missing_lease_leaves_a_dead_owners_session_to_the_silence(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env) as server:
        server.kill()
    lease_of(project).unlink()
    look(project, env=clock.env)
    assert rows(project, END) == [OPEN]
    clock.shift(31)
    look(project, env=clock.env)
    assert rows(project, END) == [("completed", "idle")]


def test_git_clean_under_a_living_server_costs_no_later_activity_and_orphans_nothing(project: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    with start(project) as server:
        subprocess.run(["git", "clean", "-qfdX"], cwd=project, check=True)
        assert not server.call("sessions").get("isError")
        assert rows(project, END) == [OPEN]
        wait_until(lambda: list((project / ".context" / "run").glob("*.lease")), "the lease made anew")
        look(project)
        assert rows(project, END) == [OPEN]
        status = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True)
        assert status.stdout == ""
        assert server.end() == 0
    assert rows(project, END) == [STOPPED]


def test_what_git_clean_took_away_comes_back_readable_by_nobody_else(project: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    with start(project):
        subprocess.run(["git", "clean", "-qfdX"], cwd=project, check=True)
        wait_until(lambda: list((project / ".context" / "run").glob("*.lease")), "the lease made anew")
        assert (project / ".context").stat().st_mode & 0o077 == 0


def test_a_project_folder_that_was_moved_away_is_not_made_again(project: Path, tmp_path: Path) -> None:
    with start(project) as server:
        moved = project.rename(tmp_path / "elsewhere")
        let_it_wake(server.process.pid)
        assert server.process.poll() is None
        assert not project.exists()
        assert server.end() == 0
        assert server.errors().count("lease") <= 1
    look(moved)
    ((status,),) = rows(moved, "SELECT status FROM sessions")
    assert status == "completed"


def test_a_lease_that_a_child_inherited_waits_for_the_silence(project: Path, clock: Clock) -> None:
    program = (
        "import os, sys, time\n"
        "from kioku import project, settings\n"
        "from kioku.sessions.recorder import Recorder\n"
        "settings.load(None)\n"
        "recorder = Recorder(project.find(None, [], os.getcwd()), 30 * 60_000, print)\n"
        "recorder.start()\n"
        "if os.fork() == 0:\n"
        "    sys.stdin.read()\n"
        "    os._exit(0)\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program], cwd=project, env={**os.environ, **clock.env},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert owner.stdin is not None
    assert owner.stdout is not None
    try:
        assert owner.stdout.readline() == b"ready\n"
        (child,) = working_in(project) - {owner.pid}
        owner.kill()
        owner.wait()
        look(project, env=clock.env)
        assert rows(project, END) == [OPEN]
        clock.shift(31)
        look(project, env=clock.env)
        assert rows(project, END) == [("completed", "idle")]
        assert not has_ended(child)
    finally:
        owner.kill()
        owner.wait()
        owner.stdin.close()
        owner.stdout.close()
    wait_until(lambda: has_ended(child), "the child's end")


def test_children_do_not_inherit_the_lease(project: Path) -> None:
    with long_search(project) as (server, search):
        lease = str(lease_of(project))
        held = [os.readlink(entry) for entry in Path(f"/proc/{search}/fd").iterdir()]
        assert lease not in held
        assert lease in [os.readlink(entry) for entry in Path(f"/proc/{server.process.pid}/fd").iterdir()]


def test_many_sweepers_at_once_close_a_session_once(project: Path) -> None:
    with start(project) as one, start(project) as other:
        one.kill()
        other.kill()
    holder = sqlite3.connect(project / ".context" / "sessions.db", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")  # so that all have looked before the first can write
        command = [*KIOKU, "sessions", "list"]
        with ExitStack() as stack:
            sweepers = [
                stack.enter_context(
                    subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                )
                for _ in range(4)
            ]
            for sweeper in sweepers:
                wait_until(partial(has_open, sweeper.pid, "/sessions.db-wal"), "an opened store")
                let_it_wake(sweeper.pid)
            holder.execute("ROLLBACK")
            for sweeper in sweepers:
                _, errors = sweeper.communicate(timeout=PATIENCE_S)
                assert (sweeper.returncode, errors) == (0, b"")
    finally:
        holder.close()
    assert rows(project, END) == [("completed", "orphaned")] * 2
    assert rows(project, "SELECT count(*) FROM activities WHERE kind = 'owner_lost'") == [(2,)]


def test_a_session_from_another_host_or_a_cloned_machine_waits_for_the_silence(project: Path, clock: Clock) -> None:
    with start(project, env=clock.env) as server:
        server.kill()
    # What comes along with a copy of the folder: rows that name an owner, without a lock that says anything of it.
    edit(project, "UPDATE owners SET boot_id = 'of another machine', pid_namespace = 'pid:[1]'")
    lease = lease_of(project)
    copy = lease.with_suffix(".copy")
    copy.write_bytes(lease.read_bytes())
    copy.replace(lease)
    look(project, env=clock.env)
    assert rows(project, END) == [OPEN]
    clock.shift(31)
    look(project, env=clock.env)
    assert rows(project, END) == [("completed", "idle")]


def test_what_is_still_at_work_after_the_end_begins_no_new_session(project: Path) -> None:
    program = (
        "import os\n"
        "from kioku import project\n"
        "from kioku.errors import KiokuError\n"
        "from kioku.models import TOOL_CALL\n"
        "from kioku.sessions.recorder import Recorder\n"
        "recorder = Recorder(project.find(None, [], os.getcwd()), 30 * 60_000, print)\n"
        "recorder.start()\n"
        "recorder.stop()\n"
        "try: recorder.record(TOOL_CALL, took=0, tool='late')\n"
        "except KiokuError: print('refused')\n"
        "recorder.tick()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("refused\n", "", 0)
    assert rows(project, END) == [STOPPED]
    assert list((project / ".context" / "run").glob("*.lease")) == []
