"""Pictures that are no tiles: a preview, a box, a geometry."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import geojson_bodies, request_body, responses
from app.api.operation import Operation, RequestContext
from app.api.params import table
from app.api.params.parameter import Group
from app.api.raster import plans
from app.api.raster.plans import ImagePlan
from app.api.raster.tiles import PICTURE
from app.serving import render
from app.serving.encoded import Encoded
from app.serving.requests import FeatureRequest, PartRequest, PreviewRequest
from tilery.reading.reader import Reader


async def preview(context: RequestContext[ImagePlan]) -> Response:
    """Return the whole raster."""
    request = PreviewRequest(
        image=plans.image_options(context, context.plan.pixel_options),
        size=plans.size(context),
        dst_crs=context.plan.dst_crs,
    )
    place = f"preview {request.image.format} {request.size}"
    return await responses.made(
        context,
        place,
        lambda reader: render.preview(reader, request),
        media_type=plans.media_type(request.image),
        identify=render.pixels,
    )


async def box(context: RequestContext[ImagePlan]) -> Response:
    """Return what is inside a box."""
    request = PartRequest(
        bounds=context.path.box,
        bounds_crs=context.plan.coord_crs,
        dst_crs=context.plan.dst_crs,
        image=plans.image_options(context, context.plan.pixel_options),
        size=plans.size(context),
    )
    place = f"bbox {request.bounds} {request.image.format} {request.size}"
    return await responses.made(
        context,
        place,
        lambda reader: render.part(reader, request),
        media_type=plans.media_type(request.image),
        identify=render.pixels,
    )


async def feature(context: RequestContext[ImagePlan]) -> Response:
    """Return what is inside the geometry of the body."""
    settings = context.app.settings
    content = await request_body.read(context.request, settings)
    image, size = plans.image_options(context, context.plan.pixel_options), plans.size(context)

    def work(reader: Reader) -> Encoded:
        request = FeatureRequest(
            geometry=geojson_bodies.feature(content, settings),
            geometry_crs=context.plan.coord_crs,
            dst_crs=context.plan.dst_crs,
            image=image,
            size=size,
        )
        return render.feature(reader, request)

    encoded = await context.app.service.run_with_reader(
        context.subject.source, work, responses.gone(context.request.receive)
    )
    return Response(encoded.body, headers=responses.described(encoded))


def _sizes(path: Group, max_size: int | None) -> Group:
    """Return sizes in the query; where the path has them, only the one that does not count then."""
    return table.sizes(max_size)[:1] if path == _SIZED else table.sizes(max_size)


def _preview(name: str, *paths: str, path: Group = (), query: Group = ()) -> Operation[ImagePlan]:
    return Operation(
        id=name,
        paths=paths,
        parameters=(*path, *query, *table.LAYER, *_sizes(path, 1024), table.DST_CRS, *table.PICTURE),
        plan=plans.image_plan,
        answer=preview,
        summary="Preview",
        description="The whole raster as a picture.",
        produces=PICTURE,
    )


def _box_operation(name: str, *paths: str, path: Group = ()) -> Operation[ImagePlan]:
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
        plan=plans.image_plan,
        answer=box,
        summary="Bbox",
        description="What is inside a box, as a picture.",
        produces=PICTURE,
    )


def _feature(name: str, *paths: str, path: Group = (), query: Group = ()) -> Operation[ImagePlan]:
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
        plan=plans.image_plan,
        answer=feature,
        summary="Feature",
        description="What is inside a geometry, as a picture.",
        produces=PICTURE,
        body=geojson_bodies.FEATURE,
    )


_SIZED: Group = (table.PATH_FORMAT, *table.PATH_SIZE)
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
)
