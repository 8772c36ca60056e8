"""Where a variable lies: which dimensions run across and down, in which CRS, and the transform of its cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilery.errors import InvalidParameter, TooMuchWork, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Array, Crs
from tilery.reading.profile import Affine
from tilery.reading.zarr import coordinates
from tilery.reading.zarr.group import Group
from tilery.reading.zarr.metadata import ArrayMetadata
from tilery.reading.zarr.stored import Json

_X = ("x", "lon", "longitude")
_Y = ("y", "lat", "latitude")
"""Names of dimensions, in lower case: TiTiler's."""
_STANDARD = {
    "x": ("longitude", "projection_x_coordinate", "grid_longitude"),
    "y": ("latitude", "projection_y_coordinate", "grid_latitude"),
}
"""CF's names for what lies along a dimension."""
_POLE = 90.0
_UNEVEN = 0.5
"""Of a cell: a coordinate that is farther from its place on an even grid lies in another cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the cells of a variable are."""

    x: int
    """Number of the dimension that runs across."""
    y: int
    """Number of the one that runs down, or up."""
    crs: Crs
    transform: Affine


def dimensions(group: Group, array: ArrayMetadata) -> tuple[int, int]:
    """Return the numbers of the dimensions that run across and down.

    Raises:
        UnsupportedRaster: it has none.
    """
    found = []
    for axis, names in (("x", _X), ("y", _Y)):
        lower = [name.lower() for name in array.dimensions]
        at = next((lower.index(name) for name in names if name in lower), None)
        if at is None:
            at = next((place for place, name in enumerate(array.dimensions) if _runs(group, name, axis)), None)
        if at is None:
            raise UnsupportedRaster(
                f"The variable {array.name[:64]!r} has no dimension that runs {'across' if axis == 'x' else 'down'}, "
                f"as x and y, or lon and lat. Its dimensions: {', '.join(array.dimensions)[:256]}.",
                parameter="variable",
            )
        found.append(at)
    return found[0], found[1]


def _runs(group: Group, name: str, axis: str) -> bool:
    """Return whether a dimension runs along an axis, as the attributes of its coordinate say."""
    coordinate = _coordinate(group, name)
    said = coordinate.attributes if coordinate is not None else {}
    return said.get("axis") == axis.upper() or said.get("standard_name") in _STANDARD[axis]


def _coordinate(group: Group, name: str) -> ArrayMetadata | None:
    try:
        found = group.find(name)
    except InvalidParameter:  # a name that is no path
        return None
    return found if found is not None and found.dimensions == (name,) else None


def of(group: Group, array: ArrayMetadata) -> Place:
    """Return where a variable lies.

    Raises:
        UnsupportedRaster: nothing places it, or its cells are not on an even grid.
    """
    x, y = dimensions(group, array)
    mapping = _mapping(group, array)
    said = _crs(mapping) if mapping is not None else _crs_of_attribute(array)
    crs = said or crs_.WGS84
    written = _written(mapping)
    across = _steps(group, array, x, written[0:3:2] if written else None, turns=crs == crs_.WGS84)
    down = _steps(group, array, y, (written[4], written[5]) if written else None)
    (a, c), (e, f) = across, down
    if said is None and max(abs(f), abs(f + e * array.shape[y])) > _POLE + abs(e):
        raise UnsupportedRaster(
            f"The variable {array.name[:64]!r} says no CRS, and its coordinates are no degrees: a grid_mapping, or an "
            "attribute crs, says which they are.",
            parameter="variable",
        )
    if crs == crs_.WGS84 and min(c, c + a * array.shape[x]) >= 180.0:
        c -= 360.0  # all of it lies in the west
    return Place(x=x, y=y, crs=crs, transform=(a, 0.0, c, 0.0, e, f))


def index(group: Group, array: ArrayMetadata, axis: int) -> tuple[Array, Json, bool]:
    """Return the values along a dimension, their attributes, and whether they are its own: where it has none they are
    the positions, from 0. One dimension, as long as the array is along ``axis``.

    Raises:
        TooMuchWork: it is longer than is read.
        BrokenRaster: a chunk of the coordinate does not decode.
    """
    name, length = array.dimensions[axis], array.shape[axis]
    coordinate = _coordinate(group, name)
    if coordinate is None or coordinate.shape != (length,):
        if length > coordinates.MOST:
            raise TooMuchWork(
                f"The dimension {name[:64]!r} is longer than is read.", parameter="variable", limit=coordinates.MOST
            )
        return np.arange(length), {}, False
    return group.values(coordinate), coordinate.attributes, True


