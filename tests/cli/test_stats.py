"""`kioku stats`: a screen for people, JSON and lines for programs, and an answer to bad input."""

import csv
import io
import json
import os
import pty
import re
import select
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from kioku import times
from kioku.cli.output import print_json
from kioku.cli.stats_command import print_csv
from kioku.cli.stats_screen import screen
from kioku.knowledge.belonging import belonging
from kioku.knowledge.project_yaml import ModuleEntry
from kioku.reports.statistics import Statistics
from tests.cli.made_up import SHARES, day, share, some_days, statistics
from tests.support import PATIENCE_S, kioku

MONDAY = date(2026, 11, 16)


def shown(found: Statistics, width: int = 100, encoding: str = "utf-8") -> str:
    return "\n".join("".join(text for text, _ in line).rstrip() for line in screen(found, width, encoding))


@settings(deadline=None)
@given(
    st.integers(1, 250),
    st.dates(date(1971, 1, 1), date(2030, 1, 1)),
    st.sampled_from((1, 2, 7, 14, 15, 31, 42, 43, 120, 366, 1200)),
    st.sampled_from(("utf-8", "ascii", "cp437")),
)
def test_no_line_is_wider_than_the_terminal_or_more_than_its_stream_can_show(
    width: int, first: date, count: int, encoding: str
) -> None:
    for line in shown(statistics(some_days(first, count), **SHARES), width, encoding).split("\n"):
        assert cell_len(line) <= width, line
        line.encode(encoding)


def test_the_screen_tells_everything_in_its_order() -> None:
    text = shown(statistics(some_days(MONDAY - timedelta(days=49), 56), **SHARES), width=80)
    headings = (
        "28 Sep to 22 Nov 2026", "you were active", "sessions ·", "Active time by day", "Days  none", "Hours",
        "Clients", "Branches", "Modules", "Files", "Tools", "Sessions",
    )  # fmt: skip
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)
    assert " and 4 more" in text  # files


def test_each_clock_stands_with_the_rule_that_made_it() -> None:
    found = statistics([day(MONDAY, 4 * times.HOUR, agent=times.HOUR, sessions=3)])
    for width in (60, 80, 200):
        lines = shown(found, width).split("\n")
        assert " 4 h  you were active    pauses over 5 min left out" in lines
        assert " 5 h  in all sessions    parallel ones counted each" in lines
        assert " 1 h  the agent worked   a tool ran or it answered" in lines
        assert "   –  it waited for you  done, you not yet back" in lines  # unknown, and never 0
        assert " 3 sessions · 90 calls · 12 prompts · 60 reads · 21 edits" in lines


def test_the_sum_over_sessions_is_told_only_where_it_differs() -> None:
    found = statistics([day(MONDAY, 4 * times.HOUR, sessions=1)])
    clocks = msgspec.structs.replace(found.clocks, active_ms=found.clocks.union_ms)
    assert "in all sessions" not in shown(msgspec.structs.replace(found, clocks=clocks))


def test_a_week_has_a_bar_a_day_and_one_day_its_hours_alone() -> None:
    week = shown(statistics(some_days(MONDAY, 7)), width=80)
    assert "Mon 16 to Sun 22 Nov 2026  5 of 7 days active  51 min each on average" in week
    assert re.search(r"^ Thu 19 Nov █+▊ +1 h 9 min +3$", week, re.MULTILINE)
    assert re.search(r"^ Mon 16 Nov$", week, re.MULTILINE)
    assert re.search(r"^ Wed  (· ){14}▒▒", week, re.MULTILINE)
    one = shown(statistics([day(MONDAY, times.HOUR, sessions=1)]), width=80)
    assert one.startswith("Mon 16 Nov 2026\n")
    assert "\nDays" not in one
    assert "streak" not in one
    assert re.findall(r"^ (Mon|Tue|Sun) ", one, re.MULTILINE) == ["Mon"]


