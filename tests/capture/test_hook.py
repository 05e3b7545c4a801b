"""`kioku-hook` as clients run it: a real process that never fails, says nothing, and keeps no secret."""

import json
import os
import random
import string
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kioku import hook, spooling, telling
from kioku.capture import prepare, spool
from tests.support import PATIENCE_S, Clock, read_only

HOOK = [sys.executable, "-m", "kioku.hook"]


@pytest.fixture
def state(home: Path) -> Path:
    return home / ".local" / "state" / "kioku"


@pytest.fixture
def marked(project: Path) -> Path:
    (project / ".git").mkdir()
    return project


def run(
    event: Any, *, client: str = "claude", cwd: Path, env: dict[str, str] | None = None, prefix: list[str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the hook on an event, given as bytes or as what becomes JSON."""
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    done = subprocess.run(
        [*(prefix or []), *HOOK, *client.split()], input=data, capture_output=True, cwd=cwd,
        env={**os.environ, **(env or {})}, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    return done


def spooled(state: Path) -> list[spool.Record]:
    return [record for folder in spool.pending(str(state)) for batch in spool.take(folder) for record in batch.records]


def everything(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())


def post(where: Path, **fields: Any) -> dict[str, Any]:
    return {
        "session_id": "one", "transcript_path": "/t.jsonl", "cwd": str(where), "hook_event_name": "PostToolUse",
        "tool_name": "Read", "tool_input": {"file_path": f"{where}/a.py"}, "tool_use_id": "toolu_1",
        "tool_response": {"content": "the file's own text"}, **fields,
    }  # fmt: skip


def test_an_event_is_kept_with_what_is_needed_of_it_and_nothing_else(marked: Path, state: Path, clock: Clock) -> None:
    (marked / "sub").mkdir()
    clock.shift(60)
    done = run(post(marked / "sub", cwd=str(marked / "sub"), permission_mode="default"), cwd=marked, env=clock.env)
    assert done.stdout == b""
    (record,) = spooled(state)
    assert record.event == {
        "name": "PostToolUse", "session": "one", "cwd": str(marked / "sub"), "tool": "Read", "call": "toolu_1",
        "input": {"file_path": f"{marked}/sub/a.py"}, "ok": True,
    }  # fmt: skip
    assert (record.client, record.root, record.cwd) == ("claude", str(marked), str(marked / "sub"))
    assert b"own text" not in everything(state)
    assert (state / "spool").stat().st_mode & 0o077 == 0


def test_camel_case_is_understood(marked: Path, state: Path) -> None:
    event = {
        "sessionId": "one", "hookEventName": "PreToolUse", "toolName": "Edit", "toolUseId": "t1",
        "toolInput": {"filePath": "a.py"}, "cwd": str(marked),
    }  # fmt: skip
    run(event, client="vscode", cwd=marked)
    (record,) = spooled(state)
    assert record.event["session"] == "one"
    assert record.event["call"] == "t1"


@pytest.mark.parametrize(
    ("fields", "client"),
    [
        ({"hookEventName": "Stop", "sessionId": "one"}, "vscode"),
        ({"hook_event_name": "Stop", "session_id": "one", "cursor_version": "2.0"}, "cursor"),
        ({"hook_event_name": "Stop", "session_id": "one"}, "claude"),
    ],
)
def test_an_editor_that_runs_claude_codes_hooks_is_known_by_its_words(
    marked: Path, state: Path, fields: dict[str, str], client: str
) -> None:
    run({**fields, "cwd": str(marked)}, cwd=marked)
    (record,) = spooled(state)
    assert record.client == client


def test_an_event_of_fifty_megabytes_keeps_its_header_and_its_call(marked: Path, state: Path) -> None:
    event = json.dumps(post(marked, tool_response=None)).encode()
    head, tail = event[:-1].split(b', "tool_use_id"')
    big = head + b', "tool_output": "' + b"x" * (50 << 20) + b'", "tool_use_id"' + tail + b"}"
    run(big, cwd=marked)
    (record,) = spooled(state)
    assert (record.event["session"], record.event["call"], record.event["tool"]) == ("one", "toolu_1", "Read")
    assert len(everything(state)) < 10_000


def test_text_is_cut_at_64_kilobytes(marked: Path, state: Path) -> None:
    run(
        {"session_id": "one", "hook_event_name": "UserPromptSubmit", "prompt": "word " * 40_000, "cwd": str(marked)},
        cwd=marked,
    )
    (record,) = spooled(state)
    assert len(record.event["prompt"]) == hook.LONGEST_TEXT


BROKEN: list[bytes] = [
    b"", b" ", b"null", b"[]", b"5", b'"text"', b"{", b'{"session_id": "one"', b"\xff\xfe\x00", b"{}" * 3,
    b'{"session_id": NaN}', b"[" * 100_000, b'{"a":' * 100_000, b'{"session_id": 1e999999}', b"\xef\xbb\xbf{}",
    b'{"session_id": {"a": []}, "cwd": 7, "tool_input": [1], "tool_response": "x", "hook_event_name": null}',
    b'{"x": ' + b"9" * 10_000 + b"}", b'{"prompt": "\\ud800"}', b'{"cwd": "\\u0000"}', b'{"cwd": "relative/path"}',
]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_whatever_comes_in_the_client_sees_no_failure(data: bytes, marked: Path) -> None:
    assert run(data, cwd=marked).stdout == b""


def test_an_event_that_is_broken_off_keeps_what_was_there(marked: Path, state: Path) -> None:
    run(json.dumps(post(marked)).encode()[:-40], cwd=marked)
    (record,) = spooled(state)
    assert (record.event["session"], record.event["tool"]) == ("one", "Read")


@pytest.mark.parametrize("arguments", ["", "nobody", "claude extra", "--help"])
def test_wrong_usage_is_counted_and_fails_nobody(arguments: str, marked: Path, state: Path) -> None:
    run(post(marked), client=arguments, cwd=marked)
    assert spool.counts(str(state)) == {"ignored": 0, "failures": 1}


def test_a_folder_without_a_project_is_ignored_in_silence_and_counted(tmp_path: Path, home: Path, state: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for cwd in (plain, home, Path("/"), tmp_path / "missing"):
        run(post(plain, cwd=str(cwd)), cwd=tmp_path)
    assert spooled(state) == []
    assert spool.counts(str(state)) == {"ignored": 4, "failures": 0}


def test_a_folder_that_is_excluded_leaves_nothing_at_all(marked: Path, home: Path, state: Path) -> None:
    config = home / ".config" / "kioku" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[capture]\nexclude = ["{marked}"]\n')
    (marked / "below").mkdir()
    for cwd in (marked, marked / "below"):
        run(post(cwd), cwd=marked)
    assert not state.exists()
    run(
        post(marked),
        cwd=marked,
        env={"XDG_CONFIG_HOME": "/nowhere", "KIOKU_CAPTURE_EXCLUDE": f"/x{os.pathsep}{marked}"},
    )
    assert not state.exists()


@pytest.mark.parametrize("text", ["~/link", "~/{name}", "~/{name}/", "~", "~/x/../{name}"])
@pytest.mark.parametrize("is_prepared", [False, True])
def test_an_excluded_folder_may_be_named_in_any_way(
    text: str, is_prepared: bool, home: Path, state: Path, tmp_path: Path
) -> None:
    folder = home / "project"
    (folder / ".git").mkdir(parents=True)
    (home / "link").symlink_to(folder)
    config = home / ".config" / "kioku" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[capture]\nexclude = ["{text.format(name="project")}"]\n')
    if is_prepared:
        prepare.prepare()
        assert (state / "hook.json").exists()
    for cwd in (folder, home / "link"):
        run(post(cwd), cwd=tmp_path)
    assert not (state / "spool").exists()


def test_settings_that_changed_since_they_were_made_ready_count_at_once(marked: Path, home: Path, state: Path) -> None:
    config = home / ".config" / "kioku" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[capture]\nexclude = ["/elsewhere"]\n')
    prepare.prepare()
    config.write_text(f'[capture]\nexclude = ["{marked}"]\n')
    run(post(marked), cwd=marked)
    assert not (state / "spool").exists()


def test_what_a_project_itself_excludes_leaves_nothing_either(marked: Path, state: Path) -> None:
    (marked / "private" / "below").mkdir(parents=True)
    config = marked / ".context" / "config.toml"
    config.parent.mkdir()
    config.write_text('[capture]\nexclude = ["private"]\n')
    for cwd in (marked / "private", marked / "private" / "below"):
        run(post(cwd), cwd=marked)
    assert not state.exists()
    run(post(marked), cwd=marked)
    assert len(spooled(state)) == 1


@pytest.mark.parametrize(
    "text",
    ["[capture", "capture = 5", '[capture]\nexclude = "/"', "[capture]\nexclude = [7]", "a=" + "[" * 9_999],
)
def test_a_projects_file_that_is_wrong_keeps_no_event_from_the_spool(text: str, marked: Path, state: Path) -> None:
    config = marked / ".context" / "config.toml"
    config.parent.mkdir()
    config.write_text(f"# exclude\n{text}\n")
    run(post(marked), cwd=marked)
    assert len(spooled(state)) == 1


def test_where_it_cannot_be_told_what_is_excluded_nothing_is_kept_and_it_is_counted(
    marked: Path, home: Path, state: Path
) -> None:
    config = home / ".config" / "kioku" / "config.toml"
    config.parent.mkdir(parents=True)
    wrong = ["exclude = [", "exclude = 5", 'exclude = ["project"]', 'exclude = [["/x"]]']
    for text in wrong:
        config.write_text(f"[capture]\n{text}\n")
        run(post(marked), cwd=marked.parent)
    config.unlink()
    run(post(marked), cwd=marked.parent, env={"KIOKU_CAPTURE_EXCLUDE": "project"})
    assert spooled(state) == []
    assert spool.counts(str(state))["failures"] == len(wrong) + 1


def test_a_folder_that_was_removed_meanwhile_was_a_part_of_its_project(marked: Path, state: Path) -> None:
    run(post(marked, cwd=str(marked / "gone" / "below")), cwd=marked)
    (record,) = spooled(state)
    assert (record.root, record.cwd) == (str(marked), str(marked / "gone" / "below"))


def test_no_secret_reaches_the_spool_whatever_field_it_is_in(marked: Path, state: Path) -> None:
    shuffler = random.Random(7)

    def secret() -> str:
        return "ghp" + "_" + "".join(shuffler.choices(string.ascii_letters + string.digits, k=36))

    hidden = "".join(shuffler.choices(string.ascii_letters + string.digits, k=24))
    (marked / ".env").write_text(f"SERVICE_TOKEN={hidden}\n")
    canaries = [secret() for _ in range(12)]
    event = post(
        marked, prompt=canaries[0], last_assistant_message=f"see {canaries[1]}", source=canaries[2], model=canaries[3],
        tool_name=canaries[4], tool_response={"output": canaries[5]}, agent_id=canaries[6], unknown=canaries[7],
        tool_input={
            "command": f"curl -H 'Authorization: Bearer {canaries[8]}' x", "file_path": f"/x/{canaries[9]}",
            "pattern": canaries[10], "content": canaries[11], "query": f"what is {hidden}?",
        },
    )  # fmt: skip
    run(event, cwd=marked)
    kept = everything(state).decode()
    assert len(spooled(state)) == 1
    assert [one for one in [*canaries, hidden] if one in kept] == []


def test_a_patch_is_kept_as_the_names_of_its_files(marked: Path, state: Path) -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n@@\n-old line\n+new line\n*** End Patch"
    for given in (patch, {"input": patch}, {"command": ["apply_patch", patch]}):
        run(post(marked, tool_name="apply_patch", tool_input=given), client="codex", cwd=marked)
    assert b"new line" not in everything(state)
    assert everything(state).count(b"Update File: a.py") == 3


def start(where: Path, **fields: str) -> dict[str, str]:
    return {"session_id": "one", "hook_event_name": "SessionStart", "source": "startup", "cwd": str(where), **fields}


def ready(state: Path, where: Path, *lines: "telling.Told", watched: Sequence[Path] = ()) -> Path:
    """Lay down what is told in a folder, made from a store in it; return that store."""
    store = where / "store"
    store.touch()
    named = [(str(path), telling.status(str(path))) for path in watched]
    (state / "start").mkdir(parents=True, exist_ok=True)
    (state / "start" / spooling.folder_name(str(where))).write_bytes(telling.lay_down(str(store), named, lines))
    return store


def told(where: Path, **fields: str) -> str:
    out = run(start(where, **fields), cwd=where).stdout
    return str(json.loads(out)["hookSpecificOutput"]["additionalContext"]) if out else ""


def test_the_assistant_is_told_what_was_made_ready_for_its_start(marked: Path, state: Path) -> None:
    assert run(start(marked), cwd=marked).stdout == b""
    store = ready(state, marked, *[("=", 'You were "here".', "", ())] * 2_000)
    answer = json.loads(run(start(marked), cwd=marked).stdout)
    assert answer["hookSpecificOutput"]["hookEventName"] == "SessionStart"
    assert answer["hookSpecificOutput"]["additionalContext"].startswith('You were "here".')
    assert len(answer["hookSpecificOutput"]["additionalContext"]) <= telling.LONGEST
    assert run(post(marked), cwd=marked).stdout == b""
    store.rename(marked / "old")
    assert run(start(marked), cwd=marked).stdout == b""  # it is of a store that is there no more


def test_cursor_is_told_under_its_own_name_for_it_also_by_the_hook_of_another_client(marked: Path, state: Path) -> None:
    ready(state, marked, ("=", "You were here.", "", ()))
    event = start(marked, hook_event_name="sessionStart", conversation_id="one")
    assert json.loads(run(event, client="cursor", cwd=marked).stdout) == {"additional_context": "You were here."}
    event = start(marked, cursor_version="3.1")
    assert json.loads(run(event, client="claude", cwd=marked).stdout) == {"additional_context": "You were here."}


def test_files_that_are_gone_since_are_not_told_of_at_the_start(marked: Path, state: Path) -> None:
    for name in ("a.py", "b.py"):
        (marked / name).touch()
    files = [("a.py", "a.py"), ("b.py", "b.py"), ("", "deleted.py")]
    ready(state, marked, ("+", "Edited: ", ".", files), ("+", "Or: ", ".", files[:1]))
    assert told(marked) == "Edited: a.py, b.py, deleted.py.\nOr: a.py."
    (marked / "a.py").unlink()
    assert told(marked) == "Edited: b.py, deleted.py."


def test_what_holds_for_a_working_tree_is_told_while_it_stands_as_it_stood(marked: Path, state: Path) -> None:
    head, packed = marked / ".git" / "HEAD", marked / ".git" / "packed-refs"
    head.write_text("ref: refs/heads/work\n")
    lines: list[telling.Told] = [
        ("&", "On work.", "", ()),
        ("!", "On some branch.", "", ()),
        ("=", "Decided.", "", ()),
    ]
    ready(state, marked, *lines, watched=[head, packed])
    assert told(marked) == "On work.\nDecided."
    packed.write_text("# pack-refs\n")
    assert told(marked) == "On some branch.\nDecided."
    packed.unlink()
    assert told(marked) == "On work.\nDecided."
    head.write_text("ref: refs/heads/main\n")
    assert told(marked) == "On some branch.\nDecided."


def test_a_conversation_that_was_shortened_is_told_what_holds_and_not_what_the_one_before_it_was_for(
    marked: Path, state: Path
) -> None:
    lines: list[telling.Told] = [("+", "Last asked.", "", ()), ("=", "Decided.", "", ()), ("~", "Shortened.", "", ())]
    ready(state, marked, *lines)
    assert told(marked, source="compact") == "Decided.\nShortened."
    assert told(marked, source="resume") == "Last asked.\nDecided."


def test_what_was_laid_down_in_another_form_or_cut_off_is_not_told(marked: Path, state: Path) -> None:
    store = ready(state, marked)
    status = store.lstat()
    file = state / "start" / spooling.folder_name(str(marked))
    for form in (
        f"{status.st_dev} {status.st_ino} {store}\n[A record]\nLast asked: x",
        f"{status.st_dev}",
        "",
        "\0\n\n",
    ):
        file.write_text(form)
        assert told(marked) == ""


def test_where_nothing_can_be_written_the_client_still_sees_no_failure(marked: Path, home: Path) -> None:
    with read_only(home) as prefix:
        assert run(post(marked), cwd=marked, prefix=prefix).stdout == b""


def test_it_does_not_wait_for_a_client_that_closes_its_output(marked: Path, state: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" >&- 2>&-', "sh", *HOOK, "claude"], input=json.dumps(post(marked)).encode(), cwd=marked,
        timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 0
    assert len(spooled(state)) == 1


def test_without_the_c_scanner_it_reads_and_writes_the_same(marked: Path, state: Path) -> None:
    script = (
        "import sys; sys.modules['_json'] = None; sys.argv = ['kioku-hook', 'claude']; import kioku.hook as h; h.main()"
    )
    for command in ([sys.executable, "-c", script], [*HOOK, "claude"]):
        done = subprocess.run(
            command, input=json.dumps(post(marked, prompt='é "x" \\ \n\t')).encode(), cwd=marked, timeout=PATIENCE_S
        )
        assert done.returncode == 0
    one, other = spooled(state)
    assert one.event == other.event


def test_it_imports_neither_json_nor_regular_expressions_for_an_ordinary_event(marked: Path) -> None:
    script = (
        "import sys; sys.argv = ['kioku-hook', 'claude']; before = set(sys.modules); import kioku.hook as h; h.main();"
        " print(sorted((set(sys.modules) - before) & {'re', 'json', 'typing', 'hashlib', 'subprocess'}))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"],
        input=json.dumps(post(marked)).encode(), capture_output=True, cwd=marked, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.stdout.decode().strip() == "[]"
