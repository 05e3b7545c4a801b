"""Laws of enrichment: only our entries come and go; everything else in the file stays, byte by byte."""

import copy
import re
from typing import Any

import ruamel.yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kioku.knowledge.enriched import Memory
from kioku.knowledge.enrichment import Wanted, enrich
from kioku.knowledge.sayings import LISTS
from kioku.knowledge.yaml_tree import YamlError
from kioku.workspace.untrusted_text import visible

# A list as people write one, at no indentation and below its key: `K` stands for the key.
LAYOUTS = (
    "K:",
    "K:   # none yet",
    "K: []",
    "K: [ ]  # none",
    "K:\n- plain words\n- 'it''s # quoted'   # why",
    'K:\n    - "a: b"\n    # between\n\n    - text: theirs\n      id: not-ours\n\n    # below',
    "K:\n  - >-\n    folded\n    words\n  - last",
    "K:\n  - |\n    kept\n\n",
    "K: [a, 'b, c', {text: d}]",
    "K: [a,\n    b,  # why\n    c ,\n  ]  # end",
    "K: just words",
    "K: &mine\n  - shared",
    "K: {odd: map}",
    "K:\n  -   wide\n  - tab # \t tabs\t",
    "K:\n  # above\n  - a\n  # below",
    "'K':\n  - quoted key",
    "K :\n  - blank before the colon",
)
MODULES_ON_ONE_LINE = "modules: {api: {path: src/api, rules: [a]}, core: {path: src}}\n"
EMPTY = ("", "name: shop", "# only words\n", "---\nname: shop", "name: shop\n\n\n", "%YAML 1.2\n---\nname: x")
ENDS = ("", "# the end\n", "zzz: [1, 2] # last\n", "\n\n", "zzz: |\n  kept\n", "zzz: 1\n...\n")

layouts = st.sampled_from(LAYOUTS)


def indented(text: str, by: int) -> str:
    return re.sub(r"^(?=.)", " " * by, text, flags=re.MULTILINE)


@st.composite
def modules(draw: st.DrawFn) -> str:
    """Return the lines of `modules:` in some layout, or nothing."""
    kind = draw(st.sampled_from(["none", "nothing", "flow", "block", "merge", "block", "block"]))
    if kind != "block":
        return {
            "none": "",
            "nothing": "modules:  # to come\n",
            "flow": MODULES_ON_ONE_LINE,
            "merge": "base: &base\n  rules: [be kind]\nmodules:\n  api:\n    <<: *base\n    path: lib\n",
        }[kind]
    by = draw(st.sampled_from([2, 4]))
    text = "modules:\n"
    for name in draw(st.lists(st.sampled_from(["api", "core", "'a b'"]), min_size=1, max_size=3, unique=True)):
        text += f"{' ' * by}{name}:{draw(st.sampled_from(['', '  # why']))}\n"
        lists = draw(st.lists(st.sampled_from(LISTS), max_size=2, unique=True))
        if draw(st.booleans()) or not lists:
            text += f"{' ' * 2 * by}path: src/{len(text)}  # place\n"
        for list_ in lists:
            text += indented(draw(layouts).replace("K", list_), 2 * by) + "\n"
    return text


@st.composite
def files(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(EMPTY))
    text += "\n" if text and not text.endswith("\n") else ""
    for list_ in draw(st.lists(st.sampled_from(LISTS), max_size=2, unique=True)):
        text += draw(layouts).replace("K", list_) + "\n"
    text += draw(modules()) + draw(st.sampled_from(ENDS))
    text = re.sub("&mine", lambda found: f"&mine{found.start()}", text)
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


THEIRS = {"a", "b", "c", "d", "x", "last", "wide", "tab", "just words"}  # as far as they are short enough to be drawn
words = st.text(min_size=1, max_size=30).map(lambda text: visible(text, 500))
words = words.filter(lambda text: text and text.casefold().rstrip(".") not in THEIRS)


@st.composite
def some_wanted(draw: st.DrawFn) -> list[Wanted]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        list_ = draw(st.sampled_from(LISTS))
        item = {"problem" if list_ == "issues" else "text": draw(words)}
        if list_ == "issues" and draw(st.booleans()):
            item["solution"] = draw(words)
        item["id"] = f"id{number}"
        module = draw(st.sampled_from([None, "api", "core", "a b", "new", "- odd: #name"]))
        found.append(Wanted(id=f"id{number}", module=module, list=list_, item=item))
    return found


def as_yaml(text: str) -> Any:
    """Read the text with another reader than ours."""
    return ruamel.yaml.YAML(typ="safe", pure=True).load(text)


def with_entries(before: Any, wanted: list[Wanted]) -> Any:
    """Return the values that a file must hold afterwards."""
    after = copy.deepcopy(before) or {}
    for one in wanted:
        here = after
        if one.module is not None:
            after["modules"] = after.get("modules") or {}
            here = after["modules"][one.module] = after["modules"].get(one.module) or {}
        here[one.list] = [*(here.get(one.list) or []), one.item]
    return after


def is_within(part: str, whole: str) -> bool:
    """Tell whether a text is what is left of another when some of its characters are taken out."""
    rest = iter(whole)
    return all(character in rest for character in part)


