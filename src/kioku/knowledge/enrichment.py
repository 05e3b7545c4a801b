"""What becomes of `project.yaml` when discoveries were accepted, changed or taken back: rules without any file.

An entry belongs to Kioku while it says what was written, where it was written, and carries no comment: then it follows
its discovery, and goes with it. Whatever a person changed, moved or commented is the person's, and stays. What a person
deleted does not come back. Everything outside of these entries stays as it is, byte by byte.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from kioku.knowledge import enriched, sayings
from kioku.knowledge.enriched import Memory, Path, Written
from kioku.knowledge.yaml_items import ItemDocument
from kioku.knowledge.yaml_text import Item, Value
from kioku.knowledge.yaml_tree import Node, YamlError, plain
from kioku.workspace.untrusted_text import one_line

_MODULES: Final = "modules"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the file is to say of a discovery: in which list, of which module or of the whole project."""

    id: str
    module: str | None
    list: str
    item: dict[str, str]


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A discovery that could not be written, and why."""

    id: str
    reason: str


class Result(msgspec.Struct, kw_only=True):
    """The changed text, what is to be remembered, and the ids of the discoveries by what became of them.

    `base` is what had been written before. `kept_out` are those whose entries a person deleted, `edited` those whose
    entries are the person's by now, or were from the beginning: in the same words.
    """

    text: str
    memory: Memory
    base: dict[str, Written] = msgspec.field(default_factory=dict)
    added: list[str] = msgspec.field(default_factory=list)
    updated: list[str] = msgspec.field(default_factory=list)
    removed: list[str] = msgspec.field(default_factory=list)
    kept_out: list[str] = msgspec.field(default_factory=list)
    edited: list[str] = msgspec.field(default_factory=list)
    skipped: list[Skipped] = msgspec.field(default_factory=list)


def enrich(
    text: str, memory: Memory, wanted: Sequence[Wanted], *, unwanted: Sequence[Wanted] = (), again: bool = False
) -> Result:
    """Return the text with what is wanted, in the order given. With `again`, what a person deleted comes back.

    `unwanted` is what the file may say no more, as it would say it: where it does, though nobody remembers that it was
    written, perhaps because an older text was saved over a newer one, it goes as well.
    Raises YamlError for a text that cannot be understood. Where the layout does not let a list be changed safely, that
    list is left as it is.
    """
    document = ItemDocument(text)
    plain(document.root)  # refuses what unfolds without end, also where it would not be looked at
    entries = _entries(document.root)
    memory = enriched.settle(memory, {id: [e.digest for e in found] for id, found in entries.items()})
    memory = _recognized(memory, entries, unwanted)
    round_ = _Round(document, memory, wanted, again=again)
    try:
        result = round_.run()
    except YamlError:
        result = _one_by_one(text, memory, wanted, round_.changes, again=again)
    result.base = memory.written
    return result


def _recognized(memory: Memory, entries: "Mapping[str, list[_Entry]]", unwanted: Sequence[Wanted]) -> Memory:
    """Return what was written, with what stands where it would be written, word for word."""
    found: dict[str, Written] = {}
    for one in unwanted:
        here = entries.get(one.id, [])
        if one.id in memory.written or len(here) != 1 or here[0].digest != enriched.digest(one.item):
            continue
        *above, name = here[0].path
        is_there = not above if one.module is None else len(above) > 1 and one.module in (above[1], one_line(above[1]))
        if is_there and name in sayings.names(one.list):
            found[one.id] = Written(here[0].path, here[0].digest)
    return msgspec.structs.replace(memory, written=memory.written | found) if found else memory


def _one_by_one(
    text: str, memory: Memory, wanted: Sequence[Wanted], changes: "Mapping[Path, _Change]", *, again: bool
) -> Result:
    """Change each list by itself, where one is laid out too unusually for all to be changed at once.

    What goes goes first: an entry that moves must not stand in two lists.
    """
    result = Result(text=text, memory=memory)
    skipped: dict[str, Skipped] = {}
    going = [(place, False) for place, change in changes.items() if change.gone]
    coming = [(place, True) for place, change in changes.items() if change.new or change.added]
    for place, is_coming in going + coming:
        one = _Round(ItemDocument(result.text), result.memory, wanted, again=again)
        now = one.changes.get(place, _Change())
        here = [each for each in now.added if each.id not in one.entries]
        change = _Change(new=now.new, added=here) if is_coming else _Change(gone=now.gone)
        one.changes = {place: change}
        try:
            done = one.run()
        except YamlError as error:
            ids = [*change.gone.values(), *(each.id for each in (*change.new.values(), *change.added))]
            skipped |= {id: Skipped(id=id, reason=f"{'.'.join(place)}: {error.message}") for id in ids}
            continue
        result.text, result.memory = done.text, done.memory
        for name in ("added", "updated", "removed"):
            getattr(result, name).extend(getattr(done, name))
        skipped |= {each.id: each for each in done.skipped}
    last = _Round(ItemDocument(result.text), result.memory, wanted, again=again)
    result.skipped, result.kept_out, result.edited = list(skipped.values()), last.kept_out, last.edited
    return result


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the file that names an id: the list that it is in, its place there, and a digest of what it says."""

    path: Path
    index: int
    digest: str


