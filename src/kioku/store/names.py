"""Texts that many rows share, each told by a number.

Only `Redacted` text gets one. Every function works inside the caller's transaction.
"""

import zlib
from collections.abc import Iterable

import apsw

from kioku.redaction import Redacted, UnredactedError
from kioku.store.values import text
from kioku.summaries import NO_NAME


def intern(db: apsw.Connection, given: Redacted | None) -> int | None:
    """Return the number that stands for a text, giving it one if it is new."""
    if given is None:
        return None
    require_redacted(given)
    # The number is the text's checksum, or the next free one: that spares an index, a page in every write.
    number = zlib.crc32(given.encode())
    while (row := db.execute("SELECT text FROM names WHERE id = ?", (number,)).fetchone()) is None or row[0] != given:
        if row is None:
            db.execute("INSERT INTO names VALUES (?, ?)", (number, given))
            return number
        number += 1
    return number


def require_redacted(*texts: Redacted | None) -> None:
    """Refuse text that did not come through `redact`. Raises UnredactedError."""
    for given in texts:
        if given is not None and type(given) is not Redacted:
            raise UnredactedError(f"only redacted text may be stored, not {type(given).__name__}")


class Names:
    """The texts of numbers, each looked up once; `load` does so for many together."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._known: dict[int, str] = {0: NO_NAME}

    def __getitem__(self, number: int) -> str:
        known = self._known.get(number)
        if known is None:
            row = self._db.execute("SELECT text FROM names WHERE id = ?", (number,)).fetchone()
            known = self._known[number] = NO_NAME if row is None else text(row[0]) or NO_NAME
        return known

    def load(self, numbers: Iterable[int]) -> None:
        """Look up the texts of many numbers at once, which costs a fifth of asking for each."""
        missing = set(numbers) - self._known.keys()
        query = "SELECT id, text FROM names WHERE id IN (SELECT value FROM json_each(?))"
        found = self._db.execute(query, (str(list(missing)),)) if missing else ()
        self._known.update((number, text(told) or NO_NAME) for number, told in found)
