"""Reading an export back: what it holds is united with what the store has, and its sessions are derived anew.

A batch of lines is one transaction, and every line can be read again: whoever is interrupted imports the file once
more. What cannot be read is named and left out; nothing else of the file depends on it but what names it.
"""

import io
import os
import stat
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Literal

import apsw
import msgspec

from kioku import times
from kioku.capture.importing import Skipped
from kioku.capture.transcripts import lines
from kioku.errors import UsageError
from kioku.models import SERVER, SWEEP, Report
from kioku.redaction import Redacted, redact
from kioku.sessions import combining, joining, merging, record, settling, sweep
from kioku.store import activities, archive, joins, legacy, portable, turns, uniting
from kioku.store.portable import Count, Head, Instant, Line, Redactor
from kioku.store.redacting import leaves
from kioku.store.store import Store

BATCH_LINES: Final = 2_000
BATCH_BYTES: Final = 4 << 20
STREAMS_AT_ONCE: Final = 200  # derived in one transaction
_LISTED: Final = 1_000
_NAMES: Final = {
    portable.Stream: "streams", portable.Told: "reports", portable.Turn: "turns", portable.Usage: "usage",
    portable.Quarantined: "quarantined", portable.Id: "ids", portable.Amendment: "amendments",
    portable.Sighting: "sightings", portable.Span: "spans", portable.Derived: "sessions",
}  # fmt: skip


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a file: how many lines of each kind it has, what of them was new, and what was left out."""

    file: str
    project: str | None
    is_part: bool
    lines: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(_NAMES.values(), 0))
    new_activities: int = 0
    new_turns: int = 0
    sessions: int = 0
    skipped_lines: int = 0
    skipped: list[Skipped] = msgspec.field(default_factory=list)

    def skip(self, line: int | None, reason: str) -> None:
        """Note a line that was left out."""
        self.skipped_lines += 1
        if len(self.skipped) < _LISTED:
            self.skipped.append(Skipped(self.file, line, reason))


def is_export(head: bytes) -> bool:
    """Tell whether a file that begins so is an export."""
    try:
        return portable.read_head(head.partition(b"\n")[0]).format == portable.FORMAT
    except (ValueError, RecursionError):
        return False


class Restorer:
    """Reads exports into one store. `name` is the project's; an export of another one is refused unless `force`."""

    def __init__(
        self, store: Store | None, name: str | None, *, force: bool = False, now: Callable[[], int] = times.now_ms
    ) -> None:
        self._store = store  # None: everything is read and checked, nothing written
        self._name = name
        self._force = force
        self._now = now
        self._hide = Redactor()

    def take(self, path: str, progress: Callable[[int], None] = lambda _bytes: None) -> Outcome:
        """Import one file. Raises UsageError for what is no export or another project's, StoreError."""
        try:
            with open(lines.open_file(path), "rb", buffering=0) as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise UsageError(f"{path} is no regular file", hint="name a file that 'kioku sessions export' made")
                return self._take(path, stream, progress)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}", hint="name a file that can be read") from error

    def _take(self, path: str, stream: io.RawIOBase, progress: Callable[[int], None]) -> Outcome:
        found = lines.lines(stream, 0)
        first, position, _ = next(found, (None, 0, False))
        head = self._head(path, first)
        outcome = Outcome(file=path, project=head.project.name, is_part=head.part is not None)
        batch: list[tuple[int, Line]] = []
        evidence: dict[str, None] = {}  # processes, and servers that name a conversation
        held, number, end = 0, 1, None
        if self._store is not None and head.served:
            self._store.write(_note_served)
        progress(position)
        for line, until, is_ended in found:
            number += 1
            read = self._read(line, number, is_ended, outcome)
            progress(until - position)
            held, position = held + until - position, until
            if isinstance(read, portable.End):
                end = (number, read.lines)
            elif read is not None:
                outcome.lines[_NAMES[type(read)]] += 1
                if isinstance(read, portable.Sighting):
                    evidence[f"under {self._hide(read.process)}"] = None
                elif isinstance(read, portable.Stream) and read.claim is not None:
                    evidence[f"of {self._hide(read.key)}"] = None
                if not isinstance(read, portable.Span | portable.Derived):
                    batch.append((number, read))
            if len(batch) >= BATCH_LINES or held >= BATCH_BYTES:
                self._write(batch, outcome)
                batch, held = [], 0
        self._write(batch, outcome)
        if end is None or end[0] != number:
            outcome.skip(None, "is not whole: its last line is missing")
        elif end[1] != number - 1:
            outcome.skip(None, f"is not whole: {number - 1} lines come before its last, which says {end[1]}")
        self._finish(list(evidence), outcome)
        return outcome

    def _head(self, path: str, line: bytes | None) -> Head:
        hint = "kioku sessions export writes such files"
        if line is None:
            raise UsageError(f"{path} is no export of Kioku's", hint=hint)
        try:
            found: Any = msgspec.json.decode(line)
            version = found.get("version") if found["format"] == portable.FORMAT else None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UsageError(f"{path} is no export of Kioku's", hint=hint) from error
        if isinstance(version, int) and version > portable.VERSION:
            raise UsageError(
                f"{path} has version {version} of the format; this Kioku knows {portable.VERSION}",
                hint="upgrade Kioku, then import it again",
            )
        try:
            head = portable.read_head(line)
        except ValueError as error:
            raise UsageError(f"{path} is no export of Kioku's: {error}", hint=hint) from error
        if head.format != portable.FORMAT:
            raise UsageError(f"{path} is no export of Kioku's", hint=hint)
        is_same = self._store is not None and self._store.project_id == head.project.id
        if not is_same and head.project.name != self._name and not self._force:
            theirs = "a store of no project's" if head.project.name is None else f"the project '{head.project.name}'"
            ours = "your own store" if self._name is None else f"'{self._name}'"
            raise UsageError(
                f"{path} is an export of {theirs}; it would go to {ours}",
                hint="name the project with --project, or import it all the same with --force",
            )
        return head

    def _read(self, line: bytes | None, number: int, is_ended: bool, outcome: Outcome) -> Line | None:
        if line is None:
            outcome.skip(number, f"is longer than {lines.LONGEST_LINE >> 20} MB")
            return None
        try:
            return portable.read(line)
        except ValueError as error:
            outcome.skip(number, str(redact(str(error)))[:300] if is_ended else "is not complete")
            return None

    def _write(self, batch: list[tuple[int, Line]], outcome: Outcome) -> None:
        if self._store is None or not batch:
            return
        new, said, skipped = self._store.write(partial(self._unite, batch=batch, project_id=self._store.project_id))
        outcome.new_activities += new
        outcome.new_turns += said
        for number, reason in skipped:
            outcome.skip(number, reason)

    def _finish(self, evidence: list[str], outcome: Outcome) -> None:
        """Put servers' reports where the evidence says, and derive the sessions of all that changed."""
        store = self._store
        if store is None:
            return
        for start in range(0, len(evidence), STREAMS_AT_ONCE):
            store.write(partial(_join, evidence=evidence[start : start + STREAMS_AT_ONCE],
                                project_id=store.project_id, now=self._now()))  # fmt: skip
        while streams := store.read(activities.stale)[:STREAMS_AT_ONCE]:
            outcome.sessions += store.write(partial(_derive, streams=streams, now=self._now()))
        settling.settle(store)

    def _unite(
        self, db: apsw.Connection, batch: list[tuple[int, Line]], project_id: str
    ) -> tuple[int, int, list[tuple[int, str]]]:
        """Take in a batch of lines; return how many activities and turns were new, and what was left out."""
        work = _Batch(db, self._hide, project_id, self._now())
        for number, line in batch:
            reason = work.take(line)
            if reason is not None:
                work.skipped.append((number, reason))
        work.flush()
        return work.new, work.said, work.skipped


