"""The spool as a running server looks at it: its own project's folders often, everybody's now and then.

What takes the events in is imported when there are any: an assistant waits for the server to start.
"""

from kioku.capture import homeless, spool
from kioku.project import Project
from kioku.settings import user_folder
from kioku.store.store import Store


class ServerSpool:
    """Takes in what hooks leave while a server of a project runs."""

    def __init__(self, where: Project, timeout_ms: int) -> None:
        self._project = where
        self._timeout_ms = timeout_ms
        self._state = user_folder("state")
        self._roots = tuple(dict.fromkeys((where.root, where.workdir)))

    def is_due(self) -> bool:
        """Tell whether a hook has left anything for this project, or the person's own store keeps something of it."""
        return any(spool.has_events(self._state, root) for root in self._roots) or homeless.is_due(self._project)

    def drain(self, store: Store, *, everything: bool) -> None:
        """Take in what is there. Raises KiokuError."""
        if not everything and not self.is_due():
            return
        from kioku.capture import draining, homecoming, stores

        homecoming.bring(self._project, store, self._timeout_ms)
        with stores.opened((self._project, store)) as homes:
            draining.drain(homes, None if everything else self._project)
