"""`kioku sessions merge`, `unmerge` and `split`: which sessions are one, as the person sees it."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, own_option, print_json, print_table, project_option
from kioku.errors import UsageError
from kioku.models import Session
from kioku.reports import sessions as reports
from kioku.sessions import combining
from kioku.store import uniting
from kioku.store.sessions import Row
from kioku.store.store import Store

if TYPE_CHECKING:
    import apsw

dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what would become of them.")


@click.command("merge")
@click.argument("ids", metavar="ID ID…", nargs=-1, required=True)
@project_option
@own_option
@json_option
@dry_run_option
def merge(ids: tuple[str, ...], folder: str | None, own: bool, as_json: bool, dry_run: bool) -> None:
    """Make one session of several that are over.

    Nothing of them is lost: time that they share counts once, all else is added up, their ids go on leading to it, and
    'kioku sessions unmerge' takes it back.
    """

    def work(db: "apsw.Connection", now: int, judge: reports.Judge) -> list[Row]:
        named = [reports.find(db, id, now=now, judge=judge).id for id in ids]
        return [combining.merge(db, named, now=now)]

    found = _changed(folder, own, work, dry_run=dry_run)
    _tell(found, "are one session", as_json=as_json, dry_run=dry_run)
    if not as_json:
        print(f"To take it back: kioku sessions unmerge {found[0]['id'][:8]}")


@click.command("unmerge")
@click.argument("session_id", metavar="ID")
@project_option
@own_option
@json_option
@dry_run_option
def unmerge(session_id: str, folder: str | None, own: bool, as_json: bool, dry_run: bool) -> None:
    """Take back the latest merge of a session. Any of the ids that were merged will do."""

    def work(db: "apsw.Connection", now: int, judge: reports.Judge) -> list[Row]:
        return combining.unmerge(db, reports.find(db, session_id, now=now, judge=judge).id, now=now)

    found = _changed(folder, own, work, dry_run=dry_run)
    _tell(found, "stand by themselves again", as_json=as_json, dry_run=dry_run)


@click.command("split")
@click.argument("session_id", metavar="ID")
@click.argument("at", metavar="AT")
@project_option
@own_option
@json_option
@dry_run_option
def split(session_id: str, at: str, folder: str | None, own: bool, as_json: bool, dry_run: bool) -> None:
    """Divide a session that is over: what begins before AT is one session, the rest another.

    AT is a date and time, or only a time of the day on which the session began or the next one: 14:05, 14:05:30,
    '2026-03-01 14:05'. To take it back, merge the two.
    """

    def work(db: "apsw.Connection", now: int, judge: reports.Judge) -> list[Row]:
        session = reports.find(db, session_id, now=now, judge=judge)
        return combining.split(db, session.id, instant(at, session), now=now)

    found = _changed(folder, own, work, dry_run=dry_run)
    _tell(found, "are what the session was divided into", as_json=as_json, dry_run=dry_run)
    if not as_json and not dry_run:
        print(f"To take it back: kioku sessions merge {' '.join(session['id'][:8] for session in found)}")


def instant(text: str, session: Session) -> int:
    """Read an instant of a session's, in the person's zone. Raises UsageError."""
    given = text.strip()
    try:
        begun = times.local_time(session.started_at).replace(tzinfo=None)
        if re.fullmatch(r"\d\d?:\d\d(:\d\d(\.\d{3})?)?", given):
            time_of_day = time.fromisoformat(given if given[2] == ":" else f"0{given}")
            found = datetime.combine(begun, time_of_day)
            found = found if found > begun else found + timedelta(days=1)
        else:
            found = datetime.fromisoformat(given)
        return times.instant_of(found)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"'{text[:60]}' is no instant", hint="say 14:05, 14:05:30 or '2026-03-01 14:05'") from None


class _NotMeantError(Exception):
    """What was done was only to see what comes of it."""

    def __init__(self, found: list[dict[str, Any]]) -> None:
        self.found = found


def _changed(
    folder: str | None, own: bool, work: "Callable[[apsw.Connection, int, reports.Judge], list[Row]]", *, dry_run: bool
) -> list[dict[str, Any]]:
    """Do something with sessions and return what becomes of them; in a dry run nothing of it remains.

    A session that a dry run made has no id: it would have another one.
    """
    where, _ = places.find(folder, own=own)
    with places.opened(where) as store:
        now, judge = times.now_ms(), places.judge(where)

        def whole(db: "apsw.Connection") -> list[dict[str, Any]]:
            found = [_as_json(db, row) for row in work(db, now, judge)]
            if dry_run:
                raise _NotMeantError(found)
            return found

        found = _kept_or_not(store, whole)
        if not dry_run:
            return found
        return [
            {**session, "id": session["id"] if store.read(partial(uniting.is_given, id=session["id"])) else None}
            for session in found
        ]


def _kept_or_not(store: Store, work: "Callable[[apsw.Connection], list[dict[str, Any]]]") -> list[dict[str, Any]]:
    try:
        return store.write(work)
    except _NotMeantError as seen:
        return seen.found


def _as_json(db: "apsw.Connection", row: Row) -> dict[str, Any]:
    return {**row.session.as_json(), "merged_from": parts_as_json(db, row.session.id)}


def parts_as_json(db: "apsw.Connection", session_id: str) -> list[dict[str, Any]]:
    """Return what a merged session is made of, for `--json`."""
    names = ("id", "started_at", "ended_at", "status", "end_reason", "title", "client", "branch", "active_ms",
             "activities", "tool_calls", "files", "merged_at")  # fmt: skip
    return [{name: getattr(part, name) for name in names} for part in reports.parts(db, session_id)]


def _tell(found: Sequence[dict[str, Any]], what: str, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        print_json({"sessions": found, "dry_run": dry_run})
        return
    for session in found:
        print_parts(session["merged_from"])
    ids = [part["id"] for session in found for part in session["merged_from"]] if len(found) == 1 else []
    named = ", ".join(_short(id) for id in ids or [session["id"] for session in found])
    if len(found) == 1 and not ids:
        sentence = f"this is one session again: {named}"
    else:
        sentence = f"these sessions {what}: {named}"
    print(f"Nothing was changed. With it, {sentence}" if dry_run else sentence[0].upper() + sentence[1:])
    print_table(
        ("session", "from", "to", "active", "files", "calls"),
        [
            (
                _short(session["id"]), times.local_text(session["started_at"], seconds=True),
                times.local_text(session["last_activity_at"], seconds=True), times.duration_text(session["active_ms"]),
                session["files"], session["tool_calls"],
            )
            for session in found
        ],
        right=("active", "files", "calls"),
    )  # fmt: skip


def _short(id: str | None) -> str:
    return "(new)" if id is None else id[:8]


def print_parts(parts: Sequence[dict[str, Any]]) -> None:
    """Print what a merged session is made of."""
    if not parts:
        return
    print_table(
        ("merged from", "started", "ended", "status", "active", "files", "calls", "client", "branch"),
        [
            (
                part["id"][:8], times.local_text(part["started_at"]),
                "" if part["ended_at"] is None else times.local_text(part["ended_at"]), part["status"],
                times.duration_text(part["active_ms"]), part["files"], part["tool_calls"], part["client"] or "–",
                part["branch"] or "–",
            )
            for part in parts
        ],
        right=("active", "files", "calls"),
        optional=("branch", "calls", "client"),
    )  # fmt: skip
