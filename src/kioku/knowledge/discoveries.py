"""What was learned: looking at sessions that are over, and uniting what they say with what is known.

The invariant: what the person decided stands. A row's words, type and module are written once and changed by the person
alone; one that was rejected or superseded neither comes back nor grows: who goes back to what was superseded makes a
proposal of its own. The same words of the same turn count once, however often a session is looked at. In a store that
the person has not adopted nobody has a person's authority.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from kioku.errors import UsageError
from kioku.knowledge.extraction import alike
from kioku.knowledge.extraction.authority import ASSISTANT, PERSON, REPOSITORY, authority
from kioku.knowledge.extraction.extract import MOST, Learned, extract
from kioku.knowledge.extraction.phrases import DECISION, ISSUE, PATTERN, RULE, TYPES
from kioku.models import FILE_EDIT, new_id
from kioku.redaction import redact
from kioku.store import discoveries, vouching
from kioku.store.discoveries import ACCEPTED, PROPOSED, REJECTED, SUPERSEDED, Evidence, Row, Touch, Turn, Unlearned
from kioku.store.store import Store
from kioku.words import nearest

if TYPE_CHECKING:
    import apsw

AT_ONCE: Final = 250  # sessions that a sweep looks at, of which most have said nothing
TEXT_AT_ONCE: Final = 300_000  # signs, in about half a second: somebody may wait for it
MOST_REMEMBERED: Final = 30  # discoveries of one session, from where on the assistant can record no more
RECORDED: Final = 0.8  # how sure it is what the assistant records on purpose: the next session is told of it
LONGEST: Final = 500  # signs of a discovery's content
_SURER: Final = 0.05  # what another session that says the same adds
_SUREST: Final = 0.99
_STANDING: Final = (PROPOSED, ACCEPTED)
_FIRST: Final = (*_STANDING, REJECTED, SUPERSEDED)  # of rows that say the same
_OPPOSED: Final = (DECISION, PATTERN, RULE)  # what is chosen, done or demanded can contradict each other

ModuleOf = Callable[[str], str | None]


def learn(
    store: Store,
    now: int,
    *,
    module_of: ModuleOf | None = None,
    auto_accept: float | None = None,
    everything: bool = False,
) -> None:
    """Look at sessions that are over and wait for it: all of them, or as much as somebody can. Raises StoreError."""
    while store.read(discoveries.has_unlearned):
        found: list[tuple[Unlearned, list[Learned]]] = []
        looked = 0
        for session in store.read(lambda db: discoveries.unlearned(db, AT_ONCE)):
            size, learned = _look(store, session, module_of or (lambda _path: None))
            found.append((session, learned))
            looked += size
            if looked >= TEXT_AT_ONCE:
                break
        own = store.is_registered

        def keep(
            db: "apsw.Connection", found: Sequence[tuple[Unlearned, list[Learned]]] = found, own: bool = own
        ) -> None:
            taught = [(one.id, learned, own and vouching.is_vouched(db, one.seq)) for one, learned in found if learned]
            unite(db, taught, auto_accept=auto_accept, now=now)
            for session, _ in found:
                discoveries.note_learned(db, session.seq, session.digest)

        store.write(keep)
        if not everything:
            break


def unite(
    db: "apsw.Connection",
    taught: Sequence[tuple[str, list[Learned], bool]],
    *,
    auto_accept: float | None,
    now: int,
) -> set[str]:
    """Unite what sessions taught, given by their ids and whether they are the person's own, with what is known.

    Returns the ids of what is new or was strengthened.
    """
    changed: set[str] = set()
    if not taught:
        return changed
    known = _Known(discoveries.every(db))
    for session, learned, own in taught:
        for row, successions in known.unite(session, learned, own=own, auto_accept=auto_accept, now=now):
            discoveries.put(db, row)
            for old, new in successions:
                discoveries.propose_succession(db, old, new)
            changed.add(row.id)
    return changed


def remember(
    store: Store, session: str | None, type: str, content: str, module: str | None, *, now: int,
    solution: str | None = None,
) -> tuple[Row, bool]:  # fmt: skip
    """Record what the assistant wants remembered, as proposed; return it and whether it is new. Raises UsageError.

    What the person rejected stays rejected. An issue with a solution is solved, also where it was known as open.
    """
    said, solved = " ".join(content.split()), " ".join((solution or "").split())
    if len(said) < 8:
        raise UsageError("there is nothing to remember in that", hint="say it in one sentence")
    if solved and type != ISSUE:
        raise UsageError(f"a {type} has no solution", hint="type is issue, or content says all of it")
    told = [authority(text, "assistant") for text in (said, solved) if text]
    by = REPOSITORY if REPOSITORY in told or not store.is_registered else told[0]

    def work(db: "apsw.Connection") -> tuple[Row, bool]:
        if session is not None and discoveries.remembered(db, session) >= MOST_REMEMBERED:
            raise UsageError(
                f"this session has {MOST_REMEMBERED} discoveries, and no more are recorded of one",
                hint="keep what the next session needs most",
            )
        part = Evidence(
            quote=redact(said), by=by, session=session, at=now, solution=redact(solved[:LONGEST]) if solved else None
        )
        known = _Known(discoveries.every(db))
        same = known.like(type, part.quote)
        before = known.gone_back_from(same, part)
        if same is not None and before is None:
            if same.state in _STANDING and _adds(part, same):
                same = _strengthened(same, part, 0.0, now)
                discoveries.put(db, same)
            return same, False
        row = _made(type, part.quote, redact(module[:200]) if module else None, RECORDED, by, part, now)
        discoveries.put(db, row)
        for old in {one.id for one in (*known.contradicted(row), *([before] if before else ()))}:
            discoveries.propose_succession(db, old, row.id)
        return row, True

    return store.write(work)


def _adds(part: Evidence, row: Row) -> bool:
    """Tell whether what was recorded once more says anything new: another session, or how an issue was solved.

    What a file says solves nothing that somebody has said.
    """
    if part.solution is not None and part.by == REPOSITORY and row.provenance != REPOSITORY:
        return False
    if all(one.session != part.session for one in row.evidence):
        return True
    return part.solution is not None and all(one.solution != part.solution for one in row.evidence)


def add(db: "apsw.Connection", type: str, content: str, module: str | None, *, own: bool, now: int) -> Row:
    """Record what the person says, as accepted; what says the same already is accepted. Raises UsageError."""
    part = Evidence(quote=redact(_worded(content)), by=PERSON if own else REPOSITORY, at=now)
    known = _Known(discoveries.every(db))
    same = known.like(type, part.quote)
    if same is not None:
        row = _strengthened(same, part, 1.0, now)
        if own and row.provenance != PERSON:
            row = msgspec.structs.replace(row, content=part.quote, provenance=PERSON)
        if module:
            row = msgspec.structs.replace(row, module=redact(module))
        discoveries.reverse_successions(db, row.id)
    else:
        row = _made(type, part.quote, redact(module) if module else None, 1.0, part.by, part, now)
    row = msgspec.structs.replace(row, state=ACCEPTED)
    discoveries.put(db, row)
    for old in [] if same is not None else known.contradicted(row):
        discoveries.propose_succession(db, old.id, row.id)
    return row


def edit(
    db: "apsw.Connection", id: str, *, content: str | None, type: str | None, module: str | None, own: bool, now: int
) -> Row:
    """Change what a discovery says: then it is the person's word. Its evidence stays; an empty module is none."""
    row = find(db, id)
    if content is not None and own:
        row = msgspec.structs.replace(row, provenance=PERSON)
    row = msgspec.structs.replace(
        row,
        content=row.content if content is None else redact(_worded(content)),
        type=row.type if type is None else type,
        module=row.module if module is None else redact(module) or None,
        updated_at=now,
    )
    discoveries.put(db, row)
    return row


