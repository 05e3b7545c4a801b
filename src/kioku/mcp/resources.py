"""The resources: what Kioku knows, under addresses that a client can show, read and subscribe to.

The overview leaves out the modules that are archived. That one was asked for by name is recorded as every reading is,
and brings it back.
"""

import os
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from kioku import times
from kioku.errors import KiokuError, UsageError
from kioku.knowledge import context
from kioku.knowledge.project_yaml import ModuleEntry, ProjectFile, load
from kioku.knowledge.sayings import LISTS, Saying
from kioku.mcp import messages
from kioku.mcp.messages import ProtocolError, Resource, ResourceText
from kioku.mcp.render import clean, session_lines, session_text
from kioku.mcp.tools import Workbench, resumed
from kioku.reports import sessions as reports
from kioku.reports.listing import Wanted, listing
from kioku.words import counted

CURRENT = "context://session/current"
RESUME = "context://session/resume"

RESOURCES = [
    Resource(
        "overview",
        "The project: kind, stack, architecture, modules",
        "text/markdown",
        "context://project/overview",
    ),
    Resource("current session", "The session that is being recorded now", "text/plain", CURRENT),
    Resource("resume", "What is needed to go on with the last session", "text/plain", RESUME),
    Resource("session history", "The latest sessions", "text/plain", "context://sessions/history"),
    Resource("module", "One module of the project", "text/markdown", uri_template="context://module/{name}"),
    Resource("session", "One session, with its files", "text/plain", uri_template="context://session/{id}"),
]


def read(bench: Workbench, uri: str) -> ResourceText:
    """Return what a resource holds now. Raises ProtocolError for an address that there is not."""
    now = times.now_ms()
    kind, _, name = uri.removeprefix("context://").partition("/")
    name = unquote(name)
    if uri == "context://project/overview":
        return ResourceText(uri, _overview(_project_file(bench), bench, now))
    if kind == "module" and name:
        return ResourceText(uri, _module(uri, name, _project_file(bench), bench))
    if uri == "context://sessions/history":
        found = bench.recorder.store().read(lambda db: listing(db, Wanted(), now=now, judge=bench.judge))
        return ResourceText(uri, session_lines(found, now), "text/plain")
    if uri == RESUME:
        return ResourceText(uri, resumed(bench, None, now).text, "text/plain")
    if kind == "session" and name:
        session_id = bench.recorder.session_id() if uri == CURRENT else name
        if session_id is None:
            return ResourceText(uri, "no session yet", "text/plain")
        store = bench.recorder.store()
        try:
            session = store.read(lambda db: reports.find(db, session_id, now=now, judge=bench.judge))
        except UsageError as error:
            raise _missing(uri, str(error)) from error
        files = store.read(lambda db: reports.files(db, session.id))
        return ResourceText(uri, session_text(session, files, now), "text/plain")
    raise _missing(uri, "there is no such resource")


def _missing(uri: str, why: str) -> ProtocolError:
    return ProtocolError(messages.RESOURCE_NOT_FOUND, f"{uri[:500]}: {why}", {"uri": uri[:500]})


def _project_file(bench: Workbench) -> ProjectFile | None:
    """Return the typed content of project.yaml, or None where there is none yet."""
    path = os.path.join(bench.recorder.project.context_dir, "project.yaml")
    return load(path) if os.path.lexists(path) else None


def _archived(bench: Workbench, file: ProjectFile, now: int) -> tuple[set[str], set[str]]:
    """Return the modules and the discoveries that are left out of the overview; none where the store cannot tell."""
    try:
        known = context.look(file, bench.recorder.store(), budget=bench.token_budget, now=now)
    except KiokuError:
        return set(), set()
    return known.archived_modules, known.archived_discoveries


def _overview(file: ProjectFile | None, bench: Workbench, now: int) -> str:
    if file is None:
        return f"# {clean(bench.recorder.project.name)}\n\nNot scanned yet: the person can run `kioku init`."
    lines = [f"# {clean(file.name or bench.recorder.project.name)}", ""]
    facts = {
        "kind": file.type,
        "stack": ", ".join(file.stack),
        "package manager": ", ".join(file.package_manager),
        "architecture": file.architecture,
    }
    lines += [f"- {name}: {clean(str(value))}" for name, value in facts.items() if value]
    (archived, quiet), source = _archived(bench, file, now), _source(bench)
    for title in LISTS:
        lines += _section(title, [one for one in _list(file, title) if one.id not in quiet], source)
    modules = {name: module for name, module in file.modules.items() if name not in archived}
    if file.modules:
        lines += ["", "## Modules", ""]
        for name, module in modules.items():
            lines.append(
                f"- {clean(name)} ({clean(module.path or '.')}): {clean(module.description or '')}".rstrip(": ")
            )
            lines += [
                f"  - {title.removesuffix('s')}: {_said(one, source)}"
                for title in LISTS
                for one in _list(module, title)
                if one.id not in quiet
            ]
    if hidden := len(file.modules) - len(modules):
        lines += ["", f"({counted(hidden, 'module')} not used lately left out; context://module/NAME brings one back)"]
    return "\n".join(lines)


def _source(bench: Workbench) -> Callable[[Saying], str]:
    """Return the function that says where an entry comes from; the file, where the store cannot tell more."""
    from kioku.knowledge import enriching
    from kioku.store import discoveries

    try:
        store = bench.recorder.store()
        known, own = enriching.accepted(store.read(discoveries.every)), store.is_registered
    except KiokuError:
        known, own = {}, False
    return lambda saying: enriching.source(saying, known, own=own)


def _list(module: ModuleEntry | ProjectFile, title: str) -> tuple[Saying, ...]:
    found: tuple[Saying, ...] = getattr(module, title)
    return found


def _said(one: Saying, source: Callable[[Saying], str]) -> str:
    solved = f"; solved: {clean(one.solution)}" if one.solution else ""
    return f"{clean(one.text)}{solved} ({clean(source(one))})"


def _section(title: str, items: Sequence[Saying], source: Callable[[Saying], str]) -> list[str]:
    if not items:
        return []
    return ["", f"## {title.capitalize()}", "", *(f"- {_said(one, source)}" for one in items)]


def _module(uri: str, name: str, file: ProjectFile | None, bench: Workbench) -> str:
    module = None if file is None else file.modules.get(name)
    if module is None:
        names = [] if file is None else sorted(file.modules)
        known = f"there are: {', '.join(clean(n) for n in names[:50])}" if names else "the person can run `kioku init`"
        raise _missing(uri, f"there is no module '{name}'; {known}")
    lines = [f"# {clean(name)}", "", f"path: {clean(module.path or '.')}"]
    if module.description:
        lines.append(clean(module.description))
    if module.key_files:
        lines += ["", "## Key files", "", *(f"- {clean(item)}" for item in module.key_files)]
    source = _source(bench)
    for title in LISTS:
        lines += _section(title, _list(module, title), source)
    return "\n".join(lines)