class _Batch:
    """Some lines on their way into a store, inside of one transaction."""

    def __init__(self, db: apsw.Connection, hide: Redactor, project_id: str, now: int) -> None:
        self._db = db
        self._hide = hide
        self._project_id = project_id
        self._now = now
        self._streams: dict[str, int | None] = {}
        self._reports: dict[tuple[int, int], list[Report]] = {}  # by where they belong and where the file has them
        self._decided: list[portable.Amendment] = []
        self.new = self.said = 0
        self.skipped: list[tuple[int, str]] = []

    def take(self, line: Line) -> str | None:
        """Take one line in; return why not."""
        if isinstance(line, portable.Stream):
            self._stream(line)
            return None
        if isinstance(line, portable.Id):
            return self._id(line)
        if isinstance(line, portable.Amendment):
            return self._amendment(line)
        if isinstance(line, portable.Quarantined):
            return self._quarantined(line)
        if isinstance(line, portable.Told | portable.Turn | portable.Usage | portable.Sighting):
            stream = self._find(line.stream)
            if stream is None:
                return "is of a stream that is not in the file"
            if isinstance(line, portable.Told):
                return self._report(line, stream)
            if isinstance(line, portable.Sighting):
                process = self._hide(line.process)
                uniting.sighting(self._db, process, stream, line.since, line.until, line.succeeds)
            else:
                self.flush()  # a turn is where its report is
                self._said(line, stream)
        return None

    def _find(self, key: str) -> int | None:
        if key not in self._streams:
            is_archive = key.startswith(archive.PREFIX)
            self._streams[key] = None if is_archive else activities.find_stream(self._db, self._hide(key))
        return self._streams[key]

    def _stream(self, line: portable.Stream) -> None:
        if line.key.startswith(archive.PREFIX):
            return  # this store's own name for what is archived here
        hide = self._hide
        facts = {"client": line.client, "folder": line.folder, "claim": line.claim, "owner": line.owner}
        self._streams[line.key] = uniting.stream(
            self._db, hide(line.key), project_id=self._project_id, created_at=line.created_at,
            facts={name: hide.maybe(value) for name, value in facts.items()}, version=hide.maybe(line.client_version),
            timeouts=line.timeouts,
        )  # fmt: skip

    def _id(self, line: portable.Id) -> str | None:
        stream = None if line.stream is None else self._find(line.stream)
        if line.stream is not None and (stream is None or line.key is None):
            return "is of a stream that is not in the file"
        key = None if line.key is None or stream is None else portable.key_number(line.key)
        if not uniting.anchor(self._db, redact(line.id), stream, key, line.created_at):
            return "has an id that another session has here"
        return None

    def _report(self, line: portable.Told, stream: int) -> str | None:
        found = portable.report(line, self._hide)
        teller = stream
        if line.origin is not None:
            origin = self._find(line.origin)
            if origin is None:
                return "is of a server that is not in the file"
            teller = origin
        # What a server told is where the evidence puts it, whatever the file says: this store may know more.
        place = joins.place(self._db, teller, found.at) if found.source in (SERVER, SWEEP) else stream
        if teller != place:
            found = msgspec.structs.replace(found, origin=teller)
        self._reports.setdefault((place, stream), []).append(found)
        return None

    def _said(self, line: portable.Turn | portable.Usage, stream: int) -> None:
        key, model = portable.key_number(line.key), self._hide.maybe(line.model)
        if isinstance(line, portable.Usage):
            spent = turns.Spent(
                key=key, at=line.at, model=model, input=line.input, output=line.output, cache_read=line.cache_read,
                cache_write=line.cache_write,
            )  # fmt: skip
            turns.add_usage(self._db, stream, spent)
            return
        turn = turns.Turn(
            key=key, source=portable.NUMBERS[line.source], at=line.at, role=self._hide(line.role),
            text=redact(line.text), model=model,
        )  # fmt: skip
        self.said += turns.add_turn(self._db, stream, turn)

    def _quarantined(self, line: portable.Quarantined) -> str | None:
        stream = self._find(line.stream)
        if stream is None:
            return "is of a stream that is not in the file"
        origin = None if line.origin is None else self._find(line.origin)
        found = msgspec.structs.replace(portable.report(line, self._hide), origin=origin)
        if found.source in (SERVER, SWEEP):
            return "would wait, though no server's report ever does"
        activities.quarantine(self._db, stream, found)
        return None

    def _amendment(self, line: portable.Amendment) -> str | None:
        reason = _unfit(line)
        if reason is not None:
            return reason
        found = portable.Amendment(
            made_at=line.made_at, kind=self._hide(line.kind), session=redact(line.session), data=leaves(line.data)
        )
        if found.kind == legacy.ADOPTED:
            created = found.data["created_at"]
            if not uniting.anchor(self._db, redact(found.session), None, None, created):
                return "has an id that another session has here"
        self._decided.append(found)
        return None

    def flush(self) -> None:
        """Write what waits."""
        for (place, stream), found in self._reports.items():
            # The store that it comes from has believed in it: it does not wait here.
            now = max(self._now, *(report.at for report in found))
            if any(report.source == SERVER and report.tool is not None for report in found):
                _note_served(self._db)
            self.new += record.store(self._db, place, found, now=now)
            if place != stream:
                uniting.follow(self._db, stream, place, (report.key for report in found))
        self._reports.clear()
        self._decide()

    def _decide(self) -> None:
        """Put in force what was decided: whatever session a decision names is derived anew."""
        new: dict[str, portable.Amendment] = {}
        for found in self._decided:
            if not uniting.is_decided(self._db, found):
                new.setdefault(repr(found), found)
        self._decided.clear()
        if not new:
            return
        uniting.amend(self._db, list(new.values()))
        named = {name for found in new.values() for name in (found.session, *_texts(found.data))}
        # What is merged or split changes sessions that no new decision names, too.
        streams, alone = uniting.streams_of(self._db, sorted(named | combining.put_in_force(self._db)))
        for stream in streams:
            activities.mark_stale(self._db, stream)
        sweep.adopt(self._db, alone, self._now)


