"""Maps (OGC API - Maps, 20-058): of a box, of what lies around a point, or of the whole, at a size or a scale."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from starlette.responses import Response

from app.api import negotiation, responses
from app.api.context import AppContext
from app.api.operation import Operation, RequestContext
from app.api.params import options, table
from app.api.params.groups import OgcMap
from app.api.params.parse import Values
from app.api.raster import plans
from app.api.raster.plans import PixelOptions
from app.api.raster.tiles import PICTURE
from app.serving import render
from app.serving.encoded import Encoded
from app.serving.requests import ImageOptions, PartRequest, PreviewRequest, Size
from tilery.errors import InvalidParameter
from tilery.geo import crs as crs_
from tilery.geo import mercator
from tilery.geo.crs import WGS84
from tilery.geo.raster import Bounds, Crs
from tilery.reading.reader import Reader
from tilery.rendering.encoding import formats

MAP_SIZE = 1024
"""Longest side of a map when nothing says how large it is to be."""
PIXEL = 0.00028
"""Metres across a pixel of a display, by which OGC counts scales."""
"""Metres of a degree at the equator, by which OGC counts scales in degrees."""

_SUBSET = re.compile(
    r"(?P<axis>[A-Za-z]{1,16})\(\s*\"?(?P<low>[^:\"()]{1,40})\"?(?:\s*:\s*\"?(?P<high>[^:\"()]{1,40})\"?)?\s*\)"
)
_ACROSS = frozenset(("lon", "long", "longitude", "x", "e", "easting"))
_DOWN = frozenset(("lat", "latitude", "y", "n", "northing"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """What of the Earth a map shows, x first. An edge that is None is the raster's own."""

    crs: Crs
    edges: tuple[float | None, float | None, float | None, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A map as its query asks for it."""

    pixel_options: PixelOptions
    width: int | None
    height: int | None
    dst_crs: Crs | None
    area: Area | None
    """None: the whole raster, or what lies around ``center``."""
    center: tuple[float, float] | None
    """X first, in ``center_crs``."""
    center_crs: Crs
    scale: float | None
    """Denominator of the scale at which a pixel is `PIXEL` across."""
    format: str | None
    """None: what the caller accepts."""


def plan(app: AppContext, values: Values) -> Planned:
    """Return the rendering, area and size of a map.

    Raises:
        InvalidParameter: they contradict each other, or an axis is none of the CRS's.
    """
    asked = values.to(OgcMap)
    width, height, scale = asked.width, asked.height, asked.scale_denominator
    options.check_size(app.settings, width=width, height=height)
    bbox, subset, center = asked.bbox, asked.subset, asked.center
    if (bbox is not None) + (subset is not None) + (center is not None) > 1:
        raise InvalidParameter("A map has one of bbox, subset and center.", parameter="center" if center else "subset")
    if scale is not None and center is None and (width or height):
        raise InvalidParameter(
            "The size of a map follows from its scale-denominator, unless it has a center.",
            parameter="scale-denominator",
        )
    area = None
    if bbox is not None:
        swapped = asked.has_bbox_crs and crs_.northing_first(asked.bbox_crs)
        area = Area(crs=asked.bbox_crs, edges=_box(bbox, swapped))
    elif subset is not None:
        area = _subset(subset, asked.subset_crs)
    if center is not None and asked.has_center_crs and crs_.northing_first(asked.center_crs):
        center = (center[1], center[0])
    return Planned(
        pixel_options=plans.pixel_options(app, values),
        width=width,
        height=height,
        dst_crs=asked.crs,
        area=area,
        center=center,
        center_crs=asked.center_crs,
        scale=scale,
        format=asked.format,
    )


async def answer(context: RequestContext[Planned]) -> Response:
    """Return the map."""
    accepted, planned = context.request.headers.get("accept", ""), context.plan
    image = ImageOptions(
        read=planned.pixel_options.read,
        render=planned.pixel_options.render,
        format=planned.format or _by_accept(accepted),
    )

    def work(reader: Reader) -> Encoded:
        target = planned.dst_crs or reader.profile.crs
        size = Size(
            width=planned.width,
            height=planned.height,
            max_size=None if planned.width or planned.height else MAP_SIZE,
        )
        bounds, crs = _place(reader, planned, target)
        if bounds is None:
            return render.preview(reader, PreviewRequest(image=image, size=size, dst_crs=target))
        if planned.scale is not None or planned.center is not None:
            bounds, crs, size = _at_scale(reader, planned, bounds, crs, target or WGS84)
            options.check_size(context.app.settings, width=size.width, height=size.height)
        return render.part(reader, PartRequest(bounds=bounds, bounds_crs=crs, dst_crs=target, image=image, size=size))

    response = await responses.made(
        context, f"map {image.format}", work, media_type=plans.media_type(image), identify=render.pixels
    )
    response.headers.add_vary_header("Accept")
    return response


def _place(reader: Reader, planned: Planned, target: Crs | None) -> tuple[Bounds | None, Crs]:
    """Return the box that is asked for and its CRS; None for the whole raster at a size."""
    if planned.center is not None:
        return (*planned.center, *planned.center), planned.center_crs
    if planned.area is None:
        if planned.scale is None or target is None:
            return None, WGS84
        whole = reader.profile.bounds if target == reader.profile.crs else reader.geographic_bounds(target)
        return whole, target
    crs, edges = planned.area.crs, planned.area.edges
    if None in edges:
        own = reader.geographic_bounds(crs)
        left, bottom, right, top = (
            given if given is not None else edge for given, edge in zip(edges, own, strict=True)
        )
    else:
        left, bottom, right, top = (float(edge or 0.0) for edge in edges)
    return (left, bottom, right, top), crs


def _at_scale(reader: Reader, planned: Planned, bounds: Bounds, crs: Crs, target: Crs) -> tuple[Bounds, Crs, Size]:
    """Return the box in the map's CRS and the size that it has at the scale; around a center, the box that the size
    makes.

    Raises:
        InvalidParameter: the place is none in the CRS of the map.
    """
    if planned.center is not None:
        xs, ys = crs_.transform_points(crs, target, [bounds[0]], [bounds[1]])
        x, y = float(xs[0]), float(ys[0])
        if not (math.isfinite(x) and math.isfinite(y)):
            raise InvalidParameter("The center has no place in the CRS of the map.", parameter="center")
        width, height = planned.width or planned.height or MAP_SIZE, planned.height or planned.width or MAP_SIZE
        across, down = _cell(reader, planned, target, (x, y, x, y))
        half_x, half_y = across * width / 2, down * height / 2
        return (x - half_x, y - half_y, x + half_x, y + half_y), target, Size(width=width, height=height)
    left, bottom, right, top = crs_.transform_bounds(crs, target, bounds)
    across, down = _cell(reader, planned, target, (left, bottom, right, top))
    sides = (right - left) / across, (top - bottom) / down
    if not all(map(math.isfinite, sides)) or min(sides) <= 0:
        raise InvalidParameter("The box has no area in the CRS of the map.", parameter="bbox")
    width, height = (max(1, round(side)) for side in sides)
    return (left, bottom, right, top), target, Size(width=width, height=height)


def _cell(reader: Reader, planned: Planned, target: Crs, bounds: Bounds) -> tuple[float, float]:
    """Return size of a pixel in units of the CRS: of the scale, else of the raster."""
    if planned.scale is None:
        return reader.resolution(target, bounds)
    metres = (
        mercator.DEGREE if crs_.is_geographic(target) else crs_.to_pyproj(target).axis_info[0].unit_conversion_factor
    )
    side = planned.scale * PIXEL / metres
    return side, side


def _box(numbers: tuple[float, ...], swapped: bool) -> Bounds:
    """Return the box of four or six numbers, x first; of six, the heights are left out. ``swapped``: y is first in
    them.
    """
    left, bottom, right, top = numbers if len(numbers) == 4 else (numbers[0], numbers[1], numbers[3], numbers[4])
    return (bottom, left, top, right) if swapped else (left, bottom, right, top)


def _subset(texts: tuple[str, ...], crs: Crs) -> Area:
    """Return the area of ``Lat(40:50),Lon(10:*)``.

    Raises:
        InvalidParameter: it is not of that form, or names another axis.
    """
    text = ",".join(texts)
    edges: list[float | None] = [None, None, None, None]
    rest = _SUBSET.sub("", text).replace(",", "").strip()
    if rest:
        raise InvalidParameter("subset has the form Lat(40:50),Lon(10:20).", parameter="subset")
    for match in _SUBSET.finditer(text):
        axis = match["axis"].lower()
        if axis not in _ACROSS | _DOWN:
            raise InvalidParameter("subset: an axis is Lat or Lon, N or E, Y or X.", parameter="subset")
        if match["high"] is None:
            raise InvalidParameter("subset: an axis has two ends, low:high.", parameter="subset")
        first = 0 if axis in _ACROSS else 1
        edges[first], edges[first + 2] = _end(match["low"]), _end(match["high"])
    return Area(crs=crs, edges=(edges[0], edges[1], edges[2], edges[3]))


def _end(text: str) -> float | None:
    if text.strip() == "*":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidParameter("subset: the ends of an axis are numbers or *.", parameter="subset")
    return value


def _by_accept(accept: str) -> str:
    offered = tuple(dict.fromkeys(row.media_type.partition(";")[0] for row in formats.FORMATS.values()))
    ordered = ("image/png", *(media_type for media_type in offered if media_type != "image/png"))
    found = formats.by_media_type(negotiation.preferred(accept, ordered) or "image/png")
    return "png" if found is None else found.name


OPERATIONS: tuple[Operation[Planned], ...] = (
    Operation(
        id="getMap",
        paths=("/map",),
        parameters=(*table.MAP, *table.LAYER, *table.PICTURE),
        plan=plan,
        answer=answer,
        summary="OGC Maps API",
        description="A map of a box, or of the whole raster (OGC API - Maps).",
        produces=PICTURE,
    ),
)
