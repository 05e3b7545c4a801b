"""Both eras of the protocol over a real process: how a connection begins, and what each method answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from tests.mcp.checked import CURRENT, META, STATEFUL, STATELESS, CheckedServer, stateless_meta
from tests.support import rows

METHODS: list[tuple[str, dict[str, Any]]] = [
    ("tools/list", {}),
    ("tools/call", {"name": "sessions", "arguments": {"action": "list"}}),
    ("tools/call", {"name": "read_file", "arguments": {"path": "nowhere.txt"}}),
    ("tools/call", {"name": "sessions"}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("resources/read", {"uri": CURRENT}),
    ("resources/read", {"uri": "context://sessions/history"}),
    ("resources/read", {"uri": "context://project/overview"}),
]


def test_the_versions_under_test_are_all_that_the_official_types_know() -> None:
    assert list(HANDSHAKE_PROTOCOL_VERSIONS) == STATEFUL
    assert list(MODERN_PROTOCOL_VERSIONS) == [STATELESS]


@pytest.mark.parametrize("version", [*STATEFUL, STATELESS])
def test_every_method_answers_as_the_official_types_have_it(project: Path, version: str) -> None:
    with CheckedServer(project) as server:
        server.speak(version)
        for method, params in METHODS:
            assert "result" in server.request(method, params), method
        if version != STATELESS:
            assert server.request("ping")["result"] == {}
            assert server.request("resources/subscribe", {"uri": CURRENT})["result"] == {}
            assert server.request("resources/unsubscribe", {"uri": CURRENT})["result"] == {}
        assert server.end() == 0
        assert server.errors() == ""


@pytest.mark.parametrize("version", STATEFUL)
def test_a_stateful_answer_has_nothing_of_the_stateless_era(project: Path, version: str) -> None:
    with CheckedServer(project) as server:
        server.speak(version)
        for method, params in METHODS:
            assert not {"resultType", "ttlMs", "cacheScope", "_meta"} & server.request(method, params)["result"].keys()


def test_a_stateless_answer_names_its_kind_the_server_and_how_long_it_may_be_kept(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        for method, params in [*METHODS, ("server/discover", {})]:
            result = server.request(method, params)["result"]
            assert result["resultType"] == "complete"
            assert result["_meta"][META + "serverInfo"]["name"] == "kioku"
            assert ("ttlMs" in result) == (method != "tools/call")
            if method == "resources/read":
                assert result["ttlMs"] == 0


@pytest.mark.parametrize("version", ["2023-01-01", "2099-01-01", STATELESS, "", "1.0"])
def test_initialize_with_an_unknown_version_is_answered_with_the_newest(project: Path, version: str) -> None:
    with CheckedServer(project) as server:
        result = server.initialize(version)["result"]
        assert result["protocolVersion"] == STATEFUL[-1]
        assert result["serverInfo"]["name"] == "kioku"
        server.still_serves()


def test_what_is_announced_is_what_works(project: Path) -> None:
    with CheckedServer(project) as server:
        announced = server.initialize()["result"]["capabilities"]
        assert announced == {"tools": {}, "resources": {"subscribe": True}, "prompts": {}}
        assert [prompt["name"] for prompt in server.request("prompts/list")["result"]["prompts"]] == [
            "resume",
            "wrap_up",
        ]
        assert server.request("prompts/get", {"name": "resume"})["result"]["messages"]
        for method in ("logging/setLevel", "completion/complete"):
            assert server.request(method)["error"]["code"] == -32601


@pytest.mark.parametrize("method", ["tools/list", "tools/call", "resources/read", "server/discover", "foo"])
def test_the_first_request_must_be_initialize_or_name_its_version(project: Path, method: str) -> None:
    with CheckedServer(project) as server:
        error = server.request(method)["error"]
        assert error["code"] == -32600
        assert "initialize" in error["message"]
        server.speak(STATEFUL[-1])
        server.still_serves()


def test_ping_is_answered_before_initialize(project: Path) -> None:
    with CheckedServer(project) as server:
        assert server.request("ping")["result"] == {}


@pytest.mark.parametrize("method", ["nothing/like/this", "", "ping ", "PING", "notifications/initialized", "é" * 400])
@pytest.mark.parametrize("version", [STATEFUL[-1], STATELESS])
def test_an_unknown_method_is_refused_by_name(project: Path, method: str, version: str) -> None:
    with CheckedServer(project) as server:
        server.speak(version)
        error = server.request(method)["error"]
        assert error["code"] == -32601
        assert method[:200] in error["message"]
        assert len(error["message"]) < 300
        server.still_serves()


@pytest.mark.parametrize("method", ["ping", "resources/subscribe", "resources/unsubscribe"])
def test_what_the_stateless_era_gave_up_is_refused_in_it(project: Path, method: str) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        assert server.request(method, {"uri": CURRENT})["error"]["code"] == -32601


@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen"])
def test_what_the_stateless_era_brought_is_refused_in_a_stateful_connection(project: Path, method: str) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        params = {"notifications": {"resourceSubscriptions": [CURRENT]}}
        assert server.request(method, params)["error"]["code"] == -32601


@pytest.mark.parametrize("named", ["2099-01-01", "2025-11-25", "", 5, {"a": 1}])
def test_a_version_that_is_not_stateless_is_refused_with_those_that_are_supported(project: Path, named: Any) -> None:
    with CheckedServer(project) as server:
        error = server.request("server/discover", {"_meta": {META + "protocolVersion": named}})["error"]
        assert error["code"] == -32022
        assert error["data"] == {"supported": [*STATEFUL, STATELESS], "requested": str(named)}
        server.speak(STATELESS)
        server.still_serves()


def test_a_client_whose_version_was_refused_may_still_initialize(project: Path) -> None:
    with CheckedServer(project) as server:
        server.request("server/discover", {"_meta": stateless_meta("2099-01-01")})
        server.speak("2025-06-18")
        server.still_serves()


def test_initialize_is_refused_in_a_stateless_connection(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        error = server.initialize()["error"]
        assert error["code"] == -32022
        assert error["data"]["supported"] == [STATELESS]
        server.still_serves()


def test_each_request_of_a_stateless_connection_names_its_version(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATELESS)
        for message in ({"_meta": stateless_meta("2025-11-25")}, {}):
            server.send_json({"jsonrpc": "2.0", "id": "x", "method": "tools/list", "params": message})
            error = server.refusal()
            assert error["code"] == -32022
            assert error["data"]["supported"] == [STATELESS]
        server.still_serves()


def test_a_stateless_connection_may_begin_with_any_method(project: Path) -> None:
    with CheckedServer(project) as server:
        server.version = STATELESS
        assert server.call("sessions")["isError"] is False
        server.end()
    assert rows(project, "SELECT client, client_version FROM sessions") == [("test-client", "1.2.3")]


@pytest.mark.parametrize("info", [None, 5, "x", {}, {"name": 3}, {"version": "1"}, []])
def test_a_client_that_does_not_say_its_name_is_served_as_well(project: Path, info: Any) -> None:
    with CheckedServer(project) as server:
        result = server.request("initialize", {"protocolVersion": STATEFUL[-1], "capabilities": {}, "clientInfo": info})
        assert result["result"]["protocolVersion"] == STATEFUL[-1]
        assert server.call("sessions")["isError"] is False
        server.end()
    assert rows(project, "SELECT client FROM sessions") == [(None,)]


def test_a_clients_name_is_kept_to_a_sensible_length(project: Path) -> None:
    with CheckedServer(project) as server:
        server.initialize(client="n" * 100_000)
        server.call("sessions")
        server.end()
    assert rows(project, "SELECT length(client) FROM sessions") == [(200,)]


@pytest.mark.parametrize(("version", "code"), [(STATEFUL[-1], -32002), (STATELESS, -32602)])
def test_a_resource_that_there_is_not_is_refused_as_the_era_has_it(project: Path, version: str, code: int) -> None:
    with CheckedServer(project) as server:
        server.speak(version)
        for uri in ("context://nothing", "file:///etc/passwd", "", "context://session/zzzz", "context://module/none"):
            error = server.request("resources/read", {"uri": uri})["error"]
            assert error["code"] == code, uri
            assert error["data"]["uri"] == uri


def test_a_tool_that_there_is_not_is_refused(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        for params in ({"name": "no_such_tool"}, {}):
            assert server.request("tools/call", params)["error"]["code"] == -32602


def test_what_a_tool_cannot_do_is_an_answer_and_not_an_error_of_the_protocol(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        result = server.call("read_file", path="../outside.txt")
        assert result["isError"] is True
        assert "outside" in result["content"][0]["text"]


def test_requests_followed_at_once_by_the_end_of_input_are_all_answered(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        wanted = {server.send("tools/call", {"name": "sessions"}) for _ in range(20)} | {server.send("ping")}
        server.close_stdin()
        assert {server.receive()["id"] for _ in wanted} == wanted
        assert server.wait() == 0


def test_a_last_line_without_its_end_is_answered(project: Path) -> None:
    with CheckedServer(project) as server:
        server.send_bytes(b'{"jsonrpc":"2.0","id":"last","method":"ping"}')
        server.close_stdin()
        assert server.receive() == {"jsonrpc": "2.0", "id": "last", "result": {}}
        assert server.wait() == 0


def test_messages_that_come_in_pieces_are_put_together(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        for byte in json.dumps({"jsonrpc": "2.0", "id": "piece by piece", "method": "ping"}).encode() + b"\r\n":
            server.send_bytes(bytes([byte]))
        assert server.receive()["id"] == "piece by piece"
