"""One connection: which requests it may make, and who answers them.

The first request decides the era. `initialize` opens a stateful connection (up to 2025-11-25); any request that names
its protocol version in `_meta` a stateless one (2026-07-28). What takes time runs in worker threads, so a long search
never keeps another request waiting; a request that is cancelled gets no answer.
"""

import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from kioku.errors import CancelledCallError, KiokuError
from kioku.mcp import messages
from kioku.mcp.messages import ProtocolError, RequestId, Resource, ResourceText, Tool, ToolResult

WORKERS = 8

_FRESH_MS = 3_600_000  # how long a stateless client may keep what never changes while we run


class Call:
    """A request that is being worked on: lets the work see that it was cancelled, and tell how far it is."""

    def __init__(self, send: Callable[[Any], None], request_id: RequestId, progress_token: Any) -> None:
        self.cancelled = False
        self._send = send
        self._request_id = request_id
        self._token = progress_token
        self._last = 0.0

    def is_cancelled(self) -> bool:
        """Tell whether the answer is still wanted."""
        return self.cancelled

    def progress(self, done: float, message: str) -> None:
        """Tell the caller how far the work is, if it asked for that; `done` must grow."""
        if self._token is not None and not self.cancelled and done > self._last:
            self._last = done
            params = {"progressToken": self._token, "progress": done, "message": message}
            self._send(messages.notification("notifications/progress", params))


class Application(Protocol):
    """What is offered over a connection. Methods that are given a `Call` run in worker threads."""

    name: str
    version: str
    instructions: str

    def on_client(self, name: str, version: str) -> None:
        """Hear which program is at the other end."""

    def tools(self) -> list[Tool]:
        """List the tools."""

    def call_tool(self, name: str, arguments: bytes, call: Call) -> ToolResult:
        """Run a tool. Raises ProtocolError for one that does not exist."""

    def resources(self) -> list[Resource]:
        """List the resources and their templates."""

    def read_resource(self, uri: str, call: Call) -> ResourceText:
        """Read a resource. Raises ProtocolError for one that does not exist."""


