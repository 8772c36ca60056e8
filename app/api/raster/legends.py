"""Legends: what the colours of a raster's pictures mean, with the same parameters as those pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.responses import Response

from app.api import json_documents, responses
from app.api.context import AppContext
from app.api.operation import Operation, RequestContext
from app.api.params import table
from app.api.params.legends import FORMAT, LEGEND, LegendQuery
from app.api.params.parse import Values
from app.api.raster import plans
from app.api.raster.plans import PixelOptions
from app.serving.encoded import Encoded
from tilery.errors import InvalidBand, InvalidParameter
from tilery.geo.raster import Raster
from tilery.reading.dataset import Composite
from tilery.reading.options import ReadOptions
from tilery.reading.profile import no_band
from tilery.reading.reader import Reader
from tilery.rendering import encoding
from tilery.rendering.encoding import formats
from tilery.rendering.legend import documents, drawing, making
from tilery.rendering.legend.making import Labels
from tilery.rendering.legend.values import THEMES, Legend

SVG = "image/svg+xml"
_SIDE = 16
"""Pixels along each side of the raster that stands for the real one: more than what any algorithm cuts off."""
_LOOKED_AT = 512
"""Pixels along the longest side of the overview in which values with a colour of the raster's own are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendPlan:
    """What a legend is made of, as far as the query says it."""

    pixel_options: PixelOptions
    labels: Labels
    query: LegendQuery


def plan(app: AppContext, values: Values) -> LegendPlan:
    """Return parameters of a legend."""
    query = values.to(LegendQuery)
    labels: Labels = ()
    if query.labels is not None:
        try:
            document = json.loads(query.labels)
        except (ValueError, RecursionError):
            raise InvalidParameter("labels is not JSON.", parameter="labels") from None
        labels = making.labels_of(document)
    return LegendPlan(pixel_options=plans.pixel_options(app, values), labels=labels, query=query)


async def legend(context: RequestContext[LegendPlan]) -> Response:
    """Return the legend, as a picture or a document."""
    chosen, name = context.plan, context.path.format or "png"
    response = await responses.made(
        context, f"legend {name}", lambda reader: _encoded(_made(reader, chosen), chosen.query, name)
    )
    if name == "svg":  # opened by itself it is a document of ours, in which nothing may run
        response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return response


def _made(reader: Reader, chosen: LegendPlan) -> Legend:
    read, render = chosen.pixel_options.read, chosen.pixel_options.render
    raster = _stand_in(reader, read)
    present = None
    if raster.colormap and raster.count == 1 and not (render.colormap or render.expression or render.algorithm):
        present = _present(reader, read)
    labels = chosen.labels or _known(reader, chosen.pixel_options)
    return making.legend_of(raster, render, labels=labels, present=present, title=chosen.query.title)


def _known(reader: Reader, options: PixelOptions) -> Labels:
    """Return what the raster itself calls the values of the one band that is shown."""
    bands = options.read.bands or reader.profile.data_bands
    if len(bands) != 1 or options.render.expression or options.render.algorithm:
        return ()
    return reader.profile.class_names.get(bands[0], ())


def _stand_in(reader: Reader, read: ReadOptions) -> Raster:
    """Return a raster without a pixel of the real one, but with its bands, type, palette and statistics."""
    profile = reader.profile
    bands = read.bands or profile.data_bands
    if wrong := [number for number in bands if not 1 <= number <= profile.count]:
        raise InvalidBand(no_band(profile.count, wrong[0]), parameter="bidx")
    known = [profile.statistics(number) for number in bands]
    statistics = tuple(pair for pair in known if pair is not None)
    return Raster(
        data=np.zeros((len(bands), _SIDE, _SIDE), np.dtype("float32") if read.unscale else profile.dtype),
        bounds=(0.0, 0.0, 1.0, 1.0),
        band_names=tuple(f"b{number}" for number in bands),
        band_descriptions=tuple(profile.descriptions[number - 1] or "" for number in bands),
        statistics=statistics if len(statistics) == len(bands) and not read.unscale else None,
        colormap=profile.palette if len(bands) == 1 else None,
    )


def _present(reader: Reader, read: ReadOptions) -> Sequence[float] | None:
    """Return values that an overview of the raster has; None where it has none, or cannot be looked at."""
    if isinstance(reader.source, Composite):
        return None
    overview = reader.preview(options=read, max_size=_LOOKED_AT)
    data = overview.data[0]
    values = data if overview.mask is None else data[overview.mask[0]]
    return np.unique(values).tolist() or None


def _encoded(made: Legend, query: LegendQuery, name: str) -> Encoded:
    theme, opaque = THEMES[query.theme], not query.transparent
    if name == "json":
        return Encoded(body=json_documents.encode(documents.to_json(made)), media_type=responses.JSON)
    if name == "svg":
        text = documents.to_svg(made, theme, width=query.width, opaque=opaque)
        return Encoded(body=text.encode(errors="replace"), media_type=SVG)
    picture = drawing.draw(made, theme, width=query.width, scale=query.scale, opaque=opaque)
    row = formats.get("png")
    return Encoded(body=encoding.encode(picture, row), media_type=row.media_type)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        id="getLegend",
        paths=("/legend.{format}",),
        parameters=(FORMAT, *table.LAYER, *table.PICTURE, *LEGEND),
        plan=plan,
        answer=legend,
        summary="Legend",
        description="What the colours of pictures with the same parameters mean: a scale, classes, intervals or bands, "
        "as PNG, SVG or JSON.",
        produces={
            200: {
                "description": "Successful Response",
                "content": {"image/png": {}, SVG: {}, responses.JSON: {"schema": {"type": "object"}}},
            }
        },
    ),
)
