"""What kind of project it is, and how it is built up: pure rules over what the scan found.

The invariant: each answer names its reason or is `unknown`; nothing is guessed from a single hint.
"""

from collections.abc import Mapping, Sequence

from kioku.scan.facts import ModuleFacts, ProjectType
from kioku.scan.frameworks import Framework, framework_of
from kioku.scan.manifest import Manifest
from kioku.scan.modules import Folder, is_aside

_LAYERS = frozenset({"domain", "application", "infrastructure", "presentation", "persistence", "interfaces"})
_HEXAGON = frozenset({"ports", "adapters"})
_WEB_LAYERS = frozenset({"controllers", "controller", "services", "service", "repositories", "repository", "handlers"})
_MAIN_FILES = frozenset({"main.c", "main.cpp", "main.cc", "main.cxx", "Main.java", "App.java", "Main.kt"})
_BUILD_TOOLS = {"cmake": "CMake", "meson": "Meson", "make": "Make", "maven": "Maven", "gradle": "Gradle"}


def find_stack(manifests: Sequence[Manifest], managers: Sequence[str]) -> tuple[str, ...]:
    """Return the frameworks and tools that the manifests name: frameworks, tools, the build."""
    found: dict[str, None] = {}
    for frameworks in (frameworks_of(manifests), _frameworks(manifests, tools=True)):
        for framework in frameworks:
            if framework.role != "tool":
                found[framework.name] = None
    for frameworks in (frameworks_of(manifests), _frameworks(manifests, tools=True)):
        found.update((framework.name, None) for framework in frameworks)
    found.update((_BUILD_TOOLS[manager], None) for manager in managers if manager in _BUILD_TOOLS)
    return tuple(found)[:30]


def frameworks_of(manifests: Sequence[Manifest]) -> list[Framework]:
    """Return what the manifests need to run, sorted by name."""
    return _frameworks(manifests, tools=False)


def _frameworks(manifests: Sequence[Manifest], *, tools: bool) -> list[Framework]:
    found: dict[str, Framework] = {}
    for manifest in manifests:
        for name in manifest.tools if tools else manifest.dependencies:
            if framework := framework_of(manifest.ecosystem, name):
                found[framework.name] = framework
    return sorted(found.values(), key=lambda framework: framework.name.lower())


def find_type(manifests: Sequence[Manifest], packages: set[str], names: set[str]) -> ProjectType:
    """Return the kind of project; `names` are the names of its source files outside tests and examples."""
    if len(packages - {"."}) >= 2:
        return "monorepo"
    roles = {framework.role for framework in frameworks_of(manifests)}
    if "web" in roles:
        return "web-app"
    if "service" in roles:
        return "service"
    runs = any(manifest.runs for manifest in manifests)
    ecosystems = {manifest.ecosystem for manifest in manifests}
    starts = ("go" in ecosystems and "main.go" in names) or ("rust" in ecosystems and "main.rs" in names)
    if (runs and ecosystems & {"python", "javascript"}) or starts or "cli" in roles:
        return "cli"
    serves = any(manifest.serves_others for manifest in manifests) or ("rust" in ecosystems and "lib.rs" in names)
    main = bool(names & _MAIN_FILES)
    if "cpp" in ecosystems and runs and (main or not serves):  # a library builds programs too: its tests
        return "application"
    if "java" in ecosystems and (runs or main):
        return "application"
    if serves or ("go" in ecosystems and any(name.endswith(".go") for name in names)):
        return "library"
    return "unknown"


def find_architecture(
    folders: Mapping[str, Folder],
    packages: set[str],
    modules: Sequence[ModuleFacts],
    manifests: Sequence[Manifest],
) -> str:
    """Return a word and, in brackets, the folders that show it; `unknown` where nothing does."""
    members = sorted(packages - {"."})
    if len(members) >= 2:
        return f"monorepo ({_parents(members)})"
    for path, folder in sorted(folders.items(), key=lambda item: (item[0].count("/"), item[0])):
        if is_aside(path):
            continue
        names = {name.lower(): name for name in folder.folders}
        for word, known, least in (
            ("hexagonal", _HEXAGON, 2),
            ("layered", _LAYERS, 2),
            ("layered", _WEB_LAYERS, 2),
        ):
            shown = sorted(names[name] for name in names.keys() & known)
            if len(shown) >= least:
                return f"{word} ({_braces(path, shown)})"
        if {"models", "views", "controllers"} <= names.keys():
            return f"model-view-controller ({_braces(path, ['controllers', 'models', 'views'])})"
    inner = [module.path for module in modules if module.path != "."]
    if len(inner) >= 3:
        return f"modular ({_siblings(inner)})"
    if modules and any(manifest.defines for manifest in manifests):
        return "single package"
    return "unknown"


def _parents(members: Sequence[str]) -> str:
    parents: dict[str, list[str]] = {}
    for member in members:
        parents.setdefault(member.rpartition("/")[0], []).append(member)
    shown = [f"{parent}/*" if parent and len(paths) > 1 else ", ".join(paths[:4]) for parent, paths in parents.items()]
    return ", ".join(shown[:4]) + (", …" if len(shown) > 4 else "")


def _siblings(paths: Sequence[str]) -> str:
    parents: dict[str, list[str]] = {}
    for path in paths:
        above, _, name = path.rpartition("/")
        parents.setdefault(above, []).append(name)
    parent = max(parents, key=lambda each: (len(parents[each]), each))
    return _braces(parent or ".", parents[parent])


def _braces(path: str, names: Sequence[str]) -> str:
    shown = ",".join(names[:4]) + (",…" if len(names) > 4 else "")
    inside = f"{{{shown}}}" if len(names) > 1 else shown
    return inside if path == "." else f"{path}/{inside}"
