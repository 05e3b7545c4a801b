"""The stores that pages share: many requests read one at once, whatever becomes of its file meanwhile."""

import os
from pathlib import Path

import pytest

from kioku.errors import StoreError
from kioku.project import Project
from kioku.reports import extent
from kioku.store.opening import open_store
from kioku.web.shelf import Place, Shelf, name_of


@pytest.fixture
def place(project: Path) -> Place:
    """Return a project with an empty store."""
    (project / ".context").mkdir()
    where = Project(str(project), str(project))
    open_store(where.store_path).close()
    return Place(name_of(where), where.name, where, own=False)


def test_a_store_whose_file_is_replaced_stays_open_for_the_page_that_reads_it(place: Place) -> None:
    shelf = Shelf()
    path = place.where.store_path
    with shelf.opened(place) as first:
        for side in ("", "-wal", "-shm"):
            if os.path.lexists(path + side):
                os.rename(path + side, f"{path}.old{side}")
        open_store(path).close()
        with shelf.opened(place) as second:
            assert second is not first
            assert first.read(extent.earliest) is None
    with pytest.raises(StoreError):
        first.read(extent.earliest)
    assert second.read(extent.earliest) is None
    shelf.close()


def test_what_fails_for_one_page_does_not_close_the_store_for_the_others(place: Place) -> None:
    shelf = Shelf()
    with shelf.opened(place) as store:
        with pytest.raises(StoreError), shelf.opened(place):
            raise StoreError("a page could not be made")
        assert store.read(extent.earliest) is None
    with pytest.raises(StoreError):
        store.read(extent.earliest)
    with shelf.opened(place) as again:
        assert again.read(extent.earliest) is None
    shelf.close()
