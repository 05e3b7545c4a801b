"""Where each client keeps its settings, on the platforms that the tests do not run on too."""

import sys

import pytest

from kioku.clients import changes
from kioku.clients.starting import Commands
from kioku.clients.table import CLIENTS, Place

APPLICATIONS = {
    "linux": "/h/.config",
    "darwin": "/h/Library/Application Support",
    "win32": "/h/AppData/Roaming",
}
BELOW = {
    "claude-desktop": {"Claude/claude_desktop_config.json"},
    "vscode": {"Code/User/mcp.json"},
}
IN_THE_HOME = {
    "claude": {"/h/.claude.json", "/h/.claude/settings.json"},
    "codex": {"/h/.codex/config.toml", "/h/.codex/hooks.json"},
    "gemini": {"/h/.gemini/settings.json"},
    "cursor": {"/h/.cursor/mcp.json", "/h/.cursor/hooks.json"},
}
ZED = {
    "linux": "/h/.config/zed/settings.json",
    "darwin": "/h/.config/zed/settings.json",
    "win32": "/h/AppData/Roaming/Zed/settings.json",
}


def files_by_client(place: Place) -> dict[str, set[str]]:
    found = {}
    for client in CLIENTS:
        make = client.user or client.project
        assert make is not None
        found[client.name] = {entry.file for entry in make(place, "kioku", "kioku-hook")}
    return found


@pytest.mark.parametrize("platform", list(APPLICATIONS))
def test_each_client_is_registered_where_it_looks(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    below = {name: {f"{APPLICATIONS[platform]}/{file}" for file in files} for name, files in BELOW.items()}
    assert files_by_client(Place("/h", {})) == {**IN_THE_HOME, **below, "zed": {ZED[platform]}}


def test_the_folders_of_windows_and_linux_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert files_by_client(Place("/h", {"APPDATA": "/a"}))["vscode"] == {"/a/Code/User/mcp.json"}
    monkeypatch.setattr(sys, "platform", "linux")
    assert files_by_client(Place("/h", {"XDG_CONFIG_HOME": "/x"}))["zed"] == {"/x/zed/settings.json"}


@pytest.mark.parametrize("folder", ["C:\\Program Files\\Kioku", "C:\\Users\\me", "\\\\server\\share", "D:"])
def test_a_command_of_windows_is_known_as_ours(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    commands = Commands(f"{folder}\\kioku.exe", f"{folder}\\kioku-hook.exe")
    line = commands.hook_for("claude")
    assert line == f'"{folder}\\kioku-hook.exe" claude'
    assert changes.words_of(line) == [commands.hook, "claude"]
    assert changes.is_our_hook({"type": "command", "command": line, "timeout": 5})
    assert changes.is_our_server({"command": commands.serve, "args": ["serve"]})
