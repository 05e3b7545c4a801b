"""One conversation is one session: which conversation each server served, by evidence alone.

A client that starts a server may name the conversation (a claim). Else both were seen under one process of a client's:
then the server belongs to the conversation that lives there, as long as that is exactly one. Where two live side by
side, as in an editor, its calls stay in a session of their own. After `/clear` the newest conversation takes its place.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import apsw

from kioku.redaction import Redacted
from kioku.sessions import record
from kioku.store import activities, joins
from kioku.store.joins import Sighting, Span

ALWAYS: Final = -(1 << 62)  # before every instant


def spans(claimed: int | None, found: Sequence[Sighting]) -> list[Span]:
    """Tell to which conversation a server's calls belong from when on, given those seen under its client's process.

    `claimed` is the conversation that the client named when it started the server. Such a client runs one conversation
    a process, so the newest has it; of others, one that does not follow another lives beside it until it has ended.
    """
    if claimed is not None:
        begun = [Span(s.since, s.stream) for s in found if s.stream != claimed]
        again = [Span(s.succeeds, s.stream) for s in found if s.succeeds is not None]
        return _merged([Span(ALWAYS, claimed), *sorted(begun + again)])
    steps: list[Span] = []
    latest: int | None = None
    for at in sorted({at for s in found for at in (s.since, s.until, s.succeeds) if at is not None}):
        living = _living(found, at)
        if len(living) > 1:
            latest = None
        elif living:
            latest = living[0]
        # With none alive, what comes still belongs to the last one: the server outlives it by a moment.
        steps.append(Span(at if steps else ALWAYS, latest))
    return _merged(steps)


def _living(found: Iterable[Sighting], at: int) -> list[int]:
    """Return the conversations that live at an instant: begun, not ended since, and not followed by another."""
    begun = [s for s in found if s.since <= at and (s.until is None or at < s.until or _last_begun(s, at) > s.until)]
    taken = max((s.succeeds for s in begun if s.succeeds is not None and s.succeeds <= at), default=ALWAYS)
    return [s.stream for s in begun if _last_begun(s, at) >= taken]


def _last_begun(found: Sighting, at: int) -> int:
    return found.succeeds if found.succeeds is not None and found.succeeds <= at else found.since


def _merged(steps: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for step in sorted(steps, key=lambda step: step.since):
        if merged and merged[-1].since == step.since:
            merged.pop()
        if not merged or merged[-1].conversation != step.conversation:
            merged.append(step)
    return merged


def join(db: apsw.Connection, server: int, *, project_id: str, timeout_ms: int, now: int) -> None:
    """Bring a server's spans in line with what is known, and the sessions of every stream that this changes."""
    claim = joins.claim_of(db, server)
    claimed = None
    if claim is not None:
        claimed = activities.stream(
            db, Redacted(claim), project_id=project_id, owner=None, timeout_ms=timeout_ms, now=now
        )
    found: list[Sighting] = []
    for process in joins.processes(db, server):
        found += joins.under(db, process)[1]
    for stream in joins.respan(db, server, spans(claimed, found)):
        record.derive_stream(db, stream, now=now)


def join_under(db: apsw.Connection, process: str, *, project_id: str, timeout_ms: int, now: int) -> None:
    """Do so for every server that was seen under a process."""
    for server in joins.under(db, process)[0]:
        join(db, server, project_id=project_id, timeout_ms=timeout_ms, now=now)
