"""The spool from its reader's side: what hooks appended, whole records only, until they are taken in for good.

One folder a project in the user's state folder. A reader takes the file away under the writers' lock, so none of them
writes to what is being read; the file stays until `done`, so a reader that is killed leaves it to the next. A record
that is torn is counted and dropped, and damages no neighbour. What does not belong to the user is left alone.
"""

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec

from kioku import spooling
from kioku.store import locks

_LONGEST_RECORD: Final = 8 << 20  # bytes; a hook's are far shorter
_CHUNK: Final = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One event as a hook left it: redacted, and with nothing in it that is not needed."""

    id: str
    at: int
    client: str
    root: str
    cwd: str
    event: dict[str, Any]
    process: tuple[int, str, str, str] | None = None


class Folder(NamedTuple):
    """A project's folder in the spool: how much waits there, and since when (ms)."""

    path: str
    root: str
    bytes: int
    oldest: int | None


class Batch:
    """A file of records that was taken out of the writers' hands. Raises OSError where it cannot be read."""

    def __init__(self, path: str, name: str) -> None:
        self.id = name
        self.torn = 0
        self._path = path
        self.records = [found for found in self._read() if found is not None]

    def _read(self) -> Iterator[Record | None]:
        for line in _lines(self._path):
            found = _record(line)
            self.torn += found is None
            yield found

    def done(self) -> None:
        """Remove the batch: everything in it is committed."""
        os.unlink(self._path)


def pending(state: str) -> list[Folder]:
    """Return the folders in which something waits. Raises nothing; what is not the user's own is not looked at."""
    found = []
    base = os.path.join(state, "spool")
    for name in _names(base):
        path = os.path.join(base, name)
        if not _is_own(path, stat.S_ISDIR):
            continue
        size, oldest, root = 0, None, None
        for file in _files(path):
            full = os.path.join(path, file)
            try:
                size += os.path.getsize(full)
                first = next((record for line in _lines(full) if (record := _record(line)) is not None), None)
            except OSError:
                continue  # another reader was faster; or it cannot be read, which whoever takes it says
            if first is not None:
                oldest = first.at if oldest is None else min(oldest, first.at)
                root = root or first.root
        if size and (root is None or spooling.folder_name(root) == name):
            found.append(Folder(path, root or "", size, oldest))
    return found


def has_events(state: str, root: str) -> bool:
    """Tell whether hooks have left something for a project. Costs one look at a folder."""
    return bool(_files(os.path.join(state, "spool", spooling.folder_name(root))))


def take(folder: Folder) -> Iterator[Batch]:
    """Take what waits in a folder, a file at a time: those of a reader that was killed come first.

    Whoever comes second finds nothing. Call `done` on each batch once it is committed. Raises OSError.
    """
    with _alone(folder.path) as is_alone:
        if not is_alone:
            return
        for file in _files(folder.path):
            path = os.path.join(folder.path, file)
            if file == "events.spool":
                taken = _take_away(folder.path)
                if taken is None:
                    continue
                path = taken
            yield Batch(path, os.path.basename(path))
    _remove_leftovers(folder.path)


def counts(state: str) -> dict[str, int]:
    """Return how many events had no project, and how many hooks failed."""
    found = {}
    for name in ("ignored", "failures"):
        try:
            found[name] = os.lstat(os.path.join(state, "spool", name)).st_size
        except OSError:
            found[name] = 0
    return found


def last_failure(state: str) -> int | None:
    """Return when a hook last failed, in ms; None if none ever did."""
    try:
        return os.lstat(os.path.join(state, "spool", "failures")).st_mtime_ns // 1_000_000
    except OSError:
        return None


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _files(folder: str) -> list[str]:
    """Return the files with records, those that were taken before first."""
    names = [
        n for n in _names(folder) if n == "events.spool" or (n.startswith(("taken-", "late-")) and n.endswith(".spool"))
    ]
    own = [name for name in names if _is_own(os.path.join(folder, name), stat.S_ISREG)]
    return sorted(own, key=lambda name: (not name.startswith("taken-"), not name.startswith("late-"), name))


def _is_own(path: str, is_kind: Any) -> bool:
    """Tell whether a path is of a kind, no link, and the user's own."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return is_kind(status.st_mode) and (sys.platform == "win32" or status.st_uid == os.getuid())


def _take_away(folder: str) -> str | None:
    """Rename the file that hooks write to while none of them does; return its new path, None if that cannot be now."""
    path = os.path.join(folder, "events.spool")
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    try:
        if not spooling.lock(descriptor, time.monotonic() + spooling.PATIENCE_S):
            return None
        taken = os.path.join(folder, f"taken-{os.urandom(8).hex()}.spool")
        if sys.platform == "win32":
            os.close(descriptor)  # an open file cannot be renamed there; whoever comes in between is in time
            descriptor = -1
        os.rename(path, taken)
        return taken
    except OSError:
        return None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def _alone(folder: str) -> Iterator[bool]:
    """Hold the readers' lock of a folder; gives False when another reader does."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(os.path.join(folder, "reader.lock"), flags, 0o600)
    except OSError:
        yield False
        return
    try:
        yield locks.try_lock(descriptor, shared=False)
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: str) -> None:
    """Remove what writers that were killed have left. The folder stays: one may be about to write into it."""
    for name in _names(folder):
        if name.startswith("late-") and name.endswith(".new"):
            path = os.path.join(folder, name)
            try:
                if time.time() - os.stat(path).st_mtime > 3600:
                    os.unlink(path)
            except OSError:
                continue  # its writer was faster


def _lines(path: str) -> Iterator[bytes]:
    """Read the lines of a file, without holding more than one. Lines that are too long for a record come cut.

    Raises OSError: a file that cannot be read is not an empty one.
    """
    with open(os.open(path, _READ), "rb") as stream:
        while line := stream.readline(_LONGEST_RECORD):
            if line.strip():
                yield line


def _record(line: bytes) -> Record | None:
    """Read a record; None for what is torn, or none of ours."""
    digest, _, data = line.rstrip(b"\n").partition(b" ")
    try:
        if int(digest, 16) != crc32(data):
            return None
        return msgspec.json.decode(data, type=Record)
    except (ValueError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
