"""What decisions in an export must look like: those who act on them rely on it."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from kioku.sessions import edits, merging
from kioku.store import archive, legacy
from kioku.store.portable import Amendment, Count, Instant


class _File(msgspec.Struct):
    path: str
    count: Count
    first_at: Instant
    last_at: Instant


class _Adopted(msgspec.Struct):
    project_id: str
    started_at: Instant
    ended_at: Instant | None
    status: Literal["active", "completed", "archived"]
    topics: list[str]
    metadata: dict[str, Any]
    files: list[_File]
    last_activity_at: Instant
    created_at: Instant
    updated_at: Instant


class _Changes(msgspec.Struct):
    title: str | None = None
    topics: str = "[]"
    started_at: Instant = 0
    status: Literal["completed", "archived"] = "completed"
    ended_at: Instant | None = None
    end_reason: str | None = ""


class _Edited(msgspec.Struct):
    through: Instant
    set: _Changes


class _Archived(msgspec.Struct):
    reports: Count
    ended_at: Instant | None
    end_reason: str | None


class _Combined(msgspec.Struct):
    number: Count
    ids: list[str]
    at: Instant | None = None
    of: list[str] = []
    parts: list[list[str]] = []
    automatic: bool = False


_SHAPES: Final = {
    legacy.ADOPTED: _Adopted, edits.EDITED: _Edited, archive.ARCHIVED: _Archived,
    **dict.fromkeys(merging.KINDS, _Combined),
}  # fmt: skip


def unfit(line: Amendment) -> str | None:
    """Return what is wrong with a decision; of kinds that are not known here nothing is."""
    shape = _SHAPES.get(line.kind)
    if shape is None:
        return None
    try:
        msgspec.convert(line.data, shape)
    except msgspec.ValidationError as error:
        return f"is no decision of its kind: {error}"
    changes = line.data.get("set", {})
    if "status" in changes and not {"ended_at", "end_reason"} <= changes.keys():
        return "is no decision of its kind: it lacks the end"
    return None


def ids_of(found: Amendment) -> set[str]:
    """Return the ids of all sessions that a decision is about."""
    if found.kind not in merging.KINDS:
        return {found.session}
    return {found.session, *(id for name in ("ids", "of", "parts") for id in texts(found.data.get(name, [])))}


def texts(value: Any) -> Iterable[str]:
    """Return every text in decoded JSON, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from texts(part)
