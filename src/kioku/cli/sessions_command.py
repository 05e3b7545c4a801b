"""`kioku sessions`: what was recorded."""

from collections.abc import Sequence

import click
import msgspec

from kioku import surroundings, times
from kioku.cli import (
    archive_command,
    delete_command,
    export_command,
    merging_commands,
    places,
    sensitivity_command,
    suggest_command,
)
from kioku.cli.output import (
    a_number,
    json_option,
    note,
    own_option,
    print_facts,
    print_json,
    print_table,
    project_option,
)
from kioku.cli.timeline_command import timeline
from kioku.models import Session
from kioku.reports import sessions as reports
from kioku.reports.listing import Wanted, listing, stretch
from kioku.words import counted


@click.group("sessions", invoke_without_command=True)
@project_option
@json_option
@click.pass_context
def command(context: click.Context, folder: str | None, as_json: bool) -> None:
    """List recorded sessions, or show one."""
    if context.invoked_subcommand is None:
        context.invoke(list_, folder=folder, as_json=as_json)


command.add_command(suggest_command.command)
command.add_command(archive_command.command)
command.add_command(delete_command.command)
command.add_command(sensitivity_command.command)
command.add_command(merging_commands.merge)
command.add_command(merging_commands.unmerge)
command.add_command(merging_commands.split)
command.add_command(export_command.command)


@command.command("list")
@project_option
@own_option
@json_option
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="How many of the newest."
)
@click.option("--since", metavar="DATE", help="Only those begun on the first day of this, or later.")
@click.option("--until", metavar="DATE", help="Only those begun on the last day of this, or earlier.")
@click.option("--client", help="Only this client's.")
@click.option("--branch", help="Only those that ended on this branch.")
@click.option("--file", help="Only those that touched a file whose path has this in it, or fits this pattern.")
@click.option("--text", help="Only those with this in their title, their topics or what was said.")
@click.option("--status", type=click.Choice(["active", "completed", "archived"]), help="Only those in this status.")
@click.option(
    "--longer-than",
    "minutes",
    metavar="MINUTES",
    type=click.FloatRange(0, 1e9),
    callback=a_number,
    help="Only those with more active time than this.",
)
@click.option("--empty", is_flag=True, help="Also sessions without any activity.")
def list_(
    folder: str | None = None,
    own: bool = False,
    as_json: bool = False,
    limit: int = 20,
    since: str | None = None,
    until: str | None = None,
    minutes: float | None = None,
    empty: bool = False,
    **exact: str | None,
) -> None:
    """List the latest sessions, or the latest of those for which everything holds that is asked for.

    DATE is a day, as 2026-11-22, a month, as 2026-11, a year, or today, yesterday, week, month or year. Days are yours,
    as in 'kioku stats'. A file's path is one from the project's folder, with /;
    a pattern has *, ? or [...] in it and fits the whole path, or what follows a slash.
    """
    where, values = places.find(folder, own=own)
    now = times.now_ms()
    first, last = stretch(since, until, values.calendar, now)
    longer = None if minutes is None else minutes * times.MINUTE
    wanted = Wanted(since=first, until=last, longer_than_ms=longer, empty=empty, limit=limit, **exact)
    with places.opened(where) as store:
        judge = places.judge(where)
        found = store.read(lambda db: listing(db, wanted, now=now, judge=judge))
        folders = store.read(lambda db: reports.folders(db, [session.id for session in found.sessions]))
    if as_json:
        print_json(
            {
                "sessions": [{**s.as_json(), "folder": folders.get(s.id)} for s in found.sessions],
                "hidden_empty": found.hidden_empty,
            }
        )
        return
    headings: tuple[str, ...] = (
        "session", "started", "status", "span", "active", "files", "calls", "client", "branch",
    )  # fmt: skip
    numbers = ("span", "active", "files", "calls")
    cells = [_cells(session) for session in found.sessions]
    if own:
        headings = (*headings, "folder")
        cells = [(*row, folders.get(session.id, "–")) for row, session in zip(cells, found.sessions, strict=True)]
    paths = "folder" if own else None
    print_table(headings, cells, right=numbers, optional=("branch", "calls", "span", "client"), paths=paths)
    if not found.sessions:
        note("no sessions with activity" if wanted == Wanted(empty=empty, limit=limit) else "no session fits")
    if found.hidden_empty:
        note(f"{found.hidden_empty} without any activity not shown (--empty shows them)")


