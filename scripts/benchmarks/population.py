"""A store as five years of work leave it: working days with sessions side by side, nights and weekends thinner.

The same seed, number of sessions and number of days give the same activities, up to the fixed instant `NOW`; only ids
are random, as they always are. With fewer sessions there are fewer a day, of the same clients, branches, tools and
files, unless they are of fewer days. Everything goes in through the store's own functions, conversation by
conversation, and its sessions are derived as they always are.

    python -m scripts.benchmarks.population FOLDER --sessions 100000 --seed 1
"""

import argparse
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw

from kioku import project as places
from kioku.models import (
    ANSWER,
    FILE_EDIT,
    FILE_READ,
    HOOK,
    PROMPT,
    SERVER,
    TOOL_CALL,
    TRANSCRIPT,
    TURN_END,
    Report,
)
from kioku.redaction import Redacted, redact
from kioku.sessions import record, settling, sweep
from kioku.store import activities, turns
from kioku.store.opening import open_store
from kioku.store.store import Store
from kioku.times import DAY, HOUR, MINUTE, SECOND

NOW = 1_795_190_400_000  # 2026-11-20T16:00Z, a Friday: somebody is at work
DAYS = 5 * 365 + 1
TIMEOUT = 30 * MINUTE
FILES = 5_000
RUNNING = 3  # sessions that began in the last minutes and have not ended

# How sessions are divided among the days of a week, Monday first, and the hours of a day, in UTC.
_WEEKDAYS = (22, 23, 23, 22, 18, 4, 3)
_HOURS = (2, 1, 1, 0, 0, 1, 4, 12, 20, 22, 20, 12, 14, 20, 22, 19, 14, 8, 5, 5, 6, 6, 5, 3)

# Key of the stream up to the conversation's name, who tells of it, the client where the key does not say it, weight.
_SOURCES = (
    ("claude", TRANSCRIPT, None, 40),
    ("claude", HOOK, None, 15),
    ("codex", TRANSCRIPT, None, 15),
    ("gemini", HOOK, None, 8),
    ("cursor", HOOK, None, 8),
    ("server", SERVER, "claude-code", 9),
    ("server", SERVER, "cursor", 5),
)
_READERS, _EDITORS, _OTHERS = 3, 3, 6
_TOOLS = ("Read", "read_file", "NotebookRead", "Edit", "Write", "MultiEdit", "Bash", "Grep", "Glob", "Task", "git_log",
          "WebFetch")  # fmt: skip
_TOOL_WEIGHTS = (34, 8, 1, 20, 5, 3, 16, 7, 3, 1, 1, 1)
_FOLDERS = ("api", "auth", "billing", "cli", "core", "docs", "jobs", "mail", "models", "search", "store", "sync", "ui")


class _Kind(NamedTuple):
    """A sort of conversation: by whom it is told, and with which client."""

    prefix: str
    source: int
    client: str | None


class _Stream:
    """A conversation that may be taken up again: its key, and when it was last heard of."""

    def __init__(self, key: Redacted, kind: _Kind) -> None:
        self.key = key
        self.kind = kind
        self.until = 0
        self.reports: list[Report] = []


def make(folder: Path, *, sessions: int = 100_000, days: int = DAYS, seed: int = 1) -> Path:
    """Build a store of so many sessions, with about 30 activities each, in a new project; return the store's path.

    They began in the last `days` days.
    """
    folder.mkdir(parents=True, exist_ok=True)
    where = places.find(str(folder), [], str(folder))
    places.prepare(where)
    store = open_store(where.store_path)
    try:
        store.write(lambda db: _fill(db, store, _Work(Random(seed), sessions, days)))
        sweep.sweep(store, where.run_dir, NOW)
        settling.settle(store)
    finally:
        store.close()
    return Path(where.store_path)


def _fill(db: apsw.Connection, store: Store, work: "_Work") -> None:
    db.pragma("cache_size", -768 << 10)  # in kB: keys are random, and their index is written everywhere at once
    activities.note_served(db)
    for number, stream in enumerate(work.streams()):
        place = activities.stream(
            db, stream.key, project_id=store.project_id, owner=None, timeout_ms=TIMEOUT, now=stream.reports[0].at
        )
        if stream.kind.client is not None:
            activities.name_client(db, place, redact(stream.kind.client), redact("1.0"))
        record.store(db, place, stream.reports, now=NOW)
        if number % 64 == 0:
            _say(db, place, stream.reports)
        record.derive_stream(db, place, now=min(NOW, stream.until + TIMEOUT))


def _say(db: apsw.Connection, place: int, reports: list[Report]) -> None:
    """Keep what was said in a conversation: that of a few is enough."""
    for told in reports:
        if told.kind in (PROMPT, ANSWER):
            role, text = ("user", "Mend the parser.") if told.kind == PROMPT else ("assistant", "The parser is mended.")
            turn = turns.Turn(key=told.key, source=told.source, at=told.at, role=role, text=redact(text))
            turns.add_turn(db, place, turn)


