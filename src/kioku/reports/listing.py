"""The list of sessions: which of them a person wants to see, newest first.

What is wanted becomes SQL, so that no more rows are read than are shown, however many sessions there are. The status
alone is judged row by row: what is stored as active may be completed by now, never the other way round.
"""

from typing import Any

import apsw
import msgspec

from kioku.days import Calendar
from kioku.errors import UsageError
from kioku.models import Session
from kioku.reports.sessions import Judge, standing
from kioku.store import sessions as rows
from kioku.words import nearest

LONGEST_PATTERN = 1_000  # characters

_COLUMNS = ", ".join(Session.__struct_fields__)
_ENDLESS = (1 << 63) - 1


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a session must be to be listed; every condition that is given must hold.

    `since` and `until` are instants between which it began, `until` excluded. `branch` is the branch that it ended on.
    `file` is part of the path of a file that it touched, or with `*`, `?` or `[` a pattern for the whole path or what
    follows one of its slashes; `path` is the whole path of one. `text` is found in its title, its topics and what was
    said in it, in either case. `longer_than_ms` is a bound of its active time, excluded. With `empty`, sessions
    without activity are listed too.
    """

    since: int | None = None
    until: int | None = None
    client: str | None = None
    branch: str | None = None
    file: str | None = None
    path: str | None = None
    text: str | None = None
    status: str | None = None
    longer_than_ms: float | None = None
    empty: bool = False
    limit: int = 20


class Listing(msgspec.Struct, frozen=True):
    """A list of sessions, newest first, and how many empty ones that fit as well were left out of it."""

    sessions: list[Session]
    hidden_empty: int


def listing(db: apsw.Connection, wanted: Wanted, *, now: int, judge: Judge) -> Listing:
    """Return the newest sessions that are wanted, with their status at `now`.

    Raises UsageError for a client or branch that no session has, naming the nearest, and for a text that cannot be
    looked for.
    """
    where, values = _conditions(db, wanted)
    shown = "" if wanted.empty else " AND (s.empty = 0 OR s.status = 'active')"
    query = f"SELECT {_COLUMNS} FROM sessions s WHERE {where}{shown} ORDER BY s.started_at DESC, s.id"
    found: list[Session] = []
    for row in db.execute(query, values):
        session = standing(rows.session(row), now, judge)
        if wanted.status in (None, session.status) and not _is_hidden(session, wanted):
            found.append(session)
        if len(found) >= wanted.limit:
            break
    return Listing(found, 0 if wanted.empty else _hidden(db, where, values, wanted, now, judge))


def stretch(since: str | None, until: str | None, calendar: Calendar, now: int) -> tuple[int | None, int | None]:
    """Return the instants from the beginning of one day, month or year to the end of another, of the person's own.

    Raises UsageError for what is no date, and where the end is before the beginning.
    """
    first = None if since is None else calendar.span(since, now)[0]
    last = None if until is None else calendar.span(until, now)[1]
    if first is not None and last is not None and first >= last:
        raise UsageError(f"{until} is before {since}", hint="the earlier date is 'since', the later one 'until'")
    return first, last


def _is_hidden(session: Session, wanted: Wanted) -> bool:
    return session.empty and session.status != "active" and not wanted.empty


def _hidden(db: apsw.Connection, where: str, values: dict[str, Any], wanted: Wanted, now: int, judge: Judge) -> int:
    """Count the empty sessions that are wanted but for being empty."""
    count = f"SELECT count(*) FROM sessions s WHERE s.empty = 1 AND s.status <> 'active' AND {where}"
    ((hidden,),) = db.execute(count, values)
    query = f"SELECT {_COLUMNS} FROM sessions s WHERE s.status = 'active' AND s.empty = 1 AND {where}"
    for row in db.execute(query, values):
        session = standing(rows.session(row), now, judge)
        hidden += wanted.status in (None, session.status) and _is_hidden(session, wanted)
    return int(hidden)


def _conditions(db: apsw.Connection, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """Return what is wanted as SQL about `sessions s`, and its values."""
    for name in ("client", "branch", "file", "path", "text"):
        _require_text(name, getattr(wanted, name))
    for name in ("client", "branch"):
        require_known(db, name, getattr(wanted, name))
    values: dict[str, Any] = msgspec.structs.asdict(wanted) | {"endless": _ENDLESS}
    if wanted.text is not None:
        values["text"] = "*" + "".join(map(_either_case, wanted.text)) + "*"
        values["rough"] = "%" + "".join(map(_roughly, wanted.text)) + "%"
    conditions = [sql for name, sql in _SQL.items() if getattr(wanted, name) is not None]
    if wanted.status == "active":
        conditions.append("s.status = 'active'")  # in these words an index has them
    if wanted.file is not None:
        is_pattern = any(mark in wanted.file for mark in "*?[")
        conditions.append(_FILE.format(_GLOB if is_pattern else "instr(text, :file)"))
    if wanted.path is not None:
        conditions.append(_FILE.format("text = :path"))
    return " AND ".join(conditions) or "1", values


_SAYS = r"({0} LIKE :rough ESCAPE '\' AND {0} GLOB :text)"
# A turn is of the last run of its stream that had begun by then, as in the view `session_turns`; asked for session by
# session, so that the newest sessions are looked at first and no older ones than needed.
_TURN = f"""EXISTS (
  SELECT 1 FROM runs u CROSS JOIN turns t ON t.stream = u.stream AND t.at >= u.since
  AND t.at < ifnull((SELECT min(n.since) FROM runs n WHERE n.stream = u.stream AND n.since > u.since), :endless)
  WHERE u.session = s.seq AND {_SAYS.format("t.text")}
  AND NOT EXISTS (SELECT 1 FROM reports r WHERE r.key = t.key AND r.source = t.source AND r.hidden IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM turns c WHERE c.key = t.key AND c.source < t.source))"""

_TOPIC = f"""s.topics <> '[]' AND EXISTS (
  SELECT 1 FROM json_each(CASE WHEN json_valid(s.topics) THEN s.topics ELSE '[]' END) WHERE {_SAYS.format("value")})"""

_SQL = {
    "since": "s.started_at >= :since",
    "until": "s.started_at < :until",
    "client": "s.client = :client",
    "branch": "s.branch = :branch",
    "longer_than_ms": "s.active_ms > :longer_than_ms",
    "status": "s.status IN (:status, 'active')",
    "text": f"({_SAYS.format('s.title')} OR ({_TOPIC}) OR {_TURN})",
}

_GLOB = "(text GLOB :file OR text GLOB '*/' || :file)"
# The plus keeps SQLite from looking every matching path up in every session; it reads a session's own paths instead.
_FILE = """EXISTS (
  SELECT 1 FROM touched f WHERE f.session = s.seq AND +f.path IN (SELECT id FROM names WHERE {}))"""


def require_known(db: apsw.Connection, column: str, wanted: str | None) -> None:
    """Refuse a client or a branch that no session has, naming the nearest. Raises UsageError."""
    if wanted is None or db.execute(f"SELECT 1 FROM sessions WHERE {column} = ? LIMIT 1", (wanted,)).fetchone():
        return
    known = [str(row[0]) for row in db.execute(f"SELECT DISTINCT {column} FROM sessions WHERE {column} IS NOT NULL")]
    raise UsageError(
        f"no session has the {column} '{wanted[:100]}'",
        hint=nearest(wanted[:100], sorted(known)) if known else f"no session has a known {column} yet",
    )


def _require_text(name: str, wanted: str | None) -> None:
    if wanted is None:
        return
    if not 0 < len(wanted) <= LONGEST_PATTERN:
        raise UsageError(f"'{name}' must have from 1 to {LONGEST_PATTERN} characters")
    if any("\ud800" <= character <= "\udfff" for character in wanted):
        raise UsageError(f"'{name}' is not whole text: some of its bytes are no characters")


def _either_case(character: str) -> str:
    """Return what stands for a character in upper or lower case in a GLOB pattern; LIKE knows only ASCII's cases."""
    if character in "*?[":
        return f"[{character}]"
    forms = {character, character.lower(), character.upper(), character.upper().lower()}
    return character if len(forms) == 1 else "[" + "".join(sorted(form for form in forms if len(form) == 1)) + "]"


def _roughly(character: str) -> str:
    """Return what stands for a character in a LIKE pattern, ten times as fast as GLOB: any character if not ASCII."""
    if not character.isascii():
        return "_"
    return f"\\{character}" if character in "%_\\" else character
