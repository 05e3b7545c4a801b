"""`.context/project.yaml`: what Kioku knows about a project, written by the scan and by people.

The file is a person's first. The invariant: what a person wrote in it stays, byte by byte; a file that cannot
be understood is never overwritten; the file is replaced at once or not at all, and never through a link. What
the scan wrote is remembered beside it, in `scan.json` (see `rescan` for the rule).
"""

import contextlib
import os
from collections.abc import Mapping

import msgspec

from kioku.errors import KiokuError, ProjectError
from kioku.knowledge import enriched, rescan, sayings, yaml_file
from kioku.knowledge.sayings import Saying
from kioku.knowledge.yaml_file import BOM, MAX_BYTES
from kioku.knowledge.yaml_text import Document, Value
from kioku.knowledge.yaml_tree import Plain, YamlError, parse, plain
from kioku.redaction import redact
from kioku.scan.facts import ModuleFacts, ProjectFacts
from kioku.workspace import swapping
from kioku.workspace.plain_files import new_file, read_plain, replace_plain, require_plain_folder
from kioku.workspace.untrusted_text import one_line, printable_lines

SIDECAR = "scan.json"
_HEAD = (
    "# What Kioku knows about this project. `kioku init` brings up to date what it wrote itself;\n"
    "# what you change, add, delete or comment here stays as you leave it.\n"
)


class ModuleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A module as the file describes it; a list that is not there is empty."""

    path: str | None = None
    description: str | None = None
    key_files: tuple[str, ...] = ()
    patterns: tuple[Saying, ...] = ()
    rules: tuple[Saying, ...] = ()
    decisions: tuple[Saying, ...] = ()
    issues: tuple[Saying, ...] = ()


class ProjectFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says; what is not there is None or empty. The text is the repository's: untrusted.

    The lists of entries are those of the whole project; each module has its own.
    """

    name: str | None = None
    type: str | None = None
    languages: tuple[str, ...] = ()
    stack: tuple[str, ...] = ()
    package_manager: tuple[str, ...] = ()
    architecture: str | None = None
    patterns: tuple[Saying, ...] = ()
    rules: tuple[Saying, ...] = ()
    decisions: tuple[Saying, ...] = ()
    issues: tuple[Saying, ...] = ()
    modules: dict[str, ModuleEntry] = msgspec.field(default_factory=dict)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What `update` did, or would do: `diff` is unified, `backup` the path of the copy that it made."""

    created: bool
    changed: bool
    diff: str
    backup: str | None


class _Sidecar(msgspec.Struct, kw_only=True):
    """What the scan wrote last; `before` is there only while the file itself is being written."""

    version: int = 1
    values: dict[str, object] = msgspec.field(default_factory=dict)
    before: dict[str, object] | None = None


def load(path: str) -> ProjectFile:
    """Return what the file says, without keys that Kioku does not know.

    Raises ProjectError that names the file, the reason and what to do, also where there is no file.
    """
    data = yaml_file.read(path)
    if data is None:
        raise ProjectError(f"{path} is not there", hint="Run `kioku init` to make it")
    try:
        node = parse(yaml_file.decode(path, data).removeprefix(BOM))
        values = plain(node)
    except YamlError as error:
        raise yaml_file.broken(path, str(error)) from error
    if not isinstance(values, dict):
        raise yaml_file.broken(path, "it holds no keys with values at the top")
    modules = values.get("modules")
    return ProjectFile(
        name=_text(values.get("name")),
        type=_text(values.get("type")),
        languages=_texts(values.get("languages")),
        stack=_texts(values.get("stack")),
        package_manager=_texts(values.get("package_manager")),
        architecture=_text(values.get("architecture")),
        patterns=sayings.read(values, "patterns"),
        rules=sayings.read(values, "rules"),
        decisions=sayings.read(values, "decisions"),
        issues=sayings.read(values, "issues"),
        modules={
            one_line(name): _module(value) for name, value in (modules if isinstance(modules, dict) else {}).items()
        },
    )


def update(path: str, facts: ProjectFacts, *, dry_run: bool = False) -> Change:
    """Bring the file up to date with a scan, keeping a person's edits; with `dry_run` only tell.

    Raises ProjectError when the file is broken, is no file of its own, or cannot be written; it is left as it
    was.
    """
    new = _values(facts)
    data = yaml_file.read(path)
    text = "" if data is None else yaml_file.decode(path, data)
    bom = BOM if text.startswith(BOM) else ""
    folder = os.path.dirname(path)
    sidecar = None if data is None else _read_sidecar(os.path.join(folder, SIDECAR))
    try:
        document = Document(_HEAD if data is None else text.removeprefix(bom))
        base = _base(document, sidecar, new, fresh=data is None)
        written = rescan.merge(document, base, new)
        changed_text = bom + document.apply()
    except YamlError as error:
        raise yaml_file.broken(path, str(error)) from error
    encoded = changed_text.encode("utf-8")
    changed = encoded != (data or b"")
    change = Change(created=data is None, changed=changed, diff=yaml_file.diff(path, text, changed_text), backup=None)
    if dry_run:
        return change
    with yaml_file.reporting(path):
        if data is None:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            require_plain_folder(folder)
            enriched.discard(folder)
        remembered = None if sidecar is None or sidecar.before is not None else sidecar.values
        if changed:
            backup = None if data is None else path + ".bak"
            _remember(folder, written, before=base)
            if not _put(path, encoded, data, backup):
                raise ProjectError(f"{path} was changed while Kioku read it", hint="Run the command again")
            change = msgspec.structs.replace(change, backup=backup)
            remembered = None
        if remembered != written:
            _remember(folder, written)
    return change


def _put(path: str, encoded: bytes, data: bytes | None, backup: str | None) -> bool:
    """Write the file, in the place of what was read; return False where it is something else by now."""
    if data is not None:
        swapping.settle(path, path + ".bak")
        return swapping.replace_known(path, encoded, data, backup=backup)
    with contextlib.suppress(FileExistsError), new_file(path, replace=False) as file:
        file.write(encoded)
        return True
    return False


def _values(facts: ProjectFacts) -> dict[str, Value]:
    """Return what the scan says, in the file's own words and order; what is not known is left out."""
    managers = list(facts.package_managers)
    values: dict[str, Value] = {
        "name": str(redact(facts.name)),
        "type": facts.type,
        "languages": [language.name for language in facts.languages],
        "stack": list(facts.stack),
        "package_manager": managers[0] if len(managers) == 1 else managers,
        "architecture": facts.architecture,
        "modules": {module.name: _module_values(module) for module in facts.modules},
    }
    return {key: value for key, value in values.items() if value}