class Connection:
    """The state of one connection. `receive` is called by one thread; `send` must accept messages from any."""

    def __init__(self, application: Application, send: Callable[[Any], None]) -> None:
        self._application = application
        self._send = send
        self._version: str | None = None
        self._stateless = False
        self._calls: dict[RequestId, Call] = {}
        self._listeners: dict[RequestId, set[str]] = {}
        self._subscribed: set[str] = set()
        self._batch: dict[RequestId, list[Any]] = {}
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._workers = 0
        self._idle_workers = 0

    @property
    def in_flight(self) -> int:
        """Return how many requests are being worked on."""
        return len(self._calls)

    def receive(self, line: bytes) -> None:
        """Take one line in and answer it, now or from a worker thread. Raises nothing."""
        try:
            message = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
            self._send(messages.failure(None, ProtocolError(messages.PARSE_ERROR, f"not JSON: {error}")))
            return
        if isinstance(message, list):
            self._receive_batch(message)
        else:
            self._receive_one(line)

    def refuse_oversized(self, limit: int) -> None:
        """Answer a line that was too long to be read."""
        text = f"a message may have at most {limit} bytes"
        self._send(messages.failure(None, ProtocolError(messages.INVALID_REQUEST, text)))

    def changed(self, uri: str) -> None:
        """Tell those who subscribed to a resource that it changed. Any thread may call it."""
        if uri in self._subscribed:
            self._send(messages.notification("notifications/resources/updated", {"uri": uri}))
        with self._lock:
            listening = [id for id, uris in self._listeners.items() if uri in uris]
        for id in listening:
            params = {"uri": uri, "_meta": {messages.META + "subscriptionId": id}}
            self._send(messages.notification("notifications/resources/updated", params))

    def cancel_all(self) -> None:
        """Let every call know that its answer is not wanted any more."""
        with self._lock:
            for call in self._calls.values():
                call.cancelled = True

    def close(self) -> None:
        """End the subscriptions that are still open, each with its answer."""
        with self._lock:
            open_ones, self._listeners = list(self._listeners), {}
        for id in open_ones:
            self._answer(id, {"_meta": {messages.META + "subscriptionId": id}})

    # --- envelopes --------------------------------------------------------------------------------------------------

    def _receive_batch(self, batch: list[Any]) -> None:
        if self._version != messages.BATCH_VERSION or not batch:
            text = "batches belong to protocol version 2025-03-26" if batch else "an empty batch"
            self._send(messages.failure(None, ProtocolError(messages.INVALID_REQUEST, text)))
            return
        ids = [item["id"] for item in batch if isinstance(item, dict) and "method" in item and "id" in item]
        together: list[Any] = [len(ids)]
        with self._lock:
            self._batch |= {id: together for id in ids if isinstance(id, RequestId)}
        for item in batch:
            self._receive_one(msgspec.json.encode(item))

    def _receive_one(self, line: bytes) -> None:
        try:
            envelope = msgspec.json.decode(line, type=messages.Envelope)
        except msgspec.DecodeError as error:
            self._send(messages.failure(None, ProtocolError(messages.INVALID_REQUEST, f"not a message: {error}")))
            return
        id, method = envelope.id, envelope.method
        if method is msgspec.UNSET:
            if id is msgspec.UNSET:
                wrong = ProtocolError(messages.INVALID_REQUEST, "neither a request, a notification nor an answer")
                self._send(messages.failure(None, wrong))
            return  # an answer: we never ask anything
        if id is msgspec.UNSET:
            if isinstance(method, str):
                self._notified(method, envelope.params)
            return
        valid_id = id if isinstance(id, RequestId) and not isinstance(id, bool) else None
        try:
            if envelope.jsonrpc != "2.0" or valid_id is None or not isinstance(method, str):
                raise ProtocolError(messages.INVALID_REQUEST, 'a request has "jsonrpc": "2.0", an id and a method')
            self._requested(valid_id, method, envelope.params)
        except ProtocolError as error:
            self._refuse(valid_id, error)
        except msgspec.DecodeError as error:
            self._refuse(valid_id, ProtocolError(messages.INVALID_PARAMS, f"{method}: {error}"))

    def _notified(self, method: str, params: msgspec.Raw) -> None:
        if method != "notifications/cancelled":
            return
        try:
            target = msgspec.json.decode(params, type=messages.CancelParams).request_id
        except msgspec.DecodeError:
            return  # a notification cannot be answered
        with self._lock:
            if target in self._calls:
                self._calls[target].cancelled = True
            self._listeners.pop(target, None)  # type: ignore[arg-type] # None is simply not there

    # --- requests ---------------------------------------------------------------------------------------------------

    def _requested(self, id: RequestId, method: str, params: msgspec.Raw) -> None:
        meta = msgspec.json.decode(params, type=messages.Params).meta
        self._settle_era(method, meta)
        if method == "initialize":
            self._answer(id, self._initialize(params))
        elif method == "server/discover" and self._stateless:
            self._answer(id, self._discover())
        elif method == "ping" and not self._stateless:
            self._answer(id, {})
        elif method == "tools/list":
            self._answer(id, {"tools": self._application.tools()}, lasting=True)
        elif method == "resources/list":
            found = [resource for resource in self._application.resources() if resource.uri is not None]
            self._answer(id, {"resources": found}, lasting=True)
        elif method == "resources/templates/list":
            found = [resource for resource in self._application.resources() if resource.uri_template is not None]
            self._answer(id, {"resourceTemplates": found}, lasting=True)
        elif method == "tools/call":
            wanted = msgspec.json.decode(params, type=messages.CallParams)
            self._start(id, meta, lambda call: self._call_tool(wanted, call))
        elif method == "resources/read":
            uri = msgspec.json.decode(params, type=messages.ResourceParams).uri
            self._start(id, meta, lambda call: self._read_resource(uri, call))
        elif method in ("resources/subscribe", "resources/unsubscribe") and not self._stateless:
            uri = msgspec.json.decode(params, type=messages.ResourceParams).uri
            (self._subscribed.add if method == "resources/subscribe" else self._subscribed.discard)(uri)
            self._answer(id, {})
        elif method == "subscriptions/listen" and self._stateless:
            self._listen(id, msgspec.json.decode(params, type=messages.ListenParams))
        else:
            raise ProtocolError(messages.METHOD_NOT_FOUND, f"no such method: {method[:200]}")

    def _settle_era(self, method: str, meta: dict[str, Any]) -> None:
        """Let the first request decide the era, and hold every later one to it."""
        named = meta.get(messages.META + "protocolVersion")
        if self._version is None and named is None:
            if method not in ("initialize", "ping"):
                raise ProtocolError(messages.INVALID_REQUEST, "the first request must be 'initialize'")
        elif self._version is None or self._stateless:
            if named not in messages.STATELESS_VERSIONS or method == "initialize":
                supported = list(messages.STATELESS_VERSIONS if self._stateless else _ALL_VERSIONS)
                raise ProtocolError(
                    messages.UNSUPPORTED_VERSION,
                    f"protocol version {named!r} is not supported here",
                    {"supported": supported, "requested": str(named)},
                )
            if self._version is None:
                self._version, self._stateless = named, True
                self._meet(meta.get(messages.META + "clientInfo"))

    def _initialize(self, params: msgspec.Raw) -> dict[str, Any]:
        wanted = msgspec.json.decode(params, type=messages.InitializeParams)
        known = wanted.protocol_version in messages.STATEFUL_VERSIONS
        self._version = wanted.protocol_version if known else messages.STATEFUL_VERSIONS[-1]
        self._application.on_client(wanted.client_info.name, wanted.client_info.version)
        return {"protocolVersion": self._version, "serverInfo": self._server_info(), **self._offer()}

    def _discover(self) -> dict[str, Any]:
        meta = {messages.META + "serverInfo": self._server_info()}
        lasting = {"ttlMs": _FRESH_MS, "cacheScope": "private"}
        return {"supportedVersions": list(_ALL_VERSIONS), "_meta": meta, **lasting, **self._offer()}

    def _offer(self) -> dict[str, Any]:
        capabilities: dict[str, Any] = {"tools": {}, "resources": {"subscribe": True}}
        return {"capabilities": capabilities, "instructions": self._application.instructions}

    def _server_info(self) -> dict[str, str]:
        return {"name": self._application.name, "version": self._application.version}

    def _meet(self, client: Any) -> None:
        try:
            info = msgspec.convert(client, messages.Implementation)
        except msgspec.ValidationError:
            return  # a client that does not name itself is no reason to refuse it
        self._application.on_client(info.name, info.version)

    def _listen(self, id: RequestId, params: messages.ListenParams) -> None:
        wanted = params.notifications.resource_subscriptions
        with self._lock:
            self._listeners[id] = set(wanted)
        granted = {"resourceSubscriptions": wanted} if wanted else {}
        meta = {messages.META + "subscriptionId": id}
        acknowledged = {"notifications": granted, "_meta": meta}
        self._send(messages.notification("notifications/subscriptions/acknowledged", acknowledged))

    # --- work -------------------------------------------------------------------------------------------------------

    def _start(self, id: RequestId, meta: dict[str, Any], work: Callable[[Call], dict[str, Any]]) -> None:
        call = Call(self._send, id, meta.get("progressToken"))
        with self._lock:
            if id in self._calls:
                raise ProtocolError(messages.INVALID_REQUEST, f"request {id!r} is still being worked on")
            self._calls[id] = call
            start_one = self._idle_workers < self._work.qsize() + 1 and self._workers < WORKERS
            self._workers += start_one
        self._work.put(lambda: self._run(id, call, work))
        if start_one:
            threading.Thread(target=self._work_on, daemon=True).start()

    def _work_on(self) -> None:
        while True:
            with self._lock:
                self._idle_workers += 1
            job = self._work.get()
            with self._lock:
                self._idle_workers -= 1
            job()

    def _run(self, id: RequestId, call: Call, work: Callable[[Call], dict[str, Any]]) -> None:
        result: dict[str, Any] = {}
        wrong: ProtocolError | None = None
        try:
            result = work(call)
        except CancelledCallError:
            call.cancelled = True
        except ProtocolError as error:
            wrong = error
        except Exception as error:  # a defect of ours must not take the connection down
            print(f"kioku: unexpected {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            wrong = ProtocolError(messages.INTERNAL_ERROR, f"Kioku failed: {type(error).__name__}: {error}")
        if wrong is not None and not call.cancelled:
            self._refuse(id, wrong)
        elif not call.cancelled:
            self._answer(id, result)
        with self._lock:
            self._calls.pop(id, None)

    def _call_tool(self, params: messages.CallParams, call: Call) -> dict[str, Any]:
        return self._application.call_tool(params.name, bytes(params.arguments), call).as_result()

    def _read_resource(self, uri: str, call: Call) -> dict[str, Any]:
        try:
            found = self._application.read_resource(uri, call)
        except KiokuError as error:
            raise ProtocolError(messages.INTERNAL_ERROR, str(error)) from error
        except ProtocolError as error:
            if error.code == messages.RESOURCE_NOT_FOUND and self._stateless:
                raise ProtocolError(messages.INVALID_PARAMS, error.message, error.data) from error
            raise
        contents = {"contents": [{"uri": found.uri, "mimeType": found.mime_type, "text": found.text}]}
        return contents | ({"ttlMs": 0, "cacheScope": "private"} if self._stateless else {})

    # --- answers ----------------------------------------------------------------------------------------------------

    def _answer(self, id: RequestId, result: dict[str, Any], *, lasting: bool = False) -> None:
        if self._stateless:
            result = {"resultType": "complete", **result}
            if lasting:
                result |= {"ttlMs": _FRESH_MS, "cacheScope": "private"}
        self._deliver(id, messages.answer(id, result))

    def _refuse(self, id: RequestId | None, error: ProtocolError) -> None:
        self._deliver(id, messages.failure(id, error))

    def _deliver(self, id: RequestId | None, message: dict[str, Any]) -> None:
        """Send an answer, or keep it until the batch that it belongs to is complete."""
        with self._lock:
            together = None if id is None else self._batch.pop(id, None)
            if together is not None:
                together.append(message)
                if len(together) - 1 < together[0]:
                    return
        self._send(message if together is None else together[1:])


_ALL_VERSIONS = (*messages.STATEFUL_VERSIONS, *messages.STATELESS_VERSIONS)
