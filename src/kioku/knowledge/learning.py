"""Learning from a project's sessions that are over, with its modules and the person's settings."""

import contextlib

from kioku import times
from kioku.errors import KiokuError
from kioku.project import Project
from kioku.settings import Settings
from kioku.store.store import Store

TEXT_AT_ONCE = 300_000  # signs: somebody waits for it


def learn(store: Store, where: Project, values: Settings, *, most: int | None = TEXT_AT_ONCE) -> None:
    """Look at what waits, at so many signs of text at the most. Raises StoreError."""
    from kioku.store import discoveries as stored

    if not store.read(stored.has_unlearned):
        return
    from kioku.knowledge import belonging, discoveries

    module_of = None
    with contextlib.suppress(KiokuError):  # a project file that cannot be read keeps nothing from being learned
        module_of = belonging.of_project(where.context_dir)
    discoveries.learn(store, times.now_ms(), module_of=module_of, auto_accept=values.auto_accept, most=most)
