"""Asking the worker: nothing is started before it is needed, and nobody waits longer than they say.

A worker that failed is not started again for a while, so that a model which cannot be used costs nothing but a look.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from kioku.embedding import folders
from kioku.embedding.talking import LONGEST, Answer, Question
from kioku.errors import CancelledCallError, EmbeddingError, ToolError
from kioku.workspace import children

if TYPE_CHECKING:
    import subprocess

REST_S: Final = 300.0  # after a failure
HANGS_S: Final = 30.0
_STUCK_S: Final = 1.0
_MEMORY: Final = 6 << 30  # bytes; a model of a gigabyte needs several
_ENVIRONMENT: Final = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}  # fmt: skip


class Vectors(NamedTuple):
    """What the model with this fingerprint says of some texts: an empty vector where it says nothing."""

    fingerprint: str
    vectors: list[bytes]


class Helper:
    """A model that can be asked, from any thread. `named` is the setting; `threads` may compute at once."""

    def __init__(self, named: str, *, threads: int = 1) -> None:
        self.named = named
        self.fingerprint: str | None = None  # of the model that was loaded last
        self.dimensions = 0
        self._threads = threads
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._worker: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._is_ready = False
        self._answers: dict[int, Answer | None] = {}  # None: asked, and still wanted
        self._next = 0
        self._failure = ""
        self._rests_until = 0.0

    def start(self) -> None:
        """Have the model loaded, without waiting for it. Raises EmbeddingError."""
        with self._lock:
            self._begin()

    def load(self, *, within_s: float) -> str:
        """Have the model loaded; return its fingerprint. Raises EmbeddingError."""
        with self._changed:
            self._begin()
            self._wait(lambda: self._is_ready, time.monotonic() + within_s, within_s)
            assert self.fingerprint is not None
            return self.fingerprint

    def vectors(self, texts: Sequence[str], *, within_s: float) -> Vectors:
        """Return what the model says of some texts.

        Raises EmbeddingError when it cannot be used, or has not answered in time. A model that needs longer than
        `HANGS_S` is ended; otherwise it goes on, and may be in time for the next question.
        """
        until = time.monotonic() + within_s
        with self._changed:
            self._begin()
            self._wait(lambda: self._is_ready, until, within_s)
            self._next += 1
            id = self._next
            self._answers[id] = None
            try:
                self._send(msgspec.json.encode(Question(id, list(texts))) + b"\n", until)
                self._wait(lambda: self._answers[id] is not None, until, within_s)
                answer = self._answers[id]
            finally:
                del self._answers[id]
            assert answer is not None
            if answer.failed or len(answer.vectors) != len(texts) or self.fingerprint is None:
                raise EmbeddingError(answer.failed or "search.model: the model's answer cannot be understood")
            return Vectors(self.fingerprint, answer.vectors)

    def close(self) -> None:
        """End the worker, if it runs. Safe to repeat; the next question starts another."""
        with self._changed:
            worker, reader, self._worker = self._worker, self._reader, None
            self._failure = "search.model: the model is not asked any more"
            self._changed.notify_all()
        if worker is not None and reader is not None:
            children.kill(worker)
            reader.join()  # what it reads from must not be closed before
            children.reap(worker)

    def _wait(self, holds: Callable[[], bool], until: float, within_s: float) -> None:
        while not holds():
            if self._worker is None:
                raise EmbeddingError(self._failure)
            left = until - time.monotonic()
            if left <= 0 and within_s >= HANGS_S:
                self._fail(f"search.model: the model has not answered within {within_s:.0f} s")
                children.kill(self._worker)
            if left <= 0:
                raise EmbeddingError("search.model: the model has not answered in time")
            self._changed.wait(left)

    def _begin(self) -> None:
        if self._worker is not None:
            return
        if time.monotonic() < self._rests_until:
            raise EmbeddingError(self._failure)
        try:
            files = folders.find(self.named)
            python = sys.executable
            argv = [python, "-P", "-m", "kioku.embedding.worker", str(self._threads), *files]
            worker = children.converse(argv, cwd=os.path.dirname(python), env=_ENVIRONMENT, memory=_MEMORY)
        except (EmbeddingError, ToolError, CancelledCallError, OSError) as error:
            self._fail(str(error))
            raise EmbeddingError(self._failure) from error
        if not children.WINDOWS:
            assert worker.stdin is not None
            os.set_blocking(worker.stdin.fileno(), False)
        self._worker, self._is_ready = worker, False
        self._reader = threading.Thread(target=self._read, args=(worker,), daemon=True)
        self._reader.start()

    def _send(self, data: bytes, until: float) -> None:
        """Write a question. The worker takes it in even while it computes, so this waits for one that is stuck only."""
        assert self._worker is not None
        assert self._worker.stdin is not None
        until = min(until, time.monotonic() + _STUCK_S)
        try:
            while data:
                try:
                    data = data[os.write(self._worker.stdin.fileno(), data) :]
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise
                    time.sleep(0.002)
        except OSError:
            children.kill(self._worker)  # its reader sees the end of it, and says why

    def _read(self, worker: "subprocess.Popen[bytes]") -> None:
        """Take in what a worker answers, until it ends."""
        assert worker.stdout is not None
        rest = b""
        said = ""
        try:
            while len(rest) < LONGEST and (data := os.read(worker.stdout.fileno(), 1 << 16)):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    said = self._take(msgspec.json.decode(line, type=Answer)) or said
        except (OSError, msgspec.MsgspecError) as error:
            said = f"search.model: the model's answer cannot be understood: {error}"
        with self._changed:
            if self._worker is not worker:
                return
            children.kill(worker)
            code = children.reap(worker)  # with the lock: nobody writes to it meanwhile
            self._worker = None
            if said or code != 0:
                self._fail(said or f"search.model: the model's process ended by itself ({code})")
            else:
                self._failure = "search.model: the model's process had just ended"
            self._changed.notify_all()

    def _take(self, answer: Answer) -> str:
        with self._changed:
            if answer.id == 0 and not answer.failed:
                self.fingerprint, self.dimensions, self._is_ready = answer.fingerprint, answer.dimensions, True
                self._changed.notify_all()
            elif answer.id == 0:
                return answer.failed
            elif answer.id in self._answers:
                self._answers[answer.id] = answer
                self._changed.notify_all()
        return ""

    def _fail(self, reason: str) -> None:
        if time.monotonic() >= self._rests_until:
            self._failure = reason
        self._rests_until = time.monotonic() + REST_S
