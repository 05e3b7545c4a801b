"""`kioku sessions suggest`: which sessions look like one."""

import shlex

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, print_line, project_option
from kioku.words import counted


@click.command("suggest")
@project_option
@own_option
@json_option
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="How many days back to look.")
def command(folder: str | None, own: bool, as_json: bool, days: int) -> None:
    """Suggest which sessions of one day could be merged, and why. Nothing is changed."""
    from kioku.cli import continuity_text
    from kioku.reports import continuity

    where, values = places.find(folder, own=own)
    now, day_of = times.now_ms(), values.calendar.date_of
    with places.opened(where) as store:
        judge = places.judge(where)
        found = store.read(
            lambda db: continuity.suggestions(db, now - days * times.DAY, now=now, judge=judge, day_of=day_of, own=own)
        )
    option = (["--own"] if own else []) + (["--project", folder] if folder is not None else [])
    commands = [shlex.join(["kioku", "sessions", "merge", *option, *suggestion.ids]) for suggestion in found]
    if as_json:
        print_json(
            {
                "days": days,
                "suggestions": [
                    {
                        "sessions": suggestion.ids,
                        "reason": suggestion.reason,
                        "command": merge,
                        "links": [
                            {
                                "before": link.before.id,
                                "after": link.after.id,
                                "gap_ms": link.gap_ms,
                                **continuity_text.score_json(link.score),
                            }
                            for link in suggestion.links
                        ],
                    }
                    for suggestion, merge in zip(found, commands, strict=True)
                ],
            }
        )
        return
    for suggestion, merge in zip(found, commands, strict=True):
        first, last = suggestion.links[0].before, suggestion.links[-1].after
        print_line((f"{times.local_text(first.started_at)} to {times.local_text(last.ended_at)}", "bold"))
        print_line((f"  {suggestion.reason}", ""))
        print_line((f"  {merge}", "cyan"))
    if not found:
        note(f"no sessions of the last {counted(days, 'day')} look like one")
