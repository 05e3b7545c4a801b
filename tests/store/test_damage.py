"""Whatever is in the store's place: nothing crashes, nothing is lost silently, and the original is kept."""

import os
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kioku.errors import ForeignStoreError, StoreError
from kioku.models import TOOL_CALL
from kioku.project import Project
from kioku.reports import health
from kioku.sessions import sweep
from kioku.sessions.recorder import Recorder
from kioku.store import registry
from kioku.store.migrations import VERSION
from kioku.store.opening import check_whole, open_for_reading, open_store
from tests.store.places import T0, add, ask, beside, filled, is_whole, keys, place


@pytest.fixture
def path(project: Path) -> Path:
    return place(project)


def begin_anew(path: Path, *, suspect: bool = False) -> list[str]:
    """Open the store, see that it works, and return what the person is told."""
    store = open_store(str(path), suspect=suspect)
    try:
        add(store)
        assert is_whole(path)
        return store.notes
    finally:
        store.close()


# --- what may be there ----------------------------------------------------------------------------------------------


def test_a_damaged_header_is_set_aside_and_said(path: Path) -> None:
    filled(path)
    damaged = b"x" * 200 + path.read_bytes()[200:]
    path.write_bytes(damaged)
    (note,) = begin_anew(path)
    (kept,) = beside(path, "corrupt")
    assert kept.read_bytes() == damaged
    assert kept.name in note


def test_a_file_of_something_else_is_set_aside_and_said(path: Path) -> None:
    path.write_text("These are my notes about sessions.\n" * 40)
    (note,) = begin_anew(path)
    assert beside(path, "corrupt")[0].read_text().startswith("These are my notes")
    assert "sessions.db.corrupt-" in note


def test_a_truncated_file_is_set_aside_once_it_is_suspected(path: Path) -> None:
    filled(path, 3000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    notes = begin_anew(path, suspect=True)
    assert len(beside(path, "corrupt")) == 1
    assert any("corrupt" in note for note in notes)


def test_a_page_of_rubbish_in_the_middle_is_found_by_the_check_of_a_suspect(path: Path) -> None:
    filled(path, 3000)
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 4] = random.Random(1).randbytes(4096)
    path.write_bytes(content)
    begin_anew(path, suspect=True)
    (kept,) = beside(path, "corrupt")
    assert kept.read_bytes() == bytes(content)


