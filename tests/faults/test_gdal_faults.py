"""GDAL reads through our sources: what the store did is what the caller is told, never «damaged», never a guess."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support import rasters
from tests.support.engine import ENGINE
from tests.support.upstream import Fault, Upstream
from tilery.errors import BrokenRaster, UpstreamError
from tilery.geo.crs import WGS84
from tilery.geo.raster import Raster
from tilery.reading.options import ReadOptions
from tilery.reading.source import raster
from tilery.storage.bytes import SourceChanged, retrying
from tilery.storage.policy import Policy

SIZE = 1500
NOISE = np.random.default_rng(1).integers(0, 255, (1, SIZE, SIZE), "uint8")
"""Strips of noise: nearly 1.5 MB that only GDAL reads and that the first request does not bring along."""


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setattr(retrying, "PAUSE", 0.005)
    path = rasters.write(tmp_path / "strips.tif", NOISE, tiled=False, overviews=())
    with Upstream() as server:
        server.put("/strips.tif", path.read_bytes())
        yield server
    ENGINE.datasets.clear()


def corner(upstream: Upstream) -> Raster:
    """Return the last rows of the raster, as they are."""
    location = Policy.from_sources([upstream.root]).locate(upstream.url("/strips.tif"))
    with ENGINE.open(raster(location)) as reader:
        left, bottom, right, _ = reader.profile.bounds
        box = (left, bottom, right, bottom + 10 * reader.profile.resolution[1])
        return reader.part(box, bounds_crs=reader.profile.crs or WGS84, options=ReadOptions())


def test_what_arrives_is_right(upstream: Upstream) -> None:
    assert np.array_equal(corner(upstream).data, NOISE[:, -10:])


def test_a_store_that_fails_is_named_as_the_reason(upstream: Upstream) -> None:
    corner(upstream)
    ENGINE.datasets.clear()
    location = Policy.from_sources([upstream.root]).locate(upstream.url("/strips.tif"))
    with ENGINE.open(raster(location)):
        upstream.always = Fault(status=503)
    with pytest.raises(UpstreamError):
        corner(upstream)
    upstream.always = None
    assert np.array_equal(corner(upstream).data, NOISE[:, -10:])


def test_an_object_that_changes_is_read_anew_not_mixed(upstream: Upstream, tmp_path: Path) -> None:
    location = Policy.from_sources([upstream.root]).locate(upstream.url("/strips.tif"))
    with ENGINE.open(raster(location)):
        other = rasters.write(tmp_path / "other.tif", 255 - NOISE, tiled=False, overviews=())
        upstream.put("/strips.tif", other.read_bytes())
    with pytest.raises(SourceChanged):
        corner(upstream)
    assert np.array_equal(corner(upstream).data, 255 - NOISE[:, -10:])


def test_an_object_that_is_cut_short_is_broken(upstream: Upstream, tmp_path: Path) -> None:
    upstream.put("/strips.tif", (tmp_path / "strips.tif").read_bytes()[:700_000])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BrokenRaster):
            corner(upstream)
