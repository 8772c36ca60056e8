"""A STAC Item, versions 0.9 to 1.1, as far as reading its assets needs it."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urljoin

from tilery.errors import InvalidBand, NotARaster, NotFound
from tilery.geo.raster import Bounds
from tilery.limits import untrusted_json
from tilery.storage.locations import CloudLocation, HttpLocation, Location, S3Location

MOST_BYTES = 4 << 20
"""Bytes of an item; those of satellites have some ten thousand."""
_DEEPEST = 64
"""Levels of lists and objects."""
MEDIA_TYPES = frozenset(
    (
        "image/tiff; application=geotiff",
        "image/tiff; application=geotiff; profile=cloud-optimized",
        "image/tiff; profile=cloud-optimized; application=geotiff",
        "image/vnd.stac.geotiff; cloud-optimized=true",
        "image/tiff",
        "image/x.geotiff",
        "image/jp2",
        "application/x-hdf5",
        "application/x-hdf",
    )
)
"""Media types of assets that can be rasters: rio-tiler's. An asset that names none may be one too."""

_FARTHEST = 720.0
"""Degrees within which an item lies: two turns around the world."""

Json = dict[str, Any]


class AssetNotFound(NotFound):
    """The item has no such asset that can be a raster."""

    code = "asset_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One asset, as the item describes it."""

    name: str
    fields: Mapping[str, Any]
    common_bands: tuple[Any, ...] = ()
    """``eo:bands`` of the whole item, which those of assets in STAC 0.8 and 0.9 are numbers of."""

    @property
    def bands(self) -> list[Json]:
        """What is said of the colours of its bands: ``bands`` (1.1) or ``eo:bands``."""
        found = self.fields.get("bands") or self.fields.get("eo:bands") or []
        return [self._band(one) for one in found] if isinstance(found, list) else []

    @property
    def header_size(self) -> int:
        """Bytes of the file's header (``file:header_size``). 0: nothing is said."""
        found = self.fields.get("file:header_size")
        return found if type(found) is int and found > 0 else 0

    def _band(self, one: Any) -> Json:
        if isinstance(one, int) and 0 <= one < len(self.common_bands):
            one = self.common_bands[one]
        return one if isinstance(one, dict) else {}

    def numbers_of(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return the numbers of bands that are named by common name, else by name.

        Raises:
            InvalidBand: there is no such band.
        """
        known: dict[Any, int] = {}
        for number, band in enumerate(self.bands, 1):
            name = band.get("eo:common_name") or band.get("common_name") or band.get("name") or str(number)
            if isinstance(name, str):
                known[name] = number
        if not known:
            raise InvalidBand(f"The item names no bands of the asset {self.name!r}.", parameter="assets")
        for name in names:
            if name not in known:
                listed = ", ".join(list(known)[:32])
                raise InvalidBand(
                    f"The asset {self.name!r} has no band {name[:64]!r}. It has: {listed}.", parameter="assets"
                )
        return tuple(known[name] for name in names)

    def statistics(self) -> tuple[tuple[float, float], ...] | None:
        """Return minimum and maximum of each band as ``bands`` or ``raster:bands`` say; None unless all do."""
        said = self.fields.get("bands") or self.fields.get("raster:bands")
        if not isinstance(said, list):
            return None
        found = []
        for band in said:
            numbers = band.get("statistics") if isinstance(band, dict) else None
            low, high = (numbers.get("minimum"), numbers.get("maximum")) if isinstance(numbers, dict) else (None, None)
            span = untrusted_json.numbers([low, high])
            if span is None:
                return None
            found.append((span[0], span[1]))
        return tuple(found)

    def address(self, base: Location, alternate: str | None = None) -> str:
        """Return the address of its bytes, as callers could write it.

        Args:
            base: the item, which relative addresses begin at.
            alternate: the name of the ``alternate`` to take where the asset has it.

        Raises:
            NotARaster: it has none.
        """
        href = self.fields.get("href")
        others = self.fields.get("alternate")
        if alternate and isinstance(others, dict) and isinstance(others.get(alternate), dict):
            href = others[alternate].get("href") or href
        if not isinstance(href, str) or not href:
            raise NotARaster(f"The asset {self.name!r} has no address.", parameter="assets")
        return resolved(base, href)


@dataclass(frozen=True)
class Item:
    """The document of an item."""

    document: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Any]:
        """What it says of itself."""
        found = self.document.get("properties")
        return found if isinstance(found, dict) else {}

    @cached_property
    def assets(self) -> dict[str, Asset]:
        """The assets that can be rasters, by name, in the item's order."""
        common = self.properties.get("eo:bands")
        bands = tuple(common) if isinstance(common, list) else ()
        return {
            name: Asset(name=name, fields=fields, common_bands=bands)
            for name, fields in self.document["assets"].items()
            if isinstance(fields, dict) and _may_be_raster(fields.get("type"))
        }

    @property
    def renders(self) -> dict[str, Json]:
        """The ways in which it is meant to be shown, by name (the render extension)."""
        found = self.properties.get("renders") or self.document.get("renders")
        if not isinstance(found, dict):
            return {}
        return {name: render for name, render in found.items() if isinstance(render, dict)}

    def asset(self, name: str) -> Asset:
        """Return the asset of that name.

        Raises:
            AssetNotFound: there is none.
        """
        try:
            return self.assets[name]
        except KeyError:
            known = ", ".join(list(self.assets)[:32])
            raise AssetNotFound(
                f"The item has no asset {name[:64]!r} that can be a raster. It has: {known}.", parameter="assets"
            ) from None

    def bounds(self) -> Bounds:
        """Return its bounds in degrees.

        Raises:
            NotARaster: it has none.
        """
        box = self.document.get("bbox")
        if isinstance(box, list) and len(box) == 6:
            box = [*box[:2], *box[3:5]]
        edges = untrusted_json.numbers(box)
        if edges is None or len(edges) != 4:
            geometry = self.document.get("geometry")
            places = list(_positions(geometry.get("coordinates"))) if isinstance(geometry, dict) else []
            xs, ys = [place[0] for place in places], [place[1] for place in places]
            edges = [min(xs), min(ys), max(xs), max(ys)] if places else [math.inf] * 4
        west, south, east, north = edges
        if not (max(abs(west), abs(east)) <= _FARTHEST and max(abs(south), abs(north)) <= _FARTHEST):
            raise NotARaster("The item says nowhere where it is.", parameter="url")
        return (west, south, east, north)


def parse(content: bytes) -> Item:
    """Return the item that a document is.

    Raises:
        NotARaster: it is none.
    """
    try:
        document = untrusted_json.parse(content, deepest=_DEEPEST)
    except untrusted_json.TooDeep:
        raise NotARaster(
            f"This is not a STAC Item that can be read: it is nested more than {_DEEPEST} deep.",
            parameter="url",
            limit=_DEEPEST,
        ) from None
    except ValueError:
        raise NotARaster("This is not a STAC Item: it is not JSON that can be read.", parameter="url") from None
    if not isinstance(document, dict):
        raise NotARaster("This is not a STAC Item.", parameter="url")
    if document.get("type") != "Feature" or not isinstance(document.get("assets"), dict):
        kind = document.get("type")
        said = (
            f" but a {kind}" if isinstance(kind, str) and kind in ("Catalog", "Collection", "FeatureCollection") else ""
        )
        raise NotARaster(f"This is not a STAC Item{said}.", parameter="url")
    item = Item(document)
    if not item.assets:
        raise NotARaster("The item has no asset of a media type that can be a raster.", parameter="url")
    return item


def resolved(base: Location, href: str) -> str:
    """Return an address that may be relative to an item's."""
    if "://" in href or href.startswith(("/vsi", "file:")):
        return href
    if isinstance(base, HttpLocation):
        return urljoin(f"{base.scheme}://{base.authority}{base.path}", href)
    if href.startswith("/"):
        return href
    if isinstance(base, S3Location | CloudLocation):
        root = base.url.removesuffix(base.key)
        return f"{root}{posixpath.normpath(posixpath.join(posixpath.dirname(base.key), href))}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(base.path), href))


def _may_be_raster(media_type: Any) -> bool:
    return not media_type or (isinstance(media_type, str) and media_type in MEDIA_TYPES)


def _positions(coordinates: Any, depth: int = 0) -> list[tuple[float, float]]:
    if not isinstance(coordinates, list) or depth > 4 or not coordinates:
        return []
    if isinstance(coordinates[0], int | float):
        place = untrusted_json.numbers(coordinates[:2])
        return [(place[0], place[1])] if place is not None and len(place) == 2 else []
    return [place for one in coordinates for place in _positions(one, depth + 1)]
