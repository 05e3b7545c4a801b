"""One bounded walk over a repository: which source and manifest files there are.

The invariant: a link is never followed, and the work is bounded whatever the folder holds. What a bound cut
off is said in a warning, never silently.
"""

import os
from collections import deque
from itertools import islice

import msgspec

from kioku.errors import KiokuError
from kioku.scan.gitignore import IgnoreFile
from kioku.scan.languages import language_of
from kioku.workspace.plain_files import is_link, read_plain

MAX_FILES = 100_000
MAX_DEPTH = 40
MAX_ENTRIES = 20_000  # in one folder
MAX_FOLDERS = 50_000
MAX_IGNORE_FILES = 200
MAX_WARNINGS = 100
_IGNORE_BYTES = 1_000_000

# Never a project's own source. Folders with a leading dot are skipped as well: they belong to tools.
_SKIPPED_FOLDERS_NAMES = """
node_modules bower_components jspm_packages venv env virtualenv __pycache__ __pypackages__ site-packages
build dist out target vendor third_party third-party external Pods Carthage coverage htmlcov
cmake-build-debug cmake-build-release builddir _build bazel-bin bazel-out bazel-testlogs DerivedData
"""
SKIPPED_FOLDERS = frozenset(_SKIPPED_FOLDERS_NAMES.split())


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the scan left out: which file or folder (relative to the root), and why."""

    file: str
    reason: str


class FoundFile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A file of the repository: its path from the root with forward slashes, language, and size in bytes.

    The size is None for a file without a known language: nobody asks for it.
    """

    path: str
    language: str | None
    size: int | None


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """What the walk found, sorted by path."""

    files: tuple[FoundFile, ...]
    warnings: tuple[Warned, ...]


def walk(root: str) -> Tree:
    """List the files under a folder; breadth first, so that a bound cuts what lies deepest.

    Raises OSError when the root itself cannot be read.
    """
    state = _Walk(root)
    state.run()
    state.files.sort(key=lambda file: file.path)
    return Tree(files=tuple(state.files), warnings=tuple(state.warnings))


class _Walk:
    def __init__(self, root: str) -> None:
        self.root = root
        self.files: list[FoundFile] = []
        self.warnings: list[Warned] = []
        self.ignore_files = 0
        self.odd_names = 0

    def run(self) -> None:
        waiting: deque[tuple[tuple[str, ...], tuple[IgnoreFile, ...]]] = deque([((), ())])
        folders = 0
        while waiting:
            parts, rules = waiting.popleft()
            folders += 1
            if folders > MAX_FOLDERS or len(self.files) >= MAX_FILES:
                self.warn(".", f"only the first {len(self.files):,} files in {folders - 1:,} folders were looked at")
                break
            try:
                entries = self.entries(parts)
            except OSError as error:
                if not parts:
                    raise
                self.warn("/".join(parts), f"the folder cannot be read: {error.strerror}")
                continue
            names = {entry.name for entry in entries}
            if parts and "pyvenv.cfg" in names:
                continue  # a virtual environment under another name
            if ".gitignore" in names:
                rules = self.with_ignore_file(parts, rules)
            waiting.extend(((*parts, name), rules) for name in self.sift(parts, rules, entries))
        if self.odd_names:
            self.warn(".", f"{self.odd_names:,} names hold characters that cannot be shown and were left out")

    def warn(self, file: str, reason: str) -> None:
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(Warned(file=file, reason=reason))

    def entries(self, parts: tuple[str, ...]) -> list[os.DirEntry[str]]:
        with os.scandir(os.path.join(self.root, *parts)) as listing:
            entries = list(islice(listing, MAX_ENTRIES + 1))
        if len(entries) > MAX_ENTRIES:
            self.warn("/".join(parts) or ".", f"only {MAX_ENTRIES:,} of the folder's entries were looked at")
            entries.pop()
        return sorted(entries, key=lambda entry: entry.name)

    def with_ignore_file(self, parts: tuple[str, ...], rules: tuple[IgnoreFile, ...]) -> tuple[IgnoreFile, ...]:
        file = "/".join((*parts, ".gitignore"))
        self.ignore_files += 1
        if self.ignore_files > MAX_IGNORE_FILES:
            self.warn(file, f"not read: there are more than {MAX_IGNORE_FILES} such files")
            return rules
        try:
            text = read_plain(os.path.join(self.root, *parts, ".gitignore"), _IGNORE_BYTES).decode("utf-8", "replace")
        except (OSError, KiokuError) as error:
            self.warn(file, f"not read: {reason_of(error)}")
            return rules
        return (IgnoreFile(text, len(parts)), *rules)

    def sift(self, parts: tuple[str, ...], rules: tuple[IgnoreFile, ...], entries: list[os.DirEntry[str]]) -> list[str]:
        """Keep the folder's files, and return the names of the folders to visit."""
        prefix = "/".join(parts) + "/" if parts else ""
        folders: list[str] = []
        for entry in entries:
            name = entry.name
            try:
                if entry.is_symlink():
                    continue
                folder = entry.is_dir(follow_symlinks=False)
                if not folder and not entry.is_file(follow_symlinks=False):
                    continue
                if folder and (name.startswith(".") or name in SKIPPED_FOLDERS or name.endswith(".egg-info")):
                    continue
                if _ignored(rules, (*parts, name), folder):
                    continue
                if not name.isprintable():
                    self.odd_names += 1
                    continue
                if folder:
                    if os.name == "nt" and is_link(entry.stat(follow_symlinks=False)):
                        continue
                    if len(parts) + 1 >= MAX_DEPTH:
                        self.warn(prefix + name, f"not looked at: deeper than {MAX_DEPTH} folders")
                    else:
                        folders.append(name)
                    continue
                language = language_of(name)
                size = entry.stat(follow_symlinks=False).st_size if language else None
            except OSError as error:
                self.warn(prefix + (name if name.isprintable() else "?"), f"cannot be read: {error.strerror}")
                continue
            self.files.append(FoundFile(path=prefix + name, language=language, size=size))
        return folders


def _ignored(rules: tuple[IgnoreFile, ...], path: tuple[str, ...], folder: bool) -> bool:
    for file in rules:
        verdict = file.verdict(path, folder)
        if verdict is not None:
            return verdict
    return False


def reason_of(error: OSError | KiokuError) -> str:
    """Return the short reason of a failed read, without the path that the caller already names."""
    return error.message if isinstance(error, KiokuError) else (error.strerror or type(error).__name__)
