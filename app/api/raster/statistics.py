"""Statistics of the whole raster, or of what is inside geometries."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import geojson_bodies, json_documents, request_body, responses
from app.api.operation import Operation, RequestContext
from app.api.params import table
from app.api.raster import plans
from app.api.raster.plans import StatisticsPlan
from app.serving import render
from app.serving.requests import ImageOptions, StatisticsRequest
from tilery.reading.geometry import Shape
from tilery.reading.reader import Reader

Json = dict[str, Any]


async def of_raster(context: RequestContext[StatisticsPlan]) -> Response:
    """Return statistics by band."""
    request = request_of(context)
    return await responses.document(
        context, "statistics", lambda reader: render.statistics(reader, request), identify=render.pixels
    )


async def of_features(context: RequestContext[StatisticsPlan]) -> Response:
    """Return the body's Feature or FeatureCollection, with statistics in the properties."""
    settings = context.app.settings
    content = await request_body.read(context.request, settings)

    def work(reader: Reader) -> bytes:
        document, items, shapes = geojson_bodies.features(content, settings)
        request = request_of(context, tuple(shapes))
        counted = [
            {
                **item,
                "properties": {
                    **(item.get("properties") or {}),
                    "statistics": render.feature_statistics(reader, request, position),
                },
            }
            for position, item in enumerate(items)
        ]
        return json_documents.encode(counted[0] if document["type"] == "Feature" else {**document, "features": counted})

    encoded = await context.app.service.run_with_reader(
        context.subject.source, work, responses.gone(context.request.receive)
    )
    return Response(encoded, headers={"Content-Type": responses.GEOJSON})


def request_of(context: RequestContext[StatisticsPlan], features: tuple[Shape, ...] = ()) -> StatisticsRequest:
    """Return what a request for statistics asks for."""
    image_plan = context.plan.image_plan
    return StatisticsRequest(
        image=ImageOptions(read=image_plan.pixel_options.read, render=image_plan.pixel_options.render),
        size=image_plan.size,
        statistics=context.plan.statistics,
        features=features,
        coord_crs=image_plan.coord_crs,
        dst_crs=image_plan.dst_crs,
        cover_scale=context.plan.cover_scale,
    )


OPERATIONS: tuple[Operation[StatisticsPlan], ...] = (
    Operation(
        id="getStatistics",
        paths=("/statistics",),
        parameters=(
            *table.LAYER,
            *table.sizes(1024),
            *table.ALGORITHM,
            *table.STATISTICS,
            *table.HISTOGRAM,
        ),
        plan=plans.statistics_plan,
        answer=of_raster,
        summary="Statistics",
        description="Statistics of the raster, by band.",
        produces=responses.produces(),
    ),
    Operation(
        id="postStatisticsForGeoJSON",
        paths=("/statistics",),
        method="POST",
        parameters=(
            table.COORD_CRS,
            table.DST_CRS,
            *table.LAYER,
            *table.sizes(None),
            *table.ALGORITHM,
            table.COVER_SCALE,
            *table.STATISTICS,
            *table.HISTOGRAM,
        ),
        plan=plans.statistics_plan,
        answer=of_features,
        summary="Geojson Statistics",
        description="Statistics of what is inside each geometry, by band.",
        produces=responses.produces(responses.GEOJSON),
        body=geojson_bodies.FEATURES,
    ),
)
