"""Sessions as a report to read, in Markdown with tables. Stored text is shown as text, whatever marks are in it."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from kioku import times
from kioku.models import Session
from kioku.redaction import redact
from kioku.reports.export.chosen import Exported
from kioku.reports.statistics import Share, Statistics
from kioku.workspace.untrusted_text import one_line

_LONGEST: Final = 300  # characters of one text
_FILES: Final = 50

_MARKS = re.compile(r"([!-/:-@\[-`{-~])")


def lines(
    title: str, stretch: str, found: Iterable[Exported], figures: Statistics | None, hidden: int
) -> Iterator[str]:
    """Return a report: totals where a stretch of time was asked for, a table of sessions, and the files."""
    yield f"# Sessions of {escaped(title)}\n\n{stretch}\n\n"
    if figures is not None:
        yield from _totals(figures)
    yield "## Sessions\n\n"
    yield "| session | started | status | span | active | client | branch | files | calls | title |\n"
    yield "|---|---|---|--:|--:|---|---|--:|--:|---|\n"
    number = 0
    for number, exported in enumerate(found, 1):  # noqa: B007 - counted
        yield _row(exported.session)
    if not number:
        yield "\nNo sessions.\n"
    if hidden:
        yield f"\n{hidden} without any activity left out.\n"
    if figures is not None and figures.files:
        yield from _files(figures.files)


def _totals(figures: Statistics) -> Iterator[str]:
    clocks, lengths = figures.clocks, figures.lengths
    facts = [
        ("sessions", str(figures.sessions)),
        ("active (sum over sessions)", times.work_text(clocks.active_ms)),
        ("active (at least one session)", times.work_text(clocks.union_ms)),
        ("agent", times.work_text(clocks.agent_ms)),
        ("waiting", times.work_text(clocks.waiting_ms)),
        ("average, median, longest", ", ".join(
            times.work_text(length) for length in (lengths.average_ms, lengths.median_ms, lengths.longest_ms))),
        ("tool calls", str(figures.calls)), ("prompts", str(figures.prompts)),
        ("reads, edits", f"{figures.reads}, {figures.edits}"),
    ]  # fmt: skip
    yield "## Totals\n\n| what | how much |\n|---|--:|\n"
    for name, value in facts:
        yield f"| {name} | {value} |\n"
    yield "\n"


def _files(files: list[Share]) -> Iterator[str]:
    yield "\n## Files\n\n| path | reads | edits |\n|---|--:|--:|\n"
    for file in files[:_FILES]:
        yield f"| {code(file.name)} | {file.reads} | {file.edits} |\n"
    if len(files) > _FILES:
        yield f"\nAnd {len(files) - _FILES} more.\n"


def _row(session: Session) -> str:
    cells = (
        code(session.id), times.local_text(session.started_at), session.status,
        times.duration_text(session.span_ms), times.work_text(session.active_ms), code(session.client),
        code(session.branch), str(session.files), str(session.tool_calls), escaped(session.title or ""),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def escaped(text: str) -> str:
    """Return text on one line, with every sign that could be a mark escaped."""
    return _MARKS.sub(r"\\\1", one_line(redact(text), _LONGEST))


def code(text: str | None) -> str:
    """Return text as code, within a table; what is unknown is a dash."""
    if not text:
        return "–"
    shown = one_line(redact(text), _LONGEST)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", "\\|")
