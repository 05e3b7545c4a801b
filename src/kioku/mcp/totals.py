"""The totals of a range of days, for an assistant that is asked how much was done."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kioku import times
from kioku.days import Calendar
from kioku.mcp.render import clean
from kioku.reports import extent, statistics
from kioku.reports.periods import Period, periods
from kioku.reports.statistics import Modules, Share, Statistics
from kioku.store.store import Store
from kioku.words import counted

_SHARES: Final = ("clients", "branches", "modules", "files", "tools")
_MOST: Final = 10  # of each kind of share, in the values
_NAMED: Final = 5  # in the text
_ROWS: Final = 31  # days, weeks or months
_FIGURES: Final = ("calls", "prompts", "reads", "edits")


def found(store: Store, words: str, calendar: Calendar, *, now: int, modules: Modules | None) -> Statistics:
    """Return what was done in the range that the words name. Raises UsageError for what is no range."""
    calendar.range(words, now)
    wanted = calendar.range(words, now, store.read(extent.earliest))
    return store.read(lambda db: statistics.statistics(db, wanted, calendar, now=now, modules=modules))


def structured(found: Statistics) -> dict[str, Any]:
    """Return the totals as values: of clients, branches, modules, files and tools the first ones, and no hours."""
    unit, rows = _over_time(found)
    plain: dict[str, Any] = msgspec.structs.asdict(found)
    for name in ("days", "grid"):
        del plain[name]
    return {
        "first": found.days[0].date, "last": found.days[-1].date, **plain,
        **{name: plain[name][:_MOST] for name in _SHARES}, "by": unit, "periods": rows,
    }  # fmt: skip


def text(found: Statistics) -> str:
    """Write the totals in lines, each clock with its rule."""
    first, last = found.days[0].date.isoformat(), found.days[-1].date.isoformat()
    clocks = found.clocks
    worked = sum(bool(day.clocks.union_ms) for day in found.days)
    lines = [
        f"{first} to {last}: {worked} of {counted(len(found.days), 'day')} active",
        f"active: {times.work_text(clocks.union_ms)} (pauses over 5 min left out, parallel sessions once)",
        f"in all sessions: {times.work_text(clocks.active_ms)} (parallel ones counted each)",
        f"the assistant worked: {times.work_text(clocks.agent_ms)}; waited: {times.work_text(clocks.waiting_ms)}",
        ", ".join(
            [
                counted(found.sessions, "session"),
                *(counted(getattr(found, name), name.removesuffix("s")) for name in _FIGURES),
            ]
        ),
    ]
    if found.lengths.sessions:
        lengths = found.lengths
        lines.append(
            f"session: {times.work_text(lengths.average_ms)} active on average, {times.work_text(lengths.median_ms)} in"
            f" the middle, {times.work_text(lengths.longest_ms)} at most"
        )
    lines += [line for name in _SHARES if (line := _shares(name, getattr(found, name)))]
    unit, rows = _over_time(found)
    if len(rows) > 1:
        lines.append(f"by {unit}:")
        lines += [f"  {row.name}  {times.work_text(row.clocks.union_ms)}" for row in rows if row.clocks.union_ms]
    if found.hidden_empty:
        lines.append(f"({found.hidden_empty} without any activity not counted)")
    return "\n".join(lines)


def _over_time(found: Statistics) -> tuple[str, list[Period]]:
    """Return the totals by the smallest unit of which there are not too many, else the last months."""
    for unit in ("day", "week", "month"):
        rows = periods(found.days, unit)
        if len(rows) <= _ROWS:
            return unit, rows
    return "month", rows[-_ROWS:]


def _shares(kind: str, shares: Sequence[Share]) -> str:
    if not shares:
        return ""
    named = ", ".join(f"{clean(share.name) or 'unknown'} {_figure(share)}" for share in shares[:_NAMED])
    more = f" and {len(shares) - _NAMED} more" if len(shares) > _NAMED else ""
    return f"{kind}: {named}{more}"


def _figure(share: Share) -> str:
    if share.active_ms is not None:
        return times.work_text(share.active_ms)
    return counted(share.calls, "call") if share.calls else f"{share.reads} read, {share.edits} edited"
