"""Taking over the store of the older program of this name.

Its sessions have no activities, so each becomes an amendment that says what the old row said, and the session is
projected from that. Its discoveries come in as repository text: whoever wrote the file could have written them.
"""

from typing import Any

import apsw
import msgspec

from kioku import times
from kioku.errors import ForeignStoreError
from kioku.models import new_id
from kioku.redaction import Redacted, redact
from kioku.store import schema, sessions

ADOPTED = "adopted"

_DEFAULT_TIMEOUT_MS = 30 * times.MINUTE  # the older program's, which could not be changed
_LARGEST = 1 << 53  # no count and no instant is larger
_TABLES = ("sessions", "discoveries", "context_items")


def is_legacy(db: apsw.Connection) -> bool:
    """Tell whether this is the older program's schema."""
    if db.pragma("user_version") != 0:
        return False
    return "files_accessed" in {row[1] for row in db.execute("PRAGMA table_info(sessions)")}


def check(db: apsw.Connection, path: str) -> None:
    """Make sure that the file brings no code of its own, and nothing in the place of ours. Raises ForeignStoreError."""
    ours = schema.names()
    for kind, name, table in db.execute("SELECT type, name, tbl_name FROM sqlite_schema"):
        # A file that was made by hand may write them in any letters: SQLite does not mind.
        if kind not in ("table", "index") or (str(name).lower() in ours and table not in _TABLES):
            raise ForeignStoreError(f"{path} is not taken over: it has a {kind} '{name}'")


def take_tables(db: apsw.Connection) -> dict[str, list[dict[str, Any]]]:
    """Read the old tables' rows and drop the tables; other tables stay as they are."""
    taken: dict[str, list[dict[str, Any]]] = {}
    for table in reversed(_TABLES):  # what refers to a session goes before it
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        taken[table] = []
        if columns:
            names = ", ".join('"' + column.replace('"', '""') + '"' for column in columns)
            taken[table] = [dict(zip(columns, row, strict=True)) for row in db.execute(f"SELECT {names} FROM {table}")]
            db.execute(f"DROP TABLE {table}")
    return taken


def adopt_rows(db: apsw.Connection, taken: dict[str, list[dict[str, Any]]], *, now: int) -> None:
    """Write what was taken from the old tables into ours."""
    given: set[str] = set()
    for row in taken["sessions"]:
        id = _unique(row.get("id"), given)
        data = _session(row, now)
        sessions.add_anchor(db, sessions.Anchor(id, 0, data["created_at"]), None)
        sessions.amend(db, id, ADOPTED, data, now=now)
        write(db, values(id, data, now=now), data)
    given = set()
    for row in taken["discoveries"]:
        made = _integer(row.get("created_at"), now)
        db.execute(
            "INSERT INTO discoveries"
            " (id, session_id, type, content, module, provenance, evidence, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, 'repository', ?, ?, ?)",
            (
                _unique(row.get("id"), given), _text(row.get("session_id")),
                _text(row.get("type")) or redact("pattern"),
                _text(row.get("content")) or redact(""), _text(row.get("module")), _text(row.get("context_json")),
                made, made,
            ),
        )  # fmt: skip
    given = set()
    for row in taken["context_items"]:
        row |= {"id": _unique(row.get("id"), given), "type": row.get("type") or "", "content": row.get("content") or ""}
        names = [name for name in row if name in _CONTEXT_COLUMNS and row[name] is not None]
        contents = [redact(row[name]) if isinstance(row[name], str) else row[name] for name in names]
        db.execute(f"INSERT INTO context_items ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", contents)


