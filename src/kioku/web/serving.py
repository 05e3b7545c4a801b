"""Running the page until it is told to stop."""

import asyncio
import contextlib
import socket

import uvicorn

from kioku import times
from kioku.web import app, instance
from kioku.web.access import Gate
from kioku.web.instance import Instance
from kioku.web.shelf import Shelf
from kioku.web.watching import Watcher

_GRACE = 2  # seconds that open requests have to end


class _Server(uvicorn.Server):
    """A server that, told to stop, lets nobody find it any more and ends the waits of open pages.

    Both happen before uvicorn gives the signal back, which may end the process at once.
    """

    def __init__(self, config: uvicorn.Config, watcher: Watcher, page: Instance) -> None:
        super().__init__(config)
        self._watcher = watcher
        self._page = page

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        instance.withdraw(self._page)
        self._watcher.stop()
        await super().shutdown(sockets)


class Page:
    """The page at a port that is taken already: gives tickets, and runs."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.instance: Instance = instance.new(listening.getsockname()[1])
        self.gate = Gate(self.instance.port, self.instance.name, self.instance.bearer, times.now_ms)

    def run(self) -> None:
        """Answer requests until the process is told to stop (Ctrl+C, `TERM`); then withdraw."""
        shelf = Shelf()
        watcher = Watcher(shelf)
        config = uvicorn.Config(
            app.build(self.instance, self.gate, shelf, watcher), log_level="warning", access_log=False,
            server_header=False, lifespan="off", timeout_graceful_shutdown=_GRACE, ws="none", loop="asyncio",
            h11_max_incomplete_event_size=65_536, proxy_headers=False,
        )  # fmt: skip
        server = _Server(config, watcher, self.instance)
        try:
            with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it anew once all is closed
                asyncio.run(server.serve(sockets=[self._listening]))
        finally:
            instance.withdraw(self.instance)
            shelf.close()
