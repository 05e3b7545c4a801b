"""Asking a model about sessions that are over: each once as it is, and what it says is united with what is known.

What the rules found stays: a model only adds to it, so that a failure of any kind leaves what there was.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from kioku.knowledge import discoveries
from kioku.knowledge.extraction.extract import MOST, Learned, module_near
from kioku.knowledge.refining import asking, endpoint
from kioku.knowledge.refining.answers import believed, unrated
from kioku.knowledge.refining.endpoint import Model, ModelError
from kioku.redaction import redact
from kioku.store import refinements, vouching
from kioku.store.discoveries import Unlearned
from kioku.store.refinements import Asked
from kioku.store.store import Store

if TYPE_CHECKING:
    import apsw

FAILURES: Final = 3  # in a row: the server is not asked on

_FORM: Final = 1  # of the question: another one is asked anew


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one session: `error` says why the model was of no use, whatever tokens it took.

    `found` is how many discoveries are new or stronger, `said_already` how many claims say nothing beside them or fit
    no more into what one session may teach. `dropped` says why how many claims were not believed, `left_out` how many
    turns of a long session were not sent.
    """

    session: str
    sent: int  # signs
    found: int = 0
    said_already: int = 0
    dropped: dict[str, int] = {}
    left_out: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: str | None = None


def waiting(store: Store, model: Model, most: int, ids: list[str] | None = None) -> list[Unlearned]:
    """Return the sessions that the model has not been asked about as they are, the latest first."""
    return store.read(lambda db: refinements.waiting(db, _named(model), most, ids))


def size(store: Store, session: Unlearned) -> int:
    """Return how many signs would be sent about a session."""
    turns, _ = discoveries.said(store, session.seq)
    return sum(len(question.text) for question in asking.questions(turns)[0])


def refine(
    store: Store,
    sessions: list[Unlearned],
    model: Model,
    *,
    now: Callable[[], int],
    module_of: Callable[[str], str | None],
) -> Iterator[Outcome]:
    """Ask about sessions one after the other and keep what is believed; ends early where asking on is of no use."""
    failed = 0
    for session in sessions:
        turns, touches = discoveries.said(store, session.seq)
        questions, left_out = asking.questions(turns)
        sent = sum(len(question.text) for question in questions)
        learned: list[Learned] = []
        dropped: Counter[str] = Counter()
        tokens: list[tuple[int | None, int | None]] = []
        try:
            for question in questions:
                answer = endpoint.ask(model, asking.SYSTEM, question.text)
                tokens.append((answer.input_tokens, answer.output_tokens))
                found, not_believed = believed(answer.text, question.turns)
                learned += found
                dropped += not_believed
        except ModelError as error:
            failed += 1
            given, back = _totals(tokens)
            yield Outcome(
                session=session.id, sent=sent, left_out=left_out, input_tokens=given, output_tokens=back,
                error=endpoint.without_key(model, str(error)),
            )  # fmt: skip
            if error.is_final or failed == FAILURES:
                return
            continue
        failed = 0
        learned.sort(key=lambda one: -one.found.confidence)
        placed = [
            msgspec.structs.replace(unrated(one), module=module_near(touches, one.at, module_of))
            for one in learned[:MOST]
        ]
        given, back = _totals(tokens)
        asked = Asked(input_tokens=given, output_tokens=back, found=0, dropped=dropped.total())
        own = store.is_registered

        def keep(
            db: "apsw.Connection", session: Unlearned = session, placed: list[Learned] = placed, asked: Asked = asked,
            own: bool = own,
        ) -> Asked:  # fmt: skip
            is_own = own and vouching.is_vouched(db, session.seq)
            stored = discoveries.unite(db, [(session.id, placed, is_own)], auto_accept=None, now=now())
            done = msgspec.structs.replace(asked, found=len(stored))
            refinements.note(db, session, redact(_named(model)), done, now=now())
            return done

        asked = store.write(keep)
        yield Outcome(
            session=session.id, sent=sent, found=asked.found, said_already=len(placed) - asked.found,
            dropped=dict(dropped), left_out=left_out, input_tokens=asked.input_tokens,
            output_tokens=asked.output_tokens,
        )  # fmt: skip


def _named(model: Model) -> str:
    return f"{model.provider} {model.name} {_FORM}"


def _totals(tokens: list[tuple[int | None, int | None]]) -> tuple[int | None, int | None]:
    """Add up tokens sent and tokens that came back; None where an answer did not tell, or none came."""
    return _total([given for given, _ in tokens]), _total([back for _, back in tokens])


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None
