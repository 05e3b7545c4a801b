"""The checks of `kioku doctor`, a row each in `CHECKS`.

A check only looks. Each finding says what was found, why it matters, and the fix; one that can be mended safely
carries the function that does it. Nothing here ever ends a process.
"""

import os
import stat
import sys
from collections.abc import Callable, Iterator

import apsw
import msgspec

from kioku import project, times
from kioku.doctor import capture, meaning
from kioku.doctor.finding import Finding
from kioku.errors import KiokuError, StoreDamagedError, StoreError
from kioku.project import Project
from kioku.reports import health
from kioku.sessions import lease, processes, sweep
from kioku.sessions.lease import Verdict
from kioku.store import registry
from kioku.store.connection import is_network_folder
from kioku.store.migrations import VERSION
from kioku.store.opening import check_whole, open_for_reading, open_store
from kioku.store.store import Store
from kioku.words import counted

OLDEST_SQLITE = (
    3,
    51,
    3,
)  # earlier ones can damage a store when a write-ahead log is reset (sqlite.org/wal.html)


class Patient(msgspec.Struct):
    """What the checks look at; `store` is None when it cannot be opened, and `failure` says why."""

    project: Project
    now: int
    store: Store | None
    failure: StoreError | None
    whole: bool = True

    def judge(self, token: str) -> Verdict:
        """Tell whether an owner lives."""
        return lease.verdict(self.project.run_dir, token)


def examine(where: Project, now: int, *, whole: bool = True) -> list[Finding]:
    """Run every check on a project, changing nothing.

    Without `whole`, the store's file is not read from its beginning to its end, which takes about 1 s for each 30 MB.
    """
    store, failure = None, None
    try:
        store = open_for_reading(where.store_path)
    except StoreError as error:
        failure = error
    patient = Patient(where, now, store, failure, whole)
    try:
        return [finding for check in CHECKS for finding in check(patient)]
    finally:
        if store is not None:
            store.close()


def _programs(_patient: Patient) -> Iterator[Finding]:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    found = f"Python {sys.version.split()[0]}, SQLite {apsw.sqlite_lib_version()}, apsw {apsw.apsw_version()}"
    if version < OLDEST_SQLITE:
        why, fix = "SQLite before 3.51.3 can lose rows when its log is reset", "pip install --upgrade apsw"
        yield Finding(check="programs", state="problem", found=found, why=why, fix=fix)
    else:
        yield Finding(check="programs", state="ok", found=found)


def _folder(patient: Patient) -> Iterator[Finding]:
    context = patient.project.context_dir
    try:
        status = os.lstat(context)
    except OSError:
        return
    if not os.access(context, os.W_OK):
        yield Finding(
            check="permissions",
            state="problem",
            found=f"{context} cannot be written",
            why="nothing can be recorded",
            fix="give your user the right to write there",
        )
    elif sys.platform != "win32" and stat.S_IMODE(status.st_mode) & 0o077:
        yield Finding(
            check="permissions",
            state="warning",
            found=f"{context} is open to other users",
            why="they can read your sessions",
            fix=f"chmod 700 {context}",
            mend=lambda: project.tighten(patient.project),
        )
    else:
        yield Finding(check="permissions", state="ok", found=f"only you can read {context}")
    if is_network_folder(context):
        yield Finding(
            check="file system",
            state="warning",
            found=f"{context} is on a network file system",
            why="recording is slower there, and locks may not hold",
            fix="keep the project on a local disk",
        )


def _store(patient: Patient) -> Iterator[Finding]:
    path = patient.project.store_path
    if patient.store is None:
        assert patient.failure is not None
        if not os.path.lexists(path):
            yield Finding(check="store", state="ok", found="nothing recorded yet")
            return
        mend = None
        if isinstance(patient.failure, StoreDamagedError):
            mend = lambda: open_store(path, suspect=True).close()  # noqa: E731
        yield Finding(
            check="store",
            state="problem",
            found=patient.failure.message,
            why="nothing can be recorded or shown",
            fix=patient.failure.hint or "",
            mend=mend,
        )
        return
    try:
        if patient.whole:
            patient.store.read(lambda db: check_whole(path, db))
    except StoreError as error:
        yield Finding(
            check="store",
            state="problem",
            found=error.message,
            why="rows may be missing or wrong",
            fix="--fix keeps the file under another name and begins a new store",
            mend=lambda: open_store(path, suspect=True).close(),
        )
        return
    totals = patient.store.read(health.totals)
    size = sum(health.sizes(path).values()) / 1e6
    yield Finding(
        check="store",
        state="ok",
        found=f"{'whole' if patient.whole else 'readable'}, schema {VERSION}, {size:.1f} MB:"
        f" {counted(totals.sessions, 'session')}, {counted(totals.activities, 'activity')}",
    )
    if not patient.store.is_registered:
        yield Finding(
            check="store",
            state="warning",
            found="this store was not begun by you on this machine",
            why="what it knows counts as text of the repository, not as yours",
            fix="kioku doctor --adopt",
        )
    if registry.is_tracked_by_git(path):
        yield Finding(
            check="store",
            state="problem",
            found=f"{path} is tracked by git",
            why="your sessions would be published",
            fix=f"git rm --cached {os.path.relpath(path, patient.project.root)}",
        )
    aside = [
        name for name in sorted(os.listdir(patient.project.context_dir)) if ".corrupt-" in name or ".foreign-" in name
    ]
    for name in aside:
        if not name.endswith(("-wal", "-shm", "-journal")):
            yield Finding(
                check="store",
                state="warning",
                found=f"an earlier store was set aside as {name}",
                why="what it holds is not in your reports",
                fix="remove it once you are sure that you do not need it",
            )


