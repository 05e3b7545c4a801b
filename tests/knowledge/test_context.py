"""What is known has a place: `kioku show`, the overview and the store agree on which, and use brings things back."""

import json
import os
import posixpath
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kioku.knowledge import context, scoring
from kioku.knowledge.project_yaml import ModuleEntry, ProjectFile
from tests.sessions.stage import MINUTE, T0, Stage, read
from tests.store.test_legacy import build, old_session
from tests.support import KIOKU, Clock, Server, kioku, read_only, rows

DAY = 24 * 60.0
NAMES = ("auth", "billing", "cart", "docs", "web ui")


@pytest.fixture
def known(project: Path, clock: Clock) -> Path:
    """Return a project of five modules of 100 tokens, of which `cart` and `docs` were used, twenty days ago."""
    (project / ".context").mkdir()
    describe(project, NAMES)
    for name in NAMES:
        (project / name).mkdir()
        (project / name / "a.txt").write_text("text\n")
    clock.shift(-20 * DAY)
    with Server(project, env=clock.env) as server:
        server.initialize()
        for path in ("cart/a.txt", "docs/a.txt", "docs/a.txt"):
            server.call("read_file", path=path)
        server.end()
    assert kioku("show", cwd=project, env=clock.env).returncode == 0
    clock.shift(5 * DAY)
    return project


def describe(project: Path, names: tuple[str, ...], size: int = 400) -> None:
    """Write project.yaml with modules of `size` bytes each."""
    lines = ["name: shop", "modules:"]
    for name in names:
        lines += [f"  {name}:", f"    path: {name}", f"    description: {'x' * (size - 2 * len(name) - 2)}"]
    (project / ".context" / "project.yaml").write_text("\n".join(lines) + "\n")


def shown(project: Path, clock: Clock, budget: int | None = None) -> dict[str, Any]:
    """Return what `kioku show --json` says of the context, after checking that its text says the same."""
    env = {**clock.env, **({} if budget is None else {"KIOKU_CONTEXT_TOKEN_BUDGET": str(budget)})}
    done = kioku("show", "--json", cwd=project, env=env)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["context"]
    text = kioku("show", cwd=project, env=env).stdout
    for place in ("active", "archived"):
        named = [line.split("\t")[2] for line in text.splitlines() if line.startswith(f"{place}\t")]
        assert named == [item["name"] for item in found[place]]
    assert found["tokens"] == sum(item["tokens"] for item in found["active"])
    return found


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def resource(server: Server, uri: str) -> str:
    (content,) = server.request("resources/read", {"uri": uri})["result"]["contents"]
    text: str = content["text"]
    return text


def test_items_are_scored_by_when_and_how_often_they_were_used(known: Path, clock: Clock) -> None:
    found = shown(known, clock)
    assert (found["token_budget"], found["tokens"], found["archived"]) == (20_000, 500, [])
    items = {item["name"]: item for item in found["active"]}
    assert {name: item["accesses"] for name, item in items.items()} == {
        "auth": 0, "billing": 0, "cart": 1, "docs": 2, "web ui": 0,
    }  # fmt: skip
    for item in items.values():
        assert item["recency"] == pytest.approx(25 / 30, abs=0.001)
        assert item["score"] == pytest.approx(0.6 * item["recency"] + 0.4 * item["accesses"] / 100)
    assert names(found["active"])[:2] == ["docs", "cart"]
    assert "used 2 times in 30 days, last 5 d ago" in items["docs"]["why"]
    assert "not used yet, new 5 d ago" in items["auth"]["why"]


def test_at_80_percent_of_the_budget_the_lowest_fifth_is_archived_and_stays_known(known: Path, clock: Clock) -> None:
    assert shown(known, clock, 626)["archived"] == []
    found = shown(known, clock, 625)
    assert names(found["archived"]) == ["auth"]
    assert "of the lowest-scored fifth when 80 % of the budget was reached" in found["archived"][0]["why"]
    before = rows(known, "SELECT * FROM context_items ORDER BY id")
    clock.shift(DAY)
    assert names(shown(known, clock, 625)["archived"]) == ["auth"], "it goes once, not once a look"
    assert rows(known, "SELECT * FROM context_items ORDER BY id") == before, (
        "nor is anything written when nothing is new"
    )
    assert rows(known, "SELECT status, count(*) FROM context_items GROUP BY 1") == [("active", 4), ("archived", 1)]
    assert names(shown(known, clock)["archived"]) == ["auth"], "room alone brings nothing back"
    assert kioku("show", "--module", "auth", cwd=known).returncode == 0