def decide(db: "apsw.Connection", id: str, state: str, *, now: int) -> Row:
    """Accept or reject a discovery. Safe to repeat."""
    row = find(db, id)
    if row.state == SUPERSEDED and state != SUPERSEDED:
        discoveries.reopen_successions(db, row.id)
    if row.state != state:
        row = msgspec.structs.replace(row, state=state, updated_at=now)
        discoveries.put(db, row)
    return row


def supersede(db: "apsw.Connection", id: str, by: str, *, now: int) -> tuple[Row, Row]:
    """Let one discovery take another's place; what takes it is accepted. Raises UsageError."""
    old, new = find(db, id), find(db, by)
    if old.id == new.id:
        raise UsageError(f"{old.id} cannot take its own place")
    if new.state in (SUPERSEDED, REJECTED):
        raise UsageError(f"{new.id} is {new.state}", hint=f"kioku discoveries accept {new.id}")
    decide(db, new.id, ACCEPTED, now=now)
    discoveries.decide_succession(db, old.id, new.id, now=now)
    return find(db, old.id), find(db, new.id)


def find(db: "apsw.Connection", id: str) -> Row:
    """Return a discovery by its id or the beginning of it. Raises UsageError, which names the nearest."""
    exact = discoveries.by_id(db, id)
    if exact is not None:
        return exact
    rows = discoveries.every(db)
    fitting = [row for row in rows if id and row.id.lower().startswith(id.lower())]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(f"'{id}' is the beginning of {len(fitting)} discoveries", hint="say more of it")
    hint = nearest(id, [row.id for row in rows], most=3) if rows else "nothing has been learned yet"
    raise UsageError(f"there is no discovery '{id[:60]}'", hint=hint)