@pytest.mark.parametrize(
    ("count", "width", "unit"), [(30, 80, "day"), (92, 80, "week"), (366, 80, "week"), (366, 50, "month"),
                                 (1500, 80, "month"), (18_000, 80, "year"), (92, 120, "day")]
)  # fmt: skip
def test_longer_ranges_are_drawn_by_what_there_is_room_for(count: int, width: int, unit: str) -> None:
    text = shown(statistics(some_days(date(1975, 1, 6), count)), width)
    assert f"Active time by {unit}\n" in text
    assert ("\nDays  none" in text) == (count > 42)


def test_wide_terminals_have_blocks_side_by_side() -> None:
    found = statistics(some_days(MONDAY, 7), **SHARES)
    assert re.search("^Days .*Hours", shown(found, 120), re.MULTILINE)
    assert re.search("^Days .*Hours .*Clients", shown(found, 200), re.MULTILINE)
    assert not re.search("^Days .*Hours", shown(found, 100), re.MULTILINE)


def test_a_range_without_activity_says_so_and_how_many_sessions_are_hidden() -> None:
    found = msgspec.structs.replace(statistics([day(MONDAY), day(MONDAY + timedelta(days=1))]), hidden_empty=2)
    assert shown(found).split("\n") == [
        "Mon 16 to Tue 17 Nov 2026  0 of 2 days active", "", "No activity was recorded.", "",
        "2 sessions without any activity not counted",
    ]  # fmt: skip


def test_figures_that_nobody_knows_have_no_column() -> None:
    modules = [msgspec.structs.replace(share("store", reads=5), sessions=None)]
    text = shown(statistics(some_days(MONDAY, 2), modules=modules, files=[share("a.py", reads=2)]), 80)
    assert re.search(r"^Modules +reads +edits$", text, re.MULTILINE)
    assert re.search(r"^Files +reads +edits +sessions$", text, re.MULTILINE)
    assert "Tools" not in text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (None, "–"),
        (0, "0 min"),
        (1, "1 ms"),
        (47 * times.HOUR, "47 h"),
        (53 * times.HOUR + 61_000, "53 h 1 min"),
        (2_500 * times.HOUR, "2,500 h"),
    ],
)
def test_time_that_was_worked_is_in_hours_and_never_in_days(length: int | None, text: str) -> None:
    assert times.work_text(length) == text


def test_names_from_outside_move_no_cursor() -> None:
    text = shown(statistics([day(MONDAY, 1, sessions=1)], tools=[share("\x1b[2J\u202eevil", calls=1)]))
    assert "\\u001b[2J\\u202eevil" in text
    assert "\x1b" not in text


def test_the_csv_has_a_line_a_day_and_nothing_for_what_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    days = [day(MONDAY, times.HOUR, agent=5, sessions=2), day(MONDAY + timedelta(days=1))]
    print_csv(statistics(days))
    printed = capsys.readouterr().out
    first, second = csv.DictReader(io.StringIO(printed))
    assert printed.splitlines()[0] == (
        "date,since,until,active_ms,union_ms,agent_ms,waiting_ms,sessions,calls,prompts,reads,edits"
    )
    assert first == {
        "date": "2026-11-16", "since": str(days[0].since), "until": str(days[0].until), "active_ms": "4500000",
        "union_ms": "3600000", "agent_ms": "5", "waiting_ms": "", "sessions": "2", "calls": "60", "prompts": "8",
        "reads": "40", "edits": "14",
    }  # fmt: skip
    assert (second["active_ms"], second["agent_ms"]) == ("0", "")


def test_json_is_the_whole_structure(capsys: pytest.CaptureFixture[str]) -> None:
    found = statistics(some_days(MONDAY, 3), **SHARES)
    print_json(found)
    printed = capsys.readouterr().out
    assert msgspec.json.decode(printed, type=Statistics) == found
    plain = json.loads(printed)
    assert plain["days"][0]["date"] == "2026-11-16"
    assert plain["clocks"]["waiting_ms"] is None


# What a person sees: the screen as the command prints it, on a terminal of its own.
_PRINT = """
import sys, msgspec
from kioku.cli.charts.paper import of_output
from kioku.cli.output import print_lines
from kioku.cli.stats_screen import screen
from kioku.reports.statistics import Statistics
paper = of_output()
with open(sys.argv[1], "rb") as stream:
    print_lines(screen(msgspec.json.decode(stream.read(), type=Statistics), paper.width, paper.encoding))
"""


