"""What is written of a session: that of its run, or, where several were merged, of all of them as one.

A merged session begins with the first and ends with the last of them; time that they share counts once on each clock,
everything else is added up. It goes on as long as any of them does.
"""

from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from kioku.models import Report
from kioku.sessions import derive, digest, edits
from kioku.sessions.grouping import Gathered
from kioku.sessions.streams import Place
from kioku.store import sessions
from kioku.store.merges import Member
from kioku.store.sessions import Anchor
from kioku.summaries import ACTIVE_CLOCK, AGENT_CLOCK, WAITING_CLOCK, Digest


class Written(msgspec.Struct, frozen=True):
    """A session's columns, its files, what it is made of if it is merged, and the activities of its runs in order."""

    values: dict[str, Any]
    touched: dict[str, derive.Count]
    members: list[Member]
    runs: list[list[Report]]

    def digest(self) -> Digest:
        """Make the digest of it."""
        return _digest(self.runs)


def written(
    db: apsw.Connection,
    found: Gathered,
    unit: Sequence[Place],
    ids: Sequence[Anchor],
    previous: str | None,
    *,
    now: int,
) -> Written:
    """Return what is to be written of the session that is made of some runs, given by start."""
    runs = [found.streams[number].found[index][1] for number, index in sorted(unit)]
    counts = derive.touched([report for reports in runs for report in reports])
    parts = [_part(db, found, place, now=now) for place in unit]
    common = {
        "id": ids[0].id, "created_at": ids[0].created_at, "continues": previous, "files": len(counts),
        "updated_at": now,
    }  # fmt: skip
    if len(parts) == 1:
        ((number, _),) = unit
        tied = sessions.DIVIDED if found.streams[number].divided_after(found.cuts[number]) else sessions.LOOSE
        return Written({**parts[0], **common, "tied": tied}, counts, [], runs)
    values = {**_merged(parts, _digest(runs)), **common, "tied": sessions.MERGED}
    edits.overlay(db, [anchor.id for anchor in ids], values, merged=True)
    members = [_member(found, place, part) for place, part in zip(unit, parts, strict=True)]
    return Written(values, counts, members, runs)


def _part(db: apsw.Connection, found: Gathered, place: Place, *, now: int) -> dict[str, Any]:
    """Return the columns of one run as a session by itself."""
    stream, index = found.streams[place[0]], place[1]
    run, members = stream.found[index]
    values = {
        **stream.facts, "stream": stream.number, "started_at": run.first_activity_at,
        "first_activity_at": run.first_activity_at, "files": len(derive.touched(members)), "title": None,
        "topics": "[]", "amended": 0, **columns(run, stream.standing(index, now)),
    }  # fmt: skip
    edits.overlay(db, [anchor.id for anchor in stream.given.get(index, ())], values)
    return values


def columns(run: derive.Run, standing: derive.Standing) -> dict[str, Any]:
    """Return the columns that a run and how it stands make."""
    return {
        "last_activity_at": run.last_activity_at, "last_start_at": run.last_start_at,
        "block_start_at": run.block_start_at, "timeout_ms": run.timeout_ms, "active_ms": run.active_ms,
        "agent_ms": run.agent_ms, "waiting_ms": run.waiting_ms, "phase": run.phase,
        "activities": run.activities, "tool_calls": run.tool_calls, "empty": int(run.activities == 0),
        "branch": run.branch, "branch_at": run.branch_at, "status": standing.status, "ended_at": standing.ended_at,
        "end_reason": standing.end_reason,
    }  # fmt: skip


def _merged(parts: Sequence[dict[str, Any]], made: Digest) -> dict[str, Any]:
    """Return the columns of several sessions, given by start, as one."""
    latest = max(parts, key=lambda part: (part["last_activity_at"], part["stream"]))
    living = [part for part in parts if part["status"] == derive.ACTIVE]
    last = max(parts, key=lambda part: (part["ended_at"] or 0, part["stream"]))
    on_branch = [part for part in parts if part["branch"] is not None]
    branched = max(on_branch, key=lambda part: (part["branch_at"], part["branch"]), default=latest)
    values = {
        **latest, "stream": parts[0]["stream"],
        "started_at": min(part["started_at"] for part in parts),
        "first_activity_at": parts[0]["first_activity_at"],
        "last_start_at": max(part["last_start_at"] for part in parts),
        "activities": sum(part["activities"] for part in parts),
        "tool_calls": sum(part["tool_calls"] for part in parts),
        "empty": int(all(part["empty"] for part in parts)),
        "branch": branched["branch"], "branch_at": branched["branch_at"],
        "title": next((part["title"] for part in parts if part["title"] is not None), None),
        "topics": _topics(parts), "amended": max(part["amended"] for part in parts),
        "active_ms": _length(made, ACTIVE_CLOCK),
        "agent_ms": _known(parts, "agent_ms", made, AGENT_CLOCK),
        "waiting_ms": _known(parts, "waiting_ms", made, WAITING_CLOCK),
        "status": last["status"], "ended_at": last["ended_at"], "end_reason": last["end_reason"],
    }  # fmt: skip
    if living:
        held = max(part["last_activity_at"] + part["timeout_ms"] for part in living)
        owners = {owner for part in living for owner in (part["owner"] or "").split("+")}
        values |= {
            "status": derive.ACTIVE, "ended_at": None, "end_reason": None,
            "timeout_ms": held - latest["last_activity_at"],
            "owner": None if "" in owners else "+".join(sorted(owners)),
        }  # fmt: skip
    return values


def _digest(runs: Sequence[list[Report]]) -> Digest:
    made = [digest.digest(reports) for reports in runs]
    return made[0] if len(made) == 1 else digest.united(made)


def _length(made: Digest, clock: int) -> int:
    return sum(stretch.until - stretch.since for stretch in made.stretches if stretch.clock == clock)


def _known(parts: Sequence[dict[str, Any]], name: str, made: Digest, clock: int) -> int | None:
    """Return a clock of several sessions; it is known if it is of any of them."""
    return None if all(part[name] is None for part in parts) else _length(made, clock)


def _topics(parts: Sequence[dict[str, Any]]) -> str:
    """Return the topics of several sessions as one list; a text that is no list stays if no other has any."""
    texts = [part["topics"] for part in parts if part["topics"] != "[]"]
    if len(texts) < 2:
        return texts[0] if texts else "[]"
    found: dict[str, None] = {}
    for text in texts:
        try:
            found |= dict.fromkeys(msgspec.json.decode(text, type=list[str]))
        except msgspec.DecodeError:
            continue
    return sessions.json_text(list(found))


def _member(found: Gathered, place: Place, part: dict[str, Any]) -> Member:
    stream, index = found.streams[place[0]], place[1]
    given = stream.given.get(index)
    names = set(Member.__struct_fields__) - {"id", "merged_at"}
    return Member(
        id=given[0].id if given else "", merged_at=found.merged_at.get(place, 0), **{n: part[n] for n in names}
    )
