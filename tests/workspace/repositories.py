"""Real git repositories for tests, made without the person's own configuration."""

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_AUTHOR_DATE": "2026-03-01T10:00:00Z",
    "GIT_COMMITTER_DATE": "2026-03-01T10:00:00Z",
}


def git(root: Path, *arguments: str, check: bool = True) -> str:
    """Run plain git, with whatever its configuration asks for."""
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=check,
    )
    return done.stdout.strip()


def make_repository(root: Path) -> Path:
    """Make a repository with two commits: a.txt (one, two) and lib/b.txt."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    (root / "lib").mkdir()
    (root / "a.txt").write_text("one\n")
    (root / "lib" / "b.txt").write_text("b\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first things")
    (root / "a.txt").write_text("one\ntwo\n")
    git(root, "commit", "-qam", "second\n\nwith a body")
    return root
