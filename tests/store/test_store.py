"""Writing and reading a store: what is acknowledged is there, and what fails says so and recovers by itself."""

import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import apsw
import pytest

from kioku.errors import StoreError
from kioku.models import TOOL_CALL, Report, new_key
from kioku.project import Project
from kioku.redaction import UnredactedError, redact
from kioku.sessions import record
from kioku.sessions.recorder import Recorder
from kioku.store import activities, connection, names, schema, sessions
from kioku.store.migrations import MIGRATIONS
from kioku.store.opening import open_for_reading, open_store
from kioku.store.store import Store
from tests.store.places import MINUTE, T0, add, ask, filled, is_whole, keys, outputs, place, start
from tests.support import Server


@pytest.fixture
def path(project: Path) -> Path:
    return place(project)


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    found = open_store(str(path))
    yield found
    found.close()


# --- the door for text ----------------------------------------------------------------------------------------------


def told(**text: Any) -> Report:
    return Report(**{"key": new_key(), "source": 2, "at": T0, "kind": TOOL_CALL, **text})


@pytest.mark.parametrize("field", ["kind", "tool", "path", "branch", "detail"])
def test_no_report_with_text_that_was_not_redacted_is_stored(store: Store, field: str) -> None:
    add(store)
    before = keys(Path(store.path))
    with pytest.raises(UnredactedError, match="redacted"):
        store.write(lambda db: record.take(db, 1, [told(**{field: "plain"})], now=T0))
    assert keys(Path(store.path)) == before


@pytest.mark.parametrize("field", ["kind", "tool", "path", "branch", "detail"])
def test_no_text_that_was_not_redacted_waits_in_quarantine(store: Store, field: str) -> None:
    add(store)
    future = told(source=3, at=T0 + 600 * MINUTE, **{field: "plain"})
    with pytest.raises(UnredactedError, match="redacted"):
        store.write(lambda db: record.take(db, 1, [future], now=T0))
    assert ask(Path(store.path), "SELECT count(*) FROM quarantine") == [(0,)]


def test_stream_keys_client_names_and_touched_files_are_redacted_text_only(store: Store) -> None:
    add(store)
    plain: Any = "plain"
    writers: list[Callable[[apsw.Connection], object]] = [
        lambda db: activities.stream(db, plain, project_id="p", owner=None, timeout_ms=1, now=T0),
        lambda db: activities.name_client(db, 1, plain, redact("1")),
        lambda db: activities.name_client(db, 1, redact("client"), plain),
        lambda db: sessions.write_touched(db, 1, [(plain, 1, 0, T0, T0)]),
        lambda db: sessions.count_touch(db, 1, plain, edit=False, at=T0),
        lambda db: names.intern(db, plain),
    ]
    for writer in writers:
        with pytest.raises(UnredactedError, match="redacted"):
            store.write(writer)


def test_a_secret_in_a_call_is_nowhere_in_the_files(project: Path, path: Path) -> None:
    recorder = Recorder(Project(str(project), str(project)), 30 * MINUTE, lambda _: None)
    recorder.start()
    secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    recorder.record(TOOL_CALL, took=0, tool="t", path=f"a/{secret}", detail=f"token: {secret}")
    content = b"".join(subprocess.run(["cat", f"{path}{s}"], capture_output=True).stdout for s in ("", "-wal"))
    recorder.stop()
    assert secret.encode() not in content
    assert b"[REDACTED:github-token]" in content


# --- quarantine and timeouts ----------------------------------------------------------------------------------------


def test_only_others_reports_from_the_future_wait_in_quarantine(store: Store) -> None:
    add(store)
    limit = T0 + activities.FUTURE_LIMIT_MS
    cases = [(2, limit + 1, 0), (3, limit, 0), (3, limit + 1, 1), (1, limit + 1, 1)]
    for source, at, waiting in cases:
        report = told(source=source, at=at)
        store.write(lambda db, report=report: record.take(db, 1, [report], now=T0))  # type: ignore[misc]
        found = ask(Path(store.path), "SELECT count(*) FROM quarantine WHERE key = ?", report.key)
        assert found == [(waiting,)]
        assert (report.key in keys(Path(store.path))) is not bool(waiting)


