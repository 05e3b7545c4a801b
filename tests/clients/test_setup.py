"""`kioku setup` from outside: what it writes into a person's home, what it leaves alone, and what it gives back."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.clients.test_settings_files import comments, full_lines, read
from tests.processes import Terminal, state_of
from tests.support import KIOKU, PATIENCE_S, read_only, wait_until

BIN = Path(sys.executable).parent
PROGRAM, HOOK = str(BIN / "kioku"), str(BIN / "kioku-hook")
PATH = os.environ["PATH"]
# The processes that pytest-xdist starts ignore SIGINT, and what they start would inherit that.
TO_THE_FRONT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)
INTERRUPTIBLE = (sys.executable, "-c", TO_THE_FRONT, PROGRAM)
FOLDERS = (".claude", ".codex", ".gemini", ".cursor", ".config/Code/User", ".config/zed")

# What people have in their files before; without one the file is made.
THEIRS = {
    ".claude.json": '{"numStartups": 7, "mcpServers": {"theirs": {"command": "npx", "args": ["-y", "x"]}}}',
    ".claude/settings.json": (
        '{\r\n\t"permissions": {"allow": ["Bash(ls:*)"]},\r\n\t"hooks": {\r\n\t\t"PostToolUse": [{"matcher": "Edit", '
        '"hooks": [{"type": "command", "command": "~/bin/format.sh"}]}]\r\n\t}\r\n}'
    ),
    ".codex/config.toml": '# mine\nmodel = "x"  # why\n\n[mcp_servers.theirs]\ncommand = "npx"\n',
    ".gemini/settings.json": '\ufeff{\n    // the theme\n    "theme": "Dracula",\n}\n',
    ".cursor/mcp.json": '{"mcpServers":{}}\n',
    ".config/zed/settings.json": (
        '// Zed settings\n{\n  "vim_mode": true, // I type like this\n'
        '  "context_servers": {\n    /* none */\n  },\n}\n\n'
    ),
}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no client that is really on this machine be found."""
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    for name in ("CODEX_HOME", "GEMINI_CLI_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def person(home: Path) -> Path:
    """Return the home of a person who has every client, and has set up none."""
    for name in FOLDERS:
        (home / name).mkdir(parents=True)
    return home


@pytest.fixture
def settled(person: Path) -> Path:
    """Return the home of a person who has settings in most of the clients."""
    for name, text in THEIRS.items():
        (person / name).write_bytes(text.encode())
    return person


def setup(
    *arguments: str, cwd: Path | None = None, program: Sequence[str] = (PROGRAM,), env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `kioku setup` to its end, without a terminal."""
    return subprocess.run(
        [*program, "setup", *arguments],
        cwd=cwd or Path.home(),
        env={**os.environ, **(env or {})},
        input="",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 4,
    )


def done(*arguments: str, cwd: Path | None = None) -> str:
    """Run `kioku setup --yes`, which must go well; return what it printed."""
    result = setup("--yes", *arguments, cwd=cwd)
    assert result.returncode == 0, result
    return result.stdout


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return everything below a folder: modes, times of change and contents. Kioku's own state does not count."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith(".local"):
            continue
        status = path.lstat()
        content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[name] = status.st_mode, 0 if path.is_dir() else status.st_mtime_ns, content
    return found


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return everything below a folder, whenever it was changed."""
    return {name: (mode, content) for name, (mode, _, content) in snapshot(folder).items()}


def value(path: Path) -> Any:
    """Return what a settings file holds."""
    text = path.read_bytes().decode()
    return tomllib.loads(text) if path.suffix == ".toml" else read(text)


def groups(command: str, *, timeout: int, events: Sequence[str], tools: Sequence[str], **more: str) -> dict[str, Any]:
    """Return hooks in Claude Code's shape."""
    hook = {**more, "type": "command", "command": command, "timeout": timeout}
    return {event: [{**({"matcher": "*"} if event in tools else {}), "hooks": [hook]}] for event in events}


CLAUDE_HOOKS = groups(
    f"{HOOK} claude",
    timeout=5,  # seconds
    events=[
        "SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "Stop",
        "SubagentStop", "PreCompact",
    ],
    tools=["PreToolUse", "PostToolUse", "PostToolUseFailure"],
)  # fmt: skip
CODEX_HOOKS = groups(
    f"{HOOK} codex",
    timeout=5,  # seconds
    events=[
        "SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "SubagentStop",
        "PreCompact",
    ],
    tools=["PreToolUse", "PostToolUse"],
)  # fmt: skip
GEMINI_HOOKS = groups(
    f"{HOOK} gemini",
    timeout=5_000,  # milliseconds
    events=["SessionStart", "SessionEnd", "BeforeAgent", "AfterAgent", "BeforeTool", "AfterTool", "PreCompress"],
    tools=["BeforeTool", "AfterTool"],
    name="kioku",
)
CURSOR_EVENTS = [
    "sessionStart", "sessionEnd", "beforeSubmitPrompt", "preToolUse", "postToolUse", "preCompact", "stop",
]  # fmt: skip
PLAIN = {"command": PROGRAM, "args": ["serve"]}
USER_FILES = {
    ".claude.json": {"mcpServers": {"kioku": {"type": "stdio", **PLAIN}}},
    ".claude/settings.json": {"hooks": CLAUDE_HOOKS},
    ".codex/config.toml": {"mcp_servers": {"kioku": {**PLAIN, "startup_timeout_sec": 30}}},
    ".codex/hooks.json": {"hooks": CODEX_HOOKS},
    ".gemini/settings.json": {"mcpServers": {"kioku": {**PLAIN, "timeout": 30_000}}, "hooks": GEMINI_HOOKS},
    ".cursor/mcp.json": {"mcpServers": {"kioku": PLAIN}},
    ".cursor/hooks.json": {
        "version": 1,
        "hooks": {event: [{"command": f"{HOOK} cursor"}] for event in CURSOR_EVENTS},
    },
    ".config/Code/User/mcp.json": {
        "servers": {
            "kioku": {"type": "stdio", "command": PROGRAM, "args": ["serve", "--project", "${workspaceFolder}"]}
        }
    },
    ".config/zed/settings.json": {"context_servers": {"kioku": {**PLAIN, "env": {}}}},
}
PROJECT_FILES = {
    ".mcp.json": USER_FILES[".claude.json"],
    ".claude/settings.json": USER_FILES[".claude/settings.json"],
    ".codex/config.toml": USER_FILES[".codex/config.toml"],
    ".codex/hooks.json": USER_FILES[".codex/hooks.json"],
    ".gemini/settings.json": USER_FILES[".gemini/settings.json"],
    ".cursor/mcp.json": USER_FILES[".cursor/mcp.json"],
    ".cursor/hooks.json": USER_FILES[".cursor/hooks.json"],
    ".vscode/mcp.json": USER_FILES[".config/Code/User/mcp.json"],
    ".zed/settings.json": USER_FILES[".config/zed/settings.json"],
}


def files(folder: Path) -> set[str]:
    return {name for name, (mode, _, _) in snapshot(folder).items() if stat.S_ISREG(mode)}


# --- what is written --------------------------------------------------------------------------------------------------


def test_every_client_is_registered_in_its_own_files_and_shape(person: Path) -> None:
    shown = done()
    assert files(person) == set(USER_FILES)
    for name, expected in USER_FILES.items():
        assert value(person / name) == expected, name
        assert stat.S_IMODE((person / name).stat().st_mode) == 0o600
        assert f"written: {person / name}" in shown
    for program in (PROGRAM, HOOK):
        assert os.path.isabs(program)
        assert os.access(program, os.X_OK)
    assert shown.count("can start Kioku") == 6
    assert "cannot" not in shown


def test_a_projects_files_are_written_where_it_is_about_a_project(person: Path, project: Path) -> None:
    (project / ".git").mkdir()
    before = contents(person)
    done("--project", cwd=project)
    assert contents(person) == before
    for name, expected in PROJECT_FILES.items():
        assert value(project / name) == expected, name
    hooks = value(project / ".github" / "hooks" / "kioku.json")["hooks"]
    assert {hook["command"] for listed in hooks.values() for hook in listed} == {f"{HOOK} vscode"}
    assert files(project) == {*PROJECT_FILES, ".github/hooks/kioku.json"}


def test_what_a_client_is_told_to_start_answers_it(person: Path, project: Path) -> None:
    done("--client", "claude")
    server = value(person / ".claude.json")["mcpServers"]["kioku"]
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
    }  # fmt: skip
    result = subprocess.run(
        [server["command"], *server["args"]], cwd=project, input=json.dumps(hello) + "\n", capture_output=True,
        text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert json.loads(result.stdout.splitlines()[0])["result"]["serverInfo"]["name"] == "kioku"


def test_the_module_registers_the_same_commands_as_the_program(person: Path) -> None:
    assert setup("--yes", "--client", "zed", program=KIOKU).returncode == 0
    assert value(person / ".config/zed/settings.json") == USER_FILES[".config/zed/settings.json"]


def test_claude_desktop_is_registered_for_the_project_that_was_named(person: Path, project: Path) -> None:
    (project / ".git").mkdir()
    file = person / ".config" / "Claude" / "claude_desktop_config.json"
    file.parent.mkdir()
    assert "name it with --project" in setup("--yes", "--client", "claude-desktop").stderr
    assert not file.exists()
    done("--client", "claude-desktop", "--project", str(project))
    expected = {"command": PROGRAM, "args": ["serve", "--project", str(project)]}
    assert value(file) == {"mcpServers": {"kioku": expected}}
    done("--client", "claude-desktop", "--project", str(project), "--remove")
    assert not file.exists()


def test_clients_that_keep_their_files_elsewhere_are_registered_there(person: Path, tmp_path: Path) -> None:
    elsewhere = {name: str(tmp_path / name) for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME")}
    for folder in elsewhere.values():
        os.mkdir(folder)
    assert setup("--yes", "--no-check", env=elsewhere).returncode == 0
    assert files(tmp_path) == {
        "CLAUDE_CONFIG_DIR/.claude.json", "CLAUDE_CONFIG_DIR/settings.json", "CODEX_HOME/config.toml",
        "CODEX_HOME/hooks.json", "GEMINI_CLI_HOME/.gemini/settings.json",
    }  # fmt: skip
    assert not files(person) & {".claude.json", ".codex/config.toml", ".gemini/settings.json"}


def test_a_client_that_is_not_on_this_machine_is_left_out(home: Path) -> None:
    (home / ".gemini").mkdir()
    done()
    assert files(home) == {".gemini/settings.json"}


def test_a_client_is_found_by_its_program_too(home: Path, tmp_path: Path) -> None:
    program = tmp_path / "path" / "codex"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    done()
    assert files(home) == {".codex/config.toml", ".codex/hooks.json"}


def test_without_any_client_there_is_an_error_that_names_them(home: Path) -> None:
    result = setup("--yes")
    assert (result.returncode, result.stdout) == (1, "")
    assert "no assistant was found" in result.stderr
    assert "claude-desktop, codex, gemini" in result.stderr
    assert files(home) == set()


def test_an_unknown_client_is_an_error_that_names_the_known(person: Path) -> None:
    result = setup("--yes", "--client", "codex", "--client", "nonsense")
    assert (result.returncode, result.stdout) == (2, "")
    assert "'nonsense'" in result.stderr
    for name in ("claude", "claude-desktop", "codex", "gemini", "cursor", "vscode", "zed"):
        assert name in result.stderr
    assert files(person) == set()


def test_only_the_clients_that_were_named_are_registered(person: Path) -> None:
    done("--client", "zed", "--client", "cursor")
    assert files(person) == {".config/zed/settings.json", ".cursor/mcp.json", ".cursor/hooks.json"}


def test_a_client_that_is_named_twice_is_registered_once(person: Path) -> None:
    shown = done("--client", "cursor", "--client", "cursor", "--no-check")
    assert shown.count("written: ") == 2
    assert value(person / ".cursor" / "mcp.json") == USER_FILES[".cursor/mcp.json"]


def test_the_person_and_the_project_exclude_each_other(person: Path) -> None:
    result = setup("--yes", "--user", "--project")
    assert result.returncode == 2
    assert "--user and --project" in result.stderr
    assert files(person) == set()


# --- again, and back --------------------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing(settled: Path) -> None:
    done()
    before = snapshot(settled)
    shown = done()
    assert shown.count(": nothing to change") == len(FOLDERS)
    assert "written" not in shown
    assert snapshot(settled) == before


def test_taking_it_back_leaves_every_file_as_it_was_to_the_byte(settled: Path) -> None:
    before = contents(settled)
    done()
    assert all(contents(settled)[name] != before[name] for name in THEIRS)
    done("--remove")
    assert contents(settled) == before


def test_taking_it_back_after_several_runs_leaves_every_file_as_it_was(settled: Path) -> None:
    before = contents(settled)
    done("--client", "gemini")
    done()
    done()
    done("--remove", "--client", "gemini")
    done("--remove")
    assert contents(settled) == before
    shown = done("--remove")
    assert shown.count(": nothing to change") == len(FOLDERS)
    assert contents(settled) == before


@pytest.mark.parametrize("client", ["claude", "codex", "gemini", "cursor", "vscode", "zed"])
def test_taking_it_back_removes_files_and_folders_that_were_made(home: Path, project: Path, client: str) -> None:
    (project / ".git").mkdir()
    before = contents(home), contents(project)
    done("--client", client, "--no-check")
    done("--client", client, "--no-check", "--project", cwd=project)
    assert files(home)
    assert files(project)
    done("--client", client, "--remove")
    done("--client", client, "--remove", "--project", cwd=project)
    assert (contents(home), contents(project)) == before


def test_a_folder_that_was_made_stays_when_something_else_is_in_it(home: Path) -> None:
    done("--client", "cursor", "--no-check")
    (home / ".cursor" / "rules").write_text("be kind\n")
    done("--client", "cursor", "--remove")
    assert files(home) == {".cursor/rules"}


def test_an_upgrade_that_moves_the_programs_can_be_taken_back_to_the_byte(settled: Path, tmp_path: Path) -> None:
    before = contents(settled)
    older = installed(tmp_path / "old")
    assert setup("--yes", "--no-check", program=[older]).returncode == 0
    assert value(settled / ".cursor/mcp.json")["mcpServers"]["kioku"]["command"] == older
    done()
    assert value(settled / ".cursor/hooks.json") == USER_FILES[".cursor/hooks.json"]
    assert value(settled / ".cursor/mcp.json") == USER_FILES[".cursor/mcp.json"]
    done("--remove")
    assert contents(settled) == before


def test_what_claude_code_wrote_between_two_installations_is_no_way_back_to_the_older(
    person: Path, tmp_path: Path
) -> None:
    older = installed(tmp_path / "old")
    assert setup("--yes", "--no-check", "--client", "claude", program=[older]).returncode == 0
    file = person / ".claude.json"
    file.write_text(json.dumps({**value(file), "numStartups": 1}))
    done("--no-check", "--client", "claude")
    assert value(file)["mcpServers"]["kioku"]["command"] == PROGRAM
    done("--client", "claude", "--remove")
    assert value(file) == {"numStartups": 1}


def test_claude_desktop_stays_with_its_project_until_it_is_named_or_all_is_taken_back(
    person: Path, project: Path, tmp_path: Path
) -> None:
    file = person / ".config" / "Claude" / "claude_desktop_config.json"
    done("--client", "claude-desktop", "--project", str(project), "--no-check")
    before = file.read_bytes()
    (tmp_path / "other" / ".git").mkdir(parents=True)
    done("--project", str(tmp_path / "other"), "--no-check")
    done("--project", str(tmp_path / "other"), "--remove")
    assert file.read_bytes() == before
    done("--remove")
    assert not file.exists()


def test_what_was_added_for_a_client_that_is_gone_is_taken_back_too(home: Path, project: Path) -> None:
    done("--project", str(project), "--client", "cursor", "--client", "vscode", "--no-check")
    for name in FOLDERS:
        shutil.rmtree(home / name, ignore_errors=True)
    removed = done("--project", str(project), "--remove")
    assert files(project) == set()
    assert "Zed" not in removed
    assert "nothing to take back" in done("--project", str(project), "--remove")


EDITS = {
    ".claude.json": ('"args": ["serve"', '"env": {"MINE": "1"}, "args": ["serve"'),
    ".claude/settings.json": ('"hooks": {', '"model": "opus", /* mine */\n"hooks": {'),
    ".codex/config.toml": ("[mcp_servers.kioku]", '# before\n[profiles.mine]\nmodel = "y"\n\n[mcp_servers.kioku]'),
    ".gemini/settings.json": ('"theme"', '"vim": true, // mine too\n    "theme"'),
    ".cursor/mcp.json": ('"kioku": {', '"mine": {"command": "uvx"}, "kioku": {'),
    ".config/zed/settings.json": ('"vim_mode"', '"buffer_font_size": 13, // big\n  "vim_mode"'),
}


def test_what_the_person_changed_since_survives_taking_it_back(settled: Path) -> None:
    done("--no-check")
    for name, (old, new) in EDITS.items():
        text = (settled / name).read_bytes().decode()
        assert old in text, name
        (settled / name).write_bytes(text.replace(old, new, 1).encode())
    done("--remove")
    assert value(settled / ".claude.json") == read(THEIRS[".claude.json"])
    assert value(settled / ".claude/settings.json") == {**read(THEIRS[".claude/settings.json"]), "model": "opus"}
    assert comments((settled / ".claude/settings.json").read_text()) == ["/* mine */"]
    toml = (settled / ".codex/config.toml").read_text()
    assert full_lines(toml) == [
        *full_lines(THEIRS[".codex/config.toml"]), "# before", "[profiles.mine]", 'model = "y"',
    ]  # fmt: skip
    assert value(settled / ".gemini/settings.json") == {"theme": "Dracula", "vim": True}
    assert comments((settled / ".gemini/settings.json").read_text()) == ["// the theme", "// mine too"]
    assert value(settled / ".cursor/mcp.json") == {"mcpServers": {"mine": {"command": "uvx"}}}
    zed = (settled / ".config/zed/settings.json").read_text()
    assert read(zed).items() >= {"vim_mode": True, "buffer_font_size": 13}.items()
    assert "kioku" not in zed
    assert comments(zed) == ["// Zed settings", "// big", "// I type like this", "/* none */"]


def test_what_the_person_put_behind_ours_survives_taking_it_back(person: Path) -> None:
    done("--no-check")
    mcp = person / ".cursor" / "mcp.json"
    text = mcp.read_text()
    end = text.rindex("}", 0, text.rindex("}"))
    theirs = '    "mine": {"command": "uvx"} // at the end\n  '
    mcp.write_text(f"{text[:end].rstrip()},\n    // what follows is mine\n{theirs}{text[end:]}")
    assert set(value(mcp)["mcpServers"]) == {"kioku", "mine"}
    toml = person / ".codex" / "config.toml"
    toml.write_text(toml.read_text() + '\n# what follows is mine\n[profiles.mine]\nmodel = "y"\n')
    done("--remove")
    assert value(mcp) == {"mcpServers": {"mine": {"command": "uvx"}}}
    assert comments(mcp.read_text()) == ["// what follows is mine", "// at the end"]
    assert full_lines(toml.read_text()) == ["# what follows is mine", "[profiles.mine]", 'model = "y"']


def test_settings_of_kioku_that_the_person_changed_are_set_right_again(person: Path) -> None:
    done("--no-check")
    file = person / ".gemini" / "settings.json"
    file.write_text(file.read_text().replace(PROGRAM, "/gone/bin/kioku").replace("30000", "5"))
    done("--client", "gemini")
    assert value(file) == USER_FILES[".gemini/settings.json"]


def test_what_a_person_or_client_put_into_our_entry_survives_an_upgrade(person: Path, tmp_path: Path) -> None:
    older = installed(tmp_path / "old")
    assert setup("--yes", "--no-check", program=[older]).returncode == 0
    gemini, codex, zed = (
        person / name for name in (".gemini/settings.json", ".codex/config.toml", ".config/zed/settings.json")
    )
    gemini.write_text(gemini.read_text().replace('"timeout": 30000', '"timeout": 30000, // long\n"trust": true'))
    zed.write_text(zed.read_text().replace('"env": {}', '"env": {"KIOKU_PROJECT": "/x"}'))
    text = codex.read_text().replace("[mcp_servers.kioku]", "[mcp_servers.kioku] # ours")
    text = text.replace(f'command = "{older}"', f'enabled = true\ncommand = "{older}" # where it was')
    codex.write_text(text + '\n[mcp_servers.kioku.tools.read_file]\napproval_mode = "approve"\n')
    done("--no-check")
    assert value(gemini)["mcpServers"]["kioku"] == {**PLAIN, "timeout": 30_000, "trust": True}
    assert "// long" in gemini.read_text()
    assert value(zed)["context_servers"]["kioku"] == {**PLAIN, "env": {"KIOKU_PROJECT": "/x"}}
    assert codex.read_text() == text.replace(older, PROGRAM) + (
        '\n[mcp_servers.kioku.tools.read_file]\napproval_mode = "approve"\n'
    )
    done("--remove")
    assert not any("kioku" in (person / name).read_text() for name in USER_FILES if (person / name).exists())


def test_a_home_with_any_sign_in_its_name_can_be_set_up(tmp_path: Path, person: Path) -> None:
    program = installed(tmp_path / "\U0001f600 ü")
    result = setup("--yes", "--no-check", "--client", "codex", program=[program])
    assert result.returncode == 0, result
    assert value(person / ".codex" / "config.toml")["mcp_servers"]["kioku"]["command"] == program


# --- asking -----------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_changes_and_makes_none(settled: Path) -> None:
    before = snapshot(settled)
    result = setup("--dry-run")
    assert result.returncode == 0
    assert snapshot(settled) == before
    assert not (settled / ".local").exists()
    for name in USER_FILES:
        assert str(settled / name) in result.stdout
    assert "  +[mcp_servers.kioku]" in result.stdout
    assert f'  +command = "{PROGRAM}"' in result.stdout
    assert "written" not in result.stdout
    assert "mcp_servers.theirs" in result.stdout  # what stands around a change is shown too
    done()
    removal = setup("--dry-run", "--remove").stdout
    assert "  -[mcp_servers.kioku]" in removal
    assert value(settled / ".codex" / "config.toml")["mcp_servers"]["kioku"]


def test_the_changes_are_shown_with_the_tabs_that_the_file_has(settled: Path) -> None:
    shown = setup("--dry-run", "--client", "claude").stdout
    assert '+\t\t"SessionStart": [' in shown
    assert "\\u0009" not in shown


def test_what_could_harm_a_terminal_is_shown_as_text(person: Path) -> None:
    (person / ".config/zed/settings.json").write_text('{\n  "a": "\x9b2J\u202e"\n}\n')
    shown = setup("--dry-run", "--client", "zed").stdout
    assert "\x9b" not in shown
    assert '"a": "\\u009b2J\\u202e",' in shown


@pytest.mark.parametrize("options", [[], ["--remove"]])
def test_without_a_terminal_and_a_yes_nothing_is_written(settled: Path, options: list[str]) -> None:
    if options:
        done("--no-check")
    before = snapshot(settled)
    result = setup(*options)
    assert result.returncode == 2
    assert "--yes" in result.stderr
    assert snapshot(settled) == before


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x03", "\x04"])
def test_a_person_who_does_not_say_yes_finds_nothing_written(settled: Path, answer: str) -> None:
    before = snapshot(settled)
    with Terminal("setup", cwd=settled, program=INTERRUPTIBLE) as terminal:
        shown = terminal.read_until("Write this to 9 files? [y/N]")
        assert "+[mcp_servers.kioku]" in shown
        # A key that comes before it waits for one may not be heard: an interrupt then only sets a flag.
        wait_until(lambda: state_of(terminal.process.pid) == "S", "a program that waits for an answer")
        terminal.type(answer)
        assert terminal.wait() != 0
    assert snapshot(settled) == before
    assert "Traceback" not in terminal.shown


def test_json_asks_nothing_on_a_terminal_either(settled: Path) -> None:
    before = snapshot(settled)
    with Terminal("setup", "--json", "--no-check", cwd=settled, program=[PROGRAM]) as terminal:
        assert terminal.wait() == 2
        assert "--yes" in terminal.shown
    assert snapshot(settled) == before


def test_a_person_who_says_yes_finds_it_written_and_is_asked_no_more(settled: Path) -> None:
    with Terminal("setup", "--no-check", cwd=settled, program=[PROGRAM]) as terminal:
        terminal.read_until("[y/N]")
        terminal.type("y\n")
        assert terminal.wait() == 0
    assert files(settled) >= set(USER_FILES)
    with Terminal("setup", "--no-check", cwd=settled, program=[PROGRAM]) as terminal:
        assert terminal.wait() == 0
        assert "[y/N]" not in terminal.shown
    with Terminal("setup", "--remove", cwd=settled, program=[PROGRAM]) as terminal:
        terminal.read_until("Take this out of 9 files? [y/N]")
        terminal.type("y\n")
        assert terminal.wait() == 0
    assert files(settled) == set(THEIRS)


def test_an_edit_made_while_we_ask_is_not_lost(settled: Path) -> None:
    file = settled / ".gemini" / "settings.json"
    with Terminal("setup", "--client", "gemini", "--no-check", cwd=settled, program=[PROGRAM]) as terminal:
        terminal.read_until("[y/N]")
        file.write_text(file.read_text().replace("Dracula", "Mine"))
        terminal.type("y\n")
        terminal.wait()
    assert value(file)["theme"] == "Mine"


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_each_file_is_backed_up_before_it_is_changed(settled: Path) -> None:
    shown = done("--no-check")
    folder = settled / ".local" / "state" / "kioku" / "backups"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.read_bytes() for path in folder.iterdir()) == sorted(text.encode() for text in THEIRS.values())
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for name, text in THEIRS.items():
        (kept,) = re.findall(rf"^written: {re.escape(str(settled / name))} \(before: (.+)\)$", shown, re.MULTILINE)
        assert Path(kept).read_bytes() == text.encode()
        assert kept.endswith(os.path.basename(name))
    done("--remove")
    assert len(list(folder.iterdir())) == len(THEIRS) + len(USER_FILES)


def test_a_file_keeps_its_mode(settled: Path) -> None:
    (settled / ".claude.json").chmod(0o640)
    done("--no-check")
    assert stat.S_IMODE((settled / ".claude.json").stat().st_mode) == 0o640


def test_a_link_that_a_person_made_stays_one_and_what_it_leads_to_is_changed(settled: Path) -> None:
    dotfiles = settled / "dotfiles"
    dotfiles.mkdir()
    for name in THEIRS:
        kept = dotfiles / name.replace("/", "-")
        (settled / name).rename(kept)
        (settled / name).symlink_to(kept)
    before = contents(settled)
    done()
    for name in THEIRS:
        assert (settled / name).is_symlink()
        assert (settled / name).read_bytes() != THEIRS[name].encode()
    assert not [path for path in dotfiles.iterdir() if path.is_symlink()]
    done("--remove")
    assert contents(settled) == before


def test_a_link_that_leads_nowhere_yet_leads_to_the_new_file(person: Path) -> None:
    (person / "dotfiles").mkdir()
    (person / ".gemini" / "settings.json").symlink_to(person / "dotfiles" / "gemini.json")
    done("--client", "gemini")
    assert value(person / "dotfiles" / "gemini.json") == USER_FILES[".gemini/settings.json"]
    assert (person / ".gemini" / "settings.json").is_symlink()


@pytest.mark.parametrize("name", [".cursor", ".cursor/mcp.json"])
def test_a_projects_link_that_leads_out_of_it_is_refused(
    person: Path, project: Path, name: str, tmp_path: Path
) -> None:
    (project / ".git").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mcp.json").write_text("{}")
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).symlink_to(outside if name == ".cursor" else outside / "mcp.json")
    result = setup("--yes", "--project", "--client", "cursor", "--client", "zed", cwd=project)
    assert result.returncode == 1
    assert "leads out of the project" in result.stderr
    assert str(project / ".cursor" / "mcp.json") in result.stderr
    assert contents(outside) == {"mcp.json": contents(outside)["mcp.json"]}
    assert (outside / "mcp.json").read_text() == "{}"
    assert value(project / ".zed" / "settings.json") == USER_FILES[".config/zed/settings.json"]


def test_a_projects_link_that_stays_within_it_is_followed(person: Path, project: Path) -> None:
    (project / ".git").mkdir()
    (project / "shared.json").write_text('{"mcpServers": {}}')
    (project / ".mcp.json").symlink_to("shared.json")
    done("--project", "--client", "claude", cwd=project)
    assert value(project / "shared.json") == USER_FILES[".claude.json"]
    assert (project / ".mcp.json").is_symlink()


# --- what cannot be done ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".gemini/settings.json", ".gemini"])
def test_a_read_only_file_is_an_error_and_the_other_clients_are_registered(settled: Path, name: str) -> None:
    with read_only(settled / name) as prefix:
        result = setup("--yes", program=[*prefix, PROGRAM], env={"PATH": PATH})
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert str(settled / ".gemini" / "settings.json") in line
    assert "read-only" in line.lower() or "denied" in line.lower()
    assert (settled / ".gemini" / "settings.json").read_bytes() == THEIRS[".gemini/settings.json"].encode()
    assert [path.name for path in (settled / ".gemini").iterdir()] == ["settings.json"]
    for other in sorted(set(USER_FILES) - {".gemini/settings.json"}):
        assert "kioku" in (settled / other).read_text(), other


def test_without_room_for_a_way_back_nothing_is_written_and_the_folder_is_named(settled: Path) -> None:
    state = settled / ".local" / "state"
    state.mkdir(parents=True)
    before = contents(settled)
    with read_only(state) as prefix:
        result = setup("--yes", "--no-check", program=[*prefix, PROGRAM], env={"PATH": PATH})
    assert result.returncode == 1
    assert f"{state}/kioku, where it would be kept, cannot be written" in result.stderr
    assert "written: " not in result.stdout
    assert contents(settled) == before


def test_a_file_that_cannot_be_written_leaves_the_way_back_of_the_change_before(settled: Path, tmp_path: Path) -> None:
    before = contents(settled)
    older = installed(tmp_path / "old")
    assert setup("--yes", "--no-check", "--client", "codex", program=[older]).returncode == 0
    with read_only(settled / ".codex") as prefix:
        result = setup("--yes", "--no-check", "--client", "codex", program=[*prefix, PROGRAM], env={"PATH": PATH})
    assert result.returncode == 1
    assert "config.toml cannot be written" in result.stderr
    done("--remove", "--client", "codex")
    assert contents(settled) == before


def test_files_that_cannot_be_edited_are_each_named_and_the_other_clients_are_registered(person: Path) -> None:
    broken = {
        ".claude.json": b'{"mcpServers": ',
        ".codex/config.toml": b"[mcp_servers",
        ".cursor/mcp.json": b'{"a": "\xff"}',
        ".config/zed/settings.json": b'{"context_servers": []}',
    }
    for name, content in broken.items():
        (person / name).write_bytes(content)
    (person / ".config/Code/User/mcp.json").mkdir()
    before = contents(person)
    result = setup("--yes")
    assert result.returncode == 1
    for name in (*broken, ".config/Code/User/mcp.json"):
        assert f"error: {person / name}" in result.stderr
    assert "Traceback" not in result.stderr
    after = contents(person)
    assert after.pop(".gemini/settings.json") != before.get(".gemini/settings.json")
    assert after == before  # of a client whose one file is broken, the other is not written either


def test_another_server_of_our_name_is_not_overwritten(person: Path) -> None:
    theirs = '{"mcpServers": {"kioku": {"command": "npx", "args": ["-y", "kioku-notes"]}}}'
    (person / ".cursor" / "mcp.json").write_text(theirs)
    for options in ([], ["--remove"]):
        result = setup("--yes", "--client", "cursor", *options)
        assert result.returncode == (0 if options else 1)
        assert (person / ".cursor" / "mcp.json").read_text() == theirs
    assert "somebody else's" in setup("--yes", "--client", "cursor").stderr


# --- Claude Code's plugin ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugin", ["kioku@x", "kioku@kioku-marketplace"])
def test_what_the_plugin_registers_is_not_registered_twice(person: Path, plugin: str) -> None:
    settings = person / ".claude" / "settings.json"
    text = json.dumps({"enabledPlugins": {plugin: True}}, indent=2)
    settings.write_text(text)
    assert "plugin" in done("--client", "claude")
    assert settings.read_text() == text
    assert not (person / ".claude.json").exists()


def test_a_plugin_in_the_folder_of_skills_is_noticed_unless_it_is_off(person: Path) -> None:
    shutil.copytree(Path(__file__).parents[2] / "plugin", person / ".claude" / "skills" / "recorder")
    assert "has Kioku's plugin" in done("--client", "claude", "--dry-run")
    settings = person / ".claude" / "settings.json"
    settings.write_text('{"enabledPlugins": {"kioku@skills-dir": false}}')
    assert "has Kioku's plugin" not in done("--client", "claude", "--dry-run")
    settings.write_text('{"enabledPlugins": {"kioku@skills-dir": true}}')
    assert "has Kioku's plugin" in done("--client", "claude", "--dry-run")
    shutil.rmtree(person / ".claude" / "skills")
    assert "has Kioku's plugin" not in done("--client", "claude", "--dry-run")


def test_a_plugin_of_a_project_is_noticed_in_the_project(person: Path, project: Path) -> None:
    (project / ".claude").mkdir()
    (project / ".claude" / "settings.local.json").write_text('{"enabledPlugins": {"kioku@x": true}}')
    assert "has Kioku's plugin" in done("--client", "claude", "--project", str(project))
    assert "has Kioku's plugin" not in done("--client", "claude")


def test_what_was_registered_before_the_plugin_came_is_removed(person: Path) -> None:
    done("--client", "claude")
    settings = person / ".claude" / "settings.json"
    with_plugin = {**value(settings), "enabledPlugins": {"kioku@x": True}}
    settings.write_text(json.dumps(with_plugin))
    done("--client", "claude")
    assert value(settings) == {"enabledPlugins": {"kioku@x": True}}
    assert not (person / ".claude.json").exists() or "kioku" not in (person / ".claude.json").read_text()
    before = snapshot(person)
    assert "nothing to change" in done("--client", "claude")
    assert snapshot(person) == before


@pytest.mark.parametrize("enabled", [{"kioku@x": False}, {"other@kioku": True}, {}, None, ["kioku@x"]])
def test_a_plugin_that_is_off_or_another_counts_for_nothing(person: Path, enabled: Any) -> None:
    (person / ".claude" / "settings.json").write_text(json.dumps({"enabledPlugins": enabled}))
    done("--client", "claude")
    assert value(person / ".claude.json") == USER_FILES[".claude.json"]
    assert value(person / ".claude" / "settings.json")["hooks"] == CLAUDE_HOOKS


def test_a_plugin_is_told_of_in_json_without_a_word_around_it(person: Path) -> None:
    (person / ".claude" / "settings.json").write_text('{"enabledPlugins": {"kioku@x": true}}')
    assert json.loads(done("--client", "claude", "--json"))["clients"] == [{"client": "claude", "changed": []}]


# --- for programs -----------------------------------------------------------------------------------------------------


def test_json_tells_what_was_changed_and_whether_it_works(settled: Path) -> None:
    found = json.loads(done("--json", "--client", "codex", "--client", "zed"))
    assert found == {
        "clients": [
            {"client": "codex", "changed": [str(settled / ".codex/config.toml"), str(settled / ".codex/hooks.json")]},
            {"client": "zed", "changed": [str(settled / ".config/zed/settings.json")]},
        ],
        "checks": {"codex": None, "zed": None},
        "failures": 0,
        "dry_run": False,
    }
    again = json.loads(done("--json", "--client", "codex"))
    assert again["clients"] == [{"client": "codex", "changed": []}]


def test_json_of_a_dry_run_says_that_it_is_one(settled: Path) -> None:
    before = snapshot(settled)
    found = json.loads(setup("--json", "--dry-run", "--client", "zed").stdout)
    assert found["dry_run"] is True
    assert found["checks"] == {}
    assert found["clients"] == [{"client": "zed", "changed": [str(settled / ".config/zed/settings.json")]}]
    assert snapshot(settled) == before


def test_json_counts_what_failed(person: Path) -> None:
    (person / ".codex" / "config.toml").write_text("[")
    result = setup("--json", "--yes", "--client", "codex", "--client", "zed")
    assert result.returncode == 1
    found = json.loads(result.stdout)
    assert found["failures"] == 1
    assert [each["client"] for each in found["clients"]] == ["zed"]


# --- whether it works -------------------------------------------------------------------------------------------------


def installed(folder: Path, *, hook: str | None = None, mode: int = 0o755, server: str = "") -> str:
    """Install Kioku's programs once more, whole or broken; return the path of `kioku`."""
    folder.mkdir()
    program, hook_program = folder / "kioku", folder / "kioku-hook"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nif sys.argv[1] == 'serve':\n    {server or 'pass'}\n"
        "from kioku.__main__ import main\nmain()\n"
    )
    hook_program.write_text(hook or Path(HOOK).read_text())
    program.chmod(0o755)
    hook_program.chmod(mode)
    return str(program)