def test_the_overview_leaves_archived_modules_out_until_they_are_asked_for_by_name(known: Path, clock: Clock) -> None:
    with Server(known, env={**clock.env, "KIOKU_CONTEXT_TOKEN_BUDGET": "500"}) as server:
        server.initialize()
        overview = resource(server, "context://project/overview")
        assert [name for name in NAMES if f"- {name} " in overview] == ["cart", "docs", "web ui"]
        assert "(2 modules not used lately left out; context://module/NAME brings one back)" in overview
        assert "# billing" in resource(server, "context://module/billing")
        overview = resource(server, "context://project/overview")
        assert [name for name in NAMES if f"- {name} " in overview] == ["billing", "cart", "docs"], "others make room"
        assert "# web ui" in resource(server, f"context://module/{quote('web ui')}")
        overview = resource(server, "context://project/overview")
        assert "- web ui " in overview
        server.end()
    found = shown(known, clock, 500)
    items = {item["name"]: item for item in (*found["active"], *found["archived"])}
    assert (items["billing"]["accesses"], items["web ui"]["accesses"], items["auth"]["accesses"]) == (1, 1, 0)
    assert names(found["archived"]) == ["cart", "auth"]


def test_an_archived_module_is_back_when_a_file_of_it_is_read(known: Path, clock: Clock) -> None:
    assert names(shown(known, clock, 625)["archived"]) == ["auth"]
    clock.shift(1)
    with Server(known, env=clock.env) as server:
        server.initialize()
        server.call("read_file", path="auth/a.txt")
        server.end()
    found = shown(known, clock, 625)
    assert names(found["archived"]) == ["billing"]
    assert names(found["active"])[0] == "auth"


def test_discoveries_are_items_that_go_and_come_with_their_module(known: Path, clock: Clock) -> None:
    now = rows(known, "SELECT max(started_at) FROM sessions")[0][0]
    db = sqlite3.connect(known / ".context" / "sessions.db")
    for id, state, module in (("d1", "accepted", "auth"), ("d2", "proposed", None), ("d3", "rejected", "auth")):
        db.execute(
            "INSERT INTO discoveries (id, type, content, module, state, provenance, created_at, updated_at)"
            " VALUES (?, 'rule', ?, ?, ?, 'user', ?, ?)",
            (id, "never retry " * 10, module, state, now, now),
        )
    db.commit()
    db.close()
    found = shown(known, clock)
    discoveries = [item for item in found["active"] if item["type"] == "rule"]
    assert names(discoveries) == ["d1", "d2"]
    assert {item["tokens"] for item in discoveries} == {30}
    assert set(names(shown(known, clock, 690)["archived"])) == {"d1", "d2"}
    with Server(known, env={**clock.env, "KIOKU_CONTEXT_TOKEN_BUDGET": "690"}) as server:
        server.initialize()
        clock.shift(1)
        server.call("read_file", path="auth/a.txt")
        server.end()
    found = shown(known, clock, 690)
    assert "d1" in names(found["active"])
    assert "never retry" not in str(rows(known, "SELECT * FROM context_items")), "its text is kept in one place only"


def test_what_was_archived_keeps_its_instant_however_its_use_grows_old(known: Path, clock: Clock) -> None:
    (since,) = {item["archived_at"] for item in shown(known, clock, 100)["archived"]}
    clock.shift(31 * DAY)
    shown(known, clock, 100)
    found = shown(known, clock, 100)
    assert {item["archived_at"] for item in found["archived"]} == {since}
    assert {item["accesses"] for item in found["archived"]} == {0}
    assert all("archived 31 d ago" in item["why"] for item in found["archived"])


def test_a_module_that_is_gone_from_the_file_is_no_item_any_more(known: Path, clock: Clock) -> None:
    assert names(shown(known, clock, 625)["archived"]) == ["auth"]
    describe(known, ("cart", "docs"), 800)
    found = shown(known, clock)
    assert (names(found["active"]), found["archived"], found["tokens"]) == (["docs", "cart"], [], 400)
    assert rows(known, "SELECT count(*), sum(tokens) FROM context_items") == [(2, 400)]


