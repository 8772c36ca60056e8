"""A MosaicJSON document made of rasters: those of a folder, of a prefix, or STAC Items."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tilery.errors import InvalidParameter, SourceError, UpstreamError
from tilery.geo import tms as tms_
from tilery.geo.raster import Bounds
from tilery.publishing import stac_items
from tilery.publishing.progress import Advance
from tilery.reading import footprint
from tilery.reading.mosaic.index import quadkey_of
from tilery.reading.profile import Profile
from tilery.reading.source import raster
from tilery.storage.objects import open_store
from tilery.storage.options import StoreOptions
from tilery.storage.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilery.engine import Engine

Json = dict[str, Any]

SUFFIXES = (".tif", ".tiff")
"""What the names of rasters in a folder end with."""
MOST_RASTERS = 100_000
_MOST_TILES = 1 << 18
_MOST_BYTES = 2 << 30
"""Of a file of STAC Items."""
_AT_ONCE = 16
_ROUND = 1e-9
"""Part of a tile by which a raster may reach over its edge without being in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicRaster:
    """One raster of a mosaic."""

    address: str
    profile: Profile
    bounds: Bounds
    """West, south, east, north in degrees."""
    zooms: tuple[int, int]


def addresses(source: str, stores: StoreOptions, asset: str | None = None) -> list[str]:
    """Return the addresses of the rasters that a source means, in its order.

    Args:
        source: a folder or ``s3://bucket/prefix/`` (sorted by name), STAC Items as `tilery.publishing.stac_items` reads
            them, or the address of a raster.
        stores: how S3 is reached.
        asset: name of the asset to take of each STAC Item. None: the only one that can be a raster.

    Raises:
        InvalidParameter: there is nothing in it, or an Item has not that asset.
    """
    if "://" not in source:
        path = Path(os.path.abspath(Path(source).expanduser()))  # noqa: PTH100  links stay as they are written
        source = f"{path}/" if path.is_dir() else str(path)
    if stac_items.is_of_items(source):
        return stac_items.addresses(source, lambda: _content(source, stores), asset, MOST_RASTERS)
    if not source.endswith("/"):
        return [source]
    store = open_store(source, stores)
    found = sorted(entry.key for entry in store.entries() if entry.key.lower().endswith(SUFFIXES))
    if not found:
        raise InvalidParameter(f"There is no file in {source} whose name ends with {' or '.join(SUFFIXES)}.")
    return [f"{store.address}{key}" for key in found]


def _content(source: str, stores: StoreOptions) -> bytes:
    """Return what is in a file that an operator names."""
    with engine_for([source], stores) as engine, closing(engine.stores.open(engine.locate(source))) as found:
        if found.size > _MOST_BYTES:
            raise InvalidParameter(f"{source} has more than {_MOST_BYTES} bytes.", limit=_MOST_BYTES)
        return found.read(0, found.size)


def sources_of(places: Iterable[str]) -> list[str]:
    """Return what has to be allowed for rasters to be read whose addresses an operator names."""
    found: dict[str, None] = {}
    for place in places:
        parts = urlsplit(place)
        if parts.netloc and parts.scheme != "file":
            found[f"{parts.scheme}://{parts.netloc}/"] = None
        else:
            found[f"{Path(place.removeprefix('file://')).resolve().parent}/"] = None
    return list(found)


@contextmanager
def engine_for(places: Sequence[str], stores: StoreOptions) -> Iterator[Engine]:
    """Return an engine that may read these rasters."""
    from tilery.engine import Engine, EngineOptions

    with Engine(EngineOptions(stores=stores, policy=Policy.from_sources(sources_of(places)))) as engine:
        yield engine


def rasters(engine: Engine, places: Sequence[str], advance: Advance) -> list[MosaicRaster]:
    """Return what is known of rasters, in their order; each is opened.

    Raises:
        SourceError, UpstreamError: one cannot be opened, or has no place; the message says which.
    """
    if len(places) > MOST_RASTERS:
        raise InvalidParameter(f"A mosaic has at most {MOST_RASTERS} rasters.", limit=MOST_RASTERS)

    def opened(place: str) -> MosaicRaster:
        try:
            with engine.open(raster(engine.locate(place))) as reader:
                found = MosaicRaster(
                    address=place,
                    profile=reader.profile,
                    bounds=reader.geographic_bounds(),
                    zooms=reader.zooms(tms_.get(tms_.DEFAULT)),
                )
        except (SourceError, UpstreamError) as error:
            error.detail = f"{place}: {error.detail}"
            error.args = (error.detail,)
            raise
        advance(1)
        return found

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mosaic") as pool:
        return list(pool.map(opened, places))


