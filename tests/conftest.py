"""Every test runs with a home of its own and without variables that point elsewhere."""

import os
from pathlib import Path

import pytest

from tests.support import Clock


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test, and the processes that it starts, an empty home folder."""
    folder = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("KIOKU_", "CLAUDE", "XDG_", "GIT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return an empty project folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Return a clock for processes started with `clock.env`."""
    return Clock(tmp_path / "clock")