class _Change(msgspec.Struct, kw_only=True):
    """What is to be done in one list."""

    gone: dict[int, str] = msgspec.field(default_factory=dict)
    new: dict[int, Wanted] = msgspec.field(default_factory=dict)
    added: list[Wanted] = msgspec.field(default_factory=list)


class _Round:
    """One look at a text: what is to be done, and doing it."""

    def __init__(self, document: ItemDocument, memory: Memory, wanted: Sequence[Wanted], *, again: bool) -> None:
        self.document = document
        self.wanted = {one.id: one for one in wanted}
        self.entries = _entries(document.root)
        self.written = dict(memory.written)
        self.made = [path for path in memory.made if document.node(path) is not None]
        self.changes: dict[Path, _Change] = {}
        self.kept_out: list[str] = []
        self.edited: list[str] = []
        for id in list(self.written):
            self._look(id, again=again)
        for id, one in self.wanted.items():
            if id not in self.written:
                self._look_at_new(id, one)

    def run(self) -> Result:
        """Do what is to be done. Raises YamlError where the layout forbids it."""
        result = Result(text=self.document.text, memory=Memory(), kept_out=self.kept_out, edited=self.edited)
        emptied: list[Path] = []
        fresh: dict[Path, list[Wanted]] = {}
        for place, change in self.changes.items():
            self._do(place, change, result, emptied, fresh)
        self._make(fresh, result)
        self._unmake(emptied)
        result.text = self.document.apply()
        result.memory = Memory(written=self.written, made=tuple(self.made))
        return result

    def _look(self, id: str, *, again: bool) -> None:
        """Decide about what was written before."""
        was, one = self.written[id], self.wanted.get(id)
        found = self.entries.get(id, [])
        if not found:
            if one is None or again:
                del self.written[id]
            else:
                self.kept_out.append(id)
            return
        entry = found[0]
        is_ours = len(found) == 1 and (entry.path, entry.digest) == (was.place, was.digest)
        if not is_ours or not self.document.is_free(entry.path, entry.index):
            self.edited.append(id)
            return
        place = None if one is None else self._place(one)
        if one is None or place != entry.path:
            self._change(entry.path).gone[entry.index] = id
            if one is not None and place is not None:
                self._change(place).added.append(one)
        elif enriched.digest(one.item) != was.digest:
            self._change(place).new[entry.index] = one

    def _look_at_new(self, id: str, one: Wanted) -> None:
        """Decide about what nobody remembers: what stands there already word for word is taken for ours."""
        place = self._place(one)
        found = self.entries.get(id, [])
        if not found and self._is_said(place, one):
            self.edited.append(id)
        elif not found:
            self._change(place).added.append(one)
        elif [(entry.path, entry.digest) for entry in found] == [(place, enriched.digest(one.item))]:
            self.written[id] = Written(place, found[0].digest)
        else:
            self.edited.append(id)

    def _is_said(self, place: Path, one: Wanted) -> bool:
        """Tell whether a person wrote the same words into that list."""
        node = self.document.node(place)
        texts = [sayings.saying(plain(item)) for item in (node.items if node is not None else ())]
        words = _words(one.item.get("text") or one.item.get("problem") or "")
        return any(said is not None and said.id is None and _words(said.text) == words for said in texts)

    def _change(self, place: Path) -> _Change:
        return self.changes.setdefault(place, _Change())

    def _place(self, one: Wanted) -> Path:
        """Return the keys that lead to a list: those that a person uses for it, where there are some."""
        above: Path = ()
        if one.module is not None:
            modules = self.document.node((_MODULES,))
            known = modules.values if modules is not None and modules.kind == "map" else {}
            same = [name for name in known if name == one.module or one_line(name) == one.module]
            above = (_MODULES, one.module if one.module in same or not same else same[0])
        node = self.document.node(above)
        known = node.values if node is not None and node.kind == "map" else {}
        name = next((name for name in sayings.names(one.list) if name in known), one.list)
        return (*above, name)

    def _do(
        self, place: Path, change: _Change, result: Result, emptied: list[Path], fresh: dict[Path, list[Wanted]]
    ) -> None:
        """Change a list that is there; what needs a new one waits in `fresh`, and what we made and is empty goes."""
        node = self.document.node(place)
        if node is None:
            fresh[place] = change.added
            return
        if place in self.made and not change.added and len(change.gone) == len(node.items) > 0:
            emptied.append(place)
        else:
            new: dict[int, Item] = {index: one.item for index, one in change.new.items()}
            added: list[Item] = [one.item for one in change.added]
            if not self.document.change_items(place, gone=set(change.gone), new=new, added=added):
                result.skipped += [Skipped(id=one.id, reason=_why(place, node)) for one in change.added]
                return
        for id in change.gone.values():
            if id not in self.wanted:
                result.removed.append(id)
            if self.written[id].place == place:
                del self.written[id]
        for one in change.new.values():
            result.updated.append(one.id)
            self.written[one.id] = Written(place, enriched.digest(one.item))
        self._note(place, change.added, result)

    def _note(self, place: Path, added: Sequence[Wanted], result: Result) -> None:
        for one in added:
            (result.updated if one.id in self.entries else result.added).append(one.id)
            self.written[one.id] = Written(place, enriched.digest(one.item))

    def _make(self, fresh: Mapping[Path, list[Wanted]], result: Result) -> None:
        """Make lists that are not there, with what is above them as far as that is missing."""
        trees: dict[Path, dict[Path, list[Wanted]]] = {}
        for place, added in fresh.items():
            top = self._missing(place)
            if top is None:
                above = next(
                    (place[:end], node)
                    for end in range(1, len(place))
                    if (node := self.document.node(place[:end])) is not None and node.kind != "map"
                )
                result.skipped += [Skipped(id=one.id, reason=_why(*above)) for one in added]
            else:
                trees.setdefault(top, {})[place] = added
        for top, lists in trees.items():
            value = _tree(top, lists)
            there = self.document.node(top)
            names = _ORDER[len(top)]
            after = names[: names.index(top[-1])][::-1] if top[-1] in names else ()
            is_done = self.document.add(top, value, after) if there is None else self.document.set(top, value)
            for place, added in lists.items():
                if is_done:
                    self._note(place, added, result)
                    steps = [place[:end] for end in range(len(top) + (there is not None), len(place) + 1)]
                    self.made += [step for step in steps if step not in self.made]
                else:
                    result.skipped += [Skipped(id=one.id, reason=_why(top, there)) for one in added]

    def _missing(self, place: Path) -> Path | None:
        """Return the keys down to the first that is missing or empty; None where something else is in the way."""
        for end in range(1, len(place) + 1):
            node = self.document.node(place[:end])
            if node is None or _is_empty(node):
                return place[:end]
            if node.kind != "map":
                return None
        return None

    def _unmake(self, emptied: Sequence[Path]) -> None:
        """Remove keys that were made for entries of which none is left."""
        going = set(emptied)
        kept = {place[:end] for place, change in self.changes.items() for end in range(len(place)) if change.added}
        for path in emptied:
            above = path[:-1]
            while above in self.made and above not in kept and self._is_all_of(above, going):
                going.add(above)
                above = above[:-1]
        for path in sorted(going, key=len):
            if any(path[:end] in going for end in range(1, len(path))):
                continue  # it goes with what is above it
            if self.document.remove(path):
                self.made = [made for made in self.made if made[: len(path)] != path]
                continue
            for each in emptied:
                if each[: len(path)] == path:
                    node = self.document.node(each)
                    assert node is not None
                    self.document.change_items(each, gone=range(len(node.items)))

    def _is_all_of(self, path: Path, going: set[Path]) -> bool:
        node = self.document.node(path)
        return node is not None and all((*path, key) in going for key in node.values)


