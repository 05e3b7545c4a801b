"""A person's settings files: our entries go in and come out, and everything else stays as it was written.

The files are generated, as people and editors write them, and read back by a reader that is not ours.
"""

import copy
import json
import os
import re
import socket
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kioku.clients import changes
from kioku.clients.table import CLIENTS, NAME, Entry, Place
from kioku.errors import KiokuError

SERVE, HOOK = "/opt/kioku/bin/kioku", "/opt/kioku/bin/kioku-hook"
OLD_SERVE, OLD_HOOK = "/home/ana/old venv/bin/kioku", "'/home/ana/old venv/bin/kioku-hook' claude"
TOML_PATH = ("mcp_servers", NAME)


def by_file() -> dict[str, list[Entry]]:
    """Return the entries of every client, for the person and for a project, by a name for their file."""
    place = Place("/home/ana", {}, "/home/ana/project")
    found: dict[str, list[Entry]] = {}
    for client in CLIENTS:
        for scope in (client.user, client.project):
            for entry in scope(place, SERVE, f"{HOOK} {client.name}") if scope is not None else ():
                found.setdefault(f"{client.name}:{os.path.relpath(entry.file, place.home)}", []).append(entry)
    return found


ENTRIES = by_file()
JSON_FILES = [name for name in ENTRIES if not name.endswith(".toml")]
TOML_FILES = [name for name in ENTRIES if name.endswith(".toml")]
ONE_OF_EACH = [
    "claude:.claude.json", "codex:.codex/hooks.json", "gemini:.gemini/settings.json", "cursor:.cursor/hooks.json",
    "vscode:project/.github/hooks/kioku.json", "zed:.config/zed/settings.json",
]  # fmt: skip
SERVER_FILES = [name for name in ONE_OF_EACH if any(entry.events is None for entry in ENTRIES[name])]
HOOK_FILES = [name for name in ONE_OF_EACH if any(entry.events is not None for entry in ENTRIES[name])]


class File:
    """A settings file of a client, on the disk."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.entries = [entry._replace(file=str(path)) for entry in ENTRIES[name]]

    def add(self) -> bool:
        """Put our entries in; tell whether that changed anything."""
        return self._apply(changes.add(self.entries, within=None))

    def remove(self) -> bool:
        """Take our entries out; tell whether that changed anything."""
        return self._apply(changes.remove(self.entries, within=None))

    def _apply(self, found: list[changes.Change]) -> bool:
        for change in found:
            assert change.path == os.path.realpath(self.path)
            assert change.before == (self.text if self.path.exists() else None)
            assert change.after is not None
            self.text = change.after
        return bool(found)

    @property
    def text(self) -> str:
        return self.path.read_bytes().decode()

    @text.setter
    def text(self, text: str) -> None:
        self.path.write_bytes(text.encode())


@contextmanager
def a_file(name: str, text: str | None = None) -> Iterator[File]:
    with tempfile.TemporaryDirectory() as folder:
        file = File(Path(folder) / f"settings{Path(name).suffix}", name)
        if text is not None:
            file.text = text
        yield file


# --- a reader of JSON with comments that is not ours ------------------------------------------------------------------


def tokens(text: str) -> list[str]:
    """Return the tokens and comments of a text, without white space and commas."""
    found = re.findall(r'//[^\n]*|(?s:/\*.*?\*/)|"(?:\\.|[^"\\])*"|[{}\[\]:,]|[^\s\ufeff{}\[\]:,"/]+', text)
    return [token.rstrip() for token in found if token != ","]


def is_comment(token: str) -> bool:
    return token.startswith(("//", "/*"))


def comments(text: str) -> list[str]:
    return [token for token in tokens(text) if is_comment(token)]


def read(text: str) -> Any:
    """Return the value of JSON with comments and trailing commas."""
    plain = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|(?s:/\*.*?\*/)', lambda match: match[1] or "", text)
    plain = re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda match: match[1] or "", plain)
    return json.loads(plain.removeprefix("\ufeff"), object_pairs_hook=without_duplicates)


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def is_within(part: Sequence[str], whole: Iterable[str]) -> bool:
    """Tell whether all of a sequence comes in another, in its order."""
    rest = iter(whole)
    return all(any(each == wanted for each in rest) for wanted in part)


def line_ends(text: str) -> set[str]:
    return set(re.findall(r"\r*\n|\r", text))


# --- files as people write them ---------------------------------------------------------------------------------------


class Ours(dict[str, Any]):
    """An entry of ours in a generated file: written without comments in it."""


class Style(NamedTuple):
    """How a file is written. Without line ends it is on one line."""

    eol: str
    unit: str
    trailing_commas: bool
    is_neat: bool
    comments: bool


class Document(NamedTuple):
    """A generated file."""

    name: str
    text: str
    value: dict[str, Any]


styles = st.builds(
    Style,
    eol=st.sampled_from(["\n", "\r\n", ""]),
    unit=st.sampled_from(["  ", "    ", "\t", " ", ""]),
    trailing_commas=st.booleans(),
    is_neat=st.booleans(),
    comments=st.booleans(),
)
REMARKS = (
    "mine", "it's", 'a " quote', "// twice", "/* open", "{", "}", "a, b,", "[", "]", "http://x.y/z", "é \u2028 日本",
    '"kioku": {}', "\\", "*",
)  # fmt: skip
RESERVED = {part for entries in ENTRIES.values() for entry in entries for part in (entry.path[0], NAME)}
names = st.text(st.characters(codec="utf-8"), max_size=6).filter(lambda name: name not in RESERVED)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["/* no comment */", "// nor this", ",}"])
)  # fmt: skip
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
servers = st.fixed_dictionaries({"command": st.sampled_from(["npx", "uvx", "/usr/bin/kiokus", "node"]), "x": anything})
hooks = st.fixed_dictionaries({"hooks": st.just([{"type": "command", "command": "~/bin/lint.sh"}]), "x": anything})


def may_go(value: Any) -> bool:
    """Tell whether a value is an entry of ours, or may be empty without one: its name goes with it."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, Ours) or any(may_go(part) for part in parts)


