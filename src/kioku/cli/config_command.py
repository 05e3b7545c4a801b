"""`kioku config`: the settings in force and where Kioku keeps things."""

import os

import click

from kioku import settings
from kioku.cli import places
from kioku.cli.output import json_option, print_facts, print_json, print_table, project_option


@click.group("config", invoke_without_command=True)
@project_option
@json_option
@click.pass_context
def command(context: click.Context, folder: str | None, as_json: bool) -> None:
    """Show settings and paths."""
    if context.invoked_subcommand is None:
        context.invoke(show, folder=folder, as_json=as_json)


@command.command("show")
@project_option
@json_option
def show(folder: str | None = None, as_json: bool = False) -> None:
    """Show every setting, its value, and who set it."""
    _, values = places.find(folder)
    if as_json:
        print_json({v.key.name: {"value": v.value, "source": v.source, "says": v.key.says} for v in values.values})
        return
    rows = [(v.key.name, _shown(v.value), v.source, v.key.says) for v in values.values]
    print_table(("setting", "value", "set by", ""), rows)


def _shown(value: float | tuple[str, ...]) -> str:
    return (", ".join(value) or "none") if isinstance(value, tuple) else f"{value:g}"


@command.command("path")
@project_option
@json_option
def path(folder: str | None, as_json: bool) -> None:
    """Show where this project's data and the settings files are."""
    where, _ = places.find(folder)
    found = {
        "project": where.root,
        "working tree": where.workdir,
        "store": where.store_path,
        "project settings": os.path.join(where.context_dir, settings.PROJECT_FILE),
        "user settings": os.path.join(settings.user_folder("config"), settings.USER_FILE),
    }
    if as_json:
        print_json(found)
        return
    print_facts(list(found.items()))
