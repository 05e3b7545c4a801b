"""Active stretches of sessions as buckets that an ActivityWatch server imports: what its /api/0/export answers.

One bucket a client, with `id`, `created`, `type`, `client`, `hostname` and `events`; of an event `timestamp` (ISO 8601,
UTC), `duration` in seconds and `data`. Parallel sessions of one client overlap, which ActivityWatch allows.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import apsw
import msgspec

from kioku.models import Session
from kioku.redaction import redact
from kioku.reports.export.chosen import Chosen
from kioku.reports.sessions import Judge, active_stretches
from kioku.store import portable

TYPE: Final = "kioku.session"
_LAST: Final = 253_402_300_799_999


def lines(db: apsw.Connection, chosen: Chosen, *, project: str, hostname: str, now: int, judge: Judge) -> Iterator[str]:
    """Return the document, an event a line."""
    yield '{"buckets": {'
    host = redact(hostname)
    for number, client in enumerate(chosen.clients(db)):
        name = f"kioku-{redact(client or 'unknown')}_{host}"
        bucket = {"id": name, "created": _iso(now), "name": None, "type": TYPE, "client": "kioku", "hostname": host}
        yield f'{"," if number else ""}\n{_json(name)}: {_json(bucket)[:-1]},"events":['
        first = True
        for exported in msgspec.structs.replace(chosen, client=client).sessions(db, now=now, judge=judge):
            for since, until in active_stretches(db, exported.session.id):
                if 0 <= since <= until <= _LAST:
                    yield f"{'' if first else ','}\n{_json(_event(exported.session, since, until, project))}"
                    first = False
        yield "]}"
    yield "\n}}\n"


def _event(session: Session, since: int, until: int, project: str) -> dict[str, Any]:
    data = {
        "title": session.title or session.branch or session.client or "session", "session": session.id,
        "project": project, "client": session.client, "branch": session.branch, "status": session.status,
    }  # fmt: skip
    known = {name: str(redact(value)) for name, value in data.items() if value is not None}
    return {"timestamp": _iso(since), "duration": (until - since) / 1000, "data": known}


def _iso(instant: int) -> str:
    whole, part = divmod(min(max(instant, 0), _LAST), 1000)
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{part:03d}+00:00"


def _json(value: Any) -> str:
    return portable.write(value).decode().rstrip("\n")
