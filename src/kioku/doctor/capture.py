"""Whether what assistants do reaches Kioku: registration, hooks, the spool, and transcripts that wait.

`look` gathers it, for `status` too; `check` turns it into findings. Nothing is changed and no client is run.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing

import msgspec

from kioku import project, settings, times
from kioku.capture import draining, spool, waiting
from kioku.capture.transcripts.formats import Places
from kioku.capture.waiting import Waiting
from kioku.clients import conditions
from kioku.clients.conditions import Trust
from kioku.clients.registered import Registration, registered
from kioku.clients.table import Place
from kioku.doctor.finding import Finding
from kioku.errors import KiokuError
from kioku.project import Project
from kioku.reports import capture as reports
from kioku.reports.capture import Heard
from kioku.store import imports, registry
from kioku.store.imports import Counter
from kioku.store.opening import open_for_reading
from kioku.store.store import Store
from kioku.words import counted

_PERIOD_MS = 30 * times.DAY  # over which hooks are held against transcripts
_WARNED_MS = 7 * times.DAY  # before a transcript is deleted
_FEW_CALLS = 10  # of which nothing can be concluded
_MISSED = 0.1  # of the calls, from which on the hooks are not what they should be
_LONG_MS = times.HOUR  # that events may wait in the spool
_PAST_MS = 7 * times.DAY  # what was lost longer ago is no news


class Assistant(msgspec.Struct, kw_only=True):
    """A client on this machine: how it knows Kioku, and what came of it.

    `last_event` (ms) is of any project; `events` and `heard` are of this one.
    """

    registration: Registration
    trust: Trust
    last_event: int | None = None
    events: int = 0
    heard: Heard | None = None
    waiting: int = 0

    @property
    def name(self) -> str:
        """Return the client's word."""
        return self.registration.client.name

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        known = self.registration
        return {
            "client": self.name, "server": known.server, "hooks": known.hooks, "plugin": known.plugin,
            "missing_hooks": list(known.missing), "broken_command": known.broken, "hooks_run": self.trust.runs,
            "last_event": self.last_event, "events": self.events,
            "calls_by_hook": None if self.heard is None else self.heard.hook,
            "calls_by_transcript": None if self.heard is None else self.heard.transcript,
            "transcripts_waiting": self.waiting,
        }  # fmt: skip


class Capture(msgspec.Struct, kw_only=True):
    """How capture stands: `backlog` is (bytes, instant of the oldest event) in the spool, of every project."""

    assistants: list[Assistant]
    backlog: tuple[int, int | None]
    ignored: int
    failures: int
    torn: int
    last_lost: int | None  # when an event last could not be kept, or a torn record was dropped
    ending: list[tuple[Waiting, int]]  # transcripts that are deleted soon, and when (ms)

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "assistants": [assistant.as_json() for assistant in self.assistants],
            "spool": {
                "bytes": self.backlog[0], "oldest": self.backlog[1], "without_project": self.ignored,
                "failures": self.failures, "torn": self.torn, "last_lost": self.last_lost,
            },
            "transcripts_deleted_soon": [{"file": found.path, "at": at} for found, at in self.ending],
        }  # fmt: skip


def look(where: Project, store: Store | None, now: int, *, compare: bool = True) -> Capture:
    """Gather how capture stands, for a project whose store is given if it has one.

    Without `compare` hooks are not held against transcripts, for which every recent activity is looked at.
    """
    place = Place(os.path.expanduser("~"), settings.environment(), where.workdir)
    state = settings.user_folder("state")
    here = {} if store is None else store.read(imports.counters)
    own_path = project.own().store_path
    mine = [here, _counters(own_path)]
    everywhere = [*mine, *(_counters(path) for path in registry.stores() if path not in (where.store_path, own_path))]
    exclude = settings.load(None).texts("capture.exclude")
    places = Places(place.home, place.environ, (where.workdir,))
    left = waiting.waiting(waiting.imported(own_path), places)
    unread = [found for found in left if not waiting.is_excluded(found, exclude)]
    assistants = []
    for known in registered(place):
        word = known.client.name
        found = [counters[name] for counters in everywhere if (name := f"{draining.HEARD}{word}") in counters]
        assistants.append(
            Assistant(
                registration=known,
                trust=conditions.trust(known.client, place) if known.hooks else Trust(None),
                last_event=max((counter.at for counter in found), default=None),
                events=here.get(f"{draining.HEARD}{word}", Counter(0, 0)).value,
                waiting=sum(one.client == word for one in unread),
            )
        )
    if store is not None and compare:
        listening = {one.name: one.registration.since for one in assistants if one.trust.runs is not False}
        connected = {name: since for name, since in listening.items() if since is not None}
        heard = store.read(lambda db: reports.heard(db, now - _PERIOD_MS, connected))
        for assistant in assistants:
            assistant.heard = heard.get(assistant.name)
    folders = spool.pending(state)
    oldest = min((folder.oldest for folder in folders if folder.oldest is not None), default=None)
    counts = spool.counts(state)
    torn = [counters[draining.TORN] for counters in mine if draining.TORN in counters]
    lost = [counter.at for counter in torn if counter.value]
    return Capture(
        assistants=assistants, backlog=(sum(folder.bytes for folder in folders), oldest),
        ignored=counts["ignored"], failures=counts["failures"],
        torn=sum(counter.value for counter in torn),
        last_lost=max((at for at in (spool.last_failure(state), *lost) if at is not None), default=None),
        ending=list(_ending(unread, place, now)),
    )  # fmt: skip


def _counters(path: str) -> dict[str, Counter]:
    try:
        with closing(open_for_reading(path)) as store:
            return store.read(imports.counters)
    except KiokuError:
        return {}  # there is none, or it cannot be read: then nothing is known from there


