"""Which program started us: the nearest ancestor that is a known assistant's.

A hook and a server that find the same process under themselves serve the same client. Told apart by its start, a
process is never mistaken for a later one with its number. Linux tells all this; elsewhere nobody is found. Standard
library only, and little of it: the hook waits for this.
"""

import os
import sys

# How deep a client may be buried under shells, launchers and wrappers.
_DEEPEST = 16

_PROGRAMS = {
    "claude": "claude",
    "claude.exe": "claude",
    "codex": "codex",
    "codex.exe": "codex",
    "gemini": "gemini",
    "gemini.js": "gemini",
    "cursor": "cursor",
    "cursor-agent": "cursor",
    "code": "vscode",
    "code-insiders": "vscode",
    "codium": "vscode",
    "zed": "zed",
    "zed-editor": "zed",
    "opencode": "opencode",
    "copilot": "copilot",
}
# Parts of the path of a script that an interpreter runs, for clients that are packages of Node's.
_SCRIPTS = (("claude-code", "claude"), ("codex", "codex"), ("gemini-cli", "gemini"), ("cursor", "cursor"))
_INTERPRETERS = ("node", "bun", "deno", "MainThread")


def client_process(pid: int) -> tuple[int, str, str, str] | None:
    """Return the nearest process from `pid` upwards that is a known client's, None if there is none.

    It is told by its number, its start in ticks since boot, the boot's id, and the namespace of process numbers.
    """
    found = _nearest(pid)
    if found is None:
        return None
    boot = (_read("/proc/sys/kernel/random/boot_id") or "").strip()
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return found[0], found[1], boot, namespace


def client_name(pid: int) -> str | None:
    """Return which client the nearest such process is: the word of ours for it."""
    found = _nearest(pid)
    return None if found is None else found[2]


def _nearest(pid: int) -> tuple[int, str, str] | None:
    """Return the nearest process of a known client's: its number, its start, and which client it is."""
    if not sys.platform.startswith("linux"):
        return None
    for _ in range(_DEEPEST):
        if pid <= 1:
            return None
        text = _read(f"/proc/{pid}/stat")
        if text is None:
            return None
        name = text[text.find("(") + 1 : text.rfind(")")]
        fields = text[text.rfind(")") + 2 :].split()
        client = _program(pid, name)
        if client is not None:
            return pid, fields[19], client
        pid = int(fields[1])
    return None


def _program(pid: int, name: str) -> str | None:
    """Return the client that a process is, judged by its name and by the beginning of its command line."""
    known = _PROGRAMS.get(name.lower())
    if known is not None:
        return known
    words = (_read(f"/proc/{pid}/cmdline") or "").split("\0")[:3]
    if not words:
        return None
    known = _PROGRAMS.get(os.path.basename(words[0]).lower())
    if known is not None or not name.startswith(_INTERPRETERS):
        return known
    for word in words[1:]:
        known = _PROGRAMS.get(os.path.basename(word).lower())
        if known is not None:
            return known
        for part, client in _SCRIPTS:
            if part in word and "/" in word:
                return client
    return None


def _read(path: str) -> str | None:
    try:
        with open(path, "rb") as stream:
            return stream.read(65_536).decode("utf-8", "replace")
    except OSError:
        return None
