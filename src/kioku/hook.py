"""`kioku-hook <client>`: a client runs this on each of its events and waits for it.

It reads the event, keeps what is needed, redacts that, appends it to the project's spool and is gone. Invariants: it
always ends with 0 and says nothing but what the client is meant to read; it opens no database and no connection; what
it appends is whole or, if it is killed, the only record that is lost. Standard library and `redaction` only, and not
even `json` or `typing`, whose imports cost as much as the interpreter's own start.
"""

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CLIENTS = ("claude", "codex", "gemini", "cursor", "vscode")

LONGEST_EVENT = 2 << 20  # bytes that are parsed; of a longer event only what comes first, and the call's id
LONGEST_TEXT = 65_536  # characters of one string
PATIENCE_S = 1.0  # how long others are waited for before an event goes into a file of its own

# A FIFO must not hold us up, and a link not lead us elsewhere.
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

_MARKS = (".context", ".git")
_MANIFESTS = (
    "pyproject.toml", "setup.py", "package.json", "go.mod", "Cargo.toml", "pom.xml", "build.gradle",
    "build.gradle.kts", "CMakeLists.txt", "meson.build", "Makefile",
)  # fmt: skip

# What is kept of an event, under one name for every spelling that clients use.
_FIELDS = {
    "name": ("hook_event_name", "hookEventName", "event_name", "eventName"),
    "session": ("session_id", "sessionId", "conversation_id", "conversationId"),
    "cwd": ("cwd", "workspace_root", "workspaceRoot"),
    "tool": ("tool_name", "toolName"),
    "call": ("tool_use_id", "toolUseId", "tool_call_id", "toolCallId"),
    "agent": ("agent_id", "agentId"),
    "why": ("source", "reason", "trigger"),
    "prompt": ("prompt",),
    "said": ("last_assistant_message", "lastAssistantMessage", "prompt_response"),
    "model": ("model",),
    "error": ("error",),
}
_INPUTS = ("tool_input", "toolInput", "tool_args", "toolArgs")
_RESPONSES = ("tool_response", "toolResponse", "tool_result", "toolResult")
# Of a call's arguments: what tells which files it touches, and what it runs or looks for.
_KEPT_ARGUMENTS = (
    "file_path", "filePath", "path", "absolute_path", "target_file", "notebook_path", "target_notebook", "pattern",
    "query", "command", "cmd", "input", "patch", "patchText",
)  # fmt: skip


def main() -> int:
    """Handle one event; return 0, whatever happens."""
    state = ""
    try:
        state = user_folder("state")
        _handle(sys.argv[1:], state)
    except BaseException:  # a client must never see a hook fail; it is counted
        _count(state, "failures")
    return 0


def _handle(arguments: list[str], state: str) -> None:
    text, tail = _read_event()
    if len(arguments) != 1 or arguments[0] not in CLIENTS:
        raise ValueError("which client?")
    told = parse(text)
    if not isinstance(told, dict):
        told = parse_beginning(text)
    event = _kept(told, tail)
    cwd = event.get("cwd") or _first_root(told) or os.getcwd()
    exclude, allow = _prepared(state)
    if is_within(cwd, exclude):
        return
    root = find_root(cwd)
    if root is None:
        _count(state, "ignored")
        return
    if is_within(cwd, _excluded_by_project(root)):
        return
    from kioku import dotenv, redaction
    from kioku.ancestry import client_process

    redaction.use(redaction.Secrets(values=dotenv.values(root), allow=allow))
    record = {
        "v": 1, "id": os.urandom(8).hex(), "at": now_ms(), "client": _client(arguments[0], told), "root": root,
        "cwd": cwd, "process": client_process(os.getppid()), "event": _redacted(event, redaction.redact),
    }  # fmt: skip
    append(os.path.join(state, "spool", folder_name(root)), encode(record))
    if event.get("name") in ("SessionStart", "sessionStart"):
        _tell(state, root, _client(arguments[0], told), is_shortened=event.get("why") == "compact")


