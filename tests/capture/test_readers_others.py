"""Traps of the other clients' transcripts: Codex, Copilot CLI, Gemini CLI, OpenCode and SpecStory."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kioku.capture.keeping import Keeper
from kioku.capture.seen import Seen, Touch
from kioku.capture.transcripts.formats import FORMATS, Places
from kioku.models import TRANSCRIPT
from tests.capture.test_readers import AT, AT_MS, META, codex, document, opencode, prompts, read
from tests.capture.test_readers_pieces import event, place, rows_of, take
from tests.support import kioku

# --- Codex ------------------------------------------------------------------------------------------------------------


def said(kind: str, text: str, at: str = AT) -> dict[str, Any]:
    return codex("event_msg", {"type": f"{kind}_message", "message": text}, at)


def call(**payload: Any) -> dict[str, Any]:
    return codex("response_item", {"type": "function_call", "call_id": "k", **payload})


def test_texts_of_one_time_are_all_kept_whatever_stands_between_them(home: Path) -> None:
    path = place(home, "codex")
    lines = [META, said("user", "a"), said("user", "b"), said("agent", "x"), said("user", "c"), said("agent", "y")]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    take("codex", path)
    assert sorted(text for _, _, text, _ in rows_of(home)[2]) == ["a", "b", "c", "x", "y"]


@pytest.mark.parametrize("client", ["codex", "specstory"])
def test_the_longest_id_that_a_conversation_may_have_costs_no_turn(home: Path, client: str) -> None:
    path = place(home, client)
    name = "c" * 200
    if client == "codex":
        lines = [codex("session_meta", {"id": name, "cwd": "/gone"}), said("user", "a"), said("user", "b")]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        turn = "_**User (2026-03-02 10:00:00Z)**_\n\n{}\n\n---\n\n"
        path.write_text(
            f"<!-- Cursor Session {name} (2026-03-02 10:00:00Z) -->\n\n{turn.format('a')}{turn.format('b')}"
        )
    assert take(client, path).turns == 2


def test_a_patch_names_every_file_that_it_adds_updates_deletes_or_moves() -> None:
    patch = "\r\n".join(
        [
            "*** Begin Patch", "*** Add File: new one.py", "+*** Add File: quoted.py", "*** Update File: C:\\p\\a.py",
            "*** Move to: sub/b.py", "@@", "-*** Delete File: quoted.py", " *** Delete File: quoted.py",
            "*** Delete File: c.py", "*** Update File: C:\\p\\a.py", "*** End Patch",
        ]
    )  # fmt: skip
    seen, _ = read("codex", META, codex("response_item", {
        "type": "custom_tool_call", "call_id": "k", "name": "apply_patch", "input": patch}))  # fmt: skip
    assert seen[1].touches == tuple(
        Touch(path, edit=True) for path in ("new one.py", "C:\\p\\a.py", "sub/b.py", "c.py")
    )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("shell", '{"command": ["bash", "-lc", "ls"]}'),
        ("shell", '{"command": ["bash", "-lc", "ls"], "timeout": NaN}'),
        ("shell", r'{"command": ["bash", "-lc", "ls"], "why": "\ud83d"}'),
        ("shell", '{"command": ["bash", "-lc", "ls"], "size": 1' + "0" * 40 + "}"),
        ("shell", '  {"command": ["bash", "-lc", "ls"]}'),
        ("exec_command", {"cmd": "ls"}),
    ],
)
def test_a_command_is_found_in_arguments_that_are_json_within_a_text(name: str, arguments: Any) -> None:
    seen, bad = read("codex", META, call(name=name, arguments=arguments))
    assert (bad, seen[1].tool, seen[1].detail) == ([], name, "ls")


def test_counts_of_tokens_without_a_total_are_counted_each() -> None:
    info = {"last_token_usage": {"input_tokens": 3}, "total_token_usage": {}}
    times = (AT, "2026-03-02T10:01:00Z")
    lines = [codex("event_msg", {"type": "token_count", "info": info}, at) for at in times]
    seen, _ = read("codex", META, *lines)
    assert len({one.usage.id for one in seen if one.usage}) == 2


def test_a_rollout_that_says_not_whose_it_is_is_known_by_its_files_name() -> None:
    seen, bad = read("codex", codex("session_meta", {"id": None}), said("user", "go"), path="/t/rollout-2026-x.jsonl")
    assert bad == [(1, "names no conversation")]
    assert [(one.conversation, one.text) for one in seen] == [("rollout-2026-x.jsonl", "go")]


def test_the_folder_and_model_of_a_turn_hold_from_there_on() -> None:
    turn = codex("turn_context", {"cwd": "/p/sub", "model": "some-model"})
    seen, _ = read("codex", META, said("user", "a"), turn, said("agent", "b"))
    assert [(one.folder, one.model) for one in seen[1:]] == [("/p", None), ("/p/sub", "some-model")]


def test_a_rollout_begins_when_its_payload_says() -> None:
    seen, _ = read("codex", codex("session_meta", {"id": "c1", "timestamp": "2026-03-02T09:58:00Z"}))
    assert [(one.kind, one.at) for one in seen] == [("start", AT_MS - 120_000)]


@pytest.mark.parametrize(
    "line",
    [
        codex("response_item", {"type": "reasoning", "encrypted_content": "x"}), codex("compacted", {}),
        codex("event_msg", None), codex("event_msg", []), codex("event_msg", {"type": "user_message"}),
        codex("response_item", {"type": "function_call", "name": "read"}), {"type": "event_msg"}, {},
        codex("event_msg", {"type": "token_count", "info": {"last_token_usage": 5}}),
    ],
)  # fmt: skip
def test_lines_of_codex_that_tell_nothing_are_no_mistake(line: dict[str, Any]) -> None:
    seen, bad = read("codex", META, line, said("user", "after"))
    assert (bad, [one.kind for one in seen]) == ([], ["start", "prompt"])


@pytest.mark.parametrize("client", ["codex", "copilot"])
def test_what_cannot_be_read_behind_an_object_is_named_there_too(client: str) -> None:
    line = said("user", "go") if client == "codex" else event("user.message", content="go")
    seen, bad = read(client, json.dumps(line) + '{"type": "ev', json.dumps(line) * 2)
    assert prompts(seen) == ["go"] * 3
    assert [number for number, _ in bad] == [1, 2]


# --- Copilot ----------------------------------------------------------------------------------------------------------


def test_copilots_conversation_is_that_of_its_folder_when_its_first_line_is_broken() -> None:
    seen, bad = read("copilot", "broken", event("user.message", content="go"), path="/s/folder-id/events.jsonl")
    assert [number for number, _ in bad] == [1]
    assert [(one.conversation, one.text) for one in seen] == [("folder-id", "go")]


@pytest.mark.parametrize("value", [None, 5, [], {}, "x" * 500, True, -1, 1 << 70])
def test_copilots_members_of_any_type_do_no_harm(value: Any) -> None:
    names = ("sessionId", "context", "content", "outputTokens", "messageId", "toolCallId", "toolName", "arguments")
    for kind in ("session.start", "user.message", "assistant.message", "tool.execution_start"):
        for name in names:
            data = {"sessionId": "c1", "content": "x", "toolCallId": "k", "toolName": "view", name: value}
            _, bad = read("copilot", event(kind, **data), event("user.message", content="after"))
            assert [number for number, _ in bad] in ([], [1])


def test_tokens_of_answers_without_ids_are_counted_each(home: Path) -> None:
    path = place(home, "copilot")
    answers = [
        {
            "type": "assistant.message",
            "timestamp": f"2026-03-02T10:0{n}:00Z",
            "data": {"content": "a", "outputTokens": 5},
        }
        for n in range(2)
    ]
    start = event("session.start", sessionId="c1", context={"cwd": "/gone"})
    path.write_text("".join(json.dumps(line) + "\n" for line in (start, *answers)))
    take("copilot", path)
    assert sum(output for _, _, output, *_ in rows_of(home)[3]) == 10


# --- documents --------------------------------------------------------------------------------------------------------


def chat(*contents: str, more: str = "") -> bytes:
    """Return a chat of Gemini's with one message a content, each given as JSON or what only looks like it."""
    texts = (
        f'{{"id": "m{number}", "timestamp": "{AT}", "type": "user", "content": {content}}}'
        for number, content in enumerate(contents)
    )
    return f'{{"sessionId": "g1", {more}"messages": [{", ".join(texts)}]}}'.encode()


