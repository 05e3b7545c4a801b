"""Commits beside sessions: whose they are, and what time went into each."""

from kioku.reports import commits
from kioku.sessions import settling
from kioku.times import MINUTE
from kioku.workspace.commits import Made
from tests.sessions.stage import T0, Stage, read

NOW = T0 + 600 * MINUTE


def a_commit(minute: float, *, authored: float | None = None, sha: str = "a") -> Made:
    at = T0 + round(minute * MINUTE)
    first = at if authored is None else T0 + round(authored * MINUTE)
    return Made(sha=sha * 40, short=sha * 7, author="Ann", authored_at=first, committed_at=at, subject=f"at {minute}")


def worked(stage: Stage) -> str:
    """Record ten minutes of work, a break of ten, and ten more; return the session's id."""
    minutes = [*range(0, 11, 2), *range(20, 31, 2)]
    stage.take(stage.stream(), [read(n + 1, at * MINUTE, f"{at}.py") for n, at in enumerate(minutes)], T0 + 31 * MINUTE)
    return str(stage.whole_rows()[0]["id"])


def of_session(stage: Stage, session_id: str, made: list[Made]) -> list[tuple[str, float]]:
    found = stage.store.read(lambda db: commits.of_session(db, session_id, T0, T0 + 30 * MINUTE, made))
    return [(commit.subject, commit.active_ms / MINUTE) for commit in found]


def test_a_commit_has_the_active_time_since_the_one_before_settled_or_not() -> None:
    made = [a_commit(25, sha="c"), a_commit(5), a_commit(15, sha="b"), a_commit(34.5, sha="d")]
    with Stage() as stage:
        session_id = worked(stage)
        for settle in (False, True):
            if settle:
                stage.sweep(NOW)
                settling.settle(stage.store)
            # The break of ten minutes is in none of them, and together they are the session's active time.
            expected = [("at 5", 5.0), ("at 15", 5.0), ("at 25", 5.0), ("at 34.5", 5.0)]
            assert of_session(stage, session_id, made) == expected


def test_a_commit_counts_up_to_five_minutes_after_the_end_and_not_before_the_start() -> None:
    with Stage() as stage:
        session_id = worked(stage)
        assert of_session(stage, session_id, [a_commit(35), a_commit(0, sha="b")]) == [("at 0", 0.0), ("at 35", 20.0)]
        assert of_session(stage, session_id, [a_commit(35.001), a_commit(-0.001)]) == []
        # One that was rewritten days later was still made here.
        assert of_session(stage, session_id, [a_commit(9000, authored=10)]) == [("at 9000", 10.0)]


def test_a_range_tells_commits_of_sessions_from_others() -> None:
    made = [a_commit(5), a_commit(33, sha="b"), a_commit(36, sha="c"), a_commit(1000, sha="d")]
    with Stage() as stage:
        worked(stage)
        for settle in (False, True):
            if settle:
                stage.sweep(NOW)
                settling.settle(stage.store)
            found = stage.store.read(lambda db: commits.of_range(db, T0, T0 + 900 * MINUTE, made, union_ms=20 * MINUTE))
            assert found == commits.Commits(during_sessions=2, others=1, active_ms=10 * MINUTE)
        none = stage.store.read(lambda db: commits.of_range(db, T0, T0 + MINUTE, made, union_ms=MINUTE))
        assert none == commits.Commits(during_sessions=0, others=0, active_ms=None)
