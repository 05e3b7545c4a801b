"""`kioku import`: the transcripts that assistants left on this machine become sessions."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import msgspec

from kioku import settings, times
from kioku.capture import draining, restoring, stores
from kioku.capture.importing import Importer, Outcome, Wish
from kioku.capture.transcripts import lines
from kioku.capture.transcripts.formats import FORMATS, Format, Places, recognise
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, print_line, project_option
from kioku.errors import UsageError
from kioku.words import counted

_ROOM_FOR_A_BAR = 60  # columns of a terminal; a narrower one has the numbers alone
_SHOWN = 20  # skipped lines and folders that are listed; `--json` has more


@click.command("import")
@click.argument("what", default="all", metavar=f"[{'|'.join(FORMATS)}|kioku|all]")
@click.argument("files", nargs=-1, type=click.Path())
@click.option("--since", metavar="TIME", help="Only what happened since: 2026-11-01, 7d, 24h, yesterday.")
@project_option
@own_option
@click.option("--force", is_flag=True, help="Of kioku: also an export of another project.")
@click.option("--trust", is_flag=True, help="Of kioku: what was accepted in it stays accepted; for your own exports.")
@click.option("--dry-run", is_flag=True, help="Read everything, write nothing, and say what would be imported.")
@json_option
def command(
    what: str,
    files: tuple[str, ...],
    since: str | None,
    folder: str | None,
    own: bool,
    force: bool,
    trust: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import transcripts of assistants' conversations.

    Without FILES, those that are found on this machine. Each conversation goes to the project of its folder; what was
    imported before is not imported again. --project takes only what happened in one project.

    kioku import kioku FILE reads back what kioku sessions export wrote, into this project or that of --project.
    """
    if what == "kioku":
        if since is not None:
            raise UsageError("--since is not for exports of Kioku's", hint="export a part: kioku sessions export RANGE")
        from kioku.cli import restore_command

        how = restore_command.HowToRestore(own=own, force=force, trust=trust, dry_run=dry_run)
        if not restore_command.restore(files, folder, how, as_json=as_json):
            click.get_current_context().exit(1)
        return
    if own or force or trust:
        raise UsageError("--own, --force and --trust are for 'kioku import kioku FILE'", hint="leave them out")
    if what != "all" and what not in FORMATS:
        if os.path.exists(what):
            files, what = (what, *files), "all"
        else:
            raise UsageError(
                f"there are no transcripts called '{what}'", hint=f"one of: {', '.join(FORMATS)}, kioku, all"
            )
    now = times.now_ms()
    wish = Wish(
        since=None if since is None else _instant(since, now),
        project=None if folder is None else places.find(folder)[0],
        dry_run=dry_run,
    )
    found = list(_given(what, files) if files else _on_this_machine(what, folder))
    with stores.opened() as open_stores:
        if not dry_run:
            draining.drain(open_stores)  # what hooks saw of the same conversations
        outcome = _import(open_stores, wish, found, quiet=as_json)
        if not dry_run:
            for home, store in open_stores.opened():
                for remark in store.notes:
                    note(f"note: {remark}")
                places.make_ready(home.project, store, home.settings, everything=True)
    if as_json:
        print_json({**msgspec.structs.asdict(outcome), "dry_run": dry_run})
    else:
        _report(outcome, dry_run=dry_run)


def _import(open_stores: stores.Stores, wish: Wish, found: list[tuple[Format, str]], *, quiet: bool) -> Outcome:
    with _progress(found, quiet=quiet) as progress:
        importer = Importer(open_stores, wish, progress)
        for form, path in found:
            importer.take(form, path)
        return importer.finish()


def _instant(text: str, now: int) -> int:
    instant = times.parse_since(text, now)
    if instant is None:
        raise UsageError(f"--since: '{text}' is no time", hint="2026-11-01, 7d, 24h, today or yesterday")
    return instant