def _client(named: str, told: "dict[str, Any]") -> str:
    """Return whose event it is: VS Code and Cursor run Claude Code's hooks too, beside their own."""
    if named == "claude" and "cursor_version" in told:
        return "cursor"
    if named == "claude" and "hookEventName" in told and "hook_event_name" not in told:
        return "vscode"
    return named


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_event() -> tuple[str, str]:
    """Return the beginning of standard input, and the end of what is beyond it: everything is read, little is held."""
    parts: list[bytes] = []
    size = 0
    tail = b""
    while chunk := os.read(0, 1 << 18):
        room = LONGEST_EVENT - size
        if room > 0:
            parts.append(chunk[:room])
        if len(chunk) > room:
            tail = (tail + chunk[max(room, 0) :])[-65_536:]
        size += len(chunk)
    return b"".join(parts).decode("utf-8-sig", "replace"), tail.decode("utf-8", "replace")


class _Context:
    """What the C scanner asks for: how numbers and constants are made."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float

    def __init__(self) -> None:
        self.memo: dict[str, str] = {}

    @staticmethod
    def parse_int(text: str) -> int:
        return int(text) if len(text) < 20 else 0

    @staticmethod
    def parse_constant(_name: str) -> None:
        return None


# What the scanner raises for text that is no JSON; SystemError where it looks for `json`'s own error in vain.
_NO_JSON = (ValueError, StopIteration, RecursionError, IndexError, TypeError, SystemError)


def _scanner() -> "Callable[[str, int], tuple[Any, int]]":
    """Return a function that reads a JSON value at a position, as `json` does, without importing `json`."""
    try:
        from _json import make_scanner

        return make_scanner(_Context())  # type: ignore[arg-type]
    except ImportError:
        import json

        return json.JSONDecoder(strict=False).raw_decode


def parse(text: str) -> "Any":
    """Return the JSON value that a text holds, None if it holds none."""
    try:
        return _scanner()(text, len(text) - len(text.lstrip()))[0]
    except _NO_JSON:
        return None


def parse_beginning(text: str) -> "dict[str, Any]":
    """Return the members of an object that is cut off or broken, as far as they can be read."""
    found: dict[str, Any] = {}
    position = text.find("{") + 1
    scan = _scanner()
    try:
        while position:
            while text[position] in " \t\r\n,":
                position += 1
            name, position = scan(text, position)
            while text[position] in " \t\r\n:":
                position += 1
            found[name], position = scan(text, position)
    except _NO_JSON:
        pass  # the rest cannot be read
    return found


# --- what is kept -----------------------------------------------------------------------------------------------------


def _kept(told: "dict[str, Any]", tail: str) -> "dict[str, Any]":
    """Return what is needed of an event, under our names."""
    event: dict[str, Any] = {}
    for ours, theirs in _FIELDS.items():
        for name in theirs:
            value = told.get(name)
            if isinstance(value, str) and value:
                event[ours] = value
                break
    if "call" not in event and tail:
        event.update(_call_in(tail))
    for name in _INPUTS:
        given = told.get(name)
        if isinstance(given, str) and given[:1] == "{":
            given = parse(given)
        if isinstance(given, dict):
            event["input"] = _arguments(given)
        elif isinstance(given, str):
            event["input"] = _patch_lines(given)
    if "input" not in event:
        own = _arguments(told)  # Cursor tells of edits and commands without the name of a tool
        if own:
            event["input"] = own
    for name in _RESPONSES:
        answer = told.get(name)
        if isinstance(answer, dict):
            failed = answer.get("is_error") or answer.get("isError") or answer.get("error") or answer.get("interrupted")
            event["ok"] = not failed and answer.get("success") is not False
    if "error" in event:
        del event["error"]  # its text is the tool's output
        event["ok"] = False
    return event


def _call_in(tail: str) -> dict[str, str]:
    """Look for a call's id in the end of an event that was too long to be read."""
    for name in _FIELDS["call"]:
        start = tail.rfind(f'"{name}"')
        if start >= 0:
            value = parse(tail[start + len(name) + 2 :].lstrip(" \t\r\n:"))
            if isinstance(value, str):
                return {"call": value}
    return {}


def _arguments(given: "dict[str, Any]") -> "dict[str, Any]":
    kept: dict[str, Any] = {}
    for name in _KEPT_ARGUMENTS:
        value = given.get(name)
        if isinstance(value, str):
            kept[name] = _patch_lines(value) if "*** Begin Patch" in value else value
        elif isinstance(value, list) and name in ("command", "cmd"):
            words = [word for word in value[:64] if isinstance(word, str)]
            kept[name] = [_patch_lines(word) if "*** Begin Patch" in word else word for word in words]
    for name in ("input", "patch", "patchText"):
        text = kept.get(name)
        if isinstance(text, str) and not text.startswith("*** "):
            del kept[name]
    return kept


