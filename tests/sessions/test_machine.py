"""One store, several streams, and everything that may happen to them in any order.

After every step a copy of the store is swept and rebuilt: the laws must hold there, and the rebuild must find the
rows that were there already.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from kioku.errors import UsageError
from kioku.models import (
    FILE_EDIT,
    FILE_READ,
    HOOK,
    SERVER,
    SERVER_START,
    SERVER_STOP,
    TOOL_CALL,
    TRANSCRIPT,
    Report,
)
from kioku.redaction import redact
from kioku.reports import health
from kioku.sessions import combining, lease, sweep
from kioku.sessions.lease import Lease, Verdict
from kioku.store import activities, sessions
from kioku.store.opening import open_store
from tests.sessions.stage import HOUR, MINUTE, T0, TIMEOUT, Stage

pytestmark = pytest.mark.skipif(os.name == "nt", reason="holds the locks of several owners in one process")

short = st.sampled_from((0, 1, 40_000, 4 * MINUTE, 5 * MINUTE, 12 * MINUTE))
while_ = st.sampled_from((1, MINUTE, 5 * MINUTE, TIMEOUT - 1, TIMEOUT, TIMEOUT + 1, 2 * HOUR))
sources = st.sampled_from((TRANSCRIPT, SERVER, HOOK))
others = st.sampled_from((TRANSCRIPT, HOOK))
paths = st.sampled_from(("a.py", "b.py", "c.py"))
kinds = st.sampled_from((TOOL_CALL, FILE_READ, FILE_EDIT))


class Player:
    """A stream and the process that records it."""

    def __init__(self, number: int, key: str, held: Lease, timeout: int) -> None:
        self.number = number
        self.key = key
        self.lease = held
        self.timeout = timeout
        self.is_running = True


class Recording(RuleBasedStateMachine):
    """A project's life."""

    players = Bundle("players")
    told = Bundle("told")

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.now = T0
        self.keys = 0
        self.all_players: list[Player] = []
        self.copy = os.path.join(self.stage.context, "copy.db")

    def teardown(self) -> None:
        for player in self.all_players:
            if player.is_running:
                player.lease.release()
        self.stage.close()

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(target=players, timeout=st.sampled_from((TIMEOUT, TIMEOUT, MINUTE, 2 * HOUR)))
    def a_server_starts(self, timeout: int) -> Player:
        held = Lease(self.stage.run, now=self.now)
        key = f"server:{held.owner.token}"
        self.stage.store.write(lambda db: activities.add_owner(db, held.owner))
        number = self.stage.stream(key, owner=held.owner.token, timeout=timeout, now=self.now)
        player = Player(number, key, held, timeout)
        self.all_players.append(player)
        self.take(player, self.report(self.now, None, SERVER, SERVER_START))
        return player

    @rule(target=told, player=players, passes=while_, took=short, kind=kinds, path=paths)
    def a_call_ends(self, player: Player, passes: int, took: int, kind: str, path: str) -> tuple[Player, Report]:
        self.now += passes
        report = self.report(self.now - took, took, SERVER, kind, path)
        if player.is_running:
            self.take(player, report)
        return player, report

    @rule(target=told, player=players, calls=st.lists(st.tuples(short, short, kinds, paths), min_size=2, max_size=4))
    def parallel_calls_end_in_any_order(self, player: Player, calls: list[tuple[int, int, str, str]]) -> object:
        reports = []
        for began_ago, took, kind, path in calls:
            reports.append(self.report(self.now - began_ago, took, SERVER, kind, path))
            if player.is_running:
                self.take(player, reports[-1])
        return multiple(*((player, report) for report in reports))

    @rule(target=told, player=players, ago=st.integers(0, 40), took=short, source=others, kind=kinds, path=paths)
    def another_source_tells_late(
        self, player: Player, ago: int, took: int, source: int, kind: str, path: str
    ) -> tuple[Player, Report]:
        report = self.report(self.now - ago * 5 * MINUTE, took, source, kind, path)
        self.take(player, report)
        return player, report

    @rule(told=told, source=sources, shift=st.sampled_from((0, 0, -1, MINUTE, -HOUR)))
    def something_is_told_again(self, told: tuple[Player, Report], source: int, shift: int) -> None:
        player, first = told
        again = Report(
            key=first.key, source=source, at=first.at + shift, took=first.took, kind=first.kind, tool=first.tool,
            path=first.path,
        )  # fmt: skip
        self.take(player, again)

    @rule(target=told, player=players, ahead=st.integers(13, 60), source=others, path=paths)
    def a_report_comes_from_the_future(
        self, player: Player, ahead: int, source: int, path: str
    ) -> tuple[Player, Report]:
        report = self.report(self.now + ahead * 5 * MINUTE, None, source, FILE_READ, path)
        before = self.stage.whole_rows()
        self.take(player, report)
        assert self.stage.whole_rows() == before
        return player, report

    @rule(player=players)
    def a_server_stops(self, player: Player) -> None:
        if player.is_running:
            self.take(player, self.report(self.now, None, SERVER, SERVER_STOP))
            player.lease.release()
            player.is_running = False

    @rule(player=players)
    def a_server_crashes(self, player: Player) -> None:
        if player.is_running:
            os.close(player.lease._descriptor)
            player.is_running = False

    @rule(passes=st.one_of(while_, st.just(9 * HOUR)))
    def time_passes(self, passes: int) -> None:
        self.now += passes

    @rule(jump=st.sampled_from((-HOUR, -3 * HOUR, -1, 3 * HOUR, 24 * HOUR, -24 * HOUR)))
    def the_clock_is_set(self, jump: int) -> None:
        self.now += jump

    @rule(player=players, timeout=st.sampled_from((MINUTE, 10 * MINUTE, TIMEOUT, 2 * HOUR)))
    def the_setting_changes(self, player: Player, timeout: int) -> None:
        self.stage.stream(player.key, owner=player.lease.owner.token, timeout=timeout, now=self.now)

    @rule()
    def somebody_sweeps(self) -> None:
        self.stage.sweep(self.now)
        assert all(
            lease.verdict(self.stage.run, session.owner) is not Verdict.DEAD
            for session in self.stage.store.read(sweep.active)
            if session.owner is not None
        )

    @rule()
    def somebody_rebuilds(self) -> None:
        self.stage.sweep(self.now)
        self.stage.rebuild(self.now)

    @rule(hours=st.sampled_from((0, 0.5, 1)))
    def somebody_cleans_up(self, hours: float) -> None:
        found = self.stage.store.read(sweep.active)
        # Streams in which a person's edit waits to be taken in: that comes first, and may change what stands there.
        edited = {row.stream for row in self.stage.store.read(sessions.edited)}
        closings, live = sweep.plan_cleanup(found, self.now, hours * HOUR, lease.judge(self.stage.run))
        self.stage.store.write(lambda db: sweep.close(db, closings, self.now))
        left = {session.seq for session in self.stage.store.read(sweep.active)}
        assert not left & {closing.session.seq for closing in closings if closing.session.stream not in edited}
        assert {session.seq for session in live if session.stream not in edited} <= left

    @rule(
        title=st.sampled_from(("Mend the parser", "", "  two  spaces ", "-")),
        topics=st.sampled_from(("[]", '["x"]', "no json")),
    )
    def a_person_gives_titles(self, title: str, topics: str) -> None:
        self.stage.sql("UPDATE sessions SET title = ?, topics = ? WHERE seq % 2 = 0", parameters=(title, topics))

    @rule(earlier=st.sampled_from((1, HOUR, -MINUTE)))
    def a_person_moves_a_start(self, earlier: int) -> None:
        self.stage.sql("UPDATE sessions SET started_at = started_at - ? WHERE seq % 3 = 1", parameters=(earlier,))

    @rule()
    def a_person_cleans_up_as_the_handbook_says(self) -> None:
        self.stage.sql(
            "UPDATE sessions SET status = 'completed', ended_at = started_at + 3600000, updated_at = ?1 "
            "WHERE status = 'active'",
            parameters=(self.now,),
        )

    @rule(
        status=st.sampled_from(("active", "archived", "paused", "a b c")),
        ended=st.sampled_from((None, 0, 12.5, "soon", T0, float("inf"), 1e300, -1e300, 2**63 - 1, b"bytes", "")),
    )
    def a_person_writes_anything(self, status: str, ended: object) -> None:
        self.stage.sql("UPDATE sessions SET status = ?, ended_at = ? WHERE seq % 3 = 0", parameters=(status, ended))

    @rule(picks=st.lists(st.integers(0, 20), min_size=2, max_size=3), passes=st.sampled_from((0, 0, HOUR)))
    def a_person_merges(self, picks: list[int], passes: int) -> None:
        self.now += passes
        self.stage.sweep(self.now)
        there = self.over()
        if there:
            ids = [there[pick % len(there)]["id"] for pick in picks]
            self.decide(lambda db: combining.merge(db, ids, now=self.now))

    @rule(pick=st.integers(0, 20))
    def a_person_takes_a_merge_back(self, pick: int) -> None:
        there = sorted(self.stage.projection())
        if there:
            self.decide(lambda db: combining.unmerge(db, there[pick % len(there)], now=self.now))

    @rule(pick=st.integers(0, 20), share=st.sampled_from((0.0, 0.25, 0.5, 1.0)), passes=st.sampled_from((0, 0, HOUR)))
    def a_person_splits(self, pick: int, share: float, passes: int) -> None:
        self.now += passes
        self.stage.sweep(self.now)
        there = self.over()
        if there:
            row = there[pick % len(there)]
            first, last = row["first_activity_at"], row["last_start_at"]
            at = first + round((last - first) * share)
            self.decide(lambda db: combining.split(db, row["id"], at, now=self.now))

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def the_laws_hold(self) -> None:
        for session in self.stage.whole_rows():
            assert 0 <= session["active_ms"] <= session["last_activity_at"] - session["first_activity_at"]
        assert self.stage.store.read(health.overlapping) == []
        edited = {row.stream for row in self.stage.store.read(sessions.edited)}
        active = [s.stream for s in self.stage.store.read(sweep.active) if s.stream not in edited]
        assert len(active) == len(set(active))

    @invariant()
    def a_sweep_leaves_what_a_rebuild_finds(self) -> None:
        run = self.copy_store()
        store = open_store(self.copy)
        try:
            sweep.sweep(store, run, self.now)
            found = store.read(sweep.active)
            judge = lease.judge(run)
            assert sweep.plan(found, self.now, judge) == []
            assert len(found) == len({session.stream for session in found})
            before = store.read(health.projection)
            assert sweep.sweep(store, run, self.now) == 0
            assert store.read(health.projection) == before
            sweep.rebuild(store, self.now)
            assert store.read(health.projection) == before
            assert store.read(health.lost_rows) == 0
        finally:
            store.close()

    @invariant()
    def every_id_leads_to_a_session(self) -> None:
        there = self.stage.projection()
        assert all(self.stage.resolve(wanted, self.now) in there for wanted in self.stage.given)

    # --- how ----------------------------------------------------------------------------------------------------------

    def report(self, at: int, took: int | None, source: int, kind: str, path: str | None = None) -> Report:
        self.keys += 1
        is_file = kind in (FILE_READ, FILE_EDIT)
        return Report(
            key=self.keys, source=source, at=at, took=took, kind=redact(kind),
            tool=redact("tool") if path is not None else None,
            path=redact(path) if path is not None and is_file else None,
        )  # fmt: skip

    def take(self, player: Player, report: Report) -> None:
        self.stage.take(player.number, [report], self.now)

    def over(self) -> list[dict[str, Any]]:
        return [row for row in self.stage.whole_rows() if row["status"] == "completed"]

    def decide(self, work: Callable[[apsw.Connection], object]) -> None:
        """Decide something about sessions; what is refused changes nothing."""
        before = self.stage.projection()
        try:
            self.stage.store.write(work)
        except UsageError:
            assert self.stage.projection() == before
        self.stage.given |= set(self.stage.projection())

    def copy_store(self) -> str:
        """Copy the store, and its leases with the locks on them; return the copy's folder of leases."""
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.copy + suffix):
                os.unlink(self.copy + suffix)
        self.stage.copy(self.copy)
        run = os.path.join(self.stage.context, "copied-run")
        shutil.rmtree(run, ignore_errors=True)
        os.mkdir(run)
        for name in os.listdir(self.stage.run):
            os.link(os.path.join(self.stage.run, name), os.path.join(run, name))
        return run


TestRecording = Recording.TestCase
TestRecording.settings = settings(
    deadline=None, max_examples=50, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
)
