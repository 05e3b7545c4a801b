"""Which folder is the project."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from kioku import project as places
from kioku.errors import ProjectError
from tests.support import Server, kioku, rows


def git(*arguments: str, cwd: Path) -> None:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=cwd, env=env, check=True, capture_output=True)


def found(start: Path, explicit: str | None = None, variables: list[tuple[str, str]] | None = None) -> Path:
    return Path(places.find(explicit, variables or [], str(start)).root)


def test_the_folder_asked_for_comes_before_variables_and_the_working_folder(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    for folder in (a, b, c):
        folder.mkdir()
    variables = [("KIOKU_PROJECT", str(b))]
    assert found(c, str(a), variables) == a
    assert found(c, None, variables) == b
    assert found(c) == c


def test_kioku_project_comes_before_the_clients_variable(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    env = {"KIOKU_PROJECT": str(project), "CLAUDE_PROJECT_DIR": str(other)}
    assert str(project) in kioku("config", "path", cwd=tmp_path, env=env).stdout
    assert str(other) in kioku("config", "path", cwd=tmp_path, env={"CLAUDE_PROJECT_DIR": str(other)}).stdout


@pytest.mark.parametrize("mark", [".context", ".git"])
def test_a_marked_folder_is_found_from_deep_inside(project: Path, mark: str) -> None:
    deep = project / "a" / "b"
    deep.mkdir(parents=True)
    (project / mark).mkdir()
    assert found(deep) == project


def test_a_manifest_marks_a_project_where_nothing_else_does(project: Path) -> None:
    deep = project / "src" / "pkg"
    deep.mkdir(parents=True)
    (project / "pyproject.toml").write_text("")
    assert found(deep) == project


def test_a_context_folder_further_up_does_not_swallow_a_repository(project: Path) -> None:
    (project / ".context").mkdir()
    inner = project / "inner"
    (inner / ".git").mkdir(parents=True)
    assert found(inner) == inner


@pytest.mark.parametrize("where", ["/", "~"])
def test_the_root_and_the_home_folder_are_refused_with_a_clear_error(where: str, home: Path) -> None:
    with pytest.raises(ProjectError, match="must not be a project"):
        places.find(where, [], "/")
    result = kioku("serve", "--project", where)
    assert result.returncode == 1
    assert "must not be a project" in result.stderr
    assert not (home / ".context").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    result = kioku("serve", "--project", str(tmp_path / "gone"))
    assert result.returncode == 1
    assert "gone" in result.stderr
    assert "Traceback" not in result.stderr


def test_serve_prepares_its_folder_for_its_user_alone(project: Path) -> None:
    with Server(project) as server:
        server.initialize()
        server.end()
    context = project / ".context"
    assert stat.S_IMODE(context.stat().st_mode) == 0o700
    assert stat.S_IMODE((context / "sessions.db").stat().st_mode) == 0o600
    assert "*" in (context / ".gitignore").read_text().splitlines()


def test_git_sees_nothing_of_it(project: Path) -> None:
    git("init", cwd=project)
    with Server(project) as server:
        server.initialize()
        server.end()
    status = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True)
    assert status.stdout == ""


def test_a_context_folder_that_is_a_link_is_refused(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project / ".context").symlink_to(elsewhere)
    with pytest.raises(ProjectError, match="is not a folder"):
        places.prepare(places.find(str(project), [], str(project)))
    assert list(elsewhere.iterdir()) == []


def test_an_existing_gitignore_is_kept(project: Path) -> None:
    (project / ".context").mkdir()
    (project / ".context" / ".gitignore").write_text("mine\n")
    places.prepare(places.find(str(project), [], str(project)))
    assert (project / ".context" / ".gitignore").read_text() == "mine\n"


def test_identity_survives_a_rename_and_is_not_shared_by_folders_of_one_name(tmp_path: Path) -> None:
    one, two = tmp_path / "x" / "name", tmp_path / "y" / "name"
    ids = []
    for folder in (one, two):
        folder.mkdir(parents=True)
        with Server(folder) as server:
            server.initialize()
            server.end()
        ids.append(rows(folder, "SELECT DISTINCT project_id FROM sessions"))
    assert ids[0] != ids[1]
    renamed = one.rename(tmp_path / "renamed")
    with Server(renamed) as server:
        server.initialize()
        server.end()
    assert rows(renamed, "SELECT DISTINCT project_id FROM sessions") == ids[0]
    assert rows(renamed, "SELECT count(*) FROM sessions") == [(2,)]


def test_worktrees_of_one_repository_are_one_project_with_several_roots(project: Path, tmp_path: Path) -> None:
    git("init", cwd=project)
    (project / "main.txt").write_text("main")
    git("add", ".", cwd=project)
    git("commit", "-m", "first", cwd=project)
    git("worktree", "add", "-b", "side", str(tmp_path / "side"), cwd=project)
    (tmp_path / "side" / "only-here.txt").write_text("side")
    with Server(project) as main, Server(tmp_path / "side") as side:
        main.initialize()
        side.initialize()
        assert not main.call("read_file", path="main.txt")["isError"]
        assert not side.call("read_file", path="only-here.txt")["isError"]
        main.end()
        side.end()
    assert not (tmp_path / "side" / ".context").exists()
    assert rows(project, "SELECT branch, count(*) FROM sessions GROUP BY 1 ORDER BY 1") == [("main", 1), ("side", 1)]
    assert rows(project, "SELECT count(DISTINCT project_id) FROM sessions") == [(1,)]
