"""``/wms``: the service of one raster, whichever way it is named, and that of the whole catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from starlette.responses import Response

from app.api import json_documents, kvp, layer_pages, responses
from app.api.links import query_of
from app.api.operation import Family, Operation, RequestContext, bound, in_parsing_thread, no_plan
from app.api.ows import ServiceError
from app.api.params import groups, options, table
from app.api.params.parse import pairs
from app.api.raster import plans
from app.api.raster.plans import PixelOptions
from app.api.raster.tilesets import place_of
from app.api.wms import document, exceptions
from app.api.wms import request as request_
from app.serving import render
from app.serving.encoded import Encoded
from app.serving.requests import ImageOptions, PartRequest, PointRequest, Size
from tilery.catalog.layer import LayerSummary
from tilery.errors import PointOutsideBounds, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.limits import deadline
from tilery.reading.reader import Reader

Json = dict[str, Any]

DEFAULT_STYLE = "default"
XML = "text/xml"


async def answer(context: RequestContext[PixelOptions]) -> Response:
    """Return the answer of one raster's service."""
    given = kvp.given(context.request.scope["query_string"])
    wanted = _operation(given)
    if wanted == "getcapabilities":
        return await _capabilities(context, given)
    layer = context.subject.layer
    _check_name(given, {context.subject.name, context.subject.title})
    style = given.get("styles", "")
    if style not in ("", DEFAULT_STYLE):
        if layer is None or layer.style(style) is None:
            raise ServiceError("StyleNotDefined", "The layer has no style of that name.", parameter="STYLES")
        if style != groups.style(context.values) and context.family is not None:
            # once more with the style as one of the layer's parameters
            query = [pair for pair in pairs(context.request.scope["query_string"]) if pair[0].lower() != "style"]
            encoded = urlencode([*query, ("style", style)]).encode("ascii")
            texts = {"layer": layer.id}
            return await kvp.handed_on(context.request, context.app, bound(context.family, SERVICE), texts, encoded)
    return await (_map(context, given) if wanted == "getmap" else _info(context, given))


def catalog(family: Family) -> Callable[[RequestContext[None]], Any]:
    """Return what answers for all layers, whose routes are the family's."""

    async def answer_all(context: RequestContext[None]) -> Response:
        """Return the answer of the catalog's service."""
        given = kvp.given(context.request.scope["query_string"])
        if _operation(given) != "getcapabilities":
            texts = {"layer": given.get("layers", "")}
            query: bytes = context.request.scope["query_string"]
            return await kvp.handed_on(context.request, context.app, bound(family, SERVICE), texts, query)
        page, beside = await layer_pages.requested_page(context)
        spoken, address, settings = request_.version(given), _address(context), context.app.settings
        media_type = _media_type(spoken)

        def work() -> Encoded:
            entries = [_entry(spoken, layer) for layer in deadline.paced(page.layers)]
            text = document.capabilities(
                spoken,
                entries,
                address=address,
                title=settings.name,
                most=settings.max_size,
                templates=settings.template_directory,
            )
            return Encoded(body=text.encode(), media_type=media_type)

        served = await context.app.service.document(
            f"wms {spoken} {page.state} {address}", work, known=responses.if_none_match(context.request)
        )
        return layer_pages.with_links(responses.response(served, media_type), beside)

    return answer_all


def _operation(given: Mapping[str, str]) -> str:
    """Return the name of the operation in lower case.

    Raises:
        ServiceError: it is none of ours.
    """
    if (service := given.get("service", "WMS").upper()) not in ("WMS", ""):
        raise ServiceError("", f"This is a WMS and no {service[:16]}.", parameter="SERVICE")
    text = given.get("request", "").lower() or "getcapabilities"
    found = {"capabilities": "getcapabilities", "map": "getmap", "feature_info": "getfeatureinfo"}.get(text, text)
    if found not in ("getcapabilities", "getmap", "getfeatureinfo"):
        detail = "This service answers GetCapabilities, GetMap and GetFeatureInfo."
        raise ServiceError("OperationNotSupported", detail, parameter="REQUEST")
    return found


def _check_name(given: Mapping[str, str], known: set[str]) -> None:
    """Check that the layer that is named is the raster, or that none is named."""
    for key in ("layers", "query_layers"):
        name = given.get(key, "")
        if name and name not in known:
            one = "one layer at a time" if "," in name else "there is no layer of that name here"
            raise ServiceError("LayerNotDefined", f"{key.upper()}: {one}.", parameter=key.upper())


def _address(context: RequestContext[Any]) -> str:
    """Return what requests to this service begin with: its address and the parameters that are none of the
    protocol's.
    """
    scope = context.request.scope
    left_out = {*request_.NAMES, *(parameter.name for parameter in table.PAGING)}
    query = [pair for pair in kvp.without(query_of(scope)) if pair[0].lower() not in left_out]
    found = context.app.links.to(scope, scope["path"], query)
    return f"{found}&" if "?" in found else f"{found}?"


