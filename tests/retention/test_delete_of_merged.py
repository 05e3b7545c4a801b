"""Deleting sessions that were merged: all of what they were made of goes, and no decision brings any of it back."""

import random

import apsw
import pytest

from kioku.sessions import combining, record, settling
from kioku.store import activities
from tests.retention.test_archive import NOW, archive_all, told
from tests.retention.test_archive_of_merged import merged, stream_of
from tests.retention.test_delete import remove, statistics_of
from tests.sessions.stage import HOUR, T0, Stage, read


def traces(stage: Stage, ids: list[str]) -> list[str]:
    """Return the tables in which one of some ids stands anywhere."""

    def work(db: apsw.Connection) -> list[str]:
        found = []
        for (table,) in list(db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")):
            for row in db.execute(f"SELECT * FROM {table}"):
                found += [table for value in row if isinstance(value, str) and any(id in value for id in ids)]
        return found

    return stage.store.read(work)


@pytest.mark.parametrize("seed", range(8))
def test_a_merged_session_goes_whole_and_stays_away_whatever_is_told_again(seed: int) -> None:
    chance = random.Random(seed)
    with Stage() as stage:
        conversations = {name: told(chance, name) for name in ("claude:one", "claude:two", "server:three")}
        for name, reports in conversations.items():
            stage.take(stage.stream(name), reports, NOW)
        merged(stage, chance, 5)
        if chance.random() < 0.4:
            archive_all(stage)
        parts = stage.store.read(
            lambda db: [row[0] for row in db.execute("SELECT DISTINCT into_id FROM merged_sessions ORDER BY 1")]
        )
        going = chance.sample(parts, 1) + chance.sample(sorted(set(stage.projection()) - set(parts)), 2)
        held = stage.store.read(
            lambda db: [row[0] for row in db.execute("SELECT id FROM merged_sessions WHERE into_id = ?", going[:1])]
        )
        settling.settle(stage.store)
        remove(stage, going)
        assert traces(stage, [*going, *held]) == []
        settling.settle(stage.store)
        left, figures = stage.projection(), statistics_of(stage)
        assert not set(going) & set(left)
        for name, reports in conversations.items():
            again = chance.sample(reports, len(reports))

            def tell(db: apsw.Connection, name: str = name, again: list = again) -> None:  # type: ignore[type-arg]
                if activities.find_stream(db, name) is not None:
                    record.take(db, stream_of(db, name), again, now=NOW)

            stage.store.write(tell)
        settling.settle(stage.store)
        assert (stage.projection(), statistics_of(stage)) == (left, figures)
        stage.rebuild(NOW)
        assert (stage.projection(), statistics_of(stage)) == (left, figures)


def test_of_what_was_merged_with_others_and_taken_back_no_decision_keeps_the_name_and_theirs_stand() -> None:
    with Stage() as stage:
        for number, name in enumerate(("claude:one", "claude:two", "claude:three")):
            stage.take(stage.stream(name), [read(2 * number, number * HOUR, "a.py")], T0 + number * HOUR)
        stage.sweep(NOW)
        one, two, three = sorted(stage.projection(), key=lambda id: str(stage.projection()[id][2]))
        stage.store.write(lambda db: combining.merge(db, [one, three], now=NOW))
        stage.store.write(lambda db: combining.merge(db, [one, two], now=NOW))
        stage.store.write(lambda db: combining.unmerge(db, one, now=NOW))
        remove(stage, [two])
        assert traces(stage, [two]) == []
        assert list(stage.projection()) == [one]
        assert stage.resolve(three, NOW) == one
        stage.rebuild(NOW)
        assert list(stage.projection()) == [one]
        stage.store.write(lambda db: combining.unmerge(db, one, now=NOW))
        assert set(stage.projection()) == {one, three}
