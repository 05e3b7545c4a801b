"""What pauses say: any timeout's sessions from the gaps alone, and two kinds of pause where there are two."""

import math
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioku.sessions import derive
from kioku.sessions.derive import ACTIVE_GAP, Timeouts
from kioku.sessions.gaps import TIMEOUTS, Mixture, Row, mixture, sensitivity
from tests.sessions.stage import HOUR, MINUTE, report

# --- timeouts -------------------------------------------------------------------------------------------------


def test_a_gap_that_reaches_the_timeout_divides_and_a_shorter_one_belongs_to_the_session() -> None:
    gaps = [10 * MINUTE, 29 * MINUTE, 30 * MINUTE, 2 * HOUR]
    rows = sensitivity(gaps, 2, (10 * MINUTE, 30 * MINUTE, 3 * HOUR), active_ms=HOUR)
    assert rows == [
        Row(10 * MINUTE, 6, HOUR),
        Row(30 * MINUTE, 4, HOUR + 39 * MINUTE),
        Row(3 * HOUR, 2, HOUR + 189 * MINUTE),
    ]


def test_without_any_gap_there_is_one_session_a_conversation_whatever_the_timeout() -> None:
    assert sensitivity([], 3, active_ms=7) == [Row(timeout, 3, 7) for timeout in TIMEOUTS]
    assert sensitivity([], 0) == [Row(timeout, 0, 0) for timeout in TIMEOUTS]


points = st.lists(
    st.tuples(st.integers(0, 6 * HOUR), st.one_of(st.none(), st.integers(0, 40 * MINUTE))), min_size=1, max_size=14
)


@given(points)
def test_the_rows_are_what_deriving_anew_with_each_timeout_gives(found: list[tuple[int, int | None]]) -> None:
    activities = sorted(
        (report(key, at, took) for key, (at, took) in enumerate(found)), key=lambda activity: activity.at
    )

    def derived(timeout: int) -> list[derive.Run]:
        return [run for run, _ in derive.runs(activities, Timeouts(((0, timeout),)))]

    stretches = derived(ACTIVE_GAP + 1)
    gaps = [after.first_activity_at - before.last_activity_at for before, after in pairwise(stretches)]
    assert all(gap > ACTIVE_GAP for gap in gaps)
    timeouts = [timeout for timeout in TIMEOUTS if timeout > ACTIVE_GAP]
    active = sum(stretch.active_ms for stretch in stretches)
    for row in sensitivity(gaps, 1, timeouts, active_ms=active):
        runs = derived(row.timeout_ms)
        assert row.sessions == len(runs)
        assert row.span_ms == sum(run.last_activity_at - run.first_activity_at for run in runs)
        assert active == sum(run.active_ms for run in runs)


@given(st.lists(st.integers(ACTIVE_GAP + 1, 1 << 53)), st.integers(1, 50))
def test_a_longer_timeout_gives_no_more_sessions_and_no_less_span(gaps: list[int], streams: int) -> None:
    for shorter, longer in pairwise(sensitivity(gaps, streams)):
        assert shorter.sessions >= longer.sessions >= streams
        assert shorter.span_ms <= longer.span_ms


# --- two kinds ------------------------------------------------------------------------------------------------


def drawn(seed: int, number: int, *kinds: tuple[float, float, float]) -> list[int]:
    """Draw gaps of kinds given as (weight, median in minutes, spread of the logarithm)."""
    random = Random(seed)
    weights = [weight for weight, _, _ in kinds]
    found = random.choices(kinds, weights, k=number)
    return [round(random.lognormvariate(math.log(median * MINUTE), spread)) for _, median, spread in found]


def some(found: Mixture | None) -> Mixture:
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("number", "weight", "medians", "spreads", "tolerance"),
    [
        (500, 0.7, (12, 300), (0.4, 0.8), 0.15),
        (3_000, 0.7, (12, 300), (0.4, 0.8), 0.06),
        (20_000, 0.3, (12, 700), (0.4, 0.8), 0.03),
        (20_000, 0.92, (10, 800), (0.5, 0.5), 0.03),
    ],
)
def test_two_kinds_of_pause_are_recovered(
    seed: int, number: int, weight: float, medians: tuple[int, int], spreads: tuple[float, float], tolerance: float
) -> None:
    kinds = ((weight, medians[0], spreads[0]), (1 - weight, medians[1], spreads[1]))
    found = some(mixture(drawn(seed, number, *kinds)))
    for component, (share, median, spread) in zip((found.short, found.long), kinds, strict=True):
        # Of a kind with few members, the mean is known less well.
        assert component.mean == pytest.approx(math.log(median * MINUTE), abs=tolerance / math.sqrt(min(1, 2 * share)))
        assert component.spread == pytest.approx(spread, abs=tolerance / math.sqrt(min(1, 2 * share)))
        assert component.weight == pytest.approx(share, abs=tolerance)
        assert component.usual_ms[0] < component.typical_ms < component.usual_ms[1]
    assert found.short.weight + found.long.weight == pytest.approx(1)
    assert found.short.typical_ms < found.crossing_ms < found.long.typical_ms
    at = math.log(found.crossing_ms)
    assert found.short.density(at) == pytest.approx(found.long.density(at), rel=1e-3)
    assert found.separation > 2


