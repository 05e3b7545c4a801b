"""Printing: tables with colour on a terminal, plain lines in a pipe, JSON where asked for.

Stored text comes from outside: control characters, bidirectional and invisible ones never reach a terminal.
"""

import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from kioku.errors import KiokuError
from kioku.redaction import redact

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
project_option = click.option(
    "--project",
    "folder",
    type=click.Path(),
    default=None,
    help="The project's folder, instead of the one found from here.",
)

own_option = click.option("--own", is_flag=True, help="Your own store: what belongs to no project on this machine.")


def a_number(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse `nan` for an option: it is neither below nor above any bound."""
    if value is not None and value != value:
        raise click.BadParameter("'nan' is not a number")
    return value


def clean(text: Any) -> str:
    """Return text for a terminal: what could move the cursor, hide or reorder text becomes visible."""
    text = str(text)
    # What is not printable, to Python, are controls, formats, separators, surrogates and what Unicode does not know.
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def print_json(value: Any) -> None:
    """Print a value as indented JSON, in which what cannot be printed is written as JSON escapes it."""
    lines = msgspec.json.format(msgspec.json.encode(value), indent=2).decode().split("\n")
    print("\n".join(line if line.isprintable() else "".join(map(_escaped, line)) for line in lines))


def _escaped(sign: str) -> str:
    if sign.isprintable():
        return sign
    units = sign.encode("utf-16-be", "surrogatepass")  # JSON knows no larger numbers
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def problem(error: KiokuError) -> None:
    """Print an error for a person, to standard error, where logs and assistants read it too: no secret it quotes."""
    print(f"error: {clean(redact(error.message))}", file=sys.stderr)
    if error.hint:
        print(f"       {clean(redact(error.hint))}", file=sys.stderr)


def note(text: str) -> None:
    """Print a remark beside the result, to standard error."""
    print(clean(text), file=sys.stderr)


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    right: Sequence[str] = (),
    optional: Sequence[str] = (),
    paths: str | None = None,
) -> None:
    """Print a table: coloured on a terminal, else lines of cells divided by tabs, without headings.

    On a terminal too narrow for it, the `optional` columns are left out, the first of them first; then the column
    `paths` shows the ends of what is in it.
    """
    if not on_terminal():
        for row in rows:
            print("\t".join(clean(cell) for cell in row))
        return
    if not rows:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    widths = [max(len(clean(cell)) for cell in column) for column in zip(headings, *rows, strict=True)]
    shown = list(range(len(headings)))
    for name in optional:
        if sum(widths[index] + _GAP for index in shown) - _GAP > console.width:
            shown.remove(headings.index(name))
    if paths is not None:
        column = headings.index(paths)
        room = console.width - sum(widths[index] + _GAP for index in shown if index != column)
        rows = [[*row[:column], _end_of(str(row[column]), room), *row[column + 1 :]] for row in rows]
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for index in shown:
        table.add_column(headings[index], justify="right" if headings[index] in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(row[index]), style=_style(row[index])) for index in shown))
    console.print(table)


_GAP = 2  # between columns
_LEAST = 12  # signs of a path that tell something


def _end_of(path: str, room: int) -> str:
    """Return a path's end in that many signs."""
    room = max(room, _LEAST)
    return path if len(path) <= room else f"…{path[1 - room :]}"


def print_facts(facts: Sequence[tuple[str, Any]]) -> None:
    """Print names and values, aligned."""
    width = max((len(name) for name, _ in facts), default=0)
    for name, value in facts:
        print_line((f"{name:<{width}}", "bold"), (f"  {value}".rstrip(), ""))


def print_code(line: str, style: str) -> None:
    """Print a line of a file, with its tabs."""
    if not on_terminal():
        print("\t".join(map(clean, line.split("\t"))).rstrip())
    else:
        print_line((line.expandtabs(4), style))


def on_terminal() -> bool:
    """Tell whether a person reads our output; it is None where it was closed before we began."""
    return sys.stdout is not None and sys.stdout.isatty()


def print_line(*parts: tuple[str, str]) -> None:
    """Print one line of parts, given as (text, style); styles show where the terminal has them and the person wants."""
    print_lines([parts])


def print_lines(lines: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Print lines of parts, each given as (text, style)."""
    if not on_terminal():
        for line in lines:
            print("".join(clean(text) for text, _ in line).rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text.assemble(*((clean(text), style) for text, style in line)))


def _style(cell: Any) -> str:
    word = str(cell).partition(" ")[0]
    return {
        "active": "green",
        "completed": "",
        "archived": "dim",
        "ok": "green",
        "warning": "yellow",
        "problem": "red",
    }.get(word, "")
