"""Archived sessions and what was learned come back with an export; what was deleted does not."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from kioku.models import HOOK, PROMPT, SERVER, TRANSCRIPT, Report
from kioku.redaction import redact
from kioku.reports.export.chosen import Chosen
from kioku.sessions import archiving, combining, settling
from kioku.store.turns import Turn, add_turn
from tests.capture.test_restoring import line, taken
from tests.reports.exports import export, restore, state
from tests.retention import test_archive
from tests.retention.test_archive import NOW, archive_all, fill, say
from tests.retention.test_archive_of_merged import merged
from tests.retention.test_delete import remove
from tests.sessions.stage import HOUR, MINUTE, SECOND, T0, Stage, read, report


def figures(stage: Stage) -> dict[str, Any]:
    """Return whatever people see of the sessions, but for the id of their project: that is the store's."""
    found = test_archive.figures(stage, status=True)
    for id, told in found.items():
        if isinstance(told, tuple):
            found[id] = ({**told[0], "project_id": None}, *told[1:])
    return found


def tell_again(stage: Stage, conversations: dict[str, list[Report]], chance: random.Random) -> None:
    """Let every source tell again of all that has an id, and hooks of the rest."""
    for name, reports in conversations.items():
        again = chance.sample(reports, len(reports))
        stage.take(stage.stream(name), again, NOW)
    stage.sweep(NOW)
    settling.settle(stage.store)


