"""What `project.yaml` says in its lists of patterns, rules, decisions and issues: a person's words, or a discovery's.

A person writes plain text. Kioku writes a map, so that every entry leads back to what it was learned from, and every
YAML tool keeps that: `text`, or `problem` and `solution`; `by` where the words are not the person's; the `session` and
the `id` of the discovery. Both are read, and other words for the same that people use. The file is the repository's:
nothing that stands in it gives an entry anybody's authority.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from kioku.knowledge.yaml_tree import Plain
from kioku.workspace.untrusted_text import printable_lines

LISTS: Final = ("patterns", "rules", "decisions", "issues")
LIST_OF: Final = {"pattern": "patterns", "rule": "rules", "decision": "decisions", "issue": "issues"}
ALSO: Final = {
    "rules": ("business_rules", "businessRules"),
    "issues": ("common_issues", "commonIssues"),
}  # how else the lists are called in files that people wrote
_TEXT: Final = ("text", "problem", "description", "issue", "rule", "pattern", "decision")
_SOLUTION: Final = ("solution", "fix")


class Saying(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry. `id` is the discovery that it was written from, `session` where that was said."""

    text: str
    solution: str | None = None
    by: str | None = None
    session: str | None = None
    id: str | None = None


def names(list_: str) -> tuple[str, ...]:
    """Return the names under which a list may stand, ours first."""
    return (list_, *ALSO.get(list_, ()))


def read(values: Mapping[str, Plain], list_: str) -> tuple[Saying, ...]:
    """Return the entries of one list of a module or of the project; what is none is left out."""
    found: list[Saying] = []
    for name in names(list_):
        value = values.get(name)
        for item in value if isinstance(value, list) else [value]:
            one = saying(item)
            if one is not None:
                found.append(one)
    return tuple(found)


def saying(item: Plain) -> Saying | None:
    """Return an entry; None for what is none."""
    if isinstance(item, str):
        text = _text(item)
        return None if text is None else Saying(text=text)
    if not isinstance(item, dict):
        return None
    text = _first(item, _TEXT)
    if text is None:
        return None
    return Saying(
        text=text,
        solution=_first(item, _SOLUTION),
        by=_text(item.get("by")),
        session=_text(item.get("session")),
        id=_text(item.get("id")),
    )


def _first(item: Mapping[str, Plain], keys: tuple[str, ...]) -> str | None:
    return next((text for key in keys if (text := _text(item.get(key))) is not None), None)


def _text(value: Plain) -> str | None:
    return printable_lines(value).strip() or None if isinstance(value, str) else None
