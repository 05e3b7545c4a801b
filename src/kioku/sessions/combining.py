"""Putting sessions together and taking them apart: what is asked for is checked, kept as a decision, and derived.

Every function works inside the caller's transaction and raises UsageError, before anything is changed, for what cannot
be done.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import apsw
import msgspec

from kioku import times
from kioku.errors import UsageError
from kioku.models import new_id
from kioku.sessions import derive, merging, record, streams
from kioku.sessions.merging import Decision
from kioku.store import merges, sessions
from kioku.store.sessions import Anchor, Row


def decisions(db: apsw.Connection) -> list[Decision]:
    """Return what was decided; what is no longer what we wrote counts as not decided."""
    found = []
    for kind, made_at, data in merges.decisions(db, merging.KINDS):
        try:
            facts = msgspec.json.decode(data, type=dict[str, Any])
            found.append(msgspec.convert({**facts, "kind": kind, "made_at": made_at}, Decision))
        except (msgspec.DecodeError, TypeError):
            continue
    return found


def put_in_force(db: apsw.Connection) -> set[str]:
    """Bring what is kept for the rules in line with what was decided; return the ids that this changes."""
    force = merging.in_force(decisions(db))
    merged_at: dict[str, int] = {}
    for merge in force.merges:
        merged_at |= dict.fromkeys(merge.ids, merge.made_at)
    groups = {id: (min(group), merged_at[id]) for group in merging.groups(force.merges) for id in group}
    return merges.put_in_force(db, groups, force.cuts)


def merge(db: apsw.Connection, ids: Sequence[str], *, now: int, automatic: bool = False) -> Row:
    """Make one session of several, given by their present ids; return it."""
    rows = [_row(db, id) for id in dict.fromkeys(ids)]
    if len(rows) < 2:
        raise UsageError("it takes two different sessions to merge", hint="name another one beside it")
    for row in rows:
        _require_settled(row, "merged")
    places = {(row.session.project_id, sessions.columns(db, row.seq, ("metadata",))[0]) for row in rows}
    if len(places) > 1:
        raise UsageError("sessions of different projects cannot be merged", hint="what is of one project can")
    first = min(rows, key=lambda row: (row.session.created_at, row.session.id)).session.id
    named = tuple(row.session.id for row in rows)
    _decide(db, first, merging.MERGED, named, now=now, automatic=automatic)
    return _row_of(db, first)


def unmerge(db: apsw.Connection, id: str, *, now: int) -> list[Row]:
    """Take back the latest merge of a session; return what it was made of, by start."""
    row = _row(db, id)
    if row.session.status == "archived":
        raise UsageError(f"session {id} is archived", hint="what is archived stays as it is")
    own = [anchor.id for anchor in _anchors(db, row)]
    force = merging.in_force(decisions(db))
    latest = merging.last(force.merges, own)
    if latest is None:
        raise UsageError(f"session {id} was not merged", hint="kioku sessions show says what a session is made of")
    _decide(db, row.session.id, merging.UNMERGED, tuple(sorted(latest.ids)), now=now)
    return _rows_of(db, (*sorted(latest.ids), *own))


def split(db: apsw.Connection, id: str, at: int, *, now: int) -> list[Row]:
    """Divide a session at an instant: what starts before it is one, the rest another; return both, by start."""
    row = _row(db, id)
    _require_settled(row, "split")
    own = [anchor.id for anchor in _anchors(db, row)]
    sides: tuple[list[str], list[str]] = ([], [])
    counted = [0, 0]
    cut: list[str] = []
    fresh: list[tuple[int, Anchor]] = []
    runs = sessions.runs_of(db, row.seq)
    for number in sorted({number for number, _ in runs}):
        starts = sorted(sessions.starts_of(db, number))
        # Also where it was divided before: which of those cuts stay without effect, its parts say.
        stream = streams.load(db, number, {*starts, *merges.cuts(db, number), at}, now=now)
        assert stream is not None
        divided: dict[int, set[int]] = {}
        for index, (run, members) in enumerate(stream.found):
            begun = starts[derive.current(starts, run.first_activity_at)]
            if (number, begun) not in runs:
                continue
            side = int(run.first_activity_at >= at)
            counted[side] += sum(derive.is_counted(member) for member in members)
            given = stream.given.get(index)
            if not given:
                given = [Anchor(new_id(), members[0].key, now)]
                fresh.append((number, given[0]))
            sides[side].append(given[0].id)
            if side and divided.get(begun) == {0}:
                cut.append(given[0].id)
            divided.setdefault(begun, set()).add(side)
    if not all(counted):
        _refuse_split(row, at)
    for number, anchor in fresh:
        sessions.add_anchor(db, anchor, number)
    before, after = (tuple(side) for side in sides)
    of = tuple(sorted({*own, *before, *after}))
    _decide(db, row.session.id, merging.SPLIT, tuple(cut), now=now, at=at, of=of, parts=(before, after))
    return _rows_of(db, of)


def _refuse_split(row: Row, at: int) -> None:
    since, until = row.session.started_at, row.session.last_activity_at
    span = f"from {times.local_text(since, seconds=True)} to {times.local_text(until, seconds=True)}"
    if since < at <= until:
        raise UsageError(
            f"one side of {times.local_text(at, seconds=True)} would have no activity",
            hint="kioku sessions show --activities 100 lists what there is",
        )
    raise UsageError(f"{times.local_text(at, seconds=True)} is not inside the session", hint=f"it lasted {span}")


def taken_apart(found: Iterable[Decision]) -> set[str]:
    """Return the ids of sessions that a person took apart: nothing merges them by itself again."""
    apart = [decision for decision in found if decision.kind != merging.MERGED]
    return {id for decision in apart for ids in (decision.ids, decision.of) for id in ids}


def _decide(
    db: apsw.Connection,
    session_id: str,
    kind: str,
    ids: tuple[str, ...],
    *,
    now: int,
    at: int | None = None,
    of: tuple[str, ...] = (),
    parts: tuple[tuple[str, ...], ...] = (),
    automatic: bool = False,
) -> None:
    """Keep a decision, and derive what it changes."""
    number = max((decision.number for decision in decisions(db)), default=0) + 1
    made = Decision(kind=kind, made_at=now, number=number, ids=ids, at=at, of=of, parts=parts, automatic=automatic)
    sessions.amend(db, session_id, kind, made.data(), now=now)
    changed = put_in_force(db) | {*ids, *of}
    for stream in sorted({stream for id in changed if (stream := merges.stream_of(db, id)) is not None}):
        record.derive_stream(db, stream, now=now)


def _require_settled(row: Row, what: str) -> None:
    session = row.session
    if session.status == derive.ACTIVE:
        raise UsageError(f"session {session.id} is still running", hint=f"it can be {what} when it is over")
    if session.status == "archived":
        raise UsageError(
            f"session {session.id} is archived and cannot be {what}", hint="what is archived stays as it is"
        )
    if row.stream is None:
        raise UsageError(
            f"session {session.id} has no activity of its own and cannot be {what}",
            hint="it was taken over from the older program, which kept only totals",
        )


def _row(db: apsw.Connection, id: str) -> Row:
    row = sessions.by_id(db, id)
    if row is None:
        raise UsageError(f"there is no session '{id}'", hint="it was changed a moment ago; look at the list again")
    return row


def _anchors(db: apsw.Connection, row: Row) -> list[Anchor]:
    """Return every id that leads to a session."""
    runs = sessions.runs_of(db, row.seq)
    found = []
    for number in sorted({number for number, _ in runs}):
        starts = sessions.starts_of(db, number)
        stream = streams.load(db, number, starts, now=row.session.last_activity_at)
        assert stream is not None
        for index, since in enumerate(stream.starts):
            if (number, since) in runs:
                found += stream.given.get(index, [])
    return found


def _row_of(db: apsw.Connection, id: str) -> Row:
    """Return the session to which an id leads."""
    (row,) = _rows_of(db, [id])
    return row


def _rows_of(db: apsw.Connection, ids: Iterable[str]) -> list[Row]:
    """Return the sessions to which some ids lead, by start."""
    wanted = set(ids)
    found: dict[int, Row] = {}
    for number in sorted({s for id in wanted if (s := merges.stream_of(db, id)) is not None}):
        starts = sessions.starts_of(db, number)
        stream = streams.load(db, number, starts, now=0)
        assert stream is not None
        for index, anchors in stream.given.items():
            seq = starts.get(stream.starts[index])
            if seq is not None and wanted & {anchor.id for anchor in anchors}:
                row = sessions.by_seq(db, seq)
                if row is not None:
                    found[seq] = row
    return sorted(found.values(), key=lambda row: (row.session.started_at, row.seq))
