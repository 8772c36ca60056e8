"""Values along lines."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import geojson_bodies, json_documents, request_body, responses
from app.api.operation import Operation, RequestContext
from app.api.params import table
from app.api.params.groups import Crss
from app.api.params.lines import SAMPLES, samples
from app.api.raster import plans
from app.api.raster.plans import PixelOptions
from app.serving import render
from app.serving.requests import ImageOptions, LineProfileRequest
from tilery.errors import InvalidGeometry, OverLimit
from tilery.reading.geometry import Positions, Shape
from tilery.reading.reader import Reader

MOST_SAMPLES = 10_000
"""Positions on all lines of one request together."""


async def along_lines(context: RequestContext[PixelOptions]) -> Response:
    """Return the body's Feature or FeatureCollection, with values along each line in the properties."""
    settings = context.app.settings
    content = await request_body.read(context.request, settings)
    image = ImageOptions(read=context.plan.read, render=context.plan.render)
    coord_crs, count = context.values.to(Crss).coord_crs, samples(context.values)

    def work(reader: Reader) -> bytes:
        document, items, shapes = geojson_bodies.features(content, settings)
        lines = [line_of(shape) for shape in shapes]
        if len(lines) * count > MOST_SAMPLES:
            raise OverLimit(
                f"At most {MOST_SAMPLES} samples at a time: {len(lines)} lines of {count} are more.",
                parameter="samples",
                limit=MOST_SAMPLES,
            )
        requests = [LineProfileRequest(line=line, coord_crs=coord_crs, samples=count, image=image) for line in lines]
        read = [
            {
                **item,
                "properties": {**(item.get("properties") or {}), "profile": render.line_profile(reader, request)},
            }
            for item, request in zip(items, requests, strict=True)
        ]
        return json_documents.encode(read[0] if document["type"] == "Feature" else {**document, "features": read})

    encoded = await context.app.service.run_with_reader(
        context.subject.source, work, responses.gone(context.request.receive)
    )
    return Response(encoded, headers={"Content-Type": responses.GEOJSON})


def line_of(shape: Shape) -> Positions:
    """Return the one line that a geometry is.

    Raises:
        InvalidGeometry: it is something else, or several.
    """
    if len(shape.lines) != 1 or shape.polygons or shape.points:
        raise InvalidGeometry(
            "A profile is taken along one LineString, of at least two different positions.", parameter="body"
        )
    return shape.lines[0]


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        id="postProfileForGeoJSON",
        paths=("/profile",),
        method="POST",
        parameters=(table.COORD_CRS, *table.LAYER, SAMPLES),
        plan=plans.pixel_options,
        answer=along_lines,
        summary="Profile",
        description="The values along each line, by band, at even distances from its beginning to its end.",
        produces=responses.produces(responses.GEOJSON),
        body=geojson_bodies.LINES,
    ),
)
