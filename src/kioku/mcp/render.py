"""Sessions as plain text for an assistant to read.

What was stored is data: paths and titles come from outside, so everything that could pass for markup or a new line is
taken out of them.
"""

from collections.abc import Sequence

from kioku import times
from kioku.models import Session, TouchedFile
from kioku.reports.listing import Listing
from kioku.words import counted


def session_line(session: Session, now: int) -> str:
    """Write a session in one line."""
    reason = "" if session.end_reason in (None, "stopped") else f" ({clean(session.end_reason)})"
    client = f", {clean(session.client)}" if session.client else ""
    branch = f", on {clean(session.branch)}" if session.branch else ""
    return (
        f"{clean(session.id[:8])}  {times.local_text(session.started_at)} ({times.ago_text(session.started_at, now)})"
        f"  {clean(session.status)}{reason}"
        f"  {times.duration_text(session.span_ms)} long, {times.duration_text(session.active_ms)} active,"
        f" {counted(session.files, 'file')}, {counted(session.tool_calls, 'tool call')}{client}{branch}"
    )


def session_lines(found: Listing, now: int) -> str:
    """Write a list of sessions, a line each."""
    lines = [session_line(session, now) for session in found.sessions] or ["no sessions with activity yet"]
    if found.hidden_empty:
        lines.append(f"({found.hidden_empty} without any activity not shown)")
    return "\n".join(lines)


def session_text(session: Session, files: Sequence[TouchedFile], now: int) -> str:
    """Write a session with its files."""
    lines = [session_line(session, now)]
    if session.title:
        lines.append(f"title: {clean(session.title)}")
    if session.continues:
        lines.append(f"continues {clean(session.continues[:8])}")
    lines += [f"  {clean(file.path)}  {_touches(file)}" for file in files]
    return "\n".join(lines)


def _touches(file: TouchedFile) -> str:
    parts = [counted(count, word) for count, word in ((file.reads, "read"), (file.edits, "edit")) if count]
    return ", ".join(parts)


def clean(text: str) -> str:
    """Make stored text safe for one line: what is not printable becomes a space."""
    return "".join(character if character.isprintable() else " " for character in text)[:500]
