"""Working with an open store: one transaction for each write, one consistent state for each read.

A store whose file was replaced, deleted or migrated by somebody else is not written any more; `opening` opens it anew.
"""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

import apsw

from kioku.errors import ForeignStoreError, StoreDamagedError, StoreError
from kioku.store import connection, migrations, registry

Result = TypeVar("Result")


class Store:
    """An open store. Its methods may be called from any thread.

    `notes` holds what the person should know about the opening: what was set aside, upgraded or lost.
    """

    def __init__(self, db: apsw.Connection, path: str, *, writable: bool, notes: list[str]) -> None:
        self.path = path
        self.writable = writable
        self.notes = notes
        self._db = db
        self._lock = threading.RLock()
        self._inode = identity(path)
        self._writes = 0
        meta = dict(db.execute("SELECT key, value FROM meta"))
        if not {"store_id", "project_id"} <= meta.keys():
            raise StoreDamagedError(f"{path} is damaged: it does not say which store it is", hint="run 'kioku doctor'")
        self.id: str = meta["store_id"]
        self.project_id: str = meta["project_id"]

    def write(self, work: Callable[[apsw.Connection], Result], *, patience_s: float = connection.PATIENCE_S) -> Result:
        """Run `work` in one write transaction; nothing of it remains when it raises.

        Raises StoreError: when others are in the way for longer than `patience_s`, a StoreBusyError; also when the
        file was replaced, deleted or migrated by somebody else since it was opened.
        """
        with self._lock:
            self._require_in_place()

            def checked(db: apsw.Connection) -> Result:
                version = migrations.user_version(db)
                if version != migrations.VERSION:
                    raise newer_schema(self.path, version)
                return work(db)

            result = connection.transact(self._db, self.path, checked, patience_s)
            # Replaced meanwhile: what was written is in a file that nobody will look at. Writing it again is harmless.
            self._require_in_place()
            self._writes += 1
            if self._writes % 64 == 0:
                connection.rein_in_log(self._db, self.path)
            return result

    def rewrite(self, work: Callable[[apsw.Connection], Result]) -> Result:
        """Run `work` in one write transaction, and overwrite in the file what it replaces."""
        with self._lock:
            self._db.pragma("secure_delete", True)
            return self.write(work)

    def compact(self) -> bool:
        """Write the file anew without its free pages, and empty its log; return whether both could be done.

        Raises StoreError.
        """
        with self._lock, connection.errors(self.path):
            self._require_in_place()
            return connection.compact(self._db)

    def is_loose(self) -> bool:
        """Tell whether more than a tenth of the file is free pages."""
        with self._lock, connection.errors(self.path):
            return bool(self._db.pragma("freelist_count") * 10 > self._db.pragma("page_count"))

    def size(self) -> int:
        """Return how large the file is, in bytes, with everything that its log has still to bring into it."""
        with self._lock, connection.errors(self.path):
            return int(self._db.pragma("page_count")) * int(self._db.pragma("page_size"))

    def _require_in_place(self) -> None:
        if identity(self.path) != self._inode:
            raise StoreError(f"{self.path} was replaced or deleted", hint="Kioku opens it anew by itself")

    def read(self, work: Callable[[apsw.Connection], Result]) -> Result:
        """Run `work` on one consistent state of the store."""
        with self._lock, connection.errors(self.path):
            if self._db.in_transaction:
                return work(self._db)
            self._db.execute("BEGIN")
            try:
                return work(self._db)
            finally:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")

    @property
    def is_registered(self) -> bool:
        """Tell whether this user's Kioku made the store, or the person adopted it."""
        return registry.is_known(self.id)

    def close(self) -> None:
        """Close the file. Safe to repeat; raises nothing."""
        with self._lock:
            connection.close(self._db)


def newer_schema(path: str, version: int) -> ForeignStoreError:
    """Return the error for a store that a newer Kioku has upgraded."""
    return ForeignStoreError(
        f"{path} has schema version {version}; this Kioku knows {migrations.VERSION}",
        hint="upgrade Kioku, then start it anew",
    )


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another one in its place: device and inode; None where there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