def _patch_lines(text: str) -> str:
    """Return the lines of a patch that name files; the rest is the file's own text."""
    return "\n".join(line for line in text.splitlines() if line.startswith("*** "))


def _redacted(value: "Any", redact: "Callable[[str], str]") -> "Any":
    """Return a value with every string in it redacted and cut."""
    if isinstance(value, str):
        return redact(value)[:LONGEST_TEXT]
    if isinstance(value, dict):
        return {name: _redacted(part, redact) for name, part in value.items()}
    if isinstance(value, list):
        return [_redacted(part, redact) for part in value]
    return value


def _first_root(told: "dict[str, Any]") -> str | None:
    roots = told.get("workspace_roots") or told.get("workspaceRoots")
    return roots[0] if isinstance(roots, list) and roots and isinstance(roots[0], str) else None


# --- where it belongs -------------------------------------------------------------------------------------------------


def user_folder(kind: str) -> str:
    """Return the folder that `settings.user_folder` gives: its library alone takes longer than all of this."""
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local"), "kioku")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/kioku")
    variable, below = {"config": ("XDG_CONFIG_HOME", ".config"), "state": ("XDG_STATE_HOME", ".local/state")}[kind]
    base = os.environ.get(variable, "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser(f"~/{below}"), "kioku")


def find_root(cwd: str) -> str | None:
    """Return the nearest folder at or above `cwd` that is marked as a project; None where there is none."""
    if not os.path.isabs(cwd):
        return None
    while not os.path.isdir(cwd):  # what was removed while the assistant was in it was a part of the project
        cwd = os.path.dirname(cwd)
    folder = os.path.realpath(cwd)
    home = os.path.realpath(os.path.expanduser("~"))
    manifest = None
    while folder != home and folder != os.path.dirname(folder):
        if any(os.path.lexists(os.path.join(folder, mark)) for mark in _MARKS):
            return folder
        if manifest is None and any(os.path.isfile(os.path.join(folder, name)) for name in _MANIFESTS):
            manifest = folder
        folder = os.path.dirname(folder)
    return manifest


def _prepared(state: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the folders that are never recorded and the text that is never redacted.

    They were made ready by the last Kioku process, unless the person changed the settings since.
    """
    config = os.path.join(user_folder("config"), "config.toml")
    try:
        status = os.stat(config)
        made_from: list[int] | None = [status.st_mtime_ns, status.st_size]
    except OSError:
        made_from = None
    exclude: list[str] = []
    allow: list[str] = []
    prepared = None
    try:
        with open(os.path.join(state, "hook.json"), encoding="utf-8") as stream:
            prepared = parse(stream.read(1 << 20))
    except OSError:
        pass  # none was made yet
    if isinstance(prepared, dict) and prepared.get("config") == made_from:
        exclude, allow = prepared.get("exclude") or [], prepared.get("allow") or []
    elif made_from is not None:
        import tomllib

        with open(config, "rb") as file:
            tables = tomllib.loads(file.read(1 << 20).decode("utf-8-sig"))
        exclude = [os.path.expanduser(folder) for folder in tables.get("capture", {}).get("exclude", [])]
        allow = tables.get("redaction", {}).get("allow", [])
    more = os.environ.get("KIOKU_CAPTURE_EXCLUDE", "")
    exclude = [*exclude, *(os.path.expanduser(folder) for folder in more.split(os.pathsep) if folder)]
    if not all(map(os.path.isabs, exclude)):
        raise ValueError("which folder?")  # as `settings` says it: who cannot tell what is excluded keeps nothing
    return tuple(exclude), tuple(map(str, allow))


def _excluded_by_project(root: str) -> tuple[str, ...]:
    """Return the folders that a project's own file excludes; what else is in it does not concern us.

    One that cannot be read excludes nothing here: whoever takes the events in refuses them, and says why.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with open(os.open(os.path.join(root, ".context", "config.toml"), flags), "rb") as file:
            data = file.read(1 << 20)
        if b"exclude" not in data:
            return ()
        import tomllib

        folders = tomllib.loads(data.decode("utf-8-sig"))["capture"]["exclude"]
        return tuple(os.path.join(root, folder) for folder in folders) if isinstance(folders, list) else ()
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ()


def is_within(path: str, folders: tuple[str, ...]) -> bool:
    """Tell whether a path is one of the folders or below one, by its name or by where it really is."""
    if not folders:
        return False
    real = os.path.realpath(path)
    for folder in folders:
        for place, base in ((os.path.normpath(path), os.path.normpath(folder)), (real, os.path.realpath(folder))):
            if place == base or place.startswith(base.rstrip(os.sep) + os.sep):
                return True
    return False


# --- the spool --------------------------------------------------------------------------------------------------------


def folder_name(root: str) -> str:
    """Return the name of a project's folder in the spool."""
    from binascii import crc32

    base = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in os.path.basename(root))
    return f"{crc32(os.fsencode(root)):08x}-{base[:40]}"


def now_ms() -> int:
    """Return the present instant, in ms; tests set it as they set the program's."""
    at = time.time_ns() // 1_000_000
    clock = os.environ.get("KIOKU_TEST_CLOCK")
    if clock:
        try:
            with open(clock, encoding="ascii") as stream:
                at += int(stream.read() or 0)
        except FileNotFoundError:
            pass  # as `times.shifted_clock` does
    return at


def encode(value: object) -> str:
    """Write a value as JSON."""
    if isinstance(value, str):
        try:
            from _json import encode_basestring
        except ImportError:
            from json import dumps as encode_basestring
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode(name)}:{encode(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encode, value)) + "]"
    return repr(value)


