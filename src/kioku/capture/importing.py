"""Transcripts into stores: streaming, from where the last import stopped, and safe to interrupt and to repeat.

Everything kept has a key of its own, so reading a line again changes nothing; positions only spare the reading. They
are written after the rows that they stand for. Sessions are derived once a file is done; if that is not reached, the
streams are marked as stale and whoever opens the store next does it.
"""

import io
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

import apsw
import msgspec

from kioku import times
from kioku.capture.foreseeing import Foresight
from kioku.capture.keeping import Keeper, Kept
from kioku.capture.seen import Seen
from kioku.capture.stores import Home, Stores
from kioku.capture.transcripts import lines
from kioku.capture.transcripts.reading import BadLineError, Format
from kioku.errors import KiokuError
from kioku.models import TRANSCRIPT, Report
from kioku.project import Project
from kioku.redaction import redact
from kioku.sessions import record, settling
from kioku.store import activities, forgotten, imports, indexing, sessions, turns
from kioku.store.imports import Source
from kioku.store.opening import open_for_reading

LARGEST_DOCUMENT: Final = 256 << 20  # bytes
BATCH_ROWS: Final = 5_000  # kept things in one transaction
BATCH_TEXT: Final = 4 << 20  # characters of turns in one transaction
SAVE_EVERY: Final = 64 << 20  # bytes after which the position within a large file is noted

LONGEST_INDEXING_MS: Final = 10_000  # of what was said; the rest has time until it is searched
_LISTED: Final = 1_000  # skipped lines that are listed one by one


class Skipped(msgspec.Struct, frozen=True):
    """A line that could not be read, or a whole file where `line` is None."""

    file: str
    line: int | None
    reason: str


class Outcome(msgspec.Struct, kw_only=True):
    """What an import did. `files` were looked at, `read` of them had something new in them.

    `excluded` conversations are never recorded; `elsewhere` counts those of each folder that are kept in the person's
    own store. What `sessions` a dry run would make is not known.
    """

    files: int = 0
    read: int = 0
    bytes: int = 0
    conversations: int = 0
    sessions: int | None = None
    activities: int = 0
    turns: int = 0
    excluded: int = 0
    skipped_lines: int = 0
    skipped: list[Skipped] = msgspec.field(default_factory=list)
    elsewhere: dict[str, int] = msgspec.field(default_factory=dict)
    projects: dict[str, int] = msgspec.field(default_factory=dict)

    def skip(self, file: str, line: int | None, reason: str) -> None:
        """Note a line that could not be read."""
        self.skipped_lines += 1
        if len(self.skipped) < _LISTED:
            self.skipped.append(Skipped(file, line, reason))


class Wish(NamedTuple):
    """What to import: everything, or only what happened since an instant, or in one project."""

    since: int | None = None
    project: Project | None = None
    dry_run: bool = False


