"""`kioku sessions list` and the tool `sessions`: the same sessions for the same question, clear answers to odd ones."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kioku.days import Calendar
from tests.capture.test_together import send
from tests.support import Clock, Server, kioku, rows
from tests.workspace.repositories import git, make_repository

DAY = 24 * 60.0


@pytest.fixture
def worked(tmp_path: Path, clock: Clock) -> Path:
    """Return a project with three sessions, two days apart, and two empty ones: one old, one new."""
    project = make_repository(tmp_path / "project")
    (project / "src").mkdir()
    (project / "src" / "b.py").write_text("VALUE = 1\n")
    clock.shift(-10 * DAY)
    for branch, client, path in (("main", "zed", "a.txt"), ("search", "codex-mcp", "src/b.py")):
        git(project, "checkout", "-q", "-B", branch)
        with Server(project, env=clock.env) as server:
            server.initialize(client=client)
            server.call("read_file", path=path)
            clock.shift(4)
            server.call("read_file", path=path)
            server.end()
        with Server(project, env=clock.env) as server:
            server.initialize(client=client)
            server.end()
        clock.shift(2 * DAY)
    send(project, "UserPromptSubmit", clock.env, prompt="Why is the Übersicht empty?")
    for env in (clock.env, {}):  # taken in at the time of its clock, and closed by the present's
        assert kioku("status", cwd=project, env=env).returncode == 0
    return project


def listed(project: Path, *arguments: str) -> dict[str, Any]:
    """Return what the command says as JSON, after checking that its lines say the same."""
    done = kioku("sessions", "list", "--json", *arguments, cwd=project)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    plain = kioku("sessions", "list", *arguments, cwd=project)
    assert [line[:8] for line in plain.stdout.splitlines()] == [each["id"][:8] for each in found["sessions"]]
    assert (f"{found['hidden_empty']} without any activity not shown" in plain.stderr) == bool(found["hidden_empty"])
    assert ("no session" in plain.stderr) == (not found["sessions"])
    return found


def clients(project: Path, *arguments: str) -> list[str]:
    return [session["client"] for session in listed(project, *arguments)["sessions"]]


def day_of(project: Path, client: str) -> str:
    ((day,),) = rows(
        project,
        "SELECT date(started_at / 1000, 'unixepoch', 'localtime') FROM sessions WHERE client = ? AND empty = 0",
        client,
    )
    return str(day)


def test_each_condition_narrows_the_list_and_they_add_up(worked: Path) -> None:
    assert clients(worked) == ["claude-code", "codex-mcp", "zed"]
    assert clients(worked, "--client", "zed") == ["zed"]
    assert clients(worked, "--branch", "search", "--client", "codex-mcp") == ["codex-mcp"]
    assert clients(worked, "--branch", "main", "--client", "codex-mcp") == []
    assert clients(worked, "--file", "b.p") == ["codex-mcp"]
    assert clients(worked, "--file", "*.txt") == ["zed"]
    assert clients(worked, "--text", "übersicht") == ["claude-code"]
    assert clients(worked, "--longer-than", "3.9") == ["codex-mcp", "zed"]
    assert clients(worked, "--longer-than", "5") == []
    assert clients(worked, "--status", "completed", "--limit", "1", "--longer-than", "0") == ["codex-mcp"]


def test_dates_are_days_and_months_of_the_persons_own(worked: Path) -> None:
    first, second = day_of(worked, "zed"), day_of(worked, "codex-mcp")
    assert clients(worked, "--since", second) == ["claude-code", "codex-mcp"]
    assert clients(worked, "--until", first) == ["zed"]
    assert clients(worked, "--since", second, "--until", second) == ["codex-mcp"]
    assert clients(worked, "--since", first[:7]) == ["claude-code", "codex-mcp", "zed"]
    assert clients(worked, "--until", "2001-02") == []
    assert clients(worked, "--since", "2199-01-01") == []


@pytest.mark.parametrize("starts", ["00:00", "04:00"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])  # wherever the test runs, one is another
def test_a_day_of_the_list_is_one_of_the_statistics_and_times_are_of_its_zone(
    worked: Path, zone: str, starts: str
) -> None:
    env = {"KIOKU_TIME_ZONE": zone, "KIOKU_TIME_DAY_STARTS": starts}
    calendar = Calendar(zone, int(starts[:2]) * 60)
    for id, begun in rows(worked, "SELECT id, started_at FROM sessions WHERE empty = 0"):
        day = calendar.date_of(begun).isoformat()
        done = kioku("sessions", "list", "--since", day, "--until", day, cwd=worked, env=env)
        (line,) = done.stdout.splitlines()
        shown = datetime.fromtimestamp(begun / 1000, ZoneInfo(zone))
        assert line.split("\t")[:2] == [id[:8], f"{shown:%Y-%m-%d %H:%M}"]
        counted = kioku("stats", day, "--json", cwd=worked, env=env)
        assert json.loads(counted.stdout)["sessions"] == 1
        with Server(worked, env=env) as server:
            server.initialize()
            answer = server.call("sessions", action="list", since=day, until=day)
            assert f"{id[:8]}  {shown:%Y-%m-%d %H:%M}" in answer["content"][0]["text"]
            server.end()


def test_the_hidden_sessions_that_are_counted_are_those_that_fit(worked: Path) -> None:
    assert listed(worked)["hidden_empty"] == 2
    assert listed(worked, "--client", "zed")["hidden_empty"] == 1
    assert listed(worked, "--file", "a.txt")["hidden_empty"] == 0
    assert listed(worked, "--until", day_of(worked, "zed"))["hidden_empty"] == 1
    shown = listed(worked, "--client", "zed", "--empty")
    assert (len(shown["sessions"]), shown["hidden_empty"]) == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--client", "codex"), "did you mean 'codex-mcp'?"),
        (("--branch", "serch"), "did you mean 'search'?"),
        (("--since", "yesteryear"), "'yesteryear' is no date"),
        (("--since", "2026-02-30"), "'2026-02-30' is no date"),
        (("--since", "2026-03", "--until", "2026-02-28"), "2026-02-28 is before 2026-03"),
        (("--text", ""), "'text' must have from 1 to 1000 characters"),
        (("--file", b"\xff"), "'file' is not whole text"),
        (("--longer-than", "-1"), "is not in the range"),
        (("--longer-than", "nan"), "'nan' is not a number"),
        (("--status", "gone"), "is not one of"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_usage_and_changes_nothing(
    worked: Path, arguments: tuple[Any, ...], says: str
) -> None:
    before = rows(worked, "SELECT * FROM sessions ORDER BY id")
    done = kioku("sessions", "list", *arguments, cwd=worked)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert rows(worked, "SELECT * FROM sessions ORDER BY id") == before


def test_the_tool_gives_the_same_as_the_command(worked: Path) -> None:
    questions: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        ({"client": "zed"}, ("--client", "zed")),
        ({"branch": "search", "file": "src/*"}, ("--branch", "search", "--file", "src/*")),
        ({"text": "ÜBERSICHT"}, ("--text", "ÜBERSICHT")),
        ({"longer_than": 3, "until": day_of(worked, "zed")}, ("--longer-than", "3", "--until", day_of(worked, "zed"))),
        ({"status": "completed", "since": "2020-01"}, ("--status", "completed", "--since", "2020-01")),
    ]
    with Server(worked) as server:
        server.initialize()
        for asked, arguments in questions:
            answer = server.call("sessions", action="list", **asked)
            expected = listed(worked, *arguments)
            got = answer["structuredContent"]
            assert [each["id"] for each in got["sessions"]] == [each["id"] for each in expected["sessions"]], asked
            assert got["hidden_empty"] == expected["hidden_empty"]
        answer = server.call("sessions", action="list", client="codex")
        assert answer["isError"] is True
        assert "did you mean 'codex-mcp'?" in answer["content"][0]["text"]
        server.end()