def test_a_store_that_cannot_be_written_shows_the_same_and_keeps_its_rows(known: Path, clock: Clock) -> None:
    expected = shown(known, clock, 700)
    before = rows(known, "SELECT * FROM context_items ORDER BY id")
    env = {**os.environ, **clock.env, "KIOKU_CONTEXT_TOKEN_BUDGET": "625"}
    with read_only(known / ".context") as prefix:
        done = subprocess.run([*prefix, *KIOKU, "show", "--json"], cwd=known, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["context"]
    assert names(found["archived"]) == ["auth"], "it shows what would be"
    assert [item["tokens"] for item in found["active"]] == [item["tokens"] for item in expected["active"]][:4]
    assert rows(known, "SELECT * FROM context_items ORDER BY id") == before


def test_where_nothing_was_recorded_what_is_known_is_shown_all_the_same(project: Path, clock: Clock) -> None:
    (project / ".context").mkdir()
    describe(project, NAMES)
    assert names(shown(project, clock)["active"]) == sorted(NAMES)
    shutil.rmtree(project / ".context")
    assert shown(project, clock) == {"token_budget": 20_000, "tokens": 0, "active": [], "archived": []}


def test_items_of_the_older_program_have_their_places_too_and_lose_nothing(project: Path, clock: Clock) -> None:
    (project / ".context").mkdir()
    build(project / ".context" / "sessions.db", [old_session("plain")], discoveries=[])
    assert set(names(shown(project, clock)["active"])) == {"c1", "c2"}
    columns = "id, type, content, metadata_json, created_at"
    before = rows(project, f"SELECT {columns} FROM context_items ORDER BY id")
    assert names(shown(project, clock, 126)["archived"]) == []
    assert names(shown(project, clock, 125)["archived"]) == ["c1", "c2"]
    assert rows(project, f"SELECT {columns} FROM context_items ORDER BY id") == before


def test_the_budget_is_a_setting_of_the_project_too(known: Path, clock: Clock) -> None:
    (known / ".context" / "config.toml").write_text("[context]\ntoken_budget = 625\n")
    assert names(shown(known, clock)["archived"]) == ["auth"]
    (known / ".context" / "config.toml").write_text("[context]\ntoken_budget = 0\n")
    assert "from 100 to" in kioku("show", cwd=known).stderr


paths = st.lists(st.sampled_from(("a", "b", "c")), min_size=1, max_size=4).map("/".join)


@settings(max_examples=40, deadline=None)
@given(
    modules=st.dictionaries(st.text(min_size=1, max_size=4), st.none() | paths | st.just("."), max_size=4),
    uses=st.lists(st.tuples(paths, st.integers(0, 45 * 24 * 60), st.booleans()), max_size=15),
    budget=st.integers(1, 60),
)
def test_what_is_counted_is_what_the_sessions_of_30_days_say(
    modules: dict[str, str | None], uses: list[tuple[str, int, bool]], budget: int
) -> None:
    file = ProjectFile(modules={name: ModuleEntry(path=path) for name, path in modules.items()})
    now = T0 + 45 * 24 * 60 * MINUTE
    with Stage() as stage:
        stream = stage.stream()
        for key, (path, minute, edit) in enumerate(uses, 1):
            stage.take(stream, [read(key, minute * MINUTE, path, edit=edit)], now)
        found = context.look(file, stage.store, budget=budget, now=now)
        query = (
            """SELECT path, reads + edits FROM session_files JOIN sessions ON id = session_id WHERE started_at >= ?"""
        )
        told = stage.store.read(lambda db: list(db.execute(query, (now - scoring.RECENT_MS,))))
        for entry in found.entries:
            counted = sum(count for path, count in told if entry.name in deepest(path, modules))
            assert entry.accesses == counted
        again = context.look(file, stage.store, budget=budget, now=now + MINUTE)
        assert [entry.archived_at for entry in sorted(again.entries, key=lambda entry: entry.id)] == [
            entry.archived_at for entry in sorted(found.entries, key=lambda entry: entry.id)
        ]
        assert found.used < 0.8 * budget


def deepest(path: str, modules: dict[str, str | None]) -> set[str]:
    """Return the modules whose folder is the nearest above a file, or the file itself."""
    while True:
        here = {name for name, place in modules.items() if (place or ".") == (path or ".")}
        if here or not path:
            return here
        path = posixpath.dirname(path)
