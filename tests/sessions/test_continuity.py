"""The rules of continuity: what a score is made of, which session comes before which, and what is only suggested."""

import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioku.sessions import blocks, continuity
from kioku.sessions.continuity import (
    BRANCH,
    FILES,
    GAP,
    HIGH,
    REPOSITORY,
    TOPICS,
    WEIGHTS,
    WINDOW,
    Gap,
    Score,
    Touch,
    Trace,
    gap_class,
    predecessor,
    score,
)
from tests.sessions.stage import HOUR, MINUTE, T0

PATHS = ("a.py", "b.py", "c.py", "d.py", "e.py")
WORDS = ("login", "token", "parser", "猫が", "größe")
DAY = 24 * HOUR

instants = st.integers(T0, T0 + 40 * HOUR)


@st.composite
def traces(draw: st.DrawFn, id: str | None = None, start: st.SearchStrategy[int] = instants) -> Trace:
    """Draw what a session left behind."""
    started = draw(start)
    ended = started + draw(st.integers(0, 5 * HOUR))
    inside = st.integers(started, ended)
    touches = st.tuples(inside, inside).map(lambda pair: Touch(min(pair), max(pair)))
    return Trace(
        id=draw(st.text("abcdef", min_size=8, max_size=8)) if id is None else id,
        started_at=started,
        ended_at=ended,
        repository=draw(st.sampled_from(("one", "one", "one", "other", None))),
        branch=draw(st.sampled_from((None, "main", "topic"))),
        files=draw(st.dictionaries(st.sampled_from(PATHS), touches)),
        topics=draw(st.one_of(st.none(), st.frozensets(st.sampled_from(WORDS)))),
        is_live=draw(st.sampled_from((False, False, False, True))),
    )


def several(least: int = 0, most: int = 6) -> st.SearchStrategy[list[Trace]]:
    return st.lists(traces(), min_size=least, max_size=most, unique_by=lambda trace: trace.id)


def changed(trace: Trace, **values: object) -> Trace:
    fields = {name: getattr(trace, name) for name in Trace.__struct_fields__}
    return Trace(**{**fields, **values})


def moved(trace: Trace, by: int, id: str = "moved") -> Trace:
    """Return the same session at another time."""
    files = {path: Touch(first + by, last + by) for path, (first, last) in trace.files.items()}
    return changed(trace, id=id, started_at=trace.started_at + by, ended_at=trace.ended_at + by, files=files)


def value(found: Score, name: str) -> float | None:
    return next(part.value for part in found.parts if part.name == name)


def session(id: str, start: int, end: int, **values: object) -> Trace:
    """Return a session on main that touched one file and spoke of one thing; instants are minutes after `T0`."""
    files = {"a.py": Touch(T0 + start * MINUTE, T0 + end * MINUTE)}
    given = {"branch": "main", "files": files, "topics": frozenset({"login"}), **values}
    return changed(Trace(id=id, started_at=T0 + start * MINUTE, ended_at=T0 + end * MINUTE, repository="one"), **given)


# --- the score ------------------------------------------------------------------------------------------------


@given(traces(), traces())
def test_a_score_and_each_of_its_parts_lie_between_0_and_1(before: Trace, after: Trace) -> None:
    found = score(before, after)
    assert 0 <= found.value <= 1
    assert all(part.value is None or 0 <= part.value <= 1 for part in found.parts)
    assert {part.name: part.weight for part in found.parts} == WEIGHTS
    assert sum(WEIGHTS.values()) == 100


@given(traces(), traces())
def test_the_known_parts_explain_the_value_exactly(before: Trace, after: Trace) -> None:
    found = score(before, after)
    known = [part for part in found.parts if part.value is not None]
    weights = sum(part.weight for part in known)
    assert found.value == math.fsum((part.value or 0) * part.weight for part in known) / weights
    # In whole points of a hundred they add up to the value as well.
    points = [(part.value or 0) * part.weight / weights for part in known]
    assert math.fsum(points) == pytest.approx(found.value, abs=1e-12)


