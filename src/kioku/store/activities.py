"""Writing and reading reports, and the streams and owners that they belong to.

Reports are append-only and unique on (key, source). When one source tells of a thing twice in different words, the
version that `derive.preference` believes stays, so that the order of arrival cannot matter. All text that enters is
`Redacted`. Every function works inside the caller's transaction.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Any

import apsw
import msgspec

from kioku.models import CLIENTS, HOOK, MARKS, SERVER, SWEEP, TRANSCRIPT, Owner, Report
from kioku.redaction import Redacted
from kioku.store import archive, barred, rollups
from kioku.store.connection import one
from kioku.store.names import intern, require_redacted
from kioku.store.values import text, whole

_SELECT = """
SELECT r.key, r.source, r.at, k.text, r.took, t.text, p.text, b.text, r.detail, r.ok, r.origin
FROM reports r JOIN names k ON k.id = r.kind LEFT JOIN names t ON t.id = r.tool
LEFT JOIN names p ON p.id = r.path LEFT JOIN names b ON b.id = r.branch"""

_BELIEVED = """NOT EXISTS
(SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source AND c.stream = r.stream)"""

BUILT_IN_TIMEOUT_MS = 1_800_000  # for a stream whose own can no longer be read
FUTURE_LIMIT_MS = 3_600_000  # reports of others that lie further ahead than this wait in quarantine


class Added(Enum):
    """What became of a report that was handed in."""

    NEW = "new"
    REPLACED = "replaced"  # its source had told of the same thing before: less of it, or less believably
    UNCHANGED = "unchanged"  # known already, archived or deleted, or waiting in quarantine


def stream(db: apsw.Connection, key: Redacted, *, project_id: str, owner: str | None, timeout_ms: int, now: int) -> int:
    """Return the number of the stream with that key, creating it if it is new.

    A timeout other than the one in force for it so far counts from `now` on, and never for what is recorded already.
    """
    require_redacted(key)
    row = db.execute("SELECT id FROM streams WHERE key = ?", (key,)).fetchone()
    if row is None:
        row = one(
            db,
            "INSERT INTO streams (key, project_id, owner, client, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
            (key, project_id, owner, CLIENTS.get(key.partition(":")[0]), now),
        )
    number = int(row[0])
    last = db.execute(
        "SELECT timeout_ms FROM timeouts WHERE stream = ? ORDER BY since DESC LIMIT 1", (number,)
    ).fetchone()
    if last is None or last[0] != timeout_ms:
        latest = one(db, "SELECT max(at) FROM reports WHERE stream = ?", (number,))[0]
        since = 0 if last is None else now if latest is None else max(now, latest + 1)
        db.execute("DELETE FROM timeouts WHERE stream = ? AND since >= ?", (number, since))
        db.execute("INSERT INTO timeouts VALUES (?, ?, ?)", (number, since, timeout_ms))
    return number


def timeouts(db: apsw.Connection, stream: int) -> tuple[tuple[int, int], ...]:
    """Return the steps (since, timeout in ms) of a stream's timeout, oldest first."""
    found = db.execute("SELECT since, timeout_ms FROM timeouts WHERE stream = ? ORDER BY since", (stream,))
    steps = tuple((whole(since), whole(timeout)) for since, timeout in found)
    readable = tuple((since, timeout) for since, timeout in steps if since is not None and timeout is not None)
    return readable or ((0, BUILT_IN_TIMEOUT_MS),)


def retime(db: apsw.Connection, timeout_ms: int) -> None:
    """Put one timeout in force for everything that was ever recorded."""
    db.execute("DELETE FROM timeouts")
    db.execute("INSERT INTO timeouts SELECT id, 0, ? FROM streams", (timeout_ms,))


def add_owner(db: apsw.Connection, owner: Owner) -> None:
    """Remember a process that records. Safe to repeat."""
    db.execute(
        "INSERT OR IGNORE INTO owners VALUES (?, ?, ?, ?, ?, ?)",
        (owner.token, owner.pid, owner.start_token, owner.boot_id, owner.pid_namespace, owner.started_at),
    )


def owners(db: apsw.Connection, tokens: set[str]) -> dict[str, Owner]:
    """Return the owners with those tokens."""
    found = {}
    for token in tokens:
        row = db.execute(
            "SELECT token, pid, start_token, boot_id, pid_namespace, started_at FROM owners WHERE token = ?",
            (token,),
        ).fetchone()
        if row is not None:
            found[token] = Owner(
                token=row[0],
                pid=row[1],
                start_token=row[2],
                boot_id=row[3],
                pid_namespace=row[4],
                started_at=row[5],
            )
    return found


