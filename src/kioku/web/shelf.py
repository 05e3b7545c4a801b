"""The stores that the page shows: every project of this machine, each opened once and only for reading."""

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kioku import project, settings
from kioku.days import Calendar, Range
from kioku.errors import KiokuError, StoreError
from kioku.project import Project
from kioku.reports import extent
from kioku.sessions import lease
from kioku.sessions.lease import Verdict
from kioku.store import registry
from kioku.store.opening import open_for_reading
from kioku.store.store import Store, identity
from kioku.web.visible import visible

OWN = "own"  # the name of the person's own store in addresses
OWN_TITLE = "Without a project"


class Place(NamedTuple):
    """A project with a store: what it is called in addresses and for people, and where it is."""

    name: str
    title: str
    where: Project
    own: bool

    @property
    def judge(self) -> Callable[[str], Verdict]:
        """Return the function that tells whether an owner in this project lives."""
        return lease.judge(self.where.run_dir)


class Shelf:
    """Finds stores by name and keeps them open. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, _Kept] = {}

    def places(self) -> list[Place]:
        """Return every project of this machine whose store is there, by name, and the person's own store last."""
        mine = project.own()
        roots = [os.path.dirname(os.path.dirname(path)) for path in registry.stores() if path != mine.store_path]
        projects = [Project(root, root) for root in roots]
        found = [
            Place(name_of(where), visible(where.name), where, own=False)
            for where in projects
            if os.path.lexists(where.store_path)
        ]
        found.sort(key=lambda place: (place.title.casefold(), place.where.root))
        if os.path.lexists(mine.store_path):
            found.append(Place(OWN, OWN_TITLE, mine, own=True))
        return found

    def place(self, name: str) -> Place | None:
        """Return the project that has that name in addresses."""
        return next((place for place in self.places() if place.name == name), None)

    @contextmanager
    def opened(self, place: Place) -> Iterator[Store]:
        """Give a project's store for reading; one whose file was replaced is opened anew. Raises StoreError.

        A store is closed once the last request that reads it is done, whoever found that it is of no more use.
        """
        path = place.where.store_path
        with self._lock:
            kept = self._open.get(path)
            if kept is not None and kept.seen != identity(path):
                self._drop(path, kept)
                kept = None
            if kept is None:
                seen = identity(path)
                kept = self._open[path] = _Kept(seen, open_for_reading(path))
            kept.readers += 1
        try:
            yield kept.store
        except StoreError:
            with self._lock:
                self._drop(path, kept)  # so that the next request opens it anew
            raise
        finally:
            with self._lock:
                kept.readers -= 1
                self._close_if_unused(kept)

    def state(self, place: Place) -> str:
        """Return "ok" for a store that can be read, else why it cannot."""
        try:
            with self.opened(place) as store:
                store.read(extent.earliest)
        except KiokuError as error:
            return visible(error)
        return "ok"

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            for path, kept in list(self._open.items()):
                self._drop(path, kept)

    def _drop(self, path: str, kept: "_Kept") -> None:
        """Forget a store. The lock is held."""
        if self._open.get(path) is kept:
            del self._open[path]
        kept.is_dropped = True
        self._close_if_unused(kept)

    def _close_if_unused(self, kept: "_Kept") -> None:
        if kept.is_dropped and not kept.readers:
            kept.store.close()


class _Kept:
    """A store that is open: the file that it was opened for, and how many requests read it now."""

    def __init__(self, seen: tuple[int, int] | None, store: Store) -> None:
        self.seen = seen
        self.store = store
        self.readers = 0
        self.is_dropped = False


def range_of(place: Place, store: Store, words: str, now: int) -> tuple[Calendar, Range]:
    """Return the person's days, as a project's commands have them, and which of them are meant.

    Raises UsageError for what is no range, SettingsError and StoreError.
    """
    calendar = settings.load(None if place.own else place.where.context_dir).calendar
    return calendar, calendar.range(words, now, store.read(extent.earliest))


def name_of(where: Project) -> str:
    """Return what a project is called in addresses: its folder's name, and a mark of its path that keeps two apart."""
    word = re.sub(r"[^a-z0-9]+", "-", where.name.casefold()).strip("-")[:40] or "project"
    mark = hashlib.blake2b(os.fsencode(where.root), digest_size=4).hexdigest()
    return f"{word}-{mark}"
