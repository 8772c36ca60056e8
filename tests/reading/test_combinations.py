"""Tiles of every kind of raster in every way of reading them, beside rio-tiler's and beside the exact positions.

The rasters' values are their columns and rows, so a value that is wrong says how far away it was taken. All 4,500
combinations of CRS, data type, kind of mask, resampling, zoom, tile size and place are one table; a run takes those of
one residue class, in which every pair of values meets. ``TILERY_TEST_COMBINATIONS=all`` takes all (eight minutes).
"""

from __future__ import annotations

import itertools
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.enums import Resampling
from rasterio.warp import transform_bounds
from rio_tiler.errors import TileOutsideBounds as PeerOutside
from rio_tiler.io import Reader as Peer

from tests.reading.grid.test_nearest import exact_positions
from tests.reading.test_reader import WEB, reader_of, valid
from tests.support import rasters
from tilery.geo import crs as crs_
from tilery.geo.raster import Grid
from tilery.reading.options import ReadOptions
from tilery.reading.reader import Reader

CRSS = ("EPSG:4326", "EPSG:3857", "EPSG:32632", "EPSG:2056", "EPSG:3035")
DTYPES = ("uint8", "uint16", "int16", "int32", "float32", "float64")
MASKS = ("none", "nodata", "mask", "alpha", "nan")
METHODS = ("nearest", "bilinear", "cubic", "lanczos", "average")
ZOOMS = (-2, 0, 2)
SIZES = (256, 512)
PLACES = ("middle", "corner")

CENTRED = Resampling.average
"""Of overviews, whose pixels then stand in the middle of those that they stand for: GDAL may read another level."""
SIDE = 240
"""Pixels of a raster along a side: each has a value of its own in a byte."""
CLASSES = 23
"""A prime that is none of the numbers of values, so that each class goes through every pair of them."""


def chosen() -> list[tuple[str, str, str, list[tuple[str, int, int, str]]]]:
    """For each raster the ways to read it that this run takes."""
    every = os.environ.get("TILERY_TEST_COMBINATIONS") == "all"
    found = []
    number = 0
    for crs, dtype, mask in itertools.product(CRSS, DTYPES, MASKS):
        if mask == "nan" and not dtype.startswith("float"):
            continue
        ways = []
        for way in itertools.product(METHODS, ZOOMS, SIZES, PLACES):
            number += 1
            if every or number % CLASSES == 0:
                ways.append(way)
        found.append((crs, dtype, mask, ways))
    return found


def make(path: Path, crs: str, dtype: str, mask: str) -> Path:
    """Return a raster whose bands are the column and the row, with a hole in its left half."""
    row, column = np.mgrid[0:SIDE, 0:SIDE].astype("float64")
    hole = (np.abs(row - 120) < 40) & (np.abs(column - 60) < 30)
    data = np.stack([column, row])
    made: dict[str, Any] = {}
    if mask == "nodata":
        data[:, hole] = 250
        made["nodata"] = 250
    elif mask == "nan":
        data[:, hole] = np.nan
        made["nodata"] = float("nan")
    elif mask == "mask":
        made["mask"] = ~hole
    elif mask == "alpha":
        most = 255 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
        data = np.concatenate([data, np.where(hole, 0, most)[None]])
        made["alpha"] = True
    with np.errstate(invalid="ignore"):
        data = data.astype(dtype)
    bounds = transform_bounds("EPSG:4326", crs, 8.0, 46.4, 8.6, 46.8)
    return rasters.write(path, data, crs=crs, bounds=bounds, block=64, overviews=(2, 4), resampling=CENTRED, **made)


def tile_at(reader: Reader, zoom: int, place: str) -> tuple[int, int, int]:
    """Return a tile in the middle of the raster, or that of its upper left corner, which lies half outside."""
    profile = reader.profile
    left, bottom, right, top = profile.bounds
    share = 0.5 if place == "middle" else 0.02
    x, y = left + share * (right - left), top - share * (top - bottom)
    xs, ys = crs_.transform_points(profile.crs or crs_.WGS84, WEB.crs, [x], [y])
    return (zoom, *WEB.tile_at(float(xs[0]), float(ys[0]), zoom))


