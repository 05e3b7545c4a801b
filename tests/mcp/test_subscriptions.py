"""Telling clients that a resource changed: by subscription in the stateful era, by listening in the stateless one."""

from pathlib import Path
from typing import Any

import pytest

from tests.mcp.checked import CURRENT, META, STATEFUL, STATELESS, CheckedServer, HangingSearch, wait_for_search

UPDATED = "notifications/resources/updated"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
SUBSCRIPTION = META + "subscriptionId"


def listen(server: CheckedServer, *uris: str) -> int:
    return server.send("subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}})


@pytest.mark.parametrize("version", STATEFUL)
def test_a_subscriber_hears_of_each_change_until_it_unsubscribes(project: Path, version: str) -> None:
    with CheckedServer(project) as server:
        server.speak(version)
        server.call("sessions")
        assert server.notifications == []
        server.request("resources/subscribe", {"uri": CURRENT})
        server.request("resources/subscribe", {"uri": CURRENT})
        server.call("sessions")
        assert server.notice(UPDATED) == {"uri": CURRENT}
        server.request("resources/read", {"uri": "context://sessions/history"})
        assert server.notice(UPDATED) == {"uri": CURRENT}
        server.request("resources/unsubscribe", {"uri": CURRENT})
        server.call("sessions")
        assert server.notifications == []


def test_a_subscriber_to_something_else_hears_nothing_of_the_session(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        server.request("resources/subscribe", {"uri": "context://project/overview"})
        server.call("sessions")
        assert server.notifications == []


def test_a_change_is_told_before_the_answer_that_brought_it(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        server.request("resources/subscribe", {"uri": CURRENT})
        calling = server.send("tools/call", {"name": "sessions"})
        assert [server.receive().get("method"), server.receive().get("id")] == [UPDATED, calling]


def test_listening_is_acknowledged_told_of_changes_and_ended_with_an_answer(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        listening = listen(server, CURRENT)
        acknowledged = server.receive()
        assert acknowledged["method"] == ACKNOWLEDGED
        assert acknowledged["params"]["notifications"] == {"resourceSubscriptions": [CURRENT]}
        assert acknowledged["params"]["_meta"] == {SUBSCRIPTION: listening}
        server.call("sessions")
        assert server.notice(UPDATED) == {"uri": CURRENT, "_meta": {SUBSCRIPTION: listening}}
        server.close_stdin()
        assert server.answer(listening)["result"]["_meta"][SUBSCRIPTION] == listening
        assert server.wait() == 0


def test_several_listeners_hear_what_each_asked_for(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        first, other, second = listen(server, CURRENT), listen(server, "context://x"), listen(server, CURRENT)
        server.call("sessions")
        told = [server.notice(UPDATED)["_meta"][SUBSCRIPTION] for _ in range(2)]
        assert told == [first, second]
        server.still_serves()
        assert UPDATED not in [message["method"] for message in server.notifications]
        server.close_stdin()
        assert [server.receive()["id"] for _ in range(3)] == [first, other, second]


def test_a_listener_that_was_taken_back_hears_nothing_more_and_gets_no_answer(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        listening = listen(server, CURRENT)
        server.notice(ACKNOWLEDGED)
        server.send_json({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": listening}})
        server.call("sessions")
        assert server.notifications == []
        assert server.end() == 0
        with pytest.raises(AssertionError, match="closed its output"):
            server.receive()


@pytest.mark.parametrize("wanted", [{}, {"toolsListChanged": True, "promptsListChanged": True, "future": 1}])
def test_what_never_changes_is_left_out_of_the_acknowledgement(project: Path, wanted: dict[str, Any]) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        server.send("subscriptions/listen", {"notifications": wanted})
        assert server.notice(ACKNOWLEDGED)["notifications"] == {}
        server.call("sessions")
        assert server.notifications == []


def test_an_id_that_is_listening_is_refused_and_goes_on_listening(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        listening = listen(server, CURRENT)
        server.notice(ACKNOWLEDGED)
        server._next_id -= 1
        assert server.request("tools/list")["error"]["code"] == -32600
        server.call("sessions")
        assert server.notice(UPDATED)["_meta"][SUBSCRIPTION] == listening


def test_acknowledgements_come_before_updates_while_calls_bring_changes(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        listening, calling = [], []
        for _ in range(50):
            calling.append(server.send("tools/call", {"name": "sessions"}))
            listening.append(listen(server, CURRENT))
        acknowledged: set[int] = set()
        answered: set[int] = set()
        while len(answered) < len(calling) or len(acknowledged) < len(listening):
            message = server.receive()
            if message.get("method") == ACKNOWLEDGED:
                acknowledged.add(message["params"]["_meta"][SUBSCRIPTION])
            elif message.get("method") == UPDATED:
                assert message["params"]["_meta"][SUBSCRIPTION] in acknowledged
            else:
                answered.add(message["id"])
        assert answered == set(calling)


def test_the_end_comes_to_listeners_while_a_search_hangs(project: Path) -> None:
    HangingSearch(project)
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        listening = listen(server, CURRENT)
        server.notice(ACKNOWLEDGED)
        searching = server.send("tools/call", {"name": "grep_codebase", "arguments": {"pattern": "x"}})
        wait_for_search(server)
        server.close_stdin()
        assert "ended before this was done" in server.answer(searching)["error"]["message"]
        assert server.receive()["id"] == listening
        with pytest.raises(AssertionError, match="closed its output"):
            server.receive()
        assert server.wait() == 0
