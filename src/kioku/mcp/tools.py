"""The tools: what an assistant may ask for, each a typed row of `TOOLS`.

Schemas come from the argument types; the whole list stays under 6 kB, since it costs every conversation its length.
Each function returns an Outcome: what to answer, and what the recorder needs to know of it.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kioku import times
from kioku.days import Calendar
from kioku.embedding.helper import Helper
from kioku.errors import KiokuError
from kioku.mcp import searching
from kioku.mcp.dispatch import Call
from kioku.mcp.messages import Tool, ToolResult
from kioku.mcp.render import session_lines, session_text
from kioku.models import FILE_READ, TOOL_CALL
from kioku.redaction import Redacted
from kioku.reports import sessions as reports
from kioku.reports.listing import Wanted, listing, stretch
from kioku.sessions import lease
from kioku.sessions.recorder import Recorder
from kioku.words import counted

if TYPE_CHECKING:
    from kioku.knowledge.resume import Resume

PathArgument = Annotated[str, Meta(description="relative to the project, with /")]


class ReadFile(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of read_file."""

    path: PathArgument
    first_line: Annotated[int, Meta(ge=1)] = 1
    max_lines: Annotated[int, Meta(ge=1)] | None = None
    include_deps: Annotated[bool, Meta(description="also the project files it imports")] = False


