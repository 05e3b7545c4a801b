"""Replacing a file that somebody else may be saving at the same moment, without losing what they save.

Looking at a file and then replacing it leaves an instant in which an editor's save is overwritten. Where the system can
let two files exchange their names, we look at what we displaced, and put it back if it is not what we knew. Elsewhere
the file is read once more just before it is replaced, and that instant remains.
"""

import errno
import os
import secrets
import sys

from kioku.errors import RefusedPathError
from kioku.workspace.plain_files import read_plain, replace_plain

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
_ROUNDS = 100


def replace_known(path: str, data: bytes, known: bytes, *, backup: str) -> bool:
    """Put bytes in the place of a file that holds `known`, and keep that as `backup`.

    Returns False where the file holds something else, which then stays in its place. Raises OSError.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(6)}.tmp")
    replace_plain(temporary, data)
    try:
        if _held(path, len(known)) != known:
            return False
        if not exchange(temporary, path):
            replace_plain(backup, known)
            if _held(path, len(known)) != known:
                return False
            os.replace(temporary, path)
            return True
        if _held(temporary, len(known)) == known:
            os.replace(temporary, backup)
            return True
        _put_back(temporary, path, data)
        return False
    except FileNotFoundError:
        return False
    finally:
        try:
            os.unlink(temporary)
        except OSError:
            pass  # it is in its place


def exchange(one: str, other: str) -> bool:
    """Let two files exchange their names at once; False where this system cannot. Raises OSError."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), other)


def _put_back(held: str, path: str, ours: bytes) -> None:
    """Put back what we displaced, or, where somebody saved meanwhile, what they saved last.

    `ours` is what we put into its place.
    """
    expected: bytes | None = ours
    for _ in range(_ROUNDS):
        newest = _held(held, None)
        exchange(held, path)
        if _held(held, None) == expected:
            return  # nobody came between: what we displaced is in its place again
        expected = newest


def _held(path: str, length: int | None) -> bytes | None:
    """Return what a file holds; None for what is no plain file, or is longer than `length`."""
    try:
        return read_plain(path, 1 << 26 if length is None else length)
    except RefusedPathError:
        return None
