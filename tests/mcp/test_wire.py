"""The wire in both of its forms, over whatever standard streams may be: pipes, sockets, files."""

import contextlib
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kioku.mcp.wire import CHUNK, Wire
from tests.support import PATIENCE_S, wait_until

BIG = random.Random(1).randbytes(3_000_000)  # far more than any pipe or socket holds


class Ends:
    """A wire, and the descriptors that its peer writes to and reads from."""

    def __init__(self, threaded: bool, source: tuple[int, int], sink: tuple[int, int]) -> None:
        self.into, self.out_of = source[1], sink[0]
        self._open = {*source, *sink}
        before = set(threading.enumerate())
        self.wire = Wire(source[0], sink[1], threaded=threaded)
        self._threads = set(threading.enumerate()) - before
        assert bool(self._threads) == threaded

    def shut(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)

    def close(self) -> None:
        """Let the threads end, which in a server go down with the process, then close everything."""
        for peer in {self.into, self.out_of} & self._open:
            self.shut(peer)
        self.wire.is_broken = True
        self.wire.send(b"x")
        self.read_until_end()
        for thread in self._threads:
            thread.join()
        for descriptor in list(self._open):
            self.shut(descriptor)
        self.wire._bell.close()
        self.wire._rope.close()

    def read_until_end(self) -> bytes:
        """Return all that the wire takes in until its end."""
        data = b""
        while not self.wire.at_end:
            data += self.wire.wait(PATIENCE_S)
        return data


def pipe() -> tuple[int, int]:
    return os.pipe()


def sockets() -> tuple[int, int]:
    one, other = socket.socketpair()
    return one.detach(), other.detach()


@pytest.fixture(params=[False, True], ids=["waiting", "threads"])
def threaded(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[pipe, sockets])
def ends(request: pytest.FixtureRequest, threaded: bool) -> Iterator[Ends]:
    make: Callable[[], tuple[int, int]] = request.param
    ends = Ends(threaded, make(), make())
    yield ends
    ends.close()


def feed(descriptor: int, data: bytes, done: Callable[[], None] = lambda: None) -> threading.Thread:
    """Write everything from another thread, as a peer would."""

    def write() -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        done()

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def drain(descriptor: int, size: int) -> tuple[threading.Thread, bytearray]:
    """Read so many bytes in another thread, as a peer would."""
    got = bytearray()

    def read() -> None:
        while len(got) < size:
            got.extend(os.read(descriptor, CHUNK))

    thread = threading.Thread(target=read)
    thread.start()
    return thread, got


def test_bytes_go_both_ways_unchanged_and_in_order(ends: Ends) -> None:
    peer = feed(ends.into, BIG)
    reader, got = drain(ends.out_of, len(BIG))
    for start in range(0, len(BIG), 100_000):
        ends.wire.send(BIG[start : start + 100_000])
    received = b""
    while len(received) < len(BIG):
        received += ends.wire.wait(PATIENCE_S)
    assert ends.wire.flush(PATIENCE_S)
    peer.join()
    reader.join()
    assert received == BIG
    assert got == BIG
    assert ends.wire.unsent == 0
    assert not ends.wire.is_broken
    assert not ends.wire.at_end


def test_what_several_threads_send_arrives_whole(ends: Ends) -> None:
    lines = [b"%d " % number * 2000 + b"\n" for number in range(40)]
    reader, got = drain(ends.out_of, sum(map(len, lines)))
    senders = [threading.Thread(target=ends.wire.send, args=(line,)) for line in lines]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert ends.wire.flush(PATIENCE_S)
    reader.join()
    assert sorted(bytes(got).splitlines(keepends=True)) == sorted(lines)


def test_the_end_of_the_source_comes_after_all_that_was_written(ends: Ends) -> None:
    peer = feed(ends.into, BIG, lambda: ends.shut(ends.into))
    assert ends.read_until_end() == BIG
    peer.join()
    assert ends.wire.wait(0) == b""
    assert ends.wire.at_end


def test_a_peer_that_never_reads_blocks_nothing(ends: Ends) -> None:
    ends.wire.send(BIG)
    assert not ends.wire.flush(0.05)
    assert 0 < ends.wire.unsent < len(BIG)
    assert not ends.wire.is_broken
    os.write(ends.into, b"still here")
    received = b""
    while received != b"still here":
        received += ends.wire.wait(PATIENCE_S)
    reader, got = drain(ends.out_of, len(BIG))
    assert ends.wire.flush(PATIENCE_S)
    reader.join()
    assert got == BIG


