"""Continuity of the sessions in a real store: read within bounds, and each other's inverse."""

import math
from collections.abc import Iterable
from functools import partial
from random import Random

import apsw
import pytest

from kioku.models import PROMPT, TRANSCRIPT, Report
from kioku.redaction import redact
from kioku.reports import continuity as reports
from kioku.reports.continuity import Continuity
from kioku.sessions import record
from kioku.sessions.continuity import BRANCH, FILES, GAP, REPOSITORY, TOPICS, Touch, Trace, predecessor
from kioku.store import activities, turns
from kioku.store.turns import Turn
from tests.sessions.stage import HOUR, MINUTE, PROJECT, T0, TIMEOUT, Stage, read, report, unknown

NOW = T0 + 4_000 * HOUR
PATHS = ("a.py", "b.py", "c.py", "d.py")


def take(stage: Stage, sessions: Iterable[tuple[str, list[Report]]]) -> None:
    """Take in reports of conversations, given with their keys, in one transaction."""

    def work(db: apsw.Connection) -> None:
        for key, found in sessions:
            stream = activities.stream(db, redact(key), project_id=PROJECT, owner=None, timeout_ms=TIMEOUT, now=T0)
            record.take(db, stream, found, now=NOW)

    stage.store.write(work)


def ask(stage: Stage, session_id: str, now: int = NOW) -> Continuity:
    return stage.store.read(lambda db: reports.continuity(db, session_id, now=now, judge=unknown))


def ids(stage: Stage) -> list[str]:
    """Return the ids of all sessions, by their beginning."""
    return stage.store.read(
        lambda db: [row[0] for row in db.execute("SELECT id FROM sessions ORDER BY started_at, id")]
    )


def everything(stage: Stage) -> list[Trace]:
    return stage.store.read(lambda db: reports.traces_since(db, 0, now=NOW, judge=unknown))


def many(random: Random, number: int, spread: int) -> list[tuple[str, list[Report]]]:
    """Make conversations of a few reports each; some overlap, some follow at once, some share files."""
    return [
        (
            f"stream {index}",
            [
                read(index * 10 + step, at, random.choice(PATHS), random.randrange(5 * MINUTE), edit=step == 1)
                for step in range(random.randrange(1, 5))
                for at in [begin + step * random.randrange(40 * MINUTE)]
            ],
        )
        for index, begin in enumerate(random.randrange(spread) for _ in range(number))
    ]


def test_the_predecessor_and_its_score_come_out_of_the_store() -> None:
    with Stage() as stage:
        take(
            stage,
            [
                ("one", [read(1, 0, "a.py"), report(2, 20 * MINUTE, branch="main"), read(3, 20 * MINUTE, "b.py")]),
                ("two", [read(4, 80 * MINUTE, "b.py"), report(5, 90 * MINUTE, branch="main")]),
            ],
        )
        first, second = ids(stage)
        found = ask(stage, second)
        assert found.predecessor is not None
        assert (found.predecessor.before.id, found.predecessor.gap_ms) == (first, HOUR)
        assert {part.name: part.value for part in found.predecessor.score.parts} == {
            REPOSITORY: 1,
            BRANCH: 1,
            FILES: pytest.approx((1 / (1 + 2 ** (-20 / 30)) + 1) / 2),
            TOPICS: None,
            GAP: math.exp(-1),
        }
        assert not found.successors
        assert [link.after.id for link in ask(stage, first).successors] == [second]
        assert ask(stage, first).predecessor is None


def test_what_was_first_said_and_titles_and_topics_given_by_a_person_are_topics() -> None:
    with Stage() as stage:
        take(stage, [("one", [report(key, key * MINUTE, kind=PROMPT, source=TRANSCRIPT) for key in range(6)])])

        def say(db: apsw.Connection) -> None:
            for key in range(6):
                words = ("fix the login", "now the parser", "Größe", "never read", "never read", "never read")[key]
                turn = Turn(key=key, source=TRANSCRIPT, at=T0 + key * MINUTE, role="user", text=redact(words))
                turns.add_turn(db, 1, turn)
            answer = Turn(key=9, source=TRANSCRIPT, at=T0 + 30_000, role="assistant", text=redact("unasked"))
            turns.add_turn(db, 1, answer)

        stage.store.write(say)
        stage.sql("""UPDATE sessions SET title = 'Signing in', topics = '["auth"]'""")
        assert everything(stage)[0].topics == frozenset({"fix", "login", "parser", "grösse", "signing", "auth"})


def test_the_score_with_the_same_conversation_says_which_it_continues() -> None:
    with Stage() as stage:
        take(stage, [("one", [read(1, 0, "a.py"), read(2, 45 * MINUTE, "a.py")])])
        first, second = ids(stage)
        assert ask(stage, second).continues == first
        assert ask(stage, first).continues is None


def test_a_session_that_still_runs_is_no_predecessor_until_it_is_over() -> None:
    with Stage() as stage:
        take(stage, [("one", [read(1, 0, "a.py")]), ("two", [read(2, 10 * MINUTE, "a.py")])])
        stage.sql("UPDATE sessions SET status = 'active', ended_at = NULL, end_reason = NULL")
        first, second = ids(stage)
        assert ask(stage, second, T0 + 11 * MINUTE).predecessor is None
        later = ask(stage, second, T0 + 31 * MINUTE).predecessor
        assert later is not None, "nobody has swept the store, and the first session has been silent for its timeout"
        assert later.before.id == first


