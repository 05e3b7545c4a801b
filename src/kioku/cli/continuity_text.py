"""How continuity is shown: what a session goes on with, why, and what came after."""

from typing import Any

import msgspec

from kioku import times
from kioku.cli.output import print_facts
from kioku.reports.continuity import Continuity
from kioku.sessions.blocks import Link
from kioku.sessions.continuity import FADING, Part, Score

# What each part says, in words.
_PARTS = {
    "repository": "same repository",
    "branch": "same branch",
    "files": "files in common, those touched near the gap weighing more",
    "topics": "words in common",
    "gap": f"time between: exp(-gap / {times.duration_text(FADING)})",
}


def show(found: Continuity) -> None:
    """Print the section, unless there is nothing to say."""
    if found.predecessor is None and not found.successors:
        return
    print("\nContinuity")
    lines: list[tuple[str, str]] = []
    if (link := found.predecessor) is not None:
        lines += [
            ("after", _neighbour(link, link.before.id, link.before.started_at)),
            ("score", f"{link.score.value:.2f} (from 0 to 1)"),
            *((part.name, _part(part)) for part in link.score.parts),
        ]
        if found.continues == link.before.id:
            lines[0] = (lines[0][0], f"{lines[0][1]}, the same conversation")
    lines += [
        ("continued by", f"{_neighbour(later, later.after.id, later.after.started_at)}, score {later.score.value:.2f}")
        for later in found.successors
    ]
    print_facts(lines)


def as_json(found: Continuity) -> dict[str, Any]:
    """Return it as plain values: `predecessor` with its score and parts, and `continued_by`."""
    return {
        "predecessor": None if found.predecessor is None else _link(found.predecessor, found.predecessor.before.id),
        "continued_by": [_link(link, link.after.id) for link in found.successors],
    }


def score_json(score: Score) -> dict[str, Any]:
    """Return a score as plain values; the value of a part that is not known is null."""
    return {"score": score.value, "parts": [msgspec.structs.asdict(part) for part in score.parts]}


def _link(link: Link, other: str) -> dict[str, Any]:
    return {"session": other, "gap_ms": link.gap_ms, **score_json(link.score)}


def _neighbour(link: Link, other: str, started_at: int) -> str:
    gap = f"{times.duration_text(link.gap_ms)} between" if link.gap_ms else "nothing between"
    return f"{other}, started {times.local_text(started_at)}, {gap}"


def _part(part: Part) -> str:
    value = "–, not known, left out" if part.value is None else f"{part.value:.2f}, weight {part.weight}"
    return f"{value} ({_PARTS[part.name]})"
