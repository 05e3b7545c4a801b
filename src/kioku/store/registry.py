"""Which stores this user's Kioku made, or the person adopted: one small file a store in the user's state folder.

A store that came from elsewhere (with a repository, say) is used for recording, but what it knows counts as text of
that repository. Failing to write here never stops a recording: the store then merely counts as not registered.
"""

import os

from kioku.settings import user_folder


def register(store_id: str, path: str) -> bool:
    """Remember a store as the user's own; return whether that worked."""
    folder = _folder()
    if not _is_id(store_id):
        return False
    try:
        os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)  # a mode is the last folder's only
        os.makedirs(folder, 0o700, exist_ok=True)
        descriptor = os.open(os.path.join(folder, store_id), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, os.fsencode(path))
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def is_known(store_id: str) -> bool:
    """Tell whether a store is registered."""
    return _is_id(store_id) and os.path.exists(os.path.join(_folder(), store_id))


def known_at(path: str) -> str | None:
    """Return the id of the newest store that was registered at a path."""
    wanted = os.fsencode(path)
    found = []
    try:
        with os.scandir(_folder()) as entries:
            for entry in entries:
                with open(entry.path, "rb") as stream:
                    if stream.read() == wanted:
                        found.append((entry.stat().st_mtime_ns, entry.name))
    except OSError:
        return None
    return max(found)[1] if found else None


def projects() -> list[str]:
    """Return the folders of the projects whose stores are registered, as far as they still exist."""
    found = {os.path.dirname(os.path.dirname(path)) for path in stores()}
    return sorted(folder for folder in found if os.path.isdir(folder))


def stores() -> list[str]:
    """Return the paths of the stores that are registered; some may be gone."""
    found = set()
    try:
        with os.scandir(_folder()) as entries:
            for entry in entries:
                with open(entry.path, "rb") as stream:
                    found.add(os.fsdecode(stream.read(4096)))
    except OSError:
        pass  # nothing is registered, or it cannot be read: then there are none that we know of
    return sorted(found)


def is_tracked_by_git(path: str) -> bool:
    """Tell whether the store's file is part of the repository that it lies in."""
    root = os.path.dirname(os.path.dirname(path))
    repository = root
    while not os.path.lexists(os.path.join(repository, ".git")):
        if repository == os.path.dirname(repository):
            return False
        repository = os.path.dirname(repository)
    from kioku.errors import ToolError
    from kioku.workspace.children import run

    name = os.path.relpath(path, root)
    command = ["git", "-c", "core.fsmonitor=false", "ls-files", "-z", "--", name]
    try:
        result = run(command, cwd=root, deadline_s=5, max_bytes=4096)
    except ToolError:
        return False  # without git nobody can tell, and nobody can publish it with git either
    return result.exit_code == 0 and bool(result.stdout)


def _is_id(store_id: object) -> bool:
    """Tell whether this is an id as we give them: a file from elsewhere may hold a path instead."""
    return isinstance(store_id, str) and len(store_id) == 16 and store_id.isascii() and store_id.isalnum()


def _folder() -> str:
    return os.path.join(user_folder("state"), "stores")
