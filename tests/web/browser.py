"""A real Chromium for tests of the page: the system's own, headless, which may speak to loopback alone."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.clients.packages import MODULES, MissingError, install
from tests.web.pages import Dashboard

Scheme = Literal["light", "dark"]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def program() -> str | None:
    """Return the path of the system's Chromium."""
    return os.environ.get("TEST_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def started() -> Iterator[Browser]:
    """Start a Chromium; a test that needs one is skipped where there is none."""
    found = program()
    if found is None:
        pytest.skip("Chromium is missing: install it, or name it in TEST_CHROMIUM")
    with sync_playwright() as playwright:
        # A container has no sandbox of its own to give, and its shared memory is small.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A person with a browser who was let in: opens pages, and keeps what went wrong on them."""

    def __init__(
        self,
        browser: Browser,
        dashboard: Dashboard,
        *,
        width: int = 1280,
        scheme: Scheme = "light",
        scripts: bool = True,
    ) -> None:
        self._dashboard = dashboard
        self.wrong: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
        )
        name, _, value = dashboard.cookie.partition("=")
        address = f"http://{dashboard.host}"
        self.context.add_cookies([{"name": name, "value": value, "url": address}])
        self.page: Page = self.context.new_page()
        self.page.on(
            "console", lambda told: self.wrong.append(told.text) if told.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self._check(request.url))

    def _check(self, url: str) -> None:
        if urlsplit(url).netloc != self._dashboard.host:
            self.wrong.append(f"asked another host: {url}")

    def open(self, path: str) -> Page:
        """Open a page and wait until it has loaded."""
        self.page.goto(f"http://{self._dashboard.host}{path}", wait_until="load")
        return self.page

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return found

    def violations(self) -> list[Any]:
        """Return what axe-core finds wrong for people who do not see, or not well, or use no pointer."""
        # The page's own policy lets no script in from outside: axe runs beside it, as a debugger's does.
        try:
            install()
        except MissingError as error:
            pytest.skip(str(error))
        session = self.context.new_cdp_session(self.page)
        source = (MODULES / "axe-core" / "axe.min.js").read_text()
        session.send("Runtime.evaluate", {"expression": source})
        found = session.send(
            "Runtime.evaluate",
            {"expression": "axe.run().then(found => JSON.stringify(found.violations.map(one => [one.id, one.nodes.map("
                           "node => node.html.slice(0, 200))])))", "awaitPromise": True, "returnByValue": True},
        )  # fmt: skip
        told: list[Any] = json.loads(found["result"]["value"])
        return told

    def close(self) -> None:
        self.context.close()
