"""`kioku resume`: what the next session needs of the last one."""

import click
import msgspec

from kioku import resuming, times
from kioku.cli import places
from kioku.cli.output import clean, json_option, print_json, project_option
from kioku.settings import RESUME_BUDGET


@click.command("resume")
@project_option
@json_option
@click.option("--session", "session_id", help="Of this session, instead of the last one.")
@click.option("--budget", type=click.IntRange(50, 2000), help="Tokens at most, instead of those of the setting.")
def command(folder: str | None, as_json: bool, session_id: str | None, budget: int | None) -> None:
    """Print what an assistant needs to go on with the last session.

    That is the last goal, what was done and edited, what is open, what was decided, and what is not committed.
    """
    where, values = places.find(folder)
    with places.opened(where) as store:
        places.learn(where, store, values)
        found = resuming.look(
            store, where, budget=values.number(RESUME_BUDGET) if budget is None else budget, now=times.now_ms(),
            judge=places.judge(where), session_id=session_id,
        )  # fmt: skip
    if as_json:
        print_json(msgspec.structs.asdict(found))
        return
    for line in found.text.splitlines():
        print(clean(line))
