"""What the tests of byte sources share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.config.settings import Settings
from tests.support.engine import close_stores
from tests.support.s3 import s3, s3_server  # noqa: F401  fixtures
from tests.support.upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def settings() -> Settings:
    """Settings of its own for each test: no connection and no verdict on a server outlives it."""
    return Settings(deadline=10.0, connect_timeout=1.0, read_timeout=2.0, fetch_retries=2, fetch_threads=8)


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    yield
    close_stores()
