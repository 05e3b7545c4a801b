"""Every page in a real browser: whole, calm, readable by everybody, and the same figures as the command line's."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from tests.support import Server, kioku
from tests.web import browser as chromium
from tests.web.browser import Scheme, Visitor
from tests.web.pages import Dashboard

PAGES = ("", "/timeline?range=week", "/statistics?range=month", "/files?range=month", "/file?path=a.py",
         "/knowledge?q=never+print", "/health")  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.started() as found:
        yield found


def record(project: Path, *, calls: int = 3) -> Server:
    """Record a session that goes on, with a decision in it."""
    (project / "a.py").write_text("print(1)\n")
    server = Server(project)
    server.initialize(client="claude-code")
    for _ in range(calls):
        server.call("read_file", path="a.py")
    server.call("remember", type="rule", content="Never print in the library; log instead.")
    return server


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280, 1920])
def test_every_page_is_whole_at_every_width_in_light_and_dark(
    browser: Browser, project: Path, width: int, scheme: Scheme
) -> None:
    with record(project), Dashboard(project) as dashboard:
        visitor = Visitor(browser, dashboard, width=width, scheme=scheme)
        session = visitor.open(dashboard.path).locator("a[href*='/session/']").first.get_attribute("href")
        assert session
        for path in ("/", *(dashboard.path + page for page in PAGES), session):
            page = visitor.open(path)
            assert page.locator("h1").count() == 1
            assert visitor.overflow() <= 0, path
            assert visitor.violations() == [], path
        assert visitor.wrong == []
        visitor.close()


def test_a_project_without_any_session_has_every_page(browser: Browser, project: Path) -> None:
    with Server(project) as server:
        server.initialize()
    store = project / ".context" / "sessions.db"
    db = sqlite3.connect(store)
    assert db.execute("SELECT count(*) FROM sessions WHERE empty = 0").fetchone() == (0,)
    db.close()
    with Dashboard(project) as dashboard:
        visitor = Visitor(browser, dashboard, width=375)
        for page in PAGES:
            visitor.open(dashboard.path + page)
            assert visitor.overflow() <= 0
            assert visitor.violations() == []
        assert visitor.wrong == []
        visitor.close()


def test_what_is_recorded_appears_on_an_open_page(browser: Browser, project: Path) -> None:
    with record(project) as server, Dashboard(project) as dashboard:
        visitor = Visitor(browser, dashboard)
        page = visitor.open(dashboard.path)
        calls = page.locator(".card dd", has_text="calls")
        before = calls.inner_text()
        server.call("read_file", path="a.py")
        expect(calls).not_to_have_text(before)
        assert visitor.wrong == []
        visitor.close()


def test_a_page_that_nobody_sees_waits_for_nothing_and_is_up_to_date_when_it_is_seen_again(
    browser: Browser, project: Path
) -> None:
    shows = """hidden => {
        Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with record(project) as server, Dashboard(project) as dashboard:
        visitor = Visitor(browser, dashboard)
        page = visitor.open(dashboard.path)
        calls = page.locator(".card dd", has_text="calls")
        before = calls.inner_text()
        with page.expect_event("requestfailed", lambda request: request.url.endswith("/events")):
            page.evaluate(shows, True)
        server.call("read_file", path="a.py")
        assert calls.inner_text() == before
        page.evaluate(shows, False)
        expect(calls).not_to_have_text(before)
        assert visitor.wrong == []
        visitor.close()


def test_without_scripts_all_figures_are_there(browser: Browser, project: Path) -> None:
    with record(project), Dashboard(project) as dashboard:
        texts = []
        for scripts in (True, False):
            visitor = Visitor(browser, dashboard, scripts=scripts)
            found = []
            for page in PAGES[1:5]:
                main = visitor.open(dashboard.path + page).locator("main")
                found.append(main.inner_text())
            texts.append(found)
            visitor.close()
        assert texts[0] == texts[1]


def test_figures_are_the_command_lines(browser: Browser, project: Path) -> None:
    with record(project, calls=5):
        pass
    told = json.loads(kioku("stats", "week", "--json", cwd=project).stdout)
    with Dashboard(project) as dashboard:
        visitor = Visitor(browser, dashboard)
        page = visitor.open(f"{dashboard.path}/statistics?range=week")
        figures = dict(
            zip(
                page.locator(".figures dt").all_inner_texts(), page.locator(".figures dt + dd").all_inner_texts(),
                strict=True,
            )
        )  # fmt: skip
        assert figures["sessions"] == str(told["sessions"])
        assert figures["calls · prompts"] == f"{told['calls']} · {told['prompts']}"
        assert [row.inner_text().split("\t")[0] for row in page.locator("h2:text('Tools') + div tbody tr").all()] == [
            tool["name"] for tool in told["tools"]
        ]
        visitor.close()


MARKUP = "<script>wrong()</script><img src=x onerror=wrong()>\"'><svg onload=wrong()>&amp;{{7*7}}\u202e\x00"


def test_markup_in_every_stored_field_is_inert(browser: Browser, project: Path) -> None:
    with record(project):
        pass
    db = sqlite3.connect(project / ".context" / "sessions.db")
    with db:
        db.execute("UPDATE sessions SET title = ?1, branch = ?1, client = ?1, client_version = ?1", (MARKUP,))
        named = "SELECT path FROM touched UNION SELECT tool FROM reports UNION SELECT path FROM reports"
        db.execute(f"UPDATE names SET text = ?1 || id WHERE id IN ({named})", (MARKUP,))
        db.execute("UPDATE discoveries SET content = ?1, module = ?1, type = ?1, provenance = ?1", (MARKUP,))
        db.execute("UPDATE reports SET detail = ?1", (MARKUP,))
    db.close()
    (project / ".context" / "project.yaml").write_text(f"modules:\n  {json.dumps(MARKUP[:40])}:\n    path: .\n")
    with Dashboard(project) as dashboard:
        visitor = Visitor(browser, dashboard)
        page = visitor.open(dashboard.path)
        session = page.locator("a[href*='/session/']").first.get_attribute("href")
        assert session
        hostile = quote(MARKUP)
        pages = [*(dashboard.path + page for page in PAGES), session, f"{dashboard.path}/file?path={hostile}",
                 f"{dashboard.path}/knowledge?q={hostile}&date={hostile}&module={hostile}",
                 f"{dashboard.path}/statistics?range={hostile}"]  # fmt: skip
        for path in pages:
            visitor.open(path)
            assert page.evaluate("document.querySelectorAll('main script, main img, [onload], [onerror]').length") == 0
            assert "\u202e" not in page.locator("main").inner_text()
            assert visitor.overflow() <= 0, path
        refused = "Failed to load resource: the server responded with a status of 400 (Bad Request)"
        assert [told for told in visitor.wrong if told != refused] == []
        visitor.close()


def test_the_keyboard_alone_reaches_everything(browser: Browser, project: Path) -> None:
    with record(project), Dashboard(project) as dashboard:
        visitor = Visitor(browser, dashboard)
        for path in PAGES:
            page = visitor.open(dashboard.path + path)
            links = page.evaluate(
                "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')].length"
            )
            reached = set()
            for _ in range(links + 40):
                page.keyboard.press("Tab")
                at = page.evaluate(
                    "(e => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')]"
                    ".indexOf(e))(document.activeElement)"
                )
                reached.add(at)
            assert len(reached - {-1}) == links, path
        visitor.close()
