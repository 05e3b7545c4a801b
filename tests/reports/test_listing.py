"""The list of sessions against a slow reading of every row: whatever is asked for, the same sessions, in order."""

import fnmatch
import json
from functools import partial
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kioku.days import Calendar
from kioku.errors import UsageError
from kioku.models import FILE_EDIT, FILE_READ, HOOK, PROMPT, SERVER_START, TRANSCRIPT, Report, Session
from kioku.redaction import redact
from kioku.reports.listing import Listing, Wanted, listing, stretch
from kioku.sessions import record
from kioku.store import activities, turns
from tests.sessions.stage import HOUR, MINUTE, T0, Stage, unknown

NOW = T0 + 40 * HOUR
CLIENTS = ("codex", "claude-code", "Zed")
BRANCHES = ("main", "feature/ü", "x")
PATHS = ("a.py", "src/a.py", "src/deep/b.rs", "ä_%.txt", "docs/[x].md")
WORDS = ("Ünder", "under", "100%", "a_b", "*[x]?", "日本", "back\\slash", "ΣΊΣΥΦΟΣ", "σίσυφος", "'; --", "σα", "x]")

sessions = st.fixed_dictionaries(
    {
        "at": st.sampled_from((0, 45, 90, 1200, 39 * 60, 39 * 60 + 45)),  # minutes
        "lasts": st.just(0) | st.integers(0, 50),
        "client": st.sampled_from((*CLIENTS, None)),
        "branch": st.sampled_from((*BRANCHES, None)),
        "paths": st.lists(st.sampled_from(PATHS), max_size=3),
        "says": st.lists(st.sampled_from(WORDS), max_size=2),
        "title": st.sampled_from((None, *WORDS)),
        "topics": st.lists(st.sampled_from(WORDS), max_size=2),
        "stream": st.integers(0, 3),
    }
)
FILES = ("a.py", "src", "*.py", "b.?s", "src/*", "[ab].py", "%", "_", "ä", "nowhere")
TEXTS = (
    "ünd",
    "UNDER",
    "%",
    "_",
    "*",
    "[",
    "[X]",
    "?",
    "日",
    "\\",
    "Σί",
    "ς",
    "'",
    "x]",
    "100_",
    "none",
    "never shown",
)
STATUSES = ("active", "completed", "archived")

wishes = st.builds(
    Wanted,
    since=st.none() | st.integers(T0, NOW),
    file=st.none() | st.sampled_from(FILES),
    text=st.none() | st.sampled_from(TEXTS),
    status=st.none() | st.sampled_from(STATUSES),
    longer_than_ms=st.none() | st.integers(0, 50 * MINUTE),
    empty=st.booleans(),
    limit=st.integers(1, 8),
)


def single(everything: list[Session]) -> list[Wanted]:
    """Return one wish for each condition and value, at the bounds of what there is."""
    wanted = [Wanted(), Wanted(empty=True), Wanted(limit=1), Wanted(empty=True, limit=2)]
    wanted += [Wanted(file=file) for file in FILES]
    wanted += [Wanted(text=text, empty=empty) for text in TEXTS for empty in (False, True)]
    wanted += [Wanted(status=status) for status in STATUSES]
    for session in everything:
        wanted += [Wanted(since=session.started_at), Wanted(until=session.started_at, empty=True)]
        wanted += [Wanted(longer_than_ms=session.active_ms)] if session.active_ms is not None else []
        wanted += [Wanted(client=session.client, branch=session.branch)]
    return wanted


