"""What readers of transcripts have in common: their shape, times, and lines that are not what they should be.

A line is decoded into the few fields that are needed; where that fails it is decoded as any JSON, so that one value of
another type than usual costs nothing. Only what is no JSON at all is a bad line, and it is named, not guessed at.
"""

import json
import os
import re
from calendar import timegm
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from kioku.capture.seen import Seen, Usage

LONGEST_ID: Final = 200
_LAST_INSTANT: Final = 253_402_214_400_000  # 9999-12-31

Fields = TypeVar("Fields")


class BadLineError(Exception):
    """A line that cannot be read, and why; nothing of what it holds is in the message."""


class Reader(Protocol):
    """Reads one transcript, line after line."""

    def read(self, line: bytes) -> Iterable[Seen]:
        """Return what a line tells. May tell something and then raise BadLineError."""

    def state(self) -> dict[str, str]:
        """Return what must be known to go on at a later line."""


class Places(NamedTuple):
    """Where transcripts are looked for: the home folder, the environment, and projects that may hold their own."""

    home: str
    environ: Mapping[str, str]
    folders: tuple[str, ...] = ()


class Document(NamedTuple):
    """What a transcript that is one document tells, and what in it could not be read: (line or None, reason).

    `retold` is the stream's key of another client's conversation that this one was written from.
    """

    seen: Iterable[Seen]
    problems: Sequence[tuple[int | None, str]] = ()
    retold: str | None = None


def no_reader(_path: str, _state: Mapping[str, str]) -> Reader:
    """Stand where a format has no lines."""
    raise NotImplementedError


def no_document(_path: str, _content: bytes) -> Document:
    """Stand where a format is no document."""
    raise NotImplementedError


class Format(NamedTuple):
    """A client's transcripts: where they are and how they are read."""

    client: str
    title: str
    files: Callable[[Places], Iterator[str]]
    reader: Callable[[str, Mapping[str, str]], Reader] = no_reader
    document: Callable[[str, bytes], Document] = no_document

    @property
    def is_lines(self) -> bool:
        """Tell whether a transcript is read line by line."""
        return self.reader is not no_reader


def objects(
    decoder: "msgspec.json.Decoder[Fields]", kind: type[Fields], line: bytes, told: Callable[[Fields], Iterable[Seen]]
) -> Iterator[Seen]:
    """Return what the objects on a line tell: usually one; several where they were glued together.

    Raises BadLineError at the end, for the first thing on the line that could not be taken.
    """
    if not line.strip():
        return
    found, problem = _decoded(decoder, kind, line)
    for one in found:
        try:
            yield from told(one)
        except BadLineError as error:
            problem = problem or str(error)
    if problem is not None:
        raise BadLineError(problem)


def _decoded(
    decoder: "msgspec.json.Decoder[Fields]", kind: type[Fields], line: bytes
) -> tuple[list[Fields], str | None]:
    """Decode the objects on a line; return them, and what is wrong with the rest."""
    try:
        return [decoder.decode(line)], None
    except _UNUSUAL:
        pass  # unusual, or broken: the patient way finds out
    text = _text(line)
    found: list[Fields] = []
    position = values = 0
    problem = None
    while position < len(text):
        try:
            value, position = _PLAIN.raw_decode(text, position)
        except (ValueError, RecursionError):
            problem = "is no JSON" if not values else "holds an object, and something that is none"
            break
        values += 1
        if isinstance(value, dict):
            found.append(_fitted(kind, value))
        while position < len(text) and text[position] in _BLANKS:
            position += 1
    if problem is None and values > 1:
        problem = "holds two objects"
    return found, problem or (None if found else "is no object")


def fitted(decoder: "msgspec.json.Decoder[Fields]", kind: type[Fields], raw: msgspec.Raw) -> Fields | None:
    """Return an object within a line, taken as far as it fits; None for what is no object."""
    try:
        return decoder.decode(raw)
    except _UNUSUAL:
        value = anything(raw)
    return _fitted(kind, value) if isinstance(value, dict) else None


def anything(content: bytes | str | msgspec.Raw) -> Any:
    """Return the JSON value that content holds, odd numbers in it as None, odd characters replaced.

    What is no JSON is None too.
    """
    try:
        return msgspec.json.decode(content)
    except _UNUSUAL:
        pass
    try:
        # What only the scanner takes (a NaN, a lone surrogate) is gone once it is written anew.
        return msgspec.json.decode(_rewritten(_PLAIN.decode(_text(content))))
    except _UNUSUAL:
        return None


