"""Capture health, as `doctor` and `status` tell it: what is connected, what is heard, and what would be lost."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kioku import hook, spooling
from tests.capture.test_import import line, transcript
from tests.capture.test_together import marked, send, state
from tests.support import Clock, Server, kioku

__all__ = ["marked"]

DAY = 24 * 60 * 60
SCRIPTS = os.path.dirname(sys.executable)


def findings(project: Path, check: str, env: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    """Return what doctor says under a heading: (state, what was found, the fix)."""
    done = kioku("doctor", "--json", cwd=project, env=env)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)["findings"]
    return [(one["state"], one["found"], one["fix"]) for one in found if one["check"] == check]


def set_up(project: Path, client: str) -> None:
    done = kioku("setup", "--yes", "--no-check", "--client", client, cwd=project)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep assistants that are installed on this machine out of it."""
    monkeypatch.setenv("PATH", os.pathsep.join((SCRIPTS, "/usr/bin", "/bin")))


pytestmark = pytest.mark.usefixtures("bare")


def test_an_assistant_that_does_not_know_kioku_is_named_with_the_fix(marked: Path, home: Path) -> None:
    assert findings(marked, "assistants") == [("ok", "none was found on this machine", "")]
    (home / ".claude").mkdir()
    assert findings(marked, "assistants") == [
        ("warning", "Claude Code does not know Kioku", "kioku setup --client claude")
    ]
    set_up(marked, "claude")
    assert findings(marked, "assistants") == [("ok", "Claude Code knows Kioku (server and hooks); no event yet", "")]
    settings = home / ".claude" / "settings.json"
    hooks = json.loads(settings.read_text())
    del hooks["hooks"]["Stop"]
    settings.write_text(json.dumps(hooks))
    assert findings(marked, "assistants") == [
        ("warning", "Claude Code lacks hooks for Stop", "kioku setup --client claude")
    ]
    settings.unlink()
    assert findings(marked, "assistants")[0][1] == "Claude Code lacks the hooks"


def test_a_registered_command_that_is_gone_is_a_problem(marked: Path, home: Path) -> None:
    (home / ".claude.json").write_text(
        json.dumps({"mcpServers": {"kioku": {"command": "/gone/bin/kioku", "args": ["serve"]}}})
    )
    (home / ".claude").mkdir()
    ((found_state, found, fix),) = findings(marked, "assistants")
    assert (found_state, fix) == ("problem", "kioku setup --client claude")
    assert "/gone/bin/kioku" in found
    assert kioku("doctor", cwd=marked).returncode == 1


def test_a_plugin_beside_entries_in_the_settings_is_seen(marked: Path, home: Path) -> None:
    (home / ".claude").mkdir()
    settings = home / ".claude" / "settings.json"
    settings.write_text('{"enabledPlugins": {"kioku@somewhere": true}}')
    assert findings(marked, "assistants")[0][:2] == ("ok", "Claude Code knows Kioku (by its plugin); no event yet")
    settings.write_text("{}")
    set_up(marked, "claude")
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "enabledPlugins": {"kioku@somewhere": True}}))
    assert "as well" in findings(marked, "assistants")[0][1]
    set_up(marked, "claude")
    assert findings(marked, "assistants")[0][:2] == ("ok", "Claude Code knows Kioku (by its plugin); no event yet")


def test_a_plugin_whose_programs_are_not_on_the_path_is_a_problem(marked: Path, home: Path) -> None:
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text('{"enabledPlugins": {"kioku@somewhere": true}}')
    assert findings(marked, "assistants", {"PATH": "/usr/bin:/bin"}) == [
        ("problem", "Claude Code is told to run kioku, which is not there", "put kioku and kioku-hook on the PATH")
    ]


def _codex_trusts(home: Path) -> None:
    """Have a person say yes to each hook: Codex keeps a hash of its parts."""
    file = home / ".codex" / "hooks.json"
    tables = []
    for event, (group,) in json.loads(file.read_text())["hooks"].items():
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
        timeout = 3 if name == "session_end" else 5  # it gives them no longer there
        parts = {"event_name": name, **group, "hooks": [{**group["hooks"][0], "timeout": timeout, "async": False}]}
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        hashed = hashlib.sha256(text.encode()).hexdigest()
        tables.append(f'[hooks.state."{file}:{name}:0:0"]\ntrusted_hash = "sha256:{hashed}"\n')
    config = home / ".codex" / "config.toml"
    config.write_text("\n".join((config.read_text(), *tables)))