def stored(stage: Stage, plans: list[dict[str, Any]]) -> None:
    """Record sessions of four streams, and titles and topics as a person would set them."""

    def work(db: apsw.Connection) -> None:
        key = 1
        for plan in plans:
            stream = activities.stream(
                db, redact(f"s{plan['stream']}{plan['client']}"), project_id=redact("p"), owner=None,
                timeout_ms=30 * MINUTE, now=T0,
            )  # fmt: skip
            if plan["client"] is not None:
                activities.name_client(db, stream, redact(plan["client"]), redact("1"))
            at = T0 + plan["at"] * MINUTE
            branch = None if plan["branch"] is None else redact(plan["branch"])
            kinds: list[tuple[Any, Any]] = [
                (SERVER_START, 0),  # without more than this it is empty
                *((FILE_READ if place else FILE_EDIT, path) for place, path in enumerate(plan["paths"])),
                *((PROMPT, minute) for minute in range(0, plan["lasts"], 4)),
            ]
            for step, (kind, what) in enumerate(kinds):
                key += 1
                moment = at + (what * MINUTE if isinstance(what, int) else step)
                path = redact(what) if isinstance(what, str) else None
                told = Report(key=key, source=HOOK, at=moment, kind=kind, path=path, branch=branch)
                record.take(db, stream, [told], now=moment)  # so that some are stored as active and over by now
            for word in plan["says"]:
                key += 1
                for source, text in ((TRANSCRIPT, word), (HOOK, "never shown, since a transcript tells it")):
                    told = Report(key=key, source=source, at=at, kind=PROMPT)
                    record.take(db, stream, [told], now=NOW)
                    said = turns.Turn(key=key, source=source, at=at, role="user", text=redact(text))
                    turns.add_turn(db, stream, said)
        ids = [row[0] for row in db.execute("SELECT id FROM sessions ORDER BY started_at, id")]
        for id, plan in zip(ids, plans, strict=False):
            topics = json.dumps(plan["topics"], ensure_ascii=False)
            db.execute("UPDATE sessions SET title = ?, topics = ? WHERE id = ?", (plan["title"], topics, id))

    stage.store.write(work)


def asked(stage: Stage, wanted: Wanted) -> Listing:
    return stage.store.read(lambda db: listing(db, wanted, now=NOW, judge=unknown))


def slowly(db: apsw.Connection, wanted: Wanted) -> tuple[list[str], int]:
    """Return the ids, and the number of those hidden, by looking at every row."""
    shown: list[str] = []
    hidden = 0
    everything = listing(db, Wanted(empty=True, limit=1000), now=NOW, judge=unknown).sessions
    for session in sorted(everything, key=lambda found: (-found.started_at, found.id)):
        if not fits(db, session, wanted):
            continue
        if session.empty and session.status != "active" and not wanted.empty:
            hidden += 1
        elif len(shown) < wanted.limit:
            shown.append(session.id)
    return shown, hidden


def fits(db: apsw.Connection, session: Session, wanted: Wanted) -> bool:
    paths = [row[0] for row in db.execute("SELECT path FROM session_files WHERE session_id = ?", (session.id,))]
    said = [row[0] for row in db.execute("SELECT text FROM session_turns WHERE session_id = ?", (session.id,))]
    texts = [session.title or "", *session.topics, *said]
    exact = (wanted.client in (None, session.client), wanted.branch in (None, session.branch),
             wanted.status in (None, session.status))  # fmt: skip
    bounds = (
        wanted.since is None or session.started_at >= wanted.since,
        wanted.until is None or session.started_at < wanted.until,
        wanted.longer_than_ms is None or (session.active_ms is not None and session.active_ms > wanted.longer_than_ms),
    )
    has_file = wanted.file is None or any(fits_path(path, wanted.file) for path in paths)
    plain = None if wanted.text is None else upper_lower(wanted.text)
    has_text = plain is None or any(plain in upper_lower(text) for text in texts)
    return all(exact) and all(bounds) and has_file and has_text


def upper_lower(text: str) -> str:
    return "".join(character.upper().lower() for character in text)


def fits_path(path: str, wanted: str) -> bool:
    if not set("*?[") & set(wanted):
        return wanted in path
    parts = path.split("/")
    return any(fnmatch.fnmatchcase("/".join(parts[start:]), wanted) for start in range(len(parts)))


@settings(max_examples=40, deadline=None)
@given(plans=st.lists(sessions, min_size=1, max_size=8), combined=st.lists(wishes, max_size=12))
def test_every_list_is_that_of_a_reader_of_all_rows(plans: list[dict[str, Any]], combined: list[Wanted]) -> None:
    with Stage() as stage:
        stored(stage, plans)
        everything = asked(stage, Wanted(empty=True, limit=1000)).sessions
        for wanted in [*single(everything), *combined]:
            found = asked(stage, wanted)
            expected = stage.store.read(partial(slowly, wanted=wanted))
            assert ([session.id for session in found.sessions], found.hidden_empty) == expected, wanted


