"""Whole files through the importer: read in pieces or at once, however they are written, with whatever is in them."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kioku.capture.importing import Importer, Outcome, Wish
from kioku.capture.stores import opened
from kioku.capture.transcripts import lines
from kioku.capture.transcripts.formats import FORMATS
from tests.capture.test_import import everything, line, own
from tests.capture.test_readers import AT_MS, GOOD, HISTORY, META, codex, opencode

LINE_CLIENTS = ("claude", "codex", "copilot")
FEW = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def anew() -> Iterator[Path]:
    """Give an empty home folder, for what must not meet the rows of an earlier example."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", folder)
        patch.setenv("USERPROFILE", folder)
        yield Path(folder)


def place(home: Path, client: str) -> Path:
    """Return where a transcript of a client's lies."""
    names = {"copilot": "c1/events.jsonl", "gemini": "x/chats/one.json", "opencode": "one.json", "specstory": "one.md"}
    path = home / "transcripts" / names.get(client, "one.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def take(client: str, path: Path | str) -> Outcome:
    with opened() as stores:
        importer = Importer(stores, Wish())
        importer.take(FORMATS[client], str(path))
        return importer.finish()


def rows_of(home: Path) -> list[Any]:
    return everything(own(home)) if own(home).exists() else []


def at_once(client: str, data: bytes) -> tuple[list[Any], list[tuple[int | None, str]]]:
    with anew() as home:
        path = place(home, client)
        path.write_bytes(data)
        skipped = [(one.line, one.reason) for one in take(client, path).skipped]
        return rows_of(home), skipped


def event(kind: str, number: int = 0, **data: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"event-{number}", "timestamp": f"2026-03-02T10:00:{number % 60:02}Z", "data": data}


# --- lines that a file is made of -------------------------------------------------------------------------------------


def claude_line(number: int) -> str:
    return line(number, "/gone/away", minute=number // 2)


def codex_line(number: int) -> str:
    at = f"2026-03-02T10:{number // 4:02}:00Z"  # several lines have one time
    call = f"call-with-a-long-id-{number // 4:06}"
    usage = {"last_token_usage": {"input_tokens": 3}, "total_token_usage": {"total_tokens": number // 4}}
    if number == 0:
        return json.dumps(META)
    kinds: list[dict[str, Any]] = [
        {"type": "user_message", "message": f"please do {number}"},
        {"type": "agent_message", "message": f"done {number}"},
        {"type": "token_count", "info": usage},
        {"type": "exec_command_end", "call_id": call, "success": True},
    ]
    if number % 5 == 4:
        payload = {"type": "function_call", "call_id": call, "name": "read", "arguments": '{"path": "/p/a.py"}'}
        return json.dumps(codex("response_item", payload, at))
    return json.dumps(codex("event_msg", kinds[number % 5], at))


def copilot_line(number: int) -> str:
    if number == 0:
        return json.dumps(event("session.start", sessionId="c1", context={"cwd": "/gone/away"}))
    kinds = [
        event("user.message", number, content=f"please do {number}"),
        event("assistant.message", number, messageId=f"m{number}", content="I shall", outputTokens=number),
        event("tool.execution_start", number, toolCallId=f"k{number}", toolName="view", arguments={"path": "/p/a"}),
        event("tool.execution_complete", number, toolCallId=f"k{number - 1}", success=True),
    ]
    return json.dumps(kinds[number % 4])


MAKERS = {"claude": claude_line, "codex": codex_line, "copilot": copilot_line}
ODD = ("", "no json", "[]", '{"type":', "\0\0", '{"type": "unknown"}', "\ufeff", '{"a": NaN}')


@st.composite
def files(draw: st.DrawFn, client: str) -> bytes:
    """Draw a transcript: good lines in any order behind the first one, odd ones among them."""
    make = MAKERS[client]
    numbers = draw(st.permutations(range(1, draw(st.integers(3, 12)))))
    lines = [make(number) for number in (0, *numbers)]
    for odd in draw(st.lists(st.sampled_from(ODD), max_size=3)):
        lines.insert(draw(st.integers(1, len(lines))), odd)
    if draw(st.booleans()):
        lines.append(lines[1] + lines[2])
    end = draw(st.sampled_from(("\n", "\r\n")))
    return (end.join(lines) + draw(st.sampled_from((end, "")))).encode()


@pytest.mark.parametrize("client", LINE_CLIENTS)
@FEW
@given(place_of=st.data())
def test_a_file_that_is_read_while_it_grows_leaves_what_the_whole_one_leaves(
    client: str, place_of: st.DataObject
) -> None:
    data = place_of.draw(files(client))
    # Anywhere, and oftener than chance has it just before or behind a line's end.
    ends = [at + after for at, byte in enumerate(data) if byte == ord("\n") for after in (0, 1)]
    cuts = sorted(place_of.draw(st.lists(st.sampled_from(ends) | st.integers(0, len(data)), min_size=1, max_size=4)))
    expected, skipped = at_once(client, data)
    told: list[tuple[int | None, str]] = []
    with anew() as home:
        path = place(home, client)
        for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
            with path.open("ab") as stream:
                stream.write(data[start:end])
            told += [(one.line, one.reason) for one in take(client, path).skipped]
        assert rows_of(home) == expected
    lasting = [one for one in told if one[1] != "is not complete yet"]
    assert lasting == [one for one in skipped if one[1] != "is not complete yet"]


@pytest.mark.parametrize("client", LINE_CLIENTS)
@FEW
@given(place_of=st.data())
def test_lines_out_of_time_order_leave_what_ordered_ones_leave(client: str, place_of: st.DataObject) -> None:
    make = MAKERS[client]
    lines = [make(number) for number in range(12)]
    if client == "codex":  # a text's place among those of its time is its identity there: their order stays
        later = lines[1:5], lines[5:9], lines[9:]
        mixed = [lines[0], *(text for part in place_of.draw(st.permutations(later)) for text in part)]
    else:
        mixed = [lines[0], *place_of.draw(st.permutations(lines[1:]))]
    ordered, _ = at_once(client, "\n".join(lines).encode() + b"\n")
    assert at_once(client, "\n".join(mixed).encode() + b"\n") == (ordered, [])


def test_a_complete_last_line_without_a_newline_counts_once_when_its_newline_comes(home: Path) -> None:
    path = place(home, "codex")
    for end in ("", "\n"):
        path.write_text(f"{json.dumps(META)}\n{codex_line(5)}{end}")
        take("codex", path)
    (_, activities, turns, *_) = rows_of(home)
    assert [text for _, _, text, _ in turns] == ["please do 5"]
    assert [kind for _, _, kind, *_ in activities if kind == "prompt"] == ["prompt"]


# --- however a file is written ----------------------------------------------------------------------------------------

SAID = {
    "info": {"id": "msg_1", "role": "user", "time": {"created": AT_MS}},
    "parts": [{"type": "text", "text": "go"}],
}
WHOLE: dict[str, bytes] = {
    **{client: "\n".join(make(number) for number in range(9)).encode() + b"\n" for client, make in MAKERS.items()},
    "gemini": json.dumps(GOOD["gemini"], indent=1).encode() + b"\n",
    "opencode": json.dumps(opencode({}, SAID), indent=1).encode() + b"\n",
    "specstory": HISTORY.encode(),
}
WAYS = {
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "mark": lambda data: b"\xef\xbb\xbf" + data,
    "no newline": lambda data: data.rstrip(b"\n"),
    "blank lines": lambda data: b"\n \n" + data + b"\n\n",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("client", WHOLE)
def test_marks_blank_lines_and_line_ends_change_nothing(client: str, way: str) -> None:
    expected, _ = at_once(client, WHOLE[client])
    assert expected
    assert expected[2], "something was said in it"
    assert at_once(client, WAYS[way](WHOLE[client])) == (expected, [])


@pytest.mark.parametrize("client", LINE_CLIENTS)
def test_zero_bytes_that_a_crash_left_behind_a_line_cost_nothing(client: str) -> None:
    lines = WHOLE[client].split(b"\n")
    expected, _ = at_once(client, WHOLE[client])
    assert at_once(client, lines[0] + b"\0" * 512 + b"\n" + b"\n".join(lines[1:]))[0] == expected


@pytest.mark.parametrize("client", LINE_CLIENTS)
def test_an_empty_file_tells_nothing_and_is_no_mistake(client: str) -> None:
    found, skipped = at_once(client, b"")
    assert (found[1:3], skipped) == ([[], []], [])


@pytest.mark.parametrize("size", [lines.CHUNK - 300, lines.CHUNK * 2 + 7])
def test_a_line_longer_than_what_is_read_at_once_is_read_whole(home: Path, size: int) -> None:
    path = place(home, "claude")
    long = line(0, "/gone/away", message={"role": "user", "content": "long " + "x" * size})
    path.write_text("\n".join([long, line(3, "/gone/away"), "broken", line(6, "/gone/away")]) + "\n")
    outcome = take("claude", path)
    assert outcome.turns == 3
    assert [(one.line, one.reason) for one in outcome.skipped] == [(3, "is no JSON")]


def test_a_line_too_long_to_be_held_is_named_and_its_neighbours_are_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 3_000)
    monkeypatch.setattr(lines, "CHUNK", 1_000)
    path = place(home, "claude")
    long = line(1, "/gone/away", message={"role": "user", "content": "x" * 4_000})
    path.write_text("\n".join([line(0, "/gone/away"), long, line(3, "/gone/away"), "broken"]) + "\n")
    outcome = take("claude", path)
    assert outcome.turns == 2
    assert [one.line for one in outcome.skipped] == [2, 4]
    assert "is longer than" in outcome.skipped[0].reason


def test_a_line_that_grows_too_long_between_two_imports_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 3_000)
    path = place(home, "claude")
    rest = "\n".join(["y" * 500, line(0, "/gone/away"), "broken"]) + "\n"
    path.write_text("x" * 4_000)
    take("claude", path)
    with path.open("a") as stream:
        stream.write(rest)
    outcome = take("claude", path)
    assert outcome.turns == 1
    assert [one.line for one in outcome.skipped if one.reason == "is no JSON"] == [3]


def test_a_file_whose_name_is_no_utf_8_costs_no_other_file(home: Path) -> None:
    path = place(home, "claude")
    odd = os.fsdecode(os.fsencode(path.parent) + b"/\xff.jsonl")
    Path(odd).write_text(line(0, "/gone/away") + "\n")
    path.write_text(line(3, "/gone/away") + "\n")
    with opened() as stores:
        importer = Importer(stores, Wish())
        for name in (odd, str(path)):
            importer.take(FORMATS["claude"], name)
        outcome = importer.finish()
    assert outcome.turns + outcome.skipped_lines == 2
    assert ("please do thing 3",) in [(text,) for _, _, text, _ in rows_of(home)[2]]


# --- anything at all --------------------------------------------------------------------------------------------------


@st.composite
def damaged(draw: st.DrawFn, client: str) -> bytes:
    data = WHOLE[client]
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=4)) + data[at + draw(st.integers(0, 200)) :]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@pytest.mark.parametrize("client", WHOLE)
@FEW
@given(place_of=st.data())
def test_a_damaged_file_is_imported_and_every_lost_line_is_named(client: str, place_of: st.DataObject) -> None:
    data = place_of.draw(damaged(client) | st.binary(max_size=200))
    _, skipped = at_once(client, data)
    lines = data.count(b"\n") + 1
    for number, reason in skipped:
        assert reason
        assert number is None if client not in LINE_CLIENTS else number is not None and 1 <= number <= lines


@pytest.mark.parametrize("folder", ["\0", "/a\0b", "~", "gone", "", "/" + "x" * 5_000, "C:\\x", "\\\\host\\x", "/"])
def test_a_folder_that_can_be_none_leads_to_the_persons_own_store(home: Path, folder: str) -> None:
    path = place(home, "claude")
    path.write_text("\n".join(line(number, "/p", cwd=folder) for number in range(3)) + "\n")
    outcome = take("claude", path)
    assert (outcome.turns, outcome.skipped, outcome.projects) == (2, [], {})
    ((kept, *_),) = rows_of(home)[4]
    assert kept.removeprefix("C:") == "/p/src/f1.py"


def test_a_document_is_read_again_when_it_was_written_anew_and_adds_only_what_is_new(home: Path) -> None:
    path = place(home, "opencode")
    said = [
        {
            "info": {"id": f"msg_{n}", "role": "user", "time": {"created": AT_MS + n}},
            "parts": [{"type": "text", "text": f"text {n}"}],
        }
        for n in range(3)
    ]
    path.write_text(json.dumps(opencode({}, *said[:2])))
    assert take("opencode", path).turns == 2
    path.write_text(json.dumps(opencode({}, *said)))
    assert take("opencode", path).turns == 1
    assert [text for _, _, text, _ in rows_of(home)[2]] == ["text 0", "text 1", "text 2"]