class Importer:
    """Imports transcripts, one after another. `progress` is told of every stretch of bytes that is done."""

    def __init__(self, stores: Stores, wish: Wish, progress: Callable[[int], None] = lambda _bytes: None) -> None:
        self.outcome = Outcome()
        self.stores = stores
        self.wish = wish
        self.progress = progress
        self.own = stores.own()
        self.foresight = Foresight(stores)
        self.touched: dict[str, tuple[Home, dict[str, str | None]]] = {}  # by store: its conversations, with folders
        self.left_out: set[str] = set()  # conversations in folders that are never recorded
        self._ids: dict[str, str | None] = {}

    def take(self, form: Format, path: str) -> None:
        """Import one transcript. What cannot be read is noted in the outcome; raises StoreError, SettingsError."""
        self.outcome.files += 1
        name = imports.name_of(path)
        try:
            with open(lines.open_file(path), "rb", buffering=0) as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode):
                    self.outcome.skip(name, None, "is no regular file")
                    return
                known = self._known(name, form.client)
                if known is not None and (known.size, known.changed_at) == (status.st_size, status.st_mtime_ns):
                    self.progress(status.st_size)
                    return
                self.outcome.read += 1
                self.outcome.bytes += status.st_size
                file = _File(self, form, path, name, status)
                if form.is_lines:
                    file.read_lines(stream, known)
                else:
                    file.read_document(stream)
        except OSError as error:
            self.outcome.skip(name, None, error.strerror or "cannot be read")

    def finish(self) -> Outcome:
        """Count what the imported conversations have become, and where they are."""
        outcome = self.outcome
        outcome.excluded = len(self.left_out)
        found = 0
        for home, conversations in self.touched.values():
            outcome.conversations += len(conversations)
            if not self.wish.dry_run:
                store = self.stores.open(home)
                settling.settle(store)
                indexing.catch_up(store, most_ms=LONGEST_INDEXING_MS)
                count = store.read(lambda db, keys=list(conversations): sessions.count_of(db, keys))  # type: ignore[misc]
                found += count
            if home.own:
                for folder in conversations.values():
                    outcome.elsewhere[folder or ""] = outcome.elsewhere.get(folder or "", 0) + 1
            else:
                outcome.projects[home.project.root] = len(conversations)
        outcome.sessions = None if self.wish.dry_run else found
        return outcome

    def _known(self, path: str, client: str) -> Source | None:
        """Return how far a client's transcript was read, if every store that got its rows is still there."""
        known = self._source(path)
        if known is None or known.client != client or any(self._id(place) != id for place, id in known.stores):
            return None
        return known

    def _source(self, path: str) -> Source | None:
        store = self.stores.look(self.own) if self.wish.dry_run else self.stores.open(self.own)
        return None if store is None else store.read(lambda db: imports.source(db, path))

    def _id(self, path: str) -> str | None:
        """Return the id of the store at a path, if there is one."""
        if path not in self._ids:
            try:
                store = open_for_reading(path)
            except KiokuError:
                self._ids[path] = None
            else:
                self._ids[path] = store.id
                store.close()
        return self._ids[path]


