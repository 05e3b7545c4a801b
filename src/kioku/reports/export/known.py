"""What was learned in a store, and what of it has a place in what an assistant is shown, as lines of an export."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import apsw

from kioku.redaction import redact
from kioku.store.portable import LONGEST_DIGEST, Discovery, Item, Refinement, Succession
from kioku.store.values import FARTHEST, count, text, whole

_FIELDS: Final = """id, type, content, state, created_at, updated_at, session_id, module, confidence, provenance,
                    evidence"""
_PLACES: Final = """id, type, content, status, metadata_json, score, recency_factor, access_factor, access_count,
                    last_accessed_at, tokens, created_at, updated_at"""


def lines(db: apsw.Connection, ids: Iterable[str] | None) -> Iterator[Discovery | Succession | Refinement | Item]:
    """Return every discovery and item, or, of a part, the discoveries of the sessions with some ids."""
    wanted = None if ids is None else set(ids)
    told = set[str]()
    for row in db.execute(f"SELECT {_FIELDS} FROM discoveries WHERE typeof(id) = 'text' ORDER BY id"):
        id, kind, content, state, created, updated, session, module, confidence, provenance, evidence = row
        if wanted is None or session in wanted:
            yield Discovery(
                id=redact(id), kind=_known(kind), content=_known(content), state=_known(state),
                created_at=count(created), updated_at=count(updated), session=_maybe(session), module=_maybe(module),
                confidence=_real(confidence), provenance=_known(provenance), evidence=_maybe(evidence),
            )  # fmt: skip
            told.add(id)
    for id, by, at in db.execute("SELECT id, superseded_by, decided_at FROM successions ORDER BY id, superseded_by"):
        if id in told and by in told:
            yield Succession(id=redact(id), superseded_by=redact(by), decided_at=whole(at))
    for session, model, digest, at, given, made, found, dropped in db.execute(
        "SELECT * FROM refinements ORDER BY session_id, model"
    ):
        if (wanted is None or session in wanted) and isinstance(digest, bytes) and 0 < len(digest) <= LONGEST_DIGEST:
            yield Refinement(
                session=redact(session), model=redact(model), digest=digest.hex(), asked_at=count(at),
                input_tokens=_positive(given), output_tokens=_positive(made), found=count(found),
                dropped=count(dropped),
            )  # fmt: skip
    if wanted is not None:
        return
    for row in db.execute(f"SELECT {_PLACES} FROM context_items WHERE typeof(id) = 'text' ORDER BY id"):
        id, kind, content, status, metadata, score, recency, frequency, accesses, used, tokens, created, updated = row
        yield Item(
            id=redact(id), kind=_known(kind), content=_known(content),
            status="archived" if status == "archived" else "active", metadata=_maybe(metadata) or "{}",
            score=_real(score), recency=_real(recency), frequency=_real(frequency), accesses=_positive(accesses),
            used_at=whole(used), tokens=_positive(tokens), created_at=whole(created), updated_at=whole(updated),
        )  # fmt: skip


def _known(value: Any) -> str:
    return redact(text(value) or "")


def _maybe(value: Any) -> str | None:
    return None if value is None else redact(text(value) or "")


def _real(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) <= FARTHEST else None


def _positive(value: Any) -> int | None:
    number = whole(value)
    return None if number is None else max(0, number)
