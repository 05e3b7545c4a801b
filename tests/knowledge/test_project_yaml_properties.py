"""Laws of the round trip: whatever a person edits, the next scan keeps it."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ruamel.yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kioku.knowledge.project_yaml import load, update
from kioku.knowledge.yaml_text import scalar
from kioku.scan.facts import LanguageCount, ModuleFacts, ProjectFacts

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
names = st.from_regex(r"[a-z@][a-z0-9/._-]{0,8}", fullmatch=True)


@contextmanager
def a_file() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder / ".context" / "project.yaml"
    finally:
        shutil.rmtree(folder)


def as_yaml(file: Path) -> Any:
    """Read the file with another reader than ours."""
    return ruamel.yaml.YAML(typ="safe", pure=True).load(file.read_bytes().decode())


modules = st.builds(
    ModuleFacts,
    name=names,
    path=names,
    language=st.just("Go"),
    files=st.just(1),
    key_files=st.lists(words, max_size=4, unique=True).map(tuple),
    description=st.none() | words,
)
projects = st.builds(
    ProjectFacts,
    name=words,
    type=st.sampled_from(["cli", "library", "service"]),
    languages=st.just((LanguageCount(name="Go", files=1),)),
    stack=st.lists(words, max_size=5, unique=True).map(tuple),
    package_managers=st.lists(st.sampled_from(["uv", "npm", "go"]), max_size=3, unique=True).map(tuple),
    architecture=words,
    modules=st.lists(modules, max_size=4, unique_by=lambda module: module.name).map(tuple),
)

# An edit is a function of the file's lines and a number that says where.
EDITS = ("comment above", "comment behind", "blank line", "value", "delete", "own key", "own item", "indent comment")
edits = st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 200)), max_size=6)


def apply_edit(lines: list[str], kind: str, where: int, mark: str) -> list[str]:
    at = where % len(lines)
    line = lines[at]
    plain = re.fullmatch(r"( *)([a-z_]+): [A-Za-z][^#\"]*", line)
    item = re.fullmatch(r"( *)- .*", line)
    indent = " " * (len(line) - len(line.lstrip()))
    if kind == "comment above":
        return [*lines[:at], f"{indent}# {mark}", *lines[at:]]
    if kind == "indent comment":
        return [*lines[: at + 1], f"{indent}      # {mark}", *lines[at + 1 :]]
    if kind == "comment behind" and not line.lstrip().startswith("#"):
        return [*lines[:at], f"{line}  # {mark}", *lines[at + 1 :]]
    if kind == "blank line":
        return [*lines[:at], "", *lines[at:]]
    if kind == "value" and plain:
        return [*lines[:at], f"{plain[1]}{plain[2]}: '{mark}'", *lines[at + 1 :]]
    if kind == "own key" and plain:
        return [*lines[: at + 1], f"{plain[1]}{mark}:   [ 1, two ]", *lines[at + 1 :]]
    if kind == "own item" and item:
        return [*lines[: at + 1], f"{item[1]}-   {mark}", *lines[at + 1 :]]
    if kind == "delete" and plain and not line.startswith("modules"):
        return [*lines[:at], *lines[at + 1 :]]
    return lines


@settings(deadline=None, max_examples=40)  # each writes real files to the disk
@given(first=projects, then=projects, edits=edits, newline=st.sampled_from(["\n", "\r\n"]))
def test_every_edit_survives_every_later_scan(
    first: ProjectFacts, then: ProjectFacts, edits: list[tuple[str, int]], newline: str
) -> None:
    with a_file() as file:
        update(str(file), first)
        lines = file.read_bytes().decode().split("\n")[:-1]
        for number, (kind, where) in enumerate(edits):
            lines = apply_edit(lines, kind, where, f"mine{number}")
        file.write_bytes((newline.join(lines) + newline).encode())
        before = file.read_bytes().decode()
        kept = re.findall(r"^.*mine\d.*$", before.replace("\r", ""), re.MULTILINE)
        for facts in (then, first, then):
            update(str(file), facts)
            after = file.read_bytes().decode()
            if newline == "\r\n":
                assert after.count("\n") == after.count("\r\n")
            found = after.replace("\r", "").split("\n")
            for line in kept:
                if "  # mine" in line and not line.lstrip().startswith("#"):
                    assert any(each.endswith(line[line.index("  # mine") :]) for each in found)
                else:
                    assert line in found
            load(str(file))
            as_yaml(file)
            assert update(str(file), facts).changed is False


@settings(deadline=None, max_examples=40)  # each writes real files to the disk
@given(first=projects, then=projects)
def test_without_edits_the_file_always_says_what_the_last_scan_said(first: ProjectFacts, then: ProjectFacts) -> None:
    with a_file() as file, a_file() as fresh:
        update(str(file), first)
        update(str(file), then)
        update(str(fresh), then)
        assert load(str(file)) == load(str(fresh))
        assert (as_yaml(file).get("modules") or {}) == (as_yaml(fresh).get("modules") or {})


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.booleans())
def test_a_scalar_is_read_back_as_the_same_text_by_another_reader(text: str, flow: bool) -> None:
    written = scalar(text, flow=flow)
    line = f"[{written}, x]" if flow else f"k: {written}"
    read = ruamel.yaml.YAML(typ="safe", pure=True).load(line)
    assert read == ([text, "x"] if flow else {"k": text})
