"""`kioku cleanup-sessions`: closing sessions that were never ended."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import a_number, json_option, print_json, print_table, project_option
from kioku.sessions import sweep
from kioku.words import counted

_MANY = 5_000  # from here on a terminal shows how far it is
_SHOWN = 50


@click.command("cleanup-sessions")
@project_option
@json_option
@click.option("--dry-run", is_flag=True, help="Only show what would be closed.")
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    default=None,
    metavar="HOURS",
    callback=a_number,
    help="Only sessions that started at least so long ago; fractions are fine. Default: 1, or what the settings say.",
)
@click.option("--force", is_flag=True, help="Do not ask.")
def command(folder: str | None, as_json: bool, dry_run: bool, older_than: float | None, force: bool) -> int:
    """Close active sessions that nobody will end any more.

    Sessions whose server is running are listed and left alone. A closed session ends with its last activity; nothing
    of it is lost, and if its server turns out to live, it opens again with the next activity.
    """
    where, values = places.find(folder)
    hours = values.number("cleanup.older_than_hours") if older_than is None else older_than
    if not os.path.lexists(where.store_path):
        if as_json:
            print_json(_as_json([], [], [], closed=0, dry_run=dry_run))
        else:
            print(f"Nothing has been recorded in {where.root} yet, so there is nothing to close.")
        return 0
    judge = places.judge(where)
    with places.opened(where, writable=not dry_run, swept=False) as store:
        now = times.now_ms()
        found = store.read(sweep.active)
        closings, live = sweep.plan_cleanup(found, now, hours * times.HOUR, judge)
        picked = {closing.session.seq for closing in closings}
        others = sweep.plan(found, now, judge) if dry_run else []
        by_sweep = [closing for closing in others if closing.session.seq not in picked]
        if as_json and (dry_run or not force):
            print_json(_as_json(closings, by_sweep, live, closed=0, dry_run=dry_run))
        elif not as_json:
            _print(closings, by_sweep, live, hours, now, dry_run=dry_run)
        if dry_run or (not closings and not (as_json and force)):
            return 0
        if not force:
            if not sys.stdin.isatty() or as_json:
                print("Nothing was changed: --force closes them without asking.", file=sys.stderr)
                return 2
            if not click.confirm(f"Close {counted(len(closings), 'session')}?"):
                print("Nothing was changed.")
                return 0
        with _shown(len(closings)) as progress:
            closed = store.write(lambda db: sweep.close(db, closings, now, progress))
    if as_json:
        print_json(_as_json(closings, by_sweep, live, closed=closed, dry_run=False))
    else:
        print(f"Closed {counted(closed, 'session')}.")
    return 0


@contextmanager
def _shown(total: int) -> Iterator[Callable[[int], None]]:
    """Give what is told of the progress; while many are closed, a terminal shows it."""
    if total < _MANY or not sys.stderr.isatty():
        yield lambda _done: None
        return
    with click.progressbar(length=total, label="Closing", file=sys.stderr) as bar:
        yield bar.update


def _print(
    closings: list[sweep.Closing],
    by_sweep: list[sweep.Closing],
    live: list[sweep.Open],
    hours: float,
    now: int,
    *,
    dry_run: bool,
) -> None:
    headings = ("session", "started", "last activity", "why", "client")
    if closings:
        print(f"{counted(len(closings), 'session')} to close{_first(closings)}:")
        print_table(headings, [_row(closing.session, _why(closing.reason), now) for closing in closings[:_SHOWN]])
    else:
        print(f"No session older than {hours:g} h needs closing.")
    if live:
        print(f"{counted(len(live), 'session')} left alone, since the server is running{_first(live)}:")
        print_table(headings, [_row(session, "running", now) for session in live[:_SHOWN]])
    if dry_run and by_sweep:
        what = counted(len(by_sweep), "session")
        print(f"{what} that Kioku closes by itself the next time it starts{_first(by_sweep)}:")
        print_table(headings, [_row(closing.session, _why(closing.reason), now) for closing in by_sweep[:_SHOWN]])


def _first(found: Sequence[object]) -> str:
    """Say that only some are shown, where that is so."""
    return f"; the first {_SHOWN} of them" if len(found) > _SHOWN else ""


def _row(session: sweep.Open, why: str, now: int) -> tuple[str, ...]:
    started, last = times.local_text(session.started_at), times.ago_text(session.last_activity_at, now)
    return session.id[:8], started, last, why, session.client or "–"


def _why(reason: str) -> str:
    return {"idle": "silent", "orphaned": "its server died", "cleanup": "nobody known to run it"}[reason]


def _as_json(
    closings: list[sweep.Closing],
    by_sweep: list[sweep.Closing],
    live: list[sweep.Open],
    *,
    closed: int,
    dry_run: bool,
) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "closed": closed,
        "to_close": [_plain(closing.session, closing.reason) for closing in closings],
        "by_sweep": [_plain(closing.session, closing.reason) for closing in by_sweep],
        "live": [_plain(session, None) for session in live],
    }


def _plain(session: sweep.Open, reason: str | None) -> dict[str, object]:
    plain: dict[str, object] = {
        name: getattr(session, name) for name in ("id", "client", "started_at", "last_activity_at")
    }
    return plain | ({"reason": reason} if reason else {})
