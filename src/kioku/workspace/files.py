"""Read text out of a project's file, with a bound on memory and time whatever the file is.

Invariant: at most SCAN_MAX bytes are read and `max_bytes` returned, and the note says what is missing and how
to ask for it.
"""

import os
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from kioku.errors import UsageError
from kioku.workspace.opening import open_folder, open_regular, protected_inodes
from kioku.workspace.paths import Located, locate, printable

__all__ = [
    "FileText",
    "Located",
    "locate",
    "open_folder",
    "open_regular",
    "printable",
    "protected_inodes",
    "read_text",
]

SCAN_MAX: Final = 8 * 1024 * 1024
CHUNK: Final = 256 * 1024

_BOMS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_KINDS = (
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3\0", "an SQLite database"),
)


class FileText(msgspec.Struct, frozen=True, kw_only=True):
    """Lines `first_line` to `last_line` (from 1); `total_lines` is None where the end was not reached.

    `truncated` says that the file goes on after `last_line`, or that this line was cut.
    """

    path: str
    text: str
    first_line: int
    last_line: int
    total_lines: int | None
    size_bytes: int
    encoding: str
    truncated: bool
    note: str | None


class _Scan:
    """Count lines through the pieces of a file and keep those that are wanted, as bytes."""

    def __init__(self, first_line: int, max_lines: int | None, max_bytes: int) -> None:
        self.first_line = first_line
        self.max_lines = max_lines
        self.max_bytes = max_bytes
        self.kept = bytearray()
        self.newlines = 0
        self.seen = 0  # bytes
        self.kept_to = -1  # bytes of what was seen; -1 before the first wanted line
        self.full = False
        self.ends_open = False  # the last line seen has no newline (yet)

    def feed(self, data: bytes) -> None:
        line, offset = self.newlines + 1, self.seen
        self.newlines += data.count(b"\n")
        self.seen += len(data)
        self.ends_open = not data.endswith(b"\n")
        if self.full or self.newlines + 1 < self.first_line:
            return
        start = 0
        while line < self.first_line:
            start = data.index(b"\n", start) + 1
            line += 1
        end = len(data)
        if self.max_lines is not None:
            last, end = self.first_line + self.max_lines - 1, start
            while line <= last and end < len(data):
                found = data.find(b"\n", end)
                end = len(data) if found < 0 else found + 1
                line += found >= 0
            self.full = line > last
        room = self.max_bytes - len(self.kept)
        if end - start > room:
            end, self.full = start + room, True
        self.kept += data[start:end]
        if end > start:
            self.kept_to = offset + end

    @property
    def lines(self) -> int:
        return self.newlines + self.ends_open


def read_text(
    root: str,
    given: str,
    *,
    first_line: int = 1,
    max_lines: int | None = None,
    protected: Collection[tuple[int, int]] = (),
    max_bytes: int = 256 * 1024,
) -> FileText:
    """Read lines of a project's file as text; a binary file gives no text and a note that says what it is.

    Raises RefusedPathError, ToolError (see `open_regular`) and UsageError for impossible line numbers.
    """
    if first_line < 1 or (max_lines is not None and max_lines < 1):
        raise UsageError("first_line and max_lines must be 1 or more.")
    relative = locate(root, given).relative
    shown = printable(relative, 1000)
    opened = open_regular(root, relative, protected=protected)
    try:
        size = os.fstat(opened).st_size
        head = os.read(opened, CHUNK)
        encoding, mark = _encoding(head)
        wide = encoding.startswith(("utf-16", "utf-32"))
        scan = _Scan(first_line, max_lines, max_bytes)
        binary = False
        for data in _decoded(opened, head, mark, encoding if wide else None):
            binary = not wide and b"\0" in data
            if binary:
                break
            scan.feed(data)
        at_end = not os.read(opened, 1)
    finally:
        os.close(opened)
    if binary:
        kind = next((kind for magic, kind in _KINDS if head.startswith(magic)), "a binary file")
        note = f'"{shown}" is {kind} of {_amount(size)}; its content is not shown.'
        scan, at_end, encoding = _Scan(first_line, None, 0), False, "binary"
    truncated = not binary and (not at_end or -1 < scan.kept_to < scan.seen)
    text, encoding = _text(bytes(scan.kept), encoding, truncated)
    last_line = first_line + text.count("\n") - (text.endswith("\n") or not text)
    if not binary:
        cut_inside = truncated and not text.endswith("\n")
        note = _note(scan, at_end, last_line, cut_inside, truncated)
    return FileText(
        path=shown,
        text=text,
        first_line=first_line,
        last_line=last_line,
        total_lines=scan.lines if at_end else None,
        size_bytes=size,
        encoding=encoding,
        truncated=truncated,
        note=note or None,
    )


def _encoding(head: bytes) -> tuple[str, int]:
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, len(mark)
    return "utf-8", 0


def _decoded(opened: int, head: bytes, mark: int, wide: str | None) -> Iterator[bytes]:
    """Yield the file's content up to SCAN_MAX without its mark, wide encodings turned into UTF-8."""
    import codecs

    decoder = codecs.getincrementaldecoder(wide)("replace") if wide else None
    data, left = head[mark:], SCAN_MAX - len(head)
    while data:
        yield decoder.decode(data).encode() if decoder else data
        data = os.read(opened, min(CHUNK, left)) if left > 0 else b""
        left -= len(data)


def _text(kept: bytes, encoding: str, cut: bool) -> tuple[str, str]:
    """Decode what was kept; where it was cut, a character that the cut went through is left off."""
    import codecs

    try:
        return codecs.utf_8_decode(kept, "strict", not cut)[0], encoding
    except UnicodeDecodeError:
        return kept.decode("latin-1"), "latin-1"


def _note(scan: _Scan, at_end: bool, last_line: int, cut_inside: bool, truncated: bool) -> str:
    if last_line < scan.first_line:
        if not at_end:
            return (
                f"Line {scan.first_line} lies beyond the first {_amount(SCAN_MAX)}, as far as is read; "
                "search this file with grep_codebase instead."
            )
        empty = f"The file has {scan.lines} lines; line {scan.first_line} is after its end."
        return empty if scan.first_line > 1 else "The file is empty."
    if not truncated:
        return ""
    of = f"of {scan.lines}" if at_end else f"(the end was not reached in {_amount(SCAN_MAX)})"
    note = f"These are lines {scan.first_line} to {last_line} {of}."
    if not cut_inside:
        return f"{note} Ask for the rest with first_line = {last_line + 1}."
    if last_line > scan.first_line:
        return f"{note} Line {last_line} is cut; ask for it and the rest with first_line = {last_line}."
    return (
        f"{note} Line {last_line} is cut after {_amount(len(scan.kept))}; search it with grep_codebase, "
        f"or go on with first_line = {last_line + 1}."
    )


def _amount(size: int) -> str:
    for unit, factor in (("GB", 1024**3), ("MB", 1024**2), ("kB", 1024)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
