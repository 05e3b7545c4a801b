"""What the page costs on five years of work: each page's time and size, its first sight, its memory, and the recorder.

Twenty open pages are twenty connections that wait for news, as a browser's tabs do; the recorder's calls are timed with
them and without, in turns.
"""

import http.client
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from scripts.benchmarks.figures import INITIALIZE, KIOKU, Client, Figure, milliseconds, workplace
from scripts.benchmarks.population import DAYS
from scripts.benchmarks.reporting import SESSIONS, made

ROUNDS = 9
OPEN = 20
CALLS = 60
TURNS = 6

PAGES = {
    "now": "", "the timeline of a day": "/timeline?range=2026-10-20",
    "the timeline of a month": "/timeline?range=2026-10",
    "statistics of a month": "/statistics?range=2026-10", "statistics of a year": "/statistics?range=2025",
    "statistics of all": "/statistics?range=all", "files of a year": "/files?range=2025",
    "files of all": "/files?range=all",
    "a file": "/file?path=module_0001", "knowledge": "/knowledge", "a search": "/knowledge?q=merge+commit",
    "health": "/health", "a session": "",
}  # fmt: skip


class Page(NamedTuple):
    """A running page and the way into it."""

    pid: int
    host: str
    path: str
    cookie: dict[str, str]

    def ask(self, path: str) -> tuple[bytes, float]:
        """Return an answer as it came over the wire, and how long it took."""
        connection = http.client.HTTPConnection(self.host)
        began = time.perf_counter()
        connection.request("GET", path, headers={**self.cookie, "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        connection.close()
        assert answer.status == 200, (path, answer.status)
        return body, took

    @property
    def memory(self) -> float:
        """Return what the process holds in memory, in MB."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1000


@contextmanager
def page_of(folder: Path, env: Mapping[str, str]) -> Iterator[Page]:
    """Run the page for a project."""
    command = [*KIOKU, "dashboard", "--no-browser", "--project", str(folder)]
    process = subprocess.Popen(command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().strip())
        connection = http.client.HTTPConnection(address.netloc)
        connection.request("GET", f"{address.path}?{address.query}")
        told = connection.getresponse().getheader("Set-Cookie")
        assert told is not None
        yield Page(process.pid, address.netloc, address.path, {"Cookie": told.split(";")[0]})
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def pages() -> Iterator[Figure]:
    """Ask for every page of a store of 100,000 sessions, and record beside open ones."""
    with workplace() as (project, env):
        folder = project / "full"
        made(folder, SESSIONS, DAYS, env)
        subprocess.run([*KIOKU, "doctor", "--adopt", "--project", str(folder)], env=env, capture_output=True)
        with page_of(folder, env) as page:
            session = json.loads(
                subprocess.run(
                    [*KIOKU, "sessions", "list", "--limit", "1", "--json", "--project", str(folder)], env=env,
                    capture_output=True, check=True,
                ).stdout
            )["sessions"][0]["id"]  # fmt: skip
            for name, rest in PAGES.items():
                path = page.path + (f"/session/{session}" if name == "a session" else rest)
                asked = [page.ask(path) for _ in range(ROUNDS)]
                yield Figure(name, milliseconds([took for _, took in asked]), "ms", 200)
                yield Figure(f"{name}, over the wire", len(asked[0][0]) / 1000, "kB", 300)
            yield from _first_sight(page)
            for _ in range(20):
                for rest in PAGES.values():
                    page.ask(page.path + rest)
            yield Figure("memory of the page after all that", page.memory, "MB", 120)
            yield _recording(folder, page, env)


def _first_sight(page: Page) -> Iterator[Figure]:
    """Open the heaviest pages in Chromium, where there is one, and ask when the largest thing was drawn."""
    from tests.web.browser import program

    found = program()
    if found is None:
        return
    from playwright.sync_api import sync_playwright

    asks = """() => new Promise(done => new PerformanceObserver(list => {
        const entries = list.getEntries(); done(entries[entries.length - 1].startTime);
    }).observe({type: "largest-contentful-paint", buffered: true}))"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        name, _, value = page.cookie["Cookie"].partition("=")
        context.add_cookies([{"name": name, "value": value, "url": f"http://{page.host}"}])
        tab = context.new_page()
        for words in ("statistics of all", "the timeline of a month", "files of all"):
            took = []
            for _ in range(5):
                tab.goto(f"http://{page.host}{page.path}{PAGES[words]}")
                took.append(tab.evaluate(asks))
            yield Figure(f"{words}: largest contentful paint", sorted(took)[2], "ms", 1000)
        browser.close()


def _recording(folder: Path, page: Page, env: dict[str, str]) -> Figure:
    """Time a tool's calls with twenty open pages and with none, in turns."""
    (folder / "a.py").write_text("print(1)\n")
    client = Client([*KIOKU, "serve", "--project", str(folder)], folder, env)
    client.exchange(INITIALIZE)
    took: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(2 * TURNS):
        with ExitStack() as stack:
            for _ in range(OPEN if turn % 2 else 0):
                connection = http.client.HTTPConnection(page.host)
                connection.request("GET", "/events", headers=page.cookie)
                answer = connection.getresponse()
                stack.callback(connection.close)
                stack.callback(answer.close)
            for _ in range(CALLS):
                began = time.perf_counter()
                client.call("read_file", path="a.py")
                took[bool(turn % 2)].append(time.perf_counter() - began)
    with suppress(OSError):
        client.end()
    beside, alone = milliseconds(took[True]), milliseconds(took[False])
    return Figure(f"a call beside {OPEN} open pages / with none", beside / alone, "x", 1.1, f"{alone:.2f} ms")
