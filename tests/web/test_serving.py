"""The page as a real process: who gets in, one instance for all, and its end."""

import contextlib
import http.client
import json
import signal
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kioku.web.access import HEADERS
from tests.support import PATIENCE_S, Server
from tests.web.pages import Dashboard, another_start


@pytest.fixture
def recorded(project: Path) -> Path:
    """Return a project in which something was recorded."""
    (project / "a.py").write_text("print(1)\n")
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="a.py")
    return project


def state(home: Path) -> Path:
    return home / ".local" / "state" / "kioku" / "dashboard.json"


def test_an_address_lets_one_browser_in_once_and_leads_to_the_project(recorded: Path) -> None:
    with Dashboard(recorded) as page:
        parts = urlsplit(page.address)
        first = page.ask(f"{parts.path}?{parts.query}&range=week")
        assert (first.status, first.headers["location"]) == (303, f"{parts.path}?range=week")
        cookie = first.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "Domain" not in cookie
        assert page.ask(f"{parts.path}?{parts.query}").status == 401
        shown = page.ask(parts.path, headers={"Cookie": cookie.split(";")[0]})
        assert shown.status == 200
        assert "project" in shown.text


def test_a_browser_that_was_let_in_before_keeps_no_ticket_in_its_address(recorded: Path) -> None:
    with Dashboard(recorded) as page:
        assert page.get(page.path).status == 200
        parts = urlsplit(another_start(recorded).stdout.strip())
        again = page.get(f"{parts.path}?{parts.query}&range=week")
        assert (again.status, again.headers["location"]) == (303, f"{parts.path}?range=week")
        assert page.ask(f"{parts.path}?{parts.query}").status == 401
        used = page.get(f"{parts.path}?{parts.query}")
        assert (used.status, used.headers["location"], "set-cookie" in used.headers) == (303, parts.path, False)


def test_every_answer_shuts_others_out(recorded: Path) -> None:
    with Dashboard(recorded) as page:
        for got in (
            page.get(page.path),
            page.ask("/"),
            page.ask("/health"),
            page.get("/none"),
            page.get("/static/kioku.js"),
        ):
            assert {name: got.headers[name.lower()] for name in HEADERS} == dict(HEADERS)
            assert not [name for name in got.headers if name.startswith("access-control")]
            assert "server" not in got.headers


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Host": "evil.com"}, 421), ({"Host": "0.0.0.0:3456"}, 421), ({"Origin": "http://evil.com"}, 403),
        ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Cookie": "kioku-3456-x=y"}, 401),
        ({}, 401),
    ],
)  # fmt: skip
def test_strangers_are_refused(recorded: Path, changed: dict[str, str], status: int) -> None:
    with Dashboard(recorded) as page:
        assert page.ask(page.path, headers=changed).status == status
        assert page.ask(f"{page.path}?ticket=guessed", headers=changed).status == status
        if "Cookie" not in changed:
            known = page.get(page.path)
            assert known.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_but_reading_is_answered(recorded: Path, method: str) -> None:
    with Dashboard(recorded) as page:
        assert page.ask(page.path, method).status == 405


def test_a_second_start_opens_the_first(recorded: Path, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with Dashboard(recorded) as page:
        again = another_start(recorded)
        assert (again.returncode, urlsplit(again.stdout.strip()).netloc) == (0, page.host)
        parts = urlsplit(again.stdout.strip())
        assert page.ask(f"{parts.path}?{parts.query}").status == 303
        assert urlsplit(another_start(other).stdout.strip()).path == "/"
        refused = another_start(recorded, "--port", "3999")
        assert refused.returncode == 1
        assert f"the page is running at port {page.host.split(':')[1]} already" in refused.stderr
        assert stat.S_IMODE(state(home).stat().st_mode) == 0o600
        assert stat.S_IMODE(state(home).parent.stat().st_mode) == 0o700
    assert not state(home).exists()


def test_what_a_killed_page_left_behind_keeps_nobody_from_starting(recorded: Path, home: Path) -> None:
    with Dashboard(recorded) as page:
        page.process.kill()
        page.process.wait()
        assert state(home).exists()
    with Dashboard(recorded) as page:
        assert page.get(page.path).status == 200
    for nonsense in (b"", b"[]", b'{"pid": 1, "port": "x", "name": 7, "bearer": null}', b"\xff"):
        state(home).write_bytes(nonsense)
        with Dashboard(recorded) as page:
            assert page.get(page.path).status == 200


def test_another_program_at_the_port_is_not_taken_for_the_page(recorded: Path, home: Path) -> None:
    with Dashboard(recorded) as page:
        told = json.loads(state(home).read_text())
        state(home).write_text(json.dumps({**told, "bearer": "another"}))
        with Dashboard(recorded) as second:
            assert second.host != page.host
            assert second.get(second.path).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to_also_with_pages_open(recorded: Path, number: signal.Signals, home: Path) -> None:
    with Dashboard(recorded) as page, contextlib.closing(http.client.HTTPConnection(page.host)) as open_page:
        open_page.request("GET", "/events", headers={"Cookie": page.cookie})
        stream = open_page.getresponse()
        assert stream.readline() == b"retry: 2000\n"
        page.process.send_signal(number)
        stream.read()  # to its end
        page.process.wait(timeout=PATIENCE_S)
    assert not state(home).exists()


def test_a_project_whose_store_came_from_elsewhere_opens_what_is_shown_and_says_so(recorded: Path, home: Path) -> None:
    for known in (home / ".local" / "state" / "kioku" / "stores").iterdir():
        known.unlink()
    with Dashboard(recorded) as page:
        assert page.path == "/"
        assert page.get("/").status == 200
        page.process.terminate()
        assert "kioku doctor --adopt" in page.process.communicate(timeout=PATIENCE_S)[1]


def test_a_state_folder_that_cannot_be_used_is_named(recorded: Path, home: Path) -> None:
    lock = home / ".local" / "state" / "kioku" / "dashboard.lock"
    lock.symlink_to(recorded / "a.py")
    refused = another_start(recorded)
    assert refused.returncode == 1
    assert f"{lock} cannot be used" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_cannot_be_shown_says_why(recorded: Path) -> None:
    with Dashboard(recorded) as page:
        for path, status, words in (
            ("/nowhere", 404, "no such project"), (f"{page.path}/statistics?range=never", 400, "never"),
            (f"{page.path}/session/zzz", 404, "there is no session"), (f"{page.path}/none", 404, "Not Found"),
            (f"{page.path}/timeline?range=2020..2026", 400, "too long"),
        ):  # fmt: skip
            got = page.get(path)
            assert (got.status, words in got.text) == (status, True), got.text
        assert page.get(page.path).status == 200


def test_the_history_of_a_file_is_that_of_no_other(project: Path) -> None:
    for name in ("a.py", "data.py", "[id].py"):
        (project / name).write_text("print(1)\n")
    with Server(project) as server:
        server.initialize()
        server.call("read_file", path="data.py")
        server.call("read_file", path="[id].py")
    with Dashboard(project) as page:
        for name, words in (("a.py", "No session touched it"), ("data.py", "/session/"), ("%5Bid%5D.py", "/session/")):
            assert words in page.get(f"{page.path}/file?path={name}").text
