"""`kioku status`: what is going on now."""

import os

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, note, print_facts, print_json, print_table, project_option
from kioku.reports import health
from kioku.reports import sessions as reports
from kioku.words import counted


@click.command("status")
@project_option
@json_option
def command(folder: str | None, as_json: bool) -> None:
    """Show what is being recorded now."""
    where, values = places.find(folder)
    now, judge = times.now_ms(), places.judge(where)
    if not os.path.lexists(where.store_path):
        if as_json:
            print_json({"project": where.root, "store": None, "active": []})
            return
        print_facts([("project", where.root), ("store", "nothing recorded yet")])
        note("an assistant that starts 'kioku serve' begins it")
        return
    with places.opened(where) as store:
        active = store.read(lambda db: reports.listing(db, now=now, judge=judge, status="active", limit=100)).sessions
        last = store.read(lambda db: reports.listing(db, now=now, judge=judge, limit=1)).sessions
        totals = store.read(health.totals)
        registered = store.is_registered
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
