"""One table in a TOML file, put in and taken out as text: what a person wrote around it stays as it is."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any


class TomlError(Exception):
    """Text that is no TOML, or in which our table has no place."""


def parse(text: str) -> dict[str, Any]:
    """Return what a text holds. Raises TomlError."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise TomlError(str(error)) from error


def find(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return the value at a path of keys, None where there is none."""
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def add(text: str, path: Sequence[str], value: Mapping[str, Any]) -> str:
    """Put a table at the end, in the place of one with that name. Raises TomlError where it cannot stand."""
    text = remove(text, path)
    eol = "\r\n" if "\r\n" in text else "\n"
    lines = [f"[{'.'.join(path)}]", *(f"{name} = {json.dumps(given)}" for name, given in value.items())]
    gap = "" if not text.strip() else eol if text.endswith("\n") else eol * 2
    after = text + gap + eol.join(lines) + eol
    if find(parse(after), path) != value:
        raise TomlError(f"[{'.'.join(path)}] has no place in it")
    return after


def remove(text: str, path: Sequence[str]) -> str:
    """Take a table out, with the empty line before it; text without it stays as it is."""
    name = r"\s*\.\s*".join(map(re.escape, path))
    header = re.compile(rf"^[ \t]*\[\s*{name}\s*\][^\n]*\n?", re.MULTILINE)
    match = header.search(text)
    if match is None:
        return text
    following = re.compile(r"^[ \t]*\[", re.MULTILINE).search(text, match.end())
    end = following.start() if following else len(text)
    start = match.start()
    before = text[:start]
    if before.endswith("\r\n\r\n"):
        start -= 2
    elif before.endswith("\n\n"):
        start -= 1
    return text[:start] + text[end:]
