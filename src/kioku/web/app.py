"""The page's addresses, and what answers them. Nothing here changes anything."""

import os
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from kioku import times
from kioku.errors import KiokuError, UsageError
from kioku.web import api
from kioku.web import instance as instances
from kioku.web.access import TICKETS, Gate
from kioku.web.guard import Guard
from kioku.web.instance import Instance
from kioku.web.metrics import CONTENT_TYPE, Metrics
from kioku.web.pages import files, health, knowledge, now, session, statistics, timeline
from kioku.web.pages.knowledge import Asked
from kioku.web.rendering import render
from kioku.web.shelf import Place, Shelf
from kioku.web.watching import Watcher

PAGES: Final = (("", "Now"), ("timeline", "Timeline"), ("statistics", "Statistics"), ("files", "Files"),
    ("knowledge", "Knowledge"), ("health", "Health"))  # fmt: skip
_STATIC: Final = os.path.join(os.path.dirname(__file__), "static")


class Site:
    """What the pages have in common: the stores, the gate and who is waiting for news."""

    def __init__(self, instance: Instance, gate: Gate, shelf: Shelf, watcher: Watcher, metrics: Metrics) -> None:
        self._instance = instance
        self._gate = gate
        self._shelf = shelf
        self._watcher = watcher
        self._metrics = metrics

    def routes(self) -> list[Route | Mount]:
        """Return every address."""
        return [
            Route("/", self.everything),
            Route("/health", self.health),
            Route(TICKETS, self.ticket, methods=["POST"]),
            Route("/events", self.events),
            Route("/metrics", self.figures),
            Route("/api/openapi.json", self.description),
            Route("/api/projects", self.projects),
            *[Route(f"/api/{{place}}/{one.path}", self._answering(one)) for one in api.ENDPOINTS],
            Mount("/static", StaticFiles(directory=_STATIC)),
            Route("/{place}", self.now),
            Route("/{place}/timeline", self.timeline),
            Route("/{place}/statistics", self.statistics),
            Route("/{place}/files", self.files),
            Route("/{place}/file", self.file),
            Route("/{place}/knowledge", self.knowledge),
            Route("/{place}/health", self.state),
            Route("/{place}/session/{id}", self.session),
        ]

    def everything(self, _request: Request) -> Response:
        """Show what is going on in all projects."""
        return self._page("now.html", None, "", lambda at: now.values(self._shelf, self._shelf.places(), at))

    def now(self, request: Request) -> Response:
        """Show what is going on in one project."""
        place = self._place(request)
        return self._page("now.html", place, "", lambda at: now.values(self._shelf, [place], at))

    def timeline(self, request: Request) -> Response:
        """Show days as lanes."""
        place, words = self._place(request), request.query_params.get("range", "week")
        values = lambda at: timeline.values(self._shelf, place, words, at)  # noqa: E731
        return self._page("timeline.html", place, "timeline", values)

    def statistics(self, request: Request) -> Response:
        """Show how much was done."""
        place, words = self._place(request), request.query_params.get("range", "month")
        values = lambda at: statistics.values(self._shelf, place, words, at)  # noqa: E731
        return self._page("statistics.html", place, "statistics", values)

    def session(self, request: Request) -> Response:
        """Show one session."""
        place, id = self._place(request), request.path_params["id"]
        values = lambda at: session.values(self._shelf, place, id, at)  # noqa: E731
        return self._page("session.html", place, "session", values)

    def files(self, request: Request) -> Response:
        """Show which files were worked on."""
        place, words = self._place(request), request.query_params.get("range", "month")
        order = request.query_params.get("order", "heat")
        values = lambda at: files.values(self._shelf, place, words, order, at)  # noqa: E731
        return self._page("files.html", place, "files", values)

    def file(self, request: Request) -> Response:
        """Show the sessions that touched a file."""
        place, path = self._place(request), request.query_params.get("path", "")
        return self._page("file.html", place, "file", lambda at: files.history(self._shelf, place, path, at))

    def knowledge(self, request: Request) -> Response:
        """Show what was learned, and what a search finds."""
        place, given = self._place(request), {**request.query_params, "text": request.query_params.get("q", "")}
        asked = Asked(**{name: given[name] for name in Asked._fields if name in given})
        return self._page(
            "knowledge.html", place, "knowledge", lambda at: knowledge.values(self._shelf, place, asked, at)
        )

    def state(self, request: Request) -> Response:
        """Show whether everything is well."""
        place = self._place(request)
        return self._page("health.html", place, "health", lambda at: health.values(self._shelf, place, at))

    def health(self, request: Request) -> Response:
        """Say that the page runs, and prove to a program that asks for it which page it is.

        Whoever is known hears of every store, and 503 if one cannot be read.
        """
        challenge = request.query_params.get("challenge", "")[:64]
        proof = {"proof": instances.prove(self._instance.bearer, challenge)} if challenge else {}
        if not request.scope["state"]["known"]:
            return JSONResponse({"status": "ok", **proof})
        parts = {place.name: self._shelf.state(place) for place in self._shelf.places()}
        is_well = all(state == "ok" for state in parts.values())
        return JSONResponse(
            {"status": "ok" if is_well else "not ok", "stores": parts, **proof}, 200 if is_well else 503
        )

    def figures(self, _request: Request) -> Response:
        """Give Prometheus its figures."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    def description(self, _request: Request) -> Response:
        """Describe what programs can ask for."""
        return _json(api.description())

    def projects(self, _request: Request) -> Response:
        """Name every project."""
        return _json([api.Project(place.name, place.title) for place in self._shelf.places()])

    def _answering(self, endpoint: api.Endpoint) -> Callable[[Request], Response]:
        """Return what answers an address under `/api`."""

        def answer(request: Request) -> Response:
            place = self._shelf.place(request.path_params["place"])
            if place is None:
                return _json(api.Problem("there is no such project", "/api/projects names them"), 404)
            try:
                given = api.require(endpoint, request.query_params.multi_items())
                return _json(endpoint.ask(api.Asked(self._shelf, place, given, times.now_ms())))
            except UsageError as error:
                return _json(api.Problem(error.message, error.hint), 400)
            except KiokuError as error:
                return _json(api.Problem(error.message, error.hint), 503)

        return answer

    def ticket(self, _request: Request) -> Response:
        """Make a ticket for a program that knows the token."""
        return JSONResponse({"ticket": self._gate.ticket()})

    async def events(self, _request: Request) -> Response:
        """Tell a page whenever something was recorded."""
        return StreamingResponse(self._watcher.events(), media_type="text/event-stream")

    def _place(self, request: Request) -> Place:
        place = self._shelf.place(request.path_params["place"])
        if place is None:
            raise HTTPException(404, "There is no such project on this machine.")
        return place

    def _page(self, template: str, place: Place | None, page: str, values: Callable[[int], dict[str, Any]]) -> Response:
        at = times.now_ms()
        common = {"places": self._shelf.places(), "place": place, "pages": PAGES, "page": page, "now": at, "live": True}
        try:
            return HTMLResponse(render(template, {**common, **values(at)}))
        except UsageError as error:
            return self._problem(place, 404 if page == "session" else 400, "That cannot be shown", error)
        except KiokuError as error:
            return self._problem(place, 503, "The store cannot be read", error)

    def _problem(self, place: Place | None, status: int, title: str, error: KiokuError) -> Response:
        values = {
            "places": self._shelf.places(), "place": place, "pages": PAGES, "page": None, "live": False,
            "title": title, "message": error.message, "hint": error.hint,
        }  # fmt: skip
        return HTMLResponse(render("problem.html", values), status)

    async def unknown(self, _request: Request, error: Exception) -> Response:
        """Answer an address that there is not."""
        assert isinstance(error, HTTPException)
        return self._problem(None, error.status_code, "Not found", KiokuError(str(error.detail)))


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def build(instance: Instance, gate: Gate, shelf: Shelf, watcher: Watcher) -> Guard:
    """Return the application, behind its gate."""
    metrics = Metrics(shelf)
    site = Site(instance, gate, shelf, watcher, metrics)
    squeezed = [Middleware(GZipMiddleware, minimum_size=2_000, compresslevel=3)]
    app = Starlette(routes=site.routes(), middleware=squeezed, exception_handlers={HTTPException: site.unknown})
    return Guard(app, gate, metrics.took)
