"""Pictures that are no tiles: a preview, a box, a geometry, a map."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import body, negotiation, results
from app.api.cog import plans
from app.api.cog.plans import Framed
from app.api.cog.tiles import PICTURE
from app.api.desk import Desk
from app.api.operation import Ask, Operation
from app.api.params import options, table
from app.api.params.parse import Values
from app.crs import WGS84
from app.raster import Bounds
from app.reading.reader import Reader
from app.rendering.encoding import formats
from app.serving import render
from app.serving.encoded import Encoded
from app.serving.requests import FeatureRequest, PartRequest, PreviewRequest, Size, Style

MAP_SIZE = 1024
"""Longest side of a map when nothing says how large it is to be."""


async def preview(ask: Ask[Framed]) -> Response:
    """The whole raster."""
    request = PreviewRequest(style=plans.style(ask, ask.plan.look), size=plans.size(ask), dst_crs=ask.plan.dst_crs)
    place = f"preview {request.style.format} {request.size}"
    return await results.made(
        ask, place, lambda reader: render.preview(reader, request), media_type=plans.media_type(request.style)
    )


async def box(ask: Ask[Framed]) -> Response:
    """What is inside a box."""
    path = ask.path
    request = PartRequest(
        bounds=(path["minx"], path["miny"], path["maxx"], path["maxy"]),
        bounds_crs=ask.plan.coord_crs,
        dst_crs=ask.plan.dst_crs,
        style=plans.style(ask, ask.plan.look),
        size=plans.size(ask),
    )
    place = f"bbox {request.bounds} {request.style.format} {request.size}"
    return await results.made(
        ask, place, lambda reader: render.part(reader, request), media_type=plans.media_type(request.style)
    )


async def feature(ask: Ask[Framed]) -> Response:
    """What is inside the geometry of the body."""
    settings = ask.desk.settings
    content = await body.read(ask.request, settings)
    style, size = plans.style(ask, ask.plan.look), plans.size(ask)

    def work(reader: Reader) -> Encoded:
        request = FeatureRequest(
            geometry=body.feature(content, settings),
            geometry_crs=ask.plan.coord_crs,
            dst_crs=ask.plan.dst_crs,
            style=style,
            size=size,
        )
        return render.feature(reader, request)

    encoded = await ask.desk.service.use(ask.subject.location, work, results.gone(ask.request.receive))
    return Response(encoded.body, headers=results.described(encoded))


def plan_map(desk: Desk, values: Values) -> Framed:
    """The look and size of a map; its CRSs have names of their own."""
    width, height = values["width"], values["height"]
    options.check_size(desk.settings, width=width, height=height)
    return Framed(
        look=plans.look(desk, values),
        size=Size(width=width, height=height, max_size=None if width or height else MAP_SIZE),
        coord_crs=values.get("bbox-crs", WGS84),
        dst_crs=values["crs"],
    )


async def map_(ask: Ask[Framed]) -> Response:
    """A map (OGC API - Maps): of a box, or of the whole raster."""
    accepted = ask.request.headers.get("accept", "")
    style = Style(read=ask.plan.look.read, render=ask.plan.look.render, format=ask.values["f"] or _by_accept(accepted))
    bounds = _box(ask.values["bbox"])

    def work(reader: Reader) -> Encoded:
        target = ask.plan.dst_crs or reader.profile.crs
        if bounds is None:
            return render.preview(reader, PreviewRequest(style=style, size=ask.plan.size, dst_crs=target))
        part = PartRequest(
            bounds=bounds, bounds_crs=ask.plan.coord_crs, dst_crs=target, style=style, size=ask.plan.size
        )
        return render.part(reader, part)

    response = await results.made(ask, f"map {style.format}", work, media_type=plans.media_type(style))
    response.headers.add_vary_header("Accept")
    return response


def _box(numbers: tuple[float, ...] | None) -> Bounds | None:
    """The box of four or six numbers; of six, the heights are left out."""
    if numbers is None:
        return None
    left, bottom, right, top = numbers if len(numbers) == 4 else (numbers[0], numbers[1], numbers[3], numbers[4])
    return (left, bottom, right, top)


def _by_accept(accept: str) -> str:
    offered = tuple(dict.fromkeys(row.media_type.partition(";")[0] for row in formats.FORMATS.values()))
    ordered = ("image/png", *(media_type for media_type in offered if media_type != "image/png"))
    found = formats.by_media_type(negotiation.preferred(accept, ordered) or "image/png")
    return "png" if found is None else found.name


def _sizes(path: table.Group, max_size: int | None) -> table.Group:
    """Sizes in the query; where the path has them, only the one that does not count then."""
    return table.sizes(max_size)[:1] if path == _SIZED else table.sizes(max_size)


def _preview(name: str, *paths: str, path: table.Group = (), query: table.Group = ()) -> Operation[Framed]:
    return Operation(
        id=name,
        paths=paths,
        parameters=(*path, *query, *table.LAYER, *_sizes(path, 1024), table.DST_CRS, *table.PICTURE),
        plan=plans.framed,
        answer=preview,
        summary="Preview",
        description="The whole raster as a picture.",
        produces=PICTURE,
    )


def _box_operation(name: str, *paths: str, path: table.Group = ()) -> Operation[Framed]:
    return Operation(
        id=name,
        paths=paths,
        parameters=(
            *table.BOX,
            *path,
            *table.LAYER,
            *_sizes(path, None),
            table.DST_CRS,
            table.COORD_CRS,
            *table.PICTURE,
        ),
        plan=plans.framed,
        answer=box,
        summary="Bbox",
        description="What is inside a box, as a picture.",
        produces=PICTURE,
    )


def _feature(name: str, *paths: str, path: table.Group = (), query: table.Group = ()) -> Operation[Framed]:
    return Operation(
        id=name,
        paths=paths,
        method="POST",
        parameters=(
            *path,
            *query,
            *table.LAYER,
            *_sizes(path, None),
            table.COORD_CRS,
            table.DST_CRS,
            *table.PICTURE,
        ),
        plan=plans.framed,
        answer=feature,
        summary="Feature",
        description="What is inside a geometry, as a picture.",
        produces=PICTURE,
        body=body.FEATURE,
    )


_SIZED: table.Group = (table.PATH_FORMAT, *table.PATH_SIZE)
_CORNERS = "{minx},{miny},{maxx},{maxy}"

OPERATIONS: tuple[Operation[Any], ...] = (
    _preview("getPreviewWithSizeAndFormat", "/preview/{width}x{height}.{format}", path=_SIZED),
    _preview("getPreviewWithFormat", "/preview.{format}", path=(table.PATH_FORMAT,)),
    _preview("getPreview", "/preview", query=(table.FORMAT,)),
    _box_operation(
        "getDataForBoundingBoxWithSizesAndFormat",
        f"/bbox/{_CORNERS}/{{width}}x{{height}}.{{format}}",
        f"/crop/{_CORNERS}/{{width}}x{{height}}.{{format}}",
        path=_SIZED,
    ),
    _box_operation(
        "getDataForBoundingBoxWithFormat",
        f"/bbox/{_CORNERS}.{{format}}",
        f"/crop/{_CORNERS}.{{format}}",
        path=(table.PATH_FORMAT,),
    ),
    _feature(
        "postDataForGeoJSONWithSizesAndFormat",
        "/feature/{width}x{height}.{format}",
        "/crop/{width}x{height}.{format}",
        path=_SIZED,
    ),
    _feature("postDataForGeoJSONWithFormat", "/feature.{format}", "/crop.{format}", path=(table.PATH_FORMAT,)),
    _feature("postDataForGeoJSON", "/feature", "/crop", query=(table.FORMAT,)),
    Operation(
        id="getMap",
        paths=("/map",),
        parameters=(*table.MAP, *table.LAYER, *table.PICTURE),
        plan=plan_map,
        answer=map_,
        summary="OGC Maps API",
        description="A map of a box, or of the whole raster (OGC API - Maps).",
        produces=PICTURE,
    ),
)
