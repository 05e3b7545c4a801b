"""The assistants and editors that Kioku can be registered with, as a table: which files, and what goes into them."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

NAME: Final = "kioku"  # of our entry, everywhere


class Place(NamedTuple):
    """Where settings are looked for: the person's home, environment, and the project if it is about one."""

    home: str
    environ: Mapping[str, str]
    project: str | None = None

    def config_home(self) -> str:
        """Return the folder of applications' settings."""
        if sys.platform == "win32":
            return self.environ.get("APPDATA") or os.path.join(self.home, "AppData", "Roaming")
        if sys.platform == "darwin":
            return os.path.join(self.home, "Library", "Application Support")
        return self.environ.get("XDG_CONFIG_HOME") or os.path.join(self.home, ".config")


class Entry(NamedTuple):
    """One entry of ours: the file it goes into, where in it, and what it is.

    `events` maps each event of a client's hooks to the entry of ours in its list; then `path` leads to their object.
    """

    file: str
    path: tuple[str, ...]
    value: Any = None
    events: Mapping[str, Any] | None = None
    beside: Mapping[str, Any] | None = None  # further members that the file must have


Entries = Callable[[Place, str, str], list[Entry]]


class Client(NamedTuple):
    """A client: how it is found, and what registers Kioku with it for the person or for a project."""

    name: str
    title: str
    programs: tuple[str, ...]
    folders: Callable[[Place], list[str]]
    user: Entries | None
    project: Entries | None
    note: str = ""


def _home(*names: str) -> Callable[[Place], list[str]]:
    return lambda place: [os.path.join(place.home, *names)]


def _stdio(command: str, *arguments: str) -> dict[str, Any]:
    return {"type": "stdio", "command": command, "args": ["serve", *arguments]}


def _plain(command: str, *arguments: str) -> dict[str, Any]:
    return {"command": command, "args": ["serve", *arguments]}


def _groups(hook: str, events: tuple[str, ...], timeout: int, **more: str) -> dict[str, Any]:
    """Return Claude Code's shape of hooks, which others took over."""
    entry = {**more, "type": "command", "command": hook, "timeout": timeout}
    tools = ("PreToolUse", "PostToolUse", "PostToolUseFailure", "BeforeTool", "AfterTool")
    return {event: {"matcher": "*", "hooks": [entry]} if event in tools else {"hooks": [entry]} for event in events}


# --- Claude Code ------------------------------------------------------------------------------------------------------

CLAUDE_EVENTS: Final = (
    "SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "Stop",
    "SubagentStop", "PreCompact",
)  # fmt: skip


def claude_folder(place: Place) -> str:
    """Return the folder of Claude Code's settings."""
    return place.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(place.home, ".claude")


def _claude_user(place: Place, serve: str, hook: str) -> list[Entry]:
    base = place.environ.get("CLAUDE_CONFIG_DIR") or place.home
    return [
        Entry(os.path.join(base, ".claude.json"), ("mcpServers", NAME), _stdio(serve)),
        Entry(
            os.path.join(claude_folder(place), "settings.json"), ("hooks",), events=_groups(hook, CLAUDE_EVENTS, 5)
        ),
    ]  # fmt: skip


def _claude_project(place: Place, serve: str, hook: str) -> list[Entry]:
    assert place.project is not None
    return [
        Entry(os.path.join(place.project, ".mcp.json"), ("mcpServers", NAME), _stdio(serve)),
        Entry(
            os.path.join(place.project, ".claude", "settings.json"), ("hooks",), events=_groups(hook, CLAUDE_EVENTS, 5)
        ),
    ]  # fmt: skip


def _desktop(place: Place, serve: str, _hook: str) -> list[Entry]:
    # It starts servers in no project's folder, so it must be told of one.
    file = os.path.join(place.config_home(), "Claude", "claude_desktop_config.json")
    return [Entry(file, ("mcpServers", NAME), _plain(serve, "--project", place.project or ""))]


# --- the others -------------------------------------------------------------------------------------------------------

CODEX_EVENTS: Final = (
    "SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "SubagentStop", "PreCompact",
)  # fmt: skip
GEMINI_EVENTS: Final = (
    "SessionStart", "SessionEnd", "BeforeAgent", "AfterAgent", "BeforeTool", "AfterTool", "PreCompress",
)  # fmt: skip
CURSOR_EVENTS: Final = (
    "sessionStart", "sessionEnd", "beforeSubmitPrompt", "preToolUse", "postToolUse", "preCompact", "stop",
)  # fmt: skip


def _codex(folder: str, serve: str, hook: str) -> list[Entry]:
    server = {**_plain(serve), "startup_timeout_sec": 30}
    return [
        Entry(os.path.join(folder, "config.toml"), ("mcp_servers", NAME), server),
        Entry(os.path.join(folder, "hooks.json"), ("hooks",), events=_groups(hook, CODEX_EVENTS, 5)),
    ]


def codex_folder(place: Place) -> str:
    """Return the folder of Codex's settings."""
    return place.environ.get("CODEX_HOME") or os.path.join(place.home, ".codex")


