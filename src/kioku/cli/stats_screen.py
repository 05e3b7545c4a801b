"""What `kioku stats` shows a person: a screen of lines, from the figures alone."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from kioku.cli.charts import bars, heat
from kioku.cli.charts.bars import Row
from kioku.cli.charts.paper import Line, Paper, beside, stacked, width_of
from kioku.dates import MONTHS, WEEKDAYS, day_text, range_text, short_text
from kioku.reports.extras import Extras
from kioku.reports.statistics import Day, Share, Statistics
from kioku.times import work_text
from kioku.words import counted

_BARS = 14  # days that have a bar each; of more, bars stand
_CALENDAR = 42  # more days than these have a calendar
_BLOCK = 54  # cells that a block needs at least where blocks stand side by side
_GAP = 4
_WIDEST = 130  # cells of what goes over the whole width

_ACTIVE, _SESSIONS, _CALLS, _READS, _EDITS = "active", "sessions", "calls", "reads", "edits"


def screen(found: Statistics, width: int, encoding: str = "utf-8", extras: Extras | None = None) -> list[Line]:
    """Return the lines of the screen, none wider than `width` cells."""
    extras = extras or Extras()
    paper = Paper(width, encoding)
    lines = _headline(paper, found)
    if not _is_empty(found):
        lines += [
            line for block in (_over_time(paper, found), _calendar(paper, found)) if block for line in ([], *block)
        ]
        count = max(1, (width + _GAP) // (_BLOCK + _GAP))
        each = paper.narrowed((width + _GAP) // count - _GAP if count > 1 else width)
        blocks = [block for make in _blocks(extras) if (block := make(each, found))]
        lines += [[], *beside(stacked(blocks, min(count, len(blocks))), each.width, _GAP)]
    if found.hidden_empty:
        lines += [
            [],
            paper.trimmed([(f"{counted(found.hidden_empty, 'session')} without any activity not counted", "dim")]),
        ]
    return lines


def _is_empty(found: Statistics) -> bool:
    return not (found.sessions or found.clocks.active_ms or found.calls or found.prompts or found.reads or found.edits)


def _headline(paper: Paper, found: Statistics) -> list[Line]:
    title: list[Line] = [[(range_text(found.days[0].date, found.days[-1].date), "bold")]]
    worked = sum(bool(day.clocks.union_ms) for day in found.days)
    if len(found.days) > 1:
        title.append([(f"{worked} of {counted(len(found.days), 'day')} active", "dim")])
    if worked > 1:
        title.append([(f"{work_text(found.clocks.union_ms // worked)} each on average", "dim")])
    head = paper.flowing(title, "  ")
    if _is_empty(found):
        return [*head, [], paper.trimmed([("No activity was recorded.", "")])]
    clocks = found.clocks
    rows: list[tuple[int | None, str, str]] = [(clocks.union_ms, "you were active", "pauses over 5 min left out")]
    if clocks.active_ms != clocks.union_ms:
        rows.append((clocks.active_ms, "in all sessions", "parallel ones counted each"))
    rows += [
        (clocks.agent_ms, "the agent worked", "a tool ran or it answered"),
        (clocks.waiting_ms, "it waited for you", "done, you not yet back"),
    ]
    texts = [work_text(length) for length, _, _ in rows]
    aligned = max(map(len, texts))
    lines: list[Line] = [*head, []]
    for number, (text, (_, what, rule)) in enumerate(zip(texts, rows, strict=True)):
        line: Line = [(f" {text:>{aligned}}", "bold cyan" if number == 0 else "bold"), (f"  {what:<17}", "")]
        full: Line = [*line, (f"  {rule}", "dim")]
        lines.append(paper.trimmed(full if width_of(full) <= paper.width else line))
    amounts = (
        (found.sessions, "session"), (found.calls, "call"), (found.prompts, "prompt"), (found.reads, "read"),
        (found.edits, "edit"),
    )  # fmt: skip
    items: list[Line] = [_amount(number, noun) for number, noun in amounts]
    return [*lines, [], *paper.flowing(items, " · ", " ")]


def _amount(number: int, noun: str) -> Line:
    return [(f"{number:,}", "bold"), (counted(number, noun).removeprefix(str(number)), "")]


def _over_time(paper: Paper, found: Statistics) -> list[Line]:
    """Return what there was day by day, or week by week or month by month where there are too many days."""
    days = found.days
    if len(days) <= _BARS:
        return []  # a block of its own
    room = min(paper.width, _WIDEST) - 14
    units: tuple[tuple[str, Callable[[date], date]], ...] = (("day", _day), ("week", _week), ("month", _month))
    unit, begins = next(
        (named for named in units if len({named[1](day.date) for day in days}) <= room), ("year", _year)
    )
    sums: dict[date, int] = {}
    for day in days:
        sums[begins(day.date)] = sums.get(begins(day.date), 0) + day.clocks.union_ms
    title: Line = [(f"Active time by {unit}", "bold")]
    labels = _labels(list(sums), unit)
    drawn = bars.standing(
        paper.narrowed(min(paper.width, _WIDEST)), list(sums.values()), labels, top=work_text(max(sums.values()))
    )
    return [paper.trimmed(title), *drawn]


def _labels(begins: Sequence[date], unit: str) -> list[tuple[int, str]]:
    """Return the names under bars: of Mondays, or where a month or a year begins."""
    found = []
    shift = timedelta(days=6 if unit == "week" else 0)  # the week in which a month begins has its name
    shown = [begin + shift for begin in begins]
    for number, day in enumerate(shown):
        before = shown[number - 1] if number else None
        if unit == "day" and len(begins) <= 62:
            if day.weekday() == 0:
                found.append((number, short_text(day)))
        elif unit == "year" or (unit == "month" and (before is None or before.year != day.year)):
            found.append((number, str(day.year)))
        elif unit != "month" and (before is None or before.month != day.month):
            found.append((number, str(day.year) if day.month == 1 and number else MONTHS[day.month - 1]))
    return found


def _day(day: date) -> date:
    return day


def _week(day: date) -> date:
    return date.fromordinal(max(1, day.toordinal() - day.weekday()))


def _month(day: date) -> date:
    return day.replace(day=1)


def _year(day: date) -> date:
    return day.replace(month=1, day=1)


def _calendar(paper: Paper, found: Statistics) -> list[Line]:
    if len(found.days) <= _CALENDAR:
        return []
    values = [(day.date, day.clocks.union_ms) for day in found.days]
    most = work_text(max(value for _, value in values))
    head: Line = [("Days  ", "bold"), *heat.legend(paper, "none", most)]
    return [paper.trimmed(head), *heat.strip(paper, values)]


def _bars(paper: Paper, found: Statistics) -> list[Line]:
    if not 1 < len(found.days) <= _BARS:
        return []
    rows = [Row(day_text(day.date), day.clocks.union_ms, (_length(day), str(day.sessions or ""))) for day in found.days]
    return bars.bars(paper, "Days", rows, headings=(_ACTIVE, _SESSIONS))


def _length(day: Day) -> str:
    return work_text(day.clocks.union_ms) if day.clocks.union_ms else ""


def _hours(paper: Paper, found: Statistics) -> list[Line]:
    shown = sorted({(found.days[0].date + timedelta(days=n)).weekday() for n in range(min(7, len(found.days)))})
    rows = [
        (WEEKDAYS[day], found.grid[day], work_text(total) if (total := sum(found.grid[day])) else "") for day in shown
    ]
    most = max(max(hours) for hours in found.grid)
    return [*heat.grid(paper, "Hours", rows), *([heat.legend(paper, " none", work_text(most))] if most else [])]


def _shares(
    title: str,
    among: Callable[[Statistics], Sequence[Share]],
    figures: Sequence[str],
    *,
    most: int,
    paths: bool = False,
) -> Callable[[Paper, Statistics], list[Line]]:
    def block(paper: Paper, found: Statistics) -> list[Line]:
        shares = among(found)
        if not shares:
            return []
        known = [name for name in figures if any(_figure(share, name) is not None for share in shares)]
        is_timed = _ACTIVE in known
        rows = [
            Row(share.name or "–", _weight(share, is_timed=is_timed), tuple(_text(share, name) for name in known))
            for share in shares[:most]
        ]
        lines = bars.bars(paper, title, rows, headings=known, keep_end=paths)
        if len(shares) > most:
            lines.append(paper.trimmed([_more(len(shares) - most)]))
        return lines

    return block


def _figure(share: Share, name: str) -> int | None:
    found: dict[str, int | None] = {
        _ACTIVE: share.active_ms, _SESSIONS: share.sessions, _CALLS: share.calls, _READS: share.reads,
        _EDITS: share.edits,
    }  # fmt: skip
    return found[name]


def _text(share: Share, name: str) -> str:
    figure = _figure(share, name)
    return work_text(figure) if name == _ACTIVE else "–" if figure is None else f"{figure:,}"


def _weight(share: Share, *, is_timed: bool) -> int:
    return (share.active_ms or 0) if is_timed else share.calls + share.reads + share.edits


def _lengths(paper: Paper, found: Statistics) -> list[Line]:
    lengths = found.lengths
    facts: list[tuple[str, str]] = []
    if lengths.sessions:
        facts = [("average", work_text(lengths.average_ms)), ("median", work_text(lengths.median_ms))]
        where = "" if lengths.longest_id is None else f"  {lengths.longest_id[:8]}"
        facts.append(("longest", work_text(lengths.longest_ms) + where))
    if len(found.days) > 1:
        longest = f", {found.longest_streak_days} at most" if found.longest_streak_days > found.streak_days else ""
        facts.append(("streak", f"{counted(found.streak_days, 'day')} in a row{longest}"))
    if found.sessions_per_discovery is not None:
        each = f"{found.sessions_per_discovery:.1f} sessions each"
        facts.append(("learned", f"{counted(found.discoveries, 'thing')}, {each}"))
    title: Line = [
        ("Sessions", "bold"),
        (f"  {lengths.sessions:,} begun, by active time" if lengths.sessions else "", "dim"),
    ]
    return [paper.trimmed(title), *(paper.trimmed([(f" {name:<8} ", ""), (text, "")]) for name, text in facts)]


def _files(extras: Extras) -> Callable[[Paper, Statistics], list[Line]]:
    if extras.order is None:
        return _shares("Files", lambda found: found.files, (_READS, _EDITS, _SESSIONS), most=_FILES, paths=True)

    def block(paper: Paper, found: Statistics) -> list[Line]:
        files = extras.ordered(found.files)
        if not files:
            return []
        by_heat = extras.order == "heat"
        headings = [*(["heat"] if by_heat else []), _READS, _EDITS]
        rows = []
        for file in files[:_FILES]:
            heat = extras.heat_of(file)
            figures = [*([f"{heat:.1f}"] if by_heat else []), f"{file.reads:,}", f"{file.edits:,}"]
            value = heat if by_heat else file.reads if extras.order == "reads" else file.edits
            rows.append(Row(file.name or "–", value, tuple(figures)))
        lines = bars.bars(paper, f"Files by {extras.order}", rows, headings=headings, keep_end=True)
        return [*lines, *([paper.trimmed([_more(len(files) - _FILES)])] if len(files) > _FILES else [])]

    return block


def _commits(extras: Extras) -> Callable[[Paper, Statistics], list[Line]]:
    def block(paper: Paper, _found: Statistics) -> list[Line]:
        commits = extras.commits
        if commits is None or not (commits.during_sessions or commits.others):
            return []
        facts = [("in sessions", f"{commits.during_sessions:,}")]
        if commits.others:
            facts.append(("outside", f"{commits.others:,}"))
        if commits.active_ms is not None:
            facts.append(("active time", f"{work_text(commits.active_ms)} for each in a session"))
        return [[("Commits", "bold")], *(paper.trimmed([(f" {name:<11} ", ""), (text, "")]) for name, text in facts)]

    return block


_FILES = 8


def _more(number: int) -> tuple[str, str]:
    return f" and {number:,} more", "dim"


def _blocks(extras: Extras) -> tuple[Callable[[Paper, Statistics], list[Line]], ...]:
    """Return what makes each block, in their order."""
    return (
        _bars,
        _hours,
        _shares("Clients", lambda found: found.clients, (_ACTIVE, _SESSIONS, _CALLS), most=5),
        _shares("Branches", lambda found: found.branches, (_ACTIVE, _SESSIONS, _CALLS), most=5),
        _shares("Modules", lambda found: found.modules, (_ACTIVE, _READS, _EDITS), most=6),
        _files(extras),
        _shares("Tools", lambda found: found.tools, (_CALLS, _SESSIONS), most=8),
        _lengths,
        _commits(extras),
    )
