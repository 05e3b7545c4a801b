"""Writing changes: a backup first, then all at once, and a record of what was there before.

The record makes it possible to give a file back byte for byte; where the person changed it since, only our entries are
taken out of what is there now.
"""

import hashlib
import os
import tempfile
from contextlib import suppress

import msgspec

from kioku import times
from kioku.clients import changes
from kioku.clients.changes import Change
from kioku.clients.table import NAME
from kioku.errors import KiokuError
from kioku.settings import user_folder


class Record(msgspec.Struct):
    """A file that set-up changed: its text before the first time, and a digest of what the last change left there.

    `at` is the instant of that change (ms). `after` is empty where somebody else wrote into the file between two
    changes of ours: `before` is no way back then.
    """

    path: str
    before: str | None
    after: str
    folders: list[str]
    at: int | None = None


def write(change: Change, *, private: bool) -> str | None:
    """Write a change; return the backup's path, if there was anything to keep. Raises KiokuError."""
    path = change.path
    if changes.read(path) != change.before:
        raise KiokuError(f"{path} was changed meanwhile, by you or its program", hint="run 'kioku setup' again")
    earlier = _recorded(path)
    missing = _missing_folders(os.path.dirname(path))
    try:
        kept = None if change.before is None else _back_up(path, change.before)
        if change.after is not None:
            _remember(_record(change, earlier, missing))  # first: without it nobody could take the change back
    except OSError as error:
        folder = user_folder("state")
        found = f"{path} was left as it is: {folder}, where it would be kept, cannot be written: {error.strerror}"
        raise KiokuError(found, hint="make that folder writable") from error
    try:
        if change.after is None:
            os.unlink(path)
        else:
            for folder in missing:
                os.mkdir(folder)
            _write(path, change.after, 0o600 if private else 0o644)
    except OSError as error:
        if change.after is not None:
            _undo(path, earlier, missing)
        raise KiokuError(f"{path} cannot be written: {error.strerror}", hint="make it writable") from error
    return kept


def restored(path: str, text: str | None) -> Change | None:
    """Return the change that gives a file back as it was before set-up, if nobody changed it since."""
    record = _recorded(path)
    if record is None or text is None or record.after != _digest(text):
        return None
    return Change(path, text, record.before)


def changed_at(path: str) -> int | None:
    """Return when set-up changed a file for the last time (ms), None where it did not."""
    record = _recorded(path)
    return None if record is None else record.at


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
            stream.flush()
            os.fsync(stream.fileno())  # or a power failure leaves an empty file in the place of theirs
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


def _missing_folders(folder: str) -> list[str]:
    """Return a folder and those above it that are not there, the outermost first."""
    missing = []
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing[::-1]


def _record(change: Change, earlier: Record | None, made: list[str]) -> Record:
    assert change.after is not None
    before, after = change.before, _digest(change.after)
    if earlier is not None and change.before is not None and earlier.after == _digest(change.before):
        before = earlier.before
    elif earlier is not None and NAME in (change.before or ""):
        after = ""  # somebody else wrote into it since, and what we added then may be in it still
    folders = [*(earlier.folders if earlier is not None else []), *made]
    return Record(change.path, before, after, folders, times.now_ms())


def _remember(record: Record) -> None:
    place = _place(record.path)
    os.makedirs(os.path.dirname(place), 0o700, exist_ok=True)
    _write(place, msgspec.json.encode(record).decode(), 0o600)


def _undo(path: str, earlier: Record | None, made: list[str]) -> None:
    """Put back what was done for a file that then could not be written."""
    _forget(path)
    for folder in reversed(made):
        with suppress(OSError):  # it was not made
            os.rmdir(folder)
    with suppress(OSError):  # the error that led here is the one to tell
        if earlier is not None:
            _remember(earlier)


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
