"""Reading and replacing single files in a folder that somebody else may have prepared.

The invariant: nothing here follows a link, waits on a pipe or reads more than it was told to, and a reader of
a file that we replace sees the old bytes or the new ones, never a mixture.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from kioku.errors import RefusedPathError

_REPARSE_POINT = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT: a junction is a link that `islink` does not report


def is_link(found: os.stat_result) -> bool:
    """Tell whether the result of an `lstat` is a symbolic link, or a junction on Windows."""
    return stat.S_ISLNK(found.st_mode) or bool(getattr(found, "st_file_attributes", 0) & _REPARSE_POINT)


def read_plain(path: str, limit: int) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Raises RefusedPathError for a link, a folder, a pipe, a device and a larger file, OSError when it cannot
    be read.
    """
    if is_link(os.lstat(path)):
        raise RefusedPathError("it is a link")
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if os.path.isdir(path):  # Windows answers "permission denied" when a folder is opened
        raise RefusedPathError("it is a folder")
    handle = os.open(path, flags)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise RefusedPathError("it is not a regular file")
        if found.st_size > limit:
            raise RefusedPathError(f"it is larger than {limit:,} bytes")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(handle)
    if len(data) > limit:  # it grew while we read
        raise RefusedPathError(f"it is larger than {limit:,} bytes")
    return data


def require_plain_folder(path: str) -> None:
    """Raise RefusedPathError unless the path is a folder and not a link; OSError when it is not there."""
    found = os.lstat(path)
    if is_link(found) or not stat.S_ISDIR(found.st_mode):
        raise RefusedPathError("it is not a folder of its own")


def replace_plain(path: str, data: bytes) -> None:
    """Put the bytes in the file's place at once and durably, with mode 0600; a link there is replaced.

    Raises OSError, and leaves no temporary file behind then.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(6)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass  # the first error is the one to report
        raise
    _sync_folder(folder)


@contextmanager
def new_file(path: str, *, replace: bool) -> Iterator[BinaryIO]:
    """Give a file to write that takes its place at once and durably, with mode 0600, when all is well, or not at all.

    Without `replace` it never takes another's place: then FileExistsError. A link there is replaced, never followed.
    """
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            _place(temporary, path)
    finally:
        try:
            os.unlink(temporary)
        except OSError:
            pass  # it is in its place
    _sync_folder(folder)


def _place(temporary: str, path: str) -> None:
    """Give a file its name unless somebody has it: by a second link, or, where there are none, with a look before."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.replace(temporary, path)


def _sync_folder(folder: str) -> None:
    """Make a rename in the folder durable where the system can; Windows has no such call."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems refuse; the rename itself was done
    finally:
        os.close(handle)
