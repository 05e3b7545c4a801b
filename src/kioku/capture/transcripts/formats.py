"""The transcripts that Kioku reads, as a table, and how a file is known whose client nobody named."""

import os
from collections.abc import Mapping
from typing import Final

from kioku.capture.transcripts import claude, codex, copilot, gemini, opencode, specstory
from kioku.capture.transcripts.reading import Format, Places

__all__ = ["FORMATS", "Format", "Places", "recognise"]

FORMATS: Final[Mapping[str, Format]] = {
    module.FORMAT.client: module.FORMAT for module in (claude, codex, copilot, gemini, opencode, specstory)
}

# What the beginning of each client's files has in it.
_SIGNS: Final = (
    ("codex", (b'"session_meta"',)),
    ("copilot", (b'"session.start"',)),
    ("claude", (b'"sessionId"', b'"type"', b'"uuid"')),
    ("claude", (b'"leafUuid"',)),
    ("claude", (b'"file-history-snapshot"',)),
    ("gemini", (b'"sessionId"', b'"projectHash"')),
    ("opencode", (b'"info"', b'"directory"')),
)


def recognise(path: str, head: bytes) -> Format | None:
    """Return the format of a file, judged by its name and its beginning; None if it is none of ours."""
    if os.path.splitext(path)[1].lower() in (".md", ".markdown"):
        return FORMATS["specstory"] if b"SpecStory" in head or b"_**User" in head else None
    return next((FORMATS[client] for client, signs in _SIGNS if all(sign in head for sign in signs)), None)
