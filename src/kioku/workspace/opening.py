"""Open a file of the project, and nothing else.

Invariant: what is opened is a regular file inside the root, reached without following any link, and not the
store. It holds against links swapped in between check and open, because the walk goes from folder to folder
by descriptor. The store's files are never even opened: closing a descriptor of one drops SQLite's locks.
"""

import os
import stat
from collections.abc import Collection, Iterable, Sequence

from kioku.errors import RefusedPathError, ToolError
from kioku.workspace.paths import locate, printable, refused

LINUX_OPATH = hasattr(os, "O_PATH") and os.path.isdir("/proc/self/fd")
BY_DESCRIPTOR = os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")

_CLOEXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW | _CLOEXEC
_READ = os.O_RDONLY | _CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_NAME_SURROGATE = 0x20000000  # the bit of Windows' reparse tags that says "leads to another name"
_STORE_HINT = "Kioku's own store is asked through the tools sessions and context_search"

# Descriptors that turned out to be the store's after a lost race: closing them would do the harm.
_never_closed: list[int] = []


def protected_inodes(paths: Iterable[str]) -> frozenset[tuple[int, int]]:
    """Return (device, inode) of each path that exists."""
    found = set()
    for path in paths:
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            continue
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def open_regular(root: str, relative: str, *, protected: Collection[tuple[int, int]] = ()) -> int:
    """Open a regular file of the project for reading and return its descriptor, which the caller closes.

    Raises RefusedPathError for links, other kinds of file and the store, ToolError where opening fails.
    """
    names = _names(root, relative)
    if not names:
        raise RefusedPathError("The project's folder is not a file.", hint="give the path of a file in it")
    if not BY_DESCRIPTOR:
        return _open_by_path(root, names, protected)
    parent = open_folder(root, "/".join(names[:-1]))
    try:
        status = _status(root, names, parent)
        _check(root, names, status, protected)
        return _open_checked(root, names, parent, status, protected)
    finally:
        os.close(parent)


def open_folder(root: str, relative: str) -> int:
    """Open a folder of the project without following links; its descriptor is for going on, not for listing.

    Needs `BY_DESCRIPTOR`. Raises like open_regular.
    """
    try:
        folder = os.open(root, _FOLDER & ~_NOFOLLOW)
    except OSError as error:
        raise ToolError(f"The project's folder {printable(root)} cannot be opened: {error.strerror}.") from error
    names = _names(root, relative)
    try:
        for depth, name in enumerate(names, 1):
            try:
                inner = os.open(name, _FOLDER, dir_fd=folder)
            except (OSError, ValueError) as error:
                status = _status(root, names[:depth], folder)
                raise _not_a_folder(root, names[:depth], status, error) from error
            os.close(folder)
            folder = inner
    except BaseException:
        os.close(folder)
        raise
    return folder


def check_path(root: str, relative: str) -> os.stat_result:
    """Return the status of a file or folder of the project, having refused links on the way to it."""
    names = _names(root, relative)
    for depth in range(1, len(names)):
        status = _status(root, names[:depth], None)
        if not stat.S_ISDIR(status.st_mode) or _is_link(status):
            raise _not_a_folder(root, names[:depth], status, None)
    if not names:
        try:
            return os.stat(root)
        except OSError as error:
            raise ToolError(f"The project's folder {printable(root)} cannot be looked at: {error.strerror}.") from error
    status = _status(root, names, None)
    if _is_link(status):
        raise _link_error(root, names)
    return status


def _names(root: str, relative: str) -> list[str]:
    """Split a path that `locate` gave, and refuse what belongs to the store by its name."""
    names = locate(root, f"./{relative}").relative.split("/") if relative else []
    folded = [name.casefold() for name in names]
    for depth, name in enumerate(folded):
        if name == ".context":
            below = folded[depth + 1 :]
            if below[:1] == ["run"] or any(inner.startswith("sessions.db") for inner in below):
                raise refused(relative, "belongs to Kioku's store, which is never opened as a file", _STORE_HINT)
    return names


def _status(root: str, names: Sequence[str], parent: int | None) -> os.stat_result:
    try:
        if parent is None:
            return os.lstat(os.path.join(root, *names))
        return os.stat(names[-1], dir_fd=parent, follow_symlinks=False)
    except (OSError, ValueError) as error:
        raise _missing(root, names, error) from error


def _is_link(status: os.stat_result) -> bool:
    # Junctions and the like on Windows are not links to S_ISLNK, and lead elsewhere all the same.
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_reparse_tag", 0) & _NAME_SURROGATE)


