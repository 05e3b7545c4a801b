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
from kioku.sessions import canonical, derive, edits, grouping, projecting, settling
from kioku.sessions.grouping import Gathered
from kioku.sessions.streams import Place
from kioku.store import activities, archive, joins, merges, rollups, sessions
from kioku.store.activities import Added
from kioku.store.archive import Before
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

    What other streams' sessions are merged with one of them is brought up to date with it. Does nothing for a number
    that is no stream's: a person's SQL can write any into a session.
    """
    found = grouping.gather(db, stream, now=now)
    if found is None:
        return
    for row in found.rows.values():
        if row.edited:
            edits.capture(db, row, now=now)
    activities.hide(db, stream, found.streams[stream].hidden)
    activities.mark_fresh(db, stream)
    placed, units = _anchored(db, found, now=now)
    previous = {unit[0]: _id_before(db, found, placed, unit[0]) for unit in units}
    written: list[tuple[int, projecting.Written]] = []
    for unit in units:
        made = projecting.written(db, found, unit, placed[unit[0]], previous[unit[0]], now=now)
        written.append((_write(db, made), made))
    seq_of = {place: seq for (seq, _), unit in zip(written, units, strict=True) for place in unit}
    followers = _followers(db, found, placed)
    for number, other in found.streams.items():
        runs = {other.starts[i]: seq for (of, i), seq in seq_of.items() if of == number}
        sessions.place_runs(db, number, runs, None if number == stream else found.rows)
    for seq in found.rows.keys() - set(seq_of.values()):
        sessions.delete(db, seq)
    for seq, made in written:
        _digest(db, seq, made)
    for seq, continues, gap in followers:
        sessions.update(db, seq, {"continues": continues})
        facts = rollups.part_facts(db, seq)
        if facts is not None and facts["gap_before"] != gap:
            rollups.outdate(db, seq)


def _anchored(db: apsw.Connection, found: Gathered, *, now: int) -> tuple[dict[Place, list[Anchor]], list[list[Place]]]:
    """Return the ids of each session under its every run, the earliest first, and the sessions by start.

    A session that has none is given one.
    """
    placed: dict[Place, list[Anchor]] = {}
    units: list[list[Place]] = []
    for unit in found.units:
        ordered = sorted(unit, key=lambda place: (found.streams[place[0]].starts[place[1]], place))
        anchors = [anchor for number, index in unit for anchor in found.streams[number].given.get(index, ())]
        anchors.sort(key=lambda anchor: (anchor.created_at, anchor.id))
        if not anchors:
            number, index = ordered[0]
            anchors = [Anchor(new_id(), found.streams[number].found[index][1][0].key, now)]
            sessions.add_anchor(db, anchors[0], number)
            found.streams[number].given[index] = anchors
        placed |= dict.fromkeys(unit, anchors)
        units.append(ordered)
    return placed, units


def _id_before(db: apsw.Connection, found: Gathered, placed: dict[Place, list[Anchor]], place: Place) -> str | None:
    """Return the id of the session that a run goes on with: that of the run before it in the stream, or an archived."""
    number, index = place
    known = found.streams[number]
    before: Before | None = None
    if index:
        anchors = placed.get((number, index - 1))
        seq = None if anchors else sessions.starts_of(db, number).get(known.starts[index - 1])
        row = None if seq is None else sessions.by_seq(db, seq)
        id = anchors[0].id if anchors else None if row is None else row.session.id
        before = None if id is None else Before(id, known.found[index - 1][0].last_activity_at)
    return archive.before(db, number, known.starts[index], before)


def _followers(
    db: apsw.Connection, found: Gathered, placed: dict[Place, list[Anchor]]
) -> list[tuple[int, str | None, int | None]]:
    """Return the sessions that go on from one that is written and are not written themselves.

    Each as (row number, the id that it continues, how long the silence before it was until now).
    """
    followers: list[tuple[int, str | None, int | None]] = []
    for (number, index), anchors in placed.items():
        starts = found.streams[number].starts
        if index + 1 >= len(starts) or (number, index + 1) in placed:
            continue
        seq = sessions.starts_of(db, number).get(starts[index + 1])
        row = None if seq is None else sessions.by_seq(db, seq)
        if row is not None and (row.stream, row.first_activity_at) == (number, starts[index + 1]):
            facts = rollups.part_facts(db, row.seq)
            before = Before(anchors[0].id, found.streams[number].found[index][0].last_activity_at)
            continues = archive.before(db, number, starts[index + 1], before)
            followers.append((row.seq, continues, None if facts is None else facts["gap_before"]))
    return followers


def _write(db: apsw.Connection, made: projecting.Written) -> int:
    """Write a session's row, its files and what it is made of; return the row's number."""
    seq = sessions.write(db, made.values)
    sessions.write_touched(
        db, seq, [(Redacted(path), c.reads, c.edits, c.first_at, c.last_at) for path, c in made.touched.items()]
    )
    merges.write_members(db, made.values["id"], made.members)
    return seq


def _digest(db: apsw.Connection, seq: int, made: projecting.Written) -> None:
    """Make a session's digest anew if what it was made from has changed; while the session goes on it has none."""
    facts = rollups.part_facts(db, seq)
    assert facts is not None
    part = Part(**facts, digest=Digest([], {}, []))
    checksum = settling.checksum(part, (report for reports in made.runs for report in reports))
    if rollups.checksum_of(db, seq) == checksum:
        return
    if made.values["status"] != derive.ACTIVE:
        rollups.put_digest(db, msgspec.structs.replace(part, digest=made.digest()), checksum)
    else:
        rollups.outdate(db, seq)


def _extend(db: apsw.Connection, stream: int, report: Report, *, now: int) -> bool:
    """Bring the stream's last session up to date if that is all the report changes; return whether it was."""
    row = sessions.last_of(db, stream)
    if row is None or row.tied or row.edited or row.first_activity_at > now or activities.other_sources(db, report):
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
    values |= {**projecting.columns(run, standing), "updated_at": now}
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
