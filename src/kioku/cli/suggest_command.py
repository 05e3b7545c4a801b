"""`kioku sessions suggest`: which sessions look like one, and which are one block of work."""

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, print_line, project_option
from kioku.words import counted

if TYPE_CHECKING:
    from kioku.sessions.blocks import Block, Link


@click.command("suggest")
@project_option
@own_option
@json_option
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="How many days back to look.")
def command(folder: str | None, own: bool, as_json: bool, days: int) -> None:
    """Suggest which sessions could be merged or are one work block, and why. Nothing is changed.

    Those of one day and up to 4 hours apart could be merged; those up to 90 minutes apart are one work block.
    """
    from kioku.reports import continuity

    where, values = places.find(folder, own=own)
    now, day_of = times.now_ms(), values.calendar.date_of
    since = now - days * times.DAY
    with places.opened(where) as store:
        judge = places.judge(where)
        found = store.read(lambda db: continuity.suggestions(db, since, now=now, judge=judge, day_of=day_of, own=own))
        blocks = store.read(lambda db: continuity.work_blocks(db, since, now=now, judge=judge, own=own))
    option = (["--own"] if own else []) + (["--project", folder] if folder is not None else [])
    commands = [shlex.join(["kioku", "sessions", "merge", *option, *suggestion.ids]) for suggestion in found]
    if as_json:
        suggestions = [
            {"sessions": one.ids, "reason": one.reason, "command": merge, "links": _links(one.links)}
            for one, merge in zip(found, commands, strict=True)
        ]
        print_json({"days": days, "suggestions": suggestions, "blocks": [_block(block) for block in blocks]})
        return
    members = [{trace.id for trace in block.traces} for block in blocks]
    for suggestion, merge in zip(found, commands, strict=True):
        first, last = suggestion.links[0].before, suggestion.links[-1].after
        is_block = any(block.issuperset(suggestion.ids) for block in members)
        _print_title(first.started_at, last.ended_at, is_block=is_block)
        print_line((f"  {suggestion.reason}", ""))
        print_line((f"  {merge}", "cyan"))
    for block, ids in zip(blocks, members, strict=True):
        if not any(ids.issubset(suggestion.ids) for suggestion in found):
            _print_title(block.since, block.until, is_block=True)
            print_line((f"  {', '.join(trace.id[:8] for trace in block.traces)}", ""))
    if not found and not blocks:
        note(f"no sessions of the last {counted(days, 'day')} look like one")


def _print_title(since: int, until: int, *, is_block: bool) -> None:
    begin, end = times.local_text(since), times.local_text(until)
    if begin.partition(" ")[0] == end.partition(" ")[0]:
        end = end.partition(" ")[2]
    print_line((f"{begin} to {end}", "bold"), ("  one work block" if is_block else "", "dim"))


def _block(block: "Block") -> dict[str, Any]:
    return {
        "sessions": [trace.id for trace in block.traces],
        "since": block.since,
        "until": block.until,
        "links": _links(block.links),
    }


def _links(links: "Iterable[Link]") -> list[dict[str, Any]]:
    from kioku.cli.continuity_text import score_json

    return [
        {"before": link.before.id, "after": link.after.id, "gap_ms": link.gap_ms, **score_json(link.score)}
        for link in links
    ]
