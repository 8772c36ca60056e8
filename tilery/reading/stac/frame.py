"""Where several rasters lie together: one grid that covers all of them at the finest resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tilery.errors import TileryError, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs
from tilery.limits import untrusted_json
from tilery.reading import pixel_sizes
from tilery.reading.profile import Affine, Profile, can_be_placed
from tilery.reading.stac.item import Item

_MOST_PIXELS = 1 << 31
"""Along a side of the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A grid of pixels."""

    crs: Crs | None
    transform: Affine
    width: int
    height: int


def of_profiles(profiles: Sequence[Profile]) -> Frame:
    """Return the frame of rasters, in the CRS of the first that has one; in another CRS their pixels are taken as
    squares of the same area.
    """
    first = next((profile for profile in profiles if profile.crs is not None), profiles[0])
    shapes = {(one.crs, one.transform, one.width, one.height) for one in profiles}
    if len(shapes) == 1 or first.crs is None:
        return Frame(crs=first.crs, transform=first.transform, width=first.width, height=first.height)
    boxes, sides = [], []
    for profile in profiles:
        if profile.crs == first.crs:
            boxes.append(profile.bounds)
            width, height = profile.upright_size
            left, bottom, right, top = profile.bounds
            sides.append(((right - left) / width, (top - bottom) / height))
        elif profile.crs is not None:
            box = crs_.transform_bounds(profile.crs, first.crs, profile.bounds)
            if all(map(math.isfinite, box)):
                boxes.append(box)
                with suppress(UnsupportedRaster):  # no pixel of it has a place there
                    sides.append((pixel_sizes.typical(profile, first.crs),) * 2)
    bounds = (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )
    return _framed(first.crs, bounds, min(side[0] for side in sides), min(side[1] for side in sides))


def of_item(item: Item) -> Frame:
    """Return the frame that an item tells without its assets: by the projection extension, else by its bounds."""
    known = [found for asset in item.assets.values() if (found := _projected(asset.fields, item.properties))]
    if known and len({frame.crs for frame in known}) == 1:
        boxes = [_bounds(frame) for frame in known]
        bounds = (
            min(box[0] for box in boxes),
            min(box[1] for box in boxes),
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        )
        across, down = (min(abs(frame.transform[place]) for frame in known) for place in (0, 4))
        return _framed(known[0].crs, bounds, across, down)
    if (whole := _projected(item.properties, item.properties)) is not None:
        return whole
    west, south, east, north = item.bounds()
    if west > east:
        east += 360.0
    return _framed(crs_.WGS84, (west, south, east, north), *(max(east - west, north - south, 1e-6) / 4096,) * 2)


def _framed(crs: Crs | None, bounds: Bounds, across: float, down: float) -> Frame:
    left, bottom, right, top = bounds
    if not (right - left < _MOST_PIXELS * across and top - bottom < _MOST_PIXELS * down):
        raise UnsupportedRaster(
            "The rasters of the item are too far apart, or too fine, for one grid.", parameter="url"
        )
    width, height = max(1, round((right - left) / across)), max(1, round((top - bottom) / down))
    transform = ((right - left) / width, 0.0, left, 0.0, (bottom - top) / height, top)
    return Frame(crs=crs, transform=transform, width=width, height=height)


def _bounds(frame: Frame) -> Bounds:
    a, _, c, _, e, f = frame.transform
    xs, ys = sorted((c, c + a * frame.width)), sorted((f, f + e * frame.height))
    return (xs[0], ys[0], xs[1], ys[1])


def _projected(fields: Any, item: Any) -> Frame | None:
    """Return what ``proj:transform`` and ``proj:shape`` tell; None where they tell nothing, or of turned rows."""
    transform, shape = fields.get("proj:transform"), fields.get("proj:shape")
    crs = _crs(fields) or _crs(item)
    if crs is None or not isinstance(transform, list) or not isinstance(shape, list):
        return None
    numbers = untrusted_json.numbers([*transform[:6], *shape])
    if numbers is None or len(numbers) != 8:
        return None
    a, b, c, d, e, f, height, width = numbers
    if b or d or not a or not e or not 1 <= width < 1 << 31 or not 1 <= height < 1 << 31:
        return None
    frame = Frame(crs=crs, transform=(a, 0.0, c, 0.0, e, f), width=int(width), height=int(height))
    return frame if can_be_placed(frame.transform, frame.width, frame.height) else None


def _crs(fields: Any) -> Crs | None:
    code, number = fields.get("proj:code"), fields.get("proj:epsg")
    text = code if isinstance(code, str) else f"EPSG:{number}" if isinstance(number, int) else fields.get("proj:wkt2")
    if isinstance(text, str):
        with suppress(TileryError):
            return crs_.parse(text)
    return None
