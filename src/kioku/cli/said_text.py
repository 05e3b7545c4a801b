"""What was said at a place in a session, for people."""

from collections.abc import Sequence

from kioku import times
from kioku.cli.output import print_line
from kioku.reports.said import WHO, Said


def show(said: Sequence[Said]) -> None:
    """Print turns whole; the one that was asked for is marked."""
    for number, turn in enumerate(said):
        if number:
            print()
        who = f"{WHO.get(turn.role, 'somebody')}, {times.local_text(turn.at, seconds=True)}"
        print_line((f"> {who}", "bold yellow") if turn.is_sought else (f"  {who}", "bold"))
        for line in turn.text.splitlines():
            print_line((f"  {line.expandtabs(4)}", ""))
