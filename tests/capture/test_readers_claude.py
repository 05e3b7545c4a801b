"""Traps of Claude Code's transcripts that cost words, files or tokens where they are met carelessly."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kioku.capture.seen import Touch
from kioku.capture.transcripts.formats import recognise
from kioku.capture.transcripts.reading import instant
from tests.capture.test_readers import AT_MS, claude, prompts, read
from tests.capture.test_readers_pieces import place, rows_of, take
from tests.support import kioku, rows
from tests.test_project import git

TOKENS = {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 6}


def raw(content: str, kind: str = "user") -> bytes:
    """Return a line whose content is put in as it is, as JSON or as what only looks like it."""
    return json.dumps(claude(kind, "CONTENT", message={"model": "m", "id": "i"})).replace('"CONTENT"', content).encode()


def write(path: Path, *lines: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))


# --- odd text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (rb'"go \ud83d on"', "go ? on"),
        (rb'[{"type": "text", "text": "go \udc00"}]', "go ?"),
        (b'"go \xff on"', "go \ufffd on"),
        (b'[{"type": "text", "text": "go \xc3"}]', "go \ufffd"),
        (b'"go\x01on"', "go\x01on"),
        (b'"a\ttab"', "a\ttab"),
        (rb'"a \u0000 zero"', "a \0 zero"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (b'[{"type": "text", "text": "go", "score": NaN}]', "go"),
        (b'[{"type": "text", "text": "go", "size": 123456789012345678901234567890}]', "go"),
        (b'[5, null, "x", {"type": "text", "text": 7}, {"type": "text", "text": "go"}, {"type": []}]', "go"),
        (b'[{"type": "image", "source": {}}, {"type": "text", "text": "go"}]', "go"),
    ],
)
def test_one_odd_character_or_block_does_not_cost_the_prompt(content: bytes, text: str) -> None:
    line = raw("CONTENT").replace(b"CONTENT", content)
    seen, bad = read("claude", line, claude("user", "after"))
    assert bad == []
    assert prompts(seen) == [text, "after"]


@pytest.mark.parametrize(
    "content",
    [rb'"\ud83d"', b"NaN", b"1" + b"0" * 40, b'"\x02"', b'"\xff"', b"[" * 300 + b"]" * 300, b'{"a": [{}, null]}'],
)
def test_an_odd_value_among_a_calls_arguments_does_not_cost_its_file(content: bytes) -> None:
    use = b'[{"type": "tool_use", "id": "t1", "name": "Write", "input": {"file_path": "/p/a", "content": ODD}}]'
    line = raw("USE", "assistant").replace(b"USE", use.replace(b"ODD", content))
    seen, bad = read("claude", line)
    assert bad == []
    assert [(one.id, one.touches) for one in seen if one.kind == "call"] == [("t1", (Touch("/p/a", edit=True),))]


@pytest.mark.parametrize("rest", [b'{"type": "user", "mess', b" trailing words", b"}", b'{"type": "user"} and more'])
def test_what_cannot_be_read_behind_an_object_is_named_and_the_object_kept(rest: bytes) -> None:
    seen, bad = read("claude", json.dumps(claude("user", "kept")).encode() + rest, claude("user", "after"))
    assert prompts(seen) == ["kept", "after"]
    assert [number for number, _ in bad] == [1]


@pytest.mark.parametrize("first", [{"type": "user"}, {"type": "user", "timestamp": "never"}, {"type": "summary"}])
def test_an_object_that_tells_nothing_does_not_cost_the_one_glued_to_it(first: dict[str, Any]) -> None:
    seen, bad = read("claude", json.dumps(first) + json.dumps(claude("user", "kept")))
    assert prompts(seen) == ["kept"]
    assert [number for number, _ in bad] == [1]


@pytest.mark.parametrize("opening", ["<bash-stdout>", "<system-reminder>", "<command-name>"])
def test_a_text_full_of_openings_without_ends_is_read_in_a_moment(home: Path, opening: str) -> None:
    path = place(home, "claude")
    write(path, claude("user", opening * 80_000, cwd="/gone"))
    done = kioku("import", "claude", str(path), "--json", cwd=home)  # what takes forever is a failure here
    assert json.loads(done.stdout)["turns"] == 1


# --- what the person typed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("<command-message>x</command-message>\n<command-name>/init</command-name>", ["/init"]),
        ("<command-name>compact</command-name><command-args>  now </command-args>", ["/compact now"]),
        ("<bash-input>ls -l</bash-input>", ["!ls -l"]),
        ("<bash-stdout>a\nb</bash-stdout><bash-stderr></bash-stderr>", []),
        ("<system-reminder>a</system-reminder>do it<system-reminder>b</system-reminder>", ["do it"]),
        ("is a < b?", ["is a < b?"]),
        ("<div>mine</div>", ["<div>mine</div>"]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_what_the_client_puts_around_a_prompt_is_no_part_of_it(text: str, typed: list[str]) -> None:
    assert prompts(read("claude", claude("user", text))[0]) == typed


def test_text_beside_a_result_of_a_tool_is_a_prompt_and_the_result_is_none() -> None:
    content = [
        {"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": "result"},
        {"type": "text", "text": "stop that"},
    ]
    seen, _ = read("claude", claude("user", content))
    assert [(one.kind, one.id, one.ok, one.text) for one in seen] == [
        ("call_end", "t1", False, None),
        ("prompt", "u1", None, "stop that"),
    ]


def test_a_side_chains_calls_count_and_its_texts_end_no_turn_of_the_persons() -> None:
    use = [{"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "/p/a"}}]
    message = {"stop_reason": "end_turn", "model": "m"}
    aside = claude("assistant", use, message=message, isSidechain=True)
    assert [one.kind for one in read("claude", aside)[0]] == ["answer", "call"]
    assert [one.kind for one in read("claude", {**aside, "isSidechain": False})[0]] == ["answer", "call", "turn_end"]


def test_a_compaction_is_an_event_and_its_summary_no_prompt() -> None:
    boundary = {**claude("system", ""), "subtype": "compact_boundary", "message": None}
    seen, bad = read("claude", boundary, claude("user", "so far …", isCompactSummary=True), claude("user", "go on"))
    assert bad == []
    assert [(one.kind, one.detail, one.text) for one in seen] == [
        ("event", "compaction", None),
        ("prompt", None, "go on"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        {"type": "custom-title", "customTitle": "x", "sessionId": "s1"},
        {"type": "queue-operation", "timestamp": "never"},
        {"type": "progress", "data": {}},
        {"type": 5},
        {},
        {"message": "x"},
        {**claude("user", "x"), "message": None},
        {**claude("user", "x"), "message": "text"},
        {**claude("user", "x"), "message": {}},
    ],
)
def test_a_line_of_no_use_tells_nothing_and_is_no_mistake(line: dict[str, Any]) -> None:
    assert read("claude", line) == ([], [])


# --- counted once -----------------------------------------------------------------------------------------------------


def test_tokens_repeated_on_each_line_of_an_answer_count_once_and_at_their_highest(home: Path) -> None:
    path = place(home, "claude")
    growing = [{**TOKENS, "output_tokens": count} for count in (1, 4, 40, 4)]
    write(
        path,
        *(
            claude("assistant", [{"type": "text", "text": f"part {number}"}], uuid=f"u{number}", requestId="r",
                   cwd="/gone", message={"id": "msg_1", "model": "m", "usage": usage})
            for number, usage in enumerate(growing)
        ),
        claude("assistant", "other", uuid="u9", requestId="r2", cwd="/gone",
               message={"id": "msg_2", "model": "m", "usage": TOKENS}),
    )  # fmt: skip
    take("claude", path)
    assert sorted(tokens for _, *tokens in rows_of(home)[3]) == [[3, 4, 5, 6], [3, 40, 5, 6]]


@pytest.mark.parametrize("usage", [None, [], "many", {"input_tokens": "3"}, {"input_tokens": -3}, {"input_tokens": {}}])
def test_tokens_that_are_no_numbers_count_as_none(usage: Any) -> None:
    seen, bad = read("claude", claude("assistant", "a", message={"id": "m", "model": "m", "usage": usage}))
    assert (bad, [one.usage for one in seen]) == ([], [None])


def test_more_tokens_than_64_bits_can_hold_do_no_harm(home: Path) -> None:
    path = place(home, "claude")
    usage = {"input_tokens": 1 << 70, "output_tokens": 10**30}
    write(path, claude("assistant", "a", cwd="/gone", message={"id": "m", "model": "m", "usage": usage}))
    assert take("claude", path).skipped == []
    assert all(0 <= count < 1 << 63 for _, *tokens in rows_of(home)[3] for count in tokens)


# --- folders ----------------------------------------------------------------------------------------------------------


def test_work_in_several_worktrees_is_one_projects_whatever_the_slugs_say(home: Path, project: Path) -> None:
    git("init", cwd=project)
    git("commit", "--allow-empty", "-m", "first", cwd=project)
    side = project.parent / "side-tree"
    git("worktree", "add", "-b", "side", str(side), cwd=project)
    edit = [{"type": "tool_use", "id": "t1", "name": "Edit", "input": {"file_path": f"{side}/src/a.py"}}]
    path = home / ".claude" / "projects" / "-some-other-place" / "s1.jsonl"
    path.parent.mkdir(parents=True)
    write(
        path,
        claude("user", "in the main one", cwd=str(project), uuid="u1"),
        claude("user", "in the other", cwd=str(side), uuid="u2"),
        claude("assistant", edit, cwd=str(side), uuid="u3"),
    )
    outcome = take("claude", path)
    assert outcome.projects == {str(project): 1}
    assert rows(project, "SELECT text FROM session_turns ORDER BY text") == [("in the main one",), ("in the other",)]
    assert rows(project, "SELECT path FROM session_files") == [("src/a.py",)]
    status = subprocess.run(["git", "status", "--porcelain"], cwd=side, capture_output=True, text=True, check=True)
    assert status.stdout == "", "nothing is left in the other worktree"


def test_a_folder_that_changes_within_a_file_sends_each_line_to_its_own_project(
    home: Path, project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    path = place(home, "claude")
    write(
        path,
        claude("user", "for one", cwd=str(project), uuid="u1"),
        claude("user", "for two", cwd=str(other), uuid="u2"),
        claude("user", "without a folder", cwd=None, uuid="u3"),
    )
    assert take("claude", path).projects == {str(project): 1, str(other): 1}
    assert rows(project, "SELECT text FROM session_turns") == [("for one",)]
    assert rows(other, "SELECT text FROM session_turns ORDER BY 1") == [("for two",), ("without a folder",)]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("C:\\Users\\ana\\p\\src\\a.py", "C:/Users/ana/p/src/a.py"),
        ("C:/Users/ana/p/src/a.py", "C:/Users/ana/p/src/a.py"),
        ("src\\a.py", "C:/Users/ana/p/src/a.py"),
        ("..\\q\\a.py", "C:/Users/ana/q/a.py"),
        ("D:\\x.py", "D:/x.py"),
    ],
)
def test_windows_paths_are_put_together_as_windows_does(home: Path, given: str, kept: str) -> None:
    path = place(home, "claude")
    edit = [{"type": "tool_use", "id": "t1", "name": "Edit", "input": {"file_path": given}}]
    write(path, claude("assistant", edit, cwd="C:\\Users\\ana\\p"))
    take("claude", path)
    assert [file for file, *_ in rows_of(home)[4]] == [kept]


# --- times, and whose file it is --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2026-03-02T10:00:00Z", AT_MS),
        ("2026-03-02T10:00:00.123456789Z", AT_MS + 123),
        ("2026-03-02T12:00:00+02:00", AT_MS),
        ("2026-03-02T04:30:00-0530", AT_MS),
        ("2026-03-02T10:00:00", AT_MS),
        ("2026-03-02 10:00:00", AT_MS),
        (AT_MS, AT_MS),
        (AT_MS / 1000, AT_MS),
        (str(AT_MS), AT_MS),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+00:00", None),
        ("2026-13-40T10:00:00Z", None),
        ("", None),
        (True, None),
        (0, None),
        (-5, None),
        (float("inf"), None),
        (float("nan"), None),
        (1 << 80, None),
        ([], None),
    ],
)
def test_a_time_is_an_instant_whichever_way_it_is_written_and_nonsense_is_none(told: object, expected: object) -> None:
    assert instant(told) == expected


@pytest.mark.parametrize(
    ("path", "head", "client"),
    [
        ("a.jsonl", json.dumps(claude("user", "x")).encode(), "claude"),
        ("a.jsonl", b'{"type":"summary","leafUuid":"u"}', "claude"),
        ("a.jsonl", b'{"type":"session_meta","payload":{"id":"c"}}', "codex"),
        ("a.jsonl", b'{"type":"session.start","data":{}}', "copilot"),
        ("a.json", b'{"sessionId":"g","projectHash":"h"', "gemini"),
        ("a.json", b'{"info":{"id":"ses_1","directory":"/p"', "opencode"),
        ("a.md", b"<!-- Generated by SpecStory -->", "specstory"),
        ("a.md", b"# Notes", None),
        ("a.jsonl", b"{}", None),
    ],
)
def test_a_file_is_known_by_its_beginning(path: str, head: bytes, client: str | None) -> None:
    form = recognise(path, head)
    assert (form.client if form else None) == client
