"""`kioku sessions delete`: nothing of a session remains, and nothing brings it back."""

import sys
from collections.abc import Sequence

import click

from kioku import project, resuming, times
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, print_table
from kioku.errors import KiokuError, UsageError
from kioku.knowledge import enriched, learning, quoting
from kioku.models import Session
from kioku.project import Project
from kioku.reports import listing, sessions
from kioku.sessions import deleting as rules
from kioku.sessions.sweep import Judge
from kioku.settings import Settings
from kioku.store import copies, deleting, discoveries, forgotten
from kioku.store import sessions as rows
from kioku.store.deleting import Found
from kioku.store.opening import open_store
from kioku.store.store import Store
from kioku.words import counted

_SHOWN = 50
_ALL = 10_000_000


@click.command("delete")
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option(
    "--range", "days", metavar="FROM..TO", help="Those begun on these days; also today, week, month, 2026-03."
)
@click.option("--text", help="Those with this in their title, their topics or what was said.")
@click.option(
    "--project",
    "folder",
    is_flag=False,
    flag_value="",
    metavar="[DIR]",
    help="With nothing else: every session of this project, or of the one in a folder. Else the project's folder.",
)
@own_option
@json_option
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted, and what else still holds it.")
@click.option("--force", is_flag=True, help="Do not ask.")
@click.option("--keep-backups", is_flag=True, help="Leave copies of the store and entries of project.yaml alone.")
def command(
    ids: tuple[str, ...],
    days: str | None,
    text: str | None,
    folder: str | None,
    own: bool,
    as_json: bool,
    dry_run: bool,
    force: bool,
    keep_backups: bool,
) -> int:
    """Delete sessions for good: some, a range of days, those with some text, or all of the project.

    Nothing of them remains in the store, in its free pages or in its log, and no import, hook or late report brings
    them back. What is done in their conversations from now on is recorded as ever.
    """
    chosen = bool(ids) + (days is not None) + (text is not None)
    if chosen > 1 or (not chosen and folder is None):
        raise UsageError("say which sessions, in one way", hint="ids, or one of --range, --text and --project")
    where, values = places.find(folder or None, own=own)
    with places.opened(where, writable=not dry_run) as store:
        if not dry_run:
            _finish(store)  # a deletion that was interrupted
        now = times.now_ms()
        judge = places.judge(where)
        found = _chosen(store, values, judge, ids, days, text, now=now)
        live = [session.id[:8] for session in found if session.status == "active"]
        if live:
            raise UsageError(
                f"{counted(len(live), 'session')} still running: {', '.join(live[:5])}",
                hint="end it first: 'kioku sessions list --status active' shows which client has it",
            )
        doomed = store.read(lambda db: deleting.find(db, [_seq(db, session.id) for session in found]))
        names = [*doomed.ids, *doomed.conversations]
        held = copies.holding(where.store_path, names) if names else []
        resting = store.read(lambda db: discoveries.resting_on(db, doomed.ids))
        quotes = list(quoting.quoting(where.context_dir, [*doomed.ids, *resting]))
        plan = _plan(found, held, quotes, dry_run=dry_run, keep_backups=keep_backups)
        if not as_json:
            _print(found, held, quotes, keep_backups=keep_backups)
        elif dry_run or not force:
            print_json({**plan, "deleted": 0})
        if dry_run:
            return 0
        if not found:
            if as_json and force:
                print_json({**plan, "deleted": 0})
            return 0
        if not force:
            if as_json or not sys.stdin.isatty():
                print("Nothing was changed: --force deletes them without asking.", file=sys.stderr)
                return 2
            if not click.confirm(f"Delete {counted(len(found), 'session')} for good? There is no undo."):
                print("Nothing was changed.")
                return 0
        left = [] if keep_backups else _clean(where, store, [*doomed.ids, *resting], held)
        _remove_positions(where, store, doomed)
        resuming.discard(where)
        store.rewrite(lambda db: rules.delete(db, doomed, judge, now=now))
        is_gone = _finish(store)
        if not keep_backups:
            places.tell(learning.follow(store, where, values))
    if as_json:
        print_json({**plan, "deleted": len(found), "overwritten": is_gone, "left": [list(one) for one in left]})
    else:
        print(f"Deleted {counted(len(found), 'session')}.")
        for path, reason in left:
            note(f"{path} still holds it: {reason}")
        if not is_gone:
            note("the file's log still has pages with it, since another process uses it: run the command again later")
    return 1 if left else 0


