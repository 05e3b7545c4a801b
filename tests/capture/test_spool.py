"""The spool: whole records or none, whoever is killed, and each taken in exactly once."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kioku import hook, spooling
from kioku.capture import spool
from tests.support import PATIENCE_S

ROOT = "/home/ana/project"


def record(number: int, root: str = ROOT) -> str:
    told: dict[str, Any] = {
        "v": 1, "id": f"{number:016x}", "at": 1_780_000_000_000 + number, "client": "claude", "root": root, "cwd": root,
        "process": None, "event": {"name": "PostToolUse", "session": "one", "prompt": f'text {number} "é"\n'},
    }  # fmt: skip
    return json.dumps(told)


@pytest.fixture
def state(home: Path) -> Path:
    return home / ".local" / "state" / "kioku"


@pytest.fixture
def folder(state: Path) -> Path:
    return state / "spool" / spooling.folder_name(ROOT)


def taken(state: Path, *, finish: bool = True) -> tuple[list[str], int]:
    """Take everything that waits; return the records' ids and how many were torn."""
    ids: list[str] = []
    torn = 0
    for found in spool.pending(str(state)):
        for batch in spool.take(found):
            ids += [one.id for one in batch.records]
            torn += batch.torn
            if finish:
                batch.done()
    return ids, torn


def test_records_come_out_as_they_went_in(state: Path, folder: Path) -> None:
    for number in range(3):
        spooling.append(str(folder), record(number))
    (found,) = spool.pending(str(state))
    assert (found.root, found.oldest) == (ROOT, 1_780_000_000_000)
    assert spool.has_events(str(state), ROOT)
    (batch,) = spool.take(found)
    assert [one.event["prompt"] for one in batch.records] == [f'text {number} "é"\n' for number in range(3)]
    batch.done()
    assert spool.pending(str(state)) == []
    assert not spool.has_events(str(state), ROOT)


def test_a_write_that_was_cut_at_any_byte_loses_at_most_its_own_record(state: Path, folder: Path) -> None:
    first, second = spooling.frame(record(1)), spooling.frame(record(2))
    folder.mkdir(parents=True)
    for cut in range(len(second) + 1):
        (folder / "events.spool").write_bytes(first + second[:cut])
        spooling.append(str(folder), record(3))
        ids, torn = taken(state)
        whole = [f"{1:016x}", f"{3:016x}"]
        if torn or cut <= 1:
            assert ids == whole, cut
        else:
            assert cut >= len(second) - 1, cut  # all but the newline, which the next writer gave it
            assert ids == [f"{1:016x}", f"{2:016x}", f"{3:016x}"]


def test_many_writers_at_once_lose_nothing(state: Path, folder: Path) -> None:
    def write(start: int) -> None:
        for number in range(start, start + 50):
            spooling.append(str(folder), record(number))

    ids: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, 1000 * index) for index in range(8)]
        while not all(writer.done() for writer in writers):
            ids += taken(state)[0]  # a reader takes the file away from under them
        for writer in writers:
            writer.result()
    ids += taken(state)[0]
    assert sorted(ids) == sorted(f"{1000 * index + number:016x}" for index in range(8) for number in range(50))


