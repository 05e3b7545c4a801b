import os
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kioku.errors import KiokuError, RefusedPathError, ToolError, UsageError
from kioku.workspace import files, opening, paths
from kioku.workspace.files import locate, open_regular, protected_inodes, read_text

ROOT = "/home/ann/proj"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "proj"
    (root / "src").mkdir(parents=True)
    (root / "src" / "main.py").write_text("print('hello')\n")
    outside = tmp_path / "proj-x"
    outside.mkdir()
    (outside / "secret.txt").write_text("OUTSIDE\n")
    return root


@pytest.fixture(params=["descriptor", "compare", "path"])
def every_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open as Linux, as other POSIX systems and as Windows do."""
    if request.param != "descriptor":
        monkeypatch.setattr(opening, "LINUX_OPATH", False)
    if request.param == "path":
        monkeypatch.setattr(opening, "BY_DESCRIPTOR", False)


# --- where a path lies


@pytest.mark.parametrize(
    ("given_path", "relative"),
    [
        ("a.py", "a.py"),
        ("./src//a.py", "src/a.py"),
        (".", ""),
        ("src/", "src"),
        ("a..b/...", "a..b/..."),
        ("./~a", "~a"),
    ],
)
def test_a_relative_path_is_made_plain(given_path: str, relative: str) -> None:
    assert locate(ROOT, given_path).relative == relative


@pytest.mark.parametrize(
    "given_path",
    [
        *(
            "",
            "/etc/passwd",
            "//etc/passwd",
            "~",
            "~/x",
            "~root/x",
            "..",
            "../proj-x/secret.txt",
            "src/../../x",
        ),
        *("a/..", "a\0b", "C:\\Windows", "c:/x", "C:x", "\\\\host\\share", "\\etc", "..\\x", "a\\..\\..\\x"),
        *("x" * 5000, "\ud800"),
    ],
)
def test_a_path_that_leaves_the_project_is_refused_and_named(given_path: str) -> None:
    with pytest.raises(RefusedPathError) as caught:
        locate(ROOT, given_path)
    assert paths.printable(given_path) in str(caught.value)
    assert caught.value.hint


def test_an_absolute_path_in_the_project_is_refused_with_the_relative_one() -> None:
    with pytest.raises(RefusedPathError, match=r'use "src/main\.py"'):
        locate(ROOT, f"{ROOT}/src/main.py")
    with pytest.raises(RefusedPathError) as caught:
        locate(ROOT, f"{ROOT}-x/secret.txt")
    assert "lies in the project" not in str(caught.value)


@pytest.mark.parametrize(
    "given_path",
    [
        *(
            "con",
            "NUL.txt",
            "src/com1",
            "LPT9.log",
            "aux ",
            "a.txt:stream",
            "a.txt::$DATA",
            "dir./x",
            "x ",
            "a\\..\\b",
        ),
        *("SESSIO~1.DB", "what?", "a|b", "D:\\x", "con .txt"),
    ],
)
def test_names_with_a_meaning_of_their_own_on_windows_are_refused_there(given_path: str) -> None:
    with pytest.raises(RefusedPathError):
        paths._locate("C:\\proj", given_path, windows=True)


def test_backslashes_separate_names_on_windows_only() -> None:
    assert paths._locate("C:\\proj", "src\\a.py", windows=True).relative == "src/a.py"
    assert paths._locate(ROOT, "src\\a.py", windows=False).relative == "src\\a.py"
    with pytest.raises(RefusedPathError, match=r'use "src/A\.py"'):
        paths._locate("C:\\Proj", "c:\\proj\\src\\A.py", windows=True)


@given(st.text(alphabet=st.one_of(st.sampled_from("./\\~:\0aC "), st.characters()), max_size=30), st.booleans())
@settings(max_examples=400, deadline=None)
def test_whatever_is_given_stays_inside_or_is_refused(given_path: str, windows: bool) -> None:
    try:
        located = paths._locate(ROOT, given_path, windows=windows)
    except RefusedPathError:
        return
    assert ".." not in located.relative.split("/")
    assert os.path.normpath(located.path).startswith(ROOT)
    assert os.path.commonpath([ROOT, os.path.normpath(located.path)]) == ROOT
    assert paths._locate(ROOT, f"./{located.relative}", windows=windows) == located


def test_text_for_messages_is_bounded_and_escaped() -> None:
    assert paths.printable("a\n\x1b[31m\u202e\udcff") == "a\\n\\x1b[31m\\u202e\\xff"
    assert len(paths.printable("x" * 10_000)) == 200


# --- what is opened


@pytest.mark.usefixtures("every_way")
def test_a_regular_file_is_read(root: Path) -> None:
    got = read_text(str(root), "src/main.py")
    assert got.text == "print('hello')\n"
    assert (got.first_line, got.last_line, got.total_lines) == (1, 1, 1)
    assert (got.truncated, got.note, got.encoding) == (False, None, "utf-8")


@pytest.mark.usefixtures("every_way")
def test_links_to_files_and_folders_and_chains_are_refused(root: Path) -> None:
    (root / "file").symlink_to(root.parent / "proj-x" / "secret.txt")
    (root / "folder").symlink_to(root.parent / "proj-x")
    (root / "chain").symlink_to("folder")
    (root / "loop").symlink_to("loop")
    (root / "dead").symlink_to("/nonexistent/x")
    for name in ("file", "folder", "folder/secret.txt", "chain/secret.txt", "loop", "loop/x", "dead"):
        with pytest.raises(RefusedPathError, match="is a link") as caught:
            read_text(str(root), name)
        assert "OUTSIDE" not in str(caught.value)


@pytest.mark.usefixtures("every_way")
def test_a_link_into_the_project_names_the_path_to_read(root: Path) -> None:
    (root / "main").symlink_to("src/main.py")
    with pytest.raises(RefusedPathError, match=r'read "src/main\.py" instead'):
        read_text(str(root), "main")


def test_the_project_itself_may_be_reached_by_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert read_text(str(link), "src/main.py").text == "print('hello')\n"


@pytest.mark.usefixtures("every_way")
def test_pipes_sockets_devices_and_folders_are_refused_by_kind(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))
    for name, kind in (("pipe", "a named pipe"), ("socket", "a socket"), ("src", "a folder")):
        with pytest.raises(RefusedPathError, match=f"is {kind}"):
            read_text(str(root), name)
    with pytest.raises(RefusedPathError, match="is a device"):
        read_text("/dev", "zero")
    with pytest.raises(RefusedPathError, match="not a folder"):
        read_text(str(root), "src/main.py/x")
    with pytest.raises(RefusedPathError):
        read_text(str(root), ".")


@pytest.mark.usefixtures("every_way")
def test_a_missing_file_names_the_nearest_one(root: Path) -> None:
    with pytest.raises(ToolError, match=r'There is no "src/mian.py".*"src/main.py"'):
        read_text(str(root), "src/mian.py")
    with pytest.raises(ToolError, match=r'There is no "scr".*"src"'):
        read_text(str(root), "scr/main.py")
    with pytest.raises(ToolError, match="cannot be looked at"):
        read_text(str(root), "n" * 300)


@pytest.mark.usefixtures("every_way")
def test_the_store_is_refused_by_name_and_by_inode(root: Path) -> None:
    context = root / ".context"
    (context / "run").mkdir(parents=True)
    store = context / "sessions.db"
    store.write_bytes(b"x")
    (context / "run" / "a.lease").write_text("")
    (context / "project.yaml").write_text("name: x\n")
    os.link(store, root / "innocent.txt")
    protected = protected_inodes([str(store), str(store) + "-wal", "a\0b"])
    assert len(protected) == 1
    for name in ("sessions.db", "sessions.db-wal", "Sessions.DB", "run/a.lease", "old/sessions.db.corrupt-1"):
        with pytest.raises(RefusedPathError, match="store"):
            read_text(str(root), f".context/{name}")
    with pytest.raises(RefusedPathError, match="store"):
        read_text(str(root), "innocent.txt", protected=protected)
    assert read_text(str(root), ".context/project.yaml", protected=protected).text == "name: x\n"


@pytest.mark.usefixtures("every_way")
def test_a_refused_read_leaves_the_locks_of_the_store_in_place(root: Path) -> None:
    store = root / "store.db"
    connection = sqlite3.connect(store, isolation_level=None)
    connection.execute("create table t (x)")
    connection.execute("begin exclusive")
    os.link(store, root / "innocent.txt")
    with pytest.raises(RefusedPathError):
        read_text(str(root), "innocent.txt", protected=protected_inodes([str(store)]))
    other = (
        "import sqlite3, sys\n"
        "try: sqlite3.connect(sys.argv[1], timeout=0).execute('insert into t values (1)')\n"
        "except sqlite3.OperationalError as error: print(error)"
    )
    command = [sys.executable, "-c", other, str(store)]
    assert "locked" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with open(store, "rb"):  # what must never happen: the same test sees the lock gone
        pass
    assert "locked" not in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    connection.close()


@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.usefixtures("every_way")
def test_a_link_swapped_in_while_reading_never_shows_what_is_outside(root: Path, what: str) -> None:
    folder = root / "dir"
    folder.mkdir()
    (folder / "secret.txt").write_text("INSIDE\n")
    spare = root / "spare"
    spare.symlink_to(root.parent / "proj-x" / ("secret.txt" if what == "file" else ""))
    target = folder / "secret.txt" if what == "file" else folder
    aside = root / "aside"
    stop = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        while not stop.is_set():
            os.rename(target, aside)
            os.rename(spare, target)
            os.rename(target, spare)
            os.rename(aside, target)
            swaps += 1

    swapper = threading.Thread(target=swap)
    swapper.start()
    outcomes = set()
    try:
        for _ in range(1500):
            try:
                outcomes.add(read_text(str(root), "dir/secret.txt").text)
            except KiokuError as error:
                outcomes.add(type(error).__name__)
    finally:
        stop.set()
        swapper.join()
    assert swaps
    assert outcomes <= {"INSIDE\n", "RefusedPathError", "ToolError"}


def test_no_descriptor_is_left_open(root: Path) -> None:
    (root / "link").symlink_to("src")
    os.mkfifo(root / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for name in ("src/main.py", "link/main.py", "pipe", "src", "missing", "src/missing/x") * 5:
        try:
            os.close(open_regular(str(root), name))
        except KiokuError:
            pass
    assert len(os.listdir("/proc/self/fd")) == before


# --- what is read


def test_a_sparse_file_of_100_gigabytes_is_named_for_what_it_is(root: Path) -> None:
    with open(root / "huge", "wb") as file:
        file.truncate(100 * 1024**3)
    got = read_text(str(root), "huge")
    assert (got.text, got.encoding, got.size_bytes) == ("", "binary", 100 * 1024**3)
    assert got.note == '"huge" is a binary file of 100.0 GB; its content is not shown.'


def test_a_text_followed_by_a_hole_is_binary(root: Path) -> None:
    with open(root / "holed", "wb") as file:
        file.write(b"text\n" * 100_000)
        file.truncate(10 * 1024**3)
    assert read_text(str(root), "holed").encoding == "binary"


def test_one_endless_line_is_cut_and_says_so(root: Path) -> None:
    with open(root / "long", "wb") as file:
        file.writelines([b"x" * 1024 * 1024] * 500)
    got = read_text(str(root), "long")
    assert got.text == "x" * 256 * 1024
    assert (got.truncated, got.total_lines, got.last_line) == (True, None, 1)
    assert got.note is not None
    assert "Line 1 is cut after 256.0 kB" in got.note
    beyond = read_text(str(root), "long", first_line=2)
    (root / "long").unlink()
    assert beyond.text == ""
    assert beyond.note is not None
    assert "beyond the first 8.0 MB" in beyond.note


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("ü\nb\n".encode("utf-16"), "utf-16-le"),
        (b"\xfe\xff" + "ü\nb\n".encode("utf-16-be"), "utf-16-be"),
        ("ü\nb\n".encode("utf-32"), "utf-32-le"),
        ("ü\nb\n".encode("utf-8-sig"), "utf-8-sig"),
        ("ü\nb\n".encode("latin-1"), "latin-1"),
        ("ü\nb\n".encode(), "utf-8"),
    ],
)
def test_encodings_are_told_apart(root: Path, content: bytes, encoding: str) -> None:
    (root / "text").write_bytes(content)
    got = read_text(str(root), "text")
    assert (got.text, got.encoding, got.total_lines) == ("ü\nb\n", encoding, 2)


def test_a_last_letter_in_latin_1_is_not_lost(root: Path) -> None:
    (root / "text").write_bytes("caf\u00e9".encode("latin-1"))
    assert read_text(str(root), "text").text == "café"


def test_binary_files_are_named_by_kind(root: Path) -> None:
    (root / "picture").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    assert "is a PNG picture of 16 bytes" in (read_text(str(root), "picture").note or "")


def test_an_empty_file_says_that_it_is_empty(root: Path) -> None:
    (root / "empty").write_bytes(b"")
    got = read_text(str(root), "empty")
    assert (got.text, got.last_line, got.total_lines, got.note) == ("", 0, 0, "The file is empty.")


def test_names_that_are_undecodable_or_hold_newlines_are_read_and_shown_escaped(root: Path) -> None:
    name = os.fsdecode(b"caf\xe9\nx")
    (root / name).write_text("x\n")
    got = read_text(str(root), name)
    assert (got.path, got.text) == ("caf\\xe9\\nx", "x\n")
    with pytest.raises(ToolError) as caught:
        read_text(str(root), name + "y")
    assert caught.value.message.isprintable()


def test_lines_are_counted_from_one_and_the_note_says_how_to_go_on(root: Path) -> None:
    (root / "ten").write_text("".join(f"line {n}\n" for n in range(1, 11)))
    got = read_text(str(root), "ten", first_line=3, max_lines=2)
    assert got.text == "line 3\nline 4\n"
    assert (got.first_line, got.last_line, got.total_lines, got.truncated) == (3, 4, 10, True)
    assert got.note == "These are lines 3 to 4 of 10. Ask for the rest with first_line = 5."
    assert read_text(str(root), "ten", first_line=9, max_lines=2).truncated is False
    after = read_text(str(root), "ten", first_line=11)
    assert (after.text, after.note) == ("", "The file has 10 lines; line 11 is after its end.")
    with pytest.raises(UsageError):
        read_text(str(root), "ten", first_line=0)
    with pytest.raises(UsageError):
        read_text(str(root), "ten", max_lines=0)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=12), max_size=30),
    st.integers(1, 35),
    st.one_of(st.none(), st.integers(1, 35)),
    st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_any_page_of_a_file_holds_the_lines_it_names(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[str],
    first: int,
    many: int | None,
    open_end: bool,
) -> None:
    folder = tmp_path_factory.mktemp("page")
    text = "\n".join(lines) + ("" if open_end else "\n")
    (folder / "f").write_bytes(text.encode())
    whole = text.split("\n")
    kept = [line + "\n" for line in whole[:-1]] + ([whole[-1]] if whole[-1] else [])
    kept[:1] = [line.removeprefix("\ufeff") for line in kept[:1]]
    chunk, files.CHUNK = files.CHUNK, 7  # type: ignore[misc]  # many borders in a small file
    try:
        got = read_text(str(folder), "f", first_line=first, max_lines=many)
    finally:
        files.CHUNK = chunk  # type: ignore[misc]
    if kept[:1] != [""]:
        expected = kept[first - 1 : None if many is None else first - 1 + many]
        assert got.text == "".join(expected)
        assert got.last_line == first - 1 + len(expected)
        assert got.total_lines == len(kept)
        assert got.truncated == (bool(expected) and first - 1 + len(expected) < len(kept))


def test_pages_of_a_cut_file_put_together_are_the_file(root: Path) -> None:
    text = "".join(f"{'é' * (n % 50)} {n}\n" for n in range(500))
    (root / "big").write_text(text)
    pages, line = "", 1
    while True:
        got = read_text(str(root), "big", first_line=line, max_bytes=1000)
        if not got.truncated:
            break
        whole = got.text[: got.text.rfind("\n") + 1]
        pages += whole
        line += whole.count("\n")
    assert pages + got.text == text
