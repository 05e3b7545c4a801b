"""A YAML file as the text that it is: read into a tree that knows where each value stands, and changed in place.

Dumping a parsed file again would indent it anew, drop its `---`, mix its line ends, turn `~` into nothing and lose the
comment that follows a removed key (ruamel.yaml 0.19). So ruamel.yaml only tells what is where, and a change replaces
just the characters of a value. The invariant: characters outside of what is changed stay as they are, no comment is
ever lost, and `apply` hands out a text only after parsing it again and finding exactly the values it meant to write.

The text is a stranger's: its depth, its number of nodes and what its aliases unfold to are bounded, tags are refused.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

MAX_DEPTH = 50
MAX_NODES = 50_000  # about two seconds of parsing

Leaf = str | list[str]
Value = Leaf | Mapping[str, "Value"]
Plain = str | None | list["Plain"] | dict[str, "Plain"]

_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_SAFE = re.compile(r"[^\W\d_][\w ./@+(){},&'!?%*=;…-]*", re.ASCII)
_WORDS_WITH_MEANING = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


class YamlError(Exception):
    """The text is not YAML that we accept, or cannot be changed safely; the message says why and on which line."""


class Node(msgspec.Struct, kw_only=True):
    """A value in the text, from `start` to `end` (`end` excludes comments and line ends that follow).

    `bare` is False where an anchor, alias, tag or block scalar makes it unfit for being replaced.
    """

    kind: str  # "scalar", "list", "map", "alias"
    start: int
    end: int
    column: int = 0
    text: str | None = None  # of a scalar; None is YAML's null
    flow: bool = False
    bare: bool = True
    items: list["Node"] = msgspec.field(default_factory=list)
    keys: dict[str, "Node"] = msgspec.field(default_factory=dict)
    values: dict[str, "Node"] = msgspec.field(default_factory=dict)
    merged: list["Node"] = msgspec.field(default_factory=list)  # what `<<` brings in
    target: "Node | None" = None


class _Edit(msgspec.Struct, frozen=True, kw_only=True):
    start: int
    end: int
    text: str


def parse(text: str) -> Node:
    """Return the tree of a text that holds at most one document; an empty text is an empty map.

    Raises YamlError.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError as RuamelError

    try:
        return _Builder(YAML(typ="rt", pure=True).parse(text)).root
    except RuamelError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" on line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is not YAML"
        raise YamlError(f"{problem}{line}") from error
    except (RecursionError, ValueError, IndexError, AttributeError, AssertionError) as error:
        # Seen with odd directives and escapes: the parser's own slips are the text's fault as far as we can tell.
        raise YamlError(f"it cannot be parsed: {type(error).__name__}") from error


def plain(node: Node) -> Plain:
    """Return the values without their places, aliases and merge keys unfolded; YamlError when that is too much."""
    budget = [MAX_NODES]

    def unfold(here: Node, depth: int) -> Plain:
        budget[0] -= 1
        if budget[0] < 0:
            raise YamlError(f"its aliases unfold to more than {MAX_NODES:,} values")
        if depth > MAX_DEPTH:
            raise YamlError(f"it is nested deeper than {MAX_DEPTH} levels")
        if here.target is not None:
            return unfold(here.target, depth + 1)
        if here.kind == "list":
            return [unfold(item, depth + 1) for item in here.items]
        if here.kind == "map":
            found: dict[str, Plain] = {}
            for source in here.merged:
                brought = unfold(source, depth + 1)
                for each in brought if isinstance(brought, list) else [brought]:
                    for key, value in each.items() if isinstance(each, dict) else ():
                        found.setdefault(key, value)
            found.update((key, unfold(value, depth + 1)) for key, value in here.values.items())
            return found
        return here.text

    return unfold(node, 0)


