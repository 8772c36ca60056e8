"""Zarr stores, written by Zarr's reference implementation: another than what reads them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr

from tilery.geo.raster import Array

LATITUDES = np.arange(-89.0, 90.0, 2.0)
"""South first."""
LONGITUDES = np.arange(-179.0, 180.0, 2.0)
DAYS = 4
UNITS = "days since 2020-01-01"


@dataclass(frozen=True, kw_only=True)
class Variable:
    """An array of a store."""

    data: Any
    dims: Sequence[str]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """For `zarr.create_array`: ``chunks``, ``shards``, ``compressors``…"""


def write(
    path: Path,
    variables: Mapping[str, Variable],
    *,
    version: Literal[2, 3] = 3,
    attributes: Mapping[str, Any] | None = None,
    consolidated: bool = True,
) -> Path:
    """Return the path of a store with these variables; of a name with a slash in a group of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(path, mode="w", zarr_format=version, attributes=dict(attributes or {}))
        for name, one in variables.items():
            data = np.asarray(one.data)
            named: dict[str, Any] = {"dimension_names": tuple(one.dims)} if version == 3 else {}
            options = {"fill_value": None if version == 2 else 0, **one.options}
            made = group.create_array(name, shape=data.shape, dtype=data.dtype, **named, **options)
            made.attrs.update({**({"_ARRAY_DIMENSIONS": list(one.dims)} if version == 2 else {}), **one.attrs})
            made[...] = data
        if consolidated:
            zarr.consolidate_metadata(path)
    return path


def axis(values: Any, name: str, **attrs: Any) -> Variable:
    """Return a coordinate of its own dimension."""
    return Variable(data=values, dims=(name,), attrs=attrs)


def positions(latitudes: Array = LATITUDES, longitudes: Array = LONGITUDES, days: int = DAYS) -> Array:
    """Return values that say where and when they are: shape (days, rows, columns), int32, exact."""
    lat, lon = np.rint(latitudes).astype("i4") + 100, np.rint(longitudes).astype("i4") + 200
    found: Array = (np.arange(days, dtype="i4") * 1_000_000)[:, None, None] + lat[:, None] * 1000 + lon
    return found


def world(
    path: Path,
    *,
    data: Array | None = None,
    latitudes: Array = LATITUDES,
    longitudes: Array = LONGITUDES,
    attrs: Mapping[str, Any] | None = None,
    version: Literal[2, 3] = 3,
    consolidated: bool = True,
    **options: Any,
) -> Path:
    """Return a store of one variable ``v`` of the whole world, four days from 2020-01-01."""
    found = positions(latitudes, longitudes) if data is None else data
    variables = {
        "v": Variable(
            data=found, dims=("time", "lat", "lon"), attrs=attrs or {}, options={"chunks": (1, 32, 40), **options}
        ),
        "time": axis(np.arange(len(found)), "time", units=UNITS, calendar="standard"),
        "lat": axis(latitudes, "lat"),
        "lon": axis(longitudes, "lon"),
    }
    return write(path, variables, version=version, consolidated=consolidated)