class _Known:
    """What is known, ready to be compared."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {row.id: row for row in rows}
        self._by_word: dict[str, set[str]] = {}
        self._heard: dict[tuple[str | None, str], str] = {}
        for row in self._rows.values():
            self._index(row)

    def _index(self, row: Row) -> None:
        for part in row.evidence:
            self._heard[part.turn, part.quote] = row.id
        for words in (row.content, *(part.quote for part in row.evidence)):
            for word in alike.words(words):
                self._by_word.setdefault(word, set()).add(row.id)

    def _near(self, words: str) -> list[Row]:
        """Return the rows that have at least a third of a text's words."""
        counts: dict[str, int] = {}
        wanted = alike.words(words)
        for word in wanted:
            for id in self._by_word.get(word, ()):
                counts[id] = counts.get(id, 0) + 1
        return [self._rows[id] for id, number in sorted(counts.items()) if number * 3 >= len(wanted)]

    def like(self, type: str, words: str) -> Row | None:
        """Return the row that says the same, as it is worded or as it was said: one that stands, where one does."""
        fitting = (
            row
            for row in self._near(words)
            if row.type == type
            and any(alike.says_the_same(words, one) for one in (row.content, *(part.quote for part in row.evidence)))
        )
        return min(
            fitting, key=lambda row: _FIRST.index(row.state) if row.state in _FIRST else len(_FIRST), default=None
        )

    def gone_back_from(self, row: Row | None, said: Evidence) -> Row | None:
        """Return what stands in a superseded row's place, if the same was said again after that; else None."""
        if row is None or row.state != SUPERSEDED:
            return None
        seen, last = {row.id}, row
        while last.state == SUPERSEDED and last.superseded_by in self._rows and last.superseded_by not in seen:
            last = self._rows[last.superseded_by]
            seen.add(last.id)
        stands = last is not row and last.state in _STANDING
        return last if stands and said.at is not None and said.at > _said_at(last) else None

    def contradicted(self, new: Row) -> list[Row]:
        """Return the rows that stand and that a new one contradicts."""
        return [
            row
            for row in self._near(new.content)
            if row.id != new.id
            and (row.type == new.type or (row.type in _OPPOSED and new.type in _OPPOSED))
            and row.state in _STANDING
            and alike.contradicts(row.content, new.content)
        ]

    def unite(
        self, session: str, learned: Iterable[Learned], *, own: bool, auto_accept: float | None, now: int
    ) -> list[tuple[Row, list[tuple[str, str]]]]:
        """Unite what a session taught; return the rows to be stored, and which are to take which one's place."""
        changed: list[tuple[Row, list[tuple[str, str]]]] = []
        # What the assistant recorded itself has no turn; it takes nobody's place here.
        mine = (any(p.session == session and p.turn is not None for p in row.evidence) for row in self._rows.values())
        room = MOST - sum(mine)
        for one in learned:
            by = one.found.provenance if own else REPOSITORY
            part = Evidence(
                quote=redact(one.found.quote), by=by, session=session, turn=str(one.turn), at=one.at,
                solution=None if one.found.solution is None else redact(one.found.solution),
            )  # fmt: skip
            if (part.turn, part.quote) in self._heard:
                continue
            row = self.like(one.found.type, part.quote)
            before = self.gone_back_from(row, part)
            if row is not None and before is None:
                if row.state not in _STANDING:
                    continue
                row = _strengthened(row, part, one.found.confidence, now)
            elif room <= 0:
                continue
            else:
                room -= 1
                content = redact(one.found.content[:LONGEST])
                module = None if one.module is None else redact(one.module)
                row = _made(one.found.type, content, module, one.found.confidence, by, part, now)
            opposed = self.contradicted(row)
            if before is not None and before not in opposed:
                opposed.append(before)
            is_sure = auto_accept is not None and (row.confidence or 0) >= auto_accept and not opposed
            if is_sure and row.state == PROPOSED and row.provenance in (PERSON, ASSISTANT):
                row = msgspec.structs.replace(row, state=ACCEPTED)
            is_new = row.id not in self._rows
            successions = [_later(row, old) for old in opposed] if is_new else []
            self._rows[row.id] = row
            self._index(row)
            changed.append((row, successions))
        return changed


