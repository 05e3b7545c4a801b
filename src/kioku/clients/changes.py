"""What is to be changed in a client's settings files, as texts before and after, and nothing written yet.

After every edit both texts are read again: whatever is not ours must be the same in both, or the change is refused.
"""

import os
import re
import shlex
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kioku.clients import jsonc, toml_text
from kioku.clients.table import NAME, Entry
from kioku.errors import KiokuError

LARGEST = 8 << 20  # bytes of a settings file that is edited


class Change(NamedTuple):
    """A file and its text: `before` is None for one that is made, `after` for one that is deleted."""

    path: str
    before: str | None
    after: str | None


def add(entries: Sequence[Entry], *, within: str | None) -> list[Change]:
    """Return the changes that put entries in; none where they are there. Raises KiokuError, naming the file.

    `within` is the project whose files these are: a link out of it is not followed.
    """
    return _changes(entries, within, _added)


def remove(entries: Sequence[Entry], *, within: str | None) -> list[Change]:
    """Return the changes that take entries out. Raises KiokuError."""
    return _changes(entries, within, _removed)


def _changes(entries: Sequence[Entry], within: str | None, edit: Any) -> list[Change]:
    texts: dict[str, tuple[str | None, str | None]] = {}
    for entry in entries:
        path = resolve(entry.file, within)
        if path not in texts:
            before = read(path)
            texts[path] = before, before
        before, text = texts[path]
        try:
            after = edit(text, entry)
            _require_the_rest(before or "", after or "", entry)
        except (jsonc.JsoncError, toml_text.TomlError) as error:
            raise KiokuError(
                f"{path}: {error}", hint=f"add this by hand, or mend the file: {by_hand(entry)}"
            ) from error
        texts[path] = before, after
    return [Change(path, before, after) for path, (before, after) in texts.items() if before != after]


def by_hand(entry: Entry) -> str:
    """Return what a person would write into the file."""
    import json

    value: Any = entry.value if entry.events is None else {event: [item] for event, item in entry.events.items()}
    for key in reversed(entry.path):
        value = {key: value}
    return json.dumps(value)


def resolve(path: str, within: str | None) -> str:
    """Return the file that a path leads to. A person's own links are followed; a project's stay inside of it."""
    real = os.path.realpath(path)
    is_projects = within is not None and os.path.abspath(path).startswith(os.path.join(within, ""))
    if (
        within is not None
        and is_projects
        and os.path.commonpath([os.path.realpath(within), real]) != os.path.realpath(within)
    ):
        raise KiokuError(f"{path} leads out of the project", hint="Kioku follows no such link: replace it by a file")
    return real


def read(path: str) -> str | None:
    """Return a settings file's text, None where there is none. Raises KiokuError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KiokuError(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise KiokuError(f"{path} is no regular file", hint="move it away")
    with open(descriptor, "rb") as stream:
        if status.st_size > LARGEST:
            raise KiokuError(f"{path} is larger than {LARGEST >> 20} MB", hint="is it a settings file?")
        try:
            return stream.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise KiokuError(f"{path} is not UTF-8", hint="save it as UTF-8") from error


def value_at(path: str, *keys: str) -> Any:
    """Return what a JSON settings file has at a path of keys; None where it has nothing, or cannot be read."""
    try:
        return toml_text.find({"": jsonc.parse(read(path) or "{}").value}, ("", *keys))
    except (KiokuError, jsonc.JsoncError, ValueError, RecursionError):
        return None


def is_our_server(value: Any) -> bool:
    """Tell whether a server's entry was made by Kioku: its command is ours, wherever it is installed."""
    command = value.get("command") if isinstance(value, Mapping) else None
    return isinstance(command, str) and _program(command) == "kioku"


def is_our_hook(value: Any) -> bool:
    """Tell whether a hook, or a group with nothing but such hooks, was made by Kioku."""
    if not isinstance(value, Mapping):
        return False
    inner = value.get("hooks")
    if isinstance(inner, list):
        return bool(inner) and all(is_our_hook(item) for item in inner)
    command = value.get("command")
    words = words_of(command) if isinstance(command, str) else []
    return len(words) == 2 and _program(words[0]) == "kioku-hook" and words[1].isalpha()


