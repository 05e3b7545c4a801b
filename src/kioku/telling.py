"""What an assistant is told when its session begins: how that is laid down in a file, and what of it still holds.

A Kioku process lays it down, and hooks hand it over later, without a database or git. So the file says what it stands
on: its first line which store it was made from, its second where the working tree stood, as files of git's with their
status. Each line after them begins with the sign for when it is told, and may name files, of which those are told that
are there. The invariant: what cannot be checked any more, or has no place in the file's format, is not told. Standard
library only, and no `typing`, as in `hook`.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    # A line: when it is told, its text, what follows its files, and the files. Of each, its path from the project's
    # folder (none, if it is told whether it is there or not) and how it is told.
    Told: TypeAlias = tuple[str, str, str, Sequence[tuple[str, str]]]

# When a line is told.
ALWAYS = "="
BEGINNING = "+"  # when a conversation begins, not when a long one was shortened
STANDING = "&"  # as BEGINNING, and only while the working tree stands where it stood
MOVED = "!"  # as BEGINNING, in the place of a line that does not hold any more
SHORTENED = "~"  # only when a conversation was shortened

LONGEST = 8_192  # bytes of what is told
_LONGEST_FILE = 1 << 16

_PART = "\x1f"  # never in a line: control characters are taken out of whatever was recorded


def lay_down(store: str, watched: "Sequence[tuple[str, str]]", lines: "Iterable[Told]") -> bytes:
    """Return the file's content. Raises OSError where the store is not there.

    `watched` are files with the status that they had when the tree was looked at.
    """
    status = os.lstat(store)
    head = [f"{status.st_dev} {status.st_ino} {store}", _PART.join(part for file in watched for part in file)]
    told = []
    for when, text, tail, files in lines:
        kept = [part for file in files if file[0].isprintable() for part in file]
        told.append(when + (_PART.join((text, tail, *kept)) if files else text))
    return "\n".join([*head, *told]).encode("utf-8", "surrogateescape")


def hand_over(path: str, root: str, *, is_shortened: bool = False) -> str:
    """Return what of a file's lines is told in the project's folder `root` now; nothing where that is not known.

    `is_shortened` tells that the conversation goes on after its beginning was taken out of the assistant's sight.
    """
    try:
        with open(path, "rb") as stream:
            lines = stream.read(_LONGEST_FILE).decode("utf-8", "surrogateescape").split("\n")
        device, inode, store = lines[0].split(" ", 2)
        there = os.lstat(store)
        watched = lines[1].split(_PART) if lines[1] else []
    except (OSError, ValueError, IndexError):
        return ""
    if (device, inode) != (str(there.st_dev), str(there.st_ino)):
        return ""
    if is_shortened:
        fitting = ALWAYS + SHORTENED
    elif all(map(_is_as, watched[::2], watched[1::2])):
        fitting = ALWAYS + BEGINNING + STANDING
    else:
        fitting = ALWAYS + BEGINNING + MOVED
    told = "\n".join(filter(None, (_line(line[1:], root) for line in lines[2:] if line[:1] and line[0] in fitting)))
    return told.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore")


def status(path: str) -> str:
    """Return what tells whether a file is still as it is now."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return "-"
    return f"{found.st_ino}.{found.st_size}.{found.st_mtime_ns}"


def _is_as(path: str, was: str) -> bool:
    return status(path) == was


def _line(line: str, root: str) -> str:
    """Return a line with those of its files that are there; nothing where none is."""
    text, *parts = line.split(_PART)
    if not parts:
        return text
    tail, *files = parts
    told = [
        shown
        for path, shown in zip(files[::2], files[1::2], strict=False)
        if not path or os.path.lexists(os.path.join(root, path))
    ]
    return f"{text}{', '.join(told)}{tail}" if told else ""
