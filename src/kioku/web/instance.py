"""The one running page of this account: a port that was free, and a file that says where it is.

The file is readable by the person alone and holds a token, by which a second start asks the first for a ticket. Another
program may have taken the port after a crash: so the page must first prove that it knows the token, which it does
without telling it.
"""

import contextlib
import hmac
import http.client
import os
import secrets
import socket
from collections.abc import Iterator
from typing import Final

import msgspec

from kioku.errors import KiokuError, RefusedPathError
from kioku.settings import user_folder
from kioku.store import locks
from kioku.web.access import TICKETS
from kioku.workspace.plain_files import read_plain, replace_plain

FIRST_PORT: Final = 3456
LAST_PORT: Final = 3465
_WAITS: Final = 2.0  # seconds for an answer of the instance that is running


class PortError(KiokuError):
    """No port is free for the page."""


class Instance(msgspec.Struct, frozen=True):
    """A running page: where it is, what it is called, and the token that programs of the account show."""

    pid: int
    port: int
    name: str
    bearer: str

    def address(self, path: str, ticket: str) -> str:
        """Return an address that lets one browser in and leads to a path."""
        joined = "&" if "?" in path else "?"
        return f"http://127.0.0.1:{self.port}{path}{joined}ticket={ticket}"


def new(port: int) -> Instance:
    """Return a new instance at a port of this process."""
    return Instance(os.getpid(), port, secrets.token_hex(4), secrets.token_urlsafe(32))


def bind(port: int | None) -> socket.socket:
    """Take the port that was asked for, or the first that is free of ten. Raises PortError."""
    ports = range(FIRST_PORT, LAST_PORT + 1) if port is None else (port,)
    for number in ports:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if os.name == "nt":  # there, SO_REUSEADDR would share the port with another program
                listening.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", -5), 1)
            else:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", number))
            listening.listen(128)
        except OSError:
            listening.close()
            continue
        return listening
    if port is None:
        raise PortError(f"the ports {FIRST_PORT} to {LAST_PORT} are all taken", hint="give a free one with --port")
    raise PortError(f"port {port} is taken, or may not be used", hint="leave --port out, or give another")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep other starts of this account waiting: of two at once, the second finds the first."""
    path = os.path.join(_folder(), "dashboard.lock")
    with _reporting(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        locks.lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def announce(instance: Instance) -> None:
    """Write down where the page is, for the person's own programs."""
    replace_plain(_path(), msgspec.json.encode(instance))


def withdraw(instance: Instance) -> None:
    """Remove what was written down, unless another instance has written since."""
    if _announced() == instance:
        with contextlib.suppress(OSError):
            os.unlink(_path())


def running() -> Instance | None:
    """Return the page that is running, if one is: it proves that it knows the token."""
    instance = _announced()
    if instance is None:
        return None
    challenge = secrets.token_hex(16)
    answer = _ask(instance, "GET", f"/health?challenge={challenge}", known=False)
    proof = None if answer is None else answer.get("proof")
    is_ours = isinstance(proof, str) and hmac.compare_digest(proof.encode(), prove(instance.bearer, challenge).encode())
    return instance if is_ours else None


def prove(bearer: str, challenge: str) -> str:
    """Return what only a program that knows the token can say to a challenge."""
    return hmac.new(bearer.encode(), b"kioku page " + challenge.encode(), "sha256").hexdigest()


def ticket_of(instance: Instance) -> str | None:
    """Ask a running page for a ticket; None if it does not give one."""
    answer = _ask(instance, "POST", TICKETS, known=True)
    ticket = None if answer is None else answer.get("ticket")
    return ticket if isinstance(ticket, str) else None


def _ask(instance: Instance, method: str, path: str, *, known: bool) -> dict[str, object] | None:
    connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=_WAITS)
    try:
        headers = {"Authorization": f"Bearer {instance.bearer}"} if known else {}
        connection.request(method, path, headers=headers)
        answer = msgspec.json.decode(connection.getresponse().read(65_536))
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else None


def _announced() -> Instance | None:
    try:
        return msgspec.json.decode(read_plain(_path(), 4096), type=Instance)
    except (OSError, RefusedPathError, msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return None


def _path() -> str:
    return os.path.join(_folder(), "dashboard.json")


def _folder() -> str:
    folder = user_folder("state")
    with _reporting(folder):
        os.makedirs(folder, 0o700, exist_ok=True)
        os.chmod(folder, 0o700)  # it is ours alone, and may be older than this file
    return folder


@contextlib.contextmanager
def _reporting(path: str) -> Iterator[None]:
    """Turn what the system says into an error that names the file or folder."""
    try:
        yield
    except OSError as error:
        raise KiokuError(f"{path} cannot be used: {error.strerror or error}", hint="check its permissions") from error
