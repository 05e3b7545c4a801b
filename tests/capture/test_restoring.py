"""What was exported is read back: the same rows, whatever the order, however often, whatever else is in the file."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kioku.capture.restoring import Restorer
from kioku.capture.seen import Seen, Usage
from kioku.days import Calendar, Range
from kioku.errors import UsageError
from kioku.models import FILE_READ, HOOK, TRANSCRIPT
from kioku.reports import statistics
from kioku.reports.export.chosen import Chosen
from kioku.sessions import combining
from kioku.store import legacy, sessions, turns
from tests.capture.world import CLAUDE, NOW, World
from tests.reports.calendars import calendar
from tests.reports.exports import export, restore, state
from tests.reports.years import Year, generated, small_years
from tests.sessions.stage import HOUR, MINUTE, T0, Stage, read, report

SAME_FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def figures(stage: Stage, year: Year) -> Any:
    days = calendar(*year.calendars[0])
    zone, day_starts = year.calendars[0]
    since, until = days.bounds(year.first)[0], days.bounds(year.last)[1]
    wanted = Range(year.first, year.last, since, until)
    return stage.store.read(lambda db: statistics.statistics(db, wanted, Calendar(zone, day_starts), now=year.now))


def assert_identity(year: Year, path: Path) -> None:
    with Stage() as one, Stage() as other:
        year.play(one)
        export(one, path, year.now)
        assert not restore(other, path, year.now).skipped
        assert state(other) == state(one)
        assert figures(other, year) == figures(one, year)
        again = restore(other, path, year.now)
        assert (again.new_activities, again.new_turns, again.skipped_lines) == (0, 0, 0)
        assert state(other) == state(one)
        other.rebuild(year.now)
        assert state(other) == state(one)


@pytest.mark.parametrize("seed", range(4))
def test_a_year_that_is_read_back_into_an_empty_store_is_the_same_year(seed: int, tmp_path: Path) -> None:
    assert_identity(generated(seed), tmp_path / "all.jsonl")


@SAME_FOLDER
@given(small_years())
def test_export_then_import_is_the_identity(tmp_path: Path, year: Year) -> None:
    assert_identity(year, tmp_path / "all.jsonl")


def assert_order_has_no_part(year: Year, cut: int, path: Path) -> None:
    parts = [
        Year(part, year.calendars, year.first, year.last, year.now)
        for part in (year.deliveries[:cut], year.deliveries[cut:])
    ]
    with Stage() as one, Stage() as other, Stage() as forth, Stage() as back, Stage() as whole:
        paths = [path / "one.jsonl", path / "other.jsonl"]
        for stage, part, file in zip((one, other), parts, paths, strict=True):
            part.play(stage)
            export(stage, file, year.now)
        for stage, order in ((forth, paths), (back, paths[::-1])):
            for file in order:
                assert not restore(stage, file, year.now).skipped
        given = {row[0] for stage in (one, other) for row in state(stage)["anchors"]}
        restore(one, paths[1], year.now)
        for stage in (back, one):
            assert unnamed(stage) == unnamed(forth)
            assert told(stage, given) == told(forth, given)
        year.play(whole)
        assert unnamed(forth) == unnamed(whole)


def told(stage: Stage, given: set[str]) -> dict[str, Any]:
    """Return all that is true in a store, and of ids those that were given before: a session may need a new one."""
    found = state(stage)
    for name in ("clocks", "counts", "branches", "session_days"):  # by the session's id
        found[name] = sorted(((row[0] if row[0] in given else None, *row[1:]) for row in found[name]), key=repr)
    anchors = [row for row in found["anchors"] if row[0] in given]
    return {**{name: rows for name, rows in found.items() if name not in ("sessions", "files")}, "anchors": anchors}


def unnamed(stage: Stage) -> list[dict[str, Any]]:
    keys = stage.store.read(lambda db: dict(db.execute("SELECT id, key FROM streams")))
    found = []
    for row in stage.nameless():
        follows = row["continues"] and (keys[row["continues"][0]], row["continues"][1])
        found.append({**row, "stream": keys[row["stream"]], "continues": follows, "project_id": None})
    return sorted(found, key=repr)


@pytest.mark.parametrize("seed", range(3))
def test_two_halves_of_a_year_unite_to_the_whole_in_either_order(seed: int, tmp_path: Path) -> None:
    year = generated(seed, 30)
    assert_order_has_no_part(year, len(year.deliveries) // 2, tmp_path)


@SAME_FOLDER
@given(small_years(), st.integers(0, 14))
def test_stores_unite_in_any_order(tmp_path: Path, year: Year, cut: int) -> None:
    assert_order_has_no_part(year, cut, tmp_path)


# --- what conversations, persons and the older program leave ----------------------------------------------------------


def seen(kind: Any, at: int, **more: Any) -> Seen:
    return Seen(conversation="c1", at=at, kind=kind, **more)


def worked() -> World:
    """Return a world in which a server, hooks and a transcript tell of conversations, and some tokens were spent."""
    world = World()
    world.seen(world.hook, seen("start", T0, folder="/home/ana/project"), "r0", process=CLAUDE)
    world.server("s1", T0 + 1_000)
    world.call("s1", T0 + 2_000)
    spent = Usage(id="u1", input=10, output=20, cache_read=30, cache_write=40)
    world.seen(world.transcript, seen("prompt", T0 + 3_000, id="p" * 24, text="do it"))
    answer = seen("answer", T0 + 9_000, id="a" * 24, text="done", model="m-1", usage=spent)
    world.seen(world.transcript, answer)
    told = world.transcript.keep(answer).spent
    assert told is not None
    world.stage.store.write(lambda db: turns.add_usage(db, world.conversation(db, "c1"), told))
    world.seen(world.hook, Seen(conversation="c2", at=T0 + HOUR, kind="start"), "r1", process=CLAUDE, succeeds=True)
    world.call("s1", T0 + HOUR + 5_000, "c.py")
    return world


def test_joined_conversations_turns_and_usage_come_back_as_they_were(tmp_path: Path) -> None:
    with worked() as world, Stage() as other:
        export(world.stage, tmp_path / "a", NOW)
        world.stage.sweep(NOW)
        assert not restore(other, tmp_path / "a", NOW).skipped
        found = state(other)
        assert found == state(world.stage)
        assert found["turns"]
        assert found["usage"]
        assert found["stream_spans"]


def test_a_server_whose_conversation_another_store_knows_joins_it_there(tmp_path: Path) -> None:
    with worked() as world, World() as hooks, Stage() as other:
        hooks.seen(hooks.hook, seen("start", T0, folder="/home/ana/project"), "r0", process=CLAUDE)
        world.stage.sweep(NOW)
        export(hooks.stage, tmp_path / "hooks", NOW)
        export(world.stage, tmp_path / "all", NOW)
        restore(other, tmp_path / "hooks", NOW)
        restore(other, tmp_path / "all", NOW)
        assert unnamed(other) == unnamed(world.stage)


def test_what_persons_changed_and_what_the_older_program_left_comes_back(tmp_path: Path) -> None:
    data = {
        "project_id": "old", "started_at": T0, "ended_at": T0 + HOUR, "status": "completed", "topics": ["a topic"],
        "metadata": {"toolCallsCount": 3}, "files": [{"path": "a.py", "count": 2, "first_at": T0, "last_at": T0 + 1}],
        "last_activity_at": T0 + HOUR, "created_at": T0, "updated_at": T0,
    }  # fmt: skip
    with Stage() as one, Stage() as other:
        one.take(one.stream(), [read(1, 0, "a.py"), read(2, HOUR, "b.py")], T0 + HOUR)

        def adopt(db: Any) -> None:
            sessions.add_anchor(db, sessions.Anchor("old-1", 0, T0), None)
            sessions.amend(db, "old-1", legacy.ADOPTED, data, now=T0)
            legacy.write(db, legacy.values("old-1", data, now=T0), data)

        one.store.write(adopt)
        one.sql("UPDATE sessions SET title = 'mine', status = 'archived' WHERE id = 'old-1'")
        one.sql("UPDATE sessions SET title = 'first' WHERE started_at = ?", (T0 + HOUR,))
        one.sweep(T0 + 2 * HOUR)
        one.sql("UPDATE sessions SET title = 'second' WHERE started_at = ?", (T0 + HOUR,))
        one.sweep(T0 + 3 * HOUR)
        export(one, tmp_path / "a", T0 + 3 * HOUR)
        assert not restore(other, tmp_path / "a", T0 + 3 * HOUR).skipped
        assert state(other) == state(one)
        titles = {row["id"]: row["title"] for row in state(other)["sessions"]}
        assert titles["old-1"] == "mine"
        assert "second" in titles.values()


def test_later_decisions_stand_whichever_store_is_read_first(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other, Stage() as forth, Stage() as back:
        one.take(one.stream(), [read(1, 0, "a.py")], T0)
        export(one, tmp_path / "base", T0)
        restore(other, tmp_path / "base", T0)
        for stage, title, hours in ((one, "early", 1), (other, "middle", 2), (one, "late", 3)):
            stage.sql("UPDATE sessions SET title = ?", (title,))
            stage.sweep(T0 + hours * HOUR)
        export(one, tmp_path / "one", T0)
        export(other, tmp_path / "other", T0)
        for stage, names in ((forth, ("one", "other")), (back, ("other", "one"))):
            for name in names:
                restore(stage, tmp_path / name, T0 + 4 * HOUR)
        assert state(forth) == state(back)
        assert [row["title"] for row in state(back)["sessions"]] == ["late"]


def test_merged_sessions_come_back_merged_and_go_apart_again(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        for number in range(3):
            one.take(one.stream(f"s{number}"), [read(number, number * HOUR, "a.py")], T0 + number * HOUR)
        one.sweep(T0 + 9 * HOUR)
        ids = [row["id"] for row in sorted(one.whole_rows(), key=lambda row: row["started_at"])]
        export(one, tmp_path / "apart", T0 + 9 * HOUR)
        one.store.write(lambda db: combining.merge(db, ids[:2], now=T0 + 9 * HOUR))
        export(one, tmp_path / "merged", T0 + 9 * HOUR)
        restore(other, tmp_path / "apart", T0 + 9 * HOUR)
        restore(other, tmp_path / "merged", T0 + 9 * HOUR)
        assert len(other.projection()) == 2
        assert state(other) == state(one)
        one.store.write(lambda db: combining.unmerge(db, ids[0], now=T0 + 10 * HOUR))
        export(one, tmp_path / "unmerged", T0 + 10 * HOUR)
        with Stage() as fresh:
            for stage in (other, fresh):
                restore(stage, tmp_path / "unmerged", T0 + 10 * HOUR)
                assert state(stage) == state(one)
                assert len(stage.projection()) == 3


def test_decisions_of_kinds_that_are_not_known_here_are_carried_on(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        one.take(one.stream(), [read(1, 0, "a.py")], T0)
        (id,) = one.projection()
        one.store.write(lambda db: sessions.amend(db, id, "folded", {"ids": [id], "deep": {"n": [1, None]}}, now=T0))
        export(one, tmp_path / "a", T0)
        assert not restore(other, tmp_path / "a", T0).skipped
        assert state(other)["amendments"] == state(one)["amendments"]


def test_a_part_has_its_sessions_and_the_rest_adds_what_it_lacks(tmp_path: Path) -> None:
    with worked() as world, Stage() as other:
        world.stage.sweep(NOW)
        rows = state(world.stage)["sessions"]
        first = min(rows, key=lambda row: row["started_at"])
        found = export(world.stage, tmp_path / "part", NOW, Chosen(ids=(first["id"],), empty=True))
        assert json.loads(found[0])["part"] == {"ids": [first["id"]]}
        assert not restore(other, tmp_path / "part", NOW).skipped
        assert [row for row in state(other)["sessions"] if not row["empty"]] == [first]
        export(world.stage, tmp_path / "all", NOW)
        restore(other, tmp_path / "all", NOW)
        assert state(other) == state(world.stage)


# --- files that are torn, wrong or hostile ----------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> list[bytes]:
    with Stage() as one:
        one.take(one.stream(), [read(1, 0, "a.py"), read(2, MINUTE, "b.py", edit=True)], T0 + MINUTE)
        return export(one, tmp_path / "whole", T0 + HOUR)


def taken(path: Path, lines: list[bytes], stage: Stage) -> list[tuple[int | None, str]]:
    path.write_bytes(b"".join(lines))
    return [(skipped.line, skipped.reason) for skipped in restore(stage, path, T0 + HOUR).skipped]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (b"", "is no export"),
        (b"{}\n", "is no export"),
        (b"[1]\n", "is no export"),
        (b"\xff\xfe\n", "is no export"),
        (b"[" * 100_000 + b"\n", "is no export"),
        (b'{"format":"kioku-sessions","version":4,"new":1}\n', "has version 4"),
        (b'{"format":"kioku-sessions","version":1}\n', "is no export"),
        (
            b'{"format":"kioku-sessions","version":1,"project":{"id":"x","name":"other"},"exported_at":1,"kioku":"1"}\n',
            "the project 'other'",
        ),
    ],
)
def test_a_file_that_is_no_export_or_anothers_is_refused_and_nothing_changes(
    first: bytes, message: str, made: list[bytes], tmp_path: Path
) -> None:
    with Stage() as stage:
        (tmp_path / "bad").write_bytes(b"".join([first, *made[1:]]))
        with pytest.raises(UsageError, match=message):
            restore(stage, tmp_path / "bad", T0)
        assert not any(state(stage).values())


def test_a_torn_file_gives_what_is_whole_in_it_and_the_whole_one_the_rest(made: list[bytes], tmp_path: Path) -> None:
    whole = b"".join(made)
    with Stage() as expected:
        taken(tmp_path / "f", made, expected)
        for cut in range(len(made[0]), len(whole), 37):
            with Stage() as stage:
                assert taken(tmp_path / "f", [whole[:cut]], stage)[-1] == (
                    None, "is not whole: its last line is missing"
                )  # fmt: skip
                assert taken(tmp_path / "f", made, stage) == []
                found, wanted = state(stage), state(expected)
                # Sessions may have got ids of their own meanwhile; those of the file are older.
                found["anchors"] = [row for row in found["anchors"] if row in wanted["anchors"]]
                assert found == wanted


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


STREAM = "stream"
KEY = "00000000000000aa"
ENDLESS = {"through": 1, "set": {"status": "completed"}}
DEEP: list[Any] = []
for _ in range(400):
    DEEP = [DEEP]
HOSTILE: list[tuple[bytes, str]] = [
    (b"\n", "truncated"),
    (b"\xff\xff\n", "utf-8|malformed|Invalid"),
    (b"null\n", "Expected"),
    (b"[" * 50_000 + b"\n", "Expected"),
    (b'{"type":"span","x":' + b"[" * 50_000 + b"\n", "nested|truncated"),
    (line(type="amendment", made_at=1, kind="other", session="x", data={"deep": DEEP}), "nested"),
    (line(type="unknown"), "Invalid value"),
    (line(type="report", stream=STREAM, key="1", source="hook", at=1, kind="x"), "Expected"),
    (line(type="report", stream=STREAM, key=KEY, source="root", at=1, kind="x"), "Invalid"),
    (line(type="report", stream=STREAM, key=KEY, source="hook", at=10**40, kind="x"), "Expected|Integer|range"),
    (line(type="report", stream=STREAM, key=KEY, source="hook", at=1 << 60, kind="x"), "Expected"),
    (line(type="report", stream=STREAM, key=KEY, source="hook", at=1.5, kind="x"), "Expected"),
    (line(type="report", stream=STREAM, key=KEY, source="hook", at=1, took=-1, kind="x"), "Expected"),
    (line(type="report", stream=STREAM, key=KEY, source="hook", at=1, kind="x" * 100_000), "Expected"),
    (line(type="report", stream=STREAM, key=KEY, source="hook", at=1, kind="x", path="../../etc/passwd"), "elsewhere"),
    (line(type="report", stream=STREAM, key=KEY, source="hook", at=1, kind="x", path="a\0b"), "elsewhere"),
    (line(type="report", stream=STREAM, key=KEY, source="hook", at=1, kind="x", path="a\\..\\..\\b"), "elsewhere"),
    (line(type="report", stream="nobody's", key=KEY, source="hook", at=1, kind="x"), "not in the file"),
    (line(type="report", stream=STREAM, key=KEY, source="server", at=1, kind="x", origin="no"), "not in the file"),
    (line(type="quarantined", stream=STREAM, key=KEY, source="server", at=1, kind="x"), "would wait"),
    (line(type="id", id="x", created_at=1, stream="nobody's", key=KEY), "not in the file"),
    (line(type="amendment", made_at=1, kind="adopted", session="x", data={}), "no decision"),
    (line(type="amendment", made_at=1, kind="edited", session="x", data={"set": {}}), "no decision"),
    (
        line(type="amendment", made_at=1, kind="edited", session="x", data=ENDLESS),
        "lacks the end",
    ),
    (line(type="amendment", made_at=1, kind="merged", session="x", data=[1]), "Expected"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "reason"), HOSTILE)
def test_a_line_that_cannot_be_meant_is_named_and_all_others_are_taken_in(
    bad: bytes, reason: str, made: list[bytes], tmp_path: Path
) -> None:
    with Stage() as stage, Stage() as expected:
        taken(tmp_path / "f", made, expected)
        count = line(type="end", lines=len(made))
        ((number, why),) = taken(tmp_path / "f", [*made[:-1], bad, count], stage)
        assert number == len(made)
        assert re.search(reason, why), why
        assert state(stage) == state(expected)
        stage.rebuild(T0 + HOUR)
        assert state(stage) == state(expected)


def test_an_id_that_another_session_has_here_is_left_to_it(made: list[bytes], tmp_path: Path) -> None:
    with Stage() as stage:
        stage.take(stage.stream("another"), [read(77, 0, "z.py")], T0)
        (mine,) = stage.projection()
        theirs = next(json.loads(found)["id"] for found in made if b'"type":"id"' in found)
        adopted = {
            "project_id": "p", "started_at": 0, "ended_at": 0, "status": "completed", "topics": [], "metadata": {},
            "files": [], "last_activity_at": 0, "created_at": 0, "updated_at": 0,
        }  # fmt: skip
        lines = [found.replace(theirs.encode(), mine.encode()) for found in made[:-1]]
        lines.append(line(type="amendment", made_at=1, kind="adopted", session=mine, data=adopted))
        lines.append(line(type="end", lines=len(lines)))
        reasons = [why for _, why in taken(tmp_path / "f", lines, stage)]
        assert reasons == ["has an id that another session has here"] * 2
        assert stage.resolve(mine, T0) == mine
        assert len(stage.projection()) == 2
        stage.rebuild(T0 + HOUR)
        assert len(stage.projection()) == 2


def test_secrets_in_a_file_do_not_get_into_the_store(made: list[bytes], tmp_path: Path) -> None:
    secret = "gl" + "pat-" + "a1B2c3D4e5F6g7H8i9J0"
    more = [
        line(type="stream", key=f"claude:{secret}", created_at=1, client=f"c {secret}", folder=f"/home/{secret}"),
        line(type="sighting", process=f"p {secret}", stream=STREAM, since=1),
        line(type="report", stream=STREAM, key=KEY, source="hook", at=T0, kind=f"k {secret}", tool=f"t {secret}",
             path=f"p/{secret}", branch=f"b {secret}", detail=f"d {secret}"),
        line(type="quarantined", stream=STREAM, key=KEY, source="hook", at=1 << 50, kind="k", detail=f"d {secret}"),
        line(type="turn", stream=STREAM, key=KEY, source="hook", at=T0, role="user", text=f"t {secret}", model=secret),
        line(type="usage", stream=STREAM, key=KEY, at=T0, input=1, output=1, cache_read=0, cache_write=0, model=secret),
        line(type="amendment", made_at=1, kind="other", session="x", data={secret: [f"v {secret}"]}),
    ]  # fmt: skip
    with Stage() as stage:
        end = line(type="end", lines=len(made) - 1 + len(more))
        assert taken(tmp_path / "f", [*made[:-1], *more, end], stage) == []
        assert "[REDACTED" in repr(state(stage))
        for suffix in ("", "-wal"):
            assert secret.encode() not in Path(stage.path + suffix).read_bytes()
        exported = export(stage, tmp_path / "again", T0 + HOUR)
        assert secret.encode() not in b"".join(exported)


def test_an_import_that_stops_at_any_batch_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kioku.capture.restoring.BATCH_LINES", 5)
    year = generated(5, 12)
    with Stage() as one, Stage() as other:
        year.play(one)
        export(one, tmp_path / "a", year.now)
        stops: Callable[[int], None]
        for allowed in range(0, 200_000, 20_000):

            def stops(_bytes: int, left: list[int] = [allowed]) -> None:  # noqa: B006 - counts down
                left[0] -= _bytes
                if left[0] < 0:
                    raise KeyboardInterrupt

            try:
                Restorer(other.store, "project", now=lambda: year.now).take(str(tmp_path / "a"), stops)
            except KeyboardInterrupt:
                other.sweep(year.now)  # another process derives what there is
        restore(other, tmp_path / "a", year.now)
        found, wanted = state(other), state(one)
        assert set(wanted["anchors"]) <= set(found["anchors"])
        found["anchors"] = wanted["anchors"]
        assert found == wanted


def test_a_thing_that_two_stores_were_told_of_counts_once(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        one.take(one.stream("claude:x"), [report(2, 0, source=HOOK, kind=FILE_READ, path="a.py")], T0)
        other.take(other.stream("claude:x"), [report(2, 5, source=TRANSCRIPT, kind=FILE_READ, path="a.py")], T0)
        export(one, tmp_path / "a", T0)
        restore(other, tmp_path / "a", T0)
        (row,) = state(other)["sessions"]
        assert row["activities"] == 1
        assert len(state(other)["reports"]) == 2
