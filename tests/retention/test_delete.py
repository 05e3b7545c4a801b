"""Deleting: nothing of a session remains anywhere, nothing brings it back, and nothing else changes."""

import json
import random
import shutil
import signal
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from kioku.days import Calendar
from kioku.reports import statistics
from kioku.sessions import deleting, settling
from kioku.sessions.lease import Verdict
from kioku.store import deleting as store_deleting
from kioku.store import forgotten
from tests.capture.test_import import BEGAN, imported, line, transcript
from tests.capture.test_together import SESSION, call, send, state
from tests.retention.test_archive import NOW, archive_all, fill, say
from tests.sessions.stage import T0, Stage
from tests.support import KIOKU, PATIENCE_S, Clock, Server, kioku, rows, wait_until

CANARY = "canary"
UTC = Calendar("UTC")


def begun(project: Path) -> None:
    """Let the project have a store."""
    with Server(project) as server:
        server.initialize()
        server.end()


def listed(project: Path, *arguments: str) -> list[dict[str, Any]]:
    done = kioku("sessions", "list", "--empty", "--json", *arguments, cwd=project)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["sessions"]
    return found


def delete(project: Path, *arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    done = kioku("sessions", "delete", *arguments, "--force", "--json", cwd=project, env=env)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def holding(word: str, *folders: Path) -> list[str]:
    """Return the files below some folders in whose bytes or name a word stands, transcripts left aside."""
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            if ".claude" in path.parts or not path.is_file():
                continue
            if word in path.name or word.encode() in path.read_bytes():
                found.append(str(path))
    return found


def converse(project: Path, home: Path, clock: Clock) -> bytes:
    """Let hooks and a transcript tell of one conversation; return what the hooks wrote to the spool."""
    send(project, "SessionStart", source="startup", env=clock.env)
    send(project, "UserPromptSubmit", prompt=f"please {CANARY}prompt", env=clock.env)
    for number in range(2):
        edited = {"file_path": f"{project}/src/{CANARY}path{number}.py"}
        send(
            project, "PostToolUse", tool_name="Edit", tool_use_id=f"toolu_canary_{number:020}", tool_input=edited,
            env=clock.env,
        )  # fmt: skip
    command = {"command": f"run {CANARY}command --now"}
    send(project, "PostToolUse", tool_name="Bash", tool_use_id=f"toolu_{'9' * 20}", tool_input=command, env=clock.env)
    send(project, "Stop", last_assistant_message=f"done {CANARY}answer", env=clock.env)
    (spooled,) = (state(home) / "spool").rglob("events.spool")
    kept = spooled.read_bytes()
    assert CANARY.encode() in kept
    return kept


def told_transcript(home: Path, project: Path) -> Path:
    lines = [
        line(number, project, session=SESSION, minute=number / 2, gitBranch=f"{CANARY}branch").replace(
            "please do thing", f"{CANARY}words"
        )
        for number in range(30)
    ]
    return transcript(home, "one", lines)


@pytest.fixture
def marked(project: Path) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=project, check=True)
    return project