def _codex_trusted_another(home: Path) -> None:
    _codex_trusts(home)
    file = home / ".codex" / "hooks.json"
    file.write_text(file.read_text().replace(f"{SCRIPTS}/kioku-hook", "/usr/bin/kioku-hook"))


def _codex_is_off(home: Path) -> None:
    _codex_trusts(home)
    file = home / ".codex" / "config.toml"
    file.write_text(file.read_text() + "[features]\nhooks = false\n")


def _gemini_trusts(home: Path) -> None:
    (home / ".gemini" / "trustedFolders.json").write_text(json.dumps({str(Path(os.getcwd()).anchor): "TRUST_FOLDER"}))


def _claude_is_off(home: Path) -> None:
    file = home / ".claude" / "settings.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "disableAllHooks": True}))


@pytest.mark.parametrize(
    ("client", "change", "said"),
    [
        ("codex", None, "has not been told yet that you trust them"),
        ("codex", _codex_trusts, None),
        ("codex", _codex_trusted_another, "they are not what you trusted"),
        ("codex", _codex_is_off, "switched off"),
        ("gemini", None, "does not trust this folder"),
        ("gemini", _gemini_trusts, None),
        ("claude", None, None),
        ("claude", _claude_is_off, "disableAllHooks"),
        ("cursor", None, None),
    ],
)
def test_hooks_that_a_client_does_not_run_are_named(
    marked: Path, home: Path, client: str, change: Callable[[Path], None] | None, said: str | None
) -> None:
    (home / f".{client}").mkdir()
    set_up(marked, client)
    if change is not None:
        change(home)
    found = findings(marked, "hooks")
    if said is None:
        assert found == []
    else:
        ((found_state, text, fix),) = found
        assert (found_state, said in text, bool(fix)) == ("warning", True, True), text
        status = kioku("status", cwd=marked)
        assert "\tyes\tnot run\tnone yet" in status.stdout
        assert "kioku doctor says why" in status.stderr


def test_codex_is_asked_for_its_trust_where_its_folder_really_is(
    marked: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".codex").mkdir()
    (tmp_path / "link").symlink_to(home / ".codex")
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "link"))
    set_up(marked, "codex")
    assert [one[0] for one in findings(marked, "hooks")] == ["warning"]
    _codex_trusts(home)
    assert findings(marked, "hooks") == []


