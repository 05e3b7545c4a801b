"""What tests of the page share: a real page in a process of its own, and a program that asks it."""

import http.client
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from tests.support import KIOKU, PATIENCE_S


class Got(NamedTuple):
    """An answer: its status, its headers by small letters, and its text."""

    status: int
    headers: dict[str, str]
    text: str


class Dashboard:
    """`kioku dashboard --no-browser` in a folder, until it is closed."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [*KIOKU, "dashboard", "--no-browser", *options]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.process.communicate()[1]
        self.host = urlsplit(self.address).netloc
        self.path = urlsplit(self.address).path
        self._cookie: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> int:
        """Tell the page to stop; return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Got:
        """Ask with the headers given and none of a browser's."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        try:
            connection.putrequest(method, path, skip_host="Host" in (headers or {}))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, found, answer.read().decode())
        finally:
            connection.close()

    @property
    def cookie(self) -> str:
        """Return the cookie of a browser that was let in, as name=value."""
        if self._cookie is None:
            parts = urlsplit(self.address)
            self._cookie = self.ask(f"{parts.path}?{parts.query}").headers["set-cookie"].split(";")[0]
        return self._cookie

    def get(self, path: str) -> Got:
        """Ask as a browser does that was let in."""
        return self.ask(path, headers={"Cookie": self.cookie, "Sec-Fetch-Site": "same-origin"})


def another_start(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `kioku dashboard --no-browser` where a page runs already."""
    command = [*KIOKU, "dashboard", "--no-browser", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, env=dict(os.environ))
