"""The benchmarks' population is a store like any other, and its work looks like work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from scripts.benchmarks import population

from kioku import times
from kioku.reports import health
from kioku.sessions import sweep
from kioku.store.opening import check_whole, open_store
from kioku.store.store import Store
from kioku.times import DAY, HOUR, MINUTE
from tests.support import Clock, kioku

SESSIONS = 300


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a small population; its store is registered in a home folder of its own."""
    folder = tmp_path_factory.mktemp("population")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        return population.make(folder, sessions=SESSIONS, seed=7)


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_store(str(path))
    yield store
    store.close()


def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    return store.read(lambda db: db.execute(query).fetchall())


def value(store: Store, query: str) -> Any:
    return rows(store, query)[0][0]


def test_a_population_is_whole_and_derived(store: Store) -> None:
    def check(db: apsw.Connection) -> None:
        check_whole(store.path, db)

    store.read(check)
    assert rows(store, "PRAGMA foreign_key_check") == []
    assert value(store, "SELECT count(*) FROM streams WHERE stale IS NOT NULL") == 0
    assert value(store, "SELECT count(*) FROM quarantine") == 0
    assert store.read(health.overlapping) == []
    assert store.read(lambda db: health.strange_times(db, population.NOW)) == []


def test_a_rebuild_of_a_population_finds_the_same_rows(store: Store) -> None:
    before = store.read(health.projection)
    sweep.rebuild(store, population.NOW)
    assert len(before) == SESSIONS
    assert store.read(health.projection) == before


def test_the_command_line_at_its_now_finds_the_same_rows_and_the_running_sessions(path: Path, clock: Clock) -> None:
    clock.shift((population.NOW - times.now_ms()) / MINUTE)
    project = str(path.parent.parent)
    told = kioku("doctor", "--rebuild", "--project", project, env=clock.env).stdout
    assert f"{SESSIONS} sessions derived anew, the same rows as before" in told
    listed = kioku("sessions", "list", "--status", "active", "--project", project, env=clock.env).stdout
    assert len(listed.splitlines()) >= population.RUNNING


def test_a_population_has_about_thirty_activities_a_session_over_five_years(store: Store) -> None:
    assert 25 * SESSIONS < value(store, "SELECT count(*) FROM reports") < 35 * SESSIONS
    first, last = rows(store, "SELECT min(at), max(at + coalesce(took, 0)) FROM reports")[0]
    assert population.NOW - 5 * 366 * DAY <= first < population.NOW - 4.5 * 365 * DAY
    assert population.NOW - 20 * MINUTE < last <= population.NOW
    assert value(store, "SELECT count(DISTINCT client) FROM sessions") == 4
    assert value(store, "SELECT count(DISTINCT tool) FROM reports") == 12
    assert value(store, "SELECT count(*) FROM sessions WHERE empty") == 0
    assert value(store, "SELECT count(DISTINCT source) FROM reports") == 3
    assert value(store, "SELECT count(*) FROM reports WHERE key & 1") == 0
    assert value(store, "SELECT count(*) FROM sessions WHERE continues IS NOT NULL") > SESSIONS / 10
    assert 5 * MINUTE < value(store, "SELECT avg(active_ms) FROM sessions") < HOUR
    assert value(store, "SELECT count(*) FROM sessions WHERE agent_ms IS NULL") > 0
    assert value(store, "SELECT count(*) FROM turns") > 0


def test_weekends_and_nights_of_a_population_are_thinner(store: Store) -> None:
    days = dict(rows(store, "SELECT strftime('%w', started_at/1000, 'unixepoch'), count(*) FROM sessions GROUP BY 1"))
    assert days["0"] + days["6"] < days["2"]
    night = "SELECT count(*) FROM sessions WHERE started_at / 3600000 % 24 BETWEEN 0 AND 5"
    assert value(store, night) < SESSIONS / 10


def test_files_of_a_population_are_touched_unevenly_and_others_with_the_years(store: Store) -> None:
    def busiest(start: int, end: int) -> list[str]:
        query = f"""SELECT path FROM activities WHERE path IS NOT NULL AND at BETWEEN {start} AND {end}
                    GROUP BY path ORDER BY count(*) DESC, path LIMIT 20"""
        return [row[0] for row in rows(store, query)]

    now = population.NOW
    touches, distinct = rows(store, "SELECT count(path), count(DISTINCT path) FROM activities")[0]
    assert distinct < touches / 2
    assert not set(busiest(now - 120 * DAY, now)) & set(busiest(now - 1800 * DAY, now - 1680 * DAY))
    assert set(busiest(now - 120 * DAY, now)) & set(busiest(now - 240 * DAY, now - 120 * DAY))


def test_the_same_seed_gives_the_same_activities(store: Store, tmp_path: Path) -> None:
    query = "SELECT stream, at, key, source, took, kind, tool, path, branch FROM reports ORDER BY 1, 2, 3"
    again = open_store(str(population.make(tmp_path, sessions=SESSIONS, seed=7)))
    other = open_store(str(population.make(tmp_path / "other", sessions=SESSIONS, seed=8)))
    try:
        assert rows(again, query) == rows(store, query) != rows(other, query)
    finally:
        again.close()
        other.close()


def test_a_population_of_fewer_days_has_the_pace_of_the_last_ones(store: Store, tmp_path: Path) -> None:
    days = population.DAYS // 10
    short = open_store(str(population.make(tmp_path, sessions=SESSIONS // 10, days=days, seed=7)))
    try:
        first = value(short, "SELECT min(started_at) FROM sessions")
        assert population.NOW - (days + 8) * DAY <= first < population.NOW - days / 2 * DAY
        assert value(short, "SELECT count(*) FROM sessions") == SESSIONS // 10
    finally:
        short.close()