def _module_values(module: ModuleFacts) -> dict[str, Value]:
    values: dict[str, Value] = {
        "path": module.path,
        "description": str(redact(module.description or "")),
        "key_files": list(module.key_files),
    }
    return {key: value for key, value in values.items() if value}


def _base(document: Document, sidecar: _Sidecar | None, new: Mapping[str, Value], *, fresh: bool) -> dict[str, Value]:
    if fresh:
        return {}
    if sidecar is None:
        return rescan.adopt(document.root, new)
    values = _as_values(sidecar.values)
    return values if sidecar.before is None else rescan.settle(document.root, values, _as_values(sidecar.before))


def _as_values(found: Mapping[str, object], depth: int = 0) -> dict[str, Value]:
    """Return what has the right type in a remembered table: text, lists of text, tables three deep."""
    values: dict[str, Value] = {}
    for key, value in found.items():
        if isinstance(value, str):
            values[key] = value
        elif isinstance(value, list):
            values[key] = [item for item in value if isinstance(item, str)]
        elif isinstance(value, dict) and depth < 2:
            values[key] = _as_values(value, depth + 1)
    return values


def _read_sidecar(path: str) -> _Sidecar | None:
    """Return what the scan remembers; None when that is lost."""
    try:
        sidecar = msgspec.json.decode(read_plain(path, MAX_BYTES), type=_Sidecar)
    except (OSError, KiokuError, msgspec.MsgspecError, RecursionError, ValueError):
        return None
    return sidecar if sidecar.version == 1 else None


def _remember(folder: str, values: Mapping[str, Value], before: Mapping[str, Value] | None = None) -> None:
    content = {"version": 1, "values": values} | ({} if before is None else {"before": before})
    replace_plain(os.path.join(folder, SIDECAR), msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def _text(value: Plain) -> str | None:
    return printable_lines(value).strip() or None if isinstance(value, str) else None


def _texts(value: Plain) -> tuple[str, ...]:
    """Return a list's texts; a single text counts as a list of one."""
    found = [_text(item) for item in (value if isinstance(value, list) else [value])]
    return tuple(text for text in found if text)


def _module(value: Plain) -> ModuleEntry:
    values = value if isinstance(value, dict) else {}
    return ModuleEntry(
        path=_text(values.get("path")),
        description=_text(values.get("description")),
        key_files=_texts(values.get("key_files")),
        patterns=sayings.read(values, "patterns"),
        rules=sayings.read(values, "rules"),
        decisions=sayings.read(values, "decisions"),
        issues=sayings.read(values, "issues"),
    )
