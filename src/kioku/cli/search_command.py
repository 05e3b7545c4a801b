"""`kioku search`: one box over what was said, done, learned and written."""

import shlex
from typing import Any

import click
import msgspec

from kioku import finding, times
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, print_line, project_option
from kioku.embedding import opened
from kioku.errors import UsageError
from kioku.reports import extent
from kioku.reports.search.wanted import DISCOVERY, END, KINDS, SESSION, START, TURN, Hit, Query
from kioku.words import counted

_DATED = {"session": "began", "turn": "said", "discovery": "said", "file": "last touched"}


@click.command("search", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, required=True)
@project_option
@own_option
@json_option
@click.option(
    "--type", "kinds", multiple=True, type=click.Choice(KINDS), help="Only this; may be given more than once."
)
@click.option("--date", metavar="DATES", help="Only sessions begun then: last week, 2026-03, 2026-03-01..2026-03-14.")
@click.option("--module", help="Only sessions that touched a file of this module, and what is of it.")
@click.option("--client", help="Only this client's.")
@click.option("--branch", help="Only those that ended on this branch.")
@click.option("--folder", "within", metavar="PATH", help="With --own: only what happened in this folder.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="How many of each type.")
def command(
    words: tuple[str, ...], folder: str | None, own: bool, as_json: bool, kinds: tuple[str, ...], date: str | None,
    module: str | None, client: str | None, branch: str | None, within: str | None, limit: int,
) -> None:  # fmt: skip
    """Find sessions, turns, discoveries, touched files and symbols of the code.

    Any text is a query: its words in any order and in every form that English gives them, identifiers and paths also in
    parts.
    """
    text = " ".join(words)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError("what is looked for is not whole text: some of its bytes are no characters")
    where, settings = places.find(folder, own=own)
    calendar, now = settings.calendar, times.now_ms()
    if date is not None:
        calendar.range(date, now)  # a date that is none is said before anything is opened
    with places.opened(where) as store:
        span = None if date is None else calendar.range(date, now, store.read(extent.earliest))
        asked = Query(
            text=text, kinds=kinds or KINDS, since=span and span.since, until=span and span.until, client=client,
            branch=branch, module=module, folder=within, limit=limit,
        )  # fmt: skip
        with opened(settings.text("search.model")) as helper:
            found = finding.find(store, None if own else where, asked, helper=helper)
    store_option = " --own" if own else "" if folder is None else f" --project {shlex.quote(folder)}"
    hits = [_opened(hit, store_option) for hit in found.hits]
    if found.behind:
        note(f"note: {counted(found.behind, 'conversation')} not indexed to the end yet; what is missing comes later")
    if found.model not in (None, finding.USED):
        note(f"note: {found.model}")
    if as_json:
        told = {"results": [_plain(hit) for hit in hits], "not_indexed": found.behind}
        print_json(told if found.model is None else {**told, "model": found.model})
        return
    for hit in hits:
        _print(hit, now)
    if not hits:
        note("nothing was found")


def _opened(hit: Hit, store_option: str) -> Hit:
    """Return a hit whose command opens it from here."""
    is_command = hit.kind in (SESSION, TURN, DISCOVERY)
    return msgspec.structs.replace(hit, opens=f"{hit.opens}{store_option}") if is_command else hit


def _plain(hit: Hit) -> dict[str, Any]:
    """Return what a program is told: the match in `[[ ]]`."""
    told = msgspec.structs.asdict(hit)
    return {**told, "snippet": hit.snippet.replace(START, "[[").replace(END, "]]")}


def _print(hit: Hit, now: int) -> None:
    when = ""
    if hit.at is not None:
        when = f"  {_DATED.get(hit.kind, '')} {times.local_text(hit.at)} ({times.ago_text(hit.at, now)})"
    print_line((f"{hit.kind}", "bold"), (f"  {_one_line(hit.title)}" if hit.title else "", ""), (when, "dim"))
    parts: list[tuple[str, str]] = [("  ", "")]
    for number, part in enumerate(_one_line(hit.snippet).split(START)):
        matched, _, rest = part.partition(END) if number else ("", "", part)
        parts += [(matched, "bold yellow"), (rest, "")]
    if hit.snippet and hit.kind != "file":
        print_line(*parts)
    figures = " + ".join(f"{name} {value:.2f}" for name, value in hit.parts.items() if value)
    print_line((f"  {_one_line(hit.why)} ({figures})", "dim"))
    print_line((f"  {hit.opens}", "dim"))


def _one_line(text: str) -> str:
    return " ".join(text.split())
