"""What is known of a project as items with a place: shown unasked, or archived until somebody asks.

The items are the modules of `project.yaml`, the discoveries that stand, and what was taken over from the older
program's store. A module is used when a file of it is read or edited, or its resource is read; a discovery with its
module; both when they are made. Counted are the sessions of the last 30 days, from the rows that recorded them, so a
report that comes twice or late counts once. The invariant: `context_items` can be made anew from what it was made of,
but for what is archived since when.
"""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

from kioku.knowledge import scoring
from kioku.knowledge.project_yaml import ModuleEntry, ProjectFile
from kioku.knowledge.scoring import Item, Score, Verdict
from kioku.redaction import Redacted, redact
from kioku.store import context_items
from kioku.store.context_items import Discovery, Row, Use, Written
from kioku.store.store import Store

if TYPE_CHECKING:
    import apsw

MODULE: Final = redact("module")

_MODULES: Final = "context://module/"
_DISCOVERIES: Final = "context://discovery/"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An item in its place. `says` is where a module is, or what a discovery is about."""

    id: str
    type: str
    name: str
    says: str
    tokens: int
    score: Score
    accesses: int
    used_at: int
    archived_at: int | None


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """All items in their places, the highest score first, and the budget in tokens that they were given."""

    budget: float
    entries: list[Entry]

    @property
    def active(self) -> list[Entry]:
        """Return what is shown unasked."""
        return [entry for entry in self.entries if entry.archived_at is None]

    @property
    def archived(self) -> list[Entry]:
        """Return what is left out until it is used."""
        return [entry for entry in self.entries if entry.archived_at is not None]

    @property
    def used(self) -> int:
        """Return the tokens of what is active."""
        return sum(entry.tokens for entry in self.active)

    @property
    def archived_modules(self) -> set[str]:
        """Return the names of the modules that are archived."""
        return {entry.name for entry in self.archived if entry.id == module_id(entry.name)}

    @property
    def archived_discoveries(self) -> set[str]:
        """Return the ids of the discoveries that are archived."""
        return {entry.name for entry in self.archived if entry.id == _DISCOVERIES + entry.name}


def look(file: ProjectFile | None, store: Store | None, *, budget: float, now: int) -> Context:
    """Put every item in its place at `now`, and keep that in the store where it can be written. Raises StoreError."""
    found = _Found() if store is None else store.read(lambda db: _gather(db, now))
    plans = _plan(file, found, budget, now)
    if store is not None and store.writable and _changes(plans, found):

        def apply(db: "apsw.Connection") -> list[_Plan]:
            found = _gather(db, now)
            plans = _plan(file, found, budget, now)
            _write(db, plans, found, now)
            return plans

        plans = store.write(apply)
    entries = [plan.entry() for plan in plans]
    return Context(budget=budget, entries=sorted(entries, key=lambda entry: (-entry.score.total, entry.id)))


def module_id(name: str) -> Redacted:
    """Return the id of a module's item."""
    return redact(_MODULES + name)


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the store tells."""

    rows: Sequence[Row] = ()
    files: Sequence[Use] = ()
    readings: Sequence[Use] = ()
    discoveries: Sequence[Discovery] = ()


class _Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where an item comes from. `content` is what our rows say of it, None for a row that is not ours."""

    id: Redacted
    type: Redacted
    name: str
    says: str
    content: Redacted | None
    tokens: int
    accesses: int
    used_at: int


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of an item: its source, its row if there is one, and the verdict on it."""

    source: _Source
    row: Row | None
    verdict: Verdict

    @property
    def is_news(self) -> bool:
        """Tell whether the row must be written. One that is archived, and stays so, is frozen."""
        row, item = self.row, self.verdict.item
        if row is None or self.verdict.has_changed:
            return True
        is_frozen = row.archived_at is not None
        return not is_frozen and (row.accesses, row.used_at) != (item.accesses, item.used_at)

    @property
    def is_described_anew(self) -> bool:
        """Tell whether the item says something else of itself than its row does."""
        source, row = self.source, self.row
        return row is not None and (row.tokens != source.tokens or source.content not in (None, row.content))

    def entry(self) -> Entry:
        """Return what people see of it."""
        source, verdict = self.source, self.verdict
        return Entry(
            id=str(source.id), type=str(source.type), name=source.name, says=source.says, tokens=source.tokens,
            score=verdict.score, accesses=verdict.item.accesses, used_at=verdict.item.used_at,
            archived_at=verdict.archived_at,
        )  # fmt: skip


def _gather(db: "apsw.Connection", now: int) -> _Found:
    since = now - scoring.RECENT_MS
    return _Found(
        rows=context_items.stored(db),
        files=context_items.files(db, since),
        readings=context_items.readings(db, since, _MODULES + "*"),
        discoveries=context_items.discoveries(db),
    )


def _plan(file: ProjectFile | None, found: _Found, budget: float, now: int) -> list[_Plan]:
    rows = {row.id: row for row in found.rows}
    sources = _sources(file, found, now)
    items = []
    for source in sources:
        row = rows.get(source.id)
        archived_at = None if row is None else row.archived_at
        used_at = source.used_at if row is None else max(row.used_at, source.used_at)
        items.append(
            Item(id=source.id, tokens=source.tokens, used_at=used_at, accesses=source.accesses, archived_at=archived_at)
        )
    verdicts = scoring.prune(items, budget, now)
    return [
        _Plan(source=source, row=rows.get(source.id), verdict=verdict)
        for source, verdict in zip(sources, verdicts, strict=True)
    ]


def _sources(file: ProjectFile | None, found: _Found, now: int) -> list[_Source]:
    modules = {} if file is None else file.modules
    uses = _uses(modules, found, now)
    known = {row.id for row in found.rows}
    told = {discovery.id for discovery in found.discoveries}
    sources: dict[str, _Source] = {}
    for name, module in modules.items():
        accesses, last = uses[name]
        id = module_id(name)
        made = 0 if id in known else now
        sources.setdefault(id, _Source(
            id=id, type=MODULE, name=name, says=module.path or ".", content=redact(module.path or "."),
            tokens=scoring.tokens(_text(name, module, told)), accesses=accesses, used_at=max(last, made),
        ))  # fmt: skip
    for discovery in found.discoveries:
        accesses, last = uses.get(discovery.module or "", (0, 0))
        id = Redacted(_DISCOVERIES + discovery.id)
        sources.setdefault(id, _Source(
            id=id, type=Redacted(discovery.type), name=discovery.id, says=discovery.module or "",
            content=Redacted(discovery.module or ""),
            tokens=scoring.tokens(discovery.content), accesses=accesses, used_at=max(last, min(discovery.made_at, now)),
        ))  # fmt: skip
    for row in found.rows:
        if not row.id.startswith((_MODULES, _DISCOVERIES)):
            tokens = scoring.tokens(row.content) if row.tokens is None else max(0, row.tokens)
            sources.setdefault(row.id, _Source(
                id=Redacted(row.id), type=Redacted(row.type), name=row.id, says="from an older store",
                content=None, tokens=tokens, accesses=row.accesses, used_at=row.used_at,
            ))  # fmt: skip
    return list(sources.values())


def _uses(modules: dict[str, ModuleEntry], found: _Found, now: int) -> dict[str, tuple[int, int]]:
    """Return how often each module was used and when last: a file counts for the modules deepest in its path."""
    places: dict[str, list[str]] = {}
    for name, module in modules.items():
        places.setdefault((module.path or ".").removeprefix("./").strip("/").removesuffix("/.") or ".", []).append(name)
    uses = dict.fromkeys(modules, (0, 0))
    told = [(names, use) for use in found.files if (names := _owners(use.name, places))]
    told += [([name], use) for use in found.readings if (name := unquote(use.name.removeprefix(_MODULES))) in uses]
    for names, use in told:
        for name in names:
            accesses, last = uses[name]
            uses[name] = (accesses + use.accesses, max(last, min(use.last_at, now)))
    return uses


def _owners(path: str, places: dict[str, list[str]]) -> list[str]:
    here = path
    while here:
        if here in places:
            return places[here]
        here = here.rpartition("/")[0]
    return [] if path.startswith(("/", "../")) else places.get(".", [])


def _text(name: str, module: ModuleEntry, told: Container[str] = ()) -> str:
    """Return all that is known of a module, a line each, without what is told as a discovery."""
    lists = (module.patterns, module.rules, module.decisions, module.issues)
    said = [one for sayings in lists for one in sayings if one.id is None or one.id not in told]
    texts = [text for one in said for text in (one.text, one.solution) if text]
    return "\n".join([name, module.path or "", module.description or "", *module.key_files, *texts])


def _gone(plans: Sequence[_Plan], found: _Found) -> list[str]:
    """Return the rows of ours whose module or discovery is no more."""
    here = {plan.source.id for plan in plans}
    return [row.id for row in found.rows if row.id not in here]


def _changes(plans: Sequence[_Plan], found: _Found) -> bool:
    return any(plan.is_news or plan.is_described_anew for plan in plans) or bool(_gone(plans, found))


def _write(db: "apsw.Connection", plans: Sequence[_Plan], found: _Found, now: int) -> None:
    for plan in plans:
        source, verdict = plan.source, plan.verdict
        if plan.is_news:
            item = Written(
                id=source.id, type=source.type, content=source.content, tokens=source.tokens, score=verdict.score,
                used_at=verdict.item.used_at, accesses=verdict.item.accesses, status=verdict.status,
            )  # fmt: skip
            context_items.write(db, item, now=now)
        elif plan.is_described_anew:
            context_items.describe(db, source.id, source.content, source.tokens)
    context_items.remove(db, _gone(plans, found))