def test_no_byte_of_a_deleted_session_remains_and_nothing_brings_it_back(
    marked: Path, home: Path, clock: Clock
) -> None:
    begun(marked)
    spooled = converse(marked, home, clock)
    (place,) = (path.parent for path in (state(home) / "spool").rglob("events.spool"))
    told_transcript(home, marked)
    imported(cwd=marked)
    clock.shift(60)
    kioku("sessions", "list", cwd=marked, env=clock.env)
    for id, _ in rows(marked, "SELECT id, seq FROM sessions WHERE activities > 0"):
        with apsw_connection(marked) as db:
            db.execute("UPDATE sessions SET title = ? WHERE id = ?", (f"{CANARY}title", id))
    kioku("sessions", "list", cwd=marked, env=clock.env)
    assert holding(CANARY, marked, home)
    found = delete(marked, "--project", env=clock.env)
    assert found["deleted"] >= 2
    assert found["overwritten"]
    assert holding(CANARY, marked, home) == []
    assert holding(SESSION, marked, home) == []
    for _ in range(2):
        imported(cwd=marked)
        (place / "events.spool").write_bytes(spooled)
        send(marked, "UserPromptSubmit", prompt=f"please {CANARY}prompt")  # a late hook: the clock is back
        call(marked, "PostToolUse", "toolu_canary_" + "7" * 20, file_path=f"{marked}/{CANARY}late.py")
        assert listed(marked) == []
        assert holding(CANARY, marked, home) == []
        shutil.rmtree(home / ".claude")
        told_transcript(home, marked)
    assert kioku("doctor", "--rebuild", cwd=marked).stdout.count("the same rows as before") == 1
    clock.shift(60)
    send(marked, "UserPromptSubmit", prompt="something new", env=clock.env)
    kioku("sessions", "list", cwd=marked, env=clock.env)
    assert [row[0] for row in rows(marked, "SELECT text FROM turns")] == ["something new"]


def apsw_connection(project: Path) -> apsw.Connection:
    """Open the store as a person's program does; used as a context it is one transaction."""
    return apsw.Connection(str(project / ".context" / "sessions.db"))


def test_a_part_of_a_conversation_goes_and_the_rest_stays(marked: Path, home: Path) -> None:
    begun(marked)
    minutes = [*range(12), *range(300, 312)]
    path = transcript(home, "one", [line(n, marked, minute=m) for n, m in enumerate(minutes)])
    imported(cwd=marked)
    later, first = (s for s in listed(marked) if s["client"] == "claude-code")
    assert delete(marked, first["id"][:8])["deleted"] == 1
    with path.open("a") as file:
        file.write(line(24, marked, minute=600) + "\n")
    imported(cwd=marked)
    imported(cwd=marked)
    new, same = (s for s in listed(marked) if s["client"] == "claude-code")
    assert {**same, "updated_at": 0} == {**later, "updated_at": 0, "continues": None}
    assert new["started_at"] == round((BEGAN + timedelta(minutes=600)).timestamp() * 1000)
    assert kioku("sessions", "delete", first["id"], "--force", cwd=marked).returncode == 0
    assert "was deleted before" in kioku("sessions", "delete", first["id"], "--force", cwd=marked).stderr


@pytest.mark.parametrize("seed", range(8))
def test_what_is_told_again_after_a_deletion_changes_nothing(seed: int) -> None:
    chance = random.Random(seed)
    with Stage() as stage:
        streams, said = fill(stage, seed)
        if seed % 2:
            archive_all(stage, T0 + 60 * 3_600_000)
        before = stage.projection()
        doomed = chance.sample(sorted(before), chance.randrange(1, len(before)))
        remove(stage, doomed)
        after = stage.projection()
        assert after.keys() == before.keys() - set(doomed)
        for id, row in after.items():
            assert (*row[:9], *row[10:]) == (*before[id][:9], *before[id][10:])
            assert row[9] not in doomed
        whole = statistics_of(stage)
        assert whole.sessions == sum(not row[-2] for row in after.values())
        assert whole.calls == sum(int(str(row[16])) for row in after.values())
        texts = stage.store.read(lambda db: db.execute("SELECT count(*) FROM turns").fetchall())
        for name, reports in streams.items():
            stage.take(stage.stream(name), chance.sample(reports, len(reports)), NOW)
        say(stage, said)
        stage.sweep(NOW)
        settling.settle(stage.store)
        assert stage.projection() == after
        assert statistics_of(stage) == whole
        assert stage.store.read(lambda db: db.execute("SELECT count(*) FROM turns").fetchall()) == texts
        stage.rebuild(NOW)
        assert stage.projection() == after
        assert statistics_of(stage) == whole
        remove(stage, sorted(after))
        left = "SELECT (SELECT count(*) FROM reports), (SELECT count(*) FROM turns), (SELECT count(*) FROM days)"
        assert stage.store.read(lambda db: db.execute(left).fetchall()) == [(0, 0, 0)]


