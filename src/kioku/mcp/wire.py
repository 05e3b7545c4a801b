"""Bytes in and out of a process's standard streams, without ever being stuck in them.

Where the system can wait on any file (all but Windows), one wait watches both ends and nothing blocks. On Windows two
threads do the blocking; they are daemons, and the process does not wait for them. A peer that stops reading fills the
outgoing queue, never stops the rest.
"""

import contextlib
import os
import queue
import select
import socket
import sys
import threading
import time
from collections import deque

CHUNK = 65_536
# A write of so much does not block where the system says "writable".
_SAFE_WRITE = getattr(select, "PIPE_BUF", 512)
_READ_AHEAD = 16  # chunks that the reading thread may be ahead


class Wire:
    """A pair of file descriptors, and a way for other threads to interrupt the wait for them."""

    def __init__(self, source: int, sink: int, *, threaded: bool = sys.platform == "win32") -> None:
        self.is_broken = False  # nobody reads the other end of `sink` any more
        self.at_end = False  # `source` has ended
        self._source, self._sink = source, sink
        self._threaded = threaded
        self._out: deque[memoryview] = deque()
        self._out_size = 0
        self._queued = threading.Condition()  # for the two above
        self._in: queue.Queue[bytes] = queue.Queue(_READ_AHEAD)
        # A socket pair, since Windows cannot wait on pipes.
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        if threaded:
            for work in (self._read_all, self._write_all):
                threading.Thread(target=work, daemon=True).start()

    @property
    def bell(self) -> int:
        """Return a descriptor that wakes the waiting thread when a byte is written to it."""
        return self._rope.fileno()

    @property
    def unsent(self) -> int:
        """Return how many bytes the other end has not taken yet."""
        return self._out_size

    def send(self, data: bytes) -> None:
        """Queue bytes for the other end. Any thread may call it."""
        with self._queued:
            self._out.append(memoryview(data))
            self._out_size += len(data)
            self._queued.notify()
        self._wake()

    def wait(self, seconds: float, *, reading: bool = True) -> bytes:
        """Wait for something to happen, at most `seconds`; move bytes out, and return those that came in."""
        reading = reading and not self.at_end
        if self._threaded:
            return self._wait_for_threads(seconds, reading)
        sources = [self._bell.fileno(), *([self._source] if reading else [])]
        sinks = [self._sink] if self._out and not self.is_broken else []
        ready = _ready(sources, sinks, max(0.0, seconds))
        self._hush()
        if self._sink in ready and sinks:
            self._write(_SAFE_WRITE)
        return self._arrived(self._read()) if self._source in ready and reading else b""

    def flush(self, seconds: float) -> bool:
        """Send what is queued, for at most `seconds`; return whether all of it went out."""
        deadline = time.monotonic() + seconds
        while self._out_size and not self.is_broken and time.monotonic() < deadline:
            self.wait(deadline - time.monotonic(), reading=False)
        return not self._out_size

    def _arrived(self, data: bytes | None) -> bytes:
        self.at_end = data == b""
        return data or b""

    def _read(self) -> bytes | None:
        """Return what came in, empty at the end; None when nothing did."""
        try:
            return os.read(self._source, CHUNK)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""  # the terminal or the pipe is gone: that is an end too

    def _write(self, most: int) -> None:
        """Write at most so many of the bytes that are queued."""
        try:
            written = os.write(self._sink, self._out[0][:most])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.is_broken = True
            return
        with self._queued:
            rest = self._out.popleft()[written:]
            self._out_size -= written
            if rest:
                self._out.appendleft(rest)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is about to wake anyway
            self._rope.send(b"w")

    def _hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(CHUNK)

    # --- Windows ----------------------------------------------------------------------------------------------------

    def _wait_for_threads(self, seconds: float, reading: bool) -> bytes:
        if not (reading and not self._in.empty()):
            select.select([self._bell], (), (), max(0.0, seconds))
        self._hush()
        return self._arrived(self._in.get()) if reading and not self._in.empty() else b""

    def _read_all(self) -> None:
        data: bytes | None = None
        while data != b"":
            data = self._read()
            if data is not None:
                self._in.put(data)
                self._wake()

    def _write_all(self) -> None:
        while not self.is_broken:
            with self._queued:
                self._queued.wait_for(lambda: self._out)
            self._write(CHUNK)
            self._wake()


def _ready(sources: list[int], sinks: list[int], seconds: float) -> set[int]:
    """Wait until one of the descriptors can be read or written; return those.

    poll(2) takes regular files, as epoll does not, and numbers over 1,023, as select(2) does not; but on macOS it
    takes no terminals.
    """
    if sys.platform == "darwin" or not hasattr(select, "poll"):
        readable, writable, _ = select.select(sources, sinks, (), seconds)
        return {*readable, *writable}
    waiting = select.poll()
    for descriptor in sources:
        waiting.register(descriptor, select.POLLIN)
    for descriptor in sinks:
        waiting.register(descriptor, select.POLLOUT)
    return {descriptor for descriptor, _ in waiting.poll(seconds * 1000)}
