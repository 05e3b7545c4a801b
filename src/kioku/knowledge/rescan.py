"""Whose is a value in `project.yaml`: the scan's or a person's.

The rule: a value that still is what the last scan wrote is the scan's, and is brought up to date; any other
value is the person's, and is kept. A key that the scan wrote and that is gone was deleted by the person, and
stays deleted. A key that the scan never wrote is the person's. A module that is gone from the disk goes,
unless anything in it was changed, added or commented.

The invariant: `merge` changes nothing that a person wrote, and merging the same facts again changes nothing
at all.
"""

from collections.abc import Mapping

from kioku.knowledge.yaml_text import Document, Leaf, Value, as_plain
from kioku.knowledge.yaml_tree import Node, plain

Values = Mapping[str, Value]


def merge(document: Document, base: Values, new: Values) -> dict[str, Value]:
    """Ask the document for the changes, and return what the scan wrote, for the next time.

    `base` is what was returned the last time.
    """
    return _merge_map(document, (), document.root, base, new)


def _merge_map(document: Document, path: tuple[str, ...], node: Node, base: Values, new: Values) -> dict[str, Value]:
    written: dict[str, Value] = {}
    order = list(new)
    for place, (key, value) in enumerate(new.items()):
        here = (*path, key)
        if key not in node.values:
            if key in base or document.add(here, value, after=order[:place][::-1]):
                written[key] = base.get(key, value)
            continue
        old = base.get(key)
        found = node.values[key]
        if isinstance(value, Mapping):
            if not path or key in base:  # below the top, a map that the scan did not write is the person's module
                kept = _merge_inner(document, here, found, old, value)
                if kept is not None:
                    written[key] = kept
        elif old is not None:
            unchanged = _same(found, old)
            done = unchanged and (old == value or document.set(here, value))
            written[key] = value if done else old
    for key, old in base.items():
        if key in new:
            continue
        found_now = node.values.get(key)
        gone = found_now is not None and _same(found_now, old) and document.remove((*path, key))
        if not gone:
            written[key] = old
    return written


def _merge_inner(
    document: Document, path: tuple[str, ...], node: Node, base: Value | None, new: Values
) -> Value | None:
    """Merge a map into what stands in its place: a map, nothing, or something of the person's."""
    before = base if isinstance(base, Mapping) else {}
    if node.kind == "map" and node.target is None and not node.merged:
        return _merge_map(document, path, node, before, new)
    if node.kind == "scalar" and node.text is None:
        fresh = {key: value for key, value in new.items() if key not in before}
        if fresh and document.set(path, fresh):
            return {**before, **fresh}
    return base


def _same(node: Node, value: Value) -> bool:
    return plain(node) == as_plain(value)


def adopt(node: Node, new: Values) -> dict[str, Value]:
    """Return what the scan may have written, when nobody remembers: what is just what it says now."""
    found: dict[str, Value] = {}
    for key, value in new.items():
        here = node.values.get(key)
        if here is None:
            continue
        if isinstance(value, Mapping):
            inner = adopt(here, value)
            if inner:
                found[key] = inner
        elif _same(here, value):
            found[key] = value
    return found


def settle(node: Node | None, values: Values, before: Values) -> dict[str, Value]:
    """Return what the scan wrote, when it was cut off between remembering `values` and writing them.

    `before` is what it had written until then; the text tells which of the two came true, value by value.
    """
    found: dict[str, Value] = {}
    for key in [*values, *(key for key in before if key not in values)]:
        now, then = values.get(key), before.get(key)
        here = node.values.get(key) if node is not None else None
        if isinstance(now, Mapping) or isinstance(then, Mapping):
            if here is None and (now is None or then is None):
                continue
            found[key] = settle(
                here, now if isinstance(now, Mapping) else {}, then if isinstance(then, Mapping) else {}
            )
            continue
        kept = _settled(here, now, then)
        if kept is not None:
            found[key] = kept
    return found


def _settled(here: Node | None, now: Leaf | None, then: Leaf | None) -> Leaf | None:
    if here is None:  # in both: the person deleted it; in one: it was not written yet, or is removed already
        return now if now is not None and then is not None else None
    if now is not None and _same(here, now):
        return now
    if then is not None and _same(here, then):
        return then
    return now if now is not None else then
