"""Files beside a store that hold an older or damaged one: what was deleted from the store may still be in them."""

import os
import stat
from collections.abc import Iterable
from typing import Final

_WORDS: Final = (".corrupt-", ".foreign-", ".before-upgrade-")
_CHUNK: Final = 1 << 20
_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def holding(store_path: str, names: Iterable[str]) -> list[str]:
    """Return the copies beside a store in which one of these names stands, side files each by themselves.

    The bytes are read: a damaged store cannot be asked.
    """
    folder, base = os.path.split(store_path)
    wanted = [name.encode() for name in names]
    try:
        found = sorted(name for name in os.listdir(folder) if name.startswith(tuple(base + word for word in _WORDS)))
    except OSError:
        return []
    stems = {name for name in found if _holds(os.path.join(folder, name), wanted)}
    # With a store go its log and its index: they are parts of it.
    stems |= {name for name in found if any(name.startswith(f"{stem}-") for stem in stems)}
    return [os.path.join(folder, name) for name in sorted(stems)]


def _holds(path: str, wanted: list[bytes]) -> bool:
    overlap = max((len(name) for name in wanted), default=0)
    try:
        with open(os.open(path, _READ), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return False
            kept = b""
            while data := stream.read(_CHUNK):
                if any(name in kept + data for name in wanted):
                    return True
                kept = data[-overlap:]
    except OSError:
        return False
    return False


def remove(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Remove copies; return those that could not be, with the reason."""
    left = []
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            left.append((path, error.strerror or "cannot be removed"))
    return left