@settings(deadline=None, max_examples=150)
@given(text=files(), wanted=some_wanted())
def test_the_file_holds_what_it_held_and_our_entries_and_gives_them_back(text: str, wanted: list[Wanted]) -> None:
    before = as_yaml(text)
    result = enrich(text, Memory(), wanted)
    skipped = {one.id for one in result.skipped}
    written = [one for one in wanted if one.id not in skipped]
    assert sorted(result.added) == sorted(one.id for one in written)
    assert as_yaml(result.text) == with_entries(before, written) or not (before or written)
    assert is_within(text, result.text)
    if "\r\n" in text:
        assert result.text.count("\n") == result.text.count("\r\n")
    again = enrich(result.text, result.memory, wanted)
    assert (again.text, again.memory) == (result.text, result.memory)
    assert (again.added, again.updated, again.removed, again.edited) == ([], [], [], [])
    back = enrich(result.text, result.memory, [])
    assert back.text == text
    assert (sorted(back.removed), back.memory.written) == (sorted(one.id for one in written), {})


def one(number: int, module: str | None, list_: str) -> Wanted:
    return Wanted(id=f"id{number}", module=module, list=list_, item={"text": "0", "id": f"id{number}"})


@settings(deadline=None, max_examples=100)
@example(
    text=MODULES_ON_ONE_LINE,
    first=[one(0, None, "patterns"), one(1, "a b", "rules"), one(2, None, "patterns")],
    then=[one(0, "a b", "patterns"), one(1, None, "patterns")],
)
@given(text=files(), first=some_wanted(), then=some_wanted())
def test_after_any_change_the_file_is_as_if_it_had_been_written_so_at_first(
    text: str, first: list[Wanted], then: list[Wanted]
) -> None:
    before = enrich(text, Memory(), first)
    two = enrich(before.text, before.memory, then)
    fresh = enrich(text, Memory(), then)
    assert {each.id for each in two.skipped} == {each.id for each in fresh.skipped}
    assert in_any_order(as_yaml(two.text)) == in_any_order(as_yaml(fresh.text))
    assert enrich(two.text, two.memory, []).text == text


def in_any_order(value: Any) -> Any:
    """Make lists equal that hold the same."""
    if isinstance(value, dict):
        return {key: in_any_order(each) for key, each in value.items()}
    return sorted(map(str, value)) if isinstance(value, list) else value


EDITS = ("comment above", "comment behind", "comment below", "blank line", "reword", "delete", "own item", "own key")


def edited(lines: list[str], kind: str, where: int, mark: str) -> list[str]:
    """Let a person change a line; what the person writes holds the mark."""
    at = where % len(lines)
    line = lines[at]
    indent = " " * (len(line) - len(line.lstrip()))
    if kind == "comment above":
        return [*lines[:at], f"{indent}# {mark}", *lines[at:]]
    if kind == "comment below":
        return [*lines[: at + 1], f"{indent}      # {mark}", *lines[at + 1 :]]
    if kind == "comment behind":
        return [*lines[:at], f"{line}  # {mark}", *lines[at + 1 :]]
    if kind == "blank line":
        return [*lines[:at], "", *lines[at:]]
    if kind == "reword" and (found := re.fullmatch(r"( *- (?:text|problem)): .*", line)):
        return [*lines[:at], f"{found[1]}: {mark}", *lines[at + 1 :]]
    if kind == "own item" and (found := re.fullmatch(r"( *)- .*", line)):
        return [*lines[:at], f"{found[1]}- {mark}", *lines[at:]]
    if kind == "own key" and (found := re.fullmatch(r"( +)id: id\d", line)):
        return [*lines[: at + 1], f"{found[1]}why: {mark}", *lines[at + 1 :]]
    if kind == "delete" and re.fullmatch(r" *- (text|problem): .*", line):
        end = at + 1
        while end < len(lines) and lines[end].startswith(indent + "  "):
            end += 1
        return [*lines[:at], *lines[end:]]
    return lines


@settings(deadline=None, max_examples=120)
@given(
    text=files(),
    first=some_wanted(),
    then=some_wanted(),
    edits=st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 200)), min_size=1, max_size=6),
)
def test_what_a_person_wrote_into_or_beside_our_entries_stays_and_what_they_deleted_stays_out(
    text: str, first: list[Wanted], then: list[Wanted], edits: list[tuple[str, int]]
) -> None:
    before = enrich(text, Memory(), first)
    newline = "\r\n" if "\r\n" in before.text else "\n"
    lines = before.text.split(newline)
    for number, (kind, where) in enumerate(edits):
        lines = edited(lines, kind, where, f"mine{number}")
    theirs = newline.join(lines)
    try:
        two = enrich(theirs, before.memory, then)
    except YamlError:
        return  # the edits broke the file; that it is left alone is tested elsewhere
    assert sorted(re.findall(r"mine\d", two.text)) == sorted(re.findall(r"mine\d", theirs))
    ids = set(re.findall(r"id: (id\d)", theirs))
    gone = {each for each in before.memory.written if each not in ids}
    assert not gone & set(re.findall(r"id: (id\d)", two.text)) & {each.id for each in then}
    again = enrich(two.text, two.memory, then)
    assert (again.text, again.memory) == (two.text, two.memory)
    last = enrich(two.text, two.memory, [])
    assert sorted(re.findall(r"mine\d", last.text)) == sorted(re.findall(r"mine\d", theirs))
