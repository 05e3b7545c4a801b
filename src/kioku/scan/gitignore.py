"""A small, well-defined part of gitignore's rules, without git.

What is honoured, per `.gitignore` file: blank lines and `#` comments; `!` to take back; a final `/` for
folders only; a `/` elsewhere ties the pattern to the file's own folder; `*`, `?`, `[...]` inside one name;
`**` for any number of folders. The last rule that matches decides, a deeper file before a higher one, and
nothing below an ignored folder comes back. Not honoured: other backslash escapes, `.git/info/exclude`, the
person's global file.

The invariant: matching costs linear time in pattern and name. Patterns come from a stranger;
`fnmatch.translate` (Python 3.11) writes each `*` as an atomic group, and names are matched one at a time.
"""

import fnmatch
import re
from collections.abc import Sequence

import msgspec

MAX_RULES = 500  # in one file; what comes after is not read
_WILD = re.compile(r"[*?\[]")

Part = str | re.Pattern[str] | None  # a name, a pattern for a name, any number of names (`**`)


class _Rule(msgspec.Struct, frozen=True, kw_only=True):
    order: int
    negated: bool
    folders_only: bool
    parts: tuple[Part, ...]
    anchored: bool


def compile_glob(pattern: str) -> tuple[Part, ...]:
    """Return the parts of a slash-separated pattern; a final `**` needs at least one name."""
    parts: list[Part] = []
    for piece in pattern.split("/")[:64]:
        if piece in ("", "."):
            continue
        if piece == "**":
            if not parts or parts[-1] is not None:
                parts.append(None)
        elif _WILD.search(piece):
            parts.append(re.compile(fnmatch.translate(piece[:256])))
        else:
            parts.append(piece)
    if parts and parts[-1] is None:
        parts.append(re.compile(fnmatch.translate("*")))
    return tuple(parts)


def match_glob(parts: Sequence[Part], names: Sequence[str]) -> bool:
    """Tell whether the whole path matches; only the last `**` is ever tried again, so the time is bounded."""
    at = name_at = 0
    retry: tuple[int, int] | None = None
    while name_at < len(names):
        if at < len(parts) and parts[at] is None:
            retry = (at, name_at)
            at += 1
        elif at < len(parts) and _same(parts[at], names[name_at]):
            at += 1
            name_at += 1
        elif retry is not None:
            retry = (retry[0], retry[1] + 1)
            at, name_at = retry[0] + 1, retry[1]
        else:
            return False
    return all(part is None for part in parts[at:])


def _same(part: Part, name: str) -> bool:
    return part == name if isinstance(part, str) else part is not None and part.match(name) is not None


class IgnoreFile:
    """The rules of one `.gitignore`.

    Most rules are a plain name or `*.ext`; they are looked up, and only the rest are tried one by one.
    """

    def __init__(self, text: str, depth: int) -> None:
        self.depth = depth  # how many names lead from the root to the file's folder
        self._names: dict[str, list[_Rule]] = {}
        self._endings: dict[str, list[_Rule]] = {}
        self._others: list[_Rule] = []
        count = 0
        for line in text.splitlines():
            rule = _parse(line, count)
            if rule is None:
                continue
            count += 1
            if count > MAX_RULES:
                break
            self._file(rule, line)

    def _file(self, rule: _Rule, line: str) -> None:
        first = rule.parts[0]
        ending = line.strip().removeprefix("!").rstrip("/")
        if rule.anchored or len(rule.parts) != 1:
            self._others.append(rule)
        elif isinstance(first, str):
            self._names.setdefault(first, []).append(rule)
        elif re.fullmatch(r"\*\.[^*?\[.]+", ending):
            self._endings.setdefault(ending[2:], []).append(rule)
        else:
            self._others.append(rule)

    def verdict(self, path: Sequence[str], folder: bool) -> bool | None:
        """Return True for ignored, False for taken back, None for no opinion; `path` is from the root."""
        name = path[-1]
        best: _Rule | None = None
        dot = name.rfind(".")
        for found in (self._names.get(name), self._endings.get(name[dot + 1 :]) if dot >= 0 else None):
            for rule in found or ():
                if (folder or not rule.folders_only) and (best is None or rule.order > best.order):
                    best = rule
        for rule in reversed(self._others):
            if best is not None and rule.order < best.order:
                break
            if folder or not rule.folders_only:
                names = path[self.depth :] if rule.anchored else (name,)
                if match_glob(rule.parts, names):
                    best = rule
                    break
        return None if best is None else not best.negated


def _parse(line: str, order: int) -> _Rule | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text.removeprefix("!")
    if text.startswith(("\\#", "\\!")):
        text = text[1:]
    if "\\" in text:
        return None
    folders_only = text.endswith("/")
    anchored = "/" in text.rstrip("/")
    parts = compile_glob(text)
    if not parts:
        return None
    return _Rule(order=order, negated=negated, folders_only=folders_only, parts=parts, anchored=anchored)
