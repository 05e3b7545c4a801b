"""Asking a model over HTTP: one question, one answer or one error, whatever the other side does.

Two protocols: OpenAI's chat completions, which most local servers speak too, and Anthropic's messages. An address is
followed nowhere else, so that the key goes where the person sent it; what is sent in the clear stays on this machine.
"""

import http.client
import ipaddress
import socket
import threading
from contextlib import suppress
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from kioku.errors import KiokuError
from kioku.redaction import redact

OPENAI: Final = "openai"
ANTHROPIC: Final = "anthropic"

_VERSION: Final = "2023-06-01"  # of Anthropic's protocol
_MOST: Final = 1 << 20  # bytes of an answer
_ANSWER_TOKENS: Final = 2_000
_REASONED_TOKENS: Final = 10_000  # with what a model thinks before it answers, which is counted with it
_LONGEST_COMPLAINT: Final = 200


class ModelError(KiokuError):
    """A model could not be asked, or gave no answer that can be read. `is_final`: asking again is of no use."""

    def __init__(self, message: str, *, hint: str | None = None, is_final: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_final = is_final


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to ask: `base_url` as its documentation has it, the key as the environment has it, None without one."""

    provider: str
    base_url: str
    name: str
    key: str | None
    timeout_s: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a model said, and how many tokens it counted; None where it does not tell."""

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None


def is_address(url: str) -> bool:
    """Tell whether a model may be asked there: over TLS, or on this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if parts.username or parts.query or parts.fragment or not parts.hostname or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname))


def is_key(key: str) -> bool:
    """Tell whether a key can be sent: a line end that was copied with it would show it in an error instead."""
    return key.isascii() and key.isprintable() and " " not in key


def without_key(model: Model, text: str) -> str:
    """Return what an error says on one line, without the key and other secrets, cut only then."""
    line = " ".join(text.split())
    if model.key:
        line = line.replace(model.key, "(key)")
    return str(redact(line))[:_LONGEST_COMPLAINT]


def ask(model: Model, system: str, question: str) -> Answer:
    """Ask a model one question and return its answer. Raises ModelError.

    Each of at most four requests takes the model's time and little more: one that is refused is asked again without
    what the server says it does not know.
    """
    if not is_address(model.base_url):
        raise ModelError(f"'{model.base_url}' is no address to ask a model at", is_final=True)
    if model.key and not is_key(model.key):
        raise ModelError("the key has a sign that no key has, perhaps a line end at its end", is_final=True)
    is_anthropic = model.provider == ANTHROPIC
    path = "/v1/messages" if is_anthropic else "/chat/completions"
    request = (_anthropic_request if is_anthropic else _openai_request)(model, system, question)
    while True:
        try:
            found = _post(model, path, request)
        except _RefusedError as error:
            changed = _without_refused(request, error.said)
            if changed is None:
                raise
            request = changed
        else:
            return _anthropic(found) if is_anthropic else _openai(found)


def _without_refused(request: dict[str, Any], said: str) -> dict[str, Any] | None:
    """Return a request without one thing that the server does not know; None where there is no more to leave out.

    What it names goes first; where it names nothing, being held to JSON: what it answers is checked anyway.
    """
    if "max_tokens" in request and "max_completion_tokens" in said:
        rest = {name: value for name, value in request.items() if name != "max_tokens"}
        return {**rest, "max_completion_tokens": _REASONED_TOKENS}
    for name in ("temperature", "response_format"):
        if name in request and (name == "response_format" or name in said):
            return {key: value for key, value in request.items() if key != name}
    return None


class _RefusedError(ModelError):
    """The server did not like the request itself; `said` is the whole of what it said, not to be shown."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def _openai_request(model: Model, system: str, question: str) -> dict[str, Any]:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return {
        "model": model.name, "messages": messages, "temperature": 0, "max_tokens": _ANSWER_TOKENS, "stream": False,
        "response_format": {"type": "json_object"},
    }  # fmt: skip


