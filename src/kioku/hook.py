"""`kioku-hook <client>`: a client runs this on each of its events and waits for it.

It reads the event, keeps what is needed, redacts that, appends it to the project's spool and is gone. Invariants: it
always ends with 0 and says nothing but what the client is meant to read; it opens no database and no connection; what
it appends is whole or, if it is killed, the only record that is lost. Standard library and leaves of ours that keep to
it, and not even `json` or `typing`, whose imports cost as much as the interpreter's own start.
"""

import os
import sys
import time

from kioku.spooling import FOR_APPENDING, append, folder_name, make_private
from kioku.terse_json import encode, parse, parse_beginning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CLIENTS = ("claude", "codex", "gemini", "cursor", "vscode")

LONGEST_EVENT = 2 << 20  # bytes that are parsed; of a longer event only what comes first, and the call's id
LONGEST_TEXT = 65_536  # characters of one string

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


# --- when, and what went wrong ----------------------------------------------------------------------------------------


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


def _count(state: str, name: str) -> None:
    """Add one to a counter: a byte at the end of a file, so that two can do it at once."""
    try:
        folder = os.path.join(state, "spool")
        make_private(folder)
        descriptor = os.open(os.path.join(folder, name), FOR_APPENDING, 0o600)
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
