"""One conversation is one session, whoever tells of it and whoever comes first; two stay two."""

from typing import Any

import pytest

from kioku.capture.seen import Seen, Touch
from kioku.models import HOOK, TRANSCRIPT
from kioku.sessions.joining import ALWAYS, spans
from kioku.store.joins import Sighting, Span
from tests.capture.world import CLAUDE, NOW, ROOT, World
from tests.sessions.stage import HOUR, MINUTE, SECOND, T0

EDITOR = "p:77:5:boot:ns"


def prompt(conversation: str, at: int) -> Seen:
    return Seen(conversation=conversation, at=at, kind="prompt", folder=ROOT, text="do it")


def start(conversation: str, at: int, why: str = "startup") -> Seen:
    return Seen(conversation=conversation, at=at, kind="start", folder=ROOT, detail=why)


def by_stream(world: World) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in world.rows():
        found.setdefault(row["stream"], []).append(row)
    return found


class TestSpans:
    def test_a_server_belongs_to_the_one_conversation_under_its_clients_process(self) -> None:
        assert spans(None, [Sighting(1, 100, None, None)]) == [Span(ALWAYS, 1)]

    def test_two_conversations_side_by_side_leave_the_server_alone_until_one_has_ended(self) -> None:
        found = [Sighting(1, 100, 900, None), Sighting(2, 500, None, None)]
        assert spans(None, found) == [Span(ALWAYS, 1), Span(500, None), Span(900, 2)]

    def test_a_conversation_that_follows_another_takes_its_place(self) -> None:
        assert spans(None, [Sighting(1, 100, None, None), Sighting(2, 500, None, 500)]) == [
            Span(ALWAYS, 1),
            Span(500, 2),
        ]

    def test_one_that_is_resumed_takes_it_back(self) -> None:
        found = [Sighting(1, 100, 500, 900), Sighting(2, 500, 900, 500)]
        assert spans(None, found) == [Span(ALWAYS, 1), Span(500, 2), Span(900, 1)]

    def test_what_comes_after_the_end_still_belongs_to_it(self) -> None:
        assert spans(None, [Sighting(1, 100, 200, None)]) == [Span(ALWAYS, 1)]

    def test_what_the_client_named_holds_until_a_newer_conversation_is_seen(self) -> None:
        assert spans(7, []) == [Span(ALWAYS, 7)]
        assert spans(7, [Sighting(7, 10, None, None), Sighting(8, 500, None, None)]) == [Span(ALWAYS, 7), Span(500, 8)]

    def test_what_the_client_named_has_it_back_when_it_is_resumed(self) -> None:
        found = [Sighting(7, 10, None, 900), Sighting(8, 500, None, 500)]
        assert spans(7, found) == [Span(ALWAYS, 7), Span(500, 8), Span(900, 7)]

    def test_without_evidence_there_is_no_span(self) -> None:
        assert spans(None, []) == []


@pytest.mark.parametrize("claim", [None, "one"])
@pytest.mark.parametrize("server_first", [True, False])
def test_a_server_and_the_hooks_of_its_conversation_are_one_session(claim: str | None, server_first: bool) -> None:
    with World() as world:

        def serve() -> None:
            world.server("s1", T0, claim=claim)
            world.call("s1", T0 + 3 * MINUTE)

        if server_first:
            serve()
        world.seen(world.hook, start("one", T0 + SECOND), "r1", process=CLAUDE)
        world.seen(world.hook, prompt("one", T0 + MINUTE), "r2", process=CLAUDE)
        if not server_first:
            serve()
        rows = by_stream(world)
        assert list(rows) == ["claude:one"]
        (row,) = rows["claude:one"]
        assert (row["activities"], row["tool_calls"], row["files"]) == (2, 1, 1)
        assert row["owner"] == f"s1+{CLAUDE}"
        assert row["started_at"] == T0


def test_the_id_that_a_session_had_before_it_was_joined_still_leads_to_it() -> None:
    with World() as world:
        world.server("s1", T0)
        world.call("s1", T0 + MINUTE)
        (given,) = world.stage.projection()
        world.seen(world.hook, start("one", T0 + 2 * MINUTE), "r1", process=CLAUDE)
        (joined,) = world.stage.projection()
        assert world.stage.resolve(given, NOW) == joined


