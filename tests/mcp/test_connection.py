"""What only shows when threads meet at one moment, which a client from outside cannot bring about."""

import json
import threading
from collections.abc import Callable
from typing import Any

from kioku.mcp.dispatch import Call, Connection
from kioku.mcp.messages import Prompt, Resource, ResourceText, Tool, ToolResult
from tests.mcp.checked import CURRENT, stateless_meta
from tests.support import PATIENCE_S


class Small:
    """An application with one tool, which works until it is let go, and fails if told so."""

    name = "small"
    version = "1"
    instructions = ""

    def __init__(self) -> None:
        self.working = threading.Event()
        self.go_on = threading.Event()

    def on_client(self, name: str, version: str) -> None:
        pass

    def tools(self) -> list[Tool]:
        return []

    def call_tool(self, name: str, arguments: bytes, call: Call) -> ToolResult:
        self.working.set()
        assert self.go_on.wait(PATIENCE_S)
        if name == "defect":
            raise ZeroDivisionError("what nobody thought of")
        if name == "no JSON":
            return ToolResult("text", {"value": object()})
        call.progress(2, "")
        call.progress(1, "")
        call.progress(2, "")
        return ToolResult("\ud800")

    def resources(self) -> list[Resource]:
        return []

    def prompts(self) -> list[Prompt]:
        return []

    def get_prompt(self, name: str, call: Call) -> str:
        raise NotImplementedError

    def read_resource(self, uri: str, call: Call) -> ResourceText:
        return ResourceText(uri, "")


class Peer:
    """Keeps what a connection sends; `during` is called with each message while it is being sent."""

    def __init__(self) -> None:
        self.application = Small()
        self.connection = Connection(self.application, self._take)
        self.messages: list[dict[str, Any]] = []
        self.during: Callable[[dict[str, Any]], object] = lambda _message: None
        self._arrived = threading.Condition()

    def _take(self, data: bytes) -> None:
        message = json.loads(data)
        self.during(message)
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()

    def send(self, request_id: object, method: str, **params: Any) -> None:
        params["_meta"] = {**stateless_meta(), "progressToken": request_id}
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        self.connection.receive(json.dumps(message).encode())

    def answer(self, request_id: object) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [message for message in self.messages if message.get("id") == request_id]

        with self._arrived:
            assert self._arrived.wait_for(found, PATIENCE_S)
            return found()[0]


def test_a_change_while_listening_is_being_acknowledged_is_told_after_that() -> None:
    peer = Peer()
    others: list[threading.Thread] = []

    def change_now(message: dict[str, Any]) -> None:
        if message["method"].endswith("acknowledged"):
            others.append(threading.Thread(target=peer.connection.changed, args=(CURRENT,)))
            others[0].start()
            others[0].join(0.1)  # time enough to be told too early

    peer.during = change_now
    peer.send("listening", "subscriptions/listen", notifications={"resourceSubscriptions": [CURRENT]})
    others[0].join()
    assert [message["method"].rpartition("/")[2] for message in peer.messages] == ["acknowledged", "updated"]


def test_a_request_counts_as_worked_on_until_its_answer_is_sent() -> None:
    peer = Peer()
    counts: list[int] = []
    peer.during = lambda message: counts.append(peer.connection.in_flight) if "id" in message else None
    peer.application.go_on.set()
    peer.send(1, "tools/call", name="x")
    peer.answer(1)
    assert counts == [1]


def test_progress_only_grows() -> None:
    peer = Peer()
    peer.application.go_on.set()
    peer.send(1, "tools/call", name="x")
    peer.answer(1)
    assert [message["params"]["progress"] for message in peer.messages if "params" in message] == [2]


def test_a_lone_surrogate_in_an_answer_is_replaced() -> None:
    peer = Peer()
    peer.application.go_on.set()
    peer.send(1, "tools/call", name="x")
    assert peer.answer(1)["result"]["content"] == [{"type": "text", "text": "?"}]


def test_a_defect_is_answered_as_one_and_the_next_request_is_served() -> None:
    peer = Peer()
    peer.application.go_on.set()
    for number, name in enumerate(["defect", "no JSON"] * 10):
        peer.send(number, "tools/call", name=name)
        assert peer.answer(number)["error"]["code"] == -32603
    peer.send("next", "tools/call", name="x")
    assert "result" in peer.answer("next")


def test_a_call_that_is_open_at_the_end_is_answered_once_and_at_once() -> None:
    peer = Peer()
    peer.send(1, "tools/call", name="x")
    assert peer.application.working.wait(PATIENCE_S)
    peer.connection.close()
    assert "ended before this was done" in peer.answer(1)["error"]["message"]
    peer.application.go_on.set()
    peer.send(2, "tools/call", name="x")
    peer.answer(2)
    assert [message["id"] for message in peer.messages if "id" in message] == [1, 2]