def values(id: str, data: dict[str, Any], *, now: int) -> dict[str, Any]:
    """Return the session's columns, as the old row and the passing of time make them."""
    status, ended = data["status"], data["ended_at"]
    reason = None if status == "active" else ADOPTED
    if status == "active" and now >= data["last_activity_at"] + _DEFAULT_TIMEOUT_MS:
        status, ended, reason = "completed", data["last_activity_at"], "idle"
    tool_calls = data["metadata"].get("toolCallsCount")
    return {
        "id": id, "project_id": data["project_id"], "started_at": data["started_at"], "ended_at": ended,
        "status": status, "topics": sessions.json_text(data["topics"]), "title": None,
        "metadata": sessions.json_text(data["metadata"]), "created_at": data["created_at"],
        "updated_at": data["updated_at"], "last_activity_at": data["last_activity_at"], "end_reason": reason,
        "timeout_ms": _DEFAULT_TIMEOUT_MS, "files": len(data["files"]),
        "activities": sum(file["count"] for file in data["files"]),
        "tool_calls": _integer(tool_calls, 0),
        "empty": int(not data["files"] and not tool_calls), "first_activity_at": data["started_at"],
        "last_start_at": data["last_activity_at"], "block_start_at": data["last_activity_at"], "amended": 1,
    }  # fmt: skip


def write(db: apsw.Connection, columns: dict[str, Any], data: dict[str, Any]) -> int:
    """Write the session's row and its files; return the row's number."""
    seq = sessions.write(db, columns)
    files = [(Redacted(f["path"]), f["count"], 0, f["first_at"], f["last_at"]) for f in data["files"]]
    sessions.write_touched(db, seq, files)
    return seq


_CONTEXT_COLUMNS = frozenset(
    "id type content metadata_json score recency_factor access_factor last_accessed_at access_count tokens status"
    " created_at updated_at".split()
)


def _session(row: dict[str, Any], now: int) -> dict[str, Any]:
    """Read an old row, tolerating whatever its JSON columns hold."""
    started = _integer(row.get("started_at"), _integer(row.get("created_at"), now))
    files: dict[str, dict[str, Any]] = {}
    for entry in _json(row.get("files_accessed"), list):
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            continue
        path, first = redact(entry["path"]), _integer(entry.get("firstAccessedAt"), started)
        file = files.setdefault(path, {"path": path, "count": 0, "first_at": first, "last_at": first})
        file["count"] += max(1, _integer(entry.get("accessCount"), 1))
        file["first_at"] = min(file["first_at"], first)
        file["last_at"] = max(file["last_at"], _integer(entry.get("lastAccessedAt"), first))
    ended = row.get("ended_at")
    status = row.get("status") if row.get("status") in ("active", "completed", "archived") else "completed"
    evidence = [started, *(file["last_at"] for file in files.values())]
    if ended is not None:
        evidence.append(_integer(ended, started))
    elif status == "active":
        evidence.append(min(now, _integer(row.get("updated_at"), started)))
    metadata = _json(row.get("metadata"), dict)
    return {
        "project_id": _text(row.get("project_id")) or redact(""), "started_at": started,
        "ended_at": None if status == "active" else _integer(ended, max(evidence)), "status": status,
        "topics": [redact(topic) for topic in _json(row.get("topics"), list) if isinstance(topic, str)],
        "metadata": _redacted(metadata),
        "files": list(files.values()), "last_activity_at": max(evidence),
        "created_at": _integer(row.get("created_at"), started), "updated_at": _integer(row.get("updated_at"), started),
    }  # fmt: skip


def _json(text: Any, kind: type) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError, TypeError):
        return kind()
    return value if isinstance(value, kind) else kind()


def _redacted(value: Any) -> Any:
    """Redact every text in decoded JSON."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(part) for part in value]
    return {str(redact(k)): _redacted(v) for k, v in value.items()} if isinstance(value, dict) else value


def _integer(value: Any, fallback: int) -> int:
    try:
        found = fallback if value is None or isinstance(value, bool) else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return fallback
    return found if abs(found) < _LARGEST else fallback


def _unique(value: Any, given: set[str]) -> Redacted:
    """Return an old id, or a new one for a row that has none of its own."""
    found = redact(str(value)) if value is not None else None
    if not found or found in given:
        found = new_id()
    given.add(found)
    return found


def _text(value: Any) -> Redacted | None:
    return None if value is None else redact(str(value))
