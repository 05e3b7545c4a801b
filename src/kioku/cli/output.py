"""Printing: tables with colour on a terminal, plain lines in a pipe, JSON where asked for.

Stored text comes from outside: control characters, bidirectional and invisible ones never reach a terminal.
"""

import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from kioku.errors import KiokuError

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
project_option = click.option(
    "--project",
    "folder",
    type=click.Path(),
    default=None,
    help="The project's folder, instead of the one found from here.",
)


def clean(text: Any) -> str:
    """Return text for a terminal: what could move the cursor, hide or reorder text becomes visible."""
    return "".join(c if _is_harmless(c) else f"\\u{ord(c):04x}" for c in str(text))


def _is_harmless(character: str) -> bool:
    return character.isprintable() and unicodedata.category(character) not in ("Cf", "Cc", "Zl", "Zp")


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def problem(error: KiokuError) -> None:
    """Print an error for a person, to standard error."""
    print(f"error: {clean(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"       {clean(error.hint)}", file=sys.stderr)


def note(text: str) -> None:
    """Print a remark beside the result, to standard error."""
    print(clean(text), file=sys.stderr)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Print a table: coloured on a terminal, else lines of cells divided by tabs, without headings."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(clean(cell) for cell in row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell), style=_style(cell)) for cell in row))
    Console().print(table)


def print_facts(facts: Sequence[tuple[str, Any]]) -> None:
    """Print names and values, aligned."""
    width = max((len(name) for name, _ in facts), default=0)
    for name, value in facts:
        styled = click.style(f"{name:<{width}}", bold=True) if sys.stdout.isatty() else f"{name:<{width}}"
        print(f"{styled}  {clean(value)}".rstrip())


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
