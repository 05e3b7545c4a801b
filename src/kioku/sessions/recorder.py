"""Recording for one running server: its lease, its stream, every report, the sweep, and the end.

A call is recorded and committed before its answer goes out. When that fails, the caller is told, the report is kept
and written with the next one that succeeds, and the store is opened anew as often as it takes: recording recovers by
itself.
"""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import apsw

from kioku import project, times
from kioku.errors import KiokuError, ProjectError, StoreBusyError, StoreDamagedError, StoreError
from kioku.models import FILE_READ, SERVER_START, SERVER_STOP, Report
from kioku.project import Project
from kioku.redaction import Redacted, redact
from kioku.sessions import joining, record, sweep
from kioku.sessions.lease import Lease
from kioku.sessions.reporter import Reporter, cut
from kioku.settings import is_excluded
from kioku.store import activities, joins, sessions
from kioku.store.opening import open_store
from kioku.store.sessions import Row
from kioku.store.store import Store

KEPT_REPORTS = 10_000  # how many reports wait in memory while the store cannot be written


class Client(NamedTuple):
    """The client that started a server: its process, as an owner's token, and the conversation that it named."""

    process: str | None = None
    conversation: str | None = None


NOBODY = Client()


class Spool(Protocol):
    """What hooks have left to be taken in."""

    def is_due(self) -> bool:
        """Tell whether there is anything for this project. Called often: it must be cheap."""

    def drain(self, store: Store, *, everything: bool) -> None:
        """Take in what is there for an open store; with `everything`, for other projects too. Raises KiokuError."""


