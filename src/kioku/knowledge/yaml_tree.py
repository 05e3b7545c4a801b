"""A YAML text as a tree that knows where each value stands.

ruamel.yaml's parser gives the events; we build the tree, because its own loaders keep no places. The text is a
stranger's. The invariant: depth, number of values and what aliases unfold to are bounded, and tags other than YAML's
own, duplicate keys and second documents are refused with the line they are on.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from kioku.errors import KiokuError

MAX_DEPTH = 50
MAX_NODES = 50_000  # about two seconds of parsing

Plain = str | None | list["Plain"] | dict[str, "Plain"]

_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class YamlError(KiokuError):
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


def parse(text: str) -> Node:
    """Return the tree of a text that holds at most one document; an empty text is an empty map.

    Raises YamlError.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError as RuamelError
    from ruamel.yaml.reader import ReaderError

    try:
        # Not the round-trip parser: it takes 15 s for 2 MB of comments, which we read from the text itself.
        return _Builder(YAML(typ="safe", pure=True).parse(text)).root
    except RuamelError as error:
        if isinstance(error, ReaderError):
            place = text.count("\n", 0, error.position) + 1
            raise YamlError(
                f"a character that YAML does not allow is on line {place}: U+{error.character:04X}"
            ) from error
        mark = getattr(error, "problem_mark", None)
        line = f" on line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is not YAML"
        raise YamlError(f"{problem}{line}") from error
    except (RecursionError, ValueError, IndexError, AttributeError, AssertionError) as error:
        # Seen with odd directives and escapes: the parser's own slips are the text's fault as far as we can
        # tell.
        raise YamlError(f"it cannot be parsed: {type(error).__name__}") from error


def plain(node: Node) -> Plain:
    """Return the values without their places, aliases and merge keys unfolded; YamlError if too many."""
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

    def __init__(self, events: Iterable[Any]) -> None:
        self.root = Node(kind="map", start=-1, end=-1)
        self.anchors: dict[str, Node] = {}
        self.open: list[Node] = []
        self.waiting: list[Node | None] = []  # for each open map: the key whose value comes next
        count = documents = 0
        for event in events:
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

    def node(self, event: Any, kind: str) -> Node:
        mark, tag, anchor = event.start_mark, getattr(event, "tag", None), event.anchor
        if tag is not None and str(tag) not in _PLAIN_TAGS:
            raise YamlError(f"a tag that is not YAML's own is on line {mark.line + 1}")
        node = Node(
            kind={"ScalarEvent": "scalar", "AliasEvent": "alias", "MappingStartEvent": "map"}.get(kind, "list"),
            start=mark.index,
            end=event.end_mark.index,
            column=mark.column,
            flow=bool(getattr(event, "flow_style", False)),
            bare=tag is None and anchor is None,
        )
        if kind == "ScalarEvent":
            style, value = event.style, str(event.value)
            node.text = None if style is None and tag is None and value in _NULLS else value
            node.bare = node.bare and style in (None, '"', "'")
        if kind == "AliasEvent":
            if anchor not in self.anchors:
                raise YamlError(f"an alias without an anchor is on line {mark.line + 1}")
            node.target = self.anchors[anchor]
        elif anchor is not None:
            self.anchors[anchor] = node
        return node

    def place(self, node: Node, event: Any) -> None:
        line = event.start_mark.line + 1
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
                if node.kind == "scalar" and node.start == node.end:
                    node.start = node.end = key.end  # the parser puts what is not there behind the comments
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

    def close(self, event: Any) -> None:
        node = self.open.pop()
        self.waiting.pop()
        if node.flow:
            node.end = event.end_mark.index
        else:  # the parser ends a block where the next one begins: behind comments that are not its own
            last = [*node.items[-1:], *list(node.values.values())[-1:], *node.merged[-1:]]
            node.end = max([each.end for each in last], default=node.start)
            if node.start < 0 or node.end < node.start:
                node.end = node.start