def _anthropic_request(model: Model, system: str, question: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    return {"model": model.name, "max_tokens": _ANSWER_TOKENS, "temperature": 0, "system": system, "messages": messages}


class _Block(msgspec.Struct):
    type: str
    text: str | None = None


class _Message(msgspec.Struct):
    content: str | list[_Block] | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: Any = None


class _Reply(msgspec.Struct):
    content: list[_Block]
    usage: Any = None


_Shape = TypeVar("_Shape")


def _openai(body: bytes) -> Answer:
    found = _decoded(body, _Completion)
    content = found.choices[0].message.content if found.choices else None
    return _answer(content or "", found.usage, "prompt_tokens", "completion_tokens")


def _anthropic(body: bytes) -> Answer:
    found = _decoded(body, _Reply)
    return _answer(found.content, found.usage, "input_tokens", "output_tokens")


def _answer(content: str | list[_Block], usage: Any, given: str, back: str) -> Answer:
    """Return an answer. However a server counts its tokens, what it said is not lost."""
    text = content if isinstance(content, str) else "".join(one.text or "" for one in content if one.type == "text")
    if not text:
        raise ModelError("the model's answer is empty")
    return Answer(text=text, input_tokens=_tokens(usage, given), output_tokens=_tokens(usage, back))


def _tokens(usage: Any, name: str) -> int | None:
    """Return a number of tokens; None for one that nobody can have counted."""
    told = usage.get(name) if isinstance(usage, dict) else None
    return told if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < 1 << 53 else None


def _decoded(body: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"the model's answer cannot be read: {str(error)[:_LONGEST_COMPLAINT]}") from error


def _post(model: Model, path: str, request: dict[str, Any]) -> bytes:
    address = urlsplit(model.base_url)
    connection = _connection(address, model.timeout_s)
    is_late = threading.Event()
    opened: list[socket.socket] = []  # the connection itself forgets its socket once an answer has begun

    def give_up() -> None:
        is_late.set()
        for one in opened:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    # A server that sends a byte now and then never runs into the socket's own limit.
    alarm = threading.Timer(model.timeout_s, give_up)
    alarm.daemon = True
    alarm.start()
    try:
        connection.connect()
        opened.append(connection.sock)
        connection.request("POST", address.path.rstrip("/") + path, msgspec.json.encode(request), _headers(model))
        response = connection.getresponse()
        body = response.read(_MOST + 1)
        status = response.status
    except (OSError, http.client.HTTPException, ValueError) as error:
        is_timeout = is_late.is_set() or isinstance(error, TimeoutError)
        told = f"no answer within {model.timeout_s:g} s" if is_timeout else without_key(model, str(error))
        raise ModelError(f"{address.netloc}: {told}", hint="is the server running?") from error
    finally:
        alarm.cancel()
        connection.close()
    if is_late.is_set():
        raise ModelError(f"{address.netloc}: no whole answer within {model.timeout_s:g} s")
    if len(body) > _MOST:
        raise ModelError(f"{address.netloc}: the answer is longer than {_MOST >> 20} MB")
    _check(status, body, model, address)
    return body


def _check(status: int, body: bytes, model: Model, address: SplitResult) -> None:
    if status == http.HTTPStatus.OK:
        return
    whole = body.decode("utf-8", "replace")
    said = without_key(model, whole)
    message = f"{address.netloc} answered {status}: {said or 'nothing'}"
    if status in (http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.UNPROCESSABLE_ENTITY):
        raise _RefusedError(message, whole)
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        raise ModelError(message, hint="the key is read from the environment: see model.key_variable", is_final=True)
    if status == http.HTTPStatus.NOT_FOUND:
        raise ModelError(message, hint="see model.base_url and model.name", is_final=True)
    raise ModelError(message)


def _connection(address: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    assert address.hostname is not None
    if address.scheme == "https":
        return http.client.HTTPSConnection(address.hostname, address.port, timeout=timeout_s)
    return http.client.HTTPConnection(address.hostname, address.port, timeout=timeout_s)


def _headers(model: Model) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "kioku"}
    if model.provider == ANTHROPIC:
        headers["anthropic-version"] = _VERSION
        if model.key:
            headers["x-api-key"] = model.key
    elif model.key:
        headers["Authorization"] = f"Bearer {model.key}"
    return headers


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
