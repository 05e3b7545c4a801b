"""Transcripts that lie on this machine and are not imported, or not to their end."""

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kioku import settings
from kioku.capture.transcripts.formats import FORMATS, Format, Places
from kioku.capture.transcripts.reading import BadLineError
from kioku.errors import KiokuError
from kioku.store.imports import Source, name_of, sources
from kioku.store.opening import open_for_reading

_LINES_LOOKED_AT = 200  # of a transcript, for the folder that it is about
_LONGEST_LINE = 4 << 20  # bytes


class Waiting(NamedTuple):
    """A transcript with something in it that was not imported: whose it is and when it last grew (ms)."""

    client: str
    path: str
    changed_at: int


def imported(own_store: str) -> list[Source]:
    """Return the transcripts that were imported, by the person's own store. Raises nothing: without one, none."""
    try:
        store = open_for_reading(own_store)
    except KiokuError:
        return []
    try:
        return store.read(sources)
    finally:
        store.close()


def waiting(known: Iterable[Source], where: Places) -> Iterator[Waiting]:
    """Return what is not imported. Costs a look at each file's size, and none into it."""
    done = {source.path: (source.size, source.changed_at) for source in known}
    for client, form in FORMATS.items():
        for path in form.files(where):
            try:
                status = os.stat(path)
            except OSError:
                continue  # deleted meanwhile
            if done.get(name_of(path)) != (status.st_size, status.st_mtime_ns):
                yield Waiting(client, path, status.st_mtime_ns // 1_000_000)


def is_excluded(found: Waiting, exclude: tuple[str, ...]) -> bool:
    """Tell whether a transcript begins in a folder that is never recorded: it waits for nothing."""
    folder = _folder(FORMATS[found.client], found.path) if exclude else None
    return folder is not None and settings.is_excluded(folder, exclude)


def _folder(form: Format, path: str) -> str | None:
    if not form.is_lines:
        return None
    reader = form.reader(path, {})
    try:
        with open(path, "rb") as stream:
            for _ in itertools.repeat(None, _LINES_LOOKED_AT):
                line = stream.readline(_LONGEST_LINE)
                if not line:
                    break
                try:
                    for seen in reader.read(line.rstrip(b"\r\n")):
                        if seen.folder is not None:
                            return seen.folder
                except BadLineError:
                    continue
    except OSError:
        pass  # then nothing is known of it
    return None
