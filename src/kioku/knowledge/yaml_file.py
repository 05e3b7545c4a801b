"""The file `.context/project.yaml` as bytes: reading it, telling what is wrong with it, and who may write it now."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Final

from kioku.errors import KiokuError, ProjectError
from kioku.store import locks
from kioku.workspace.plain_files import read_plain, require_plain_folder
from kioku.workspace.untrusted_text import one_line, printable_lines

NAME: Final = "project.yaml"
MAX_BYTES: Final = 2_000_000
BOM: Final = "\ufeff"
_HINT: Final = "Correct the file, or move it away and run `kioku init` for a new one"
_PATIENCE_S: Final = 20.0
_PAUSE_S: Final = 0.02


def read(path: str) -> bytes | None:
    """Return the file's bytes, None when there is none; its folder must not be a link either."""
    with reporting(path):
        try:
            require_plain_folder(os.path.dirname(path) or ".")
            return read_plain(path, MAX_BYTES)
        except FileNotFoundError:
            return None


def decode(path: str, data: bytes) -> str:
    """Return the file's text. Raises ProjectError."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise broken(path, "it is not UTF-8 text") from error


def broken(path: str, reason: str) -> ProjectError:
    """Return the error for a file that cannot be understood."""
    return ProjectError(f"{path} cannot be understood: {one_line(reason, 200)}", hint=_HINT)


@contextlib.contextmanager
def reporting(path: str) -> Iterator[None]:
    """Turn what the system says into an error that names the file."""
    try:
        yield
    except ProjectError:
        raise
    except KiokuError as error:
        raise ProjectError(f"{path} cannot be used: {error.message}", hint="Put a regular file there") from error
    except OSError as error:
        raise ProjectError(
            f"{path} cannot be read or written: {error.strerror or error}",
            hint="Check the folder and its permissions",
        ) from error


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keep other processes of ours from writing the file meanwhile. Raises ProjectError when one does for too long."""
    run = os.path.join(folder, "run")
    path = os.path.join(run, "project-yaml.lock")
    with reporting(path):
        with contextlib.suppress(FileExistsError):
            os.mkdir(run, 0o700)
        require_plain_folder(run)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not locks.try_lock(descriptor, shared=False):
            if time.monotonic() > deadline:
                raise ProjectError(
                    f"{os.path.join(folder, NAME)} is being written by another Kioku process",
                    hint="Try again when that has ended",
                )
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


def diff(path: str, old: str, new: str) -> str:
    """Return the change as a unified diff, without anything that cannot be printed."""
    import difflib

    name = os.path.basename(path)
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"{name} (now)", f"{name} (new)", lineterm="")
    return "".join(f"{printable_lines(line)}\n" for line in lines)
