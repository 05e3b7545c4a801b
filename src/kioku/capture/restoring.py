"""Reading an export back: what it holds is united with what the store has, and its sessions are derived anew.

A batch of lines is one transaction, and every line can be read again: whoever is interrupted imports the file once
more. What cannot be read is named and left out; nothing else of the file depends on it but what names it.
"""

import io
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import apsw
import msgspec

from kioku import times
from kioku.capture.batches import Batch, Whole
from kioku.capture.importing import Skipped
from kioku.capture.transcripts import lines
from kioku.errors import UsageError
from kioku.redaction import Redacted, redact
from kioku.sessions import joining, record, settling
from kioku.store import activities, joins, portable, uniting
from kioku.store.portable import Head, Line
from kioku.store.redactor import Redactor
from kioku.store.store import Store

BATCH_LINES: Final = 2_000
BATCH_BYTES: Final = 4 << 20
STREAMS_AT_ONCE: Final = 200  # derived in one transaction
_LISTED: Final = 1_000
_NAMES: Final = {
    portable.Stream: "streams", portable.Told: "reports", portable.Turn: "turns", portable.Usage: "usage",
    portable.Quarantined: "quarantined", portable.Id: "ids", portable.Amendment: "amendments",
    portable.Sighting: "sightings", portable.Span: "spans", portable.Derived: "sessions", portable.Archived: "archived",
    portable.Kept: "kept", portable.Discovery: "discoveries", portable.Succession: "successions",
    portable.Refinement: "refinements", portable.Item: "items",
}  # fmt: skip


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a file: how many lines of each kind it has, what of them was new, and what was left out.

    `only_proposed` counts discoveries that were accepted there and are not here.
    """

    file: str
    project: str | None
    is_part: bool
    lines: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(_NAMES.values(), 0))
    new_activities: int = 0
    new_turns: int = 0
    new_archived: int = 0
    only_proposed: int = 0
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
    """Reads exports into one store. `name` is the project's; an export of another one is refused unless `force`.

    What a `trusted` file says of discoveries has the authority that it claims; of another one, nobody's.
    """

    def __init__(
        self,
        store: Store | None,
        name: str | None,
        *,
        force: bool = False,
        trusted: bool = False,
        now: Callable[[], int] = times.now_ms,
    ) -> None:
        self._store = store  # None: everything is read and checked, nothing written
        self._name = name
        self._force = force
        self._trusted = trusted
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
        batch: list[tuple[int, Line | Whole]] = []
        evidence: dict[str, None] = {}  # processes, and servers that name a conversation
        kept: dict[str, list[int]] = {}  # keys of archived sessions whose own lines are still to come
        held, number, end = 0, 1, None
        if self._store is not None and head.served:
            self._store.write(uniting.served)
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
                if isinstance(read, portable.Kept) and read.session is not None:
                    kept.setdefault(read.session, []).extend(map(portable.key_number, read.keys))
                elif isinstance(read, portable.Archived):
                    batch.append((number, Whole(read, tuple(dict.fromkeys(kept.pop(read.id, ()))))))
                elif not isinstance(read, portable.Span | portable.Derived):
                    batch.append((number, read))
            if len(batch) >= BATCH_LINES or held >= BATCH_BYTES:
                self._write(batch, outcome)
                batch, held = [], 0
        self._write(batch, outcome)
        for session in kept:
            outcome.skip(None, f"has keys of the session {self._hide(session)[:100]}, and no line that tells of it")
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

    def _write(self, batch: list[tuple[int, Line | Whole]], outcome: Outcome) -> None:
        if self._store is None or not batch:
            return
        done = self._store.write(partial(self._unite, batch=batch, project_id=self._store.project_id))
        outcome.new_activities += done.new
        outcome.new_turns += done.said
        outcome.new_archived += done.archived
        outcome.only_proposed += done.proposed
        for number, reason in done.skipped:
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

    def _unite(self, db: apsw.Connection, batch: list[tuple[int, Line | Whole]], project_id: str) -> Batch:
        """Take in a batch of lines; return what came of it."""
        work = Batch(db, self._hide, project_id, self._now(), trusted=self._trusted)
        for number, line in batch:
            reason = work.take(line)
            if reason is not None:
                work.skipped.append((number, reason))
        work.flush()
        return work


# --- once everything is there -----------------------------------------------------------------------------------------


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
