"""Many requests at a time: cancelled ones, slow ones, repeated ids, batches, and progress."""

from pathlib import Path
from typing import Any

import pytest

from tests.mcp.checked import STATEFUL, STATELESS, CheckedServer, HangingSearch, searches_of, wait_for_search
from tests.support import rows, wait_until

BOTH_ERAS = [STATEFUL[-1], STATELESS]
SEARCH = {"name": "grep_codebase", "arguments": {"pattern": "needle"}}


def request(request_id: object, method: str = "ping", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def cancel(request_id: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}


@pytest.mark.parametrize("version", BOTH_ERAS)
def test_a_cancelled_search_stops_and_gets_no_answer(project: Path, version: str) -> None:
    HangingSearch(project)
    with CheckedServer(project) as server:
        server.speak(version)
        server.send_json(cancel(server.send("tools/call", SEARCH)))
        searching = server.send("tools/call", SEARCH)
        wait_for_search(server)
        server.send_json(cancel(searching))
        wait_until(lambda: not searches_of(server), "the end of the search")
        server.still_serves()
        assert server.end() == 0
        with pytest.raises(AssertionError, match="closed its output"):
            server.receive()
        assert server.notifications == []
        assert server.errors() == ""
    assert set(rows(project, "SELECT ok FROM activities WHERE tool = 'grep_codebase'")) == {(0,)}


def test_other_requests_are_answered_while_searches_take_all_the_time_they_want(project: Path) -> None:
    hanging = HangingSearch(project, "slow")
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        searching = {server.send("tools/call", SEARCH) for _ in range(7)}
        wait_for_search(server)
        (project / "a.txt").write_text("one\n")
        assert server.call("read_file", path="a.txt")["isError"] is False
        assert server.notifications == []
        hanging.let_go()
        assert {server.receive()["id"] for _ in searching} == searching


def test_more_searches_than_there_are_workers_are_all_answered(project: Path) -> None:
    hanging = HangingSearch(project, "slow")
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        searching = {server.send("tools/call", SEARCH) for _ in range(30)}
        wait_for_search(server)
        server.still_serves()
        hanging.let_go()
        assert {server.receive()["id"] for _ in searching} == searching


def test_what_is_cancelled_before_its_turn_never_runs(project: Path) -> None:
    hanging = HangingSearch(project, "slow")
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        searching = {server.send("tools/call", SEARCH) for _ in range(8)}
        waiting = [server.send("tools/call", {"name": "sessions"}) for _ in range(5)]
        for request_id in waiting:
            server.send_json(cancel(request_id))
        server.still_serves()
        hanging.let_go()
        assert {server.receive()["id"] for _ in searching} == searching
        server.end()
    assert rows(project, "SELECT count(*) FROM activities WHERE tool = 'sessions'") == [(0,)]


@pytest.mark.parametrize("target", [None, True, 99, "99", 1.5, {}, [], 10**30])
def test_taking_back_what_was_never_asked_for_does_nothing(project: Path, target: object) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        server.send_json(cancel(target))
        server.send_json({"jsonrpc": "2.0", "method": "notifications/cancelled"})
        server.send_json({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": 5})
        server.still_serves()
        assert server.notifications == []


@pytest.mark.parametrize("version", BOTH_ERAS)
@pytest.mark.parametrize("token", ["token", 7, 0])
def test_a_long_search_tells_how_far_it_is(project: Path, version: str, token: str | int) -> None:
    (project / "a.txt").write_text("needle\n" * 50)
    hanging = HangingSearch(project, "slow")
    with CheckedServer(project) as server:
        server.speak(version)
        searching = server.send("tools/call", {**SEARCH, "_meta": {"progressToken": token}})
        progress = server.notice("notifications/progress")
        assert progress["progressToken"] == token
        assert progress["progress"] == 50
        assert "50" in progress["message"]
        hanging.let_go()
        assert server.answer(searching)["result"]["structuredContent"]["files"] == 1
        later = [message["params"]["progress"] for message in server.notifications]
        assert later == sorted(set(later))


@pytest.mark.parametrize("token", [None, {}, [1], 1.5])
def test_nobody_is_told_about_progress_who_did_not_ask_for_it(project: Path, token: object) -> None:
    (project / "a.txt").write_text("needle\n" * 50)
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        meta = {} if token is None else {"_meta": {"progressToken": token}}
        assert "result" in server.request("tools/call", {**SEARCH, **meta})
        assert server.notifications == []


def test_an_id_that_is_still_being_worked_on_is_refused_and_the_first_is_answered(project: Path) -> None:
    hanging = HangingSearch(project)
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        server.send_json(request("twice", "tools/call", **SEARCH))
        wait_for_search(server)
        for again in (request("twice"), request("twice", "tools/call", **SEARCH)):
            server.send_json(again)
            assert server.refusal()["code"] == -32600
        hanging.let_go()
        answer = server.receive()
        assert answer["id"] == "twice"
        assert "result" in answer


def test_an_id_that_was_answered_may_come_again(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        for _ in range(100):
            server.send_json(request("again", "tools/call", name="read_file", arguments={"path": "nowhere"}))
            assert server.receive()["result"]["isError"] is True


def test_thousands_of_requests_at_once_are_all_answered(project: Path) -> None:
    (project / "a.txt").write_text("one\n")
    read = {"name": "read_file", "arguments": {"path": "a.txt"}}
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        wanted = {server.send("ping") for _ in range(600)} | {server.send("tools/call", read) for _ in range(200)}
        wanted |= {server.send("tools/list") for _ in range(200)}
        answered = [server.receive() for _ in wanted]
        assert {answer["id"] for answer in answered} == wanted
        assert all("result" in answer for answer in answered)
        server.end()
    assert rows(project, "SELECT count(*) FROM activities WHERE path = 'a.txt'") == [(200,)]


def test_a_client_that_reads_nothing_for_a_while_misses_nothing(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        wanted = [server.send("tools/list") for _ in range(1000)]  # their answers are far more than a pipe holds
        assert [server.receive()["id"] for _ in wanted] == wanted


# --- batches --------------------------------------------------------------------------------------------------------


def speak_in_batches(server: CheckedServer) -> None:
    server.speak("2025-03-26")


def test_a_batch_is_answered_together(project: Path) -> None:
    with CheckedServer(project) as server:
        speak_in_batches(server)
        batch = [
            request("slow", "tools/call", name="sessions", arguments={}),
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            request("quick"),
            request("wrong", "no/such/method"),
            {"jsonrpc": "2.0", "id": 1, "result": {}},
        ]
        server.send_json(batch)
        answers: Any = server.receive()
        assert sorted(answer["id"] for answer in answers) == ["quick", "slow", "wrong"]
        server.still_serves()


def test_a_batch_of_which_nothing_is_answered_gets_no_answer(project: Path) -> None:
    with CheckedServer(project) as server:
        speak_in_batches(server)
        server.send_json([{"jsonrpc": "2.0", "method": "notifications/initialized"}] * 3)
        server.still_serves()
        assert server.notifications == []


@pytest.mark.parametrize("item", [5, None, "x", [], [request("inner")], {}, {"id": None, "method": "ping"}])
def test_what_is_wrong_in_a_batch_is_refused_within_its_answer(project: Path, item: object) -> None:
    with CheckedServer(project) as server:
        speak_in_batches(server)
        server.send_json([item, request("right")])
        answers: Any = server.receive()
        assert [answer["id"] for answer in answers] == [None, "right"]
        assert answers[0]["error"]["code"] == -32600
        server.still_serves()


def test_a_batch_is_answered_when_part_of_it_was_cancelled(project: Path) -> None:
    HangingSearch(project)
    with CheckedServer(project) as server:
        speak_in_batches(server)
        server.send_json([request("long", "tools/call", **SEARCH), request("short")])
        wait_for_search(server)
        server.send_json(cancel("long"))
        answers: Any = server.receive()
        assert [answer["id"] for answer in answers] == ["short"]


def test_a_batch_with_an_id_twice_is_answered(project: Path) -> None:
    with CheckedServer(project) as server:
        speak_in_batches(server)
        server.send_json([request("same"), request("same")])
        answers: Any = server.receive()
        assert [answer["id"] for answer in answers] == ["same", "same"]


def test_an_empty_batch_is_refused(project: Path) -> None:
    with CheckedServer(project) as server:
        speak_in_batches(server)
        server.send_json([])
        assert server.refusal()["code"] == -32600
        server.still_serves()


@pytest.mark.parametrize("version", [version for version in [*STATEFUL, STATELESS] if version != "2025-03-26"])
def test_a_batch_is_refused_in_every_other_version(project: Path, version: str) -> None:
    with CheckedServer(project) as server:
        server.speak(version)
        server.send_json([request(1), request(2)])
        assert server.refusal()["code"] == -32600
        server.still_serves()


def test_a_batch_is_refused_before_a_version_was_agreed_on(project: Path) -> None:
    with CheckedServer(project) as server:
        server.send_json([request(1, "initialize", protocolVersion="2025-03-26")])
        assert server.refusal()["code"] == -32600
        server.speak("2025-03-26")
