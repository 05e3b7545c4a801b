"""A model is asked over a real connection, and whatever the other side does, there is an answer or one error."""

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from kioku.knowledge.refining.endpoint import ANTHROPIC, OPENAI, Answer, Model, ModelError, ask, is_address
from tests.knowledge.modelserver import completion, message, send, serving


def model(url: str, provider: str = OPENAI, *, key: str | None = "k-123", timeout_s: float = 20) -> Model:
    base = url + ("/v1" if provider == OPENAI else "")
    return Model(provider=provider, base_url=base, name="small", key=key, timeout_s=timeout_s)


def test_chat_completions_are_asked_for_with_the_key_and_held_to_json() -> None:
    with serving(lambda handler, _: send(handler, completion("hello"))) as asked:
        assert ask(model(asked.url), "be brief", "what?") == Answer(text="hello", input_tokens=100, output_tokens=20)
    ((path, headers, body),) = asked.requests
    assert (path, headers["Authorization"]) == ("/v1/chat/completions", "Bearer k-123")
    assert [(one["role"], one["content"]) for one in body["messages"]] == [("system", "be brief"), ("user", "what?")]
    assert (body["model"], body["response_format"], body["temperature"]) == ("small", {"type": "json_object"}, 0)


def test_messages_are_asked_for_with_the_key_in_its_own_header() -> None:
    with serving(lambda handler, _: send(handler, message("hello"))) as asked:
        answer = ask(model(asked.url, ANTHROPIC), "be brief", "what?")
    assert answer == Answer(text="hello", input_tokens=7, output_tokens=3)
    ((path, headers, body),) = asked.requests
    assert (path, headers["x-api-key"], "Authorization" in headers) == ("/v1/messages", "k-123", False)
    assert (body["system"], body["messages"]) == ("be brief", [{"role": "user", "content": "what?"}])


def test_a_local_server_needs_no_key_and_may_count_no_tokens() -> None:
    with serving(lambda handler, _: send(handler, completion("hello", None))) as asked:
        assert ask(model(asked.url, key=None), "", "") == Answer(text="hello")
    assert "Authorization" not in asked.requests[0][1]


def test_a_server_that_cannot_be_held_to_json_is_asked_without() -> None:
    def reply(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        send(handler, *((b"response_format?", 400) if "response_format" in body else (completion("hello"), 200)))

    with serving(reply) as asked:
        assert ask(model(asked.url), "", "").text == "hello"
    assert len(asked.requests) == 2


def unknown(*names: str) -> Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]:
    """Refuse requests with these parameters, one at a time, as servers of models that reason do."""
    says = {
        "max_tokens": "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
        "temperature": "Unsupported value: 'temperature' does not support 0 with this model.",
        "response_format": "I do not know that.",
    }

    def reply(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        refused = next((says[name] for name in names if name in body), None)
        if refused is not None:
            send(handler, f'{{"error": {{"message": "{"x" * 300} {refused}"}}}}'.encode(), 400)
        else:
            send(handler, message("hello") if "system" in body else completion("hello"))

    return reply


@pytest.mark.parametrize("names", [("max_tokens",), ("temperature",), ("max_tokens", "temperature", "response_format")])
def test_a_model_that_does_not_know_a_parameter_is_asked_without_it(names: tuple[str, ...]) -> None:
    with serving(unknown(*names)) as asked:
        assert ask(model(asked.url), "", "").text == "hello"
    assert len(asked.requests) == len(names) + 1
    last = asked.requests[-1][2]
    assert ("max_completion_tokens" in last) is ("max_tokens" in names)
    assert ("response_format" in last) is ("response_format" not in names)


def test_a_model_that_speaks_in_messages_is_asked_without_what_it_does_not_know() -> None:
    with serving(unknown("temperature")) as asked:
        assert ask(model(asked.url, ANTHROPIC), "", "").text == "hello"
    assert [("temperature" in body, "max_tokens" in body) for _, _, body in asked.requests] == [
        (True, True), (False, True)
    ]  # fmt: skip


def test_a_server_that_refuses_whatever_it_is_asked_is_asked_so_often_and_no_more() -> None:
    said = b"max_completion_tokens? temperature? response_format?"
    with serving(lambda handler, _: send(handler, said, 400)) as asked, pytest.raises(ModelError, match="answered 400"):
        ask(model(asked.url), "", "")
    assert len(asked.requests) == 4


@pytest.mark.parametrize(
    "usage", ["none", 7, [1], {"prompt_tokens": "12", "completion_tokens": 3.5}, {"prompt_tokens": -1}]
)
@pytest.mark.parametrize("provider", [OPENAI, ANTHROPIC])
def test_an_answer_is_not_lost_for_how_its_tokens_are_told(provider: str, usage: Any) -> None:
    body = json.loads(completion("hello") if provider == OPENAI else message("hello")) | {"usage": usage}
    with serving(lambda handler, _: send(handler, json.dumps(body).encode())) as asked:
        assert ask(model(asked.url, provider), "", "") == Answer(text="hello")


def test_an_answer_in_parts_is_put_together_without_what_was_thought() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    body = json.dumps({"choices": [{"message": {"content": parts}}]}).encode()
    with serving(lambda handler, _: send(handler, body)) as asked:
        assert ask(model(asked.url), "", "").text == "hello"


def test_a_redirect_is_not_followed_so_that_the_key_goes_nowhere_else() -> None:
    with (
        serving(lambda handler, _: send(handler, completion("hello"))) as elsewhere,
        serving(lambda handler, _: send(handler, b"", 307, Location=elsewhere.url + "/v1/chat/completions")) as asked,
        pytest.raises(ModelError, match="answered 307"),
    ):
        ask(model(asked.url), "", "")
    assert elsewhere.requests == []


def cut_off(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices"')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def no_http(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.wfile.write(b"\x00\x01\x02 what?\n\n")


Misbehaving = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (lambda handler, _: send(handler, b"not json"), "cannot be read"),
        (lambda handler, _: send(handler, b"\xff\xfe"), "cannot be read"),
        (lambda handler, _: send(handler, b"[" * 100_000), "cannot be read"),
        (lambda handler, _: send(handler, b'{"choices": "none"}'), "cannot be read"),
        (lambda handler, _: send(handler, b'{"choices": []}'), "is empty"),
        (lambda handler, _: send(handler, b'{"choices": [{"message": {"content": null}}]}'), "is empty"),
        (lambda handler, _: send(handler, b" " * ((1 << 20) + 1)), "longer than 1 MB"),
        (lambda handler, _: send(handler, b"busy k-123", 500), r"answered 500: busy \(key\)"),
        (lambda handler, _: send(handler, b"", 429), "answered 429: nothing"),
        (lambda handler, _: send(handler, b"no", 401), "answered 401"),
        (cut_off, "cannot be read: Input data was truncated"),
        (no_http, "127.0.0.1"),
        (lambda handler, _: handler.connection.shutdown(socket.SHUT_RDWR), "127.0.0.1"),
    ],
)
def test_whatever_is_no_answer_is_one_error(reply: Misbehaving, says: str) -> None:
    with serving(reply) as asked, pytest.raises(ModelError, match=says) as caught:
        ask(model(asked.url), "", "")
    assert "k-123" not in str(caught.value)


