"""Some lines of an export on their way into a store, inside of one transaction.

What a line tells is united with what is there. A line that cannot be taken in is left out with the reason; one that
tells nothing new, or of what was deleted here, changes nothing.
"""

from typing import Final

import apsw
import msgspec

from kioku.capture import decisions
from kioku.models import SERVER, SWEEP, Report
from kioku.redaction import redact
from kioku.sessions import archiving, combining, record, sweep, taking_over
from kioku.store import (
    activities,
    archive,
    barred,
    forgotten,
    joins,
    keepsake,
    legacy,
    portable,
    turns,
    uniting,
    vouching,
)
from kioku.store.portable import Line
from kioku.store.redacting import leaves
from kioku.store.redactor import Redactor

_NO_STREAM: Final = "is of a stream that is not in the file"
_IS_ANOTHERS: Final = "has an id that another session has here"


class Whole(msgspec.Struct, frozen=True):
    """An archived session with all the keys that it keeps, which the lines before its own have."""

    found: portable.Archived
    keys: tuple[int, ...]


class Batch:
    """Takes lines in. `new`, `said` and `archived` count what was not there: activities, turns, archived sessions.

    `proposed` counts discoveries that were accepted where the file was made, which here are only proposed, unless the
    file is `trusted`.
    """

    def __init__(
        self, db: apsw.Connection, hide: Redactor, project_id: str, now: int, *, trusted: bool = False
    ) -> None:
        self._db = db
        self._trusted = trusted
        self._hide = hide
        self._project_id = project_id
        self._now = now
        self._streams: dict[str, int | None] = {}
        self._reports: dict[tuple[int, int], list[Report]] = {}  # by where they belong and where the file has them
        self._decided: list[portable.Amendment] = []
        self.new = self.said = self.archived = self.proposed = 0
        self.skipped: list[tuple[int, str]] = []

    def take(self, line: Line | Whole) -> str | None:
        """Take one line in; return why not."""
        if isinstance(line, portable.Stream):
            self._stream(line)
        elif isinstance(line, portable.Id):
            return self._id(line)
        elif isinstance(line, portable.Amendment):
            return self._amendment(line)
        elif isinstance(line, Whole):
            self.flush()
            return self._archived(line)
        elif isinstance(line, portable.Kept):
            uniting.keep(self._db, map(portable.key_number, line.keys))
        elif isinstance(line, portable.Discovery):
            self.proposed += uniting.discovery(self._db, line, trusted=self._trusted)
        elif isinstance(line, portable.Succession):
            uniting.succession(self._db, line, trusted=self._trusted)
        elif isinstance(line, portable.Refinement):
            uniting.refinement(self._db, line)
        elif isinstance(line, portable.Item):
            uniting.item(self._db, line, trusted=self._trusted, now=self._now)
        elif isinstance(line, portable.Told | portable.Turn | portable.Usage | portable.Sighting):
            return self._told(line)
        return None

    def _told(self, line: portable.Told | portable.Turn | portable.Usage | portable.Sighting) -> str | None:
        stream = self._find(line.stream)
        if isinstance(line, portable.Turn | portable.Usage):
            if stream is not None:
                self.flush()  # a turn is where its report is
                self._said(line, stream)
                return None
            # What an archived session has, which is not here, was left out with it.
            return None if line.stream.startswith(archive.PREFIX) else _NO_STREAM
        if stream is None or line.stream.startswith(archive.PREFIX):
            return _NO_STREAM
        if isinstance(line, portable.Sighting):
            uniting.sighting(self._db, self._hide(line.process), stream, line.since, line.until, line.succeeds)
            return None
        return self._quarantined(line, stream) if isinstance(line, portable.Quarantined) else self._report(line, stream)

    def _find(self, key: str) -> int | None:
        if key not in self._streams:
            self._streams[key] = activities.find_stream(self._db, self._hide(key))
        return self._streams[key]

    def _stream(self, line: portable.Stream) -> None:
        if line.key.startswith(archive.PREFIX):
            return  # a store's own name for what is archived in it
        hide = self._hide
        is_new = activities.find_stream(self._db, hide(line.key)) is None
        facts = {"client": line.client, "folder": line.folder, "claim": line.claim, "owner": line.owner}
        self._streams[line.key] = uniting.stream(
            self._db, hide(line.key), project_id=self._project_id, created_at=line.created_at,
            facts={name: hide.maybe(value) for name, value in facts.items()}, version=hide.maybe(line.client_version),
            timeouts=line.timeouts,
        )  # fmt: skip
        place = self._streams[line.key]
        assert place is not None
        if is_new and (line.doubted or not self._trusted):
            vouching.doubt(self._db, place)
        elif self._trusted and not line.doubted:
            vouching.vouch(self._db, place)

    def _id(self, line: portable.Id) -> str | None:
        id = redact(line.id)
        if forgotten.has_session(self._db, id):
            return None
        key = None if line.key is None else portable.key_number(line.key)
        stream = None
        if line.stream is not None:
            stream = self._find(line.stream)
            if stream is None and line.stream.startswith(archive.PREFIX):
                stream = None if key is None else keepsake.holder(self._db, key)
                if stream is None:
                    return None
            if stream is None or key is None:
                return _NO_STREAM
        return None if uniting.anchor(self._db, id, stream, key if stream else None, line.created_at) else _IS_ANOTHERS

    def _archived(self, line: Whole) -> str | None:
        found = line.found
        if forgotten.has_session(self._db, self._hide(found.id)):
            return None
        if None in [self._find(key) for key in (*(run[0] for run in found.runs), *(p.stream for p in found.parts))]:
            return _NO_STREAM
        known = keepsake.known(self._db, line.keys)
        if not any(known):
            if uniting.is_given(self._db, self._hide(found.id)):
                return _IS_ANOTHERS if line.keys else None
            taking_over.take_over(self._db, found, line.keys, project_id=self._project_id, hide=self._hide)
            self._streams.pop(archive.PREFIX + found.id, None)
            self.archived += 1
            return None
        if sum(known) == len(line.keys):
            return None
        what = [name for name, number in zip(("with activities", "archived", "deleted"), known, strict=True) if number]
        return f"is an archived session of which a part is here already ({', '.join(what)}): it cannot be divided"

    def _report(self, line: portable.Told, stream: int) -> str | None:
        found = portable.report(line, self._hide)
        teller = stream
        if line.origin is not None:
            origin = self._find(line.origin)
            if origin is None:
                return "is of a server that is not in the file"
            teller = origin
        # What a server told is where the evidence puts it, whatever the file says: this store may know more.
        place = joins.place(self._db, teller, found.at) if found.source in (SERVER, SWEEP) else stream
        if teller != place:
            found = msgspec.structs.replace(found, origin=teller)
        self._reports.setdefault((place, stream), []).append(found)
        return None

    def _said(self, line: portable.Turn | portable.Usage, stream: int) -> None:
        key, model = portable.key_number(line.key), self._hide.maybe(line.model)
        if isinstance(line, portable.Usage):
            spent = turns.Spent(
                key=key, at=line.at, model=model, input=line.input, output=line.output, cache_read=line.cache_read,
                cache_write=line.cache_write,
            )  # fmt: skip
            turns.add_usage(self._db, stream, spent)
            return
        turn = turns.Turn(
            key=key, source=portable.NUMBERS[line.source], at=line.at, role=self._hide(line.role),
            text=redact(line.text), model=model,
        )  # fmt: skip
        of_archived = line.stream.startswith(archive.PREFIX)
        before = self._db.total_changes()
        self.said += turns.add_turn(self._db, stream, turn, of_archived=of_archived)
        if not self._trusted and self._db.total_changes() != before:
            vouching.doubt_turn(self._db, turn.key, turn.source)

    def _quarantined(self, line: portable.Quarantined, stream: int) -> str | None:
        origin = None if line.origin is None else self._find(line.origin)
        found = msgspec.structs.replace(portable.report(line, self._hide), origin=origin)
        if found.source in (SERVER, SWEEP):
            return "would wait, though no server's report ever does"
        if barred.is_barred(self._db, stream, found.key, found.at):
            return None
        activities.quarantine(self._db, stream, found)
        return None

    def _amendment(self, line: portable.Amendment) -> str | None:
        reason = decisions.unfit(line)
        if reason is not None:
            return reason
        found = portable.Amendment(
            made_at=line.made_at, kind=self._hide(line.kind), session=redact(line.session), data=leaves(line.data)
        )
        if any(forgotten.has_session(self._db, id) for id in decisions.ids_of(found)):
            return None
        if found.kind == legacy.ADOPTED:
            created = found.data["created_at"]
            if not uniting.anchor(self._db, redact(found.session), None, None, created):
                return _IS_ANOTHERS
        self._decided.append(found)
        return None

    def flush(self) -> None:
        """Write what waits."""
        for (place, stream), found in self._reports.items():
            # The store that it comes from has believed in it: it does not wait here.
            now = max(self._now, *(report.at for report in found))
            if any(report.source == SERVER and report.tool is not None for report in found):
                uniting.served(self._db)
            self.new += record.store(self._db, place, found, now=now)
            if place != stream:
                uniting.follow(self._db, stream, place, (report.key for report in found))
        self._reports.clear()
        self._decide()

    def _decide(self) -> None:
        """Put in force what was decided: whatever session a decision names is derived anew."""
        new: dict[str, portable.Amendment] = {}
        for found in self._decided:
            if not uniting.is_decided(self._db, found):
                new.setdefault(repr(found), found)
        self._decided.clear()
        if not new:
            return
        uniting.amend(self._db, list(new.values()))
        named = {name for found in new.values() for name in (found.session, *decisions.texts(found.data))}
        # What is merged or split changes sessions that no new decision names, too.
        streams, alone = uniting.streams_of(self._db, sorted(named | combining.put_in_force(self._db)))
        for stream in streams:
            seq = archive.session_of(self._db, stream)
            if seq is None:
                activities.mark_stale(self._db, stream)
            else:
                archiving.refresh(self._db, seq)
        sweep.adopt(self._db, alone, self._now)
