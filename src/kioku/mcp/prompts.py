"""The prompts: what a person can have put into a conversation."""

from typing import Final

from kioku.mcp.messages import Prompt

RESUME: Final = "resume"
WRAP_UP: Final = "wrap_up"

_RESUME: Final = (
    "Tell me briefly where we left off, from the record below, and what the next step would be. Check what it says"
    " against the files before you act on it."
)
_WRAP_UP: Final = (
    "Before we end: record with the tool `remember` what the next session must know, one call each: decisions that"
    " were made, rules that hold, issues that are open, and issues that were solved, with their solution. Nothing that"
    " is only planned or guessed."
)

PROMPTS: Final = [
    Prompt(RESUME, "Go on with the last session"),
    Prompt(WRAP_UP, "Record what matters before the session ends"),
]


def text(name: str, record: str) -> str:
    """Return a prompt's text, with the record of the last session where it has one."""
    return f"{_RESUME}\n\n{record}" if name == RESUME else _WRAP_UP