class _File:
    """One transcript on its way into the stores."""

    def __init__(self, importer: Importer, form: Format, path: str, name: str, status: os.stat_result) -> None:
        self._importer = importer
        self._form = form
        self._path = path
        self._name = name
        self._status = status
        self._outcome = importer.outcome
        self._keepers: dict[str, tuple[Home | None, Keeper]] = {}
        self._folders: dict[str, str] = {}  # the last known folder of each conversation
        self._kept: dict[str, tuple[Home, dict[str, list[Kept]]]] = {}  # by store and conversation
        self._rows = self._text = 0
        self._is_partial = False  # something was left out on purpose: the whole is to be read again another time
        self._stores: dict[str, str] = {}
        self._conversations: dict[str, None] = {}
        self._deleted: dict[str, None] = {}  # conversations of which nothing is kept: a person deleted them

    def read_lines(self, stream: io.RawIOBase, known: Source | None) -> None:
        """Read a transcript of lines from where the last import stopped."""
        position = number = 0
        state: Mapping[str, str] = {}
        if known is not None and known.position and known.identity == lines.identity(stream, known.position):
            position, number, state = known.position, known.lines, known.state
            self._stores, self._conversations = dict(known.stores), dict.fromkeys(known.conversations)
            self._folders = {name.removeprefix("folder:"): f for name, f in state.items() if name.startswith("folder:")}
        reader = self._form.reader(self._path, state)
        self._importer.progress(position)
        saved = position
        unfinished: Mapping[str, str] | None = None  # what the reader knew before a last line that may still grow
        for line, end, is_ended in lines.lines(stream, position):
            number += 1
            if not is_ended:
                unfinished = reader.state()
            if line is None:
                self._outcome.skip(self._name, number, f"is longer than {lines.LONGEST_LINE >> 20} MB")
            else:
                try:
                    for seen in reader.read(line.rstrip(b"\r\n")):
                        self._keep(seen)
                except BadLineError as error:
                    self._outcome.skip(self._name, number, str(error) if is_ended else "is not complete yet")
            if not is_ended:
                break  # the next import reads it again
            if self._rows >= BATCH_ROWS or self._text >= BATCH_TEXT:
                self._flush()
            self._importer.progress(end - position)
            position = end
            if position - saved >= SAVE_EVERY:
                self._flush()
                self._save(lines.identity(stream, position), position, number, reader.state(), is_done=False)
                saved = position
        self._flush()
        self._derive()
        self._importer.progress(max(0, self._status.st_size - position))
        known_now = reader.state() if unfinished is None else unfinished
        whole = number if unfinished is None else number - 1
        self._save(lines.identity(stream, position), position, whole, known_now, is_done=True)

    def read_document(self, stream: io.RawIOBase) -> None:
        """Read a transcript that is one document."""
        if self._status.st_size > LARGEST_DOCUMENT:
            self._outcome.skip(self._name, None, f"is larger than {LARGEST_DOCUMENT >> 20} MB")
            return
        document = self._form.document(self._path, stream.read(LARGEST_DOCUMENT + 1) or b"")
        for line, reason in document.problems:
            self._outcome.skip(self._name, line, reason)
        for seen in document.seen:
            if document.retold is not None and self._is_recorded(document.retold, seen.folder):
                break  # told twice, it would count twice
            self._keep(seen)
            if self._rows >= BATCH_ROWS or self._text >= BATCH_TEXT:
                self._flush()
        self._flush()
        self._derive()
        self._importer.progress(self._status.st_size)
        self._save("", self._status.st_size, 0, {}, is_done=True)

    def _is_recorded(self, key: str, folder: str | None) -> bool:
        """Tell whether a folder's store knows a conversation, from hooks or from its client's own transcript."""
        home, _ = self._keeper(folder)
        if home is None or not self._is_wanted(home):
            return False
        importer = self._importer
        touched = importer.touched.get(home.project.store_path)
        if touched is not None and key in touched[1]:
            return True
        store = importer.stores.look(home) if importer.wish.dry_run else importer.stores.open(home)
        return store is not None and store.read(lambda db: activities.find_stream(db, redact(key))) is not None

    def _keep(self, seen: Seen) -> None:
        """Put what was seen in line for the store that it belongs to."""
        wish = self._importer.wish
        if seen.folder is not None:
            self._folders[seen.conversation] = seen.folder
        folder = self._folders.get(seen.conversation)
        key = f"{self._form.client}:{seen.conversation}"
        if wish.since is not None and seen.at < wish.since:
            self._is_partial = True
            return
        home, keeper = self._keeper(folder)
        if home is None:
            self._importer.left_out.add(key)
        if home is None or not self._is_wanted(home):
            self._is_partial = True
            return
        place = home.project.store_path
        touched = self._importer.touched.setdefault(place, (home, {}))[1]
        if key not in touched or touched[key] is None:
            touched[key] = folder
        self._conversations[key] = None
        kept = keeper.keep(seen)
        self._kept.setdefault(place, (home, {}))[1].setdefault(key, []).append(kept)
        self._rows += len(kept.reports) + 1
        self._text += 0 if kept.turn is None else len(kept.turn.text)

    def _keeper(self, folder: str | None) -> tuple[Home | None, Keeper]:
        found = self._keepers.get(folder or "")
        if found is None:
            try:
                home = self._importer.stores.home(folder, begin=True)
                if home is not None and self._is_wanted(home) and not self._importer.wish.dry_run:
                    self._importer.stores.open(home)  # makes its secrets known before anything of it is kept
            except KiokuError as error:
                # One project that cannot be recorded, or has settings that it may not have, keeps no other from it.
                self._outcome.skip(self._name, None, f"{folder}: {error}")
                home = None
            bases, exclude = ((), ()) if home is None else (home.bases, home.exclude)
            found = self._keepers[folder or ""] = home, Keeper(self._form.client, TRANSCRIPT, bases, exclude)
        return found

    def _is_wanted(self, home: Home) -> bool:
        wanted = self._importer.wish.project
        return wanted is None or home.project.root == wanted.root

    def _flush(self) -> None:
        """Write what waits, one transaction a store."""
        for home, conversations in self._kept.values():
            if self._importer.wish.dry_run:
                everything = [found for kept in conversations.values() for found in kept]
                said_there = (found.turn for found in everything if found.turn is not None)
                new, said = self._importer.foresight.count(home, _merged(everything), said_there)
            else:
                store = self._importer.stores.open(home)
                new, said = store.write(partial(self._write, home=home, conversations=conversations))
                self._stores[store.path] = store.id
            self._outcome.activities += new
            self._outcome.turns += said
        self._kept.clear()
        self._rows = self._text = 0

    def _write(self, db: apsw.Connection, home: Home, conversations: dict[str, list[Kept]]) -> tuple[int, int]:
        new = said = 0
        now = times.now_ms()
        project_id = self._importer.stores.open(home).project_id
        for key, found_there in conversations.items():
            kept = [one for one in found_there if not forgotten.has_conversation(db, redact(key), one.reports[0].at)]
            if not kept:
                self._deleted[key] = None
                continue
            timeout = home.settings.timeout_ms
            stream = activities.stream(db, redact(key), project_id=project_id, owner=None, timeout_ms=timeout, now=now)
            if home.own and (folder := self._folders.get(key.partition(":")[2])) is not None:
                activities.set_folder(db, stream, redact(folder[:4096]))
            new += record.store(db, stream, _merged(kept), now=now)
            for found in kept:
                if found.turn is not None:
                    said += turns.add_turn(db, stream, found.turn)
                if found.spent is not None:
                    turns.add_usage(db, stream, found.spent)
            versions = {found.version for found in kept if found.version is not None}
            for version in versions:
                activities.note_version(db, stream, version)
        return new, said

    def _derive(self) -> None:
        """Derive the sessions of what was imported."""
        if self._importer.wish.dry_run:
            return
        for path in self._stores:
            touched = self._importer.touched.get(path)
            if touched is not None:
                store = self._importer.stores.open(touched[0])
                store.write(lambda db: record.derive_stale(db, now=times.now_ms()))

    def _save(self, identity: str, position: int, number: int, state: Mapping[str, str], *, is_done: bool) -> None:
        """Note how far this file is read."""
        importer = self._importer
        self._leave_out_deleted()
        if importer.wish.dry_run or self._is_partial:
            return
        folders = {f"folder:{name}": folder for name, folder in self._folders.items()}
        found = Source(
            path=self._name, client=self._form.client, identity=identity,
            size=self._status.st_size if is_done else 0, changed_at=self._status.st_mtime_ns, position=position,
            lines=number, state={**state, **folders}, stores=sorted(self._stores.items()),
            conversations=list(self._conversations), read_at=times.now_ms(),
        )  # fmt: skip
        importer.stores.open(importer.own).write(lambda db: imports.put_source(db, found))

    def _leave_out_deleted(self) -> None:
        """Forget the names of conversations that a person deleted, and in which nothing was done since."""
        for key in self._deleted:
            homes = self._importer.touched.values()
            stores = [self._importer.stores.open(home) for home, _ in homes if not self._importer.wish.dry_run]
            if any(store.read(lambda db, key=key: activities.find_stream(db, redact(key))) for store in stores):  # type: ignore[misc]
                continue
            self._conversations.pop(key, None)
            self._folders.pop(key.partition(":")[2], None)
            for _, conversations in homes:
                conversations.pop(key, None)


def _merged(kept: Iterable[Kept]) -> list[Report]:
    """Return the reports, those of one thing as one: a call's start and end are often in one batch."""
    found: dict[int, Report] = {}
    for one in kept:
        for report in one.reports:
            other = found.get(report.key)
            found[report.key] = report if other is None else other.merged(report)
    return list(found.values())