def test_a_peer_that_closes_what_it_reads_breaks_the_wire(ends: Ends) -> None:
    ends.shut(ends.out_of)
    ends.wire.send(BIG)
    wait_until(lambda: ends.wire.wait(0.01) == b"" and ends.wire.is_broken, "a broken wire")
    assert not ends.wire.flush(PATIENCE_S)
    ends.wire.send(b"more")
    os.write(ends.into, b"what was written before is read")
    received = b""
    while not received:
        received += ends.wire.wait(PATIENCE_S)
    assert received == b"what was written before is read"


def test_a_peer_that_closes_in_the_middle_breaks_the_wire(ends: Ends) -> None:
    ends.wire.send(BIG)
    reader, _ = drain(ends.out_of, 200_000)
    wait_until(lambda: ends.wire.wait(0.01) == b"" and not reader.is_alive(), "a part of it")
    ends.shut(ends.out_of)
    wait_until(lambda: ends.wire.wait(0.01) == b"" and ends.wire.is_broken, "a broken wire")
    assert ends.wire.unsent > 0


def test_sending_ends_a_wait_in_another_thread(ends: Ends) -> None:
    """Without the bell the wait would last for an hour and the answer would never leave."""
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            ends.wire.wait(3600)

    server = threading.Thread(target=serve)
    server.start()
    ends.wire.send(b"answer")
    assert os.read(ends.out_of, 100) == b"answer"
    stop.set()
    os.write(ends.wire.bell, b"x")
    server.join(PATIENCE_S)
    assert not server.is_alive()


def test_a_byte_on_the_bell_ends_the_next_wait(ends: Ends) -> None:
    os.write(ends.wire.bell, b"x")
    assert ends.wire.wait(3600) == b""


def test_a_bell_that_nobody_answers_does_not_block_who_rings(ends: Ends) -> None:
    for _ in range(5000):
        ends.wire.send(b"")
    os.write(ends.into, b"x")
    received = b""
    while not received:
        received += ends.wire.wait(PATIENCE_S)
    assert received == b"x"


def test_nothing_is_taken_in_while_nothing_is_to_be_read(ends: Ends) -> None:
    os.write(ends.into, b"later")
    assert [ends.wire.wait(0, reading=False) for _ in range(3)] == [b""] * 3
    ends.wire.send(b"out")
    assert ends.wire.flush(PATIENCE_S)
    assert os.read(ends.out_of, 100) == b"out"
    received = b""
    while received != b"later":
        received += ends.wire.wait(PATIENCE_S)


def test_a_reader_that_is_not_asked_does_not_take_in_without_bound(ends: Ends) -> None:
    peer = feed(ends.into, BIG)
    ends.wire.wait(0.05, reading=False)
    assert peer.is_alive()  # it could not get rid of it all: nobody asked
    received = b""
    while len(received) < len(BIG):
        received += ends.wire.wait(PATIENCE_S)
    peer.join()
    assert received == BIG


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 1_000_000])
def test_regular_files_are_read_to_their_end_and_written(tmp_path: Path, threaded: bool, size: int) -> None:
    (tmp_path / "in").write_bytes(BIG[:size])
    source, sink = os.open(tmp_path / "in", os.O_RDONLY), os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    with contextlib.closing(Ends(threaded, (source, os.dup(source)), (os.dup(sink), sink))) as ends:
        assert ends.read_until_end() == BIG[:size]
        ends.wire.send(BIG[:size])
        assert ends.wire.flush(PATIENCE_S)
        assert (tmp_path / "out").read_bytes() == BIG[:size]


def test_a_full_disk_breaks_the_wire(threaded: bool) -> None:
    nothing, full = os.open(os.devnull, os.O_RDONLY), os.open("/dev/full", os.O_WRONLY)
    with contextlib.closing(Ends(threaded, (nothing, os.dup(nothing)), (os.dup(full), full))) as ends:
        ends.wire.send(b"x")
        wait_until(lambda: ends.wire.wait(0.01) == b"" and ends.wire.is_broken, "a broken wire")
        assert ends.wire.unsent == 1


def test_the_device_that_holds_nothing_is_an_end_and_takes_everything(threaded: bool) -> None:
    source, sink = os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)
    with contextlib.closing(Ends(threaded, (source, os.dup(source)), (os.dup(sink), sink))) as ends:
        assert ends.read_until_end() == b""
        ends.wire.send(BIG)
        assert ends.wire.flush(PATIENCE_S)


def test_a_terminal_whose_window_closes_is_an_end(threaded: bool) -> None:
    window, terminal = os.openpty()
    with contextlib.closing(Ends(threaded, (terminal, window), pipe())) as ends:
        ends.shut(window)
        assert ends.read_until_end() == b""
