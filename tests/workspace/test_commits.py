"""Commits of local branches: which were made when, whatever the repository is like."""

import os
from pathlib import Path

import pytest

from kioku.workspace.commits import Made, made
from tests.workspace.repositories import ENVIRONMENT, git, make_repository

AT = 1772359200000  # 2026-03-01T10:00:00Z
HOUR = 3_600_000


def commit(root: Path, subject: str, authored: str, committed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "GIT_AUTHOR_DATE", authored)
    monkeypatch.setitem(ENVIRONMENT, "GIT_COMMITTER_DATE", committed)
    git(root, "commit", "-q", "--allow-empty", "-m", subject)


def subjects(found: list[Made] | None) -> list[str]:
    assert found is not None
    return sorted(commit.subject for commit in found)


def test_a_commit_counts_when_it_was_committed_or_when_its_change_was_authored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "project")
    git(root, "checkout", "-q", "-b", "topic")
    commit(root, "rewritten later", "2026-03-01T12:00:00Z", "2026-03-09T12:00:00Z", monkeypatch)
    commit(root, "authored before", "2026-02-01T12:00:00Z", "2026-03-01T12:30:00Z", monkeypatch)
    commit(root, "later", "2026-03-09T13:00:00Z", "2026-03-09T13:00:00Z", monkeypatch)
    git(root, "checkout", "-q", "main")
    found = made(str(root), AT + HOUR, AT + 3 * HOUR)
    assert subjects(found) == ["authored before", "rewritten later"]
    assert found is not None
    assert {c.subject: c.at(AT + HOUR, AT + 3 * HOUR) for c in found} == {
        "rewritten later": AT + 2 * HOUR,
        "authored before": AT + 5 * HOUR // 2,
    }
    assert subjects(made(str(root), AT, AT)) == ["first things", "second"]
    assert made(str(root), AT + 1, AT + HOUR - 1) == []


def test_without_git_or_a_repository_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(str(tmp_path), 0, AT) is None
    root = make_repository(tmp_path / "project")
    (tmp_path / "bare").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bare"))
    assert made(str(root), 0, AT) is None


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    assert made(str(root), 0, AT) == []


def test_a_git_that_takes_too_long_is_not_waited_for(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "project")
    assert made(str(root), 0, AT, deadline_s=0.0) is None


def test_what_a_hostile_repository_configures_is_not_run(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "project")
    sung = tmp_path / "sung"
    program = tmp_path / "canary"
    program.write_text(f"#!/bin/sh\ntouch '{sung}'\n")
    program.chmod(0o755)
    runs = (
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "gpg.program",
        "diff.external",
        "core.alternateRefsCommand",
    )
    for key in runs:
        git(root, "config", key, str(program))
    git(root, "config", "log.showSignature", "true")
    git(root, "config", "log.date", "human")
    git(root, "config", "format.pretty", "oneline")
    assert subjects(made(str(root), AT, AT)) == ["first things", "second"]
    assert not sung.exists()
    (root / ".git" / "refs" / "heads" / "--upload-pack=x").write_text(git(root, "rev-parse", "main") + os.linesep)
    assert subjects(made(str(root), AT, AT)) == ["first things", "second"]
