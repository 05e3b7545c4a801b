"""What `kioku sessions timeline` shows a person: each day's sessions as lanes, from the figures alone."""

from collections.abc import Sequence
from datetime import date

from kioku import times
from kioku.cli.charts import lanes as charts
from kioku.cli.charts.lanes import Axis, Piece
from kioku.cli.charts.paper import Line, Paper
from kioku.dates import day_text, range_text
from kioku.days import Calendar
from kioku.models import Session
from kioku.reports.lanes import Lane, LanesOfDay
from kioku.times import duration_text, work_text
from kioku.words import counted

_SHORTEST = 6 * times.HOUR  # of an axis: a single short session is not drawn over the whole width
_STYLES = ("cyan", "magenta", "yellow", "green", "blue")


def screen(days: Sequence[LanesOfDay], calendar: Calendar, width: int, encoding: str = "utf-8") -> list[Line]:
    """Return the lines of the screen, none wider than `width` cells; days without sessions are gathered."""
    paper = Paper(width, encoding)
    clients = sorted({lane.session.client or "" for day in days for lane in day.sessions})
    styles = {client: _STYLES[number % len(_STYLES)] for number, client in enumerate(clients)}
    begin, end = _extent(days)
    lines: list[Line] = []
    free: list[date] = []
    for day in days:
        if not day.rows:
            free.append(day.date)
            continue
        heading = day_text(day.date, year=len(days) == 1 or days[0].date.year != days[-1].date.year)
        lines += [*_free(paper, free), *_day(paper, day, heading, calendar, styles, begin, end), []]
        if len(days) == 1:
            lines += [*_table(paper, day, calendar, styles), []]
        free = []
    lines += _free(paper, free)
    return lines if not lines or lines[-1] else lines[:-1]


def _free(paper: Paper, free: Sequence[date]) -> list[Line]:
    if not free:
        return []
    return [paper.trimmed([(range_text(free[0], free[-1]), "bold"), ("  no sessions", "dim")]), []]


def _extent(days: Sequence[LanesOfDay]) -> tuple[int, int]:
    """Return the hours that the axis of each day shows, as ms after its beginning: those in which there is anything."""
    begins = [max(0, lane.since - day.since) for day in days for lane in day.sessions]
    ends = [min(day.until, lane.until) - day.since for day in days for lane in day.sessions]
    begin = min(begins, default=0) // times.HOUR * times.HOUR
    end = -(-max(ends, default=0) // times.HOUR) * times.HOUR
    longest = max((day.until - day.since for day in days), default=0)
    end = max(end, min(longest, begin + _SHORTEST))
    return max(0, min(begin, end - _SHORTEST)), end


def _day(
    paper: Paper, day: LanesOfDay, heading: str, calendar: Calendar, styles: dict[str, str], begin: int, end: int
) -> list[Line]:
    count = len(day.sessions)
    items: list[Line] = [[(heading, "bold")], [(counted(count, "session"), "dim")]]
    items.append([(f"{work_text(day.active_ms)} active", "dim")])
    if len(day.rows) > 1:
        items.append([(f"up to {len(day.rows)} at once", "dim")])
    since, until = day.since + min(begin, day.until - day.since), min(day.until, day.since + end)
    hours = [
        (hour.since, hour.hour)
        for hour in calendar.hours(since, until)
        if (hour.since + calendar.offset(hour.since)) % times.HOUR == 0
    ]
    over = Axis(since, until, hours)
    rows = [[_piece(day, lane, styles) for lane in row] for row in day.rows]
    return [*paper.flowing(items, "  "), charts.axis(paper, over), *charts.lanes(paper, over, rows)]


def _piece(day: LanesOfDay, lane: Lane, styles: dict[str, str]) -> Piece:
    session = lane.session
    client = session.client or ""
    labels = [f"{client} {session.id[:8]}".strip(), session.id[:8], session.id[:4]]
    runs = session.status == "active" and day.since <= lane.until <= day.until
    return Piece(lane.since, lane.until, day.within(lane), labels, styles[client], runs)


def _table(paper: Paper, day: LanesOfDay, calendar: Calendar, styles: dict[str, str]) -> list[Line]:
    """Return a line for each session: when, how long, what."""
    cells = [
        (
            lane.session.id[:8],
            f"{_clock(calendar, lane.since, day)} to {_end(calendar, lane, day)}",
            duration_text(sum(until - since for since, until in day.within(lane))),
            paper.cut(lane.session.client or "–", 16),
            paper.cut(_what(lane.session), 60),
        )
        for lane in day.sessions
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    clients = max(len(row[3]) for row in cells)
    return [
        paper.trimmed(
            [
                (f" {name:<{widths[0]}}", styles[lane.session.client or ""]),
                (f"  {when:<{widths[1]}}  {active:>{widths[2]}}", ""),
                (f"  {client:<{clients}}", ""),
                (f"  {what}", "dim"),
            ]
        )
        for lane, (name, when, active, client, what) in zip(day.sessions, cells, strict=True)
    ]


def _what(session: Session) -> str:
    return " · ".join(filter(None, (session.branch, session.title)))


def _end(calendar: Calendar, lane: Lane, day: LanesOfDay) -> str:
    return "now" if lane.session.status == "active" else _clock(calendar, lane.until, day)


def _clock(calendar: Calendar, instant: int, day: LanesOfDay) -> str:
    """Write what the local clock shows; of an instant outside the day, that it is."""
    if instant < day.since:
        return "before"
    if instant > day.until:
        return "later"
    minutes = (instant + calendar.offset(instant)) // times.MINUTE
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"
