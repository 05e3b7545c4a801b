"""`kioku sessions sensitivity` from outside, and that its numbers are what the store itself says."""

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.capture.test_import import imported, line, own, transcript
from tests.support import Server, kioku, rows

MINUTE = 60_000
HOUR = 60 * MINUTE
TIMEOUTS = [5, 10, 15, 20, 30, 45, 60, 90, 120]


def asked(*arguments: str, cwd: Path, **options: Any) -> dict[str, Any]:
    done = kioku("sessions", "sensitivity", *arguments, "--json", cwd=cwd, **options)
    assert done.returncode == 0, done
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def told(project: Path, home: Path) -> Path:
    """Import two conversations: pauses of 8, 25 and 50 minutes in one, and a day of silence in the other."""
    minutes = (0, 1, 2, 10, 11, 12, 37, 38, 39, 89, 90, 91)
    transcript(home, "one", [line(n, project, session="one", minute=at) for n, at in enumerate(minutes)])
    later = (500, 501, 502, 502 + 24 * 60)
    transcript(home, "two", [line(n, project, session="two", minute=at) for n, at in enumerate(later)])
    imported("all", cwd=project)
    return project


def test_the_table_shows_each_timeout_and_marks_the_one_in_force(told: Path) -> None:
    done = kioku("sessions", "sensitivity", cwd=told)
    assert done.returncode == 0
    table, _, words = done.stdout.partition("\n\n")
    cells = [row.split("\t") for row in table.splitlines()]
    assert [row[0] for row in cells] == [
        "5 min", "10 min", "15 min", "20 min", "30 min", "45 min", "1 h", "1 h 30 min", "2 h",
    ]  # fmt: skip
    assert [row[1] for row in cells] == ["6", "5", "5", "5", "4", "4", "3", "3", "3"]
    assert [row[0] for row in cells if row[4]] == ["30 min"]
    assert "Your own pauses: 4 pauses over 5 min; 500 are needed to say more." in words


def test_the_numbers_of_the_timeout_in_force_are_those_of_the_store(told: Path) -> None:
    found = asked(cwd=told)
    ((number, span, active),) = rows(
        told, "SELECT count(*), sum(last_activity_at - started_at), sum(active_ms) FROM sessions WHERE empty = 0"
    )
    (row,) = (row for row in found["rows"] if row["in_force"])
    assert row == {"timeout_ms": 30 * MINUTE, "sessions": number, "span_ms": span, "in_force": True}
    assert found["active_ms"] == active
    assert (found["streams"], found["pauses"], found["own"]) == (2, 4, None)


@pytest.mark.parametrize("minutes", [15, 45, 120])
def test_each_row_is_what_a_rebuild_with_that_timeout_gives(told: Path, minutes: int) -> None:
    (row,) = (row for row in asked(cwd=told)["rows"] if row["timeout_ms"] == minutes * MINUTE)
    assert kioku("doctor", "--rebuild", "--timeout", str(minutes), cwd=told).returncode in (0, 1)
    found = rows(told, "SELECT count(*), sum(last_activity_at - started_at) FROM sessions WHERE empty = 0")
    assert found == [(row["sessions"], row["span_ms"])]


def test_another_timeout_has_a_row_of_its_own(told: Path) -> None:
    found = asked(cwd=told, env={"KIOKU_SESSION_TIMEOUT_MINUTES": "25"})
    assert [row["timeout_ms"] // MINUTE for row in found["rows"]] == sorted([*TIMEOUTS, 25])
    assert [row["timeout_ms"] // MINUTE for row in found["rows"] if row["in_force"]] == [25]
    assert found["timeout_ms"] == 25 * MINUTE


def test_sessions_without_activity_are_not_counted(project: Path) -> None:
    (project / "a.txt").write_text("text\n")
    for calls in (1, 0):
        with Server(project) as server:
            server.initialize()
            for _ in range(calls):
                server.call("read_file", path="a.txt")
            server.end()
    assert {row["sessions"] for row in asked(cwd=project)["rows"]} == {1}


def test_a_store_in_which_nothing_happened_says_so(project: Path) -> None:
    with Server(project) as server:
        server.initialize()
        server.end()
    done = kioku("sessions", "sensitivity", cwd=project)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no sessions with activity" in done.stderr
    assert {row["sessions"] for row in asked(cwd=project)["rows"]} == {0}


def test_the_persons_own_pauses_are_told_in_plain_words_when_there_are_two_kinds(project: Path, home: Path) -> None:
    random = Random(1)
    minute, lines = 0.0, []
    for number in range(900):
        lines.append(line(0, project, session="one", minute=minute, uuid=f"uuid-of-a-line-{number:08}"))
        median, spread = random.choices(((12, 0.3), (300, 0.5)), (0.7, 0.3))[0]
        minute += random.lognormvariate(math.log(median), spread)
    transcript(home, "one", lines)
    imported("all", cwd=project)
    found = asked(cwd=project)
    assert found["own"]["short"]["typical_ms"] == pytest.approx(12 * MINUTE, rel=0.1)
    assert found["own"]["long"]["typical_ms"] == pytest.approx(300 * MINUTE, rel=0.15)
    assert found["own"]["short"]["weight"] == pytest.approx(0.7, abs=0.06)
    assert 30 * MINUTE < found["own"]["crossing_ms"] < 2 * HOUR
    text = kioku("sessions", "sensitivity", cwd=project).stdout
    assert f"Your own pauses: {found['own']['pauses']} pauses over 5 min, of two kinds." in text
    assert "  short: 7" in text
    assert "is as likely of either kind: a timeout near that divides them best." in text
    assert "In force is 30 min (session.timeout_minutes)." in text


def test_the_persons_own_store_is_asked_with_its_own_option(project: Path, home: Path) -> None:
    transcript(home, "one", [line(n, "/gone/away", minute=at) for n, at in enumerate((0, 1, 2, 50))])
    imported("all", cwd=project)
    assert own(home).exists()
    found = asked("--own", cwd=project)
    assert (found["streams"], found["pauses"]) == (1, 1)
    assert [row["sessions"] for row in found["rows"]][-4:] == [2, 1, 1, 1]


def test_sessions_that_came_without_activities_are_said_to_be_left_out(told: Path) -> None:
    from tests.store.test_odd_values import change

    change(
        told,
        """INSERT INTO sessions (id, project_id, started_at, status, created_at, updated_at, last_activity_at,
           timeout_ms, empty, first_activity_at, last_start_at, block_start_at)
           VALUES ('old', 'p', 0, 'completed', 0, 0, 0, 1800000, 0, 0, 0, 0)""",
    )
    assert asked(cwd=told)["left_out"] == 1
    assert "1 session without recorded activities left out" in kioku("sessions", "sensitivity", cwd=told).stderr
