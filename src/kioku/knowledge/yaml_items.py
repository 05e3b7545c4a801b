"""Changing single items of lists in a YAML text, beside what a person wrote in the same list.

The invariant is that of `yaml_text`, item by item: an item goes or is written anew only with its own lines, and only
where no comment stands in them or is indented below them; everything else stays, byte by byte.
"""

from collections.abc import Collection, Mapping, Sequence

from kioku.knowledge.yaml_text import Document, Item, as_plain, in_flow_style
from kioku.knowledge.yaml_tree import Node


class ItemDocument(Document):
    """A text of which items of lists are changed."""

    def node(self, path: Sequence[str]) -> Node | None:
        """Return the value under these keys; None where there is none, or a key leads through an alias."""
        node = self.root
        for key in path:
            if node.kind != "map" or key not in node.values:
                return None
            node = node.values[key]
        return node

    def is_free(self, path: Sequence[str], index: int) -> bool:
        """Tell whether an item of a list stands by itself: no comment, anchor, alias or block scalar is in it."""
        list_ = self.node(path)
        assert list_ is not None
        item = list_.items[index]
        if not list_.bare or not self._parent(path).keys[path[-1]].bare or not self.all_bare(item):
            return False
        if list_.flow:
            start = list_.items[index - 1].end if index else list_.start
            end = list_.items[index + 1].start if index + 1 < len(list_.items) else list_.end
            return "#" not in self._outside_scalars(item, start, end)
        if not self._begins_line(item, "-"):
            return False
        start, end = self._line_start(item.start), self._line_end(item.end)
        if self._after_comments(end, list_.column) != end:
            return False
        return "#" not in self._outside_scalars(item, start, end)

    def change_items(
        self,
        path: Sequence[str],
        *,
        gone: Collection[int] = (),
        new: Mapping[int, Item] | None = None,
        added: Sequence[Item] = (),
    ) -> bool:
        """Remove items that are free, write others anew, and add some at the end of a list, or in the place of nothing.

        Returns False, changing nothing, where the value is no list of its own.
        """
        new = new or {}
        node, parent = self.node(path), self._parent(path)
        if node is None or not node.bare or not parent.keys[path[-1]].bare:
            return False
        if node.kind == "scalar" and node.text is None:
            return self._fill(path, node, list(added))
        if node.kind != "list":
            return False
        if node.flow:
            self._change_flow(node, gone, new, added)
        else:
            self._change_block(node, gone, new, added)
        here: object = self._expected
        for key in path:
            assert isinstance(here, dict)
            here = here[key]
        assert isinstance(here, list)
        kept = [as_plain(new[number]) if number in new else item for number, item in enumerate(here)]
        here[:] = [item for number, item in enumerate(kept) if number not in gone] + [as_plain(item) for item in added]
        return True

    def _fill(self, path: Sequence[str], node: Node, added: list[Item]) -> bool:
        if node.end == node.start:
            return self.set(path, added)
        self._replace(node.start, node.end, in_flow_style(added))  # `~`: what follows it on its line stays
        self._expect(path, added)
        return True

    def _change_block(self, node: Node, gone: Collection[int], new: Mapping[int, Item], added: Sequence[Item]) -> None:
        pad = " " * node.column
        for number, item in enumerate(node.items):
            start, end = self._line_start(item.start), self._line_end(item.end)
            if number in new:
                broken = self.text[start:end].endswith(("\n", "\r"))
                self._replace(start, end, pad + self._item(new[number], node.column) + self.newline * broken)
            elif number in gone:
                self._replace(start, end, "")
        if added:
            at = self._after_comments(self._line_end(node.items[-1].end), node.column)
            self._insert_lines(at, "".join(f"{pad}{self._item(item, node.column)}{self.newline}" for item in added))

    def _change_flow(self, node: Node, gone: Collection[int], new: Mapping[int, Item], added: Sequence[Item]) -> None:
        kept = [number for number in range(len(node.items)) if number not in gone]
        for number, item in enumerate(node.items):
            if number in new:
                self._replace(item.start, item.end, in_flow_style(new[number]))
            elif number in gone and kept and number > kept[0]:
                self._replace(node.items[number - 1].end, item.end, "")
        if node.items and (not kept or kept[0] > 0):
            self._replace(node.items[0].start, node.items[kept[0]].start if kept else node.items[-1].end, "")
        if added:
            at = node.items[-1].end if node.items else node.start + 1
            self._replace(at, at, (", " if kept else "") + in_flow_style(list(added))[1:-1])
