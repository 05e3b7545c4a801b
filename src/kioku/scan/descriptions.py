"""What a package says about itself, in one line.

The text is a stranger's. The invariant: what is returned is printable, on one line and of bounded length; it is
found by looking at lines, never by a pattern that could be made to search for ever.
"""

import os

from kioku.errors import KiokuError
from kioku.scan.manifest import Manifest
from kioku.workspace.plain_files import read_plain
from kioku.workspace.untrusted_text import one_line

_README_BYTES = 200_000
_SOURCE_BYTES = 1_000_000
_NO_PROSE = "#=-[!<>|*`:.~ \t"


def _docstring(text: str) -> str:
    """Return the first line of a Python module's docstring, empty when there is none."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if not first.startswith(('"""', "'''", 'r"""')):
        return ""
    quote = first.removeprefix("r")[:3]
    return first.removeprefix("r")[3:].partition(quote)[0] or next(lines, "").partition(quote)[0]


def _package_comment(text: str) -> str:
    """Return the first line of a Go package's comment."""
    return next((line[3:] for line in text.splitlines() if line.startswith("// Package ")), "")


def _crate_comment(text: str) -> str:
    """Return the first line of a Rust module's own comment."""
    first = text.partition("\n")[0]
    return first[4:] if first.startswith("//! ") else ""


def _first_sentence(text: str) -> str:
    """Return the first line of prose in a README: no heading, list, badge, table, quote or code."""
    return next((line for line in text.splitlines() if len(line) >= 12 and line[0] not in _NO_PROSE), "")


_SOURCES = (
    ("__init__.py", _docstring, _SOURCE_BYTES),
    ("doc.go", _package_comment, _SOURCE_BYTES),
    ("src/lib.rs", _crate_comment, _SOURCE_BYTES),
    ("mod.rs", _crate_comment, _SOURCE_BYTES),
    ("README.md", _first_sentence, _README_BYTES),
    ("README.rst", _first_sentence, _README_BYTES),
    ("README.txt", _first_sentence, _README_BYTES),
    ("README", _first_sentence, _README_BYTES),
)


def describe(root: str, path: str, manifest: Manifest | None, present: set[str]) -> str | None:
    """Return one line from the manifest, the package's docstring or the README; all are untrusted."""
    prefix = "" if path == "." else path + "/"
    if manifest and manifest.description and (line := one_line(manifest.description)):
        return line
    for name, find, limit in _SOURCES:
        if prefix + name in present:
            try:
                text = read_plain(os.path.join(root, *(prefix + name).split("/")), limit).decode("utf-8", "replace")
            except (OSError, KiokuError):
                continue
            if line := one_line(find(text[:8000].removeprefix("\ufeff"))):
                return line
    return None
