"""From what was seen to what is kept: reports, turns and usage, redacted, with the same keys whoever told of them.

A hook and a transcript that tell of one thing by the client's id give it one key. Ids that are long enough to be unique
anywhere stand alone, so that a conversation copied on resume is no second one; short ones count within their
conversation. Paths become relative to the project; what lies in a folder that is never recorded loses its name.
"""

import ntpath
import os
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from kioku import models
from kioku.capture.seen import Seen, Touch
from kioku.capture.tools import own
from kioku.models import HOOK, Report, key_of
from kioku.redaction import Redacted, redact
from kioku.settings import is_excluded
from kioku.store.turns import Spent, Turn

LONGEST_TEXT: Final = 65_536  # characters of a turn that are kept
_LONGEST_DETAIL: Final = 400  # characters, cut only when what may cross that border is redacted
_UNIQUE_ANYWHERE: Final = 20  # characters from which an id of a client's is taken to be unique

_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")
_MOST_TOKENS: Final = 1 << 53  # more is no count of anything

_KINDS: Final = {
    "start": models.CONVERSATION_START,
    "end": models.CONVERSATION_END,
    "prompt": models.PROMPT,
    "answer": models.ANSWER,
    "turn_end": models.TURN_END,
    "event": models.EVENT,
}


class Kept(NamedTuple):
    """What one thing that was seen leaves behind."""

    reports: list[Report]
    turn: Turn | None = None
    spent: Spent | None = None
    version: Redacted | None = None


class Keeper:
    """Keeps what one client's hooks or transcripts tell about one project.

    `bases` are the folders to which paths become relative (none: they stay as the client gave them), `exclude` those
    that are never recorded.
    """

    def __init__(self, client: str, source: int, bases: Sequence[str], exclude: Sequence[str] = ()) -> None:
        self._client = client
        self._source = source
        self._bases = [base.replace("\\", "/").rstrip("/") + "/" for base in bases]
        self._exclude = exclude
        self._known: dict[str, Redacted] = {}
        self._paths: dict[tuple[str, str | None], Redacted | None] = {}

    def keep(self, seen: Seen, record: str | None = None) -> Kept:
        """Turn one thing into what is kept of it. `record` names a hook's event whose client gives it no id."""
        key = self._key(seen, record)
        if seen.kind in ("call", "call_end"):
            return Kept(self._call(seen, key))
        turn = None
        if seen.text and seen.kind in ("prompt", "answer", "turn_end"):
            text = redact(seen.text)
            role = "user" if seen.kind == "prompt" else "assistant"
            turn = Turn(
                key=key, source=self._source, at=seen.at, role=role, text=Redacted(text[:LONGEST_TEXT]),
                model=self._short(seen.model),
            )  # fmt: skip
        spent = None
        if seen.usage is not None:
            use = seen.usage
            counts = [_count(told) for told in (use.input, use.output, use.cache_read, use.cache_write)]
            spent = Spent(
                key=self._key_of("usage", use.id, seen.conversation), at=seen.at, model=self._short(seen.model),
                input=counts[0], output=counts[1], cache_read=counts[2], cache_write=counts[3],
            )  # fmt: skip
        report = self._report(seen, key, _KINDS[seen.kind], detail=seen.detail)
        return Kept([report], turn, spent, self._short(seen.version))

    def _call(self, seen: Seen, key: int) -> list[Report]:
        if seen.tool is None:
            return [self._report(seen, key, models.CALL_END)]
        bare = own(seen.tool)
        found = [(self._path(touch, seen.folder), touch.edit) for touch in seen.touches]
        detail = None if (None, True) in found or (None, False) in found else seen.detail
        edits: dict[Redacted, bool] = {}
        for path, edit in found:
            if path is not None:
                edits[path] = edits.get(path, False) or edit
        touches = list(edits.items())
        if bare is not None:
            first = touches[0][0] if touches else None
            return [self._report(seen, key, models.ECHO, tool=bare, path=first)]
        if not touches:
            return [self._report(seen, key, models.TOOL_CALL, tool=seen.tool, detail=detail)]
        reports = []
        for number, (path, is_edit) in enumerate(touches):
            kind = models.FILE_EDIT if is_edit else models.FILE_READ
            if number == 0:  # the call itself; its further files have keys of their own
                reports.append(self._report(seen, key, kind, tool=seen.tool, path=path, detail=detail))
            else:
                reports.append(self._report(seen, key_of(key, "touch", number) | (key & 1), kind, path=path))
        return reports

    def _report(
        self,
        seen: Seen,
        key: int,
        kind: Redacted,
        *,
        tool: str | None = None,
        path: Redacted | None = None,
        detail: str | None = None,
    ) -> Report:
        return Report(
            key=key, source=self._source, at=seen.at, kind=kind, tool=self._short(tool), path=path,
            branch=None if seen.branch == "HEAD" else self._short(seen.branch),
            detail=None if detail is None else Redacted(redact(detail)[:_LONGEST_DETAIL]), ok=seen.ok,
        )  # fmt: skip

    def _key(self, seen: Seen, record: str | None) -> int:
        kind = "call" if seen.kind == "call_end" else seen.kind
        if seen.id is not None:
            return self._key_of(kind, seen.id, seen.conversation)
        if self._source == HOOK:
            return key_of(self._client, kind, str(record)) | 1
        return key_of(self._client, kind, self._short(seen.conversation) or "", seen.at)

    def _key_of(self, kind: str, id: str, conversation: str) -> int:
        # As it is kept: a transcript that is read further has its conversation's id from there.
        within = "" if len(id) >= _UNIQUE_ANYWHERE else self._short(conversation) or ""
        return key_of(self._client, kind, id, within)

    def _short(self, text: str | None) -> Redacted | None:
        if not text:
            return None
        known = self._known.get(text)
        if known is None:
            if len(self._known) > 10_000:
                self._known.clear()
            known = self._known[text] = Redacted(redact(text)[:300])
        return known

    def _path(self, touch: Touch, folder: str | None) -> Redacted | None:
        """Return a path as it is kept; None for one that must not be."""
        place = (touch.path, folder)
        if place not in self._paths:
            if len(self._paths) > 10_000:
                self._paths.clear()
            self._paths[place] = self._located(*place)
        return self._paths[place]

    def _located(self, path: str, folder: str | None) -> Redacted | None:
        if "\0" in path:
            return None
        if _DRIVE.match(path) or (folder is not None and _DRIVE.match(folder)):
            absolute = ntpath.normpath(ntpath.join(folder or "", path))
            shown = absolute.replace("\\", "/")
        else:
            absolute = os.path.normpath(os.path.join(folder or "", os.path.expanduser(path)))
            shown = absolute
        if self._exclude and is_excluded(absolute, self._exclude):
            return None
        base = next((base for base in self._bases if shown.startswith(base)), "")
        return Redacted(redact(shown[len(base) :])[:4096])


def _count(told: int) -> int:
    return min(max(told, 0), _MOST_TOKENS)
