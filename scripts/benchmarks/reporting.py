"""What reports cost on five years of work, beside a tenth of it: time, size, and what recording one more costs.

There are two tenths of the same number of sessions. The *later* one is the last half year, at the same pace: a week
has as many sessions in it, and what came before it must not cost. The *thinner* one has all five years, with a tenth of
the sessions a day: figures on all of the time must not cost in proportion to what was done in it. A report on a stretch
of time is held against the first, one on everything against the second; of the former the ratio to the second is told
beside: in the thinner store, a report that names every file or session of a week has a tenth as much to say.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import apsw

from kioku.days import Calendar, Range
from kioku.models import HOOK, TOOL_CALL, Report, new_key
from kioku.redaction import redact
from kioku.reports import commits, continuity, gaps, heat, lanes, listing, sessions, statistics
from kioku.sessions import record
from kioku.sessions.lease import Verdict
from kioku.store import activities
from kioku.store.opening import open_store
from kioku.store.store import Store
from kioku.times import DAY
from kioku.workspace.commits import Made
from scripts.benchmarks.figures import Figure, milliseconds, workplace
from scripts.benchmarks.population import DAYS, NOW, TIMEOUT

SESSIONS = 100_000
SEED = 1
ROUNDS = 15
ONE_MORE = 400
ROOT = Path(__file__).parents[2]

CALENDAR = Calendar("Europe/Berlin")
RANGES = ("today", "week", "month", "the oldest week", "the oldest month", "year", "2022", "all")
LATER = DAYS // 10  # days of the later tenth
Ask = Callable[[apsw.Connection], object]


def _range(words: str, days: int) -> Range:
    """Return a range of a store whose first day was so many days ago. The oldest week begins two days after it."""
    earliest = NOW - days * DAY
    if not words.startswith("the oldest"):
        return CALENDAR.range(words, NOW, earliest)
    first = CALENDAR.date_of(earliest) + timedelta(days=2)
    last = first + timedelta(days=6 if words.endswith("week") else 29)
    return CALENDAR.range(f"{first}..{last}", NOW, earliest)


def _heat(words: str, days: int) -> Ask:
    wanted = _range(words, days)
    return lambda db: heat.heat(db, wanted)


def _commits(words: str, days: int) -> Ask:
    """Ask which of eight commits a day were made during sessions."""
    wanted = _range(words, days)
    found = [
        Made(sha=f"{at:040x}", short=f"{at:07x}", author="A", committed_at=at, authored_at=at, subject="Change")
        for at in range(wanted.since, wanted.until, DAY // 8)
    ]
    return lambda db: commits.of_range(db, wanted.since, wanted.until, found, union_ms=DAY)


def _unknown(_owner: str) -> Verdict:
    return Verdict.UNKNOWN


def _statistics(words: str, days: int) -> Ask:
    wanted = _range(words, days)
    return lambda db: statistics.statistics(db, wanted, CALENDAR, now=NOW)


def _timeline(words: str, days: int) -> Ask:
    wanted = _range(words, days)
    return lambda db: lanes.lanes(db, wanted, now=NOW, judge=_unknown)


def _session(show: Callable[[apsw.Connection, str], object]) -> Ask:
    def ask(db: apsw.Connection) -> object:
        (latest,) = listing.listing(db, listing.Wanted(limit=1), now=NOW, judge=_unknown).sessions
        return show(db, latest.id)

    return ask


def asked_of(days: int) -> dict[str, Ask]:
    """Return every report that is measured, by name, as it is asked of a store that began so many days ago."""
    latest = listing.Wanted()
    return {
        **{f"statistics of {words}": _statistics(words, days) for words in RANGES},
        **{f"timeline of {words}": _timeline(words, days) for words in ("today", "week", "the oldest week")},
        **{f"heat of {words}": _heat(words, days) for words in ("week", "the oldest week", "year", "all")},
        **{f"commits of {words}": _commits(words, days) for words in ("week", "month", "the oldest month")},
        "sensitivity": lambda db: gaps.sensitivity(db, TIMEOUT),
        "the latest sessions": lambda db: listing.listing(db, latest, now=NOW, judge=_unknown),
        "a session's activities": _session(sessions.activities),
        "a session's continuity": _session(lambda db, id: continuity.continuity(db, id, now=NOW, judge=_unknown)),
    }


# Reports on all of the time; heat is none, since nothing older than half a year has any.
EVERYTHING = ("statistics of 2022", "statistics of all", "sensitivity")

# What is there for the reports' sake; what was said, and its index, is measured beside.
_ACTIVITIES = (
    "reports", "reports_by_key", "touched", "clocks", "counts", "branches", "session_days", "session_days_by_day",
    "days", "day_shares", "day_files", "month_gaps", "month_files", "year_files", "runs", "runs_by_session",
)  # fmt: skip
_TURNS = ("turns", "turns_by_key", "turns_by_stream")


def reports() -> Iterator[Figure]:
    """Ask a store of 100,000 sessions and two of a tenth for every report."""
    with workplace() as (project, env):
        counts = {"full": (SESSIONS, DAYS), "later": (SESSIONS // 10, LATER), "thinner": (SESSIONS // 10, DAYS),
                  "empty": (0, DAYS)}  # fmt: skip
        stores = {name: open_store(made(project / name, *sizes, env)) for name, sizes in counts.items()}
        full = stores["full"]
        try:
            for name, report in asked_of(DAYS).items():
                asked = {"full": report, "later": asked_of(LATER)[name], "thinner": report}
                took, *of_tenths = _asked([(stores[of], ask) for of, ask in asked.items()])
                yield Figure(name, took, "ms", 150)
                tenths = dict(zip(("later", "thinner"), of_tenths, strict=True))
                bound = "thinner" if name in EVERYTHING else "later"
                remark = f"{tenths[bound]:.1f} ms"
                yield Figure(f"{name} / in the {bound} tenth", took / tenths[bound], "x", 1.5, remark)
                if bound == "later":
                    remark = f"{tenths['thinner']:.1f} ms; told only"
                    yield Figure(f"{name} / in the thinner tenth", took / tenths["thinner"], "x", remark=remark)
            yield _command(project / "full", env)
            yield from _sizes(full)
            yield _recording(full, stores["empty"])
        finally:
            for store in stores.values():
                store.close()


def made(folder: Path, sessions: int, days: int, env: dict[str, str]) -> str:
    """Build a population in a process of its own, so that it is known in no home but the benchmark's."""
    command = [sys.executable, "-m", "scripts.benchmarks.population", str(folder)]
    given = ["--sessions", str(sessions), "--days", str(days), "--seed", str(SEED)]
    subprocess.run([*command, *given], cwd=ROOT, env=env, check=True, capture_output=True)
    return str(folder / ".context" / "sessions.db")