def name_client(db: apsw.Connection, stream: int, client: Redacted, version: Redacted) -> None:
    """Note which client a stream's conversation is with, in its sessions too."""
    require_redacted(client, version)
    db.execute("UPDATE streams SET client = ?, client_version = ? WHERE id = ?", (client, version, stream))
    db.execute(
        "UPDATE sessions SET client = ?, client_version = ? WHERE stream = ? AND tied <> 2", (client, version, stream)
    )
    _mark_merged_stale(db, stream)
    rollups.outdate_stream(db, stream)


def stream_facts(db: apsw.Connection, stream: int) -> dict[str, Any] | None:
    """Return the columns that every session of a stream shares.

    None for a stream that does not exist, or is an archived session's own: from that none is derived.
    """
    names = ("project_id", "owner", "client", "client_version")
    row = db.execute(f"SELECT {', '.join(names)}, folder, key FROM streams WHERE id = ?", (stream,)).fetchone()
    if row is None or str(row[-1]).startswith(archive.PREFIX):
        return None
    *row, _ = row
    facts = dict(zip(names, row, strict=False))
    if row[-1] is not None:
        facts["metadata"] = msgspec.json.encode({"folder": row[-1]}).decode()
    return facts


def _mark_merged_stale(db: apsw.Connection, stream: int) -> None:
    """Leave a stream to be derived if it has a part in a merged session."""
    if db.execute("SELECT 1 FROM merged_sessions WHERE stream = ? LIMIT 1", (stream,)).fetchone() is not None:
        mark_stale(db, stream)


def set_folder(db: apsw.Connection, stream: int, folder: Redacted) -> None:
    """Note in which folder a conversation is, where the store is another's; of several, the first by name."""
    require_redacted(folder)
    db.execute("UPDATE streams SET folder = ?2 WHERE id = ?1 AND (folder IS NULL OR folder > ?2)", (stream, folder))


def note_version(db: apsw.Connection, stream: int, version: Redacted) -> None:
    """Note which version of its client a conversation is with; of several, the highest."""
    require_redacted(version)
    known = one(db, "SELECT client_version FROM streams WHERE id = ?", (stream,))[0]
    if known is None or _version_order(text(known) or "") < _version_order(version):
        db.execute("UPDATE streams SET client_version = ? WHERE id = ?", (version, stream))
        db.execute("UPDATE sessions SET client_version = ? WHERE stream = ? AND tied <> 2", (version, stream))
        _mark_merged_stale(db, stream)


def _version_order(version: str) -> tuple[list[int], str]:
    return [int(part) if part.isdecimal() else -1 for part in version.split(".")], version


def add(db: apsw.Connection, stream: int, report: Report, *, now: int) -> Added:
    """Store a report; return what became of it.

    A report of another process's that lies more than an hour ahead of `now` goes to quarantine instead.
    """
    require_redacted(report.kind, report.tool, report.path, report.branch, report.detail)
    if report.source not in (SERVER, SWEEP) and report.at > now + FUTURE_LIMIT_MS:
        quarantine(db, stream, report)
        return Added.UNCHANGED
    known = db.execute(
        "SELECT stream, at FROM reports WHERE key = ? AND source = ?", (report.key, report.source)
    ).fetchone()
    if known is not None:
        return Added.REPLACED if _replace(db, stream, report, known) else Added.UNCHANGED
    if barred.is_told(db, stream, report):
        return Added.UNCHANGED
    _insert(db, stream, report)
    return Added.NEW


def is_known(db: apsw.Connection, report: Report) -> bool:
    """Tell whether a source has told of a thing before."""
    found = db.execute("SELECT 1 FROM reports WHERE key = ? AND source = ?", (report.key, report.source)).fetchone()
    return found is not None


def mark_stale(db: apsw.Connection, stream: int) -> None:
    """Note that a stream's sessions must be derived anew, now or by whoever opens the store next.

    From an archived session's own stream none is derived.
    """
    db.execute(
        f"UPDATE streams SET stale = 1 WHERE id = ? AND stale IS NULL AND key NOT LIKE '{archive.PREFIX}%'", (stream,)
    )


def mark_fresh(db: apsw.Connection, stream: int) -> None:
    """Note that a stream's sessions are derived from all of its reports."""
    db.execute("UPDATE streams SET stale = NULL WHERE id = ? AND stale IS NOT NULL", (stream,))


def stale(db: apsw.Connection) -> list[int]:
    """Return the streams whose sessions must be derived anew."""
    return [row[0] for row in db.execute("SELECT id FROM streams WHERE stale IS NOT NULL ORDER BY id")]


