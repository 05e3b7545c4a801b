"""`kioku redact --again`: a secret that was recorded before it was known is gone from every file."""

import json
import sqlite3
from pathlib import Path

from tests.capture.test_together import marked, send
from tests.support import Server, kioku, rows

__all__ = ["marked"]

SECRET = "correct-horse-battery-9"


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def record(project: Path) -> None:
    with Server(project) as server:
        server.initialize()
        server.call("grep_codebase", pattern=SECRET)
        server.call("read_file", path=f"{SECRET}.txt")
        server.end()
    send(project, "UserPromptSubmit", prompt=f"the password is {SECRET}, again: {SECRET}")
    send(project, "PreToolUse", tool_name="Bash", tool_use_id="toolu_0001", tool_input={"command": f"login {SECRET}"})
    kioku("sessions", "list", cwd=project)
    db = sqlite3.connect(project / ".context" / "sessions.db")
    db.execute("UPDATE sessions SET title = ? WHERE tool_calls > 0", (f"about {SECRET}",))
    db.commit()
    db.close()


def test_what_was_recorded_before_the_secret_was_known_is_gone_from_every_file(marked: Path, home: Path) -> None:
    record(marked)
    assert files_with(marked, SECRET)
    sessions = rows(marked, "SELECT count(*), sum(tool_calls), sum(activities) FROM sessions")
    (marked / ".env").write_text(f"DB_PASSWORD={SECRET}\n")
    tried = kioku("redact", "--again", "--dry-run", "--json", cwd=marked)
    assert json.loads(tried.stdout)["columns"].keys() >= {"names.text", "turns.text", "reports.detail"}
    assert rows(marked, "SELECT count(*) FROM turns WHERE text LIKE '%horse%'") == [(1,)]
    done = kioku("redact", "--again", "--json", cwd=marked)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["overwritten"] is True
    assert files_with(marked, SECRET) == [".env"]
    assert files_with(home, SECRET) == []
    assert rows(marked, "SELECT text FROM turns") == [("the password is [REDACTED:env], again: [REDACTED:env]",)]
    assert {row[0] for row in rows(marked, "SELECT title FROM sessions WHERE title IS NOT NULL")} == {
        "about [REDACTED:env]"
    }
    assert rows(marked, "SELECT count(*), sum(tool_calls), sum(activities) FROM sessions") == sessions
    assert "same rows as before" in kioku("doctor", "--rebuild", cwd=marked).stdout
    again = kioku("redact", "--again", cwd=marked)
    assert "0 texts changed" in again.stderr


def test_what_was_written_into_the_projects_file_is_redacted_too(marked: Path) -> None:
    record(marked)
    path = marked / ".context" / "project.yaml"
    path.write_text("name: x  # mine\n")
    for text in (f"The login is {SECRET} for all.", "Another that is only accepted."):
        assert kioku("discoveries", "add", text, cwd=marked).returncode == 0
        if SECRET in text:
            assert kioku("enrich", cwd=marked).returncode == 0
    assert SECRET in path.read_text()
    (marked / ".env").write_text(f"DB_PASSWORD={SECRET}\n")
    assert kioku("enrich", "--dry-run", cwd=marked).stdout.count(SECRET) == 0
    assert files_with(marked, SECRET) != [".env"]
    done = kioku("redact", "--again", "--json", cwd=marked)
    assert json.loads(done.stdout)["columns"]["project.yaml"] == 1
    assert files_with(marked, SECRET) == [".env"]
    text = path.read_text()
    assert "name: x  # mine\n" in text
    assert "The login is [REDACTED:env] for all." in text
    assert "only accepted" not in text


def test_what_transcripts_left_is_redacted_too_also_in_the_persons_own_store(
    marked: Path, home: Path, tmp_path: Path
) -> None:
    line = {
        "type": "user", "uuid": "u1", "sessionId": f"s-{SECRET}", "timestamp": "2026-03-02T10:00:00.000Z",
        "cwd": str(marked), "gitBranch": f"topic-{SECRET}", "message": {"role": "user", "content": SECRET},
    }  # fmt: skip
    (tmp_path / "t.jsonl").write_text(json.dumps(line) + "\n")
    assert kioku("import", "claude", str(tmp_path / "t.jsonl"), cwd=marked).returncode == 0
    assert files_with(home, SECRET)
    (marked / ".env").write_text(f"DB_PASSWORD={SECRET}\n")
    for where in ([], ["--own"]):
        done = kioku("redact", "--again", *where, cwd=marked)
        assert done.returncode == 0, done.stderr
    assert files_with(marked, SECRET) == [".env"]
    assert files_with(home, SECRET) == []


def test_what_the_person_allows_stays_in_the_own_store_too(marked: Path, home: Path) -> None:
    allowed = "gl" + "pat-" + "a1B2" * 5
    config = home / ".config" / "kioku" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[redaction]\nallow = ["{allowed}"]\n')
    send(marked, "UserPromptSubmit", prompt=f"it is {allowed}")
    kioku("sessions", "list", "--own", cwd=marked)
    assert files_with(home / ".local", allowed)
    assert kioku("redact", "--again", "--own", cwd=marked).returncode == 0
    assert files_with(home / ".local", allowed)


def test_without_again_nothing_is_done(marked: Path) -> None:
    done = kioku("redact", cwd=marked)
    assert (done.returncode, "kioku redact --again" in done.stderr) == (2, True)


def test_while_a_server_runs_it_works_and_the_server_goes_on(marked: Path) -> None:
    with Server(marked) as server:
        server.initialize()
        server.call("grep_codebase", pattern=SECRET)
        (marked / ".env").write_text(f"DB_PASSWORD={SECRET}\n")
        assert kioku("redact", "--again", cwd=marked).returncode == 0
        server.call("read_file", path="a.py")
        server.end()
    assert rows(marked, "SELECT count(*) FROM activities WHERE kind IN ('tool_call', 'file_read')") == [(2,)]
    assert rows(marked, "SELECT count(*) FROM activities WHERE detail LIKE '%horse%'") == [(0,)]
