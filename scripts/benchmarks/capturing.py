"""What capture costs: the hook as a whole process, import of a large transcript, and redaction."""

import json
import random
import resource
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw

from kioku.redaction import redact
from scripts.benchmarks.figures import INITIALIZE, KIOKU, Client, Figure, milliseconds, workplace

ROUNDS = 61
LOCKED_S = 10.0
LARGE = 1_000_000_000  # bytes of the transcript that is imported
CODE = Path(redact.__code__.co_filename).read_text()


def hook() -> Iterator[Figure]:
    """Run the hook and a bare interpreter in turns; then again while the store is locked."""
    bare: list[float] = []
    ours: list[float] = []
    beginning: list[float] = []
    with workplace() as (project, env):
        (project / ".git").mkdir()
        (project / ".env").write_text("DB_PASSWORD=correct-horse-battery-9\n")
        client = Client([*KIOKU, "serve"], project, env)  # so that there is a store
        client.exchange(INITIALIZE)
        client.end()
        subprocess.run(
            [*KIOKU, "discoveries", "add", "The hook tells this.", "--type", "decision"], cwd=project, env=env,
            check=True, capture_output=True,
        )  # fmt: skip
        told = subprocess.run(_HOOK, input=_beginning(project), cwd=project, env=env, check=True, capture_output=True)
        if b"The hook tells this." not in told.stdout:
            raise AssertionError("the hook told nothing of what a session begins with")
        for number in range(ROUNDS):
            bare.append(_timed([sys.executable, "-c", "pass"], b"", project, env))
            ours.append(_timed(_HOOK, _event(project, number), project, env))
            beginning.append(_timed(_HOOK, _beginning(project), project, env))
        locked: list[float] = []
        before = _spooled(env)
        with _locked(project / ".context" / "sessions.db") as is_over:
            while not is_over():
                locked.append(_timed(_HOOK, _event(project, ROUNDS + len(locked)), project, env))
        kept = _spooled(env) - before
    base = milliseconds(bare)
    remark = f"{milliseconds(ours):.1f} ms; python -c pass {base:.1f} ms"
    yield Figure("a hook / python -c pass", milliseconds(ours) / base, "x", 2.2, remark)
    yield Figure(
        "a hook that tells what a session begins with / python -c pass", milliseconds(beginning) / base, "x", 2.2
    )
    remark = f"{len(locked)} events"
    yield Figure(
        "a hook while the store is locked for 10 s / python -c pass", milliseconds(locked) / base, "x", 2.2, remark
    )
    yield Figure("events lost while the store was locked", len(locked) - kept, "events", 0)


def importing() -> Iterator[Figure]:
    """Import one transcript of 1 GB with the whole command."""
    with workplace() as (project, env):
        (project / ".git").mkdir()
        file = project.parent / "large.jsonl"
        _make_transcript(file, project, LARGE)
        size = file.stat().st_size
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        command = [*KIOKU, "import", "claude", str(file), "--json"]
        done = subprocess.run(command, cwd=project, env=env, capture_output=True, check=True)
        elapsed = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads(done.stdout)
        again = time.perf_counter()
        subprocess.run(command, cwd=project, env=env, capture_output=True, check=True)
        again = time.perf_counter() - again
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    remark = f"{elapsed:.0f} s, {found['activities']} activities, {found['sessions']} sessions; again: {again:.2f} s"
    yield Figure("import of a transcript of 1 GB", size / 1e6 / cpu, "MB/s", least=25, remark=remark)
    # `ru_maxrss` is of the largest child so far: no benchmark has one that grows further.
    yield Figure("its memory at the most", after.ru_maxrss / 1000, "MB", 120)


def redacting() -> Iterator[Figure]:
    """Redact source code, prose and JSON as transcripts have them, with a secret now and then."""
    chance = random.Random(1)
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts: list[str] = []
    for path in files:
        text = path.read_text(errors="replace")
        secret = "gh" + "p_" + "".join(chance.choices("abcdefghij0123456789", k=36))
        texts += text, json.dumps({"content": text}), f"{text[:2000]}\ntoken = '{secret}'\n"
    size = sum(len(text) for text in texts)
    for text in texts[:60]:
        redact(text)  # compiles the rules
    began = time.process_time()
    hidden = sum(redact(text).count("[REDACTED:github-token]") for text in texts)
    elapsed = time.process_time() - began
    if hidden < len(files):
        raise AssertionError(f"only {hidden} of {len(files)} secrets were found")
    yield Figure("redaction", size / 1e6 / elapsed, "MB/s", least=10, remark=f"{size / 1e6:.0f} MB")


