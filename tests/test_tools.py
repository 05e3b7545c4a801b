"""The tools through a real server: what they answer, what is recorded of it, and what happens when that fails."""

import os
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import Server, kioku, read_only, rows, wait_until


def text(result: dict[str, Any]) -> str:
    (content,) = result["content"]
    return str(content["text"])


@pytest.fixture
def repository(project: Path) -> Path:
    """Return a git repository with two commits and an uncommitted change."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=trunk"]

    def git(*arguments: str) -> None:
        subprocess.run(["git", *identity, *arguments], cwd=project, env=env, check=True, capture_output=True)

    git("init")
    (project / "shop").mkdir()
    (project / "shop" / "__init__.py").write_text("")
    (project / "shop" / "price.py").write_text("TAX = 19\n")
    (project / "shop" / "cart.py").write_text("from shop.price import TAX\nfrom . import gone\n\nprint(TAX)\n")
    git("add", ".")
    git("commit", "-m", "Open the shop")
    (project / "shop" / "price.py").write_text("TAX = 20\n")
    git("commit", "-am", "Raise the tax")
    (project / "shop" / "price.py").write_text("TAX = 21\n")
    return project


def test_read_file_with_include_deps_reads_the_imported_project_files_and_counts_them(repository: Path) -> None:
    with Server(repository) as server:
        server.initialize()
        result = server.call("read_file", path="shop/cart.py", include_deps=True)
        server.end()
    assert "from shop.price import TAX" in text(result)
    assert "TAX = 21" in text(result)
    assert [file["path"] for file in result["structuredContent"]["dependencies"]] == [
        "shop/__init__.py",
        "shop/price.py",
    ]
    assert rows(repository, "SELECT path, reads FROM session_files ORDER BY path") == [
        ("shop/__init__.py", 1), ("shop/cart.py", 1), ("shop/price.py", 1),
    ]  # fmt: skip
    assert rows(repository, "SELECT tool_calls, files FROM sessions") == [(1, 3)]


def test_git_tools_tell_history_authors_and_changes(repository: Path) -> None:
    with Server(repository) as server:
        server.initialize()
        log = server.call("git_log", path="shop/price.py")
        blame = server.call("git_blame", path="shop/price.py")
        diff = server.call("git_diff")
        between = server.call("git_diff", ref="HEAD~1", ref2="HEAD", stat_only=True)
        server.end()
    assert [commit["subject"] for commit in log["structuredContent"]["commits"]] == ["Raise the tax", "Open the shop"]
    assert "TAX = 21" in text(blame)
    assert "-TAX = 20" in text(diff)
    assert "+TAX = 21" in text(diff)
    assert "shop/price.py" in text(between)
    assert rows(repository, "SELECT DISTINCT branch FROM activities WHERE tool IS NOT NULL") == [("trunk",)]


def test_git_diff_cannot_be_made_to_write_a_file(repository: Path) -> None:
    target = repository / "written-by-git"
    with Server(repository) as server:
        server.initialize()
        for arguments in ({"ref": f"--output={target}"}, {"path": f"--output={target}"}, {"ref": "-o" + str(target)}):
            assert server.call("git_diff", **arguments)["isError"]
        server.end()
    assert not target.exists()


def test_a_tool_outside_a_repository_says_so(project: Path) -> None:
    with Server(project) as server:
        server.initialize()
        result = server.call("git_log")
        server.end()
    assert result["isError"]
    assert "git" in text(result)


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "/etc/passwd", "~/.ssh/id_rsa", "a/../../secret.txt", "", "link.txt", "folder-link/secret.txt",
     ".context/sessions.db", ".context/sessions.db-wal", "hard-link.db", "fifo", "."],
)  # fmt: skip
def test_what_leads_out_of_the_project_or_into_the_store_is_refused_and_the_server_lives(
    project: Path, tmp_path: Path, path: str
) -> None:
    (tmp_path / "secret.txt").write_text("the secret content")
    (project / "link.txt").symlink_to(tmp_path / "secret.txt")
    (project / "folder-link").symlink_to(tmp_path)
    os.mkfifo(project / "fifo")
    with Server(project) as server:
        server.initialize()
        wait_until((project / ".context" / "sessions.db").exists)
        os.link(project / ".context" / "sessions.db", project / "hard-link.db")
        result = server.call("read_file", path=path)
        assert result["isError"], result
        assert "secret content" not in text(result)
        assert "SQLite format" not in text(result)
        (project / "fine.txt").write_text("fine\n")
        assert text(server.call("read_file", path="fine.txt")) == "fine\n"
        assert server.end() == 0
    assert rows(project, "SELECT tool_calls, files, status FROM sessions") == [(2, 1, "completed")]
    assert rows(project, "PRAGMA integrity_check") == [("ok",)]


def test_a_sibling_folder_whose_name_begins_alike_is_not_the_project(project: Path) -> None:
    sibling = project.with_name(project.name + "-x")
    sibling.mkdir()
    (sibling / "secret.txt").write_text("the secret content")
    with Server(project) as server:
        server.initialize()
        for path in (f"../{sibling.name}/secret.txt", str(sibling / "secret.txt")):
            assert "secret content" not in text(server.call("read_file", path=path))
        server.end()


def test_grep_never_shows_the_store(project: Path) -> None:
    (project / "a.txt").write_text("server_start is mentioned here\n")
    with Server(project) as server:
        server.initialize()
        found = server.call("grep_codebase", pattern="server_start")["structuredContent"]["matches"]
        hidden = server.call("grep_codebase", pattern="SQLite", path=".context")
        server.end()
    assert [match["path"] for match in found] == ["a.txt"]
    assert "SQLite format" not in text(hidden)


def test_other_requests_are_answered_while_a_search_runs(project: Path) -> None:
    line = "a" * 100 + "\n"
    for number in range(20):
        (project / f"big{number}.txt").write_text(line * 40_000)
    with Server(project) as server:
        server.initialize()
        slow = server.send("tools/call", {"name": "grep_codebase", "arguments": {"pattern": "(a{1,50}){1,40}b"}})
        quick = server.request("tools/call", {"name": "read_file", "arguments": {"path": "big0.txt", "max_lines": 1}})
        assert quick["result"]["isError"] is False
        server.send_bytes(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}\n' % slow)
        assert server.end() == 0


def test_secrets_in_arguments_are_not_stored(project: Path) -> None:
    secret = "gh" + "p_" + "a1B2" * 9
    with Server(project) as server:
        server.initialize()
        server.call("grep_codebase", pattern=secret)
        server.call("read_file", path=f"{secret}/x.txt")
        server.request("resources/read", {"uri": f"context://module/{secret}"})
        server.end()
        assert secret not in server.errors()
    for file in (project / ".context").rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
    assert rows(project, "SELECT count(*) FROM activities WHERE detail LIKE '%REDACTED%'") == [(2,)]


def test_a_read_only_folder_is_said_with_every_answer_and_the_server_lives(project: Path) -> None:
    (project / "a.txt").write_text("content\n")
    with read_only(project) as prefix, Server(project, prefix=prefix) as server:
        server.initialize()
        for _ in range(2):
            result = server.call("read_file", path="a.txt")
            assert result["isError"]
            assert "could not record" in text(result)
            assert "content" in text(result)
        assert server.end() == 0
        assert "not recording" in server.errors()


def test_a_store_that_cannot_grow_is_said_and_recording_recovers_without_restart(project: Path) -> None:
    (project / "a.txt").write_text("content\n")
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="a.txt")
        hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
        failed = server.call("read_file", path="a.txt")
        assert failed["isError"]
        assert "could not record" in text(failed)
        listed = server.call("sessions", action="list")
        assert "could not record" in text(listed)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert not server.call("read_file", path="a.txt")["isError"]
        server.end()
        assert "recording again" in server.errors()
    assert rows(project, "SELECT tool_calls, status FROM sessions") == [(4, "completed")]
    assert rows(project, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_store_taken_away_under_a_running_server_is_begun_anew_and_nothing_fails(project: Path, how: str) -> None:
    (project / "a.txt").write_text("content\n")
    store = project / ".context" / "sessions.db"
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="a.txt")
        for file in store.parent.glob("sessions.db*"):
            file.unlink()
        if how == "replaced":
            store.write_bytes(b"something else entirely, no database" * 200)
        assert not server.call("read_file", path="a.txt")["isError"]
        assert server.end() == 0
    assert rows(project, "SELECT tool_calls FROM sessions") == [(1,)]
    if how == "replaced":
        assert list(store.parent.glob("sessions.db.corrupt-*"))


def test_a_store_locked_by_another_program_delays_nothing_but_the_recording(project: Path) -> None:
    import sqlite3

    with Server(project) as server:
        server.initialize()
        server.end()
    other = sqlite3.connect(project / ".context" / "sessions.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with Server(project) as server:
        assert server.initialize()["result"]["serverInfo"]["name"] == "kioku"
        assert server.request("tools/list")["result"]["tools"]
        other.execute("ROLLBACK")
        other.close()
        (project / "a.txt").write_text("content\n")
        assert not server.call("read_file", path="a.txt")["isError"]
        assert server.end() == 0
    assert rows(project, "SELECT count(*) FROM sessions WHERE status = 'completed'") == [(2,)]


def test_the_overview_and_a_module_come_from_project_yaml(repository: Path) -> None:
    kioku("init", cwd=repository)
    with Server(repository) as server:
        server.initialize()
        overview = server.request("resources/read", {"uri": "context://project/overview"})
        module = server.request("resources/read", {"uri": "context://module/shop"})
        missing = server.request("resources/read", {"uri": "context://module/nonsense"})
        server.end()
    assert "shop" in overview["result"]["contents"][0]["text"]
    assert "shop/cart.py" in module["result"]["contents"][0]["text"]
    assert "there is no module 'nonsense'" in missing["error"]["message"]
