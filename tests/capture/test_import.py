"""`kioku import` from outside: real files, real processes, and the rows that come of them."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import termios
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import KIOKU, PATIENCE_S, kioku, rows, wait_until

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
BEGAN = datetime(2026, 3, 2, 10, tzinfo=UTC)


def line(number: int, folder: Path | str, *, session: str = "one", minute: float | None = None, **fields: Any) -> str:
    """Return a line of Claude Code's: by turns a prompt, a call and its end."""
    seconds = round((number if minute is None else minute) * 60)
    at = (BEGAN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    call = f"toolu_{session}_with_a_long_id_{number // 3:06}"
    file = f"src/f{number % 7}.py"
    kinds: list[dict[str, Any]] = [
        {"type": "user", "message": {"role": "user", "content": f"please do thing {number}"}},
        {
            "type": "assistant",
            "message": {
                "id": f"msg_{number}", "role": "assistant", "model": "some-model",
                "usage": {"input_tokens": 5, "output_tokens": 7},
                "content": [
                    {"type": "text", "text": "I shall."},
                    {"type": "tool_use", "id": call, "name": "Edit", "input": {"file_path": f"{folder}/{file}"}},
                ],
            },
        },
        {
            "type": "user",
            "message": {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": call, "content": "the file's text"}],
            },
        },
    ]  # fmt: skip
    common = {
        "uuid": f"uuid-of-a-line-{session}-{number:08}", "sessionId": session, "timestamp": at, "cwd": str(folder),
        "gitBranch": "main", "version": "2.1.0",
    }  # fmt: skip
    return json.dumps({**common, **kinds[number % 3], **fields})


def transcript(home: Path, name: str, lines: list[str], *, end: str = "\n") -> Path:
    path = home / ".claude" / "projects" / "-some-slug" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + end)
    return path


