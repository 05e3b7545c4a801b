"""The gate in front of every page, as the server sees it: no request reaches one without having passed."""

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kioku.web.access import COOKIE_LIVES, HEADERS, Answer, Asked, Gate, clean_address

_REFUSED: Final = {
    Answer.UNKNOWN: "Open the page with 'kioku dashboard': its address works once.\n",
    Answer.FOREIGN: "Another site asked for this.\n",
    Answer.METHOD: "The page is only for reading.\n",
    Answer.ELSEWHERE: "This is another host's name.\n",
}


class Guard:
    """Judges each request, lets tickets be redeemed, and gives every answer the headers that shut others out."""

    def __init__(self, app: ASGIApp, gate: Gate, took: Callable[[int, float], None]) -> None:
        self._app = app
        self._gate = gate
        self._took = took

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on; `scope["state"]["known"]` tells whether anybody showed who they are."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web socket is spoken here

        began = time.perf_counter()

        async def closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._took(message["status"], time.perf_counter() - began)
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        asked = Asked(
            scope["method"], scope["path"], _only(headers, "host"), _only(headers, "origin"),
            _only(headers, "sec-fetch-site"), headers.get("cookie"), _only(headers, "authorization"),
        )  # fmt: skip
        answer = self._gate.judge(asked)
        is_page = answer in (Answer.UNKNOWN, Answer.PERSON) and asked.method == "GET"
        if is_page and (leads := self._redeemed(scope, is_known=answer is Answer.PERSON)) is not None:
            await leads(scope, receive, closed)
        elif answer in _REFUSED:
            await PlainTextResponse(_REFUSED[answer], answer.value)(scope, receive, closed)
        else:
            scope.setdefault("state", {})["known"] = answer is not Answer.ANYBODY
            await self._app(scope, receive, closed)

    def _redeemed(self, scope: Scope, *, is_known: bool) -> Response | None:
        """Return the answer to an address with a ticket that works: a cookie, and the address without it.

        A browser that is let in already is led there with any ticket, and one that works is then used up: it would
        stand in the address, and let others in.
        """
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tickets = [value for name, value in query if name == "ticket"]
        cookie = self._gate.redeem(tickets[0]) if len(tickets) == 1 else None
        if cookie is None and not (is_known and tickets):
            return None
        rest = urlencode([(name, value) for name, value in query if name != "ticket"])
        response = Response(status_code=303, headers={"Location": clean_address(scope["path"], rest)})
        if cookie is not None:
            response.set_cookie(
                self._gate.cookie_name, cookie, max_age=COOKIE_LIVES, path="/", httponly=True, samesite="strict"
            )
        return response


def _only(headers: Headers, name: str) -> str | None:
    """Return a header's value; one that came several times is none that we know."""
    found = headers.getlist(name)
    return found[0] if len(found) == 1 else None if not found else ", ".join(found)
