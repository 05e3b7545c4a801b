"""Replacing a file that somebody else may be saving at the same moment, without losing what they save.

Looking at a file and then replacing it leaves an instant in which an editor's save is overwritten. Where the system can
let two files exchange their names, we look at what we displaced, and put it back if it is not what we knew. Elsewhere
the file is read once more just before it is replaced, and that instant remains.
"""

import errno
import hashlib
import os
import re
import secrets
import signal
import stat
import sys

from kioku.errors import RefusedPathError
from kioku.workspace.plain_files import read_plain, replace_plain

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
_ROUNDS = 100
_GOES = "goes"
_LEFT = re.compile(
    r"\.(?P<part>\.)?(?P<name>.+)\.(?P<digest>[0-9a-f]{16})\.(?P<kind>[0-9a-f]{8}|goes)\.tmp(?(part)\.[0-9a-f]{12}\.tmp)"
)


def replace_known(path: str, data: bytes, known: bytes, *, backup: str | None) -> bool:
    """Put bytes in the place of a file that holds `known`, with its mode, and keep that as `backup` if there is one.

    Returns False where the file holds something else, or somebody is writing into it; it stays then. Raises OSError,
    and leaves the file as it was then, too.
    """
    if backup is not None and os.path.isdir(backup) and not os.path.islink(backup):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), backup)
    folder, name = os.path.split(path)
    kind = _GOES if backup is None else secrets.token_hex(4)
    temporary = os.path.join(folder, f".{name}.{_digest(data)}.{kind}.tmp")
    replace_plain(temporary, data)
    try:
        os.chmod(temporary, stat.S_IMODE(os.lstat(path).st_mode) & 0o777)
        if _held(path, len(known)) != known:
            return False
        if not exchange(temporary, path):
            if backup is not None:
                replace_plain(backup, known)
            if _held(path, len(known)) != known:
                return False
            os.replace(temporary, path)
            return True
        try:
            is_known = _held(temporary, len(known)) == known and not _is_being_written(temporary)
            if is_known and backup is not None:
                os.replace(temporary, backup)
        except OSError:
            _put_back(temporary, path, data)
            raise
        if not is_known:
            _put_back(temporary, path, data)
        return is_known
    except FileNotFoundError:
        return False
    finally:
        try:
            os.unlink(temporary)
        except OSError:
            pass  # it is in its place


def settle(path: str, backup: str) -> None:
    """Clear away what a process left that was ended while it replaced a file; nobody may be replacing it now.

    What had been displaced is kept as `backup`, unless it was not to be kept. Raises OSError.
    """
    for whole, found in _left(path):
        data = _held(whole, None)
        if found["kind"] == _GOES or found["part"] or data is None or _digest(data) == found["digest"]:
            os.unlink(whole)
        else:
            os.replace(whole, backup)


def is_left(path: str) -> bool:
    """Tell whether a process left something that was ended while it replaced a file."""
    return bool(_left(path))


def _left(path: str) -> list[tuple[str, re.Match[str]]]:
    folder, name = os.path.split(path)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    found = ((os.path.join(folder, each), _LEFT.fullmatch(each)) for each in names)
    return [(whole, match) for whole, match in found if match is not None and match["name"] == name]


def _digest(data: bytes) -> str:
    """Return what tells, in a temporary file's name, the text that was to be written from the one that it displaced."""
    return hashlib.sha256(data).hexdigest()[:16]


def _is_being_written(path: str) -> bool:
    """Tell whether another process has a file open for writing, where the system says so.

    An editor that writes into the file itself would write on into what we displaced.
    """
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        # Who opens the file while we have the lease would send us a signal that ends us: let it be one that does not.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(handle)  # and the lease with it
    return False


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