def test_what_waits_in_quarantine_is_released_whole_when_its_time_has_come(store: Store) -> None:
    add(store)
    future = told(
        source=3, at=T0 + 120 * MINUTE, took=5, tool=redact("t"), path=redact("p"), detail=redact("d"), ok=False
    )
    store.write(lambda db: record.take(db, 1, [future], now=T0))
    assert not store.read(lambda db: activities.has_releasable(db, T0 + 60 * MINUTE - 1))
    assert store.write(lambda db: activities.release(db, T0 + 60 * MINUTE)) == [("stream", future)]
    assert store.write(lambda db: activities.release(db, T0 + 60 * MINUTE)) == []


def test_retime_puts_one_timeout_in_force_for_everything(store: Store) -> None:
    add(store)
    store.write(
        lambda db: activities.stream(db, redact("stream"), project_id="p", owner=None, timeout_ms=5, now=T0 + 9**9)
    )
    assert len(store.read(lambda db: activities.timeouts(db, 1))) == 2
    store.write(lambda db: activities.retime(db, 77))
    assert store.read(lambda db: activities.timeouts(db, 1)) == ((0, 77),)


def test_two_texts_with_one_checksum_keep_their_own_numbers(store: Store) -> None:
    first, second = redact("plumless"), redact("buckeroo")  # their CRC-32 is the same
    one, other = store.write(lambda db: (names.intern(db, first), names.intern(db, second)))
    assert one != other
    assert store.write(lambda db: (names.intern(db, first), names.intern(db, second))) == (one, other)


# --- transactions ---------------------------------------------------------------------------------------------------


def test_a_commit_is_on_the_disk_when_it_returns_and_nothing_is_mapped(store: Store) -> None:
    pragmas = ("synchronous", "mmap_size", "foreign_keys", "journal_mode")
    assert [store.read(lambda db, name=name: db.pragma(name)) for name in pragmas] == [2, 0, 1, "wal"]  # type: ignore[misc]


