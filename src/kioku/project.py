"""Which folder is the project, and where its data is.

A project is the folder that holds `.context/`. The linked worktrees of one git repository are one project with
several roots: the data is in the main worktree, the tools work in the one they were started in. The project's
identity is a random id inside its store, so it survives a rename and is never shared by two folders of one name.
"""

import os
import stat
import sys
from collections.abc import Sequence
from typing import NamedTuple

from kioku.errors import ProjectError
from kioku.settings import user_folder
from kioku.workspace.worktree import main_worktree

CONTEXT = ".context"

_MANIFESTS = (
    "pyproject.toml", "setup.py", "package.json", "go.mod", "Cargo.toml", "pom.xml", "build.gradle",
    "build.gradle.kts", "CMakeLists.txt", "meson.build", "Makefile",
)  # fmt: skip

_IGNORE = "# Kioku's records of this project. They are yours, and stay out of version control.\n*\n"


class Project(NamedTuple):
    """A project on disk.

    `root` holds `.context/`; `workdir` is the checkout that tools read and search: the same folder, or one of the
    repository's linked worktrees.
    """

    root: str
    workdir: str

    @property
    def name(self) -> str:
        """Return the folder's name, for people."""
        return os.path.basename(self.root) or self.root

    @property
    def context_dir(self) -> str:
        """Return the path of `.context/`."""
        return os.path.join(self.root, CONTEXT)

    @property
    def store_path(self) -> str:
        """Return the path of the SQLite file."""
        return os.path.join(self.root, CONTEXT, "sessions.db")

    @property
    def run_dir(self) -> str:
        """Return the folder for the leases of running servers."""
        return os.path.join(self.root, CONTEXT, "run")


def find(explicit: str | None, variables: Sequence[tuple[str, str]], start: str) -> Project:
    """Find the project: the folder asked for, else one that a variable names, else upwards from `start`.

    Raises ProjectError for a folder that is missing, or that must not be a project (`/`, the home folder).
    """
    for source, folder in [("--project", explicit), *variables]:
        if folder is not None:
            return _project(_existing(folder, source))
    return _project(_upwards(os.path.realpath(start)))


def own() -> Project:
    """Return where the person's own store is: of what belongs to no project on this machine."""
    folder = os.path.join(user_folder("state"), "own")
    return Project(folder, folder)


def prepare_own(project: Project) -> None:
    """Create the folder of the person's own store. Safe to repeat. Raises ProjectError."""
    try:
        os.makedirs(project.root, 0o700, exist_ok=True)
    except OSError as error:
        raise ProjectError(f"{project.root} cannot be made: {error.strerror}", hint="make it writable") from error
    prepare(project)


def working_folder() -> str:
    """Return the folder we were started in. Raises ProjectError when it is gone."""
    try:
        return os.getcwd()
    except OSError as error:
        raise ProjectError("the folder you are in does not exist any more", hint="go to another one") from error


def prepare(project: Project) -> None:
    """Create `.context/` with its own `.gitignore`, readable by its owner alone. Safe to repeat."""
    context = project.context_dir
    try:
        try:
            os.mkdir(context, 0o700)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(context).st_mode):
                raise ProjectError(
                    f"{context} is not a folder",
                    hint="Kioku keeps its data there and follows no link: move it away",
                ) from None
            _close_to_others(context)
        ignore = os.path.join(context, ".gitignore")
        if not os.path.lexists(ignore):
            _write_new(ignore, _IGNORE)
        run = os.path.join(context, "run")
        if not os.path.isdir(run) or os.path.islink(run):
            os.mkdir(run, 0o700)
    except FileExistsError as error:
        if os.path.islink(project.run_dir) or not os.path.isdir(project.run_dir):
            raise ProjectError(f"{project.run_dir} is not a folder", hint="Kioku needs it: move it away") from error
    except OSError as error:
        raise ProjectError(
            f"{context} cannot be prepared: {error.strerror}", hint="give Kioku a folder that it may write"
        ) from error


def tighten(project: Project) -> None:
    """Take everybody else's access to `.context/` away."""
    _close_to_others(project.context_dir)


def _close_to_others(folder: str) -> None:
    if sys.platform != "win32" and stat.S_IMODE(os.lstat(folder).st_mode) & 0o077:
        os.chmod(folder, 0o700)


def _write_new(path: str, text: str) -> None:
    """Write a small file that is never seen half written; whoever came first wins."""
    temporary = f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
    os.replace(temporary, path)


def _existing(folder: str, source: str) -> str:
    path = os.path.realpath(os.path.expanduser(folder))
    if not os.path.isdir(path):
        raise ProjectError(f"{source}: there is no folder {folder!r}", hint="name an existing folder")
    return path


def _project(folder: str) -> Project:
    root = main_worktree(folder) or folder
    if not _is_unicode(root) or not _is_unicode(folder):
        raise ProjectError(f"{folder!a} is no name in UTF-8", hint="Kioku needs a folder whose path is")
    for path in (root, folder):
        if path == os.path.realpath(os.path.expanduser("~")) or path == os.path.dirname(path):
            raise ProjectError(
                f"{path} must not be a project",
                hint="start Kioku inside a project's folder, or name one: --project DIR",
            )
    return Project(root, folder)


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _upwards(start: str) -> str:
    """Return the nearest folder that is marked as a project, at or above `start`; without any mark, `start`.

    A `.context/` counts up to the repository's own folder, so that one further up never swallows a repository.
    """
    home = os.path.realpath(os.path.expanduser("~"))
    manifest = None
    folder = start
    while folder != home and folder != os.path.dirname(folder):
        if os.path.isdir(os.path.join(folder, CONTEXT)) or os.path.lexists(os.path.join(folder, ".git")):
            return folder
        if manifest is None and any(os.path.isfile(os.path.join(folder, name)) for name in _MANIFESTS):
            manifest = folder
        folder = os.path.dirname(folder)
    return manifest or start
