"""Laws of scoring and pruning, for any items, budgets and instants."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioku.knowledge.scoring import Item, Verdict, is_full, prune, score, tokens

DAY = 86_400_000
NOW = 1_780_000_000_000

budgets = st.integers(1, 400)


@st.composite
def many(draw: st.DrawFn) -> list[Item]:
    ids = draw(st.lists(st.text("abcdef", min_size=1, max_size=3), unique=True, max_size=25))
    instants = st.integers(NOW - 60 * DAY, NOW + DAY) | st.sampled_from((NOW, NOW - DAY))
    return [
        Item(
            id=id,
            tokens=draw(st.integers(0, 60)),
            used_at=draw(instants),
            accesses=draw(st.integers(0, 150)),
            archived_at=draw(st.none() | st.none() | instants),
        )
        for id in ids
    ]


def after(verdicts: list[Verdict]) -> list[Item]:
    """Return the items as they would be stored."""
    return [msgspec.structs.replace(verdict.item, archived_at=verdict.archived_at) for verdict in verdicts]


def active(verdicts: list[Verdict]) -> set[str]:
    return {verdict.item.id for verdict in verdicts if verdict.status == "active"}


def fullness(verdicts: list[Verdict]) -> int:
    return sum(verdict.item.tokens for verdict in verdicts if verdict.status == "active")


@given(many(), budgets)
def test_no_item_is_lost_and_what_is_active_fills_less_than_80_percent(items: list[Item], budget: int) -> None:
    verdicts = prune(items, budget, NOW)
    assert [verdict.item for verdict in verdicts] == items
    assert fullness(verdicts) < 0.8 * budget or fullness(verdicts) == 0


@given(many(), budgets, st.integers(0, 90 * DAY))
def test_pruning_again_changes_nothing_however_much_later(items: list[Item], budget: int, later: int) -> None:
    once = prune(items, budget, NOW)
    again = prune(after(once), budget, NOW + later)
    assert not any(verdict.has_changed for verdict in again)
    assert active(again) == active(once)


@given(many(), budgets, st.randoms(use_true_random=False))
def test_the_order_in_which_items_come_decides_nothing(items: list[Item], budget: int, rnd: random.Random) -> None:
    shuffled = rnd.sample(items, len(items))
    assert active(prune(shuffled, budget, NOW)) == active(prune(items, budget, NOW))


@given(many())
def test_below_80_percent_nothing_is_archived_and_what_was_used_is_back(items: list[Item]) -> None:
    everything = sum(item.tokens for item in items)
    verdicts = prune(items, everything * 10 // 8 + 2, NOW)
    for verdict in verdicts:
        was = verdict.item.archived_at
        assert (verdict.status == "active") == (was is None or verdict.item.used_at >= was)


@given(many(), budgets)
def test_nothing_that_stays_scores_lower_than_what_goes(items: list[Item], budget: int) -> None:
    fresh = [msgspec.structs.replace(item, archived_at=None) for item in items]
    verdicts = prune(fresh, budget, NOW)
    gone = [verdict.score.total for verdict in verdicts if verdict.status == "archived"]
    stays = [verdict.score.total for verdict in verdicts if verdict.status == "active"]
    assert not gone or not stays or max(gone) <= min(stays)


@given(st.lists(st.integers(0, 150), min_size=1, max_size=40))
def test_at_80_percent_just_a_fifth_goes(accesses: list[int]) -> None:
    items = [Item(id=f"{n:02}", tokens=10, used_at=NOW, accesses=count) for n, count in enumerate(accesses)]
    verdicts = prune(items, 10 * len(items) * 100 // 80, NOW)
    lowest = sorted(items, key=lambda item: (min(item.accesses, 100), item.id))[: math.ceil(len(items) / 5)]
    assert {item.id for item in items} - active(verdicts) == {item.id for item in lowest}


@given(many(), budgets)
def test_an_item_that_is_used_comes_back_where_it_fits_alone(items: list[Item], budget: int) -> None:
    for verdict in prune(items, budget, NOW):
        if verdict.archived_at is not None and verdict.item.tokens * 100 < budget * 80:
            used = msgspec.structs.replace(verdict.item, used_at=verdict.archived_at)
            others = [other for other in after(prune(items, budget, NOW)) if other.id != used.id]
            again = prune([*others, msgspec.structs.replace(used, archived_at=verdict.archived_at)], budget, NOW)
            assert used.id in active(again)


@given(many(), st.integers(-DAY, 90 * DAY))
def test_a_score_is_from_0_to_1_and_grows_with_use_and_falls_with_time(items: list[Item], later: int) -> None:
    for item in items:
        found = score(item, NOW)
        assert 0 <= found.total <= 1
        assert found.total == pytest.approx(0.6 * found.recency + 0.4 * found.frequency)
        assert score(msgspec.structs.replace(item, accesses=item.accesses + 1), NOW).total >= found.total
        assert (score(item, NOW + later).total <= found.total) or later < 0


@pytest.mark.parametrize(
    ("days", "accesses", "total"),
    [(0, 0, 0.6), (15, 0, 0.3), (30, 0, 0.0), (45, 100, 0.4), (0, 100, 1.0), (0, 10_000, 1.0), (-3, 50, 0.8)],
)
def test_examples_of_scores(days: int, accesses: int, total: float) -> None:
    item = Item(id="a", tokens=1, used_at=NOW - days * DAY, accesses=accesses)
    assert score(item, NOW).total == pytest.approx(total)


@given(st.text(), st.text())
def test_tokens_are_a_quarter_of_the_bytes_rounded_up(one: str, other: str) -> None:
    assert tokens(one) == math.ceil(len(one.encode()) / 4)
    assert tokens(one) <= tokens(one + other) <= tokens(one) + tokens(other)
    assert is_full(tokens(one), 0) == bool(one)


def test_half_a_pair_in_a_text_has_its_bytes_too() -> None:
    assert tokens("\ud800ab") == 2
