"""File locks of the operating system: the one place that knows how each platform does them.

A lock belongs to an open file and goes when its holder does, however it ends. Files are opened so that children do
not inherit them.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

if sys.platform == "win32":
    import msvcrt

    # Windows locks bytes, and a locked byte cannot be read: one far behind any content is taken.
    _BYTE = 1 << 30

    def try_lock(descriptor: int, *, shared: bool) -> bool:  # noqa: ARG001 - Windows has no shared kind here
        """Take the lock if nobody holds it; return whether it was taken."""
        os.lseek(descriptor, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def lock(descriptor: int) -> None:
        """Wait for the lock and take it."""
        while True:
            os.lseek(descriptor, _BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            except OSError:
                continue
            return

else:
    import fcntl

    def try_lock(descriptor: int, *, shared: bool) -> bool:
        """Take the lock if nobody holds it; return whether it was taken. Shared ones get along with each other."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def lock(descriptor: int) -> None:
        """Wait for the lock and take it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def exclusive(path: str) -> Iterator[None]:
    """Hold the lock of a file, made if missing, for the length of a `with` block."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def only_one(path: str) -> Iterator[bool]:
    """Hold the lock of a file, made if missing, if nobody else does; tell in the block whether it was got."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        yield try_lock(descriptor, shared=False)
    finally:
        os.close(descriptor)
