"""What the commands say about continuity: real transcripts, a real store, and what a person and a program read."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.capture.test_import import imported, line, own, transcript
from tests.support import Server, kioku, rows

ALWAYS = ("--days", "3660")


@pytest.fixture
def told(project: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Import three conversations of one day and one of the next; return their sessions' ids, by their beginning."""
    monkeypatch.setenv("TZ", "UTC")
    for name, start in (("one", 0), ("two", 45), ("far", 45 + 6 * 60), ("next day", 24 * 60)):
        lines = [line(number, project, session=name, minute=start + number) for number in range(9)]
        transcript(home, name, lines)
    imported("all", cwd=project)
    return [row[0] for row in rows(project, "SELECT id FROM sessions ORDER BY started_at")]


def shown(*arguments: str, cwd: Path) -> Any:
    done = kioku(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def test_a_session_is_shown_with_what_it_goes_on_with_and_why(project: Path, told: list[str]) -> None:
    text = kioku("sessions", "show", told[1][:10], cwd=project).stdout
    section = text.split("\nContinuity\n")[1].split("\n\n")[0].splitlines()
    assert re.fullmatch(rf"after +{told[0]}, started 2026-03-02 10:00, 37 min between", section[0])
    before = predecessor(project, told)
    parts, score = before["parts"], before["score"]
    assert re.fullmatch(rf"score +{score:.2f} \(from 0 to 1\)", section[1])
    known = [(part["value"], part["weight"]) for part in parts if part["value"] is not None]
    assert score == pytest.approx(sum(value * weight for value, weight in known) / sum(weight for _, weight in known))
    assert [row.split()[0] for row in section[2:7]] == ["repository", "branch", "files", "topics", "gap"]
    assert re.fullmatch(r"branch +1\.00, weight 15 \(same branch\)", section[3])
    assert re.fullmatch(r"gap +0\.54, weight 25 \(time between: exp\(-gap / 1 h\)\)", section[6])
    assert f"continued by  {told[2]}, started 2026-03-02 16:45" in section[7]
    assert section[7].startswith("continued by")
    assert len(section) == 8


def test_the_same_is_in_json_and_the_parts_explain_the_score(project: Path, told: list[str]) -> None:
    found = shown("sessions", "show", told[1], cwd=project)["continuity"]
    before = found["predecessor"]
    assert (before["session"], before["gap_ms"]) == (told[0], 37 * 60_000)
    known = [part for part in before["parts"] if part["value"] is not None]
    mean = sum(part["value"] * part["weight"] for part in known) / sum(part["weight"] for part in known)
    assert before["score"] == pytest.approx(mean, abs=1e-12)
    assert [link["session"] for link in found["continued_by"]] == [told[2]]
    first = shown("sessions", "show", told[0], cwd=project)["continuity"]
    assert first["predecessor"] is None
    assert first["continued_by"] == [{**before, "session": told[1]}]


def test_a_part_that_is_not_known_is_said_to_be_left_out(project: Path) -> None:
    (project / "a.txt").write_text("text\n")
    for _ in range(2):
        with Server(project) as server:
            server.initialize()
            server.call("read_file", path="a.txt")
            server.end()
    ids = [row[0] for row in rows(project, "SELECT id FROM sessions ORDER BY started_at")]
    text = kioku("sessions", "show", ids[1], cwd=project).stdout
    assert re.search(r"^topics +–, not known, left out \(words in common\)$", text, re.MULTILINE)
    found = shown("sessions", "show", ids[1], cwd=project)["continuity"]["predecessor"]
    assert {part["name"]: part["value"] for part in found["parts"]}["topics"] is None
    assert found["score"] > 0.99


def test_a_session_that_is_alone_has_no_such_section(project: Path, home: Path) -> None:
    transcript(home, "one", [line(number, project) for number in range(3)])
    imported("all", cwd=project)
    ((session_id,),) = rows(project, "SELECT id FROM sessions")
    assert "Continuity" not in kioku("sessions", "show", session_id, cwd=project).stdout
    assert shown("sessions", "show", session_id, cwd=project)["continuity"] == {"predecessor": None, "continued_by": []}


def test_sessions_of_one_day_that_go_on_with_each_other_are_suggested_with_the_command(
    project: Path, told: list[str]
) -> None:
    before = rows(project, "SELECT * FROM sessions ORDER BY id")
    title, reason, command = kioku("sessions", "suggest", *ALWAYS, cwd=project).stdout.splitlines()
    assert title == "2026-03-02 10:00 to 10:53  one work block"
    assert re.match(r"  37 min apart, both on branch main, 3 files in common \(src/f", reason)
    assert reason.endswith(found_score(project, told))
    assert command == f"  kioku sessions merge {told[0]} {told[1]}"
    assert rows(project, "SELECT * FROM sessions ORDER BY id") == before


def predecessor(project: Path, told: list[str]) -> Any:
    return shown("sessions", "show", told[1], cwd=project)["continuity"]["predecessor"]


def found_score(project: Path, told: list[str]) -> str:
    return f": continuity {predecessor(project, told)['score']:.2f}"


def test_suggestions_in_json_name_sessions_reason_command_and_links(project: Path, told: list[str]) -> None:
    found = shown("sessions", "suggest", *ALWAYS, cwd=project)
    assert found["days"] == 3660
    (suggestion,) = found["suggestions"]
    assert suggestion["sessions"] == told[:2]
    assert suggestion["command"] == f"kioku sessions merge {told[0]} {told[1]}"
    (link,) = suggestion["links"]
    assert (link["before"], link["after"], link["gap_ms"]) == (*told[:2], 37 * 60_000)


def test_a_block_of_work_is_named_also_where_nothing_can_be_merged(
    project: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = shown("sessions", "suggest", *ALWAYS, cwd=project)["blocks"]
    ((since, until),) = rows(
        project, "SELECT min(started_at), max(last_activity_at) FROM sessions WHERE id IN (?, ?)", *told[:2]
    )
    assert (block["sessions"], block["since"], block["until"]) == (told[:2], since, until)
    (link,) = block["links"]
    assert (link["before"], link["after"], link["gap_ms"]) == (*told[:2], 37 * 60_000)
    monkeypatch.setenv("KIOKU_TIME_DAY_STARTS", "10:30")  # between the two
    text = kioku("sessions", "suggest", *ALWAYS, cwd=project).stdout
    assert text.splitlines() == [
        "2026-03-02 10:00 to 10:53  one work block",
        f"  {told[0][:8]}, {told[1][:8]}",
    ]


def test_a_session_is_shown_with_its_breaks(project: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    minutes = (0, 4, 9, 15, 20, 45, 80, 84)  # pauses of 6 and 25 minutes; one of 35 ends the session
    prompts = [line(0, project, session="one", minute=at, uuid=f"uuid-of-a-prompt-{at:08}") for at in minutes]
    transcript(home, "one", prompts)
    imported("all", cwd=project)
    (id, start), (other, _) = rows(project, "SELECT id, started_at FROM sessions ORDER BY started_at")
    assert re.search(
        r"^breaks +2, 31 min in all \(pauses over 5 min, shorter than the timeout\)$",
        kioku("sessions", "show", id, cwd=project).stdout,
        re.MULTILINE,
    )
    expected = [[start + since * 60_000, start + until * 60_000] for since, until in ((9, 15), (20, 45))]
    for settle in (False, True):
        if settle:
            assert kioku("stats", "all", cwd=project).returncode == 0
            assert rows(project, "SELECT count(*) FROM sessions WHERE digest IS NULL") == [(0,)]
        assert shown("sessions", "show", id, cwd=project)["breaks"] == expected
    assert "breaks" not in kioku("sessions", "show", other, cwd=project).stdout
    assert kioku("sessions", "merge", id, other, cwd=project).returncode == 0
    assert shown("sessions", "show", id, cwd=project)["breaks"] == expected, "what lies between parts is no break"


def test_only_the_days_asked_for_are_looked_at(project: Path, told: list[str]) -> None:
    assert told
    done = kioku("sessions", "suggest", "--days", "1", cwd=project)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no sessions of the last 1 day look like one" in done.stderr
    assert kioku("sessions", "suggest", "--days", "0", cwd=project).returncode == 2
    assert kioku("sessions", "suggest", "--days", "x", cwd=project).returncode == 2


def test_the_persons_zone_says_which_day_a_session_belongs_to(
    project: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told
    monkeypatch.setenv("TZ", "Etc/GMT-14")  # there the second session begins at a quarter to one, the first at midnight
    assert len(shown("sessions", "suggest", *ALWAYS, cwd=project)["suggestions"]) == 1
    monkeypatch.setenv("TZ", "XXX-13:45")  # there midnight lies between the two
    assert shown("sessions", "suggest", *ALWAYS, cwd=project)["suggestions"] == []
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("KIOKU_TIME_ZONE", "Pacific/Kiritimati")
    assert len(shown("sessions", "suggest", *ALWAYS, cwd=project)["suggestions"]) == 1
    monkeypatch.setenv("KIOKU_TIME_DAY_STARTS", "00:30")  # between the two as well
    assert shown("sessions", "suggest", *ALWAYS, cwd=project)["suggestions"] == []


def test_a_session_that_still_runs_is_never_suggested(project: Path) -> None:
    (project / "a.txt").write_text("text\n")
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="a.txt")
        server.end()
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="a.txt")
        assert shown("sessions", "suggest", cwd=project)["suggestions"] == []
        server.end()
    assert len(shown("sessions", "suggest", cwd=project)["suggestions"]) == 1


def test_in_the_persons_own_store_sessions_of_different_folders_are_not_put_together(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    for name, folder, start in (("one", "/gone/a", 0), ("two", "/gone/b", 15), ("three", "/gone/a", 30)):
        transcript(home, name, [line(n, folder, session=name, minute=start + n) for n in range(9)])
    imported("all", cwd=project)
    root = own(home).parent.parent
    one, _, three = (row[0] for row in rows(root, "SELECT id FROM sessions ORDER BY started_at"))
    (suggestion,) = shown("sessions", "suggest", "--own", *ALWAYS, cwd=project)["suggestions"]
    assert suggestion["sessions"] == [one, three]
    assert suggestion["command"] == f"kioku sessions merge --own {one} {three}"


def test_text_that_could_move_the_cursor_never_reaches_the_terminal(project: Path, told: list[str]) -> None:
    assert told
    from tests.store.test_odd_values import change

    change(project, "UPDATE names SET text = 'src/\x1b[2J' || text WHERE text LIKE 'src/%'")
    for words in (("sessions", "suggest", *ALWAYS), ("sessions", "show", told[1])):
        text = kioku(*words, cwd=project).stdout
        assert "\x1b" not in text
        assert "\\u001b" in text


@pytest.mark.parametrize("command", ["suggest", "sensitivity"])
def test_where_nothing_was_recorded_it_says_how_to_begin(project: Path, command: str) -> None:
    done = kioku("sessions", command, cwd=project)
    assert done.returncode == 1
    assert "nothing has been recorded" in done.stderr
    assert not (project / ".context").exists()
