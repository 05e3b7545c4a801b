"""Charts of text: what is drawn is true to its figures, and never wider than the paper."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kioku import times
from kioku.cli.charts import bars, heat, lanes
from kioku.cli.charts.bars import Row
from kioku.cli.charts.lanes import Axis, Piece
from kioku.cli.charts.paper import ASCII, UNICODE, Line, Paper, beside, stacked, width_of
from kioku.dates import range_text
from kioku.days import Calendar
from kioku.levels import level

ENCODINGS = ("utf-8", "ascii", "latin-1", "cp437", "cp1252", "no-such-encoding")

papers = st.builds(Paper, st.integers(1, 220), st.sampled_from(ENCODINGS))
texts = st.text(max_size=60) | st.text("ab/記憶é\u200b\x1b\u202e😀", max_size=200)
values = st.integers(0, 10**12)
some_values = st.lists(values, min_size=1, max_size=400)


def plain(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def fits(paper: Paper, lines: list[Line]) -> None:
    for line, text in zip(lines, plain(lines), strict=True):
        assert width_of(line) <= paper.width, text
        assert cell_len(text) <= paper.width, text
        assert text.isprintable(), text
        text.encode(paper.encoding)


@given(papers, texts, st.integers(0, 120), st.booleans(), st.booleans())
def test_text_is_filled_up_to_the_cell_and_cut_with_a_sign(
    paper: Paper, text: str, width: int, right: bool, keep_end: bool
) -> None:
    filled = paper.fill(text, width, right=right, keep_end=keep_end)
    assert cell_len(filled) == width
    assert filled.isprintable()
    whole = paper.printable(text)
    if cell_len(whole) <= width:
        assert filled.strip(" ") == whole.strip(" ")
    elif width:
        assert paper.marks.cut in filled


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_the_stream_cannot_show_is_ascii(encoding: str) -> None:
    paper = Paper(80, encoding)
    assert paper.marks == (UNICODE if encoding == "utf-8" else ASCII)
    assert Paper(80, "no-such-encoding").encoding == "ascii"
    assert all(mark.isascii() for mark in ASCII)
    if encoding == "ascii":
        assert paper.printable("– é 憶") == "- \\xe9 \\u61b6"


@given(values, values, st.integers(1, 10**12), st.integers(1, 200), st.sampled_from((UNICODE.lying, ASCII.lying)))
def test_a_bar_grows_with_its_value_and_zero_draws_nothing(
    one: int, other: int, most: int, room: int, marks: str
) -> None:
    less, more = sorted((min(one, most), min(other, most)))

    def filled(value: int) -> int:
        return sum(marks.index(mark) for mark in bars.lying(value, most, room, marks))

    assert filled(less) <= filled(more)
    assert bars.lying(0, most, room, marks) == ""
    assert bars.lying(1, most, room, marks) != ""
    assert bars.lying(most, most, room, marks) == marks[-1] * room


@given(papers, texts, st.lists(st.tuples(texts, values, texts, texts), max_size=12), texts, st.booleans())
def test_bars_are_never_wider_than_asked(
    paper: Paper, title: str, rows: list[tuple[str, int, str, str]], heading: str, keep_end: bool
) -> None:
    drawn = [Row(name, value, (one, two)) for name, value, one, two in rows]
    lines = bars.bars(paper, title, drawn, headings=("active", heading), keep_end=keep_end)
    assert len(lines) == 1 + len(rows)
    fits(paper, lines)


def test_bars_stand_below_each_other_and_so_do_their_figures() -> None:
    rows = [Row("claude-code", 40, ("4 h", "12")), Row("記憶", 10, ("1 h", "3")), Row("none", 0, ("0 ms", "0"))]
    assert plain(bars.bars(Paper(40), "Clients", rows, headings=("active", "calls"))) == [
        "Clients                    active  calls",
        " claude-code ████████████     4 h     12",
        " 記憶        ███              1 h      3",
        " none                        0 ms      0",
    ]
    assert (
        plain(bars.bars(Paper(30), "Clients", rows, headings=("active", "calls")))[1]
        == " claude-co… ██████████     4 h"
    )


@given(papers, some_values, st.integers(1, 6), texts, st.lists(st.tuples(st.integers(0, 399), texts), max_size=9))
def test_standing_bars_are_never_wider_than_asked(
    paper: Paper, found: list[int], height: int, top: str, labels: list[tuple[int, str]]
) -> None:
    lines = bars.standing(paper, found, sorted(labels), top=top, height=height)
    assert len(lines) == height + 1
    fits(paper, lines)


def test_standing_bars_are_as_high_as_their_values() -> None:
    assert plain(bars.standing(Paper(30), [0, 1, 16, 32, 24], [(0, "Mon"), (3, "Thu")], top="2 h", height=2)) == [
        "2 h ▏            ███ ▄▄▄",
        "    ▏    ▁▁▁ ███ ███ ███",
        "     Mon         Thu",
    ]


@given(values, values, values)
def test_heat_grows_with_the_value_in_five_levels(one: int, other: int, most: int) -> None:
    less, more = sorted((min(one, most), min(other, most)))
    assert 0 <= level(less, most) <= level(more, most) <= 4
    assert (level(more, most) == 0) == (more == 0)
    assert most == 0 or level(most, most) == 4


@given(papers, st.dates(date(1970, 1, 1), date(2040, 1, 1)), some_values)
def test_a_calendar_is_never_wider_than_asked(paper: Paper, first: date, found: list[int]) -> None:
    fits(paper, heat.strip(paper, [(first + timedelta(days=n), value) for n, value in enumerate(found)]))


@given(st.integers(12, 220), st.dates(date(1970, 1, 1), date(2040, 1, 1)), some_values)
def test_a_calendar_shows_every_day_once_in_the_row_of_its_weekday(width: int, first: date, found: list[int]) -> None:
    days = [(first + timedelta(days=n), max(1, value)) for n, value in enumerate(found)]
    lines = plain(heat.strip(Paper(width), days))
    rows = [line for number, line in enumerate(lines) if number % 8]
    marks = [sum(mark in UNICODE.heat for mark in line[5:]) for line in rows]
    each = sum(marks) // len(days)  # a day may be one cell wide, or two
    assert each in (1, 2)
    assert sum(marks) == each * len(days)
    for weekday in range(7):
        assert sum(marks[weekday::7]) == each * sum(day.weekday() == weekday for day, _ in days)


def test_a_calendar_names_months_where_they_begin() -> None:
    days = [(date(2026, 9, 14) + timedelta(days=n), n % 7) for n in range(60)]
    assert plain(heat.strip(Paper(40), days)) == [
        "2026 Sep Oct     Nov",
        " Mon · · · · · · · · · ",
        "     ░░░░░░░░░░░░░░░░░░",
        " Wed ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒",
        "     ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓",
        " Fri ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓  ",
        "     ████████████████  ",
        " Sun ████████████████  ",
    ]


def test_years_in_which_there_was_nothing_have_no_calendar() -> None:
    days = [(date(1970, 1, 1) + timedelta(days=n), int(n in (5, 20_000))) for n in range(20_700)]
    lines = plain(heat.strip(Paper(80), days))
    assert [line[:4] for line in lines if line[0] != " "] == ["1970", "2024"]
    assert len(heat.strip(Paper(80), [(day, 0) for day, _ in days])) == 8
    assert heat.strip(Paper(80), []) == []


@given(papers, st.lists(st.tuples(texts, st.lists(values, min_size=24, max_size=24), texts), max_size=7), texts)
def test_hours_are_never_wider_than_asked(paper: Paper, rows: list[tuple[str, list[int], str]], title: str) -> None:
    lines = heat.grid(paper, title, rows)
    assert len(lines) == 1 + len(rows)
    fits(paper, lines)
    fits(paper, [heat.legend(paper, title, title)])


def test_hours_stand_under_their_names() -> None:
    hours = [60 if hour == 9 else 15 if hour == 21 else 0 for hour in range(24)]
    head, row = plain(heat.grid(Paper(66), "Hours", [("Mon", hours, "1 h 15 min")]))
    assert row.index("██") == head.index(" 9") + 1
    assert row.index("▒▒") == head.index("21")
    assert row.endswith("1 h 15 min")
    assert len(plain(heat.grid(Paper(40), "Hours", [("Mon", hours, "1 h 15 min")]))[1]) == 30


stretch_lists = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 60)), min_size=1, max_size=8)


def piece(gaps: list[tuple[int, int]], begin: int = 0) -> Piece:
    """Return a piece of stretches, given as the minutes before each and the minutes of it."""
    stretches, at = [], begin
    for gap, length in gaps:
        stretches.append((at + gap * times.MINUTE, at + (gap + length) * times.MINUTE))
        at = stretches[-1][1]
    return Piece(stretches[0][0], at, stretches, ("claude-code k7w2m9qd", "k7w2"), runs=True)


def axis(since: int, until: int) -> Axis:
    calendar = Calendar("UTC")
    return Axis(since, until, [(hour.since, hour.hour) for hour in calendar.hours(since, until)])


@given(papers, st.lists(stretch_lists, max_size=5), st.integers(0, 20 * times.HOUR), st.integers(1, 30 * times.HOUR))
def test_lanes_are_never_wider_than_asked(
    paper: Paper, rows: list[list[tuple[int, int]]], since: int, length: int
) -> None:
    over = axis(since, since + length)
    lines = [lanes.axis(paper, over), *lanes.lanes(paper, over, [[piece(row)] for row in rows])]
    assert len(lines) == 1 + 2 * len(rows)
    fits(paper, lines)


@given(st.integers(10, 200), stretch_lists)
def test_a_lane_is_drawn_from_its_beginning_to_its_end_and_nowhere_else(
    width: int, gaps: list[tuple[int, int]]
) -> None:
    drawn = piece(gaps, begin=times.HOUR)
    over = axis(0, 24 * times.HOUR)
    text = plain(lanes.lanes(Paper(width), over, [[drawn._replace(runs=False)]]))[0][1:]
    room = width - 2
    marked = [at for at, mark in enumerate(text) if mark in "█▌▐─"]
    first, last = drawn.since * room // over.until, (drawn.until - 1) * room // over.until
    assert marked == list(range(first, last + 1))
    assert any(mark in "█▌▐" for mark in text)


def test_active_stretches_are_solid_breaks_thin_and_labels_stand_below() -> None:
    over = axis(8 * times.HOUR, 14 * times.HOUR)
    one = piece([(0, 60), (30, 60)], begin=9 * times.HOUR)._replace(runs=False, labels=("codex k7w2m9qd", "k7w2"))
    other = piece([(0, 30)], begin=12 * times.HOUR)._replace(labels=("codex x0f4hn3b", "x0f4"))
    beside = piece([(0, 90)], begin=10 * times.HOUR)._replace(runs=False, labels=("claude-code 9ae5tzr1",))
    found = [lanes.axis(Paper(38), over), *lanes.lanes(Paper(38), over, [[one, other], [beside]])]
    assert plain(found) == [
        " 08    09    10    11    12    13",
        " ┊     ██████───██████   ███▸  ┊     ",
        "       codex k7w2m9qd  codex x0f4hn3b",
        " ┊     ┊     █████████   ┊     ┊     ",
        "             claude-code 9ae5tzr1",
    ]


def test_of_labels_the_first_that_fits_is_taken_and_none_runs_into_another() -> None:
    over = axis(0, 24 * times.HOUR)
    near = [piece([(0, 20)], begin=n * 2 * times.HOUR) for n in range(3, 9)]
    text = plain(lanes.lanes(Paper(74), over, [near]))[1]
    assert text.split() == ["k7w2"] * 5 + ["claude-code", "k7w2m9qd"]
    assert plain(lanes.lanes(Paper(26), over, [near]))[1].split() == ["k7w2"]


@given(st.lists(st.lists(st.sampled_from(["", "a", "記", "abc"]), max_size=5), max_size=5), st.integers(1, 4))
def test_blocks_beside_each_other_keep_their_lines(blocks: list[list[str]], count: int) -> None:
    made: list[list[Line]] = [[[(text, "")] for text in block] for block in blocks]
    columns = stacked(made, count)
    assert sum(len([line for line in column if line]) for column in columns) == sum(map(len, blocks))
    lines = beside(columns, 3, 2)
    assert len(lines) == max(map(len, columns))
    assert all(width_of(line) <= 3 * count + 2 * (count - 1) for line in lines)


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2026-11-24", "2026-11-24", "Tue 24 Nov 2026"), ("2026-11-23", "2026-11-24", "Mon 23 to Tue 24 Nov 2026"),
        ("2026-10-30", "2026-11-02", "Fri 30 Oct to Mon 2 Nov 2026"), ("2026-11-01", "2026-11-24", "1 to 24 Nov 2026"),
        ("2026-01-01", "2026-11-24", "1 Jan to 24 Nov 2026"), ("2025-12-30", "2026-01-02", "30 Dec 2025 to 2 Jan 2026"),
    ],
)  # fmt: skip
def test_a_range_is_written_as_a_person_says_it(first: str, last: str, text: str) -> None:
    assert range_text(date.fromisoformat(first), date.fromisoformat(last)) == text