def document(
    found: Sequence[MosaicRaster],
    *,
    minzoom: int | None = None,
    maxzoom: int | None = None,
    quadkey_zoom: int | None = None,
    relative_to: str | None = None,
    **more: Any,
) -> Json:
    """Return the MosaicJSON document (0.0.3) of rasters, each listed in every tile that it touches.

    Args:
        found: the rasters; where several lie over each other the first is on top.
        minzoom: the shallowest zoom. None: that of the raster whose shallowest is deepest, so that no tile has many.
        maxzoom: the deepest zoom. None: that of the finest raster.
        quadkey_zoom: the zoom of the tiles that are listed. None: ``minzoom``.
        relative_to: folder, ending in a slash, that addresses are written relative to. None: they are whole.
        more: further fields, as ``name``; None stands for none.

    Raises:
        InvalidParameter: the zooms contradict each other, or would list too many tiles.
    """
    lowest = max(one.zooms[0] for one in found) if minzoom is None else minzoom
    highest = max(lowest, *(one.zooms[1] for one in found)) if maxzoom is None else maxzoom
    if not 0 <= lowest <= highest <= tms_.DEEPEST:
        raise InvalidParameter("minzoom is above maxzoom.", parameter="minzoom")
    zoom = lowest if quadkey_zoom is None else quadkey_zoom
    names = [one.address for one in found]
    prefix = relative_to if relative_to is not None else _common(names)
    tiles: dict[str, list[str]] = {}
    for one in found:
        name = one.address.removeprefix(prefix)
        for x, y in _touched(one, zoom):
            tiles.setdefault(quadkey_of(x, y, zoom), []).append(name)
        if len(tiles) > _MOST_TILES:
            raise InvalidParameter(
                f"At quadkey zoom {zoom} there would be more than {_MOST_TILES} tiles: give a lower one.",
                parameter="quadkey_zoom",
                limit=_MOST_TILES,
            )
    bounds = _around([one.bounds for one in found])
    return {
        "mosaicjson": "0.0.3",
        **{key: value for key, value in more.items() if value is not None},
        "version": "1.0.0",
        "minzoom": lowest,
        "maxzoom": highest,
        "quadkey_zoom": zoom,
        "bounds": list(bounds),
        "center": [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2, lowest],
        "asset_type": "COG",
        **({"asset_prefix": prefix} if prefix and relative_to is None else {}),
        "data_type": found[0].profile.dtypes[0],
        "tiles": dict(sorted(tiles.items())),
    }


def differing(found: Sequence[MosaicRaster]) -> str | None:
    """Return what is not the same in all rasters, for a warning; None where nothing is."""
    first = found[0].profile
    for one in found[1:]:
        if len(one.profile.data_bands) != len(first.data_bands):
            return f"{one.address} has other bands than {found[0].address}: tiles of both need bidx."
        if one.profile.dtypes[0] != first.dtypes[0]:
            return f"{one.address} has values of another type than {found[0].address}."
    return None


def _common(names: Sequence[str]) -> str:
    """Return the folder that all addresses begin with; empty where they have none in common."""
    folders = [name[: name.rfind("/") + 1] for name in names]
    prefix = min(folders)
    while not all(folder.startswith(prefix) for folder in folders):
        prefix = prefix[: prefix.rstrip("/").rfind("/") + 1]
    return "" if prefix.endswith("://") or prefix == "/" else prefix


def _touched(one: MosaicRaster, zoom: int) -> Iterator[tuple[int, int]]:
    """Yield columns and rows of the tiles that a raster touches."""
    matrix_set = tms_.get(tms_.DEFAULT)
    matrix = matrix_set.matrix(zoom)
    side, (left, top) = matrix.cell_size * matrix.tile_width, matrix.origin
    extent = footprint.extent(one.profile, matrix_set.crs)
    outer = matrix_set.bounds if extent is None else extent[0]
    columns = _range((outer[0] - left) / side, (outer[2] - left) / side, matrix.width)
    rows = _range((top - outer[3]) / side, (top - outer[1]) / side, matrix.height)
    if len(columns) * len(rows) > _MOST_TILES:
        raise InvalidParameter(
            f"At quadkey zoom {zoom} {one.address} alone would be in more than {_MOST_TILES} tiles: give a lower one.",
            parameter="quadkey_zoom",
            limit=_MOST_TILES,
        )
    for x in columns:
        for y in rows:
            if footprint.covers(one.profile, matrix_set.tile_bounds(zoom, x, y), matrix_set.crs):
                yield x, y


def _range(first: float, last: float, count: int) -> range:
    return range(max(math.floor(first + _ROUND), 0), min(math.ceil(last - _ROUND), count))


def _around(boxes: Sequence[Bounds]) -> Bounds:
    """Return bounds of all; around the world where one crosses the antimeridian."""
    if any(box[0] > box[2] for box in boxes):
        west, east = -180.0, 180.0
    else:
        west, east = min(box[0] for box in boxes), max(box[2] for box in boxes)
    return (west, min(box[1] for box in boxes), east, max(box[3] for box in boxes))
