"""`kioku stats`: how much was done, when, and on what."""

import csv
import os
import sys
from collections.abc import Callable

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, print_lines, project_option
from kioku.errors import KiokuError, UsageError
from kioku.project import Project
from kioku.reports import extent, statistics
from kioku.reports.statistics import Statistics
from kioku.sessions import settling
from kioku.settings import Settings

_COLUMNS = (
    "date", "since", "until", "active_ms", "union_ms", "agent_ms", "waiting_ms", "sessions", "calls", "prompts",
    "reads", "edits",
)  # fmt: skip
_CLOCKS = ("active_ms", "union_ms", "agent_ms", "waiting_ms")


@click.command("stats")
@click.argument("words", metavar="[RANGE]", nargs=-1)
@project_option
@own_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print one line a day, divided by commas, with headings.")
def command(words: tuple[str, ...], folder: str | None, own: bool, as_json: bool, as_csv: bool) -> None:
    """Show how much was done, when, and on what.

    RANGE is today, yesterday, week (the default), month, year, last week, last month, all, a date, a month, a year,
    or two of them: 2026-03-01..2026-03-14. Days are yours: see the settings time.zone and time.day_starts.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other", hint="leave one of them out")
    where, values = places.find(folder, own=own)
    found = _found(where, values, " ".join(words) if words else "week")
    if as_json:
        print_json(found)
    elif as_csv:
        print_csv(found)
    else:
        from kioku.cli.charts.paper import of_output
        from kioku.cli.stats_screen import screen

        paper = of_output()
        print_lines(screen(found, paper.width, paper.encoding))


def print_csv(found: Statistics) -> None:
    """Print a line for each day; what is unknown is empty."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for day in found.days:
        writer.writerow([getattr(day.clocks if name in _CLOCKS else day, name) for name in _COLUMNS])


def _found(where: Project, values: Settings, words: str) -> Statistics:
    """Read the range, and ask for what was done in it. What is no range is refused before a store is opened."""
    now, calendar = times.now_ms(), values.calendar
    calendar.range(words, now)
    with places.opened(where) as store:
        wanted = calendar.range(words, now, store.read(extent.earliest))
        modules = _modules(where)
        if store.writable:
            settling.settle(store)
        return store.read(lambda db: statistics.statistics(db, wanted, calendar, now=now, modules=modules))


def _modules(where: Project) -> Callable[[str], str | None] | None:
    """Return the function that names a file's module, where the project has been scanned."""
    path = os.path.join(where.context_dir, "project.yaml")
    if not os.path.lexists(path):
        return None
    from kioku.knowledge import belonging, project_yaml

    try:
        return belonging.belonging(project_yaml.load(path).modules)
    except KiokuError as error:
        note(f"note: without modules: {error}")
        return None
