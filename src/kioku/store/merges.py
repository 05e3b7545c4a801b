"""Keeping which sessions were put together or divided, and what merged sessions are made of.

Decisions are amendments and stay for ever; `merge_groups`, `cuts` and `merged_sessions` are made from them and can be
made again. Every function works inside the caller's transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import apsw
import msgspec

from kioku.store.values import count, text, whole


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One of the sessions that a merged session is made of, as it stands by itself."""

    id: str
    stream: int
    first_activity_at: int
    started_at: int
    ended_at: int | None
    status: str
    end_reason: str | None
    last_activity_at: int
    timeout_ms: int
    title: str | None
    owner: str | None
    client: str | None
    branch: str | None
    active_ms: int | None
    activities: int
    tool_calls: int
    files: int
    merged_at: int


_FIELDS: Final = Member.__struct_fields__


def decisions(db: apsw.Connection, kinds: Iterable[str]) -> list[tuple[str, int, Any]]:
    """Return what was decided, of those kinds, as (kind, when, data as it is stored)."""
    wanted = tuple(kinds)
    marks = ", ".join("?" * len(wanted))
    found = db.execute(f"SELECT kind, made_at, data FROM amendments WHERE kind IN ({marks}) ORDER BY id", wanted)
    return [(kind, whole(made_at) or 0, data) for kind, made_at, data in found]


def put_in_force(
    db: apsw.Connection, groups: Mapping[str, tuple[str, int]], cuts: Iterable[tuple[str, int]]
) -> set[str]:
    """Keep what is in force: of each id its group and when it was merged, and cuts; return the ids that this changes.

    A group is called by one of its ids.
    """
    was = {row[0]: (row[1], row[2]) for row in db.execute("SELECT id, held, merged_at FROM merge_groups")}
    changed = {id for id in was.keys() | groups.keys() if was.get(id) != groups.get(id)}
    db.executemany("DELETE FROM merge_groups WHERE id = ?", ((id,) for id in changed))
    db.executemany("INSERT INTO merge_groups VALUES (?, ?, ?)", ((id, *groups[id]) for id in changed if id in groups))
    known, wanted = {(row[0], row[1]) for row in db.execute("SELECT id, at FROM cuts")}, set(cuts)
    db.executemany("DELETE FROM cuts WHERE id = ? AND at = ?", known - wanted)
    db.executemany("INSERT INTO cuts VALUES (?, ?)", wanted - known)
    return changed | {id for id, _ in known ^ wanted}


def groups_of(db: apsw.Connection, stream: int) -> dict[str, tuple[str, int]]:
    """Return the group of each id of a stream's that has one, and when it was merged."""
    found = db.execute(
        "SELECT a.id, g.held, g.merged_at FROM anchors a JOIN merge_groups g ON g.id = a.id WHERE a.stream = ?",
        (stream,),
    )
    return {id: (held, merged_at) for id, held, merged_at in found}


def streams_of(db: apsw.Connection, group: str) -> list[int]:
    """Return the streams of a group's ids."""
    found = db.execute(
        """SELECT DISTINCT a.stream FROM merge_groups g JOIN anchors a ON a.id = g.id
           WHERE g.held = ? AND a.stream IS NOT NULL ORDER BY 1""",
        (group,),
    )
    return [row[0] for row in found]


def stream_of(db: apsw.Connection, id: str) -> int | None:
    """Return the stream of the activity that an id was given for."""
    row = db.execute("SELECT stream FROM anchors WHERE id = ?", (id,)).fetchone()
    return None if row is None else whole(row[0])


def cuts(db: apsw.Connection, stream: int) -> tuple[int, ...]:
    """Return where a stream is divided, in order."""
    found = db.execute(
        "SELECT DISTINCT c.at FROM anchors a JOIN cuts c ON c.id = a.id WHERE a.stream = ? ORDER BY 1", (stream,)
    )
    return tuple(row[0] for row in found)


def write_members(db: apsw.Connection, into: str, members: Iterable[Member]) -> None:
    """Note what a session is made of; one that is not merged is made of nothing else."""
    db.execute("DELETE FROM merged_sessions WHERE into_id = ?", (into,))
    marks = ", ".join("?" * (len(_FIELDS) + 1))
    db.executemany(
        f"INSERT OR REPLACE INTO merged_sessions ({', '.join(_FIELDS)}, into_id) VALUES ({marks})",
        ((*(getattr(member, name) for name in _FIELDS), into) for member in members),
    )


