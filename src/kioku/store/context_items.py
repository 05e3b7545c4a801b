"""The table `context_items`: what is known, how often it is used, and what of it is archived.

Only `knowledge.context` decides what is written here. A row is frozen while it is archived: `updated_at` says since
when, and its score is the one that it was archived with. Rows that were taken over from the older program's store stand
among ours. Every function works inside the caller's transaction.
"""

from collections.abc import Iterable

import apsw
import msgspec

from kioku.models import RESOURCE_READ
from kioku.redaction import Redacted
from kioku.store.names import require_redacted
from kioku.store.values import count, text, whole


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A stored item; `tokens` is None where nobody has counted them, `archived_at` where it is active."""

    id: str
    type: str
    content: str
    tokens: int | None
    used_at: int
    accesses: int
    archived_at: int | None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """An item as it is to be stored; without `content`, what is there stays."""

    id: Redacted
    type: Redacted
    content: Redacted | None
    tokens: int
    score: tuple[float, float, float]  # in all, recency, frequency
    used_at: int
    accesses: int
    status: str


class Use(msgspec.Struct, frozen=True):
    """How often a file or an address was used, and when last."""

    name: str
    accesses: int
    last_at: int


class Discovery(msgspec.Struct, frozen=True):
    """A discovery that stands, as far as its place in the context goes."""

    id: str
    type: str
    content: str
    module: str | None
    made_at: int


def stored(db: apsw.Connection) -> list[Row]:
    """Return every item, by id."""
    found = db.execute(
        """SELECT id, type, content, tokens, last_accessed_at, access_count, status, created_at, updated_at
           FROM context_items WHERE typeof(id) = 'text' ORDER BY id"""
    )
    return [
        Row(
            id=id, type=text(kind) or "", content=text(content) or "", tokens=whole(tokens),
            used_at=count(made if last is None else last), accesses=count(accesses),
            archived_at=max(count(updated), count(last) + 1) if status == "archived" else None,
        )
        for id, kind, content, tokens, last, accesses, status, made, updated in found
    ]  # fmt: skip


# CROSS keeps SQLite from beginning at the other end, with every file that was ever touched.


def files(db: apsw.Connection, since: int) -> list[Use]:
    """Return how often each file was read or edited in the sessions that began since an instant (ms)."""
    found = db.execute(
        """SELECT n.text, sum(f.reads + f.edits), max(f.last_at)
           FROM sessions s CROSS JOIN touched f ON f.session = s.seq JOIN names n ON n.id = f.path
           WHERE s.started_at >= ? GROUP BY f.path""",
        (since,),
    )
    return [Use(str(path), count(accesses), count(last)) for path, accesses, last in found]


def readings(db: apsw.Connection, since: int, pattern: str) -> list[Use]:
    """Return how often each resource that fits a GLOB pattern was read in the sessions that began since an instant."""
    found = db.execute(
        """SELECT r.detail, count(*), max(r.at) FROM sessions s CROSS JOIN runs u ON u.session = s.seq
           CROSS JOIN reports r ON r.stream = u.stream AND r.at BETWEEN u.since AND s.last_activity_at
             AND NOT EXISTS (SELECT 1 FROM runs n WHERE n.stream = u.stream AND n.since > u.since AND n.since <= r.at)
           WHERE s.started_at >= ? AND r.kind = (SELECT id FROM names WHERE text = ?) AND r.ok IS NOT 0
             AND r.detail GLOB ? GROUP BY r.detail""",
        (since, RESOURCE_READ, pattern),
    )
    return [Use(str(detail), count(accesses), count(last)) for detail, accesses, last in found]


def discoveries(db: apsw.Connection) -> list[Discovery]:
    """Return the discoveries that stand: proposed or accepted, by id."""
    found = db.execute(
        """SELECT id, type, content, module, updated_at FROM discoveries
           WHERE state IN ('proposed', 'accepted') AND typeof(id) = 'text' ORDER BY id"""
    )
    return [
        Discovery(id, text(kind) or "", text(content) or "", text(module), count(made))
        for id, kind, content, module, made in found
    ]


def write(db: apsw.Connection, item: Written, *, now: int) -> None:
    """Insert an item, or bring it up to date; `now` becomes its `updated_at`."""
    require_redacted(item.id, item.type, item.content)
    db.execute(
        """INSERT INTO context_items (id, type, content, tokens, score, recency_factor, access_factor,
             last_accessed_at, access_count, status, created_at, updated_at)
           VALUES (?1, ?2, ifnull(?3, ''), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)
           ON CONFLICT (id) DO UPDATE SET content = ifnull(?3, content), tokens = ?4, score = ?5, recency_factor = ?6,
             access_factor = ?7, last_accessed_at = ?8, access_count = ?9, status = ?10, updated_at = ?11""",
        (
            item.id, item.type, item.content, item.tokens, *item.score, item.used_at, item.accesses, item.status, now,
        ),
    )  # fmt: skip


def describe(db: apsw.Connection, id: str, content: Redacted | None, tokens: int) -> None:
    """Change what an item says of itself, and nothing else."""
    require_redacted(content)
    db.execute(
        "UPDATE context_items SET content = ifnull(?2, content), tokens = ?3 WHERE id = ?1", (id, content, tokens)
    )


def remove(db: apsw.Connection, ids: Iterable[str]) -> None:
    """Remove items whose source is gone."""
    db.executemany("DELETE FROM context_items WHERE id = ?", ((id,) for id in ids))
