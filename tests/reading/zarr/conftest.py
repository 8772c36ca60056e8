"""An engine that may read a folder, and values of a variable at its own cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilery.engine import Engine, EngineOptions
from tilery.geo.raster import Array, Grid
from tilery.reading.filling import fill
from tilery.reading.options import ReadOptions
from tilery.reading.source import Source
from tilery.reading.zarr import selecting
from tilery.reading.zarr.source import anchor, variable_source
from tilery.storage.policy import Policy

Read = Callable[..., Array]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    with Engine(EngineOptions(policy=Policy.from_sources([f"{folder}/"]))) as found:
        yield found


@pytest.fixture
def source(engine: Engine) -> Callable[..., Source]:
    def made(path: Path, variable: str, *select: str, **more: Any) -> Source:
        location = engine.locate(anchor(str(path)))
        return variable_source(location, variable, select=selecting.parse(select), **more)

    return made


@pytest.fixture
def read(engine: Engine, source: Callable[..., Source]) -> Read:
    """The values of all cells of a variable, north first, as floating point with NaN where nothing is valid."""

    def values(path: Path, variable: str, *select: str, **more: Any) -> Array:
        with engine.open(source(path, variable, *select, **more)) as reader:
            profile = reader.profile
            grid = Grid(crs=profile.crs, bounds=profile.bounds, width=profile.width, height=profile.height)
            raster = fill(reader.source, grid, ReadOptions())
            valid = True if raster.mask is None else raster.mask
            return np.where(valid, raster.data, np.nan)

    return values
