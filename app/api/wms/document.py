"""Capabilities documents of the Web Map Service, made from layers that say all that their part of them needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.api import ows, pages
from app.api.tilesets import Extent
from app.api.wms.request import FORMATS, INFO_FORMATS, Version
from tilery.geo import crs as crs_
from tilery.geo import mercator
from tilery.geo.crs import WEB_MERCATOR, WGS84
from tilery.geo.raster import Bounds, Crs
from tilery.limits import deadline

COMMON = ("EPSG:3857", "EPSG:4326", "CRS:84", "EPSG:3035", "EPSG:3978", "EPSG:5041", "EPSG:5042", "EPSG:2193")
"""CRSs that every map may be asked for in; others are answered as well, and that of a raster is listed with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WmsLayer:
    """One entry of a document."""

    name: str
    title: str
    geographic: Bounds
    """West, south, east, north in degrees, inside the world."""
    boxes: tuple[tuple[str, Bounds], ...]
    """The box in some CRSs, as ``BBOX`` of this version has to be written."""
    styles: tuple[tuple[str, str], ...]
    """Name and title of each; the first one is the default."""
    crs: str | None = None
    """A CRS that only this layer is offered in: the raster's own."""
    abstract: str | None = None
    attribution: str | None = None


def layer(
    spoken: Version,
    *,
    name: str,
    title: str,
    geographic: Bounds,
    own: Extent | None = None,
    styles: Sequence[tuple[str, str]] = (),
    abstract: str | None = None,
    attribution: str | None = None,
) -> WmsLayer:
    """Return the entry of a raster.

    Args:
        spoken: version of the document, which decides the axis order of boxes.
        name: what requests call it.
        title: for people.
        geographic: west, south, east, north in degrees; west > east across the antimeridian.
        own: where the raster is in its own CRS, where that is known.
        styles: name and title of each beside the default one.
        abstract: a sentence about it.
        attribution: whose it is.
    """
    west, south, east, north = geographic
    if west > east:
        west, east = -180.0, 180.0
    world = (max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0))
    boxes = [("CRS:84", world)] if spoken == "1.3.0" else []
    boxes.append(("EPSG:4326", _written(spoken, WGS84, world)))
    mercator = _mercator(world)
    if mercator is not None:
        boxes.append(("EPSG:3857", mercator))
    code = None
    if own is not None and own.crs.startswith("EPSG:"):
        code = None if own.crs in COMMON else str(own.crs)
        if own.crs not in (WGS84, WEB_MERCATOR):
            left, bottom, right, top = own.bounds
            boxes.append((str(own.crs), _written(spoken, own.crs, (left, min(bottom, top), right, max(bottom, top)))))
    return WmsLayer(
        name=ows.sayable(name),
        title=ows.sayable(title),
        geographic=world,
        boxes=tuple(boxes),
        styles=(("default", "Default"), *((style, ows.sayable(named)) for style, named in styles)),
        crs=code,
        abstract=None if abstract is None else ows.sayable(abstract),
        attribution=None if attribution is None else ows.sayable(attribution),
    )


def capabilities(
    spoken: Version, layers: Sequence[WmsLayer], *, address: str, title: str, most: int, templates: str | None = None
) -> str:
    """Return the document of these layers, XML text.

    Args:
        spoken: its version.
        layers: in the order in which clients will list them.
        address: what requests begin with, as far as ``?`` or ``&``.
        title: of the service.
        most: pixels along a side of a map.
        templates: the operator's folder of templates.
    """
    parts = (
        pages.environment(templates)
        .get_template("wms.xml")
        .generate(
            version=spoken,
            layers=layers,
            address=address,
            title=title,
            names=[name for name in COMMON if spoken == "1.3.0" or name != "CRS:84"],
            most=most,
            operations=(
                ("GetCapabilities", ("text/xml",) if spoken == "1.3.0" else ("application/vnd.ogc.wms_xml",)),
                ("GetMap", FORMATS),
                ("GetFeatureInfo", INFO_FORMATS),
            ),
        )
    )
    return "".join(deadline.paced(parts, 256))


def _written(spoken: Version, crs: Crs, box: Bounds) -> Bounds:
    """Return a box in the axis order that requests of this version have to write."""
    left, bottom, right, top = box
    return (bottom, left, top, right) if spoken == "1.3.0" and crs_.northing_first(crs) else box


def _mercator(box: Bounds) -> Bounds | None:
    """Return the box in Web Mercator, as far as that goes; by its formula, because a catalog has thousands of them."""
    west, south, east, north = box
    south, north = max(south, -mercator.LATITUDE), min(north, mercator.LATITUDE)
    if south >= north:
        return None
    return (mercator.x_of(west), mercator.y_of(south), mercator.x_of(east), mercator.y_of(north))
