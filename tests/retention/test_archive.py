"""Archiving: every figure stays, nothing is counted again, and nothing in its time disturbs it."""

import random
from collections.abc import Sequence
from typing import Any

import apsw
import msgspec
import pytest

from kioku.capture.seen import Seen
from kioku.days import Calendar
from kioku.models import FILE_EDIT, FILE_READ, HOOK, PROMPT, SERVER, TRANSCRIPT, TURN_END, Report, key_of
from kioku.redaction import redact
from kioku.reports import gaps, listing, statistics
from kioku.reports import sessions as shown
from kioku.sessions import archiving, record, settling, sweep
from kioku.store import activities, archive
from kioku.store.turns import Turn, add_turn
from tests.capture.world import World
from tests.sessions.stage import HOUR, MINUTE, T0, Stage, read, report, unknown

NOW = T0 + 400 * 24 * HOUR
RANGES = ("all", "year", "2026-05-28..2026-06-03", "2026-05", "2026-06-01")
ZONES = (Calendar("UTC"), Calendar("Asia/Kathmandu", 240), Calendar("America/New_York"))


def archive_all(stage: Stage, before: int = NOW, now: int = NOW) -> int:
    def work(db: apsw.Connection) -> int:
        sweep.take_edits(db, now)
        found = [seq for seq, _ in archive.candidates(db, before)]
        return archiving.archive_some(db, found, now=now)[0]

    return stage.store.write(work)


def figures(stage: Stage, *, status: bool = False) -> dict[str, Any]:
    """Return whatever people see of the sessions; the status only if wanted."""

    def work(db: apsw.Connection) -> dict[str, Any]:
        listed = listing.listing(db, listing.Wanted(limit=1000, empty=True), now=NOW, judge=unknown).sessions
        found: dict[str, Any] = {
            f"{words} {number}": statistics.statistics(db, calendar.range(words, NOW, T0), calendar, now=NOW)
            for words in RANGES
            for number, calendar in enumerate(ZONES)
        }
        for session in listed:
            plain = session.as_json()
            for name in ("updated_at", *(() if status else ("status",))):
                plain.pop(name)
            found[session.id] = (plain, shown.files(db, session.id), shown.tools(db, session.id))
        found["order"] = [session.id for session in listed]
        found["turns"] = sorted(db.execute("SELECT session_id, at, role, text FROM session_turns").fetchall())
        found["said"] = [
            session.id
            for session in listing.listing(db, listing.Wanted(text="needle"), now=NOW, judge=unknown).sessions
        ]
        return found

    return stage.store.read(work)


def told(chance: random.Random, name: str) -> list[Report]:
    """Make what all three sources tell of one conversation over some days, much of it twice."""
    found: list[Report] = []
    at: int = chance.randrange(48 * HOUR)
    for number in range(chance.randrange(5, 60)):
        at += chance.choice([MINUTE, 3 * MINUTE, 7 * MINUTE, 20 * MINUTE, 45 * MINUTE, 9 * HOUR])
        kind = chance.choice([FILE_READ, FILE_EDIT, PROMPT, TURN_END])
        path = f"src/{chance.choice('abc')}.py" if kind in (FILE_READ, FILE_EDIT) else None
        tool = None if path is None else chance.choice(["Read", "Edit"])
        branch = chance.choice([None, "main", "topic"])
        key = key_of(name, number)
        for source in chance.sample([TRANSCRIPT, HOOK, SERVER], chance.randrange(1, 4)):
            is_loose = source == HOOK and path is None
            found.append(
                report(key | 1 if is_loose else key, at + chance.choice([0, 900]), chance.choice([None, 40_000]),
                       source=source, kind=kind, tool=tool, path=path, branch=branch)
            )  # fmt: skip
    return found


def fill(stage: Stage, seed: int) -> tuple[dict[str, list[Report]], list[tuple[str, Turn]]]:
    chance = random.Random(seed)
    said: list[tuple[str, Turn]] = []
    streams = {f"claude:{number}": told(chance, str(number)) for number in range(4)}
    for name, reports in streams.items():
        shuffled = chance.sample(reports, len(reports))
        stage.take(stage.stream(name), shuffled, NOW)
        for one in reports:
            if one.kind == PROMPT and one.source != SERVER:
                words = redact(f"needle {one.key & ~1}")
                said.append((name, Turn(key=one.key, source=one.source, at=one.at, role="user", text=words)))
    say(stage, said)
    stage.sweep(NOW)
    settling.settle(stage.store)
    return streams, said


def say(stage: Stage, said: Sequence[tuple[str, Turn]]) -> None:
    for name, turn in said:
        stream = stage.stream(name)
        stage.store.write(lambda db, stream=stream, turn=turn: add_turn(db, stream, turn))  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(12))
