"""The values of a project's `.env` files: secrets that no pattern knows.

A value counts as secret when its name says so, or when it looks like nothing a person would write elsewhere: no word,
number, path or plain address. Standard library only, and little of it: the hook reads this with every event.
"""

import os
import stat

_PLAIN_ENDINGS = (".example", ".sample", ".template", ".dist", ".defaults")
_MOST_FILES = 20
_LARGEST = 65_536
_SECRET_WORDS = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "PWD", "KEY", "CREDENTIAL", "AUTH", "DSN", "PRIVATE", "SALT")
_SHORTEST_NAMED = 6
_SHORTEST = 12


def values(root: str) -> tuple[str, ...]:
    """Return the values in `.env` and `.env.*` of a folder that are worth hiding, the longest first."""
    found: dict[str, None] = {}
    for name in _names(root):
        text = _read(os.path.join(root, name))
        for line in text.splitlines():
            variable, value = parse(line)
            if is_secret(variable, value):
                found[value] = None
    return tuple(sorted(found, key=len, reverse=True))


def parse(line: str) -> tuple[str, str]:
    """Return the name and the value that a line sets, both empty for a line that sets none."""
    line = line.strip().removeprefix("export ").lstrip()
    name, equals, value = line.partition("=")
    if not equals or line.startswith("#"):
        return "", ""
    value = value.strip()
    if value[:1] in ("'", '"', "`"):
        end = value.find(value[0], 1)
        value = value[1:end] if end > 0 else value[1:]
    else:
        value = value.partition(" #")[0].strip()
    return name.strip(), value


def is_secret(name: str, value: str) -> bool:
    """Tell whether a value is worth hiding wherever it occurs."""
    if "$" in value[:1] or len(set(value)) < 4:
        return False
    upper = name.upper()
    if any(word in upper for word in _SECRET_WORDS):
        return len(value) >= _SHORTEST_NAMED and value.lower() not in ("public", "required", "optional", "disabled")
    if len(value) < _SHORTEST or " " in value:
        return False
    if "://" in value:
        return "@" in value.partition("://")[2]  # an address is secret for its credentials only
    letters = sum(c.isalpha() for c in value)
    digits = sum(c.isdigit() for c in value)
    return "/" not in value[:2] and "\\" not in value and letters >= 4 and digits >= 2


def _names(root: str) -> list[str]:
    try:
        with os.scandir(root) as entries:
            found = [entry.name for entry in entries if entry.name.startswith(".env")]
    except OSError:
        return []
    wanted = [name for name in found if name in (".env", ".envrc") or name.startswith(".env.")]
    return sorted(name for name in wanted if not name.endswith(_PLAIN_ENDINGS))[:_MOST_FILES]


def _read(path: str) -> str:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, _LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