def export(*texts: str) -> bytes:
    """Return an export of OpenCode's in the same way."""
    parts = (
        f'{{"info": {{"id": "msg_{number}", "role": "user", "time": {{"created": {AT_MS + number}}}}},'
        f' "parts": [{{"type": "text", "text": {text}}}]}}'
        for number, text in enumerate(texts)
    )
    return f'{{"info": {{"id": "ses_1", "directory": "/p"}}, "messages": [{", ".join(parts)}]}}'.encode()


ODD = {
    "surrogate": rb'"go \ud83d"', "number": b"NaN", "infinite": b"-Infinity", "integer": b"1" + b"0" * 40,
    "byte": b'"go \xff"', "control": b'"a\x01b"', "nested": b"[" * 300 + b"]" * 300, "null": b"null",
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("client", "make"), [("gemini", chat), ("opencode", export)])
def test_one_odd_value_does_not_cost_the_rest_of_a_document(client: str, make: Any, odd: str) -> None:
    data = make('"before"', "ODD", '"after"').replace(b"ODD", ODD[odd])
    seen, _ = document(client, data)
    found = prompts(seen)
    assert found[:1] + found[-1:] == ["before", "after"]


def test_geminis_folder_is_the_noted_one_or_the_one_whose_hash_it_is(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    wanted = sha256(str(project).encode()).hexdigest()
    for name in (wanted, "noted"):
        chats = tmp_path / ".gemini" / "tmp" / name / "chats"
        chats.mkdir(parents=True)
        (chats / "one.json").write_bytes(chat('"go"', more=f'"projectHash": "{wanted}", '))
        (chats.parent / "other.json").write_bytes(b"{}")
    (tmp_path / ".gemini" / "tmp" / "noted" / ".project_root").write_text("/noted/folder\n")
    places = Places(str(tmp_path), {}, (str(tmp_path), str(project)))
    files = list(FORMATS["gemini"].files(places))
    assert [Path(file).name for file in files] == ["one.json"] * 2
    folders = {one.folder for file in files for one in FORMATS["gemini"].document(file, Path(file).read_bytes()).seen}
    assert folders == {str(project), "/noted/folder"}
    list(FORMATS["gemini"].files(Places(str(tmp_path), {})))
    (file,) = (file for file in files if wanted in file)
    assert [one.folder for one in FORMATS["gemini"].document(file, Path(file).read_bytes()).seen] == [None]


@pytest.mark.parametrize("part", [{"type": "text", "text": None}, {"type": "text", "text": 5}, {"type": "text"}, 7])
def test_a_part_that_holds_no_text_adds_none_to_what_was_typed(part: Any) -> None:
    parts = [part, {"type": "text", "text": "go"}, {"type": "text", "text": "context", "synthetic": True}]
    user = {"info": {"id": "msg_1", "role": "user", "time": {"created": AT_MS}}, "parts": parts}
    assert prompts(document("opencode", opencode({}, user))[0]) == ["go"]
    alone = {**user, "parts": [part, parts[2]]}
    assert prompts(document("opencode", opencode({}, alone))[0]) == []


@pytest.mark.parametrize(
    ("ids", "conversation"),
    [
        ({"id": "ses_1", "parentID": "ses_0"}, "ses_0"),
        ({"id": "ses_1", "parentID": "ses_1"}, "ses_1"),
        ({"id": "ses_1", "parentID": None}, "ses_1"),
        ({"id": "ses_1", "parentID": "blanked"}, "ses_1"),
        ({"id": "blanked", "parentID": "blanked"}, "file"),
        ({"id": 5, "parentID": []}, "file"),
    ],
)
def test_opencodes_conversation_is_its_parents_only_when_both_ids_can_be_believed(
    ids: dict[str, Any], conversation: str
) -> None:
    user = {"info": {"id": "msg_1", "role": "assistant", "time": {"created": AT_MS}}, "parts": []}
    seen, _ = document("opencode", opencode(ids, user), "/t/file.json")
    assert [one.conversation for one in seen] == [conversation]


# --- SpecStory --------------------------------------------------------------------------------------------------------

HEADER = "<!-- Generated by SpecStory -->\n\n<!-- Claude Code Session 0c6f4d1e-2222 (2026-03-02 10:00:00Z) -->\n\n"


def history(text: str, path: str = "/p/.specstory/history/2026-03-02_10-00-00Z-x.md") -> list[Any]:
    seen, problems = document("specstory", (HEADER + text).encode(), path)
    assert problems == []
    return [(one.kind, one.at, one.text, one.model) for one in seen]


def test_a_heading_that_is_quoted_in_code_begins_no_turn() -> None:
    quoted = "look:\n```md\n_**User (2026-03-02 09:00:00Z)**_\n\nquoted\n\n---\n```\nwhat is it?"
    assert history(f"_**User (2026-03-02 10:00:00Z)**_\n\n{quoted}\n\n---\n") == [("prompt", AT_MS, quoted, None)]


def test_only_the_line_that_ends_a_turn_is_left_out_of_it() -> None:
    turns = history("_**User**_\n\na table ---\n\n---\n\n_**Agent**_\n\nends with a----\n\n---\n\n_**User**_\n\nb---\n")
    assert [text for _, _, text, _ in turns] == ["a table ---", "ends with a----", "b---"]


def test_a_word_of_the_formats_own_in_a_text_does_not_swallow_what_follows() -> None:
    text = "the line\n<tool-use>\nis what I mean"
    assert history(f"_**User**_\n\n{text}\n\n---\n")[0][2] == text


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("2026-03-02 10:00:05Z", AT_MS + 5_000),
        ("2026-03-02 10:00Z", AT_MS),
        ("2026-03-02 10:00:05", AT_MS + 5_000),
        ("2026-03-02T10:00:05 UTC", AT_MS + 5_000),
        ("2026-03-02 05:00:05-0500", AT_MS + 5_000),
        ("2026-03-02 12:00:05+02:00", AT_MS + 5_000),
        ("2026-13-02 10:00:05Z", AT_MS),
        ("no time", AT_MS),
    ],
)
def test_a_turns_time_is_utc_unless_it_names_a_zone_and_that_of_the_turn_before_when_it_has_none(
    told: str, at: int
) -> None:
    assert history(f"_**User ({told})**_\n\ngo\n\n---\n") == [("prompt", at, "go", None)]


