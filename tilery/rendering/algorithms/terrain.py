"""Algorithms on elevation: shading, slope, contours, and heights packed into colours.

The sums, and the types in which they are done, are TiTiler's, so that the bytes are: its masked arrays take every
number for a float64, where plain arrays of float32 stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import InvalidBand, InvalidParameter
from tilery.geo.raster import Array, Raster
from tilery.limits import deadline
from tilery.rendering import colormap
from tilery.rendering.algorithms.declaration import Algorithm, AlgorithmParameter
from tilery.rendering.algorithms.results import result, to_bytes
from tilery.rendering.validity import Mask, valid

_STRIP = 1 << 16
"""Pixels that are worked on at a time: what lies between the heights and the result takes 60 bytes each."""


def _hillshade(raster: Raster, values: Mapping[str, Any]) -> Raster:
    azimuth = np.deg2rad(360.0 - values["azimuth"])
    altitude = np.deg2rad(values["angle_altitude"])
    shades = np.empty((raster.height, raster.width), np.uint8)
    for rows, x, y in _gradients(raster, values["z_exaggeration"]):
        slope = np.float64(np.pi / 2.0) - np.arctan(np.sqrt(x * x + y * y))
        aspect = np.arctan2(-x, y)
        shaded = np.sin(altitude) * np.sin(slope) + np.cos(altitude) * np.cos(slope) * np.cos(azimuth - aspect)
        shaded = 255 * (shaded + 1) / 2
        np.maximum(shaded, 0, out=shaded)
        shades[rows] = to_bytes(shaded)
    inside = result(raster, shades[np.newaxis], _both_known(raster), ["hillshade"])
    return _without_buffer(inside, values["buffer"])


def _slope(raster: Raster, values: Mapping[str, Any]) -> Raster:
    left, bottom, right, top = raster.bounds
    slopes = np.empty((raster.height, raster.width), np.float32)
    for rows, x, y in _gradients(raster, values["z_exaggeration"]):
        # a raster without place has pixels of size 1. As in TiTiler the change from row to row is divided by the width
        # of a pixel, which is right for square ones: those of every tile
        dx = x / np.float64(abs(right - left) / raster.width or 1.0)
        dy = y / np.float64(abs(top - bottom) / raster.height or 1.0)
        slopes[rows] = np.rad2deg(np.arctan(np.sqrt(dx * dx + dy * dy)))
    inside = result(raster, slopes[np.newaxis], _both_known(raster), ["slope"], statistics=((0.0, 90.0),))
    return _without_buffer(inside, values["buffer"])


def _gradients(raster: Raster, exaggeration: float) -> Iterator[tuple[slice, Array, Array]]:
    """Return the change from row to row and from column to column, some rows at a time."""
    if raster.height < 2 or raster.width < 2:
        raise InvalidParameter("This algorithm needs a picture of at least 2 by 2 pixels.", parameter="algorithm")
    heights = raster.data[0]
    if heights.dtype == np.bool_:
        heights = heights.view(np.uint8)
    for rows in _strips(raster):
        start, stop = rows.start, rows.stop
        first, last = max(start - 1, 0), min(stop + 1, raster.height)
        x, y = np.gradient(heights[first:last])
        x, y = x[start - first : stop - first], y[start - first : stop - first]
        x *= exaggeration
        y *= exaggeration
        yield rows, x, y


def _strips(raster: Raster) -> Iterator[slice]:
    """Yield some rows at a time.

    Raises:
        DeadlineExceeded: the time is up.
    """
    step = max(1, _STRIP // raster.width)
    for start in range(0, raster.height, step):
        deadline.check()
        yield slice(start, min(start + step, raster.height))


def _both_known(raster: Raster) -> Mask | None:
    """Return where both gradients are known."""
    mask = valid(raster)
    if mask is None:
        return None
    known = mask[0]
    both = np.empty_like(known)
    # the difference at a pixel is taken between its two neighbours, at the edge between it and the one neighbour
    both[1:-1] = known[2:] & known[:-2]
    both[0] = known[0] & known[1]
    both[-1] = known[-1] & known[-2]
    both[:, 1:-1] &= known[:, 2:] & known[:, :-2]
    both[:, 0] &= known[:, 0] & known[:, 1]
    both[:, -1] &= known[:, -1] & known[:, -2]
    found: Mask = both[np.newaxis]
    return found


def _without_buffer(raster: Raster, buffer: int) -> Raster:
    """Return the raster less ``buffer`` pixels on each side."""
    if not buffer:
        return raster
    if 2 * buffer >= min(raster.width, raster.height):
        raise InvalidParameter(
            "algorithm_params: buffer leaves nothing of a picture of this size.", parameter="algorithm_params"
        )
    left, bottom, right, top = raster.bounds
    x, y = buffer * (right - left) / raster.width, buffer * (top - bottom) / raster.height
    inside = slice(buffer, -buffer)
    return replace(
        raster,
        data=raster.data[:, inside, inside],
        mask=None if raster.mask is None else raster.mask[:, inside, inside],
        cutline=None if raster.cutline is None else raster.cutline[inside, inside],
        bounds=(left + x, bottom + y, right - x, top - y),
    )


def _contours(raster: Raster, values: Mapping[str, Any]) -> Raster:
    if raster.count != 1:
        raise InvalidBand("contours needs one band. Choose one with bidx or expression.", parameter="algorithm")
    heights = raster.data[0].astype(np.float64)
    low, high = values["minz"], values["maxz"]
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = to_bytes((np.clip(heights, low, high) - low) / np.float64(high - low) * 254.0 + 1.0)
        lines = heights % values["increment"] < values["thickness"]
    _, palette = colormap.apply(colormap.get("terrain"), steps)
    colors = palette[:, :3].take(steps, axis=0)
    colors[lines] = 0
    return result(raster, colors.transpose(2, 0, 1), valid(raster), ["contours_r", "contours_g", "contours_b"])


def _terrarium(raster: Raster, values: Mapping[str, Any]) -> Raster:
    heights = np.clip(raster.data[0] + np.float64(32768.0), 0.0, 65535.0)
    mask = _filled(heights, raster, values["nodata_height"], lambda height: min(max(height + 32768.0, 0.0), 65535.0))
    colors = np.empty((raster.height, raster.width, 3), np.uint8)
    for rows in _strips(raster):
        part = heights[rows]
        for channel, values_of in enumerate((part / 256, part % 256, (part * 256) % 256)):
            colors[rows, :, channel] = to_bytes(values_of)
    return result(raster, colors.transpose(2, 0, 1), mask, ["terranium_r", "terranium_g", "terranium_b"])


def _terrainrgb(raster: Raster, values: Mapping[str, Any]) -> Raster:
    base, interval = values["baseval"], values["interval"]
    if interval == 0:
        raise InvalidParameter("algorithm_params: interval must be above 0.", parameter="algorithm_params")
    steps = raster.data[0].astype(np.float64)
    mask = _filled(steps, raster, values["nodata_height"], float)
    steps -= base
    steps /= interval
    np.around(steps, out=steps)
    np.clip(steps, 0, _MOST_STEPS, out=steps)  # what is too low or too high stays at the end of what can be told
    colors = np.empty((raster.height, raster.width, 3), np.uint8)
    for rows in _strips(raster):
        with np.errstate(invalid="ignore"):
            whole = steps[rows].astype(np.int64)
        for channel, shift in enumerate((16, 8, 0)):
            colors[rows, :, channel] = to_bytes(whole >> shift)
    return result(raster, colors.transpose(2, 0, 1), mask, ["terrain_r", "terrain_g", "terrain_b"])


def _filled(heights: NDArray[Any], raster: Raster, nodata_height: float | None, encode: Any) -> Mask | None:
    """Return the mask that is left: none at all where masked pixels take the height that was given for them."""
    mask = valid(raster)
    if mask is None:
        return None
    if nodata_height is None:
        return mask[:1]
    heights[~mask[0]] = encode(nodata_height)
    return None


_MOST_STEPS = 256**3 - 1
"""What three bytes hold."""
_BUFFER = AlgorithmParameter(name="buffer", kind="integer", default=3, minimum=0, maximum=99)
_EXAGGERATION = AlgorithmParameter(name="z_exaggeration", kind="number", default=1.0, minimum=1e-6, maximum=1e6)
_NODATA_HEIGHT = AlgorithmParameter(
    name="nodata_height", kind="number", default=None, minimum=-99999.0, maximum=99999.0, nullable=True
)

SURFACES = (
    Algorithm(
        name="hillshade",
        title="Hillshade",
        description="Create hillshade from DEM dataset.",
        run=_hillshade,
        parameters=(
            AlgorithmParameter(name="azimuth", kind="integer", default=45, minimum=0, maximum=360),
            AlgorithmParameter(name="angle_altitude", kind="number", default=45.0, minimum=-90.0, maximum=90.0),
            _BUFFER,
            _EXAGGERATION,
        ),
        input_bands=1,
        output_bands=1,
        output_dtype="uint8",
        memory=10,
    ),
    Algorithm(
        name="slope",
        title="Slope",
        description="Calculate degrees of slope from DEM dataset.",
        run=_slope,
        parameters=(replace(_BUFFER, description="Buffer size for edge effects"), _EXAGGERATION),
        input_bands=1,
        output_bands=1,
        output_dtype="float32",
        memory=12,
        output_min=(0.0,),
        output_max=(90.0,),
    ),
    Algorithm(
        name="contours",
        title="Contours",
        description="Create contours from DEM dataset.",
        run=_contours,
        parameters=(
            AlgorithmParameter(name="increment", kind="integer", default=35, minimum=0, maximum=999),
            AlgorithmParameter(name="thickness", kind="integer", default=1, minimum=0, maximum=10),
            AlgorithmParameter(name="minz", kind="integer", default=-12000, minimum=-99999, maximum=99999),
            AlgorithmParameter(name="maxz", kind="integer", default=8000, minimum=-99999, maximum=99999),
        ),
        input_bands=1,
        output_bands=3,
        output_dtype="uint8",
        memory=28,
    ),
)
"""Algorithms that show the shape of the ground."""
PACKED = (
    Algorithm(
        name="terrarium",
        title="Terrarium",
        description="Encode DEM into RGB (Mapzen Terrarium).",
        run=_terrarium,
        parameters=(_NODATA_HEIGHT,),
        input_bands=1,
        output_bands=3,
        output_dtype="uint8",
        memory=30,
        packs=True,
    ),
    Algorithm(
        name="terrainrgb",
        title="TerrainRGB",
        description="Encode DEM into RGB (Mapbox Terrain RGB).",
        run=_terrainrgb,
        parameters=(
            AlgorithmParameter(name="interval", kind="number", default=0.1, minimum=0.0, maximum=1.0),
            AlgorithmParameter(name="baseval", kind="number", default=-10000.0, minimum=-99999.0, maximum=99999.0),
            _NODATA_HEIGHT,
        ),
        input_bands=1,
        output_bands=3,
        output_dtype="uint8",
        memory=30,
        packs=True,
    ),
)
"""Algorithms that pack heights into colours."""