class _Builder:
    """Build the tree from the parser's events, without recursion."""

    def __init__(self, events: "Sequence[object] | object") -> None:
        self.root = Node(kind="map", start=-1, end=-1)
        self.anchors: dict[str, Node] = {}
        self.open: list[Node] = []
        self.waiting: list[Node | None] = []  # for each open map: the key whose value comes next
        count = documents = 0
        for event in events:  # type: ignore[attr-defined]  # ruamel types it as Any, or not at all
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise YamlError(f"a second document begins on line {event.start_mark.line + 1}")
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                self.close(event)
            elif kind in ("ScalarEvent", "AliasEvent", "MappingStartEvent", "SequenceStartEvent"):
                count += 1
                if count > MAX_NODES:
                    raise YamlError(f"it holds more than {MAX_NODES:,} values")
                self.place(self.node(event, kind), event)

    def node(self, event: object, kind: str) -> Node:
        mark, tag, anchor = event.start_mark, getattr(event, "tag", None), event.anchor  # type: ignore[attr-defined]
        if tag is not None and str(tag) not in _PLAIN_TAGS:
            raise YamlError(f"a tag that is not YAML's own is on line {mark.line + 1}")
        node = Node(
            kind={"ScalarEvent": "scalar", "AliasEvent": "alias", "MappingStartEvent": "map"}.get(kind, "list"),
            start=mark.index,
            end=event.end_mark.index,  # type: ignore[attr-defined]
            column=mark.column,
            flow=bool(getattr(event, "flow_style", False)),
            bare=tag is None and anchor is None,
        )
        if kind == "ScalarEvent":
            style, value = event.style, str(event.value)  # type: ignore[attr-defined]
            node.text = None if style is None and tag is None and value in _NULLS else value
            node.bare = node.bare and style in (None, '"', "'")
        if kind == "AliasEvent":
            if anchor not in self.anchors:
                raise YamlError(f"an alias without an anchor is on line {mark.line + 1}")
            node.target = self.anchors[anchor]
        elif anchor is not None:
            self.anchors[anchor] = node
        return node

    def place(self, node: Node, event: object) -> None:
        line = event.start_mark.line + 1  # type: ignore[attr-defined]
        if not self.open:
            if node.kind == "scalar" and node.text is None:
                self.root = Node(kind="map", start=-1, end=-1)
                return
            self.root = node
        else:
            parent = self.open[-1]
            if parent.kind == "list":
                parent.items.append(node)
            elif self.waiting[-1] is None:
                if node.kind != "scalar":
                    raise YamlError(f"a key that is not a plain word is on line {line}")
                if (node.text or "") in parent.values or (node.text == "<<" and parent.merged):
                    raise YamlError(f"the key {node.text!r} is there twice, again on line {line}")
                self.waiting[-1] = node
            else:
                key, self.waiting[-1] = self.waiting[-1], None
                assert key is not None
                if key.text == "<<" and key.bare:
                    parent.merged.append(node)
                    parent.bare = False
                else:
                    parent.keys[key.text or ""] = key
                    parent.values[key.text or ""] = node
        if node.kind in ("map", "list"):
            if len(self.open) >= MAX_DEPTH:
                raise YamlError(f"it is nested deeper than {MAX_DEPTH} levels on line {line}")
            self.open.append(node)
            self.waiting.append(None)

    def close(self, event: object) -> None:
        node = self.open.pop()
        self.waiting.pop()
        if node.flow:
            node.end = event.end_mark.index  # type: ignore[attr-defined]
        else:  # the parser ends a block where the next one begins: behind comments that are not its own
            last = [*node.items[-1:], *list(node.values.values())[-1:], *node.merged[-1:]]
            node.end = max([each.end for each in last], default=node.start)
            if node.start < 0 or node.end < node.start:
                node.end = node.start