@pytest.mark.parametrize("choice", range(12))
def test_what_stays_keeps_every_count_whichever_others_are_deleted(choice: int) -> None:
    chance = random.Random(choice)
    with Stage() as stage:
        fill(stage, 6)
        before = stage.projection()
        in_order = sorted(before, key=lambda id: (before[id][2], repr(before[id][2:8])))
        doomed = chance.sample(in_order, chance.randrange(1, len(before)))
        remove(stage, doomed)
        for id, row in stage.projection().items():
            assert (*row[:9], *row[10:]) == (*before[id][:9], *before[id][10:])


def remove(stage: Stage, ids: list[str]) -> None:
    def work(db: apsw.Connection) -> None:
        seqs = [row[0] for id in ids for row in db.execute("SELECT seq FROM sessions WHERE id = ?", (id,))]
        found = store_deleting.find(db, seqs)
        deleting.delete(db, found, lambda _owner: Verdict.UNKNOWN, now=NOW)

    stage.store.rewrite(work)
    settling.settle(stage.store)


def statistics_of(stage: Stage) -> statistics.Statistics:
    wanted = UTC.range("2026-05-01..2026-07-30", NOW, T0)
    return stage.store.read(lambda db: statistics.statistics(db, wanted, UTC, now=NOW))


@pytest.mark.parametrize("command", ["delete", "archive"])
def test_it_can_be_killed_at_any_moment_and_run_again(command: str, marked: Path, home: Path) -> None:
    begun(marked)
    for number in range(30):
        lines = [line(n, marked, session=f"{CANARY}{number}", minute=60 * number + n) for n in range(60)]
        transcript(home, f"t{number}", [text.replace("please", f"{CANARY} please") for text in lines])
    imported(cwd=marked)
    before = [s for s in listed(marked) if s["client"] == "claude-code"]
    arguments = (
        ["delete", "--project", "--force"] if command == "delete" else ["archive", "--older-than", "1h", "--force"]
    )
    chance = random.Random(5)
    for _ in range(12):
        running = subprocess.Popen([*KIOKU, "sessions", *arguments], cwd=marked, stdout=subprocess.DEVNULL)
        try:
            running.wait(chance.uniform(0.1, 1.2))
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            running.wait(PATIENCE_S)
    done = kioku("sessions", *arguments, cwd=marked)
    assert done.returncode == 0, done.stderr
    assert rows(marked, "PRAGMA integrity_check") == [("ok",)]
    assert rows(marked, "SELECT count(*) FROM reports WHERE source = 1") == [(0,)]
    if command == "delete":
        assert listed(marked) == []
        assert holding(CANARY, marked, home) == []
    else:
        assert {s["status"] for s in listed(marked) if s["client"] == "claude-code"} == {"archived"}
        after = [s for s in listed(marked) if s["client"] == "claude-code"]
        for session in (*before, *after):
            del session["status"], session["updated_at"]
        assert after == before


def test_copies_and_entries_that_hold_it_are_named_and_go(marked: Path, home: Path) -> None:
    begun(marked)
    transcript(home, "one", [line(n, marked) for n in range(6)])
    transcript(home, "two", [line(n, marked, session="two", minute=300 + n) for n in range(6)])
    imported(cwd=marked)
    context = marked / ".context"
    (id,) = (row[0] for row in rows(marked, "SELECT s.id FROM sessions s JOIN streams x ON x.id = s.stream"
                                            " WHERE x.key = 'claude:one'"))  # fmt: skip
    copy = context / "sessions.db.corrupt-20260101T000000-abcd"
    source, target = apsw_connection(marked), apsw.Connection(str(copy))
    with target.backup("main", source, "main") as backup:
        backup.step(-1)
    target.close()
    source.close()
    innocent = context / "sessions.db.corrupt-20260101T000000-0000"
    innocent.write_bytes(b"nothing of it")
    goes = f"      - text: goes\n        evidence: {id}\n"
    stays = "# mine\nmodules:\n  core:\n    rules:\n      - text: stays\n        evidence: else\n"
    kept = stays + goes + "      - stays too\n"
    (context / "project.yaml").write_text(kept)
    plan = json.loads(kioku("sessions", "delete", id, "--dry-run", "--json", cwd=marked).stdout)
    assert plan["copies"] == [str(copy)]
    assert plan["entries"] == [str(context / "project.yaml")]
    shown = kioku("sessions", "delete", id, "--force", "--keep-backups", "--dry-run", cwd=marked).stdout
    assert "still hold it and stay" in shown
    assert copy.exists()
    delete(marked, id)
    assert not copy.exists()
    assert innocent.exists()
    assert (context / "project.yaml").read_text() == kept.replace(goes, "")
    assert len([s for s in listed(marked) if s["client"] == "claude-code"]) == 1


