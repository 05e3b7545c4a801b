"""Learning from a project's sessions that are over, with its modules and the person's settings."""

import contextlib

from kioku import times
from kioku.errors import KiokuError
from kioku.project import Project
from kioku.settings import Settings
from kioku.store.store import Store


def learn(store: Store, where: Project, values: Settings, *, everything: bool = False) -> None:
    """Look at what waits, at all of it or as much as somebody can wait for. Raises StoreError."""
    from kioku.store import discoveries as stored

    if not store.read(stored.has_unlearned):
        return
    from kioku.knowledge import belonging, discoveries

    module_of = None
    with contextlib.suppress(KiokuError):  # a project file that cannot be read keeps nothing from being learned
        module_of = belonging.of_project(where.context_dir)
    now, auto_accept = times.now_ms(), values.auto_accept
    discoveries.learn(store, now, module_of=module_of, auto_accept=auto_accept, everything=everything)
