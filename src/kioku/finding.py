"""Finding: the one search behind `kioku search` and `context_search`, over the store and the project's code."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from kioku.errors import EmbeddingError, KiokuError, ToolError, UsageError
from kioku.reports.search import wanted as terms
from kioku.reports.search.wanted import SESSION, SYMBOL, TURN, Hit, Query
from kioku.words import counted
from kioku.workspace.children import never

if TYPE_CHECKING:
    import apsw

    from kioku.embedding.helper import Helper
    from kioku.project import Project
    from kioku.reports.search.meaning import Meant
    from kioku.store.store import Store

LONGEST_WAIT_MS: Final = 2_000  # in which what is not indexed yet is indexed before a search

USED: Final = "used"  # the model, of which every passage has a vector

_KEEP: Final = 300  # characters of a line of code
_ASKED: Final = 1_000  # characters of what is asked that the model is given


class Found(msgspec.Struct, frozen=True):
    """What was found, by kind and the best first; `behind` is in how many conversations something was not indexed.

    `model` says of a model that is set how it took part: `USED`, or why it did not; None where none is set.
    """

    hits: list[Hit]
    behind: int
    model: str | None = None


def find(
    store: "Store",
    where: "Project | None",
    query: Query,
    *,
    wait_ms: float = LONGEST_WAIT_MS,
    protected: frozenset[tuple[int, int]] = frozenset(),
    cancelled: Callable[[], bool] = never,
    helper: "Helper | None" = None,
    model_ms: float = LONGEST_WAIT_MS,
) -> Found:
    """Return what is about a text. `where` is the project whose code is searched too; None: no code.

    `helper` asks the model that sorts by meaning too, in at most `model_ms` more.

    Raises UsageError for a module, a client or a branch that nobody knows, CancelledCallError, StoreError.
    """
    from kioku.reports.listing import require_known
    from kioku.reports.search.search import search
    from kioku.store import indexing

    module_of = _modules(where, query.module)
    if helper is not None:
        with suppress(EmbeddingError):  # which is told when it is asked
            helper.start()
    if store.writable:
        with suppress(KiokuError):  # what keeps it from being indexed keeps nobody from what is
            indexing.catch_up(store, most_ms=wait_ms)

    meant, model = (None, None) if helper is None else _meant(store, helper, query, model_ms / 1000)

    def look(db: "apsw.Connection") -> tuple[list[Hit], int]:
        require_known(db, "client", query.client)
        require_known(db, "branch", query.branch)
        return search(db, query, module_of=module_of, meant=meant), indexing.behind(db)

    hits, behind = store.read(look)
    told_of_sessions = (query.since, query.until, query.client, query.branch, query.folder)
    if where is not None and SYMBOL in query.kinds and not any(value is not None for value in told_of_sessions):
        hits += _symbols(where, query, module_of, protected, cancelled)
    return Found(hits, behind, model)


def _meant(store: "Store", helper: "Helper", query: Query, wait_s: float) -> "tuple[Meant | None, str | None]":
    """Return the vector of what is asked, and how the model takes part."""
    from kioku.reports.search.meaning import Meant
    from kioku.store import vectors

    if SESSION not in query.kinds and TURN not in query.kinds:
        return None, None
    try:
        told = helper.vectors([query.text[:_ASKED]], within_s=wait_s)
    except EmbeddingError as error:
        return None, f"by words alone: {error}"
    if not told.vectors[0]:
        return None, "by words alone: the model makes nothing of this text"
    missing = store.read(lambda db: vectors.behind(db, told.fingerprint))
    left = f"{counted(missing, 'passage')} by words alone until embedded: 'kioku index' does it at once"
    return Meant(told.fingerprint, told.vectors[0]), left if missing else USED


def _modules(where: "Project | None", module: str | None) -> Callable[[str], str | None] | None:
    """Return what names a path's module, where one is asked for."""
    if module is None:
        return None
    import os

    from kioku.knowledge import belonging
    from kioku.knowledge.project_yaml import load
    from kioku.words import nearest

    path = "" if where is None else os.path.join(where.context_dir, "project.yaml")
    if not os.path.lexists(path):
        raise UsageError("no modules are known here", hint="'kioku init' scans the project")
    modules = load(path).modules
    if module not in modules:
        raise UsageError(f"there is no module '{module[:100]}'", hint=nearest(module[:100], sorted(modules)))
    return belonging.belonging(modules)


def _symbols(
    where: "Project", query: Query, module_of: Callable[[str], str | None] | None,
    protected: frozenset[tuple[int, int]], cancelled: Callable[[], bool],
) -> list[Hit]:  # fmt: skip
    from kioku.workspace import symbols

    try:
        found = symbols.definitions(where.workdir, symbols.names(query.text), protected=protected, cancelled=cancelled)
    except ToolError:
        return []  # without ripgrep there are no symbols; everything else was found
    hits = []
    for symbol in found:
        if module_of is not None and module_of(symbol.path) != query.module:
            continue
        score = 1.0 if symbol.is_whole else 0.8 if symbol.name.casefold() == symbol.sought.casefold() else 0.5
        hits.append(
            Hit(
                kind=SYMBOL, title=symbol.name, snippet=_marked(symbol.text[:_KEEP], symbol.name), score=score,
                why="its definition" if symbol.is_whole else f"a definition with {symbol.sought} in its name",
                parts={"name": score}, opens=f"{symbol.path}:{symbol.line}", path=symbol.path, line=symbol.line,
            )
        )  # fmt: skip
        if len(hits) >= query.limit:
            break
    return hits


def _marked(text: str, name: str) -> str:
    plain = text.replace(terms.START, " ").replace(terms.END, " ")
    before, found, after = plain.partition(name)
    return f"{before}{terms.START}{found}{terms.END}{after}" if found else plain