@given(traces(), traces(), st.sampled_from((BRANCH, FILES, TOPICS)))
def test_what_is_unknown_has_no_weight_and_is_never_counted_as_nothing(before: Trace, after: Trace, name: str) -> None:
    whole = score(before, after)
    unknown: object = {} if name == FILES else None
    field = name if name != BRANCH else "branch"
    for one, other in ((changed(before, **{field: unknown}), after), (before, changed(after, **{field: unknown}))):
        part = score(one, other)
        assert value(part, name) is None
        rest = [p for p in whole.parts if p.name != name and p.value is not None]
        assert part.value == math.fsum((p.value or 0) * p.weight for p in rest) / sum(p.weight for p in rest)
        known = value(whole, name)
        if known is not None and not math.isclose(known, part.value, abs_tol=1e-9):
            assert (part.value > whole.value) == (known < whole.value), "left out, it draws the mean nowhere"


@given(traces(), traces(), st.data())
def test_a_file_more_in_common_never_lowers_the_score(before: Trace, after: Trace, data: st.DataObject) -> None:
    after = changed(after, repository=before.repository)

    def touch(trace: Trace) -> Touch:
        first, last = sorted(data.draw(st.integers(trace.started_at, trace.ended_at)) for _ in range(2))
        return Touch(first, last)

    was = score(before, after)
    new = "new.py"
    both = (
        changed(before, files={**before.files, new: touch(before)}),
        changed(after, files={**after.files, new: touch(after)}),
    )
    if before.files and after.files:
        assert score(*both).value >= was.value - 1e-12
    only_before, only_after = before.files.keys() - after.files.keys(), after.files.keys() - before.files.keys()
    if before.files and after.files and only_before:
        taken_up = changed(after, files={**after.files, min(only_before): touch(after)})
        assert score(before, taken_up).value >= was.value - 1e-12
    if before.files and after.files and only_after:
        prepared = changed(before, files={**before.files, min(only_after): touch(before)})
        assert score(prepared, after).value >= was.value - 1e-12


@given(traces(), traces(), st.sampled_from(WORDS))
def test_a_word_more_in_common_never_lowers_the_score(before: Trace, after: Trace, word: str) -> None:
    if before.topics and after.topics:
        both = (changed(trace, topics=(trace.topics or frozenset()) | {word}) for trace in (before, after))
        assert score(*both).value >= score(before, after).value


@given(traces(), traces(), st.integers(0, 400 * DAY))
def test_a_longer_gap_never_raises_the_score(before: Trace, after: Trace, longer: int) -> None:
    after = moved(after, max(0, before.ended_at - after.started_at))
    assert score(before, moved(after, longer)).value <= score(before, after).value


@given(traces())
def test_the_same_session_again_in_the_next_minute_scores_near_1(trace: Trace) -> None:
    again = moved(trace, trace.ended_at - trace.started_at + MINUTE)
    assert score(trace, again).value > 0.98


def test_without_any_knowledge_but_time_and_place_these_alone_decide() -> None:
    one = Trace(id="a", started_at=T0, ended_at=T0, repository="one")
    other = Trace(id="b", started_at=T0 + HOUR, ended_at=T0 + HOUR, repository="one")
    found = score(one, other)
    assert [part.name for part in found.parts if part.value is not None] == [REPOSITORY, GAP]
    assert found.value == pytest.approx((10 + 25 / math.e) / 35)
    assert not score(one, moved(one, 0)).is_high, "near in time and place, and nothing known of the work"


def test_files_touched_late_before_the_gap_and_early_after_it_weigh_more() -> None:
    def files(*touched: tuple[str, int]) -> dict[str, Touch]:
        return {path: Touch(T0 + at * MINUTE, T0 + at * MINUTE) for path, at in touched}

    after = session("b", 130, 200, files=files(("x.py", 130), ("y.py", 190)))
    late = session("a", 0, 120, files=files(("old.py", 0), ("x.py", 120)))
    early = session("a", 0, 120, files=files(("x.py", 0), ("old.py", 120)))
    # 120 minutes are four half-lives, 60 are two: 1/(1 + 1/16) of what was left, 1/(1 + 1/4) of what was taken up.
    assert value(score(late, after), FILES) == pytest.approx((16 / 17 + 4 / 5) / 2)
    assert value(score(early, after), FILES) == pytest.approx((1 / 17 + 4 / 5) / 2)
    later = session("b", 130, 200, files=files(("y.py", 130), ("x.py", 190)))
    assert value(score(late, later), FILES) == pytest.approx((16 / 17 + 1 / 5) / 2)


def test_one_name_in_two_repositories_is_two_files_and_two_branches() -> None:
    found = score(session("a", 0, 30), session("b", 31, 60, repository="other"))
    assert value(found, REPOSITORY) == value(found, BRANCH) == value(found, FILES) == 0
    assert value(found, TOPICS) == 1