class _Work:
    """What happened in the five years, by conversation."""

    def __init__(self, chance: Random, sessions: int, days: int) -> None:
        self._chance = chance
        self._sessions = sessions
        self._days = days
        self._kinds = [_Kind(*source[:3]) for source in _SOURCES]
        self._tools = [redact(tool) for tool in _TOOLS]
        self._paths = [redact(path) for path in _paths()]
        self._ranks = list(accumulate(1 / (rank + 3) for rank in range(FILES)))
        self._started = 0

    def streams(self) -> Iterator[_Stream]:
        """Return conversations with their reports, by about when they ended."""
        open_ones: list[_Stream] = []
        for at in self._starts():
            stream = self._taken_up(open_ones, at)
            if stream is None:
                stream = self._begun()
                open_ones.append(stream)
            self._session(stream, at)
            if len(open_ones) > 24:
                yield open_ones.pop(0)
        yield from open_ones

    def _starts(self) -> list[int]:
        """Return when sessions begin, in order."""
        midnight = NOW - NOW % DAY
        weights = [
            _WEEKDAYS[((midnight // DAY) - number + 3) % 7] for number in range(self._days)
        ]  # 1970 began on Thursday
        found = []
        chance = self._chance
        days = chance.choices(range(self._days), weights, k=self._sessions)
        hours = chance.choices(range(24), _HOURS, k=self._sessions)
        for day, hour in zip(days, hours, strict=True):
            at = midnight - day * DAY + hour * HOUR + chance.randrange(HOUR)
            found.append(at if at < NOW else at - 7 * DAY)
        for number in range(min(RUNNING, len(found))):
            found[number] = NOW - (5 + 3 * number) * MINUTE
        return sorted(found)

    def _taken_up(self, open_ones: list[_Stream], at: int) -> _Stream | None:
        """Return an earlier conversation that goes on now, in a session of its own."""
        if self._chance.random() < 0.5:
            return None
        return next((s for s in open_ones if s.until + TIMEOUT <= at < s.until + 2 * DAY), None)

    def _begun(self) -> _Stream:
        self._started += 1
        kind = self._chance.choices(self._kinds, [weight for *_, weight in _SOURCES])[0]
        return _Stream(redact(f"{kind.prefix}:{self._started:08}"), kind)

    def _session(self, stream: _Stream, at: int) -> None:
        """Tell of a session: rounds of a prompt, calls and an answer; a server sees the calls alone."""
        chance = self._chance
        is_server = stream.kind.source == SERVER
        branch = self._branch(at)
        begin, count = at, len(stream.reports)
        for _ in range(chance.choice((1, 2, 3, 3, 4, 5))):
            if not is_server:
                self._tell(stream, at, PROMPT, branch=branch)
                at += chance.randrange(SECOND, 20 * SECOND)
            for _ in range(chance.randrange(3, 12) + 3 * is_server):
                at = self._call(stream, at, branch) + chance.randrange(200, 15 * SECOND)
            if not is_server:
                self._tell(stream, at, ANSWER)
                self._tell(stream, at + 300, TURN_END)
            at += self._pause()
            if at >= NOW:
                break
        kept = [report for report in stream.reports[count:] if report.until <= NOW]
        if not kept:
            kept = [self._made(stream, begin, TOOL_CALL, tool=self._tools[6], branch=branch)]
        stream.reports[count:] = kept
        stream.until = max(report.until for report in kept)

    def _pause(self) -> int:
        """Return how long the person takes until the next prompt."""
        chance = self._chance
        way = chance.random()
        if way < 0.8:
            return chance.randrange(5 * SECOND, 4 * MINUTE)
        return chance.randrange(4 * MINUTE, TIMEOUT - MINUTE)

    def _call(self, stream: _Stream, at: int, branch: Redacted) -> int:
        """Tell of one call of a tool; return when it was over."""
        chance = self._chance
        number = chance.choices(range(len(_TOOLS)), _TOOL_WEIGHTS)[0]
        is_file = number < _READERS + _EDITORS
        took = chance.randrange(3, 400) if is_file else chance.randrange(50, 45 * SECOND)
        kind = TOOL_CALL if not is_file else FILE_READ if number < _READERS else FILE_EDIT
        path = self._path(at) if is_file else None
        self._tell(stream, at, kind, took, self._tools[number], path, branch)
        return at + took

    def _tell(
        self, stream: _Stream, at: int, kind: Redacted, took: int | None = None, tool: Redacted | None = None,
        path: Redacted | None = None, branch: Redacted | None = None,
    ) -> None:  # fmt: skip
        stream.reports.append(self._made(stream, at, kind, took, tool, path, branch))

    def _made(
        self, stream: _Stream, at: int, kind: Redacted, took: int | None = None, tool: Redacted | None = None,
        path: Redacted | None = None, branch: Redacted | None = None,
    ) -> Report:  # fmt: skip
        key = (self._chance.getrandbits(64) - (1 << 63)) & ~1
        return Report(
            key=key, source=stream.kind.source, at=at, kind=kind, took=took, tool=tool, path=path, branch=branch,
            ok=True,
        )  # fmt: skip

    def _branch(self, at: int) -> Redacted:
        """Return the branch that a session is on: `main`, or one of a few that last about a week."""
        week = (at + 3 * DAY) // (7 * DAY)
        topic = self._chance.choice((None, "feature", "feature", "mend"))
        return redact("main" if topic is None else f"{topic}-{week % 1000}")

    def _path(self, at: int) -> Redacted:
        """Return a file: few are touched often, and which ones changes slowly over the years."""
        rank = self._chance.choices(range(FILES), cum_weights=self._ranks)[0]
        side = (rank + 1) // 2 * (1 if rank % 2 else -1)
        return self._paths[(at // (3 * DAY) + side) * 13 % FILES]


def _paths() -> list[str]:
    count = len(_FOLDERS)
    return [f"src/{_FOLDERS[n % count]}/part_{n // count % 9}/module_{n}.py" for n in range(FILES)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Build a store of five years of work.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()

    began = time.process_time()
    path = make(given.folder, sessions=given.sessions, days=given.days, seed=given.seed)
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB, {time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
