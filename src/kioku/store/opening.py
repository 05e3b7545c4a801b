"""Opening a store, whatever is in its place.

Nothing that is found there is ever overwritten: a store made by a newer Kioku is refused untouched; what is damaged,
foreign, or no file at all is moved aside under a name that says so, with its side files, and a new store is begun,
which the caller is told. A store of the older program is upgraded in place after a backup.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import apsw

from kioku import times
from kioku.errors import ForeignStoreError, StoreDamagedError, StoreError, StoreReadOnlyError
from kioku.models import new_id
from kioku.store import connection, legacy, locks, migrations, registry, schema
from kioku.store.store import Store, identity, newer_schema

SIDE_FILES = ("-wal", "-shm", "-journal")


def open_store(path: str, *, suspect: bool = False) -> Store:
    """Open the store at `path` for writing, creating, upgrading or replacing what is there as its state asks for.

    `suspect` asks for a full check first: the file failed in use. Raises StoreError.
    """
    notes: list[str] = []
    for _ in range(8):
        seen = identity(path)
        try:
            _require_regular(path)
            return _open(path, notes, suspect=suspect)
        except (StoreDamagedError, _NotAFileError, _SetAsideError) as error:
            kept = _set_aside(path, seen, error)
            if kept is not None:
                notes.append(f"{error.message}; it was kept as {os.path.basename(kept)}, and a new store was begun")
        except StoreError:
            # Somebody moved the file aside while we opened it: what SQLite then says is not about the new one.
            if not _was_moved(path, seen):
                raise
    raise StoreDamagedError(f"{path} cannot be used", hint="run 'kioku doctor'")


def open_for_reading(path: str) -> Store:
    """Open an existing store without changing anything. Raises StoreError; a missing store too."""
    if not os.path.lexists(path):
        raise StoreError(
            f"there is no store at {path}", hint="'kioku serve' begins one, as soon as an assistant starts it"
        )
    _require_regular(path)
    try:
        db = connection.connect(path, writable=False)
        version = _version(db, path)
    except StoreError as error:
        if isinstance(error, StoreDamagedError) or os.access(os.path.dirname(path), os.W_OK):
            raise
        # In a folder that nobody here can write, WAL's side files cannot be made; then nobody changes the file either.
        db = connection.connect_immutable(path)
        version = _version(db, path)
    try:
        if version > migrations.VERSION:
            raise newer_schema(path, version)
        if version < migrations.VERSION:
            raise StoreError(
                f"{path} is from an older version", hint="any command that writes upgrades it: 'kioku status'"
            )
        with connection.errors(path):
            schema.check(db, path)
            return Store(db, path, writable=False, notes=[])
    except BaseException:
        connection.close(db)
        raise


def check_whole(path: str, db: apsw.Connection) -> None:
    """Read the whole file and verify its structure. Raises StoreDamagedError; takes about 1 s for each GB."""
    with connection.errors(path):
        try:
            problems = [row[0] for row in db.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
        except (ValueError, TypeError, UnicodeError) as error:
            raise StoreDamagedError(f"{path} is damaged: {error}", hint="run 'kioku doctor'") from error
    if problems:
        raise StoreDamagedError(f"{path} is damaged: {problems[0]}", hint="run 'kioku doctor'")


class _NotAFileError(StoreError):
    """Something that is no regular file is in the store's place."""


class _SetAsideError(StoreError):
    """The file is somebody else's store."""


def _open(path: str, notes: list[str], *, suspect: bool) -> Store:
    existed = os.path.lexists(path) and os.path.getsize(path) > 0
    lost = None if existed else registry.known_at(path)
    if not os.access(os.path.dirname(path), os.W_OK) or (existed and not os.access(path, os.W_OK)):
        raise StoreReadOnlyError(f"{path} cannot be written", hint="make the file and its folder writable")
    db = connection.connect(path, writable=True) if existed else _begin_file(path)
    try:
        _close_to_others(path)
        version, is_legacy = _examine(db, path)
        if suspect:
            check_whole(path, db)
        made = False
        with connection.errors(path):
            if not connection.use_write_ahead_log(db, path):
                notes.append(f"{os.path.dirname(path)} is on a network file system: recording is slower there")
        if is_legacy:
            _upgrade(db, path, notes)
        elif version < migrations.VERSION:
            made = connection.transact(db, path, lambda db: _migrate(db, path))
        with connection.errors(path):
            store = Store(db, path, writable=True, notes=notes)
        if made:
            if lost is not None and not notes:
                notes.append(f"the store known at {path} is gone; a new one was begun")
        elif not store.is_registered and registry.is_tracked_by_git(path):
            raise _SetAsideError(f"{path} came with the repository")
        return store
    except BaseException:
        connection.close(db)
        raise


def _examine(db: apsw.Connection, path: str) -> tuple[int, bool]:
    """Return the schema's version and whether it is the older program's; a schema that is nobody's is set aside.

    All of it is read from one state of the file: somebody else may be upgrading it just now.
    """
    with connection.errors(path):
        db.execute("BEGIN")
        try:
            version = migrations.user_version(db)
            if version > migrations.VERSION:
                raise newer_schema(path, version)
            is_legacy = legacy.is_legacy(db)
            try:
                if is_legacy:
                    legacy.check(db, path)
                elif version != 0 or not migrations.is_empty(db):
                    schema.check(db, path)
            except ForeignStoreError as error:
                raise _SetAsideError(error.message) from error
            return version, is_legacy
        finally:
            if db.in_transaction:
                db.execute("COMMIT")


