"""Manifests of packages: Python, JavaScript and TypeScript, Rust.

Each reader takes the file's text and returns its facts; ValueError or RecursionError says that it is broken.
Nothing is run: a `setup.py` is searched for literals.
"""

import re
from collections.abc import Iterable

from kioku.scan.manifest import Manifest, table, text, texts, value_at

_MAX_DOTS = 100  # in one line outside quotes: tomllib needs a minute for a key of 50,000 dotted parts
_QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


def _parse_toml(source: str) -> dict[str, object]:
    import tomllib

    for number, line in enumerate(source.split("\n"), 1):
        if len(line) > _MAX_DOTS and _QUOTED.sub("", line).count(".") > _MAX_DOTS:
            raise ValueError(f"line {number} has more than {_MAX_DOTS} dots")
    return tomllib.loads(source)


def _requirements(specs: Iterable[str]) -> tuple[str, ...]:
    found = (_REQUIREMENT.match(spec.strip()) for spec in specs)
    return tuple(match.group().rstrip(".-_").lower().replace("_", "-") for match in found if match)


def read_pyproject(source: str) -> Manifest:
    """Read `pyproject.toml`."""
    document = _parse_toml(source)
    project, tool = table(document.get("project")), table(document.get("tool"))
    poetry = table(tool.get("poetry"))
    extras = [spec for value in table(project.get("optional-dependencies")).values() for spec in texts(value)]
    extras += [spec for value in table(document.get("dependency-groups")).values() for spec in texts(value)]
    extras += [name for value in table(poetry.get("group")).values() for name in table(value_at(value, "dependencies"))]
    scripts = table(project.get("scripts")) or table(poetry.get("scripts"))
    targets = [target.partition(":")[0].strip() for target in scripts.values() if isinstance(target, str)]
    members = texts(value_at(tool, "uv", "workspace", "members"))
    members += tuple("!" + pattern for pattern in texts(value_at(tool, "uv", "workspace", "exclude")))
    backend = text(value_at(document, "build-system", "build-backend")) or ""
    managers = tuple(name for name in ("uv", "poetry", "pdm") if name in tool)
    return Manifest(
        ecosystem="python",
        name=text(project.get("name")) or text(poetry.get("name")),
        description=text(project.get("description")) or text(poetry.get("description")),
        dependencies=_requirements((*texts(project.get("dependencies")), *table(poetry.get("dependencies")))),
        tools=_requirements((*extras, *(name for name in ("pytest", "mypy", "ruff") if name in tool))),
        members=members,
        entries=tuple(f"{target.replace('.', '/')}{end}" for target in targets for end in (".py", "/__init__.py")),
        managers=managers or (("poetry",) if backend.startswith("poetry") else ()),
        runs=bool(scripts),
        serves_others=bool(backend) and bool(project.get("name") or poetry.get("name")),
        defines=bool(project or poetry),
    )


def read_setup_cfg(source: str) -> Manifest:
    """Read `setup.cfg`."""
    import configparser

    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(source)
    except configparser.Error as error:
        raise ValueError(str(error)) from error
    requires = parser.get("options", "install_requires", fallback="").splitlines()
    name = parser.get("metadata", "name", fallback=None)
    return Manifest(
        ecosystem="python",
        name=text(name),
        description=text(parser.get("metadata", "description", fallback=None)),
        dependencies=_requirements(filter(None, requires)),
        runs=parser.has_option("options.entry_points", "console_scripts"),
        serves_others=bool(name),
        defines=bool(name),
    )


def read_requirements_txt(source: str) -> Manifest:
    """Read `requirements.txt`."""
    lines = [line for line in source.splitlines()[:5000] if line.strip() and not line.lstrip().startswith(("#", "-"))]
    return Manifest(ecosystem="python", dependencies=_requirements(lines))


def read_pipfile(source: str) -> Manifest:
    """Read `Pipfile`."""
    document = _parse_toml(source)
    return Manifest(
        ecosystem="python",
        dependencies=_requirements(table(document.get("packages"))),
        tools=_requirements(table(document.get("dev-packages"))),
        managers=("pipenv",),
    )


def read_package_json(source: str) -> Manifest:
    """Read `package.json`."""
    import json

    document: object = json.loads(source)
    if not isinstance(document, dict):
        raise ValueError("it holds no object")
    workspaces = document.get("workspaces")
    binaries = document.get("bin")
    asked = (text(document.get("packageManager")) or "").partition("@")[0]
    entries = [text(document.get(key)) for key in ("source", "main", "module")]
    entries += [text(binaries), *(text(value) for value in table(binaries).values())]
    return Manifest(
        ecosystem="javascript",
        name=text(document.get("name")),
        description=text(document.get("description")),
        dependencies=tuple(table(document.get("dependencies"))),
        tools=(*table(document.get("devDependencies")), *table(document.get("peerDependencies"))),
        members=texts(workspaces) or texts(value_at(workspaces, "packages")),
        entries=tuple(entry.removeprefix("./") for entry in entries if entry),
        managers=(asked,) if asked in ("npm", "pnpm", "yarn", "bun") else (),
        runs=bool(binaries),
        serves_others=any(key in document for key in ("main", "module", "exports", "types")),
    )


def read_pnpm_workspace(source: str) -> Manifest:
    """Read the list under `packages:`; a YAML parser for three lines would cost more than it gives."""
    patterns: list[str] = []
    inside = False
    for line in source.splitlines()[:2000]:
        if match := re.match(r"\s*-\s+(['\"]?)([^'\"#]+?)\1\s*(?:#.*)?$", line[:500]):
            if inside:
                patterns.append(match[2])
        elif line.strip() and not line.lstrip().startswith("#"):
            inside = line.rstrip() == "packages:"
    return Manifest(ecosystem="javascript", members=tuple(patterns), managers=("pnpm",), defines=False)


def read_cargo(source: str) -> Manifest:
    """Read `Cargo.toml`."""
    document = _parse_toml(source)
    package, workspace = table(document.get("package")), table(document.get("workspace"))
    binaries = document.get("bin")
    paths = [text(value_at(item, "path")) for item in binaries] if isinstance(binaries, list) else []
    members = texts(workspace.get("members")) + tuple("!" + pattern for pattern in texts(workspace.get("exclude")))
    shared = table(workspace.get("dependencies")) if not package else {}
    return Manifest(
        ecosystem="rust",
        name=text(package.get("name")),
        description=text(package.get("description")),
        dependencies=(*table(document.get("dependencies")), *shared),
        tools=tuple(table(document.get("dev-dependencies"))),
        members=members,
        entries=tuple(path for path in paths if path),
        managers=("cargo",),
        runs=bool(binaries),
        serves_others="lib" in document,
        defines=bool(package),
    )


def read_setup_py(source: str) -> Manifest:
    """Search `setup.py` for the literals of the usual arguments."""
    name = re.search(r"\bname\s?=\s?(['\"])([\w.-]{1,100})\1", source)
    description = re.search(r"\bdescription\s?=\s?(['\"])([^'\"\n]{1,300})\1", source)
    _, _, requires = source.partition("install_requires")
    return Manifest(
        ecosystem="python",
        name=name[2] if name else None,
        description=description[2] if description else None,
        dependencies=_requirements(re.findall(r"['\"]([^'\"\n]{1,200})['\"]", requires[:5000].partition("]")[0])),
        runs="console_scripts" in source,
        serves_others=name is not None,
    )
