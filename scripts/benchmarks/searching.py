"""What `grep_codebase` costs beside ripgrep itself."""

import subprocess
import time
from collections.abc import Iterator

from kioku.workspace.grep import rg_path
from scripts.benchmarks.figures import INITIALIZE, KIOKU, Client, Figure, milliseconds, workplace

PATTERN = r"needle_\d+"


def grep() -> Iterator[Figure]:
    """Search a tree of 3,000 files of 40 kB with a few matches, in turns with `rg` on the same tree."""
    with workplace() as (project, env):
        body = "".join(f"line {number} of ordinary text without anything special in it\n" for number in range(700))
        for number in range(3_000):
            folder = project / f"d{number // 100}"
            folder.mkdir(exist_ok=True)
            (folder / f"f{number}.txt").write_text(body + (f"needle_{number}\n" if number % 100 == 0 else ""))
        client = Client([*KIOKU, "serve"], project, env)
        client.exchange(INITIALIZE)
        alone: list[float] = []
        through: list[float] = []
        for _ in range(15):
            began = time.perf_counter()
            plain = subprocess.run(
                [rg_path(), "--no-config", "-n", "-e", PATTERN, "--", "."], cwd=project, env=env, capture_output=True
            )
            alone.append(time.perf_counter() - began)
            began = time.perf_counter()
            answer = client.call("grep_codebase", pattern=PATTERN)
            through.append(time.perf_counter() - began)
            found = answer["result"]["structuredContent"]["matches"]
            assert len(found) == len(plain.stdout.splitlines()) == 30, (len(found), plain)
        client.end()
    ours, theirs = milliseconds(through), milliseconds(alone)
    remark = f"grep_codebase {ours:.0f} ms, rg {theirs:.0f} ms"
    yield Figure("grep_codebase / (1.3 x rg + 15 ms)", ours / (1.3 * theirs + 15), "x", 1, remark)
