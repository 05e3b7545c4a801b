"""`kioku setup`: one command that connects Kioku to every assistant on the machine, or takes it out again."""

import difflib
import os
import sys

import click

from kioku import project, settings
from kioku.cli.output import json_option, note, print_code, print_json, print_line, problem
from kioku.clients import applying, changes, starting
from kioku.clients.changes import Change
from kioku.clients.registered import has_plugin, is_installed
from kioku.clients.table import CLIENTS, NAME, Client, Entry, Place
from kioku.errors import KiokuError, UsageError
from kioku.words import counted


@click.command("setup")
@click.option("--client", "names", multiple=True, metavar="NAME", help="Only this one; may be given several times.")
@click.option("--project", "folder", is_flag=False, flag_value=".", default=None, metavar="[DIR]",
              help="In a project's files, shared with whoever works in it, instead of your own.")  # fmt: skip
@click.option("--user", is_flag=True, help="In your own files: for every project (the default).")
@click.option("--remove", "is_removal", is_flag=True, help="Take back what was added.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the changes, and make none.")
@click.option("--no-check", is_flag=True, help="Do not try whether the clients can start Kioku.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    names: tuple[str, ...],
    folder: str | None,
    user: bool,
    is_removal: bool,
    yes: bool,
    dry_run: bool,
    no_check: bool,
    as_json: bool,
) -> None:
    """Connect Kioku to the assistants on this machine.

    Shows the change to each settings file, asks, keeps a backup, and writes. Running it again changes nothing.
    """
    if user and folder is not None:
        raise UsageError("--user and --project exclude each other")
    root = None if folder is None else project.find(folder, (), ".").workdir
    place = Place(os.path.expanduser("~"), settings.environment(), root)
    commands = starting.Commands(NAME, f"{NAME}-hook") if is_removal else starting.find_commands(sys.argv[0])
    chosen = _chosen(names, place, is_removal=is_removal)
    failures = 0
    plan: list[tuple[Client, list[Entry], list[Change]]] = []
    for client in chosen:
        try:
            entries = _entries(client, place, commands, is_removal=is_removal)
            if not entries:
                note(f"{client.title}: {client.note or 'nothing to set up here'}")
                continue
            if client.name == "claude" and has_plugin(place) and not is_removal:
                if not as_json:
                    print_line((client.title, "bold"), (": has Kioku's plugin, which registers everything itself", ""))
                found = _removals(entries, place)  # what was registered before would be counted twice
            else:
                found = _removals(entries, place) if is_removal else changes.add(entries, within=place.project)
            if found or names or is_installed(client, place):
                plan.append((client, entries, found))
        except KiokuError as error:
            problem(error)
            failures += 1
    if is_removal and not plan and not failures and not as_json:
        print_line(("nothing to take back", ""))
    _show(plan, quiet=as_json)
    pending = [(client, change) for client, _, found in plan for change in found]
    if pending and not dry_run:
        can_ask = sys.stdin.isatty() and not as_json  # whoever reads JSON sees neither the changes nor the question
        if not yes and not can_ask:
            note("nothing was changed: there is nobody to ask (--yes changes it without asking)")
            context.exit(2)
        if not yes and not _may_write(len(pending), is_removal=is_removal):
            context.exit(1)
        failures += _write(pending, place, is_removal=is_removal, quiet=as_json)
    checks = {} if dry_run or is_removal or no_check else _check(plan, commands, quiet=as_json)
    if as_json:
        shown = [{"client": c.name, "changed": [change.path for change in found]} for c, _, found in plan]
        print_json({"clients": shown, "checks": checks, "failures": failures, "dry_run": dry_run})
    elif not is_removal and not dry_run and plan:
        for client, _, _ in plan:
            if client.note:
                note(f"{client.title}: {client.note}")
    if failures or any(checks.values()):
        context.exit(1)


def _chosen(names: tuple[str, ...], place: Place, *, is_removal: bool) -> list[Client]:
    """Return the clients that were named; else those on this machine, to remove also those that are gone from it."""
    known = {client.name: client for client in CLIENTS}
    for name in names:
        if name not in known:
            raise UsageError(f"there is no client '{name}'", hint=f"one of: {', '.join(known)}")
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    found = [client for client in CLIENTS if is_removal or is_installed(client, place)]
    if place.project is not None:
        # One that keeps in a person's own file which project it records goes over to another only if it is named.
        found = [client for client in found if client.user is not None]
    if not found:
        raise KiokuError("no assistant was found on this machine", hint=f"name one with --client: {', '.join(known)}")
    return found


def _entries(client: Client, place: Place, commands: starting.Commands, *, is_removal: bool) -> list[Entry]:
    make = client.user if place.project is None else client.project
    if is_removal and make is None:
        make = client.project  # it is in the person's own file, whichever project it names
    return [] if make is None else make(place, commands.serve, commands.hook_for(client.name))


def _removals(entries: list[Entry], place: Place) -> list[Change]:
    """Return what takes our entries out: the very bytes from before where nobody changed the file since."""
    found = []
    for change in changes.remove(entries, within=place.project):
        exact = applying.restored(change.path, change.before)
        found.append(exact or change)
    return found


def _show(plan: list[tuple[Client, list[Entry], list[Change]]], *, quiet: bool) -> None:
    if quiet:
        return
    for client, _, found in plan:
        if not found:
            print_line((client.title, "bold"), (": nothing to change", ""))
        for change in found:
            print_line((f"{client.title}: {change.path}", "bold"))
            before, after = (change.before or "").splitlines(), (change.after or "").splitlines()
            for line in list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]:
                style = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
                print_code(f"  {line}", style)


def _may_write(count: int, *, is_removal: bool) -> bool:
    return click.confirm(f"{'Take this out of' if is_removal else 'Write this to'} {counted(count, 'file')}?")


def _write(pending: list[tuple[Client, Change]], place: Place, *, is_removal: bool, quiet: bool) -> int:
    failures = 0
    for _, change in pending:
        try:
            is_projects = place.project is not None and change.path.startswith(os.path.join(place.project, ""))
            kept = applying.write(change, private=not is_projects)
        except KiokuError as error:
            problem(error)
            failures += 1
            continue
        if not quiet:
            done = "deleted" if change.after is None else "written"
            backup = f" (before: {kept})" if kept else ""
            print_line((f"{done}: {change.path}{backup}", ""))
    for _, change in pending if is_removal else ():
        applying.clean_up(change.path)  # once all files are gone: several may be in one folder
    return failures


def _check(
    plan: list[tuple[Client, list[Entry], list[Change]]], commands: starting.Commands, *, quiet: bool
) -> dict[str, str | None]:
    """Try what each client was told to start; return what is wrong, by client."""
    results: dict[str, str | None] = {}
    for client, entries, _ in plan:
        wrong = None
        for entry in entries:
            if entry.events is None:
                wrong = wrong or starting.check_server(entry.value["command"], entry.value["args"])
            else:
                wrong = wrong or starting.check_hook(commands.hook_for(client.name))
        results[client.name] = wrong
        if not quiet:
            said = ("can start Kioku", "green") if wrong is None else (f"cannot start Kioku: {wrong}", "red")
            print_line((f"{client.title}: ", "bold"), said)
    return results
