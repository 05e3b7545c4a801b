"""The assistants' own tools: which files a call touches, from its name and arguments.

A tool that is not known here is recorded by its name, and its arguments are left alone: what they hold is nobody's
business. Kioku's own tools are told apart, however the client spells them.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from kioku.capture.seen import Touch

_READ = ("file_path", "path", "absolute_path", "filePath", "target_file")
_EDIT = ("file_path", "notebook_path", "path", "absolute_path", "filePath", "target_file", "target_notebook")

# Names in lower case without "_" and "-": Read, read_file and readFile are one.
_READERS = frozenset({"read", "readfile", "view", "viewimage", "viewfile"})
_EDITORS = frozenset(
    {
        "edit", "multiedit", "write", "notebookedit", "writefile", "replace", "strreplace", "strreplaceeditor",
        "create", "editfile", "createfile", "searchreplace", "insertedit", "inserteditintofile", "replacestringinfile",
        "multireplacestringinfile", "deletefile", "delete",
    }
)  # fmt: skip
_PATCHERS = frozenset({"applypatch", "patch"})
_SEARCHERS = frozenset(
    {"grep", "glob", "search", "searchfilecontent", "grepsearch", "filesearch", "rg", "codebasesearch"}
)
_SHELLS = frozenset(
    {
        "bash", "shell", "runshellcommand", "execcommand", "localshell", "runinterminal", "runterminalcmd", "terminal",
        "powershell", "container.exec",
    }
)  # fmt: skip

_PATCHED = re.compile(r"^\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+?)\s*$", re.MULTILINE)
_OWN = re.compile(
    r"(?:mcp_{1,2}(?:plugin_kioku_)?kioku_{1,2}|kioku(?:__|[./])|MCP:kioku[:/ ])"
    r"(?P<name>read_file|grep_codebase|git_log|git_blame|git_diff|context_search|remember|sessions)$"
)
_MOST_TOUCHES = 500  # of one call


class Use(msgspec.Struct, frozen=True):
    """What a call did: the files it touched, and its command or pattern; `own` names a tool of Kioku's."""

    touches: tuple[Touch, ...] = ()
    detail: str | None = None
    own: str | None = None


def own(tool: str) -> str | None:
    """Return the bare name of a tool of Kioku's own; None for every other tool."""
    found = _OWN.search(tool)
    return found["name"] if found else None


def describe(tool: str, arguments: Any) -> Use:
    """Tell what a call did. `arguments` is an object, or the text of a patch; anything else tells nothing."""
    ours = own(tool)
    name = (ours or tool).replace("_", "").replace("-", "").lower()
    if isinstance(arguments, str):
        return Use(_patched(arguments), own=ours) if name in _PATCHERS else Use(own=ours)
    if not isinstance(arguments, Mapping):
        return Use(own=ours)
    if name in _PATCHERS:
        text = next(
            (v for k in ("input", "patch", "patchText", "command") if isinstance(v := arguments.get(k), str)), ""
        )
        return Use(_patched(text), own=ours)
    if name in _READERS:
        return Use(_paths(arguments, _READ, edit=False), own=ours)
    if name in _EDITORS:
        is_view = arguments.get("command") == "view"
        return Use(_paths(arguments, _EDIT, edit=not is_view), own=ours)
    if name in _SEARCHERS:
        return Use(detail=_text(arguments.get("pattern") or arguments.get("query")), own=ours)
    if name in _SHELLS:
        command = arguments.get("command") or arguments.get("cmd")
        if isinstance(command, list):
            words = [word for word in command if isinstance(word, str)]
            # Codex' shell is called as ["bash", "-lc", "the command"], and applies patches through it.
            command = words[-1] if len(words) == 3 and words[1] in ("-lc", "-c") else " ".join(words)
        if isinstance(command, str) and "*** Begin Patch" in command:
            return Use(_patched(command), own=ours)
        return Use(detail=_text(command), own=ours)
    return Use(own=ours)


def _paths(arguments: Mapping[str, Any], names: tuple[str, ...], *, edit: bool) -> tuple[Touch, ...]:
    for name in names:
        path = arguments.get(name)
        if isinstance(path, str) and path:
            return (Touch(path, edit),)
    return ()


def _patched(text: str) -> tuple[Touch, ...]:
    paths = dict.fromkeys(match[1] for match in _PATCHED.finditer(text))
    return tuple(Touch(path, edit=True) for path in list(paths)[:_MOST_TOUCHES])


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
