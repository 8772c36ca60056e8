"""What fuzzing is done with, made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz import world as world_
from tests.fuzz.service import Service
from tests.fuzz.world import World


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Rasters and documents to change."""
    return world_.make(tmp_path_factory.mktemp("fuzz").resolve())


@pytest.fixture(scope="package")
def fuzzed(world: World) -> Iterator[Service]:
    """The service, with layers."""
    with Service(sources=f"{world.folder}/", catalog=str(world.catalog), **world_.SETTINGS) as found:
        yield found
