"""One table in a TOML file, put in and taken out as text: what a person wrote around it stays as it is."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any


class TomlError(Exception):
    """Text that is no TOML, or in which our table has no place."""


def parse(text: str) -> dict[str, Any]:
    """Return what a text holds. Raises TomlError."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise TomlError(str(error)) from error


def find(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return the value at a path of keys, None where there is none."""
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def add(text: str, path: Sequence[str], value: Any) -> str:
    """Put a table at the end, or a value into a table that is there. Raises TomlError where it cannot stand."""
    if not isinstance(value, Mapping):
        return _set(text, path[:-1], path[-1], value)
    eol = "\r\n" if "\r\n" in text else "\n"
    lines = [f"[{'.'.join(path)}]", *(f"{name} = {_written(given)}" for name, given in value.items())]
    gap = "" if not text.strip("\ufeff \t\r\n") else eol if text.endswith("\n") else eol * 2
    after = text + gap + eol.join(lines) + eol
    if find(parse(after), path) != value:
        raise TomlError(f"[{'.'.join(path)}] has no place in it")
    return after


def remove(text: str, path: Sequence[str]) -> str:
    """Take a table out, with what is below it and the empty line before it. Raises TomlError where that cannot be done.

    Comments behind it belong to what follows, and stay.
    """
    while (found := next(_tables(text, path), None)) is not None:
        start, end = found
        if text[:start].endswith(("\n\n", "\n\r\n")):
            start -= 2 if text[:start].endswith("\r\n") else 1
        text = text[:start] + text[end:]
    if find(parse(text), path) is not None:
        raise TomlError(f"{'.'.join(path)} is not written as a table of its own")
    return text


def _set(text: str, path: Sequence[str], key: str, value: Any) -> str:
    """Put a value into a table that has a heading, in the place of the one that is there."""
    wanted = parse(text)
    find(wanted, path)[key] = value
    eol = "\r\n" if "\r\n" in text else "\n"
    line = f"{key} = {_written(value)}"
    present = re.compile(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=[ \t]*{_VALUE}", re.MULTILINE)
    for start, end in _tables(text, path):
        for match in present.finditer(text, start, end):
            after = text[: match.start()] + line + text[match.end() :]
            if _holds(after, wanted):
                return after
        after = text[:end] + ("" if text[:end].endswith("\n") else eol) + line + eol + text[end:]
        if _holds(after, wanted):
            return after
    raise TomlError(f"'{key}' in [{'.'.join(path)}] cannot be changed in its place")


def _holds(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return parse(text) == wanted
    except TomlError:
        return False


def _written(value: Any) -> str:
    """Write a text, number or list as TOML has it, which knows no surrogate pairs and no bare DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _tables(text: str, path: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Return where the table of a path, and those below it, begin and end."""
    name = r"[ \t]*\.[ \t]*".join(rf"(?:{re.escape(key)}|\"{re.escape(key)}\"|'{re.escape(key)}')" for key in path)
    ours = re.compile(rf"[ \t]*\[[ \t]*{name}[ \t]*[\].]")
    headers = [match.start(1) for match in _HEADER.finditer(text) if _is_between_values(text[: match.start()])]
    for start, following in pairwise([*headers, len(text)]):
        if ours.match(text, start):
            end = start
            for line in _LINE.finditer(text, start, following):
                if line.group().strip() and not line.group().lstrip().startswith("#"):
                    end = line.end()
            yield start, end


def _is_between_values(text: str) -> bool:
    """Tell whether a text ends outside of any value: what follows is in no string or list of many lines."""
    try:
        parse(text)
    except TomlError:
        return False
    return True


_HEADER = re.compile(r"^\ufeff?([ \t]*\[)", re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_VALUE = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\[[^\]]*\]|[^\s#]+)"""
