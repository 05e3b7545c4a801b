"""What each client's transcript tells, and what it does not: made-up files with the traps that real ones have."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioku.capture.seen import Seen, Touch
from kioku.capture.transcripts.formats import FORMATS, recognise
from kioku.capture.transcripts.reading import BadLineError

AT = "2026-03-02T10:00:00.000Z"
AT_MS = 1_772_445_600_000


def read(client: str, *lines: Any, path: str = "/t/one.jsonl") -> tuple[list[Seen], list[tuple[int, str]]]:
    """Read lines, given as bytes, text or what becomes JSON; return what they tell, and the bad ones."""
    reader = FORMATS[client].reader(path, {})
    seen: list[Seen] = []
    bad: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        data = line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
        try:
            seen.extend(reader.read(data))
        except BadLineError as error:
            bad.append((number, str(error)))
    return seen, bad


def document(client: str, content: Any, path: str = "/t/x/chats/one.json") -> tuple[list[Seen], list[str]]:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    found = FORMATS[client].document(path, data)
    return list(found.seen), [reason for _, reason in found.problems]


def prompts(seen: list[Seen]) -> list[str | None]:
    return [one.text for one in seen if one.kind == "prompt"]


# --- Claude Code ------------------------------------------------------------------------------------------------------


def claude(kind: str, content: Any, *, message: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    role = {"role": kind, "content": content, **(message or {})}
    return {"type": kind, "uuid": "u1", "sessionId": "s1", "timestamp": AT, "cwd": "/p", "message": role, **more}


def test_claudes_prompts_are_what_a_person_typed() -> None:
    told = [
        claude("user", "mend it"),
        claude("user", [{"type": "text", "text": "in a block"}]),
        claude("user", [{"type": "tool_result", "tool_use_id": "t1", "content": "a file"}]),
        claude("user", "a reminder", isMeta=True),
        claude("user", "This session is continued from …", isCompactSummary=True),
        claude("user", "for a sub-agent", isSidechain=True),
        claude("user", "<system-reminder>be good</system-reminder>"),
        claude("user", "<command-name>/review</command-name><command-args>the diff</command-args>"),
        claude("user", "<local-command-stdout>output</local-command-stdout>after"),
        claude("user", "[Request interrupted by user]"),
        {"type": "summary", "summary": "a title", "leafUuid": "u1"},
        {"type": "file-history-snapshot", "snapshot": {}},
    ]
    seen, bad = read("claude", *told)
    assert bad == []
    assert prompts(seen) == ["mend it", "in a block", "/review the diff", "after"]
    assert [one.kind for one in seen if one.kind != "prompt"] == ["call_end", "turn_end"]


def test_what_a_sub_agent_did_is_taken_from_its_parents_transcript_too_and_told_once() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "/p/a"}}
    own = claude("assistant", [{"type": "text", "text": "I look."}, use], isSidechain=True,
        message={"id": "m1", "model": "small", "usage": {"input_tokens": 3}}, requestId="r1")  # fmt: skip
    asked = claude("user", "look into it", isSidechain=True)
    told = [
        {"type": "progress", "uuid": f"p{number}", "sessionId": "s1", "timestamp": AT, "cwd": "/p",
         "data": {"type": "agent_progress", "agentId": "a1", "message": {
             name: one[name] for name in ("type", "uuid", "message", "requestId", "timestamp") if name in one}}}
        for number, one in enumerate((asked, own))
    ]  # fmt: skip
    within, bad = read("claude", *told, {**told[0], "data": {"type": "bash_progress", "output": "x"}})
    alone, _ = read("claude", asked, own)
    assert bad == []
    assert within == [msgspec.structs.replace(one, text=None) for one in alone]
    assert [one.kind for one in within] == ["answer", "call"]


@pytest.mark.parametrize("data", [None, [], {}, {"type": "agent_progress"}, {"type": "agent_progress", "message": 5}])
def test_a_line_of_progress_that_tells_nothing_is_no_mistake(data: Any) -> None:
    assert read("claude", {"type": "progress", "sessionId": "s1", "data": data}) == ([], [])


def test_claudes_usage_is_repeated_and_has_one_id() -> None:
    tokens = {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 6}
    message = {"id": "msg_1", "model": "some-model", "usage": tokens}
    text = [{"type": "text", "text": "a"}]
    lines = [claude("assistant", text, message=message, requestId="r", uuid=f"u{number}") for number in (1, 2)]
    seen, _ = read("claude", *lines)
    found = [one.usage for one in seen if one.usage is not None]
    assert len({use.id for use in found}) == 1
    assert (found[0].input, found[0].output, found[0].cache_read, found[0].cache_write) == (3, 4, 5, 6)
    synthetic = claude("assistant", "API error", message={"id": "m", "model": "<synthetic>", "usage": tokens})
    assert read("claude", synthetic)[0][0].usage is None


@pytest.mark.parametrize(
    ("tool", "given", "touches"),
    [
        ("Read", {"file_path": "/p/a.py"}, (Touch("/p/a.py", edit=False),)),
        ("Edit", {"file_path": "/p/a.py", "old_string": "x"}, (Touch("/p/a.py", edit=True),)),
        ("Write", {"file_path": "C:\\p\\a.py", "content": "x"}, (Touch("C:\\p\\a.py", edit=True),)),
        ("NotebookEdit", {"notebook_path": "/p/n.ipynb"}, (Touch("/p/n.ipynb", edit=True),)),
        ("Bash", {"command": "ls -la"}, ()),
        ("Edit", {"file_path": 7}, ()),
        ("Edit", None, ()),
        ("Edit", [1, 2], ()),
    ],
)
def test_claudes_calls_name_the_files_they_touch(tool: str, given: Any, touches: tuple[Touch, ...]) -> None:
    seen, bad = read("claude", claude("assistant", [{"type": "tool_use", "id": "t1", "name": tool, "input": given}]))
    assert bad == []
    (call,) = [one for one in seen if one.kind == "call"]
    assert (call.id, call.tool, call.touches, call.folder) == ("t1", tool, touches, "/p")


def test_each_line_of_claudes_says_where_it_was() -> None:
    lines = [claude("user", "a", cwd="/p/one"), claude("user", "b", cwd="/p/two", gitBranch="side", version="2.1")]
    seen, _ = read("claude", *lines)
    assert [(one.folder, one.branch, one.version) for one in seen] == [
        ("/p/one", None, None),
        ("/p/two", "side", "2.1"),
    ]


BROKEN: list[tuple[bytes, str | None, int]] = [
    (b'{"type": "user"', "is no JSON", 0),
    (b"not json at all", "is no JSON", 0),
    (b"\x00\xff\xfe", "is no JSON", 0),
    (b"[" * 100_000, "is no JSON", 0),
    (b"[1, 2]", "is no object", 0),
    (b"", None, 0),
    (b"   ", None, 0),
    (json.dumps(claude("user", "x", timestamp=None)).encode(), "has no time", 0),
    (json.dumps(claude("user", "x", timestamp="tomorrow")).encode(), "has no time", 0),
    (json.dumps(claude("user", "x", sessionId=None)).encode(), "names no conversation", 0),
    (json.dumps(claude("user", "x", sessionId="s" * 500)).encode(), "names no conversation", 0),
    (json.dumps(claude("user", "x")).encode() * 2, "holds two objects", 2),
    (b"\xef\xbb\xbf" + json.dumps(claude("user", "x")).encode(), None, 1),
    (json.dumps(claude("user", "x")).encode() + b"\x00\x00", None, 1),
    (json.dumps(claude("user", "x", extra=float("nan"))).encode(), None, 1),
    (json.dumps(claude("user", "x", extra=10**400)).encode(), None, 1),
    (json.dumps(claude("user", "\ud800 lone")).encode(), None, 1),
    (json.dumps(claude("user", "x", version=7, isMeta="no", gitBranch=[])).encode(), None, 1),
    (b'{"deep": ' + b'{"a":' * 90 + b"1" + b"}" * 90 + b"," + json.dumps(claude("user", "x")).encode()[1:], None, 1),
    (json.dumps(claude("user", "x" * 2_000_000)).encode(), None, 1),
]


@pytest.mark.parametrize(("line", "reason", "told"), BROKEN, ids=lambda value: None)
def test_a_line_that_is_not_as_it_should_be_is_named_and_harms_no_neighbour(
    line: bytes, reason: str | None, told: int
) -> None:
    seen, bad = read("claude", claude("user", "before"), line, claude("user", "after"))
    assert bad == ([] if reason is None else [(2, reason)])
    assert len(prompts(seen)) == 2 + told
    assert (prompts(seen)[0], prompts(seen)[-1]) == ("before", "after")


# --- Codex ------------------------------------------------------------------------------------------------------------


def codex(kind: str, payload: Any, at: str = AT) -> dict[str, Any]:
    return {"timestamp": at, "type": kind, "payload": payload}


META = codex("session_meta", {"id": "c1", "cwd": "/p", "cli_version": "0.169.0", "git": {"branch": "main"}})


def test_codex_text_that_stands_in_two_kinds_of_lines_is_told_once() -> None:
    seen, bad = read(
        "codex", META,
        codex("response_item", {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]}),
        codex("event_msg", {"type": "user_message", "message": "go"}),
        codex("response_item", {"type": "message", "role": "assistant", "content": [{"text": "yes"}]}),
        codex("event_msg", {"type": "agent_message", "message": "yes"}),
    )  # fmt: skip
    assert bad == []
    assert [(one.kind, one.text) for one in seen] == [("start", None), ("prompt", "go"), ("answer", "yes")]
    assert {(one.conversation, one.folder, one.branch, one.version) for one in seen} == {
        ("c1", "/p", "main", "0.169.0")
    }


def test_codex_patches_name_their_files() -> None:
    patch = (
        "*** Begin Patch\n*** Add File: new.py\n+x\n*** Update File: a.py\n*** Move to: b.py\n@@\n"
        "*** Delete File: c.py\n*** End Patch"
    )
    shell = json.dumps({"command": ["apply_patch", patch]})
    for payload in (
        {"type": "custom_tool_call", "call_id": "k", "name": "apply_patch", "input": patch},
        {"type": "function_call", "call_id": "k", "name": "apply_patch", "arguments": json.dumps({"input": patch})},
        {"type": "function_call", "call_id": "k", "name": "shell", "arguments": shell},
    ):
        seen, _ = read("codex", META, codex("response_item", payload))
        assert {touch.path for touch in seen[1].touches} >= {"new.py", "a.py", "c.py"}, payload
        assert all(touch.edit for touch in seen[1].touches)


def test_codex_tells_a_count_of_tokens_again_when_nothing_was_added() -> None:
    info = {"last_token_usage": {"input_tokens": 5, "output_tokens": 6}, "total_token_usage": {"total_tokens": 11}}
    lines = [codex("event_msg", {"type": "token_count", "info": info}) for _ in range(2)]
    seen, _ = read("codex", META, *lines, codex("event_msg", {"type": "token_count", "info": None}))
    assert len({one.usage.id for one in seen if one.usage}) == 1


def test_a_codex_sub_agent_belongs_to_the_conversation_that_started_it() -> None:
    source = {"subagent": {"thread_spawn": {"parent_thread_id": "c0", "depth": 1}}}
    seen, _ = read("codex", codex("session_meta", {"id": "c9", "cwd": "/p", "source": source}))
    assert seen[0].conversation == "c0"


@pytest.mark.parametrize("arguments", ["{broken", "[]", "null", 7, None, '{"command": 5}'])
def test_codex_arguments_that_are_none_make_a_call_without_files(arguments: Any) -> None:
    payload = {"type": "function_call", "call_id": "k", "name": "read", "arguments": arguments}
    seen, bad = read("codex", META, codex("response_item", payload), codex("event_msg", {"type": "task_complete"}))
    assert bad == []
    assert [(one.kind, one.touches) for one in seen[1:]] == [("call", ()), ("turn_end", ())]


@pytest.mark.parametrize(
    ("payload", "tool"),
    [
        ({"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}, "web_search"),
        ({"type": "tool_search_call", "call_id": "k", "arguments": {"query": "q"}}, "tool_search"),
        ({"type": "local_shell_call", "call_id": "k", "action": {"command": ["ls"]}}, "shell"),
    ],
)
def test_codex_calls_of_tools_that_their_lines_do_not_name_are_calls_too(payload: dict[str, Any], tool: str) -> None:
    again = codex("response_item", payload, "2026-03-02T10:01:00Z")
    seen, bad = read("codex", META, codex("response_item", payload), again)
    assert (bad, [one.tool for one in seen[1:]]) == ([], [tool, tool])
    assert len({one.id for one in seen[1:]}) == (1 if "call_id" in payload else 2)


# --- Copilot, Gemini, OpenCode, SpecStory -----------------------------------------------------------------------------


def test_copilots_events_tell_prompts_answers_and_calls() -> None:
    def event(kind: str, **data: Any) -> dict[str, Any]:
        return {"type": kind, "id": f"id-{kind}", "timestamp": AT, "data": data}

    seen, bad = read(
        "copilot",
        event("session.start", sessionId="c1", copilotVersion="1.0", context={"cwd": "/p", "branch": "main"}),
        event("user.message", content="go"),
        event("assistant.message", messageId="m", content="yes", outputTokens=9),
        event("tool.execution_start", toolCallId="k", toolName="edit", arguments={"path": "/p/a.py"}),
        event("tool.execution_complete", toolCallId="k", success=False),
        event("assistant.turn_start"), event("session.shutdown"),
    )  # fmt: skip
    assert bad == []
    assert [one.kind for one in seen] == ["start", "prompt", "answer", "call", "call_end", "turn_end"]
    assert {(one.conversation, one.folder, one.branch) for one in seen} == {("c1", "/p", "main")}
    assert seen[2].usage is not None
    assert seen[2].usage.output == 9
    assert (seen[3].touches, seen[4].ok) == ((Touch("/p/a.py", edit=True),), False)


def test_geminis_chats_hold_calls_inside_of_answers() -> None:
    call = {"id": "k", "name": "write_file", "args": {"file_path": "/p/a.py"}, "status": "success", "timestamp": AT}
    messages = [
        {"id": "1", "timestamp": AT, "type": "user", "content": "go"},
        {"id": "2", "timestamp": AT, "type": "gemini", "content": "", "toolCalls": [call, 5, {"name": 7}], "model": "g",
         "tokens": {"input": 1, "output": 2, "cached": 3}},
        {"id": "3", "timestamp": AT, "type": "gemini", "content": [{"text": "done"}]},
        {"id": "4", "type": "user", "content": "no time"}, "text", {"id": "5", "timestamp": AT, "type": "info"},
    ]  # fmt: skip
    seen, problems = document("gemini", {"sessionId": "g1", "projectHash": "0" * 64, "messages": messages})
    assert [one.kind for one in seen] == ["prompt", "answer", "call", "answer", "turn_end"]
    assert seen[2].touches == (Touch("/p/a.py", edit=True),)
    assert problems == ["message 4 has no time", "message 5 is no object"]


def test_input_has_nothing_of_the_cache_and_output_has_the_thoughts_whichever_way_a_client_counts() -> None:
    info = {"last_token_usage": {"input_tokens": 9, "cached_input_tokens": 7, "output_tokens": 5,
        "reasoning_output_tokens": 3}, "total_token_usage": {"total_tokens": 14}}  # fmt: skip
    tokens = {"input": 8, "tool": 1, "cached": 7, "output": 2, "thoughts": 3, "total": 14}
    chat = {"sessionId": "g1", "messages": [{"id": "2", "timestamp": AT, "type": "gemini", "tokens": tokens}]}
    told = [*read("codex", META, codex("event_msg", {"type": "token_count", "info": info}))[0]]
    told += document("gemini", chat)[0]
    found = [(one.usage.input, one.usage.output, one.usage.cache_read) for one in told if one.usage]
    assert found == [(2, 5, 7)] * 2


def opencode(info: dict[str, Any], *messages: Any) -> dict[str, Any]:
    return {"info": {"id": "ses_1", "directory": "/p", "version": "1", **info}, "messages": list(messages)}


def test_opencodes_times_are_ms_and_a_child_belongs_to_its_parent() -> None:
    state = {"status": "completed", "input": {"filePath": "/p/a.py"}, "time": {"start": AT_MS + 5, "end": AT_MS + 9}}
    user = {"info": {"id": "msg_1", "role": "user", "time": {"created": AT_MS}}, "parts": [
        {"type": "text", "text": "go"}, {"type": "text", "text": "context", "synthetic": True}]}  # fmt: skip
    answer = {"info": {"id": "msg_2", "role": "assistant", "time": {"created": AT_MS + 1}, "finish": "stop",
        "tokens": {"input": 1, "output": 2, "cache": {"read": 3, "write": 4}}},
        "parts": [{"type": "tool", "callID": "k", "tool": "edit", "state": state}]}  # fmt: skip
    seen, problems = document("opencode", opencode({}, user, answer, 5, {"info": {"role": "user"}}))
    assert [(one.kind, one.at) for one in seen] == [
        ("prompt", AT_MS), ("answer", AT_MS + 1), ("call", AT_MS + 5), ("call_end", AT_MS + 9), ("turn_end", AT_MS + 9),
    ]  # fmt: skip
    assert prompts(seen) == ["go"]
    assert problems == ["message 3 is no message", "message 4 has no time"]
    child, _ = document("opencode", opencode({"id": "ses_2", "parentID": "ses_1"}, user, answer))
    assert {one.conversation for one in child} == {"ses_1"}
    assert "prompt" not in {one.kind for one in child}
    blanked = opencode({"id": "redacted", "parentID": "redacted"}, user, answer)
    blank, _ = document("opencode", blanked, "/t/file-a.json")
    assert {one.conversation for one in blank} == {"file-a"}
    assert "prompt" not in {one.kind for one in blank}, "a sub-agent's is one whoever its parent is"


HISTORY = """<!-- Generated by SpecStory -->
<!-- Cursor Session 0c6f4d1e-1111 (2026-03-02 10:00:00Z) -->