def members(db: apsw.Connection, into: str) -> list[Member]:
    """Return what a merged session is made of, by start; nothing for any other."""
    found = db.execute(
        f"SELECT {', '.join(_FIELDS)} FROM merged_sessions WHERE into_id = ? ORDER BY started_at, id", (into,)
    )
    return [_member(row) for row in found]


def is_active(db: apsw.Connection, stream: int, first_activity_at: int, last_activity_at: int) -> bool:
    """Tell whether a part of a merged session is stored as active, with that last activity."""
    query = """SELECT 1 FROM merged_sessions WHERE stream = ? AND first_activity_at = ? AND last_activity_at = ?
               AND status = 'active'"""
    return db.execute(query, (stream, first_activity_at, last_activity_at)).fetchone() is not None


_TEXTS: Final = ("id", "status", "end_reason", "title", "owner", "client", "branch")
_MAYBE: Final = ("ended_at", "active_ms")


def _member(row: tuple[Any, ...]) -> Member:
    found: dict[str, Any] = {}
    for name, value in zip(_FIELDS, row, strict=True):
        found[name] = text(value) if name in _TEXTS else whole(value) if name in _MAYBE else count(value)
    return Member(**found)


# --- merging by itself ------------------------------------------------------------------------------------------------


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What a session left behind by which it can be compared; `ids` are its own and those of its parts, its own first.

    `files` says when each was first and last touched, `place` of which project the session is.
    """

    ids: list[str]
    streams: frozenset[int]
    place: str
    started_at: int
    ended_at: int
    branch: str | None
    files: dict[str, tuple[int, int]]
    is_live: bool
    updated_at: int


_LOOKED: Final = "merged by itself"


def looked_at(db: apsw.Connection) -> int | None:
    """Return when sessions were last looked at for merging by itself; None if they never were."""
    row = db.execute("SELECT at FROM counters WHERE name = ?", (_LOOKED,)).fetchone()
    return None if row is None else whole(row[0])


def look_at(db: apsw.Connection, now: int) -> None:
    """Note that they are looked at now."""
    db.execute("INSERT OR REPLACE INTO counters VALUES (?, 0, ?)", (_LOOKED, now))


def has_changed(db: apsw.Connection, begun_since: int, since: int) -> bool:
    """Tell whether any session that is over was written since an instant, of those begun since another."""
    query = """SELECT 1 FROM sessions WHERE started_at >= ? AND updated_at >= ? AND status = 'completed' AND empty = 0
               AND stream IS NOT NULL LIMIT 1"""
    return db.execute(query, (begun_since, since)).fetchone() is not None


def left_since(db: apsw.Connection, begun_since: int) -> list[Left]:
    """Return what the sessions with activity left that began since an instant and are not archived, by start."""
    found = db.execute(
        """SELECT seq, id, project_id, metadata, started_at, last_activity_at, branch, status = 'active', updated_at
           FROM sessions WHERE started_at >= ? AND empty = 0 AND status IN ('active', 'completed')
           AND stream IS NOT NULL ORDER BY started_at, seq""",
        (begun_since,),
    )
    left = []
    for seq, id, project, metadata, started, ended, branch, is_live, updated in found.fetchall():
        others = db.execute("SELECT id FROM merged_sessions WHERE into_id = ? AND id <> ?", (id, id))
        files = db.execute(
            """SELECT n.text, t.first_at, t.last_at FROM touched t JOIN names n ON n.id = t.path
               WHERE t.session = ?""",
            (seq,),
        )
        streams = db.execute("SELECT stream FROM runs WHERE session = ?", (seq,))
        left.append(
            Left(
                ids=[str(id), *(str(row[0]) for row in others)], streams=frozenset(row[0] for row in streams),
                place=f"{project} {metadata}", started_at=count(started), ended_at=count(ended), branch=text(branch),
                files={text(path) or "": (count(first), count(last)) for path, first, last in files},
                is_live=bool(is_live), updated_at=count(updated),
            )
        )  # fmt: skip
    return left
