"""A file is replaced only in the state that we knew, however short the moment in which somebody else saves it."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kioku.workspace import swapping
from kioku.workspace.swapping import exchange, is_left, replace_known, settle


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_bytes(b"known")
    return path


def save(file: Path, text: str) -> None:
    """Save as editors do."""
    (file.parent / "swap").write_text(text)
    os.replace(file.parent / "swap", file)


def replace(file: Path) -> bool:
    return replace_known(str(file), b"ours", b"known", backup=f"{file}.bak")


def test_what_was_known_is_replaced_and_kept(file: Path) -> None:
    assert replace(file)
    assert (file.read_bytes(), Path(f"{file}.bak").read_bytes()) == (b"ours", b"known")
    assert sorted(os.listdir(file.parent)) == ["a.txt", "a.txt.bak"]


@pytest.mark.parametrize("text", ["", "other", "known and more"])
def test_what_is_not_what_was_known_stays(file: Path, text: str) -> None:
    save(file, text)
    assert not replace(file)
    assert file.read_text() == text
    assert os.listdir(file.parent) == ["a.txt"]


def test_a_file_that_is_gone_is_not_made_again(file: Path) -> None:
    file.unlink()
    assert not replace(file)
    assert os.listdir(file.parent) == []


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_the_last_of_what_is_saved_around_the_exchange_stays(
    file: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    if not exchange(str(file), str(file)):
        pytest.skip("this system cannot exchange files")
    saved: list[str] = []

    def saved_just_before(one: str, other: str) -> bool:
        if len(saved) < times:
            saved.append(f"saved {len(saved)}")
            save(file, saved[-1])
        return exchange(one, other)

    monkeypatch.setattr(swapping, "exchange", saved_just_before)
    assert not replace(file)
    assert file.read_text() == saved[-1] == f"saved {times - 1}"
    assert os.listdir(file.parent) == ["a.txt"]


def test_without_an_exchange_the_file_is_looked_at_once_more(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(_one: str, _other: str) -> bool:
        save(file, "saved")
        return False

    monkeypatch.setattr(swapping, "exchange", cannot)
    assert not replace(file)
    assert file.read_text() == "saved"
    monkeypatch.setattr(swapping, "exchange", lambda _one, _other: False)
    save(file, "known")
    assert replace(file)
    assert (file.read_bytes(), Path(f"{file}.bak").read_bytes()) == (b"ours", b"known")


def test_what_is_replaced_keeps_its_mode(file: Path) -> None:
    file.chmod(0o664)
    before = file.stat().st_mode
    assert replace(file)
    assert file.stat().st_mode == before


def test_what_cannot_be_kept_is_not_replaced(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(f"{file}.bak").mkdir()
    with pytest.raises(IsADirectoryError):
        replace(file)
    Path(f"{file}.bak").rmdir()
    moved = os.replace

    def full(one: str, other: str) -> None:
        if other.endswith(".bak"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), other)
        moved(one, other)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        replace(file)
    assert file.read_bytes() == b"known"
    assert os.listdir(file.parent) == ["a.txt"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who has a file open")
def test_what_somebody_is_writing_into_stays_in_its_place(file: Path) -> None:
    with file.open("r+b") as editor:
        assert not replace(file)
        editor.write(b"saved in place")
    assert file.read_bytes() == b"saved in place"
    assert os.listdir(file.parent) == ["a.txt"]


KILLED = """
import os, signal, sys
from kioku.workspace import swapping

exchange = swapping.exchange

def killed(one, other):
    if sys.argv[2] == "after":
        exchange(one, other)
    os.kill(os.getpid(), signal.SIGKILL)

swapping.exchange = killed
backup = None if sys.argv[3] == "none" else sys.argv[1] + ".bak"
swapping.replace_known(sys.argv[1], b"ours", b"known", backup=backup)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux exchanges files")
@pytest.mark.parametrize(
    ("moment", "backup", "left"),
    [
        ("before", "bak", {"a.txt": "known"}),
        ("after", "bak", {"a.txt": "ours", "a.txt.bak": "known"}),
        ("before", "none", {"a.txt": "known"}),
        ("after", "none", {"a.txt": "ours"}),
    ],
)
def test_what_a_killed_process_left_is_kept_as_the_backup_or_cleared_away(
    file: Path, moment: str, backup: str, left: dict[str, str]
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(file), moment, backup], check=False)
    assert done.returncode == -signal.SIGKILL
    assert is_left(str(file))
    (file.parent / ".b.txt.0123456789abcdef.goes.tmp").write_text("another's")
    settle(str(file), f"{file}.bak")
    assert not is_left(str(file))
    (file.parent / ".b.txt.0123456789abcdef.goes.tmp").unlink()
    assert {each.name: each.read_text() for each in file.parent.iterdir()} == left


def test_what_is_not_to_be_kept_is_nowhere(file: Path) -> None:
    assert replace_known(str(file), b"ours", b"known", backup=None)
    assert (file.read_bytes(), os.listdir(file.parent)) == (b"ours", ["a.txt"])
