"""Which sessions are exported: all, those begun in a stretch of time, or some by their ids; the oldest first."""

from collections.abc import Iterator
from typing import Any

import apsw
import msgspec

from kioku.models import Session
from kioku.reports import sessions as reports
from kioku.reports.sessions import Judge, standing
from kioku.store import sessions as rows
from kioku.store.values import text


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A session, its row's number, and its folder where the store is another's."""

    seq: int
    session: Session
    folder: str | None


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions begun from `since` to before `until` (ms), and with `ids` only those; without activity only if `empty`.

    `client` narrows them to one client's; "" stands for those of whom nobody knows it.
    """

    since: int | None = None
    until: int | None = None
    ids: tuple[str, ...] | None = None
    empty: bool = False
    client: str | None = None

    def sessions(self, db: apsw.Connection, *, now: int, judge: Judge) -> Iterator[Exported]:
        """Return the sessions with their status at `now`."""
        for seq in self.numbers(db):
            row = rows.by_seq(db, seq)
            if row is not None:
                folder = db.execute("SELECT folder FROM streams WHERE id = ?", (row.stream,)).fetchone()
                yield Exported(
                    seq=seq, session=standing(row.session, now, judge),
                    folder=None if folder is None else text(folder[0]),
                )  # fmt: skip

    def numbers(self, db: apsw.Connection) -> Iterator[int]:
        """Return the numbers of their rows."""
        where, values = self._where()
        if self.ids is None:
            for (seq,) in db.execute(f"SELECT seq FROM sessions s WHERE {where} ORDER BY started_at, id", values):
                yield seq
            return
        found = [
            row
            for id in self.ids
            for row in db.execute(
                f"SELECT started_at, id, seq FROM sessions s WHERE id = :id AND {where}", {**values, "id": id}
            )
        ]
        yield from (seq for _, _, seq in sorted(found, key=lambda row: (isinstance(row[0], str), row[0], row[1])))

    def ids_of(self, db: apsw.Connection) -> Iterator[str]:
        """Return their ids."""
        for seq in self.numbers(db):
            yield str(rows.columns(db, seq, ("id",))[0])

    def clients(self, db: apsw.Connection) -> list[str]:
        """Return the clients that they are with, by name; "" where nobody knows."""
        found: set[str] = set()
        for seq in self.numbers(db):
            found.add(text(rows.columns(db, seq, ("client",))[0]) or "")
        return sorted(found)

    def hidden(self, db: apsw.Connection) -> int:
        """Return how many more there would be with those that have no activity."""
        if self.empty or self.ids is not None:
            return 0
        where, values = self._where(empty=True)
        query = f"SELECT count(*) FROM sessions s WHERE {where} AND empty = 1 AND status <> 'active'"
        ((hidden,),) = db.execute(query, values)
        return int(hidden)

    def _where(self, *, empty: bool = False) -> tuple[str, dict[str, Any]]:
        conditions = [
            *(["started_at >= :since"] if self.since is not None else []),
            *(["started_at < :until"] if self.until is not None else []),
            *(["(empty = 0 OR status = 'active')"] if not (empty or self.empty or self.ids is not None) else []),
            *(["ifnull(client, '') = :client"] if self.client is not None else []),
        ]
        return " AND ".join(conditions) or "1", {"since": self.since, "until": self.until, "client": self.client}


def named(db: apsw.Connection, words: tuple[str, ...], *, now: int, judge: Judge) -> Chosen:
    """Return the sessions with those ids, former ids or beginnings of ids. Raises UsageError."""
    found = (reports.find(db, word, now=now, judge=judge).id for word in words)
    return Chosen(ids=tuple(dict.fromkeys(found)), empty=True)


def with_folder(exported: Exported) -> dict[str, Any]:
    """Return the fields of a session as `--json` has them."""
    return {**exported.session.as_json(), "folder": exported.folder}
