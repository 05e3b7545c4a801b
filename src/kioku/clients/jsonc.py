"""JSON as people write it, with comments and trailing commas: read into values, and changed in place.

An edit touches the bytes of its own entry and a comma, and nothing else: comments, order, indentation, line endings and
what stands behind the last brace stay.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

_TOKEN = re.compile(r'\s+|//[^\n]*|/\*[\s\S]*?\*/|"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"/]+')
_DEEPEST = 200


class JsoncError(Exception):
    """Text that is no JSON, even with comments."""


class Node(msgspec.Struct):
    """A value and where it stands. An object has members (key, start of the key, value), an array has items."""

    start: int
    end: int
    value: Any
    members: list[tuple[str, int, "Node"]] | None = None
    items: list["Node"] | None = None

    def member(self, key: str) -> "Node | None":
        """Return the value of the member with that key. Raises JsoncError where there are two, or two of another."""
        found: dict[str, Node] = {}
        for name, _, node in self.members or []:
            if name in found:
                raise JsoncError(f"has '{name}' twice in one place")
            found[name] = node
        return found.get(key)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, int]] = []
        position = 1 if text.startswith("\ufeff") else 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise JsoncError(f"line {text.count(chr(10), 0, position) + 1} cannot be read")
            token = match.group()
            if not token.isspace() and not token.startswith(("//", "/*")):
                self.tokens.append((token, position))
            position = match.end()
        self.text = text
        self.index = 0

    def fail(self) -> JsoncError:
        at = self.tokens[self.index][1] if self.index < len(self.tokens) else len(self.text)
        return JsoncError(f"line {self.text.count(chr(10), 0, at) + 1} is not JSON")

    def peek(self) -> str:
        return self.tokens[self.index][0] if self.index < len(self.tokens) else ""

    def take(self, wanted: str | None = None) -> tuple[str, int]:
        if self.index >= len(self.tokens) or (wanted is not None and self.peek() != wanted):
            raise self.fail()
        self.index += 1
        return self.tokens[self.index - 1]

    def node(self, depth: int = 0) -> Node:
        if depth > _DEEPEST:
            raise self.fail()
        sign, start = self.take()
        if sign == "{":
            return self.object(start, depth)
        if sign == "[":
            return self.array(start, depth)
        try:
            return Node(start, start + len(sign), json.loads(sign, strict=False))
        except ValueError:
            self.index -= 1
            raise self.fail() from None

    def object(self, start: int, depth: int) -> Node:
        members: list[tuple[str, int, Node]] = []
        while self.peek() != "}":
            key, at = self.take()
            if not key.startswith('"'):
                self.index -= 1
                raise self.fail()
            self.take(":")
            members.append((json.loads(key, strict=False), at, self.node(depth + 1)))
            if self.peek() != "}":
                self.take(",")
        _, end = self.take("}")
        return Node(start, end + 1, {name: node.value for name, _, node in members}, members=members)

    def array(self, start: int, depth: int) -> Node:
        items: list[Node] = []
        while self.peek() != "]":
            items.append(self.node(depth + 1))
            if self.peek() != "]":
                self.take(",")
        _, end = self.take("]")
        return Node(start, end + 1, [node.value for node in items], items=items)


def parse(text: str) -> Node:
    """Return the one value that a text holds. Raises JsoncError, naming the line."""
    parser = _Parser(text)
    found = parser.node()
    if parser.index != len(parser.tokens):
        raise parser.fail()
    return found


def find(text: str, path: Sequence[str]) -> Node | None:
    """Return the value at a path of keys, if there is one."""
    node: Node | None = parse(text)
    for key in path:
        node = None if node is None else node.member(key)
    return node


def add(text: str, path: Sequence[str], value: Any) -> str:
    """Put a value at a path of keys; a path that ends with `-` appends to the array there.

    Objects on the way are made where they are missing. Raises JsoncError where something else is in the way.
    """
    if not text.strip("\ufeff \t\r\n"):
        text = text.rstrip(" \t\r\n") + "{}\n"
    node = parse(text)
    walked = 0
    for key in path[:-1]:
        if node.members is None:
            raise JsoncError(f"'{'.'.join(path[:walked]) or 'the whole'}' is no object")
        inner = node.member(key)
        if inner is None:
            break
        node, walked = inner, walked + 1
    rest = list(path[walked:])
    while len(rest) > 1:  # what is missing in between goes in with the value
        last = rest.pop()
        value = [value] if last == "-" else {last: value}
    key = rest[0]
    if key == "-":
        if node.items is None:
            raise JsoncError(f"'{'.'.join(path[:walked])}' is no list")
        return _insert(text, node, None, value)
    if node.members is None:
        raise JsoncError(f"'{'.'.join(path[:walked]) or 'the whole'}' is no object")
    present = node.member(key)
    if present is not None:
        indent = _indent_at(text, next(at for name, at, found in node.members if found is present))
        return text[: present.start] + _written(text, value, indent) + text[present.end :]
    return _insert(text, node, key, value)


def remove(text: str, path: Sequence[str | int]) -> str:
    """Take the member or item at a path out, with its comma; what is not there changes nothing."""
    node = parse(text)
    parent = node
    for step in path:
        parent = node
        if isinstance(step, int):
            if node.items is None or step >= len(node.items):
                return text
            node = node.items[step]
        else:
            inner = node.member(step)
            if inner is None:
                return text
            node = inner
    starts = [at for _, at, _ in parent.members or []] or [item.start for item in parent.items or []]
    ends = [found.end for _, _, found in parent.members or []] or [item.end for item in parent.items or []]
    index = ends.index(node.end)
    is_last = index == len(ends) - 1
    close = parent.end - 1
    comma = _comma(text, node.end, close if is_last else starts[index + 1])
    if comma < 0 and index > 0:
        comma = _comma(text, ends[index - 1], starts[index])  # ours is the last one: the comma before it goes
    cuts = [_with_its_line(text, starts[index], node.end, comma)]
    if comma >= 0 and not cuts[0][0] <= comma < cuts[0][1]:
        cuts.append((comma, comma + 1))
    for start, end in sorted(cuts, reverse=True):
        text = text[:start] + text[end:]
        close -= end - start
    if len(ends) == 1 and not text[parent.start + 1 : close].strip():
        return text[: parent.start + 1] + text[close:]
    return text


def _with_its_line(text: str, start: int, end: int, comma: int) -> tuple[int, int]:
    """Return where an entry begins and ends, with its comma and the white space that nothing else needs."""
    if comma >= end and not text[end:comma].strip():
        end = comma + 1
    line = start - len(text[:start]) + len(text[:start].rstrip(" \t"))
    rest = len(text) - len(text[end:].lstrip(" \t"))
    begins, ends = text[:line].endswith("\n"), text.startswith(("\n", "\r\n"), rest)
    if begins and ends:
        return line - (2 if text[:line].endswith("\r\n") else 1), rest
    if begins:
        return start, rest  # what follows on the line takes its place
    # On a line with others: of the white space on either side, one is enough.
    return (line, end) if ends or text.startswith(("]", "}"), rest) else (start, rest)


def _comma(text: str, start: int, end: int) -> int:
    """Return where the comma between two positions stands, outside of comments; -1 where there is none."""
    for match in _TOKEN.finditer(text, start, end):
        if match.group() == ",":
            return match.start()
    return -1


def _insert(text: str, node: Node, key: str | None, value: Any) -> str:
    """Put a member, or an item without a key, at the end of an object or array."""
    starts = [at for _, at, _ in node.members or []] or [item.start for item in node.items or []]
    ends = [found.end for _, _, found in node.members or []] or [item.end for item in node.items or []]
    close = node.end - 1
    is_one_line = "\n" not in text[node.start : node.end] and bool(starts)
    outer = _indent_at(text, node.start)
    indent = _indent_at(text, starts[-1]) if starts else outer + _unit(text)
    eol = "\r\n" if "\r\n" in text else "\n"
    shown = _written(text, value, indent, is_one_line=is_one_line)
    entry = shown if key is None else f"{json.dumps(key, ensure_ascii=False)}: {shown}"
    if not starts:
        inner = text[node.start + 1 : close].rstrip()
        return f"{text[: node.start + 1]}{inner}{eol}{indent}{entry}{eol}{outer}{text[close:]}"
    trailing = _comma(text, ends[-1], close)
    # Behind the last value there may be comments: what is new comes after them.
    content_end = len(text[:close].rstrip())
    gap = " " if is_one_line else eol + indent
    if trailing >= 0:
        return f"{text[:content_end]}{gap}{entry},{text[content_end:]}"
    return f"{text[: ends[-1]]},{text[ends[-1] : content_end]}{gap}{entry}{text[content_end:]}"


def _written(text: str, value: Any, indent: str, *, is_one_line: bool = False) -> str:
    """Write a value in the manner of the text around it."""
    if is_one_line:
        return json.dumps(value, ensure_ascii=False)
    eol = "\r\n" if "\r\n" in text else "\n"
    return json.dumps(value, indent=_unit(text), ensure_ascii=False).replace("\n", eol + indent)


def _indent_at(text: str, position: int) -> str:
    """Return the white space at the beginning of the line that a position is in."""
    start = text.rfind("\n", 0, position) + 1
    line = text[start:position].removeprefix("\ufeff")
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    """Return the step by which a text is indented."""
    match = re.search(r"\n([ \t]+)\S", text)
    if match is None:
        return "  "
    return "\t" if match[1].startswith("\t") else match[1]