async def _capabilities(context: RequestContext[PixelOptions], given: Mapping[str, str]) -> Response:
    spoken, address, layer = request_.version(given), _address(context), context.subject.layer
    media_type, settings = _media_type(spoken), context.app.settings

    def work(reader: Reader) -> Encoded:
        _check_place(reader)
        place = place_of(reader)
        if layer is None:
            entry = document.layer(
                spoken,
                name=context.subject.name,
                title=context.subject.name,
                geographic=place.geographic,
                own=place,
                attribution=settings.default_attribution,
            )
        else:
            entry = _entry(spoken, layer)
        text = document.capabilities(
            spoken,
            [entry],
            address=address,
            title=settings.name,
            most=settings.max_size,
            templates=settings.template_directory,
        )
        return Encoded(body=text.encode(), media_type=media_type)

    return await responses.made(context, f"wms {spoken} {address}", work, media_type=media_type)


def _check_place(reader: Reader) -> None:
    """Refuse a raster that lies nowhere on the Earth: a document would name a place that is false.

    Raises:
        UnsupportedRaster: it has no CRS, or one from which no way leads to longitudes and latitudes.
    """
    crs = reader.profile.crs
    if crs is None:
        raise UnsupportedRaster("The raster has no coordinate reference system.", parameter="url")
    crs_.transform_points(crs, crs_.WGS84, [0.0], [0.0])


def _entry(spoken: request_.Version, layer: LayerSummary) -> document.WmsLayer:
    return document.layer(
        spoken,
        name=layer.id,
        title=layer.name,
        geographic=layer.bounds,
        styles=[(style.name, style.title or style.name) for style in layer.styles],
        abstract=layer.description,
        attribution=layer.attribution,
    )


def _media_type(spoken: request_.Version) -> str:
    return XML if spoken == "1.3.0" else "application/vnd.ogc.wms_xml"


async def _map(context: RequestContext[PixelOptions], given: Mapping[str, str]) -> Response:
    wanted = await in_parsing_thread(request_.map_of, given)
    options.check_size(context.app.settings, WIDTH=wanted.width, HEIGHT=wanted.height)
    part = PartRequest(
        bounds=wanted.bounds,
        bounds_crs=wanted.crs,
        dst_crs=wanted.crs,
        image=ImageOptions(read=context.plan.read, render=context.plan.render, format=wanted.format),
        size=Size(width=wanted.width, height=wanted.height),
    )
    return await responses.made(
        context,
        f"wms {wanted}",
        lambda reader: render.on_background(reader, part, wanted.background),
        media_type=plans.media_type(part.image),
        identify=render.pixels,
    )


async def _info(context: RequestContext[PixelOptions], given: Mapping[str, str]) -> Response:
    """Return the values of the pixel that was clicked at."""
    wanted, media_type = await in_parsing_thread(request_.map_of, given), request_.info_format(given)
    x, y = request_.point_of(given, wanted)
    request = PointRequest(
        lon=x, lat=y, coord_crs=wanted.crs, image=ImageOptions(read=context.plan.read, render=context.plan.render)
    )
    name = context.subject.name

    def work(reader: Reader) -> Encoded:
        try:
            found = render.point(reader, request)
        except PointOutsideBounds:
            found = {"values": [], "band_names": [], "band_descriptions": []}
        return Encoded(body=_info_body(name, found, media_type), media_type=media_type)

    return await responses.made(context, f"wms info {x},{y}", work, media_type=media_type, identify=render.pixels)


def _info_body(name: str, found: Json, media_type: str) -> bytes:
    """Return the values as GeoJSON without a geometry, as lines, or as a table."""
    values = dict(zip(found["band_names"], found["values"], strict=True))
    if media_type == "application/json":
        feature = {"type": "Feature", "id": name, "geometry": None, "properties": values}
        return json_documents.encode({"type": "FeatureCollection", "features": [feature] if values else []})
    shown = {band: "no data" if value is None else str(value) for band, value in values.items()}
    if media_type == "text/plain":
        return "".join(f"{line}\n" for line in (name, *(f"{band} = {text}" for band, text in shown.items()))).encode()
    rows = "".join(f"<tr><th>{escape(band)}</th><td>{escape(text)}</td></tr>" for band, text in shown.items())
    return f"<table><caption>{escape(name)}</caption>{rows}</table>\n".encode()


PRODUCES: dict[int | str, Any] = {
    200: {
        "description": "A capabilities document, a map, or values.",
        "content": {media_type: {} for media_type in (XML, *request_.FORMATS, *request_.INFO_FORMATS)},
    }
}
SERVICE: Operation[PixelOptions] = Operation(
    id="getWMS",
    paths=("/wms",),
    parameters=(*request_.KEYS, *table.LAYER, *table.PICTURE),
    plan=plans.pixel_options,
    answer=answer,
    failure=exceptions.report,
    summary="WMS",
    description="A Web Map Service of the raster, 1.3.0 and 1.1.1.",
    produces=PRODUCES,
)
"""The service of one raster."""


def of_all(family: Family, tag: str) -> Operation[None]:
    """Return the service of the catalog."""
    return Operation(
        id="getLayersWMS",
        paths=("/wms",),
        parameters=(*request_.KEYS, *table.LAYER, *table.PICTURE, *table.PAGING),
        plan=no_plan,
        answer=catalog(family),
        failure=exceptions.report,
        tag=tag,
        summary="WMS of all layers",
        description="A Web Map Service of all layers, 1.3.0 and 1.1.1.",
        produces=PRODUCES,
    )
