"""What sessions taught is kept, decided about by the person, and never comes back against that."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.store.places import ask
from tests.support import Server, kioku


def said(project: Path, *words: str) -> Any:
    done = kioku("discoveries", *words, "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def known(project: Path) -> Path:
    """Return a project in which the assistant remembered something."""
    with Server(project) as server:
        server.initialize()
        server.call("remember", content="Queue workers never share one connection.", type="rule", module="queue")
        server.end()
    return project


def test_what_the_assistant_remembers_is_proposed_and_its_own(known: Path) -> None:
    (row,) = said(known, "list")["discoveries"]
    assert (row["type"], row["state"], row["provenance"]) == ("rule", "proposed", "assistant")
    assert row["module"] == "queue"
    assert row["evidence"][0]["quote"] == "Queue workers never share one connection."


def test_the_person_decides_and_what_was_rejected_does_not_come_back(known: Path) -> None:
    (row,) = said(known, "list")["discoveries"]
    assert said(known, "reject", row["id"][:6])["discoveries"][0]["state"] == "rejected"
    with Server(known) as server:
        server.initialize()
        server.call("remember", content="Queue workers never share a connection.", type="rule")
        server.end()
    assert said(known, "list")["discoveries"] == []
    assert [one["state"] for one in said(known, "list", "--state", "any")["discoveries"]] == ["rejected"]


def test_a_discovery_can_be_edited_added_and_superseded(known: Path) -> None:
    (old,) = said(known, "list")["discoveries"]
    edited = said(known, "edit", old["id"], "Workers have a connection each.", "--type", "pattern")["discoveries"][0]
    assert (edited["content"], edited["type"]) == ("Workers have a connection each.", "pattern")
    new = said(known, "add", "Workers share a pool of connections.", "--type", "pattern")["discoveries"][0]
    assert (new["state"], new["provenance"]) == ("accepted", "person")
    said(known, "supersede", old["id"], new["id"])
    shown = said(known, "show", old["id"])
    assert (shown["state"], shown["superseded_by"]) == ("superseded", new["id"])


def test_an_id_that_is_nobodys_names_the_nearest(known: Path) -> None:
    (row,) = said(known, "list")["discoveries"]
    done = kioku("discoveries", "show", row["id"][:-1] + "?", cwd=known)
    assert done.returncode == 2
    assert row["id"] in done.stderr


def test_a_session_may_remember_so_many_and_no_secret(project: Path) -> None:
    with Server(project) as server:
        server.initialize()
        for number in range(40):
            server.call("remember", content=f"alpha{number} beta{number} gamma{number} delta{number}")
        server.call("remember", content="token ghp_" + "a1B2c3D4e5" * 4)
        server.end()
    rows = said(project, "list", "--limit", "100")["discoveries"]
    assert len(rows) == 30
    assert "ghp_a1B2" not in json.dumps(rows)


def test_deleting_a_session_removes_what_rests_on_it_alone(known: Path) -> None:
    (id,) = ask(known / ".context" / "sessions.db", "SELECT session_id FROM discoveries")[0]
    assert kioku("sessions", "delete", str(id), "--force", cwd=known).returncode == 0
    assert said(known, "list", "--state", "any")["discoveries"] == []
