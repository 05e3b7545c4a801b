"""Merging and splitting: the rules by themselves, and that on a real store nothing is lost by them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kioku.errors import UsageError
from kioku.models import FILE_READ, SERVER_STOP
from kioku.redaction import redact
from kioku.reports.listing import Wanted, listing
from kioku.sessions import combining, merging, record
from kioku.sessions.merging import MERGED, SPLIT, UNMERGED, Decision
from kioku.store import merges, moving, turns
from kioku.store.opening import open_store
from kioku.store.sessions import Row
from kioku.store.turns import Turn
from tests.sessions.stage import HOUR, MINUTE, T0, TIMEOUT, Stage, read, report, unknown

# --- the rules --------------------------------------------------------------------------------------------------------

some_ids = st.frozensets(st.sampled_from("abcdefgh"), min_size=2, max_size=4)


def decided(kind: str, number: int, ids: Iterable[str]) -> Decision:
    return Decision(kind=kind, made_at=number, number=number, ids=tuple(ids))


def grouped(found: Iterable[Decision]) -> set[frozenset[str]]:
    return set(merging.groups(merging.in_force(found).merges))


@given(st.lists(some_ids, max_size=6), st.randoms())
def test_merging_is_commutative_associative_and_idempotent(merges_: list[frozenset[str]], random: Any) -> None:
    there = [decided(MERGED, number, ids) for number, ids in enumerate(merges_)]
    again = merges_ * 2
    random.shuffle(again)
    assert grouped(there) == grouped(decided(MERGED, number, ids) for number, ids in enumerate(again))


def test_merges_that_share_an_id_are_one_group() -> None:
    assert grouped([decided(MERGED, 1, "ab"), decided(MERGED, 2, "bc")]) == {frozenset("abc")}
    assert grouped([decided(MERGED, 1, "ab"), decided(MERGED, 2, "cd")]) == {frozenset("ab"), frozenset("cd")}


@given(st.lists(some_ids, max_size=5), some_ids)
def test_taking_a_merge_back_leaves_exactly_what_was_before(
    merges_: list[frozenset[str]], last: frozenset[str]
) -> None:
    before = [decided(MERGED, number, ids) for number, ids in enumerate(merges_)]
    merged = [*before, decided(MERGED, 10, last)]
    if grouped(merged) != grouped(before):
        after = [*merged, decided(UNMERGED, 11, last)]
        assert merging.in_force(after) == merging.in_force(before)


@given(st.lists(st.tuples(st.sampled_from((MERGED, MERGED, UNMERGED)), some_ids), max_size=8), st.randoms())
def test_the_order_in_which_decisions_are_found_does_not_matter(
    made: list[tuple[str, frozenset[str]]], random: Any
) -> None:
    there = [decided(kind, number, sorted(ids)) for number, (kind, ids) in enumerate(made)]
    shuffled = list(there)
    random.shuffle(shuffled)
    assert merging.in_force(shuffled) == merging.in_force(there)


def test_a_split_undoes_the_merges_of_its_session_and_keeps_each_side_together() -> None:
    split = Decision(
        kind=SPLIT, made_at=3, number=3, ids=("x",), at=50, of=("a", "b", "c", "x"), parts=(("a", "b"), ("x", "c"))
    )
    found = merging.in_force([decided(MERGED, 1, "ac"), decided(MERGED, 2, "bc"), decided(MERGED, 2, "de"), split])
    assert set(merging.groups(found.merges)) == {frozenset("ab"), frozenset("xc"), frozenset("de")}
    assert found.cuts == {("x", 50)}


# --- on a store -------------------------------------------------------------------------------------------------------


class Desk(Stage):
    """A stage on which sessions are merged."""

    def decide(self, work: Callable[[apsw.Connection], Any]) -> Any:
        found = self.store.write(work)
        self.given |= set(self.projection())
        return found

    def merge(self, *ids: str, now: int = T0 + 99 * HOUR) -> Row:
        row: Row = self.decide(lambda db: combining.merge(db, ids, now=now))
        return row

    def unmerge(self, id: str, now: int = T0 + 99 * HOUR) -> list[Row]:
        rows: list[Row] = self.decide(lambda db: combining.unmerge(db, id, now=now))
        return rows

    def split(self, id: str, at: int, now: int = T0 + 99 * HOUR) -> list[Row]:
        rows: list[Row] = self.decide(lambda db: combining.split(db, id, at, now=now))
        return rows

    def sorted_ids(self) -> list[str]:
        return [row["id"] for row in sorted(self.whole_rows(), key=lambda row: (row["started_at"], row["id"]))]

    def parts(self, id: str) -> list[str]:
        return [part.id for part in self.store.read(lambda db: merges.members(db, id))]

    def check(self, now: int = T0 + 99 * HOUR) -> None:
        """Hold what is there against a rebuild, and every id ever given against what is there."""
        self.sweep(now)
        before = self.projection()
        self.rebuild(now)
        assert self.projection() == before
        assert {self.resolve(id, now) for id in self.given} <= before.keys()


def full(desk: Desk, *, streams: int = 2, sessions: int = 2, overlap: bool = False) -> list[str]:
    """Record sessions of half an hour, one every two hours, in each of some conversations; return their ids."""
    key = 0
    for number in range(streams):
        stream = desk.stream(f"claude:{number}")
        for session in range(sessions):
            start = session * 2 * HOUR + (number * 10 * MINUTE if overlap else number * HOUR)
            for step in range(7):
                key += 1
                at = start + step * 5 * MINUTE
                desk.take(stream, [read(key, at, f"{number}{step % 3}.py", 1000, edit=step == 2)], T0 + at + 1000)
    desk.sweep(T0 + 99 * HOUR)
    return desk.sorted_ids()


def test_a_merged_session_is_from_the_first_start_to_the_last_end_and_adds_up() -> None:
    with Desk() as desk:
        first, second, *others = full(desk)
        rows = {row["id"]: row for row in desk.whole_rows()}
        merged = desk.merge(second, first).session
        a, b = rows[first], rows[second]
        assert merged.id == first
        assert (merged.started_at, merged.ended_at) == (a["started_at"], b["ended_at"])
        for name in ("activities", "tool_calls", "files", "active_ms"):
            assert getattr(merged, name) == a[name] + b[name], name
        assert desk.sorted_ids() == [first, *others]
        assert desk.parts(first) == [first, second]
        assert desk.resolve(second, T0) == first
        assert desk.resolve(second[:9], T0) == first
        desk.check()


def test_time_that_merged_sessions_share_counts_once() -> None:
    with Desk() as desk:
        first, second, *_ = full(desk, sessions=1, overlap=True)
        merged = desk.merge(first, second).session
        assert merged.span_ms == 40 * MINUTE + 1000
        assert merged.active_ms == merged.span_ms
        desk.check()


def test_what_follows_a_merged_session_continues_it() -> None:
    with Desk() as desk:
        first, second, third, fourth = full(desk)
        assert {row["id"]: row["continues"] for row in desk.whole_rows()} == {
            first: None, second: None, third: first, fourth: second,
        }  # fmt: skip
        desk.merge(first, second)
        assert {row["id"]: row["continues"] for row in desk.whole_rows()} == {
            first: None, third: first, fourth: first,
        }  # fmt: skip
        desk.check()


def test_merges_taken_back_one_by_one_leave_what_each_found() -> None:
    with Desk() as desk:
        ids = full(desk)
        states = [desk.projection()]
        for other in ids[1:]:
            desk.merge(ids[0], other)
            states.append(desk.projection())
        assert [len(state) for state in states] == [4, 3, 2, 1]
        for state in reversed(states[:-1]):
            desk.unmerge(ids[0])
            assert desk.projection() == state
        desk.check()


def test_a_late_report_finds_its_place_in_a_merged_session() -> None:
    with Desk() as desk:
        first, second, *_ = full(desk)
        merged = desk.merge(first, second).session
        late = read(900, 12 * MINUTE, "late.py")
        desk.take(desk.stream("claude:0"), [late], T0 + 99 * HOUR)
        (row,) = [row for row in desk.whole_rows() if row["id"] == first]
        assert row["activities"] == merged.activities + 1
        desk.check()


def test_a_late_report_that_joins_a_merged_session_with_another_joins_all() -> None:
    with Desk() as desk:
        first, second, third, fourth = full(desk)
        desk.merge(first, second)
        bridge = [read(900 + n, 30 * MINUTE + n * 20 * MINUTE, "bridge.py") for n in range(1, 5)]
        desk.take(desk.stream("claude:0"), bridge, T0 + 99 * HOUR)
        assert desk.sorted_ids() == [first, fourth]
        assert {desk.resolve(id, T0) for id in (first, second, third)} == {first}
        desk.check()


def test_a_merged_session_whose_conversation_goes_on_is_live_again() -> None:
    with Desk() as desk:
        one, two = desk.stream("claude:1"), desk.stream("claude:2", timeout=TIMEOUT)
        desk.take(one, [read(1, 0, "a.py")], T0)
        desk.take(two, [read(2, HOUR, "b.py"), report(3, HOUR + MINUTE, kind=SERVER_STOP)], T0 + HOUR + MINUTE)
        desk.sweep(T0 + HOUR + MINUTE)
        first, second = desk.sorted_ids()
        now = T0 + HOUR + 2 * MINUTE
        desk.merge(first, second, now=now)
        desk.take(two, [read(4, HOUR + 2 * MINUTE, "c.py")], now)
        (row,) = desk.whole_rows()
        assert (row["status"], row["activities"]) == ("active", 3)
        with pytest.raises(UsageError, match="still running"):
            desk.split(first, T0 + HOUR)
        desk.check(now)
        assert desk.sweep(now + TIMEOUT) == 1
        (row,) = desk.whole_rows()
        assert (row["status"], row["end_reason"], row["ended_at"]) == ("completed", "idle", now)
        desk.check(now + TIMEOUT)


def test_a_split_divides_what_begins_before_it_from_the_rest_and_merging_takes_it_back() -> None:
    with Desk() as desk:
        first, *_ = full(desk)
        before = desk.projection()
        left, right = desk.split(first, T0 + 12 * MINUTE)
        assert (left.session.id, left.session.activities, right.session.activities) == (first, 3, 4)
        assert left.session.ended_at == T0 + 10 * MINUTE + 1000
        assert right.session.started_at == T0 + 15 * MINUTE
        assert right.session.continues == first
        desk.check()
        desk.merge(left.session.id, right.session.id)
        assert desk.projection() == before
        desk.check()
        desk.unmerge(first)
        assert len(desk.projection()) == len(before) + 1
        desk.check()


def test_a_split_of_a_merged_session_divides_every_conversation_in_it() -> None:
    with Desk() as desk:
        first, second, *_ = full(desk, sessions=1, overlap=True)
        whole = desk.merge(first, second).session
        left, right = desk.split(first, T0 + 22 * MINUTE)
        assert left.session.activities + right.session.activities == whole.activities
        assert (len(desk.parts(left.session.id)), len(desk.parts(right.session.id))) == (2, 2)
        desk.check()
        assert len(desk.unmerge(right.session.id)) == 2
        desk.check()


def test_a_split_after_one_that_was_taken_back_divides_in_two() -> None:
    with Desk() as desk:
        first, *_ = full(desk, streams=1, sessions=1)
        for at in (12, 22, 7):
            left, right = desk.split(first, T0 + at * MINUTE)
            assert len(desk.projection()) == 2
            assert left.session.activities == at // 5 + 1
            desk.check()
            desk.merge(left.session.id, right.session.id)
            assert len(desk.projection()) == 1


def test_what_a_person_wrote_stays_with_the_session_that_it_was_written_for() -> None:
    with Desk() as desk:
        first, second, *_ = full(desk)
        desk.sql("UPDATE sessions SET title = 'Second', topics = '[\"two\"]' WHERE id = ?", (second,))
        desk.sweep(T0 + 99 * HOUR)
        before = desk.projection()
        merged = desk.merge(first, second).session
        assert (merged.title, merged.topics) == ("Second", ["two"])
        desk.sql("UPDATE sessions SET started_at = started_at + 5, title = 'Both' WHERE id = ?", (first,))
        desk.check()
        (row,) = [row for row in desk.whole_rows() if row["id"] == first]
        assert (row["title"], row["started_at"]) == ("Both", T0 + 5)
        a, b = (row.session for row in desk.unmerge(first))
        assert (a.started_at, a.title, b.title) == (T0, "Both", "Second")
        assert desk.projection()[second] == before[second]
        desk.check()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_merged_sessions_that_are_brought_into_another_store_are_merged_there_too(order: tuple[int, int]) -> None:
    with Desk() as desk, Desk() as other:
        first, second, *_ = full(desk, sessions=1)
        desk.merge(first, second)
        before = shape(desk)
        for number in order:
            stream = desk.stream(f"claude:{number}")
            carried = desk.store.read(lambda db, n=stream: moving.read(db, n))  # type: ignore[misc]
            there = other.stream(f"claude:{number}")

            def put(db: apsw.Connection, there: int = there, carried: moving.Carried = carried) -> None:
                moving.put(db, there, carried, lambda path: path, T0 + 99 * HOUR)
                combining.put_in_force(db)
                record.derive_stale(db, now=T0 + 99 * HOUR)

            other.decide(put)
            desk.store.write(lambda db, n=stream: moving.remove(db, n))  # type: ignore[misc]
            desk.given.clear()
            desk.check()
            other.check()
        assert desk.projection() == {}
        assert other.sorted_ids() == [first]
        assert len(other.parts(first)) == 2
        if order == (0, 1):
            assert shape(other) == before


def test_the_parts_of_a_merged_session_are_searched_and_compared_like_it() -> None:
    with Desk() as desk:
        first, second, third, _ = full(desk)
        said = Turn(
            key=1, source=3, at=T0 + HOUR + MINUTE, role="user", text=redact("the flux compensator"), model=None
        )
        stream = desk.stream("claude:1")
        desk.store.write(lambda db: turns.add_turn(db, stream, said))
        assert found_by_text(desk, "flux") == [second]
        desk.merge(first, second)
        assert found_by_text(desk, "flux") == [first]
        desk.merge(first, third)
        desk.split(first, T0 + HOUR)
        assert found_by_text(desk, "flux") == [second]


def found_by_text(desk: Desk, text: str) -> list[str]:
    found = desk.store.read(lambda db: listing(db, now=T0 + 99 * HOUR, judge=unknown, wanted=Wanted(text=text)))
    return [session.id for session in found.sessions]


def refused(work: Callable[[], object], desk: Desk, words: str) -> None:
    before = desk.projection()
    with pytest.raises(UsageError, match=words):
        work()
    assert desk.projection() == before


def test_what_cannot_be_merged_or_split_is_refused_and_nothing_changes() -> None:
    with Desk() as desk:
        first, second, third, _ = full(desk)
        end = T0 + 30 * MINUTE + 1000
        refused(lambda: desk.merge(first), desk, "two different sessions")
        refused(lambda: desk.merge(first, first), desk, "two different sessions")
        refused(lambda: desk.merge(first, "none"), desk, "no session 'none'")
        refused(lambda: desk.unmerge(first), desk, "was not merged")
        for at in (T0 - 1, T0, end + 1, T0 + HOUR):
            refused(lambda at=at: desk.split(first, at), desk, "is not inside the session")  # type: ignore[misc]
        refused(lambda: desk.split(first, end), desk, "no activity")
        desk.sql("UPDATE sessions SET status = 'archived' WHERE id = ?", (second,))
        desk.sweep(T0 + 99 * HOUR)
        refused(lambda: desk.merge(first, second), desk, "archived")
        refused(lambda: desk.split(second, T0 + HOUR + 9 * MINUTE), desk, "archived")
        desk.sql("UPDATE streams SET project_id = 'other', folder = '/other' WHERE key = 'claude:1'")
        desk.rebuild(T0 + 99 * HOUR)
        refused(lambda: desk.merge(first, desk.sorted_ids()[-1]), desk, "different projects")
        desk.take(desk.stream("claude:0"), [read(900, 90 * HOUR, "now.py")], T0 + 90 * HOUR)
        refused(lambda: desk.merge(third, desk.sorted_ids()[-1]), desk, "still running")


def test_decisions_that_are_no_longer_what_was_written_count_as_not_made() -> None:
    with Desk() as desk:
        first, second, *_ = full(desk)
        before = desk.projection()
        desk.merge(first, second)
        for data in ("no json", "[]", '{"ids": 5}', '{"number": "x", "ids": []}', "{}"):
            desk.sql("UPDATE amendments SET data = ? WHERE kind = 'merged'", (data,))
            desk.rebuild(T0 + 99 * HOUR)
            assert desk.projection() == before


# --- whatever is merged and split -------------------------------------------------------------------------------------

acts = st.tuples(
    st.integers(0, 2), st.integers(0, 40), st.sampled_from((None, 0, 30_000, 7 * MINUTE)), st.sampled_from("abc")
)
steps = st.lists(
    st.tuples(st.sampled_from(("merge", "merge", "unmerge", "split")), st.integers(0, 9), st.integers(0, 9),
              st.sampled_from((0.2, 0.5, 0.8))),
    min_size=1, max_size=6,
)  # fmt: skip


def tell(desk: Desk, told: Sequence[tuple[int, int, int | None, str]], first: int) -> None:
    for key, (number, tens, took, path) in enumerate(told, first):
        found = report(key, tens * 10 * MINUTE + key, took, kind=FILE_READ, tool="read", path=path)
        desk.take(desk.stream(f"claude:{number}"), [found], T0 + 99 * HOUR)


def play(desk: Desk, made: Sequence[tuple[str, int, int, float]]) -> None:
    for what, one, other, share in made:
        ids = desk.sorted_ids()
        first, second = ids[one % len(ids)], ids[other % len(ids)]
        (row,) = [row for row in desk.whole_rows() if row["id"] == first]
        at = row["first_activity_at"] + round((row["last_start_at"] - row["first_activity_at"]) * share)
        try:
            if what == "merge":
                desk.merge(first, second)
            elif what == "unmerge":
                desk.unmerge(first)
            else:
                desk.split(first, at)
        except UsageError:
            pass


def totals(desk: Desk) -> dict[str, int]:
    rows = desk.whole_rows()
    return {name: sum(row[name] for row in rows) for name in ("activities", "tool_calls")}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(acts, min_size=4, max_size=16), steps, st.lists(acts, max_size=4), st.data())
def test_whatever_is_decided_and_told_a_rebuild_finds_the_same_and_nothing_is_lost(
    told: list[tuple[int, int, int | None, str]],
    made: list[tuple[str, int, int, float]],
    late: list[tuple[int, int, int | None, str]],
    data: st.DataObject,
) -> None:
    with Desk() as desk:
        tell(desk, told, 1)
        expected = totals(desk)
        play(desk, made)
        assert totals(desk) == expected
        desk.check()
        tell(desk, late, 100)
        desk.check()
        # A merge, taken back, leaves every column of every row as it was.
        ids = desk.sorted_ids()
        if len(ids) > 1:
            one, other = data.draw(st.lists(st.sampled_from(ids), min_size=2, max_size=2, unique=True))
            before, whole = desk.projection(), desk.whole_rows()
            desk.merge(one, other)
            desk.unmerge(desk.resolve(data.draw(st.sampled_from((one, other))), T0))
            assert desk.projection() == before
            assert desk.whole_rows() == whole
        desk.check()


def shape(desk: Desk) -> list[tuple[Any, ...]]:
    """Return what there is without the ids, which are given at random."""
    rows = desk.whole_rows()
    place = {row["id"]: (row["stream"], row["first_activity_at"]) for row in rows}
    found = []
    for row in rows:
        parts = desk.store.read(lambda db, id=row["id"]: merges.members(db, id))  # type: ignore[misc]
        row["continues"] = place.get(row["continues"])
        kept = {name: value for name, value in row.items() if name not in ("id", "created_at")}
        plain = [{**msgspec.structs.asdict(part), "id": None} for part in parts]
        found.append((place[row["id"]], sorted(kept.items()), sorted(map(repr, plain))))
    return sorted(found, key=lambda row: row[0])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(acts, min_size=4, max_size=12), steps, st.lists(acts, min_size=2, max_size=6), st.randoms())
def test_the_order_in_which_reports_arrive_has_no_part_in_what_is_merged(
    told: list[tuple[int, int, int | None, str]],
    made: list[tuple[str, int, int, float]],
    late: list[tuple[int, int, int | None, str]],
    random: Any,
) -> None:
    with Desk() as desk, Desk() as other:
        for number in range(3):
            desk.stream(f"claude:{number}")
        tell(desk, told, 1)
        play(desk, made)
        other.store.close()
        desk.copy(other.path)
        other.store = open_store(other.path)
        reports = [
            (number, report(key, tens * 10 * MINUTE + key, took, kind=FILE_READ, tool="read", path=path))
            for key, (number, tens, took, path) in enumerate(late, 500)
        ]
        for place in (desk, other):
            for number, one in reports:
                place.take(place.stream(f"claude:{number}"), [one], T0 + 99 * HOUR)
            random.shuffle(reports)
        assert shape(desk) == shape(other)