def _sessions(patient: Patient) -> Iterator[Finding]:
    store = patient.store
    if store is None:
        return
    found = store.read(sweep.active)
    over = sweep.plan(found, patient.now, patient.judge)
    orphans = [closing for closing in over if closing.mark is not None]
    for closings, word in (
        (orphans, "whose server died"),
        ([c for c in over if c.mark is None], "that have gone silent"),
    ):
        if closings:
            yield Finding(
                check="sessions",
                state="warning",
                found=f"{counted(len(closings), 'active session')} {word}",
                why="they show as active until the next Kioku process looks",
                fix="--fix closes them",
                mend=lambda: _sweep(patient),
            )
    unowned = [s for s in found if s.owner is None or patient.judge(s.owner) is Verdict.UNKNOWN]
    if len(unowned) > len(over):
        yield Finding(
            check="sessions",
            state="ok",
            found=f"{len(unowned)} active sessions of which nobody can tell whether they are live",
        )
    if not over:
        yield Finding(check="sessions", state="ok", found=f"{len(found)} active, none of them stale")
    unreadable = store.read(health.unreadable)
    if unreadable:
        yield Finding(
            check="sessions",
            state="problem",
            found=f"{counted(len(unreadable), 'session')} with impossible values: {', '.join(unreadable[:3])}",
            why="somebody changed the rows by hand, or the file comes from elsewhere",
            fix="kioku doctor --rebuild writes them anew from their activities",
        )
    strange = store.read(lambda db: health.strange_times(db, patient.now))
    if strange:
        yield Finding(
            check="sessions",
            state="warning",
            found=f"impossible times in {len(strange)} sessions: {', '.join(strange[:3])}",
            why="a wrong clock, or rows edited by hand; reports include them",
            fix="look at them: kioku sessions show ID",
        )
    pairs = store.read(health.overlapping)
    lost = store.read(health.lost_rows)
    if pairs or lost:
        yield Finding(
            check="sessions",
            state="problem",
            found=f"{len(pairs)} overlapping pairs, {lost} streams without their sessions",
            why="the list does not say what the activities say",
            fix="kioku doctor --rebuild",
        )


def _servers(patient: Patient) -> Iterator[Finding]:
    store = patient.store
    if store is None:
        return
    live = [owner for owner in store.read(health.owners) if patient.judge(owner.owner.token) is Verdict.ALIVE]
    for found in live:
        owner = found.owner
        state = processes.describe(owner.pid, owner.start_token)
        memory = processes.memory_kb(owner.pid) if state == "running" else None
        size = f", {memory / 1024:.0f} MB" if memory else ""
        age = times.duration_text(patient.now - owner.started_at)
        sessions = ", ".join(id[:8] for id in found.sessions)
        who = f"process {owner.pid} ({found.client or 'unnamed client'}{size})"
        yield Finding(check="servers", state="ok", found=f"{who} has run for {age}; session {sessions}")
    if not live:
        yield Finding(check="servers", state="ok", found="none is recording now")


def _sweep(patient: Patient) -> None:
    store = open_store(patient.project.store_path)
    try:
        sweep.sweep(store, patient.project.run_dir, patient.now)
    finally:
        store.close()


def _capture(patient: Patient) -> Iterator[Finding]:
    yield from capture.check(patient.project, patient.store, patient.now)


def _meaning(patient: Patient) -> Iterator[Finding]:
    yield from meaning.check(patient.project, patient.store)


CHECKS: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    _programs, _folder, _store, _sessions, _servers, _capture, _meaning,
)  # fmt: skip


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild found: ids of sessions that differ from before, and how many there are."""

    sessions: int
    different: list[str]


def rebuild(store: Store, now: int, timeout_ms: int | None) -> Rebuilt:
    """Derive every session anew and compare with what was stored. Raises KiokuError."""
    before = store.read(health.projection)
    sweep.rebuild(store, now, timeout_ms=timeout_ms)
    after = store.read(health.projection)
    different = sorted(id for id in before.keys() | after.keys() if before.get(id) != after.get(id))
    return Rebuilt(len(after), different)


def adopt(store: Store) -> None:
    """Register a store as the person's own. Raises KiokuError when that cannot be remembered."""
    if not registry.register(store.id, store.path):
        raise KiokuError("the store could not be registered", hint="make your user's state folder writable")
