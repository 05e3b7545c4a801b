"""What can be asked for, and what is found."""

import shlex
from typing import Final

import msgspec

START, END = "\x02", "\x03"  # around a match in a snippet

SESSION: Final = "session"
TURN: Final = "turn"
DISCOVERY: Final = "discovery"
FILE: Final = "file"
SYMBOL: Final = "symbol"
KINDS: Final = (SESSION, TURN, DISCOVERY, FILE, SYMBOL)


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; every filter that is given must hold.

    The session that a thing is of began between `since` and `until` (excluded), with this client, ended on this branch,
    and touched a file for which `in_module` names `module`. `limit` is for each kind.
    """

    text: str
    kinds: tuple[str, ...] = KINDS
    since: int | None = None
    until: int | None = None
    client: str | None = None
    branch: str | None = None
    module: str | None = None
    folder: str | None = None
    limit: int = 10

    @property
    def is_filtered(self) -> bool:
        """Tell whether sessions are left out."""
        return any(
            value is not None for value in (self.since, self.until, self.client, self.branch, self.module, self.folder)
        )


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was found.

    `title` is a session's, its own or a turn's, or what the person asked for first in it; a discovery's kind and state;
    a file's path; a symbol's name. `snippet` has `START` and `END` around each match; `why` says in words why it
    ranked, `parts` in figures that add up to `score`, which is at most about 1 and comparable within one kind only.
    `state` is a discovery's. `opens` is the command, or for a file its path with `:line`, that shows all of it.
    """

    kind: str
    title: str
    snippet: str
    why: str
    parts: dict[str, float]
    score: float
    opens: str
    id: str | None = None
    session_id: str | None = None
    at: int | None = None
    state: str | None = None
    path: str | None = None
    line: int | None = None


class Session(msgspec.Struct, frozen=True):
    """A session as far as search needs it; `seq` is its row number. `title` is what a person called it, if anything."""

    seq: int
    id: str
    started_at: int
    title: str | None
    topics: str | None

    @property
    def heading(self) -> str:
        """Return its title and its topics, in one line."""
        try:
            topics = msgspec.json.decode(self.topics or "[]", type=list[str])
        except msgspec.MsgspecError:
            topics = []
        return ", ".join([*([self.title] if self.title else []), *topics])


def command(*words: str) -> str:
    """Return a command of Kioku's as it can be typed, whatever ids are stored."""
    return shlex.join(["kioku", *words])
