"""What is no message, or one that nobody should send: an error answer, and the server lives."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.mcp.checked import STATEFUL, CheckedServer


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedServer]:
    """Return the one server that goes through all of this."""
    with CheckedServer(
        tmp_path_factory.mktemp("project"), env={"HOME": str(tmp_path_factory.mktemp("home"))}
    ) as server:
        server.speak("2025-03-26")
        yield server
        assert server.end() == 0
        assert server.errors() == ""


@pytest.fixture
def server(lasting: CheckedServer) -> Iterator[CheckedServer]:
    """Return the server; after the test it must still serve."""
    lasting.notifications.clear()
    yield lasting
    lasting.still_serves()
    assert lasting.notifications == []


NOT_JSON = {
    "text": b"hello",
    "half a message": b'{"jsonrpc":"2.0","id":1,"method":"ping"',
    "two messages": b'{"jsonrpc":"2.0","id":1,"method":"ping"} {}',
    "a comma too many": b'{"jsonrpc":"2.0","id":1,"method":"ping",}',
    "quotes of another kind": b"{'jsonrpc':'2.0'}",
    "NaN": b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}',
    "infinity": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":-Infinity}}',
    "a lone surrogate": b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
    "a lone low surrogate": b'{"jsonrpc":"2.0","id":"\\udc00x","method":"ping"}',
    "a lone surrogate in arguments": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\udfff"}}',
    "no UTF-8": b'{"jsonrpc":"2.0","id":"\xff\xfe","method":"ping"}',
    "no UTF-8 in parameters": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xc0\xaf"}}',
    "UTF-16": '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16-le"),
    "a byte order mark": b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
    "NUL": b"\0",
    "a control character in a string": b'{"jsonrpc":"2.0","id":"\x01","method":"ping"}',
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep lists without an end": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep parameters": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 99_999 + b"]" * 99_999 + b"}",
    "a deep id": b'{"jsonrpc":"2.0","id":' + b'{"a":' * 9_999 + b"1" + b"}" * 9_999 + b',"method":"ping"}',
    "an HTTP request": b"POST /mcp HTTP/1.1",
    "a header": b"Content-Length: 52",
}


@pytest.mark.parametrize("line", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_json_is_answered_with_a_parse_error(server: CheckedServer, line: bytes) -> None:
    server.send_bytes(line + b"\n")
    answer = server.receive()
    assert answer["error"]["code"] == -32700
    assert answer["id"] is None


NO_MESSAGE = [
    "null",
    "true",
    "5",
    '"ping"',
    "{}",
    '{"jsonrpc":"2.0"}',
    '{"a":1}',
    '{"jsonrpc":"2.0","params":{}}',
    "1e99",
]


@pytest.mark.parametrize("line", NO_MESSAGE)
def test_json_that_is_no_message_is_refused(server: CheckedServer, line: str) -> None:
    server.send_bytes(line.encode() + b"\n")
    answer = server.receive()
    assert answer["error"]["code"] == -32600
    assert answer["id"] is None


@pytest.mark.parametrize("wrong_id", ["null", "true", "1.5", "[]", "{}", "1e400", "9" * 5000])
def test_an_id_of_the_wrong_type_is_refused(server: CheckedServer, wrong_id: str) -> None:
    server.send_bytes(f'{{"jsonrpc":"2.0","id":{wrong_id},"method":"ping"}}\n'.encode())
    answer = server.receive()
    assert answer["error"]["code"] == -32600
    assert answer["id"] is None


@pytest.mark.parametrize("an_id", [0, -1, 2**63, -(2**64), 10**400, "", "x" * 10_000, "é\u202e\U0001f600\x7f", " "])
def test_an_id_comes_back_as_it_was(server: CheckedServer, an_id: str | int) -> None:
    server.send_json({"jsonrpc": "2.0", "id": an_id, "method": "ping"})
    assert server.receive() == {"jsonrpc": "2.0", "id": an_id, "result": {}}


@pytest.mark.parametrize("jsonrpc", ["1.0", 2.0, None, "2", {}])
def test_another_kind_of_message_is_refused_under_its_id(server: CheckedServer, jsonrpc: object) -> None:
    server.send_json({"jsonrpc": jsonrpc, "id": "x", "method": "ping"})
    answer = server.receive()
    assert (answer["id"], answer["error"]["code"]) == ("x", -32600)


@pytest.mark.parametrize("method", [None, 5, ["ping"], {"a": "b"}, True])
def test_a_method_of_the_wrong_type_is_refused_under_its_id(server: CheckedServer, method: object) -> None:
    server.send_json({"jsonrpc": "2.0", "id": "x", "method": method})
    answer = server.receive()
    assert (answer["id"], answer["error"]["code"]) == ("x", -32600)


WRONG_PARAMS: list[tuple[str, object]] = [
    ("ping", None),
    ("ping", 5),
    ("ping", "x"),
    ("ping", []),
    ("ping", [{}]),
    ("ping", True),
    ("ping", {"_meta": 5}),
    ("ping", {"_meta": None}),
    ("initialize", {"protocolVersion": 20251125}),
    ("tools/call", {"name": 5}),
    ("tools/call", {"name": ["sessions"]}),
    ("resources/read", {"uri": 5}),
    ("resources/read", {"uri": None}),
    ("resources/subscribe", {"uri": {}}),
    ("subscriptions/listen", {"notifications": []}),
    ("subscriptions/listen", {"notifications": {"resourceSubscriptions": [1]}}),
]


@pytest.mark.parametrize(("method", "params"), WRONG_PARAMS)
def test_parameters_of_the_wrong_type_are_refused_under_the_id(
    server: CheckedServer, method: str, params: object
) -> None:
    server.send_json({"jsonrpc": "2.0", "id": "x", "method": method, "params": params})
    answer = server.receive()
    assert (answer["id"], answer["error"]["code"]) == ("x", -32602)


@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/nothing", "ping", "", "tools/call"])
def test_a_notification_is_never_answered(server: CheckedServer, method: str) -> None:
    wrong: list[object] = [{}, None, 5, {"name": "sessions"}]
    for params in wrong:
        server.send_json({"jsonrpc": "2.0", "method": method, "params": params})
    server.still_serves()


def test_answers_to_what_was_never_asked_are_ignored(server: CheckedServer) -> None:
    server.send_json({"jsonrpc": "2.0", "id": 5, "result": {}})
    server.send_json({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "x"}})
    server.still_serves()


def test_empty_lines_are_passed_over(server: CheckedServer) -> None:
    server.send_bytes(b"\n\r\n   \n\t\n")
    server.still_serves()


@pytest.mark.parametrize("start", [b"", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"', b"["])
def test_a_message_of_50_mb_is_refused_once_and_the_next_is_answered(server: CheckedServer, start: bytes) -> None:
    server.send_bytes(start)
    for _ in range(50):
        server.send_bytes(b"a" * 1_000_000)
    server.send_bytes(b'"}}\n')
    error = server.refusal()
    assert error["code"] == -32600
    assert "at most" in error["message"]
    server.still_serves()


def test_a_message_too_long_that_never_ends_is_refused_at_the_end_of_input(project: Path) -> None:
    with CheckedServer(project) as server:
        server.speak(STATEFUL[-1])
        for _ in range(20):
            server.send_bytes(b"a" * 1_000_000)
        server.close_stdin()
        assert server.refusal()["code"] == -32600
        assert server.wait() == 0


def test_a_message_of_10_mb_is_served(server: CheckedServer) -> None:
    result = server.call("grep_codebase", pattern="x" * 10_000_000)
    assert result["isError"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        *[b"5", b"null", b"[]", b'"x"', b"{}", b'{"path":5}', b'{"path":null}'],
        *[b'{"path":"a","max_lines":1e400}', b'{"path":"a","max_lines":' + b"9" * 5000 + b"}"],
        *[b'{"path":"a","first_line":0}', b'{"path":"a","first_line":99999999999999999999999}', b'{"path":"a\\u0000"}'],
        b'{"path":"a","x":' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_arguments_that_do_not_fit_are_an_answer_that_says_so(server: CheckedServer, arguments: bytes) -> None:
    server.send_bytes(
        b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"read_file","arguments":%b}}\n' % arguments
    )
    answer = server.receive()
    assert answer["id"] == "x"
    assert "error" in answer or answer["result"]["isError"] is True


def test_an_argument_that_there_is_not_is_named(server: CheckedServer) -> None:
    result = server.call("grep_codebase", pattern="x", colour="red")
    assert result["isError"] is True
    assert "colour" in result["content"][0]["text"]


# --- anything at all ------------------------------------------------------------------------------------------------

words = st.sampled_from([
    "jsonrpc", "2.0", "id", "method", "params", "_meta", "name", "arguments", "uri", "requestId", "progressToken",
    "initialize", "tools/call", "tools/list", "resources/read", "resources/subscribe", "notifications/cancelled",
    "subscriptions/listen", "server/discover", "sessions", "read_file", "grep_codebase", "context://session/current",
    "protocolVersion", "2025-03-26", "2026-07-28", "io.modelcontextprotocol/protocolVersion", "action", "path",
    "pattern",
])  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | words
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=5), inner, max_size=5)
)
requests = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": scalars, "method": words, "params": values}, optional={"more": values}
)
lines = st.binary(max_size=200) | (values | requests | st.lists(requests, max_size=3)).map(
    lambda v: json.dumps(v).encode()
)


@settings(max_examples=150, deadline=None)
@given(sent=st.lists(lines, min_size=1, max_size=8))
@example(
    sent=[
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"\\ud800"}}}'
    ]
)
def test_after_whatever_was_sent_a_request_is_answered(lasting: CheckedServer, sent: list[bytes]) -> None:
    for line in sent:
        lasting.send_bytes(line.replace(b"\n", b" ") + b"\n")
    # What came in may have changed the version of the connection, but never to one without a ping.
    lasting.send_json({"jsonrpc": "2.0", "id": "are you there", "method": "ping"})
    while True:
        message: Any = super(CheckedServer, lasting).receive()  # what answers rubbish need not fit the types
        if isinstance(message, dict) and message.get("id") == "are you there":
            assert message["result"] == {}
            return
