"""The stores that the page shows: every project of this machine, each opened once and only for reading."""

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kioku import project, settings
from kioku.days import Calendar
from kioku.errors import KiokuError, StoreError
from kioku.project import Project
from kioku.reports import extent
from kioku.sessions import lease
from kioku.sessions.lease import Verdict
from kioku.store import registry
from kioku.store.opening import open_for_reading
from kioku.store.store import Store, identity

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
        self._open: dict[str, tuple[tuple[int, int] | None, Store]] = {}

    def places(self) -> list[Place]:
        """Return every project of this machine whose store is there, by name, and the person's own store last."""
        mine = project.own()
        roots = [os.path.dirname(os.path.dirname(path)) for path in registry.stores() if path != mine.store_path]
        projects = [Project(root, root) for root in roots]
        found = [
            Place(name_of(where), where.name, where, own=False)
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
        """Give a project's store for reading; one whose file was replaced is opened anew. Raises StoreError."""
        path = place.where.store_path
        with self._lock:
            seen, store = self._open.get(path, (None, None))
            if store is not None and seen != identity(path):
                del self._open[path]
                store.close()
                store = None
            if store is None:
                seen = identity(path)
                store = open_for_reading(path)
                self._open[path] = seen, store
        try:
            yield store
        except StoreError:
            self._drop(path, store)
            raise

    def state(self, place: Place) -> str:
        """Return "ok" for a store that can be read, else why it cannot."""
        try:
            with self.opened(place) as store:
                store.read(extent.earliest)
        except KiokuError as error:
            return str(error)
        return "ok"

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            for _, store in self._open.values():
                store.close()
            self._open.clear()

    def _drop(self, path: str, store: Store) -> None:
        """Forget a store that failed, so that the next request opens it anew."""
        with self._lock:
            if self._open.get(path, (None, None))[1] is store:
                del self._open[path]
        store.close()


def calendar_of(place: Place) -> Calendar:
    """Return the person's days, as a project's commands have them. Raises SettingsError."""
    return settings.load(None if place.own else place.where.context_dir).calendar


def name_of(where: Project) -> str:
    """Return what a project is called in addresses: its folder's name, and a mark of its path that keeps two apart."""
    word = re.sub(r"[^a-z0-9]+", "-", where.name.casefold()).strip("-")[:40] or "project"
    mark = hashlib.blake2b(os.fsencode(where.root), digest_size=2).hexdigest()
    return f"{word}-{mark}"
