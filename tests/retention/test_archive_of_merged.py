"""Archived and merged sessions side by side: each stays what it is, whatever is told or rebuilt afterwards."""

import random

import pytest

from kioku.errors import UsageError
from kioku.sessions import combining, record, settling
from kioku.store import sessions
from tests.retention.test_archive import NOW, archive_all, figures, told
from tests.sessions.stage import HOUR, T0, Stage


def merged(stage: Stage, chance: random.Random, times: int) -> None:
    """Merge sessions that are over, whichever come, some of them more than once."""
    for _ in range(times):
        ids = chance.sample(sorted(stage.projection()), 2)
        try:
            stage.store.write(lambda db, ids=ids: combining.merge(db, ids, now=NOW))  # type: ignore[misc]
        except UsageError:
            continue  # one of them is archived
        stage.given |= set(stage.projection())


@pytest.mark.parametrize("seed", range(12))
def test_merged_sessions_keep_every_figure_when_they_are_archived_and_others_can_still_be_merged(seed: int) -> None:
    chance = random.Random(seed)
    with Stage() as stage:
        conversations = {name: told(chance, name) for name in ("claude:one", "claude:two", "server:three")}
        for name, reports in conversations.items():
            stage.take(stage.stream(name), reports, NOW)
        merged(stage, chance, 4)
        settling.settle(stage.store)
        before = figures(stage)
        archive_all(stage, before=T0 + chance.choice((60, 100, 400 * 24)) * HOUR)
        settling.settle(stage.store)
        assert figures(stage) == before
        for name, reports in conversations.items():  # told again, in another order
            again = chance.sample(reports, len(reports))
            stage.store.write(lambda db, n=name, a=again: record.take(db, stream_of(db, n), a, now=NOW))  # type: ignore[misc]
        settling.settle(stage.store)
        assert figures(stage) == before
        stage.rebuild(NOW)
        assert figures(stage) == before
        there = stage.projection()
        assert all(stage.resolve(wanted, NOW) in there for wanted in stage.given)
        merged(stage, chance, 3)
        after = figures(stage, status=True)
        stage.rebuild(NOW)
        assert figures(stage, status=True) == after


def stream_of(db: object, name: str) -> int:
    from kioku.store import activities

    found = activities.find_stream(db, name)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_what_is_archived_is_neither_merged_nor_taken_apart() -> None:
    chance = random.Random(3)
    with Stage() as stage:
        stage.take(stage.stream("claude:one"), told(chance, "claude:one"), NOW)
        first, second, *_ = sorted(stage.projection())
        stage.store.write(lambda db: combining.merge(db, [first, second], now=NOW))
        archive_all(stage)
        before = figures(stage, status=True)
        whole = stage.resolve(first, NOW)
        other = next(id for id in stage.projection() if id != whole)
        for refused in (
            lambda db: combining.unmerge(db, whole, now=NOW),
            lambda db: combining.merge(db, [whole, other], now=NOW),
        ):
            with pytest.raises(UsageError, match="archived"):
                stage.store.write(refused)
        assert figures(stage, status=True) == before
        assert stage.store.read(lambda db: sessions.by_id(db, whole)) is not None
