"""JSON without `json`, whose import costs as much as the interpreter's own start: the hook reads and writes with this.

Where the interpreter has no C scanner, `json` is used after all. Standard library only, and no `typing`, as in `hook`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Context:
    """What the C scanner asks for: how numbers and constants are made."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float

    def __init__(self) -> None:
        self.memo: dict[str, str] = {}

    @staticmethod
    def parse_int(text: str) -> int:
        return int(text) if len(text) < 20 else 0

    @staticmethod
    def parse_constant(_name: str) -> None:
        return None


# What the scanner raises for text that is no JSON; SystemError where it looks for `json`'s own error in vain.
_NO_JSON = (ValueError, StopIteration, RecursionError, IndexError, TypeError, SystemError)


def _scanner() -> "Callable[[str, int], tuple[Any, int]]":
    """Return a function that reads a JSON value at a position, as `json` does, without importing `json`."""
    try:
        from _json import make_scanner

        return make_scanner(_Context())  # type: ignore[arg-type]
    except ImportError:
        import json

        return json.JSONDecoder(strict=False).raw_decode


def parse(text: str) -> "Any":
    """Return the JSON value that a text holds, None if it holds none."""
    try:
        return _scanner()(text, len(text) - len(text.lstrip()))[0]
    except _NO_JSON:
        return None


def parse_beginning(text: str) -> "dict[str, Any]":
    """Return the members of an object that is cut off or broken, as far as they can be read."""
    found: dict[str, Any] = {}
    position = text.find("{") + 1
    scan = _scanner()
    try:
        while position:
            while text[position] in " \t\r\n,":
                position += 1
            name, position = scan(text, position)
            while text[position] in " \t\r\n:":
                position += 1
            found[name], position = scan(text, position)
    except _NO_JSON:
        pass  # the rest cannot be read
    return found


def encode(value: object) -> str:
    """Write a value as JSON."""
    if isinstance(value, str):
        try:
            from _json import encode_basestring
        except ImportError:
            from json import dumps as encode_basestring
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode(name)}:{encode(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encode, value)) + "]"
    return repr(value)