def on_terminal(file: Path, columns: int) -> str:
    leader, follower = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", _PRINT, str(file)]
    process = subprocess.Popen(command, env=env, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    seen = b""
    while select.select([leader], [], [], PATIENCE_S)[0]:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(leader)
    assert process.wait(PATIENCE_S) == 0, seen
    return seen.decode()


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_on_a_terminal_there_is_colour_and_no_line_breaks(tmp_path: Path, columns: int) -> None:
    found = statistics(some_days(MONDAY - timedelta(days=300), 300), **SHARES)
    file = tmp_path / "statistics.json"
    file.write_bytes(msgspec.json.encode(found))
    seen = on_terminal(file, columns)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", seen).replace("\r\n", "\n").rstrip("\n").split("\n")
    assert "\x1b[36m" in seen
    assert "\x1b[32m" in seen
    assert [line.rstrip() for line in lines] == shown(found, columns).split("\n")


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "█"), ("ascii", "#"), ("latin-1", "#")])
def test_in_a_pipe_it_is_80_columns_of_what_the_stream_can_show(tmp_path: Path, encoding: str, mark: str) -> None:
    found = statistics(some_days(MONDAY, 7), **SHARES)
    file = tmp_path / "statistics.json"
    file.write_bytes(msgspec.json.encode(found))
    env = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "33"}
    result = subprocess.run([sys.executable, "-c", _PRINT, str(file)], env=env, capture_output=True, timeout=PATIENCE_S)
    assert result.returncode == 0, result.stderr
    assert result.stdout.decode(encoding).rstrip("\n") == shown(found, 80, encoding)
    assert mark in result.stdout.decode(encoding)


@pytest.mark.parametrize("command", [("stats",), ("sessions", "timeline")])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("2026-03-14..2026-03-01",), "turn it round: 2026-03-01..2026-03-14"), (("",), "an empty text is no range"),
        (("9999-01-01",), "is in the future"), (("yesterdya",), "did you mean 'yesterday'?"),
        (("2026-02-30",), "is no date of the calendar"), (("last", "century"), "'last century' is no range of days"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused_with_the_next_step_and_nothing_is_made(
    project: Path, command: tuple[str, ...], words: tuple[str, ...], says: str
) -> None:
    result = kioku(*command, *words, cwd=project)
    assert result.returncode == 2
    assert says in result.stderr
    assert result.stdout == ""
    assert list(project.iterdir()) == []


def test_two_formats_at_once_are_refused(project: Path) -> None:
    result = kioku("stats", "--json", "--csv", cwd=project)
    assert result.returncode == 2
    assert "--json and --csv exclude each other" in result.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [(("--csv", "--files", "heat"), "--files is for the screen"), (("--by", "week"), "--by is for --json and --csv")],
)
def test_an_option_that_would_change_nothing_is_refused(project: Path, options: tuple[str, ...], says: str) -> None:
    result = kioku("stats", *options, cwd=project)
    assert (result.returncode, result.stdout) == (2, "")
    assert says in result.stderr


def test_where_nothing_is_recorded_the_answer_says_what_begins_it(project: Path) -> None:
    for command in (("stats", "last", "week"), ("sessions", "timeline")):
        result = kioku(*command, cwd=project)
        assert result.returncode == 1
        assert "nothing has been recorded" in result.stderr
    assert list(project.iterdir()) == []


def test_a_file_belongs_to_the_innermost_module_it_is_in() -> None:
    modules = {"app": "src/app", "store": "./src/app/store/", "docs": "docs", "none": None}
    of = belonging({name: ModuleEntry(path=path) for name, path in modules.items()})
    paths = ("src/app/a.py", "src/app/store/b.py", "src\\app\\store\\c.py", "docs", "src/apple/d.py")
    assert [of(path) for path in paths] == ["app", "store", "store", "docs", None]
    assert belonging({"all": ModuleEntry(path=".")})("x/y.py") == "all"
