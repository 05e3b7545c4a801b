"""Conversations that the person's own store kept while their project had none move to the project's once it has one.

What is moved is written where it belongs before it is removed where it was: whoever is interrupted in between does it
again, and nothing is there twice. `homeless` says when there is anything to move.
"""

import os
from functools import partial

import apsw

from kioku import project, times
from kioku.capture import homeless
from kioku.errors import KiokuError
from kioku.project import Project
from kioku.redaction import Redacted
from kioku.sessions import combining, joining, record, taking_over
from kioku.store import activities, archive, forgotten, keepsake, moving, vouching
from kioku.store.moving import Carried
from kioku.store.opening import open_store
from kioku.store.redactor import Redactor
from kioku.store.store import Store


def bring(where: Project, store: Store, timeout_ms: int) -> int:
    """Move what there is of a project into its store; return how many conversations. Raises KiokuError."""
    own_path = project.own().store_path
    if not homeless.is_due(where) or store.path == own_path or not store.writable:
        return 0
    moved = 0
    if os.path.lexists(own_path):
        own = open_store(own_path)
        try:
            store.write(partial(forgotten.carry, given=own.read(forgotten.carried)))
            for root in homeless.roots(where):
                # Archived sessions first: their conversations' new homes must know them when something late is told.
                for stream in own.read(partial(archive.own_streams, folder=root)):
                    _bring_archived(own, store, stream, (root, where.root), timeout_ms)
                for stream in own.read(partial(activities.in_folder, folder=root)):
                    carried = own.read(partial(moving.read, stream=stream))
                    doubted = own.read(partial(vouching.is_doubted, stream=stream))
                    _put(store, carried, (root, where.root), timeout_ms, doubted=doubted)
                    own.write(partial(_remove, stream=stream))
                    moved += 1
        finally:
            own.close()
    for root in homeless.roots(where):
        try:
            os.unlink(homeless.place(root))
        except FileNotFoundError:
            pass  # it was the other name
        except OSError as error:
            raise KiokuError(f"{homeless.place(root)} cannot be removed: {error.strerror}") from error
    return moved


def _relocate(roots: tuple[str, str], path: Redacted) -> Redacted:
    bases = (root.rstrip(os.sep) + os.sep for root in roots)
    base = next((base for base in bases if path.startswith(base)), "")
    return Redacted(path[len(base) :])  # a part of what was redacted is redacted


def _bring_archived(own: Store, store: Store, stream: int, roots: tuple[str, str], timeout_ms: int) -> None:
    """Move an archived session; one of which the project's store knows a part stays where it is, as it is."""
    seq = own.read(partial(archive.session_of, stream=stream))
    if seq is None:
        return
    hide = Redactor()
    found = own.read(partial(keepsake.read, seq=seq, hide=hide))
    keys = own.read(partial(keepsake.keys, seq=seq))
    carried = own.read(partial(moving.read, stream=stream))
    doubted = not own.read(partial(vouching.is_vouched, seq=seq))
    relocated = keepsake.relocated(found, partial(_relocate, roots))

    def work(db: apsw.Connection) -> bool:
        now = times.now_ms()
        place = activities.find_stream(db, carried.key)
        if place is None:
            known = keepsake.known(db, keys)
            if any(known) and sum(known) < len(keys):
                return False
            for key in {*(run[0] for run in found.runs), *(part.stream for part in found.parts)}:
                number = activities.stream(
                    db, hide(key), project_id=store.project_id, owner=None, timeout_ms=timeout_ms, now=now
                )
                if doubted:
                    vouching.doubt(db, number)
            if any(known):  # all of it was told there too
                moving.lead(db, carried)
            else:
                taking_over.take_over(db, relocated, keys, project_id=store.project_id, hide=hide)
                place = activities.find_stream(db, carried.key)
        if place is not None:
            moving.put(db, place, carried, partial(_relocate, roots), now, of_archived=True)
        combining.put_in_force(db)
        record.derive_stale(db, now=now)
        return True

    if store.write(work):
        own.write(partial(_remove_archived, seq=seq))


def _remove_archived(db: apsw.Connection, seq: int) -> None:
    keepsake.remove(db, seq)
    combining.put_in_force(db)
    record.derive_stale(db, now=times.now_ms())


def _put(store: Store, carried: Carried, roots: tuple[str, str], timeout_ms: int, *, doubted: bool) -> None:
    now = times.now_ms()

    def work(db: apsw.Connection) -> None:
        stream = activities.stream(
            db, Redacted(carried.key), project_id=store.project_id, owner=None, timeout_ms=timeout_ms, now=now
        )
        if doubted:
            vouching.doubt(db, stream)
        processes = moving.put(db, stream, carried, partial(_relocate, roots), now)
        combining.put_in_force(db)  # what it is merged with may be here already, or come next
        for process in processes:
            joining.join_under(db, process, project_id=store.project_id, timeout_ms=timeout_ms, now=now)
        record.derive_stale(db, now=now)

    store.write(work)


def _remove(db: apsw.Connection, stream: int) -> None:
    moving.remove(db, stream)
    combining.put_in_force(db)
    record.derive_stale(db, now=times.now_ms())
