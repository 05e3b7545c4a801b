"""`kioku sessions export`: sessions for other programs and other machines."""

import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import click

from kioku import __version__, project, times
from kioku.capture import restoring
from kioku.cli import places
from kioku.cli.output import note, own_option, project_option
from kioku.days import Range
from kioku.errors import KiokuError, UsageError
from kioku.reports import extent, statistics
from kioku.reports.export import activitywatch, icalendar, markdown, table
from kioku.reports.export import lines as store_lines
from kioku.reports.export.chosen import Chosen, named
from kioku.reports.sessions import Judge
from kioku.sessions import settling
from kioku.settings import Settings
from kioku.store import portable
from kioku.store.store import Store
from kioku.words import counted
from kioku.workspace.plain_files import new_file

if TYPE_CHECKING:
    import apsw

FORMATS = ("jsonl", "csv", "markdown", "ical", "activitywatch")


@click.command("export")
@click.argument("words", metavar="[RANGE|ID...]", nargs=-1)
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option("--output", metavar="FILE", type=click.Path(), help="Write a file that only you can read.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@click.option("--empty", is_flag=True, help="Also sessions without any activity; JSON Lines always has them.")
@click.option("--stretches", is_flag=True, help="In a calendar, an event for each active stretch of a session.")
@project_option
@own_option
def command(
    words: tuple[str, ...],
    form: str,
    output: str | None,
    force: bool,
    empty: bool,
    stretches: bool,
    folder: str | None,
    own: bool,
) -> None:
    """Export sessions: all, those begun in a range of days, or some by their ids.

    RANGE is as for kioku stats. jsonl holds everything that is known, and kioku import kioku reads it back; csv has a
    line for each session, markdown is a report to read, ical a calendar, activitywatch what such a server imports.
    """
    if stretches and form != "ical":
        raise UsageError("--stretches is for --format ical only", hint="leave it out")
    if output is not None:
        _check(output, force=force)
    where, values = places.find(folder, own=own)
    now = times.now_ms()
    range_text, no_range = _range(words, values, now)
    with places.opened(where) as store:
        if form == "markdown" and store.writable:
            settling.settle(store)
        judge = places.judge(where)
        earliest = store.read(extent.earliest)
        wanted = None if range_text is None else values.calendar.range(range_text, now, earliest)
        chosen = _chosen(store, words, wanted, no_range, now, judge, empty=empty or form == "jsonl")
        is_whole = not words or range_text == "all"
        name = None if where == project.own() else str(restoring.name_of(where.root))

        def lines(db: "apsw.Connection") -> Iterable[bytes]:
            if form == "jsonl":
                return _whole(db, store, chosen, is_whole, name, now, judge)
            if form == "csv":
                return _encoded(table.lines(chosen.sessions(db, now=now, judge=judge)))
            if form == "ical":
                found = chosen.sessions(db, now=now, judge=judge)
                return _encoded(icalendar.lines(db, found, project=name or "", by_stretch=stretches))
            if form == "activitywatch":
                host = socket.gethostname()
                return _encoded(
                    activitywatch.lines(db, chosen, project=name or "", hostname=host, now=now, judge=judge)
                )
            return _encoded(_report(db, chosen, wanted, values, name, now, judge))

        _write(store, lines, output, force=force)
        hidden = store.read(chosen.hidden)
    if hidden and form != "markdown":
        note(f"{counted(hidden, 'session')} without any activity left out (--empty has them)")


def _range(words: tuple[str, ...], values: Settings, now: int) -> tuple[str | None, str]:
    """Return the range that is asked for; None where the words are ids, and why they are no range."""
    text = " ".join(words) if words else "all"
    try:
        values.calendar.range(text, now)
    except UsageError as error:
        if len(words) == 1 and ".." in text:
            raise
        try:
            values.calendar.span(text, now)
        except UsageError:
            return None, "that is no range of days"
        return None, error.message
    return text, ""


def _chosen(
    store: Store, words: tuple[str, ...], wanted: Range | None, no_range: str, now: int, judge: Judge, *, empty: bool
) -> Chosen:
    if wanted is None:
        try:
            return store.read(lambda db: named(db, words, now=now, judge=judge))
        except UsageError as error:
            raise UsageError(f"{error.message}, and {no_range}", hint=error.hint) from error
    if not words or words == ("all",):
        return Chosen(empty=empty)
    return Chosen(since=wanted.since, until=wanted.until, empty=empty)


def _whole(
    db: "apsw.Connection", store: Store, chosen: Chosen, is_whole: bool, name: str | None, now: int, judge: Judge
) -> Iterator[bytes]:
    part = portable.Part(since=chosen.since, until=chosen.until, ids=None if chosen.ids is None else list(chosen.ids))
    head = portable.Head(
        format=portable.FORMAT, version=portable.VERSION, project=portable.Project(id=store.project_id, name=name),
        exported_at=now, kioku=__version__, part=None if is_whole else part,
    )  # fmt: skip
    return store_lines.lines(db, head, None if is_whole else chosen, now=now, judge=judge)


def _report(
    db: "apsw.Connection",
    chosen: Chosen,
    wanted: Range | None,
    values: Settings,
    name: str | None,
    now: int,
    judge: Judge,
) -> Iterator[str]:
    figures = None if wanted is None else statistics.statistics(db, wanted, values.calendar, now=now)
    stretch = "Some sessions" if wanted is None else f"{wanted.first} to {wanted.last}"
    found = chosen.sessions(db, now=now, judge=judge)
    return markdown.lines(name or "your own store", stretch, found, figures, chosen.hidden(db))


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    return (line.encode("utf-8", "backslashreplace") for line in lines)


def _check(output: str, *, force: bool) -> None:
    if os.path.isdir(output):
        raise UsageError(f"{output} is a folder", hint="name a file in it")
    if os.path.lexists(output) and not force:
        raise UsageError(f"{output} is there already", hint="--force replaces it")


def _write(
    store: Store, lines: "Callable[[apsw.Connection], Iterable[bytes]]", output: str | None, *, force: bool
) -> None:
    try:
        with _target(output, force=force) as target:
            store.read(lambda db: _copy(lines(db), target))
    except FileExistsError as error:
        raise UsageError(f"{output} is there already", hint="--force replaces it") from error
    except OSError as error:
        if output is None:
            raise
        raise KiokuError(f"{output} cannot be written: {error.strerror}", hint="name another file") from error


def _copy(lines: Iterable[bytes], target: BinaryIO) -> None:
    target.writelines(lines)


@contextmanager
def _target(output: str | None, *, force: bool) -> Iterator[BinaryIO]:
    if output is not None:
        with new_file(output, replace=force) as file:
            yield file
        return
    stream = sys.stdout.buffer
    yield stream
    stream.flush()