def test_after_clear_the_servers_calls_belong_to_the_new_conversation() -> None:
    with World() as world:
        world.seen(world.hook, start("one", T0), "r1", process=CLAUDE)
        world.server("s1", T0 + SECOND, claim="one")
        world.call("s1", T0 + MINUTE)
        world.call("s1", T0 + 3 * MINUTE, "c.py")  # told before the hook's news of the new conversation is taken in
        world.seen(world.hook, start("two", T0 + 2 * MINUTE, "clear"), "r2", process=CLAUDE, succeeds=True)
        world.call("s1", T0 + 4 * MINUTE, "d.py")
        rows = by_stream(world)
        assert {name: [r["tool_calls"] for r in found] for name, found in rows.items()} == {
            "claude:one": [1], "claude:two": [2],
        }  # fmt: skip


def test_a_resumed_conversation_under_a_new_process_goes_on_as_the_same_session() -> None:
    with World() as world:
        world.seen(world.hook, start("one", T0), "r1", process=CLAUDE)
        world.server("s1", T0, claim="one")
        world.call("s1", T0 + MINUTE)
        world.seen(world.hook, start("one", T0 + 10 * MINUTE, "resume"), "r2", process=EDITOR, succeeds=True)
        world.server("s2", T0 + 10 * MINUTE, process=EDITOR, claim="one")
        world.call("s2", T0 + 11 * MINUTE)
        ((row,),) = by_stream(world).values()
        assert row["tool_calls"] == 2
        assert row["owner"] == f"s2+{EDITOR}"


def test_two_conversations_side_by_side_in_one_editor_stay_two_and_their_server_is_neithers() -> None:
    with World() as world:
        for name in ("one", "two"):
            world.seen(world.hook, start(name, T0), f"start {name}", process=EDITOR)
            world.seen(world.hook, prompt(name, T0 + MINUTE), f"prompt {name}", process=EDITOR)
        world.server("s1", T0 + MINUTE, process=EDITOR)
        world.call("s1", T0 + 2 * MINUTE)
        assert sorted(by_stream(world)) == ["claude:one", "claude:two", "server:s1"]


def test_a_conversation_that_goes_on_after_its_end_stands_beside_the_other_one_again() -> None:
    with World() as world:
        for name in ("one", "two"):
            world.seen(world.hook, prompt(name, T0), f"prompt {name}", process=EDITOR)
        world.server("s1", T0, process=EDITOR)
        end = Seen(conversation="one", at=T0 + MINUTE, kind="end")
        world.seen(world.hook, end, "end", process=EDITOR, ended=True)
        world.call("s1", T0 + 2 * MINUTE)
        assert by_stream(world)["claude:two"][0]["tool_calls"] == 1, "it was alone then"
        world.seen(world.hook, prompt("one", T0 + 3 * MINUTE), "again", process=EDITOR)
        world.call("s1", T0 + 4 * MINUTE)
        rows = by_stream(world)
        assert "server:s1" in rows
        assert [row["tool_calls"] for name in ("claude:one", "claude:two") for row in rows[name]] == [0, 0]


def test_two_conversations_in_one_terminal_multiplexer_stay_two() -> None:
    with World() as world:
        for name, process in (("one", CLAUDE), ("two", EDITOR)):
            world.seen(world.hook, prompt(name, T0), f"prompt {name}", process=process)
            world.server(f"server of {name}", T0, process=process)
            world.call(f"server of {name}", T0 + MINUTE)
        rows = by_stream(world)
        assert {name: found[0]["activities"] for name, found in rows.items()} == {"claude:one": 2, "claude:two": 2}


def test_an_idle_gap_in_a_conversation_divides_it_into_sessions_that_continue_each_other() -> None:
    with World() as world:
        for number in range(4):
            at = T0 + number * 13 * HOUR
            seen = Seen(conversation="one", at=at, kind="prompt", id=f"prompt-with-a-long-id-{number}", folder=ROOT)
            world.seen(world.transcript, seen)
        rows = world.rows()
        assert len(rows) == 4
        assert all(row["ended_at"] - row["started_at"] == 0 for row in rows)
        assert [row["continues"] for row in rows] == [None, *(("claude:one", row["started_at"]) for row in rows[:-1])]


def test_the_clocks_tell_the_agents_turn_from_the_persons() -> None:
    with World() as world:
        moments = [
            ("prompt", 0), ("call", 60), ("call_end", 360), ("answer", 400), ("turn_end", 410),
            ("prompt", 1010), ("answer", 1020), ("turn_end", 1030),
        ]  # fmt: skip
        for number, (kind, second) in enumerate(moments):
            id = "call-with-an-id-of-its-own" if kind.startswith("call") else f"a-thing-with-a-long-id-{number}"
            tool = "Bash" if kind == "call" else None
            world.seen(
                world.transcript,
                Seen(conversation="one", at=T0 + second * SECOND, kind=kind, id=id, folder=ROOT, tool=tool),  # type: ignore[arg-type]
            )
        (row,) = world.rows()
        assert row["agent_ms"] == (410 + 20) * SECOND
        assert row["waiting_ms"] == 600 * SECOND
        assert row["agent_ms"] + row["waiting_ms"] <= row["ended_at"] - row["started_at"]


