"""What a variable and its group say of themselves, with the names that TiTiler's clients know."""

from __future__ import annotations

import html
import math
from typing import Any

from tilery.errors import InvalidParameter, NotFound, TooMuchWork, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds
from tilery.limits import deadline
from tilery.reading.zarr import coordinates, place
from tilery.reading.zarr.dataset import ZarrDataset, valid_range
from tilery.reading.zarr.group import Group
from tilery.reading.zarr.metadata import ArrayMetadata
from tilery.reading.zarr.packing import packing_of
from tilery.reading.zarr.stored import Json

_PACKED = frozenset(
    (
        *("scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned", "dtype", "_ARRAY_DIMENSIONS"),
        *("coordinates", "grid_mapping", "cell_measures", "bounds", "formula_terms", "ancillary_variables"),
    )
)
"""Attributes that say how values are stored, and which other variables belong to them."""
_NAMING = ("coordinates", "grid_mapping", "cell_measures", "bounds", "formula_terms", "ancillary_variables")
"""Attributes that name coordinates."""


_MOST_REPEATED = 16 << 20
"""Characters of attributes that are told again of each band."""


class CoordinateNotFound(NotFound):
    """The group has no such coordinate."""

    code = "coordinate_not_found"


def info(dataset: ZarrDataset, *, times: bool = False) -> Json:
    """Return what ``/info`` answers: bounds, CRS, bands, type, dimensions and attributes.

    Args:
        dataset: a variable with what is selected of it.
        times: add the values of its dimension ``time``, where that is left.
    """
    profile, bands, array = dataset.profile, dataset.bands, dataset.array
    names = [f"b{band}" for band in range(1, profile.count + 1)]
    attributes = shown(array, times=False)
    ends = valid_range(array.attributes)
    if ends is not None:
        attributes |= {"valid_min": ends[0], "valid_max": ends[1]}
    said = _attributes(bands.attributes, without_times=dataset.group.decode_times)
    if bands.dimension and len(repr(said)) * profile.count > _MOST_REPEATED:
        raise TooMuchWork(
            f"The attributes of the dimension {bands.dimension[:64]!r} are too long to be told of {profile.count} "
            "bands. Select fewer by sel.",
            parameter="sel",
            limit=_MOST_REPEATED,
        )
    has_nodata = dataset.packing.has_missing or any(name in array.attributes for name in ("fill_value", "nodata"))
    body: Json = {
        "bounds": list(_westward(profile.crs, profile.bounds)),
        "crs": None if profile.crs is None else crs_.uri(profile.crs) or profile.crs,
        "band_metadata": [[name, said if bands.dimension else {}] for name in names],
        "band_descriptions": [[name, label] for name, label in zip(names, bands.labels, strict=True)],
        "dtype": profile.dtypes[0],
        "nodata_type": "Nodata" if has_nodata else "None",
        "name": array.name,
        "count": profile.count,
        "width": profile.width,
        "height": profile.height,
        "dimensions": [*([bands.dimension] if bands.dimension else []), "y", "x"],
        "attrs": attributes,
    }
    if len(dataset.levels) > 1:
        body["overviews"] = list(profile.overviews)
    if ends is not None:
        body["minmax"] = [list(ends)] * profile.count
    if times and bands.dimension == "time":
        body["times"] = list(bands.labels)
    return body


def _westward(crs: str | None, bounds: Bounds) -> Bounds:
    """Return bounds as TiTiler has them where longitudes go from 0 to 360: moved to where those from 180 on are in the
    west. Those of a part of the world stay in one piece.
    """
    west, south, east, north = bounds
    if crs == crs_.WGS84 and east > 180.0 and math.isclose(east - west, 360.0, abs_tol=1e-6):
        return (west - 180.0, south, east - 180.0, north)
    return bounds


def shown(array: ArrayMetadata, *, times: bool) -> Json:
    """Return the attributes of a variable but those that say how it is stored.

    Args:
        array: the variable.
        times: leave those of times out too, which were made moments.
    """
    return _attributes(array.attributes, without_times=times)


def _attributes(attributes: Json, *, without_times: bool) -> Json:
    hidden = _PACKED
    units = attributes.get("units")
    if without_times and isinstance(units, str) and " since " in units:
        hidden = hidden | {"units", "calendar"}
    return {name: value for name, value in attributes.items() if name not in hidden}


def variables(group: Group) -> tuple[list[ArrayMetadata], list[ArrayMetadata]]:
    """Return the coordinates of a group and its other variables.

    Raises:
        UnsupportedRaster: nothing lists them.
    """
    arrays = [group.array(name) for name in deadline.paced(group.names())]
    named: set[str] = set()
    for array in arrays:
        for name in _NAMING:
            text = array.attributes.get(name)
            if isinstance(text, str):
                named.update(part for part in text.split() if not part.endswith(":"))
    text = group.attributes.get("coordinates")
    if isinstance(text, str):
        named.update(text.split())
    of_dimensions = [array for array in arrays if array.dimensions == (array.name,) or array.name in named]
    return of_dimensions, [array for array in arrays if array not in of_dimensions]


def keys(group: Group) -> list[str]:
    """Return the names of the variables that are no coordinates."""
    return [array.name for array in variables(group)[1]]


def dimensions(group: Group) -> dict[str, int]:
    """Return the lengths of the dimensions."""
    found: dict[str, int] = {}
    for name in deadline.paced(group.names()):
        array = group.array(name)
        for dimension, length in zip(array.dimensions, array.shape, strict=True):
            found.setdefault(dimension, length)
    return found


