"""`kioku enrich`: writing what you accepted into `.context/project.yaml`."""

import sys

import click

from kioku.cli import places
from kioku.cli.output import clean, json_option, note, print_json, project_option
from kioku.words import counted


@click.command("enrich")
@project_option
@json_option
@click.option("--dry-run", is_flag=True, help="Only show what would be written, as a diff.")
@click.option("--again", is_flag=True, help="Also write what you deleted from the file.")
def command(folder: str | None, as_json: bool, dry_run: bool, again: bool) -> int:
    """Write accepted discoveries into .context/project.yaml.

    Each goes into its module's patterns, rules, decisions or issues; without a module, into those of the project. What
    was taken back goes again. Whatever you changed in the file stays as you left it, and what you deleted stays out.
    """
    from kioku.knowledge import enriching

    where, values = places.find(folder)
    with places.opened(where, writable=not dry_run) as store:
        if not dry_run:
            places.learn(where, store, values)
        done = enriching.enrich(store, where.context_dir, dry_run=dry_run, again=again)
    code = 1 if done.skipped else 0
    if as_json:
        print_json({**{name: getattr(done, name) for name in done.__struct_fields__}, "dry_run": dry_run})
        return code
    if dry_run:
        sys.stdout.writelines(clean(line) + "\n" for line in done.diff.splitlines())
    would = "would be " if dry_run else ""
    told = [(done.added, "added"), (done.updated, "updated"), (done.removed, "removed")]
    what = ", ".join(f"{len(ids)} {would}{word}" for ids, word in told if ids)
    print(f"{done.file}: {what or 'nothing to change'}")
    if done.edited:
        note(f"{counted(len(done.edited), 'entry')} left as you wrote them")
    if done.kept_out:
        note(f"{counted(len(done.kept_out), 'entry')} that you deleted not written: --again writes them")
    for one in done.skipped:
        note(f"{one.id[:8]} not written: {one.reason}")
    if done.backup:
        note(f"the earlier version was kept as {done.backup}")
    return code
