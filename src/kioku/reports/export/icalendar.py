"""Sessions, or the stretches in which they were active, as events of a calendar (iCalendar, RFC 5545)."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

import apsw

from kioku import times
from kioku.models import Session
from kioku.redaction import redact
from kioku.reports.export.chosen import Exported
from kioku.reports.sessions import active_stretches
from kioku.words import counted
from kioku.workspace.untrusted_text import printable_lines

LONGEST_LINE: Final = 75  # octets, without the line end
_LAST: Final = 253_402_300_799_999  # the end of the year 9999: a calendar knows no later one


def lines(db: apsw.Connection, found: Iterable[Exported], *, project: str, by_stretch: bool) -> Iterator[str]:
    """Return a calendar with an event for each session, or for each of its active stretches.

    What lies before 1970 or after 9999 has no place in it.
    """
    for line in ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Kioku//Kioku sessions//EN", "CALSCALE:GREGORIAN"):
        yield folded(line)
    for exported in found:
        session = exported.session
        if by_stretch:
            for since, until in active_stretches(db, exported.session.id):
                yield from _event(session, f"{session.id}-{since}", since, until, project)
        else:
            yield from _event(session, session.id, session.started_at, session.started_at + session.span_ms, project)
    yield folded("END:VCALENDAR")


def _event(session: Session, name: str, since: int, until: int, project: str) -> Iterator[str]:
    if not 0 <= since <= until <= _LAST:
        return
    title = session.title or " ".join(filter(None, (session.client, session.branch))) or "session"
    facts = [
        f"session {session.id}", f"active {times.duration_text(session.active_ms)}",
        f"{counted(session.tool_calls, 'tool call')}, {counted(session.files, 'file')}",
        *([f"topics: {', '.join(session.topics)}"] if session.topics else []),
    ]  # fmt: skip
    yield folded("BEGIN:VEVENT")
    yield folded(f"UID:{escaped(name)}@kioku")
    yield folded(f"DTSTAMP:{_utc(min(max(session.updated_at, 0), _LAST))}")
    yield folded(f"DTSTART:{_utc(since)}")
    if until // times.SECOND > since // times.SECOND:  # an end must be later than the start; without one it is a point
        yield folded(f"DTEND:{_utc(until)}")
    yield folded(f"SUMMARY:{escaped(f'{project}: {title}' if project else title)}")
    yield folded(f"DESCRIPTION:{escaped(chr(10).join(facts))}")
    if session.client is not None:
        yield folded(f"CATEGORIES:{escaped(session.client)}")
    yield folded("TRANSP:TRANSPARENT")
    yield folded("END:VEVENT")


def _utc(instant: int) -> str:
    return datetime.fromtimestamp(instant // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def escaped(text: str) -> str:
    """Return text as a value: without control characters, its marks and line breaks escaped."""
    shown = printable_lines(redact(text)).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return shown.replace("\n", "\\n").replace("\t", " ")


def folded(line: str) -> str:
    """Return a line with its end, continued on further ones where it is longer than 75 octets; no sign is divided."""
    pieces: list[str] = []
    piece, size = "", 0
    for sign in line:
        octets = len(sign.encode())
        if size + octets > LONGEST_LINE:
            pieces.append(piece)
            piece, size = " ", 1
        piece += sign
        size += octets
    return "\r\n".join((*pieces, piece)) + "\r\n"
