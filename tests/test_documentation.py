"""The documentation says what the program does: its commands, settings, formats and queries are tried here."""

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import msgspec
import pytest

from kioku import __version__
from kioku.capture.transcripts.formats import FORMATS
from kioku.cli.app import COMMANDS
from kioku.cli.app import kioku as program
from kioku.clients.table import CLAUDE_EVENTS, CLIENTS
from kioku.knowledge import project_yaml
from kioku.mcp.tools import TOOLS
from kioku.reports import heat
from kioku.reports.commits import Commits
from kioku.reports.statistics import Clocks, Day, Lengths, Share, Statistics
from kioku.settings import KEYS
from tests.support import Server, kioku

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SESSIONS = (ROOT / "docs" / "sessions.md").read_text()
CAPTURE = (ROOT / "docs" / "capture.md").read_text()
STATISTICS = (ROOT / "docs" / "statistics.md").read_text()
EXPORT = (ROOT / "docs" / "export.md").read_text()
KNOWLEDGE = (ROOT / "docs" / "knowledge.md").read_text()
RESUME = (ROOT / "docs" / "resume.md").read_text()
SEARCH = (ROOT / "docs" / "search.md").read_text()
ALL = (README, SESSIONS, CAPTURE, STATISTICS, EXPORT, KNOWLEDGE, RESUME, SEARCH)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands_in(text: str) -> list[list[str]]:
    """Return every `kioku ...` line of the shell blocks and every command in backticks, as words."""
    found = [line.partition("#")[0].strip() for block in blocks(text, "bash") for line in block.splitlines()]
    found += [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]
    found += re.findall(r"`(kioku [^`]+)`", text)
    return [shlex.split(line) for line in found if line.startswith("kioku ")]


@pytest.mark.parametrize("words", [words for text in ALL for words in commands_in(text)], ids=" ".join)
def test_every_command_that_is_written_down_exists_with_its_options(words: list[str]) -> None:
    command: click.Command = program
    context = click.Context(command)
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        inner = command.get_command(context, rest[0])
        if inner is None:
            break
        command, rest = inner, rest[1:]
    assert command is not program, words
    options = {option for parameter in command.params for option in parameter.opts}
    for word in rest:
        if word.startswith("-"):
            assert word in options, (words, word)


def test_every_command_and_every_option_in_its_row_is_in_the_readme() -> None:
    for name in COMMANDS:
        assert f"`kioku {name}" in README, name


def test_every_setting_is_in_the_readme_with_its_built_in_value() -> None:
    for key in KEYS:
        shown = key.default if isinstance(key.default, str) else "none" if key.default == () else f"{key.default:g}"
        assert f"| `{key.name}` | {shown} | `{key.variable}` |" in README


def test_every_tool_is_named() -> None:
    for name in TOOLS:
        assert f"`{name}`" in README


def test_every_settings_example_can_be_read() -> None:
    examples = blocks(CAPTURE, "json")
    assert len(examples) >= 6
    for text in examples:
        assert {*json.loads(text)} & {"mcpServers", "servers", "context_servers", "hooks"}
    for text in blocks(CAPTURE, "toml"):
        assert tomllib.loads(text)["mcp_servers"]["kioku"]["args"] == ["serve"]


def test_every_figure_of_the_statistics_is_documented() -> None:
    for shape in (Statistics, Day, Clocks, Share, Lengths, Commits):
        for field in msgspec.structs.fields(shape):
            assert field.name == "name" or f"`{field.name}`" in STATISTICS, (shape, field.name)
    assert f"a reading weighs {heat.READ_WEIGHS}, an edit {heat.EDIT_WEIGHS}" in STATISTICS
    assert f"each {heat.HALVES} days" in STATISTICS
    assert f"more than {heat.REACHES}\ndays" in STATISTICS
    assert "(docs/statistics.md)" in README
    assert "(statistics.md)" in SESSIONS


def test_every_link_leads_to_a_file() -> None:
    for folder, text in (
        (ROOT, README),
        (ROOT / "docs", SESSIONS),
        (ROOT / "docs", CAPTURE),
        (ROOT / "docs", STATISTICS),
        (ROOT / "docs", EXPORT),
        (ROOT / "docs", KNOWLEDGE),
        (ROOT / "docs", RESUME),
        (ROOT / "docs", SEARCH),
    ):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (folder / target).exists(), target


def test_every_assistant_and_every_kind_of_transcript_is_in_the_readme() -> None:
    for client in CLIENTS:
        assert f"| {client.title} |" in README, client.title
    for name in FORMATS:
        assert f"`kioku import {name}" in README, name


def test_every_event_that_is_registered_with_claude_code_is_documented() -> None:
    for event in CLAUDE_EVENTS:
        assert event in CAPTURE


def test_the_two_commands_of_the_readme_exist_and_can_be_run() -> None:
    for name in ("demo", "test", "setup", "bench"):
        assert (ROOT / "scripts" / name).stat().st_mode & 0o100
    assert "scripts/demo" in README
    assert "scripts/test" in README


def test_the_changelog_speaks_of_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert kioku("--version").stdout.strip().endswith(__version__)


def test_the_sql_in_the_documentation_runs_in_the_sqlite3_program(project: Path) -> None:
    sqlite3 = shutil.which("sqlite3")
    if sqlite3 is None:
        pytest.skip("the sqlite3 program is not installed")
    (project / "a.txt").write_text("text\n")
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="a.txt")
        server.end()
    lines = [line for block in blocks(SESSIONS, "bash") for line in block.splitlines() if line.startswith("sqlite3 ")]
    assert len(lines) >= 4
    for line in lines:
        result = subprocess.run([sqlite3, *shlex.split(line)[1:]], cwd=project, capture_output=True, text=True)
        assert result.returncode == 0, result
        assert result.stdout, line
    for statement in blocks(SESSIONS, "sql"):
        result = subprocess.run(
            [sqlite3, ".context/sessions.db", statement], cwd=project, capture_output=True, text=True
        )
        assert result.returncode == 0, result


def test_every_column_that_is_documented_exists(project: Path) -> None:
    import sqlite3

    with Server(project) as server:
        server.initialize()
        server.end()
    db = sqlite3.connect(f"file:{project}/.context/sessions.db?mode=ro", uri=True)
    for table, columns in re.findall(r"^\| `(\w+)` \|[^|]*?: ((?:`\w+`(?:, )?)+)", SESSIONS, re.MULTILINE):
        known = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for column in re.findall(r"`(\w+)`", columns):
            assert column in known, (table, column)
    db.close()


def test_the_example_of_a_project_file_is_read_as_it_is_described(project: Path) -> None:
    (example,) = blocks(KNOWLEDGE, "yaml")
    path = project / "project.yaml"
    path.write_text(example)
    found = project_yaml.load(str(path))
    assert [one.text for one in found.decisions] == ["All times are stored as UTC"]
    yours, ours = found.modules["queue"].rules
    assert (yours.text, yours.id, ours.by) == ("never sell", None, "assistant")
    (issue,) = found.modules["queue"].issues
    assert issue.solution == "It keeps the position in every file now."
