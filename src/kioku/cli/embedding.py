"""Making vectors while a server runs: in a thread of its own, by a process of its own; nothing waits for it."""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from kioku.embedding.helper import Helper
from kioku.errors import KiokuError
from kioku.store import locks, vectors
from kioku.store.store import Store

LONGEST_S: Final = 60.0  # for a model to be loaded, or to embed a few passages
AT_ONCE: Final = 8  # passages that are written together
_MOST_MS: Final = 240_000  # each time; a server looks every five minutes
_LOCK: Final = "embedding.lock"


class Embedding:
    """Goes on with what is missing, whenever it is told to and is not at it already."""

    def __init__(self, named: str, folder: str) -> None:
        self.helper = Helper(named)
        self._lock = os.path.join(folder, _LOCK)
        self._thread: threading.Thread | None = None

    def go_on(self, store: Store) -> None:
        """Begin, and return at once. Raises StoreError."""
        is_at_it = self._thread is not None and self._thread.is_alive()
        if is_at_it or not store.read(lambda db: vectors.behind(db, self.helper.fingerprint)):
            return
        self._thread = threading.Thread(target=self._embed, args=(store,), daemon=True)
        self._thread.start()

    def _embed(self, store: Store) -> None:
        # What keeps the model from being used is told by search and by the doctor; the store's troubles by recording.
        with suppress(KiokuError, OSError), locks.only_one(self._lock) as is_only_one:
            if not is_only_one:
                return  # another server of this project is at it
            fingerprint = self.helper.load(within_s=LONGEST_S)
            vectors.catch_up(store, self._vectors, fingerprint, at_once=AT_ONCE, most_ms=_MOST_MS)

    def _vectors(self, texts: Sequence[str]) -> tuple[str, Sequence[bytes]]:
        """Ask for one text after the other, so that a question that comes meanwhile waits for one at most."""
        told = [self.helper.vectors([text], within_s=LONGEST_S) for text in texts]
        return told[-1].fingerprint, [vector for one in told for vector in one.vectors]
