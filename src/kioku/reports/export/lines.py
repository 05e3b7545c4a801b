"""A store, or the part of it that some sessions are, as the lines of an export: everything that is true in it.

Sessions follow from that; they stand beside it for whoever reads no more than them. A part has the reports within its
sessions, and of everything else what tells to whom those belong. All text passes through `redact` once more.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import apsw
import msgspec

from kioku.models import SOURCES, Report
from kioku.redaction import redact
from kioku.reports.export import known
from kioku.reports.export.chosen import Chosen, with_folder
from kioku.reports.sessions import Judge
from kioku.store import activities, archive, keepsake, portable, vouching
from kioku.store.connection import one
from kioku.store.portable import Head, Line
from kioku.store.redacting import leaves
from kioku.store.redactor import Redactor
from kioku.store.values import count, text, whole

_FIRST: Final = -(1 << 63)
_END: Final = (1 << 63) - 1
_ALWAYS: Final = -(1 << 61)  # a span that began before this always was

Stretches = dict[int, list[tuple[int, int]]]  # by stream, from when until when


def lines(db: apsw.Connection, head: Head, chosen: Chosen | None, *, now: int, judge: Judge) -> Iterator[bytes]:
    """Return the lines of a store, or of the sessions chosen."""
    yield portable.write(msgspec.structs.replace(head, served=activities.is_served(db)))
    number = 0
    for line in _lines(db, chosen, now, judge):
        number += 1
        yield portable.write(line)
    yield portable.write(portable.End(lines=number + 1))


def _lines(db: apsw.Connection, chosen: Chosen | None, now: int, judge: Judge) -> Iterator[Line | dict[str, Any]]:
    hide = Redactor()
    parts = None if chosen is None else _stretches(db, chosen)
    streams = activities.all_streams(db) if parts is None else _related(db, parts)
    archives = {stream for stream in {*streams, *(parts or ())} if _is_archive(db, stream)}
    streams = [stream for stream in streams if stream not in archives]
    for stream in streams:
        yield from _stream(db, stream, hide)
    for stream in streams:
        yield from _evidence(db, stream, hide)
    for stream in sorted(archives):
        yield from _archived(db, stream, hide)
    if chosen is None:
        yield from _kept(keepsake.keys(db, None), None)
    ids = None if chosen is None or parts is None else _ids_of(db, chosen, parts)
    yield from _ids(db, ids, hide)
    for stream in sorted(archives):
        yield from _turns(db, stream, _FIRST, _END, hide)
        yield from _usage(db, stream, _FIRST, _END, hide)
    for stream in streams:
        for since, until in [(_FIRST, _END)] if parts is None else parts.get(stream, []):
            yield from _reports(db, stream, since, until, hide)
            yield from _turns(db, stream, since, until, hide)
            yield from _usage(db, stream, since, until, hide)
    if chosen is None:
        yield from _quarantined(db, hide)
    yield from _amendments(db, ids, hide)
    yield from known.lines(db, ids)
    everything = Chosen(empty=True) if chosen is None else chosen
    for exported in everything.sessions(db, now=now, judge=judge):
        yield {"type": "session", **leaves(with_folder(exported))}


# --- what belongs to a part -------------------------------------------------------------------------------------------


def _stretches(db: apsw.Connection, chosen: Chosen) -> Stretches:
    """Return the runs that the chosen sessions are made of: a run lasts until the next of its stream begins."""
    found: Stretches = {}
    for seq in chosen.numbers(db):
        for stream, since, until in db.execute(_RUNS, (_END, seq)):
            found.setdefault(stream, []).append((since, until))
    return {stream: sorted(runs) for stream, runs in found.items()}


_RUNS: Final = """
SELECT u.stream, u.since, coalesce((SELECT min(n.since) FROM runs n WHERE n.stream = u.stream AND n.since > u.since), ?)
FROM runs u WHERE u.session = ? ORDER BY u.stream, u.since"""


def _is_archive(db: apsw.Connection, stream: int) -> bool:
    return str(one(db, "SELECT key FROM streams WHERE id = ?", (stream,))[0]).startswith(archive.PREFIX)


def _related(db: apsw.Connection, parts: Stretches) -> list[int]:
    """Return the streams of a part, and all that tell to which conversation its servers' calls belong."""
    beside_archived = """SELECT DISTINCT r.stream FROM runs u JOIN archived_runs r ON r.session = u.session
                         WHERE u.stream = ?"""
    found = set(parts)
    for stream, runs in parts.items():
        found |= {row[0] for row in db.execute(beside_archived, (stream,))}
        for since, until in runs:
            query = "SELECT DISTINCT origin FROM reports WHERE stream = ? AND at >= ? AND at < ? AND origin IS NOT NULL"
            found |= {row[0] for row in db.execute(query, (stream, since, until))}
    beside = "SELECT stream FROM sightings WHERE process IN (SELECT process FROM sightings WHERE stream = ?)"
    for stream in list(found):
        found |= {row[0] for row in db.execute(beside, (stream,))}
    claimed = "SELECT c.id FROM streams s JOIN streams c ON c.key = s.claim WHERE s.id = ?"
    for stream in list(found):
        found |= {row[0] for row in db.execute(claimed, (stream,))}
    return sorted(found)


