"""Whole sessions by the clients that others wrote: the official ones for Python and TypeScript, and the inspector.

Each lists and calls tools, lists and reads resources, is told of a change, sees a call fail, and closes. Then the
session must be in the store as it was.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.subscriptions import ResourceUpdated

import kioku
from kioku.mcp.tools import TOOLS
from mcp import ClientSession, MCPError, StdioServerParameters, stdio_client
from tests.clients import packages
from tests.mcp.checked import CURRENT, STATEFUL, STATELESS
from tests.support import PATIENCE_S, rows

RESOURCES = ["context://project/overview", CURRENT, "context://session/resume", "context://sessions/history"]
TEMPLATES = ["context://module/{name}", "context://session/{id}"]
RECORDED = [
    ("server_start", None, None, None),
    ("file_read", "read_file", "a.txt", 1),
    ("tool_call", "grep_codebase", None, 1),
    ("tool_call", "read_file", "../outside", 0),
    ("tool_call", "no_such_tool", None, 0),
    ("resource_read", None, None, 1),
    ("tool_call", "sessions", None, 1),
    ("server_stop", None, None, None),
]


@pytest.fixture
def project(project: Path) -> Path:
    """Return a project with a file to read and to find."""
    (project / "a.txt").write_text("one\ntwo\n")
    return project


def check_recorded(project: Path, client: str, version: str) -> None:
    """Fail unless the one session in which something was done is there, as it was."""
    columns = "client, client_version, status, end_reason, activities, tool_calls, files"
    sessions = rows(project, f"SELECT {columns} FROM sessions WHERE NOT empty")
    assert sessions == [(client, version, "completed", "stopped", 6, 5, 1)]
    query = "SELECT kind, tool, path, ok FROM activities WHERE session_id = (SELECT id FROM sessions WHERE NOT empty)"
    assert sorted(rows(project, query), key=str) == sorted(RECORDED, key=str)  # two may begin in one millisecond


# --- Python ---------------------------------------------------------------------------------------------------------

ME = types.Implementation(name="python-sdk", version="2.3.0")


# The subscriptions of the stateful era are deprecated in the client, yet they are what that era has.
subscribes = pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")


class Updates:
    """Waits for the first update of a resource that the client hears of."""

    def __init__(self) -> None:
        self._heard = anyio.Event()
        self._uri = ""

    async def handle(self, message: object) -> None:
        assert not isinstance(message, Exception), message
        if isinstance(message, types.ResourceUpdatedNotification):
            self._uri = str(message.params.uri)
            self._heard.set()

    async def first(self) -> str:
        await self._heard.wait()
        return self._uri


async def work(client: ClientSession | Client, update: Callable[[], Awaitable[str]]) -> None:
    """Do what every client does, `update` being ready to tell of the next change, and judge what comes back."""
    assert [tool.name for tool in (await client.list_tools()).tools] == list(TOOLS)
    read = await client.call_tool("read_file", {"path": "a.txt"})
    assert isinstance(read, types.CallToolResult)
    assert read.content == [types.TextContent(text="one\ntwo\n")]
    found = await client.call_tool("grep_codebase", {"pattern": "two"})
    assert isinstance(found, types.CallToolResult)
    assert found.structured_content is not None
    assert found.structured_content["matches"] == [{"path": "a.txt", "line": 2, "text": "two", "is_context": False}]
    failed = await client.call_tool("read_file", {"path": "../outside"})
    assert isinstance(failed, types.CallToolResult)
    assert failed.is_error
    with pytest.raises(MCPError, match="no_such_tool"):
        await client.call_tool("no_such_tool", {})
    assert [str(resource.uri) for resource in (await client.list_resources()).resources] == RESOURCES
    templates = (await client.list_resource_templates()).resource_templates
    assert [template.uri_template for template in templates] == TEMPLATES
    resource = await client.read_resource(CURRENT)
    assert isinstance(resource, types.ReadResourceResult)
    (content,) = resource.contents
    assert isinstance(content, types.TextResourceContents)
    assert "python-sdk" in content.text
    sessions = await client.call_tool("sessions", {})
    assert isinstance(sessions, types.CallToolResult)
    assert not sessions.is_error
    assert await update() == CURRENT


def serving(project: Path) -> StdioServerParameters:
    arguments = ["-m", "kioku", "serve", "--project", str(project)]
    return StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ), cwd=project)


def run(session: Callable[[], Awaitable[None]]) -> None:
    async def in_time() -> None:
        with anyio.fail_after(PATIENCE_S):
            await session()

    anyio.run(in_time)


@asynccontextmanager
async def stateful(project: Path, version: str, updates: Updates) -> AsyncIterator[ClientSession]:
    """Open a session of a version; the client by itself only ever asks for the newest."""
    with (project.parent / "stderr").open("w") as errors:
        async with (
            stdio_client(serving(project), errlog=errors) as (reading, writing),
            ClientSession(reading, writing, message_handler=updates.handle, client_info=ME) as session,
        ):
            if version == STATEFUL[-1]:
                result = await session.initialize()
            else:
                params = types.InitializeRequestParams(
                    protocol_version=version, capabilities=types.ClientCapabilities(), client_info=ME
                )
                result = await session.send_request(types.InitializeRequest(params=params), types.InitializeResult)
                session.adopt(result)
                await session.send_notification(types.InitializedNotification())
            assert result.protocol_version == version
            assert result.server_info == types.Implementation(name="kioku", version=kioku.__version__)
            yield session
    assert (project.parent / "stderr").read_text() == ""


@subscribes
@pytest.mark.parametrize("version", STATEFUL)
def test_the_python_client_completes_a_session_in_each_stateful_version(project: Path, version: str) -> None:
    async def session() -> None:
        updates = Updates()
        async with stateful(project, version, updates) as client:
            await client.send_ping()
            await client.subscribe_resource(CURRENT)
            await work(client, updates.first)
            await client.unsubscribe_resource(CURRENT)

    run(session)
    check_recorded(project, "python-sdk", "2.3.0")


@pytest.mark.parametrize("mode", ["auto", STATELESS])
def test_the_python_client_completes_a_stateless_session(project: Path, mode: Any) -> None:
    async def session() -> None:
        with (project.parent / "stderr").open("w") as errors:
            transport = stdio_client(serving(project), errlog=errors)
            async with Client(transport, mode=mode, client_info=ME) as client:
                assert client.protocol_version == STATELESS
                async with client.listen(resource_subscriptions=[CURRENT]) as changes:
                    assert changes.honored == types.SubscriptionFilter(resource_subscriptions=[CURRENT])

                    async def update() -> str:
                        event = await anext(changes)
                        assert isinstance(event, ResourceUpdated)
                        return str(event.uri)

                    await work(client, update)
                assert await client.list_tools() == await client.list_tools(cache_mode="bypass")
        assert (project.parent / "stderr").read_text() == ""

    run(session)
    check_recorded(project, "python-sdk", "2.3.0")


@subscribes
def test_the_python_client_in_its_old_mode_completes_a_session(project: Path) -> None:
    async def session() -> None:
        updates = Updates()
        with (project.parent / "stderr").open("w") as errors:
            transport = stdio_client(serving(project), errlog=errors)
            async with Client(transport, mode="legacy", client_info=ME, message_handler=updates.handle) as client:
                assert client.protocol_version == STATEFUL[-1]
                assert client.server_info == types.Implementation(name="kioku", version=kioku.__version__)
                await client.subscribe_resource(CURRENT)
                await work(client, updates.first)

    run(session)
    check_recorded(project, "python-sdk", "2.3.0")


# --- Node -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def node_clients() -> None:
    """Install what is missing; without Node or a registry the test is skipped, but not where CI is to find out."""
    try:
        packages.install()
    except packages.MissingError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the Node clients: {error}")
        pytest.skip(f"no Node clients: {error}")


def check_seen(project: Path, script: str, *arguments: str) -> dict[str, Any]:
    """Run a client's script and judge what it saw."""
    done = packages.run(script, sys.executable, str(project), *arguments, cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["server"] == {"name": "kioku", "version": kioku.__version__}
    assert "records this coding session" in seen["instructions"]
    assert seen["tools"] == list(TOOLS)
    assert seen["read"]["content"] == [{"type": "text", "text": "one\ntwo\n"}]
    assert seen["found"]["structuredContent"]["matches"][0]["path"] == "a.txt"
    assert seen["failed"]["isError"] is True
    assert seen["unknown"] == -32602
    assert seen["resources"] == RESOURCES
    assert seen["templates"] == TEMPLATES
    assert seen["resource"][0]["uri"] == CURRENT
    assert seen["sessions"]["structuredContent"]["status"] == "active"
    assert seen["update"]["uri"] == CURRENT
    return seen


@pytest.mark.usefixtures("node_clients")
def test_the_typescript_sdk_completes_a_session(project: Path) -> None:
    check_seen(project, "sdk.mjs")
    check_recorded(project, "typescript-sdk", "1.32.2")


@pytest.mark.usefixtures("node_clients")
@pytest.mark.parametrize(("mode", "version"), [("legacy", STATEFUL[-1]), ("auto", STATELESS), ("pin", STATELESS)])
def test_the_typescript_client_completes_a_session_in_each_mode(project: Path, mode: str, version: str) -> None:
    assert check_seen(project, "client.mjs", mode)["version"] == version
    check_recorded(project, "typescript-client", "2.4.0")


@pytest.mark.usefixtures("node_clients")
def test_the_inspector_lists_calls_and_reads(project: Path) -> None:
    def inspect(method: str, *arguments: str, code: int = 0) -> Any:
        target = [sys.executable, "-m", "kioku", "serve", "--project", str(project)]
        done = packages.run(packages.INSPECTOR, "--cli", *target, "--method", method, *arguments, cwd=project)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    def call(tool: str, *arguments: str, code: int = 0) -> Any:
        return inspect("tools/call", "--tool-name", tool, "--tool-arg", *arguments, code=code)

    assert [tool["name"] for tool in inspect("tools/list", "--strict")["tools"]] == list(TOOLS)
    assert call("read_file", "path=a.txt")["content"][0]["text"] == "one\ntwo\n"
    assert call("grep_codebase", "pattern=two")["structuredContent"]["files"] == 1
    assert call("sessions", "action=list")["isError"] is False
    assert [found["uri"] for found in inspect("resources/list")["resources"]] == RESOURCES
    templates = inspect("resources/templates/list")["resourceTemplates"]
    assert [found["uriTemplate"] for found in templates] == TEMPLATES
    assert inspect("resources/read", "--uri", CURRENT)["contents"][0]["uri"] == CURRENT
    failed = call("read_file", "path=../outside", code=5)
    assert "outside" in json.dumps(failed)
    sessions = rows(project, "SELECT client, client_version, status, end_reason, tool_calls FROM sessions")
    assert {session[0] for session in sessions} == {"inspector-cli"}
    assert {session[2:4] for session in sessions} == {("completed", "stopped")}
    assert sorted(session[4] for session in sessions) == [0, 0, 0, 0, 1, 1, 1, 1]
