"""`kioku sessions archive`: old sessions keep what they came to, and lose the activities that they were made of."""

import sys

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, project_option
from kioku.errors import UsageError
from kioku.sessions import archiving, settling, sweep
from kioku.store import archive
from kioku.store.store import Store
from kioku.words import counted


@click.command("archive")
@project_option
@own_option
@json_option
@click.option(
    "--older-than", "age", required=True, metavar="AGE", help="Only those over for longer: 180d, 26w, 12h or 2y."
)
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@click.option("--force", is_flag=True, help="Do not ask.")
def command(folder: str | None, own: bool, as_json: bool, age: str, dry_run: bool, force: bool) -> int:
    """Archive old sessions: their activities go, everything else of them stays.

    Lists, reports, files, what was said and every total stay as they are; what is told of them again is not counted
    again. The single activities cannot be brought back.
    """
    older_than = times.parse_age(age)
    if not older_than:
        raise UsageError(f"'{age[:100]}' is no age", hint="write a number and h, d, w or y, such as 180d; not 0")
    where, _ = places.find(folder, own=own)
    with places.opened(where, writable=not dry_run) as store:
        now = times.now_ms()
        if not dry_run:
            store.write(lambda db: sweep.take_edits(db, now))
        found = store.read(lambda db: archive.candidates(db, now - older_than))
        activities = sum(number for _, number in found)
        if dry_run or not found:
            is_due = not dry_run and store.is_loose()
            return _tell(as_json, len(found), activities, dry_run=dry_run, shrunk=_compacted(store) if is_due else None)
        what = f"{counted(len(found), 'session')} with {counted(activities, 'activity')}"
        if not force:
            if as_json or not sys.stdin.isatty():
                print(f"Nothing was changed: --force archives {what} without asking.", file=sys.stderr)
                return 2
            if not click.confirm(f"Archive {what}? The single activities are removed for good: there is no undo."):
                print("Nothing was changed.")
                return 0
        done = reports = 0
        while not settling.settle(store):
            pass
        for start in range(0, len(found), archiving.AT_ONCE):
            seqs = [seq for seq, _ in found[start : start + archiving.AT_ONCE]]
            more = store.write(lambda db, seqs=seqs: archiving.archive_some(db, seqs, now=now))  # type: ignore[misc]
            done, reports = done + more[0], reports + more[1]
        return _tell(as_json, done, activities, dry_run=False, shrunk=_compacted(store), removed=reports)


def _compacted(store: Store) -> tuple[int, int] | None:
    """Shrink the file; return its size in bytes before and after, None if others use it all the time."""
    before = store.size()
    return (before, store.size()) if store.compact() else None


def _tell(
    as_json: bool,
    sessions: int,
    activities: int,
    *,
    dry_run: bool,
    shrunk: tuple[int, int] | None,
    removed: int = 0,
) -> int:
    if as_json:
        sizes = {} if shrunk is None else {"bytes_before": shrunk[0], "bytes_after": shrunk[1]}
        print_json(
            {"sessions": sessions, "activities": activities, "reports_removed": removed, "dry_run": dry_run, **sizes}
        )
        return 0
    what = f"{counted(sessions, 'session')} with {counted(activities, 'activity')}"
    if not sessions:
        print("No session is old enough that is not archived already.")
    elif dry_run:
        print(f"Would archive {what}.")
    else:
        print(f"Archived {what}.")
        if shrunk is None:
            note("the file keeps its size for now, since another process uses it: run this again later")
    if shrunk is not None:
        print(f"The store went from {shrunk[0] // 1024} to {shrunk[1] // 1024} kB.")
    return 0