class GrepCodebase(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of grep_codebase."""

    pattern: Annotated[str, Meta(description="regular expression (Rust syntax)")]
    path: PathArgument | None = None
    glob: Annotated[str, Meta(description="such as *.py")] | None = None
    ignore_case: bool = False
    fixed: Annotated[bool, Meta(description="the pattern is plain text")] = False
    context_lines: Annotated[int, Meta(ge=0, le=20)] = 0
    max_matches: Annotated[int, Meta(ge=1, le=2000)] = 200


class GitLog(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of git_log."""

    path: PathArgument | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 20
    since: Annotated[str, Meta(description="such as 2026-01-31 or '2 weeks ago'")] | None = None
    author: str | None = None
    grep: Annotated[str, Meta(description="in the message")] | None = None


class GitBlame(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of git_blame."""

    path: PathArgument
    first_line: Annotated[int, Meta(ge=1)] | None = None
    last_line: Annotated[int, Meta(ge=1)] | None = None


class GitDiff(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of git_diff."""

    ref: Annotated[str, Meta(description="compare with this commit instead of the index")] | None = None
    ref2: Annotated[str, Meta(description="compare ref with this commit")] | None = None
    path: PathArgument | None = None
    staged: bool = False
    stat_only: bool = False


class Sessions(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of sessions."""

    action: Literal["current", "list", "show", "totals", "resume"] = "current"
    range: Annotated[
        str, Meta(description="for totals: today, week, last month, all, 2026-03, 2026-03-01..2026-03-14")
    ] = "week"
    id: Annotated[str, Meta(description="for show, resume; the beginning is enough; or current")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    since: Annotated[str, Meta(description="for list: begun since this day or month")] | None = None
    until: Annotated[str, Meta(description="begun until")] | None = None
    client: str | None = None
    branch: str | None = None
    file: Annotated[str, Meta(description="touched: part of a path, or glob")] | None = None
    text: Annotated[str, Meta(description="in title, topics, what was said")] | None = None
    status: Literal["any", "active", "completed", "archived"] = "any"
    longer_than: Annotated[int, Meta(ge=0, description="active minutes")] | None = None


class Remember(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of remember."""

    content: Annotated[str, Meta(max_length=500, description="one sentence that stands alone")]
    type: Literal["decision", "rule", "pattern", "issue"] = "decision"
    module: str | None = None
    solution: Annotated[str, Meta(max_length=500, description="of an issue: what solved it")] | None = None


class Outcome(msgspec.Struct):
    """What a tool answers, and what is recorded of the call.

    `note` becomes the activity's detail; `also_read` are files that were read beside `path`.
    """

    result: ToolResult
    kind: Redacted = TOOL_CALL
    path: str | None = None
    also_read: list[str] = []
    note: str | None = None


class Workbench(msgspec.Struct):
    """What the tools work with."""

    recorder: Recorder
    workdir: str
    token_budget: float
    calendar: Calendar
    resume_budget: float
    protected: frozenset[tuple[int, int]] = frozenset()
    helper: Helper | None = None

    def judge(self, token: str) -> lease.Verdict:
        """Tell whether a session's owner lives."""
        return lease.verdict(self.recorder.project.run_dir, token)


def read_file(bench: Workbench, wanted: ReadFile, call: Call) -> Outcome:
    """Read lines of a file, and with `include_deps` the files that it imports."""
    from kioku.workspace.files import read_text

    def read(path: str, first: int = 1, most: int | None = None) -> Any:
        return read_text(bench.workdir, path, first_line=first, max_lines=most, protected=bench.protected)

    main = read(wanted.path, wanted.first_line, wanted.max_lines)
    dependencies = []
    if wanted.include_deps:
        from kioku.workspace.imports import dependencies as imported

        whole = main if main.first_line == 1 and not main.truncated else read(wanted.path)
        for path in imported(bench.workdir, main.path, whole.text)[:20]:
            if call.is_cancelled():
                break
            try:
                dependencies.append(read(path, 1, 400))
            except KiokuError:
                continue  # it changed since it was found
    parts = [_file_part(main, heading=bool(dependencies))]
    parts += [_file_part(file, heading=True) for file in dependencies]
    structured = {**_file_facts(main), "dependencies": [_file_facts(file) for file in dependencies]}
    return Outcome(ToolResult("\n".join(parts), structured), FILE_READ, main.path, [file.path for file in dependencies])


def grep_codebase(bench: Workbench, wanted: GrepCodebase, call: Call) -> Outcome:
    """Search file contents with ripgrep."""
    from kioku.workspace.grep import grep

    found = grep(
        bench.workdir,
        wanted.pattern,
        path=wanted.path,
        glob=wanted.glob,
        ignore_case=wanted.ignore_case,
        fixed=wanted.fixed,
        context_lines=wanted.context_lines,
        max_matches=wanted.max_matches,
        protected=bench.protected,
        cancelled=call.is_cancelled,
        progress=lambda count: call.progress(count, f"{count} matches"),
    )
    lines = [
        f"{m.path}{'-' if m.is_context else ':'}{m.line}{'-' if m.is_context else ':'}{m.text}" for m in found.matches
    ]
    count = sum(not match.is_context for match in found.matches)
    closing = f"{counted(count, 'matching line')} in {counted(found.files, 'file')}" if count else "no matches"
    structured = {
        "matches": found.matches,
        "files": found.files,
        "truncated": found.truncated,
        "note": found.note,
    }
    text = "\n".join([*lines, closing + (f". {found.note}" if found.note else "")])
    return Outcome(ToolResult(text, structured))


def git_log(bench: Workbench, wanted: GitLog, call: Call) -> Outcome:
    """List commits, newest first."""
    from kioku.workspace import git

    commits = git.log(
        bench.workdir, path=wanted.path, limit=wanted.limit, since=wanted.since, author=wanted.author, grep=wanted.grep,
        cancelled=call.is_cancelled,
    )  # fmt: skip
    lines = [f"{c.short} {times.local_text(c.at_ms)} {c.author}: {c.subject}" for c in commits]
    return Outcome(ToolResult("\n".join(lines) or "no commits", {"commits": commits}))


def git_blame(bench: Workbench, wanted: GitBlame, call: Call) -> Outcome:
    """Tell who last changed each line of a file."""
    from kioku.workspace import git

    lines = git.blame(
        bench.workdir,
        wanted.path,
        first_line=wanted.first_line,
        last_line=wanted.last_line,
        cancelled=call.is_cancelled,
    )
    text = "\n".join(f"{b.line}\t{b.sha[:8]} {times.local_text(b.at_ms)[:10]} {b.author}\t{b.text}" for b in lines)
    return Outcome(ToolResult(text or "no lines", {"lines": lines}))


def git_diff(bench: Workbench, wanted: GitDiff, call: Call) -> Outcome:
    """Show what changed."""
    from kioku.workspace import git

    diff = git.diff(
        bench.workdir, ref=wanted.ref, ref2=wanted.ref2, path=wanted.path, staged=wanted.staged,
        stat_only=wanted.stat_only, cancelled=call.is_cancelled,
    )  # fmt: skip
    return Outcome(ToolResult(diff.text or "no differences", msgspec.structs.asdict(diff)))


def sessions(bench: Workbench, wanted: Sessions, _call: Call) -> Outcome:
    """Answer about recorded sessions."""
    now, store = times.now_ms(), bench.recorder.store()
    named = bench.recorder.session_id() if wanted.id == "current" else wanted.id
    if wanted.action == "totals":
        from kioku.knowledge import belonging
        from kioku.mcp import totals

        modules = None
        with contextlib.suppress(KiokuError):  # a project file that cannot be read keeps no other figure back
            modules = belonging.of_project(bench.recorder.project.context_dir)
        found = totals.found(store, wanted.range, bench.calendar, now=now, modules=modules)
        return Outcome(ToolResult(totals.text(found), totals.structured(found)))
    if wanted.action == "resume":
        told = resumed(bench, named, now)
        return Outcome(ToolResult(told.text, msgspec.structs.asdict(told)))
    if wanted.action == "list":
        first, last = stretch(wanted.since, wanted.until, bench.calendar, now)
        fitting = Wanted(
            since=first, until=last, client=wanted.client, branch=wanted.branch, file=wanted.file, text=wanted.text,
            status=None if wanted.status == "any" else wanted.status, limit=wanted.limit,
            longer_than_ms=None if wanted.longer_than is None else wanted.longer_than * times.MINUTE,
        )  # fmt: skip
        listed = store.read(lambda db: listing(db, fitting, now=now, judge=bench.judge))
        structured = {"sessions": [s.as_json() for s in listed.sessions], "hidden_empty": listed.hidden_empty}
        return Outcome(ToolResult(session_lines(listed, now), structured))
    session_id = bench.recorder.session_id() if wanted.action == "current" else named
    if session_id is None:
        return Outcome(
            ToolResult("Name the session: id." if wanted.action == "show" else "No session yet.", is_error=True)
        )
    session = store.read(lambda db: reports.find(db, session_id, now=now, judge=bench.judge))
    files = store.read(lambda db: reports.files(db, session.id))
    structured = {**session.as_json(), "touched": [msgspec.structs.asdict(file) for file in files]}
    return Outcome(ToolResult(session_text(session, files, now), structured))


def context_search(bench: Workbench, wanted: searching.ContextSearch, call: Call) -> Outcome:
    """Find what is stored about a question, and where the code defines what it names."""
    recorder = bench.recorder
    result = searching.search(
        recorder.store(), recorder.project, wanted, bench.calendar, bench.protected, call.is_cancelled, bench.helper
    )
    return Outcome(result)


def remember(bench: Workbench, wanted: Remember, _call: Call) -> Outcome:
    """Record a discovery for the person to decide about."""
    from kioku.knowledge import discoveries

    row, is_new = discoveries.remember(
        bench.recorder.store(), bench.recorder.session_id(), wanted.type, wanted.content, wanted.module,
        now=times.now_ms(), solution=wanted.solution,
    )  # fmt: skip
    is_solved = any(part.solution is not None for part in row.evidence)
    told = ("recorded" if is_new else "known already") + (", solved" if is_solved else "")
    structured = {
        "id": str(row.id), "type": row.type, "state": row.state, "is_new": is_new, "seen": row.seen, "solved": is_solved
    }  # fmt: skip
    return Outcome(ToolResult(f"{told}: {row.type} {row.id}, {row.state}", structured))


def resumed(bench: Workbench, session_id: str | None, now: int) -> "Resume":
    """Return what is needed to go on with a session, or with the last one before this."""
    from kioku import resuming

    mine = bench.recorder.session_id()
    return resuming.look(
        bench.recorder.store(), bench.recorder.project, budget=bench.resume_budget, now=now, judge=bench.judge,
        session_id=session_id, without=[] if mine is None else [mine],
    )  # fmt: skip


class Entry(msgspec.Struct):
    """A tool: what it says of itself, its arguments, and what does the work."""

    says: str
    arguments: type[msgspec.Struct]
    run: Callable[[Workbench, Any, Call], Outcome]
    writes: bool = False


TOOLS: dict[str, Entry] = {
    "read_file": Entry("Read a text file of the project.", ReadFile, read_file),
    "grep_codebase": Entry("Search the project's files; ignored files are left out.", GrepCodebase, grep_codebase),
    "git_log": Entry("List commits, newest first.", GitLog, git_log),
    "git_blame": Entry("Show who last changed each line of a file.", GitBlame, git_blame),
    "git_diff": Entry("Show uncommitted changes, or those between commits.", GitDiff, git_diff),
    "context_search": Entry(
        "Search earlier sessions, what was said and decided in them, their files, and definitions in the code.",
        searching.ContextSearch,
        context_search,
    ),
    "sessions": Entry(
        "Recorded coding sessions of this project: the current one, a list, one with its files, totals of a range, or"
        " what is needed to go on with the last one (resume).",
        Sessions,
        sessions,
    ),
    "remember": Entry(
        "Propose a decision, rule, pattern or issue, with its solution once it is solved, for later sessions; the"
        " person decides about it.",
        Remember,
        remember,
        writes=True,
    ),
}


def described() -> list[Tool]:
    """Return the tools as `tools/list` shows them. Nothing in it depends on what is stored."""
    return [
        Tool(
            name=name,
            description=entry.says,
            input_schema=_schema(entry.arguments),
            annotations={"readOnlyHint": not entry.writes, "openWorldHint": False},
        )
        for name, entry in TOOLS.items()
    ]


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON schema of an argument type, without what a model does not need."""
    (schema,) = msgspec.json.schema_components([arguments])[1].values()
    properties = {name: _plain(prop) for name, prop in schema["properties"].items()}
    required = {"required": schema["required"]} if schema.get("required") else {}
    return {"type": "object", "properties": properties, **required, "additionalProperties": False}


def _plain(prop: dict[str, Any]) -> dict[str, Any]:
    """Write an optional argument as its own type, not as a choice between that and null."""
    choices = [choice for choice in prop.get("anyOf", ()) if choice.get("type") != "null"]
    plain = {**choices[0], **prop} if len(choices) == 1 else dict(prop)
    plain.pop("anyOf", None)
    if plain.get("default") is None:
        plain.pop("default", None)
    return plain


def _file_part(file: Any, *, heading: bool) -> str:
    parts = [f"--- {file.path} ---"] if heading else []
    parts += [file.text] if file.text or not file.note else []
    return "\n".join(parts + ([f"[{file.note}]"] if file.note else []))


def _file_facts(file: Any) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.structs.asdict(file)
    return facts
