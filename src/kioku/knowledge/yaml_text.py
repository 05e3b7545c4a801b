"""Changing a YAML text in place.

Dumping a parsed file again would indent it anew, drop its `---`, mix its line ends, turn `~` into nothing and lose
the comment that follows a removed key (ruamel.yaml 0.19). So a change replaces just the characters of a value. The
invariant: characters outside of what is changed stay as they are, no comment is ever lost, and `apply` hands out a
text only after parsing it again and finding exactly the values it meant to write.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from kioku.knowledge.yaml_tree import Node, Plain, YamlError, parse, plain

Item = str | Mapping[str, str]  # what a list holds
Leaf = str | list[str] | list[Item]
Value = Leaf | Mapping[str, "Value"]

_SAFE = re.compile(r"[^\W\d_][\w ./@+(){},&'!?%*=;…-]*", re.ASCII)
_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\n|\r|\Z)")
_WORDS_WITH_MEANING = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


class _Edit(msgspec.Struct, frozen=True, kw_only=True):
    start: int
    end: int
    text: str
    depth: int = 0  # of lines that are inserted


class Document:
    """A text, its tree, and the changes to be made to it; nothing changes before `apply`."""

    def __init__(self, text: str) -> None:
        first = re.search(r"\r\n|\n|\r", text)
        self.newline = first.group() if first else "\n"
        self._lacks_end = bool(text) and text[-1] not in "\r\n"  # then it has one while it is changed
        self.text = text + self.newline * self._lacks_end
        self.root = parse(self.text)
        if self.root.kind != "map":
            raise YamlError("it holds no keys with values at the top")
        self._edits: list[_Edit] = []
        self._begun: set[int] = set()  # empty `{}` that a key was added to
        # The end of a line is part of a block scalar: only without ours is what the text says.
        self._expected = plain(parse(text) if self._lacks_end else self.root)

    def apply(self) -> str:
        """Return the changed text; YamlError when it would not hold exactly what was asked for."""
        text = self.text
        # Of what is inserted in one place, what belongs to the lines before it comes first: it is indented deeper.
        ordered = sorted(self._edits, key=lambda edit: (edit.start, edit.end, -edit.depth))
        for before, after in pairwise(ordered):
            if after.start < before.end:
                raise YamlError("two changes touch the same line")
        for edit in reversed(ordered):
            text = text[: edit.start] + edit.text + text[edit.end :]
        if self._lacks_end:
            text = text.removesuffix(self.newline)
        if self._edits and _without_nothing(plain(parse(text))) != _without_nothing(self._expected):
            raise YamlError("its layout is too unusual to be changed safely")
        return text

    def has_comment(self, parent: Node, key: str) -> bool:
        """Tell whether a comment lies in a key's lines, or indented below them."""
        start, end = parent.keys[key].start, parent.values[key].end
        stop = self._line_end(end)
        if self._after_comments(stop, parent.keys[key].column) != stop:
            return True
        return "#" in self._outside_scalars(parent.values[key], start, stop, parent.keys[key])

    def set(self, path: Sequence[str], value: Value) -> bool:
        """Replace a value; return False, changing nothing, where a comment or an anchor would be lost."""
        parent = self._parent(path)
        key, old = parent.keys[path[-1]], parent.values[path[-1]]
        if not old.bare or old.kind == "alias" or not key.bare:
            return False
        if isinstance(value, list) and old.kind == "list" and not old.flow and value and old.items:
            texts = [item for item in value if isinstance(item, str)]
            if len(texts) != len(value) or not self._set_items(old, texts):
                return False
        elif self._is_nothing(key, old) and not isinstance(value, str) and value and not self._in_flow(path):
            at = self._after_comments(self._line_end(key.end), key.column)
            self._insert_lines(at, self._emit(value, key.column, flow=False).removeprefix(self.newline) + self.newline)
        elif "#" in self._outside_scalars(old, old.start, old.end):
            return False
        elif self._is_empty_word(key, old) and not isinstance(value, str) and value and not self._in_flow(path):
            at = self._after_comments(self._line_end(old.end), key.column)
            colon = self.text.index(":", key.end)
            self._replace(colon + 1, old.end, "")  # a comment behind it stays with the key
            self._insert_lines(at, self._emit(value, key.column, flow=False).removeprefix(self.newline) + self.newline)
        elif isinstance(value, str) and old.kind == "scalar" and old.end > old.start:
            self._edits.append(_Edit(start=old.start, end=old.end, text=scalar(value, flow=self._in_flow(path))))
        else:
            colon = self.text.find(":", key.end)
            if colon < 0 or "#" in self.text[colon : max(old.start, colon)]:
                return False
            flow = self._in_flow(path) or (old.flow and bool(old.items))
            text = self._emit(value, key.column, flow=flow)
            self._edits.append(_Edit(start=colon + 1, end=max(old.end, colon + 1), text=text))
        self._expect(path, value)
        return True

    def add(self, path: Sequence[str], value: Value, after: Sequence[str] = ()) -> bool:
        """Add a key to a map, behind the first of the keys in `after` that is there, else at the end.

        Returns False, changing nothing, where an anchor makes the map more than one value.
        """
        parent = self._parent(path)
        if not parent.bare:
            return False
        name = path[-1]
        before = next((key for key in after if key in parent.keys), next(reversed(parent.keys), None))
        if parent.flow:
            text = f"{scalar(name, flow=True)}:{self._emit(value, 0, flow=True)}"
            at = parent.values[before].end if before is not None else parent.start + 1
            text = f", {text}" if before is not None or id(parent) in self._begun else text
            self._begun.add(id(parent))
        elif before is None:
            at, text = self._end_of_document(), self._lines(name, value, 0)
        elif not self._begins_line(parent.keys[before]):
            return False
        else:
            column = parent.keys[before].column
            at = self._after_comments(self._line_end(parent.values[before].end), column)
            text = self._lines(name, value, column)
        if parent.flow:
            self._replace(at, at, text)
        else:
            self._insert_lines(at, text)
        self._expect(path, value)
        return True

    def remove(self, path: Sequence[str]) -> bool:
        """Remove a key with its value; return False, changing nothing, where that would lose a comment."""
        parent = self._parent(path)
        name = path[-1]
        if not parent.bare or not self.all_bare(parent.values[name]):
            return False
        if parent.flow:
            start, end = self._in_flow_map(parent, name)
            if "#" in self._outside_scalars(parent.values[name], start, end, parent.keys[name]):
                return False
        elif self.has_comment(parent, name) or not self._begins_line(parent.keys[name]):
            return False
        else:
            start, end = self._line_start(parent.keys[name].start), self._line_end(parent.values[name].end)
        self._replace(start, end, "")
        self._expect(path, None)
        return True

    def all_bare(self, node: Node) -> bool:
        """Tell whether nothing in a value is an anchor, an alias, a tag or a block scalar."""
        waiting = [node]
        while waiting:
            here = waiting.pop()
            if not here.bare or here.kind == "alias":
                return False
            waiting += [*here.items, *here.values.values(), *here.keys.values()]
        return True

    def _set_items(self, old: Node, value: list[str]) -> bool:
        """Change a block list item by item, so that the comments between the items stay."""
        from difflib import SequenceMatcher

        items = old.items
        if not all(item.kind == "scalar" and item.bare for item in items):
            return False
        edits: list[_Edit] = []
        matcher = SequenceMatcher(None, [item.text or "" for item in items], value, autojunk=False)
        for what, i1, i2, j1, j2 in matcher.get_opcodes():
            if what == "equal":
                continue
            for item in items[i1:i2]:
                start, end = self._line_start(item.start), self._line_end(item.end)
                if "#" in self._outside_scalars(item, start, end) or not self._begins_line(item, "-"):
                    return False
                edits.append(_Edit(start=start, end=end, text=""))
            if i1 < len(items) and not self._begins_line(items[i1], "-"):
                return False
            at = self._line_start(items[i1].start) if i1 < len(items) else self._line_end(items[-1].end)
            text = "".join(f"{' ' * old.column}- {scalar(each)}{self.newline}" for each in value[j1:j2])
            if text:
                edits.append(_Edit(start=at, end=at, text=text, depth=old.column))
        self._edits += edits
        return True

    def _in_flow_map(self, parent: Node, name: str) -> tuple[int, int]:
        """Return from where to where a key stands in a map on one line, with the comma that is its own."""
        names = list(parent.keys)
        place = names.index(name)
        end = parent.values[name].end
        if place > 0:
            return parent.values[names[place - 1]].end, end
        return parent.keys[name].start, parent.keys[names[1]].start if len(names) > 1 else end

    def _replace(self, start: int, end: int, text: str) -> None:
        self._edits.append(_Edit(start=start, end=end, text=text))

    def _insert_lines(self, at: int, lines: str) -> None:
        """Insert whole lines at the beginning of a line."""
        self._edits.append(_Edit(start=at, end=at, text=lines, depth=_indent(lines)))

    def _is_nothing(self, key: Node, value: Node) -> bool:
        """Tell whether nothing is written behind a key's colon but perhaps a comment, and the key begins its line."""
        if value.kind != "scalar" or value.end > value.start or not self._begins_line(key):
            return False
        rest = self.text[key.end : self._line_end(key.end)].strip().removeprefix(":").lstrip()
        return not rest or rest.startswith("#")

    def _is_empty_word(self, key: Node, value: Node) -> bool:
        """Tell whether `~`, `{}` or the like is behind a key that begins its line, and at most a comment follows."""
        is_empty = value.text is None if value.kind == "scalar" else not (value.items or value.values or value.merged)
        if not is_empty or value.end == value.start or not self._begins_line(key):
            return False
        if self._line_start(value.end) != self._line_start(key.start):
            return False
        rest = self.text[value.end : self._line_end(value.end)].strip()
        return not rest or rest.startswith("#")

    def _begins_line(self, node: Node, mark: str = "") -> bool:
        return self.text[self._line_start(node.start) : node.start].strip() == mark

    def _parent(self, path: Sequence[str]) -> Node:
        node = self.root
        for key in path[:-1]:
            node = node.values[key]
        return node

    def _in_flow(self, path: Sequence[str]) -> bool:
        node, found = self.root, self.root.flow
        for key in path[:-1]:
            node = node.values[key]
            found = found or node.flow
        return found

    def _expect(self, path: Sequence[str], value: Value | None) -> None:
        here = self._expected
        for key in path[:-1]:
            assert isinstance(here, dict)
            here = here[key]
        assert isinstance(here, dict)
        if value is None:
            here.pop(path[-1], None)
        else:
            here[path[-1]] = as_plain(value)

    def _outside_scalars(self, node: Node, start: int, end: int, key: Node | None = None) -> str:
        """Return what is between two places and no scalar: punctuation, blanks, comments."""
        spans: list[tuple[int, int]] = [] if key is None else [(key.start, key.end)]
        waiting = [node]
        while waiting:
            here = waiting.pop()
            if here.kind == "scalar":
                spans.append((here.start, here.end))
            waiting += [*here.items, *here.values.values(), *here.keys.values(), *here.merged]
        left, at = [], start
        for first, last in sorted(spans):
            left.append(self.text[at : max(first, at)])
            at = max(at, last)
        return "".join(left) + self.text[at : max(end, at)]

    def _line_start(self, at: int) -> int:
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def _line_end(self, at: int) -> int:
        """Return the place behind the line's break; a block scalar already ends behind one."""
        if at > 0 and self.text[at - 1] in "\r\n":
            return at
        found = re.compile(r"\r\n|\n|\r").search(self.text, at)
        return found.end() if found else len(self.text)

    def _after_comments(self, at: int, column: int) -> int:
        """Return the place behind the comment lines that follow and are indented deeper than a column."""
        behind = at
        for found in _LINE.finditer(self.text, at):
            stripped = found[1].strip()
            if stripped and not (stripped.startswith("#") and _indent(found[1]) > column):
                break
            if stripped:
                behind = found.end()
        return behind

    def _end_of_document(self) -> int:
        found = re.search(r"^\.\.\.", self.text, re.MULTILINE)
        return found.start() if found else len(self.text)

    def _lines(self, key: str, value: Value, column: int) -> str:
        text = self._emit(value, column, flow=False)
        return f"{' ' * column}{scalar(key)}:{text}{self.newline}"

    def _emit(self, value: Value, column: int, *, flow: bool) -> str:
        """Return a value as it stands behind its key's colon, without a line break at the end."""
        if isinstance(value, str):
            return " " + scalar(value, flow=flow)
        if flow or not value:
            return " " + in_flow_style(value)
        pad = self.newline + " " * (column + 2)
        if isinstance(value, list):
            return "".join(pad + self._item(item, column + 2) for item in value)
        return "".join(f"{pad}{scalar(key)}:{self._emit(each, column + 2, flow=False)}" for key, each in value.items())

    def _item(self, value: Item, column: int) -> str:
        """Return a list's item as it stands at a column, without a line break at the end."""
        if isinstance(value, str):
            return f"- {scalar(value)}"
        pad = self.newline + " " * (column + 2)
        return "- " + pad.join(f"{scalar(key)}: {scalar(each)}" for key, each in value.items())


