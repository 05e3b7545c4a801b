"""Sessions as comma-separated values (RFC 4180): one line each, the fields that `--json` has.

A spreadsheet takes text that begins with certain signs for a formula: such text gets an apostrophe before it.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

from kioku.models import Session
from kioku.redaction import redact
from kioku.reports.export.chosen import Exported, with_folder
from kioku.workspace.untrusted_text import printable_lines

COLUMNS: Final = (*Session.__struct_fields__, "span_ms", "folder")
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # also in full width


def lines(found: Iterable[Exported]) -> Iterator[str]:
    """Return the headings and a line for each session; what is unknown is empty, topics are divided by semicolons."""
    yield _line(COLUMNS)
    for exported in found:
        fields = with_folder(exported)
        yield _line([_cell(fields[name]) for name in COLUMNS])


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        value = "; ".join(value)
    return defused(printable_lines(redact(value))) if isinstance(value, str) else value


def defused(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULAS) else text


def _line(cells: Iterable[Any]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue()