def words_of(line: str) -> list[str]:
    """Return the words of a command line as this platform's shell reads them; none of one that it cannot read."""
    if sys.platform == "win32":  # where a backslash is part of a path
        return [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', line)]
    try:
        return shlex.split(line)
    except ValueError:
        return []  # a quotation mark without its other half


def _program(command: str) -> str:
    """Return the name of the program that a path leads to."""
    return re.split(r"[\\/]", command)[-1].removesuffix(".exe")


def ours_in(listed: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    """Return our hooks in an event's list: where each stands, and what it is. A group may have others beside ours."""
    found: list[tuple[tuple[str | int, ...], Any]] = []
    for index, item in enumerate(listed if isinstance(listed, list) else ()):
        if is_our_hook(item):
            found.append(((index,), item))
        elif isinstance(item, Mapping) and isinstance(item.get("hooks"), list):
            found += [((index, "hooks", at), one) for at, one in enumerate(item["hooks"]) if is_our_hook(one)]
    return found


def _is_toml(entry: Entry) -> bool:
    return entry.file.endswith(".toml")


def _values(text: str, entry: Entry) -> Any:
    if _is_toml(entry):
        return toml_text.parse(text)
    values = jsonc.parse(text).value if text.strip("\ufeff \t\r\n") else {}
    if not isinstance(values, Mapping):
        raise jsonc.JsoncError("is no object")
    return values


def _added(text: str | None, entry: Entry) -> str:
    given = text or ""
    if entry.events is None:
        return _server_added(given, entry)
    for name, value in (entry.beside or {}).items():
        if name not in _values(given, entry):
            given = jsonc.add(given, (name,), value)
    for event, item in entry.events.items():
        path = (*entry.path, event)
        found = ours_in(toml_text.find(_values(given, entry), path))
        inner = item.get("hooks", [None])[0]
        if len(found) == 1 and found[0][1] in (item, inner):
            continue
        for place, _ in reversed(found):
            given = jsonc.remove(given, (*path, *place))
        given = jsonc.add(given, (*path, "-"), item)
    return given


def _server_added(given: str, entry: Entry) -> str:
    add: Callable[[str, Sequence[str], Any], str] = toml_text.add if _is_toml(entry) else jsonc.add
    present = toml_text.find(_values(given, entry), entry.path)
    if present is None:
        return add(given, entry.path, entry.value)
    if not is_our_server(present):
        raise jsonc.JsoncError(f"'{'.'.join(entry.path)}' is somebody else's")
    # What the person or the client put into our entry (variables, what is allowed without asking) stays.
    for key, value in entry.value.items():
        if present.get(key) != value and not (value == {} and isinstance(present.get(key), Mapping)):
            given = add(given, (*entry.path, key), value)
    return given


def _removed(text: str | None, entry: Entry) -> str | None:
    if text is None:
        return None
    if entry.events is None:
        if not is_our_server(toml_text.find(_values(text, entry), entry.path)):
            return text
        text = (toml_text if _is_toml(entry) else jsonc).remove(text, entry.path)
        return text if _is_toml(entry) else _without_empty(text, entry.path[:-1])
    listed = toml_text.find(_values(text, entry), entry.path)
    for event in listed if isinstance(listed, Mapping) else ():
        path = (*entry.path, event)
        found = ours_in(listed[event])
        for place, _ in reversed(found):
            text = jsonc.remove(text, (*path, *place))
        if found:
            text = _without_empty(text, path)
    return text


def _without_empty(text: str, path: Sequence[str]) -> str:
    """Take out what our entry has left empty, from the inside; a comment in it keeps it."""
    for length in range(len(path), 0, -1):
        node = jsonc.find(text, path[:length])
        if node is not None and node.value in ({}, []) and not text[node.start + 1 : node.end - 1].strip():
            text = jsonc.remove(text, path[:length])
    return text


def _require_the_rest(before: str, after: str, entry: Entry) -> None:
    """Make sure that an edit changed nothing of the person's."""
    was, now = (_without_ours(_values(text, entry)) for text in (before, after))
    for name in entry.beside or {}:
        now.pop(name, None) if isinstance(now, dict) and isinstance(was, dict) and name not in was else None
    if was != now:
        raise jsonc.JsoncError("cannot be changed without changing what is yours")


def _without_ours(value: Any) -> Any:
    """Return settings without our entries, and without what is empty then."""
    if isinstance(value, Mapping):
        kept = {key: _without_ours(part) for key, part in value.items() if not (key == NAME and is_our_server(part))}
        return {key: part for key, part in kept.items() if part not in ({}, [])}
    if isinstance(value, list):
        return [_without_ours(part) for part in value if not is_our_hook(part)]
    return value
