"""`kioku init`: scanning the project."""

import os
import sys

import click

from kioku import project
from kioku.cli import places
from kioku.cli.output import clean, json_option, note, print_facts, print_json, project_option
from kioku.words import counted


@click.command("init")
@project_option
@json_option
@click.option("--dry-run", is_flag=True, help="Only show what would be written.")
def command(folder: str | None, as_json: bool, dry_run: bool) -> None:
    """Scan the project into .context/project.yaml.

    The file says name, type, stack, architecture, and the modules with their key files. Running it again brings the
    file up to date and keeps whatever you changed in it.
    """
    from kioku.knowledge import project_yaml, yaml_file
    from kioku.scan.scan import scan

    where, _ = places.find(folder)
    facts = scan(where.workdir)
    path = os.path.join(where.context_dir, "project.yaml")
    if dry_run:
        change = project_yaml.update(path, facts, dry_run=True)
    else:
        project.prepare(where)
        with yaml_file.locked(where.context_dir):
            change = project_yaml.update(path, facts)
    if as_json:
        print_json(
            {"file": path, "created": change.created, "changed": change.changed, "diff": change.diff, "facts": facts}
        )
        return
    for warning in facts.warnings:
        note(f"skipped {warning.file}: {warning.reason}")
    languages = ", ".join(f"{language.name} ({counted(language.files, 'file')})" for language in facts.languages[:5])
    print_facts(
        [
            ("project", facts.name),
            ("type", facts.type),
            ("languages", languages or "–"),
            ("stack", ", ".join(facts.stack) or "–"),
            ("packages", ", ".join(facts.package_managers) or "–"),
            ("architecture", facts.architecture),
            ("modules", ", ".join(module.name for module in facts.modules[:12]) or "–"),
        ]
    )
    if dry_run and change.changed:
        print()
        sys.stdout.writelines(clean(line) + "\n" for line in change.diff.splitlines())
    word = "would change" if dry_run else ("written" if change.created else "updated")
    print(f"\n{path}: {word if change.changed else 'nothing to change'}")
    if change.backup:
        note(f"the earlier version was kept as {change.backup}")
