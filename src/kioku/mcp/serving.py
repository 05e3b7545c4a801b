"""Serving a connection on standard input and output until it ends: by end of input, signal, or a client that is gone.

However it ends, answers in flight are written first, everything is bounded, and one signal is enough. Standard output
carries messages only: whatever else is printed there goes to standard error.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from kioku.mcp.dispatch import Application, Connection
from kioku.mcp.wire import Wire

LONGEST_LINE = 16 << 20  # bytes
TICK_S = 1.0
_ANSWERS_S = 1.0  # how long answers in flight may take once the end has come
_FLUSH_S = 0.4
_LOOK_S = 0.02  # how often it is looked whether all is done: the end of the last request rings no bell
_UNSENT_LIMIT = 16 << 20  # bytes that a client may leave unread before we stop working on its requests


class Server:
    """A server for one client. `changed` may be called from any thread, also by the application."""

    def __init__(self, application: Application, source: int, sink: int) -> None:
        self._wire = Wire(source, sink)
        self.connection = Connection(application, lambda message: self._wire.send(message + b"\n"))
        self.end_began = 0.0  # when the end was noticed, by the monotonic clock
        self._signal: int | None = None
        self._buffer = bytearray()
        self._searched = 0  # how much of the buffer is known to hold no line end
        self._skipping = False  # inside a line that is too long

    def watch_signals(self) -> None:
        """Let SIGINT, SIGTERM and SIGHUP end the serving. Call it from the main thread."""
        signal.set_wakeup_fd(self._wire.bell, warn_on_full_buffer=False)
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            # nohup's wish is respected; SIGINT is not: shells ignore it for whatever they start in the background.
            if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                signal.signal(number, self._signalled)

    def run(self, tick: Callable[[], bool], stop_work: Callable[[], None]) -> str:
        """Serve until the end and return its cause: `eof`, `signal`, `broken` or `parent`.

        `tick` is called every second and tells whether the client is gone; `stop_work` must end what the
        application's calls wait for.
        """
        reason = self._serve(tick)
        self.end_began = time.monotonic()
        deadline, before = time.monotonic() + _ANSWERS_S, self._outstanding()
        while any(before) and not self._wire.is_broken and time.monotonic() < deadline:
            self._wire.wait(_LOOK_S, reading=False)
            after = self._outstanding()
            # Requests followed by the end of input are all answered, as long as answers are given and taken.
            if reason == "eof" and self._signal is None and after < before:
                deadline = time.monotonic() + _ANSWERS_S
            before = after
        self.connection.close()
        stop_work()
        deadline = time.monotonic() + _FLUSH_S
        while self.connection.in_flight and time.monotonic() < deadline:
            self._wire.wait(_LOOK_S, reading=False)  # what was interrupted is recorded too
        self._wire.flush(deadline - time.monotonic())
        return reason

    def _outstanding(self) -> tuple[int, int]:
        """Return how many requests are being worked on, and how many bytes of answers have not been taken."""
        return self.connection.in_flight, self._wire.unsent

    def _serve(self, tick: Callable[[], bool]) -> str:
        next_tick = time.monotonic() + TICK_S
        while self._signal is None:
            if self._wire.is_broken:
                return "broken"
            congested = self._wire.unsent > _UNSENT_LIMIT
            if self._wire.at_end:
                self._buffer += b"\n"  # an input that is a file often ends without one
            if self._wire.at_end or not congested:
                self._take_lines()
            if self._wire.at_end:
                return "eof"
            reading = not congested or len(self._buffer) < LONGEST_LINE
            self._buffer += self._wire.wait(next_tick - time.monotonic(), reading=reading)
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_S
                if tick():
                    return "parent"
        return "signal"

    def _take_lines(self) -> None:
        """Hand on each complete line; a line beyond the limit is thrown away as it comes in."""
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            line = bytes(self._buffer[:end]).strip()
            del self._buffer[: end + 1]
            self._searched = 0
            if self._skipping or end > LONGEST_LINE:
                self._skipping = False
                self.connection.refuse(f"a message may have at most {LONGEST_LINE} bytes")
            elif line:
                self.connection.receive(line)
        self._searched = len(self._buffer)
        if self._searched > LONGEST_LINE:
            self._buffer.clear()
            self._searched, self._skipping = 0, True

    def _signalled(self, number: int, _frame: Any) -> None:
        self._signal = number


def claim_standard_streams() -> tuple[int, int]:
    """Take standard input and output for the protocol; return their descriptors, not inherited by children.

    Afterwards the usual numbers lead to nothing (input) and to standard error (output), so that no library or child
    can disturb the messages.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    while nothing <= 2:  # we were started with this one closed
        nothing = os.dup(nothing)
    source, sink = os.dup(0), os.dup(1)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(source, os.O_BINARY)
        msvcrt.setmode(sink, os.O_BINARY)
    return source, sink


def end_within(seconds: float, last: Callable[[], None]) -> None:
    """End this process with success after `seconds` at the latest, whatever it is stuck in, and call `last` then."""

    def end() -> None:
        time.sleep(seconds)
        last()
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()
