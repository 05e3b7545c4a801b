import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kioku.errors import ToolError
from kioku.workspace.worktree import find_git_dir, main_worktree, read_branch
from tests.workspace.repositories import git, make_repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "proj")


@pytest.fixture
def linked(root: Path) -> Path:
    linked = root.parent / "linked"
    git(root, "worktree", "add", "-q", "-b", "topic", str(linked))
    return linked


def test_a_plain_repository_is_found(root: Path) -> None:
    found = find_git_dir(str(root))
    assert (found.path, found.common, found.linked) == (str(root / ".git"), str(root / ".git"), False)
    assert main_worktree(str(root)) is None
    assert read_branch(str(root)) == "main"


def test_a_linked_worktree_names_its_main_one(root: Path, linked: Path) -> None:
    found = find_git_dir(str(linked))
    assert found.linked
    assert found.common == os.path.realpath(root / ".git")
    assert main_worktree(str(linked)) == os.path.realpath(root)
    assert read_branch(str(linked)) == "topic"


def test_a_linked_worktree_with_relative_links_is_understood(root: Path, linked: Path) -> None:
    admin = root / ".git" / "worktrees" / "linked"
    (linked / ".git").write_text(f"gitdir: {os.path.relpath(admin, linked)}\n")
    (admin / "gitdir").write_text(f"{os.path.relpath(linked / '.git', admin)}\n")
    assert main_worktree(str(linked)) == os.path.realpath(root)


def test_a_worktree_reached_by_a_link_to_its_folder_is_understood(root: Path, linked: Path) -> None:
    (root.parent / "alias").symlink_to(linked)
    assert main_worktree(str(root.parent / "alias")) == os.path.realpath(root)


def test_a_worktree_of_a_bare_repository_has_no_main_one(root: Path) -> None:
    bare, linked = root.parent / "bare.git", root.parent / "of-bare"
    git(root, "clone", "-q", "--bare", ".", str(bare))
    git(bare, "worktree", "add", "-q", str(linked), "main")
    assert find_git_dir(str(linked)).linked
    assert main_worktree(str(linked)) is None


def test_a_submodule_is_found_and_is_its_own_project(root: Path) -> None:
    source = make_repository(root.parent / "source")
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source), "sub")
    found = find_git_dir(str(root / "sub"))
    assert found.path == os.path.realpath(root / ".git" / "modules" / "sub")
    assert not found.linked
    assert main_worktree(str(root / "sub")) is None
    assert read_branch(str(root / "sub")) == "main"


def test_a_git_file_that_points_elsewhere_is_not_followed(root: Path, linked: Path) -> None:
    hostile = root.parent / "hostile"
    hostile.mkdir()
    admin = root / ".git" / "worktrees" / "linked"
    for target in (root / ".git", admin, "../proj/.git", "/nonexistent", "", root.parent):
        (hostile / ".git").write_text(f"gitdir: {target}\n")
        with pytest.raises(ToolError, match="not followed"):
            find_git_dir(str(hostile))
        assert main_worktree(str(hostile)) is None
        assert read_branch(str(hostile)) is None


def test_a_shipped_back_link_is_not_enough(root: Path) -> None:
    hostile = root.parent / "hostile"
    (hostile / "admin").mkdir(parents=True)
    (hostile / ".git").write_text("gitdir: admin\n")
    (hostile / "admin" / "gitdir").write_text(f"{hostile / '.git'}\n")
    (hostile / "admin" / "commondir").write_text("../../proj/.git\n")
    shutil.copy(root / ".git" / "HEAD", hostile / "admin" / "HEAD")
    with pytest.raises(ToolError, match="not followed"):
        find_git_dir(str(hostile))
    assert main_worktree(str(hostile)) is None


def test_links_pipes_and_rubbish_in_the_place_of_git_are_not_followed(root: Path) -> None:
    hostile = root.parent / "hostile"
    hostile.mkdir()
    entry = hostile / ".git"
    entry.symlink_to(root / ".git")
    with pytest.raises(ToolError, match="not followed"):
        find_git_dir(str(hostile))
    entry.unlink()
    os.mkfifo(entry)
    with pytest.raises(ToolError, match="not followed"):
        find_git_dir(str(hostile))
    entry.unlink()
    entry.write_bytes(b"gitdir: a\0b\xff\n")
    with pytest.raises(ToolError, match="not followed"):
        find_git_dir(str(hostile))


def test_an_embedded_bare_repository_is_not_a_repository(root: Path) -> None:
    bare = root / "embedded"
    git(root, "clone", "-q", "--bare", ".", str(bare))
    with pytest.raises(ToolError, match="not the top of a git repository"):
        find_git_dir(str(bare))


def test_a_folder_without_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="not the top of a git repository"):
        find_git_dir(str(tmp_path))
    assert main_worktree(str(tmp_path)) is None
    assert read_branch(str(tmp_path)) is None


def test_the_branch_is_read_unborn_detached_and_strange(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature/ünï")
    git(root, "pack-refs", "--all")
    assert read_branch(str(root)) == "feature/ünï"
    git(root, "checkout", "-q", "--detach")
    assert read_branch(str(root)) == f"detached:{git(root, 'rev-parse', 'HEAD')[:7]}"
    git(root, "checkout", "-q", "--orphan", "fresh")
    assert read_branch(str(root)) == "fresh"
    head = root / ".git" / "HEAD"
    for text in (
        "ref: refs/heads/.invalid\n",
        "rubbish",
        "",
        "ref: refs/heads/\x1b[31m",
        "ref: refs/heads/" + "x" * 999,
    ):
        head.write_text(text)
        assert read_branch(str(root)) is None
    head.unlink()
    os.mkfifo(head)
    assert read_branch(str(root)) is None


def test_the_start_up_path_imports_no_subprocess() -> None:
    code = "import sys, kioku.workspace.worktree; print('subprocess' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
