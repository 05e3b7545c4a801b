"""Where a conversation is kept: the store of its folder's project, or the person's own.

The person's own store holds what has no project: folders that are gone, the home folder, and, of what hooks tell,
projects without a store, for a hook never begins one in a repository.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kioku import dotenv, hook, project, redaction, settings, times
from kioku.capture import homeless
from kioku.errors import ProjectError, StoreError
from kioku.project import Project
from kioku.sessions import sweep
from kioku.settings import Settings
from kioku.store.opening import open_for_reading, open_store
from kioku.store.store import Store


class Home(NamedTuple):
    """The project that keeps a conversation. `own` tells that it is the person's own store, for want of another."""

    project: Project
    settings: Settings
    own: bool
    bases: tuple[str, ...]

    @property
    def exclude(self) -> tuple[str, ...]:
        """Return the folders that are never recorded."""
        return self.settings.texts("capture.exclude")


class Stores:
    """Finds homes and opens their stores, each once. Close it after use.

    `given` is a store that is open already.
    """

    def __init__(self, given: tuple[Project, Store] | None = None) -> None:
        self._homes: dict[tuple[str, bool], Home | None] = {}
        self._stores: dict[str, Store] = {}
        self._looked_at: dict[str, Store | None] = {}
        self._opened: list[tuple[Home, Store]] = []
        self._given = None if given is None else given[1]
        if given is not None:
            self._stores[given[0].store_path] = given[1]
        self._roots: set[str] = set()
        self._secrets: dict[str, None] = {}

    def home(self, folder: str | None, *, begin: bool) -> Home | None:
        """Return where what happened in a folder is kept; None for one that is never recorded.

        Without `begin`, a project that has no store yet leaves it to the person's own. Raises SettingsError.
        """
        place = (folder or "", begin)
        if place not in self._homes:
            self._homes[place] = self._find(folder, begin=begin)
        return self._homes[place]

    def _find(self, folder: str | None, *, begin: bool) -> Home | None:
        if folder is not None and settings.is_excluded(folder, self._own_settings().texts("capture.exclude")):
            return None
        found: Project | None = None
        place = None if folder is None else _still_there(folder)
        if place is not None:
            try:
                found = project.find(None, (), place)
            except ProjectError:
                found = None  # the home folder or `/`: no project
        if found is not None:
            values = settings.load(found.context_dir)
            assert folder is not None
            if settings.is_excluded(folder, values.texts("capture.exclude")):
                return None
            if begin or os.path.lexists(found.store_path):
                return Home(found, values, own=False, bases=_bases(folder, found))
        return self.own()

    def own(self) -> Home:
        """Return the person's own store. Raises SettingsError."""
        return Home(project.own(), self._own_settings(), own=True, bases=())

    def _own_settings(self) -> Settings:
        return settings.load(None)

    def open(self, home: Home) -> Store:
        """Return a home's open store, swept; the text that is kept from now on is rid of that project's own secrets.

        Raises StoreError.
        """
        self._know_secrets(home)
        path = home.project.store_path
        if path not in self._stores:
            if home.own:
                project.prepare_own(home.project)
            else:
                project.prepare(home.project)
            store = open_store(path)
            self._stores[path] = store
            self._opened.append((home, store))
            if not home.own and homeless.is_due(home.project):
                from kioku.capture import homecoming

                homecoming.bring(home.project, store, home.settings.timeout_ms)
            within = home.settings.merge_within_ms
            sweep.sweep(store, home.project.run_dir, times.now_ms(), merge_within_ms=within)
        return self._stores[path]

    def opened(self) -> list[tuple[Home, Store]]:
        """Return the stores that were opened here, with the homes that they are of."""
        return list(self._opened)

    def look(self, home: Home) -> Store | None:
        """Return a home's store for reading, as it is; None where there is none that can be read."""
        path = home.project.store_path
        if path not in self._looked_at:
            try:
                self._looked_at[path] = open_for_reading(path)
            except StoreError:
                self._looked_at[path] = None
        return self._looked_at[path]

    def _know_secrets(self, home: Home) -> None:
        root = home.project.workdir
        if home.own or root in self._roots:
            return
        # Those of every project met so far: text of one may quote another's, and too much hidden is the lesser evil.
        self._roots.add(root)
        self._secrets |= dict.fromkeys(dotenv.values(root))
        redaction.use(redaction.Secrets(values=tuple(self._secrets), allow=home.settings.texts("redaction.allow")))

    def close(self) -> None:
        """Close what was opened here."""
        for store in self._stores.values():
            if store is not self._given:
                store.close()
        for looked_at in self._looked_at.values():
            if looked_at is not None:
                looked_at.close()
        self._stores.clear()
        self._looked_at.clear()


@contextmanager
def opened(given: tuple[Project, Store] | None = None) -> Iterator[Stores]:
    """Give stores to work with, and close them in the end."""
    stores = Stores(given)
    try:
        yield stores
    finally:
        stores.close()


def _still_there(folder: str) -> str | None:
    """Return a folder that exists; for one that is gone, the project that it was a part of."""
    return folder if os.path.isabs(folder) and os.path.isdir(folder) else hook.find_root(folder)


def _bases(folder: str, found: Project) -> tuple[str, ...]:
    """Return the folders to which paths are relative: the checkout's, as we name it and as the client does."""
    seen = folder
    while os.path.dirname(seen) != seen:
        if os.path.realpath(seen) == found.workdir:
            return tuple(dict.fromkeys((found.workdir, seen, found.root)))
        seen = os.path.dirname(seen)
    return tuple(dict.fromkeys((found.workdir, found.root)))