_ORDER: Final = {
    1: ("name", "type", "languages", "stack", "package_manager", "architecture", *sayings.LISTS),
    2: (),
    3: ("path", "description", "key_files", *sayings.LISTS),
}  # what is put behind what, by how deep it is in the file


_LAYOUT: Final[Mapping[Path, str]] = {(_MODULES,): "keys, one for each module"}


def _tree(top: Path, lists: Mapping[Path, Sequence[Wanted]]) -> Value:
    """Return what stands under a key that is made."""
    tree: dict[str, Value] = {}
    for place, added in lists.items():
        items: list[Item] = [one.item for one in added]
        if place == top:
            return items
        here, rest = tree, place[len(top) :]
        for key in rest[:-1]:
            inner = here.setdefault(key, {})
            assert isinstance(inner, dict)
            here = inner
        here[rest[-1]] = items
    return tree


def _entries(root: Node) -> dict[str, list[_Entry]]:
    """Return the entries that name an id, by it."""
    found: dict[str, list[_Entry]] = {}
    modules = root.values.get(_MODULES)
    above: list[tuple[Path, Node]] = [((), root)]
    if modules is not None and modules.kind == "map":
        above += [((_MODULES, name), node) for name, node in modules.values.items() if node.kind == "map"]
    for path, node in above:
        for name in (name for list_ in sayings.LISTS for name in sayings.names(list_)):
            list_ = node.values.get(name)
            for index, item in enumerate(list_.items if list_ is not None else ()):
                id = item.values.get("id")
                if id is None or not id.text:
                    continue
                says = plain(item)
                assert isinstance(says, dict)
                entry = _Entry(path=(*path, name), index=index, digest=enriched.digest(says))
                found.setdefault(id.text, []).append(entry)
    return found


def _words(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(".")


def _is_empty(node: Node) -> bool:
    if node.kind == "scalar":
        return node.text is None
    return node.kind == "map" and not node.values and not node.merged


def _why(path: Path, node: Node | None) -> str:
    """Say why a list cannot be changed, and what would help."""
    name = ".".join(path) or "the file"
    if node is not None and node.kind == "alias":
        return f"{name} is an alias: write it out there"
    if node is not None and node.kind == "scalar" and node.text is not None:
        return f"{name} is a single text: make it {_LAYOUT.get(path, 'a list')}"
    if node is not None and node.bare and node.kind == "list" and path in _LAYOUT:
        return f"{name} is a list: make it {_LAYOUT[path]}"
    if node is not None and node.bare and node.kind == "map":
        return f"{name} holds keys: make it a list"
    return f"{name} has an anchor, a merge key or an unusual layout: write it plainly"
