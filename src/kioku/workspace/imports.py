"""Which files of the project a source file imports, one level deep.

Invariant: what is returned exists, is a regular file inside the root and is reached without a link. The text
may be hostile: patterns are linear, and the number of names and of looks at the disk is bounded.
"""

import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator
from posixpath import dirname, normpath

from kioku.errors import KiokuError
from kioku.workspace.files import read_text

DEPENDENCIES_MAX = 50

_TEXT_MAX = 256 * 1024
_quiet = threading.Lock()
_NAMES_MAX = 400  # names in one file that are looked for
_LOOKS_MAX = 6000  # looks at the disk for one file

_SCRIPTS = (".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts", ".json", ".vue", ".svelte")
_WRITTEN_AS = {".js": (".ts", ".tsx"), ".jsx": (".tsx",), ".mjs": (".mts",), ".cjs": (".cts",)}
_JS = re.compile(r"""\b(?:from|import|require)\s{0,20}\(?\s{0,20}["']([^"'\n]{1,300})["']""")
_PY_IMPORT = re.compile(r"^[ \t]{0,80}import[ \t]{1,20}([\w., \t]{1,300})", re.MULTILINE)
_PY_FROM = re.compile(
    r"^[ \t]{0,80}from[ \t]{1,20}([\w.]{1,200})[ \t]{1,20}import[ \t(]{1,20}([^\n#]{1,300})", re.MULTILINE
)
_GO_BLOCK = re.compile(r"^import[ \t]{0,20}\(", re.MULTILINE)
_GO_ONE = re.compile(r"^import[ \t]{1,20}[^\s\"(]{0,60}[ \t]{0,20}\"([^\"\n]{1,300})\"", re.MULTILINE)
_GO_NAME = re.compile(r"\"([^\"\n]{1,300})\"")
_RUST_PUB = r"^[ \t]{0,80}(?:pub(?:\([^)\n]{0,60}\))?[ \t]{1,20})?"
_RUST_MOD = re.compile(_RUST_PUB + r"mod[ \t]{1,20}(\w{1,100})[ \t]{0,20};", re.MULTILINE)
_RUST_USE = re.compile(_RUST_PUB + r"use[ \t]{1,20}((?:crate|self|super)::[^;]{1,2000});", re.MULTILINE)


def dependencies(root: str, relative: str, text: str) -> list[str]:
    """Return the project's files that a Python, JavaScript, TypeScript, Go or Rust file imports, sorted."""
    extension = os.path.splitext(relative)[1].lower()
    finders = {".py": _python, ".pyi": _python, ".go": _go, ".rs": _rust}
    finder = finders.get(extension, _script if extension in _SCRIPTS and extension != ".json" else None)
    if finder is None:
        return []
    disk = _Disk(root)
    found: set[str] = set()
    for path in finder(disk, relative, text[:_TEXT_MAX]):
        if path != relative:
            found.add(path)
        if len(found) >= DEPENDENCIES_MAX:
            break
    return sorted(found)