# --- what decisions must look like, for those who read them rely on it ------------------------------------------------


class _File(msgspec.Struct):
    path: str
    count: Count
    first_at: Instant
    last_at: Instant


class _Adopted(msgspec.Struct):
    project_id: str
    started_at: Instant
    ended_at: Instant | None
    status: Literal["active", "completed", "archived"]
    topics: list[str]
    metadata: dict[str, Any]
    files: list[_File]
    last_activity_at: Instant
    created_at: Instant
    updated_at: Instant


class _Changes(msgspec.Struct):
    title: str | None = None
    topics: str = "[]"
    started_at: Instant = 0
    status: Literal["completed", "archived"] = "completed"
    ended_at: Instant | None = None
    end_reason: str = ""


class _Edited(msgspec.Struct):
    through: Instant
    set: _Changes


class _Combined(msgspec.Struct):
    number: Count
    ids: list[str]
    at: Instant | None = None
    of: list[str] = []
    parts: list[list[str]] = []
    automatic: bool = False


_SHAPES: Final = {legacy.ADOPTED: _Adopted, "edited": _Edited, **dict.fromkeys(merging.KINDS, _Combined)}


def _unfit(line: portable.Amendment) -> str | None:
    """Return what is wrong with a decision; of kinds that are not known here nothing is."""
    shape = _SHAPES.get(line.kind)
    if shape is None:
        return None
    try:
        msgspec.convert(line.data, shape)
    except msgspec.ValidationError as error:
        return f"is no decision of its kind: {error}"
    changes = line.data.get("set", {})
    if "status" in changes and not {"ended_at", "end_reason"} <= changes.keys():
        return "is no decision of its kind: it lacks the end"
    return None


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from _texts(part)


# --- once everything is there -----------------------------------------------------------------------------------------


def _note_served(db: apsw.Connection) -> None:
    if not activities.is_served(db):
        activities.note_served(db)


def _join(db: apsw.Connection, evidence: list[str], project_id: str, now: int) -> None:
    for found in evidence:
        how, _, name = found.partition(" ")
        server = activities.find_stream(db, name) if how == "of" else None
        for stream in joins.under(db, name)[0] if how == "under" else [server]:
            if stream is not None:
                claim = joins.claim_of(db, stream)
                claimed = None if claim is None else activities.find_stream(db, claim)
                # The last timeout stays in force: nothing is told of it here.
                timeout = activities.timeouts(db, stream if claimed is None else claimed)[-1][1]
                joining.join(db, stream, project_id=project_id, timeout_ms=timeout, now=now)


def _derive(db: apsw.Connection, streams: list[int], now: int) -> int:
    for stream in streams:
        record.derive_stream(db, stream, now=now)
        activities.mark_fresh(db, stream)
    return sum(uniting.runs(db, stream) for stream in streams)


def name_of(key: str) -> Redacted:
    """Return a project's name as exports have it: that of its folder."""
    return redact(os.path.basename(key.rstrip("/\\")))
