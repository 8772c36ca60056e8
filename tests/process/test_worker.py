"""The process that gunicorn forks, without gunicorn."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from app.process import worker


@pytest.fixture
def collections() -> Iterator[None]:
    """The collector as it was, afterwards."""
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks[:] = callbacks
    gc.unfreeze()


class Circle:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("collections")
def test_what_outlasts_a_full_collection_is_not_looked_at_again() -> None:
    worker.spare_collections()
    begun = gc.get_freeze_count()
    lasting = [Circle() for _ in range(1000)]
    gc.collect()
    assert gc.get_freeze_count() >= begun + 1000
    known = weakref.ref(lasting[0])
    lasting.clear()
    gc.collect()
    assert known() is not None
    worker.collect_thoroughly()
    assert known() is None