class Writer:
    """Writes a value as a person would."""

    def __init__(self, draw: st.DrawFn, style: Style) -> None:
        self.draw = draw
        self.style = style
        self.count = 0

    def gap(self, depth: int, *, is_break: bool = False, is_quiet: bool = False) -> str:
        """Return what stands between two tokens: white space, and now and then comments."""
        eol = self.style.eol
        fresh = eol + self.style.unit * depth
        space = (
            fresh if is_break and eol else " " if self.style.is_neat else self.draw(st.sampled_from(["", " ", fresh]))
        )
        if is_quiet or not self.style.comments:
            return space
        written = ""
        for kind in self.draw(st.sampled_from([(), (), (), ("line",), ("block",), ("block", "line")])):
            self.count += 1
            remark = f" {self.count} {self.draw(st.sampled_from(REMARKS))}"
            written += f" //{remark}{fresh}" if kind == "line" and eol else f" /*{remark} */"
        return written + space

    def value(self, value: Any, depth: int = 0, *, is_quiet: bool = False) -> str:
        is_quiet = is_quiet or isinstance(value, Ours)
        if isinstance(value, dict):
            members = [
                f"{json.dumps(name, ensure_ascii=False)}{self.gap(depth, is_quiet=is_quiet or may_go(part))}:"
                f"{self.gap(depth, is_quiet=is_quiet or may_go(part))}{self.value(part, depth + 1, is_quiet=is_quiet)}"
                for name, part in value.items()
            ]
            return self.bracketed("{", members, "}", depth, is_quiet=is_quiet)
        if isinstance(value, list):
            items = [self.value(part, depth + 1, is_quiet=is_quiet) for part in value]
            return self.bracketed("[", items, "]", depth, is_quiet=is_quiet)
        return json.dumps(value, ensure_ascii=False)

    def bracketed(self, left: str, parts: list[str], right: str, depth: int, *, is_quiet: bool) -> str:
        written = left
        for number, part in enumerate(parts):
            written += self.gap(depth + 1, is_break=True, is_quiet=is_quiet) + part
            if number < len(parts) - 1 or self.style.trailing_commas:
                written += (self.gap(depth, is_quiet=is_quiet) if not self.style.is_neat else "") + ","
        return written + self.gap(depth, is_break=bool(parts), is_quiet=is_quiet) + right


