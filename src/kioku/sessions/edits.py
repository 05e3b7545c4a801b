"""What a person changed in `sessions` by SQL, kept as amendments.

The next sweep, or the next activity, finds the row that no longer says what we wrote and records the difference. A
title, topics or a start that a person gave stay; a status and an end hold until newer activity arrives. A session
cannot be made active by hand: whether it is, the rules say. What is no instant or no status of ours is not taken in.
"""

from collections.abc import Iterable
from typing import Any

import apsw

from kioku.redaction import redact
from kioku.store import sessions
from kioku.store.sessions import Row
from kioku.store.values import whole

EDITED = "edited"

_LASTING = ("title", "topics", "started_at")
_PASSING = ("status", "ended_at", "end_reason")
_STATUSES = ("completed", "archived")


def capture(db: apsw.Connection, row: Row, *, now: int) -> None:
    """Record how a row differs from what we last wrote there, and take it as written."""
    is_now, was = _columns(db, row.seq)
    started, ended, status, rest = was.split(" ", 3)
    changes: dict[str, Any] = {}
    start, end = _instant(is_now["started_at"]), _instant(is_now["ended_at"])
    if str(is_now["started_at"]) != started and start is not None:
        changes["started_at"] = start
    shown = "-" if is_now["ended_at"] is None else str(is_now["ended_at"])
    is_other_end = shown != ended and (end is not None or is_now["ended_at"] is None)
    if (is_now["status"] != status or is_other_end) and is_now["status"] in _STATUSES:
        changes |= {"status": is_now["status"], "ended_at": end, "end_reason": EDITED}
    title = "-" if is_now["title"] is None else f"={is_now['title']}"
    if f"{title} {is_now['topics']}" != rest:
        changes["title"] = None if is_now["title"] is None else redact(str(is_now["title"]))
        changes["topics"] = redact(str(is_now["topics"]))
    if changes:
        data = {"through": row.session.last_activity_at, "set": changes}
        if row.tied == sessions.MERGED:
            data["merged"] = True
        sessions.amend(db, row.session.id, EDITED, data, now=now)
        sessions.update(db, row.seq, {"amended": 1})
    sessions.reproject(db, row.seq)


def decide_end(db: apsw.Connection, session_id: str, last_activity_at: int, reason: str, *, now: int) -> None:
    """Record that a session without activities of its own was closed, and why: no mark can say so."""
    changes = {"status": "completed", "ended_at": last_activity_at, "end_reason": reason}
    sessions.amend(db, session_id, EDITED, {"through": last_activity_at, "set": changes}, now=now)


def overlay(db: apsw.Connection, ids: Iterable[str], values: dict[str, Any], *, merged: bool = False) -> None:
    """Put what persons decided about the session with those ids over what was derived for it.

    Of a session that was merged then, start, status and end are the merged session's, and of no other.
    """
    for edit in sessions.amendments(db, ids, EDITED):
        values["amended"] = 1
        if edit.get("merged", False) != merged:
            if not merged:
                values |= {name: given for name, given in edit["set"].items() if name in ("title", "topics")}
            continue
        values |= {name: given for name, given in edit["set"].items() if name in _LASTING}
        if "status" in edit["set"] and values["last_activity_at"] <= edit["through"]:
            values |= {name: edit["set"][name] for name in _PASSING}
            if values["ended_at"] is None:
                values["ended_at"] = values["last_activity_at"]


def _instant(value: Any) -> int | None:
    return whole(value)


def _columns(db: apsw.Connection, seq: int) -> tuple[dict[str, Any], str]:
    names = ("started_at", "ended_at", "status", "title", "topics")
    row = sessions.columns(db, seq, (*names, "projected"))
    return dict(zip(names, row, strict=False)), row[-1] or "- - - - -"