def _steps(
    group: Group, array: ArrayMetadata, axis: int, written: Sequence[float] | None, *, turns: bool = False
) -> tuple[float, float]:
    """Return the size of a cell along a dimension and where the first begins.

    Args:
        group: that holds the coordinate.
        array: the variable.
        axis: the dimension.
        written: both, as a ``GeoTransform`` says them.
        turns: whether the coordinates are degrees of longitude, which may begin anew on their way east.
    """
    name, length = array.dimensions[axis], array.shape[axis]
    coordinate = _coordinate(group, name)
    if length == 0:
        raise UnsupportedRaster(f"The dimension {name[:64]!r} has no cells.", parameter="variable")
    if coordinate is None or coordinate.shape != (length,) or coordinate.dtype.kind not in "iuf":
        if written is None:
            raise UnsupportedRaster(f"The dimension {name[:64]!r} has no coordinates.", parameter="variable")
        return written[0], written[1]
    values = np.asarray(group.values(coordinate), np.float64)
    if not np.isfinite(values).all():
        raise UnsupportedRaster(f"The coordinates of {name[:64]!r} are not all numbers.", parameter="variable")
    if length == 1:
        if written is None:
            raise UnsupportedRaster(
                f"The dimension {name[:64]!r} has one cell, whose size nothing says.", parameter="variable"
            )
        return written[0], float(values[0]) - written[0] / 2
    step = _even_step(values) or (_even_step(np.unwrap(values, period=360.0)) if turns else 0.0)
    if step == 0:
        raise UnsupportedRaster(
            f"The coordinates of {name[:64]!r} are not evenly spaced: such cells are no raster.", parameter="variable"
        )
    return step, float(values[0]) - step / 2


def _even_step(values: Array) -> float:
    """Return the distance of coordinates from one to the next; 0 where they are not evenly spaced."""
    step = float(values[-1] - values[0]) / (len(values) - 1)
    even = values[0] + step * np.arange(len(values))
    return step if np.abs(values - even).max() < abs(step) * _UNEVEN else 0.0


def _mapping(group: Group, array: ArrayMetadata) -> Json | None:
    """Return the attributes of the variable that says which CRS it is; None where none does."""
    said = array.attributes.get("grid_mapping")
    names = [said.partition(":")[0].split()[0]] if isinstance(said, str) and said.partition(":")[0].split() else []
    for name in [*names, "spatial_ref"]:
        try:
            found = group.find(name)
        except InvalidParameter:
            continue
        if found is not None:
            return found.attributes
    return None


def _crs(mapping: Json) -> Crs:
    """Return the CRS that a grid mapping is.

    Raises:
        UnsupportedRaster: it makes no sense.
    """
    for name in ("spatial_ref", "crs_wkt", "proj4_params"):
        text = mapping.get(name)
        if isinstance(text, str) and text:
            try:
                return crs_.parse(text, "variable")
            except InvalidParameter:
                break
    import pyproj
    from pyproj import exceptions

    written = {name: value for name, value in mapping.items() if not name.endswith("wkt") and name != "spatial_ref"}
    if not isinstance(written.get("grid_mapping_name"), str):
        return crs_.WGS84
    try:
        return crs_.parse(crs_.from_pyproj(pyproj.CRS.from_cf(written)), "variable")
    except (exceptions.CRSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, InvalidParameter):
        # whatever comes of values of other types than they should be: pyproj looks at none of them before
        raise UnsupportedRaster("The grid mapping of the variable is no CRS.", parameter="variable") from None


def _crs_of_attribute(array: ArrayMetadata) -> Crs | None:
    """Return the CRS of the attribute ``crs``, which rioxarray reads as well. None: there is none that makes sense."""
    text = array.attributes.get("crs")
    try:
        return crs_.parse(str(text), "variable") if isinstance(text, str | int) and text else None
    except InvalidParameter:
        return None


def _written(mapping: Json | None) -> Affine | None:
    """Return the transform of a ``GeoTransform``, as GDAL writes it for CF, where cells are upright."""
    text = (mapping or {}).get("GeoTransform")
    parts = text.split() if isinstance(text, str) else text if isinstance(text, list) else []
    try:
        c, a, b, f, d, e = (float(part) for part in parts)
    except (ValueError, TypeError, OverflowError):
        return None
    if not all(map(math.isfinite, (a, c, e, f))) or b or d or not a or not e:
        return None
    return (a, 0.0, c, 0.0, e, f)