class _Disk:
    """Look at a project's disk without following links, a bounded number of times."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.left = _LOOKS_MAX
        self.modes: dict[str, int] = {}

    def mode(self, path: str) -> int:
        """Return the mode of a path below folders that are no links, 0 for what is not there."""
        if path in self.modes:
            return self.modes[path]
        mode = 0
        if (
            self.left > 0
            and path != ".."
            and not path.startswith(("../", "/"))
            and (path in ("", ".") or "/" not in path or self.is_folder(dirname(path)))
        ):
            self.left -= 1
            try:
                mode = os.lstat(os.path.join(self.root, path)).st_mode if path not in ("", ".") else stat.S_IFDIR
            except (OSError, ValueError):
                mode = 0
        self.modes[path] = mode
        return mode

    def is_file(self, path: str) -> bool:
        return stat.S_ISREG(self.mode(path))

    def is_folder(self, path: str) -> bool:
        return stat.S_ISDIR(self.mode(path))

    def first(self, paths: Iterable[str]) -> list[str]:
        """Return the first of the paths that is a file, in a list, or an empty list."""
        return next(([path] for path in map(_normal, paths) if self.is_file(path)), [])

    def nearest(self, folder: str, name: str) -> str | None:
        """Return the nearest folder, going up, that holds a file of this name."""
        while True:
            if self.is_file(_join(folder, name)):
                return folder
            if not folder:
                return None
            folder = dirname(folder)

    def text(self, path: str) -> str:
        try:
            return read_text(self.root, path, max_bytes=64 * 1024).text
        except KiokuError:
            return ""


def _normal(path: str) -> str:
    plain = normpath(path)
    return "" if plain == "." else plain


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _python(disk: _Disk, relative: str, text: str) -> Iterator[str]:
    folder = dirname(relative)
    top = folder
    while top and disk.is_file(_join(top, "__init__.py")):
        top = dirname(top)
    bases = list(dict.fromkeys([top, folder, "", "src"]))

    def module(base: str, dotted: str) -> list[str]:
        path = _join(base, dotted.replace(".", "/"))
        return disk.first([f"{path}.py", f"{path}/__init__.py", f"{path}.pyi"] if dotted else [f"{path}/__init__.py"])

    for level, dotted, names in _python_imports(text)[:_NAMES_MAX]:
        if level:
            base = folder
            for _ in range(min(level, 50) - 1):
                base = dirname(base)
            places = [base]
        else:
            places = bases
        for base in places:
            inner = [path for name in names for path in module(base, f"{dotted}.{name}".strip("."))]
            own = module(base, dotted)
            # `from a import b` loads a/__init__.py too, but it is of interest only where b is not a module.
            yield from inner if inner and len(inner) == len(names) else [*own, *inner]
            if own or inner:
                break


def _python_imports(text: str) -> list[tuple[int, str, list[str]]]:
    """Return (level, module, names) of each import."""
    import ast
    import warnings

    try:
        with _quiet, warnings.catch_warnings():  # it changes the whole process, so one at a time
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return list(_python_lines(text))
    found: list[tuple[int, str, list[str]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", [alias.name for alias in node.names if alias.name != "*"]))
    return found


def _python_lines(text: str) -> Iterator[tuple[int, str, list[str]]]:
    for match in _PY_IMPORT.finditer(text):
        for part in match[1].split(","):
            if words := part.split():
                yield 0, words[0].strip("."), []
    for match in _PY_FROM.finditer(text):
        dotted = match[1].lstrip(".")
        names = [part.split()[0] for part in match[2].strip("() \t").split(",") if part.split()]
        yield len(match[1]) - len(dotted), dotted, [name for name in names if name.isidentifier()]


def _script(disk: _Disk, relative: str, text: str) -> Iterator[str]:
    folder = dirname(relative)
    aliases: list[tuple[str, str, str]] | None = None
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("//", "*")))
    for count, match in enumerate(_JS.finditer(lines)):
        if count >= _NAMES_MAX:
            return
        name = match[1].split("?")[0]
        if name.startswith(("./", "../")) or name in (".", ".."):
            yield from disk.first(_script_paths(_join(folder, name)))
            continue
        if name.startswith("/"):
            continue
        if aliases is None:
            aliases = _aliases(disk, folder)
        for start, end, target in aliases:
            if name.startswith(start) and name.endswith(end) and len(name) >= len(start) + len(end):
                inner = name[len(start) : len(name) - len(end)]
                hit = disk.first(_script_paths(target.replace("*", inner, 1)))
                if hit:
                    yield from hit
                    break


def _script_paths(path: str) -> Iterator[str]:
    stem, extension = os.path.splitext(path)
    yield path
    for other in _WRITTEN_AS.get(extension, ()):
        yield stem + other
    for extension in _SCRIPTS:
        yield path + extension
    for extension in _SCRIPTS:
        yield f"{path}/index{extension}"


def _aliases(disk: _Disk, folder: str) -> list[tuple[str, str, str]]:
    """Return (start, end, target) of each alias in the nearest tsconfig; `*` in a target is the rest."""
    import msgspec

    for name in ("tsconfig.json", "jsconfig.json"):
        where = disk.nearest(folder, name)
        if where is None:
            continue
        try:
            settings = msgspec.json.decode(_without_comments(disk.text(_join(where, name))))
        except (msgspec.DecodeError, RecursionError):
            continue
        options = settings.get("compilerOptions") if isinstance(settings, dict) else None
        if not isinstance(options, dict):
            continue
        base = options.get("baseUrl")
        origin = _join(where, base) if isinstance(base, str) else where
        paths = options.get("paths")
        found = []
        for pattern, targets in list(paths.items())[:100] if isinstance(paths, dict) else ():
            start, star, end = pattern.partition("*")
            usable = [target for target in targets[:5] if isinstance(target, str)] if isinstance(targets, list) else []
            found += [(start, end, _join(origin, target)) for target in usable if star or "*" not in target]
        if isinstance(base, str):
            found.append(("", "", _join(origin, "*")))
        return found
    return []


def _without_comments(text: str) -> str:
    """Return JSON without the comments and trailing commas that tsconfig.json may have."""
    out: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character == '"':
            end = at + 1
            while end < len(text) and text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            out.append(text[at : end + 1])
            at = end + 1
        elif text.startswith("//", at):
            found = text.find("\n", at)
            at = len(text) if found < 0 else found
        elif text.startswith("/*", at):
            found = text.find("*/", at + 2)
            at = len(text) if found < 0 else found + 2
        else:
            if character in "]}" and out and out[-1] == ",":
                out.pop()
            if not character.isspace():
                out.append(character)
            at += 1
    return "".join(out)


def _go(disk: _Disk, relative: str, text: str) -> Iterator[str]:
    where = disk.nearest(dirname(relative), "go.mod")
    if where is None:
        return
    lines = (line.split() for line in disk.text(_join(where, "go.mod")).splitlines())
    module = next((words[1].strip('"') for words in lines if len(words) > 1 and words[0] == "module"), None)
    if module is None:
        return
    names = [match[1] for match in _GO_ONE.finditer(text)]
    at = 0
    while block := _GO_BLOCK.search(text, at):
        at = text.find(")", block.end())
        if at < 0:
            break
        for line in text[block.end() : at].splitlines():
            found = None if line.lstrip().startswith("//") else _GO_NAME.search(line)
            names += [found[1]] if found else []
    for name in names[:_NAMES_MAX]:
        if name == module or name.startswith(f"{module}/"):
            folder = _normal(_join(where, name[len(module) + 1 :]))
            if disk.is_folder(folder):
                yield from _go_files(disk, folder)


def _go_files(disk: _Disk, folder: str) -> Iterator[str]:
    from itertools import islice

    try:
        with os.scandir(os.path.join(disk.root, folder)) as entries:
            names = sorted(entry.name for entry in islice(entries, 1000))
    except OSError:
        return
    for name in names:
        if name.endswith(".go") and not name.endswith("_test.go") and disk.is_file(_join(folder, name)):
            yield _join(folder, name)


def _rust(disk: _Disk, relative: str, text: str) -> Iterator[str]:
    folder, stem = dirname(relative), os.path.basename(relative).removesuffix(".rs")
    inner = folder if stem in ("mod", "lib", "main") else _join(folder, stem)
    for match in list(_RUST_MOD.finditer(text))[:_NAMES_MAX]:
        yield from disk.first([_join(inner, f"{match[1]}.rs"), _join(inner, match[1], "mod.rs")])
    package = disk.nearest(folder, "Cargo.toml")
    looked = 0
    for match in _RUST_USE.finditer(text):
        for names in _rust_paths(match[1]):
            looked += 1
            if looked > _NAMES_MAX:
                return
            base: str | None = inner
            if names[0] == "crate":
                base = None if package is None else _join(package, "src")
            rest = names[1:]
            if names[0] == "super":
                base = dirname(inner)
                while rest[:1] == ["super"]:
                    base, rest = dirname(base), rest[1:]
            if base is not None:
                yield from _rust_module(disk, base, rest)


def _rust_module(disk: _Disk, base: str, names: list[str]) -> list[str]:
    """Return the file of the longest part of a path that is a module: the rest are names in it."""
    for length in range(min(len(names), 12), 0, -1):
        path = _join(base, *names[:length])
        hit = disk.first([f"{path}.rs", f"{path}/mod.rs"])
        if hit:
            return hit
    return []


def _rust_paths(tree: str) -> Iterator[list[str]]:
    """Yield each path of a use tree: `a::{b, c::d as e}` is a::b and a::c::d."""
    stack: list[list[str]] = []
    prefix: list[str] = []
    path: list[str] = []
    for part in re.findall(r"\w{1,100}|[{},]", re.sub(r"\bas[ \t]{1,20}\w{1,100}", "", tree)):
        if part == "{":
            stack.append(prefix)
            prefix, path = [*prefix, *path][:20], []
        elif part in ",}":
            if path:
                yield [*prefix, *path]
            path = []
            if part == "}" and stack:
                prefix = stack.pop()
        else:
            path.append(part)
    if path:
        yield [*prefix, *path]