@pytest.mark.parametrize(
    "told", ["some-model 2026-03-02 10:00:00Z", "some-model 2026-03-02 05:00:00-0500", "some-model"]
)
def test_the_model_of_an_answer_stands_before_its_time(told: str) -> None:
    assert history(f"_**Agent ({told})**_\n\nyes\n\n---\n") == [("answer", AT_MS, "yes", "some-model")]


@pytest.mark.parametrize(
    ("name", "at"),
    [("2026-03-02_10-00-05Z-x.md", AT_MS + 5_000), ("2026-03-02_10-00Z.md", AT_MS), ("notes.md", None)],
)
def test_a_history_without_a_header_has_the_time_of_its_name_or_is_named(name: str, at: int | None) -> None:
    seen, problems = document("specstory", b"_**User**_\n\ngo\n", f"/p/.specstory/history/{name}")
    assert [one.at for one in seen] == ([] if at is None else [at])
    assert problems == (["has no time"] if at is None else [])


def test_copies_and_later_stages_of_a_history_tell_nothing_twice(home: Path, project: Path) -> None:
    folder = project / ".specstory" / "history"
    folder.mkdir(parents=True)
    text = HEADER + "_**User (2026-03-02 10:00:00Z)**_\n\ngo\n\n---\n\n"
    for name in ("a", "b"):
        (folder / f"2026-03-02_10-00-00Z-{name}.md").write_text(text)
    (folder / "2026-03-02_10-00-00Z.md").write_text(text + "_**Agent (m 2026-03-02 10:01:00Z)**_\n\nyes\n\n---\n")
    files = list(FORMATS["specstory"].files(Places(str(home), {}, (str(project),))))
    assert sorted(take("specstory", Path(file)).turns for file in files) == [0, 1, 1]


