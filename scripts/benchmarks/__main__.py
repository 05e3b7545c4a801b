"""Runs the benchmarks that are named, or all of them; ends with 1 when a figure misses its limit."""

import sys
import time

from scripts.benchmarks import bulk, capturing, crashes, project, recording, reporting, searching, starting
from scripts.benchmarks.figures import Figure

BENCHMARKS = {
    "start": starting.start,
    "end": starting.end,
    "read": recording.read_file,
    "grep": searching.grep,
    "hook": capturing.hook,
    "import": capturing.importing,
    "redact": capturing.redacting,
    "cleanup": bulk.cleanup,
    "reports": reporting.reports,
    "scan": project.scan,
    "together": crashes.together,
    "kill": crashes.kill,
}


def main(names: list[str]) -> int:
    if names == ["--list"]:
        print("\n".join(BENCHMARKS))
        return 0
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    missed: list[Figure] = []
    for name in names or BENCHMARKS:
        started = time.monotonic()
        for figure in BENCHMARKS[name]():
            print(figure, flush=True)
            if not figure.is_met:
                missed.append(figure)
        print(f"    ({name}: {time.monotonic() - started:.0f} s)", flush=True)
    print(f"\n{len(missed)} missed" if missed else "\nall within their limits")
    return 1 if missed else 0


sys.exit(main(sys.argv[1:]))