def add_marks(db: apsw.Connection, kind: Redacted, places: Iterable[tuple[int, int, int]]) -> None:
    """Store a mark for each (session's row number, its expected last activity, new key) that is still active so."""
    db.executemany(
        """INSERT INTO reports (stream, at, key, source, kind)
           SELECT stream, last_activity_at, ?3, ?4, ?5 FROM sessions
           WHERE seq = ?1 AND last_activity_at = ?2 AND status = 'active' AND stream IS NOT NULL""",
        ((*place, SWEEP, number) for number in [intern(db, kind)] for place in places),
    )


def add_mark(db: apsw.Connection, stream: int, kind: Redacted, at: int, key: int) -> None:
    """Store a mark in a stream."""
    row = (stream, at, key, SWEEP, intern(db, kind))
    db.execute("INSERT INTO reports (stream, at, key, source, kind) VALUES (?, ?, ?, ?, ?)", row)


def find_stream(db: apsw.Connection, key: str) -> int | None:
    """Return the number of the stream with that key, if there is one."""
    row = db.execute("SELECT id FROM streams WHERE key = ?", (key,)).fetchone()
    return None if row is None else int(row[0])


def has_releasable(db: apsw.Connection, now: int) -> bool:
    """Tell whether quarantine holds reports whose time has come."""
    return db.execute("SELECT 1 FROM quarantine WHERE at <= ? LIMIT 1", (now + FUTURE_LIMIT_MS,)).fetchone() is not None


def waiting(db: apsw.Connection, key: str) -> list[Report]:
    """Return the reports of the stream with a key that wait in quarantine."""
    found = db.execute("SELECT report FROM quarantine WHERE stream_key = ? ORDER BY at, key, source", (key,))
    return [Report.from_json(row[0]) for row in found]


def release(db: apsw.Connection, now: int) -> list[tuple[str, Report]]:
    """Take the reports whose time has come out of quarantine, as (stream key, report)."""
    rows = list(db.execute("SELECT stream_key, report FROM quarantine WHERE at <= ?", (now + FUTURE_LIMIT_MS,)))
    db.execute("DELETE FROM quarantine WHERE at <= ?", (now + FUTURE_LIMIT_MS,))
    return [(key, Report.from_json(text)) for key, text in rows]


def other_sources(db: apsw.Connection, report: Report) -> bool:
    """Tell whether another source has told of the same thing."""
    return (
        db.execute("SELECT 1 FROM reports WHERE key = ? AND source <> ?", (report.key, report.source)).fetchone()
        is not None
    )


def load(db: apsw.Connection, stream: int) -> list[Report]:
    """Return every report of a stream, by start, without its `detail`: the rules do not ask for it."""
    known: dict[int, Redacted | None] = {}

    def name(number: int | None) -> Redacted | None:
        # Each text is held once, however many reports share it: a conversation may have hundreds of thousands.
        if number is None:
            return None
        if number not in known:
            row = db.execute("SELECT text FROM names WHERE id = ?", (number,)).fetchone()
            known[number] = None if row is None else _text(row[0])
        return known[number]

    rows = db.execute(
        """SELECT key, source, at, kind, took, tool, path, branch, ok, origin FROM reports
           WHERE stream = ? AND typeof(at) = 'integer' ORDER BY at, key, source""",
        (stream,),
    )
    return [
        Report(
            key=key, source=source, at=at, kind=name(kind) or Redacted(""), took=whole(took), tool=name(tool),
            path=name(path), branch=name(branch), ok=None if ok is None else bool(ok), origin=whole(origin),
        )
        for key, source, at, kind, took, tool, path, branch, ok, origin in rows
    ]  # fmt: skip


def load_whole(db: apsw.Connection, stream: int) -> list[Report]:
    """Return every report of a stream with all that it says, by start."""
    return [
        _report(row) for row in db.execute(f"{_SELECT} WHERE r.stream = ? ORDER BY r.at, r.key, r.source", (stream,))
    ]


def in_folder(db: apsw.Connection, folder: str) -> list[int]:
    """Return the streams of conversations that were held in a folder."""
    query = f"SELECT id FROM streams WHERE folder = ? AND key NOT LIKE '{archive.PREFIX}%' ORDER BY id"
    return [row[0] for row in db.execute(query, (folder,))]


def has_hidden(db: apsw.Connection, stream: int) -> bool:
    """Tell whether reports of a stream stand for nothing themselves, because of others in it."""
    query = "SELECT 1 FROM reports WHERE stream = ? AND hidden IS NOT NULL LIMIT 1"
    return db.execute(query, (stream,)).fetchone() is not None


def hide(db: apsw.Connection, stream: int, hidden: set[tuple[int, int]]) -> None:
    """Note which (key, source) of a stream's reports stand for nothing themselves, and no others."""
    was = set(db.execute("SELECT key, source FROM reports WHERE stream = ? AND hidden IS NOT NULL", (stream,)))
    for change, value in ((hidden - was, 1), (was - hidden, None)):
        for place in change:
            db.execute("UPDATE reports SET hidden = ? WHERE key = ? AND source = ?", (value, *place))


