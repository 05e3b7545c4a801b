"""Read a repository's history: log, blame and diff.

Invariant: nothing is written, no program but git runs (see `gitcall`), and what a caller gives can only be a
commit, a path in the project or a text to look for; a ref is turned into a hash before a command sees it.
"""

import os
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from kioku.errors import ToolError, UsageError
from kioku.workspace import opening
from kioku.workspace.children import never
from kioku.workspace.gitcall import DEADLINE_S, Repository, call, commit, failure, open_repository, plain
from kioku.workspace.paths import locate, printable
from kioku.workspace.worktree import find_git_dir

__all__ = ["BlameLine", "Commit", "Diff", "blame", "diff", "find_git_dir", "log"]

LOG_MAX: Final = 1000
BLAME_MAX: Final = 2000  # lines
DIFF_MAX: Final = 256 * 1024  # bytes

_OUTPUT_MAX = 16 * 1024 * 1024
_BLAMED_FILE_MAX = 16 * 1024 * 1024
_TEXT_MAX = 500
_MARK = b"//commit"  # no path in git starts with a slash
_DIFF_OPTIONS = [
    *("--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--submodule=short"),
    *("--ignore-submodules=dirty", "--src-prefix=a/", "--dst-prefix=b/", "-O/dev/null"),
]


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit; `files` is the number of files it changes against its first parent."""

    sha: str
    short: str
    author: str
    at_ms: int
    subject: str
    files: int | None


class BlameLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a file, from 1, and the commit it came with; `sha` is zeros where it is not committed yet."""

    line: int
    sha: str
    author: str
    at_ms: int
    text: str


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """A patch, or with `stat_only` a line for each file; the counts cover all of it, also where it is cut."""

    text: str
    files: int
    insertions: int
    deletions: int
    truncated: bool


def log(
    root: str,
    *,
    path: str | None = None,
    limit: int = 20,
    since: str | None = None,
    author: str | None = None,
    grep: str | None = None,
    ref: str | None = None,
    deadline_s: float = DEADLINE_S,
    cancelled: Callable[[], bool] = never,
) -> list[Commit]:
    """Return commits, newest first; `author` and `grep` are texts to find, without regard to case.

    Raises UsageError for an argument that cannot be meant, ToolError where git cannot answer.
    """
    filters = [
        f"--{option}={plain(value, option)}"
        for option, value in (("since", since), ("author", author), ("grep", grep))
        if value is not None
    ]
    names = _pathspec(root, path)
    repository = open_repository(root, deadline_s=deadline_s, cancelled=cancelled)
    start = commit(repository, "HEAD" if ref is None else ref)
    result = call(
        repository,
        [
            *("log", "-z", "--name-only", "--no-renames", "--diff-merges=first-parent", *_DIFF_OPTIONS),
            *("--no-show-signature", "--no-notes", "--no-decorate", "--no-mailmap", "--no-follow"),
            *("--fixed-strings", "--regexp-ignore-case", f"--max-count={min(max(limit, 1), LOG_MAX)}"),
            *("--format=//commit%x00%H%x00%h%x00%an%x00%at%x00%s", *filters),
            *("--end-of-options", start, "--", *names),
        ],
        max_bytes=_OUTPUT_MAX,
    )
    if result.exit_code != 0 and not result.truncated:
        raise failure(result, "git log failed")
    return list(_commits(result.stdout.split(b"\0"), result.truncated))


def blame(
    root: str,
    path: str,
    *,
    first_line: int | None = None,
    last_line: int | None = None,
    ref: str | None = None,
    deadline_s: float = DEADLINE_S,
    cancelled: Callable[[], bool] = never,
) -> list[BlameLine]:
    """Return who last changed each line of a file, as it is now or, with `ref`, as it was then.

    Raises ToolError also for more than BLAME_MAX lines at once.
    """
    first = 1 if first_line is None else first_line
    if first < 1 or (last_line is not None and last_line < first):
        raise UsageError("first_line must be 1 or more, and last_line not before it.")
    if last_line is not None and last_line - first >= BLAME_MAX:
        raise UsageError(f"At most {BLAME_MAX} lines are blamed at once.")
    relative = _named(root, path)
    shown = printable(relative)
    if ref is None:
        # git itself would follow a link in the place of a tracked folder out of the project.
        size = opening.check_path(root, relative).st_size
        if size > _BLAMED_FILE_MAX:
            raise ToolError(f'"{shown}" is too big to blame ({size} bytes).')
    repository = open_repository(root, deadline_s=deadline_s, cancelled=cancelled)
    start = commit(repository, "HEAD" if ref is None else ref)
    last = first + BLAME_MAX if last_line is None else last_line
    result = call(
        repository,
        [
            *("blame", "--porcelain", "--no-progress", "--no-textconv", "--no-ext-diff", f"-L{first},{last}"),
            *([start] if ref is not None else []),
            *("--", relative),
        ],
        max_bytes=_OUTPUT_MAX,
    )
    if result.exit_code != 0:
        if b"no such path" in result.stderr:
            raise ToolError(f'"{shown}" is not in the last commit.', hint="only tracked files can be blamed")
        if b"has only" in result.stderr or b"no such line" in result.stderr:
            raise ToolError(f'"{shown}" has fewer than {first} lines.')
        # git's own words may quote a file that blame.ignoreRevsFile names, which may be any file of the disk.
        raise ToolError(f'git blame failed for "{shown}".')
    lines = list(_blame_lines(result.stdout))
    if len(lines) > BLAME_MAX:
        raise ToolError(
            f'"{shown}" has more than {BLAME_MAX} lines from line {first} on.',
            hint="give first_line and last_line",
        )
    return lines


