"""Writing and reading reports, and the streams and owners that they belong to.

Reports are append-only and unique on (key, source). When one source tells of a thing twice in different words, the
version that `derive.preference` believes stays, so that the order of arrival cannot matter. All text that enters is
`Redacted`. Every function works inside the caller's transaction.
"""

import zlib
from collections.abc import Iterable
from enum import Enum
from typing import Any

import apsw

from kioku.models import MARKS, SERVER, SWEEP, Owner, Report
from kioku.redaction import Redacted, UnredactedError
from kioku.store.connection import one
from kioku.store.values import text, whole

_SELECT = """
SELECT r.key, r.source, r.at, k.text, r.took, t.text, p.text, b.text, r.detail, r.ok
FROM reports r JOIN names k ON k.id = r.kind LEFT JOIN names t ON t.id = r.tool
LEFT JOIN names p ON p.id = r.path LEFT JOIN names b ON b.id = r.branch"""

_BELIEVED = """NOT EXISTS
(SELECT 1 FROM reports c WHERE c.key = r.key AND c.source < r.source AND c.stream = r.stream)"""

BUILT_IN_TIMEOUT_MS = 1_800_000  # for a stream whose own can no longer be read
FUTURE_LIMIT_MS = 3_600_000  # reports of others that lie further ahead than this wait in quarantine


class Added(Enum):
    """What became of a report that was handed in."""

    NEW = "new"
    REPLACED = "replaced"  # its source had told of the same thing before, less believably
    UNCHANGED = "unchanged"  # known already, or waiting in quarantine


def intern(db: apsw.Connection, text: Redacted | None) -> int | None:
    """Return the number that stands for a text, giving it one if it is new."""
    if text is None:
        return None
    _require_redacted(text)
    # The number is the text's checksum, or the next free one: that spares an index, a page in every write.
    number = zlib.crc32(text.encode())
    while (row := db.execute("SELECT text FROM names WHERE id = ?", (number,)).fetchone()) is None or row[0] != text:
        if row is None:
            db.execute("INSERT INTO names VALUES (?, ?)", (number, text))
            return number
        number += 1
    return number


