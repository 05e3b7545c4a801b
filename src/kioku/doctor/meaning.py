"""Whether the model that search may use can be used, and how much is left for it to do."""

from collections.abc import Iterator
from typing import Final

from kioku import settings
from kioku.doctor.finding import Finding
from kioku.embedding import opened
from kioku.errors import EmbeddingError
from kioku.project import Project
from kioku.store import vectors
from kioku.store.store import Store
from kioku.words import counted

_LONGEST_S: Final = 60.0  # for a model to be loaded


def check(where: Project, store: Store | None) -> Iterator[Finding]:
    """Load the model, where one is set."""
    with opened(settings.load(where.context_dir).text("search.model")) as helper:
        if helper is None:
            return
        try:
            fingerprint = helper.load(within_s=_LONGEST_S)
        except EmbeddingError as error:
            yield Finding(
                check="search", state="warning", found=error.message, why="search finds by words alone",
                fix="set search.model to a model that is there, or to 'none'",
            )  # fmt: skip
            return
        missing = 0 if store is None else store.read(lambda db: vectors.behind(db, fingerprint))
        found = f"the model {helper.named} is loaded: {helper.dimensions} numbers for each passage"
        if not missing:
            yield Finding(check="search", state="ok", found=f"{found}, and every passage has them")
            return
        yield Finding(
            check="search", state="ok", found=f"{found}; {counted(missing, 'passage')} without",
            why="they are found by words alone until a server had the time", fix="kioku index",
        )  # fmt: skip
