"""What each client's hook events tell, whatever words it uses."""

from typing import Any

import pytest

from kioku.capture import events
from kioku.capture.seen import Touch
from kioku.capture.spool import Record


def told(event: dict[str, Any], client: str = "claude") -> Record:
    return Record(id="r", at=5, client=client, root="/p", cwd="/p/sub", event={"session": "one", **event})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SessionStart", "start"), ("sessionStart", "start"), ("SessionEnd", "end"), ("UserPromptSubmit", "prompt"),
        ("beforeSubmitPrompt", "prompt"), ("BeforeAgent", "prompt"), ("Stop", "turn_end"), ("AfterAgent", "turn_end"),
        ("stop", "turn_end"), ("PreCompact", "event"), ("PreCompress", "event"), ("SubagentStop", "event"),
        ("Notification", "event"), ("SomethingNew", "event"),
    ],
)  # fmt: skip
def test_every_spelling_of_an_event_means_the_same(name: str, kind: str) -> None:
    (seen,) = events.seen(told({"name": name}))
    assert (seen.kind, seen.conversation, seen.at, seen.folder) == (kind, "one", 5, "/p/sub")


@pytest.mark.parametrize(
    ("before", "after"), [("PreToolUse", "PostToolUse"), ("preToolUse", "postToolUse"), ("BeforeTool", "AfterTool")]
)
def test_a_call_is_told_twice_under_one_id(before: str, after: str) -> None:
    event = {"tool": "Edit", "call": "toolu_1", "input": {"file_path": "/p/a.py"}}
    (start,) = events.seen(told({"name": before, **event}))
    (end,) = events.seen(told({"name": after, **event, "ok": False}))
    assert (start.kind, end.kind, start.id, end.id) == ("call", "call_end", "toolu_1", "toolu_1")
    assert start.touches == end.touches == (Touch("/p/a.py", edit=True),)
    assert (start.ok, end.ok) == (None, False)


def test_a_call_without_an_id_counts_once_it_is_over() -> None:
    event = {"tool": "write_file", "input": {"file_path": "/p/a.py"}}
    (start,) = events.seen(told({"name": "BeforeTool", **event}, "gemini"))
    (end,) = events.seen(told({"name": "AfterTool", **event}, "gemini"))
    assert (start.kind, end.kind, end.id) == ("event", "call_end", None)


@pytest.mark.parametrize(
    ("name", "input", "tool"),
    [("afterFileEdit", {"file_path": "/p/a"}, "Edit"), ("afterShellExecution", {"command": "ls"}, "Shell")],
)
def test_cursors_events_without_a_tool_are_calls(name: str, input: dict[str, str], tool: str) -> None:  # noqa: A002
    (seen,) = events.seen(told({"name": name, "input": input}, "cursor"))
    assert (seen.kind, seen.tool, seen.id) == ("call_end", tool, None)


def test_a_sub_agents_prompt_and_end_are_not_the_persons() -> None:
    for name in ("UserPromptSubmit", "Stop", "SessionStart", "SessionEnd"):
        (seen,) = events.seen(told({"name": name, "agent": "a1", "prompt": "x"}))
        assert (seen.kind, seen.text, seen.conversation) == ("event", None, "one")
    (call,) = events.seen(told({"name": "PostToolUse", "agent": "a1", "tool": "Read", "call": "toolu_2"}))
    assert (call.kind, call.conversation) == ("call_end", "one")


def test_what_the_conversation_began_and_ended_with_is_kept() -> None:
    assert events.seen(told({"name": "SessionStart", "why": "clear"}))[0].detail == "clear"
    assert events.seen(told({"name": "SessionEnd", "why": "logout"}))[0].detail == "logout"
    assert events.seen(told({"name": "Stop", "said": "done"}))[0].text == "done"


@pytest.mark.parametrize(
    "event", [{"session": None}, {"session": ""}, {"session": 5}, {"session": "x" * 300}, {"session": "a\nb"}]
)
def test_an_event_that_names_no_conversation_tells_nothing(event: dict[str, Any]) -> None:
    assert events.seen(told({"name": "Stop", **event})) == []


@pytest.mark.parametrize("value", [None, 5, [], {}, True, "x" * 10_000, "\x1b[31m"])
def test_fields_of_any_type_do_no_harm(value: Any) -> None:
    names = ("name", "tool", "call", "agent", "why", "prompt", "said", "model", "input", "ok")
    for kind in ("PostToolUse", "SessionStart", "Stop", "Strange"):
        for name in names:
            events.seen(told({"name": kind, name: value}))


def test_patches_tell_of_every_file() -> None:
    text = "*** Begin Patch\n*** Update File: a.py\n*** Add File: b.py\n*** End Patch"
    (seen,) = events.seen(told({"name": "PostToolUse", "tool": "apply_patch", "call": "c", "input": text}, "codex"))
    assert seen.touches == (Touch("a.py", edit=True), Touch("b.py", edit=True))