def test_what_a_client_tells_twice_since_its_hook_is_registered_twice_counts_once() -> None:
    with World() as world:
        world.seen(world.hook, start("one", T0), "r0")
        for number in range(2):
            at = T0 + SECOND + number * 100
            world.seen(world.hook, prompt("one", at), f"prompt {number}")
        for number in range(2):
            at = T0 + MINUTE + number * 100
            done = Seen(conversation="one", at=at, kind="turn_end", text="done")
            world.seen(world.hook, done, f"end {number}")
        (row,) = world.rows()
        assert row["activities"] == 1
        shown = world.stage.store.read(lambda db: list(db.execute("SELECT role, text FROM session_turns ORDER BY at")))
        assert shown == [("user", "do it"), ("assistant", "done")]
        before = world.stage.whole_rows()
        world.stage.rebuild(NOW)
        assert world.stage.whole_rows() == before


@pytest.mark.parametrize("detail", ["sub-agent finished", "compaction", "Notification"])
def test_what_happens_beside_leaves_the_persons_turn_to_the_person(detail: str) -> None:
    with World() as world:
        told = [
            (prompt("one", T0), "r1"), (Seen(conversation="one", at=T0 + MINUTE, kind="turn_end"), "r2"),
            (Seen(conversation="one", at=T0 + MINUTE + 2 * SECOND, kind="event", detail=detail), "r3"),
            (prompt("one", T0 + 11 * MINUTE), "r4"),
        ]  # fmt: skip
        for seen, name in told:
            world.seen(world.hook, seen, name)
        (row,) = world.rows()
        assert (row["agent_ms"], row["waiting_ms"]) == (MINUTE, 10 * MINUTE)


def test_a_machine_asleep_in_the_assistants_turn_adds_nothing_to_its_clock() -> None:
    with World() as world:
        for number, minute in enumerate((0, 1, 21)):
            kind = "prompt" if number == 0 else "answer"
            seen = Seen(conversation="one", at=T0 + minute * MINUTE, kind=kind, id=f"thing-with-a-long-id-{number}")  # type: ignore[arg-type]
            world.seen(world.transcript, seen)
        (row,) = world.rows()
        assert row["agent_ms"] == MINUTE


def test_whose_turn_it_was_is_unknown_where_only_a_server_tells() -> None:
    with World() as world:
        world.server("s1", T0)
        world.call("s1", T0 + MINUTE)
        (row,) = world.rows()
        assert (row["agent_ms"], row["waiting_ms"]) == (None, None)


def test_a_call_that_was_told_by_hook_and_transcript_is_one_with_its_interval() -> None:
    with World() as world:
        call = Seen(
            conversation="one", at=T0, kind="call", id="toolu_with_a_long_id_0001", folder=ROOT, tool="Edit",
            touches=(Touch(f"{ROOT}/src/a.py", edit=True),),
        )  # fmt: skip
        after = Seen(conversation="one", at=T0 + MINUTE, kind="call_end", id=call.id, folder=ROOT)
        for keeper in (world.hook, world.transcript):
            for seen in (after, call):
                world.seen(keeper, seen, "r")
        (row,) = world.rows()
        assert (row["tool_calls"], row["activities"], row["active_ms"]) == (1, 1, MINUTE)
        assert row["touched"] == (("src/a.py", 0, 1, T0, T0),)
        assert {HOOK, TRANSCRIPT} == {3, 1}


def test_a_resumed_copy_of_a_conversation_is_not_counted_again() -> None:
    rows = []
    for order in (("one", "two"), ("two", "one")):
        with World() as world:
            for name in order:
                for number in range(3):
                    seen = Seen(
                        conversation=name, at=T0 + number * MINUTE, kind="prompt", text="again",
                        id=f"prompt-with-a-long-id-{number}", folder=ROOT,
                    )  # fmt: skip
                    world.seen(world.transcript, seen)
            rows.append(world.rows())
            assert sum(row["activities"] for row in rows[-1]) == 3
    assert rows[0] == rows[1]