def diff(
    root: str,
    *,
    ref: str | None = None,
    ref2: str | None = None,
    path: str | None = None,
    staged: bool = False,
    stat_only: bool = False,
    max_bytes: int = DIFF_MAX,
    deadline_s: float = DEADLINE_S,
    cancelled: Callable[[], bool] = never,
) -> Diff:
    """Compare the working tree with the index, or what the arguments name.

    `staged`: the index with HEAD or `ref`; `ref`: a commit with the working tree; `ref` and `ref2`, or "a..b"
    or "a...b" in `ref`: two commits. At most `max_bytes` of text come back. Raises UsageError for a
    combination without a meaning, ToolError where git cannot answer.
    """
    if (ref2 is not None and ref is None) or (ref2 is not None and staged):
        raise UsageError("ref2 needs ref, and cannot be combined with staged.")
    names = _pathspec(root, path)
    repository = open_repository(root, deadline_s=deadline_s, cancelled=cancelled)
    base = ["diff", *_DIFF_OPTIONS, *(["--cached"] if staged else [])]
    tail = [*_compared(repository, ref, ref2, staged), "--", *names]
    counted = call(repository, [*base, "--numstat", "-z", *tail], max_bytes=_OUTPUT_MAX)
    if counted.exit_code != 0 and not counted.truncated:
        raise failure(counted, "git diff failed")
    entries = list(_numstat(counted.stdout.split(b"\0")))
    text, truncated = "", counted.truncated
    if stat_only:
        rows = [f"{name} | {'binary' if added is None else f'+{added} -{gone}'}" for name, added, gone in entries]
        data = "\n".join(rows).encode()
        text, cut = _cut(data, len(data) > max_bytes, max_bytes)
        truncated = truncated or cut
    elif entries:
        patch = call(repository, [*base, "--patch", *tail], max_bytes=max_bytes)
        if patch.exit_code != 0 and not patch.truncated:
            raise failure(patch, "git diff failed")
        text, cut = _cut(patch.stdout, patch.truncated, max_bytes)
        truncated = truncated or cut
    return Diff(
        text=text,
        files=len(entries),
        insertions=sum(added or 0 for _, added, _ in entries),
        deletions=sum(gone or 0 for _, _, gone in entries),
        truncated=truncated,
    )


def _pathspec(root: str, path: str | None) -> list[str]:
    return [_named(root, path)] if path else []


def _named(root: str, path: str) -> str:
    """Return a path for git's command line, where it stands behind "--" and still must not look like an option."""
    relative = locate(root, path).relative
    if relative.startswith("-"):
        raise UsageError(f'git is not asked about "{printable(relative)}".', hint="the name could pass for an option")
    return relative


def _compared(repository: Repository, ref: str | None, ref2: str | None, staged: bool) -> list[str]:
    if ref is None:
        return []
    if ref2 is not None:
        return ["--end-of-options", commit(repository, ref), commit(repository, ref2, "ref2")]
    if ".." in plain(ref, "ref"):
        dots = "..." if "..." in ref else ".."
        left, _, right = ref.partition(dots)
        if staged:
            raise UsageError(f'"{printable(ref)}" names two commits; staged compares with one.')
        ends = [commit(repository, end or "HEAD") for end in (left, right)]
        return ["--end-of-options", dots.join(ends)]
    return ["--end-of-options", commit(repository, ref)]


def _commits(fields: list[bytes], truncated: bool) -> Iterator[Commit]:
    starts = [number for number, field in enumerate(fields) if field == _MARK]
    for start, end in zip(starts, [*starts, len(fields)][1:], strict=True):
        if truncated and end == len(fields):
            return  # the cut went through this one
        sha, short, author, at, subject = (f.decode("utf-8", "replace") for f in fields[start + 1 : start + 6])
        yield Commit(
            sha=sha,
            short=short,
            author=author[:_TEXT_MAX],
            at_ms=_seconds(at) * 1000,
            subject=subject[:_TEXT_MAX],
            files=sum(1 for name in fields[start + 6 : end] if name.strip(b"\n")),
        )


def _seconds(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() and len(text) < 15 else 0


def _blame_lines(output: bytes) -> Iterator[BlameLine]:
    authors: dict[str, str] = {}
    times: dict[str, int] = {}
    sha, number = "", 0
    for raw in output.split(b"\n"):
        if raw.startswith(b"\t"):
            text = raw[1 : 1 + 4 * _TEXT_MAX].removesuffix(b"\r").decode("utf-8", "replace")[:_TEXT_MAX]
            author, at_ms = authors.get(sha, ""), times.get(sha, 0)
            yield BlameLine(line=number, sha=sha, author=author, at_ms=at_ms, text=text)
            continue
        key, _, value = raw.decode("utf-8", "replace").partition(" ")
        if key == "author":
            authors[sha] = value[:_TEXT_MAX]
        elif key == "author-time":
            times[sha] = _seconds(value) * 1000
        elif len(key) in (40, 64) and len(numbers := value.split()) >= 2:
            sha, number = key, int(numbers[1])


def _numstat(fields: list[bytes]) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield (name, insertions, deletions), None for a binary file; a rename has its names in two fields."""
    rest = iter(fields)
    for field in rest:
        parts = field.split(b"\t", 2)
        if len(parts) < 3:
            continue
        name = parts[2]
        if not name:
            old, name = next(rest, b""), next(rest, b"")
            name = old + b" -> " + name
        counts = [int(part) if part.isdigit() else None for part in parts[:2]]
        yield printable(os.fsdecode(name), 1000), counts[0], counts[1]


def _cut(data: bytes, truncated: bool, max_bytes: int) -> tuple[str, bool]:
    if truncated:
        data = data[:max_bytes]
        data = data[: data.rfind(b"\n") + 1] or data
    return data.decode("utf-8", "replace"), truncated
