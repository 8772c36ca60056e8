"""What these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engine import close_stores


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    yield
    close_stores()
