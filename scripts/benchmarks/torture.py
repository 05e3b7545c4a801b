"""`kill -9` at any moment, with several writers: what was acknowledged must be there afterwards.

Each writer is a process with a Recorder of its own. It appends a number to its own log after `Recorder.record` has
returned, never before; the number is the length of the call in the activity. Everything here uses the real parts.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from kioku import project, times
from kioku.project import Project
from kioku.sessions import sweep
from kioku.store.opening import open_store

_WRITER = """
import os, sys
from kioku.models import TOOL_CALL
from kioku.project import Project
from kioku.sessions.recorder import Recorder

root, log, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
recorder = Recorder(Project(root, root), 1_800_000, lambda text: print(text, file=sys.stderr, flush=True))
recorder.start()
acknowledged = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
number = first
while True:
    recorder.record(TOOL_CALL, took=0, tool="torture", detail=str(number), path=f"file-{number % 50}.py")
    os.write(acknowledged, b"%d\\n" % number)
    number += 1
"""
_PER_PROCESS = 10_000_000


class Result(NamedTuple):
    """What was found after all rounds."""

    rounds: int
    acknowledged: int
    lost: int
    left_open: int
    damaged: int


def run(rounds: int, writers: int, *, seed: int | None = None) -> Result:
    """Kill all writers of each round at a random moment; look at the store after every round.

    One store lives through all the rounds, so a killed writer's mess is the next ones' start.
    """
    chance = random.Random(seed)
    acknowledged = lost = left_open = damaged = number = 0
    with tempfile.TemporaryDirectory(prefix="kioku-torture-") as name:
        folder = Path(name)
        root = folder / "project"
        root.mkdir()
        where = Project(str(root), str(root))
        project.prepare(where)
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}
        for _ in range(rounds):
            logs, running = [], []
            for _ in range(writers):
                log = folder / f"{number}.log"
                log.touch()
                arguments = [sys.executable, "-c", _WRITER, str(root), str(log), str(number * _PER_PROCESS)]
                running.append(subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE))
                logs.append(log)
                number += 1
            _wait_for_one(logs, running, chance)
            for process in chance.sample(running, len(running)):
                process.send_signal(signal.SIGKILL)
            complaints = b"".join(process.communicate()[1] for process in running)
            if complaints:
                raise RuntimeError(complaints.decode())
            told = {int(line) for log in logs for line in log.read_bytes().split(b"\n")[:-1]}
            whole, missing, still_open = _look(where, told)
            acknowledged += len(told)
            lost += missing
            left_open += still_open
            damaged += not whole
            for log in logs:
                log.unlink()
    return Result(rounds, acknowledged, lost, left_open, damaged)


def _wait_for_one(logs: list[Path], running: list["subprocess.Popen[bytes]"], chance: random.Random) -> None:
    """Wait until somebody writes (in some rounds: until somebody starts), then for a random moment."""
    while chance.random() < 0.999 and not any(log.stat().st_size for log in logs):
        if any(process.poll() is not None for process in running):
            return
        time.sleep(0.001)
    time.sleep(chance.random() * 0.15)


def _look(where: Project, told: set[int]) -> tuple[bool, int, int]:
    """Return whether the store is whole, how many of the activities it lacks, and how many sessions a sweep leaves."""
    store = open_store(where.store_path)
    try:
        sweep.sweep(store, where.run_dir, times.now_ms())
        left_open = len(store.read(sweep.active))
        kept = not store.notes
    finally:
        store.close()
    db = sqlite3.connect(where.store_path)
    try:
        whole = kept and db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        low, high = min(told, default=0), max(told, default=0)
        query = "SELECT CAST(detail AS INTEGER) FROM activities WHERE tool = 'torture'"
        found = {row[0] for row in db.execute(query) if low <= row[0] <= high}
    finally:
        db.close()
    return whole, len(told - found), left_open
