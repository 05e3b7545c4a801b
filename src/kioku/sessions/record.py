"""Taking a report in: store it, then bring the sessions of its stream up to date, in the same transaction.

The common case, the next activity of a running session, touches one row. Everything else (late, duplicate, replaced,
amended) derives the whole stream anew by the same rules, so both ways end in the same rows.
"""

from collections.abc import Iterable
from typing import Any

import apsw
import msgspec

from kioku.models import ECHO, FILE_EDIT, FILE_READ, HOOK, MARKS, SERVER, TRANSCRIPT, Report, new_id
from kioku.redaction import Redacted
from kioku.sessions import canonical, derive, digest, edits, settling
from kioku.store import activities, joins, rollups, sessions
from kioku.store.activities import Added
from kioku.store.sessions import Anchor, Row
from kioku.summaries import Digest, Part


def take(db: apsw.Connection, stream: int, reports: list[Report], *, now: int) -> None:
    """Store the reports of one stream and update its sessions. Reports that are known already change nothing.

    A server's go to the conversation that it serves, where that is known.
    """
    placed: dict[int, list[Report]] = {}
    for report in reports:
        place = joins.place(db, stream, report.at)
        given = report if place == stream else msgspec.structs.replace(report, origin=stream)
        placed.setdefault(place, []).append(given)
    for place, given_there in placed.items():
        _take(db, place, given_there, now=now)


def store(db: apsw.Connection, stream: int, reports: Iterable[Report], *, now: int) -> int:
    """Store the reports of one conversation; return how many new ones count. `derive_stale` does its sessions."""
    new = changed = 0
    for report in reports:
        added = activities.add(db, stream, report, now=now)
        changed += added is not Added.UNCHANGED
        new += added is Added.NEW and derive.is_counted(report) and report.kind not in MARKS
    if changed:
        activities.mark_stale(db, stream)
    return new


def derive_stale(db: apsw.Connection, *, now: int) -> None:
    """Derive the sessions of every stream that was left to be derived."""
    for stream in activities.stale(db):
        derive_stream(db, stream, now=now)


def _take(db: apsw.Connection, stream: int, reports: list[Report], *, now: int) -> None:
    if not activities.is_served(db) and any(report.source == SERVER and report.tool is not None for report in reports):
        activities.note_served(db)
        derive_stale(db, now=now)
    for number, report in enumerate(reports):
        added = activities.add(db, stream, report, now=now)
        if added is Added.UNCHANGED:
            continue
        if added is Added.REPLACED or not _extend(db, stream, report, now=now):
            for late in reports[number + 1 :]:
                activities.add(db, stream, late, now=now)
            derive_stream(db, stream, now=now)
            derive_stale(db, now=now)
            return


def derive_stream(db: apsw.Connection, stream: int, *, now: int) -> None:
    """Derive every session of a stream anew from its activities, anchors and amendments.

    Does nothing for a number that is no stream's: a person's SQL can write any into a session.
    """
    facts = activities.stream_facts(db, stream)
    if facts is None:
        return
    known = {row.session.id: row for row in sessions.of_stream(db, stream)}
    for row in known.values():
        if row.edited:
            edits.capture(db, row, now=now)
    if (owners := joins.owners(db, stream)) is not None:
        facts["owner"] = owners
    told = activities.load(db, stream)
    reports, hidden = canonical.canonical(told, served=activities.is_served(db))
    activities.hide(db, stream, hidden)
    activities.mark_fresh(db, stream)
    marks = [report for report in reports if report.kind in MARKS]
    timeouts = derive.Timeouts(activities.timeouts(db, stream))
    found = derive.runs((report for report in reports if report.kind not in MARKS), timeouts)
    given = _given(sessions.anchors(db, stream), found, told)
    current = derive.current([run.first_activity_at for run, _ in found], now) if found else 0
    previous: str | None = None
    placed: list[tuple[int, int]] = []
    for index, (run, members) in enumerate(found):
        ids = sorted(given.get(index, ()), key=lambda anchor: (anchor.created_at, anchor.id))
        if not ids:
            ids = [Anchor(new_id(), members[0].key, now)]
            sessions.add_anchor(db, ids[0], stream)
        standing = derive.standing(run, marks, is_current=index == current, now=now)
        counts = derive.touched(members)
        values = {
            "id": ids[0].id, **facts, "stream": stream, "created_at": ids[0].created_at, "continues": previous,
            "started_at": run.first_activity_at, "first_activity_at": run.first_activity_at, "files": len(counts),
            "title": None, "topics": "[]", "updated_at": now, "amended": 0, **_values(run, standing),
        }  # fmt: skip
        edits.overlay(db, [anchor.id for anchor in ids], values)
        seq = sessions.write(db, values)
        placed.append((run.first_activity_at, seq))
        sessions.write_touched(
            db, seq, [(Redacted(path), c.reads, c.edits, c.first_at, c.last_at) for path, c in counts.items()]
        )
        _digest(db, seq, members, is_over=values["status"] != derive.ACTIVE)
        previous = ids[0].id
        known.pop(previous, None)
    for row in known.values():
        sessions.delete(db, row.seq)
    sessions.place_runs(db, stream, placed)