def test_a_history_of_a_hostile_repository_cannot_stop_the_import(home: Path) -> None:
    path = place(home, "specstory")
    path.write_text("<!--" + " " * 20_000 + "\n" + HEADER + "_**User**_\n\ngo\n")
    done = kioku("import", "specstory", str(path), "--json", cwd=home)  # what takes forever is a failure here
    assert json.loads(done.stdout)["turns"] == 1


def test_a_path_of_a_conversation_whose_folder_nobody_knows_stays_as_it_was_told() -> None:
    keeper = Keeper("gemini", TRANSCRIPT, ())
    for path, kept in (("docs/blue.md", "docs/blue.md"), ("./a", "a"), ("/p/b", "/p/b")):
        call = Seen(conversation="g", at=AT_MS, kind="call", id="k", tool="edit", touches=(Touch(path, edit=True),))
        (report,) = keeper.keep(call).reports
        assert report.path == kept


def test_opencodes_calls_whose_ids_are_blanked_out_stay_as_many_as_they_are() -> None:
    def part(id: str, path: str) -> dict[str, Any]:
        state = {"status": "completed", "input": {"filePath": path}, "time": {"start": AT_MS, "end": AT_MS + 9}}
        return {"id": id, "type": "tool", "callID": "GONE", "tool": "read", "state": state}

    messages = [
        {"info": {"id": id, "role": "assistant", "time": {"created": AT_MS}}, "parts": parts}
        for id, parts in (
            ("msg_1", [part("prt_1", "/p/a"), part("GONE", "/p/b")]),
            ("GONE", [part("GONE", "/p/c"), part("GONE", "/p/d")]),
        )
    ]
    told = document("opencode", opencode({"id": "GONE"}, *messages), path="/t/one.json")[0]
    other = document("opencode", opencode({"id": "GONE"}, *messages[1:]), path="/t/two.json")[0]
    calls = [one for one in (*told, *other) if one.kind == "call"]
    assert len({one.id for one in calls}) == len(calls) == 6
    ends = [one.id for one in (*told, *other) if one.kind == "call_end"]
    assert ends == [one.id for one in calls]