def test_archiving_changes_no_figure_and_what_is_told_again_counts_nothing(seed: int) -> None:
    with Stage() as stage:
        streams, said = fill(stage, seed)
        before = figures(stage)
        cut = T0 + random.Random(seed).randrange(12, 200) * HOUR
        archive_all(stage, cut)
        assert figures(stage) == before
        chance = random.Random(seed + 1)
        for name, reports in streams.items():
            again = chance.sample(reports, len(reports))
            for other in (TRANSCRIPT, HOOK, SERVER):  # each source tells of everything that has an id
                again += [
                    msgspec.structs.replace(r, source=other)
                    for r in reports
                    if not r.key & 1 and r.at < cut - 72 * HOUR and r.source == SERVER
                ]
            stage.take(stage.stream(name), again, NOW)
        say(stage, said)
        stage.sweep(NOW)
        settling.settle(stage.store)
        assert figures(stage) == before
        assert archive_all(stage, cut) == 0
        kept = figures(stage, status=True)
        projection = stage.projection()
        stage.rebuild(NOW)
        assert stage.projection() == projection
        assert figures(stage, status=True) == kept
        archive_all(stage)
        assert figures(stage) == before
        assert stage.store.read(lambda db: db.execute("SELECT count(*) FROM reports").fetchall()) == [(0,)]


def test_a_late_report_of_something_else_is_a_session_of_its_own() -> None:
    with Stage() as stage:
        stream = stage.stream("claude:a")
        stage.take(stream, [read(2, 0, "a.py"), read(4, 10 * MINUTE, "b.py"), read(6, 3 * HOUR, "c.py")], NOW)
        stage.sweep(NOW)
        archive_all(stage, T0 + HOUR)
        (first, later), was = (
            sorted(stage.projection(), key=lambda id: str(stage.projection()[id][2])),
            stage.projection(),
        )
        stage.take(stream, [read(8, 5 * MINUTE, "late.py")], NOW)
        now = stage.projection()
        assert now[first] == was[first]
        assert now[later] == was[later]
        (new,) = now.keys() - was.keys()
        assert now[new][15] == 1
        assert [file.path for file in stage.store.read(lambda db: shown.files(db, new))] == ["late.py"]


def test_a_prompt_without_an_id_is_known_again_whoever_told_of_it_first() -> None:
    for first, second in ((HOOK, TRANSCRIPT), (TRANSCRIPT, HOOK)):
        with World() as world:
            seen = Seen(kind="prompt", conversation="c", at=T0, text="do the thing")
            keepers = {HOOK: world.hook, TRANSCRIPT: world.transcript}
            world.seen(keepers[first], seen, "r1")
            world.stage.sweep(NOW)
            before = figures(world.stage)
            archive_all(world.stage)
            world.seen(keepers[second], Seen(kind="prompt", conversation="c", at=T0 + 700, text="do the thing"), "r2")
            world.stage.sweep(NOW)
            assert figures(world.stage) == before


def test_an_id_goes_on_leading_to_its_session() -> None:
    with Stage() as stage:
        stream = stage.stream("claude:a")
        stage.take(stream, [read(2, 0, "a.py")], T0)
        stage.take(stream, [read(4, 45 * MINUTE, "a.py")], T0 + 45 * MINUTE)
        one, other = sorted(stage.given)
        stage.take(stream, [read(6, 20 * MINUTE, "b.py")], T0 + 50 * MINUTE)  # makes one session of the two
        (id,) = stage.projection()
        stage.sweep(NOW)
        archive_all(stage)
        assert stage.resolve(one, NOW) == stage.resolve(other, NOW) == id


def test_a_persons_title_of_an_archived_session_is_taken_in_and_stays() -> None:
    with Stage() as stage:
        stage.take(stage.stream("claude:a"), [read(2, 0, "a.py")], T0)
        stage.sweep(NOW)
        archive_all(stage)
        stage.sql("UPDATE sessions SET title = 'mine', status = 'active', started_at = started_at - 86400000")
        stage.sweep(NOW)
        ((id, row),) = stage.projection().items()
        assert (row[6], row[4], row[2]) == ("mine", "archived", T0 - 24 * HOUR)
        stage.rebuild(NOW)
        assert stage.projection() == {id: row}


def test_what_follows_an_archived_session_goes_on_with_it() -> None:
    with Stage() as stage:
        stream = stage.stream("claude:a")
        stage.take(stream, [read(2, 0, "a.py"), read(4, 40 * MINUTE, "a.py"), read(6, 90 * MINUTE, "b.py")], NOW)
        stage.sweep(NOW)
        settling.settle(stage.store)
        pauses = stage.store.read(gaps.pauses)
        before = figures(stage)
        archive_all(stage, T0 + 35 * MINUTE)
        stage.store.write(lambda db: record.derive_stream(db, stream, now=NOW))
        assert figures(stage) == before
        assert stage.store.read(gaps.pauses) == pauses


def test_a_session_that_goes_on_again_is_left_alone() -> None:
    with Stage() as stage:
        stage.take(stage.stream("claude:a"), [read(2, 0, "a.py")], T0)
        assert stage.store.write(lambda db: archiving.archive_some(db, [1, 2], now=T0)) == (0, 0)
        ((_, row),) = stage.projection().items()
        assert row[4] == "active"


def test_a_server_of_a_store_that_was_not_served_makes_no_archived_session_stale() -> None:
    with Stage() as stage:
        stage.take(stage.stream("claude:a"), [report(2, 0, source=HOOK, tool="Read")], T0)
        stage.sweep(NOW)
        archive_all(stage)
        stage.take(stage.stream("server:b"), [read(4, 0, "a.py")], NOW)
        stage.sweep(NOW)
        assert stage.store.read(activities.stale) == []
