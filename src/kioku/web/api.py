"""The same reports for programs: JSON under `/api`, and its OpenAPI description, which is made of the types."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from kioku import __version__
from kioku.errors import UsageError
from kioku.knowledge.believing import believed
from kioku.models import Session
from kioku.reports import sessions
from kioku.reports.listing import Listing, Wanted, listing
from kioku.reports.sessions import Activity
from kioku.reports.statistics import Statistics
from kioku.store import discoveries
from kioku.web.pages.statistics import figures
from kioku.web.pages.timeline import lanes_of
from kioku.web.shelf import Place, Shelf, range_of

MOST: Final = 1000  # sessions in one answer


class Project(msgspec.Struct, frozen=True):
    """A project of this machine: its name in addresses, and for people."""

    name: str
    title: str


class OneSession(msgspec.Struct, frozen=True):
    """A session with its files, tools and latest activities."""

    session: Session
    files: list[Any]
    tools: dict[str, int]
    latest: list[Activity]


class LaneOf(msgspec.Struct, frozen=True):
    """A session and the stretches in which it was active, (since, until) in ms."""

    session: Session
    stretches: list[tuple[int, int]]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is no answer, and what to do next."""

    error: str
    hint: str | None = None


class Parameter(NamedTuple):
    """Something that an address may say: its name, what it is, and how it is described to programs."""

    name: str
    says: str
    schema: dict[str, Any]
    required: bool = False


_TEXT: Final[dict[str, Any]] = {"type": "string"}
RANGE: Final = Parameter("range", "today, week, month, year, all, a date, or two dates with .. between", _TEXT)


class Asked(NamedTuple):
    """A question: the project that it is about, what the address says, and the instant at which it is asked."""

    shelf: Shelf
    place: Place
    given: dict[str, str]
    now: int


class Endpoint(NamedTuple):
    """An address: what follows the project's name in it, what it answers, and its type."""

    path: str
    says: str
    answer: type
    parameters: Sequence[Parameter]
    ask: Callable[[Asked], Any]


def _sessions(asked: Asked) -> Listing:
    given = asked.given
    with asked.shelf.opened(asked.place) as store:
        span = range_of(asked.place, store, given["range"], asked.now)[1] if "range" in given else None
        wanted = Wanted(
            since=span and span.since, until=span and span.until, client=given.get("client"),
            branch=given.get("branch"), file=given.get("file"), text=given.get("text"),
            limit=int(given.get("limit", "20")),
        )  # fmt: skip
        return store.read(lambda db: listing(db, wanted, now=asked.now, judge=asked.place.judge))


def _session(asked: Asked) -> OneSession:
    with asked.shelf.opened(asked.place) as store:
        found = store.read(
            lambda db: sessions.find(db, asked.given["id"], now=asked.now, judge=asked.place.judge)
        )  # fmt: skip
        return OneSession(
            found,
            list(store.read(lambda db: sessions.files(db, found.id))),
            dict(store.read(lambda db: sessions.tools(db, found.id))),
            store.read(lambda db: sessions.activities(db, found.id)),
        )


def _statistics(asked: Asked) -> Statistics:
    with asked.shelf.opened(asked.place) as store:
        return figures(asked.place, store, asked.given.get("range", "week"), asked.now).found


def _timeline(asked: Asked) -> list[LaneOf]:
    with asked.shelf.opened(asked.place) as store:
        found, _, _ = lanes_of(asked.place, store, asked.given.get("range", "today"), asked.now)
    return [LaneOf(lane.session, lane.stretches) for lane in found]


def _discoveries(asked: Asked) -> list[discoveries.Row]:
    with asked.shelf.opened(asked.place) as store:
        registered = store.is_registered
        return [believed(row, registered=registered) for row in store.read(discoveries.every)]


ENDPOINTS: Final = (
    Endpoint(
        "sessions", "The latest sessions.", Listing,
        (
            RANGE,
            Parameter("client", "Only this client's.", _TEXT),
            Parameter("branch", "Only of this branch.", _TEXT),
            Parameter("file", "Only those that touched a file with this in its path.", _TEXT),
            Parameter("text", "Only those in which this was said.", _TEXT),
            Parameter("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": MOST}),
        ),
        _sessions,
    ),
    Endpoint(
        "session", "One session.", OneSession,
        (Parameter("id", "Its id, or the beginning of it.", _TEXT, required=True),), _session,
    ),
    Endpoint("statistics", "How much was done, when, and on what.", Statistics, (RANGE,), _statistics),
    Endpoint("timeline", "Which sessions ran when, of at most 31 days.", list[LaneOf], (RANGE,), _timeline),
    Endpoint("discoveries", "What sessions taught.", list[discoveries.Row], (), _discoveries),
)  # fmt: skip


def require(endpoint: Endpoint, given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return what an address says, by name. Raises UsageError for what the endpoint does not know, or cannot use."""
    known = {one.name: one for one in endpoint.parameters}
    found: dict[str, str] = {}
    for name, value in given:
        if name not in known:
            raise UsageError(f"'{name[:40]}' is not asked for here", hint=f"there are: {', '.join(known) or 'none'}")
        if name in found:
            raise UsageError(f"'{name}' is given twice", hint="leave one of them out")
        if known[name].schema["type"] == "integer" and not _is_number(value):
            raise UsageError(f"'{name}' is no number from 1 to {MOST}", hint="such as 20")
        found[name] = value
    for one in endpoint.parameters:
        if one.required and one.name not in found:
            raise UsageError(f"'{one.name}' is missing", hint=one.says)
    return found


def _is_number(text: str) -> bool:
    return len(text) < 6 and text.isascii() and text.isdecimal() and 0 < int(text) <= MOST


def description() -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of every address under `/api`."""
    types = [endpoint.answer for endpoint in ENDPOINTS] + [list[Project], Problem]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    *answers, projects, problem = schemas
    place = {"name": "place", "in": "path", "required": True, "schema": _TEXT, "description": "A project's name."}
    paths: dict[str, Any] = {"/api/projects": {"get": _operation("projects", "Every project.", [], projects, problem)}}
    for endpoint, answer in zip(ENDPOINTS, answers, strict=True):
        parameters = [place] + [
            {"name": one.name, "in": "query", "required": one.required, "schema": one.schema, "description": one.says}
            for one in endpoint.parameters
        ]
        operation = _operation(endpoint.path, endpoint.says, parameters, answer, problem)
        paths[f"/api/{{place}}/{endpoint.path}"] = {"get": operation}
    return {
        "openapi": "3.1.0", "info": {"title": "Kioku", "version": __version__}, "paths": paths,
        "components": {
            "schemas": components, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}],
    }  # fmt: skip


def _operation(
    name: str, says: str, parameters: list[dict[str, Any]], answer: dict[str, Any], problem: dict[str, Any]
) -> dict[str, Any]:
    def body(schema: dict[str, Any], words: str) -> dict[str, Any]:
        return {"description": words, "content": {"application/json": {"schema": schema}}}

    refused = {"400": "It cannot be understood.", "404": "There is no such thing.", "503": "The store cannot be read."}
    return {
        "operationId": name, "summary": says, "parameters": parameters,
        "responses": {
            "200": body(answer, "Found."), **{code: body(problem, words) for code, words in refused.items()},
            **{code: {"description": "Refused."} for code in ("401", "403", "405", "421")},
        },
    }  # fmt: skip
