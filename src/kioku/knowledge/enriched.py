"""What Kioku wrote into `project.yaml` from discoveries, remembered beside it in `enriched.json`.

It holds no words: of each entry the id of its discovery, its place, and a digest of what was written. With that, an
entry that a person edited, moved or deleted is told from one that is as it was written. It belongs to one store: what
came with a repository, or was left by another store, counts as nothing.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from kioku.errors import KiokuError
from kioku.knowledge.yaml_file import MAX_BYTES
from kioku.knowledge.yaml_tree import Plain
from kioku.workspace.plain_files import read_plain, replace_plain

NAME: Final = "enriched.json"
Path = tuple[str, ...]


class Written(msgspec.Struct, frozen=True):
    """An entry as it was written: the keys that lead to its list, and a digest of it."""

    place: Path
    digest: str


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, by the ids of the discoveries, and which keys were made for it.

    `before` is there only while the file itself is being written: what was written until then.
    """

    written: dict[str, Written] = msgspec.field(default_factory=dict)
    made: tuple[Path, ...] = ()
    before: dict[str, Written] | None = None


class _File(msgspec.Struct, kw_only=True):
    version: int
    store: str
    memory: Memory


def digest(item: Mapping[str, Plain]) -> str:
    """Return a digest of what an entry says, however it is written down."""
    return hashlib.sha256(msgspec.json.encode(item, order="sorted")).hexdigest()[:24]


def load(folder: str, store: str) -> Memory:
    """Return what a store remembers; nothing where that is lost, or another store's."""
    try:
        found = msgspec.json.decode(read_plain(os.path.join(folder, NAME), MAX_BYTES), type=_File)
    except (OSError, KiokuError, msgspec.MsgspecError, RecursionError, ValueError):
        return Memory()
    return found.memory if (found.version, found.store) == (1, store) else Memory()


def keep(folder: str, store: str, memory: Memory) -> None:
    """Remember. Raises OSError."""
    content = msgspec.json.encode(_File(version=1, store=store, memory=memory))
    replace_plain(os.path.join(folder, NAME), msgspec.json.format(content) + b"\n")


def forget(folder: str, store: str, ids: Iterable[str]) -> None:
    """Forget that some were written: they may be written again. Raises OSError."""
    memory, gone = load(folder, store), set(ids)
    if gone & (memory.written.keys() | (memory.before or {}).keys()):
        written = {id: one for id, one in memory.written.items() if id not in gone}
        before = None if memory.before is None else {id: one for id, one in memory.before.items() if id not in gone}
        keep(folder, store, msgspec.structs.replace(memory, written=written, before=before))


def discard(folder: str) -> None:
    """Forget everything: the file that it was written into is no more. Raises OSError."""
    try:
        os.unlink(os.path.join(folder, NAME))
    except FileNotFoundError:
        pass


def settle(memory: Memory, found: Mapping[str, list[str]]) -> Memory:
    """Return what was written, when it was cut off between remembering and writing it.

    `found` has the digests of the entries that the file holds, by the ids that they name. Where one of them could not
    be there before, the file was written, and what is not there any more was deleted by a person.
    """
    if memory.before is None:
        return memory
    is_written = any(now.digest in found.get(id, []) and id not in memory.before for id, now in memory.written.items())
    settled: dict[str, Written] = {}
    for id in {**memory.before, **memory.written}:
        now, then = memory.written.get(id), memory.before.get(id)
        here = found.get(id, [])
        if then is not None and then.digest in here and (now is None or now.digest not in here):
            settled[id] = then
        elif now is not None and (here or then is not None or is_written):
            settled[id] = now
        elif then is not None and here:
            settled[id] = then
    return Memory(written=settled, made=memory.made)
