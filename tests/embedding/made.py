"""Models made for tests: a real ONNX file, written field by field, and a tokenizer that knows some words.

Each word has a direction; words that mean the same share one. A text's vector is the mean of its words' directions.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SAME = (
    ("car", "automobile", "vehicle"), ("login", "authentication", "signin"), ("fast", "quick", "speed"),
    ("bug", "defect", "fault"), ("remove", "delete"), ("storm", "weather"),
)  # fmt: skip
PLAIN = ("the", "of", "was", "is", "a", "parser", "page", "database", "today", "rented")
_SPREAD = 8  # parts of a vector beyond those of the words' meanings
FLOAT, INT64 = 1, 7
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def words() -> list[str]:
    return ["[PAD]", "[UNK]", *(word for group in SAME for word in group), *PLAIN]


def table() -> list[list[float]]:
    """Return the direction of each word: synonyms share theirs, unknown and plain words point all the same way."""
    width = len(SAME) + _SPREAD
    common = [0.0] * len(SAME) + [0.05] * _SPREAD
    directions = [common, common]
    for number, group in enumerate(SAME):
        directions += [[float(place == number) for place in range(len(SAME))] + [0.05] * _SPREAD] * len(group)
    directions += [common] * len(PLAIN)
    assert all(len(direction) == width for direction in directions)
    return directions


def model(
    folder: Path, *, inputs: Sequence[str] = INPUTS[:2], output: str = "last_hidden_state",
    rows: Sequence[Sequence[float]] | None = None, name: str = "model.onnx", tokenizer: bool = True,
    pooled: bool = False,
    over: Sequence[int] = (1,),
) -> Path:  # fmt: skip
    """Write a model into a folder: a table in which each token is looked up."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    rows = table() if rows is None else rows
    (folder / name).write_bytes(onnx(inputs, output, rows, pooled=pooled, over=over))
    if tokenizer:
        vocabulary = {word: number for number, word in enumerate(words())}
        described: dict[str, Any] = {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
            "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None,
            "decoder": None, "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
        }  # fmt: skip
        (folder / "tokenizer.json").write_text(json.dumps(described))
    return folder


def onnx(
    inputs: Sequence[str], output: str, rows: Sequence[Sequence[float]], *, pooled: bool, over: Sequence[int]
) -> bytes:
    """Return a ModelProto (onnx.proto3) with one Gather, and where `pooled` a ReduceMean over some axes."""
    width = len(rows[0])
    said = "each" if pooled else output
    nodes = [_node("Gather", ["table", inputs[0]], said)]
    # What else comes in is used, as a real model uses it: without it, the input would be left out.
    for number, name in enumerate(inputs[1:]):
        nodes.append(_node("Identity", [name], f"unused{number}"))
    if pooled:
        nodes.append(_node("ReduceMean", ["each"], output, ints={"axes": over}, ints_of={"keepdims": 0}))
    shape: list[str | int] = ["batch", "tokens", width]
    if pooled:
        shape = [side for place, side in enumerate(shape) if place not in over]
    data = b"".join(struct.pack(f"<{width}f", *row) for row in rows)
    tensor = _number(1, len(rows)) + _number(1, width) + _number(2, FLOAT) + _text(8, "table") + _field(9, data)
    graph = b"".join(_field(1, node) for node in nodes) + _text(2, "graph") + _field(5, tensor)
    graph += b"".join(_field(11, _value(name, INT64, ["batch", "tokens"])) for name in inputs)
    graph += _field(12, _value(output, FLOAT, shape))
    return _number(1, 8) + _field(7, graph) + _field(8, _text(1, "") + _number(2, 13))


def _node(kind: str, takes: Sequence[str], gives: str, *, ints: Mapping[str, Sequence[int]] | None = None,
          ints_of: Mapping[str, int] | None = None) -> bytes:  # fmt: skip
    attributes = b"".join(
        _field(5, _text(1, name) + b"".join(_number(8, value) for value in values) + _number(20, 7))
        for name, values in (ints or {}).items()
    ) + b"".join(
        _field(5, _text(1, name) + _number(3, value) + _number(20, 2)) for name, value in (ints_of or {}).items()
    )
    return b"".join(_text(1, name) for name in takes) + _text(2, gives) + _text(4, kind) + attributes


def _value(name: str, type: int, shape: Sequence[str | int]) -> bytes:
    sides = b"".join(_field(1, _number(1, side) if isinstance(side, int) else _text(2, side)) for side in shape)
    return _text(1, name) + _field(2, _field(1, _number(1, type) + _field(2, sides)))


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _field(field, text.encode())


needs_extra = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnxruntime", "tokenizers", "numpy")),
    reason="the extra kioku-sessions[semantic] is not installed",
)
