"""`kioku discoveries refine`: let a model that the person has chosen look at sessions once more."""

import contextlib
import os
from typing import Any

import click
import msgspec

from kioku import settings, times
from kioku.cli import places
from kioku.cli.output import json_option, own_option, print_json, print_line, project_option
from kioku.errors import KiokuError, UsageError
from kioku.knowledge import belonging, learning
from kioku.knowledge.refining import refine
from kioku.knowledge.refining.endpoint import ANTHROPIC, OPENAI, Model, is_address, is_key
from kioku.reports import sessions
from kioku.settings import Settings
from kioku.words import counted

_USUAL = {
    OPENAI: ("https://api.openai.com/v1", "OPENAI_API_KEY"),
    ANTHROPIC: ("https://api.anthropic.com", "ANTHROPIC_API_KEY"),
}
_MILLION = 1_000_000


@click.command("refine")
@click.argument("ids", metavar="[ID…]", nargs=-1)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many sessions at most."
)
@click.option("--dry-run", is_flag=True, help="Send nothing: say how much would be sent, and where.")
@project_option
@own_option
@json_option
def command(ids: tuple[str, ...], limit: int, dry_run: bool, folder: str | None, own: bool, as_json: bool) -> None:
    """Ask a model what sessions taught: off until you choose one (model.provider).

    It is sent what was said in a session, without secrets, once. Only what has its exact words in the session is
    believed, and proposed to you. What the rules found stays, whatever the model does.
    """
    where, values = places.find(folder, own=own)
    model = chosen(values)
    with places.opened(where, writable=not dry_run) as store:
        places.learn(where, store, values)
        judge, now = places.judge(where), times.now_ms()
        named = [store.read(lambda db, id=id: sessions.find(db, id, now=now, judge=judge)).id for id in ids]  # type: ignore[misc]
        waiting = refine.waiting(store, model, max(limit, len(named)), named or None)
        if dry_run:
            _preview({session.id: refine.size(store, session) for session in waiting}, model, as_json=as_json)
            return
        module_of = None
        with contextlib.suppress(KiokuError):  # without a project file that can be read, nothing has a module
            module_of = belonging.of_project(where.context_dir)
        found = []
        for outcome in refine.refine(store, waiting, model, now=times.now_ms, module_of=module_of or _no_module):
            found.append(outcome)
            if not as_json:
                _tell(outcome)
        if any(outcome.found for outcome in found):
            places.tell(learning.follow(store, where, values))
    cost = _cost(found, values)
    if as_json:
        print_json({"sessions": [msgspec.structs.asdict(one) for one in found], **cost})
    elif not found:
        which = "None of these sessions" if ids else "No session"
        print(f"{which} is over, has something said in it, and was not asked about yet.")
    else:
        _sum_up(cost)
    if any(one.error for one in found):
        raise KiokuError("the model was of no use for some sessions", hint="what the rules found there stays")


def _no_module(_path: str) -> str | None:
    return None


def chosen(values: Settings) -> Model:
    """Return the model that the person has chosen. Raises UsageError where there is none, or something is missing."""
    provider, name = values.text("model.provider"), values.text("model.name")
    file = os.path.join(settings.user_folder("config"), settings.USER_FILE)
    if provider == "off":
        raise UsageError("no model is chosen, and nothing is sent anywhere", hint=f"set model.provider in {file}")
    if name in ("", "none"):
        raise UsageError("model.name is not set", hint=f"write the model's name into {file}")
    given = (values.text("model.base_url"), values.text("model.key_variable"))
    url, key_variable = (
        usual if text == "usual" else text for text, usual in zip(given, _USUAL[provider], strict=True)
    )
    if not is_address(url):
        raise UsageError(f"model.base_url: '{url}' is refused", hint="https://, or http:// on this machine only")
    key = settings.variable(key_variable)
    if key and not is_key(key):
        hint = "write the key alone into it, without a line end or a space"
        raise UsageError(f"{key_variable}: what it holds cannot be a key, and is not shown", hint=hint)
    return Model(provider=provider, base_url=url, name=name, key=key, timeout_s=values.number("model.timeout_seconds"))


def _preview(sizes: dict[str, int], model: Model, *, as_json: bool) -> None:
    if as_json:
        print_json({"base_url": model.base_url, "model": model.name, "sessions": sizes})
        return
    for id, size in sizes.items():
        print_line((f"{id[:8]} ", "bold"), (counted(size, "character"), ""))
    total = f"{counted(len(sizes), 'session')}, {counted(sum(sizes.values()), 'character')}"
    print(f"{total} for {model.name} at {model.base_url}; nothing was sent")


def _tell(outcome: refine.Outcome) -> None:
    if outcome.error is not None:
        print_line((f"{outcome.session[:8]} ", "bold"), (outcome.error, ""))
        return
    told = f"{counted(outcome.found, 'claim')} believed"
    if outcome.said_already:
        told += f", {outcome.said_already} of nothing new"
    if outcome.dropped:
        told += f", {sum(outcome.dropped.values())} not: " + "; ".join(sorted(outcome.dropped))
    if outcome.left_out:
        told += f"; {counted(outcome.left_out, 'turn')} not sent, the session is too long"
    print_line((f"{outcome.session[:8]} ", "bold"), (told, ""))


def _cost(found: list[refine.Outcome], values: Settings) -> dict[str, Any]:
    """Return tokens and what they cost; None where that is not known."""
    sums = []
    for counts in ([one.input_tokens for one in found], [one.output_tokens for one in found]):
        known = [count for count in counts if count is not None]
        sums.append(sum(known) if known else None)
    prices = (values.number("model.input_price"), values.number("model.output_price"))
    cost = None
    if all(prices) and None not in sums:
        cost = round(sum((tokens or 0) * price for tokens, price in zip(sums, prices, strict=True)) / _MILLION, 6)
    return {"input_tokens": sums[0], "output_tokens": sums[1], "cost": cost}


def _sum_up(cost: dict[str, Any]) -> None:
    if cost["input_tokens"] is None:
        print("The model told no tokens.")
        return
    paid = "" if cost["cost"] is None else f", {cost['cost']:g} at the prices in your settings"
    print(f"{cost['input_tokens']} tokens sent, {cost['output_tokens']} came back{paid}.")
