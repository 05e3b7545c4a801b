"""Many processes on one store: nothing acknowledged is lost, nobody is told that it is locked."""

import json
import selectors
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from scripts.benchmarks import torture

from kioku import times
from kioku.project import Project
from kioku.sessions import sweep
from kioku.sessions.sweep import active
from kioku.store.opening import open_store
from tests.store.places import T0, add, ask, beside, filled, is_whole, outputs, place, start
from tests.support import KIOKU, PATIENCE_S

INITIALIZE = {
    "jsonrpc": "2.0", "id": 0, "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "many", "version": "1"}},
}  # fmt: skip


def serve(project: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*KIOKU, "serve", "--project", str(project)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=project,
    )  # fmt: skip


def converse(running: Sequence["subprocess.Popen[bytes]"], script: bytes) -> list[tuple[bytes, bytes]]:
    """Send one script to all servers at once, without waiting for answers; return what each wrote until its end."""
    found = {id(process): (bytearray(), bytearray()) for process in running}
    left = {id(process): memoryview(script) for process in running}
    with selectors.DefaultSelector() as selector:
        for server in running:
            for pipe, events in (
                (server.stdin, selectors.EVENT_WRITE),
                (server.stdout, selectors.EVENT_READ),
                (server.stderr, selectors.EVENT_READ),
            ):
                assert pipe is not None
                selector.register(pipe, events, server)
        while selector.get_map():
            ready = selector.select(PATIENCE_S)
            assert ready, "the servers stopped answering"
            for key, _ in ready:
                process: Any = key.data
                stream: Any = key.fileobj
                if stream is process.stdin:
                    sent = stream.write(left[id(process)][:8192])
                    stream.flush()
                    left[id(process)] = left[id(process)][sent:]
                    if not left[id(process)]:
                        selector.unregister(stream)
                        stream.close()
                else:
                    data = stream.read1(65536)
                    found[id(process)][stream is process.stderr].extend(data)
                    if not data:
                        selector.unregister(stream)
    for server in running:
        assert server.wait(PATIENCE_S) == 0
        for pipe in (server.stdout, server.stderr):
            assert pipe is not None
            pipe.close()
    return [(bytes(output), bytes(errors)) for output, errors in found.values()]


def pipelined(calls: int) -> bytes:
    messages = [INITIALIZE] + [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call",
         "params": {"name": "read_file", "arguments": {"path": "a.txt"}}}
        for number in range(1, calls + 1)
    ]  # fmt: skip
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def start_at_once(project: Path, servers: int) -> None:
    """Start that many servers on a folder at the same time and see that each recorded its session."""
    answers = converse([serve(project) for _ in range(servers)], pipelined(0))
    for output, errors in answers:
        assert b'"result"' in output
        assert errors == b""
    path = project / ".context" / "sessions.db"
    assert ask(path, "SELECT count(*), count(DISTINCT owner) FROM sessions") == [(servers, servers)]
    assert ask(path, "SELECT status, end_reason, count(*) FROM sessions GROUP BY 1, 2") == [
        ("completed", "stopped", servers)
    ]
    assert [entry.name for entry in path.parent.glob("*.corrupt-*")] == []


def test_eight_servers_with_five_hundred_calls_each_record_all_of_them(project: Path) -> None:
    (project / "a.txt").write_text("text\n")
    answers = converse([serve(project) for _ in range(8)], pipelined(500))
    for output, errors in answers:
        lines = [json.loads(line) for line in output.splitlines()]
        assert sorted(line["id"] for line in lines if "id" in line) == list(range(501))
        assert not any("error" in line or line.get("result", {}).get("isError") for line in lines)
        assert errors == b""
    path = project / ".context" / "sessions.db"
    assert ask(path, "SELECT count(*) FROM activities WHERE tool = 'read_file' AND ok") == [(4_000,)]
    assert ask(path, "SELECT tool_calls, status, end_reason FROM sessions") == [(500, "completed", "stopped")] * 8
    assert is_whole(path)


@pytest.mark.parametrize("turn", range(5))
def test_sixteen_servers_that_start_at_once_on_an_empty_folder_all_record(project: Path, turn: int) -> None:
    start_at_once(project, 16)


def test_nothing_acknowledged_is_lost_when_all_writers_are_killed_again_and_again() -> None:
    result = torture.run(rounds=50, writers=3)
    assert result.acknowledged > 50
    assert result[2:] == (0, 0, 0), result


def test_two_sweepers_at_once_close_each_session_once(project: Path) -> None:
    path = place(project)
    store = open_store(str(path))
    for number in range(200):
        add(store, 1, stream=str(number))
    store.close()
    script = """
    import sys
    from kioku.sessions import sweep
    from kioku.store.opening import open_store
    store = open_store(sys.argv[1])
    sys.stdin.readline()
    print(sweep.sweep(store, sys.argv[2], int(sys.argv[3])))
    """
    running = [start(script, path, path.parent / "run", T0 + 10**8) for _ in range(3)]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sum(map(int, outputs(running))) == 200
    assert ask(path, "SELECT DISTINCT status, end_reason FROM sessions") == [("completed", "idle")]


def test_several_who_find_a_damaged_store_at_once_set_it_aside_once_and_share_the_new_one(project: Path) -> None:
    path = place(project)
    filled(path)
    script = """
    import sys
    from kioku.store.opening import open_store
    from tests.store.places import add
    from pathlib import Path
    sys.stdin.readline()
    store = open_store(sys.argv[1])
    add(store, 3, stream=sys.argv[2])
    print(store.id, sum("was kept as" in note for note in store.notes))
    """
    root = Path(__file__).parents[2]
    for turn in range(4):
        path.write_text("rubbish" * 2_000)
        for side in path.parent.glob("sessions.db-*"):
            side.unlink()
        running = [start(script, path, number, env={"PYTHONPATH": str(root)}) for number in range(6)]
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [output.split() for output in outputs(running)]
        assert Counter(notes for _, notes in said) == {"0": 5, "1": 1}
        assert len({store_id for store_id, _ in said}) == 1
        assert len(beside(path, "corrupt")) == turn + 1
        assert ask(path, "SELECT count(*) FROM reports") == [(18,)]


def test_a_session_whose_owner_was_killed_is_closed_by_the_next_process_and_a_live_one_is_not(project: Path) -> None:
    path = place(project)
    where = Project(str(project), str(project))
    script = """
    import sys
    from kioku.models import TOOL_CALL
    from kioku.project import Project
    from kioku.sessions.recorder import Recorder
    recorder = Recorder(Project(sys.argv[1], sys.argv[1]), 1_800_000, print)
    recorder.start()
    recorder.record(TOOL_CALL, took=0, tool="t")
    print("ready", flush=True)
    sys.stdin.readline()
    """
    killed, alive = start(script, project), start(script, project)
    for process in (killed, alive):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    killed.kill()
    killed.communicate()
    store = open_store(str(path))
    try:
        assert sweep.sweep(store, where.run_dir, times.now_ms()) == 1
        (left,) = store.read(active)
        assert left.owner is not None
    finally:
        store.close()
    assert sorted(ask(path, "SELECT status, end_reason FROM sessions"), key=str) == [
        ("active", None),
        ("completed", "orphaned"),
    ]
    alive.kill()
    alive.communicate()