def test_pauses_cut_off_at_five_minutes_still_show_both_kinds() -> None:
    kinds = ((0.7, 9, 0.6), (0.3, 700, 0.8))
    found = some(mixture(gap for gap in drawn(1, 20_000, *kinds) if gap > ACTIVE_GAP))
    assert 30 * MINUTE < found.crossing_ms < 90 * MINUTE


ONE_KIND: dict[str, Callable[[Random], float]] = {
    "lognormal": lambda random: random.lognormvariate(math.log(40 * MINUTE), 0.3),
    "broad lognormal": lambda random: random.lognormvariate(math.log(40 * MINUTE), 1.5),
    "half of one": lambda random: 5 * MINUTE * math.exp(abs(random.gauss(0, 1.5))),
    "exponential": lambda random: 5 * MINUTE + random.expovariate(1 / (30 * MINUTE)),
    "power law": lambda random: 5 * MINUTE * random.paretovariate(1),
    "even": lambda random: random.uniform(5 * MINUTE, 60 * MINUTE),
    "log even": lambda random: 5 * MINUTE * math.exp(random.uniform(0, 5)),
}


@pytest.mark.parametrize("kind", ONE_KIND)
def test_one_kind_of_pause_is_not_taken_for_two(kind: str) -> None:
    for seed in range(8):
        random = Random(seed)
        assert mixture(round(ONE_KIND[kind](random)) for _ in range((500, 2_000)[seed % 2])) is None, seed


def test_two_kinds_too_close_to_tell_apart_are_one() -> None:
    assert mixture(drawn(1, 3_000, (0.7, 12, 0.4), (0.3, 30, 0.8))) is None


def test_a_kind_with_less_than_a_twentieth_is_an_accident() -> None:
    assert mixture(drawn(1, 5_000, (0.98, 10, 0.4), (0.02, 800, 0.4))) is None


def test_fewer_than_500_gaps_say_nothing() -> None:
    gaps = drawn(1, 500, (0.7, 12, 0.4), (0.3, 300, 0.8))
    assert mixture(gaps) is not None
    assert mixture(gaps[:499]) is None
    assert mixture([*gaps[:499], 0, 0, 0]) is None, "a gap of no length is none"


@pytest.mark.parametrize(
    "gaps", [[], [0] * 1_000, [-1] * 1_000, [600_000] * 1_000, [10**300] * 1_000, [600_000] * 999 + [6_000_000]]
)
def test_gaps_that_are_all_equal_or_no_lengths_at_all_say_nothing(gaps: list[int]) -> None:
    assert mixture(gaps) is None


def test_two_lengths_and_nothing_else_are_two_kinds() -> None:
    found = some(mixture([10 * MINUTE] * 600 + [100 * MINUTE] * 600))
    assert (found.short.typical_ms, found.long.typical_ms) == (10 * MINUTE, 100 * MINUTE)
    assert found.short.weight == 0.5


@given(st.lists(st.integers(-5, 1 << 60), max_size=40), st.integers(1, 60))
def test_whatever_the_gaps_the_answer_is_finite_and_the_order_does_not_matter(gaps: list[int], times: int) -> None:
    found = mixture(gaps * times)
    assert found == mixture(sorted(gaps * times))
    if found is not None:
        assert all(math.isfinite(value) for c in (found.short, found.long) for value in (c.mean, c.spread, c.weight))


def test_it_does_not_matter_in_which_order_gaps_come() -> None:
    gaps = drawn(5, 2_000, (0.6, 12, 0.4), (0.4, 300, 0.6))
    assert mixture(gaps) == mixture(reversed(gaps)) == mixture(sorted(gaps))