def _begin_file(path: str) -> apsw.Connection:
    """Open a store whose file is missing or empty, and create it.

    A log that was left alone is moved aside first: SQLite deletes one that it finds beside an empty file.
    """
    with _alone(path):
        if _is_log_alone(path):
            raise StoreDamagedError(f"{path} is gone or empty, but what was not yet copied into it is there")
        db = connection.connect(path, writable=True)
        if sys.platform != "win32":
            os.chmod(path, 0o600)  # the side files take their mode from it
    return db


def _is_log_alone(path: str) -> bool:
    """Tell whether there is a write-ahead log with rows beside a file that is missing or empty.

    The log is looked at first: whoever begins a store has written to its file before there is one.
    """
    return _size(path + "-wal") > 0 and _size(path) == 0


def _upgrade(db: apsw.Connection, path: str, notes: list[str]) -> None:
    """Take the older program's store over, after a backup; whoever comes second finds it done."""
    with _alone(path):
        with connection.errors(path):
            if not legacy.is_legacy(db):
                return
            kept = _back_up(db, path)
        try:
            connection.transact(db, path, lambda db: _migrate(db, path))
        except BaseException:
            os.unlink(kept)
            raise
    notes.append(f"the older program's store was upgraded; it was kept as {os.path.basename(kept)}")


def _migrate(db: apsw.Connection, path: str) -> bool:
    """Bring an empty or older store up to date; return whether it was begun here. Runs once, whoever comes first."""
    if migrations.user_version(db) >= migrations.VERSION:
        return False
    was_legacy = legacy.is_legacy(db)
    taken = legacy.take_tables(db) if was_legacy else {}
    fresh = migrations.user_version(db) == 0
    migrations.migrate(db)
    if fresh:
        rows = {"store_id": new_id(), "project_id": new_id(), "made_at": str(times.now_ms())}
        db.executemany("INSERT INTO meta VALUES (?, ?)", rows.items())
    if fresh and not was_legacy:
        # Before the commit: one that nobody may crash in between and leave as a stranger's.
        registry.register(rows["store_id"], path)
    if was_legacy:
        legacy.adopt_rows(db, taken, now=times.now_ms())
    return fresh and not was_legacy


def _version(db: apsw.Connection, path: str) -> int:
    with connection.errors(path):
        return migrations.user_version(db)


def _require_regular(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}", hint="check the folder's permissions") from error
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO"}
        raise _NotAFileError(f"{path} is {kinds.get(stat.S_IFMT(mode), 'no regular file')}")


def _back_up(db: apsw.Connection, path: str) -> str:
    """Copy the database through SQLite's own interface; return the copy's path."""
    name = f"{path}.before-upgrade-{_stamp()}"
    copy = connection.connect(name, writable=True)
    try:
        with copy.backup("main", db, "main") as backup:
            backup.step(-1)
    finally:
        copy.close()
    if sys.platform != "win32":
        os.chmod(name, 0o600)
    return name


def _set_aside(path: str, seen: tuple[int, int] | None, error: StoreError) -> str | None:
    """Move what cannot be used out of the way, with its side files; return its new path, None if it was gone.

    `seen` is the file that turned out to be of no use. Only one process moves it: whoever waited finds another one in
    its place and leaves that alone.
    """
    word = "corrupt" if isinstance(error, StoreDamagedError | _NotAFileError) else "foreign"
    with _alone(path):
        if identity(path) != seen or (seen is None and not _is_log_alone(path)):
            return None
        kept = f"{path}.{word}-{_stamp()}"
        try:
            for suffix in SIDE_FILES:
                if os.path.lexists(path + suffix):
                    os.replace(path + suffix, kept + suffix)
            if seen is not None:
                os.replace(path, kept)
        except OSError as failure:
            raise StoreReadOnlyError(f"{path} cannot be moved aside: {failure.strerror}", hint=str(error)) from failure
    return kept


def _close_to_others(path: str) -> None:
    """Take everybody else's access to the file away; its side files take their mode from it."""
    status = os.stat(path)
    if sys.platform != "win32" and status.st_mode & 0o077 and status.st_uid == os.getuid():
        os.chmod(path, 0o600)


def _was_moved(path: str, seen: tuple[int, int] | None) -> bool:
    """Tell whether another file is in the place now, once nobody is moving any."""
    try:
        with _alone(path):
            return identity(path) != seen
    except (StoreError, OSError):
        return False


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """Hold the lock under which a store is begun, upgraded or moved aside. Raises StoreError."""
    folder = os.path.join(os.path.dirname(path), "run")
    with ExitStack() as stack:
        try:
            if not os.path.isdir(folder):
                os.mkdir(folder, 0o700)
        except FileExistsError:
            pass  # made by somebody else meanwhile
        except OSError as error:
            raise StoreReadOnlyError(f"{folder} cannot be made: {error.strerror}", hint="make it writable") from error
        try:
            stack.enter_context(locks.exclusive(os.path.join(folder, "set-aside.lock")))
        except OSError as error:
            raise StoreReadOnlyError(f"{folder} cannot be used: {error.strerror}", hint="make it writable") from error
        yield


def _size(path: str) -> int:
    """Return a file's size in bytes; a missing one has none."""
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _stamp() -> str:
    """Return a suffix for file names that never meets another: the time to the second, and four random digits."""
    return times.iso_text(times.now_ms())[:19].replace(":", "").replace("-", "") + f"-{os.urandom(2).hex()}"
