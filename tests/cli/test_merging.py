"""Merging, taking back and splitting from outside: the real command line on sessions that real servers recorded."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support import Clock, Server, kioku, rows


@pytest.fixture
def worked(project: Path, clock: Clock) -> tuple[Path, Clock, list[str]]:
    """Return a project with three sessions, an hour apart, the clock, and their ids by start."""
    (project / "a.py").write_text("VALUE = 1\n")
    (project / "b.py").write_text("VALUE = 2\n")
    for _ in range(3):
        record(project, clock)
        clock.shift(60)
    return project, clock, [row[0] for row in rows(project, "SELECT id FROM sessions ORDER BY started_at")]


def record(project: Path, clock: Clock) -> None:
    with Server(project, env=clock.env) as server:
        server.initialize()
        server.call("read_file", path="a.py")
        clock.shift(10)
        server.call("read_file", path="b.py")
        server.end()


def asked(*arguments: str, cwd: Path, env: dict[str, str]) -> dict[str, Any]:
    result = kioku(*arguments, "--json", cwd=cwd, env=env)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def listed(project: Path, clock: Clock) -> list[dict[str, Any]]:
    found = asked("sessions", "list", cwd=project, env=clock.env)["sessions"]
    for session in found:
        del session["updated_at"]
    return list(found)


def test_merged_sessions_are_one_row_and_taken_back_they_are_what_they_were(
    worked: tuple[Path, Clock, list[str]],
) -> None:
    project, clock, ids = worked
    before = listed(project, clock)
    (made,) = asked("sessions", "merge", ids[1], ids[0], cwd=project, env=clock.env)["sessions"]
    assert (made["id"], made["tool_calls"]) == (ids[0], 4)
    assert [part["id"] for part in made["merged_from"]] == ids[:2]
    assert [session["id"] for session in listed(project, clock)] == [ids[2], ids[0]]
    assert rows(project, "SELECT id FROM merged_sessions WHERE into_id = ? ORDER BY started_at", ids[0]) == [
        (id,) for id in ids[:2]
    ]
    shown = kioku("sessions", "show", ids[1], cwd=project, env=clock.env)
    assert shown.stdout.split()[:2] == ["session", ids[0]]
    assert "Merged from" in shown.stdout
    assert ids[1][:8] in shown.stdout
    assert f"kioku sessions unmerge {ids[0][:8]}" in shown.stderr
    assert asked("sessions", "show", ids[1][:8], cwd=project, env=clock.env)["id"] == ids[0]
    rebuilt = kioku("doctor", "--rebuild", cwd=project, env=clock.env)
    assert rebuilt.returncode == 0, rebuilt.stdout
    assert [session["id"] for session in listed(project, clock)] == [ids[2], ids[0]]
    back = kioku("sessions", "unmerge", ids[1], cwd=project, env=clock.env)
    assert "stand by themselves again" in back.stdout
    assert listed(project, clock) == before


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo", "America/St_Johns"])
def test_a_split_session_is_two_and_merging_them_takes_it_back(
    worked: tuple[Path, Clock, list[str]], zone: str | None
) -> None:
    project, clock, ids = worked
    env = {**clock.env, **({"KIOKU_TIME_ZONE": zone} if zone else {})}
    before = listed(project, clock)
    (start,) = (session["started_at"] for session in before if session["id"] == ids[0])
    at = datetime.fromtimestamp(start / 1000 + 300, ZoneInfo(zone) if zone else None).replace(tzinfo=None)
    result = kioku("sessions", "split", ids[0][:8], at.isoformat(" ", "seconds"), cwd=project, env=env)
    assert result.returncode == 0, result.stderr
    assert len(listed(project, clock)) == 4
    take_back = next(line for line in result.stdout.splitlines() if "kioku sessions merge" in line)
    taken_back = kioku(*take_back.partition("kioku ")[2].split(), cwd=project, env=clock.env)
    assert taken_back.returncode == 0
    assert f"This is one session again: {ids[0][:8]}" in taken_back.stdout
    assert listed(project, clock) == before


@pytest.mark.parametrize("what", ["merge", "unmerge", "split"])
def test_a_dry_run_changes_nothing(worked: tuple[Path, Clock, list[str]], what: str) -> None:
    project, clock, ids = worked
    arguments = {"merge": ids, "unmerge": ids[:1], "split": [ids[2], ""]}[what]
    if what == "unmerge":
        asked("sessions", "merge", *ids, cwd=project, env=clock.env)
    if what == "split":
        start = rows(project, "SELECT started_at FROM sessions WHERE id = ?", ids[2])[0][0]
        arguments[1] = datetime.fromtimestamp(start / 1000 + 300).isoformat()  # noqa: DTZ006
    listed(project, clock)  # whoever opens the store settles what is over
    everything = "SELECT * FROM sessions ORDER BY id", "SELECT * FROM amendments", "SELECT * FROM anchors ORDER BY id"
    before = [rows(project, query) for query in everything]
    found = asked("sessions", what, *arguments, "--dry-run", cwd=project, env=clock.env)
    assert found["dry_run"] is True
    assert len(found["sessions"]) == {"merge": 1, "unmerge": 3, "split": 2}[what]
    assert [session["id"] is None for session in found["sessions"]].count(True) == (what == "split")
    said = kioku("sessions", what, *arguments, "--dry-run", cwd=project, env=clock.env)
    assert "Nothing was changed" in said.stdout
    assert [rows(project, query) for query in everything] == before


def test_what_cannot_be_done_is_said_clearly_and_changes_nothing(worked: tuple[Path, Clock, list[str]]) -> None:
    project, clock, ids = worked
    before = listed(project, clock)
    for arguments, words in (
        (("merge", ids[0]), "two different sessions"),
        (("merge", ids[0], ids[0][:9]), "two different sessions"),
        (("merge", ids[0], ids[1][:-1] + "!"), f"the nearest is {ids[1]}"),
        (("unmerge", ids[0]), "was not merged"),
        (("split", ids[0], "soon"), "is no instant"),
        (("split", ids[0], "2020-01-01 10:00"), "is not inside the session"),
    ):
        result = kioku("sessions", *arguments, cwd=project, env=clock.env)
        assert result.returncode == 2, arguments
        assert words in result.stderr, arguments
        assert "Traceback" not in result.stderr
    assert listed(project, clock) == before


def test_a_session_that_runs_is_not_merged(worked: tuple[Path, Clock, list[str]]) -> None:
    project, clock, ids = worked
    with Server(project, env=clock.env) as server:
        server.initialize()
        server.call("read_file", path="a.py")
        (running,) = rows(project, "SELECT id FROM sessions WHERE status = 'active'")
        result = kioku("sessions", "merge", ids[0], running[0], cwd=project, env=clock.env)
        assert (result.returncode, "is still running" in result.stderr) == (2, True)
        server.end()
    assert len(listed(project, clock)) == 4


@pytest.mark.parametrize(("minutes", "expected"), [(0, 3), (59, 3), (90, 1)])
def test_sessions_of_one_work_are_merged_by_themselves_if_that_is_set(
    project: Path, clock: Clock, minutes: int, expected: int
) -> None:
    (project / ".git").mkdir()
    (project / ".git" / "HEAD").write_text("ref: refs/heads/topic\n")
    (project / "a.py").write_text("VALUE = 1\n")
    (project / "b.py").write_text("VALUE = 2\n")
    env = {**clock.env, "KIOKU_SESSION_MERGE_WITHIN_MINUTES": str(minutes)}
    for _ in range(3):
        with Server(project, env=env) as server:
            server.initialize()
            server.call("read_file", path="a.py")
            server.call("read_file", path="b.py")
            server.end()
        clock.shift(60)
    found = asked("sessions", "list", cwd=project, env=env)["sessions"]
    assert len(found) == expected
    if expected == 1:
        kioku("sessions", "unmerge", found[0]["id"], cwd=project, env=env)
        apart = len(asked("sessions", "list", cwd=project, env=env)["sessions"])
        assert apart == 2
        assert len(asked("sessions", "list", cwd=project, env=env)["sessions"]) == apart


def test_statistics_have_the_same_time_and_numbers_after_a_merge_and_fewer_sessions(
    project: Path, clock: Clock
) -> None:
    (project / "a.py").write_text("VALUE = 1\n")
    with Server(project, env=clock.env) as one, Server(project, env=clock.env) as other:  # side by side
        for server in (one, other):
            server.initialize()
            server.call("read_file", path="a.py")
        clock.shift(3)
        for server in (other, one):
            server.call("grep_codebase", pattern="VALUE")
            server.end()
    clock.shift(60)
    ids = [row[0] for row in rows(project, "SELECT id FROM sessions")]
    before = asked("stats", "all", cwd=project, env=clock.env)
    asked("sessions", "merge", *ids, cwd=project, env=clock.env)
    after = asked("stats", "all", cwd=project, env=clock.env)
    assert (before["sessions"], after["sessions"]) == (2, 1)
    union_ms = before["clocks"]["union_ms"]
    assert before["clocks"]["active_ms"] > union_ms > 0
    assert after["clocks"]["active_ms"] == after["clocks"]["union_ms"] == union_ms
    for name in ("calls", "prompts", "reads", "edits", "grid"):
        assert after[name] == before[name], name
    for kind in ("files", "tools"):
        for share in (*before[kind], *after[kind]):
            del share["sessions"]
        assert after[kind] == before[kind]
    asked("sessions", "unmerge", ids[0], cwd=project, env=clock.env)
    again = asked("stats", "all", cwd=project, env=clock.env)
    assert (again["sessions"], again["clocks"], again["grid"]) == (2, before["clocks"], before["grid"])