def test_of_a_repository_that_nobody_knows_neither_sameness_nor_difference_counts() -> None:
    found = score(session("a", 0, 30, repository=None), session("b", 31, 60, repository=None))
    assert value(found, REPOSITORY) is value(found, BRANCH) is None
    assert value(found, FILES) == value(found, TOPICS) == 1
    unknown = [session("a", 0, 30, repository=None), session("b", 31, 60, repository=None)]
    assert not blocks.suggest(unknown, day_of=lambda _: 0), "they may be of two projects"


def test_sessions_that_overlap_have_no_gap_between_them() -> None:
    assert value(score(session("a", 0, 60), session("b", 30, 90)), GAP) == 1


def test_instants_from_1970_and_the_far_future_make_a_score_like_any_other() -> None:
    old = Trace(id="a", started_at=0, ended_at=0, repository="one", files={"a": Touch(0, 1 << 53)})
    new = Trace(id="b", started_at=1 << 53, ended_at=1 << 53, repository="one", files={"a": Touch(-(1 << 53), 1)})
    assert 0 <= score(old, new).value <= 1
    assert value(score(old, new), GAP) == 0


# --- the predecessor ------------------------------------------------------------------------------------------


@given(several(), traces("after"), st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(found: list[Trace], after: Trace, random: Random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert predecessor(found, after) == predecessor(shuffled, after)


@given(several(), traces("after", st.integers(T0, T0 + 80 * DAY)))
def test_the_predecessor_is_over_when_the_session_begins_not_long_past_and_none_scores_higher(
    found: list[Trace], after: Trace
) -> None:
    possible = [
        t for t in found if not t.is_live and 0 <= after.started_at - t.ended_at <= 30 * DAY and t.order < after.order
    ]
    best = predecessor(found, after)
    assert (best is None) == (not possible)
    if best is not None:
        assert best[0] in possible
        assert best[1] == score(best[0], after)
        assert best[1].value == max(score(trace, after).value for trace in possible)


def test_of_equal_scores_the_later_session_comes_before() -> None:
    after = session("z", 100, 110)
    same = [session("a", 0, 60), session("b", 0, 60), session("c", 10, 60)]
    best = predecessor(same, after)
    assert best is not None
    assert best[0].id == "c"
    best = predecessor(same[:2], after)
    assert best is not None
    assert best[0].id == "b"


def test_a_session_that_ended_30_days_earlier_may_be_taken_up_and_one_a_millisecond_older_may_not() -> None:
    before = session("a", 0, 10)
    assert predecessor([before], moved(before, before.ended_at - before.started_at + WINDOW, "zzz")) is not None
    assert predecessor([before], moved(before, before.ended_at - before.started_at + WINDOW + 1, "zzz")) is None


def test_two_sessions_of_one_instant_are_not_each_others_predecessor() -> None:
    one, other = session("a", 5, 5), session("b", 5, 5)
    assert predecessor([other], one) is None
    assert predecessor([one], other) is not None


# --- gaps, blocks, suggestions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "meaning"),
    [
        (0, Gap.WORK), (5 * MINUTE, Gap.WORK), (5 * MINUTE + 1, Gap.BREAK), (30 * MINUTE - 1, Gap.BREAK),
        (30 * MINUTE, Gap.BETWEEN), (90 * DAY, Gap.BETWEEN),
    ],
)  # fmt: skip
def test_a_gap_is_work_a_break_or_between_sessions(length: int, meaning: Gap) -> None:
    assert gap_class(length) is meaning


def test_where_a_person_set_another_timeout_it_says_what_is_between_sessions() -> None:
    assert gap_class(20 * MINUTE, 15 * MINUTE) is Gap.BETWEEN
    assert gap_class(40 * MINUTE, 60 * MINUTE) is Gap.BREAK
    assert gap_class(4 * MINUTE, 3 * MINUTE) is Gap.BETWEEN


def ids(found: Sequence[blocks.Block]) -> list[list[str]]:
    return [[trace.id for trace in block.traces] for block in found]


def test_sessions_30_to_90_minutes_apart_that_go_on_with_each_other_are_one_work_block() -> None:
    one, other = session("a", 0, 60), session("b", 90, 120)
    apart = session("c", 211, 240)  # 91 minutes later
    assert ids(blocks.work_blocks([apart, other, one])) == [["a", "b"], ["c"]]
    block = blocks.work_blocks([one, other])[0]
    assert (block.since, block.until) == (one.started_at, other.ended_at)
    assert [link.gap_ms for link in block.links] == [30 * MINUTE]
    assert ids(blocks.work_blocks([one, session("b", 150, 180)])) == [["a", "b"]]


def test_other_work_in_between_is_a_block_of_its_own() -> None:
    other = {
        "branch": "topic",
        "files": {"z.py": Touch(T0 + 70 * MINUTE, T0 + 80 * MINUTE)},
        "topics": frozenset({"css"}),
    }
    found = blocks.work_blocks([session("a", 0, 60), session("x", 65, 80, **other), session("b", 95, 120)])
    assert ids(found) == [["a", "b"], ["x"]]


@given(several())
def test_every_session_is_in_exactly_one_block_and_blocks_only_bridge_short_gaps_between_like_sessions(
    found: list[Trace],
) -> None:
    made = blocks.work_blocks(found)
    assert sorted(trace.id for block in made for trace in block.traces) == sorted(trace.id for trace in found)
    assert made == blocks.work_blocks(reversed(found))
    for block in made:
        assert len(block.links) == len(block.traces) - 1
        for link in block.links:
            assert link.before in block.traces
            assert link.after in block.traces
            assert 0 <= link.after.started_at - link.before.ended_at <= 90 * MINUTE
            assert link.score.value >= HIGH
            assert not link.before.is_live


@given(several())
def test_what_is_suggested_is_of_one_day_and_repository_over_alike_and_never_overlaps(found: list[Trace]) -> None:
    def day(instant: int) -> int:
        return instant // DAY

    made = blocks.suggest(found, day_of=day)
    assert made == blocks.suggest(reversed(found), day_of=day)
    named = [id for suggestion in made for id in suggestion.ids]
    assert len(named) == len(set(named)), "no session is suggested twice"
    for suggestion in made:
        members = [next(trace for trace in found if trace.id == id) for id in suggestion.ids]
        assert len(members) >= 2
        assert len({day(trace.started_at) for trace in members}) == 1
        assert members[0].repository is not None
        assert len({trace.repository for trace in members}) == 1
        assert not any(trace.is_live for trace in members)
        assert [(link.before.id, link.after.id) for link in suggestion.links] == list(
            zip(suggestion.ids, suggestion.ids[1:], strict=False)
        )
        for link in suggestion.links:
            assert 0 <= link.after.started_at - link.before.ended_at <= 4 * HOUR
            assert link.score.is_high
        assert suggestion.reason


def test_a_suggestion_says_in_words_why() -> None:
    found = blocks.suggest([session("a", 0, 60), session("b", 97, 120), session("c", 130, 140)], day_of=lambda _: 0)
    assert [suggestion.ids for suggestion in found] == [("a", "b", "c")]
    assert found[0].reason == (
        "37 min apart, both on branch main, 1 file in common (a.py), 1 word in common (login): continuity 0.88; then "
        "10 min apart, both on branch main, 1 file in common (a.py), 1 word in common (login): continuity 0.96"
    )


def test_nothing_is_suggested_over_four_hours_over_midnight_or_with_a_live_session() -> None:
    one = session("a", 0, 60)
    near, far = session("b", 300, 310), session("b", 301, 310)
    assert blocks.suggest([one, near], day_of=lambda _: 0)
    assert not blocks.suggest([one, far], day_of=lambda _: 0)
    assert not blocks.suggest([one, near], day_of=lambda instant: instant > one.ended_at)
    assert not blocks.suggest([one, changed(near, is_live=True)], day_of=lambda _: 0)
    assert not blocks.suggest([changed(one, is_live=True), near], day_of=lambda _: 0)
    assert not blocks.suggest([one, changed(near, repository="other")], day_of=lambda _: 0)


def test_of_two_parallel_sessions_that_go_on_with_one_only_the_likelier_is_suggested() -> None:
    found = blocks.suggest([session("a", 0, 60), session("b", 70, 100), session("c", 65, 100)], day_of=lambda _: 0)
    assert [suggestion.ids for suggestion in found] == [("a", "c")]


def test_sessions_that_share_neither_files_nor_words_are_not_put_together_however_near() -> None:
    quiet: dict[str, object] = {"files": {}, "topics": None}
    assert not blocks.suggest([session("a", 0, 60, **quiet), session("b", 61, 80, **quiet)], day_of=lambda _: 0)
    assert value(continuity.score(session("a", 0, 60, **quiet), session("b", 61, 80, **quiet)), FILES) is None
