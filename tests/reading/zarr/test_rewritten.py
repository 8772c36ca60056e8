"""Chunks that are written over while the store's metadata stay as they are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from tests.support import zarrs
from tilery.engine import Engine, EngineOptions
from tilery.errors import SourceNotFound
from tilery.geo.crs import WGS84
from tilery.reading.options import ReadOptions
from tilery.reading.zarr.source import anchor, variable_source
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.policy import Policy


def value(engine: Engine, path: Path) -> float:
    source = variable_source(engine.locate(anchor(str(path))), "v")
    while True:
        try:
            with engine.open(source) as reader:
                found: Any = reader.point(10.5, 40.5, coord_crs=WGS84, options=ReadOptions())
                return float(found.data[0, 0, 0])
        except SourceChanged:  # as the service does: open it again
            continue


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{}, {"shards": (1, 64, 80)}], ids=["chunks", "shards"])
@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_they_are_seen_within_the_seconds_that_are_said(folder: Path, options: Any, seconds: float) -> None:
    path = zarrs.world(folder / "w.zarr", data=np.full((4, 90, 180), 1, "i4"), **options)
    allowed = Policy.from_sources([f"{folder}/"])
    with Engine(EngineOptions(policy=allowed, revalidate_seconds=0, chunk_seconds=seconds)) as engine:
        assert value(engine, path) == 1
        described = (path / "zarr.json").stat().st_mtime_ns, (path / "v" / "zarr.json").stat().st_mtime_ns
        array: Any = zarr.open_array(path / "v", mode="r+")
        array[...] = 2
        assert described == ((path / "zarr.json").stat().st_mtime_ns, (path / "v" / "zarr.json").stat().st_mtime_ns)
        for _ in range(100 if seconds else 3):
            if (found := value(engine, path)) == 2:
                break
            time.sleep(0.02)
        assert found == (2 if seconds else 1)
        zarr.consolidate_metadata(path)
        assert value(engine, path) == 2
        (path / "zarr.json").unlink()
        (path / "v" / "zarr.json").unlink()
        with pytest.raises(SourceNotFound):
            value(engine, path)