def frame(text: str) -> bytes:
    """Return a record as it lies in the spool.

    It begins a line of its own, whatever a writer that was killed has left before it, and its checksum tells whether
    it is whole.
    """
    from binascii import crc32

    data = text.encode("utf-8", "replace")
    return b"\n%08x %s\n" % (crc32(data), data)


def make_private(folder: str) -> None:
    """Make a folder, and those above it that are missing, for the user alone. Raises OSError."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        make_private(os.path.dirname(folder))
        make_private(folder)


def append(folder: str, text: str) -> None:
    """Append a record to a project's spool. Raises OSError."""
    make_private(folder)
    data = frame(text)
    path = os.path.join(folder, "events.spool")
    deadline = time.monotonic() + PATIENCE_S
    flags = _APPEND | getattr(os, "O_BINARY", 0)
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError:
            break  # a link, a folder or a FIFO lies there, or somebody else's file
        try:
            if lock(descriptor, deadline):
                # Whoever takes the file away does so under this lock: it may be another one by now.
                try:
                    there, held = os.stat(path), os.fstat(descriptor)
                except FileNotFoundError:
                    continue
                if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
                    continue
                _write(descriptor, data)
                return
        finally:
            os.close(descriptor)
        break
    # A file of our own needs no lock: somebody holds that of the other and does not let go, or it cannot be opened.
    alone = os.path.join(folder, f"late-{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(alone + ".new", flags | os.O_EXCL, 0o600)
    try:
        _write(descriptor, data)
    finally:
        os.close(descriptor)
    os.rename(alone + ".new", alone + ".spool")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def lock(descriptor: int, deadline: float) -> bool:
    """Lock a file for ourselves; return whether that worked in time."""
    while True:
        try:
            if sys.platform == "win32":
                import msvcrt

                os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # a byte that is no record's
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)


def _count(state: str, name: str) -> None:
    """Add one to a counter: a byte at the end of a file, so that two can do it at once."""
    try:
        folder = os.path.join(state, "spool")
        make_private(folder)
        descriptor = os.open(os.path.join(folder, name), _APPEND, 0o600)
        try:
            if os.fstat(descriptor).st_size < 1 << 20:
                os.write(descriptor, b".")
        finally:
            os.close(descriptor)
    except OSError:
        pass  # nowhere to write: there is nobody to tell either


def _tell(state: str, root: str, client: str, *, is_shortened: bool) -> None:
    """Hand the assistant what the session begins with, in the words of its client."""
    from kioku import telling

    text = telling.hand_over(os.path.join(state, "start", folder_name(root)), root, is_shortened=is_shortened)
    if not text.strip():
        return
    answer: dict[str, Any] = {"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": text}}
    if client == "cursor":
        answer = {"additional_context": text}
    os.write(1, encode(answer).encode("utf-8", "replace"))


if __name__ == "__main__":
    sys.exit(main())
