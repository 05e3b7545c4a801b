"""`kioku sessions export` and `kioku import kioku`, as a person runs them."""

import csv
import io
import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import KIOKU, PATIENCE_S, Clock, Server, kioku, rows

SECRET = "gl" + "pat-" + "Zz9Yy8Xx7Ww6Vv5Uu4Tt"


@pytest.fixture
def recorded(project: Path) -> Path:
    """Return a project in which two servers recorded."""
    for name in ("a.py", "b.py"):
        (project / name).write_text("text\n")
        with Server(project) as server:
            server.initialize()
            server.call("read_file", path=name)
            server.end()
    return project


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return an empty folder of the same name."""
    folder = tmp_path / "elsewhere" / "project"
    folder.mkdir(parents=True)
    return folder


def listed(project: Path) -> list[dict[str, Any]]:
    found = json.loads(kioku("sessions", "list", "--empty", "--json", cwd=project).stdout)["sessions"]
    return [{**session, "project_id": None, "updated_at": None} for session in found]


def figures(project: Path) -> Any:
    return json.loads(kioku("stats", "all", "--json", cwd=project).stdout)


def test_an_export_is_read_back_in_another_place_and_twice_is_once(recorded: Path, elsewhere: Path) -> None:
    made = kioku("sessions", "export", "--output", "../all.jsonl", cwd=recorded)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    file = recorded.parent / "all.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for new in ("2 activities", "0 activities"):
        taken = kioku("import", "kioku", str(file), "--trust", cwd=elsewhere)
        assert taken.returncode == 0, taken.stderr
        assert f"new: {new}" in taken.stdout
        assert listed(elsewhere) == listed(recorded)
        assert figures(elsewhere) == figures(recorded)
    again = kioku("sessions", "export", cwd=elsewhere).stdout.splitlines()
    kinds = ("stream", "report", "id", "timeouts")
    assert [line for line in again if json.loads(line).get("type") in kinds] == [
        line for line in file.read_text().splitlines() if json.loads(line).get("type") in kinds
    ]
    assert kioku("doctor", "--rebuild", cwd=elsewhere).returncode in (0, 1)
    assert listed(elsewhere) == listed(recorded)


def test_the_first_line_says_what_it_is_and_of_which_part(recorded: Path) -> None:
    id = listed(recorded)[0]["id"]
    for words, part in (((), None), (("all",), None), ((id[:8],), {"ids": [id]})):
        lines = kioku("sessions", "export", *words, cwd=recorded).stdout.splitlines()
        head = json.loads(lines[0])
        assert (head["format"], head["version"], head["part"]) == ("kioku-sessions", 3, part)
        assert head["project"]["name"] == "project"
        assert json.loads(lines[-1]) == {"type": "end", "lines": len(lines) - 1}
    head = json.loads(kioku("sessions", "export", "today", cwd=recorded).stdout.splitlines()[0])
    assert set(head["part"]) == {"since", "until"}


def test_a_part_comes_back_as_a_part(recorded: Path, elsewhere: Path) -> None:
    first, second = listed(recorded)
    for session, known in ((first, [first]), (second, [first, second])):
        part = kioku("sessions", "export", session["id"], cwd=recorded).stdout
        (elsewhere / "part").write_text(part)
        assert "a part" in kioku("import", "kioku", "part", cwd=elsewhere).stdout
        assert listed(elsewhere) == known


def test_every_format_speaks_of_every_session_in_the_range_and_of_no_empty_one(recorded: Path) -> None:
    with Server(recorded) as server:
        server.initialize()
        server.end()
    ids = [session["id"] for session in listed(recorded) if not session["empty"]]
    assert len(ids) == 2
    for form in ("csv", "markdown", "ical", "activitywatch"):
        shown = kioku("sessions", "export", "--format", form, "today", cwd=recorded)
        assert shown.returncode == 0, shown.stderr
        assert sum(session["id"] in shown.stdout.replace("\n ", "") for session in listed(recorded)) == 2, form
        if form != "markdown":
            assert "1 session without any activity left out" in shown.stderr
        with_empty = kioku("sessions", "export", "--format", form, "--empty", "today", cwd=recorded)
        assert with_empty.stderr == ""
    text = kioku("sessions", "export", "--format", "csv", "--empty", cwd=recorded).stdout
    fields = list(csv.DictReader(io.StringIO(text)))
    assert [row["id"] for row in fields] == [session["id"] for session in reversed(listed(recorded))]
    assert set(fields[0]) == set(listed(recorded)[0])


def test_a_file_is_never_replaced_unasked_nor_half_written(recorded: Path) -> None:
    target, other = recorded / "out", recorded / "other"
    other.write_text("mine")
    target.symlink_to(other)
    refused = kioku("sessions", "export", "--output", "out", cwd=recorded)
    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    assert kioku("sessions", "export", "--output", "out", "--force", cwd=recorded).returncode == 0
    assert other.read_text() == "mine"
    assert not target.is_symlink()
    assert kioku("sessions", "export", "--output", ".", cwd=recorded).returncode == 2
    assert kioku("sessions", "export", "--output", "none/out", cwd=recorded).returncode == 1
    assert kioku("sessions", "export", "nonsense", "--output", "new", cwd=recorded).returncode == 2
    assert not [name for name in os.listdir(recorded) if name.startswith((".out", ".new", "new", "none"))]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nonsense",), 2, "no session 'nonsense', and that is no range"),
        (("2026-05-02..2026-05-01",), 2, "2026-05-01"),
        (("today", "nonsense"), 2, "no range"),
        (("--format", "xml"), 2, "xml"),
        (("--stretches",), 2, "ical only"),
    ],
)
def test_what_cannot_be_meant_is_answered(words: tuple[str, ...], code: int, message: str, recorded: Path) -> None:
    answer = kioku("sessions", "export", *words, cwd=recorded)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert message in answer.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("kioku",), "no file is named"),
        (("kioku", "missing"), "No such file"),
        (("kioku", "text"), "is no export of Kioku's"),
        (("kioku", "all", "--since", "7d"), "--since is not"),
        (("claude", "all", "--own"), "are for 'kioku import kioku FILE'"),
        (("./all",), "kioku import kioku ./all"),
        (("kioku", "."), "Is a directory|no regular file"),
    ],
)
def test_an_import_that_cannot_be_meant_is_answered(words: tuple[str, ...], message: str, recorded: Path) -> None:
    (recorded / "text").write_text("no export\n")
    (recorded / "all").write_text(kioku("sessions", "export", cwd=recorded).stdout)
    answer = kioku("import", *words, cwd=recorded)
    assert answer.returncode == 2, answer.stdout
    assert re.search(message, answer.stderr), answer.stderr


def test_another_projects_export_needs_force(recorded: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "all").write_text(kioku("sessions", "export", cwd=recorded).stdout)
    refused = kioku("import", "kioku", "all", cwd=other)
    assert refused.returncode == 2
    assert "the project 'project'" in refused.stderr
    assert kioku("import", "kioku", "all", "--force", cwd=other).returncode == 0
    assert listed(other) == listed(recorded)
    assert kioku("import", "kioku", "all", "--own", "--force", cwd=other).returncode == 0


def test_archived_sessions_come_back_with_every_figure(recorded: Path, elsewhere: Path, clock: Clock) -> None:
    first, second = listed(recorded)
    clock.shift(2 * 24 * 60)
    done = kioku("sessions", "archive", "--older-than", "1d", "--force", cwd=recorded, env=clock.env)
    assert done.returncode == 0, done.stderr
    with Server(recorded) as server:
        server.initialize()
        server.call("read_file", path="a.py")
        server.end()
    made = kioku("sessions", "export", "--output", str(elsewhere / "all"), cwd=recorded)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    lines = [json.loads(line) for line in (elsewhere / "all").read_text().splitlines()]
    assert {first["id"], second["id"]} < {line["id"] for line in lines if line.get("type") == "session"}
    for new in ("2 archived sessions", "0 archived sessions"):
        taken = kioku("import", "kioku", "all", cwd=elsewhere)
        assert taken.returncode == 0, taken.stdout + taken.stderr
        assert new in taken.stdout
        assert listed(elsewhere) == listed(recorded)
        assert figures(elsewhere) == figures(recorded)


def test_a_dry_run_reads_everything_and_writes_nothing(recorded: Path, elsewhere: Path) -> None:
    (elsewhere / "all").write_text(kioku("sessions", "export", cwd=recorded).stdout + "torn")
    tried = kioku("import", "kioku", "--dry-run", "--json", "all", cwd=elsewhere)
    assert tried.returncode == 1
    (found,) = json.loads(tried.stdout)["files"]
    assert found["lines"]["reports"] == 6
    assert [skipped["reason"] for skipped in found["skipped"]][-1].startswith("is not whole")
    assert not (elsewhere / ".context" / "sessions.db").exists()


def test_no_secret_gets_out_of_a_store_that_has_one_nor_into_one(recorded: Path, elsewhere: Path) -> None:
    """The store's own text is trusted to be redacted; what got past older rules must not leave by an export."""
    database = recorded / ".context" / "sessions.db"
    script = (
        "import sqlite3,sys; db = sqlite3.connect(sys.argv[1]); s = sys.argv[2];"
        "db.execute('UPDATE names SET text = text || ? WHERE text LIKE ?', (' ' + s, '%.py'));"
        "db.execute('UPDATE reports SET detail = ?', ('detail ' + s,));"
        "db.execute('UPDATE streams SET client_version = ?, folder = ?', ('v ' + s, '/home/' + s));"
        "db.execute('UPDATE sessions SET title = ?', ('title ' + s,));"
        "db.commit()"
    )
    subprocess.run(["python3", "-c", script, str(database), SECRET], check=True, timeout=PATIENCE_S)
    for form in ("jsonl", "csv", "markdown", "ical", "activitywatch"):
        shown = kioku("sessions", "export", "--format", form, cwd=recorded)
        assert shown.returncode == 0
        assert SECRET not in shown.stdout + shown.stderr, form
    text = kioku("sessions", "export", cwd=recorded).stdout
    assert "[REDACTED" in text
    (elsewhere / "all").write_text(text.replace("[REDACTED:gitlab]", SECRET).replace("read_file", f"r {SECRET}"))
    assert SECRET in (elsewhere / "all").read_text()
    kioku("import", "kioku", "all", cwd=elsewhere)
    assert rows(elsewhere, "SELECT count(*) FROM reports")[0][0] == 6
    for file in (elsewhere / ".context").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def test_a_reader_that_has_seen_enough_ends_the_export_quietly(recorded: Path) -> None:
    with subprocess.Popen(
        [*KIOKU, "sessions", "export"], cwd=recorded, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE_S) in (0, 1)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_a_range_that_is_in_the_future_is_named_as_that(recorded: Path) -> None:
    found = kioku("sessions", "export", "9000-01", cwd=recorded)
    assert found.returncode != 0
    assert "'9000-01' is in the future" in found.stderr
