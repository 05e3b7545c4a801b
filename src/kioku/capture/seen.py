"""What a hook's event or a transcript's line tells, in one shape for every client.

Readers make these; `keeping` turns them into reports and turns. Both ways of telling of one thing give it the same
`id`, so that it is recorded once. All text here is as the client wrote it: nothing of it is kept unredacted.
"""

from typing import Literal

import msgspec

Kind = Literal[
    "start",  # the conversation was opened, resumed or cleared
    "end",  # the client says that the conversation is over: a hint
    "prompt",  # the person said something
    "answer",  # the assistant said or thought something
    "call",  # a tool was called
    "call_end",  # that call, known by its id, was over
    "turn_end",  # the assistant has finished; it is the person's turn
    "event",  # anything else, named in `detail`
]


class Touch(msgspec.Struct, frozen=True):
    """A file that a call read or edited: its path as the client gave it."""

    path: str
    edit: bool


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer of the model; `id` is the answer's, since clients repeat them on several lines.

    `input` has nothing in it that came from the cache, whichever way the client counts; `output` has the thoughts too.
    """

    id: str
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was told.

    `conversation` and `id` are the client's own; an `id` of None says that the client gives such things none. `at` is
    an instant in ms. `folder` is the working folder (the client's path, maybe of another machine). `text` is what the
    person or the assistant said. Only a `call` has `tool`, `touches` and `detail`; a `call_end` has them if the client
    repeats them.
    """

    conversation: str
    at: int
    kind: Kind
    id: str | None = None
    folder: str | None = None
    branch: str | None = None
    version: str | None = None
    tool: str | None = None
    touches: tuple[Touch, ...] = ()
    detail: str | None = None
    ok: bool | None = None
    text: str | None = None
    model: str | None = None
    usage: Usage | None = None
