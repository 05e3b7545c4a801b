"""Telling open pages that something was recorded: one look a second at each store, however many pages are open."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from kioku.errors import KiokuError
from kioku.store.store import identity
from kioku.web.shelf import Place, Shelf

EVERY: Final = 1.0  # seconds
_BEAT: Final = 15.0  # seconds after which a silent page hears that it is still connected


class Watcher:
    """Looks at the stores while anybody is waiting for news, and ends every wait when it is stopped."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._waiting: set[asyncio.Queue[str | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def events(self) -> AsyncIterator[str]:
        """Yield server-sent events: the name of each project in which something was recorded, as it happens."""
        news: asyncio.Queue[str | None] = asyncio.Queue(64)
        self._waiting.add(news)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            yield "retry: 2000\n\n"
            while not self._stopped:
                try:
                    name = await asyncio.wait_for(news.get(), _BEAT)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if name is None:
                    return
                yield f"event: recorded\ndata: {name}\n\n"
        finally:
            self._waiting.discard(news)

    def stop(self) -> None:
        """End every wait, so that the server can end."""
        self._stopped = True
        for news in self._waiting:
            _tell(news, None)

    async def _watch(self) -> None:
        seen: dict[str, object] | None = None
        while self._waiting and not self._stopped:
            found = await asyncio.to_thread(self._versions)
            for name in [] if seen is None else found.keys() | seen.keys():
                if seen is not None and found.get(name) != seen.get(name):
                    for news in self._waiting:
                        _tell(news, name)
            seen = found
            await asyncio.sleep(EVERY)

    def _versions(self) -> dict[str, object]:
        """Return of each store what changes when another process writes to it, or another file takes its place."""
        return {place.name: self._version(place) for place in self._shelf.places()}

    def _version(self, place: Place) -> object:
        try:
            with self._shelf.opened(place) as store:
                # The number is the connection's own, and begins anew with another file.
                return identity(store.path), store.read(lambda db: int(db.pragma("data_version")))
        except (KiokuError, OSError):
            return None


def _tell(news: "asyncio.Queue[str | None]", name: str | None) -> None:
    """Put news in a page's queue; one that is full has news enough, and only the end must reach it."""
    if news.full():
        if name is not None:
            return
        news.get_nowait()
    news.put_nowait(name)
