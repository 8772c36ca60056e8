"""Does the server's own reader show a published raster? Asked for one tile a zoom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import BrokenRaster, TileryError
from tilery.geo import crs as crs_
from tilery.geo import tms
from tilery.geo.mercator import HALF, LATITUDE, part_north_of, resolution_at
from tilery.geo.raster import Array, Raster
from tilery.publishing import rasters, validity
from tilery.publishing.verification.valid_area import Points
from tilery.reading.options import ReadOptions
from tilery.reading.profile import Profile
from tilery.storage.policy import Policy

if TYPE_CHECKING:
    from tilery.reading.reader import Reader

_TILE = 256
_CACHE = 16 << 20
"""Bytes of decoded blocks that the engine keeps: each is needed once."""
_BANDS = 3
"""Bands that are looked at, at most."""
_ALMOST = 1e-3
"""Part of a pixel by which a raster may lie off a zoom's pixels through rounding."""
_LOSS = 8
"""By how much decoders of lossy compression may differ in the mean: they smooth colours between pixels or do not."""


def need_tiles(path: Path, profile: Profile, minzoom: int, maxzoom: int, points: Points, lossless: bool) -> None:
    """Check that tiles are read as the file has them: one of each zoom, where the raster has valid pixels.

    Args:
        path: the finished file.
        profile: its facts.
        minzoom: first zoom.
        maxzoom: last zoom.
        points: valid pixels of it.
        lossless: whether every decoder makes the same values of it.

    Raises:
        BrokenRaster: a tile cannot be read, or shows something else.
    """
    from tilery.engine import Engine, EngineOptions
    from tilery.reading.source import raster

    place = _place(profile, points)
    if place is None:
        return
    location = Policy.from_sources([f"{path.parent.resolve()}/"]).locate(str(path.resolve()))
    with (
        Engine(EngineOptions(open_datasets=1, block_cache_bytes=_CACHE, cores=1)) as engine,
        engine.open(raster(location)) as reader,
    ):
        for zoom in range(minzoom, maxzoom + 1):
            x, y = (min(2**zoom - 1, int(part * 2**zoom)) for part in place)
            _need_tile(path, profile, reader, (zoom, x, y), maxzoom, lossless=lossless, filled=bool(points.rows.size))


def _place(profile: Profile, points: Points) -> tuple[float, float] | None:
    """Return a place of the map to look at, as parts of its width and height: the valid one nearest to the middle of
    all.
    """
    columns, rows = points.columns, points.rows
    if not rows.size:  # nothing is valid, or only in between
        columns, rows = np.array([profile.width // 2]), np.array([profile.height // 2])
    a, b, c, d, e, f = profile.transform
    xs, ys = a * (columns + 0.5) + b * (rows + 0.5) + c, d * (columns + 0.5) + e * (rows + 0.5) + f
    longitude, latitude = crs_.transform_points(rasters.crs_of(profile), crs_.WGS84, xs, ys)
    shown = np.isfinite(longitude) & np.isfinite(latitude) & (np.abs(latitude) < LATITUDE)
    if not shown.any():
        return None  # no tile of Web Mercator shows it
    columns, rows, longitude, latitude = columns[shown], rows[shown], longitude[shown], latitude[shown]
    nearest = int(np.argmin((columns - np.median(columns)) ** 2 + (rows - np.median(rows)) ** 2))
    return float((longitude[nearest] + 180) / 360 % 1), part_north_of(float(latitude[nearest]))


def _need_tile(
    path: Path,
    profile: Profile,
    reader: Reader,
    tile: tuple[int, int, int],
    maxzoom: int,
    *,
    lossless: bool,
    filled: bool,
) -> None:
    zoom, x, y = tile
    name = f"{zoom}/{x}/{y}"
    bands = profile.data_bands[:_BANDS]
    try:
        read = reader.tile(tms.get(tms.DEFAULT), zoom, x, y, ReadOptions(bands=bands))
    except TileryError as error:
        text = f"{error.detail} {error.private or ''}"
        raise BrokenRaster(
            f"The server cannot read tile {name} of the raster that was made; nothing was published.", private=text
        ) from error
    shown = _shown(read)
    level = _level(profile, maxzoom, maxzoom - zoom)
    if level is None:
        wrong = filled and not shown.any()
    else:
        column, row = _offset(profile, maxzoom, level)
        data, there = _window(path, profile, level, x * _TILE - column, y * _TILE - row, bands)
        same = (shown == there).mean()
        both = shown & there
        apart = np.abs(read.data[both].astype("float64") - data[both])
        wrong = same < 1 or bool(apart.any() if lossless else apart.sum() > _LOSS * apart.size)
    if wrong:
        raise BrokenRaster(f"Tile {name} of the raster that was made is not what its file has; nothing was published.")


def _shown(read: Raster) -> NDArray[np.bool_]:
    """Return True where a tile is valid, a layer a band; what is not finite is missing, as `validity` has it."""
    shown = np.isfinite(read.data)
    if read.alpha is not None:  # beside it the mask says what is fully opaque
        shown &= read.alpha > 0
    elif read.mask is not None:
        shown &= read.mask
    return shown


def _level(profile: Profile, maxzoom: int, steps: int) -> int | None:
    """Return the level whose pixels are those of a zoom, 0 for the raster itself; None where there is none."""
    step = resolution_at(maxzoom)
    a, _, c, _, e, f = profile.transform
    if profile.crs != crs_.WEB_MERCATOR or not profile.north_up or not np.allclose((a, -e), step, rtol=1e-9):
        return None
    before = np.array([c + HALF, HALF - f]) / step
    if (np.abs(before - np.round(before)) > _ALMOST).any() or (np.round(before) % 2**steps).any():
        return None
    if steps and 2**steps not in profile.overviews:
        return None
    return steps


def _offset(profile: Profile, maxzoom: int, level: int) -> tuple[int, int]:
    """Return columns and rows of the world's pixels at a level that lie before the raster."""
    step = resolution_at(maxzoom)
    return (
        round((profile.transform[2] + HALF) / step) >> level,
        round((HALF - profile.transform[5]) / step) >> level,
    )


def _window(
    path: Path, profile: Profile, level: int, left: int, top: int, bands: tuple[int, ...]
) -> tuple[Array, NDArray[np.bool_]]:
    """Return values and validity of a tile as the file has them."""
    from rasterio.windows import Window

    with rasters.environment(), rasters.reading(path, overview=level - 1 if level else None) as dataset:
        first, start = max(0, top), max(0, left)
        last, stop = min(dataset.height, top + _TILE), min(dataset.width, left + _TILE)
        data = np.zeros((len(bands), _TILE, _TILE))
        there = np.zeros((len(bands), _TILE, _TILE), "bool")
        if last > first and stop > start:
            found = validity.read(dataset, profile, Window(start, first, stop - start, last - first))
            inner: Any = (slice(None), slice(first - top, last - top), slice(start - left, stop - left))
            data[inner] = found.data[: len(bands)]
            there[inner] = found.present()[: len(bands)]
    return data, there
