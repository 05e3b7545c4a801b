"""Call git in a way in which the repository's configuration starts no program.

Invariant: git is told by us where its folders are, sees no `GIT_*` of the user's, may not use the network,
and finds every setting that names a program replaced. They are listed first, by a call that runs none.
"""

import os
from collections.abc import Callable
from typing import Final

import msgspec

from kioku.errors import ToolError, UsageError
from kioku.workspace.children import ChildResult, child_environment, find_program, never, run
from kioku.workspace.paths import printable
from kioku.workspace.worktree import GitDir, find_git_dir

ARGUMENT_MAX: Final = 256
DEADLINE_S: Final = 20.0

_CONFIG_MAX = 1024 * 1024
_REPLACED_MAX = 500

# What starts a program whether or not it is in a configuration file, or changes the form of the output.
_FIXED = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.untrackedCache": "false",
    "core.attributesFile": "/dev/null",
    "core.pager": "cat",
    "core.editor": "false",
    "core.askPass": "false",
    "core.sshCommand": "false",
    "core.alternateRefsCommand": "false",
    "core.quotePath": "true",
    "credential.helper": "",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
    "diff.autoRefreshIndex": "false",
    "diff.orderFile": "/dev/null",
    "diff.external": "",
    "diff.ignoreSubmodules": "dirty",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "log.showSignature": "false",
    "log.mailmap": "false",
    "mailmap.file": "/dev/null",
    "gpg.program": "false",
    "gpg.ssh.program": "false",
    "gpg.x509.program": "false",
    "gpg.openpgp.program": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "maintenance.auto": "false",
    "gc.auto": "0",
}
# The last part of the names, lower case as git lists them, under which a program can be configured.
_RUNS = frozenset(
    [
        *(
            "clean",
            "smudge",
            "process",
            "textconv",
            "command",
            "cmd",
            "program",
            "helper",
            "driver",
            "browser",
        ),
        *(
            "sshcommand",
            "askpass",
            "proxy",
            "gitproxy",
            "uploadpack",
            "receivepack",
            "packobjectshook",
            "vcs",
        ),
    ]
)


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that git can be called on, with the environment that makes it safe."""

    program: str
    root: str
    git: GitDir
    environment: dict[str, str]
    deadline_s: float
    cancelled: Callable[[], bool]


def open_repository(root: str, *, deadline_s: float = DEADLINE_S, cancelled: Callable[[], bool] = never) -> Repository:
    """Validate the repository at `root` and neutralise its configuration.

    Raises ToolError where there is no repository, or none that can be used safely.
    """
    git = find_git_dir(root)
    program = find_program("git")
    if program is None:
        raise ToolError("git is not installed, or not on PATH.")
    bare = Repository(
        program=program,
        root=root,
        git=git,
        environment=_environment(git, _FIXED),
        deadline_s=deadline_s,
        cancelled=cancelled,
    )
    listed = call(bare, ["config", "--list", "--null"], max_bytes=_CONFIG_MAX)
    if listed.exit_code != 0 or listed.truncated:
        raise failure(listed, "The configuration of this repository cannot be read")
    replaced = dict(_FIXED)
    for entry in listed.stdout.split(b"\0"):
        key = os.fsdecode(entry.split(b"\n", 1)[0])
        last = key.rpartition(".")[2]
        if key.startswith("filter.") and last == "required":
            replaced[key] = "false"
        elif last in _RUNS:
            replaced[key] = ""
    if len(replaced) > _REPLACED_MAX:
        raise ToolError("The configuration of this repository names more programs than Kioku can switch off.")
    return msgspec.structs.replace(bare, environment=_environment(git, replaced))


def call(repository: Repository, arguments: list[str], *, max_bytes: int) -> ChildResult:
    """Run one git command that only reads; its own failure is left to the caller.

    Raises ToolError when the deadline passes, CancelledCallError.
    """
    result = run(
        [
            *(
                repository.program,
                "--no-pager",
                "--no-optional-locks",
                "--literal-pathspecs",
                "--no-replace-objects",
            ),
            *(f"--git-dir={repository.git.path}", f"--work-tree={repository.root}", *arguments),
        ],
        cwd=repository.root,
        env=repository.environment,
        deadline_s=repository.deadline_s,
        max_bytes=max_bytes,
        cancelled=repository.cancelled,
    )
    if result.timed_out:
        raise ToolError(
            f"git {arguments[0]} took longer than {repository.deadline_s:g} s and was stopped.",
            hint="ask for less: give a path or a smaller limit",
        )
    return result


def failure(result: ChildResult, what: str) -> ToolError:
    """Return the error for a git command that failed, with the first line of what git said."""
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines() or ["git gave no reason"]
    fatal = next((line for line in lines if line.startswith("fatal: ")), lines[0])
    said = printable(fatal.removeprefix("fatal: ").removeprefix("error: "), 300)
    return ToolError(f"{what}: {said.removesuffix('.')}.")


def plain(value: str, what: str) -> str:
    """Return an argument of the caller's; raise UsageError for one that git could take for an option."""
    if not value or value.startswith("-") or len(value) > ARGUMENT_MAX or not value.isprintable():
        raise UsageError(
            f'{what} "{printable(value, 80)}" is not accepted.',
            hint=f"it must not start with -, and have 1 to {ARGUMENT_MAX} printable characters",
        )
    return value


def commit(repository: Repository, ref: str, what: str = "ref") -> str:
    """Return the full hash of the commit that `ref` names; raise ToolError where it names none."""
    arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{plain(ref, what)}^{{commit}}"]
    result = call(repository, arguments, max_bytes=1024)
    found = result.stdout.decode("ascii", "replace").strip()
    if result.exit_code == 0 and found:
        return found
    if ref == "HEAD":
        raise ToolError("The repository has no commit yet.")
    raise ToolError(f'There is no commit "{printable(ref)}" in this repository.', hint="give a branch, a tag or a hash")


def _environment(git: GitDir, settings: dict[str, str]) -> dict[str, str]:
    extra = {
        "GIT_COMMON_DIR": git.common,
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_PAGER": "cat",
        "LC_ALL": "C",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    # Not -c: a subsection may hold "=", which -c takes for the end of the name.
    for number, (key, value) in enumerate(settings.items()):
        extra[f"GIT_CONFIG_KEY_{number}"] = key
        extra[f"GIT_CONFIG_VALUE_{number}"] = value
    return child_environment(extra)