def as_dict(group: Group) -> Json:
    """Return the group as xarray's ``to_dict`` writes it, without values."""
    of_dimensions, others = variables(group)
    return {
        "coords": {array.name: _described(group, array) for array in of_dimensions},
        "attrs": {name: value for name, value in group.attributes.items() if name != "coordinates"},
        "dims": dimensions(group),
        "data_vars": {array.name: _described(group, array) for array in others},
    }


def _described(group: Group, array: ArrayMetadata) -> Json:
    return {
        "dims": list(array.dimensions),
        "attrs": shown(array, times=group.decode_times),
        "dtype": _dtype(group, array),
        "shape": list(array.shape),
    }


def _dtype(group: Group, array: ArrayMetadata) -> str:
    """Return the name of the type of a variable's values."""
    if array.dtype.kind == "M" or (group.decode_times and coordinates.is_time(array)):
        return "datetime64[ns]"
    if array.dtype.kind in "OSU":
        return "object" if array.dtype.kind == "O" else str(array.dtype)
    if array.dtype.kind == "b":
        return "bool"
    return packing_of(array).dtype.name if array.dtype.kind in "iufc" else str(array.dtype)


def coordinate(group: Group, name: str) -> Json:
    """Return a coordinate with its values.

    Raises:
        CoordinateNotFound: there is none of that name.
        TooMuchWork: it has too many values.
    """
    try:
        array = group.find(name)
    except InvalidParameter:
        array = None
    if array is None or (array.dimensions != (name,) and array not in variables(group)[0]):
        raise CoordinateNotFound(f"Coordinate '{name[:64]}' not found", parameter="name")
    body = {
        "dims": list(array.dimensions),
        "attrs": shown(array, times=group.decode_times),
        "data": coordinates.as_json(group.values(array)),
    }
    return {**body, "coords": {array.name: body}, "name": array.name}


def along(dataset: ZarrDataset) -> list[Json]:
    """Return the dimensions of a variable that are not on the map: name, values, and the position of the one that is
    selected; of several that are bands none.

    Raises:
        TooMuchWork: one has too many values.
    """
    array, where = dataset.array, dataset.levels[0].place
    others = [axis for axis in range(len(array.shape)) if axis not in (where.x, where.y)]
    found = []
    for number, axis in enumerate(others):
        values, _, _ = place.index(dataset.group, array, axis)
        selected = {plane[number] for plane in dataset.bands.planes}
        found.append(
            {
                "name": array.dimensions[axis],
                "values": coordinates.as_json(values),
                "position": next(iter(selected)) if len(selected) == 1 else None,
            }
        )
    return found


def page(group: Group) -> str:
    """Return the group as a fragment of HTML."""
    of_dimensions, others = variables(group)
    parts = ["<div class='xr-wrap'><h4>Dataset</h4>", "<p>"]
    parts += [f"{_text(name)}: {length} " for name, length in dimensions(group).items()]
    parts.append("</p>")
    for title, arrays in (("Coordinates", of_dimensions), ("Data variables", others)):
        parts.append(
            f"<h5>{title}</h5><table><tr><th>name</th><th>dimensions</th><th>type</th><th>attributes</th></tr>"
        )
        for array in arrays:
            sizes = ", ".join(f"{name}: {length}" for name, length in zip(array.dimensions, array.shape, strict=True))
            said = "; ".join(f"{key} = {value}" for key, value in shown(array, times=group.decode_times).items())
            cells = (array.name, sizes, _dtype(group, array), said)
            parts.append(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>")
        parts.append("</table>")
    parts.append("<h5>Attributes</h5><table>")
    parts += [f"<tr><td>{_text(key)}</td><td>{_text(value)}</td></tr>" for key, value in group.attributes.items()]
    return "".join([*parts, "</table></div>"])


def _text(value: Any) -> str:
    return html.escape(str(value)[:2048])


def validate(group: Group, names: tuple[str, ...]) -> Json:
    """Return for each variable whether its tiles can be made, and what is wrong if not.

    Args:
        group: that has the variables.
        names: of those that are meant. None of them: all that are no coordinates.

    Raises:
        VariableNotFound: there is no such variable.
    """
    return {name: _validated(group, group.array(name)) for name in deadline.paced(names or tuple(keys(group)))}


def _validated(group: Group, array: ArrayMetadata) -> Json:
    errors, warnings = [], []
    count = len(array.shape)
    if count not in (2, 3):
        warnings.append(
            f"DataArray has too many dimension ({count}) for titiler.xarray, dimensions reduction (sel) will be "
            "required."
        )
    lower = [name.lower() for name in array.dimensions]
    try:
        where = place.of(group, array)
    except UnsupportedRaster as error:
        for axis, names in (("Y", ("y", "lat", "latitude")), ("X", ("x", "lon", "longitude"))):
            if not set(names) & set(lower):
                errors.append(f"Dataset does not have compatible `{axis}` spatial coordinates")
        return {"compatible_with_titiler": False, "errors": errors or [error.detail], "warnings": warnings}
    a, _, _, _, e, f = where.transform
    south, north = sorted((f, f + e * array.shape[where.y]))
    if where.crs == crs_.WGS84 and (
        south + abs(e) / 2 < -90 or north - abs(e) / 2 > 90 or abs(a) * (array.shape[where.x] - 1) > 360
    ):
        errors.append("Dataset bounds are not valid, must be in [-180, 180] and [-90, 90]")
    return {"compatible_with_titiler": not errors, "errors": errors, "warnings": warnings}