KEY = "0f9c2b7a4e1d8356" * 2


@pytest.mark.parametrize("before", range(120, 200, 7))
def test_an_error_that_repeats_the_key_shows_no_part_of_it(before: int) -> None:
    def reply(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        send(handler, b"x" * before + b" " + KEY.encode(), 401)

    with serving(reply) as asked, pytest.raises(ModelError) as caught:
        ask(model(asked.url, key=KEY), "", "")
    assert KEY[:6] not in str(caught.value)


def test_a_broken_status_line_that_repeats_the_key_does_not_show_it() -> None:
    def reply(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.wfile.write(f"{KEY}\r\n\r\n".encode())

    with serving(reply) as asked, pytest.raises(ModelError) as caught:
        ask(model(asked.url, key=KEY), "", "")
    assert KEY[:6] not in str(caught.value)


@pytest.mark.parametrize("key", [KEY + "\r", KEY + "\nX-Other: 1", KEY + "\u2013", f"{KEY} {KEY}"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(key: str) -> None:
    with serving(lambda handler, _: send(handler, completion("hello"))) as asked, pytest.raises(ModelError) as caught:
        ask(model(asked.url, key=key), "", "")
    assert (caught.value.is_final, KEY[:6] in str(caught.value), asked.requests) == (True, False, [])


@pytest.mark.parametrize(("status", "is_final"), [(401, True), (403, True), (404, True), (429, False), (503, False)])
def test_an_error_says_whether_asking_again_is_of_use(status: int, is_final: bool) -> None:
    with serving(lambda handler, _: send(handler, b"", status)) as asked, pytest.raises(ModelError) as caught:
        ask(model(asked.url), "", "")
    assert caught.value.is_final is is_final


@pytest.mark.parametrize("is_dripping", [False, True])
def test_a_server_that_takes_for_ever_is_given_up(is_dripping: bool) -> None:
    over = threading.Event()

    def reply(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        if is_dripping:
            handler.send_response(200)
            handler.end_headers()
        while not over.wait(0.02):
            if is_dripping:
                try:
                    handler.wfile.write(b" ")
                except OSError:
                    return

    with serving(reply) as asked:
        try:
            with pytest.raises(ModelError, match=r"within 0\.3 s"):
                ask(model(asked.url, timeout_s=0.3), "", "")
        finally:
            over.set()


def test_where_nobody_listens_there_is_an_error_that_names_the_place() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ModelError, match=place):
            ask(model(f"http://{place}"), "", "")


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://api.example.com", True),
        ("https://api.example.com:8443/v1", True),
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1:1/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://api.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("https://user:pass@api.example.com", False),
        ("https://api.example.com/?a=b", False),
        ("https://api.example.com:port", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("", False),
        ("https://a b", False),
        ("https://a\r\nX: y", False),
    ],
)
def test_a_model_is_asked_over_tls_or_on_this_machine(url: str, is_one: bool) -> None:
    assert is_address(url) is is_one
    if not is_one:
        with pytest.raises(ModelError, match="no address"):
            ask(Model(provider=OPENAI, base_url=url, name="m", key="k", timeout_s=1), "", "")