def test_a_client_or_branch_that_no_session_has_is_an_error_that_names_the_nearest() -> None:
    with Stage() as stage:
        stored(stage, [_plan(client="claude-code", branch="feature/ü"), _plan(client="codex", branch="main")])
        for wanted, hint in (
            (Wanted(client="claude"), "did you mean 'claude-code'?"),
            (Wanted(client="?"), "there are: claude-code, codex"),
            (Wanted(branch="mian"), "did you mean 'main'?"),
        ):
            with pytest.raises(UsageError) as raised:
                asked(stage, wanted)
            assert raised.value.hint == hint


def test_where_no_client_is_known_the_error_says_so() -> None:
    with Stage() as stage, pytest.raises(UsageError) as raised:
        asked(stage, Wanted(client="codex"))
    assert raised.value.hint == "no session has a known client yet"


@pytest.mark.parametrize("name", ["text", "file", "client", "branch"])
@pytest.mark.parametrize("wrong", ["", "x" * 1001, "\udcff"])
def test_what_cannot_be_looked_for_is_an_error(name: str, wrong: str) -> None:
    with Stage() as stage, pytest.raises(UsageError, match=name):
        asked(stage, msgspec.structs.replace(Wanted(), **{name: wrong}))


def test_topics_that_are_no_json_are_passed_over() -> None:
    with Stage() as stage:
        stored(stage, [_plan(says=["needle"])])
        stage.store.write(lambda db: db.execute("UPDATE sessions SET topics = 'broken ['"))
        assert len(asked(stage, Wanted(text="NEEDLE")).sessions) == 1
        assert not asked(stage, Wanted(text="broken")).sessions


BERLIN = Calendar("Europe/Berlin")


def test_days_months_and_years_have_their_first_and_last_instant() -> None:
    assert lengths("2026-11-22", "2026-11-22") == 24 * HOUR
    assert lengths("2026-03-29", "2026-03-29") == 23 * HOUR
    assert lengths("2026-10-25", "2026-10-25") == 25 * HOUR
    assert lengths("2026-02", "2026-02") == 28 * 24 * HOUR
    assert lengths("2025-12", "2026-01-01") == 32 * 24 * HOUR
    assert lengths("2026", "2026") == 365 * 24 * HOUR
    assert lengths("yesterday", "Today") == 48 * HOUR
    assert stretch("2026-11-22", None, BERLIN, NOW) == (1_795_302_000_000, None)
    assert stretch(None, "2026-11-21", BERLIN, NOW) == (None, 1_795_302_000_000)


def test_a_day_begins_when_the_persons_does() -> None:
    late = Calendar("Europe/Berlin", 240)
    assert stretch("2026-11-22", "2026-11-22", late, NOW) == (
        1_795_302_000_000 + 4 * HOUR,
        1_795_302_000_000 + 28 * HOUR,
    )


def lengths(since: str, until: str) -> int:
    first, last = stretch(since, until, BERLIN, NOW)
    assert first is not None
    assert last is not None
    return last - first


@pytest.mark.parametrize("wrong", ["", "soon", "all", "2026-13", "2026-02-30", "22.11.2026", "-1", "2026-11-22T10:00"])
def test_what_is_no_date_is_an_error_that_shows_one(wrong: str) -> None:
    with pytest.raises(UsageError, match="is no date") as raised:
        stretch(wrong, None, BERLIN, NOW)
    assert "2026-03-01" in (raised.value.hint or "")


def test_an_end_before_the_beginning_is_an_error() -> None:
    with pytest.raises(UsageError, match="2026-11-21 is before 2026-11-22"):
        stretch("2026-11-22", "2026-11-21", BERLIN, NOW)


def _plan(**given: Any) -> dict[str, Any]:
    plan = {"at": 0, "lasts": 1, "client": None, "branch": None, "title": None, "stream": 0}
    return {**plan, "paths": [], "says": [], "topics": [], **given}
