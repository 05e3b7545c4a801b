"""`kioku redact --again`: today's rules on what is stored already."""

import click

from kioku import dotenv, redaction, resuming, times
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, print_table, project_option
from kioku.errors import UsageError
from kioku.knowledge import enriching
from kioku.sessions import sweep
from kioku.store import redacting
from kioku.words import counted


@click.command("redact")
@project_option
@own_option
@click.option("--again", is_flag=True, help="Apply the rules to everything that is stored.")
@click.option("--dry-run", is_flag=True, help="Only say how much would change.")
@json_option
def command(folder: str | None, own: bool, again: bool, dry_run: bool, as_json: bool) -> None:
    """Hide secrets in what was recorded before Kioku knew them.

    Uses today's rules, your settings and the project's .env files; with --own, those of all projects that it
    has. What is hidden cannot be shown again.
    """
    if not again:
        raise UsageError("say --again: what is recorded from now on is redacted anyway", hint="kioku redact --again")
    where, settings = places.find(folder, own=own)
    with places.opened(where, writable=not dry_run) as store:
        if own:
            values = {value for root in store.read(redacting.folders) for value in dotenv.values(root)}
            longest_first = tuple(sorted(values, key=len, reverse=True))
            redaction.use(redaction.Secrets(values=longest_first, allow=settings.texts("redaction.allow")))
        if dry_run:
            found = store.read(lambda db: redacting.redact_again(db, dry_run=True))
            is_gone = None
        else:
            resuming.discard(where)
            found = store.rewrite(redacting.redact_again)
            sweep.rebuild(store, times.now_ms())
            is_gone = store.compact()
            if not own and enriching.redact_again(store, where.context_dir):
                found["project.yaml"] = 1
    changed = sum(found.values())
    if as_json:
        print_json({"changed": changed, "columns": found, "dry_run": dry_run, "overwritten": is_gone})
        return
    print_table(("where", "texts"), [(name, str(count)) for name, count in found.items()], right=("texts",))
    note(f"{counted(changed, 'text')} {'would be' if dry_run else ''} changed".replace("  ", " "))
    if is_gone is False:
        note("the file's log still has pages with the old text, since another process uses it: run this again later")