def test_a_reader_that_is_killed_leaves_its_batch_to_the_next(state: Path, folder: Path) -> None:
    spooling.append(str(folder), record(1))
    script = """
import sys
from kioku.capture import spool
for folder in spool.pending(sys.argv[1]):
    for batch in spool.take(folder):
        print(batch.id, [record.id for record in batch.records], flush=True)
        sys.stdin.read()
"""
    reader = subprocess.Popen(
        [sys.executable, "-c", script, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    assert reader.stdin is not None
    said = reader.stdout.readline()
    spooling.append(str(folder), record(2))
    assert taken(state) == ([], 0), "a second reader finds nothing while the first one lives"
    reader.kill()
    reader.wait(PATIENCE_S)
    reader.stdout.close()
    reader.stdin.close()
    (found,) = spool.pending(str(state))
    batches = []
    for batch in spool.take(found):
        batches.append((batch.id, [one.id for one in batch.records]))
        batch.done()
    assert said == f"{batches[0][0]} {batches[0][1]}\n"
    assert [ids for _, ids in batches] == [[f"{1:016x}"], [f"{2:016x}"]]


def test_a_writer_that_cannot_get_the_lock_uses_a_file_of_its_own(
    state: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    spooling.append(str(folder), record(1))
    monkeypatch.setattr(spooling, "PATIENCE_S", 0.0)
    with (folder / "events.spool").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        spooling.append(str(folder), record(2))
    assert sorted(taken(state)[0]) == [f"{1:016x}", f"{2:016x}"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"garbage",
        b"\0" * 100,
        b"00000000 {}",
        b"zzzzzzzz {}\n",
        b'00000000 {"id": 1}\n' * 3,
        b"00000000 " + record(9).encode() + b"\n",
    ],
)
def test_what_is_no_record_is_counted_and_dropped(state: Path, folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "events.spool").write_bytes(spooling.frame(record(1)) + content + spooling.frame(record(2)))
    assert taken(state)[0] == [f"{1:016x}", f"{2:016x}"]


def test_links_fifos_and_folders_in_the_place_of_spool_files_are_left_alone(state: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    secret = state / "secret"
    secret.write_bytes(spooling.frame(record(1)))
    (folder / "events.spool").symlink_to(secret)
    (folder / "taken-1.spool").mkdir()
    os.mkfifo(folder / "taken-2.spool")
    (state / "spool" / "a-link").symlink_to(folder)
    assert taken(state) == ([], 0)
    assert secret.exists()


def test_records_that_do_not_belong_to_the_folder_are_not_read(state: Path, folder: Path) -> None:
    spooling.append(str(folder), record(1, root="/somewhere/else"))
    assert taken(state) == ([], 0)


def test_the_folders_of_the_hook_are_those_of_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from platformdirs.macos import MacOS

    from kioku import settings

    for name, value in (("XDG_STATE_HOME", str(tmp_path)), ("XDG_STATE_HOME", "relative"), ("XDG_CONFIG_HOME", "/c")):
        monkeypatch.setenv(name, value)
        for kind in ("config", "state"):
            assert hook.user_folder(kind) == settings.user_folder(kind)
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    theirs = MacOS("kioku", appauthor=False)
    assert hook.user_folder("state") == theirs.user_state_dir
    assert hook.user_folder("config") == theirs.user_config_dir


def test_who_looks_while_another_reads_sees_what_is_there_and_is_not_disturbed(state: Path, folder: Path) -> None:
    script = """
import sys
from kioku.capture import spool
while True:
    spool.pending(sys.argv[1])
    print(flush=True)
"""
    looker = subprocess.Popen(
        [sys.executable, "-c", script, str(state)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert looker.stdout is not None
    ids: list[str] = []
    for number in range(2000):
        spooling.append(str(folder), record(number))
        ids += taken(state)[0]
        if number % 100 == 0 and not looker.stdout.readline():
            break
    looker.terminate()
    errors = looker.communicate()[1]
    assert errors == ""
    assert ids == [f"{number:016x}" for number in range(2000)]


def test_a_file_that_cannot_be_read_stays_where_it_is(
    state: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spooling.append(str(folder), record(1))
    (found,) = spool.pending(str(state))
    with monkeypatch.context() as patched:
        patched.setattr(spool, "_READ", os.O_RDONLY | os.O_DIRECTORY)  # the system refuses to open it so
        with pytest.raises(NotADirectoryError):
            list(spool.take(found))
    assert taken(state) == ([f"{1:016x}"], 0)


def test_an_event_is_kept_whatever_lies_in_the_place_of_the_spool_file(state: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    place = folder / "events.spool"
    for number, kind in enumerate(("folder", "link", "fifo")):
        if kind == "folder":
            place.mkdir()
        elif kind == "link":
            place.symlink_to(state / "elsewhere")
        else:
            os.mkfifo(place)
        spooling.append(str(folder), record(number))
        assert taken(state) == ([f"{number:016x}"], 0)
        assert not (state / "elsewhere").exists()
        place.rename(state / kind)