def _later(new: Row, old: Row) -> tuple[str, str]:
    """Return (which goes, which takes its place): what was said last holds."""
    return (old.id, new.id) if _said_at(new) >= _said_at(old) else (new.id, old.id)


def _said_at(row: Row) -> int:
    return max((part.at for part in row.evidence if part.at is not None), default=row.created_at)


def _strengthened(row: Row, part: Evidence, confidence: float, now: int) -> Row:
    """Return a row that was said once more.

    A person who says what was proposed gives it the person's authority, in the person's words: others may say more.
    """
    is_new_session = all(one.session != part.session for one in row.evidence)
    is_raised = part.by == PERSON and row.provenance in (ASSISTANT, REPOSITORY) and row.state == PROPOSED
    before = confidence if is_raised else row.confidence or 0.0
    sure = max(before, confidence) + (_SURER if is_new_session else 0)
    return msgspec.structs.replace(
        row, content=part.quote[:LONGEST] if is_raised else row.content, evidence=(*row.evidence, part),
        confidence=max(before, min(round(sure, 2), _SUREST)), provenance=PERSON if is_raised else row.provenance,
        updated_at=now,
    )  # fmt: skip


def _made(type: str, content: str, module: str | None, confidence: float, by: str, part: Evidence, now: int) -> Row:
    if type not in TYPES:
        raise UsageError(f"'{type}' is no kind of discovery", hint=f"one of: {', '.join(TYPES)}")
    return Row(
        id=new_id(), type=type, content=content, module=module, confidence=confidence, state=PROPOSED, provenance=by,
        session=part.session, created_at=now, updated_at=now, evidence=(part,),
    )  # fmt: skip


def _worded(content: str) -> str:
    said = " ".join(content.split())
    if not 3 <= len(said) <= LONGEST:
        raise UsageError(f"a discovery has 3 to {LONGEST} characters, not {len(said)}", hint="say it in one sentence")
    return said


def said(store: Store, seq: int) -> tuple[list[Turn], list[Touch]]:
    """Return what was said in a session, and which files were touched in it."""
    turns = store.read(lambda db: discoveries.turns(db, seq))
    return turns, store.read(lambda db: discoveries.touches(db, seq, (FILE_EDIT,))) if turns else []


def _look(store: Store, session: Unlearned, module_of: ModuleOf) -> tuple[int, list[Learned]]:
    """Return how much was said in a session, and what it taught."""
    turns, touches = said(store, session.seq)
    return sum(len(turn.text) for turn in turns), extract(turns, touches, module_of) if turns else []
