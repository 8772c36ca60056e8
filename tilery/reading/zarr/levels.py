"""Several sizes of one variable in groups of their own, which are the raster and its overviews.

Two ways to write them: a list of ``datasets`` (https://ngff.openmicroscopy.org, ndpyramid) and a ``layout`` (GeoZarr).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from tilery.errors import InvalidParameter, NotFound
from tilery.reading.dataset import Resources
from tilery.reading.open_datasets import OpenDataset
from tilery.reading.source import Source
from tilery.reading.zarr import place as place_
from tilery.reading.zarr.group import Group, VariableNotFound
from tilery.reading.zarr.metadata import ArrayMetadata
from tilery.reading.zarr.place import Place
from tilery.reading.zarr.source import group_source
from tilery.reading.zarr.stored import Json, clean, joined

_MOST = 24
"""Sizes of a variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A variable at one size."""

    opened: OpenDataset
    """Its group, as those who keep it open know it."""
    array: ArrayMetadata
    place: Place

    @property
    def group(self) -> Group:
        """Its group."""
        return cast("Group", self.opened.dataset)

    @property
    def size(self) -> tuple[int, int]:
        """Cells across and down."""
        return self.array.shape[self.place.x], self.array.shape[self.place.y]


def of(engine: Resources, source: Source, variable: str) -> list[Level]:
    """Return a variable of a group at all its sizes, the finest first.

    Raises:
        VariableNotFound: the group has no such variable, and none of its sizes.
        UnsupportedRaster: it is no raster.
    """
    options = dict(source.selection)
    opened = named_group(engine, source)
    group = cast("Group", opened.dataset)
    paths = _paths(group.attributes)
    array = group.find(variable)
    if array is not None:
        return [Level(opened=opened, array=array, place=place_.of(group, array))]
    found = []
    for path in paths:
        try:
            below = _group(engine, source, joined(group.path, clean(path, "group")), times=options["decode_times"])
        except (NotFound, InvalidParameter):
            continue
        group_below = cast("Group", below.dataset)
        array = group_below.find(variable)
        if array is not None:
            found.append(Level(opened=below, array=array, place=place_.of(group_below, array)))
    if not found:
        group.array(variable)
        raise VariableNotFound(parameter="variable")
    found.sort(key=lambda level: level.size[0], reverse=True)
    finest = found[0]
    levels = [finest]
    for level in found[1:]:
        if _is_overview(level, finest) and level.size[0] < levels[-1].size[0] and level.size[1] < levels[-1].size[1]:
            levels.append(level)
    return levels


def named_group(engine: Resources, source: Source) -> OpenDataset:
    """Return the group that a variable's source names, open; its sizes may be in groups below.

    Raises:
        GroupNotFound: there is none of that path.
        SourceError, UpstreamError: it cannot be read.
    """
    options = dict(source.selection)
    return _group(engine, source, options["group"], times=options["decode_times"])


def _group(engine: Resources, source: Source, path: str | None, *, times: bool) -> OpenDataset:
    """Return a group, open: one for all variables and selections, and for the requests to come."""
    wanted = group_source(source.location, group=path or None, decode_times=times)
    opened = engine.datasets.get(wanted)
    if not opened.dataset.unchanged():
        engine.datasets.forget(opened)
        opened = engine.datasets.get(wanted)
    return opened


def _paths(attributes: Json) -> list[str]:
    """Return the groups that hold the sizes, as the attributes of their parent list them."""
    said: Any = attributes.get("multiscales")
    if isinstance(said, list):
        said = said[0] if said else None
    listed = said.get("datasets") or said.get("layout") if isinstance(said, dict) else None
    found = []
    for one in listed if isinstance(listed, list) else []:
        for name in ("path", "asset", "group", "id") if isinstance(one, dict) else ():
            if isinstance(one.get(name), str):
                found.append(one[name])
                break
    return list(dict.fromkeys(found))[:_MOST]


def _is_overview(level: Level, finest: Level) -> bool:
    """Return whether a level shows the same area and the same planes as the finest, up to a part of a cell."""
    if level.place.crs != finest.place.crs or level.array.dtype != finest.array.dtype:
        return False
    if (level.place.x, level.place.y, len(level.array.shape)) != (
        finest.place.x,
        finest.place.y,
        len(finest.array.shape),
    ):
        return False
    others = [axis for axis in range(len(level.array.shape)) if axis not in (level.place.x, level.place.y)]
    if any(level.array.shape[axis] != finest.array.shape[axis] for axis in others):
        return False
    for (a, c), (b, d), (size, full) in (
        (level.place.transform[0:3:2], finest.place.transform[0:3:2], (level.size[0], finest.size[0])),
        (level.place.transform[4:6], finest.place.transform[4:6], (level.size[1], finest.size[1])),
    ):
        room = abs(a) / 4
        if abs(c - d) > room or abs((c + a * size) - (d + b * full)) > room:
            return False
    return True
