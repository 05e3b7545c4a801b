"""The rules that every connection to a store follows.

SQLite through apsw, write-ahead log, `synchronous=FULL`, nothing mapped into memory, no trust in the file's schema.
The database file is opened by SQLite alone: closing any other descriptor of it in this process would drop SQLite's
locks, and with them rows that were acknowledged.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import apsw
import msgspec

from kioku.errors import StoreBusyError, StoreDamagedError, StoreError, StoreReadOnlyError

Result = TypeVar("Result")

CHECKPOINT_PAGES = 2_000  # twice the default: a fifth less is written for each small transaction
LONGEST_LOG = 16 << 20  # bytes; a longer one is shortened now and then
PATIENCE_S = 10.0  # how long a writer waits for others before it gives up

_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "fuse",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "vboxsf",
    "prl_fs",
    "virtiofs",
)


def connect(path: str, *, writable: bool) -> apsw.Connection:
    """Open a store's file by the rules; a writable one is created when it is missing.

    Raises StoreError for a file that SQLite cannot open. Whether it is whole shows at the first read.
    """
    flags = apsw.SQLITE_OPEN_NOFOLLOW | (
        apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if writable else apsw.SQLITE_OPEN_READONLY
    )
    return _connect(path, path, flags, patience_s=PATIENCE_S if writable else 5.0)


def connect_immutable(path: str) -> apsw.Connection:
    """Open a store's file in a folder that nobody can write: without locks, and without its write-ahead log."""
    escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    flags = apsw.SQLITE_OPEN_NOFOLLOW | apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return _connect(path, f"file:{escaped}?immutable=1", flags, patience_s=0)


def _connect(path: str, name: str, flags: int, *, patience_s: float) -> apsw.Connection:
    with errors(path):
        db = apsw.Connection(name, flags=flags)
        try:
            db.set_busy_handler(_patience(patience_s))
            db.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
            db.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
            db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
            db.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
            # One by one: of several in one text, apsw runs no further than the first that gives a row.
            for name, value in (("mmap_size", 0), ("foreign_keys", 1), ("synchronous", "FULL")):
                db.pragma(name, value)
            db.wal_autocheckpoint(CHECKPOINT_PAGES)
        except BaseException:
            close(db)
            raise
    return db


def close(db: apsw.Connection) -> None:
    """Close a connection, whatever the disk says: what was committed is in the log, and safe there."""
    with suppress(apsw.Error):
        db.close()


def use_write_ahead_log(db: apsw.Connection, path: str) -> bool:
    """Put the file into WAL mode, or on a network file system into rollback mode; return whether it is WAL.

    Setting the mode can fail at once with "locked" while others do the same, so it is tried again.
    """
    wanted = "delete" if is_network_folder(os.path.dirname(path)) else "wal"
    if db.pragma("journal_mode") == wanted:
        return wanted == "wal"
    wait = _patience(PATIENCE_S)
    attempt = 0
    while True:
        try:
            return bool(db.pragma("journal_mode", wanted) == "wal")
        except apsw.BusyError:
            if not wait(attempt):
                raise
            attempt += 1


def is_network_folder(folder: str) -> bool:
    """Tell whether a folder is on a network or virtual file system, where WAL's shared memory does not work."""
    if sys.platform.startswith("linux"):
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
                return is_network_type(folder, stream.read())
        except OSError:
            return False
    return sys.platform == "win32" and folder.startswith(("\\\\", "//"))