def _on_this_machine(what: str, folder: str | None) -> Iterator[tuple[Format, str]]:
    where = Places(home=os.path.expanduser("~"), environ=dict(settings.environment()), folders=_folders(folder))
    for client, form in FORMATS.items():
        if what in ("all", client):
            for path in form.files(where):
                yield form, path


def _folders(folder: str | None) -> tuple[str, ...]:
    """Return the projects whose own transcripts are looked for: the one we are in, and those that have a store."""
    from kioku.store import registry

    here = folder or os.getcwd()
    return tuple(dict.fromkeys([here, *registry.projects()]))


def _given(what: str, files: tuple[str, ...]) -> Iterator[tuple[Format, str]]:
    for given in files:
        path = os.path.abspath(given)
        try:
            with open(lines.open_file(path), "rb") as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise UsageError(f"{path} is no regular file", hint="name transcripts themselves")
                head = stream.read(65_536)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}", hint="name transcripts that can be read") from error
        if what == "all" and restoring.is_export(head):
            raise UsageError(f"{path} is an export of Kioku's", hint=f"kioku import kioku {given}")
        form = FORMATS[what] if what != "all" else recognise(path, head)
        if form is None:
            raise UsageError(f"{path} is no transcript that Kioku knows", hint=f"say whose it is: {', '.join(FORMATS)}")
        yield form, path


@contextmanager
def _progress(found: list[tuple[Format, str]], *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal: bytes, rate and the time left."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    console = Console(stderr=True)
    numbers = [
        column(table_column=Column(no_wrap=True))
        for column in (DownloadColumn, TransferSpeedColumn, TimeRemainingColumn)
    ]
    columns = [TextColumn("importing"), BarColumn(), *numbers] if console.width >= _ROOM_FOR_A_BAR else numbers
    total = sum(os.path.getsize(path) for _, path in found if os.path.isfile(path))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("importing", total=total)
        yield lambda done: bar.update(task, advance=done)


def _report(outcome: Outcome, *, dry_run: bool) -> None:
    if not outcome.files:
        note("no transcripts were found on this machine")
        return
    size = f"{outcome.bytes / 1e6:.1f} MB"
    looked = f"{counted(outcome.files, 'transcript')} looked at, {outcome.read} with something new ({size})"
    print_line((looked, ""))
    verb = "would be imported" if dry_run else "imported"
    amounts = [(outcome.conversations, "conversation"), (outcome.activities, "activity"), (outcome.turns, "turn")]
    if outcome.sessions is not None:
        amounts.insert(1, (outcome.sessions, "session"))
    what = ", ".join(counted(*amount) for amount in amounts)
    if outcome.read:
        print_line((f"{verb}: ", "bold"), (what, ""))
    for root, count in sorted(outcome.projects.items())[:_SHOWN]:
        print_line((f"  {counted(count, 'conversation')} in {root}", ""))
    if outcome.elsewhere:
        heading = "kept in your own store (kioku sessions list --own), since their folders are no projects here:"
        print_line((heading, "bold"))
        for folder, count in sorted(outcome.elsewhere.items())[:_SHOWN]:
            print_line((f"  {counted(count, 'conversation')} in {folder or 'an unknown folder'}", ""))
        _more(len(outcome.elsewhere))
    if outcome.excluded:
        print_line((f"left out by capture.exclude: {counted(outcome.excluded, 'conversation')}", ""))
    if outcome.skipped_lines:
        print_line((f"skipped: {counted(outcome.skipped_lines, 'line')}", "yellow"))
        for skipped in outcome.skipped[:_SHOWN]:
            place = skipped.file if skipped.line is None else f"{skipped.file}:{skipped.line}"
            print_line((f"  {place}: {skipped.reason}", ""))
        _more(outcome.skipped_lines)


def _more(count: int) -> None:
    if count > _SHOWN:
        print_line((f"  and {count - _SHOWN} more (--json lists them)", "dim"))
