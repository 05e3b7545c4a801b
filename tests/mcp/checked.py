"""A server whose every message is held against the official SDK's own types, and searches that hang until told."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mcp_types
from mcp_types import methods
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from tests.processes import parent_of
from tests.support import Server, wait_until

STATEFUL = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
STATELESS = "2026-07-28"
CURRENT = "context://session/current"
META = "io.modelcontextprotocol/"


class CheckedServer(Server):
    """A server that fails the test when it sends a message which the protocol does not know so."""

    def __init__(self, project: Path, **options: Any) -> None:
        super().__init__(project, **options)
        self.version = STATEFUL[-1]
        self._methods: dict[Any, str] = {}

    def speak(self, version: str) -> None:
        """Open a connection in a version's era."""
        self.version = version
        if version == STATELESS:
            assert self.request("server/discover")["result"]["supportedVersions"] == [STATELESS]
        else:
            assert self.initialize(version)["result"]["protocolVersion"] == version

    def send(self, method: str, params: Mapping[str, Any] | None = None, **extra: Any) -> int:
        params = dict(params or {})
        if self.version == STATELESS:
            params["_meta"] = {**stateless_meta(), **params.get("_meta", {})}
        request_id = super().send(method, params, **extra)
        self._methods[request_id] = method
        return request_id

    def send_json(self, message: Any) -> None:
        """Send a value as a line."""
        self.send_bytes(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        received: Any = super().receive()
        for message in received if isinstance(received, list) else [received]:
            self._check(message)
        answer: dict[str, Any] = received
        return answer

    def refusal(self) -> dict[str, Any]:
        """Return the error in the next message."""
        error: dict[str, Any] = self.receive()["error"]
        return error

    def notice(self, method: str) -> dict[str, Any]:
        """Return the parameters of the next notification of a kind; others before it are kept."""
        while True:
            for index, message in enumerate(self.notifications):
                if message.get("method") == method:
                    params: dict[str, Any] = self.notifications.pop(index)["params"]
                    return params
            self.notifications.append(self.receive())

    def still_serves(self) -> None:
        """Fail unless a new request is answered, before and after whatever else may come in."""
        method = "tools/list" if self.version == STATELESS else "ping"
        assert "result" in self.request(method)

    def _check(self, message: dict[str, Any]) -> None:
        version = self.version if self.version in KNOWN_PROTOCOL_VERSIONS else STATEFUL[-1]
        mcp_types.jsonrpc_message_adapter.validate_python(message)
        if "method" in message:
            methods.parse_server_notification(message["method"], version, message["params"])
        elif "result" in message and message["id"] in self._methods:
            methods.parse_server_result(self._methods[message["id"]], version, message["result"])


def stateless_meta(version: str = STATELESS, client: str = "test-client") -> dict[str, Any]:
    """Return what every request of a stateless connection carries."""
    return {
        META + "protocolVersion": version,
        META + "clientInfo": {"name": client, "version": "1.2.3"},
        META + "clientCapabilities": {},
    }


class HangingSearch:
    """Makes ripgrep wait in a folder of the project, where it opens a pipe for its list of ignored names."""

    def __init__(self, project: Path, inside: str = ".") -> None:
        (project / inside).mkdir(exist_ok=True)
        self.pipe = project / inside / ".ignore"
        os.mkfifo(self.pipe)

    def let_go(self) -> None:
        """Let every search go on that waits, or will come to wait."""
        waiting = os.open(self.pipe, os.O_RDWR | os.O_NONBLOCK)  # opens for both sides, and so never waits
        self.pipe.unlink()
        os.close(waiting)


def searches_of(server: Server) -> set[int]:
    """Return the processes that a server has started and that are there."""
    return {
        int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent_of(int(entry)) == server.process.pid
    }


def wait_for_search(server: Server) -> None:
    """Return once the server has a child."""
    wait_until(lambda: searches_of(server), "a running search")