def _digest(db: apsw.Connection, seq: int, members: list[Report], *, is_over: bool) -> None:
    """Make a session's digest anew if what it was made from has changed; while the session goes on it has none."""
    facts = rollups.part_facts(db, seq)
    assert facts is not None
    part = Part(**facts, digest=Digest([], {}, []))
    checksum = settling.checksum(part, members)
    if rollups.checksum_of(db, seq) == checksum:
        return
    if is_over:
        rollups.put_digest(db, msgspec.structs.replace(part, digest=digest.digest(members)), checksum)
    else:
        rollups.outdate(db, seq)


def _given(
    anchors: Iterable[Anchor], found: list[tuple[derive.Run, list[Report]]], told: Iterable[Report]
) -> dict[int, list[Anchor]]:
    """Return the ids that were given to each run: by the activity that they were given for, or where that was in time.

    Another report may stand for that activity now; then the run that was current at its time has the id.
    """
    holder = {member.key: index for index, (_, members) in enumerate(found) for member in members}
    starts = [run.first_activity_at for run, _ in found]
    times: dict[int, int] | None = None
    given: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        index = holder.get(anchor.key)
        if index is None and found:
            if times is None:
                times = {report.key: report.at for report in sorted(told, key=lambda r: r.preference, reverse=True)}
            at = times.get(anchor.key)
            index = None if at is None else derive.current(starts, at)
        if index is not None:
            given.setdefault(index, []).append(anchor)
    return given


def _extend(db: apsw.Connection, stream: int, report: Report, *, now: int) -> bool:
    """Bring the stream's last session up to date if that is all the report changes; return whether it was."""
    row = sessions.last_of(db, stream)
    if row is None or row.edited or row.first_activity_at > now or activities.other_sources(db, report):
        return False
    if row.session.end_reason == edits.EDITED:
        return False  # what the person decided about the end holds only until now
    if report.kind == ECHO or report.source == TRANSCRIPT or canonical.is_doubtful(report):
        return False
    if canonical.is_replaceable(report) and activities.has_transcript_near(db, stream, report.at - canonical.REACH):
        return False
    if canonical.may_be_twice(report) and report.at - row.last_start_at < canonical.TWICE:
        return False
    run = _run(row)
    seen = row.session
    values: dict[str, Any] = {}
    if report.kind in MARKS:
        if report.at < row.last_start_at:
            return False
    else:
        if report.at < row.block_start_at or not derive.belongs(run, report):
            return False
        if (run.phase is not None or report.source == HOOK) and report.at <= row.last_start_at:
            return False  # whose turn it was depends on what lies between
        derive.fold(run, report, derive.Timeouts(activities.timeouts(db, stream)))
        if report.path is not None and report.kind in (FILE_READ, FILE_EDIT):
            edit = report.kind == FILE_EDIT
            values["files"] = seen.files + sessions.count_touch(db, row.seq, report.path, edit=edit, at=report.at)
    marks = activities.marks(db, stream, run.last_start_at)
    standing = derive.standing(run, marks, is_current=True, now=now)
    if standing.status == derive.ACTIVE != seen.status:
        return False  # an earlier session may still stand as active: the clock was set back and forth
    values |= {**_values(run, standing), "updated_at": now}
    if row.digested:
        rollups.outdate(db, row.seq)
    if standing == derive.Standing(seen.status, seen.ended_at, seen.end_reason):
        # Left out when nothing changes: naming `status` alone makes SQLite write a page of the index on it.
        for name in ("status", "ended_at", "end_reason"):
            del values[name]
        sessions.update(db, row.seq, values)
    else:
        sessions.update(db, row.seq, values)
        sessions.reproject(db, row.seq)
    return True


def _run(row: Row) -> derive.Run:
    seen = row.session
    return derive.Run(
        first_activity_at=row.first_activity_at, last_start_at=row.last_start_at, block_start_at=row.block_start_at,
        last_activity_at=seen.last_activity_at, timeout_ms=seen.timeout_ms, active_ms=seen.active_ms or 0,
        agent_ms=seen.agent_ms, waiting_ms=seen.waiting_ms, phase=row.phase,
        activities=seen.activities, tool_calls=seen.tool_calls, branch=seen.branch, branch_at=row.branch_at,
    )  # fmt: skip


def _values(run: derive.Run, standing: derive.Standing) -> dict[str, Any]:
    return {
        "last_activity_at": run.last_activity_at, "last_start_at": run.last_start_at,
        "block_start_at": run.block_start_at, "timeout_ms": run.timeout_ms, "active_ms": run.active_ms,
        "agent_ms": run.agent_ms, "waiting_ms": run.waiting_ms, "phase": run.phase,
        "activities": run.activities, "tool_calls": run.tool_calls, "empty": int(run.activities == 0),
        "branch": run.branch, "branch_at": run.branch_at, "status": standing.status, "ended_at": standing.ended_at,
        "end_reason": standing.end_reason,
    }  # fmt: skip
