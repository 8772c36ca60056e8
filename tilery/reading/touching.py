"""Whether bounds touch an open raster, from what is known of where it lies."""

from __future__ import annotations

from tilery.geo.raster import Bounds, Crs
from tilery.reading import footprint
from tilery.reading.dataset import Composite
from tilery.reading.open_datasets import OpenDataset


def touches(opened: OpenDataset, crs: Crs, bounds: Bounds) -> bool:
    """Return whether bounds in a CRS touch the raster."""
    dataset = opened.dataset
    if isinstance(dataset, Composite):
        return dataset.may_touch(crs, bounds)
    extent = _extent(opened, crs)
    found = footprint.surely(bounds, extent) if extent else None
    return footprint.covers(dataset.profile, bounds, crs) if found is None else found


def holds(opened: OpenDataset, crs: Crs, bounds: Bounds) -> bool:
    """Return whether bounds in a CRS surely lie within the raster."""
    extent = _extent(opened, crs)
    if extent is None:
        return False
    left, bottom, right, top = extent[1]
    return left <= bounds[0] and bottom <= bounds[1] and right >= bounds[2] and top >= bounds[3]


def _extent(opened: OpenDataset, crs: Crs) -> tuple[Bounds, Bounds] | None:
    return opened.derive(("extent", crs), lambda: footprint.extent(opened.dataset.profile, crs))
