"""One connection: which requests it may make, and who answers them.

The first request decides the era. `initialize` opens a stateful connection (up to 2025-11-25); any request that names
its protocol version in `_meta` a stateless one (2026-07-28). What takes time runs in worker threads, so a long search
never keeps another request waiting; a request that is cancelled gets no answer.
"""

import contextlib
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from kioku.errors import CancelledCallError, KiokuError
from kioku.mcp import messages
from kioku.mcp.messages import Prompt, ProtocolError, RequestId, Resource, ResourceText, Tool, ToolResult

WORKERS = 8

_SUBSCRIPTION = messages.META + "subscriptionId"
_LASTING = {"ttlMs": 3_600_000, "cacheScope": "private"}  # a stateless client may keep what never changes while we run

# Takes the one answer that a message gets, or None for a message that gets none.
Reply = Callable[[bytes | None], None]
Work = Callable[[messages.Params, "Call"], dict[str, Any]]


class Call:
    """A request that is being worked on: lets the work see that it was cancelled, and tell how far it is."""

    def __init__(self, request_id: RequestId, progress_token: Any, send: Callable[[bytes], None], reply: Reply) -> None:
        self.id = request_id
        self.reply = reply
        self.cancelled = False
        self.was_answered = False
        self._send = send
        self._token = progress_token
        self._last = 0.0

    def is_cancelled(self) -> bool:
        """Tell whether the answer is not wanted any more."""
        return self.cancelled

    def progress(self, done: float, message: str) -> None:
        """Tell the caller how far the work is, if it asked for that; `done` must grow."""
        if isinstance(self._token, RequestId) and not self.cancelled and done > self._last:
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

    def prompts(self) -> list[Prompt]:
        """List the prompts."""

    def get_prompt(self, name: str, call: Call) -> str:
        """Return a prompt's text. Raises ProtocolError for one that does not exist."""