def stream(db: apsw.Connection, key: Redacted, *, project_id: str, owner: str | None, timeout_ms: int, now: int) -> int:
    """Return the number of the stream with that key, creating it if it is new.

    A timeout other than the one in force for it so far counts from `now` on, and never for what is recorded already.
    """
    _require_redacted(key)
    row = db.execute("SELECT id FROM streams WHERE key = ?", (key,)).fetchone()
    if row is None:
        row = one(
            db,
            "INSERT INTO streams (key, project_id, owner, created_at) VALUES (?, ?, ?, ?) RETURNING id",
            (key, project_id, owner, now),
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
    _require_redacted(client, version)
    db.execute("UPDATE streams SET client = ?, client_version = ? WHERE id = ?", (client, version, stream))
    db.execute("UPDATE sessions SET client = ?, client_version = ? WHERE stream = ?", (client, version, stream))


def stream_facts(db: apsw.Connection, stream: int) -> dict[str, Any] | None:
    """Return what a stream's sessions say of it: project_id, owner, client, client_version; None if there is none."""
    names = ("project_id", "owner", "client", "client_version")
    query = "SELECT project_id, owner, client, client_version FROM streams WHERE id = ?"
    row = db.execute(query, (stream,)).fetchone()
    return None if row is None else dict(zip(names, row, strict=True))


def add(db: apsw.Connection, stream: int, report: Report, *, now: int) -> Added:
    """Store a report; return what became of it.

    A report of another process's that lies more than an hour ahead of `now` goes to quarantine instead.
    """
    _require_redacted(report.kind, report.tool, report.path, report.branch, report.detail)
    if report.source not in (SERVER, SWEEP) and report.at > now + FUTURE_LIMIT_MS:
        _quarantine(db, stream, report)
        return Added.UNCHANGED
    known = db.execute(
        "SELECT stream, at FROM reports WHERE key = ? AND source = ?", (report.key, report.source)
    ).fetchone()
    if known is not None:
        return Added.REPLACED if _replace(db, stream, report, known) else Added.UNCHANGED
    _insert(db, stream, report)
    return Added.NEW


def add_marks(db: apsw.Connection, kind: Redacted, places: Iterable[tuple[int, int, int]]) -> None:
    """Store a mark for each (session's row number, its expected last activity, new key) that is still active so."""
    db.executemany(
        """INSERT INTO reports (stream, at, key, source, kind)
           SELECT stream, last_activity_at, ?3, ?4, ?5 FROM sessions
           WHERE seq = ?1 AND last_activity_at = ?2 AND status = 'active' AND stream IS NOT NULL""",
        ((*place, SWEEP, number) for number in [intern(db, kind)] for place in places),
    )


def find_stream(db: apsw.Connection, key: str) -> int | None:
    """Return the number of the stream with that key, if there is one."""
    row = db.execute("SELECT id FROM streams WHERE key = ?", (key,)).fetchone()
    return None if row is None else int(row[0])


def has_releasable(db: apsw.Connection, now: int) -> bool:
    """Tell whether quarantine holds reports whose time has come."""
    return db.execute("SELECT 1 FROM quarantine WHERE at <= ? LIMIT 1", (now + FUTURE_LIMIT_MS,)).fetchone() is not None


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
    """Return every report of a stream, by start."""
    query = f"{_SELECT} WHERE r.stream = ? AND typeof(r.at) = 'integer' ORDER BY r.at, r.key, r.source"
    rows = db.execute(query, (stream,))
    return [_report(row) for row in rows]


def marks(db: apsw.Connection, stream: int, since: int) -> list[Report]:
    """Return the stream's marks from an instant on, of several sources' only the one that is believed."""
    rows = db.execute(f"{_SELECT} WHERE r.stream = ? AND r.at >= ? AND {_BELIEVED}", (stream, since))
    return [report for row in rows if (report := _report(row)).kind in MARKS]


def all_streams(db: apsw.Connection) -> list[int]:
    """Return the number of every stream."""
    return [row[0] for row in db.execute("SELECT id FROM streams ORDER BY id")]


def _require_redacted(*texts: Redacted | None) -> None:
    for given in texts:
        if given is not None and type(given) is not Redacted:
            raise UnredactedError(f"only redacted text may be stored, not {type(given).__name__}")


def _insert(db: apsw.Connection, stream: int, report: Report) -> None:
    db.execute(
        "INSERT INTO reports (stream, at, key, source, took, kind, tool, path, branch, ok, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stream, report.at, report.key, report.source, report.took, intern(db, report.kind), intern(db, report.tool),
            intern(db, report.path), intern(db, report.branch), report.ok, report.detail,
        ),
    )  # fmt: skip


def _quarantine(db: apsw.Connection, stream: int, report: Report) -> None:
    """Keep a report until its time has come; of two versions, the preferred one."""
    text = report.to_json()
    known = db.execute(
        "SELECT report FROM quarantine WHERE key = ? AND source = ?", (report.key, report.source)
    ).fetchone()
    if known is None or report.preference < Report.from_json(known[0]).preference:
        key = one(db, "SELECT key FROM streams WHERE id = ?", (stream,))[0]
        row = (report.key, report.source, key, report.at, text)
        db.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?)", row)


def _replace(db: apsw.Connection, stream: int, report: Report, known: tuple[int, int]) -> bool:
    """Let the preferred of two versions of one source's report stand."""
    place = (known[0], known[1], report.key, report.source)
    row = one(db, f"{_SELECT} WHERE (r.stream, r.at, r.key, r.source) = (?, ?, ?, ?)", place)
    if known[0] != stream or report.preference >= _report(row).preference:
        return False
    db.execute("DELETE FROM reports WHERE (stream, at, key, source) = (?, ?, ?, ?)", place)
    _insert(db, stream, report)
    return True


def _report(row: tuple[Any, ...]) -> Report:
    key, source, at, kind, took, tool, path, branch, detail, ok = row
    return Report(
        key=key, source=source, at=at, took=whole(took), kind=Redacted(text(kind) or ""), tool=_text(tool),
        path=_text(path), branch=_text(branch), detail=_text(detail), ok=None if ok is None else bool(ok),
    )  # fmt: skip


def _text(stored: object) -> Redacted | None:
    """Take text back as redacted: it was when it was stored."""
    return None if stored is None else Redacted(text(stored) or "")
