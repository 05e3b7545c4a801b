import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kioku.errors import CancelledCallError, RefusedPathError, ToolError
from kioku.workspace import children, opening
from kioku.workspace import grep as grep_module
from kioku.workspace.files import protected_inodes
from kioku.workspace.grep import GrepMatch, GrepResult, grep, rg_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "proj"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "src" / "a.py").write_text("one\nneedle(1)\nthree\nneedle(2)\n")
    (root / "src" / "deep" / "b.py").write_text("needle b\r\n")
    (root / "readme.md").write_text("Needle\n")
    (root / "plain.txt").write_text("nothing\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("needle OUTSIDE\n")
    return root


@pytest.fixture(params=["pinned", "by path"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by path":
        monkeypatch.setattr(opening, "LINUX_OPATH", False)


def found(result: GrepResult) -> list[tuple[str, int]]:
    return [(match.path, match.line) for match in result.matches]


@pytest.mark.usefixtures("both_ways")
def test_matches_come_by_path_and_line(root: Path) -> None:
    result = grep(str(root), "needle")
    assert found(result) == [("src/a.py", 2), ("src/a.py", 4), ("src/deep/b.py", 1)]
    assert result.matches[0] == GrepMatch(path="src/a.py", line=2, text="needle(1)")
    assert result.matches[2].text == "needle b"
    assert (result.files, result.truncated, result.timed_out, result.note) == (2, False, False, None)


@pytest.mark.usefixtures("both_ways")
def test_a_path_and_a_glob_narrow_the_search(root: Path) -> None:
    assert found(grep(str(root), "needle", path="src/deep")) == [("src/deep/b.py", 1)]
    assert found(grep(str(root), "needle", path="src/a.py")) == [("src/a.py", 2), ("src/a.py", 4)]
    assert found(grep(str(root), "needle", glob="**/deep/*.py")) == [("src/deep/b.py", 1)]
    assert found(grep(str(root), "needle", path="src", glob="src/deep/*")) == [("src/deep/b.py", 1)]
    assert found(grep(str(root), "needle", path="./src", glob="!deep/**")) == [
        ("src/a.py", 2),
        ("src/a.py", 4),
    ]
    assert grep(str(root), "needle", path="plain.txt").matches == []


def test_case_fixed_text_and_context_lines(root: Path) -> None:
    assert len(grep(str(root), "NEEDLE", ignore_case=True).matches) == 4
    assert found(grep(str(root), "needle(1)", fixed=True)) == [("src/a.py", 2)]
    result = grep(str(root), r"needle\(1\)", context_lines=1)
    assert [(match.line, match.is_context) for match in result.matches] == [(1, True), (2, False), (3, True)]
    assert result.files == 1


def test_a_pattern_that_looks_like_an_option_is_a_pattern(root: Path) -> None:
    (root / "o.txt").write_text("--pre=evil\n-f\n")
    assert found(grep(str(root), "--pre=evil")) == [("o.txt", 1)]
    assert found(grep(str(root), "-f")) == [("o.txt", 2)]
    (root / "-f").write_text("needle dash\n")
    assert found(grep(str(root), "needle dash", path="-f")) == [("-f", 1)]
    assert found(grep(str(root), "needle dash", glob="--pre=evil")) == []


def test_a_pattern_that_is_no_regular_expression_is_explained(root: Path) -> None:
    with pytest.raises(ToolError, match="unclosed group") as caught:
        grep(str(root), "(")
    assert "fixed=true" in (caught.value.hint or "")
    with pytest.raises(ToolError, match="glob"):
        grep(str(root), "x", glob="[")
    for pattern in ("", "a\0b", "x" * 10_000):
        with pytest.raises(ToolError, match="1 to 4096"):
            grep(str(root), pattern)


def test_a_pattern_that_backtracks_for_ever_elsewhere_is_answered(root: Path) -> None:
    (root / "a.txt").write_text("a" * 50_000 + "\n")
    assert grep(str(root), "^(a+)+$").files == 1
    assert grep(str(root), "^(a|a)*b$").files == 0


def test_git_and_the_context_folder_are_never_searched(root: Path) -> None:
    for folder in (".git", ".context", "sub/.git", "sub/.context"):
        (root / folder).mkdir(parents=True)
        (root / folder / "config").write_text("needle hidden\n")
    (root / ".github").mkdir()
    (root / ".github" / "ci.yml").write_text("needle hidden\n")
    for glob in (None, "**/config", ".git/**", "!nothing", "**"):
        assert {match.path for match in grep(str(root), "needle hidden", glob=glob).matches} <= {".github/ci.yml"}
    assert grep(str(root), "needle hidden").files == 1
    for path in (".git", ".git/config", ".context/config", "sub/.GIT"):
        with pytest.raises(RefusedPathError, match="not searched"):
            grep(str(root), "needle", path=path)


def test_what_git_ignores_is_not_searched_in_a_folder_either(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".gitignore").write_text("/src/deep/\n")
    assert found(grep(str(root), "needle", path="src")) == [("src/a.py", 2), ("src/a.py", 4)]
    assert grep(str(root), "needle").files == 1


def test_a_search_in_a_project_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="project's folder"):
        grep(str(tmp_path / "gone"), "x")


def test_protected_names_are_left_out(root: Path) -> None:
    (root / "we[i]rd.txt").write_text("needle\n")
    names = ["src/a.py", "we[i]rd.txt"]
    assert found(grep(str(root), "needle", protected_names=names)) == [("src/deep/b.py", 1)]
    assert found(grep(str(root), "needle", path="src", protected_names=names)) == [("src/deep/b.py", 1)]
    with pytest.raises(RefusedPathError):
        grep(str(root), "needle", path="src/a.py", protected_names=names)
    with pytest.raises(RefusedPathError, match="store"):
        grep(str(root), "x", path="plain.txt", protected=protected_inodes([str(root / "plain.txt")]))


@pytest.mark.usefixtures("both_ways")
def test_links_are_neither_followed_nor_accepted(root: Path) -> None:
    (root / "file").symlink_to(root.parent / "outside" / "secret.txt")
    (root / "folder").symlink_to(root.parent / "outside")
    assert "OUTSIDE" not in str(grep(str(root), "needle"))
    for path in ("file", "folder", "folder/secret.txt"):
        with pytest.raises(RefusedPathError, match="is a link"):
            grep(str(root), "needle", path=path)
    for path in ("../outside", str(root.parent / "outside"), "~"):
        with pytest.raises(RefusedPathError):
            grep(str(root), "needle", path=path)
    with pytest.raises(ToolError, match="There is no"):
        grep(str(root), "needle", path="srk")


def test_pipes_are_passed_over_and_refused_by_name(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert grep(str(root), "needle").files == 2
    with pytest.raises(RefusedPathError, match="named pipe"):
        grep(str(root), "needle", path="pipe")


def test_a_search_that_hangs_ends_at_its_deadline(root: Path) -> None:
    os.mkfifo(root / ".gitignore")
    (root / ".git").mkdir()
    result = grep(str(root), "needle", deadline_s=0.3)
    assert result.timed_out
    assert result.note is not None
    assert "Stopped after 0.3 s" in result.note


def test_a_cancelled_search_leaves_no_child(root: Path) -> None:
    os.mkfifo(root / ".ignore")
    with pytest.raises(CancelledCallError):
        grep(str(root), "needle", cancelled=lambda: bool(children._running))
    assert not children._running


def test_other_threads_run_while_a_search_hangs(root: Path) -> None:
    os.mkfifo(root / ".ignore")
    stop = threading.Event()
    results: list[object] = []

    def search() -> None:
        try:
            grep(str(root), "needle", cancelled=stop.is_set)
        except CancelledCallError as error:
            results.append(error)

    thread = threading.Thread(target=search)
    thread.start()
    assert grep(str(root.parent / "outside"), "needle").files == 1
    stop.set()
    thread.join(30)
    assert len(results) == 1


def test_the_search_stops_when_there_is_enough(root: Path) -> None:
    (root / "many.txt").write_text("needle\n" * 200_000)
    counts: list[int] = []
    result = grep(str(root), "needle", max_matches=10, progress=counts.append)
    assert len(result.matches) == 10
    assert result.truncated
    assert result.note is not None
    assert "Stopped after 10 matches" in result.note
    assert counts
    exact = grep(str(root), "needle", path="src", max_matches=3)
    assert (len(exact.matches), exact.truncated) == (3, False)


def test_long_lines_are_cut(root: Path) -> None:
    (root / "long.txt").write_text("needle" + "é" * 5_000_000 + "\nneedle after\n")
    (root / "marks.txt").write_text("needle" + "\u0301" * 2_000_000 + "\nneedle after\n")
    for name in ("long.txt", "marks.txt"):
        result = grep(str(root), "needle", path=name)
        assert [match.line for match in result.matches] == [1, 2]
        assert len(result.matches[0].text) == 500
        assert result.matches[0].text.endswith("…")


def test_a_large_sparse_or_binary_file_gives_a_bounded_answer(root: Path) -> None:
    with open(root / "huge", "wb") as file:
        file.truncate(100 * 1024**3)
    (root / "late.bin").write_bytes(b"needle\n" + b"q" * 70_000 + b"\0needle\n")
    (root / "z.txt").write_text("needle last\n")
    result = grep(str(root), "needle")
    assert ("late.bin", 1) in found(result)
    assert found(result)[-1] == ("z.txt", 1)
    named = grep(str(root), "needle", path="huge")
    assert named.matches == []
    assert named.note == '"huge" is a binary file; it is not searched.'


def test_utf_16_and_latin_1_are_searched(root: Path) -> None:
    (root / "wide.txt").write_bytes("needle ü\n".encode("utf-16"))
    (root / "latin.txt").write_bytes("needle ü\n".encode("latin-1"))
    assert grep(str(root), "needle ü", path="wide.txt").matches[0].text == "needle ü"
    assert grep(str(root), "needle", path="latin.txt").matches[0].text == "needle \ufffd"


def test_undecodable_and_newline_names_come_escaped(root: Path) -> None:
    (root / "new\nline: x").write_text("needle\n")
    (root / os.fsdecode(b"caf\xe9")).write_text("needle\n")
    (root / "\x1b[31m").write_text("needle\n")
    shown = {match.path for match in grep(str(root), "needle").matches}
    assert {"new\\nline: x", "caf\\xe9", "\\x1b[31m"} <= shown


def test_no_settings_of_ripgrep_are_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = root / "rc"
    settings.write_text("--invert-match\n")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(settings))
    assert grep(str(root), "needle").files == 2


def test_nothing_found_says_what_was_not_searched(root: Path) -> None:
    assert "not searched" in (grep(str(root), "absent").note or "")


def test_a_missing_ripgrep_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    monkeypatch.setattr("sysconfig.get_path", lambda name: "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match="not installed"):
        rg_path()


def test_the_same_lines_come_as_from_ripgrep_itself() -> None:
    source = os.path.dirname(grep_module.__file__)
    plain = subprocess.run(
        [rg_path(), "--no-config", "--count-matches", "--no-filename", "-e", "^import", "./"],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(grep(source, "^import", max_matches=10_000).matches) == sum(map(int, plain.stdout.split()))
