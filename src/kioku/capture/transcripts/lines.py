"""A transcript's file as the importer reads it: a line at a time, from where it stopped, and known again later."""

import io
import os
import zlib
from collections.abc import Iterator
from typing import Final

CHUNK: Final = 1 << 20  # bytes read at once
LONGEST_LINE: Final = 64 << 20  # bytes; a longer one is skipped
_COMPARED: Final = 4_096  # bytes at the beginning and at the end of what was read, to know it again


def open_file(path: str) -> int:
    """Open a file for reading without waiting for what will never come from a FIFO."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))


def identity(stream: io.RawIOBase, position: int) -> str:
    """Return what tells a file's first `position` bytes from others: checksums of their beginning and their end."""
    sums = []
    for start in (0, max(0, position - _COMPARED)):
        stream.seek(start)
        sums.append(zlib.crc32(stream.read(min(_COMPARED, position - start)) or b""))
    return "".join(f"{found:08x}" for found in sums)


def lines(stream: io.RawIOBase, position: int) -> Iterator[tuple[bytes | None, int, bool]]:
    """Read lines from a position on: (line, where it ends, whether a newline ends it).

    None stands for a line that is too long to be held.
    """
    stream.seek(position)
    rest: list[bytes] = []
    held = 0
    while chunk := stream.read(CHUNK):
        start = 0
        while (cut := chunk.find(b"\n", start)) >= 0:
            piece = chunk[start : cut + 1]
            position += held + len(piece)
            if held + len(piece) > LONGEST_LINE:
                yield None, position, True
            else:
                yield b"".join((*rest, piece)) if rest else piece, position, True
            rest.clear()
            held = 0
            start = cut + 1
        held += len(chunk) - start
        if held <= LONGEST_LINE:
            rest.append(chunk[start:])
        else:
            rest.clear()
    if held:
        yield (b"".join(rest) if held <= LONGEST_LINE else None), position + held, False
