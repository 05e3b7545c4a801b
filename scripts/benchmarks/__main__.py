"""Runs the benchmarks that are named, or all of them; ends with 1 when a figure misses its limit.

scripts/bench search FOLDER ...            only how good search is, on these conversations (docs/search.md)
scripts/bench search --model FOLDER ...    the same with a model beside full text
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from kioku.settings import NO_MODEL
from scripts.benchmarks import (
    bulk,
    capturing,
    crashes,
    finding,
    paging,
    project,
    recording,
    reporting,
    searching,
    starting,
)
from scripts.benchmarks.figures import Figure

BENCHMARKS: dict[str, Callable[[], Iterator[Figure]]] = {
    "start": starting.start,
    "end": starting.end,
    "read": recording.read_file,
    "grep": searching.grep,
    "hook": capturing.hook,
    "import": capturing.importing,
    "redact": capturing.redacting,
    "cleanup": bulk.cleanup,
    "pages": paging.pages,
    "reports": reporting.reports,
    "scan": project.scan,
    "search": partial(finding.finding, []),
    "together": crashes.together,
    "kill": crashes.kill,
}


def main(names: list[str]) -> int:
    if names == ["--list"]:
        print("\n".join(BENCHMARKS))
        return 0
    benchmarks = dict(BENCHMARKS)
    if names[:1] == ["search"] and names[1:]:
        folders, model = names[1:], NO_MODEL
        if "--model" in folders[:-1]:
            at = folders.index("--model")
            model = folders[at + 1]
            del folders[at : at + 2]
        benchmarks["search"] = partial(finding.finding, [Path(name) for name in folders], model)
        names = ["search"]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    missed: list[Figure] = []
    for name in names or BENCHMARKS:
        started = time.monotonic()
        for figure in benchmarks[name]():
            print(figure, flush=True)
            if not figure.is_met:
                missed.append(figure)
        print(f"    ({name}: {time.monotonic() - started:.0f} s)", flush=True)
    print(f"\n{len(missed)} missed" if missed else "\nall within their limits")
    return 1 if missed else 0


sys.exit(main(sys.argv[1:]))
