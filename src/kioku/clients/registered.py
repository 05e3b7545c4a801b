"""What is registered where: for set-up, which must not register twice, and for `doctor`."""

import glob
import json
import os
import shutil
from typing import NamedTuple

from kioku.clients import applying, changes, jsonc, toml_text
from kioku.clients.table import CLIENTS, NAME, Client, Entry, Place, claude_folder
from kioku.errors import KiokuError


class Registration(NamedTuple):
    """How a client that is on this machine knows Kioku. Unknown is None.

    `missing` are the events whose hooks are not set up; `broken` names a command that is registered and not there;
    `twice` tells that the plugin and the settings both register Kioku. `since` is the instant (ms) from which on set-up
    knows that the person's hooks are there.
    """

    client: Client
    server: bool
    hooks: bool | None
    missing: tuple[str, ...]
    broken: str | None
    plugin: bool
    twice: bool
    since: int | None = None


def is_installed(client: Client, place: Place) -> bool:
    """Tell whether a client is on this machine: its program on the path, or its folder in the home."""
    path = place.environ.get("PATH")
    return any(shutil.which(program, path=path) for program in client.programs) or any(
        os.path.isdir(folder) for folder in client.folders(place)
    )


def has_plugin(place: Place) -> bool:
    """Tell whether Claude Code has Kioku's plugin, which registers everything itself.

    It was installed from a marketplace, or lies in a folder of skills, whose plugins are on unless they are switched
    off. A project's settings go before the person's.
    """
    bases = [claude_folder(place)]
    if place.project is not None:
        bases.append(os.path.join(place.project, ".claude"))
    switches: dict[str, object] = {}
    for base in bases:
        for name in ("settings.json", "settings.local.json"):
            given = changes.value_at(os.path.join(base, name), "enabledPlugins")
            switches |= given if isinstance(given, dict) else {}
    in_skills = f"{NAME}@skills-dir"
    switches[in_skills] = switches.get(in_skills, True) and any(_in_skills(base) for base in bases)
    return any(name.partition("@")[0] == NAME and on for name, on in switches.items())


def _in_skills(base: str) -> bool:
    manifests = glob.glob(os.path.join(glob.escape(base), "skills", "*", ".claude-plugin", "plugin.json"))
    return any(changes.value_at(manifest, "name") == NAME for manifest in manifests)


def registered(place: Place) -> list[Registration]:
    """Return how each client that is installed knows Kioku, for the person or for the project. Raises nothing."""
    found = []
    for client in CLIENTS:
        if not is_installed(client, place):
            continue
        entries = client.user(place, "kioku", "kioku-hook") if client.user is not None else []
        expected = {event for entry in entries for event in entry.events or ()}
        if place.project is not None and client.project is not None:
            entries += client.project(place, "kioku", "kioku-hook")
        server, events, broken = False, set[str](), None
        for entry in entries:
            for event, command in _commands(entry):
                if event is None:
                    server = True
                else:
                    events.add(event)
                program = changes.words_of(command)[0] if event else command
                if not shutil.which(program, path=place.environ.get("PATH")):
                    broken = command
        plugin = client.name == "claude" and has_plugin(place)
        if plugin and broken is None:
            path = place.environ.get("PATH")
            broken = next((name for name in (NAME, f"{NAME}-hook") if not shutil.which(name, path=path)), None)
        missing = tuple(sorted(expected - events)) if events else ()
        hooks = None if not expected and not events else bool(events) or plugin
        twice = plugin and (server or bool(events)) and has_plugin(place._replace(project=None))
        files = [changes.resolve(entry.file, None) for entry in entries if entry.events is not None]
        since = applying.changed_at(files[0]) if files and expected and events else None
        found.append(Registration(client, server or plugin, hooks, missing, broken, plugin, twice, since))
    return found


def _commands(entry: Entry) -> list[tuple[str | None, str]]:
    """Return our commands in a file: (event, command); the server's has no event."""
    try:
        text = changes.read(entry.file) or ""
        values = toml_text.parse(text) if entry.file.endswith(".toml") else jsonc.parse(text or "{}").value
    except (KiokuError, jsonc.JsoncError, toml_text.TomlError, json.JSONDecodeError):
        return []
    if entry.events is None:
        present = toml_text.find(values, entry.path)
        return [(None, present["command"])] if changes.is_our_server(present) else []
    found: list[tuple[str | None, str]] = []
    for event in entry.events:
        for _, item in changes.ours_in(toml_text.find(values, (*entry.path, event))):
            found += [(event, one["command"]) for one in item.get("hooks", [item])]
    return found
