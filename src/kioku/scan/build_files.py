"""Manifests of builds: Go, Maven, Gradle, CMake, Meson, Make, Conan, vcpkg.

Most of these are programs in a language of their own. We do not run them: fixed patterns find the literal
names, and what is computed stays unknown. Each pattern has bounded repeats, so a hostile file costs no more
than a long one.
"""

import re

from kioku.scan.manifest import Manifest, table, text

_GO_REQUIRE = re.compile(
    r"^\s{0,8}(?:require\s{1,8})?([a-z0-9.-]{1,100}\.[a-z]{1,20}/[^\s()]{1,200})\s{1,8}v\S", re.MULTILINE
)
_GRADLE_COORDINATE = re.compile(r"['\"]([\w.-]{1,100}:[\w.-]{1,100})(?::[^'\"\n]{0,100})?['\"]")
_GRADLE_PLUGIN = re.compile(r"\bid\s{0,4}\(?\s{0,4}['\"]([\w.-]{1,100})['\"]")
_GRADLE_INCLUDE = re.compile(
    r"^\s{0,20}include\s{0,4}\(?((?:\s{0,40}['\"][^'\"\n]{1,200}['\"]\s{0,8},?){1,200})", re.MULTILINE
)
_CMAKE_CALL = re.compile(r"^[ \t]{0,40}([A-Za-z_]{1,40})[ \t]{0,8}\(\s{0,40}([^\s()#]{1,200})", re.MULTILINE)
_MESON_CALL = re.compile(
    r"\b(project|dependency|subdir|executable|library|shared_library|static_library)\s{0,4}\(\s{0,40}'([^'\n]{1,200})'"
)


def read_go_mod(source: str) -> Manifest:
    """Read `go.mod`; a module is imported or run depending on its packages, which the file does not tell."""
    name = re.search(r"^module\s{1,8}\"?([^\s\"]{1,200})", source, re.MULTILINE)
    direct = "\n".join(line for line in source.splitlines() if "// indirect" not in line)
    return Manifest(
        ecosystem="go",
        name=name[1] if name else None,
        dependencies=tuple(_GO_REQUIRE.findall(direct)),
        managers=("go",),
    )


def read_go_work(source: str) -> Manifest:
    """Read the `use` lines of `go.work`."""
    members: list[str] = []
    inside = False
    for line in source.splitlines()[:5000]:
        words = line.partition("//")[0].split()
        if words[:2] == ["use", "("]:
            inside = True
        elif words == [")"]:
            inside = False
        elif words and (inside or words[0] == "use"):
            members.append(words[-1].strip('"'))
    return Manifest(ecosystem="go", members=tuple(members), managers=("go",), defines=False)


def read_pom(source: str) -> Manifest:
    """Read `pom.xml`; ValueError when it declares a document type, since that is where entities come from."""
    import xml.etree.ElementTree as ElementTree

    if "<!DOCTYPE" in source or "<!ENTITY" in source:
        raise ValueError("it declares a document type")
    if source.startswith("<?xml") and "utf-8" not in source[:200].lower() and "encoding" in source[:200]:
        raise ValueError("it declares another encoding than UTF-8")
    project = ElementTree.fromstring(source)  # noqa: S314 -- see above
    space = project.tag.partition("}")[0] + "}" if project.tag.startswith("{") else ""
    named = {child.tag.removeprefix(space): child for child in project}

    def word(key: str) -> str | None:
        return text(named[key].text) if key in named else None

    def coordinates(of: ElementTree.Element) -> str:
        return ":".join((of.findtext(f"{space}{key}") or "").strip() for key in ("groupId", "artifactId"))

    path = f"{space}dependency"
    found = [coordinates(item) for item in named.get("dependencies", ElementTree.Element("none")).findall(path)]
    if "parent" in named:
        found.append(coordinates(named["parent"]))
    members = named.get("modules", ElementTree.Element("none")).findall(f"{space}module")
    return Manifest(
        ecosystem="java",
        name=word("artifactId"),
        description=word("description"),
        dependencies=tuple(found),
        members=tuple(member.text.strip() for member in members if member.text),
        managers=("maven",),
        serves_others=(word("packaging") or "jar") == "jar",
    )


