"""Embedding: vectors that stand for what a text means, made by a model that is on this machine already.

An extra (`kioku-sessions[semantic]`), off unless `search.model` names a model. The model is native code and runs in a
process of its own (`worker`), which is spoken with (`helper`) within a deadline: whatever it does, or fails to do, full
text answers. Nothing is downloaded, nothing leaves the machine, and no code of a model's folder is run (`folders`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kioku.settings import NO_MODEL

if TYPE_CHECKING:
    from kioku.embedding.helper import Helper


@contextmanager
def opened(named: str, *, threads: int = 1) -> "Iterator[Helper | None]":
    """Give what asks the model that the setting names, None where it names none; it ends with the block."""
    if named == NO_MODEL:
        yield None
        return
    from kioku.embedding.helper import Helper

    helper = Helper(named, threads=threads)
    try:
        yield helper
    finally:
        helper.close()
