"""The spool from its writers' side: a record is appended whole to a project's file, or it is the only one that is lost.

The file is written under a lock that its reader holds while it takes the file away; a writer that does not get the lock
in time makes a file of its own. `capture.spool` reads. Standard library only, and no `typing`, as in `hook`.
"""

import os
import sys
import time

PATIENCE_S = 1.0  # how long others are waited for before an event goes into a file of its own

# A FIFO must not hold us up, and a link not lead us elsewhere.
FOR_APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def folder_name(root: str) -> str:
    """Return the name of a project's folder in the spool."""
    from binascii import crc32

    base = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in os.path.basename(root))
    return f"{crc32(os.fsencode(root)):08x}-{base[:40]}"


def frame(text: str) -> bytes:
    """Return a record as it lies in the spool.

    It begins a line of its own, whatever a writer that was killed has left before it, and its checksum tells whether
    it is whole.
    """
    from binascii import crc32

    data = text.encode("utf-8", "replace")
    return b"\n%08x %s\n" % (crc32(data), data)


def make_private(folder: str) -> None:
    """Make a folder, and those above it that are missing, for the user alone. Raises OSError."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        make_private(os.path.dirname(folder))
        make_private(folder)


def append(folder: str, text: str) -> None:
    """Append a record to a project's spool. Raises OSError."""
    make_private(folder)
    data = frame(text)
    path = os.path.join(folder, "events.spool")
    deadline = time.monotonic() + PATIENCE_S
    flags = FOR_APPENDING | getattr(os, "O_BINARY", 0)
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError:
            break  # a link, a folder or a FIFO lies there, or somebody else's file
        try:
            if lock(descriptor, deadline):
                # Whoever takes the file away does so under this lock: it may be another one by now.
                try:
                    there, held = os.stat(path), os.fstat(descriptor)
                except FileNotFoundError:
                    continue
                if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
                    continue
                _write(descriptor, data)
                return
        finally:
            os.close(descriptor)
        break
    # A file of our own needs no lock: somebody holds that of the other and does not let go, or it cannot be opened.
    alone = os.path.join(folder, f"late-{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(alone + ".new", flags | os.O_EXCL, 0o600)
    try:
        _write(descriptor, data)
    finally:
        os.close(descriptor)
    os.rename(alone + ".new", alone + ".spool")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def lock(descriptor: int, deadline: float) -> bool:
    """Lock a file for ourselves; return whether that worked in time."""
    while True:
        try:
            if sys.platform == "win32":
                import msvcrt

                os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # a byte that is no record's
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
