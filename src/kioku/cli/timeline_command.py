"""`kioku sessions timeline`: days as lanes of the sessions that ran side by side."""

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, own_option, print_json, print_lines, project_option
from kioku.days import Range
from kioku.reports import extent, lanes
from kioku.reports.lanes import Lane, LanesOfDay
from kioku.sessions import sweep
from kioku.store.store import Store


@click.command("timeline")
@click.argument("words", metavar="[RANGE]", nargs=-1)
@project_option
@own_option
@json_option
def timeline(words: tuple[str, ...], folder: str | None, own: bool, as_json: bool) -> None:
    """Draw days as lanes: which sessions ran when, and side by side.

    RANGE is today (the default), yesterday, week, month, a date, or two of them: 2026-03-01..2026-03-14. What was
    active is solid, a break is a thin line.
    """
    from kioku.cli import timeline_screen

    where, values = places.find(folder, own=own)
    now, calendar, text = times.now_ms(), values.calendar, " ".join(words) if words else "today"
    calendar.range(text, now)  # what is no range is refused before a store is opened
    with places.opened(where) as store:
        wanted = calendar.range(text, now, store.read(extent.earliest))
        found = _lanes(store, wanted, now, places.judge(where))
    days = lanes.by_day(found, wanted, calendar)
    if as_json:
        print_json([_as_json(day) for day in days])
        return
    from kioku.cli.charts.paper import of_output

    paper = of_output()
    print_lines(timeline_screen.screen(days, calendar, paper.width, paper.encoding))


def _lanes(store: Store, wanted: Range, now: int, judge: sweep.Judge) -> list[Lane]:
    return store.read(lambda db: lanes.lanes(db, wanted, now=now, judge=judge))


def _as_json(day: LanesOfDay) -> dict[str, object]:
    return {
        "date": day.date,
        "since": day.since,
        "until": day.until,
        "union_ms": day.active_ms,
        "rows": [[{**lane.session.as_json(), "stretches": day.within(lane)} for lane in row] for row in day.rows],
    }
