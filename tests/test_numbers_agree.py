"""The same questions, asked of the library, the command line in each of its forms, and the assistant's tool."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from kioku import times
from kioku.dates import range_text
from kioku.days import Calendar
from kioku.reports import extent, statistics
from kioku.reports.heat import heat
from kioku.reports.periods import periods
from kioku.reports.statistics import Statistics
from kioku.sessions import settling
from tests.reports.years import generated
from tests.sessions.stage import Stage
from tests.support import Clock, Server, kioku

PLACES = (("Europe/Berlin", "00:00", 0), ("America/St_Johns", "04:00", 240))
RANGES = ("last month", "2026-03-29", "2026-02-20..2026-11-05", "1970-01-01..2026-10-25")
NOW = 1_797_336_000_000  # after all of it, so that what the server records of itself is in none of the ranges
SHARES = ("clients", "branches", "modules", "files", "tools")
NUMBERS = ("sessions", "calls", "prompts", "reads", "edits")
CLOCKS = ("active_ms", "union_ms", "agent_ms", "waiting_ms")


class World(NamedTuple):
    """A project in which a generated year was recorded."""

    project: Path
    stage: Stage
    env: dict[str, str]


@pytest.fixture
def world(project: Path, clock: Clock) -> Iterator[World]:
    (project / ".context").mkdir(mode=0o700)
    (project / ".context" / "project.yaml").write_text("modules:\n  source:\n    path: src\n  docs:\n    path: docs\n")
    year = generated(5, 60)
    with Stage() as stage:
        year.play(stage)
        settling.settle(stage.store)
        stage.copy(str(project / ".context" / "sessions.db"))
        clock.shift((NOW - times.now_ms()) / times.MINUTE)
        yield World(project, stage, clock.env)


def of_library(world: World, words: str, calendar: Calendar) -> tuple[Statistics, dict[str, float]]:
    def module_of(path: str) -> str | None:
        return {"src": "source", "docs": "docs"}.get(path.partition("/")[0])

    wanted = calendar.range(words, NOW, world.stage.store.read(extent.earliest))
    found = world.stage.store.read(lambda db: statistics.statistics(db, wanted, calendar, now=NOW, modules=module_of))
    return found, world.stage.store.read(lambda db: heat(db, wanted))


def printed(world: World, env: dict[str, str], *words: str) -> str:
    result = kioku("stats", *words, cwd=world.project, env=env)
    assert result.returncode == 0, result.stderr
    return result.stdout


def plain(value: object) -> Any:
    return json.loads(msgspec.json.encode(value))


@pytest.mark.parametrize(("zone", "starts", "minutes"), PLACES)
def test_every_figure_is_the_same_wherever_it_is_asked_for(world: World, zone: str, starts: str, minutes: int) -> None:
    calendar = Calendar(zone, minutes)
    env = {**world.env, "KIOKU_TIME_ZONE": zone, "KIOKU_TIME_DAY_STARTS": starts}
    found = {words: of_library(world, words, calendar) for words in RANGES}
    assert all(sum(getattr(found[RANGES[-1]][0], name) for name in NUMBERS) for name in NUMBERS)
    for words, (expected, heats) in found.items():
        _same_json(world, env, words, expected, heats)
        _same_csv(world, env, words, expected)
        _same_text(printed(world, env, words), expected)
    with Server(world.project, env=env) as server:
        server.initialize()
        for words, (expected, _) in found.items():
            _same_answer(server.call("sessions", action="totals", range=words), expected)
        server.end()


def _same_json(world: World, env: dict[str, str], words: str, expected: Statistics, heats: dict[str, float]) -> None:
    told = json.loads(printed(world, env, words, "--json", "--by", "month"))
    assert told.pop("commits") is None
    assert told.pop("periods") == plain(periods(expected.days, "month"))
    assert told == plain(expected)
    by_heat = json.loads(printed(world, env, words, "--json", "--files", "heat"))["files"]
    assert {file["name"]: file["heat"] for file in by_heat} == {
        file.name: pytest.approx(heats.get(file.name, 0.0)) for file in expected.files
    }
    assert [file["heat"] for file in by_heat] == sorted((file["heat"] for file in by_heat), reverse=True)


def _same_csv(world: World, env: dict[str, str], words: str, expected: Statistics) -> None:
    for unit, heading in (("day", "date"), ("week", "week")):
        rows = list(csv.DictReader(io.StringIO(printed(world, env, words, "--csv", "--by", unit))))
        told = [
            (row[heading], *(int(row[name]) if row[name] else None for name in (*CLOCKS, *NUMBERS, "since", "until")))
            for row in rows
        ]
        assert told == [
            (
                period.name, *(getattr(period.clocks, name) for name in CLOCKS),
                *(getattr(period, name) for name in (*NUMBERS, "since", "until")),
            )
            for period in periods(expected.days, unit)
        ]  # fmt: skip


def _same_text(text: str, expected: Statistics) -> None:
    assert text.startswith(range_text(expected.days[0].date, expected.days[-1].date))
    clocks = expected.clocks
    if not any((clocks.union_ms, *(getattr(expected, name) for name in NUMBERS))):
        assert "No activity was recorded." in text
        return
    for length, what in (
        (clocks.union_ms, "you were active"), (clocks.agent_ms, "the agent worked"),
        (clocks.waiting_ms, "it waited for you"), (clocks.active_ms, "in all sessions"),
    ):  # fmt: skip
        if what != "in all sessions" or clocks.active_ms != clocks.union_ms:
            assert re.search(rf"^ +{re.escape(times.work_text(length))}  {what}", text, re.MULTILINE), what
    for name in NUMBERS:
        assert re.search(rf"(?<![\d,]){getattr(expected, name):,} {name[:-1]}s?\b", text), name
    for share in (*expected.clients[:5], *expected.branches[:5]):
        figures = rf"{re.escape(times.work_text(share.active_ms))} +{share.sessions or 0:,} +{share.calls:,}"
        assert re.search(rf"^ {re.escape(share.name or '–')} .*{figures}$", text, re.MULTILINE), share
    for share in expected.tools[:8]:
        assert re.search(rf"^ {re.escape(share.name)} .* {share.calls:,} +{share.sessions:,}$", text, re.MULTILINE), (
            share
        )
    for share in expected.files[:8]:
        row = f"{share.reads:,} +{share.edits:,} +{share.sessions:,}"
        assert re.search(rf"^ {re.escape(share.name)} .* {row}$", text, re.MULTILINE), share
    for share in expected.modules[:6]:
        assert re.search(rf"^ {share.name} .* {share.reads:,} +{share.edits:,}$", text, re.MULTILINE), share
    if expected.lengths.sessions:
        for name in ("average", "median", "longest"):
            shown = times.work_text(getattr(expected.lengths, f"{name}_ms"))
            assert re.search(rf"^ {name} +{re.escape(shown)}", text, re.MULTILINE), name


def _same_answer(result: dict[str, Any], expected: Statistics) -> None:
    assert not result["isError"], result
    told, text = result["structuredContent"], result["content"][0]["text"]
    unit, rows = told.pop("by"), told.pop("periods")
    assert rows == plain(periods(expected.days, unit))[-31:]
    assert (date.fromisoformat(told.pop("first")), date.fromisoformat(told.pop("last"))) == (
        expected.days[0].date, expected.days[-1].date,
    )  # fmt: skip
    figures = plain(expected)
    for name in ("days", "grid"):
        del figures[name]
    for name in SHARES:
        figures[name] = figures[name][:10]
    assert told == figures
    assert f"active: {times.work_text(expected.clocks.union_ms)} (" in text
    assert f"in all sessions: {times.work_text(expected.clocks.active_ms)} (" in text
    assert f"the assistant worked: {times.work_text(expected.clocks.agent_ms)};" in text
    for name in NUMBERS:
        assert re.search(rf"\b{getattr(expected, name)} {name[:-1]}s?\b", text), name


def test_the_assistant_is_told_what_is_wrong_with_a_range(project: Path) -> None:
    with Server(project) as server:
        server.initialize()
        for words, says in (("next week", "no range of days"), ("9999", "in the future"), ("", "an empty text")):
            result = server.call("sessions", action="totals", range=words)
            assert result["isError"]
            assert says in result["content"][0]["text"]
        today = server.call("sessions", action="totals", range="today")["structuredContent"]
        assert (today["sessions"], today["calls"]) == (1, 3)
        server.end()