@pytest.mark.parametrize(
    ("hook", "mode", "said"),
    [
        ("#!/bin/sh\necho it is broken >&2\nexit 3\n", 0o755, "it is broken"),
        ("#!/bin/sh\nexit 3\n", 0o755, "3"),
        ("#!/gone/bin/python\n", 0o755, "not found"),
        ("#!/bin/sh\n", 0o644, "ermission denied"),
        ("#!/bin/sh\nexit 0\n", 0o755, "left nothing"),
    ],
)
def test_a_hook_that_does_not_work_is_an_error(person: Path, tmp_path: Path, hook: str, mode: int, said: str) -> None:
    program = installed(tmp_path / "broken", hook=hook, mode=mode)
    result = setup("--yes", "--client", "claude", program=[program])
    assert result.returncode == 1
    (line,) = [line for line in result.stdout.splitlines() if "cannot start Kioku" in line]
    assert said in line
    found = json.loads(setup("--yes", "--json", "--client", "claude", program=[program]).stdout)
    assert said in found["checks"]["claude"]


def test_a_server_that_does_not_work_is_an_error(person: Path, tmp_path: Path) -> None:
    program = installed(tmp_path / "broken", server="sys.exit('no server today')")
    result = setup("--yes", "--client", "zed", program=[program])
    assert result.returncode == 1
    assert "Zed: cannot start Kioku: no server today" in result.stdout
    assert setup("--yes", "--no-check", "--client", "zed", program=[program]).returncode == 0


def test_programs_that_are_not_installed_are_an_error_and_nothing_is_written(person: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    result = setup("--yes", program=[str(python), "-m", "kioku"], env=paths)
    assert result.returncode == 1
    assert "not installed" in result.stderr
    assert files(person) == set()


@pytest.mark.parametrize("folder", ["with space", "it's", "$HOME & more", 'a "b"', "日本"])
def test_programs_in_a_folder_of_any_name_are_registered_so_that_they_start(
    settled: Path, tmp_path: Path, folder: str
) -> None:
    before = contents(settled)
    program = [sys.executable, installed(tmp_path / folder)]
    result = setup("--yes", program=program)
    assert result.returncode == 0, result
    assert value(settled / ".cursor/mcp.json")["mcpServers"]["kioku"]["command"] == program[1]
    assert "written" not in setup("--yes", "--no-check", program=program).stdout
    assert setup("--yes", "--remove", program=program).returncode == 0
    assert contents(settled) == before


def test_the_check_leaves_nothing_in_the_persons_home(person: Path) -> None:
    done("--client", "claude")
    assert {path.name for path in (person / ".local" / "state" / "kioku").iterdir()} <= {"setup", "backups"}
    assert shutil.which("git") is None  # and it needed nothing from the path