def test_a_server_that_meets_damage_while_recording_goes_on_with_a_new_store(project: Path, path: Path) -> None:
    said: list[str] = []
    recorder = Recorder(Project(str(project), str(project)), 30 * 60_000, said.append)
    recorder.start()
    try:
        recorder.record(TOOL_CALL, took=0, tool="before")
        ask(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        content = bytearray(path.read_bytes())
        for page in range(1, len(content) // 4096):
            content[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
        descriptor = os.open(path, os.O_WRONLY)
        os.pwrite(descriptor, content, 0)  # in place: the damage of a failing disk
        os.close(descriptor)
        recorder.store().close()  # its page cache would hide the damage
        for number in range(3):
            try:
                recorder.record(TOOL_CALL, took=0, tool=f"after-{number}")
            except StoreError:
                pass
    finally:
        recorder.stop()
    found = open_store(str(path))
    try:
        tools = found.read(lambda db: [row[0] for row in db.execute("SELECT tool FROM activities WHERE tool <> ''")])
    finally:
        found.close()
    assert {"after-0", "after-1", "after-2"} <= set(tools)
    assert len(beside(path, "corrupt")) == 1
    assert any("was kept as" in note for note in said)


def test_an_empty_file_in_place_of_a_known_store_is_said(path: Path) -> None:
    filled(path)
    path.write_bytes(b"")
    (note,) = begin_anew(path)
    assert "gone" in note


def test_a_deleted_store_is_not_begun_anew_in_silence(path: Path) -> None:
    filled(path)
    path.unlink()
    (note,) = begin_anew(path)
    assert "gone" in note


@pytest.mark.parametrize("is_emptied", [True, False])
def test_a_log_that_is_left_without_its_file_is_kept(path: Path, is_emptied: bool) -> None:
    store = open_store(str(path))
    add(store, 30)
    log = Path(f"{path}-wal").read_bytes()
    assert len(log) > 10_000
    copy = path.parent / "copy-wal"
    copy.write_bytes(log)
    store.close()
    if is_emptied:
        path.write_bytes(b"")
    else:
        path.unlink()
    copy.rename(f"{path}-wal")
    notes = begin_anew(path)
    kept = list(path.parent.glob("sessions.db.corrupt-*-wal"))
    assert [log_.read_bytes() for log_ in kept] == [log]
    assert any("was kept as" in note for note in notes)


def test_a_store_that_was_replaced_under_a_writer_is_opened_anew_by_the_server(project: Path, path: Path) -> None:
    said: list[str] = []
    recorder = Recorder(Project(str(project), str(project)), 30 * 60_000, said.append)
    recorder.start()
    try:
        recorder.record(TOOL_CALL, took=0, tool="one")
        for suffix in ("", "-wal", "-shm"):
            os.replace(f"{path}{suffix}", f"{path}.mine{suffix}")
        recorder.record(TOOL_CALL, took=0, tool="two")
    finally:
        recorder.stop()
    assert ask(path, "SELECT tool FROM activities WHERE tool IS NOT NULL") == [("two",)]
    assert any("replaced or deleted" in note for note in said)


def test_a_writer_never_writes_to_a_file_that_is_no_longer_in_place(path: Path) -> None:
    store = open_store(str(path))
    try:
        before = set(add(store, 3))
        os.replace(path, f"{path}.moved")
        with pytest.raises(StoreError, match="replaced or deleted"):
            add(store)
        os.replace(f"{path}.moved", path)
        assert keys(path) == before
        add(store)
    finally:
        store.close()


def test_a_link_is_not_followed_and_is_kept(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    elsewhere.write_text("precious")
    path.symlink_to(elsewhere)
    (note,) = begin_anew(path)
    assert elsewhere.read_text() == "precious"
    assert beside(path, "corrupt")[0].is_symlink()
    assert "is a link" in note


def test_a_link_to_nothing_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "nothing.db")
    begin_anew(path)
    assert not (tmp_path / "nothing.db").exists()


def test_a_fifo_is_kept_and_holds_nobody_up(path: Path) -> None:
    os.mkfifo(path)
    (note,) = begin_anew(path)
    assert beside(path, "corrupt")[0].is_fifo()
    assert "is a FIFO" in note


def test_a_folder_is_kept_with_what_is_in_it(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("precious")
    (note,) = begin_anew(path)
    assert (beside(path, "corrupt")[0] / "inside").read_text() == "precious"
    assert "is a folder" in note


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["folder", "link", "rubbish"])
def test_something_in_place_of_a_side_file_never_crashes(path: Path, tmp_path: Path, suffix: str, kind: str) -> None:
    filled(path)
    side, target = Path(f"{path}{suffix}"), tmp_path / "target"
    target.write_text("precious")
    if kind == "folder":
        side.mkdir()
    elif kind == "link":
        side.symlink_to(target)
    else:
        side.write_bytes(random.Random(2).randbytes(20_000))
    try:
        begin_anew(path)
    except StoreError:
        pass  # a clear error is as good
    if suffix != "-shm":
        assert target.read_text() == "precious"


def test_reading_a_store_that_is_missing_or_no_file_says_so_and_changes_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        open_for_reading(str(path))
    path.mkdir()
    with pytest.raises(StoreError, match="is a folder"):
        open_for_reading(str(path))
    assert sorted(os.listdir(path.parent)) == [".gitignore", "run", "sessions.db"]


def test_a_healthy_new_store_is_not_set_aside_by_one_who_saw_the_damaged_one(path: Path) -> None:
    """Both saw the damage; the second comes when the first has begun the new store."""
    from kioku.errors import StoreDamagedError
    from kioku.store import opening as module
    from kioku.store.store import identity

    path.write_text("rubbish" * 1000)
    seen = identity(str(path))
    begin_anew(path)
    there = keys(path)
    assert module._set_aside(str(path), seen, StoreDamagedError("damaged")) is None
    assert keys(path) == there
    assert len(beside(path, "corrupt")) == 1


def test_a_folder_without_its_subfolder_for_locks_is_no_obstacle(path: Path) -> None:
    os.rmdir(path.parent / "run")
    path.write_text("rubbish" * 1000)
    begin_anew(path)
    assert len(beside(path, "corrupt")) == 1


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(
    damage=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=64)), min_size=1, max_size=6
    ),
    cut=st.one_of(st.none(), st.none(), st.floats(0, 1)),
    suspect=st.booleans(),
)
def test_no_damage_raises_anything_but_a_store_error_and_the_bytes_survive(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[float, bytes]], cut: float | None, suspect: bool
) -> None:
    path = place(tmp_path_factory.mktemp("damage") / "project")
    filled(path, 40)
    content = bytearray(path.read_bytes())
    for where, rubbish in damage:
        # Half of it goes where the structure is: the first page.
        start = int(where * 2 * 4096) if where < 0.5 else int((where - 0.5) * 2 * len(content))
        content[start : start + len(rubbish)] = rubbish[: len(content) - start]
    if cut is not None:
        del content[int(cut * len(content)) :]
    path.write_bytes(content)
    try:
        store = open_store(str(path), suspect=suspect)
    except StoreError:
        assert path.read_bytes() == bytes(content)
        return
    try:
        for work in (health.totals, health.projection, sweep.active, lambda db: check_whole(str(path), db)):
            try:
                store.read(work)
            except StoreError:
                continue
        try:
            sweep.sweep(store, str(path.parent / "run"), T0)
            add(store)
        except StoreError:
            pass
    finally:
        store.close()
    for kept in beside(path, "corrupt") + beside(path, "foreign"):
        assert kept.read_bytes() == bytes(content)


# --- stores from elsewhere ------------------------------------------------------------------------------------------