@command.command("show")
@click.argument("session_id", metavar="ID")
@project_option
@own_option
@json_option
@click.option("--activities", type=click.IntRange(0, 10_000), default=10, show_default=True, help="How many.")
@click.option("--turn", type=int, metavar="NUMBER", help="What was said there, and around it, instead.")
def show(session_id: str, folder: str | None, own: bool, as_json: bool, activities: int, turn: int | None) -> None:
    """Show one session: its clocks, continuity, files, tools, commits, latest activity. An id may be shortened."""
    from kioku.cli import commits_text, continuity_text, said_text
    from kioku.reports import continuity
    from kioku.reports.said import around
    from kioku.sessions import continuity as rules

    where, _ = places.find(folder, own=own)
    now = times.now_ms()
    with places.opened(where) as store:
        judge = places.judge(where)
        session = store.read(lambda db: reports.find(db, session_id, now=now, judge=judge))
        if turn is not None:
            said = store.read(lambda db: around(db, session.id, turn))
            if as_json:
                print_json({"id": session.id, "turns": said})
            else:
                said_text.show(said)
            return
        files = store.read(lambda db: reports.files(db, session.id))
        tools = store.read(lambda db: reports.tools(db, session.id))
        latest = store.read(lambda db: reports.activities(db, session.id, limit=activities))
        place = store.read(lambda db: reports.folders(db, [session.id])).get(session.id)
        chain = store.read(lambda db: continuity.continuity(db, session.id, now=now, judge=judge, own=own))
        active = store.read(lambda db: reports.active_stretches(db, session.id))
        parts = store.read(lambda db: merging_commands.parts_as_json(db, session.id))
        commits = None if own else surroundings.commits_of_session(where, store, session)
    breaks = rules.breaks(active, session.timeout_ms)
    if as_json:
        touched = [msgspec.structs.asdict(file) for file in files]
        recent = [msgspec.structs.asdict(activity) for activity in latest]
        print_json(
            {
                **session.as_json(), "folder": place, "breaks": breaks, "continuity": continuity_text.as_json(chain),
                "touched": touched, "tools": dict(tools), "latest": recent,
                "merged_from": parts, "commits": commits,
            }
        )  # fmt: skip
        return
    print_facts([*facts(session, now, breaks), *([("folder", place)] if place else [])])
    continuity_text.show(chain)
    if parts:
        print("\nMerged from")
        merging_commands.print_parts(parts)
        note(f"to take it back: kioku sessions unmerge {session.id[:8]}")
    if files:
        print("\nFiles")
        print_table(
            ("path", "reads", "edits", "last"),
            [(file.path, file.reads, file.edits, times.local_text(file.last_at, seconds=True)) for file in files],
            right=("reads", "edits"),
        )
    if tools:
        print("\nTools")
        print_table(("tool", "calls"), tools, right=("calls",))
    if commits:
        commits_text.show(commits)
    if session.status == "archived" and not latest:
        note("its single activities were archived")
    if latest:
        print("\nLatest activity")
        rows = [
            (
                times.local_text(a.at, seconds=True),
                a.tool or a.kind,
                a.path or a.detail or "",
                "" if a.ok in (None, True) else "failed",
            )
            for a in latest
        ]
        print_table(("when", "what", "on", ""), rows)


command.add_command(timeline)


def facts(session: Session, now: int, breaks: Sequence[tuple[int, int]] = ()) -> list[tuple[str, str]]:
    """Return what there is to say about a session, line by line; what is unknown is left out."""
    paused = times.duration_text(sum(until - since for since, until in breaks))
    ended = "" if session.ended_at is None else times.local_text(session.ended_at, seconds=True)
    lines = [
        ("session", session.id),
        ("status", _status(session)),
        (
            "started",
            f"{times.local_text(session.started_at, seconds=True)} ({times.ago_text(session.started_at, now)})",
        ),
        ("ended", ended),
        ("last activity", times.local_text(session.last_activity_at, seconds=True)),
        ("span", f"{times.duration_text(session.span_ms)} (start to end)"),
        ("active", _clock(session.active_ms, "pauses over 5 min left out")),
        ("breaks", f"{len(breaks)}, {paused} in all (pauses over 5 min, shorter than the timeout)" if breaks else ""),
        ("agent", _clock(session.agent_ms, "a tool ran or the model answered")),
        ("waiting", _clock(session.waiting_ms, "the assistant had finished, you had not yet answered")),
        ("client", " ".join(filter(None, (session.client, session.client_version)))),
        ("branch", session.branch or ""),
        ("title", session.title or ""),
        ("topics", ", ".join(session.topics)),
        ("activity", f"{counted(session.tool_calls, 'tool call')}, {counted(session.files, 'file')}"),
        ("continues", session.continues or ""),
    ]
    return [(name, value) for name, value in lines if value]


def _clock(length: int | None, rule: str) -> str:
    return "" if length is None else f"{times.duration_text(length)} ({rule})"


def _status(session: Session) -> str:
    return session.status if session.end_reason is None else f"{session.status} ({session.end_reason})"


def _cells(session: Session) -> tuple[str, ...]:
    return (
        session.id[:8],
        times.local_text(session.started_at),
        _status(session),
        times.duration_text(session.span_ms),
        times.duration_text(session.active_ms),
        str(session.files),
        str(session.tool_calls),
        session.client or "–",
        session.branch or "–",
    )