def imported(*arguments: str, cwd: Path) -> dict[str, Any]:
    done = kioku("import", *arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def everything(store: Path) -> list[Any]:
    """Return what a store holds, without what differs from run to run."""
    project = store.parent.parent
    sessions = rows(
        project,
        """SELECT started_at, ended_at, status, end_reason, activities, tool_calls, files, active_ms, agent_ms,
                  waiting_ms, branch, client, client_version, metadata FROM sessions ORDER BY started_at, activities""",
    )
    activities = rows(
        project,
        "SELECT at, took_ms, kind, tool, path, branch, source, ok, detail FROM activities ORDER BY 1, 2, 3, 4, 5",
    )
    turns = rows(project, "SELECT at, role, text, model FROM session_turns ORDER BY 1, 2, 3")
    usage = rows(project, "SELECT at, input, output, cache_read, cache_write FROM usage ORDER BY 1, 2, 3")
    files = rows(project, "SELECT path, reads, edits, first_at, last_at FROM session_files ORDER BY 1, 4")
    return [sessions, activities, turns, usage, files]


def own(home: Path) -> Path:
    return home / ".local" / "state" / "kioku" / "own" / ".context" / "sessions.db"


def test_a_conversation_goes_to_its_project_and_is_listed_there(project: Path, home: Path) -> None:
    transcript(home, "one", [line(number, project) for number in range(9)])
    outcome = imported("all", cwd=project)
    assert (outcome["files"], outcome["conversations"], outcome["sessions"]) == (1, 1, 1)
    assert (outcome["activities"], outcome["turns"], outcome["skipped"]) == (6, 6, [])
    assert outcome["projects"] == {str(project): 1}
    (session,) = json.loads(kioku("sessions", "list", "--json", cwd=project).stdout)["sessions"]
    assert (session["client"], session["tool_calls"], session["files"]) == ("claude-code", 3, 3)
    assert (session["branch"], session["client_version"]) == ("main", "2.1.0")
    assert rows(project, "SELECT path, edits FROM session_files ORDER BY path") == [
        ("src/f0.py", 1), ("src/f1.py", 1), ("src/f4.py", 1),
    ]  # fmt: skip
    assert rows(project, "SELECT sum(input), sum(output) FROM usage") == [(15, 21)]
    assert b"the file's text" not in (project / ".context" / "sessions.db").read_bytes()


def test_a_second_run_adds_nothing_and_an_appended_line_is_all_that_a_third_one_reads(
    project: Path, home: Path
) -> None:
    path = transcript(home, "one", [line(number, project) for number in range(9)])
    imported("all", cwd=project)
    before = everything(project / ".context" / "sessions.db")
    assert imported("all", cwd=project)["read"] == 0
    assert everything(project / ".context" / "sessions.db") == before
    with path.open("a") as stream:
        stream.write(line(9, project) + "\n")
    outcome = imported("all", cwd=project)
    assert (outcome["read"], outcome["activities"]) == (1, 1)


def test_idle_gaps_make_sessions_and_fifty_three_hours_are_no_session(project: Path, home: Path) -> None:
    lines = [
        line(number, project, minute=minute) for number, minute in enumerate((0, 1, 2, 40, 41, 53 * 60, 53 * 60 + 1))
    ]
    transcript(home, "one", lines)
    assert imported("all", cwd=project)["sessions"] == 3
    found = rows(project, "SELECT id, continues, ended_at - started_at FROM sessions ORDER BY started_at")
    assert [(one[1], one[2]) for one in found] == [(None, 120_000), (found[0][0], 60_000), (found[1][0], 0)]


def test_conversations_of_folders_that_are_gone_are_kept_in_the_persons_own_store(project: Path, home: Path) -> None:
    transcript(home, "one", [line(number, "/gone/away") for number in range(3)])
    outcome = imported("all", cwd=project)
    assert outcome["elsewhere"] == {"/gone/away": 1}
    assert not (project / ".context").exists()
    root = own(home).parent.parent
    assert rows(root, "SELECT metadata FROM sessions") == [('{"folder":"/gone/away"}',)]
    assert rows(root, "SELECT path FROM session_files") == [("/gone/away/src/f1.py",)]
    shown = kioku("import", cwd=project)
    assert "nothing" not in shown.stderr


def test_lines_that_cannot_be_read_are_named_and_cost_no_neighbour(project: Path, home: Path) -> None:
    good = [line(number, project) for number in range(6)]
    lines = [good[0], "not json", good[1], good[2][:50], good[3] + good[4], "", good[5], '{"type":"user"}', "[]"]
    path = transcript(home, "one", lines)
    outcome = imported("all", cwd=project)
    assert [(one["file"], one["line"]) for one in outcome["skipped"]] == [(str(path), n) for n in (2, 4, 5, 8, 9)]
    assert rows(project, "SELECT activities, tool_calls FROM sessions") == [(4, 2)]
    text = kioku("import", "claude", str(path), cwd=project).stdout
    assert "skipped" not in text, "what was read before is not read again"


def test_a_torn_last_line_waits_for_its_rest(project: Path, home: Path) -> None:
    lines = [line(number, project) for number in range(6)]
    path = transcript(home, "one", lines)
    whole = path.read_bytes()
    for cut in (len(whole) - 40, len(whole) - 1, len(whole)):
        path.write_bytes(whole[:cut])
        imported("all", cwd=project)
    assert rows(project, "SELECT activities, tool_calls FROM sessions") == [(4, 2)]


def test_since_and_project_take_a_part_and_leave_the_rest_for_another_time(
    project: Path, home: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    transcript(home, "one", [line(number, project) for number in range(6)])
    transcript(home, "two", [line(number, other, session="two") for number in range(6)])
    assert imported("all", "--project", str(other), cwd=project)["projects"] == {str(other): 1}
    assert not (project / ".context").exists()
    assert imported("all", "--since", "2026-03-02T10:03:00Z", cwd=project)["activities"] == 2
    assert imported("all", cwd=project)["activities"] == 2
    assert rows(project, "SELECT activities FROM sessions") == [(4,)]


def test_a_dry_run_says_what_would_come_and_writes_nothing(project: Path, home: Path) -> None:
    transcript(home, "one", [line(number, project) for number in range(6)])
    outcome = imported("all", "--dry-run", cwd=project)
    assert (outcome["activities"], outcome["conversations"], outcome["dry_run"]) == (4, 1, True)
    assert not (project / ".context").exists()
    assert not own(home).exists()


def test_a_dry_run_says_the_numbers_that_the_import_then_has(project: Path, home: Path) -> None:
    path = transcript(home, "one", [line(number, project) for number in range(6)])
    amounts = ("files", "read", "conversations", "activities", "turns", "skipped_lines", "projects", "elsewhere")

    def both() -> dict[str, Any]:
        foreseen, done = imported("all", "--dry-run", cwd=project), imported("all", cwd=project)
        assert foreseen["sessions"] is None
        assert [foreseen[name] for name in amounts] == [done[name] for name in amounts]
        return done

    first = both()
    assert (first["activities"], first["turns"]) == (4, 4)
    # Copied where it is resumed, told twice, and several files in one call.
    patch = "*** Begin Patch\n*** Add File: a\n*** Add File: b\n*** End Patch"
    use = {"type": "tool_use", "id": "toolu_one_that_patches_files", "name": "apply_patch", "input": {"input": patch}}
    message = {"id": "msg_7", "role": "assistant", "model": "m", "content": [use]}
    patched = line(7, project, message=message)
    for name in ("two", "three"):
        transcript(home, name, [*(line(number, project) for number in range(7)), patched, patched])
    path.write_text(path.read_text() + line(9, "/gone") + "\nno json\n")
    second = both()
    assert (second["activities"], second["skipped_lines"]) == (4, 1)
    assert both()["activities"] == 0


@pytest.mark.parametrize("arguments", [(), ("claude",)])
@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_what_is_given_and_is_no_regular_file_is_refused_at_once(
    kind: str, arguments: tuple[str, ...], project: Path
) -> None:
    path = {"folder": project, "fifo": project / "pipe", "device": Path("/dev/zero")}[kind]
    if kind == "fifo":
        os.mkfifo(path)
    done = kioku("import", *arguments, str(path), cwd=project)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_transcript_that_was_read_as_another_assistants_is_read_anew_as_what_it_is(project: Path, home: Path) -> None:
    path = transcript(home, "one", [line(number, project) for number in range(6)])
    assert imported("codex", str(path), cwd=project)["activities"] == 0
    assert imported("all", cwd=project)["activities"] == 4


def test_what_specstory_wrote_of_a_conversation_that_is_known_is_not_counted_again(project: Path, home: Path) -> None:
    history = project / ".specstory" / "history"
    history.mkdir(parents=True)
    said = "_**User (2026-03-02 10:00:00Z)**_\n\nplease do thing 0\n\n---\n"
    for client, session in (
        ("Claude Code", "one-and-only"),
        ("Claude Code", "gone-since"),
        ("Cursor IDE", "another-one"),
    ):
        header = f"<!-- Generated by SpecStory -->\n<!-- {client} Session {session} (2026-03-02 10:00:00Z) -->\n\n"
        (history / f"{session}.md").write_text(header + said)
    transcript(home, "one", [line(number, project, session="one-and-only") for number in range(3)])
    for arguments in (("all", "--dry-run"), ("all",)):
        outcome = imported(*arguments, cwd=project)
        assert (outcome["files"], outcome["conversations"], outcome["activities"]) == (4, 3, 4)
    assert rows(project, "SELECT client, activities FROM sessions ORDER BY 1") == [
        ("claude-code", 2), ("specstory", 1), ("specstory", 1),
    ]  # fmt: skip
    assert imported("all", cwd=project)["read"] == 0


def test_excluded_folders_are_left_out_of_everything(project: Path, home: Path) -> None:
    config = home / ".config" / "kioku" / "config.toml"
    config.parent.mkdir(parents=True)
    secret = project / "secret"
    secret.mkdir()
    config.write_text(f'[capture]\nexclude = ["{secret}"]\n')
    lines = [
        line(0, project),
        line(1, project, cwd=str(project)).replace("/src/f1.py", "/secret/plan.py"),
        line(2, project),
    ]
    transcript(home, "one", [*lines, *(line(number, secret, session="unseen") for number in range(3))])
    outcome = imported("all", cwd=project)
    assert outcome["excluded"] == 1
    assert rows(project, "SELECT tool_calls, files FROM sessions") == [(1, 0)]
    store = b"".join(path.read_bytes() for path in project.rglob("sessions.db*"))
    assert b"plan.py" not in store
    assert b"unseen" not in store


def test_the_setting_of_a_hostile_repository_costs_its_own_conversations_only(
    project: Path, home: Path, tmp_path: Path
) -> None:
    hostile = tmp_path / "hostile"
    (hostile / ".context").mkdir(parents=True)
    (hostile / ".context" / "config.toml").write_text('[redaction]\nallow = ["everything"]\n')
    transcript(home, "one", [line(number, project) for number in range(3)])
    transcript(home, "two", [line(number, hostile, session="two") for number in range(3)])
    outcome = imported("all", cwd=project)
    assert outcome["projects"] == {str(project): 1}
    assert ["redaction.allow" in one["reason"] and "config.toml" in one["reason"] for one in outcome["skipped"]] == [
        True
    ]


def has_rows(project: Path, many: int, running: "subprocess.Popen[bytes]") -> bool:
    try:
        return running.poll() is not None or bool(rows(project, "SELECT 1 FROM reports LIMIT 1 OFFSET ?", many))
    except sqlite3.OperationalError:
        return False  # it is just being made


def test_it_can_be_killed_at_any_moment_and_goes_on(project: Path, home: Path) -> None:
    path = transcript(home, "one", [line(number, project) for number in range(40_000)])
    whole = kioku("import", "all", "--json", cwd=project)
    assert whole.returncode == 0
    expected = everything(project / ".context" / "sessions.db")
    shutil.rmtree(project / ".context")
    shutil.rmtree(own(home).parent)
    store = project / ".context" / "sessions.db"
    for share in (1, 2, 3):
        running = subprocess.Popen([*KIOKU, "import", "all", "--json"], cwd=project, stdout=subprocess.DEVNULL)

        wait_until(partial(has_rows, project, 5_000 * share, running), "rows of the import")
        running.send_signal(signal.SIGKILL)
        running.wait(PATIENCE_S)
    imported("all", cwd=project)
    assert everything(store) == expected
    assert path.exists()


@pytest.mark.parametrize("columns", [32, 100])
def test_a_terminal_sees_how_far_it_is_on_one_line_and_ctrl_c_loses_nothing(
    columns: int, project: Path, home: Path
) -> None:
    transcript(home, "one", [line(number, project) for number in range(40_000)])
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    running = subprocess.Popen(
        [*KIOKU, "import"], cwd=project, env={**os.environ, "TERM": "xterm"}, stdin=follower, stdout=follower,
        stderr=follower, process_group=0,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    is_stopped = False
    try:
        while chunk := os.read(leader, 65_536):
            shown += chunk
            if b"MB/s" in shown and not is_stopped:
                is_stopped = True
                os.killpg(running.pid, signal.SIGINT)  # as Ctrl+C does to all of a terminal's programs
    except OSError:
        pass  # on Linux, how a terminal says that it is closed
    os.close(leader)
    assert running.wait(PATIENCE_S) == 130
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "interrupted" in text
    frames = re.split(r"[\r\n]+", text.partition("interrupted")[0])
    assert [frame for frame in frames if len(frame) > columns] == []
    assert re.search(r"[\d.]+/[\d.]+ MB +[\d.]+ MB/s +\d:\d\d:", text)
    imported("all", cwd=project)
    assert rows(project, "SELECT sum(tool_calls), sum(activities) FROM sessions") == [(13_333, 26_667)]


@pytest.mark.parametrize("what", ["nonsense", "/missing/file"])
def test_what_is_no_client_and_no_file_is_named(what: str, project: Path) -> None:
    done = kioku("import", what, cwd=project)
    assert done.returncode == 2
    assert what in done.stderr
    assert "claude" in done.stderr


def test_files_that_are_no_files_are_named(project: Path, home: Path) -> None:
    folder = home / ".claude" / "projects" / "x"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").symlink_to("/nowhere")
    os.mkfifo(folder / "b.jsonl")
    outcome = imported("all", cwd=project)
    assert [one["line"] for one in outcome["skipped"]] == [None, None]


# --- transcripts by others: only where they are -----------------------------------------------------------------------


def copied(home: Path) -> None:
    for name in (".claude", ".codex", ".copilot", ".gemini"):
        shutil.copytree(CORPUS / "home" / name, home / name, copy_function=shutil.copyfile)
    for path in home.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


if CORPUS.is_dir():

    def test_every_real_transcript_is_read_and_the_broken_line_named(project: Path, home: Path) -> None:
        copied(home)
        outcome = imported("all", cwd=project)
        files = sum(path.suffix in (".jsonl", ".json") and ".local" not in path.parts for path in home.rglob("*"))
        assert outcome["files"] == outcome["read"] == files
        assert [(Path(one["file"]).name[:8], one["line"]) for one in outcome["skipped"]] == [("130d7b7e", 128)]
        before = everything(own(home))
        again = imported("all", cwd=project)
        assert (again["read"], again["activities"], again["turns"]) == (0, 0, 0)
        assert everything(own(home)) == before
        assert len(before[0]) > outcome["conversations"], "idle gaps divide conversations into sessions"
        longest = max(ended - started for started, ended, *_ in before[0])
        assert longest < 6 * 3_600_000

    @pytest.mark.parametrize("order", [(0, 1, 2), (2,), (2, 0, 1), (1, 0, 2), (0, 2)])
    def test_snapshots_of_a_growing_transcript_give_the_rows_of_the_last(
        order: tuple[int, ...], project: Path, home: Path
    ) -> None:
        (folder,) = (CORPUS / "growth").iterdir()
        path = home / ".claude" / "projects" / "x" / "growing.jsonl"
        path.parent.mkdir(parents=True)
        for number in order:
            path.write_bytes((folder / f"{number:03}.jsonl").read_bytes())
            imported("all", cwd=project)
        found = everything(own(home))
        path.write_bytes((folder / "002.jsonl").read_bytes())
        shutil.rmtree(own(home).parent)
        imported("all", cwd=project)
        assert found == everything(own(home))