def _ids_of(db: apsw.Connection, chosen: Chosen, parts: Stretches) -> dict[str, None]:
    """Return the ids that were ever given to the chosen sessions."""
    found = dict.fromkeys(chosen.ids_of(db))
    query = """SELECT a.id FROM anchors a WHERE a.stream = ?1 AND EXISTS (
               SELECT 1 FROM reports r WHERE r.key = a.key AND r.stream = ?1 AND r.at >= ?2 AND r.at < ?3)"""
    for stream, runs in parts.items():
        archived = archive.session_of(db, stream)
        if archived is not None:
            found |= dict.fromkeys(archive.ids(db, archived))
        for since, until in runs:
            found |= dict.fromkeys(row[0] for row in db.execute(query, (stream, since, until)))
    return found


# --- line by line -----------------------------------------------------------------------------------------------------


def _stream(db: apsw.Connection, stream: int, hide: Redactor) -> Iterator[Line]:
    columns = "key, created_at, client, client_version, folder, claim, owner"
    for key, created_at, *rest in db.execute(f"SELECT {columns} FROM streams WHERE id = ?", (stream,)):
        client, version, folder, claim, owner = (hide.maybe(text(value)) for value in rest)
        yield portable.Stream(
            key=hide(str(key)), created_at=count(created_at), client=client, client_version=version, folder=folder,
            claim=claim, owner=owner, doubted=vouching.is_doubted(db, stream),
            timeouts=list(activities.timeouts(db, stream)),
        )  # fmt: skip


def _evidence(db: apsw.Connection, stream: int, hide: Redactor) -> Iterator[Line]:
    seen = """SELECT g.process, s.key, g.since, g.until, g.succeeds FROM sightings g JOIN streams s ON s.id = g.stream
              WHERE g.stream = ? ORDER BY g.process"""
    for process, key, since, until, succeeds in db.execute(seen, (stream,)):
        yield portable.Sighting(
            process=hide(str(process)), stream=hide(str(key)), since=count(since), until=whole(until),
            succeeds=whole(succeeds),
        )  # fmt: skip
    spans = """SELECT s.key, p.since, c.key FROM stream_spans p JOIN streams s ON s.id = p.stream
               LEFT JOIN streams c ON c.id = p.conversation WHERE p.stream = ? ORDER BY p.since"""
    for key, since, conversation in db.execute(spans, (stream,)):
        begin = None if not isinstance(since, int) or since < _ALWAYS else since
        yield portable.Span(stream=hide(str(key)), since=begin, conversation=hide.maybe(text(conversation)))


def _archived(db: apsw.Connection, stream: int, hide: Redactor) -> Iterator[Line]:
    """Return an archived session, after the keys that it keeps."""
    seq = archive.session_of(db, stream)
    if seq is not None:
        found = keepsake.read(db, seq, hide)
        yield from _kept(keepsake.keys(db, seq), found.id)
        yield found


def _kept(keys: Sequence[int], session: str | None) -> Iterator[Line]:
    for start in range(0, len(keys), portable.KEYS_IN_A_LINE):
        some = keys[start : start + portable.KEYS_IN_A_LINE]
        yield portable.Kept(session=session, keys=[portable.key_text(key) for key in some])


def _ids(db: apsw.Connection, ids: Iterable[str] | None, hide: Redactor) -> Iterator[Line]:
    query = "SELECT a.id, a.key, a.created_at, s.key FROM anchors a LEFT JOIN streams s ON s.id = a.stream"
    if ids is None:
        rows: Iterable[tuple[Any, ...]] = db.execute(f"{query} ORDER BY a.id")
    else:
        rows = (row for id in ids for row in db.execute(f"{query} WHERE a.id = ?", (id,)))
    for id, key, created_at, stream in rows:
        yield portable.Id(
            id=hide(str(id)), created_at=count(created_at), stream=hide.maybe(text(stream)),
            key=portable.key_text(key) if isinstance(key, int) else None,
        )  # fmt: skip


