"""What recording costs: time, bytes written and memory, at the 100th and at the 5,000th distinct file."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from scripts.benchmarks.figures import INITIALIZE, KIOKU, Client, Figure, milliseconds, workplace

FILES = 5_000
WINDOW = 100


def read_file() -> Iterator[Figure]:
    """Read 5,000 distinct small files through the server."""
    with workplace() as (project, env):
        for number in range(FILES):
            folder = project / f"package_{number // 100}"
            folder.mkdir(exist_ok=True)
            (folder / f"module_{number}.py").write_text(f"VALUE = {number}\n" * 20)
        client = Client([*KIOKU, "serve"], project, env)
        client.exchange(INITIALIZE)
        took: list[float] = []
        written = [_written(client)]
        for number in range(FILES):
            began = time.perf_counter()
            answer = client.call("read_file", path=f"package_{number // 100}/module_{number}.py")
            took.append(time.perf_counter() - began)
            assert not answer["result"]["isError"], answer
            if (number + 1) % 1000 == 0:
                written.append(_written(client))
        memory = _memory(client)
        client.end()
    early, late = milliseconds(took[50 : 50 + WINDOW]), milliseconds(took[-WINDOW:])
    yield Figure("read_file p50, all 5,000 files", milliseconds(took), "ms", 2)
    yield Figure("read_file at the 5,000th distinct file / at the 100th", late / early, "x", 1.3)
    per_access = [(b - a) / 1000 / 1000 for a, b in pairwise(written)]
    remark = "by thousand: " + ", ".join(f"{value:.1f}" for value in per_access)
    yield Figure(
        "written for each access, checkpoints included", (written[-1] - written[0]) / FILES / 1000, "kB", 32, remark
    )
    yield Figure("written for each access: last thousand / second thousand", per_access[-1] / per_access[1], "x", 1.1)
    yield Figure("resident memory after 5,000 files", memory / 1e6, "MB", 45)


def _written(client: Client) -> int:
    """Return the bytes that the process has caused to be sent to the disk (proc(5), write_bytes)."""
    lines = Path(f"/proc/{client.process.pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def _memory(client: Client) -> int:
    lines = Path(f"/proc/{client.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024
