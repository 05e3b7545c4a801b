"""Bytes in and out of a process's standard streams, without ever being stuck in them.

Where the system can wait on any file (all but Windows), one selector watches both ends and nothing blocks. On Windows
two threads do the blocking; they are daemons, and the process does not wait for them. A peer that stops reading fills
the outgoing queue, never stops the rest.
"""

import os
import selectors
import socket
import sys
import threading
import time
from collections import deque

CHUNK = 65_536
_SAFE_WRITE = 4096  # PIPE_BUF: a write of so much does not block where select(2) says "writable"


class Wire:
    """A pair of file descriptors, and a way for other threads to interrupt the wait for them."""

    def __init__(self, source: int, sink: int, *, threaded: bool = sys.platform == "win32") -> None:
        self.is_broken = False  # nobody reads the other end of `sink` any more
        self.at_end = False  # `source` has ended
        self._source, self._sink = source, sink
        self._threaded = threaded
        self._out: deque[memoryview] = deque()
        self._out_size = 0
        self._in: deque[bytes] = deque()
        self._changed = threading.Condition()
        # A socket pair, since Windows cannot wait on pipes.
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        # select(2) itself: epoll refuses regular files, which standard input may be.
        self._selector = selectors.SelectSelector() if not threaded else selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
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
        with self._changed:
            self._out.append(memoryview(data))
            self._out_size += len(data)
            self._changed.notify()
        self.wake()

    def wake(self) -> None:
        """End the wait that is going on, or the next one. Any thread may call it."""
        try:
            self._rope.send(b"w")
        except BlockingIOError:
            pass  # it is about to wake anyway

    def wait(self, seconds: float, *, reading: bool = True) -> bytes:
        """Wait for something to happen, at most `seconds`; move bytes out, and return those that came in."""
        if self._threaded:
            return self._wait_for_threads(seconds)
        events = []
        if reading and not self.at_end:
            self._selector.register(self._source, selectors.EVENT_READ)
            events.append(self._source)
        if self._out and not self.is_broken:
            self._selector.register(self._sink, selectors.EVENT_WRITE)
            events.append(self._sink)
        try:
            ready = {key.fd for key, _ in self._selector.select(max(0.0, seconds))}
        finally:
            for descriptor in events:
                self._selector.unregister(descriptor)
        if self._bell.fileno() in ready:
            self._hush()
        if self._sink in ready and self._sink in events:
            self._write_some()
        if self._source in ready and self._source in events:
            return self._read_some()
        return b""

    def flush(self, seconds: float) -> bool:
        """Send what is queued, for at most `seconds`; return whether all of it went out."""
        deadline = time.monotonic() + seconds
        while self._out_size and not self.is_broken and time.monotonic() < deadline:
            self.wait(deadline - time.monotonic(), reading=False)
        return not self._out_size

    def _read_some(self) -> bytes:
        try:
            data = os.read(self._source, CHUNK)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError:
            data = b""  # the terminal or the pipe is gone: that is an end too
        self.at_end = not data
        return data

    def _write_some(self) -> None:
        for _ in range(64):
            try:
                written = os.write(self._sink, self._out[0][:_SAFE_WRITE])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.is_broken = True
                return
            with self._changed:
                first = self._out.popleft()
                self._out_size -= written
                if written < len(first):
                    self._out.appendleft(first[written:])
            if not self._out or not self._is_writable():
                return

    def _is_writable(self) -> bool:
        import select

        return bool(select.select([], [self._sink], [], 0)[1])

    def _hush(self) -> None:
        try:
            while self._bell.recv(CHUNK):
                pass
        except BlockingIOError:
            pass

    # --- Windows ----------------------------------------------------------------------------------------------------

    def _wait_for_threads(self, seconds: float) -> bytes:
        if not self._in:
            self._selector.select(max(0.0, seconds))
        self._hush()
        if not self._in:
            return b""
        data = self._in.popleft()
        self.at_end = not data
        return data

    def _read_all(self) -> None:
        data = b"begin"
        while data:
            try:
                data = os.read(self._source, CHUNK)
            except OSError:
                data = b""
            self._in.append(data)
            self.wake()

    def _write_all(self) -> None:
        while not self.is_broken:
            with self._changed:
                while not self._out:
                    self._changed.wait()
                data = self._out[0]
            try:
                written = os.write(self._sink, data)
            except OSError:
                self.is_broken = True
            else:
                with self._changed:
                    self._out.popleft()
                    self._out_size -= written
                    if written < len(data):
                        self._out.appendleft(data[written:])
            self.wake()