def test_sessions_without_activity_are_no_part_of_it() -> None:
    with Stage() as stage:
        take(stage, [("one", [report(1, 0, kind=redact("server_start"))]), ("two", [read(2, 40 * MINUTE, "a.py")])])
        assert ask(stage, ids(stage)[1]).predecessor is None


def test_sessions_of_another_folder_in_the_same_store_are_no_part_of_it() -> None:
    with Stage() as stage:
        take(stage, [(name, [read(key, key * HOUR, "a.py")]) for key, name in enumerate(("one", "two", "three"), 1)])
        for name, folder in (("one", "/x"), ("two", "/y"), ("three", "/x")):
            stage.sql("UPDATE streams SET folder = ? WHERE key = ?", (folder, name))
        first, second, third = ids(stage)
        found = ask(stage, third).predecessor
        assert found is not None
        assert (found.before.id, found.before.repository) == (first, "/x")
        assert ask(stage, second).predecessor is None


def test_in_a_persons_own_store_what_has_no_folder_is_of_no_known_repository() -> None:
    with Stage() as stage:
        take(stage, [("one", [read(1, 0, "a.py")]), ("two", [read(2, 40 * MINUTE, "a.py")])])
        second = ids(stage)[1]
        for own, expected in ((False, 1), (True, None)):
            read_it = partial(reports.continuity, session_id=second, now=NOW, judge=unknown, own=own)
            found = stage.store.read(read_it)
            assert found.predecessor is not None
            assert found.predecessor.score.parts[0].value == expected


def test_an_unknown_id_has_no_continuity() -> None:
    with Stage() as stage:
        assert ask(stage, "nothing") == Continuity(
            session_id="nothing", continues=None, predecessor=None, successors=[]
        )


@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_within_bounds_is_what_comparing_each_with_each_gives(seed: int) -> None:
    random = Random(seed)
    with Stage() as stage:
        take(stage, many(random, 40, 30 * HOUR))
        traces = everything(stage)
        assert len(traces) >= 40
        best = {trace.id: predecessor(traces, trace) for trace in traces}
        for trace in traces:
            found = ask(stage, trace.id)
            expected = best[trace.id]
            got = found.predecessor
            assert (None if got is None else (got.before, got.score)) == expected
            assert [link.after.id for link in found.successors] == [
                other.id for other in traces if (of := best[other.id]) is not None and of[0].id == trace.id
            ]


def test_predecessor_and_successor_are_inverse_also_among_more_sessions_than_are_looked_at() -> None:
    with Stage() as stage:
        take(stage, many(Random(7), 160, 40 * HOUR))
        all_ids = ids(stage)
        before = {id: None if (p := ask(stage, id).predecessor) is None else p.before.id for id in all_ids}
        assert sum(id is not None for id in before.values()) > 150
        for place, id in enumerate(all_ids):
            near = set(all_ids[place + 1 : place + 40])
            after = {link.after.id for link in ask(stage, id).successors}
            assert after & near == {other for other in near if before[other] == id}


def test_the_work_does_not_grow_with_the_store() -> None:
    def steps(number: int) -> int:
        with Stage() as stage:
            take(stage, [(f"s{i}", [read(i, i * 20 * MINUTE, PATHS[i % 4])]) for i in range(number)])
            middle = ids(stage)[number // 2]
            return stage.store.read(lambda db: _steps(db, middle))

    assert steps(6_000) <= 1.1 * steps(2_500)


def _steps(db: apsw.Connection, session_id: str) -> int:
    """Count the steps of SQLite's machine in hundreds, as an answer is read."""
    count = 0

    def one_more() -> bool:
        nonlocal count
        count += 1
        return False

    db.set_progress_handler(one_more, 100)
    try:
        assert reports.continuity(db, session_id, now=NOW, judge=unknown).predecessor is not None
    finally:
        db.set_progress_handler(None)
    return count


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET ended_at = 9e999",
        "UPDATE sessions SET ended_at = 'x', started_at = x'00ff'",
        "UPDATE sessions SET started_at = 9223372036854775807",
        "UPDATE sessions SET started_at = -9e15, ended_at = 9e15",
        "UPDATE sessions SET topics = x'00', title = x'00ff', branch = 7, stream = 'x'",
        "UPDATE touched SET first_at = 'x'",
        "UPDATE touched SET last_at = 9e999",
        "UPDATE touched SET first_at = 9223372036854775807, last_at = -9223372036854775808",
        "UPDATE names SET text = x'00ff'",
        "UPDATE turns SET text = x'00ff', at = 'x'",
    ],
)
def test_odd_values_in_the_store_stop_nothing(statement: str) -> None:
    with Stage() as stage:
        take(stage, [("one", [read(1, 0, "a.py")]), ("two", [read(2, 40 * MINUTE, "a.py")])])
        stage.store.write(
            lambda db: turns.add_turn(db, 1, Turn(key=1, source=2, at=T0, role="user", text=redact("login")))
        )
        stage.sql(statement)
        for id in ids(stage):
            found = ask(stage, id)
            assert found.predecessor is None or 0 <= found.predecessor.score.value <= 1
        stage.store.read(lambda db: reports.suggestions(db, 0, now=NOW, judge=unknown, day_of=lambda _: 0))


def test_files_of_a_session_that_touched_thousands_are_those_touched_last() -> None:
    with Stage() as stage:
        take(stage, [("one", [read(key, key * 1_000, f"f{key:04}.py") for key in range(reports.FILES + 20)])])
        files = everything(stage)[0].files
        assert len(files) == reports.FILES
        assert "f0019.py" not in files
        assert files["f0020.py"] == Touch(T0 + 20_000, T0 + 20_000)
