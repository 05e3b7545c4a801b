"""`kioku sessions sensitivity`: how much the timeout matters, and what the person's own pauses say about it."""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from kioku import times
from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, print_line, print_table, project_option
from kioku.words import counted

if TYPE_CHECKING:
    from kioku.reports.gaps import Sensitivity
    from kioku.sessions.gaps import Component


@click.command("sensitivity")
@project_option
@own_option
@json_option
def command(folder: str | None, own: bool, as_json: bool) -> None:
    """Show how sessions and hours would change with the timeout, and how long your own pauses are."""
    from kioku.reports import gaps as reports

    where, settings = places.find(folder, own=own)
    with places.opened(where) as store:
        found = store.read(lambda db: reports.sensitivity(db, settings.timeout_ms))
    if as_json:
        print_json(_as_json(found, settings.timeout_ms))
        return
    if not found.pauses.streams:
        note("no sessions with activity")
        return
    print_table(
        ("timeout", "sessions", "hours", "span", ""),
        [
            (
                _text(row.timeout_ms),
                row.sessions,
                f"{row.span_ms / times.HOUR:.1f}",
                _text(row.span_ms),
                "in force" if row.timeout_ms == settings.timeout_ms else "",
            )
            for row in found.rows
        ],
        right=("timeout", "sessions", "hours"),
    )
    print()
    for line in _words(found, settings.timeout_ms):
        print_line((line, ""))
    if found.left_out:
        note(f"{counted(found.left_out, 'session')} without recorded activities left out")


def _words(found: "Sensitivity", timeout_ms: int) -> list[str]:
    """Say in plain words what the numbers mean, and what the person's own pauses look like."""
    from kioku.sessions.gaps import ENOUGH

    pauses = found.pauses
    said = [f"Span is start to last activity, summed up. Active, whatever the timeout: {_text(pauses.active_ms)}."]
    mixture = found.mixture
    if mixture is None:
        count = counted(len(pauses.gaps_ms), "pause")
        said.append(
            f"Your own pauses: {count} over 5 min; {ENOUGH} are needed to say more."
            if len(pauses.gaps_ms) < ENOUGH
            else f"Your own pauses: {count} over 5 min, in which no two kinds can be told apart."
        )
        return said
    said += [
        f"Your own pauses: {counted(mixture.gaps, 'pause')} over 5 min, of two kinds.",
        f"  short: {_kind(mixture.short)}",
        f"  long: {_kind(mixture.long)}",
        f"A pause of {_text(mixture.crossing_ms)} is as likely of either kind: a timeout near that divides them best.",
        f"In force is {_text(timeout_ms)} (session.timeout_minutes).",
    ]
    return said


def _text(length: int) -> str:
    return times.duration_text(length)


def _kind(component: "Component") -> str:
    """Say how many, how long in the middle, and between which lengths two thirds of them lie."""
    low, high = (_text(length) for length in component.usual_ms)
    return f"{component.weight:.0%} of them, typically {_text(component.typical_ms)}, mostly {low} to {high}"


def _as_json(found: "Sensitivity", timeout_ms: int) -> dict[str, Any]:
    mixture = found.mixture
    return {
        "timeout_ms": timeout_ms,
        "streams": found.pauses.streams,
        "active_ms": found.pauses.active_ms,
        "pauses": len(found.pauses.gaps_ms),
        "left_out": found.left_out,
        "rows": [{**msgspec.structs.asdict(row), "in_force": row.timeout_ms == timeout_ms} for row in found.rows],
        "own": None
        if mixture is None
        else {
            "short": _component(mixture.short),
            "long": _component(mixture.long),
            "crossing_ms": mixture.crossing_ms,
            "separation": mixture.separation,
            "pauses": mixture.gaps,
        },
    }


def _component(component: "Component") -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(component),
        "typical_ms": component.typical_ms,
        "usual_ms": component.usual_ms,
    }
