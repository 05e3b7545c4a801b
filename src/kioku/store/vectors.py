"""What a model made of passages: vectors, kept beside them and gone with them.

They are derived: of a passage that is deleted or written anew a trigger deletes the vector, and those of another model
are not looked at and are replaced. Nothing that answers anybody makes them; a passage without one is found by words.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

import apsw
import msgspec

from kioku.store.connection import one
from kioku.store.store import Store

_LOOK: Final = 1_000  # passages that are looked at in one transaction
_TOP: Final = (1 << 63) - 1
_OWN: Final = "(SELECT id FROM embedders WHERE fingerprint = ?)"

# Gives for some texts the fingerprint of the model and their vectors; an empty one where it makes none.
Embed = Callable[[Sequence[str]], tuple[str, Sequence[bytes]]]


class _Missing(NamedTuple):
    passage: int
    turn: int
    checksum: int
    start: int
    length: int


def behind(db: apsw.Connection, fingerprint: str | None) -> int:
    """Return how many passages have no vector of a model; None is the one that has most."""
    (count,) = one(db, "SELECT passages FROM indexed")
    if fingerprint is None:
        query = "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM vectors GROUP BY embedder)"
        (done,) = one(db, query)
    else:
        (done,) = one(db, f"SELECT count(*) FROM vectors WHERE embedder = {_OWN}", (fingerprint,))
    return max(0, int(count) - int(done))


def of(db: apsw.Connection, fingerprint: str, length: int, passages: Collection[int]) -> dict[int, bytes]:
    """Return the vectors that a model made of some passages, of those that have one of that length."""
    query = f"""SELECT passage, vector FROM vectors WHERE embedder = {_OWN}
                AND passage IN (SELECT value FROM json_each(?)) AND typeof(vector) = 'blob' AND length(vector) = ?"""
    return dict(db.execute(query, (fingerprint, msgspec.json.encode(list(passages)).decode(), length)))


def catch_up(
    store: Store, embed: Embed, fingerprint: str, *, at_once: int, most_ms: float | None = None,
    tell: Callable[[int], None] = lambda _count: None,
) -> bool:  # fmt: skip
    """Make the vectors that are missing, the latest thousand passages first; return whether none is missing any more.

    The store is free while the model computes. `at_once` texts are embedded between two writes; with `most_ms` none is
    begun after that time. `tell` hears how many were made. Raises StoreError, and whatever `embed` raises.
    """
    until = None if most_ms is None else time.monotonic() + most_ms / 1000
    below = _TOP
    while True:
        first, missing = store.read(lambda db, below=below: _missing(db, fingerprint, below))  # type: ignore[misc]
        for start in range(0, len(missing), at_once):
            if until is not None and time.monotonic() >= until:
                return False
            some = missing[start : start + at_once]
            texts = store.read(lambda db, some=some: [_text(db, passage) for passage in some])  # type: ignore[misc]
            made_by, vectors = embed(texts)
            if made_by != fingerprint:
                return False  # another model took its place meanwhile: its vectors are made the next time
            store.write(lambda db, some=some, vectors=vectors: _put(db, fingerprint, some, vectors))  # type: ignore[misc]
            tell(len(some))
        if first is None:
            break
        below = first
    store.write(_forget_unused)
    return store.read(lambda db: behind(db, fingerprint)) == 0


def _missing(db: apsw.Connection, fingerprint: str, below: int) -> tuple[int | None, list[_Missing]]:
    """Return of some passages below a number those without a vector, and from where to go on; None: there are no more.

    A passage of which the text is gone already is left to the indexing.
    """
    looked = [
        row[0] for row in db.execute("SELECT id FROM passages WHERE id < ? ORDER BY id DESC LIMIT ?", (below, _LOOK))
    ]
    if not looked:
        return None, []
    query = f"""SELECT p.id, p.turn, p.checksum, p.start, p.length FROM passages p JOIN turns t ON t.id = p.turn
                WHERE p.id BETWEEN ? AND ? AND typeof(t.text) = 'text' AND NOT EXISTS
                  (SELECT 1 FROM vectors v WHERE v.passage = p.id AND v.embedder = {_OWN})
                ORDER BY p.id"""  # in the table's order, which leaves its pages fuller
    return looked[-1], [_Missing(*row) for row in db.execute(query, (looked[-1], looked[0], fingerprint))]


def _text(db: apsw.Connection, missing: _Missing) -> str:
    query = "SELECT substr(text, ? + 1, ?) FROM turns WHERE id = ? AND typeof(text) = 'text'"
    row = db.execute(query, (missing.start, missing.length, missing.turn)).fetchone()
    return "" if row is None else str(row[0])  # it has gone meanwhile, and with it the passage


def _put(db: apsw.Connection, fingerprint: str, of: Sequence[_Missing], vectors: Sequence[bytes]) -> None:
    """Keep vectors, of passages that are still what they were when the model was asked."""
    db.execute("INSERT OR IGNORE INTO embedders (fingerprint) VALUES (?)", (fingerprint,))
    db.executemany(
        f"""INSERT OR REPLACE INTO vectors
            SELECT id, {_OWN}, ? FROM passages WHERE id = ? AND turn = ? AND checksum = ?""",
        [
            (fingerprint, vector, missing.passage, missing.turn, missing.checksum)
            for missing, vector in zip(of, vectors, strict=True)
        ],
    )


def _forget_unused(db: apsw.Connection) -> None:
    db.execute("DELETE FROM embedders WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.embedder = embedders.id)")


def remove_all(store: Store) -> None:
    """Delete the vectors of every model, in small transactions. Raises StoreError."""
    while store.read(lambda db: one(db, "SELECT EXISTS (SELECT 1 FROM vectors)")[0]):
        store.write(
            lambda db: db.execute("DELETE FROM vectors WHERE passage IN (SELECT passage FROM vectors LIMIT 2000)")
        )
    store.write(_forget_unused)