def _codex_user(place: Place, serve: str, hook: str) -> list[Entry]:
    return _codex(codex_folder(place), serve, hook)


def _codex_project(place: Place, serve: str, hook: str) -> list[Entry]:
    assert place.project is not None
    return _codex(os.path.join(place.project, ".codex"), serve, hook)


def _gemini(base: str, serve: str, hook: str) -> list[Entry]:
    file = os.path.join(base, ".gemini", "settings.json")
    return [
        Entry(file, ("mcpServers", NAME), {**_plain(serve), "timeout": 30_000}),
        Entry(file, ("hooks",), events=_groups(hook, GEMINI_EVENTS, 5_000, name=NAME)),
    ]


def gemini_folder(place: Place) -> str:
    """Return the folder of Gemini CLI's settings."""
    return os.path.join(place.environ.get("GEMINI_CLI_HOME") or place.home, ".gemini")


def _gemini_folders(place: Place) -> list[str]:
    return [gemini_folder(place), os.path.join(place.home, ".gemini")]


def _gemini_user(place: Place, serve: str, hook: str) -> list[Entry]:
    return _gemini(os.path.dirname(gemini_folder(place)), serve, hook)


def _gemini_project(place: Place, serve: str, hook: str) -> list[Entry]:
    assert place.project is not None
    return _gemini(place.project, serve, hook)


def _cursor(base: str, serve: str, hook: str) -> list[Entry]:
    return [
        Entry(os.path.join(base, ".cursor", "mcp.json"), ("mcpServers", NAME), _plain(serve)),
        Entry(
            os.path.join(base, ".cursor", "hooks.json"), ("hooks",), beside={"version": 1},
            events={event: {"command": hook} for event in CURSOR_EVENTS},
        ),
    ]  # fmt: skip


def _cursor_user(place: Place, serve: str, hook: str) -> list[Entry]:
    return _cursor(place.home, serve, hook)


def _cursor_project(place: Place, serve: str, hook: str) -> list[Entry]:
    assert place.project is not None
    return _cursor(place.project, serve, hook)


def _vscode_folder(place: Place) -> str:
    return os.path.join(place.config_home(), "Code", "User")


def _vscode_user(place: Place, serve: str, _hook: str) -> list[Entry]:
    value = _stdio(serve, "--project", "${workspaceFolder}")
    return [Entry(os.path.join(_vscode_folder(place), "mcp.json"), ("servers", NAME), value)]


def _vscode_project(place: Place, serve: str, hook: str) -> list[Entry]:
    assert place.project is not None
    value = _stdio(serve, "--project", "${workspaceFolder}")
    groups = _groups(hook, CLAUDE_EVENTS, 5)
    events = {event: group["hooks"][0] for event, group in groups.items() if event != "PostToolUseFailure"}
    return [
        Entry(os.path.join(place.project, ".vscode", "mcp.json"), ("servers", NAME), value),
        Entry(os.path.join(place.project, ".github", "hooks", "kioku.json"), ("hooks",), events=events),
    ]


def _zed_user(place: Place, serve: str, _hook: str) -> list[Entry]:
    base = os.path.join(place.home, ".config") if sys.platform == "darwin" else place.config_home()
    file = os.path.join(base, "Zed" if sys.platform == "win32" else "zed", "settings.json")
    return [Entry(file, ("context_servers", NAME), {**_plain(serve), "env": {}})]


def _zed_project(place: Place, serve: str, _hook: str) -> list[Entry]:
    assert place.project is not None
    file = os.path.join(place.project, ".zed", "settings.json")
    return [Entry(file, ("context_servers", NAME), {**_plain(serve), "env": {}})]


def _desktop_folder(place: Place) -> list[str]:
    return [os.path.join(place.config_home(), "Claude")]


def _zed_folder(place: Place) -> list[str]:
    return [os.path.join(place.config_home(), "zed"), os.path.join(place.home, ".config", "zed")]


CLIENTS: Final = (
    Client("claude", "Claude Code", ("claude",), lambda place: [claude_folder(place)], _claude_user, _claude_project),
    Client(
        "claude-desktop", "Claude Desktop", (), _desktop_folder, None, _desktop,
        "it records one project only: name it with --project",
    ),
    Client(
        "codex", "Codex", ("codex",), lambda place: [codex_folder(place)], _codex_user, _codex_project,
        "it runs the hooks once you have said with /hooks that you trust them",
    ),
    Client(
        "gemini", "Gemini CLI", ("gemini",), _gemini_folders, _gemini_user, _gemini_project
    ),
    Client("cursor", "Cursor", ("cursor", "cursor-agent"), _home(".cursor"), _cursor_user, _cursor_project),
    Client(
        "vscode", "VS Code", ("code", "code-insiders"), lambda place: [_vscode_folder(place)],
        _vscode_user, _vscode_project, "its hooks are set up for a project (--project); it also runs Claude Code's",
    ),
    Client("zed", "Zed", ("zed", "zeditor"), _zed_folder, _zed_user, _zed_project),
)  # fmt: skip
