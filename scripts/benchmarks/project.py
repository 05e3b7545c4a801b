"""How long `kioku init` takes on a large repository."""

import subprocess
import time
from collections.abc import Iterator

from scripts.benchmarks.figures import KIOKU, Figure, workplace
from scripts.benchmarks.tree import make_tree


def scan() -> Iterator[Figure]:
    """Scan 10,000 files with the whole command."""
    with workplace() as (project, env):
        make_tree(str(project), files=10_000)
        began = time.perf_counter()
        subprocess.run([*KIOKU, "init"], cwd=project, env=env, capture_output=True, check=True)
        elapsed = time.perf_counter() - began
    yield Figure("kioku init on 10,000 files", elapsed, "s", 2)