class Document:
    """A text, its tree, and the changes to be made to it; nothing changes before `apply`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = parse(text)
        if self.root.kind != "map":
            raise YamlError("it holds no keys with values at the top")
        first = re.search(r"\r\n|\n|\r", text)
        self.newline = first.group() if first else "\n"
        self._edits: list[_Edit] = []
        self._expected = plain(self.root)

    def apply(self) -> str:
        """Return the changed text; YamlError when it would not hold exactly what was asked for."""
        text = self.text
        ordered = sorted(enumerate(self._edits), key=lambda item: (item[1].start, item[1].end, item[0]))
        for (_, before), (_, after) in zip(ordered, ordered[1:], strict=False):
            if after.start < before.end:
                raise YamlError("two changes touch the same line")
        for _, edit in reversed(ordered):
            text = text[: edit.start] + edit.text + text[edit.end :]
        if self._edits and _without_nothing(plain(parse(text))) != _without_nothing(self._expected):
            raise YamlError("its layout is too unusual to be changed safely")
        return text

    def has_comment(self, parent: Node, key: str) -> bool:
        """Tell whether a comment lies in a key's lines, or indented below them; also where only quotes could tell."""
        start, end = parent.keys[key].start, parent.values[key].end
        stop = self._line_end(end)
        for line in re.finditer(r"[^\r\n]*(?:\r\n|\n|\r|$)", self.text[stop:]):
            stripped = line.group().strip()
            if stripped and not (stripped.startswith("#") and _indent(line.group()) > parent.keys[key].column):
                break
            if stripped:
                return True
            if line.end() == line.start():
                break
        return "#" in self._outside_scalars(parent.values[key], start, stop, parent.keys[key])

    def set(self, path: Sequence[str], value: Value) -> bool:
        """Replace a value; return False, changing nothing, where a comment or an anchor would be lost."""
        parent = self._parent(path)
        key, old = parent.keys[path[-1]], parent.values[path[-1]]
        if not old.bare or old.kind == "alias" or not key.bare:
            return False
        if isinstance(value, list) and old.kind == "list" and not old.flow and value and old.items:
            if not self._set_items(old, value):
                return False
        elif "#" in self._outside_scalars(old, old.start, old.end):
            return False
        elif isinstance(value, str) and old.kind == "scalar" and old.end > old.start:
            self._edits.append(_Edit(start=old.start, end=old.end, text=scalar(value, flow=self._in_flow(path))))
        else:
            colon = self.text.find(":", key.end)
            if colon < 0 or "#" in self.text[colon : max(old.start, colon)]:
                return False
            flow = self._in_flow(path)
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
            text = f", {text}" if before is not None else text
        elif before is None:
            at, text = self._end_of_document(), self._lines(name, value, 0)
            text = text if at == 0 or self.text[at - 1] in "\r\n" else self.newline + text
        else:
            at = self._line_end(parent.values[before].end)
            text = self._lines(name, value, parent.keys[before].column)
            text = text if self.text[at - 1] in "\r\n" else self.newline + text
        self._edits.append(_Edit(start=at, end=at, text=text))
        self._expect(path, value)
        return True

    def remove(self, path: Sequence[str]) -> bool:
        """Remove a key with its value; return False, changing nothing, where a comment or an anchor would be lost."""
        parent = self._parent(path)
        name = path[-1]
        if not parent.bare or not self.all_bare(parent.values[name]) or self.has_comment(parent, name):
            return False
        start, end = parent.keys[name].start, parent.values[name].end
        if parent.flow:
            names = list(parent.keys)
            at = names.index(name)
            if at + 1 < len(names):
                end = parent.keys[names[at + 1]].start
            elif at:
                start = parent.values[names[at - 1]].end
            if "#" in self._outside_scalars(parent.values[name], start, end, parent.keys[name]):
                return False
        else:
            start, end = start - parent.keys[name].column, self._line_end(end)
            if self.text[start : parent.keys[name].start].strip():
                return False  # something else stands on its line
        self._edits.append(_Edit(start=start, end=end, text=""))
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

        if not all(item.kind == "scalar" and item.bare for item in old.items):
            return False
        have = [item.text or "" for item in old.items]
        edits: list[_Edit] = []
        column = old.column
        for what, i1, i2, j1, j2 in SequenceMatcher(None, have, value, autojunk=False).get_opcodes():
            if what == "equal":
                continue
            first = i2 if i2 < len(old.items) else len(old.items) - 1
            at = self._line_start(old.items[i1].start) if i1 < i2 else None
            if at is None:
                last = self._line_end(old.items[first].end)
                at = self._line_start(old.items[i1].start) if i1 < len(old.items) else last
            for item in old.items[i1:i2]:
                start, end = self._line_start(item.start), self._line_end(item.end)
                if "#" in self._outside_scalars(item, start, end) or self.text[start : item.start].strip() != "-":
                    return False
                edits.append(_Edit(start=start, end=end, text=""))
            text = "".join(f"{' ' * column}- {scalar(each)}{self.newline}" for each in value[j1:j2])
            if text:
                lead = "" if at == 0 or self.text[at - 1] in "\r\n" else self.newline
                if self.text[max(at - 1, 0) : at].strip() or self.text[self._line_start(at) : at].strip():
                    at = self._line_start(at) if lead == "" else at
                edits.append(_Edit(start=at, end=at, text=lead + text))
        self._edits += edits
        return True

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
            here[path[-1]] = _as_plain(value)

    def _outside_scalars(self, node: Node, start: int, end: int, key: Node | None = None) -> str:
        """Return the text between two places without the scalars of a value: punctuation, blanks, comments."""
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
        """Return the place behind the line break that ends the line; a block scalar already ends behind one."""
        if at > 0 and self.text[at - 1] in "\r\n":
            return at
        found = re.compile(r"\r\n|\n|\r").search(self.text, at)
        return found.end() if found else len(self.text)

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
            return " " + _flow(value)
        pad = self.newline + " " * (column + 2)
        if isinstance(value, list):
            return "".join(f"{pad}- {scalar(item)}" for item in value)
        return "".join(f"{pad}{scalar(key)}:{self._emit(each, column + 2, flow=False)}" for key, each in value.items())


def scalar(text: str, *, flow: bool = False) -> str:
    """Return a text as a YAML scalar that every reader takes for the same text: plain where that is safe, else quoted."""
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


def _flow(value: Value) -> str:
    if isinstance(value, str):
        return scalar(value, flow=True)
    if isinstance(value, list):
        return "[" + ", ".join(scalar(item, flow=True) for item in value) + "]"
    return "{" + ", ".join(f"{scalar(key, flow=True)}: {_flow(each)}" for key, each in value.items()) + "}"


def _as_plain(value: Value) -> Plain:
    if isinstance(value, str):
        return value
    return list(value) if isinstance(value, list) else {key: _as_plain(each) for key, each in value.items()}


def _without_nothing(value: Plain) -> Plain:
    """Make a map that lost its last key equal to what is left of it in the text: nothing."""
    if isinstance(value, dict):
        return {key: _without_nothing(each) for key, each in value.items()} or None
    return value or None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
