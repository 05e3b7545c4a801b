"""`kioku show`: what Kioku knows about the project, and what of it has a place in the context."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
import msgspec

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, note, print_facts, print_json, print_table, project_option
from kioku.errors import StoreError
from kioku.knowledge.sayings import LISTS, Saying
from kioku.reports.listing import Wanted, listing
from kioku.store.store import Store
from kioku.words import counted

if TYPE_CHECKING:
    from kioku.knowledge import project_yaml
    from kioku.knowledge.context import Context, Entry

Source = Callable[[Saying], str]


@click.command("show")
@project_option
@json_option
@click.option("--module", "module_name", help="One module, with its files and what is known of it.")
def command(folder: str | None, as_json: bool, module_name: str | None) -> None:
    """Show what is known of the project.

    That is its kind, stack and modules, as `kioku init` found them; what of it an assistant is shown unasked, what is
    archived, and why; and the latest sessions.
    """
    from kioku.knowledge import context, project_yaml

    where, values = places.find(folder)
    path = os.path.join(where.context_dir, "project.yaml")
    file = project_yaml.load(path) if os.path.lexists(path) else None
    if module_name is not None:
        source = _source(None)
        if os.path.lexists(where.store_path):
            try:
                with places.opened(where, writable=False) as store:
                    source = _source(store)
            except StoreError as error:
                note(f"note: where entries come from cannot be told: {error}")
        _show_module(file, module_name, as_json, source)
        return
    sessions = []
    now, judge, budget = times.now_ms(), places.judge(where), values.number("context.token_budget")
    source = _source(None)
    if not os.path.lexists(where.store_path):
        known = context.look(file, None, budget=budget, now=now)
    else:
        with places.opened(where) as store:
            known = context.look(file, store, budget=budget, now=now)
            source = _source(store)
            sessions = store.read(lambda db: listing(db, Wanted(limit=5), now=now, judge=judge)).sessions
    if as_json:
        plain = None if file is None else _file_json(file, source)
        listed = [session.as_json() for session in sessions]
        print_json({"root": where.root, "project": plain, "context": _context_json(known, now), "sessions": listed})
        return
    if file is None:
        print_facts([("project", where.name), ("root", where.root)])
        note("not scanned yet: kioku init")
    else:
        facts = {
            "project": file.name,
            "root": where.root,
            "type": file.type,
            "stack": ", ".join(file.stack),
            "packages": ", ".join(file.package_manager),
            "architecture": file.architecture,
        }
        print_facts([(name, str(value)) for name, value in facts.items() if value and value != "unknown"])
        if file.modules:
            print("\nModules")
            rows = [(name, module.path, module.description or "") for name, module in file.modules.items()]
            print_table(("module", "path", "what it is"), rows)
        _print_sayings(file, source)
    if known.entries:
        _print_context(known, now)
    if sessions:
        print("\nLatest sessions")
        cells = [
            (s.id[:8], times.local_text(s.started_at), times.duration_text(s.active_ms), str(s.files), s.client or "–")
            for s in sessions
        ]
        print_table(("session", "started", "active", "files", "client"), cells, right=("active", "files"))


def _print_context(known: "Context", now: int) -> None:
    print("\nContext")
    shown = f"{known.used:,} of {known.budget:,.0f} tokens, {counted(len(known.active), 'item')} active"
    print_facts([("budget", f"{shown}, {len(known.archived)} archived")])
    rows = [
        (_status(entry), entry.type, entry.name, f"{entry.score.total:.2f}", f"{entry.tokens:,}", _why(entry, now))
        for entry in (*known.active, *known.archived)
    ]
    headings = ("place", "kind", "name", "score", "tokens", "why")
    print_table(headings, rows, right=("score", "tokens"), optional=("kind", "tokens"))


def _context_json(known: "Context", now: int) -> dict[str, Any]:
    def plain(entry: "Entry") -> dict[str, Any]:
        parts = {"score": entry.score.total, "recency": entry.score.recency, "frequency": entry.score.frequency}
        return {**msgspec.structs.asdict(entry), **parts, "status": _status(entry), "why": _why(entry, now)}

    return {
        "token_budget": known.budget,
        "tokens": known.used,
        "active": [plain(entry) for entry in known.active],
        "archived": [plain(entry) for entry in known.archived],
    }


def _status(entry: "Entry") -> str:
    return "active" if entry.archived_at is None else "archived"


def _why(entry: "Entry", now: int) -> str:
    """Say why an item is where it is."""
    if entry.archived_at is not None:
        since = times.ago_text(entry.archived_at, now)
        return f"archived {since}, of the lowest-scored fifth when 80 % of the budget was reached; back when used"
    last = times.ago_text(entry.used_at, now) if entry.used_at > 0 else "unknown"
    if entry.accesses:
        return f"used {counted(entry.accesses, 'time')} in 30 days, last {last}"
    return f"not used in 30 days, last {last}" if entry.score.recency == 0 else f"not used yet, new {last}"


def _source(store: Store | None) -> Source:
    """Return the function that says where an entry of the file comes from."""
    from kioku.knowledge import enriching
    from kioku.store import discoveries

    known = {} if store is None else enriching.accepted(store.read(discoveries.every))
    own = store is not None and store.is_registered
    return lambda saying: enriching.source(saying, known, own=own)


def _print_sayings(file: "project_yaml.ProjectFile", source: Source) -> None:
    """Print what is known of the whole project and of each module, with where it comes from."""
    rows = [
        (name or "–", title.removesuffix("s"), *_cells(one, source))
        for name, part in (("", file), *file.modules.items())
        for title in LISTS
        for one in getattr(part, title)
    ]
    if rows:
        print("\nKnown")
        print_table(("module", "kind", "says", "from"), rows)


def _cells(one: Saying, source: Source) -> tuple[str, str]:
    return one.text + (f"; solved: {one.solution}" if one.solution else ""), source(one)


def _file_json(part: "project_yaml.ProjectFile | project_yaml.ModuleEntry", source: Source) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(part)
    for title in LISTS:
        plain[title] = [{**msgspec.to_builtins(one), "source": source(one)} for one in getattr(part, title)]
    if hasattr(part, "modules"):
        plain["modules"] = {name: _file_json(module, source) for name, module in part.modules.items()}
    return plain


def _show_module(file: "project_yaml.ProjectFile | None", name: str, as_json: bool, source: Source) -> None:
    module = None if file is None else file.modules.get(name)
    if module is None:
        from kioku.errors import UsageError

        names = [] if file is None else sorted(file.modules)
        raise UsageError(
            f"there is no module '{name}'",
            hint=f"there are: {', '.join(names)}" if names else "scan the project: kioku init",
        )
    if as_json:
        print_json(_file_json(module, source))
        return
    print_facts([("module", name), ("path", module.path), ("what it is", module.description or "–")])
    for path in module.key_files:
        print_facts([("  key files", path)])
    for title in LISTS:
        for one in getattr(module, title):
            text, said = _cells(one, source)
            print_facts([(f"  {title}", f"{text} ({said})")])
