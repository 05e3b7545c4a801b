"""Writing accepted discoveries into `.context/project.yaml`.

The invariant: the file is replaced at once, only in the state in which it was read, and what it was is kept beside it.
Whatever somebody else saves meanwhile stays: then it is read and enriched again. What is written was redacted once
more, is one line of printable text, and has the person's authority only if it is the person's.
"""

import os
import stat
import time
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from kioku.errors import ProjectError
from kioku.knowledge import enriched, enrichment, yaml_file
from kioku.knowledge.enrichment import Result, Skipped, Wanted
from kioku.knowledge.extraction.authority import PERSON, REPOSITORY
from kioku.knowledge.sayings import LIST_OF, Saying
from kioku.knowledge.yaml_tree import YamlError
from kioku.redaction import redact
from kioku.store import discoveries
from kioku.store.discoveries import ACCEPTED, Evidence, Row
from kioku.store.store import Store
from kioku.workspace import swapping
from kioku.workspace.untrusted_text import one_line, visible

LONGEST: Final = 500  # signs of a text in the file
_LONGEST_NAME: Final = 200
_TRIES: Final = 50  # an editor does not save so often in a row
_PAUSE_S: Final = 0.02  # one that writes into the file itself has done that then


class Enrichment(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to the file, or would be: ids of discoveries by what became of them, and the unified diff.

    The diff shows no secret, also where one stands in the file.
    """

    file: str
    changed: bool
    added: list[str]
    updated: list[str]
    removed: list[str]
    kept_out: list[str]
    edited: list[str]
    skipped: list[Skipped]
    diff: str
    backup: str | None = None


def enrich(store: Store, context_dir: str, *, dry_run: bool = False, again: bool = False) -> Enrichment:
    """Bring the file up to date with what is accepted; with `dry_run` only tell.

    With `again`, entries that the person deleted come back. Raises ProjectError where there is no file, and for one
    that is broken, no file of its own, or cannot be written; it is left as it was.
    """
    if dry_run:
        return _once(store, context_dir, dry_run=True, again=again)[0]
    return _repeated(store, context_dir, again=again)


def redact_again(store: Store, context_dir: str) -> bool:
    """Write the entries that are there as their discoveries say them now, and keep no copy that has a secret.

    Returns whether there was something to change. Raises ProjectError.
    """
    path = os.path.join(context_dir, yaml_file.NAME)
    if not os.path.lexists(path) or not enriched.load(context_dir, store.id).written:
        return False
    done = _repeated(store, context_dir, fresh=False)
    backup = path + ".bak"
    copy = yaml_file.read(backup)
    text = "" if copy is None else copy.decode("utf-8", "replace")
    if redact(text) == text:
        return done.changed
    with yaml_file.reporting(backup):
        os.unlink(backup)
    return True


def _repeated(store: Store, context_dir: str, *, again: bool = False, fresh: bool = True) -> Enrichment:
    """Try until nobody has changed the file meanwhile."""
    path = os.path.join(context_dir, yaml_file.NAME)
    if yaml_file.read(path) is None:
        raise _missing(path)
    if not os.lstat(path).st_mode & stat.S_IWUSR:
        raise ProjectError(f"{path} is read-only", hint="Make it writable")
    with yaml_file.locked(context_dir):
        with yaml_file.reporting(path):
            swapping.settle(path, path + ".bak")
        for _ in range(_TRIES):
            done, is_done = _once(store, context_dir, dry_run=False, again=again, fresh=fresh)
            if is_done:
                return done
            time.sleep(_PAUSE_S)
    raise ProjectError(f"{path} is being changed all the time", hint="Run the command again when it is at rest")


def entry(row: Row, *, own: bool) -> dict[str, str]:
    """Return what the file says of a discovery, in its order. In a store that is not the person's nobody said it."""
    text = _text(row.content)
    part = _solved(row)
    solution = None if part is None else _text(part.solution or "")
    by = _by(row, own=own)
    session = row.session or next((part.session for part in row.evidence if part.session), None)
    values = {
        "problem" if row.type == "issue" else "text": text,
        "solution": solution if solution != text else None,
        "by": None if by == PERSON else by,
        "session": session,
        "id": row.id,
    }
    return {key: one_line(value, LONGEST) for key, value in values.items() if value}


def _solved(row: Row) -> Evidence | None:
    """Return what tells last how an issue was solved; a file solves nothing that somebody has said."""
    said = [
        part
        for part in row.evidence
        if part.solution
        and part.solution not in (part.quote, row.content)
        and (part.by != REPOSITORY or row.provenance == REPOSITORY)
    ]
    return said[-1] if said and row.type == "issue" else None


def _by(row: Row, *, own: bool) -> str:
    """Return whose word an entry is as a whole: what the assistant solved is not the person's."""
    part = _solved(row)
    by = part.by if part is not None and row.provenance == PERSON else row.provenance
    return (by if own else REPOSITORY) or REPOSITORY


def source(saying: Saying, known: Mapping[str, Row], *, own: bool) -> str:
    """Return where an entry of the file comes from, for people and assistants.

    Only what the store knows as accepted, in these words, has somebody's authority; all else is text of the file.
    """
    row = known.get(saying.id or "")
    if row is None or row.state != ACCEPTED:
        return yaml_file.NAME
    says = entry(row, own=own)
    if (says.get("text") or says.get("problem"), says.get("solution")) != (saying.text, saying.solution):
        return yaml_file.NAME
    by = _by(row, own=own)
    return f"{by}, session {says['session'][:8]}" if "session" in says else by


def accepted(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the discoveries that the file may say, by their ids."""
    return {row.id: row for row in rows if row.state == ACCEPTED and row.superseded_by is None}


def _once(store: Store, context_dir: str, *, dry_run: bool, again: bool, fresh: bool = True) -> tuple[Enrichment, bool]:
    """Try once; return what was done and whether it was: False where the file was changed meanwhile.

    Without `fresh` only what was written before is looked after.
    """
    path = os.path.join(context_dir, yaml_file.NAME)
    data = yaml_file.read(path)
    if data is None:
        raise _missing(path)
    text = yaml_file.decode(path, data)
    bom = yaml_file.BOM if text.startswith(yaml_file.BOM) else ""
    memory = enriched.load(context_dir, store.id)
    told, unwanted = _wanted(store)
    wanted = [one for one in told if fresh or one.id in memory.written]
    try:
        result = enrichment.enrich(text.removeprefix(bom), memory, wanted, unwanted=unwanted, again=again)
    except YamlError as error:
        raise yaml_file.broken(path, error.message) from error
    encoded = (bom + result.text).encode("utf-8")
    if len(encoded) > yaml_file.MAX_BYTES:
        raise ProjectError(
            f"{path} would be larger than {yaml_file.MAX_BYTES:,} bytes", hint="Remove what is not needed in it"
        )
    done = _told(path, text, bom, result, changed=encoded != data)
    if dry_run:
        return done, True
    with yaml_file.reporting(path):
        if not done.changed:
            if result.memory != memory:
                enriched.keep(context_dir, store.id, result.memory)
            return done, True
        before = enriched.Memory(written=result.memory.written, made=result.memory.made, before=result.base)
        enriched.keep(context_dir, store.id, before)
        if not swapping.replace_known(path, encoded, data, backup=path + ".bak"):
            enriched.keep(context_dir, store.id, memory)
            return done, False
        enriched.keep(context_dir, store.id, result.memory)
    return msgspec.structs.replace(done, backup=path + ".bak"), True


def _told(path: str, text: str, bom: str, result: Result, *, changed: bool) -> Enrichment:
    return Enrichment(
        file=path, changed=changed, added=result.added, updated=result.updated, removed=result.removed,
        kept_out=result.kept_out, edited=result.edited, skipped=result.skipped,
        diff=str(redact(yaml_file.diff(path, text, bom + result.text))) if changed else "",
    )  # fmt: skip


def _wanted(store: Store) -> tuple[list[Wanted], list[Wanted]]:
    """Return what the file is to say, what was found first at the top, and what it may not say any more."""
    own = store.is_registered
    rows = sorted(store.read(discoveries.every), key=lambda row: (row.created_at, row.id))
    known = accepted(rows)
    told: tuple[list[Wanted], list[Wanted]] = ([], [])
    for row in rows:
        if row.type in LIST_OF and row.content.strip():
            one = Wanted(id=row.id, module=_module(row.module), list=LIST_OF[row.type], item=entry(row, own=own))
            told[row.id not in known].append(one)
    return told


def _module(name: str | None) -> str | None:
    return (one_line(str(redact(name)), _LONGEST_NAME) or None) if name else None


def _text(text: str) -> str:
    return visible(str(redact(text)), LONGEST)


def _missing(path: str) -> ProjectError:
    return ProjectError(f"{path} is not there", hint="Run `kioku init` to make it")
