"""``/colorMaps``: the named colormaps, their colours, and pictures of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.api import answers, negotiation, pages
from app.api.operation import Operation, RequestContext, no_plan
from app.api.params import options
from app.api.params.groups import ColormapPicture
from app.api.params.kinds import NameOf
from app.api.params.parameter import Parameter
from app.api.params.table import LEGEND, PAGE_FORMAT
from tilery.rendering import colormap as colormaps
from tilery.rendering import encoding
from tilery.rendering.colormap import Colormap
from tilery.rendering.encoding import formats

TAG = "ColorMaps"
SMALL = 256 * 256
"""Pixels up to which a picture is made quickly enough for the event loop."""

COLORMAP_ID = Parameter(
    name="colorMapId",
    kind=NameOf(known="colormaps", listed_at="/colorMaps"),
    description="Name of the colormap.",
    where="path",
    required=True,
)
_PRODUCES: Mapping[int | str, Mapping[str, Any]] = {
    200: {
        "description": "Successful Response",
        "content": {**answers.PRODUCES[200]["content"], **{row.media_type: {} for row in formats.FORMATS.values()}},
    }
}
_PICTURE_TYPES = {
    "image/png": "png",
    "image/webp": "webp",
    "image/jpeg": "jpeg",
    "image/jp2": "jp2",
    "image/tiff": "tif",
}


async def colormap_list(context: RequestContext[None]) -> Response:
    """Return the list of colormaps, and their bare names under ``colorMaps`` for clients of TiTiler before 0.24."""
    names = context.app.colormaps.names()
    body: dict[str, Any] = {
        "colormaps": [
            {
                "id": name,
                "links": [
                    {
                        "href": answers.link(context, f"/colorMaps/{name}"),
                        "rel": "item",
                        "type": "application/json",
                        "title": f"Definition of {name} ColorMap",
                    }
                ],
            }
            for name in names
        ],
        "colorMaps": list(names),
    }
    return answers.document(context, body, title="Colormaps", template="colormaps.html", names=names)


async def colormap(context: RequestContext[None]) -> Response:
    """Return a colormap: its colours as JSON or as a page, or a picture of them."""
    name = context.path.name("colorMapId")
    found = context.app.colormaps.get(name)
    legend = context.values.to(ColormapPicture)
    kind = legend.format or _by_accept(context.request.headers.get("accept", ""))
    if kind in formats.FORMATS:
        options.check_size(context.app.settings, width=legend.width, height=legend.height)
        if (legend.width or 256) * (legend.height or 256) <= SMALL:
            return _picture(found, legend, kind, context.app.settings.max_size)
        return await context.app.service.run(lambda: _picture(found, legend, kind, context.app.settings.max_size))
    if kind == "json":
        return answers.as_json(colormaps.to_json(found))
    return pages.page(
        context.request,
        "colormap.html",
        name=name,
        entries=_swatches(found),
        json_address=answers.json_address(context.request),
    )


def _by_accept(accept: str) -> str:
    """json, html or the name of a picture format: an image element says that it wants pictures."""
    chosen = negotiation.preferred(accept, (answers.JSON, answers.HTML, *_PICTURE_TYPES))
    return {answers.HTML: "html", **_PICTURE_TYPES}.get(chosen or "", "json")


def _picture(found: Colormap, legend: ColormapPicture, name: str, most: int) -> Response:
    bar = colormaps.bar(
        found,
        orientation=legend.orientation,
        width=legend.width,
        height=legend.height,
        most=most,
    )
    row = formats.get(name)
    return Response(encoding.encode(bar, row), media_type=row.media_type, headers={"Vary": "Accept"})


def _swatches(found: Colormap) -> list[dict[str, str]]:
    """Return value, colour and opacity of each entry, as a page shows them."""
    if found.kind == "interval":
        labels = [f"{low:g} to {high:g}" for low, high in zip(found.keys, found.upper, strict=True)]
    elif found.kind == "discrete":
        labels = [f"{key:g}" for key in found.keys]
    else:
        labels = [str(value) for value in range(256)]
    return [
        {"value": label, "color": f"#{red:02x}{green:02x}{blue:02x}", "opacity": f"{alpha / 255:.3g}"}
        for label, (red, green, blue, alpha) in zip(labels, found.rgba.tolist(), strict=True)
    ]


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="getColorMapList",
        paths=("/colorMaps",),
        parameters=(PAGE_FORMAT,),
        answer=colormap_list,
        plan=no_plan,
        tag=TAG,
        summary="Retrieve the list of available colormaps.",
        produces=answers.PRODUCES,
    ),
    Operation(
        id="getColorMap",
        paths=("/colorMaps/{colorMapId}",),
        parameters=(COLORMAP_ID, *LEGEND),
        answer=colormap,
        plan=no_plan,
        tag=TAG,
        summary="Retrieve the colorMap metadata or image.",
        produces=_PRODUCES,
    ),
)
