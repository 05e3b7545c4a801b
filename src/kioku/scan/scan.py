"""Looking at a repository and saying what it is.

One bounded walk, a bounded number of manifests, no child process, no network. The invariant: the scan of a
hostile repository ends, names what it left out, and returns only printable, single-line, length-capped text.
"""

import os
from collections import Counter
from collections.abc import Sequence

from kioku.errors import ProjectError
from kioku.scan.descriptions import describe
from kioku.scan.facts import LanguageCount, ModuleFacts, ProjectFacts
from kioku.scan.gitignore import compile_glob, match_glob
from kioku.scan.manifest import Manifest
from kioku.scan.manifests import MAX_BYTES, is_manifest, read_manifest
from kioku.scan.modules import (
    MAX_MODULES,
    build_folders,
    describe_module,
    find_module_paths,
    is_aside,
    name_modules,
    own_files,
)
from kioku.scan.shape import find_architecture, find_stack, find_type
from kioku.scan.tree import FoundFile, Tree, Warned, walk
from kioku.workspace.untrusted_text import one_line

MAX_MANIFESTS = 300
MAX_MANIFEST_BYTES = 8_000_000  # of all together: some formats take half a second for 1 MB
MAX_MEMBER_PATTERNS = 500
_MANIFEST_DEPTH = 8

