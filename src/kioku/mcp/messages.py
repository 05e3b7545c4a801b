"""The protocol's messages (modelcontextprotocol.io, revisions 2024-11-05 to 2026-07-28) as types.

Incoming messages are decoded in two steps, the envelope first, so that a wrong parameter is answered under its
request's id. Outgoing ones are made as bytes, a line without its end.
"""

from typing import Any, Final

import msgspec

STATEFUL_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
STATELESS_VERSIONS: Final = ("2026-07-28",)
BATCH_VERSION: Final = "2025-03-26"  # the only revision with JSON-RPC batches

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
RESOURCE_NOT_FOUND: Final = -32002  # stateful revisions only; later ones say INVALID_PARAMS
UNSUPPORTED_VERSION: Final = -32022

META: Final = "io.modelcontextprotocol/"

RequestId = str | int


class ProtocolError(Exception):
    """A request that is answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class Envelope(msgspec.Struct):
    """Any incoming message: a request has `id` and `method`, a notification no `id`, an answer no `method`."""

    jsonrpc: Any = None
    id: Any = msgspec.UNSET
    method: Any = msgspec.UNSET
    params: msgspec.Raw = msgspec.Raw(b"{}")


Incoming = Envelope | list[msgspec.Raw]  # a message, or a batch of them


class Implementation(msgspec.Struct):
    """The name and version of a program at either end."""

    name: str
    version: str = ""


class Listening(msgspec.Struct, rename="camel"):
    """What `subscriptions/listen` asks for; of the kinds that exist, only resources ever change here."""

    resource_subscriptions: list[str] = []


class Params(msgspec.Struct, rename="camel"):
    """What requests may bring with them; each method looks at its own."""

    meta: dict[str, Any] = msgspec.field(default_factory=dict, name="_meta")
    protocol_version: str = ""
    client_info: Any = None
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    uri: str = ""
    request_id: RequestId | None = None
    notifications: Listening = msgspec.field(default_factory=Listening)


class Tool(msgspec.Struct, rename="camel", omit_defaults=True):
    """A tool as `tools/list` describes it."""

    name: str
    description: str
    input_schema: dict[str, Any]
    annotations: dict[str, Any] = {}


class Resource(msgspec.Struct, rename="camel", omit_defaults=True):
    """A resource, or with `uri_template` a family of them."""

    name: str
    description: str
    mime_type: str
    uri: str | None = None
    uri_template: str | None = None


class Prompt(msgspec.Struct):
    """A prompt as `prompts/list` describes it; ours have no arguments."""

    name: str
    description: str


class ToolResult(msgspec.Struct):
    """What a tool answers: text for the model, the same as plain values for programs, and whether it failed."""

    text: str
    structured: dict[str, Any] | None = None
    is_error: bool = False

    def as_result(self) -> dict[str, Any]:
        """Return the result of `tools/call`."""
        structured = {} if self.structured is None else {"structuredContent": self.structured}
        return {"content": [{"type": "text", "text": self.text}], "isError": self.is_error, **structured}


class ResourceText(msgspec.Struct):
    """What a resource holds now."""

    uri: str
    text: str
    mime_type: str = "text/markdown"


def answer(request_id: RequestId, result: dict[str, Any]) -> bytes:
    """Return the message that answers a request."""
    return _encode(id=request_id, result=result)


def failure(request_id: RequestId | None, error: ProtocolError) -> bytes:
    """Return the message that refuses a request."""
    body = {"code": error.code, "message": error.message}
    return _encode(id=request_id, error=body if error.data is None else {**body, "data": error.data})


def notification(method: str, params: dict[str, Any]) -> bytes:
    """Return a message that expects no answer."""
    return _encode(method=method, params=params)


def _encode(**fields: Any) -> bytes:
    """Write a message; lone surrogates, which UTF-8 cannot hold, become `?`."""
    message = {"jsonrpc": "2.0", **fields}
    try:
        return msgspec.json.encode(message)
    except UnicodeEncodeError:
        return msgspec.json.encode(_encodable(msgspec.to_builtins(message)))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(name): _encodable(item) for name, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value
