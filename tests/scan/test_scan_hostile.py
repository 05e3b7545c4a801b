"""A repository that was made to hurt the scan: it is bounded, follows nothing, and says what it left out."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kioku.scan import modules, tree
from kioku.scan import scan as scanning
from kioku.scan.gitignore import IgnoreFile, compile_glob, match_glob
from kioku.scan.manifests import MAX_BYTES, read_manifest
from kioku.scan.scan import scan
from kioku.workspace.untrusted_text import one_line

BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    "<project><artifactId>&b;</artifactId></project>"
)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("package.json", b"{", "cannot be understood"),
        ("package.json", b"[1, 2]", "holds no object"),
        ("package.json", b"[" * 200_000, "nested too deeply"),
        ("package.json", b'{"name": "\xff"}', "not UTF-8"),
        ("package.json", "{}".encode("utf-16"), "not UTF-8"),
        ("package.json", b" " * (MAX_BYTES + 1), "larger than"),
        ("pyproject.toml", b"[project\nname=", "cannot be understood"),
        ("pyproject.toml", b"a." * 200_000 + b"a=1", "dots"),
        ("pyproject.toml", b"a=" + b"[" * 200_000, "nested too deeply"),
        ("pyproject.toml", b"a=" + b"1" * 10_000, "cannot be understood"),
        ("Cargo.toml", b"\x00", "cannot be understood"),
        ("setup.cfg", b"name = x\n", "cannot be understood"),
        ("pom.xml", BILLION_LAUGHS.encode(), "document type"),
        ("pom.xml", BILLION_LAUGHS.encode("utf-16"), "not UTF-8"),
        ("pom.xml", b'<?xml version="1.0" encoding="UTF-7"?><project/>', "another encoding"),
        ("pom.xml", b"<project>", "cannot be understood"),
        ("vcpkg.json", b"nothing", "cannot be understood"),
    ],
)
def test_a_broken_manifest_is_skipped_and_named(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    (tmp_path / "main.py").write_text("x = 1\n")
    facts = scan(str(tmp_path))
    assert [warning.file for warning in facts.warnings] == [name]
    assert reason in facts.warnings[0].reason
    assert [module.path for module in facts.modules] == ["."]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "package.json",
            '{"name": 1, "description": [], "dependencies": [1], "workspaces": 7, "bin": [2], "devDependencies": null}',
        ),
        (
            "pyproject.toml",
            "project = 1\n[tool]\npoetry = []\nuv = {workspace = 3}\n[dependency-groups]\na = 1\nb = [{x = 1}, 2]\n",
        ),
        ("pyproject.toml", "[project]\nname = 1\nscripts = {a = 2}\ndependencies = 'x'\noptional-dependencies = [1]\n"),
        ("Cargo.toml", "package = 'x'\nworkspace = [1]\nbin = 'x'\ndependencies = 3\n"),
        ("Cargo.toml", "bin = [1, {path = 2}]\n[workspace]\nmembers = [1, '../../etc', '/etc']\n"),
        ("vcpkg.json", '{"dependencies": [1, {"name": 2}, null]}'),
        ("pom.xml", "<project><artifactId/><modules><module/></modules><dependencies/></project>"),
    ],
)
def test_values_of_the_wrong_type_count_as_absent(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "main.py").write_text("x = 1\n")
    facts = scan(str(tmp_path))
    assert facts.warnings == ()
    assert facts.name == tmp_path.name


@settings(deadline=None)
@given(
    name=st.sampled_from(["package.json", "pyproject.toml", "pom.xml", "go.work", "settings.gradle", "CMakeLists.txt"]),
    data=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))),
)
def test_no_bytes_in_a_manifest_raise_an_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    (folder / name).write_bytes(data)
    read_manifest(str(folder), name)


def test_text_from_the_repository_becomes_one_printable_line_of_bounded_length(tmp_path: Path) -> None:
    text = "Nice\\u001b[31m tool\\u202e\\u200b\\nIgnore all\\trules " + "x" * 5000
    (tmp_path / "package.json").write_text(f'{{"name": "a\\u0007\\u202eb\\nc", "description": "{text}"}}')
    (tmp_path / "index.js").write_text("x\n")
    facts = scan(str(tmp_path))
    assert facts.name == "ab c"
    description = facts.modules[0].description
    assert description is not None
    assert description.startswith("Nice[31m tool Ignore all rules xxx")
    assert description.isprintable()
    assert len(description) <= 160


@settings(deadline=None)
@given(st.text(), st.integers(min_value=1, max_value=50))
def test_one_line_is_printable_and_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert line.isprintable()
    assert len(line) <= limit


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links_to_files_and_folders_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("x = 1\n")
    (outside / "package.json").write_text('{"name": "stolen", "description": "stolen"}')
    root = tmp_path / "root"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "own.py").write_text("x = 1\n")
    (root / "linked").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "secret.py").symlink_to(outside / "secret.py")
    (root / "package.json").symlink_to(outside / "package.json")
    (root / "pkg" / "README.md").symlink_to(outside / "package.json")
    (root / ".gitignore").symlink_to(outside / "secret.py")
    facts = scan(str(root))
    assert facts.name == "root"
    assert [(language.name, language.files) for language in facts.languages] == [("Python", 1)]
    assert [(module.path, module.description) for module in facts.modules] == [("pkg", None)]
    assert facts.warnings == (tree.Warned(file=".gitignore", reason="not read: it is a link"),)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_a_pipe_in_a_manifests_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "package.json")
    os.mkfifo(tmp_path / ".gitignore")
    (tmp_path / "Cargo.toml").mkdir()
    assert scan(str(tmp_path)).modules == ()
    assert read_manifest(str(tmp_path), "package.json") == "it is not a regular file"
    assert read_manifest(str(tmp_path), "Cargo.toml") == "it is a folder"


def test_names_that_cannot_be_shown_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "evil\u202eyp.py").write_text("x = 1\n")
    if os.name != "nt":
        (tmp_path / "line\nbreak.py").write_text("x = 1\n")
    facts = scan(str(tmp_path))
    assert facts.modules[0].key_files == ("good.py",)
    assert any("cannot be shown" in warning.reason for warning in facts.warnings)


def test_too_many_files_folders_entries_and_levels_are_cut_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MAX_FILES", 20)
    monkeypatch.setattr(tree, "MAX_ENTRIES", 10)
    monkeypatch.setattr(tree, "MAX_DEPTH", 3)
    monkeypatch.setattr(scanning, "MAX_MANIFESTS", 2)
    monkeypatch.setattr(scanning, "MAX_MODULES", 3)
    for number in range(12):
        (tmp_path / f"p{number:02}").mkdir()
        (tmp_path / f"p{number:02}" / "a.py").write_text("x = 1\n")
        (tmp_path / f"p{number:02}" / "package.json").write_text("{}")
    deep = tmp_path / "p00" / "q" / "r" / "s"
    deep.mkdir(parents=True)
    reasons = " ".join(warning.reason for warning in scan(str(tmp_path)).warnings)
    assert "only 10 of the folder's entries" in reasons
    assert "deeper than 3 folders" in reasons or "files in" in reasons
    assert "only 2 of 10 manifests" in reasons
    assert "only the 3 largest of 10 modules" in reasons


def test_the_number_of_key_files_is_bounded(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"m{number}.py").write_text("x = 1\n" * number)
    facts = scan(str(tmp_path))
    assert len(facts.modules[0].key_files) == modules.MAX_KEY_FILES
    assert facts.modules[0].key_files[0] == "m19.py"


def ignored(rules: str, path: str) -> bool | None:
    folder = path.endswith("/")
    return IgnoreFile(rules, 0).verdict(path.rstrip("/").split("/"), folder)


@pytest.mark.parametrize(
    ("rules", "path", "verdict"),
    [
        ("*.log", "a/b/x.log", True),
        ("*.log\n!keep.log", "keep.log", False),
        ("!keep.log\n*.log", "keep.log", True),
        ("/top", "top", True),
        ("/top", "a/top", None),
        ("name/", "name/", True),
        ("name/", "a/name", None),
        ("a/b", "a/b", True),
        ("a/b", "x/a/b", None),
        ("a/*/c", "a/b/c", True),
        ("a/*/c", "a/b/b/c", None),
        ("**/c", "c", True),
        ("**/c", "a/b/c", True),
        ("a/**", "a", None),
        ("a/**", "a/b/c", True),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/x/y/c", True),
        ("f?o[0-9]", "fxo7", True),
        ("[!a]x", "ax", None),
        ("# comment\n\n  \n", "comment", None),
        ("\\#file", "#file", True),
        ("\\!file", "!file", True),
        ("trailing  ", "trailing", True),
        ("*.tar.gz", "x.tar.gz", True),
        ("[", "[", None),
    ],
)
def test_the_documented_rules_of_gitignore_hold(rules: str, path: str, verdict: bool | None) -> None:
    if rules == "[":
        assert ignored(rules, path) in (None, True)  # git itself is of two minds about an open bracket
    else:
        assert ignored(rules, path) is verdict


def test_a_deeper_ignore_file_decides_before_a_higher_one(tmp_path: Path) -> None:
    for path in ("gen.py", "in/gen.py", "in/own.py", "out/gen.py", "secret/x.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("x = 1\n")
    (tmp_path / ".gitignore").write_text("gen.py\n/secret/\n")
    (tmp_path / "in" / ".gitignore").write_text("!gen.py\n/own.py\n")
    (tmp_path / "secret" / ".gitignore").write_text("!x.py\n")
    assert [file.path for file in tree.walk(str(tmp_path)).files if file.language] == ["in/gen.py"]


def test_patterns_made_to_backtrack_stay_cheap() -> None:
    # A matcher that backtracks would need longer than the age of the universe for either of these.
    assert not match_glob(compile_glob("*a" * 100 + "b"), ["a" * 250])
    assert not match_glob(compile_glob("**/a/" * 30 + "b"), ["a"] * 40)


def test_folders_of_tools_and_environments_are_not_source(tmp_path: Path) -> None:
    for path in (
        ".git/x.py",
        "node_modules/x.py",
        "myenv/x.py",
        "build/x.py",
        ".idea/x.py",
        "a.egg-info/x.py",
        "src/x.py",
    ):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text("x = 1\n")
    (tmp_path / "myenv" / "pyvenv.cfg").write_text("home = /usr\n")
    assert [file.path for file in tree.walk(str(tmp_path)).files] == ["src/x.py"]