class Connection:
    """The state of one connection. `receive` is called by one thread; `send` must accept messages from any."""

    def __init__(self, application: Application, send: Callable[[bytes], None]) -> None:
        self._application = application
        self._send = send
        self._info = {"name": application.name, "version": application.version}
        capabilities = {"tools": {}, "resources": {"subscribe": True}, "prompts": {}}
        self._offer = {"capabilities": capabilities, "instructions": application.instructions}
        self._version: str | None = None
        self._stateless = False
        self._lock = threading.Lock()  # for the three that follow
        self._calls: dict[RequestId, Call] = {}
        self._listeners: dict[RequestId, frozenset[str]] = {}
        self._subscribed: set[str] = set()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._workers = 0
        self._idle_workers = threading.Semaphore(0)

    @property
    def in_flight(self) -> int:
        """Return how many requests are being worked on."""
        return len(self._calls)

    def receive(self, line: bytes) -> None:
        """Take one line in and answer it, now or from a worker thread. Raises nothing."""
        self._receive(line, self._reply)

    def refuse(self, why: str) -> None:
        """Answer what is no message at all."""
        self._send(messages.failure(None, ProtocolError(messages.INVALID_REQUEST, why)))

    def changed(self, uri: str) -> None:
        """Tell those who subscribed to a resource that it changed. Any thread may call it."""
        with self._lock:
            listening: list[dict[str, Any]] = [{}] if uri in self._subscribed else []
            listening += [{"_meta": {_SUBSCRIPTION: id}} for id, uris in self._listeners.items() if uri in uris]
            for of in listening:
                self._send(messages.notification("notifications/resources/updated", {"uri": uri, **of}))

    def close(self) -> None:
        """Answer the calls that are still open, let their work know that it can stop, and end the subscriptions."""
        with self._lock:
            for call in self._calls.values():
                if not call.cancelled:
                    ended = ProtocolError(messages.INTERNAL_ERROR, "Kioku ended before this was done")
                    call.reply(messages.failure(call.id, ended))
                call.cancelled = call.was_answered = True
            for listener in self._listeners:
                result = self._complete({"_meta": {_SUBSCRIPTION: listener}})
                self._send(messages.answer(listener, result))
            self._listeners.clear()

    # --- messages ---------------------------------------------------------------------------------------------------

    def _reply(self, message: bytes | None) -> None:
        if message is not None:
            self._send(message)

    def _receive(self, line: bytes, reply: Reply) -> None:
        request_id: RequestId | None = None
        try:
            message = msgspec.json.decode(line.decode(), type=messages.Incoming)
            if isinstance(message, list):
                self._receive_batch(message, reply)
                return
            has_id, has_method = message.id is not msgspec.UNSET, message.method is not msgspec.UNSET
            if has_id and has_method:
                if isinstance(message.id, RequestId) and not isinstance(message.id, bool):
                    request_id = message.id
                if request_id is None or message.jsonrpc != "2.0" or not isinstance(message.method, str):
                    raise ProtocolError(messages.INVALID_REQUEST, 'a request has "jsonrpc": "2.0", an id and a method')
                self._request(request_id, message.method, message.params, reply)
                return
            if not has_id and not has_method:
                raise ProtocolError(messages.INVALID_REQUEST, "neither a request, a notification nor an answer")
            if message.method == "notifications/cancelled":
                self._cancel(message.params)
            reply(None)  # other notifications tell us nothing, and answers cannot be: we never ask
        except ProtocolError as error:
            reply(messages.failure(request_id, error))
        except msgspec.ValidationError as error:
            code = messages.INVALID_REQUEST if request_id is None else messages.INVALID_PARAMS
            reply(messages.failure(request_id, ProtocolError(code, str(error))))
        except (ValueError, RecursionError) as error:
            reply(messages.failure(request_id, ProtocolError(messages.PARSE_ERROR, f"not JSON: {error}")))

    def _receive_batch(self, batch: list[msgspec.Raw], reply: Reply) -> None:
        if self._version != messages.BATCH_VERSION or not batch or reply != self._reply:
            raise ProtocolError(messages.INVALID_REQUEST, "batches have content, no batches, and version 2025-03-26")
        together = _Batch(len(batch), self._send)
        for item in batch:
            self._receive(bytes(item), together.reply)

    def _cancel(self, params: msgspec.Raw) -> None:
        with contextlib.suppress(ValueError):  # a notification cannot be answered, not even a wrong one
            target = msgspec.json.decode(params, type=messages.Params).request_id
            with self._lock:
                if target in self._calls:
                    self._calls[target].cancelled = True
                elif target is not None:
                    self._listeners.pop(target, None)

    # --- requests ---------------------------------------------------------------------------------------------------

    def _request(self, request_id: RequestId, method: str, raw_params: msgspec.Raw, reply: Reply) -> None:
        params = msgspec.json.decode(raw_params, type=messages.Params)
        self._settle_era(method, params)
        with self._lock:
            is_open = request_id in self._calls or request_id in self._listeners
        if is_open:
            raise ProtocolError(messages.INVALID_REQUEST, f"request {request_id!r} has not been answered yet")
        work = {
            "tools/call": self._call_tool, "resources/read": self._read_resource, "prompts/get": self._get_prompt,
        }.get(method)  # fmt: skip
        if work is not None:
            self._start(Call(request_id, params.meta.get("progressToken"), self._send, reply), params, work)
        elif method == "subscriptions/listen" and self._stateless:
            self._listen(request_id, params.notifications.resource_subscriptions)
        else:
            reply(messages.answer(request_id, self._complete(self._at_once(method, params))))

    def _at_once(self, method: str, params: messages.Params) -> dict[str, Any]:
        """Return the result of a request that takes no time."""
        match method:
            case "initialize":
                return self._initialize(params)
            case "tools/list":
                return {"tools": self._application.tools(), **_LASTING}
            case "resources/list":
                found = [resource for resource in self._application.resources() if resource.uri is not None]
                return {"resources": found, **_LASTING}
            case "resources/templates/list":
                found = [resource for resource in self._application.resources() if resource.uri_template is not None]
                return {"resourceTemplates": found, **_LASTING}
            case "prompts/list":
                return {"prompts": self._application.prompts(), **_LASTING}
            case "server/discover" if self._stateless:
                return {"supportedVersions": messages.STATELESS_VERSIONS, **self._offer, **_LASTING}
            case "ping" if not self._stateless:
                return {}
            case "resources/subscribe" | "resources/unsubscribe" if not self._stateless:
                with self._lock:
                    (self._subscribed.add if method == "resources/subscribe" else self._subscribed.discard)(params.uri)
                return {}
        raise ProtocolError(messages.METHOD_NOT_FOUND, f"no such method: {method[:200]}")

    def _settle_era(self, method: str, params: messages.Params) -> None:
        """Let the first request decide the era, and hold every later one to it."""
        named = params.meta.get(messages.META + "protocolVersion")
        if self._version is None and named is None:
            if method not in ("initialize", "ping"):
                raise ProtocolError(messages.INVALID_REQUEST, "the first request must be 'initialize'")
        elif self._version is None or self._stateless:
            if named not in messages.STATELESS_VERSIONS or method == "initialize":
                stateful = () if self._stateless else messages.STATEFUL_VERSIONS
                data = {"supported": [*stateful, *messages.STATELESS_VERSIONS], "requested": str(named)}
                text = f"'{method[:200]}' with protocol version {named!r} is not supported here"
                raise ProtocolError(messages.UNSUPPORTED_VERSION, text, data)
            if self._version is None:
                self._version, self._stateless = named, True
                self._meet(params.meta.get(messages.META + "clientInfo"))

    def _initialize(self, params: messages.Params) -> dict[str, Any]:
        known = params.protocol_version in messages.STATEFUL_VERSIONS
        self._version = params.protocol_version if known else messages.STATEFUL_VERSIONS[-1]
        self._meet(params.client_info)
        return {"protocolVersion": self._version, "serverInfo": self._info, **self._offer}

    def _meet(self, client: Any) -> None:
        with contextlib.suppress(msgspec.ValidationError):  # one that does not name itself is served as well
            info = msgspec.convert(client, messages.Implementation)
            self._application.on_client(info.name, info.version)

    def _complete(self, result: dict[str, Any]) -> dict[str, Any]:
        """Add to a result, or leave out of it, what depends on the era."""
        if self._stateless:
            meta = {messages.META + "serverInfo": self._info, **result.get("_meta", {})}
            return {**result, "resultType": "complete", "_meta": meta}
        return {name: value for name, value in result.items() if name not in _LASTING}

    def _listen(self, request_id: RequestId, uris: list[str]) -> None:
        params = {
            "notifications": {"resourceSubscriptions": uris} if uris else {},
            "_meta": {_SUBSCRIPTION: request_id},
        }
        with self._lock:  # nothing may be sent about a subscription before it was acknowledged
            self._send(messages.notification("notifications/subscriptions/acknowledged", params))
            self._listeners[request_id] = frozenset(uris)

    # --- work -------------------------------------------------------------------------------------------------------

    def _start(self, call: Call, params: messages.Params, work: Work) -> None:
        with self._lock:
            self._calls[call.id] = call
        self._work.put(lambda: self._run(call, params, work))
        if not self._idle_workers.acquire(blocking=False) and self._workers < WORKERS:
            self._workers += 1
            threading.Thread(target=self._work_on, daemon=True).start()

    def _work_on(self) -> None:
        while True:
            self._work.get()()
            self._idle_workers.release()

    def _run(self, call: Call, params: messages.Params, work: Work) -> None:
        message: bytes | None = None
        try:
            if not call.cancelled:
                message = messages.answer(call.id, self._complete(work(params, call)))
        except CancelledCallError:
            pass
        except ProtocolError as error:
            if error.code == messages.RESOURCE_NOT_FOUND and self._stateless:
                error.code = messages.INVALID_PARAMS
            message = messages.failure(call.id, error)
        except KiokuError as error:
            message = messages.failure(call.id, ProtocolError(messages.INTERNAL_ERROR, str(error)))
        except Exception as error:  # a defect of ours must not take the connection down
            print(f"kioku: unexpected {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            message = messages.failure(call.id, ProtocolError(messages.INTERNAL_ERROR, f"Kioku failed: {error!r}"))
        with self._lock:  # whoever has the answer may use the id again
            if not call.was_answered:
                call.reply(None if call.cancelled else message)
            del self._calls[call.id]

    def _call_tool(self, params: messages.Params, call: Call) -> dict[str, Any]:
        return self._application.call_tool(params.name, bytes(params.arguments), call).as_result()

    def _read_resource(self, params: messages.Params, call: Call) -> dict[str, Any]:
        found = self._application.read_resource(params.uri, call)
        content = {"uri": found.uri, "mimeType": found.mime_type, "text": found.text}
        return {"contents": [content], **_LASTING, "ttlMs": 0}

    def _get_prompt(self, params: messages.Params, call: Call) -> dict[str, Any]:
        text = self._application.get_prompt(params.name, call)
        return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}


class _Batch:
    """Collects what is to be answered to a batch; it goes out together when each message has had its say."""

    def __init__(self, size: int, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._left = size
        self._answers: list[bytes] = []
        self._lock = threading.Lock()

    def reply(self, message: bytes | None) -> None:
        """Take the answer to one of the messages, or None for one that gets none."""
        with self._lock:
            self._left -= 1
            if message is not None:
                self._answers.append(message)
            if self._left == 0 and self._answers:
                self._send(b"[" + b",".join(self._answers) + b"]")
