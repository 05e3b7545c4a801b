"""`kioku stats`: how much was done, when, and on what."""

import sys
from typing import Any

import click
import msgspec

from kioku import surroundings, times
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, print_lines, project_option
from kioku.errors import UsageError
from kioku.project import Project
from kioku.reports import extent, statistics
from kioku.reports.extras import ORDERS, Extras
from kioku.reports.periods import UNITS, periods
from kioku.reports.statistics import Statistics
from kioku.sessions import settling
from kioku.settings import Settings

_COLUMNS = (
    "since", "until", "active_ms", "union_ms", "agent_ms", "waiting_ms", "sessions", "calls", "prompts", "reads",
    "edits",
)  # fmt: skip
_CLOCKS = ("active_ms", "union_ms", "agent_ms", "waiting_ms")


@click.command("stats")
@click.argument("words", metavar="[RANGE]", nargs=-1)
@project_option
@own_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print one line a day, divided by commas, with headings.")
@click.option("--by", "unit", type=click.Choice(UNITS), help="Add days up for --csv and --json.")
@click.option("--files", "order", type=click.Choice(ORDERS), help="Order the files by this.")
def command(
    words: tuple[str, ...], folder: str | None, own: bool, as_json: bool, as_csv: bool, unit: str | None,
    order: str | None,
) -> None:  # fmt: skip
    """Show how much was done, when, and on what.

    RANGE is today, yesterday, week (the default), month, year, last week, last month, all, a date, a month, a year,
    or two of them: 2026-03-01..2026-03-14. Days are yours: see the settings time.zone and time.day_starts.

    Heat is what was done with a file lately: an edit weighs 2, a reading 1, and either half as much for each 14 days
    before the end of the range, over its last 180 days.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other", hint="leave one of them out")
    if unit is not None and not (as_json or as_csv):
        raise UsageError("--by is for --json and --csv", hint="add one of them")
    if order is not None and as_csv:
        raise UsageError("--files is for the screen and --json", hint="the lines of --csv are days, weeks or months")
    where, values = places.find(folder, own=own)
    found, extras = _found(where, values, " ".join(words) if words else "week", order, own=own, is_whole=not as_csv)
    if as_json:
        print_json(as_plain(found, extras, unit))
    elif as_csv:
        print_csv(found, unit or "day")
    else:
        from kioku.cli.charts.paper import of_output
        from kioku.cli.stats_screen import screen

        paper = of_output()
        print_lines(screen(found, paper.width, paper.encoding, extras))


def print_csv(found: Statistics, unit: str = "day") -> None:
    """Print a line for each day, week or month; what is unknown is empty."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("date" if unit == "day" else unit, *_COLUMNS))
    for period in periods(found.days, unit):
        figures = (getattr(period.clocks if name in _CLOCKS else period, name) for name in _COLUMNS)
        writer.writerow([period.name, *figures])


def as_plain(found: Statistics, extras: Extras, unit: str | None = None) -> dict[str, Any]:
    """Return the figures as JSON has them: `commits` is null where git knows none, the rest where it was asked for."""
    plain: dict[str, Any] = {**msgspec.structs.asdict(found), "commits": extras.commits}
    if extras.order is not None:
        plain["files"] = extras.ordered(found.files)
    if extras.heat is not None:
        plain["files"] = [{**msgspec.structs.asdict(file), "heat": extras.heat_of(file)} for file in plain["files"]]
    if unit is not None:
        plain["periods"] = periods(found.days, unit)
    return plain


def _found(
    where: Project, values: Settings, words: str, order: str | None, *, own: bool, is_whole: bool
) -> tuple[Statistics, Extras]:
    """Read the range, and ask for what was done in it. What is no range is refused before a store is opened."""
    now, calendar = times.now_ms(), values.calendar
    calendar.range(words, now)
    with places.opened(where) as store:
        wanted = calendar.range(words, now, store.read(extent.earliest))
        modules = surroundings.modules(where, lambda why: note(f"note: {why}"))
        if store.writable:
            settling.settle(store)
        found = store.read(lambda db: statistics.statistics(db, wanted, calendar, now=now, modules=modules))
        warmth = None
        if order == "heat":
            from kioku.reports.heat import heat

            warmth = store.read(lambda db: heat(db, wanted))
        commits = (
            surroundings.commits_of_range(where, store, found) if is_whole and found.sessions and not own else None
        )
    return found, Extras(commits=commits, order=order, heat=warmth)
