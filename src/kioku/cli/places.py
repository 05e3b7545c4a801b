"""Finding the project and opening its store, as every command does it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kioku import dotenv, project, redaction, settings, times
from kioku.capture import homeless, spool
from kioku.capture.prepare import prepare
from kioku.cli.output import note
from kioku.errors import KiokuError, ProjectError, StoreError, StoreReadOnlyError
from kioku.project import Project
from kioku.sessions import lease, sweep
from kioku.settings import Settings
from kioku.store.opening import open_for_reading, open_store
from kioku.store.store import Store


def find(folder: str | None, *, own: bool = False) -> tuple[Project, Settings]:
    """Return the project that a command is about, and its settings; with `own`, the person's own store."""
    if own:
        values = settings.load(None)
        times.use_zone(values.zone)
        redaction.use(redaction.Secrets(allow=values.texts("redaction.allow")))
        return project.own(), values
    where = project.find(folder, settings.project_variables(), project.working_folder())
    values = settings.load(where.context_dir)
    times.use_zone(values.zone)
    redaction.use(redaction.Secrets(values=dotenv.values(where.workdir), allow=values.texts("redaction.allow")))
    prepare()
    return where, values


@contextmanager
def opened(where: Project, *, writable: bool = True, swept: bool = True) -> Iterator[Store]:
    """Open the project's store; one that may be written is swept first, one that may not is only read.

    Raises StoreError when there is none.
    """
    if not os.path.lexists(where.store_path) and writable:
        drain_to_own()
    if not os.path.lexists(where.store_path):
        raise StoreError(f"nothing has been recorded in {where.root} yet", hint=hint_without_store(where))
    store = _open(where, writable=writable)
    try:
        for remark in store.notes:
            note(f"note: {remark}")
        if not store.is_registered:
            note("note: this store came from elsewhere: what it knows is the repository's until 'kioku doctor --adopt'")
        if store.writable and swept:
            is_told = _drain(where, store)
            values = settings.load(None if where == project.own() else where.context_dir)
            if sweep.sweep(store, where.run_dir, times.now_ms(), merge_within_ms=values.merge_within_ms) or is_told:
                make_ready(where, store, values)
        yield store
    finally:
        store.close()


def learn(where: Project, store: Store, values: Settings) -> None:
    """Look at every session that waits to be looked at; where the store can only be read, they go on waiting."""
    from kioku.knowledge import learning
    from kioku.sessions import settling

    if store.writable:
        settling.settle(store)
        tell(learning.learn(store, where, values, everything=True))


def tell(error: KiokuError | None) -> None:
    """Say what kept `project.yaml` from following what is known."""
    if error is not None:
        note(f"note: not written into project.yaml: {error}")


def make_ready(where: Project, store: Store, values: Settings, *, everything: bool = False) -> None:
    """See to what the next session begins with, after one has ended or something was told of one.

    Of what waits to be looked at, that is all, or as much as somebody can wait for.
    """
    from kioku import resuming
    from kioku.knowledge import learning

    tell(learning.learn(store, where, values, everything=everything))
    exclude = values.texts("capture.exclude")
    if where != project.own() and not settings.is_excluded(where.workdir, exclude):
        budget, judged = values.number(settings.RESUME_BUDGET), judge(where)
        resuming.prepare(store, where, budget=budget, now=times.now_ms(), judge=judged, exclude=exclude)


def hint_without_store(where: Project) -> str:
    """Return what to say about a project in which nothing is recorded yet."""
    hint = "an assistant that starts 'kioku serve' begins it"
    if where != project.own() and os.path.lexists(project.own().store_path):
        hint += "; what hooks saw before that is in your own store: kioku sessions list --own"
    return hint


def drain_to_own() -> None:
    """Take in what hooks have left, where the project at hand has no store."""
    if not spool.pending(settings.user_folder("state")):
        return
    from kioku.capture import draining, stores

    with stores.opened() as homes:
        for root, reason in draining.drain(homes).left:
            note(f"note: events of {root} wait to be recorded: {reason}")


def _drain(where: Project, store: Store) -> bool:
    """Take in what hooks have left, for whichever project; return whether there was anything.

    What cannot be written now stays where it is.
    """
    is_told = where != project.own() and homeless.is_due(where)
    if is_told:
        from kioku.capture import homecoming

        homecoming.bring(where, store, settings.load(where.context_dir).timeout_ms)
    if not spool.pending(settings.user_folder("state")):
        return is_told
    from kioku.capture import draining, stores

    with stores.opened((where, store)) as homes:
        for root, reason in draining.drain(homes).left:
            note(f"note: events of {root} wait to be recorded: {reason}")
    return True


def judge(where: Project) -> sweep.Judge:
    """Return the function that tells whether an owner in this project lives."""
    return lease.judge(where.run_dir)


def _open(where: Project, *, writable: bool) -> Store:
    if writable:
        try:
            (project.prepare_own if where == project.own() else project.prepare)(where)
            return open_store(where.store_path)
        except StoreReadOnlyError:
            pass  # then it is read as it is
        except ProjectError as error:
            if os.access(where.context_dir, os.W_OK):
                raise
            note(f"note: {error.message}; reading only")
    return open_for_reading(where.store_path)