def read_gradle(source: str) -> Manifest:
    """Find the plugins and coordinates that a Gradle build names in literals."""
    plugins = _GRADLE_PLUGIN.findall(source)
    return Manifest(
        ecosystem="java",
        dependencies=(*plugins, *_GRADLE_COORDINATE.findall(source)),
        managers=("gradle",),
        runs="application" in plugins or re.search(r"^\s{0,20}application\s{0,8}$", source, re.MULTILINE) is not None,
        serves_others="java-library" in source,
    )


def read_gradle_settings(source: str) -> Manifest:
    """Read `rootProject.name` and the `include` lines of `settings.gradle`."""
    name = re.search(r"rootProject\.name\s{0,4}=\s{0,4}['\"]([^'\"\n]{1,100})['\"]", source)
    lists = _GRADLE_INCLUDE.findall(source)
    paths = [path for found in lists for path in re.findall(r"['\"]([^'\"\n]{1,200})['\"]", found)]
    return Manifest(
        ecosystem="java",
        name=name[1] if name else None,
        members=tuple(path.lstrip(":").replace(":", "/") for path in paths),
        managers=("gradle",),
        defines=False,
    )


def read_cmake(source: str) -> Manifest:
    """Find project, targets, packages and subfolders in a `CMakeLists.txt`."""
    calls: dict[str, list[str]] = {}
    for command, argument in _CMAKE_CALL.findall(source):
        calls.setdefault(command.lower(), []).append(argument.strip('"'))
    return Manifest(
        ecosystem="cpp",
        name=next((name for name in calls.get("project", []) if "$" not in name), None),
        description=_cmake_description(source),
        dependencies=tuple(name.lower() for name in calls.get("find_package", [])),
        members=tuple(calls.get("add_subdirectory", [])),
        managers=("cmake",),
        runs="add_executable" in calls,
        serves_others="add_library" in calls,
        defines="project" in calls or "add_library" in calls or "add_executable" in calls,
    )


def _cmake_description(source: str) -> str | None:
    found = re.search(r"\bproject\s{0,4}\([^)]{0,300}?DESCRIPTION\s{1,8}\"([^\"\n]{1,300})\"", source, re.IGNORECASE)
    return found[1] if found else None


def read_meson(source: str) -> Manifest:
    """Find project, targets, dependencies and subfolders in a `meson.build`."""
    calls: dict[str, list[str]] = {}
    for command, argument in _MESON_CALL.findall(source):
        calls.setdefault(command, []).append(argument)
    return Manifest(
        ecosystem="cpp",
        name=calls.get("project", [None])[0],
        dependencies=tuple(name.lower() for name in calls.get("dependency", [])),
        members=tuple(calls.get("subdir", [])),
        managers=("meson",),
        runs="executable" in calls,
        serves_others=any(key.endswith("library") for key in calls),
        defines=bool(calls.keys() - {"subdir", "dependency"}),
    )


def read_makefile(source: str) -> Manifest:
    """Tell what a `Makefile` builds, if it compiles C or C++; in other projects it only gathers commands."""
    compiles = (
        re.search(r"\$[({](?:CC|CXX)[)}]|^C(?:XX)?FLAGS\b|^\s(?:gcc|g\+\+|clang)", source, re.MULTILINE) is not None
    )
    return Manifest(
        ecosystem="cpp" if compiles else "make",
        managers=("make",) if compiles else (),
        runs=compiles and re.search(r"-o\s{1,4}\$@", source) is not None,
        serves_others=compiles and re.search(r"\.(?:a|so)\b", source) is not None,
        defines=compiles,
    )


def read_conanfile(source: str) -> Manifest:
    """Find the `name/version` literals of a Conan file."""
    found = re.findall(r"(?:^|['\"(])([a-z0-9_.+-]{2,100})/[\w.\[\]<>=~ -]{1,60}", source, re.MULTILINE)
    return Manifest(ecosystem="cpp", dependencies=tuple(found), managers=("conan",), defines=False)


def read_vcpkg(source: str) -> Manifest:
    """Read `vcpkg.json`."""
    import json

    document: object = json.loads(source)
    listed = table(document).get("dependencies")
    items = listed if isinstance(listed, list) else []
    names = [text(item) or text(table(item).get("name")) for item in items]
    return Manifest(
        ecosystem="cpp",
        name=text(table(document).get("name")),
        description=text(table(document).get("description")),
        dependencies=tuple(name.lower() for name in names if name),
        managers=("vcpkg",),
        defines=False,
    )