def off(values: Any, seen: Any, exact: Any, usable: Any) -> tuple[float, float]:
    """Return how far from the exact position values are at the median, and on the whole, in pixels of the raster."""
    both = seen & usable
    if both.sum() < 64:
        return (0.0, 0.0)
    apart = values[both].astype("float64") + 0.5 - exact[both]
    return float(np.median(np.abs(apart))), float(np.mean(apart))


def compare(reader: Reader, peer: Peer, way: tuple[str, int, int, str], note: str) -> None:
    method, beyond, size, place = way
    zoom = max(0, peer.maxzoom + beyond)
    z, x, y = tile_at(reader, zoom, place)
    options = ReadOptions(resampling=method, reproject=method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = peer.tile(x, y, z, tilesize=size, resampling_method=method, reproject_method=method)
        except PeerOutside:
            pytest.fail(f"{note}: not a tile of the raster")
    ours, theirs = reader.tile(WEB, z, x, y, options, width=size, height=size), image.array
    assert ours.data.shape == theirs.shape, note
    assert ours.data.dtype == theirs.dtype, note
    seen, also = valid(ours), ~np.ma.getmaskarray(theirs)
    if theirs.dtype.kind == "f" and image.alpha_mask is not None:  # it takes none for opaque: nothing shows
        also = np.broadcast_to(image.alpha_mask > 0, also.shape)
    grid = Grid(crs=WEB.crs, bounds=WEB.tile_bounds(z, x, y), width=size, height=size)
    column, row = exact_positions(reader.profile, grid)
    step = max(1.0, float(np.abs(np.diff(column, axis=1)).max()), float(np.abs(np.diff(row, axis=0)).max()))
    # Where the border of what is valid runs is a matter of half a sample; a sample may be as large as four pixels here.
    assert (seen != also).mean() < 0.02 + 0.01 * step, note
    reach = 4 * step
    inside = (column > reach) & (row > reach) & (column < SIDE - reach) & (row < SIDE - reach)
    from_hole = np.maximum(np.abs(column - 60.5) - 30, np.abs(row - 120.5) - 40)
    usable = inside & (from_hole > 2 * reach)
    if method == "nearest":
        differing = (ours.data != theirs.data) & seen & also
        assert differing.mean() < 0.06, f"{note}: {differing.mean():.3f} of the samples are others"
    for band, exact in enumerate((column, row)):
        our_distance, our_shift = off(ours.data[band], seen[band], exact, usable)
        their_distance, their_shift = off(theirs.data[band], also[band], exact, usable)
        # At least as near as rio-tiler, to a twentieth of a sample; and not moved. Overviews of integers are rounded.
        slack = 0.05 * step + (0.5 if beyond < 0 and theirs.dtype.kind in "iu" else 0.0)
        assert our_distance <= their_distance + slack, f"{note}, band {band + 1}: {our_distance} {their_distance}"
        assert abs(our_shift) <= abs(their_shift) + slack, f"{note}, band {band + 1}: {our_shift} {their_shift}"


@pytest.mark.parametrize(
    ("crs", "dtype", "mask", "ways"), chosen(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_tiles_beside_rio_tiler(
    tmp_path: Path, crs: str, dtype: str, mask: str, ways: list[tuple[str, int, int, str]]
) -> None:
    path = make(tmp_path / "raster.tif", crs, dtype, mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = Peer(str(path))
    with peer, reader_of(path) as reader:
        for way in ways:
            compare(reader, peer, way, f"{crs} {dtype} {mask} {way}")


def test_every_pair_of_values_is_taken() -> None:
    taken = [(crs, dtype, mask, *way) for crs, dtype, mask, ways in chosen() for way in ways]
    axes = (CRSS, DTYPES, MASKS, METHODS, ZOOMS, SIZES, PLACES)
    for (one, first), (other, second) in itertools.combinations(enumerate(axes), 2):
        for pair in itertools.product(first, second):
            if "nan" in pair and not any(str(value).startswith("float") for value in pair) and (one, other) == (1, 2):
                continue
            assert any((combo[one], combo[other]) == pair for combo in taken), pair
