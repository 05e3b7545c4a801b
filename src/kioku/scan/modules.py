"""Cutting a repository into modules.

A folder with a package's manifest is a module. Elsewhere the source's own folders are: containers such as
`src`, `internal` or `src/main/java` are opened, and what lies in them is taken. The invariant: every module
is a folder that exists, names are unique, and the same tree gives the same modules in the same order.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from kioku.scan.facts import ModuleFacts
from kioku.scan.languages import entry_rank, is_support
from kioku.scan.tree import FoundFile

MAX_MODULES = 100
MAX_KEY_FILES = 5

# Not what a project is about, unless a workspace names them.
_ASIDE_NAMES = """
test tests testing testdata fixtures __tests__ __mocks__ spec e2e example examples sample samples demo demos
doc docs benchmark benchmarks bench script scripts tools migrations templates static public assets
"""
ASIDE = frozenset(_ASIDE_NAMES.split())
_CONTAINERS_NAMES = """
src source lib libs pkg cmd internal packages apps crates services modules plugins projects components main
java kotlin scala com org net io
"""
_CONTAINERS = frozenset(_CONTAINERS_NAMES.split())


class Folder(msgspec.Struct, kw_only=True):
    """A folder of the source tree: the source files directly in it, and its folders."""

    path: str
    files: list[FoundFile] = msgspec.field(default_factory=list)
    folders: dict[str, "Folder"] = msgspec.field(default_factory=dict)


def build_folders(files: Sequence[FoundFile]) -> dict[str, Folder]:
    """Return the folders that hold source files, and those above them, by path; the root is `.`."""
    known = {".": Folder(path=".")}

    def folder_at(path: str) -> Folder:
        found = known.get(path)
        if found is None:
            above, _, name = path.rpartition("/")
            found = known[path] = Folder(path=path)
            folder_at(above or ".").folders[name] = found
        return found

    for file in files:
        if file.language is not None:
            folder_at(file.path.rpartition("/")[0] or ".").files.append(file)
    return known


def own_files(folder: Folder, but: frozenset[str] | set[str] = frozenset()) -> list[FoundFile]:
    """Return the source files below a folder, without those below the paths in `but`."""
    found: list[FoundFile] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        found += here.files
        waiting += [inner for inner in here.folders.values() if inner.path not in but]
    return found


def is_aside(path: str) -> bool:
    """Tell whether a path leads through a folder of tests, examples, documents or scripts."""
    return not ASIDE.isdisjoint(path.lower().split("/"))


def find_module_paths(folders: Mapping[str, Folder], packages: set[str]) -> dict[str, bool]:
    """Return the paths of the modules, and whether only the files directly in the folder belong to it."""
    above = {"/".join(path.split("/")[:depth]) for path in packages for depth in range(1, path.count("/") + 1)}
    found: dict[str, bool] = {path: False for path in packages if path != "."}
    _collect(folders["."], packages, above, found)
    rest = [path for path in found if path not in packages]
    if len(rest) == 1 and not packages - {"."}:
        only = folders[rest[0]]
        inner = [each for each in only.folders.values() if _has_source(each)]
        if len(inner) >= 2:  # one package: its parts say more than its name
            found[only.path] = True
            found.update((each.path, False) for each in inner)
    if any(not is_support(file.path) for file in folders["."].files) or (not found and folders["."].files):
        found["."] = bool(found)
    return dict(sorted(found.items()))


def _collect(root: Folder, packages: set[str], above: set[str], found: dict[str, bool]) -> None:
    waiting = [root]
    while waiting:
        here = waiting.pop()
        for name, folder in here.folders.items():
            path = folder.path
            if path in packages or (is_aside(path) and path not in above):
                continue
            if not _has_source(folder) and path not in above:
                continue
            direct = [file for file in folder.files if not is_support(file.path.rpartition("/")[2])]
            single = not direct and len([each for each in folder.folders.values() if _has_source(each)]) == 1
            if name.lower() in _CONTAINERS or single or path in above:
                waiting.append(folder)
                if direct:
                    found[path] = bool(folder.folders)
            else:
                found[path] = False


def _has_source(folder: Folder) -> bool:
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if any(not is_support(file.path.rpartition("/")[2]) for file in here.files):
            return True
        waiting += [inner for name, inner in here.folders.items() if name.lower() not in ASIDE]
    return False


def name_modules(paths: Sequence[str], project: str) -> dict[str, str]:
    """Return a unique name for each path: the folder's name, or the whole path where two folders share it."""
    short = {path: project if path == "." else path.rpartition("/")[2] for path in paths}
    shared = {name for name, count in Counter(short.values()).items() if count > 1}
    return {path: path if name in shared and path != "." else name for path, name in short.items()}


def describe_module(
    name: str, folder: Folder, files: Sequence[FoundFile], entries: Sequence[str], description: str | None
) -> ModuleFacts:
    """Return the facts of one module from its files; `files` must not be empty."""
    languages = Counter(file.language for file in files if file.language)
    language = min(languages, key=lambda each: (-languages[each], each))
    return ModuleFacts(
        name=name,
        path=folder.path,
        language=language,
        files=len(files),
        key_files=key_files(folder.path, files, entries),
        description=description,
    )


def key_files(path: str, files: Sequence[FoundFile], entries: Sequence[str]) -> tuple[str, ...]:
    """Return at most five files to read first; `entries` are paths from the root that manifests name.

    First what the manifest names, then files named like starting points (shallow ones first), then the
    largest.
    """
    prefix = "" if path == "." else path + "/"
    by_path = {file.path: file for file in files if not is_aside(file.path[len(prefix) :])}
    named = [entry for entry in entries if entry in by_path]
    plain = [file for file in by_path.values() if not is_support(file.path.rpartition("/")[2])]
    starts = sorted(
        (file.path.count("/"), rank, file.path)
        for file in plain
        if (rank := entry_rank(file.path.rpartition("/")[2])) is not None and file.size
    )
    largest = sorted(plain, key=lambda file: (-(file.size or 0), file.path))
    chosen = dict.fromkeys([*named, *(each[2] for each in starts[:3]), *(file.path for file in largest if file.size)])
    return tuple(chosen)[:MAX_KEY_FILES]