class Recorder:
    """Records one server's life as a stream. Safe to call from any thread.

    `say` is told, once each, what a person should know: what was set aside, and when recording stopped and went on.
    `client` is what is known of the client that started the server; `spool` takes in what hooks left. `exclude`
    are folders that are never recorded: in one of them the tools work, and nothing is kept of it. `merge_within_ms` is
    the gap below which sessions that are over are merged; 0: never. `afterwards` is called where sessions may have
    ended, with whether the server ends too; while it runs that holds up no call. It raises nothing.
    """

    def __init__(
        self,
        where: Project,
        timeout_ms: int,
        say: Callable[[str], None],
        *,
        client: Client = NOBODY,
        spool: Spool | None = None,
        exclude: Sequence[str] = (),
        merge_within_ms: int = 0,
        afterwards: Callable[[Store, bool], None] = lambda _store, _is_ending: None,
    ) -> None:
        self.project = where
        self._started_by = client
        self._spool = spool
        self._reporter = Reporter(where.workdir, exclude)
        self._is_silent = is_excluded(where.workdir, exclude)
        self._timeout_ms = timeout_ms
        self._merge_within_ms = merge_within_ms
        self._afterwards = afterwards
        self._say = say
        self._lock = threading.RLock()
        self._lease: Lease | None = None
        self._store: Store | None = None
        self._stream = 0
        self._client: tuple[Redacted, Redacted] | None = None
        self._waiting: list[Report] = []
        self._suspect = False
        self._failure: str | None = None
        self._next_sweep = 0
        self._named_client: tuple[Redacted, Redacted] | None = None  # as it stands in the store
        self._is_stopped = False
        self._lease_failure: str | None = None
        self._spool_failure: str | None = None
        self._chores = threading.Lock()

    def start(self) -> None:
        """Begin the session. When the store cannot be written now, it begins with the first call that can."""
        if self._is_silent:
            self._say("this folder is named in capture.exclude: nothing is recorded")
            return
        self._keep(self._reporter.report(SERVER_START, times.now_ms()))
        try:
            self._flush()
        except StoreError:
            pass  # it has been said, and what waits is written as soon as it can be

    def record(
        self,
        kind: Redacted,
        *,
        took: int,
        tool: str | None = None,
        path: str | None = None,
        also_read: Sequence[str] = (),
        detail: str | None = None,
        ok: bool = True,
    ) -> None:
        """Record one call that has just ended and lasted `took` ms; it is on disk when this returns.

        `also_read` are further files that the call read. Raises StoreError when it could not be written yet.
        """
        if self._is_silent:
            return
        at = times.now_ms() - took
        call = self._reporter.report(kind, at, took, tool=tool, path=path, detail=detail, ok=ok)
        seen = [other for other in also_read if not self._reporter.is_hidden(other)]
        others = [self._reporter.report(FILE_READ, at, took, path=other) for other in seen]
        with self._lock:
            self._refuse_after_the_end()
            self._keep(call, *others)
            self._flush()

    def name_client(self, name: str, version: str) -> None:
        """Note which client the conversation is with; it is written with the next activity or tick."""
        self._client = cut(name, 200), cut(version, 200)

    @property
    def _client_is_new(self) -> bool:
        return self._client != self._named_client

    @property
    def unrecorded(self) -> int:
        """Return how many activities could not be written yet."""
        return len(self._waiting)

    def tick(self) -> None:
        """Have done what is due, in the background: the lease kept, the client noted, a sweep every five minutes.

        Returns at once and raises nothing.
        """
        is_due = not 0 <= self._next_sweep - times.now_ms() <= sweep.INTERVAL
        if self._is_silent:
            return
        has_events = self._spool is not None and self._spool.is_due()
        if (is_due or has_events or self._client_is_new or self._lease_is_lost()) and not self._chores.locked():
            threading.Thread(target=self._do_chores, args=(is_due,), daemon=True).start()

    def _lease_is_lost(self) -> bool:
        return self._lease is not None and not self._lease.is_in_place()

    def _do_chores(self, sweep_is_due: bool) -> None:
        with self._chores:
            with self._lock:
                if self._is_stopped:
                    return
                self._do_own_chores(sweep_is_due)
                store = self._store
            # Without the lock: what hooks left, and what is learned, must not hold up a call that is to be recorded.
            if store is not None:
                self._drain(store, everything=sweep_is_due)
                self._afterwards(store, False)

    def _drain(self, store: Store, *, everything: bool) -> None:
        """Take in what hooks left. What cannot be taken in waits, and never stands in the way of what is our own."""
        if self._spool is None:
            return
        try:
            self._spool.drain(store, everything=everything)
            self._spool_failure = None
        except KiokuError as error:
            if self._spool_failure != str(error):
                self._spool_failure = str(error)
                self._say(f"what hooks left has to wait: {error}")

    def _do_own_chores(self, sweep_is_due: bool) -> None:
        try:
            if self._lease is not None:
                self._keep_lease(self._lease)
            now = times.now_ms()
            if sweep_is_due:
                self._next_sweep = now + sweep.INTERVAL
            if self._client_is_new or (self._waiting and sweep_is_due):
                self._flush()
            if sweep_is_due and self._store is not None:
                sweep.sweep(self._store, self.project.run_dir, now, merge_within_ms=self._merge_within_ms)
                sweep.remove_leases(self._store, self.project.run_dir)
        except StoreError as error:
            self._fail(error)

    def _keep_lease(self, lease: Lease) -> None:
        """Make the lease anew if it is lost; say it once when that cannot be done."""
        try:
            lease.heartbeat()
            self._lease_failure = None
        except OSError as error:
            if self._lease_failure != str(error):
                self._lease_failure = str(error)
                self._say(f"the lease could not be kept: {error}")

    def session_id(self) -> str | None:
        """Return the id of the session that this server's last activity belongs to."""

        def last(db: apsw.Connection) -> Row | None:
            return sessions.last_of(db, joins.place(db, self._stream, times.now_ms()))

        with self._lock:
            row = None if self._store is None else self._store.read(last)
        return None if row is None else row.session.id

    def store(self) -> Store:
        """Return the open store, for reading. Raises KiokuError when it cannot be opened."""
        if self._is_silent:
            raise StoreError("nothing is recorded in this folder", hint="it is named in the setting capture.exclude")
        with self._lock:
            self._refuse_after_the_end()
            return self._opened()

    def stop(self) -> None:
        """End the session, then close the store and give the lease up. Safe to repeat; raises nothing."""
        with self._lock:
            if self._is_stopped:
                return
            self._is_stopped = True
            if self._store is not None:
                self._drain(self._store, everything=False)
            try:
                if self._store is not None or self._waiting:
                    self._keep(self._reporter.report(SERVER_STOP, times.now_ms()))
                    self._flush()
                    if self._store is not None:
                        self._afterwards(self._store, True)
            except StoreError as error:
                self._say(f"the end of the session could not be recorded: {error}")
            finally:
                self._drop_store()
                if self._lease is not None:
                    self._lease.release()
                    self._lease = None

    def _refuse_after_the_end(self) -> None:
        """Keep a call that outlives the server's end from beginning another session."""
        if self._is_stopped:
            raise StoreError("the recording has ended")

    def _keep(self, *reports: Report) -> None:
        """Put reports in line to be written; the oldest give way when the line is too long."""
        self._waiting += reports
        if len(self._waiting) > KEPT_REPORTS:
            self._say(f"{len(self._waiting) - KEPT_REPORTS} activities were lost: the store could not be written")
            del self._waiting[: len(self._waiting) - KEPT_REPORTS]

    def _flush(self) -> None:
        """Write what waits. Raises KiokuError and keeps it when that cannot be done."""
        with self._lock:
            try:
                self._named_client = self._opened().write(self._write)
            except StoreBusyError as error:
                self._mention(error)
                raise
            except StoreError as error:
                self._fail(error)
                if not self._retry_at_once():
                    raise
            self._waiting.clear()
            if self._failure is not None:
                self._failure = None
                self._say("recording again")

    def _retry_at_once(self) -> bool:
        """Try once more with the store opened anew: it may have been replaced under us."""
        try:
            self._named_client = self._opened().write(self._write)
        except StoreError as error:
            self._fail(error)
            return False
        return True

    def _opened(self) -> Store:
        """Return the store, opened if it is not. Raises StoreError."""
        try:
            return self._store or self._open()
        except (OSError, ProjectError) as error:
            why = error.strerror if isinstance(error, OSError) else error.message
            raise StoreError(f"{self.project.context_dir} cannot be used: {why}") from error

    def _open(self) -> Store:
        if self._store is None:
            project.prepare(self.project)
            now = times.now_ms()
            if self._lease is None:
                self._lease = Lease(self.project.run_dir, now=now)
            else:
                self._lease.heartbeat()
            store = open_store(self.project.store_path, suspect=self._suspect)
            try:
                for note in store.notes:
                    self._say(note)
                sweep.sweep(store, self.project.run_dir, now, merge_within_ms=self._merge_within_ms)
                self._stream = store.write(lambda db: self._begin_stream(db, store, now))
            except BaseException:
                store.close()
                raise
            self._store, self._suspect, self._next_sweep = store, False, now + sweep.INTERVAL
        return self._store

    def _begin_stream(self, db: apsw.Connection, store: Store, now: int) -> int:
        assert self._lease is not None
        owner = self._lease.owner
        activities.add_owner(db, owner)
        stream = activities.stream(
            db,
            redact(f"server:{owner.token}"),
            project_id=store.project_id,
            owner=owner.token,
            timeout_ms=self._timeout_ms,
            now=now,
        )
        if self._client is not None:
            activities.name_client(db, stream, *self._client)
        client = self._started_by
        if client.process is not None:
            joins.sight(db, redact(client.process), stream, now)
        if client.conversation is not None:
            joins.claim(db, stream, redact(client.conversation))
        if client != NOBODY:
            joining.join(db, stream, project_id=store.project_id, timeout_ms=self._timeout_ms, now=now)
        return stream

    def _write(self, db: apsw.Connection) -> tuple[Redacted, Redacted] | None:
        """Write what waits; return the client's name as it stands in the store now."""
        record.take(db, self._stream, self._waiting, now=times.now_ms())
        client = self._client
        if client is not None and client != self._named_client:
            activities.name_client(db, self._stream, *client)
        return client

    def _fail(self, error: StoreError) -> None:
        """Close a store that failed, so that the next use opens it anew."""
        self._suspect = self._suspect or isinstance(error, StoreDamagedError)
        self._drop_store()
        self._mention(error)

    def _mention(self, error: StoreError) -> None:
        """Say once why nothing is recorded."""
        if self._failure != str(error):
            self._failure = str(error)
            self._say(f"not recording: {error}")

    def _drop_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