def _chosen(
    store: Store,
    values: Settings,
    judge: Judge,
    ids: Sequence[str],
    days: str | None,
    text: str | None,
    *,
    now: int,
) -> list[Session]:
    if ids:
        named: dict[str, Session] = {}
        for id in ids:
            if store.read(lambda db, id=id: forgotten.has_session(db, id)):  # type: ignore[misc]
                note(f"{id[:64]} was deleted before")
                continue
            session = store.read(lambda db, id=id: sessions.find(db, id, now=now, judge=judge))  # type: ignore[misc]
            named[session.id] = session
        return list(named.values())
    since = until = None
    if days is not None:
        wanted = values.calendar.range(days, now, 0)
        since, until = wanted.since, wanted.until
    asked = listing.Wanted(since=since, until=until, text=text, empty=True, limit=_ALL)
    return store.read(lambda db: listing.listing(db, asked, now=now, judge=judge)).sessions


def _seq(db: object, id: str) -> int:
    row = rows.by_id(db, id)  # type: ignore[arg-type]
    if row is None:
        raise KiokuError(f"session {id} is gone")
    return row.seq


def _clean(where: Project, store: Store, ids: Sequence[str], held: Sequence[str]) -> list[tuple[str, str]]:
    """Remove what else holds them; return what could not be, with the reason.

    What is left of a discovery may be written into project.yaml again.
    """
    left = copies.remove(held)
    try:
        quoting.remove_quotes(where.context_dir, ids)
        enriched.forget(where.context_dir, store.id, ids)
    except (KiokuError, OSError) as error:
        left.append((where.context_dir, str(error)))
    return left


def _remove_positions(where: Project, store: Store, doomed: Found) -> None:
    """Forget how far their transcripts were read: the person's own store names their conversations."""
    import os

    own = project.own()
    if where == own:
        store.rewrite(lambda db: deleting.remove_positions(db, doomed.conversations))
    elif os.path.lexists(own.store_path) and doomed.conversations:
        other = open_store(own.store_path)
        try:
            if other.rewrite(lambda db: deleting.remove_positions(db, doomed.conversations)):
                other.compact()
        finally:
            other.close()


def _finish(store: Store) -> bool:
    """Write the file anew if a deletion, this one or one that was interrupted, asks for it; return whether it is."""
    if not store.read(forgotten.is_pending):
        return True
    if not store.compact():
        return False
    store.write(lambda db: forgotten.set_pending(db, is_pending=False))
    return store.compact()


def _plan(
    found: Sequence[Session], held: Sequence[str], quotes: Sequence[str], *, dry_run: bool, keep_backups: bool
) -> dict[str, object]:
    names = ("id", "client", "started_at", "title", "activities")
    return {
        "sessions": [{name: getattr(session, name) for name in names} for session in found],
        "copies": list(held), "entries": list(quotes), "dry_run": dry_run, "kept_backups": keep_backups,
    }  # fmt: skip


def _print(found: Sequence[Session], held: Sequence[str], quotes: Sequence[str], *, keep_backups: bool) -> None:
    if not found:
        print("No session matches: there is nothing to delete.")
        return
    more = f"; the first {_SHOWN} of them" if len(found) > _SHOWN else ""
    print(f"{counted(len(found), 'session')} to delete{more}:")
    cells = [
        (s.id[:8], times.local_text(s.started_at), s.status, counted(s.activities, "activity"), s.client or "–")
        for s in found[:_SHOWN]
    ]
    print_table(("session", "started", "status", "activity", "client"), cells)
    word = "still hold it and stay" if keep_backups else "also hold it and go with it"
    for path in (*held, *quotes):
        what = "entries" if path in quotes else "a copy"
        print(f"{what} in {path} {word}" if path in quotes else f"{path}: {word}")