def _check(root: str, names: Sequence[str], status: os.stat_result, protected: Collection[tuple[int, int]]) -> None:
    if _is_link(status):
        raise _link_error(root, names)
    if not stat.S_ISREG(status.st_mode):
        hint = "list or search it with grep_codebase" if stat.S_ISDIR(status.st_mode) else "only files are read"
        raise refused("/".join(names), f"is {kind_of(status.st_mode)}, not a file", hint)
    if (status.st_dev, status.st_ino) in protected:
        raise refused("/".join(names), "is Kioku's store, which is never opened as a file", _STORE_HINT)


def _open_checked(
    root: str,
    names: Sequence[str],
    parent: int,
    before: os.stat_result,
    protected: Collection[tuple[int, int]],
) -> int:
    """Open what was checked; where the platform can, by a descriptor that cannot be swapped any more."""
    try:
        if LINUX_OPATH:
            pinned = os.open(names[-1], os.O_PATH | _NOFOLLOW | _CLOEXEC, dir_fd=parent)
            try:  # closing an O_PATH descriptor releases no locks, so the last check may come after it
                _check(root, names, os.fstat(pinned), protected)
                return os.open(f"/proc/self/fd/{pinned}", _READ)
            finally:
                os.close(pinned)
        opened = os.open(names[-1], _READ | _NOFOLLOW, dir_fd=parent)
    except OSError as error:
        raise _unreadable(root, names, error) from error
    return _same_or_refused(opened, names, before, protected)


def _open_by_path(root: str, names: Sequence[str], protected: Collection[tuple[int, int]]) -> int:
    """Open where folders cannot be walked by descriptor: look at every name before and after."""
    before = check_path(root, "/".join(names))
    _check(root, names, before, protected)
    try:
        opened = os.open(os.path.join(root, *names), _READ | _NOFOLLOW)
    except OSError as error:
        raise _unreadable(root, names, error) from error
    opened = _same_or_refused(opened, names, before, protected)
    try:
        after = check_path(root, "/".join(names))
        if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino):
            raise refused("/".join(names), "changed while it was opened", "read it again")
    except BaseException:
        os.close(opened)
        raise
    return opened


def _same_or_refused(
    opened: int, names: Sequence[str], before: os.stat_result, protected: Collection[tuple[int, int]]
) -> int:
    after = os.fstat(opened)
    identity = (after.st_dev, after.st_ino)
    if identity in protected:
        _never_closed.append(opened)
    elif identity == (before.st_dev, before.st_ino) and stat.S_ISREG(after.st_mode):
        return opened
    else:
        os.close(opened)
    raise refused("/".join(names), "changed while it was opened", "read it again")


def kind_of(mode: int) -> str:
    """Name the kind of a file, with its article."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFLNK: "a link",
    }
    return kinds.get(stat.S_IFMT(mode), "a file")


def _not_a_folder(
    root: str, names: Sequence[str], status: os.stat_result, error: Exception | None
) -> RefusedPathError | ToolError:
    if _is_link(status):
        return _link_error(root, names)
    if stat.S_ISDIR(status.st_mode) and isinstance(error, OSError):
        return _unreadable(root, names, error)
    return refused("/".join(names), f"is {kind_of(status.st_mode)}, not a folder", "give the path of a file")


def _link_error(root: str, names: Sequence[str]) -> RefusedPathError:
    base = os.path.realpath(root)
    try:
        target = os.path.realpath(os.path.join(root, *names))
    except OSError:  # it is gone again
        target = ""
    hint = "links are not followed, and this one leads out of the project"
    if target.startswith(base.rstrip(os.sep) + os.sep) and os.path.lexists(target):
        inside = printable(os.path.relpath(target, base).replace(os.sep, "/"))
        hint = f'links are not followed; read "{inside}" instead'
    return refused("/".join(names), "is a link", hint)


def _unreadable(root: str, names: Sequence[str], error: OSError) -> RefusedPathError | ToolError:
    import errno

    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
        return _link_error(root, names)
    return ToolError(f'"{printable("/".join(names))}" cannot be opened: {error.strerror}.')


def _missing(root: str, names: Sequence[str], error: Exception) -> ToolError:
    shown = printable("/".join(names))
    if not isinstance(error, FileNotFoundError):
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return ToolError(f'"{shown}" cannot be looked at: {reason}.')
    import difflib
    from itertools import islice

    # Bounded: difflib is slow on long names, and the folder may hold a million.
    hint = "search for it with grep_codebase, or give another path"
    try:
        with os.scandir(os.path.join(root, *names[:-1])) as entries:
            near = [entry.name for entry in islice(entries, 1000) if len(entry.name) <= 64]
    except OSError:
        near = []
    close = difflib.get_close_matches(names[-1][:64], near, n=1, cutoff=0.5)
    if close:
        hint = f'the nearest name there is "{printable("/".join([*names[:-1], close[0]]))}"'
    return ToolError(f'There is no "{shown}" in the project.', hint=hint)