def _ending(unread: Iterable[Waiting], place: Place, now: int) -> Iterator[tuple[Waiting, int]]:
    """Return the transcripts that Claude Code is about to delete, and when."""
    lifetime = conditions.transcript_lifetime_ms(place)
    for found in unread:
        if found.client == "claude" and found.changed_at + lifetime < now + _WARNED_MS:
            yield found, found.changed_at + lifetime


def check(where: Project, store: Store | None, now: int) -> Iterator[Finding]:
    """Say what is well with capture and what is not. Raises KiokuError."""
    capture = look(where, store, now)
    if not capture.assistants:
        yield Finding(check="assistants", state="ok", found="none was found on this machine")
    for assistant in capture.assistants:
        yield _registration(assistant, now)
        yield from _hooks(assistant)
    yield from _spool(capture, now)
    if capture.ending:
        first = min(at for _, at in capture.ending)
        when = f"from {times.local_text(first)[:10]} on" if first > now else "at any moment"
        yield Finding(
            check="transcripts", state="warning", fix="kioku import claude",
            found=f"{counted(len(capture.ending), 'transcript')} of Claude Code's not imported, deleted {when}",
            why="it deletes them, and what was said and done is lost",
        )  # fmt: skip
    unread = sum(assistant.waiting for assistant in capture.assistants)
    if unread > len(capture.ending):
        says = f"{counted(unread, 'transcript')} with something that is not imported"
        yield Finding(check="transcripts", state="ok", found=f"{says}: kioku import takes it in")


def _registration(assistant: Assistant, now: int) -> Finding:
    known = assistant.registration
    title, fix = known.client.title, f"kioku setup --client {assistant.name}"
    if known.client.user is None:
        fix += " --project"
    if known.broken is not None:
        fix = "put kioku and kioku-hook on the PATH" if known.plugin and not known.twice else fix
        why = "it cannot start Kioku, so nothing is recorded"
        found = f"{title} is told to run {known.broken}, which is not there"
        return Finding(check="assistants", state="problem", found=found, why=why, fix=fix)
    if not known.server and not known.hooks:
        why = "its sessions are not recorded while they happen"
        return Finding(check="assistants", state="warning", found=f"{title} does not know Kioku", why=why, fix=fix)
    if known.twice:
        why = "each call is told twice, which costs time and changes no numbers"
        found = f"{title} has Kioku's plugin and its entries in the settings as well"
        return Finding(check="assistants", state="warning", found=found, why=why, fix=fix)
    lacks = [word for word, has in (("server", known.server), ("hooks", known.hooks is not False)) if not has]
    if lacks or known.missing:
        missing = f"the {lacks[0]}" if lacks else f"hooks for {', '.join(known.missing)}"
        why = "part of what it does is not recorded"
        return Finding(check="assistants", state="warning", found=f"{title} lacks {missing}", why=why, fix=fix)
    how = "by its plugin" if known.plugin else "server" if known.hooks is None else "server and hooks"
    return Finding(
        check="assistants", state="ok", found=f"{title} knows Kioku ({how}); {_last_event_text(assistant, now)}"
    )


def _last_event_text(assistant: Assistant, now: int) -> str:
    if assistant.registration.hooks is None:
        return "it has no hooks"
    return "no event yet" if assistant.last_event is None else f"last event {times.ago_text(assistant.last_event, now)}"


def size_text(size: int) -> str:
    """Return a number of bytes in words."""
    return f"{size} bytes" if size < 1000 else f"{size / 1000:.0f} kB"


def _hooks(assistant: Assistant) -> Iterator[Finding]:
    title = assistant.registration.client.title
    if assistant.registration.hooks and assistant.trust.runs is False:
        yield Finding(
            check="hooks", state="warning", found=f"{title} does not run Kioku's hooks: {assistant.trust.reason}",
            why="what it does is only known once its transcripts are imported", fix=assistant.trust.fix,
        )  # fmt: skip
    heard = assistant.heard
    if heard is None or heard.transcript < _FEW_CALLS:
        return
    told = f"{title}'s hooks told of {heard.hook} calls, its transcripts of {heard.transcript} (30 days)"
    if heard.missed > _MISSED * heard.transcript:
        why = "hooks that time out or are not registered for every event miss some"
        yield Finding(check="hooks", state="warning", found=told, why=why, fix="kioku import fills the gaps")
    else:
        yield Finding(check="hooks", state="ok", found=told)


def _spool(capture: Capture, now: int) -> Iterator[Finding]:
    size, oldest = capture.backlog
    if oldest is not None and now - oldest > _LONG_MS:
        yield Finding(
            check="spool", state="warning", fix="kioku status",
            found=f"{size_text(size)} of hooks' events wait to be recorded, since {times.ago_text(oldest, now)}",
            why="no Kioku process has taken them in, or the store could not be written",
        )  # fmt: skip
    else:
        yield Finding(check="spool", state="ok", found=f"{size_text(size)} of events wait" if size else "nothing waits")
    if capture.failures or capture.torn:
        what = [counted(capture.failures, "event") + " could not be kept"] if capture.failures else []
        what += [counted(capture.torn, "torn record") + " dropped"] if capture.torn else []
        found = ", ".join(what)
        if capture.last_lost is not None and now - capture.last_lost > _PAST_MS:
            found += f"; the last one {times.ago_text(capture.last_lost, now)}"
            yield Finding(check="spool", state="ok", found=found)
        else:
            why = "a hook was given what it cannot read, found no room on the disk, or was killed as it wrote"
            yield Finding(check="spool", state="warning", found=found, why=why, fix="kioku import fills the gaps")
    if capture.ignored:
        found = f"{counted(capture.ignored, 'event')} from folders that are no project"
        yield Finding(check="spool", state="ok", found=found)
