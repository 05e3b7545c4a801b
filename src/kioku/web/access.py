"""Who may see the page: rules over a request's headers, apart from any server.

Any program on this machine can reach a port on loopback, and any web page can make a browser send requests to it. So a
request must name this server exactly, must not come from another site, and must show that a person of this account
opened the page: by an address that works once and for a minute, then by a cookie that is bound to the instance and the
port. Programs of the same account show the bearer token from a file that only they can read.
"""

import hmac
import secrets
import threading
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

TICKET_LIVES: Final = 60_000  # ms
_MOST_TICKETS: Final = 64  # that are open at once
COOKIE_LIVES: Final = 30 * 24 * 60 * 60  # seconds; the instance ends sooner

# What every answer says. Nothing is loaded but from here; the few styles and the one script are files.
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Asked(NamedTuple):
    """What the rules look at: the headers as they came, None for one that is missing or came more than once."""

    method: str
    path: str
    host: str | None
    origin: str | None = None
    site: str | None = None
    cookie: str | None = None
    authorization: str | None = None


class Answer(Enum):
    """What becomes of a request: its page, or the status that refuses it."""

    PERSON = 200  # a browser in which a ticket was redeemed
    PROGRAM = 201  # one that knows the bearer token
    ANYBODY = 202  # nobody showed anything, and the path asks for nothing
    UNKNOWN = 401
    FOREIGN = 403
    METHOD = 405
    ELSEWHERE = 421


OPEN: Final = frozenset({"/health"})  # says no more than "ok" to whom nobody knows
TICKETS: Final = "/tickets"  # the one path that is posted to: it makes a ticket for a program that knows the token


class Gate:
    """The secrets of one running instance. Its methods may be called from any thread."""

    def __init__(self, port: int, instance: str, bearer: str, now: Callable[[], int]) -> None:
        self.cookie_name = f"kioku-{port}-{instance}"
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self._bearer = bearer
        self._cookie = secrets.token_urlsafe(32)
        self._now = now
        self._tickets: dict[str, int] = {}  # each with the instant until which it works
        self._lock = threading.Lock()

    def ticket(self) -> str:
        """Return a word that lets one browser in, once, within a minute."""
        ticket = secrets.token_urlsafe(32)
        with self._lock:
            now = self._now()
            self._tickets = {word: until for word, until in self._tickets.items() if now < until}
            while len(self._tickets) >= _MOST_TICKETS:
                del self._tickets[next(iter(self._tickets))]
            self._tickets[ticket] = now + TICKET_LIVES
        return ticket

    def redeem(self, ticket: str) -> str | None:
        """Return the cookie's value for a ticket that works, which it then does no more; None for any other."""
        with self._lock:
            until = self._tickets.pop(ticket, None)
        return self._cookie if until is not None and self._now() < until else None

    def judge(self, asked: Asked) -> Answer:
        """Tell what becomes of a request."""
        if asked.host not in self._hosts:
            return Answer.ELSEWHERE
        if asked.origin is not None and asked.origin != f"http://{asked.host}":
            return Answer.FOREIGN
        if asked.site not in (None, "none", "same-origin"):
            return Answer.FOREIGN
        if asked.method not in ("GET", "HEAD") and (asked.method, asked.path) != ("POST", TICKETS):
            return Answer.METHOD
        if asked.authorization is not None:
            return Answer.PROGRAM if self._knows(asked.authorization) else Answer.UNKNOWN
        if asked.path == TICKETS:
            return Answer.UNKNOWN
        if any(hmac.compare_digest(value, self._cookie.encode()) for value in self._shown(asked.cookie)):
            return Answer.PERSON
        return Answer.ANYBODY if asked.path in OPEN else Answer.UNKNOWN

    def _knows(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), self._bearer.encode())

    def _shown(self, cookie: str | None) -> list[bytes]:
        """Return the values of our cookie that a header has: other servers on this machine may add theirs."""
        pairs = (part.strip().partition("=") for part in (cookie or "").split(";"))
        return [value.encode() for name, _, value in pairs if name == self.cookie_name]


def clean_address(path: str, query: str) -> str:
    """Return the address of this server to which a redeemed ticket leads: never another host's."""
    address = path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not address.isprintable():
        address = "/"
    address = quote(address)
    return f"{address}?{query}" if query else address
