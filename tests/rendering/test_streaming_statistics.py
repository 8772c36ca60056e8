"""Statistics that are counted part by part: the same as of all pixels at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import rasters, service
from tilery.errors import TooMuchWork
from tilery.geo.raster import Raster
from tilery.rendering import streaming_statistics
from tilery.rendering.statistics import statistics
from tilery.rendering.streaming_statistics import Counting


def parts(data: np.ndarray, mask: np.ndarray | None, rows: int) -> dict[str, Any]:
    counted = Counting()
    for row in range(0, data.shape[1], rows):
        part = slice(row, row + rows)
        counted.add(Raster(data=data[:, part], mask=None if mask is None else mask[:, part]))
    return counted.found(percentiles=(0, 2, 50, 98, 100), bins=7)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint64", "float32", "float64", "bool"])
@pytest.mark.parametrize("masked", [False, True])
def test_as_of_all_at_a_time(dtype: str, masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    data = rng.normal(60, 20, (2, 90, 70)).clip(0, 120).astype(dtype)
    data[1] = rng.integers(0, 9, (90, 70)).astype(dtype)
    if dtype.startswith("float"):
        data[0, 3:9, 5] = np.nan
        data[1, 0, 0] = np.inf
    mask = rng.random((2, 90, 70)) < 0.7 if masked else None
    expected = statistics(Raster(data=data, mask=mask), percentiles=(0, 2, 50, 98, 100), bins=7)
    for chunk in (1 << 18, 64):
        monkeypatch.setattr(streaming_statistics, "_CHUNK", chunk)
        found = parts(data, mask, 13)
        for name, band in expected.items():
            assert list(found[name]) == list(band)
            for key, value in band.items():
                if key == "histogram":
                    assert found[name][key][0] == value[0]
                    assert found[name][key][1] == pytest.approx(value[1])
                else:
                    assert found[name][key] == (value if isinstance(value, str) else pytest.approx(value)), key


def test_nothing_valid() -> None:
    data = np.zeros((1, 4, 4), "float32")
    mask = np.zeros((1, 4, 4), bool)
    assert parts(data, mask, 2)["b1"]["mean"] is None
    assert parts(data, mask, 2)["b1"]["valid_percent"] == 0.0


def test_not_more_than_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming_statistics, "MAX_BYTES", 100)
    with pytest.raises(TooMuchWork):
        parts(np.zeros((1, 10, 10), "float32"), None, 5)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_raster_of_seven_megapixels_at_full_resolution(tmp_path: Path, dtype: str) -> None:
    folder = tmp_path.resolve()
    rows, columns = 2500, 2800
    data = (np.arange(rows * columns).reshape(1, rows, columns) % 251).astype(dtype)
    rasters.write(folder / "large.tif", data, nodata=0, block=512)
    with service.client(folder) as client:
        query: dict[str, Any] = {"url": f"{folder}/large.tif", "max_size": 0}
        band = client.get("/cog/statistics", params=query).json()["b1"]
        valid = data[data != 0].astype(float)
        assert (band["count"], band["valid_pixels"], band["unique"]) == (valid.size, valid.size, 250)
        assert (band["min"], band["max"]) == (1, 250)
        assert band["mean"] == pytest.approx(valid.mean())
        assert band["std"] == pytest.approx(valid.std())
        assert band["masked_pixels"] == rows * columns - valid.size
        doubled = client.get("/cog/statistics", params={**query, "expression": "b1*2"}).json()["b1"]
        assert doubled["max"] == 500
        refused = client.get("/cog/preview.png", params=query)
        assert (refused.status_code, refused.json()["parameter"]) == (413, "max_size")
