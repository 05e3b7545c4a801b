"""The commands that clients are told to run: absolute, whichever way Kioku itself was started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import PATIENCE_S

BIN = Path(sys.executable).parent


@pytest.mark.parametrize("way", ["by its path", "relative", "through the search path", "through a link"])
def test_what_is_registered_is_absolute_however_kioku_was_started(
    home: Path, project: Path, tmp_path: Path, way: str
) -> None:
    (home / ".cursor").mkdir()
    links = tmp_path / "links"
    links.mkdir()
    for name in ("kioku", "kioku-hook"):
        (links / name).symlink_to(BIN / name)
    command, expected = {
        "by its path": (str(BIN / "kioku"), BIN),
        "relative": (os.path.relpath(BIN / "kioku", project), BIN),
        "through the search path": ("kioku", BIN),
        "through a link": (str(links / "kioku"), links),
    }[way]
    env = {**os.environ, "PATH": os.pathsep.join((str(BIN), "/usr/bin", "/bin"))}
    done = subprocess.run(
        [command, "setup", "--yes", "--client", "cursor"],
        cwd=project, env=env, capture_output=True, text=True, timeout=PATIENCE_S * 2, input="",
    )  # fmt: skip
    assert done.returncode == 0, done
    registered = json.loads((home / ".cursor" / "mcp.json").read_text())["mcpServers"]["kioku"]["command"]
    assert registered == str(expected / "kioku")
    hooks = json.loads((home / ".cursor" / "hooks.json").read_text())["hooks"]
    assert {hook["command"] for listed in hooks.values() for hook in listed} == {f"{expected / 'kioku-hook'} cursor"}