# What a decoder raises for what it does not take.
_UNUSUAL: Final = (msgspec.DecodeError, ValueError, RecursionError)
_PLAIN: Final = json.JSONDecoder(strict=False)
_BLANKS: Final = "\0 \t\r\n"  # a crash leaves zeros behind a line


def _text(content: bytes | str | msgspec.Raw) -> str:
    text = content if isinstance(content, str) else bytes(content).decode("utf-8-sig", "replace")
    return text.strip(_BLANKS)


def _fitted(kind: type[Fields], value: dict[str, Any]) -> Fields:
    """Convert an object, leaving out the members that are of no use."""
    try:
        return msgspec.json.decode(_rewritten(value), type=kind, strict=False)
    except _UNUSUAL:
        kept = dict(value)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}  # type: ignore[arg-type]
    for name in list(kept):
        field = fields.get(name)
        if field is None:
            del kept[name]
            continue
        try:
            kept[name] = msgspec.json.decode(_rewritten(kept[name]), type=field.type, strict=False)
        except _UNUSUAL:
            del kept[name]
    return kind(**{fields[name].name: kept[name] for name in kept})


def _rewritten(value: Any) -> bytes:
    """Write a value as JSON that any decoder takes."""
    return json.dumps(_finite(value), ensure_ascii=False).encode("utf-8", "replace")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    is_odd = isinstance(value, float) and (value != value or value in (float("inf"), float("-inf")))
    return None if is_odd or (isinstance(value, int) and abs(value) >= 1 << 63) else value


_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z$")


def instant(value: object) -> int | None:
    """Return a time in ms, written as ISO 8601 or as a number of s or ms; None for what is none."""
    found = _written(value) if isinstance(value, str) else _numbered(value)
    return found if found is not None and 0 < found < _LAST_INSTANT else None


def _written(value: str) -> int | None:
    match = _ISO.match(value)
    if match is not None:
        year, month, day, hour, minute, second, part = match.groups()
        if int(month) > 12 or int(day) > 31:
            return None
        try:
            whole = timegm((int(year), int(month), int(day), int(hour), int(minute), int(second)))
        except ValueError:
            return None
        return whole * 1000 + int((part or "0").ljust(3, "0")[:3])
    try:
        found = datetime.fromisoformat(value)
        return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        pass  # maybe a number in quotes
    try:
        return _numbered(float(value))
    except ValueError:
        return None


def _numbered(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LAST_INSTANT:
        return None  # also what is no number
    return round(value if abs(value) >= 1e11 else value * 1000)


def identifier(value: object) -> str | None:
    """Return an id of a client's if it can be one."""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable() else None


def conversation(value: object) -> str:
    """Return a conversation's id. Raises BadLineError for what can be none."""
    found = identifier(value)
    if found is None:
        raise BadLineError("names no conversation")
    return found


def text_of(content: object) -> str:
    """Return the text of a message's content: a string, or a list of blocks of which some are text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (block.get("text") if isinstance(block, dict) else block for block in content)
    return "\n".join(text for text in texts if isinstance(text, str) and text)


def count(value: object) -> int:
    """Return a number of tokens; what is none counts as none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def usage(
    id: str, told: Mapping[str, Any], names: tuple[str, str, str, str], *, cached_within: bool = False
) -> Usage | None:
    """Return the tokens of an answer, given the client's names of input, output, cache read and cache write.

    `cached_within` tells that the client's input has in it what came from the cache.
    """
    read, written, from_cache, to_cache = (count(told.get(name)) for name in names)
    if not (read or written or from_cache or to_cache):
        return None
    if cached_within:
        read = max(0, read - from_cache)
    return Usage(id=id, input=read, output=written, cache_read=from_cache, cache_write=to_cache)


def below(folder: str, ending: str, deepest: int = 6) -> Iterator[str]:
    """Return the files below a folder whose names end so, in order; links to folders are not followed."""
    for base, folders, names in os.walk(folder):
        if base[len(folder) :].count(os.sep) >= deepest:
            folders.clear()
        folders.sort()
        for name in sorted(names):
            if name.endswith(ending):
                yield os.path.join(base, name)
