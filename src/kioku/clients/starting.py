"""The commands that clients are told to run, and whether they really can be run.

A command is absolute and says nothing of a version, so it stays right when Kioku is upgraded, and a client that trusts
it by its text goes on trusting it.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import NamedTuple

from kioku import settings
from kioku.errors import KiokuError

_PATIENCE_S = 20.0


class Commands(NamedTuple):
    """The paths of our two programs."""

    serve: str
    hook: str

    def hook_for(self, client: str) -> str:
        """Return the line that a client gives to a shell."""
        path = f'"{self.hook}"' if sys.platform == "win32" else shlex.quote(self.hook)
        return f"{path} {client}"


def find_commands(argv0: str) -> Commands:
    """Return our programs as they were installed; a link to them stays the link. Raises KiokuError."""
    ending = ".exe" if sys.platform == "win32" else ""
    started = os.path.abspath(shutil.which(argv0) or argv0)  # not its target: a link to it outlives an upgrade
    for folder in (os.path.dirname(started), os.path.dirname(sys.executable), os.path.join(sys.prefix, "bin")):
        paths = [os.path.join(folder, name + ending) for name in ("kioku", "kioku-hook")]
        if all(os.path.isfile(path) for path in paths):
            return Commands(*paths)
    raise KiokuError(
        "kioku and kioku-hook are not installed beside each other", hint="install Kioku with pip, pipx or uv"
    )


def check_server(command: str, arguments: list[str]) -> str | None:
    """Start a server as a client would, in a scratch project and home; return what is wrong, None if nothing is."""
    with tempfile.TemporaryDirectory(prefix="kioku-check-") as scratch:
        project = os.path.join(scratch, "project")
        os.mkdir(project)
        words = list(arguments)
        if "--project" in words:
            words[words.index("--project") + 1] = project
        hello = {
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": {"name": "kioku-setup", "version": "1"},
            },
        }  # fmt: skip
        done = _run([command, *words], project, scratch, json.dumps(hello) + "\n")
    if isinstance(done, str):
        return done
    if done.returncode != 0 or '"serverInfo"' not in done.stdout:
        return (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
    return None


def check_hook(line: str) -> str | None:
    """Run a hook's command through the shell as a client would; return what is wrong, None if nothing is."""
    with tempfile.TemporaryDirectory(prefix="kioku-check-") as scratch:
        project = os.path.join(scratch, "project")
        os.makedirs(os.path.join(project, ".git"))
        event = {"session_id": "kioku-setup", "hook_event_name": "KiokuSetup", "cwd": project}
        done = _run(line, project, scratch, json.dumps(event))
        spool = os.path.join(scratch, "state", "kioku", "spool")
        if isinstance(done, str):
            return done
        if done.returncode != 0:
            return (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        if sys.platform.startswith("linux") and not os.path.isdir(spool):
            return "it ran, and left nothing"
    return None


def _run(command: str | list[str], folder: str, scratch: str, text: str) -> "subprocess.CompletedProcess[str] | str":
    environ = {
        **_bare_environment(settings.environment()), "HOME": scratch, "USERPROFILE": scratch,
        "XDG_STATE_HOME": os.path.join(scratch, "state"), "XDG_CONFIG_HOME": os.path.join(scratch, "config"),
    }  # fmt: skip
    try:
        return subprocess.run(
            command, shell=isinstance(command, str), cwd=folder, env=environ, input=text, capture_output=True,
            text=True, timeout=_PATIENCE_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)


def _bare_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a program needs to start, and no more: clients started from a desktop have little."""
    names = ("PATH", "SYSTEMROOT", "SystemRoot", "COMSPEC", "PATHEXT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL")
    return {name: environ[name] for name in names if name in environ}
