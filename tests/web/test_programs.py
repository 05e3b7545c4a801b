"""The page for programs: JSON with its description, figures for Prometheus, and health."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support import Server, kioku
from tests.web.pages import Dashboard, Got


@pytest.fixture
def page(project: Path) -> Iterator[Dashboard]:
    """Return the page of a project with a session in it."""
    (project / "a.py").write_text("print(1)\n")
    with Server(project) as server:
        server.initialize(client="claude-code")
        server.call("read_file", path="a.py")
        server.call("remember", type="rule", content="Never print in the library; log instead.")
    with Dashboard(project) as dashboard:
        yield dashboard


def bearer(home: Path) -> dict[str, str]:
    told = json.loads((home / ".local" / "state" / "kioku" / "dashboard.json").read_text())
    return {"Authorization": f"Bearer {told['bearer']}"}


def ask(page: Dashboard, home: Path, path: str) -> Got:
    return page.ask(path, headers=bearer(home))


def test_reports_are_those_of_the_command_line(page: Dashboard, home: Path, project: Path) -> None:
    name = page.path.strip("/")
    assert kioku("init", cwd=project).returncode == 0
    assert [one["name"] for one in json.loads(ask(page, home, "/api/projects").text)] == [name]
    told = json.loads(ask(page, home, f"/api/{name}/statistics?range=week").text)
    here = json.loads(kioku("stats", "week", "--json", cwd=project).stdout)
    assert told["modules"]
    assert told == {key: here[key] for key in told}
    listed = json.loads(ask(page, home, f"/api/{name}/sessions").text)
    found = json.loads(kioku("sessions", "list", "--json", cwd=project).stdout)
    assert [one["id"] for one in listed["sessions"]] == [one["id"] for one in found["sessions"]]
    one = json.loads(ask(page, home, f"/api/{name}/session?id={listed['sessions'][0]['id'][:6]}").text)
    assert one["tools"] == {"read_file": 1, "remember": 1}
    assert [row["type"] for row in json.loads(ask(page, home, f"/api/{name}/discoveries").text)] == ["rule"]


def test_what_a_store_that_is_not_the_persons_knows_counts_as_the_repositorys(
    page: Dashboard, home: Path, project: Path
) -> None:
    name = page.path.strip("/")
    db = sqlite3.connect(project / ".context" / "sessions.db")
    with db:
        db.execute("UPDATE discoveries SET state = 'accepted'")
        db.execute("UPDATE meta SET value = 'fromelsewhere123' WHERE key = 'store_id'")
    db.close()
    page.end()
    with Dashboard(project) as again:
        (row,) = json.loads(ask(again, home, f"/api/{name}/discoveries").text)
        assert (row["state"], row["provenance"]) == ("proposed", "repository")


def test_what_cannot_be_answered_says_why(page: Dashboard, home: Path) -> None:
    name = page.path.strip("/")
    for path, status, words in (
        ("/api/none/sessions", 404, "no such project"), (f"/api/{name}/statistics?range=never", 400, "never"),
        (f"/api/{name}/sessions?limit=0", 400, "limit"), (f"/api/{name}/sessions?limit=1&limit=2", 400, "twice"),
        (f"/api/{name}/sessions?unknown=1", 400, "there are: range"), (f"/api/{name}/session", 400, "missing"),
        (f"/api/{name}/session?id=zzz", 400, "there is no session"),
        (f"/api/{name}/timeline?range=2020..2026", 400, "long"),
    ):  # fmt: skip
        got = ask(page, home, path)
        assert (got.status, words in got.text) == (status, True), got


def test_the_description_holds_for_whatever_is_asked(page: Dashboard, home: Path) -> None:
    described = json.loads(ask(page, home, "/api/openapi.json").text)
    schema = schemathesis.openapi.from_dict(described)
    schema.config.update(base_url=f"http://{page.host}")
    headers = bearer(home)
    name = page.path.strip("/")
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()

        @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: "schemathesis.Case[Any]") -> None:
            if "place" in case.path_parameters:
                case.path_parameters["place"] = name
            case.call_and_validate(headers=headers, checks=CHECKS)

        check()


LABELS = ("project", "state", "reason")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_prometheus_gets_its_figures(page: Dashboard, home: Path, project: Path) -> None:
    name = page.path.strip("/")
    got = ask(page, home, "/metrics")
    assert got.headers["content-type"].startswith("text/plain")
    found = {
        (sample.name, *(sample.labels.get(name) for name in LABELS)): sample.value
        for family in text_string_to_metric_families(got.text)
        for sample in family.samples
    }
    assert found["kioku_sessions", name, "completed", None] == 1
    assert found["kioku_sessions_ended", name, None, "orphaned"] == 1
    assert found["kioku_activities", name, None, None] >= 2
    assert found["kioku_store_readable", name, None, None] == 1
    assert found["kioku_store_bytes", name, None, None] >= (project / ".context" / "sessions.db").stat().st_size
    assert found["kioku_spool_bytes", None, None, None] == 0
    again = ask(page, home, "/metrics")
    assert 'kioku_request_seconds_count{status="2xx"}' in again.text
    assert page.ask("/metrics").status == 401


def test_health_says_more_to_whom_it_knows(page: Dashboard, home: Path, project: Path) -> None:
    name = page.path.strip("/")
    assert json.loads(page.ask("/health").text) == {"status": "ok"}
    assert json.loads(ask(page, home, "/health").text) == {"status": "ok", "stores": {name: "ok"}}
    store = project / ".context" / "sessions.db"
    (project / "other").write_bytes(b"no store" * 1000)
    (project / "other").replace(store)
    for side in ("-wal", "-shm"):  # a log alone would do, if it held everything
        store.with_name(store.name + side).unlink(missing_ok=True)
    got = ask(page, home, "/health")
    assert (got.status, json.loads(got.text)["status"]) == (503, "not ok")
    assert "sessions.db" in json.loads(got.text)["stores"][name]
    assert json.loads(page.ask("/health").text) == {"status": "ok"}