_LOCKS = {
    "uv.lock": "uv",
    "poetry.lock": "poetry",
    "pdm.lock": "pdm",
    "Pipfile.lock": "pipenv",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
_PYTHON_MANAGERS = frozenset({"uv", "poetry", "pdm", "pipenv"})
_NODE_MANAGERS = frozenset({"npm", "pnpm", "yarn", "bun"})


def scan(root: str) -> ProjectFacts:
    """Return what the repository in the folder `root` is; ProjectError when the folder cannot be read."""
    try:
        tree = walk(root)
    except OSError as error:
        raise ProjectError(
            f"The folder {root} cannot be read: {error.strerror}",
            hint="Give the path of the project's folder",
        ) from error
    files = _settle_headers(tree.files)
    warnings = list(tree.warnings)
    manifests = _read_manifests(root, tree, warnings)
    members = _members(manifests)
    packages = {folder for folder, found in manifests.items() if any(manifest.defines for manifest in found)}
    packages = {folder for folder in packages if folder in members or not is_aside(folder)}
    packages = _without_inner_targets(packages, manifests, members)
    relevant = [
        each for folder, found in manifests.items() if folder in members or not is_aside(folder) for each in found
    ]
    name = _project_name(root, manifests)
    managers = _managers(tree, manifests)
    folders = build_folders(files)
    modules = _modules(root, tree, files, manifests, packages, name, warnings)
    names = {file.path.rpartition("/")[2] for file in files if file.language and not is_aside(file.path)}
    counts = Counter(file.language for file in files if file.language)
    return ProjectFacts(
        name=name,
        type=find_type(relevant, packages, names),
        languages=tuple(
            LanguageCount(name=language, files=count)
            for language, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ),
        stack=find_stack(relevant, managers),
        package_managers=managers,
        architecture=one_line(find_architecture(folders, packages, modules, relevant)),
        modules=tuple(modules),
        warnings=tuple(warnings),
    )


def _settle_headers(files: Sequence[FoundFile]) -> list[FoundFile]:
    """Say which language `.h` files are in: C++ where the repository has any C++, else C."""
    language = "C++" if any(file.language == "C++" for file in files) else "C"
    return [
        FoundFile(path=file.path, language=language, size=file.size) if file.language == "C or C++" else file
        for file in files
    ]


def _read_manifests(root: str, tree: Tree, warnings: list[Warned]) -> dict[str, list[Manifest]]:
    """Return the manifests by folder (`.` is the root), the shallowest first."""
    paths = [file.path for file in tree.files if is_manifest(file.path.rpartition("/")[2])]
    paths = sorted(
        (path for path in paths if path.count("/") <= _MANIFEST_DEPTH),
        key=lambda path: (path.count("/"), path),
    )
    if len(paths) > MAX_MANIFESTS:
        warnings.append(Warned(file=".", reason=f"only {MAX_MANIFESTS} of {len(paths):,} manifests were read"))
    found: dict[str, list[Manifest]] = {}
    budget = MAX_MANIFEST_BYTES
    for path in paths[:MAX_MANIFESTS]:
        budget -= _size(os.path.join(root, *path.split("/")))
        if budget < 0:
            warnings.append(Warned(file=path, reason=f"not read: over {MAX_MANIFEST_BYTES:,} bytes of manifests"))
            break
        manifest = read_manifest(root, path)
        if isinstance(manifest, Manifest):
            found.setdefault(path.rpartition("/")[0] or ".", []).append(manifest)
        else:
            warnings.append(Warned(file=path, reason=manifest))
    return found


def _size(path: str) -> int:
    """Return what reading a manifest may cost, in bytes: a larger one than we read costs nothing."""
    try:
        size = os.lstat(path).st_size
    except OSError:
        return 0
    return size if size <= MAX_BYTES else 0


def _members(manifests: dict[str, list[Manifest]]) -> set[str]:
    """Return the folders that a workspace names as its own; a pattern that starts with `!` takes some out."""
    members: set[str] = set()
    for base, found in manifests.items():
        for manifest in found:
            out: set[str] = set()
            inside: set[str] = set()
            for pattern in manifest.members[:MAX_MEMBER_PATTERNS]:
                if ".." in pattern.split("/"):
                    continue
                parts = compile_glob(pattern.removeprefix("!"))
                for folder in manifests:
                    if folder != base and (base == "." or folder.startswith(base + "/")):
                        names = folder.split("/") if base == "." else folder[len(base) + 1 :].split("/")
                        if match_glob(parts, names):
                            (out if pattern.startswith("!") else inside).add(folder)
            members |= inside - out
    return members


def _without_inner_targets(packages: set[str], manifests: dict[str, list[Manifest]], members: set[str]) -> set[str]:
    """Drop the C and C++ folders that are only built where their own build does not name them.

    Each folder of a CMake tree has a `CMakeLists.txt`; it is a module when the one above adds it.
    """
    return {
        folder
        for folder in packages
        if folder == "." or folder in members or any(m.ecosystem != "cpp" and m.defines for m in manifests[folder])
    }


def _project_name(root: str, manifests: dict[str, list[Manifest]]) -> str:
    names = [manifest.name for manifest in manifests.get(".", []) if manifest.name]
    folder = os.path.basename(os.path.abspath(root)).encode("utf-8", "replace").decode()
    return one_line(names[0] if names else folder, 100) or "project"


def _managers(tree: Tree, manifests: dict[str, list[Manifest]]) -> tuple[str, ...]:
    """Return the package managers: from lock files, manifests, or else each ecosystem's usual one."""
    found: dict[str, None] = {}
    for file in tree.files:
        folder, _, name = file.path.rpartition("/")
        if name in _LOCKS and not is_aside(folder):
            found[_LOCKS[name]] = None
    kept = [manifest for folder, each in manifests.items() if not is_aside(folder) for manifest in each]
    found.update((manager, None) for manifest in kept for manager in manifest.managers)
    ecosystems = {manifest.ecosystem for manifest in kept}
    if "python" in ecosystems and not found.keys() & _PYTHON_MANAGERS:
        found["pip"] = None
    if "javascript" in ecosystems and not found.keys() & _NODE_MANAGERS:
        found["npm"] = None
    return tuple(sorted(found))


def _modules(
    root: str,
    tree: Tree,
    files: Sequence[FoundFile],
    manifests: dict[str, list[Manifest]],
    packages: set[str],
    project: str,
    warnings: list[Warned],
) -> list[ModuleFacts]:
    folders = build_folders(files)
    paths = find_module_paths(folders, packages & folders.keys())
    sized = {}
    for path, direct in paths.items():
        inner = {other for other in paths if other != path}
        sized[path] = list(folders[path].files) if direct else own_files(folders[path], inner)
    kept = [path for path in paths if sized[path]]
    if len(kept) > MAX_MODULES:
        warnings.append(Warned(file=".", reason=f"only the {MAX_MODULES} largest of {len(kept):,} modules are listed"))
        kept = sorted(sorted(kept, key=lambda path: (-len(sized[path]), path))[:MAX_MODULES])
    present = {file.path for file in tree.files}
    names = name_modules(kept, project)
    entries = _entries(manifests, present)
    modules = []
    for path in kept:
        found = next((each for each in manifests.get(path, []) if each.defines), None)
        description = describe(root, path, found, present)
        modules.append(describe_module(names[path], folders[path], sized[path], entries, description))
    return modules


def _entries(manifests: dict[str, list[Manifest]], present: set[str]) -> list[str]:
    """Return the files that manifests name as starting points, as paths from the root."""
    named = (
        f"{'' if folder == '.' else folder + '/'}{base}{entry}"
        for folder, found in manifests.items()
        for manifest in found
        for entry in manifest.entries[:20]
        for base in ("", "src/")
    )
    return [path for path in named if path in present]
