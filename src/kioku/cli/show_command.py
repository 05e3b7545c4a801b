"""`kioku show`: what Kioku knows about the project."""

import os
from typing import TYPE_CHECKING

import click
import msgspec

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, note, print_facts, print_json, print_table, project_option
from kioku.reports.listing import Wanted, listing

if TYPE_CHECKING:
    from kioku.knowledge import project_yaml


@click.command("show")
@project_option
@json_option
@click.option("--module", "module_name", help="One module, with its files and what is known of it.")
def command(folder: str | None, as_json: bool, module_name: str | None) -> None:
    """Show what is known of the project.

    That is its kind, stack and modules, as `kioku init` found them, and the latest sessions.
    """
    from kioku.knowledge import project_yaml

    where, _ = places.find(folder)
    path = os.path.join(where.context_dir, "project.yaml")
    file = project_yaml.load(path) if os.path.lexists(path) else None
    if module_name is not None:
        _show_module(file, module_name, as_json)
        return
    sessions = []
    if os.path.lexists(where.store_path):
        now, judge = times.now_ms(), places.judge(where)
        with places.opened(where) as store:
            sessions = store.read(lambda db: listing(db, Wanted(limit=5), now=now, judge=judge)).sessions
    if as_json:
        plain = None if file is None else msgspec.to_builtins(file)
        print_json({"root": where.root, "project": plain, "sessions": [session.as_json() for session in sessions]})
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
    if sessions:
        print("\nLatest sessions")
        cells = [
            (s.id[:8], times.local_text(s.started_at), times.duration_text(s.active_ms), str(s.files), s.client or "–")
            for s in sessions
        ]
        print_table(("session", "started", "active", "files", "client"), cells, right=("active", "files"))


def _show_module(file: "project_yaml.ProjectFile | None", name: str, as_json: bool) -> None:
    module = None if file is None else file.modules.get(name)
    if module is None:
        from kioku.errors import UsageError

        names = [] if file is None else sorted(file.modules)
        raise UsageError(
            f"there is no module '{name}'",
            hint=f"there are: {', '.join(names)}" if names else "scan the project: kioku init",
        )
    if as_json:
        print_json(msgspec.to_builtins(module))
        return
    print_facts([("module", name), ("path", module.path), ("what it is", module.description or "–")])
    for title in ("key_files", "patterns", "rules", "decisions", "issues"):
        for item in getattr(module, title):
            print_facts([(f"  {title.replace('_', ' ')}", item if isinstance(item, str) else str(item))])