@st.composite
def values(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Return settings in which there may be other people's servers and hooks, where ours would be."""
    found = draw(st.dictionaries(names, anything, max_size=3))
    for entry in ENTRIES[name]:
        if draw(st.booleans()):
            continue
        if entry.events is None:
            found[entry.path[0]] = draw(st.dictionaries(names, servers, min_size=1, max_size=2))
        else:
            events = st.sampled_from([*entry.events, "AnotherEvent"])
            found["hooks"] = draw(
                st.dictionaries(events, st.lists(hooks, min_size=1, max_size=2), min_size=1, max_size=2)
            )
    return dict(draw(st.permutations(list(found.items()))))


def older(value: Any) -> Any:
    """Return an entry of ours as an earlier installation would have left it."""
    if isinstance(value, dict):
        return {key: older(part) for key, part in value.items() if key not in ("timeout", "startup_timeout_sec")}
    if isinstance(value, list):
        return [older(part) for part in value]
    return {SERVE: OLD_SERVE}.get(value, OLD_HOOK if isinstance(value, str) and value.startswith(HOOK) else value)


def with_ours(draw: st.DrawFn, value: dict[str, Any], name: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    """Return settings with our entries anywhere in their objects and lists."""
    found = copy.deepcopy(value)
    for entry in ENTRIES[name]:
        inner = found.setdefault(entry.path[0], {})
        if entry.events is None:
            items = [*inner.items()]
            items.insert(draw(st.integers(0, len(items))), (NAME, Ours(change(entry.value))))
            found[entry.path[0]] = dict(items)
            continue
        for extra, wanted in (entry.beside or {}).items():
            found.setdefault(extra, wanted)
        for event, item in entry.events.items():
            listed = inner.setdefault(event, [])
            listed.insert(draw(st.integers(0, len(listed))), Ours(change(item)))
    return found


def with_ours_at_the_end(value: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what settings are once our entries are added."""
    found = copy.deepcopy(value)
    for entry in ENTRIES[name]:
        if entry.events is None:
            found.setdefault(entry.path[0], {})[NAME] = entry.value
            continue
        for extra, wanted in (entry.beside or {}).items():
            found.setdefault(extra, wanted)
        for event, item in entry.events.items():
            found.setdefault("hooks", {}).setdefault(event, []).append(item)
    return found


def without_additions(value: dict[str, Any], name: str, original: dict[str, Any]) -> dict[str, Any]:
    """Leave out the version that Cursor's file must have, where we added it."""
    extra = {key for entry in ENTRIES[name] for key in entry.beside or {}} - set(original)
    return {key: part for key, part in value.items() if key not in extra}


def pruned(value: dict[str, Any], name: str) -> dict[str, Any]:
    """Leave out what is empty where our entries were: it goes with them, but for the person's comments in it."""
    found = copy.deepcopy(value)
    for entry in ENTRIES[name]:
        inner = found.get(entry.path[0], {})
        for event in [event for event, items in inner.items() if items == []]:
            del inner[event]
        if inner == {}:
            found.pop(entry.path[0], None)
    return found


def written(draw: st.DrawFn, name: str, value: dict[str, Any]) -> Document:
    style = draw(styles)
    writer = Writer(draw, style)
    text = writer.gap(0) + writer.value(value) + writer.gap(0) + draw(st.sampled_from(["", style.eol]))
    text = draw(st.sampled_from(["", "\ufeff"])) + text
    assert read(text) == value
    return Document(name, text, value)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Return a file without our entries."""
    name = draw(st.sampled_from(JSON_FILES))
    return written(draw, name, draw(values(name)))


@st.composite
def registered(draw: st.DrawFn, change: Callable[[Any], Any]) -> tuple[Document, dict[str, Any]]:
    """Return a file with our entries somewhere in it, and its value without them."""
    name = draw(st.sampled_from(JSON_FILES))
    value = draw(values(name))
    return written(draw, name, with_ours(draw, value, name, change)), value


ample = settings(deadline=None, max_examples=150)


@ample
@given(documents())
def test_adding_puts_our_entries_in_and_leaves_every_value_and_comment(document: Document) -> None:
    with a_file(document.name, document.text) as file:
        assert file.add()
        assert read(file.text) == with_ours_at_the_end(document.value, document.name)
        assert is_within(tokens(document.text), tokens(file.text))
        assert file.text.startswith("\ufeff") == document.text.startswith("\ufeff")
        assert line_ends(file.text) <= (line_ends(document.text) or {"\n"})


@ample
@given(documents())
def test_adding_a_second_time_changes_nothing(document: Document) -> None:
    with a_file(document.name, document.text) as file:
        file.add()
        before = file.text
        assert not file.add()
        assert file.text == before


@ample
@given(documents())
def test_removing_what_was_added_gives_back_every_value_and_comment(document: Document) -> None:
    with a_file(document.name, document.text) as file:
        assert not file.remove()
        file.add()
        assert file.remove()
        assert without_additions(read(file.text), document.name, document.value) == document.value
        assert comments(file.text) == comments(document.text)
        assert line_ends(file.text) <= (line_ends(document.text) or {"\n"})
        assert not file.remove()


@ample
@given(registered(lambda value: value))
def test_our_entries_are_removed_from_wherever_they_stand(given: tuple[Document, dict[str, Any]]) -> None:
    document, value = given
    with a_file(document.name, document.text) as file:
        assert not file.add()
        assert file.remove()
        left = pruned(without_additions(read(file.text), document.name, value), document.name)
        assert left == pruned(value, document.name)
        assert comments(file.text) == comments(document.text)
        assert line_ends(file.text) <= line_ends(document.text)


@ample
@given(registered(older))
def test_entries_of_an_older_installation_are_replaced(given: tuple[Document, dict[str, Any]]) -> None:
    document, value = given
    with a_file(document.name, document.text) as file:
        assert file.add()
        assert read(file.text) == with_ours_at_the_end(value, document.name)
        assert comments(file.text) == comments(document.text)
        assert not file.add()


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize("text", [None, "", " \r\n\t", "\n", "\ufeff", "\ufeff\r\n", "{}", "{ }", "\ufeff{\r\n}\r\n"])
def test_a_file_with_nothing_in_it_takes_our_entries_and_gives_them_back(name: str, text: str | None) -> None:
    with a_file(name, text) as file:
        assert file.add()
        assert read(file.text) == with_ours_at_the_end({}, name)
        assert file.text.startswith("\ufeff") == (text or "").startswith("\ufeff")
        assert not file.add()
        assert file.remove()
        assert without_additions(read(file.text), name, {}) == {}


@pytest.mark.parametrize("unit", ["\t", " ", "  ", "   ", "        "])
def test_our_entry_is_indented_as_the_file_is(unit: str) -> None:
    with a_file("cursor:.cursor/mcp.json", f'{{\n{unit}"mcpServers": {{\n{unit * 2}"x": {{}}\n{unit}}}\n}}') as file:
        file.add()
        added = [line for line in file.text.splitlines()[3:-2] if line.startswith(unit * 2)]
        depths = [2, 3, 3, 4, 3, 2]  # of the entry, its command, its arguments and their end, and its own end
        assert [line[: -len(line.lstrip())] for line in added] == [unit * depth for depth in depths]


@pytest.mark.parametrize("text", ['{"a": 1}', '{"mcpServers": {"x": {}}}\n', '{ "a": [1, 2], }'])
def test_a_file_on_one_line_stays_on_one(text: str) -> None:
    with a_file("cursor:.cursor/mcp.json", text) as file:
        file.add()
        assert file.text.strip().count("\n") == 0
        file.remove()
        assert tokens(file.text) == tokens(text)


# --- what looks like ours ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOOK_FILES)
@pytest.mark.parametrize(
    "command",
    [
        "cd /home/ana/src/kioku && make lint",
        "/usr/bin/lint /home/ana/kioku",
        "/usr/bin/kioku-hooks claude",
        "/opt/not-kioku claude",
        "echo kioku",
        'lint "kioku"',
    ],
)
def test_another_hook_that_has_our_name_in_it_is_not_ours(name: str, command: str) -> None:
    item = {"command": command, "hooks": [{"type": "command", "command": command}]}
    event = next(event for entry in ENTRIES[name] for event in entry.events or ())
    given = {"version": 1, "hooks": {event: [item]}}
    with a_file(name, json.dumps(given)) as file:
        file.add()
        assert read(file.text)["hooks"][event][0] == item
        file.remove()
        assert read(file.text) == given


@pytest.mark.parametrize("name", [name for name in HOOK_FILES if name.startswith(("claude:", "codex:", "gemini:"))])
def test_a_hook_in_one_group_with_ours_stays(name: str) -> None:
    theirs = {"type": "command", "command": "~/bin/lint.sh"}
    (entry,) = (entry for entry in ENTRIES[name] if entry.events is not None)
    assert entry.events is not None
    with a_file(name) as file:
        file.add()
        value = read(file.text)
        value["hooks"]["SessionStart"][0]["hooks"].append(theirs)
        file.text = json.dumps(value)
        file.add()
        assert found_commands(file.text).count(theirs["command"]) == 1
        assert found_commands(file.text).count(f"{HOOK} {name.partition(':')[0]}") == len(entry.events)
        file.remove()
        assert found_commands(file.text) == [theirs["command"]]


def found_commands(text: str) -> list[str]:
    groups = [group for listed in read(text)["hooks"].values() for group in listed]
    return [hook["command"] for group in groups for hook in group["hooks"]]


@pytest.mark.parametrize("name", [*SERVER_FILES, *TOML_FILES])
def test_a_server_of_our_name_that_is_not_ours_is_refused(name: str) -> None:
    (entry,) = (entry for entry in ENTRIES[name] if entry.events is None)
    if name in TOML_FILES:
        text = f'[{".".join(entry.path)}]\ncommand = "npx"\nargs = ["-y", "other-kioku"]\n'
    else:
        text = json.dumps({entry.path[0]: {NAME: {"command": "npx", "args": ["-y", "other-kioku"]}}})
    with a_file(name, text) as file:
        with pytest.raises(KiokuError, match=re.escape(str(file.path))) as caught:
            file.add()
        assert "somebody else's" in caught.value.message
        assert not file.remove()
        assert file.text == text


def test_a_comment_in_an_object_that_we_fill_and_empty_stays() -> None:
    text = '{\n  "mcpServers": {\n    // none yet\n  },\n  "hooks": { /* nor here */ }\n}\n'
    with a_file("gemini:.gemini/settings.json", text) as file:
        file.add()
        file.remove()
        assert comments(file.text) == comments(text)


# --- what cannot be edited --------------------------------------------------------------------------------------------

NO_JSON = [
    "{", "}", '{"a": }', '{"a" 1}', '{"a": 1}}', "{'a': 1}", '{"a": 1,,}', "{,}", "[,]", '{"a": [1 2]}', '{"a": nul}',
    '{"a": 01}', '{"a": "b}', '{"a": 1 /* open}', '{"a": 1 / 2}', "{a: 1}", '{"a": 1} {"b": 2}', "hello", "a = 1",
]  # fmt: skip
NO_OBJECT = ["[]", '[{"mcpServers": {}}]', '"text"', '""', "5", "null", "true"]
NO_HOOKS = [
    "[]", '[{"hooks": []}]', '"text"', "5", "null", "true", '{"EVENT": {}}', '{"EVENT": "text"}', '{"EVENT": 5}',
    '{"EVENT": null}',
]  # fmt: skip
NO_SERVERS = ["[]", '"text"', "5", "null", "true", '["kioku"]']
NO_TOML = [
    "a", "[a", "a = ", "a = 1\na = 2\n", "[a]\n[a]\n", '{"a": 1}', "mcp_servers = 5", 'mcp_servers = "text"',
    "mcp_servers = []", "[[mcp_servers]]\na = 1\n", 'mcp_servers = { other = { command = "npx" } }',
    "[mcp_servers]\nkioku = 5\n", "a = " + "[" * 100_000, "a = " + "9" * 5_000,
]  # fmt: skip


def check_refused(file: File) -> None:
    """Fail unless adding is refused with an error that names the file, and removing finds nothing that it can do."""
    before = file.path.read_bytes() if file.path.is_file() else None
    with pytest.raises(KiokuError) as caught:
        file.add()
    assert str(file.path) in caught.value.message
    assert caught.value.hint
    try:
        assert not file.remove()
    except KiokuError as error:
        assert str(file.path) in error.message  # noqa: PT017 - it may find nothing as well
    assert before == (file.path.read_bytes() if file.path.is_file() else None)


@pytest.mark.parametrize(
    "name", ["zed:.config/zed/settings.json", "claude:.claude/settings.json", "cursor:.cursor/hooks.json"]
)
@pytest.mark.parametrize("text", [*NO_JSON, *NO_OBJECT])
def test_what_is_no_json_object_is_refused(name: str, text: str) -> None:
    with a_file(name, text) as file:
        check_refused(file)


@pytest.mark.parametrize("name", HOOK_FILES)
@pytest.mark.parametrize("text", NO_HOOKS)
def test_hooks_of_another_shape_are_refused(name: str, text: str) -> None:
    event = next(event for entry in ENTRIES[name] for event in entry.events or ())
    with a_file(name, f'{{"version": 1, "hooks": {text.replace("EVENT", event)}}}') as file:
        check_refused(file)


@pytest.mark.parametrize("name", SERVER_FILES)
@pytest.mark.parametrize("text", NO_SERVERS)
def test_servers_of_another_shape_are_refused(name: str, text: str) -> None:
    (entry,) = (entry for entry in ENTRIES[name] if entry.events is None)
    with a_file(name, f'{{"{entry.path[0]}": {text}}}') as file:
        check_refused(file)


@pytest.mark.parametrize("name", SERVER_FILES)
@pytest.mark.parametrize(
    "text",
    [
        '{"KEY": {"a": {"command": "x"}}, "KEY": {"b": {"command": "y"}}}',
        '{"KEY": {"kioku": {"command": "npx"}, "kioku": {"command": "/opt/kioku/bin/kioku"}}}',
        '{"KEY": {"a": {"command": "x"}, "a": {"command": "y"}}}',
    ],
)
def test_duplicate_keys_among_the_servers_are_refused(name: str, text: str) -> None:
    (entry,) = (entry for entry in ENTRIES[name] if entry.events is None)
    with a_file(name, text.replace("KEY", entry.path[0])) as file:
        check_refused(file)


@pytest.mark.parametrize("name", HOOK_FILES)
@pytest.mark.parametrize("text", ['{"hooks": {}, "hooks": {}}', '{"hooks": {"EVENT": [], "EVENT": []}}'])
def test_duplicate_keys_among_the_hooks_are_refused(name: str, text: str) -> None:
    event = next(event for entry in ENTRIES[name] for event in entry.events or ())
    with a_file(name, text.replace("EVENT", event)) as file:
        check_refused(file)


@pytest.mark.parametrize("name", TOML_FILES)
@pytest.mark.parametrize("text", NO_TOML, ids=lambda text: text[:20])
def test_toml_that_cannot_take_our_table_is_refused(name: str, text: str) -> None:
    with a_file(name, text) as file:
        check_refused(file)


def not_utf_8(path: Path) -> None:
    path.write_bytes(b'# "\xff\n' if path.suffix == ".toml" else b'{"a": "\xff"}')


def utf_16(path: Path) -> None:
    path.write_text('a = "b"\n' if path.suffix == ".toml" else '{"a": "b"}', encoding="utf-16")


def latin_1(path: Path) -> None:
    path.write_bytes('a = "é"\n'.encode("latin-1") if path.suffix == ".toml" else '{"a": "é"}'.encode("latin-1"))


def too_large(path: Path) -> None:
    filling = "x" * (10 << 20)
    path.write_text(f"# {filling}\n" if path.suffix == ".toml" else f'{{"a": "{filling}"}}')


def too_deep(path: Path) -> None:
    deep = "[" * 5_000 + "]" * 5_000
    path.write_text(f"a = {deep}" if path.suffix == ".toml" else f'{{"a": {deep}}}')


def deep_and_open(path: Path) -> None:
    path.write_text("a = " + '{"a" = ' * 50_000 if path.suffix == ".toml" else '{"a": ' * 50_000)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def a_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    "name", ["gemini:.gemini/settings.json", "cursor:.cursor/hooks.json", "codex:.codex/config.toml"]
)
@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, a_socket, a_loop, not_utf_8, utf_16, latin_1, too_large, too_deep, deep_and_open],
    ids=lambda make: make.__name__,
)
def test_what_is_no_readable_settings_file_is_refused(name: str, make: Callable[[Path], None]) -> None:
    with a_file(name) as file:
        make(file.path)
        check_refused(file)


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    check_refused(File(tmp_path / "folder" / "settings.json", "zed:.config/zed/settings.json"))


def test_a_refusal_shows_what_to_add_by_hand() -> None:
    with a_file("zed:.config/zed/settings.json", '{"context_servers": []}') as file:
        with pytest.raises(KiokuError) as caught:
            file.add()
        assert '{"context_servers": {"kioku": {"command": "/opt/kioku/bin/kioku"' in (caught.value.hint or "")


# --- TOML -------------------------------------------------------------------------------------------------------------

TOML_VALUES = (
    "1", "true", '"text"', '"a # b"', "'lit\\eral'", "1979-05-27T07:32:00Z", "[1, 2]", "{ a = 1 }", '"é日本"',
    '[\n  "a", # one\n\n  "b",\n]', '"""\n[no.table]\n# no comment\n"""', "'''\n'''", "[[1], [2]]", "1e3",
)  # fmt: skip
TOML_TABLES = (
    "profiles.work",
    "mcp_servers.other",
    "mcp_servers.other.env",
    '"quoted name"',
    "a",
    "mcp_servers.kiokus",
)
toml_remarks = st.lists(
    st.sampled_from(["# mine", "#", "# [mcp_servers.kioku]", "# a = 1", "\t# indented"]), max_size=2
)


class TomlDocument(NamedTuple):
    """A generated file, in parts: what stands before the first table, and each table with what comes before it."""

    name: str
    parts: list[str]
    eol: str
    is_marked: bool
    ends_with_line: bool

    def text(self, *, ours: str = "", at: int = 0) -> str:
        """Return the file, with a table of ours before the one with that number."""
        parts = [*self.parts[: at + 1], *([ours] if ours else []), *self.parts[at + 1 :]]
        text = "".join(parts)
        text = text if self.ends_with_line else text.removesuffix("\n")
        return ("\ufeff" if self.is_marked else "") + text.replace("\n", self.eol)


@st.composite
def toml_parts(draw: st.DrawFn, heading: str) -> str:
    lines = [*draw(toml_remarks), *([heading] if heading else [])]
    for number in range(draw(st.integers(0, 2))):
        lines += draw(toml_remarks)
        lines.append(f"key{number} = {draw(st.sampled_from(TOML_VALUES))}{draw(st.sampled_from(['', '  # behind']))}")
    lines += [""] * draw(st.integers(0, 2))
    return "".join(f"{line}\n" for line in lines)


@st.composite
def toml_documents(draw: st.DrawFn) -> TomlDocument:
    tables = draw(st.lists(st.sampled_from(TOML_TABLES), unique=True, max_size=4))
    headings = [
        f"{draw(st.sampled_from(['', '  ']))}[{table}]{draw(st.sampled_from(['', ' # why']))}" for table in tables
    ]
    if draw(st.booleans()):
        headings += ["[[listed]]", "[[listed]]"]
    parts = [draw(toml_parts(heading)) for heading in ["", *headings]]
    document = TomlDocument(
        draw(st.sampled_from(TOML_FILES)),
        parts,
        draw(st.sampled_from(["\n", "\r\n"])),
        draw(st.booleans()),
        draw(st.booleans()),
    )
    toml(document.text())
    return document


def toml(text: str) -> dict[str, Any]:
    return tomllib.loads(text.removeprefix("\ufeff"))


def full_lines(text: str) -> list[str]:
    """Return the lines of a text that are not blank."""
    return [line.rstrip() for line in text.removeprefix("\ufeff").split("\n") if line.strip()]


def our_table(name: str, command: str = SERVE) -> str:
    (entry,) = ENTRIES[name]
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in entry.value.items()]
    return f"[{'.'.join(entry.path)}]\n{''.join(lines)}".replace(SERVE, command)


@ample
@given(toml_documents())
def test_adding_to_toml_puts_our_table_in_and_leaves_every_line(document: TomlDocument) -> None:
    text = document.text()
    with a_file(document.name, text) as file:
        assert file.add()
        expected = toml(text)
        expected.setdefault("mcp_servers", {})[NAME] = file.entries[0].value
        assert toml(file.text) == expected
        assert file.text.startswith(text.rstrip("\r\n"))
        assert line_ends(file.text) <= (line_ends(text) or {"\n"})
        before = file.text
        assert not file.add()
        assert file.text == before


@ample
@given(toml_documents())
def test_removing_from_toml_what_was_added_gives_back_every_line(document: TomlDocument) -> None:
    text = document.text()
    with a_file(document.name, text) as file:
        assert not file.remove()
        file.add()
        assert file.remove()
        assert toml(file.text) == toml(text)
        assert full_lines(file.text) == full_lines(text)
        assert line_ends(file.text) <= (line_ends(text) or {"\n"})
        assert not file.remove()


@ample
@given(toml_documents(), st.integers(0, 4))
def test_our_table_is_removed_from_wherever_it_stands(document: TomlDocument, at: int) -> None:
    text = document.text(ours=our_table(document.name), at=at)
    with a_file(document.name, text) as file:
        assert not file.add()
        assert file.remove()
        assert toml(file.text) == toml(document.text())
        assert full_lines(file.text) == full_lines(document.text())


@ample
@given(toml_documents(), st.integers(0, 4))
def test_a_table_of_an_older_installation_is_replaced(document: TomlDocument, at: int) -> None:
    text = document.text(ours=our_table(document.name, OLD_SERVE), at=at)
    with a_file(document.name, text) as file:
        assert file.add()
        assert toml(file.text)["mcp_servers"][NAME] == file.entries[0].value
        assert is_within(full_lines(document.text()), full_lines(file.text))
        assert not file.add()


@pytest.mark.parametrize("text", [None, "", "\n", " \r\n", "\ufeff", "# only a remark", "# only a remark\r\n"])
def test_toml_with_nothing_in_it_takes_our_table_and_gives_it_back(text: str | None) -> None:
    with a_file("codex:.codex/config.toml", text) as file:
        assert file.add()
        assert toml(file.text) == {"mcp_servers": {NAME: file.entries[0].value}}
        assert not file.add()
        assert file.remove()
        assert full_lines(file.text) == full_lines(text or "")


@pytest.mark.parametrize("heading", ['[mcp_servers."kioku"]', "[ mcp_servers . kioku ]", "[mcp_servers.'kioku'] # x"])
def test_our_table_under_a_heading_in_another_spelling_is_replaced_and_removed_or_refused(heading: str) -> None:
    name = "codex:.codex/config.toml"
    text = our_table(name, OLD_SERVE).replace("[mcp_servers.kioku]", heading) + "\n[a]\nb = 1\n"
    with a_file(name, text) as file:
        if did(file.add):
            assert toml(file.text)["mcp_servers"][NAME] == file.entries[0].value
        file.text = text
        if did(file.remove):
            assert toml(file.text) == {"a": {"b": 1}}


def did(edit: Callable[[], bool]) -> bool:
    """Tell whether an edit was made, or refused with an error; that there were nothing to do would be wrong."""
    try:
        assert edit()
    except KiokuError:
        return False
    return True


def test_our_table_is_removed_with_what_a_person_set_below_it() -> None:
    name = "codex:.codex/config.toml"
    text = our_table(name) + '\n[mcp_servers.kioku.env]\nKIOKU_PROJECT = "/x"\n\n[a]\nb = 1\n'
    with a_file(name, text) as file:
        assert file.remove()
        assert toml(file.text) == {"a": {"b": 1}}


@pytest.mark.parametrize("is_ours_there", [False, True])
def test_a_text_in_toml_that_reads_like_our_table_stays(is_ours_there: bool) -> None:
    name = "codex:.codex/config.toml"
    text = 'notes = """\n[mcp_servers.kioku]\ncommand = "/opt/kioku/bin/kioku"\n"""\n'
    with a_file(name, text + (f"\n{our_table(name, OLD_SERVE)}" if is_ours_there else "")) as file:
        if did(file.add):
            assert toml(file.text) == {**toml(text), "mcp_servers": {NAME: file.entries[0].value}}
        if is_ours_there and did(file.remove):
            assert full_lines(file.text) == full_lines(text)
        assert toml(file.text)["notes"] == toml(text)["notes"]