def is_network_type(folder: str, mountinfo: str) -> bool:
    """Look a folder up in the text of Linux' `mountinfo` (proc(5)): the longest mount point above it decides."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        point = fields.split(" ")[4].replace("\\040", " ") if fields.count(" ") >= 4 else ""
        if point and (folder + "/").startswith(point.rstrip("/") + "/") and len(point) >= best:
            best, kind = len(point), rest.partition(" ")[0]
    return kind.startswith(_NETWORK)


@contextmanager
def errors(path: str) -> Iterator[None]:
    """Translate what SQLite raises into a StoreError that names the file and the next step."""
    try:
        yield
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreBusyError(f"{path} stayed locked by another process", hint="try again in a moment") from error
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError) as error:
        raise StoreDamagedError(f"{path} is damaged: {error}", hint="run 'kioku doctor'") from error
    except UnicodeDecodeError as error:
        raise StoreDamagedError(f"{path} holds text that is not UTF-8", hint="run 'kioku doctor'") from error
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise StoreError(f"{path} holds a value that cannot be read: {error}", hint="run 'kioku doctor'") from error
    except apsw.FullError as error:
        raise StoreError(
            f"{path} cannot grow: the disk is full", hint="free some space; Kioku goes on by itself"
        ) from error
    except (apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreReadOnlyError(f"{path} cannot be written", hint="make the file and its folder writable") from error
    except apsw.CantOpenError as error:
        if os.path.exists(os.path.dirname(path)) and not os.access(os.path.dirname(path), os.W_OK):
            raise StoreReadOnlyError(
                f"{path} cannot be opened: its folder is read-only", hint="make the folder writable"
            ) from error
        raise StoreError(f"{path} cannot be opened: {error}", hint="check the folder and its permissions") from error
    except apsw.Error as error:
        raise StoreError(f"{path}: {error}", hint="run 'kioku doctor'") from error


def transact(
    db: apsw.Connection, path: str, work: Callable[[apsw.Connection], Result], patience_s: float = PATIENCE_S
) -> Result:
    """Run `work` in one `BEGIN IMMEDIATE` transaction, the whole of it again when somebody else was in the way.

    Nothing of `work` remains when it raises.
    """
    deadline = time.monotonic() + patience_s
    with errors(path), _patient(db, patience_s):
        while True:
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    result = work(db)
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except (apsw.BusyError, apsw.LockedError):
                if time.monotonic() > deadline:
                    raise
            else:
                return result


def rein_in_log(db: apsw.Connection, path: str) -> None:
    """Shorten a write-ahead log that has grown long, if readers let us within a moment.

    Readers that come and go without a pause keep the automatic checkpoint from ever starting the log anew.
    """
    try:
        if os.stat(path + "-wal").st_size < LONGEST_LOG:
            return
        db.set_busy_handler(_patience(0.2))
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            db.set_busy_handler(_patience(PATIENCE_S))
    except (OSError, apsw.Error):
        pass  # then the next time


def compact(db: apsw.Connection) -> bool:
    """Write a file anew without its free pages, and empty its log; return False if others use it all the time."""
    try:
        db.execute("VACUUM")
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.LockedError):
        return False
    return True


@contextmanager
def _patient(db: apsw.Connection, seconds: float) -> Iterator[None]:
    """Wait no longer than that for others, for as long as the block runs."""
    if seconds == PATIENCE_S:
        yield
        return
    db.set_busy_handler(_patience(seconds))
    try:
        yield
    finally:
        db.set_busy_handler(_patience(PATIENCE_S))


def _patience(seconds: float) -> Callable[[int], bool]:
    """Return a busy handler: short, uneven waits, so that many writers take turns, until `seconds` are over."""
    started = 0.0

    def wait(attempt: int) -> bool:
        nonlocal started
        if attempt == 0:
            started = time.monotonic()
        elif time.monotonic() - started > seconds:
            return False
        spread = int.from_bytes(os.urandom(1)) / 255
        time.sleep(0.0005 + spread * min(0.001 * (attempt + 1), 0.02))
        return True

    return wait


def one(db: apsw.Connection, query: str, parameters: tuple[Any, ...] = ()) -> tuple[Any, ...]:
    """Return the row of a query that always has one."""
    row: tuple[Any, ...] | None = db.execute(query, parameters).fetchone()
    assert row is not None
    return row


def expect_much(db: apsw.Connection) -> None:
    """Let the pages of a large transaction stay in memory (64 MB) instead of being written again and again."""
    db.pragma("cache_size", -65_536)