@pytest.mark.parametrize("seed", range(8))
def test_archived_sessions_come_back_as_they_were_and_late_reports_of_them_count_nothing(
    seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    with Stage() as one, Stage() as other:
        conversations, said = fill(one, seed)
        if seed % 2:
            merged(one, chance, 3)
        archive_all(one, T0 + chance.choice((60, 120, 400 * 24)) * HOUR)
        one.sql("UPDATE sessions SET title = 'mine' WHERE status = 'archived'")
        one.sweep(NOW)
        settling.settle(one.store)
        lines = export(one, tmp_path / "all", NOW)
        outcome = restore(other, tmp_path / "all", NOW)
        assert not outcome.skipped
        assert outcome.new_archived > 0
        assert state(other) == state(one)
        assert figures(other) == figures(one)
        again = restore(other, tmp_path / "all", NOW)
        assert (again.new_activities, again.new_turns, again.new_archived, again.skipped) == (0, 0, 0, [])
        assert state(other) == state(one)
        assert unheaded(export(other, tmp_path / "again", NOW)) == unheaded(lines)
        other.rebuild(NOW)
        assert state(other) == state(one)
        before = figures(other)
        tell_again(other, conversations, chance)
        say(other, said)
        assert figures(other) == before


@pytest.mark.parametrize("way", ["merged", "divided"])
def test_what_comes_after_an_archived_session_in_its_conversation_comes_back_whole(way: str, tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        later = 8 * HOUR if way == "merged" else 10 * MINUTE + 50 * SECOND
        first = [prompt(10, 0, source=TRANSCRIPT), replace(read(20, 10 * MINUTE, "first.py"), source=TRANSCRIPT)]
        second = [prompt(31, later, source=HOOK), replace(read(40, later + MINUTE, "second.py"), source=HOOK)]
        one.take(one.stream("claude:a"), first + second, NOW)
        one.take(one.stream("claude:b"), [read(50, 20 * HOUR, "other.py")], NOW)
        one.sweep(NOW)
        found = of(one, "first.py")
        if way == "merged":
            one.store.write(lambda db: combining.merge(db, found + of(one, "other.py"), now=NOW))
        else:
            one.store.write(lambda db: combining.split(db, found[0], T0 + later, now=NOW))
        (id,) = of(one, "first.py")
        seq = one.store.read(lambda db: int(db.execute("SELECT seq FROM sessions WHERE id = ?", (id,)).get))
        one.store.write(lambda db: archiving.archive_some(db, [seq], now=NOW))
        settling.settle(one.store)
        assert of(one, "first.py") == [id] != of(one, "second.py")
        export(one, tmp_path / "all", NOW)
        assert not restore(other, tmp_path / "all", NOW).skipped
        assert state(other) == state(one)
        before = figures(one)
        one.rebuild(NOW)
        assert figures(one) == figures(other) == before


def prompt(key: int, at: int, *, source: int) -> Report:
    return report(key, at, source=source, kind=PROMPT)


def unheaded(lines: Iterable[bytes]) -> list[bytes]:
    """Return the lines that import reads, in any order: streams are numbered as they come."""
    return sorted(found for found in list(lines)[1:] if not found.startswith(b'{"type":"session"'))


def test_an_archived_session_alone_is_a_part_and_the_rest_adds_what_it_lacks(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        fill(one, 1)
        archive_all(one, T0 + 100 * HOUR)
        one.sweep(NOW)
        settling.settle(one.store)
        id = next(id for id, row in sorted(one.projection().items()) if row[4] == "archived" and row[15])
        export(one, tmp_path / "part", NOW, Chosen(ids=(id,), empty=True))
        outcome = restore(other, tmp_path / "part", NOW)
        assert not outcome.skipped
        assert figures(other)[id] == figures(one)[id]
        assert [row for row in state(other)["turns"] if row[0] == f"archive:{id}"] == [
            row for row in state(one)["turns"] if row[0] == f"archive:{id}"
        ]
        export(one, tmp_path / "all", NOW)
        assert not restore(other, tmp_path / "all", NOW).skipped
        assert in_any_order(other) == in_any_order(one)


def in_any_order(stage: Stage) -> dict[str, list[Any]]:
    """Return what is in a store; decisions of one instant may come in any order."""
    found = state(stage)
    return found | {"amendments": sorted(found["amendments"])}


def worked(stage: Stage) -> None:
    stream = stage.stream("claude:a")
    stage.take(stream, [read(2, 0, "a.py"), read(4, 10 * MINUTE, "b.py")], NOW)
    turn = Turn(key=2, source=SERVER, at=T0, role="user", text=redact("do it"))
    stage.store.write(lambda db: add_turn(db, stream, turn))
    stage.sweep(NOW)
    settling.settle(stage.store)


def counted(stage: Stage) -> tuple[Any, ...]:
    """Return what is told and counted, whatever the sessions are called."""
    found = state(stage)
    return found["reports"], sorted(row[1:] for row in found["counts"]), len(found["sessions"]), len(found["archived"])


def test_what_is_here_with_its_activities_keeps_them_and_answers_to_the_other_id(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        worked(one)
        worked(other)
        archive_all(one)
        (theirs,) = one.projection()
        (mine,) = other.projection()
        export(one, tmp_path / "all", NOW)
        before = counted(other)
        assert not restore(other, tmp_path / "all", NOW).skipped
        assert counted(other) == before
        assert state(other)["folded"] == []
        assert len(other.projection()) == 1
        assert other.resolve(theirs, NOW) == other.resolve(mine, NOW)


def test_an_archived_session_of_which_only_a_part_is_here_is_named_and_left_out(tmp_path: Path) -> None:
    for archived_here in (False, True):
        with Stage() as one, Stage() as other:
            worked(one)
            archive_all(one)
            export(one, tmp_path / "all", NOW)
            other.take(other.stream("claude:a"), [read(2, 0, "a.py")], NOW)
            other.sweep(NOW)
            if archived_here:
                archive_all(other)
            settling.settle(other.store)
            before = counted(other)
            ((number, reason),) = [(s.line, s.reason) for s in restore(other, tmp_path / "all", NOW).skipped]
            assert number is not None
            assert "of which a part is here already" in reason
            assert counted(other) == before


def test_nothing_of_a_deleted_session_comes_back_with_an_older_export(tmp_path: Path) -> None:
    for is_archived in (False, True):
        with Stage() as stage:
            worked(stage)
            stage.take(stage.stream("claude:b"), [read(8, 0, "c.py")], NOW)
            if is_archived:
                archive_all(stage)
            (id,), (other,) = of(stage, "a.py"), of(stage, "c.py")
            stage.sql("UPDATE sessions SET title = 'canarytitle' WHERE id = ?", (id,))
            stage.sweep(NOW)
            if not is_archived:
                merge_and_unmerge(stage, id, other)
            settling.settle(stage.store)
            export(stage, tmp_path / "all", NOW)
            remove(stage, [id])
            left = stage.projection()
            assert not restore(stage, tmp_path / "all", NOW).skipped
            assert stage.projection() == left
            for table, rows in state(stage).items():
                assert not any(word in repr(rows) for word in (id, "canarytitle", "do it")), table


def merge_and_unmerge(stage: Stage, *ids: str) -> None:
    stage.store.write(lambda db: combining.merge(db, ids, now=NOW))
    stage.store.write(lambda db: combining.unmerge(db, stage.resolve(ids[0], NOW), now=NOW))


def of(stage: Stage, path: str) -> list[str]:
    query = "SELECT session_id FROM session_files WHERE path = ?"
    return stage.store.read(lambda db: [row[0] for row in db.execute(query, (path,))])


def test_of_a_deleted_archived_session_only_salted_hashes_stay() -> None:
    with Stage() as stage:
        conversations, said = fill(stage, 3)
        archive_all(stage)
        assert state(stage)["folded"]
        ids = sorted(stage.projection())
        remove(stage, ids[:2])
        owners = {row[1] for row in state(stage)["folded"]}
        assert owners == {id for id in ids[2:] if not stage.projection()[id][-2]} | (owners - {None})
        assert None not in owners
        left = stage.projection()
        tell_again(stage, conversations, random.Random(1))
        say(stage, said)
        assert stage.projection() == left
        remove(stage, sorted(left))
        assert state(stage)["folded"] == []
        tell_again(stage, conversations, random.Random(2))
        assert stage.projection() == {}


def test_keys_of_which_nobody_knows_whose_they_are_are_salted_with_the_first_that_is_deleted() -> None:
    with Stage() as stage:
        worked(stage)
        archive_all(stage)
        stage.sql("UPDATE folded SET session = NULL")  # as an older version left them
        remove(stage, sorted(stage.projection()))
        assert state(stage)["folded"] == []
        worked(stage)
        assert stage.projection() == {}


def test_keys_of_which_nobody_knows_whose_they_are_come_along(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        worked(one)
        archive_all(one)
        one.sql("UPDATE folded SET session = NULL")
        export(one, tmp_path / "all", NOW)
        for _ in range(2):
            assert not restore(other, tmp_path / "all", NOW).skipped
            assert state(other) == state(one)
        worked(other)
        assert figures(other) == figures(one)


def learned(db: apsw.Connection) -> None:
    db.execute(
        """INSERT INTO discoveries VALUES ('d1', 'nobody', 'rule', 'write tests', 'core', 0.75, 'accepted',
           'repository', '{"quote":"yes"}', ?1, ?1), ('d2', NULL, 'issue', 'slow', NULL, NULL, 'proposed',
           'repository', NULL, ?1, ?1)""",
        (T0,),
    )
    db.execute(
        """INSERT INTO context_items VALUES ('old-1', 'note', 'text', '{"a":1}', 0.5, 0.25, 0.1, ?1, 7, 12, 'archived',
           ?1, ?1), ('old-2', 'note', 'x', '{}', NULL, NULL, NULL, NULL, NULL, NULL, 'active', NULL, NULL)""",
        (T0,),
    )


def test_what_was_learned_comes_back_and_of_two_versions_the_later_stands(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other, Stage() as back:
        one.store.write(learned)
        export(one, tmp_path / "early", NOW)
        assert not restore(other, tmp_path / "early", NOW).skipped
        assert state(other) == state(one)
        one.sql("UPDATE discoveries SET content = 'later', updated_at = updated_at + 1 WHERE id = 'd1'")
        one.sql("UPDATE context_items SET status = 'active', updated_at = updated_at + 1 WHERE id = 'old-1'")
        export(one, tmp_path / "late", NOW)
        for stage, names in ((other, ("late", "early")), (back, ("late", "early", "late"))):
            for name in names:
                restore(stage, tmp_path / name, NOW)
            assert state(stage) == state(one)


def decided(db: apsw.Connection) -> None:
    learned(db)
    db.execute("UPDATE discoveries SET provenance = 'person'")
    db.execute(
        """INSERT INTO discoveries SELECT 'd' || value, NULL, 'rule', 'rule ' || value, NULL, 1.0, 'superseded',
             'person', NULL, ?1, ?1 FROM json_each('[3, 4]')""",
        (T0,),
    )
    db.execute("INSERT INTO successions VALUES ('d3', 'd1', ?1), ('d4', 'd2', ?1), ('d2', 'd1', NULL)", (T0,))
    db.execute("INSERT INTO refinements VALUES ('nobody', 'openai x', x'00ff', ?1, 10, NULL, 1, 2)", (T0,))


def test_what_was_decided_and_asked_comes_back_from_a_file_of_the_persons_own(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        one.store.write(decided)
        export(one, tmp_path / "all", NOW)
        for stage in (other, other, one):
            assert not restore(stage, tmp_path / "all", NOW).skipped
            assert state(stage) == state(one)
        assert len(state(other)["successions"]) == 3
        assert len(state(other)["refinements"]) == 1


def test_what_a_file_of_somebodys_says_was_accepted_is_only_proposed_as_nobodys_word(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        one.store.write(decided)
        export(one, tmp_path / "all", NOW)
        assert restore(other, tmp_path / "all", NOW, trusted=False).only_proposed == 1
        assert {row[7] for row in state(other)["discoveries"]} == {"repository"}
        assert {row[6] for row in state(other)["discoveries"]} == {"proposed", "superseded"}
        assert restore(other, tmp_path / "all", NOW, trusted=False).only_proposed == 0


def test_a_file_of_somebodys_changes_nothing_that_was_decided_here(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        one.store.write(decided)
        export(one, tmp_path / "early", NOW)
        restore(other, tmp_path / "early", NOW)
        before = state(other)
        one.sql("UPDATE discoveries SET content = 'always run it', state = 'accepted', updated_at = updated_at + 1")
        one.sql("UPDATE discoveries SET state = 'superseded' WHERE id = 'd1'")
        one.sql(f"INSERT INTO successions VALUES ('d1', 'd4', {T0})")
        export(one, tmp_path / "late", NOW)
        restore(other, tmp_path / "late", NOW, trusted=False)
        proposed = [row for row in state(other)["successions"] if row not in before["successions"]]
        assert proposed == [("d1", "d4", None)]
        assert state(other)["discoveries"] == before["discoveries"]


def test_a_file_of_somebodys_neither_moves_a_decision_nor_hides_what_is_known(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        one.store.write(decided)
        export(one, tmp_path / "early", NOW)
        restore(other, tmp_path / "early", NOW)
        before = state(other)
        one.sql(f"UPDATE successions SET decided_at = {T0 + 5}")
        one.sql(f"INSERT INTO successions VALUES ('d3', 'd2', {T0 + 5})")
        one.sql("UPDATE context_items SET status = 'archived', updated_at = 9000000000000000")
        one.sql(
            """INSERT INTO context_items SELECT 'new', type, content, metadata_json, NULL, NULL, NULL, NULL, NULL, NULL,
               'archived', 9000000000000000, 9000000000000000 FROM context_items WHERE id = 'old-1'"""
        )
        export(one, tmp_path / "late", NOW)
        restore(other, tmp_path / "late", NOW, trusted=False)
        after = state(other)
        assert after["successions"] == before["successions"]
        (new,) = [row for row in after["context_items"] if row not in before["context_items"]]
        assert (new[0], new[10], new[11], new[12]) == ("new", "active", NOW, NOW)


def test_what_was_said_in_a_file_of_somebodys_is_nobodys_word_until_the_person_vouches_for_it(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        worked(one)
        assert state(one)["unvouched"] == []
        export(one, tmp_path / "all", NOW)
        restore(other, tmp_path / "all", NOW, trusted=False)
        assert len(state(other)["unvouched"]) == len(state(other)["streams"]) > 0
        export(other, tmp_path / "again", NOW)
        with Stage() as third:
            restore(third, tmp_path / "again", NOW)
            assert state(third)["unvouched"] == state(other)["unvouched"]  # vouching for it says no more than it knows
        restore(one, tmp_path / "again", NOW, trusted=False)
        assert state(one)["unvouched"] == []  # it tells nothing new of what is the person's own
        restore(other, tmp_path / "all", NOW)
        assert state(other) == state(one)


def test_an_export_of_version_1_is_read(tmp_path: Path) -> None:
    with Stage() as one, Stage() as other:
        worked(one)
        lines = export(one, tmp_path / "new", NOW)
        old = [lines[0].replace(b'"version":3', b'"version":1'), *lines[1:]]
        assert old[0] != lines[0]
        assert taken(tmp_path / "old", old, other) == []
        assert state(other) == state(one)


def hostile(**changes: Any) -> dict[str, Any]:
    good = {
        "type": "archived", "id": "x1", "created_at": T0, "updated_at": T0, "started_at": T0, "first_activity_at": T0,
        "last_start_at": T0, "block_start_at": T0, "last_activity_at": T0 + MINUTE, "timeout_ms": 1, "activities": 1,
        "tool_calls": 1, "files": 1, "runs": [["claude:a", T0, T0 + MINUTE, 1]],
        "clocks": {"active": [[T0, T0 + MINUTE]]}, "counts": {"read": [[T0 // 900_000, "a.py", 1]]},
    }  # fmt: skip
    return {**good, **changes}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (hostile(last_activity_at=T0 - 1), "ends before it begins"),
        (hostile(last_activity_at=1 << 53), "years later"),
        (hostile(clocks={"active": [[T0, T0 + 5], [T0 + 1, T0 + 9]]}), "does not go on"),
        (hostile(clocks={"active": [[T0 - 1, T0]]}), "does not go on"),
        (hostile(clocks={"other": []}), "Invalid enum value"),
        (hostile(counts={"read": [[0, "a.py", 1]]}), "outside of its time"),
        (hostile(counts={"read": [[T0 // 900_000, "../../etc/passwd", 1]]}), "elsewhere"),
        (hostile(touched=[["/a/../../b", 1, 0, T0, T0]]), "elsewhere"),
        (hostile(runs=[["nobody's", T0, T0, 1]]), "not in the file"),
        (hostile(runs=[["archive:x1", T0, T0, 1]]), "not in the file"),
        (hostile(runs=[["claude:a", T0, T0, 99]]), "Expected"),
        (hostile(tied=9), "Expected"),
        ({"type": "kept", "keys": ["zz"]}, "Expected"),
        ({"type": "kept", "session": "gone", "keys": ["00000000000000aa"]}, "no line that tells of it"),
        ({"type": "report", "stream": "archive:x0", "key": "0" * 16, "source": "hook", "at": 1, "kind": "x"}, "not in"),
        ({"type": "amendment", "made_at": 1, "kind": "archived", "session": "x", "data": {}}, "no decision"),
    ],
)
def test_an_archived_session_that_could_not_have_been_is_named_and_the_rest_taken_in(
    bad: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with Stage() as one, Stage() as expected, Stage() as stage:
        worked(one)
        archive_all(one)
        made = export(one, tmp_path / "whole", NOW)
        taken(tmp_path / "f", made, expected)
        ((_, why),) = taken(tmp_path / "f", [*made[:-1], line(**bad), line(type="end", lines=len(made))], stage)
        assert reason in why
        assert state(stage) == state(expected)
        stage.rebuild(NOW)
        assert state(stage) == state(expected)


def test_a_good_line_of_the_kind_that_those_are_made_of_is_taken_in(tmp_path: Path) -> None:
    with Stage() as one, Stage() as stage:
        worked(one)
        made = export(one, tmp_path / "whole", NOW)
        key = line(type="kept", session="x1", keys=["00000000000000aa"])
        assert (
            taken(tmp_path / "f", [*made[:-1], key, line(**hostile()), line(type="end", lines=len(made) + 1)], stage)
            == []
        )
        assert stage.resolve("x1", NOW) == "x1"
        again = [json.loads(found) for found in export(stage, tmp_path / "again", NOW)]
        assert {found["session"] for found in again if found.get("type") == "kept"} == {"x1"}
        stage.take(stage.stream("claude:a"), [read(0xAA, 0, "late.py")], NOW)
        assert of(stage, "late.py") == []