def test_a_running_session_is_refused_and_what_it_does_next_is_recorded(marked: Path) -> None:
    with Server(marked) as server:
        server.initialize()
        server.call("grep_codebase", pattern="x")
        (session,) = listed(marked)
        done = kioku("sessions", "delete", session["id"], "--force", cwd=marked)
        assert done.returncode == 2
        assert "still running" in done.stderr
        server.call("grep_codebase", pattern="y")
        server.end()
    delete(marked, session["id"])
    assert listed(marked) == []


def test_a_server_goes_on_recording_after_its_silent_session_was_deleted(marked: Path, clock: Clock) -> None:
    with Server(marked, env=clock.env) as server:
        server.initialize()
        server.call("grep_codebase", pattern="x")
        clock.shift(45)
        assert delete(marked, "--project", env=clock.env)["deleted"] == 1
        clock.shift(1)
        server.call("grep_codebase", pattern="y")
        wait_until(lambda: rows(marked, "SELECT count(*) FROM sessions") == [(1,)])
        server.end()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["delete"], 2, "say which sessions"),
        (["delete", "zzzz", "--text", "a"], 2, "in one way"),
        (["delete", "zzzzzzzz", "--force"], 2, "the nearest is"),
        (["delete", "--range", "2026-03-05..2026-03-01", "--force"], 2, "ends before it begins"),
        (["delete", "--range", "soon", "--force"], 2, "is no range of days"),
        (["delete", "--range", "2020-01-01..2020-01-02", "--force"], 0, "nothing to delete"),
        (["delete", "--text", "nobody said this", "--force"], 0, "nothing to delete"),
        (["delete", "--text", "", "--force"], 2, "must have from 1"),
        (["delete", "--project"], 2, "--force deletes them without asking"),
        (["archive", "--older-than", "0d"], 2, "is no age"),
        (["archive", "--older-than", "-3d"], 2, "is no age"),
        (["archive", "--older-than", "soon"], 2, "is no age"),
        (["archive", "--older-than", "99999999y"], 2, "is no age"),
        (["archive", "--older-than", "180"], 2, "is no age"),
        (["archive", "--older-than", "99y", "--force"], 0, "No session is old enough"),
        (["archive", "--older-than", "1h"], 2, "--force archives"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    arguments: list[str], code: int, says: str, marked: Path, home: Path
) -> None:
    begun(marked)
    transcript(home, "one", [line(n, marked) for n in range(6)])
    imported(cwd=marked)
    before = listed(marked)
    done = kioku("sessions", *arguments, cwd=marked)
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done
    assert listed(marked) == before


def test_hashes_tell_nothing_and_differ_from_store_to_store() -> None:
    found = []
    for _ in range(2):
        with Stage() as stage:
            stage.store.write(lambda db: forgotten.add_conversation(db, "claude:one", T0))
            assert stage.store.read(lambda db: forgotten.has_conversation(db, "claude:one", T0))
            assert not stage.store.read(lambda db: forgotten.has_conversation(db, "claude:one", T0 + 1))
            found += stage.store.read(lambda db: db.execute("SELECT hash FROM forgotten").fetchall())
    assert len(set(found)) == 2
