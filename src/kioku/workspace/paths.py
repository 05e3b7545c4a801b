"""Paths that callers give: where they lie in the project, and how they are shown.

Invariant: what `locate` returns is relative, has no name that goes up or means something else than a file
below the root, and was found without touching the disk.
"""

import os
import re
from typing import Final

import msgspec

from kioku.errors import RefusedPathError

WINDOWS = os.name == "nt"
PATH_MAX: Final = 4096

_DRIVE = re.compile(r"[A-Za-z]:")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)")
_SHORT_NAME = re.compile(r"~[0-9]")  # SESSIO~1.DB is another name of sessions.db


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """A path inside the project: `relative` has '/' between its names, "" for the root."""

    relative: str
    path: str


def printable(text: str, limit: int = 200) -> str:
    """Return text for a message: at most `limit` characters, with all that is not printable escaped."""
    shown = "".join(c if c.isprintable() else _escaped(c) for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def locate(root: str, given: str) -> Located:
    """Return where a path given by a caller lies in the project, without touching the disk.

    Raises RefusedPathError for anything but a relative path that stays inside.
    """
    return _locate(root, given, windows=WINDOWS)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def refused(given: str, why: str, hint: str) -> RefusedPathError:
    """Return the error for a path: what is wrong with it, and what to give instead."""
    return RefusedPathError(f'The path "{printable(given)}" {why}.', hint=hint)


def _locate(root: str, given: str, *, windows: bool) -> Located:
    inside = "give a path relative to the project's folder, such as src/main.py"
    if not given or len(given) > PATH_MAX:
        raise refused(given, "is empty" if not given else "is too long", inside)
    if "\0" in given:
        raise refused(given, "holds a NUL character", inside)
    slashed = given.replace("\\", "/")
    if slashed.startswith("/") or _DRIVE.match(slashed):
        raise refused(given, "is absolute", _relative_hint(root, slashed, windows) or inside)
    if given.startswith("~"):
        raise refused(given, "starts with ~, which is not expanded", f'{inside}; "./~name" is a file of that name')
    if ".." in slashed.split("/"):
        raise refused(given, "goes up, by '..'", inside)
    try:
        os.fsencode(given)
    except UnicodeEncodeError:
        raise refused(given, "cannot be the name of a file", inside) from None
    names = [name for name in (slashed if windows else given).split("/") if name not in ("", ".")]
    for name in names if windows else ():
        if name[-1] in ". " or _RESERVED.match(name) or _SHORT_NAME.search(name) or set(name) & set(':*?"<>|'):
            raise refused(given, f'holds "{printable(name, 60)}", a name with a meaning of its own on Windows', inside)
    relative = "/".join(names)
    return Located(relative=relative, path=os.path.join(root, *names))


def _relative_hint(root: str, slashed: str, windows: bool) -> str | None:
    base = (root.replace("\\", "/") if windows else root).rstrip("/") + "/"
    same = slashed.casefold().startswith(base.casefold()) if windows else slashed.startswith(base)
    rest = "/".join(name for name in slashed[len(base) :].split("/") if name not in ("", "."))
    if not same or not rest or ".." in rest.split("/"):
        return None
    return f'it lies in the project: use "{printable(rest)}"'