def has_transcript_near(db: apsw.Connection, stream: int, since: int) -> bool:
    """Tell whether a transcript told of anything in a stream from an instant on."""
    query = "SELECT 1 FROM reports WHERE stream = ? AND at >= ? AND source = ? LIMIT 1"
    return db.execute(query, (stream, since, TRANSCRIPT)).fetchone() is not None


def is_served(db: apsw.Connection) -> bool:
    """Tell whether a server ever told of a tool's call in this store."""
    return db.execute("SELECT 1 FROM meta WHERE key = 'served'").fetchone() is not None


def note_served(db: apsw.Connection) -> None:
    """Note that one has: what others told of such calls are echoes from now on, in every conversation."""
    db.execute("INSERT OR IGNORE INTO meta VALUES ('served', 'yes')")
    db.execute(f"UPDATE streams SET stale = 1 WHERE key NOT LIKE 'server:%' AND key NOT LIKE '{archive.PREFIX}%'")


def marks(db: apsw.Connection, stream: int, since: int) -> list[Report]:
    """Return the stream's marks from an instant on, of several sources' only the one that is believed."""
    rows = db.execute(f"{_SELECT} WHERE r.stream = ? AND r.at >= ? AND {_BELIEVED}", (stream, since))
    return [report for row in rows if (report := _report(row)).kind in MARKS]


def all_streams(db: apsw.Connection) -> list[int]:
    """Return the number of every stream."""
    return [row[0] for row in db.execute("SELECT id FROM streams ORDER BY id")]


def _insert(db: apsw.Connection, stream: int, report: Report) -> None:
    db.execute(
        "INSERT INTO reports (stream, at, key, source, took, kind, tool, path, branch, ok, detail, origin)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stream, report.at, report.key, report.source, report.took, intern(db, report.kind), intern(db, report.tool),
            intern(db, report.path), intern(db, report.branch), report.ok, report.detail, report.origin,
        ),
    )  # fmt: skip


def quarantine(db: apsw.Connection, stream: int, report: Report) -> None:
    """Keep a report until its time has come; of two versions, what they say together."""
    key = one(db, "SELECT key FROM streams WHERE id = ?", (stream,))[0]
    known = db.execute(
        "SELECT stream_key, report FROM quarantine WHERE key = ? AND source = ?", (report.key, report.source)
    ).fetchone()
    if known is not None:
        key, report = min(key, known[0]), report.merged(Report.from_json(known[1]))
    row = (report.key, report.source, key, report.at, report.to_json())
    db.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?)", row)


def _replace(db: apsw.Connection, stream: int, report: Report, known: tuple[int, int]) -> bool:
    """Let stand what two versions of one source's report say together; return whether that is something new."""
    place = (known[0], known[1], report.key, report.source)
    before = _report(one(db, f"{_SELECT} WHERE (r.stream, r.at, r.key, r.source) = (?, ?, ?, ?)", place))
    if known[0] != stream and (report.source not in (TRANSCRIPT, HOOK) or not _comes_before(db, stream, known[0])):
        return False
    told = before.merged(report)
    if told == before and known[0] == stream:
        return False
    db.execute("DELETE FROM reports WHERE (stream, at, key, source) = (?, ?, ?, ?)", place)
    _insert(db, stream, told)
    if known[0] != stream:
        # A conversation that was resumed under another name repeats what it goes on from: both are derived anew.
        db.execute("UPDATE anchors SET stream = ? WHERE stream = ? AND key = ?", (stream, known[0], report.key))
        db.execute("UPDATE turns SET stream = ? WHERE key = ?", (stream, report.key))
        mark_stale(db, known[0])
        mark_stale(db, stream)
    return True


def _comes_before(db: apsw.Connection, stream: int, other: int) -> bool:
    """Tell which of two streams has what both are told of: any rule will do, as long as order has no part in it."""
    keys = [one(db, "SELECT key FROM streams WHERE id = ?", (number,))[0] for number in (stream, other)]
    return bool(keys[0] < keys[1])


def _report(row: tuple[Any, ...]) -> Report:
    key, source, at, kind, took, tool, path, branch, detail, ok, origin = row
    return Report(
        key=key, source=source, at=at, took=whole(took), kind=Redacted(text(kind) or ""), tool=_text(tool),
        path=_text(path), branch=_text(branch), detail=_text(detail), ok=None if ok is None else bool(ok),
        origin=whole(origin),
    )  # fmt: skip


def _text(stored: object) -> Redacted | None:
    """Take text back as redacted: it was when it was stored."""
    return None if stored is None else Redacted(text(stored) or "")
