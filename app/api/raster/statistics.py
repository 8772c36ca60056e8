"""Statistics of the whole raster, or of what is inside geometries."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import body, documents, results
from app.api.operation import Ask, Operation
from app.api.params import table
from app.api.raster import plans
from app.api.raster.plans import Counted
from app.serving import render
from app.serving.requests import StatisticsRequest, Style
from tilery.reading.geometry import Shape
from tilery.reading.reader import Reader

Json = dict[str, Any]


async def of_raster(ask: Ask[Counted]) -> Response:
    """Statistics by band."""
    request = _request(ask)
    return await results.document(ask, "statistics", lambda reader: render.statistics(reader, request))


async def of_features(ask: Ask[Counted]) -> Response:
    """The body's Feature or FeatureCollection, with statistics in the properties."""
    settings = ask.desk.settings
    content = await body.read(ask.request, settings)

    def work(reader: Reader) -> bytes:
        document, items, shapes = body.features(content, settings)
        request = _request(ask, tuple(shapes))
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
        return documents.encode(counted[0] if document["type"] == "Feature" else {**document, "features": counted})

    encoded = await ask.desk.service.use(ask.subject.location, work, results.gone(ask.request.receive))
    return Response(encoded, headers={"Content-Type": results.GEOJSON})


def _request(ask: Ask[Counted], features: tuple[Shape, ...] = ()) -> StatisticsRequest:
    framed = ask.plan.framed
    return StatisticsRequest(
        style=Style(read=framed.look.read, render=framed.look.render),
        size=framed.size,
        tally=ask.plan.tally,
        features=features,
        coord_crs=framed.coord_crs,
        dst_crs=framed.dst_crs,
        cover_scale=ask.plan.cover_scale,
    )


OPERATIONS: tuple[Operation[Counted], ...] = (
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
        plan=plans.counted,
        answer=of_raster,
        summary="Statistics",
        description="Statistics of the raster, by band.",
        produces=results.produces(),
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
        plan=plans.counted,
        answer=of_features,
        summary="Geojson Statistics",
        description="Statistics of what is inside each geometry, by band.",
        produces=results.produces(results.GEOJSON),
        body=body.FEATURES,
    ),
)
