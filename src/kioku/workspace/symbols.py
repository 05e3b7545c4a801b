"""Where names are defined in the project's code, found by ripgrep when they are asked for.

An index of symbols would have to be kept up with every edit and every switch of branches; ripgrep reads a project of
thousands of files in a fraction of a second, and is never out of date. Definitions are known by the words that most
languages put before a name; what a language writes otherwise is found by `grep_codebase`.
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from kioku.workspace.children import never
from kioku.workspace.grep import grep

DEADLINE_S: Final = 1.5
_MOST: Final = 400  # lines that are looked at
_NAMES: Final = 6
_SHORTEST: Final = 3
_KEYWORDS: Final = (
    "def|class|func|function|fn|type|struct|interface|trait|enum|module|namespace|record|protocol|const|let|var|val|"
    "object|macro_rules!|CREATE TABLE|CREATE VIEW"
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Symbol(msgspec.Struct, frozen=True):
    """A definition: the name, its place, the line, and whether the name is all that was asked for or has it in it."""

    name: str
    path: str
    line: int
    text: str
    sought: str
    is_whole: bool


def names(text: str) -> list[str]:
    """Return the names in a query that may be of code: what looks like an identifier, or the only word."""
    found = [name for name in _NAME.findall(text) if len(name) >= _SHORTEST]
    coded = [name for name in found if not (name.isalpha() and (name.islower() or name.istitle() or name.isupper()))]
    return list(dict.fromkeys(coded or (found if len(found) == 1 else [])))[:_NAMES]


def definitions(
    root: str,
    sought: Sequence[str],
    *,
    protected: Collection[tuple[int, int]] = (),
    cancelled: Callable[[], bool] = never,
) -> list[Symbol]:
    """Return where some names are defined, whole names first, then names that have them in them.

    What was found within `DEADLINE_S` counts. Raises ToolError, CancelledCallError.
    """
    if not sought:
        return []
    alternatives = "|".join(sought)
    keyword = rf"\b(?:{_KEYWORDS})\s+(?:\([^)]*\)\s*)?\w*(?:{alternatives})\w*"
    assigned = rf"^\s*(?:{alternatives})\s*(?::=|=\s*(?:async\s*)?(?:\(|function\b|lambda\b))"
    pattern = f"{keyword}|{assigned}"
    found = grep(
        root, pattern, ignore_case=True, max_matches=_MOST, deadline_s=DEADLINE_S, protected=protected,
        cancelled=cancelled,
    )  # fmt: skip
    symbols = []
    for match in found.matches:
        told = _told(match.text, sought)
        if told is not None and not match.is_context:
            name, asked = told
            symbols.append(Symbol(name, match.path, match.line, match.text.strip(), asked, name == asked))
    return sorted(symbols, key=lambda symbol: (not symbol.is_whole, len(symbol.name), symbol.path, symbol.line))


def _told(text: str, sought: Sequence[str]) -> tuple[str, str] | None:
    """Return the first name in a line that has one of the sought ones in it, and which."""
    for name in _NAME.findall(text):
        for asked in sought:
            if asked == name or asked.casefold() in name.casefold():
                return name, asked
    return None
