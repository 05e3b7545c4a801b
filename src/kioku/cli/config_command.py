"""`kioku config`: the settings in force and where Kioku keeps things."""

import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import click

from kioku import dotenv, project, redaction, settings
from kioku.cli import places
from kioku.cli.output import json_option, note, print_facts, print_json, print_table, project_option
from kioku.errors import ProjectError, UsageError
from kioku.words import counted

_LARGEST = 50 << 20  # bytes of a text that is tried
_MARK = re.compile(r"\[REDACTED:([a-z0-9-]+)\]")
_SHOWN = 60  # characters on either side of a mark, for a person


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


def _shown(value: settings.Given) -> str:
    if isinstance(value, str):
        return value
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


class Hidden(NamedTuple):
    """A line of a text in which something would be hidden."""

    number: int
    kinds: list[str]
    text: str


@command.command("redact-test")
@click.argument("file", type=click.Path())
@project_option
@json_option
def redact_test(file: str, folder: str | None, as_json: bool) -> None:
    """Show what Kioku would hide in FILE, or in standard input for `-`.

    Uses your settings and, in a project, its .env files. Nothing is stored.
    """
    text = _text(file)
    context, values = None, tuple[str, ...]()
    try:
        where = project.find(folder, settings.project_variables(), project.working_folder())
        context, values = where.context_dir, dotenv.values(where.workdir)
    except ProjectError:
        if folder is not None:
            raise  # else we are outside of any project: then there is less to hide
    allow = settings.load(context).texts("redaction.allow")
    redaction.use(redaction.Secrets(values=values, allow=allow, keeps_lines=True))
    found = list(_hidden(text))
    kinds = Counter(kind for line in found for kind in line.kinds)
    if as_json:
        print_json({"file": file, "hidden": sum(kinds.values()), "kinds": kinds, "lines": [h._asdict() for h in found]})
        return
    print_table(("line", "hidden", "as it would be kept"),
                [(line.number, ", ".join(line.kinds), _around_mark(line.text)) for line in found])  # fmt: skip
    if found:
        listed = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        note(f"{counted(sum(kinds.values()), 'secret')} in {counted(len(found), 'line')} would be hidden: {listed}")
        note("what is none can be allowed by its exact text: redaction.allow in your settings")
    else:
        note("nothing would be hidden")


def _text(file: str) -> str:
    """Read a text, at most `_LARGEST` bytes of it. Raises UsageError."""
    if file == "-":
        data = sys.stdin.buffer.read(_LARGEST + 1)
    else:
        try:
            descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}", hint="name a file that can be read") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UsageError(f"{file} is no regular file", hint="name a file, or `-` for standard input")
        with open(descriptor, "rb") as stream:
            data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise UsageError(f"{file} is larger than {_LARGEST >> 20} MB", hint="try a part of it")
    return data.decode("utf-8", "replace")


def _hidden(text: str) -> Iterator[Hidden]:
    kept = redaction.redact(text)
    for number, (before, after) in enumerate(zip(text.split("\n"), kept.split("\n"), strict=True), 1):
        kinds = Counter(_MARK.findall(after)) - Counter(_MARK.findall(before))
        if kinds:
            yield Hidden(number, list(kinds.elements()), after)


def _around_mark(text: str) -> str:
    """Return the part of a line that a person wants to see."""
    marks = list(_MARK.finditer(text))
    start, end = max(0, marks[0].start() - _SHOWN), marks[-1].end() + _SHOWN
    if end - start > 4 * _SHOWN:
        end = marks[0].end() + _SHOWN
    return f"{'…' if start else ''}{text[start:end].strip()}{'…' if end < len(text) else ''}"
