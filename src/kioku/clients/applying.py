"""Writing changes: a backup first, then all at once, and a record of what was there before.

The record makes it possible to give a file back byte for byte; where the person changed it since, only our entries are
taken out of what is there now.
"""

import hashlib
import os
import tempfile

import msgspec

from kioku import times
from kioku.clients import changes
from kioku.clients.changes import Change
from kioku.errors import KiokuError
from kioku.settings import user_folder


class Record(msgspec.Struct):
    """A file that set-up changed: its text before the first time, and what the last change left there."""

    path: str
    before: str | None
    after: str
    folders: list[str]


def write(change: Change, *, private: bool) -> str | None:
    """Write a change; return the backup's path, if there was anything to keep. Raises KiokuError."""
    path = change.path
    if changes.read(path) != change.before:
        raise KiokuError(f"{path} was changed meanwhile, by you or its program", hint="run 'kioku setup' again")
    try:
        kept = None if change.before is None else _back_up(path, change.before)
        made = _make_folders(os.path.dirname(path))
        if change.after is None:
            os.unlink(path)
            return kept
        _write(path, change.after, 0o600 if private else 0o644)
        _remember(change, made)
        return kept
    except OSError as error:
        raise KiokuError(f"{path} cannot be written: {error.strerror}", hint="make it writable") from error


def restored(path: str, text: str | None) -> Change | None:
    """Return the change that gives a file back as it was before set-up, if nobody changed it since."""
    record = _recorded(path)
    if record is None or text is None or record.after != _digest(text):
        return None
    return Change(path, text, record.before)


def clean_up(path: str) -> None:
    """Remove the folders that set-up made for a file, where nothing is in them now, and the record."""
    record = _recorded(path)
    for folder in reversed(record.folders if record else []):
        try:
            os.rmdir(folder)
        except OSError:
            break  # something else is in it
    _forget(path)


def _write(path: str, text: str, mode: int) -> None:
    try:
        mode = os.stat(path).st_mode & 0o7777
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "it is read-only")
    except FileNotFoundError:
        pass  # a new one
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".kioku-")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8"))
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _back_up(path: str, text: str) -> str:
    folder = os.path.join(user_folder("state"), "backups")
    os.makedirs(folder, 0o700, exist_ok=True)
    stamp = times.iso_text(times.now_ms())[:19].replace(":", "").replace("-", "")
    descriptor, kept = tempfile.mkstemp(dir=folder, prefix=f"{stamp}-", suffix=f"-{os.path.basename(path)}")
    with open(descriptor, "wb") as stream:
        stream.write(text.encode("utf-8"))
    return kept


def _make_folders(folder: str) -> list[str]:
    """Make a folder and those above it that are missing; return those that were made."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for name in reversed(missing):
        os.mkdir(name)
    return missing[::-1]


def _remember(change: Change, made: list[str]) -> None:
    assert change.after is not None
    earlier = _recorded(change.path)
    is_ours = earlier is not None and change.before is not None and earlier.after == _digest(change.before)
    before = earlier.before if earlier is not None and is_ours else change.before
    folders = [*(earlier.folders if earlier is not None else []), *made]
    record = Record(change.path, before, _digest(change.after), folders)
    place = _place(change.path)
    os.makedirs(os.path.dirname(place), 0o700, exist_ok=True)
    _write(place, msgspec.json.encode(record).decode(), 0o600)


def _recorded(path: str) -> Record | None:
    try:
        with open(_place(path), "rb") as stream:
            return msgspec.json.decode(stream.read(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def _forget(path: str) -> None:
    try:
        os.unlink(_place(path))
    except OSError:
        pass  # there was none


def _place(path: str) -> str:
    return os.path.join(user_folder("state"), "setup", _digest(path)[:32] + ".json")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