def _reports(db: apsw.Connection, stream: int, since: int, until: int, hide: Redactor) -> Iterator[Line]:
    query = """SELECT s.key, r.key, r.source, r.at, r.took, k.text, t.text, p.text, b.text, r.ok, r.detail, o.key
               FROM reports r JOIN streams s ON s.id = r.stream JOIN names k ON k.id = r.kind
               LEFT JOIN names t ON t.id = r.tool LEFT JOIN names p ON p.id = r.path
               LEFT JOIN names b ON b.id = r.branch LEFT JOIN streams o ON o.id = r.origin
               WHERE r.stream = ? AND r.at >= ? AND r.at < ? AND typeof(r.at) = 'integer'
               ORDER BY r.at, r.key, r.source"""
    for place, key, source, at, took, kind, tool, path, branch, ok, detail, origin in db.execute(
        query, (stream, since, until)
    ):
        yield portable.Told(
            stream=hide(str(place)), key=portable.key_text(key), source=_source(source), at=at, took=whole(took),
            kind=hide(text(kind) or ""), tool=hide.maybe(text(tool)), path=hide.maybe(text(path)),
            branch=hide.maybe(text(branch)), ok=None if ok is None else bool(ok),
            detail=None if detail is None else redact(str(detail)), origin=hide.maybe(text(origin)),
        )  # fmt: skip


def _turns(db: apsw.Connection, stream: int, since: int, until: int, hide: Redactor) -> Iterator[Line]:
    query = """SELECT s.key, t.key, t.source, t.at, t.role, t.text, m.text FROM turns t
               JOIN streams s ON s.id = t.stream LEFT JOIN names m ON m.id = t.model
               WHERE t.stream = ? AND t.at >= ? AND t.at < ? AND typeof(t.at) = 'integer' ORDER BY t.at, t.id"""
    for place, key, source, at, role, words, model in db.execute(query, (stream, since, until)):
        yield portable.Turn(
            stream=hide(str(place)), key=portable.key_text(key), source=_source(source), at=at, role=hide(str(role)),
            text=redact(str(words)), model=hide.maybe(text(model)),
        )  # fmt: skip


def _usage(db: apsw.Connection, stream: int, since: int, until: int, hide: Redactor) -> Iterator[Line]:
    query = """SELECT s.key, u.key, u.at, m.text, u.input, u.output, u.cache_read, u.cache_write FROM usage u
               JOIN streams s ON s.id = u.stream LEFT JOIN names m ON m.id = u.model
               WHERE u.stream = ? AND u.at >= ? AND u.at < ? AND typeof(u.at) = 'integer' ORDER BY u.at, u.key"""
    for place, key, at, model, *counts in db.execute(query, (stream, since, until)):
        given, made, cached, kept = map(count, counts)
        yield portable.Usage(
            stream=hide(str(place)), key=portable.key_text(key), at=at, model=hide.maybe(text(model)), input=given,
            output=made, cache_read=cached, cache_write=kept,
        )  # fmt: skip


def _quarantined(db: apsw.Connection, hide: Redactor) -> Iterator[Line]:
    for stream, stored in db.execute("SELECT stream_key, report FROM quarantine ORDER BY at, key, source"):
        try:
            found = Report.from_json(stored)
        except (msgspec.MsgspecError, TypeError):
            continue  # no longer what we wrote
        origin = db.execute("SELECT key FROM streams WHERE id = ?", (found.origin,)).fetchone()
        yield portable.Quarantined(
            stream=hide(str(stream)), key=portable.key_text(found.key), source=_source(found.source), at=found.at,
            took=found.took, kind=hide(found.kind), tool=hide.maybe(found.tool), path=hide.maybe(found.path),
            branch=hide.maybe(found.branch), ok=found.ok,
            detail=None if found.detail is None else redact(found.detail),
            origin=None if origin is None else hide(str(origin[0])),
        )  # fmt: skip


def _amendments(db: apsw.Connection, ids: Iterable[str] | None, hide: Redactor) -> Iterator[Line]:
    """Return what was decided, in the order in which it was; what can no longer be read counts as not decided."""
    known = None if ids is None else set(ids)
    for made_at, kind, session, data in db.execute(
        "SELECT made_at, kind, session_id, data FROM amendments ORDER BY id"
    ):
        if known is None or session in known:
            try:
                decided = msgspec.json.decode(data, type=dict[str, Any])
            except (msgspec.MsgspecError, TypeError):
                continue
            yield portable.Amendment(
                made_at=count(made_at), kind=hide(str(kind)), session=hide(str(session)), data=leaves(decided)
            )


def _source(number: int) -> Any:
    return SOURCES.get(number, "sweep")
