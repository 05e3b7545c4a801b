"""The lease: how one process tells others that it still lives, without a word.

Each server holds the operating system's lock on `.context/run/<token>.lease` for life. A busy lock means that the
owner lives; a free one that it is dead, however it died. A file that is missing, or not the one the owner made, says
nothing: the owner makes it anew at its next heartbeat, and until then silence alone can end its sessions.
"""

import os
from collections.abc import Callable
from enum import Enum

from kioku.models import Owner, new_id
from kioku.sessions import processes
from kioku.store import locks

_LOOK = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Verdict(Enum):
    """Whether an owner lives, as far as can be told."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


class Lease:
    """A lease that this process holds until `release`, or until it ends."""

    def __init__(self, folder: str, *, now: int) -> None:
        self.owner = Owner(
            token=new_id(),
            pid=os.getpid(),
            start_token=processes.start_token(os.getpid()),
            boot_id=processes.boot_id(),
            pid_namespace=processes.pid_namespace(),
            started_at=now,
        )
        self._folder = folder
        self._descriptor = self._make()

    @property
    def path(self) -> str:
        """Return the path of the lease's file."""
        return path_of(self._folder, self.owner.token)

    def is_in_place(self) -> bool:
        """Tell whether the file is still the one that we hold."""
        try:
            status, held = os.lstat(self.path), os.fstat(self._descriptor)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == (held.st_dev, held.st_ino)

    def heartbeat(self) -> None:
        """Make the file anew if somebody deleted or replaced it."""
        if self.is_in_place():
            return
        old, self._descriptor = self._descriptor, self._make()
        os.close(old)

    def release(self) -> None:
        """Give the lease up; sessions still open under it count as orphaned from now on."""
        try:
            os.unlink(self.path)
        except OSError:
            pass  # deleted already, or the folder is gone: the lock goes with the descriptor all the same
        os.close(self._descriptor)

    def _make(self) -> int:
        """Create the file locked: nobody can ever see it without its lock.

        Missing folders are made for their owner alone, but never the project's own, which was moved or deleted.
        """
        for folder in (os.path.dirname(self._folder), self._folder):
            try:
                os.mkdir(folder, 0o700)
            except FileExistsError:
                pass
        temporary = f"{self.path}.new"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            locks.lock(descriptor)
            os.write(descriptor, content(self.owner.token, descriptor))
            os.replace(temporary, self.path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def path_of(folder: str, token: str) -> str:
    """Return the path of an owner's lease."""
    return f"{folder}{os.sep}{token}.lease"


def verdict(folder: str, token: str) -> Verdict:
    """Tell whether the owner with that token lives. Raises nothing; takes about 20 µs."""
    if "+" in token or token.startswith(processes.PREFIX):
        return judge(folder)(token)
    if not token.isalnum():
        return Verdict.UNKNOWN  # no token of ours; in a store from elsewhere it may be a path
    try:
        descriptor = os.open(path_of(folder, token), _LOOK)
    except OSError:
        return Verdict.UNKNOWN
    try:
        if os.read(descriptor, 64) != content(token, descriptor):
            return Verdict.UNKNOWN
        # A shared lock, so that two who look at once do not take each other for the owner.
        return Verdict.DEAD if locks.try_lock(descriptor, shared=True) else Verdict.ALIVE
    except OSError:
        return Verdict.UNKNOWN
    finally:
        os.close(descriptor)


def content(token: str, descriptor: int) -> bytes:
    """Return what a lease holds: its owner, and its own inode number, which a copy of it cannot have."""
    return f"{token} {os.fstat(descriptor).st_ino}".encode()


def judge(folder: str) -> Callable[[str], Verdict]:
    """Return a function that tells of each owner whether it lives, looking once for each."""
    known: dict[str, Verdict] = {}
    present: set[str] | None = None

    def remembered(token: str) -> Verdict:
        nonlocal present
        if "+" in token:
            return together([remembered(part) for part in token.split("+")])
        if token.startswith(processes.PREFIX):
            return _of_process(token)
        if present is None:
            # Listed once, since a hundred thousand lost sessions have no lease to look at.
            present = _tokens(folder)
        if token not in present:
            return Verdict.UNKNOWN
        found = known.get(token)
        if found is None:
            found = known[token] = verdict(folder, token)
        return found

    return remembered


def together(verdicts: list[Verdict]) -> Verdict:
    """Judge a session that a server and a client's process share: it lives as long as one of them does."""
    for verdict in (Verdict.ALIVE, Verdict.DEAD):
        if verdict in verdicts:
            return verdict
    return Verdict.UNKNOWN


def _of_process(token: str) -> Verdict:
    is_running = processes.is_running(token)
    return Verdict.UNKNOWN if is_running is None else Verdict.ALIVE if is_running else Verdict.DEAD


def sweep_files(folder: str, keep: set[str]) -> int:
    """Remove the leases of dead owners other than `keep`; return how many."""
    removed = 0
    for token in _tokens(folder) - keep:
        if verdict(folder, token) is Verdict.DEAD:
            try:
                os.unlink(path_of(folder, token))
                removed += 1
            except OSError:
                continue  # another sweeper was faster
    return removed


def _tokens(folder: str) -> set[str]:
    """Return the owners that have a lease."""
    try:
        return {name.removesuffix(".lease") for name in os.listdir(folder) if name.endswith(".lease")}
    except OSError:
        return set()
