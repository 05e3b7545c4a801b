"""`kioku status`: what is going on now."""

import os

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, note, print_facts, print_json, print_table, project_option
from kioku.doctor import capture
from kioku.doctor.capture import Assistant, Capture
from kioku.reports import health
from kioku.reports.listing import Wanted, listing
from kioku.words import counted


@click.command("status")
@project_option
@json_option
def command(folder: str | None, as_json: bool) -> None:
    """Show what is being recorded now."""
    where, values = places.find(folder)
    now, judge = times.now_ms(), places.judge(where)
    if not os.path.lexists(where.store_path):
        places.drain_to_own()
        found = capture.look(where, None, now, compare=False)
        if as_json:
            print_json({"project": where.root, "store": None, "active": [], "capture": found.as_json()})
            return
        print_facts([("project", where.root), ("store", "nothing recorded yet")])
        note(places.hint_without_store(where))
        _print_capture(found, now)
        return
    with places.opened(where) as store:
        running = Wanted(status="active", limit=100)
        active = store.read(lambda db: listing(db, running, now=now, judge=judge)).sessions
        last = store.read(lambda db: listing(db, Wanted(limit=1), now=now, judge=judge)).sessions
        totals = store.read(health.totals)
        registered = store.is_registered
        found = capture.look(where, store, now, compare=False)
    size = sum(health.sizes(where.store_path).values())
    if as_json:
        print_json(
            {
                "project": where.root,
                "store": where.store_path,
                "bytes": size,
                "yours": registered,
                "sessions": totals.sessions,
                "activities": totals.activities,
                "files": totals.files,
                "timeout_minutes": values.timeout_ms / times.MINUTE,
                "active": [session.as_json() for session in active],
                "capture": found.as_json(),
            }
        )
        return
    amounts = ((totals.sessions, "session"), (totals.activities, "activity"), (totals.files, "file"))
    recorded = ", ".join(counted(*amount) for amount in amounts)
    adopted = "" if registered else ", not adopted: see kioku doctor"
    latest = max((session.last_activity_at for session in last + active), default=None)
    print_facts(
        [
            ("project", where.root),
            ("store", f"{where.store_path} ({size / 1e6:.1f} MB){adopted}"),
            ("recorded", recorded),
            ("a session ends", f"after {times.duration_text(values.timeout_ms)} of silence"),
            ("last activity", "none yet" if latest is None else times.ago_text(latest, now)),
        ]
    )
    if active:
        print("\nBeing recorded now")
        rows = [
            (
                s.id[:8],
                s.client or "–",
                s.branch or "–",
                times.ago_text(s.started_at, now),
                times.ago_text(s.last_activity_at, now),
                str(s.files),
                str(s.tool_calls),
            )
            for s in active
        ]
        headings = ("session", "client", "branch", "started", "last activity", "files", "calls")
        print_table(headings, rows, right=("files", "calls"))
    else:
        print("\nNothing is being recorded now.")
    _print_capture(found, now)


def _print_capture(found: Capture, now: int) -> None:
    """Print how each assistant on this machine is connected, and what needs the person's attention."""
    if found.assistants:
        print("\nAssistants on this machine")
        rows = [
            (
                assistant.registration.client.title,
                "yes" if assistant.registration.server else "no",
                _hooks_text(assistant),
                _last_event_text(assistant, now),
                str(assistant.waiting or ""),
            )
            for assistant in found.assistants
        ]
        headings = ("assistant", "server", "hooks", "last event", "to import")
        print_table(headings, rows, right=("to import",), optional=("to import", "last event"))
        if any(assistant.registration.server and assistant.trust.runs is False for assistant in found.assistants):
            note("kioku doctor says why hooks are not run")
        known = [one.registration for one in found.assistants if one.registration.client.user is not None]
        if not all(registration.server and registration.hooks is not False for registration in known):
            note("kioku setup connects them")
    else:
        note("no assistant was found on this machine")
    size, oldest = found.backlog
    if oldest is not None:
        note(f"{capture.size_text(size)} of events wait to be recorded, since {times.ago_text(oldest, now)}")
    if found.ending:
        transcripts = counted(len(found.ending), "transcript")
        note(f"{transcripts} will soon be deleted by Claude Code and are not imported: kioku import claude")


def _hooks_text(assistant: Assistant) -> str:
    known = assistant.registration
    if not known.hooks:
        return "–" if known.hooks is None else "no"
    return "not run" if assistant.trust.runs is False else "yes"


def _last_event_text(assistant: Assistant, now: int) -> str:
    if assistant.last_event is not None:
        return times.ago_text(assistant.last_event, now)
    return "–" if assistant.registration.hooks is None else "none yet"
