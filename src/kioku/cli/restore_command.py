"""`kioku import kioku FILE`: what `kioku sessions export` wrote is read back."""

import os

import msgspec

from kioku import project, times
from kioku.capture import restoring, stores
from kioku.capture.restoring import Outcome, Restorer
from kioku.capture.stores import Home
from kioku.cli import places
from kioku.cli.output import note, print_json, print_line
from kioku.errors import UsageError
from kioku.sessions import sweep
from kioku.words import counted

_SHOWN = 20


class HowToRestore(msgspec.Struct, frozen=True, kw_only=True):
    """How exports are to be read: into the person's own store, of another project too, believing what they say."""

    own: bool
    force: bool
    trust: bool
    dry_run: bool


def restore(files: tuple[str, ...], folder: str | None, wish: HowToRestore, *, as_json: bool) -> bool:
    """Import exports into a project's store, or the person's own. Return whether nothing of them was left out."""
    if not files:
        raise UsageError("no file is named", hint="kioku import kioku FILE")
    where, values = places.find(folder, own=wish.own)
    name = None if wish.own or where == project.own() else str(restoring.name_of(where.root))
    outcomes = []
    with stores.opened() as open_stores:
        store = None if wish.dry_run else open_stores.open(Home(where, values, own=wish.own, bases=()))
        restorer = Restorer(store, name, force=wish.force, trusted=wish.trust)
        for path in files:
            outcomes.append(restorer.take(os.path.abspath(path)))
            if store is not None:
                sweep.sweep(store, where.run_dir, times.now_ms())
        if store is not None:
            for remark in store.notes:
                note(f"note: {remark}")
            places.make_ready(where, store, values, everything=True)
    if as_json:
        print_json({"files": [msgspec.structs.asdict(outcome) for outcome in outcomes], "dry_run": wish.dry_run})
    else:
        for outcome in outcomes:
            _report(outcome, dry_run=wish.dry_run, trusted=wish.trust)
    return not any(outcome.skipped_lines for outcome in outcomes)


def _report(outcome: Outcome, *, dry_run: bool, trusted: bool) -> None:
    amounts = [
        (outcome.lines["reports"], "report"), (outcome.lines["turns"], "turn"),
        (outcome.lines["amendments"], "decision"),
    ]  # fmt: skip
    archived = [(outcome.lines["archived"], "archived session")] if outcome.lines["archived"] else []
    kinds = {"discoveries": "discovery", "successions": "succession", "refinements": "refinement", "items": "item"}
    learned = [(outcome.lines[name], noun) for name, noun in kinds.items() if outcome.lines[name]]
    held = ", ".join(counted(*amount) for amount in [*amounts, *archived, *learned])
    print_line((f"{outcome.file}: {'a part, ' if outcome.is_part else ''}{held}", ""))
    if not dry_run:
        new = [(outcome.new_activities, "activity"), (outcome.new_turns, "turn")]
        new += [(outcome.new_archived, "archived session")] if archived else []
        print_line(("new: ", "bold"), (", ".join(counted(*amount) for amount in new), ""))
    if outcome.only_proposed:
        told = f"{counted(outcome.only_proposed, 'discovery')} of it accepted there, proposed here"
        print_line((f"{told}: kioku discoveries list", ""))
    if outcome.new_turns and not trusted:
        print_line(("what was said in it has nobody's authority here; --trust vouches for a file of your own", ""))
    if outcome.skipped_lines:
        print_line((f"left out: {outcome.skipped_lines}", "yellow"))
        for skipped in outcome.skipped[:_SHOWN]:
            place = "the file" if skipped.line is None else f"line {skipped.line}"
            print_line((f"  {place}: {skipped.reason}", ""))
        if outcome.skipped_lines > _SHOWN:
            print_line((f"  and {outcome.skipped_lines - _SHOWN} more (--json lists them)", "dim"))
