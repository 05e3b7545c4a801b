"""`kioku discoveries`: what sessions taught, and what the person decides about it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import (
    json_option,
    note,
    on_terminal,
    own_option,
    print_facts,
    print_json,
    print_line,
    print_table,
    project_option,
)
from kioku.cli.refine_command import command as refine_command
from kioku.errors import UsageError
from kioku.knowledge import discoveries, learning
from kioku.knowledge.believing import believed, surest_first
from kioku.knowledge.extraction.phrases import TYPES
from kioku.store import discoveries as stored
from kioku.store.discoveries import ACCEPTED, REJECTED, STATES, Row
from kioku.store.store import Store
from kioku.words import counted

if TYPE_CHECKING:
    import apsw

Result = TypeVar("Result")

type_option = click.option("--type", "kind", type=click.Choice(TYPES), help="Of one type.")


@click.group("discoveries", invoke_without_command=True)
@project_option
@json_option
@click.pass_context
def command(context: click.Context, folder: str | None, as_json: bool) -> None:
    """List what sessions taught, and decide about it.

    A discovery is proposed until you accept or reject it. What you rejected does not come back.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_, folder=folder, as_json=as_json)


@command.command("list")
@type_option
@click.option("--module", help="Of one module; '' for those of none.")
@click.option("--state", type=click.Choice((*STATES, "any")), help="In one state; without it, those that stand.")
@click.option("--session", help="Said in one session; the beginning of its id is enough.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="How many at most.")
@project_option
@own_option
@json_option
def list_(
    kind: str | None = None,
    module: str | None = None,
    state: str | None = None,
    session: str | None = None,
    limit: int = 50,
    folder: str | None = None,
    own: bool = False,
    as_json: bool = False,
) -> None:
    """List discoveries, the surest first."""
    where, values = places.find(folder, own=own)
    with places.opened(where) as store:
        places.learn(where, store, values)
        rows = [believed(row, registered=store.is_registered) for row in store.read(stored.every)]
    standing = _standing(rows)
    states = STATES if state == "any" else (state,) if state else ("proposed", "accepted")
    fitting = [
        row
        for row in rows
        if row.state in states
        and kind in (None, row.type)
        and module in (None, row.module or "")
        and (session is None or any((part.session or "").lower().startswith(session.lower()) for part in _said(row)))
    ]
    fitting.sort(key=surest_first)
    if as_json:
        print_json({"discoveries": [_json(row) for row in fitting[:limit]], "found": len(fitting)})
        return
    if not fitting:
        print("Nothing has been learned yet." if not rows else "No discovery fits.")
        return
    print_table(
        ("id", "type", "state", "sure", "seen", "module", "by", "says"),
        [
            (
                row.id[:8], row.type, row.state, _sure(row), row.seen, row.module or "–", row.provenance, row.content,
            )
            for row in fitting[:limit]
        ],
        right=("sure", "seen"),
        optional=("by", "seen", "module"),
    )  # fmt: skip
    if len(fitting) > limit:
        print(f"and {len(fitting) - limit} more: --limit {len(fitting)}")
    for row in fitting[:limit]:
        _tell_contradicted(row, standing)


@command.command("show")
@click.argument("id")
@project_option
@own_option
@json_option
def show(id: str, folder: str | None, own: bool, as_json: bool) -> None:
    """Show a discovery with its evidence. The beginning of its id is enough."""
    where, _ = places.find(folder, own=own)
    with places.opened(where) as store:
        row = believed(store.read(lambda db: discoveries.find(db, id)), registered=store.is_registered)
        standing = _standing(store.read(stored.every))
    if as_json:
        print_json(_json(row))
        return
    facts: list[tuple[str, Any]] = [
        ("id", row.id), ("type", row.type), ("says", row.content), ("state", row.state), ("confidence", _sure(row)),
        ("module", row.module or "–"), ("authority", row.provenance), ("seen", counted(row.seen, "session")),
        ("found", times.local_text(row.created_at)),
    ]  # fmt: skip
    if row.superseded_by:
        facts.append(("superseded by", row.superseded_by))
    facts += [("contradicted by", id) for id in row.proposed_by if id in standing]
    print_facts(facts)
    for part in row.evidence:
        place = f"session {part.session[:8]}" if part.session else "no session"
        turn = "" if part.turn is None else f", turn {part.turn}"
        when = "" if part.at is None else f", {times.local_text(part.at)}"
        print_line((f"{part.by or 'unknown'}, {place}{turn}{when}:", "bold"))
        print_line((f"  {part.quote}", ""))
        if part.solution and part.solution != part.quote:
            print_line((f"  solved: {part.solution}", ""))


@command.command("accept")
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@project_option
@own_option
@json_option
def accept(ids: tuple[str, ...], folder: str | None, own: bool, as_json: bool) -> None:
    """Accept discoveries: they are known from now on."""

    def work(db: "apsw.Connection", now: int, _store: Store) -> tuple[list[Row], set[str]]:
        decided = [discoveries.decide(db, id, ACCEPTED, now=now) for id in ids]
        return decided, _standing(stored.every(db))

    rows, standing = _written(folder, own, work)
    _tell(rows, as_json=as_json)
    for row in () if as_json else rows:
        _tell_contradicted(row, standing)


@command.command("reject")
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@project_option
@own_option
@json_option
def reject(ids: tuple[str, ...], folder: str | None, own: bool, as_json: bool) -> None:
    """Reject discoveries: they are kept, and do not come back."""
    _tell(_each(ids, folder, own, REJECTED), as_json=as_json)


@command.command("edit")
@click.argument("id")
@click.argument("text", required=False)
@click.option("--type", "kind", type=click.Choice(TYPES), help="What it is.")
@click.option("--module", help="The module that it is about; '' for none.")
@project_option
@own_option
@json_option
def edit(
    id: str, text: str | None, kind: str | None, module: str | None, folder: str | None, own: bool, as_json: bool
) -> None:
    """Say a discovery in other words, which are yours then, or change what it is about. Its evidence stays."""
    if text is None and kind is None and module is None:
        raise UsageError("nothing to change", hint=f"kioku discoveries edit {id} 'in other words'")
    row = _written(
        folder,
        own,
        lambda db, now, store: discoveries.edit(
            db, id, content=text, type=kind, module=module, own=store.is_registered, now=now
        ),
    )
    _tell([row], as_json=as_json)


@command.command("add")
@click.argument("text")
@click.option("--type", "kind", type=click.Choice(TYPES), default="rule", show_default=True, help="What it is.")
@click.option("--module", help="The module that it is about.")
@project_option
@own_option
@json_option
def add(text: str, kind: str, module: str | None, folder: str | None, own: bool, as_json: bool) -> None:
    """Record what you know. It is accepted."""

    def work(db: "apsw.Connection", now: int, store: Store) -> tuple[Row, list[Row]]:
        row = discoveries.add(db, kind, text, module, own=store.is_registered, now=now)
        return row, stored.every(db)

    row, rows = _written(folder, own, work)
    _tell([row], as_json=as_json)
    for other in () if as_json else rows:
        if row.id in other.proposed_by:
            _tell_contradicted(other, _standing(rows))


@command.command("supersede")
@click.argument("id", metavar="OLD")
@click.argument("by", metavar="NEW")
@project_option
@own_option
@json_option
def supersede(id: str, by: str, folder: str | None, own: bool, as_json: bool) -> None:
    """Let discovery NEW take the place of OLD. NEW is accepted with it."""
    rows = _written(folder, own, lambda db, now, _: discoveries.supersede(db, id, by, now=now))
    _tell(list(rows), as_json=as_json)


def _each(ids: tuple[str, ...], folder: str | None, own: bool, state: str) -> list[Row]:
    def work(db: "apsw.Connection", now: int, _store: Store) -> list[Row]:
        return [discoveries.decide(db, id, state, now=now) for id in ids]

    return _written(folder, own, work)


def _written(folder: str | None, own: bool, work: "Callable[[apsw.Connection, int, Store], Result]") -> Result:
    where, values = places.find(folder, own=own)
    with places.opened(where) as store:
        now = times.now_ms()
        done = store.write(lambda db: work(db, now, store))
        if not own:
            places.tell(learning.follow(store, where, values))
            if values.text("discoveries.enrich") == "off" and on_terminal() and learning.has_file(where):
                note("kioku enrich writes what is accepted into .context/project.yaml")
        places.make_ready(where, store, values)  # the next session is not told what was just rejected
        return done


def _tell(rows: list[Row], *, as_json: bool) -> None:
    if as_json:
        print_json({"discoveries": [_json(row) for row in rows]})
        return
    for row in rows:
        print_line((f"{row.id[:8]} ", "bold"), (f"{row.state}: {row.content}", ""))


def _standing(rows: list[Row]) -> set[str]:
    """Return the ids of those that are proposed or accepted."""
    return {row.id for row in rows if row.state in ("proposed", ACCEPTED)}


def _tell_contradicted(row: Row, standing: set[str]) -> None:
    for by in row.proposed_by:
        if by in standing and row.id in standing:
            told = f": {by[:8]} contradicts it; if that holds now: kioku discoveries supersede {row.id[:8]} {by[:8]}"
            print_line((row.id[:8], "bold"), (told, ""))


def _json(row: Row) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(row, enc_hook=str)
    return {**found, "seen": row.seen}


def _said(row: Row) -> tuple[stored.Evidence, ...]:
    return row.evidence or (stored.Evidence(quote="", session=row.session),)


def _sure(row: Row) -> str:
    return "–" if row.confidence is None else f"{row.confidence:.2f}"


command.add_command(refine_command)