def shipped(path: Path, *statements: str) -> bytes:
    """Make a store as a stranger would ship it: ours, and something more."""
    filled(path)
    for statement in statements:
        ask(path, statement)
    return path.read_bytes()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON reports BEGIN DELETE FROM sessions; END",
        "CREATE TRIGGER t INSTEAD OF INSERT ON activities BEGIN SELECT 1; END",
        "CREATE INDEX i ON sessions (abs(started_at))",
        "ALTER TABLE sessions ADD COLUMN more TEXT",
        "DROP VIEW activities",
    ],
)
def test_a_store_whose_schema_is_not_ours_is_set_aside_untouched(path: Path, statement: str) -> None:
    content = shipped(path, statement)
    (note,) = begin_anew(path)
    (kept,) = beside(path, "foreign")
    assert kept.read_bytes() == content
    assert "not a store of Kioku's" in note


def test_a_view_in_place_of_a_table_is_set_aside(path: Path) -> None:
    shipped(path, "DROP TABLE forgotten", "CREATE VIEW forgotten AS SELECT 1 AS hash")
    begin_anew(path)
    assert len(beside(path, "foreign")) == 1


def test_a_shipped_trigger_never_fires(path: Path) -> None:
    shipped(
        path,
        "CREATE TABLE fired (x)",
        "CREATE TRIGGER t AFTER UPDATE ON meta BEGIN INSERT INTO fired VALUES (1); END",
        "CREATE TRIGGER u AFTER INSERT ON streams BEGIN INSERT INTO fired VALUES (2); END",
    )
    begin_anew(path)
    (kept,) = beside(path, "foreign")
    assert ask(kept, "SELECT * FROM fired") == []


def test_a_table_and_a_view_that_a_person_added_are_left_alone(path: Path) -> None:
    shipped(path, "CREATE TABLE notes (text)", "CREATE VIEW mine AS SELECT id FROM sessions")
    assert begin_anew(path) == []
    assert beside(path, "foreign") == []


def test_a_database_of_another_program_is_set_aside(path: Path) -> None:
    ask(path, "CREATE TABLE things (x)")
    begin_anew(path)
    assert len(beside(path, "foreign")) == 1


@pytest.mark.parametrize("version", [-1, -2_000_000_000])
def test_a_version_that_never_was_is_a_strangers(path: Path, version: int) -> None:
    shipped(path, f"PRAGMA user_version = {version}")
    begin_anew(path)
    assert len(beside(path, "foreign")) == 1


def as_if_from_elsewhere(home: Path) -> None:
    """Forget which stores this user has begun."""
    for entry in (home / ".local/state/kioku/stores").iterdir():
        entry.unlink()


def test_a_store_from_elsewhere_is_used_but_not_the_persons_until_it_is_adopted(path: Path, home: Path) -> None:
    known = filled(path)
    as_if_from_elsewhere(home)
    store = open_store(str(path))
    try:
        assert not store.is_registered
        add(store)
        assert keys(path) >= set(known)
        assert registry.register(store.id, store.path)
        assert store.is_registered
    finally:
        store.close()


@pytest.mark.parametrize("claimed", ["", ".", "..", "../../../.bashrc", "/etc/passwd", "a\0b", "0123456789abcde/"])
def test_a_store_cannot_pass_for_the_persons_by_its_id_nor_have_a_file_written(
    path: Path, home: Path, claimed: str
) -> None:
    filled(path)
    ask(path, "UPDATE meta SET value = ? WHERE key = 'store_id'", claimed)
    before = sorted(home.rglob("*"))
    store = open_store(str(path))
    try:
        assert not store.is_registered
        assert not registry.register(store.id, store.path)
    finally:
        store.close()
    assert sorted(home.rglob("*")) == before


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments], cwd=folder, check=True, capture_output=True
    )


@pytest.mark.parametrize("subfolder", ["", "packages/one"])
def test_a_store_that_came_with_the_repository_is_set_aside(tmp_path: Path, home: Path, subfolder: str) -> None:
    repository = tmp_path / "repository"
    root = repository / subfolder
    root.mkdir(parents=True)
    git(repository, "init", "-q")
    path = place(root)
    filled(path)
    git(repository, "add", "-f", str(path))
    content = path.read_bytes()
    as_if_from_elsewhere(home)
    (note,) = begin_anew(path)
    assert "came with the repository" in note
    assert beside(path, "foreign")[0].read_bytes() == content


def test_a_tracked_store_that_the_person_began_is_used(project: Path, path: Path) -> None:
    git(project, "init", "-q")
    known = filled(path)
    git(project, "add", "-f", str(path))
    assert begin_anew(path) == []
    assert keys(path) >= set(known)


def test_a_newer_schema_is_refused_untouched_and_both_versions_are_named(path: Path) -> None:
    content = shipped(path, "CREATE TABLE from_the_future (x)", f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(ForeignStoreError, match=f"version {VERSION + 1}; this Kioku knows {VERSION}"):
        open_store(str(path))
    assert sorted(os.listdir(path.parent)) == [".gitignore", "run", "sessions.db"]
    with pytest.raises(ForeignStoreError, match=f"version {VERSION + 1}; this Kioku knows {VERSION}"):
        open_for_reading(str(path))
    assert path.read_bytes() == content
