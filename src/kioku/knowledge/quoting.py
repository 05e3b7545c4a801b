"""Entries of `.context/project.yaml` that rest on a session: they go when it is deleted.

An entry is an item of a list, with all that is indented below it; it names a session, or a discovery, by its id.
Everything else stays as it is, byte by byte.
"""

import os
from collections.abc import Iterable

from kioku.errors import KiokuError, ProjectError
from kioku.knowledge.yaml_file import BOM, MAX_BYTES, locked
from kioku.knowledge.yaml_items import ItemDocument
from kioku.knowledge.yaml_tree import YamlError
from kioku.workspace.plain_files import read_plain
from kioku.workspace.swapping import is_left, replace_known, settle

FILES = ("project.yaml", "project.yaml.bak")
_TRIES = 50  # an editor does not save so often in a row


def quoting(folder: str, ids: Iterable[str]) -> dict[str, int]:
    """Return the files in a `.context/` folder with entries that name one of these, and how many lines name one."""
    wanted = [id.encode() for id in ids]
    found = {}
    for path in (os.path.join(folder, name) for name in FILES):
        text = _read(path) or b""
        naming = sum(any(id in line for id in wanted) for line in text.splitlines())
        if naming:
            found[path] = naming
    return found


def remove_quotes(folder: str, ids: Iterable[str]) -> list[str]:
    """Remove those entries; return the files that were changed. Raises KiokuError and OSError."""
    names = list(ids)
    wanted = [id.encode() for id in names]
    changed: list[str] = []
    file, backup = (os.path.join(folder, name) for name in FILES)
    if not quoting(folder, names) and not is_left(file):
        return changed
    with locked(folder):
        settle(file, backup)
        for path in quoting(folder, names):
            for _ in range(_TRIES):
                text = _read(path)
                if text is None:
                    break
                left = b"".join(_without(_without_items(text, names), wanted))
                if replace_known(path, left, text, backup=None):
                    changed.append(path)
                    break
            else:
                raise ProjectError(f"{path} is being changed all the time", hint="Run the command again at rest")
    return changed


def _read(path: str) -> bytes | None:
    try:
        return read_plain(path, MAX_BYTES)
    except (OSError, KiokuError):
        return None


def _without_items(data: bytes, ids: list[str]) -> bytes:
    """Remove single items from lists that are written on one line; what is no YAML is left to `_without`."""
    try:
        text = data.decode("utf-8")
        bom = BOM if text.startswith(BOM) else ""
        document = ItemDocument(text.removeprefix(bom))
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            path = waiting.pop()
            node = document.node(path)
            assert node is not None
            waiting += [(*path, key) for key in node.values] if node.kind == "map" else []
            if node.kind == "list" and node.flow:
                spans = [document.text[item.start : item.end] for item in node.items]
                gone = [number for number, span in enumerate(spans) if any(id in span for id in ids)]
                if gone:
                    document.change_items(path, gone=gone)
        return (bom + document.apply()).encode("utf-8")
    except (UnicodeError, YamlError):
        return data


def _without(text: bytes, ids: list[bytes]) -> list[bytes]:
    lines = text.splitlines(keepends=True)
    gone: set[int] = set()
    for number, line in enumerate(lines):
        if any(id in line for id in ids):
            gone |= set(_entry(lines, number))
    return [line for number, line in enumerate(lines) if number not in gone]


def _entry(lines: list[bytes], number: int) -> range:
    """Return the lines of the list item that a line is part of; by itself, where it is part of none."""
    start, depth = number, _depth(lines[number])
    while start > 0 and not lines[start].lstrip().startswith(b"- "):
        start -= 1
        if lines[start].strip() and _depth(lines[start]) < depth:
            depth = _depth(lines[start])
            if not lines[start].lstrip().startswith(b"- "):
                return range(number, number + 1)
    if not lines[start].lstrip().startswith(b"- "):
        return range(number, number + 1)
    end = start + 1
    while end < len(lines) and lines[end].strip() and _depth(lines[end]) > _depth(lines[start]):
        end += 1
    return range(start, max(end, number + 1))


def _depth(line: bytes) -> int:
    return len(line) - len(line.lstrip(b" "))
