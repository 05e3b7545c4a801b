"""Figures and sessions that nobody recorded, for screens to show."""

from datetime import date, timedelta

from kioku import times
from kioku.days import Calendar
from kioku.models import Session
from kioku.reports.lanes import Lane
from kioku.reports.statistics import Clocks, Day, Lengths, Share, Statistics

CALENDAR = Calendar("Europe/Berlin", 240)


def day(of: date, active: int = 0, *, agent: int | None = None, sessions: int = 0) -> Day:
    since, until = CALENDAR.day(of)
    clocks = Clocks(active_ms=active + active // 4, union_ms=active, agent_ms=agent, waiting_ms=None)
    return Day(
        date=of, since=since, until=until, clocks=clocks, sessions=sessions, calls=sessions * 30, prompts=sessions * 4,
        reads=sessions * 20, edits=sessions * 7,
    )  # fmt: skip


def share(name: str, active: int | None = None, *, calls: int = 0, reads: int = 0, edits: int = 0) -> Share:
    return Share(name=name, active_ms=active, sessions=1, calls=calls, reads=reads, edits=edits)


def statistics(days: list[Day], **shares: list[Share]) -> Statistics:
    """Return the statistics that those days add up to."""
    active = sum(day.clocks.active_ms for day in days)
    union = sum(day.clocks.union_ms for day in days)
    agents = [day.clocks.agent_ms for day in days if day.clocks.agent_ms is not None]
    sessions = sum(day.sessions for day in days)
    grid = [[0] * 24 for _ in range(7)]
    for one in days:
        grid[one.date.weekday()][14] += one.clocks.union_ms
    known = {name: shares.get(name, []) for name in ("clients", "branches", "modules", "files", "tools")}
    average = active // sessions if sessions else None
    return Statistics(
        since=days[0].since, until=days[-1].until, days=days, sessions=sessions,
        clocks=Clocks(active_ms=active, union_ms=union, agent_ms=sum(agents) if agents else None, waiting_ms=None),
        calls=sum(d.calls for d in days), prompts=sum(d.prompts for d in days), reads=sum(d.reads for d in days),
        edits=sum(d.edits for d in days), grid=grid, streak_days=1, longest_streak_days=4, hidden_empty=0,
        discoveries=0, sessions_per_discovery=None,
        lengths=Lengths(
            sessions=sessions, average_ms=average, median_ms=average, longest_ms=average,
            longest_id="k7w2m9qdx0f4hn3b" if sessions else None,
        ), **known,
    )  # fmt: skip


def some_days(first: date, count: int) -> list[Day]:
    """Return days of which each has a little more than the one before, and each fifth nothing."""
    return [
        day(first + timedelta(days=n), n % 5 * (20 + n) * times.MINUTE, agent=n * times.MINUTE, sessions=n % 5)
        for n in range(count)
    ]


SHARES: dict[str, list[Share]] = {
    "clients": [share("claude-code", 4 * times.HOUR, calls=200), share("codex", times.HOUR, calls=60)],
    "branches": [share("main", 3 * times.HOUR), share("feature/" + "long" * 30, times.HOUR)],
    "modules": [share("store", reads=20, edits=3), share("記憶" * 40, reads=5)],
    "files": [share(f"src/{'deep/' * n}file{n}.py", reads=40 - n, edits=n) for n in range(12)],
    "tools": [share("Read", calls=300), share("mcp__" + "x" * 90, calls=12)],
}


def lane(
    id: str,
    stretches: list[tuple[int, int]],
    *,
    client: str | None = "codex",
    status: str = "completed",
    title: str | None = None,
) -> Lane:
    since, until = stretches[0][0], stretches[-1][1]
    session = Session(
        id=id, project_id="p", started_at=since, ended_at=None if status == "active" else until, status=status,
        end_reason=None, last_activity_at=until, client=client, client_version=None, branch="main", title=title,
        topics=[], tool_calls=1, files=1, activities=2, active_ms=until - since, agent_ms=None, waiting_ms=None,
        timeout_ms=1_800_000, continues=None, empty=False, owner=None, created_at=since, updated_at=until,
    )  # fmt: skip
    return Lane(session=session, stretches=stretches)
