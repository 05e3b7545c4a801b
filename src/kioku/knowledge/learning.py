"""Learning from a project's sessions that are over, with its modules and the person's settings."""

import contextlib
import os

from kioku import times
from kioku.errors import KiokuError
from kioku.project import Project
from kioku.settings import Settings
from kioku.store.store import Store


def learn(store: Store, where: Project, values: Settings, *, everything: bool = False) -> KiokuError | None:
    """Look at what waits, at all of it or as much as somebody can wait for. Raises StoreError.

    Returns what kept the project's file from following, if the person wants that and something did.
    """
    from kioku.store import discoveries as stored

    if not store.read(stored.has_unlearned):
        return None
    from kioku.knowledge import belonging, discoveries

    module_of = None
    with contextlib.suppress(KiokuError):  # a project file that cannot be read keeps nothing from being learned
        module_of = belonging.of_project(where.context_dir)
    now, auto_accept = times.now_ms(), values.auto_accept
    discoveries.learn(store, now, module_of=module_of, auto_accept=auto_accept, everything=everything)
    return follow(store, where, values)


def follow(store: Store, where: Project, values: Settings) -> KiokuError | None:
    """Let `project.yaml` follow what is accepted, if it is there and the person wants that by itself.

    Returns what kept it from that: nothing is lost then, the next `kioku enrich` does it.
    """
    if values.text("discoveries.enrich") != "on" or not has_file(where):
        return None
    from kioku.knowledge import enriching

    try:
        enriching.enrich(store, where.context_dir)
    except KiokuError as error:
        return error
    return None


def has_file(where: Project) -> bool:
    """Tell whether a project has a `project.yaml`; a person's own store has none."""
    return os.path.lexists(os.path.join(where.context_dir, "project.yaml"))