_HOOK = [str(Path(sys.executable).parent / "kioku-hook"), "claude"]


def _event(project: Path, number: int) -> bytes:
    event = {
        "session_id": "bench", "transcript_path": "/t.jsonl", "cwd": str(project), "hook_event_name": "PostToolUse",
        "tool_name": "Edit", "tool_use_id": f"toolu_{number:026}",
        "tool_input": {"file_path": f"{project}/a.py", "old_string": CODE[:600], "new_string": CODE[600:1200]},
        "tool_response": {"filePath": f"{project}/a.py", "originalFile": CODE[:8000]},
    }  # fmt: skip
    return json.dumps(event).encode()


def _beginning(project: Path) -> bytes:
    event = {"session_id": "begin", "cwd": str(project), "hook_event_name": "SessionStart", "source": "startup"}
    return json.dumps(event).encode()


def _timed(command: list[str], data: bytes, project: Path, env: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, input=data, cwd=project, env=env, check=True, capture_output=True)
    return time.perf_counter() - began


def _spooled(env: dict[str, str]) -> int:
    """Return how many records are in the spool."""
    folder = Path(env["HOME"]) / ".local" / "state" / "kioku" / "spool"
    return sum(file.read_bytes().count(b'"session":"bench"') for file in folder.glob("*/*.spool"))


@contextmanager
def _locked(path: Path) -> Iterator[Callable[[], bool]]:
    """Hold a store's write lock for `LOCKED_S`; give a function that tells whether that is over."""
    over = threading.Event()
    timer = threading.Timer(LOCKED_S, over.set)
    db = apsw.Connection(str(path))
    try:
        db.execute("BEGIN EXCLUSIVE")
        timer.start()
        yield over.is_set
        timer.join()
        db.execute("ROLLBACK")
    finally:
        db.close()


def _make_transcript(file: Path, project: Path, size: int) -> None:
    """Write a transcript as Claude Code leaves one: prompts, answers, calls, results and what is of no interest."""
    chance = random.Random(1)
    words = "the parser reads every line and keeps what is needed of it then goes on to another while tests run".split()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    number = written = 0
    with file.open("w") as stream:
        while written < size:
            kind = number % 4
            at += timedelta(seconds=chance.choice((2, 5, 20, 60, 400, 4000) if kind == 0 else (1, 3)))
            call = f"toolu_01{number // 4:024}"
            line = {
                "parentUuid": f"uuid-{number - 1:030}", "isSidechain": False, "cwd": str(project),
                "sessionId": "11111111-2222-3333-4444-555555555555", "version": "2.1.30", "gitBranch": "main",
                "uuid": f"uuid-{number:030}", "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.123Z"),
                **_told(kind, number, call, project, chance, words),
            }  # fmt: skip
            written += stream.write(json.dumps(line) + "\n")
            number += 1


def _told(
    kind: int, number: int, call: str, project: Path, chance: random.Random, words: list[str]
) -> dict[str, object]:
    said = " ".join(chance.choices(words, k=120))
    if kind == 0 and number % 20 == 0:
        return {"type": "user", "message": {"role": "user", "content": said}}
    if kind < 2:
        given = {
            "file_path": f"{project}/src/f{chance.randrange(900)}.py", "command": "pytest -q",
            "old_string": CODE[:600], "new_string": CODE[600:1200],
        }  # fmt: skip
        use = {"type": "tool_use", "id": call, "name": chance.choice(("Read", "Edit", "Bash")), "input": given}
        content = [use if kind else {"type": "text", "text": said}]
        message = {
            "id": f"msg_{number}", "role": "assistant", "model": "some-model", "content": content,
            "usage": {"input_tokens": 9, "output_tokens": 100},
        }  # fmt: skip
        return {"type": "assistant", "message": message, "requestId": f"req_{number}"}
    if kind == 2:
        start = chance.randrange(3000)
        result = CODE[start : start + chance.randrange(500, 9000)]
        content = [{"type": "tool_result", "tool_use_id": call, "content": result}]
        return {"type": "user", "message": {"role": "user", "content": content}, "toolUseResult": {"stdout": result}}
    return {"type": "progress", "data": {"type": "hook_progress"}, "toolUseID": call}