# A title

_**User (2026-03-02 10:00:00Z)**_

please write
---
title: this
---
to the file

---

_**Agent (some-model 2026-03-02 10:01:00Z)**_

I shall.

<tool-use data-tool-type="write" data-tool-name="Write">
<summary>Tool use: **Write** • `src/a.py`</summary>
the output
</tool-use>

Done.

---
"""


def test_specstorys_turns_are_divided_by_their_headings_and_not_by_rules_in_the_text() -> None:
    path = "/p/.specstory/history/2026-03-02_10-00Z-x.md"
    seen, problems = document("specstory", HISTORY.encode(), path)
    assert problems == []
    assert [(one.kind, one.at, one.text) for one in seen] == [
        ("prompt", AT_MS, "please write\n---\ntitle: this\n---\nto the file"),
        ("answer", AT_MS + 60_000, "I shall.\n\n\nDone."),
        ("call", AT_MS + 60_000, None),
    ]
    assert {(one.conversation, one.folder) for one in seen} == {("0c6f4d1e-1111", "/p")}
    assert (seen[1].model, seen[2].touches) == ("some-model", (Touch("src/a.py", edit=True),))
    later, _ = document("specstory", HISTORY.encode() + b"\n_**User**_\n\nmore\n", path)
    assert later[: len(seen)] == seen


@pytest.mark.parametrize("client", ["gemini", "opencode", "specstory"])
@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"5", b'"x"', b"\xff\xfe", b"{}", b'{"messages": 5}',
        b'{"info": [], "messages": {}}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_document_that_is_none_is_named(client: str, content: bytes) -> None:
    seen, problems = document(client, content)
    assert seen == []
    assert len(problems) == 1


# --- anything at all --------------------------------------------------------------------------------------------------

GOOD = {
    "claude": [
        claude("user", "go"), claude("assistant", [{"type": "tool_use", "id": "t", "name": "Edit", "input": {}}]),
    ],
    "codex": [META, codex("event_msg", {"type": "user_message", "message": "go"})],
    "copilot": [{"type": "user.message", "id": "i", "timestamp": AT, "data": {"content": "go"}}],
    "gemini": {"sessionId": "g", "messages": [{"id": "1", "timestamp": AT, "type": "user", "content": "go"}]},
    "opencode": opencode({}, {"info": {"id": "msg_1", "role": "user", "time": {"created": AT_MS}}, "parts": []}),
}  # fmt: skip

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def changed(value: Any, place: st.DataObject) -> Any:
    """Return a value of which some part is another one."""
    if isinstance(value, dict) and value and place.draw(st.integers(0, 3)):
        key = place.draw(st.sampled_from(sorted(value)))
        return {**value, key: changed(value[key], place)}
    if isinstance(value, list) and value and place.draw(st.integers(0, 3)):
        index = place.draw(st.integers(0, len(value) - 1))
        return [*value[:index], changed(value[index], place), *value[index + 1 :]]
    return place.draw(values)


def take(client: str, data: bytes) -> None:
    form = FORMATS[client]
    if form.is_lines:
        seen, bad = read(client, *data.split(b"\n"))
        assert all(number >= 1 and reason for number, reason in bad)
    else:
        found = form.document("/t/chats/one.json", data)
        seen = list(found.seen)
        assert all(reason for _, reason in found.problems)
    assert all(one.at > 0 and one.conversation for one in seen)


@pytest.mark.parametrize("client", FORMATS)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception(client: str, data: bytes) -> None:
    take(client, data)
    recognise("/t/one.jsonl", data)
    recognise("/t/one.md", data)


@pytest.mark.parametrize("client", GOOD)
@given(place=st.data())
def test_a_member_of_any_other_type_is_read_without_an_exception(client: str, place: st.DataObject) -> None:
    good = GOOD[client]
    if isinstance(good, list):
        take(client, b"\n".join(json.dumps(changed(line, place)).encode() for line in good))
    else:
        take(client, json.dumps(changed(good, place)).encode())


@pytest.mark.parametrize("client", [*GOOD, "specstory"])
@given(place=st.data())
def test_damage_at_any_byte_is_read_without_an_exception(client: str, place: st.DataObject) -> None:
    good = GOOD.get(client)
    if good is None:
        data = HISTORY.encode()
    else:
        data = b"\n".join(json.dumps(line).encode() for line in (good if isinstance(good, list) else [good]))
    for _ in range(place.draw(st.integers(1, 4))):
        at = place.draw(st.integers(0, len(data)))
        data = data[:at] + place.draw(st.binary(max_size=3)) + data[at + place.draw(st.integers(0, 5)) :]
    take(client, data)
