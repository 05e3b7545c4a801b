"""Many processes at once, and processes that are killed: nothing that was acknowledged may be missing."""

import json
import selectors
import subprocess
from collections.abc import Iterator

from scripts.benchmarks import torture
from scripts.benchmarks.figures import INITIALIZE, KIOKU, Figure, workplace

SERVERS, CALLS = 8, 500
STARTERS, STARTS = 16, 20


def together() -> Iterator[Figure]:
    """8 servers x 500 calls at once; and 16 servers starting at once on an empty folder, 20 rounds."""
    import sqlite3

    with workplace() as (project, env):
        (project / "a.txt").write_text("text\n")
        params = {"name": "read_file", "arguments": {"path": "a.txt"}}
        calls = [{"jsonrpc": "2.0", "id": n + 2, "method": "tools/call", "params": params} for n in range(CALLS)]
        script = "".join(json.dumps(message) + "\n" for message in (INITIALIZE, *calls)).encode()
        running = [
            subprocess.Popen([*KIOKU, "serve"], cwd=project, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(SERVERS)
        ]
        outputs = _talk(running, script, CALLS + 1)
        failed = sum(
            b'"isError":true' in line or b'"error"' in line for output in outputs for line in output.splitlines()
        )
        with sqlite3.connect(project / ".context" / "sessions.db") as db:
            (recorded,) = db.execute("SELECT count(*) FROM activities WHERE tool = 'read_file'").fetchone()
        db.close()
    yield Figure(f"{SERVERS} servers x {CALLS} calls: activities missing", SERVERS * CALLS - recorded, "", 0)
    yield Figure(f"{SERVERS} servers x {CALLS} calls: errors", failed, "", 0)
    failures = 0
    for _ in range(STARTS):
        with workplace() as (project, env):
            running = [
                subprocess.Popen([*KIOKU, "serve"], cwd=project, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                for _ in range(STARTERS)
            ]
            _talk(running, (json.dumps(INITIALIZE) + "\n").encode(), 1)
            with sqlite3.connect(project / ".context" / "sessions.db") as db:
                (sessions,) = db.execute("SELECT count(*) FROM sessions").fetchone()
            db.close()
            failures += STARTERS - sessions
    yield Figure(f"{STARTERS} servers starting at once, {STARTS} rounds: failed", failures, "", 0)


def kill() -> Iterator[Figure]:
    """1,000 rounds of `kill -9` with several writers."""
    result = torture.run(rounds=1_000, writers=3)
    yield Figure(
        "kill -9: acknowledged activities lost", result.lost, "", 0, f"of {result.acknowledged}, {result.rounds} rounds"
    )
    yield Figure("kill -9: sessions left open", result.left_open, "", 0)
    yield Figure("kill -9: stores that are not whole", result.damaged, "", 0)


def _talk(running: list[subprocess.Popen[bytes]], script: bytes, lines: int) -> list[bytes]:
    """Send the same script to all processes at once; return what each answered, after its end."""
    outputs = {process.pid: b"" for process in running}
    pending = dict.fromkeys(outputs, script)
    with selectors.DefaultSelector() as selector:
        for process in running:
            assert process.stdin is not None
            assert process.stdout is not None
            selector.register(process.stdin, selectors.EVENT_WRITE, process)
            selector.register(process.stdout, selectors.EVENT_READ, process)
        while selector.get_map():
            for key, mask in selector.select():
                process = key.data
                if mask & selectors.EVENT_WRITE:
                    sent = process.stdin.write(pending[process.pid][:4096])
                    process.stdin.flush()
                    pending[process.pid] = pending[process.pid][sent:]
                    if not pending[process.pid]:
                        selector.unregister(process.stdin)
                else:
                    data = process.stdout.read1(65536)
                    outputs[process.pid] += data
                    if not data or outputs[process.pid].count(b"\n") >= lines:
                        selector.unregister(process.stdout)
    for process in running:
        process.stdin.close()  # type: ignore[union-attr]
        process.wait(30)
        process.stdout.close()  # type: ignore[union-attr]
    return list(outputs.values())