def _asked(asks: Sequence[tuple[Store, Ask]]) -> list[float]:
    """Ask several stores in turns, so that what else the machine does falls on all; return the medians in ms."""
    took: list[list[float]] = [[] for _ in asks]
    for _ in range(ROUNDS):
        for (store, report), times in zip(asks, took, strict=True):
            began = time.perf_counter()
            store.read(report)
            times.append(time.perf_counter() - began)
    return [milliseconds(times) for times in took]


def _command(project: Path, env: dict[str, str]) -> Figure:
    """Ask for a year as a person does, in turns with a bare interpreter."""
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        for command, took in (
            ([sys.executable, "-m", "kioku", "stats", "year"], ours),
            ([sys.executable, "-c", "pass"], bare),
        ):
            began = time.perf_counter()
            subprocess.run(command, cwd=project, env=env, check=True, capture_output=True)
            took.append(time.perf_counter() - began)
    remark = f"{milliseconds(ours):.0f} ms; python -c pass {milliseconds(bare):.1f} ms"
    return Figure("kioku stats year / python -c pass", milliseconds(ours) / milliseconds(bare), "x", 12, remark)


def _sizes(store: Store) -> Iterator[Figure]:
    rows = store.read(lambda db: dict(db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name")))
    count = store.read(lambda db: db.execute("SELECT count(*) FROM reports").fetchone())
    assert count is not None
    of_activities = sum(rows.get(name, 0) for name in _ACTIVITIES)
    yield Figure("activities, their indexes, files and rollups, for each activity", of_activities / count[0], "B", 250)
    yield Figure("turns and their indexes", sum(rows.get(name, 0) for name in _TURNS) / 1e6, "MB")
    yield Figure("the whole file", sum(rows.values()) / 1e6, "MB", remark=f"{count[0]} activities")


def _recording(full: Store, empty: Store) -> Figure:
    """Record one activity more in each of two stores by turns, as a hook's is."""
    took: dict[Store, list[float]] = {full: [], empty: []}
    streams = {store: store.write(lambda db, store=store: _stream(db, store)) for store in took}  # type: ignore[misc]
    for number in range(ONE_MORE):
        for store, stream in streams.items():
            told = Report(key=new_key() & ~1, source=HOOK, at=NOW + number * 1000, kind=TOOL_CALL, tool=redact("Bash"))
            began = time.perf_counter()
            store.write(lambda db, stream=stream, told=told: record.take(db, stream, [told], now=told.at))  # type: ignore[misc]
            took[store].append(time.perf_counter() - began)
    large, small = milliseconds(took[full]), milliseconds(took[empty])
    return Figure("recording one more activity / in an empty store", large / small, "x", 1.2, f"{small:.2f} ms")


def _stream(db: apsw.Connection, store: Store) -> int:
    return activities.stream(
        db, redact("claude:bench"), project_id=store.project_id, owner=None, timeout_ms=TIMEOUT, now=NOW
    )
