"""Finding the project and opening its store, as every command does it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kioku import project, settings, times
from kioku.cli.output import note
from kioku.errors import ProjectError, StoreError, StoreReadOnlyError
from kioku.project import Project
from kioku.sessions import lease, sweep
from kioku.settings import Settings
from kioku.store.opening import open_for_reading, open_store
from kioku.store.store import Store


def find(folder: str | None) -> tuple[Project, Settings]:
    """Return the project that a command is about, and its settings."""
    where = project.find(folder, settings.project_variables(), project.working_folder())
    return where, settings.load(where.context_dir)


@contextmanager
def opened(where: Project, *, writable: bool = True, swept: bool = True) -> Iterator[Store]:
    """Open the project's store; one that may be written is swept first, one that may not is only read.

    Raises StoreError when there is none.
    """
    if not os.path.lexists(where.store_path):
        raise StoreError(
            f"nothing has been recorded in {where.root} yet",
            hint="an assistant that starts 'kioku serve' begins it",
        )
    store = _open(where, writable=writable)
    try:
        for remark in store.notes:
            note(f"note: {remark}")
        if store.writable and swept:
            sweep.sweep(store, where.run_dir, times.now_ms())
        yield store
    finally:
        store.close()


def judge(where: Project) -> sweep.Judge:
    """Return the function that tells whether an owner in this project lives."""
    return lease.judge(where.run_dir)


def _open(where: Project, *, writable: bool) -> Store:
    if writable:
        try:
            project.prepare(where)
            return open_store(where.store_path)
        except StoreReadOnlyError:
            pass  # then it is read as it is
        except ProjectError as error:
            if os.access(where.context_dir, os.W_OK):
                raise
            note(f"note: {error.message}; reading only")
    return open_for_reading(where.store_path)