def test_nothing_of_a_write_remains_when_it_raises(store: Store) -> None:
    add(store)
    before = keys(Path(store.path))

    def work(db: apsw.Connection) -> None:
        record.take(db, 1, [told()], now=T0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write(work)
    assert keys(Path(store.path)) == before
    add(store)


def test_the_system_sqlite_reads_the_schema_and_the_handbooks_statements(path: Path) -> None:
    filled(path)
    # All but the full-text index, which an older program does not know; it must get along beside it.
    plain = re.sub(r"CREATE VIRTUAL TABLE .*?\);\n", "", "".join(MIGRATIONS), flags=re.DOTALL)
    script = plain + "SELECT count(*) FROM activities; SELECT count(*) FROM session_files;"
    done = subprocess.run(["sqlite3", ":memory:"], input=script, text=True, capture_output=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "0\n0\n")
    for word in ("STRICT", "GENERATED", "->>", " IIF(", "DROP COLUMN", "MATERIALIZED"):  # newer than 3.31
        assert word not in "".join(MIGRATIONS).upper()
    statement = (
        "UPDATE sessions SET status = 'completed', ended_at = started_at + 3600000, updated_at = strftime('%s','now')"
        " * 1000 WHERE status = 'active' AND started_at < strftime('%s','now','-1 hour') * 1000;"
        " SELECT status, COUNT(*) FROM sessions GROUP BY status;"
    )
    done = subprocess.run(["sqlite3", str(path), statement], text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("completed|")
    statement = (
        "INSERT INTO turns (stream, at, key, source, role, text)"
        " SELECT id, 1, 2, 1, 'user', 'said' FROM streams LIMIT 1;"
        " UPDATE turns SET text = 'said otherwise'; SELECT count(*) FROM unindexed; DELETE FROM turns;"
        " DELETE FROM sessions WHERE status = 'archived'; VACUUM; PRAGMA integrity_check;"
    )
    done = subprocess.run(["sqlite3", str(path), statement], text=True, capture_output=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "1\nok\n")


def test_the_schema_check_takes_what_pythons_sqlite_made_of_it(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "x.db")
    db.executescript(MIGRATIONS[0])
    db.execute("PRAGMA user_version = 1")
    db.close()
    found = apsw.Connection(str(tmp_path / "x.db"))
    schema.check(found, "x.db")
    found.close()


# --- when the disk fails --------------------------------------------------------------------------------------------


class FailingFile(apsw.VFSFile):
    """A file whose writes or syncs fail from the n-th on, until it is told to stop."""

    plan: ClassVar[dict[str, int]] = {"write": -1, "sync": -1}

    def _count(self, what: str) -> None:
        left = self.plan[what]
        if left == 0:
            raise apsw.IOError(f"injected at {what}")
        if left > 0:
            self.plan[what] = left - 1

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._count("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._count("sync")
        super().xSync(flags)


class FailingVFS(apsw.VFS):
    """The system's files, with failures on demand."""

    def __init__(self, base: str) -> None:
        super().__init__("failing", base, makedefault=True)
        self._base = base

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return FailingFile(self._base, name, flags)


@pytest.fixture
def failing() -> Iterator[dict[str, int]]:
    before = apsw.vfs_names()[0]
    vfs = FailingVFS(before)
    FailingFile.plan.update(write=-1, sync=-1)
    yield FailingFile.plan
    FailingFile.plan.update(write=-1, sync=-1)
    vfs.unregister()
    apsw.set_default_vfs(before)


@pytest.mark.parametrize("what", ["write", "sync"])
@pytest.mark.parametrize("number", [0, 1, 2, 3, 5, 8])
def test_a_failing_disk_is_said_reads_go_on_and_recording_recovers(
    path: Path, failing: dict[str, int], what: str, number: int
) -> None:
    store = open_store(str(path))
    try:
        acknowledged = set(add(store, 3))
        failing[what] = number
        failures = 0
        for _ in range(12):
            try:
                acknowledged |= set(add(store, 2))
            except StoreError as error:
                failures += 1
                assert "injected" in str(error)  # noqa: PT017 - some of the writes succeed
        assert failures > 0
        assert store.read(lambda db: db.execute("SELECT count(*) FROM reports").fetchone()) is not None
        failing[what] = -1
        acknowledged |= set(add(store, 2))
        assert acknowledged <= keys(path)
    finally:
        store.close()
    assert acknowledged <= keys(path)
    assert is_whole(path)


@pytest.mark.parametrize("number", range(0, 40, 3))
def test_a_disk_that_fails_while_a_store_is_begun_leaves_one_that_can_be_begun(
    path: Path, failing: dict[str, int], number: int
) -> None:
    failing["write"] = number
    try:
        open_store(str(path)).close()
    except StoreError:
        pass
    failing["write"] = -1
    store = open_store(str(path))
    add(store)
    store.close()
    assert is_whole(path)


def test_a_full_disk_is_a_clear_error_and_recording_goes_on_by_itself_afterwards(project: Path, path: Path) -> None:
    script = """
    import resource, sys
    from kioku.errors import KiokuError
    from kioku.models import TOOL_CALL
    from kioku.project import Project
    from kioku.sessions.recorder import Recorder

    said = []
    recorder = Recorder(Project(sys.argv[1], sys.argv[1]), 1_800_000, said.append)
    recorder.start()
    recorder.record(TOOL_CALL, took=0, tool="before")
    size = 300_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    failures = 0
    for number in range(60):
        try:
            recorder.record(TOOL_CALL, took=0, tool="during", detail=f"{number} " + "x" * 1900)
        except KiokuError as error:
            failures += 1
            recorder.store().read(lambda db: db.execute("SELECT count(*) FROM reports").fetchone())
    assert failures, "the limit was never met"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    recorder.record(TOOL_CALL, took=0, tool="after")
    recorder.stop()
    assert any(text.startswith("not recording") for text in said), said
    assert said[-1] == "recording again", said
    """
    outputs([start(script, project)])
    tools = [tool for (tool,) in ask(path, "SELECT tool FROM activities WHERE tool IS NOT NULL")]
    assert sorted(tools) == sorted(["before", "after", *["during"] * 60])
    assert is_whole(path)


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root may mount a small file system")
def test_a_small_file_system_that_is_full_is_a_clear_error(tmp_path: Path) -> None:
    script = """
    mkdir -p "$1" && mount -t tmpfs -o size=640k none "$1" || exit 77
    exec "$2" -c '
    import os, sys
    from kioku.errors import StoreError
    from kioku.store.opening import open_store
    from pathlib import Path
    from tests.store.places import add, keys, place
    path = place(Path(sys.argv[1]) / "project")
    store = open_store(str(path))
    there = set(add(store, 2))
    failures = set()
    for n in range(400):
        try:
            there |= set(add(store, 5, detail="x" * 1500))
        except StoreError as error:
            failures.add(str(error))
    assert any("the disk is full" in text for text in failures), failures
    assert there <= keys(path)
    ' "$1"
    """.replace("\n    ", "\n")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path / "small"), sys.executable],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no file system may be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr


_UNPRIVILEGED = """
import os, sys
import apsw, msgspec
from kioku import errors, redaction
from kioku.reports import health
from kioku.sessions import record, sweep, recorder, lease
from kioku.store import activities, connection, legacy, migrations, registry, sessions, opening as store
import tests.store.places
import kioku.workspace.children, encodings.idna, difflib
if os.getuid() == 0:
    # The interpreter may lie where nobody else can read it, so the user is changed once everything is loaded.
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
path = sys.argv[1]
"""


def unprivileged(script: str, path: Path) -> None:
    """Run a script as a user who owns nothing here."""
    for folder in (path.parent.parent, *path.parent.parent.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", _UNPRIVILEGED + script, str(path)], capture_output=True, text=True,
        cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_read_only_folder_is_a_clear_error_for_writers_and_no_obstacle_for_readers(path: Path) -> None:
    filled(path)
    path.chmod(0o644)
    (path.parent / "run").chmod(0o555)
    path.parent.chmod(0o555)
    try:
        unprivileged(
            """
for suspect in (False, True):
    try:
        store.open_store(path, suspect=suspect)
    except errors.StoreReadOnlyError as error:
        assert path in str(error), error
    else:
        raise AssertionError("it was opened for writing")
found = store.open_for_reading(path)
assert found.read(health.totals).activities == 60
assert sorted(os.listdir(os.path.dirname(path))) == [".gitignore", "run", "sessions.db"]
""",
            path,
        )
    finally:
        path.parent.chmod(0o755)


def test_a_read_only_folder_without_a_store_is_a_clear_error(path: Path) -> None:
    path.parent.chmod(0o555)
    try:
        unprivileged(
            """
try:
    store.open_store(path)
except errors.StoreReadOnlyError as error:
    assert "cannot be written" in str(error), error
else:
    raise AssertionError("it was begun")
""",
            path,
        )
    finally:
        path.parent.chmod(0o755)


def test_a_damaged_store_that_cannot_be_moved_aside_is_a_clear_error(path: Path) -> None:
    path.write_text("rubbish" * 900)
    path.chmod(0o666)
    path.parent.chmod(0o555)
    try:
        unprivileged(
            """
try:
    store.open_store(path)
except errors.StoreError as error:
    assert path in str(error), error
else:
    raise AssertionError("it was opened")
""",
            path,
        )
    finally:
        path.parent.chmod(0o755)
    assert path.read_text().startswith("rubbish")


# --- file systems ---------------------------------------------------------------------------------------------------

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
31 30 254:1 / /home/me/local rw,relatime - ext4 /dev/vdb rw
32 22 0:30 / /mnt/my\\040share rw - cifs //server/share rw
33 22 0:31 / /mnt/ssh rw - fuse.sshfs me@server: rw
34 22 0:32 / /mnt/c rw - 9p C: rw
35 22 0:33 / /srv/data rw master:1 propagate_from:2 - overlay overlay rw
36 22 0:34 / /shm rw - tmpfs tmpfs rw
37 22 0:35 / /over rw - nfs server:/x rw
38 37 254:2 / /over rw - xfs /dev/vdc rw
garbage
"""


@pytest.mark.parametrize(
    ("folder", "is_network"),
    [
        ("/work", False), ("/", False), ("/home", True), ("/home/you/p/.context", True), ("/homework", False),
        ("/home/me/local", False), ("/home/me/local/p", False), ("/home/me/localhost", True), ("/mnt/my share/p", True),
        ("/mnt/ssh/p", True), ("/mnt/c/p", True), ("/srv/data/p", False), ("/shm", False), ("/over/p", False),
    ],
)  # fmt: skip
def test_a_network_file_system_is_known_by_the_longest_mount_point(folder: str, is_network: bool) -> None:
    assert connection.is_network_type(folder, MOUNTS) is is_network


def test_a_mount_table_of_nothing_is_no_network() -> None:
    assert connection.is_network_type("/home", "") is False


# --- the log --------------------------------------------------------------------------------------------------------


def test_a_long_reader_does_not_stop_writers(path: Path, store: Store) -> None:
    add(store)
    reader = open_for_reading(str(path))
    try:

        def work(db: apsw.Connection) -> tuple[object, object]:
            first = db.execute("SELECT count(*) FROM reports").fetchone()
            add(store, 50)
            return first, db.execute("SELECT count(*) FROM reports").fetchone()

        first, then = reader.read(work)
        assert first == then == (1,)
        assert reader.read(lambda db: db.execute("SELECT count(*) FROM reports").fetchone()) == (51,)
    finally:
        reader.close()


def test_the_log_stays_short_when_readers_come_and_go_without_a_pause(path: Path, store: Store) -> None:
    """Each reader begins before the one before it ends: there is never a moment without one."""
    add(store)
    is_over = threading.Event()

    def keep_reading() -> int:
        turns = 0
        old = reader(path)
        while not is_over.is_set():
            new = reader(path)
            old.close()
            old, turns = new, turns + 1
        old.close()
        return turns

    longest = 0
    with ThreadPoolExecutor(1) as pool:
        turns = pool.submit(keep_reading)
        for number in range(1_500):
            add(store, 2, detail="x" * 1900, stream=str(number))
            longest = max(longest, os.path.getsize(f"{path}-wal"))
        is_over.set()
        assert turns.result() > 10
    assert longest > connection.LONGEST_LOG, "the log never grew long enough to matter"
    assert longest < 2 * connection.LONGEST_LOG


def reader(path: Path) -> apsw.Connection:
    """Return a connection in the middle of reading."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    db.set_busy_timeout(30_000)
    db.execute("BEGIN; SELECT count(*) FROM meta")
    return db


# --- the database file is SQLite's alone ----------------------------------------------------------------------------


def test_the_database_is_never_opened_by_anything_but_sqlite(project: Path, path: Path) -> None:
    (project / "a.txt").write_text("needle\n")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    hook = path.parent.parent.parent / "hook"
    hook.mkdir()
    log = hook / "opened.txt"
    (hook / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"_log = os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "def _hook(event, arguments):\n"
        "    if event in ('open', 'shutil.copyfile', 'os.open'):\n"
        "        os.write(_log, os.fsencode(str(arguments[0])) + b'\\n')\n"
        "sys.addaudithook(_hook)\n"
    )
    with Server(project, env={"PYTHONPATH": str(hook)}) as server:
        server.initialize()
        for name in ("sessions.db", "sessions.db-wal", "sessions.db-shm"):
            assert server.call("read_file", path=f".context/{name}")["isError"]
        server.call("read_file", path="a.txt", include_deps=True)
        server.call("grep_codebase", pattern="needle")
        server.call("grep_codebase", pattern="needle", path=".context")
        server.call("git_log")
        server.call("git_diff")
        server.call("sessions", action="list")
        server.call("sessions", action="current")
        server.request("resources/read", {"uri": "context://session/current"})
        assert server.end() == 0
    opened = log.read_text(errors="replace").splitlines()
    assert any("a.txt" in name for name in opened), "the hook saw nothing"
    assert [name for name in opened if "sessions.db" in name] == []
    assert len(ask(path, "SELECT tool FROM activities WHERE tool IS NOT NULL")) >= 9
