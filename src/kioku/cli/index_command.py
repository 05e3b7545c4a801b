"""`kioku index`: everything that search needs, made now instead of in the background."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click

from kioku.cli import places
from kioku.cli.output import json_option, note, own_option, print_json, project_option
from kioku.embedding import opened
from kioku.embedding.helper import Helper
from kioku.store import indexing, vectors
from kioku.store.store import Store
from kioku.words import counted

_LONGEST_S: Final = 120.0  # for a model to be loaded, or to embed a few passages
_AT_ONCE: Final = 16  # passages that are embedded between two writes


@click.command("index")
@project_option
@own_option
@json_option
def command(folder: str | None, own: bool, as_json: bool) -> None:
    """Index what is not indexed yet, now instead of in the background.

    Where search.model names a model, that includes a vector of every passage; where it names none, those of an earlier
    model are removed. It may be interrupted at any moment, and goes on where it was.
    """
    where, values = places.find(folder, own=own)
    made, missing = 0, 0
    with places.opened(where) as store:
        indexing.catch_up(store)
        with opened(values.text("search.model"), threads=os.cpu_count() or 1) as helper:
            if helper is None:
                vectors.remove_all(store)
            else:
                made, missing = _embed(store, helper)
        passages = store.read(indexing.count)
    if as_json:
        print_json({"passages": passages, "embedded": made, "not_embedded": missing if helper else None})
        return
    note(f"{counted(passages, 'passage')} indexed" + (f", {made} embedded anew" if helper else ""))
    if missing:
        note(f"{counted(missing, 'passage')} changed or came meanwhile: run this again")


def _embed(store: Store, helper: Helper) -> tuple[int, int]:
    """Make the vectors that are missing; return how many were made, and how many are missing still."""
    fingerprint = helper.load(within_s=_LONGEST_S)
    missing = store.read(lambda db: vectors.behind(db, fingerprint))
    made = 0
    with _progress(missing) as show:

        def tell(count: int) -> None:
            nonlocal made
            made += count
            show(count)

        vectors.catch_up(
            store, lambda texts: helper.vectors(texts, within_s=_LONGEST_S), fingerprint, at_once=_AT_ONCE, tell=tell
        )
    return made, store.read(lambda db: vectors.behind(db, fingerprint))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    if not total or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _count: None
        return
    with click.progressbar(length=total, label="Embedding", file=sys.stderr) as bar:
        yield bar.update
