"""CSV, Markdown, iCalendar and ActivityWatch: read back by strict readers, whatever the sessions' texts are."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from markdown_it import MarkdownIt

from kioku.models import Session
from kioku.reports.export import activitywatch, icalendar, markdown, table
from kioku.reports.export.chosen import Chosen, Exported
from kioku.reports.lanes import covered
from kioku.reports.sessions import active_stretches
from tests.reports.years import generated
from tests.sessions.stage import HOUR, MINUTE, T0, Stage, read, unknown

TEXTS = st.text(max_size=120) | st.sampled_from([
    "=1+1", "+SUM(A1)", "-2", "@x", "\t=1", " =1", "＝1", "a,b;c\\n\\", 'say "no"', "line\r\nbreak", "\x1b[31mred",
    "`code` | *bold* <script>", "[x](http://evil.example)", "é" * 80, "漢字" * 50, "BEGIN:VEVENT", "\u202eback", "",
])  # fmt: skip


def session(**changes: Any) -> Session:
    values: dict[str, Any] = {
        "id": "abc", "project_id": "p", "started_at": T0, "ended_at": T0 + HOUR, "status": "completed",
        "end_reason": "idle", "last_activity_at": T0 + HOUR, "client": "c", "client_version": None, "branch": None,
        "title": None, "topics": [], "tool_calls": 1, "files": 2, "activities": 3, "active_ms": 4, "agent_ms": None,
        "waiting_ms": None, "timeout_ms": 1, "continues": None, "empty": False, "owner": None, "created_at": T0,
        "updated_at": T0,
    }  # fmt: skip
    return Session(**{**values, **changes})


def exported(**changes: Any) -> Exported:
    return Exported(seq=1, session=session(**changes), folder=None)


@settings(deadline=None)
@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=3))
def test_csv_has_every_field_and_no_formula(title: str, branch: str, topics: list[str]) -> None:
    text = "".join(table.lines([exported(title=title, branch=branch, topics=topics), exported()]))
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert [len(row) for row in rows] == [len(table.COLUMNS)] * 3
    assert text.endswith("\r\n")
    first = dict(zip(rows[0], rows[1], strict=True))
    for name in ("title", "branch", "topics"):
        assert not first[name].lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
        assert all(sign.isprintable() or sign in "\n\t" for sign in first[name])
    assert (first["started_at"], first["agent_ms"], first["empty"]) == (str(T0), "", "false")


def test_a_negative_number_is_no_formula() -> None:
    (_, row) = table.lines([exported(started_at=-5)])
    assert ",-5," in row


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_markdown_shows_texts_as_texts(title: str, branch: str, client: str) -> None:
    found = [exported(title=title, branch=branch, client=client)]
    text = "".join(markdown.lines("a project", "today", found, None, 0))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = [child.type for token in tokens for child in token.children or ()]
    assert not {"link_open", "html_inline", "image", "strong_open", "em_open"} & set(kinds)
    assert not any(token.type in ("html_block", "fence", "code_block") for token in tokens)
    assert sum(token.type == "tr_open" for token in tokens) == 2
    assert sum(token.type == "td_open" for token in tokens) == 10
    assert text.isprintable() or all(sign.isprintable() or sign == "\n" for sign in text)


def unfolded(text: str) -> list[str]:
    """Return a calendar's lines, and check what RFC 5545 says of them."""
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    for line in text.encode().split(b"\r\n"):
        assert len(line) <= 75
        line.decode()  # no sign is divided
    return text.replace("\r\n ", "").split("\r\n")[:-1]


@settings(deadline=None)
@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=3), st.integers(0, 3 * HOUR))
def test_a_calendar_is_read_by_others_as_it_is_meant(title: str, client: str, topics: list[str], length: int) -> None:
    with Stage() as stage:
        found = [exported(title=title, client=client, topics=topics, ended_at=T0 + length)]
        text = stage.store.read(lambda db: "".join(icalendar.lines(db, found, project="p", by_stretch=False)))
    lines = unfolded(text)
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-1] == "END:VCALENDAR"
    assert sum(line == "BEGIN:VEVENT" for line in lines) == 1
    assert all(re.match(r"[A-Z]+:", line) for line in lines)
    (event,) = parsed(text)
    assert event["UID"] == "abc@kioku"
    assert event["DTSTART"].dt == datetime.fromtimestamp(T0 // 1000, UTC)
    if length >= 1000:
        assert event["DTEND"].dt == datetime.fromtimestamp((T0 + length) // 1000, UTC)
    shown = "".join(sign for sign in title if sign.isprintable() or sign in "\n\t").replace("\t", " ")
    assert str(event["SUMMARY"]) == f"p: {shown if title else client_shown(client)}"


def parsed(text: str) -> list[Any]:
    """Return a calendar's events, as a parser that is not ours finds them."""
    return list(Calendar.from_ical(text).walk("VEVENT"))


def client_shown(client: str) -> str:
    shown = "".join(sign for sign in client if sign.isprintable() or sign in "\n\t").replace("\t", " ")
    return shown if client else "session"


@pytest.mark.parametrize("at", [-1, 253_402_300_800_000, 1 << 52])
def test_what_lies_where_no_calendar_reaches_is_left_out(at: int) -> None:
    with Stage() as stage:
        found = [exported(started_at=at, ended_at=at)]
        text = stage.store.read(lambda db: "".join(icalendar.lines(db, found, project="", by_stretch=False)))
    assert "VEVENT" not in text
    assert parsed(text) == []


@pytest.fixture
def worked() -> Iterator[Stage]:
    with Stage() as stage:
        stream = stage.stream("claude:x")
        for number, at in enumerate((0, 2 * MINUTE, 20 * MINUTE, 3 * HOUR)):
            stage.take(stream, [read(number + 1, at, "a.py", MINUTE)], T0 + at)
        stage.sweep(T0 + 4 * HOUR)
        yield stage


def test_stretches_are_events_of_their_own(worked: Stage) -> None:
    def work(db: apsw.Connection) -> str:
        found = Chosen().sessions(db, now=T0, judge=unknown)
        return "".join(icalendar.lines(db, found, project="", by_stretch=True))

    events = parsed(worked.store.read(work))
    assert [(event["DTEND"].dt - event["DTSTART"].dt).total_seconds() for event in events] == [180, 60, 60]
    assert len({event["UID"] for event in events}) == 3


def test_buckets_have_the_shape_that_activitywatch_imports_and_the_time_of_the_clocks() -> None:
    with Stage() as stage:
        year = generated(2)
        year.play(stage)
        chosen = Chosen()

        def work(db: Any) -> tuple[str, int]:
            text = "".join(activitywatch.lines(db, chosen, project="p", hostname="host", now=year.now, judge=unknown))
            return text, sum(covered(active_stretches(db, id)) for id in chosen.ids_of(db))

        text, active = stage.store.read(work)
    document = json.loads(text)
    assert set(document) == {"buckets"}
    total = 0.0
    for name, bucket in document["buckets"].items():
        assert bucket["id"] == name
        assert {"type", "client", "hostname", "created", "events"} <= set(bucket)
        assert datetime.fromisoformat(bucket["created"]).tzinfo is not None
        for event in bucket["events"]:
            assert set(event) == {"timestamp", "duration", "data"}
            assert datetime.fromisoformat(event["timestamp"]).utcoffset() is not None
            assert event["duration"] >= 0
            total += event["duration"]
    assert 0 < total * 1000 <= active + 1