def test_gemini_is_asked_for_its_trust_where_it_keeps_its_settings(
    marked: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_CLI_HOME", str(tmp_path / "elsewhere"))
    (home / ".gemini").mkdir()
    set_up(marked, "gemini")
    (tmp_path / "elsewhere" / ".gemini" / "trustedFolders.json").write_text(json.dumps({str(marked): "TRUST_FOLDER"}))
    assert findings(marked, "hooks") == []


def test_the_last_event_and_what_waits_in_the_spool_are_told(marked: Path, home: Path, clock: Clock) -> None:
    (home / ".claude").mkdir()
    set_up(marked, "claude")
    with Server(marked, env=clock.env) as server:
        server.initialize()
        server.end()
    send(marked, "UserPromptSubmit", clock.env, prompt="hello")
    assert [one[0] for one in findings(marked, "spool", clock.env)] == ["ok"]
    clock.shift(90)
    ((found_state, found, _),) = findings(marked, "spool", clock.env)
    assert found_state == "warning"
    assert "wait to be recorded, since 1 h 30 min ago" in found
    shown = kioku("status", cwd=marked, env=clock.env)
    assert "Claude Code\tyes\tyes\t1 h 30 min ago" in shown.stdout
    assert findings(marked, "spool", clock.env) == [("ok", "nothing waits", "")]
    assert findings(marked, "assistants", clock.env)[0][1].endswith("last event 1 h 30 min ago")


def test_events_without_a_project_torn_records_and_failures_are_counted(marked: Path, home: Path, clock: Clock) -> None:
    with Server(marked) as server:
        server.initialize()
        server.end()
    send(home, "Stop")
    send(home, "Stop")
    send(marked, "Stop", client="claude code")
    send(marked, "UserPromptSubmit", prompt="one")
    send(marked, "UserPromptSubmit", prompt="two")
    file = state(home) / "spool" / spooling.folder_name(str(marked)) / "events.spool"
    first, second = (found for found in file.read_bytes().splitlines(keepends=True) if found.strip())
    file.write_bytes(first + second[:40] + b"\n")
    kioku("status", cwd=marked)
    assert [one[:2] for one in findings(marked, "spool")] == [
        ("ok", "nothing waits"),
        ("warning", "1 event could not be kept, 1 torn record dropped"),
        ("ok", "2 events from folders that are no project"),
    ]
    clock.shift(8 * 24 * 60)
    assert ("ok", "1 event could not be kept, 1 torn record dropped; the last one 8 d ago") in [
        one[:2] for one in findings(marked, "spool", clock.env)
    ]


@pytest.mark.parametrize(("heard", "expected"), [(15, "ok"), (6, "warning")])
def test_hooks_are_held_against_the_transcripts(
    marked: Path, home: Path, clock: Clock, heard: int, expected: str
) -> None:
    began = 1_772_445_600_000 // 60_000  # when the lines of `transcript` begin, in minutes
    (home / ".claude").mkdir()
    now = int(hook.now_ms() // 60_000)
    clock.shift(began - now)
    with Server(marked, env=clock.env) as server:
        server.initialize()
        server.end()
    numbers = range(45)  # a call every third
    transcript(home, "one", [line(number, marked, minute=number / 3) for number in numbers])
    for number in (0, *range(15 - heard + 1, 15)):
        call: dict[str, Any] = {"tool_name": "Edit", "tool_input": {"file_path": f"{marked}/a.py"}, "session_id": "one"}
        send(marked, "PreToolUse", clock.env, tool_use_id=f"toolu_one_with_a_long_id_{number:06}", **call)
        clock.shift(1 if number else 15 - heard + 1)
    clock.shift(60)
    kioku("import", "claude", cwd=marked, env=clock.env)
    ((found_state, found, _),) = findings(marked, "hooks", clock.env)
    assert found_state == expected, found
    assert f"hooks told of {heard} calls, its transcripts of 1" in found


def test_hooks_of_which_nothing_was_ever_heard_are_held_against_the_transcripts_since_set_up(
    marked: Path, home: Path, clock: Clock
) -> None:
    (home / ".claude").mkdir()
    clock.shift(1_772_445_600_000 // 60_000 - hook.now_ms() // 60_000)
    with Server(marked, env=clock.env) as server:
        server.initialize()
        server.end()
    transcript(home, "before", [line(number, marked, session="before") for number in range(45)])
    clock.shift(60)
    set_up(marked, "claude")
    for record in (state(home) / "setup").iterdir():  # as if it had been then
        record.write_text(json.dumps({**json.loads(record.read_text()), "at": 1_772_445_600_000 + 60 * 60_000}))
    kioku("import", "claude", cwd=marked, env=clock.env)
    assert findings(marked, "hooks", clock.env) == []
    transcript(home, "after", [line(number, marked, session="after", minute=90 + number) for number in range(45)])
    clock.shift(120)
    kioku("import", "claude", cwd=marked, env=clock.env)
    said = "Claude Code's hooks told of 0 calls, its transcripts of 15 (30 days)"
    assert findings(marked, "hooks", clock.env) == [("warning", said, "kioku import fills the gaps")]


def test_the_last_event_is_told_whichever_project_it_was_in(marked: Path, home: Path, tmp_path: Path) -> None:
    (home / ".claude").mkdir()
    set_up(marked, "claude")
    other = tmp_path / "other"
    (other / ".git").mkdir(parents=True)
    for folder in (marked, other):
        with Server(folder) as server:
            server.initialize()
            server.end()
    send(other, "UserPromptSubmit", prompt="hello")
    kioku("status", cwd=other)
    assert "Claude Code\tyes\tyes\tjust now" in kioku("status", cwd=marked).stdout
    assert findings(marked, "assistants")[0][1].endswith("last event just now")
    (other / ".context" / "sessions.db").write_bytes(b"SQLite format 3\0 and nothing more")
    assert findings(marked, "assistants")[0][1].endswith("no event yet")


def test_status_says_that_no_assistant_is_there(marked: Path) -> None:
    assert "no assistant was found on this machine" in kioku("status", cwd=marked).stderr


def test_the_fix_for_an_assistant_that_records_one_project_names_it(marked: Path, home: Path) -> None:
    (home / ".config" / "Claude").mkdir(parents=True)
    ((_, _, fix),) = findings(marked, "assistants")
    assert fix == "kioku setup --client claude-desktop --project"
    assert kioku(*fix.split()[1:], "--yes", "--no-check", cwd=marked).returncode == 0
    assert findings(marked, "assistants")[0][0] == "ok"


def test_status_says_what_connects_assistants_where_that_would_change_something(marked: Path, home: Path) -> None:
    for name in (".claude", ".config/Claude"):
        (home / name).mkdir(parents=True)
    assert "kioku setup connects them" in kioku("status", cwd=marked).stderr
    set_up(marked, "claude")
    assert "kioku setup connects them" not in kioku("status", cwd=marked).stderr
    (home / ".claude" / "settings.json").unlink()
    assert "kioku setup connects them" in kioku("status", cwd=marked).stderr


def test_transcripts_that_are_about_to_be_deleted_are_named_until_they_are_imported(marked: Path, home: Path) -> None:
    old = transcript(home, "old", [line(number, marked) for number in range(6)])
    new = transcript(home, "new", [line(number, marked, session="two") for number in range(6)])
    now = hook.now_ms() / 1000
    os.utime(old, (now - 27 * DAY, now - 27 * DAY))
    soon, later = findings(marked, "transcripts")
    assert (soon[0], soon[2]) == ("warning", "kioku import claude")
    assert soon[1].startswith("1 transcript of Claude Code's not imported, deleted from ")
    assert later[:2] == ("ok", "2 transcripts with something that is not imported: kioku import takes it in")
    assert "1 transcript will soon be deleted" in kioku("status", cwd=marked).stderr
    settings = home / ".claude" / "settings.json"
    settings.write_text('{"cleanupPeriodDays": 300}')
    assert [one[0] for one in findings(marked, "transcripts")] == ["ok"]
    settings.write_text('{"cleanupPeriodDays": 20}')
    assert "at any moment" in findings(marked, "transcripts")[0][1]
    kioku("import", "claude", cwd=marked)
    assert findings(marked, "transcripts") == []
    with new.open("a") as stream:
        stream.write(line(6, marked, session="two") + "\n")
    assert [one[0] for one in findings(marked, "transcripts")] == ["ok"]


def test_a_transcript_of_an_excluded_folder_waits_for_nothing(marked: Path, home: Path) -> None:
    old = transcript(home, "old", ["not json", line(0, marked)])
    now = hook.now_ms() / 1000
    os.utime(old, (now - 29 * DAY, now - 29 * DAY))
    assert findings(marked, "transcripts")[0][0] == "warning"
    settings = home / ".config" / "kioku" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[capture]\nexclude = ["{marked}"]\n')
    assert findings(marked, "transcripts") == []
    assert json.loads(kioku("status", "--json", cwd=marked).stdout)["capture"]["transcripts_deleted_soon"] == []


def test_json_has_it_all(marked: Path, home: Path) -> None:
    (home / ".claude").mkdir()
    set_up(marked, "claude")
    capture: dict[str, Any] = json.loads(kioku("status", "--json", cwd=marked).stdout)["capture"]
    (assistant,) = capture["assistants"]
    assert (assistant["client"], assistant["server"], assistant["hooks"], assistant["hooks_run"]) == (
        "claude", True, True, True,
    )  # fmt: skip
    assert capture["spool"] == {
        "bytes": 0,
        "oldest": None,
        "without_project": 0,
        "failures": 0,
        "torn": 0,
        "last_lost": None,
    }
    assert capture["transcripts_deleted_soon"] == []