def scalar(text: str, *, flow: bool = False) -> str:
    """Return a text as a scalar that every reader takes for that text: plain where safe, else quoted."""
    if (
        _SAFE.fullmatch(text)
        and not text.endswith(" ")
        and text.lower() not in _WORDS_WITH_MEANING
        and not (flow and re.search(r"[{},]", text))
    ):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else _escape(char) for char in quoted) + '"'


def _escape(char: str) -> str:
    number = ord(char)
    if 0xD800 <= number <= 0xDFFF:  # half of a pair: no text file can hold it
        return "\\uFFFD"
    return f"\\u{number:04X}" if number <= 0xFFFF else f"\\U{number:08X}"


def in_flow_style(value: Value) -> str:
    """Return a value in flow style, on one line."""
    if isinstance(value, str):
        return scalar(value, flow=True)
    if isinstance(value, list):
        return "[" + ", ".join(in_flow_style(item) for item in value) + "]"
    return "{" + ", ".join(f"{scalar(key, flow=True)}: {in_flow_style(each)}" for key, each in value.items()) + "}"


def as_plain(value: Value) -> Plain:
    """Return a value as the parser gives it back."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return [as_plain(item) for item in value]
    return {key: as_plain(each) for key, each in value.items()}


def _without_nothing(value: Plain) -> Plain:
    """Make a map that lost its last key equal to what is left of it in the text: nothing."""
    if isinstance(value, dict):
        return {key: _without_nothing(each) for key, each in value.items()} or None
    return value or None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
