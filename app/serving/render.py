"""A request and an open raster become a finished answer: reading and rendering put together, once for all routes.

Every function here is plain and blocking; it runs in a compute slot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypedDict, TypeVar

import numpy as np

from app.serving.encoded import Encoded
from app.serving.requests import (
    FeatureRequest,
    ImageOptions,
    LineProfileRequest,
    PartRequest,
    PointRequest,
    PreviewRequest,
    StatisticsRequest,
    TileRequest,
)
from tilery.engine import Engine
from tilery.errors import UpstreamError
from tilery.geo.raster import Crs, Grid, Raster
from tilery.limits import answer_size, memory
from tilery.reading import coverage
from tilery.reading import line_profile as line_profile_
from tilery.reading.options import ReadOptions
from tilery.reading.reader import Reader, Touched
from tilery.reading.source import Source
from tilery.rendering import cost, expression, pipeline
from tilery.rendering.encoding import formats
from tilery.rendering.options import RenderOptions
from tilery.storage.bytes.protocol import SourceChanged

T = TypeVar("T")

_PARTS = 64 << 20
"""Bytes that the parts of a raster take one after the other, while all of it is counted."""


def whole(reader: Reader) -> str:
    """Return the identity of all that a reader reads."""
    return reader.identity


def pixels(reader: Reader) -> str:
    """Return the identity of the pixels that a reader reads, wherever they are."""
    return reader.pixel_identity


def opened(
    engine: Engine, source: Source, work: Callable[[Reader], T], identify: Callable[[Reader], str] = whole
) -> tuple[T, str]:
    """Return what ``work`` makes of the raster of a source, and the identity of what it saw.

    A raster that changes meanwhile is opened anew, once, and the work done again.

    Raises:
        SourceError, UpstreamError: it cannot be opened or read.
    """
    try:
        with engine.open(source) as reader:
            return work(reader), identify(reader)
    except SourceChanged:
        pass
    try:
        with engine.open(source) as reader:
            return work(reader), identify(reader)
    except SourceChanged:
        raise UpstreamError("The source keeps changing while it is read. Try again.", retry_after=5) from None


def identity(engine: Engine, source: Source, identify: Callable[[Reader], str] = whole) -> str:
    """Return the identity of the raster of a source, or of the part of it that ``identify`` knows; it is then open."""
    return opened(engine, source, identify)[0]


class TileWork:
    """The work of one tile. What its check finds out is not looked for again when the tile is made."""

    def __init__(self, request: TileRequest) -> None:
        """Make what the request asks for."""
        self._request = request
        self._touched: Touched | None = None

    def check(self, reader: Reader) -> None:
        """Refuse a tile that surely does not touch the raster. Costs no thread and no read.

        Raises:
            TileOutsideBounds: it does not.
        """
        request = self._request
        self._touched = reader.refuse_tile(request.matrix_set, request.z, request.x, request.y)

    def identify(self, reader: Reader) -> str:
        """Return the identity of what the tile is made of."""
        request = self._request
        return reader.tile_identity(request.matrix_set, request.z, request.x, request.y)

    def __call__(self, reader: Reader) -> Encoded:
        """Return the tile as a picture; see `tile`."""
        return tile(reader, self._request, self._touched)


def tile(reader: Reader, request: TileRequest, touched: Touched | None = None) -> Encoded:
    """Return one tile as a picture; `touched` is what `Reader.refuse_tile` found before.

    Raises:
        TileOutsideBounds: it does not touch the raster.
    """
    raster = reader.tile(
        request.matrix_set,
        request.z,
        request.x,
        request.y,
        _read_options(reader, request.image),
        width=request.size,
        height=request.size,
        buffer=request.buffer,
        padding=request.padding,
        touched=touched,
    )
    return picture(raster, request.image)


def part(reader: Reader, request: PartRequest) -> Encoded:
    """Return what is inside a box, as a picture."""
    raster = reader.part(
        request.bounds,
        bounds_crs=request.bounds_crs,
        options=_read_options(reader, request.image),
        **_output(request),
    )
    return picture(raster, request.image)


def on_background(reader: Reader, request: PartRequest, background: pipeline.Color | None) -> Encoded:
    """Return what is inside a box, as a picture of exactly the size asked for and with a colour where data
    are missing.
    """
    image = request.image
    raster = reader.part(
        request.bounds,
        bounds_crs=request.bounds_crs,
        options=_read_options(reader, image),
        buffer=pipeline.cut_off(image.render),
        **_output(request),
    )
    rendered = pipeline.on_background(raster, image.render, image.format or "png", background)
    return Encoded(body=rendered.body, media_type=rendered.media_type, bounds=rendered.bounds, crs=raster.crs)


def preview(reader: Reader, request: PreviewRequest) -> Encoded:
    """Return the whole raster as a picture."""
    raster = reader.preview(options=_read_options(reader, request.image), **_output(request))
    return picture(raster, request.image)


def feature(reader: Reader, request: FeatureRequest) -> Encoded:
    """Return what is inside a geometry, as a picture."""
    raster = reader.feature(
        request.geometry,
        shape_crs=request.geometry_crs,
        options=_read_options(reader, request.image),
        **_output(request),
    )
    return picture(raster, request.image)


def point(reader: Reader, request: PointRequest) -> dict[str, Any]:
    """Return the values at a position, None where there are none."""
    raster = reader.point(request.lon, request.lat, coord_crs=request.coord_crs, options=request.image.read)
    raster = pipeline.real(pipeline.calculated(raster, request.image.render))
    return {
        "coordinates": [request.lon, request.lat],
        "values": [value for (value,) in _row(raster)],
        "band_names": list(raster.band_names),
        "band_descriptions": list(raster.band_descriptions),
    }


def line_profile(reader: Reader, request: LineProfileRequest) -> dict[str, Any]:
    """Return the values along a line by band, None where there are none, and where they are."""
    found = line_profile_.along(
        reader, request.line, coord_crs=request.coord_crs, samples=request.samples, options=request.image.read
    )
    raster = pipeline.real(pipeline.calculated(found.raster, request.image.render))
    return {
        "length": float(found.distances[-1]),
        "unit": "m" if found.in_metres else None,
        "distances": found.distances.tolist(),
        "coordinates": found.positions.tolist(),
        "values": _row(raster),
        "band_names": list(raster.band_names),
        "band_descriptions": list(raster.band_descriptions),
    }


def _row(raster: Raster) -> list[list[float | int | None]]:
    """Return the values of the first row of each band, None where there are none."""
    valid = np.ones(raster.data.shape, bool) if raster.mask is None else np.broadcast_to(raster.mask, raster.data.shape)
    if raster.alpha is not None:
        valid = valid & (raster.alpha != 0)
    return [
        [
            value if kept and value == value else None  # noqa: PLR0124 - NaN is the value that is not itself
            for value, kept in zip(values.tolist(), known.tolist(), strict=True)
        ]
        for values, known in zip(raster.data[:, 0], valid[:, 0], strict=True)
    ]


def statistics(reader: Reader, request: StatisticsRequest) -> dict[str, Any]:
    """Return statistics of the whole raster, by band; of more pixels than a picture may have part by part."""
    image = request.image
    options = _counting_options(reader, image, weighted=False)
    grid = reader.whole(**_output(request))
    if grid.width * grid.height > options.limits.pixels and not image.render.algorithm:
        return _counted_in_parts(reader, grid, request, options)
    raster = reader.preview(options=options, **_output(request))
    return _statistics(pipeline.calculated(raster, image.render), request, None)


def _counted_in_parts(reader: Reader, grid: Grid, request: StatisticsRequest, options: ReadOptions) -> dict[str, Any]:
    """Return statistics of a grid that is too large to be read at once."""
    from tilery.rendering.streaming_statistics import Counting

    render = request.image.render
    bands, kind = _bands(reader, options)
    if render.expression:
        bands, kind = len(expression.parse(render.expression).blocks), expression.result_type(render.expression, kind)
    kept = grid.width * grid.height * kind.itemsize if kind.itemsize > 2 else 0
    memory.need(kept * (bands + 1) + _PARTS)
    counting = Counting()
    for part in reader.in_parts(grid, options):
        counting.add(pipeline.real(pipeline.calculated(part, render)))
    return counting.found(**_counted(request))


def feature_statistics(reader: Reader, request: StatisticsRequest, position: int) -> dict[str, Any]:
    """Return statistics of what is inside one of the request's geometries, by band, each pixel weighted by its part
    inside.
    """
    geometry = request.features[position]
    raster = reader.feature(
        geometry,
        shape_crs=request.coord_crs,
        options=_counting_options(reader, request.image, weighted=True),
        align=True,
        **_output(request),
    )
    raster = pipeline.calculated(raster, request.image.render)  # may cut off what it needed around
    weights = coverage.of(geometry, request.coord_crs, raster, request.cover_scale)
    return _statistics(raster, request, weights)


def picture(raster: Raster, image: ImageOptions) -> Encoded:
    """Return pixels as a picture with its place on Earth."""
    rendered = pipeline.render(raster, image.render, image.format)
    return Encoded(body=rendered.body, media_type=rendered.media_type, bounds=rendered.bounds, crs=raster.crs)


def nothing(request: TileRequest) -> Encoded:
    """Return a tile with nothing in it: transparent where the format can say so."""
    matrix_set = request.matrix_set
    matrix = matrix_set.matrix(request.z)
    grown = int(2 * (request.buffer or 0))
    height, width = (request.size or matrix.tile_height) + grown, (request.size or matrix.tile_width) + grown
    raster = Raster(
        data=np.zeros((3, height, width), "uint8"),
        mask=np.zeros((1, height, width), bool),
        bounds=matrix_set.tile_bounds(request.z, request.x, request.y),
        crs=matrix_set.crs,
        band_names=("b1", "b2", "b3"),
        band_descriptions=("b1", "b2", "b3"),
    )
    image = ImageOptions(read=request.image.read, render=RenderOptions(), format=request.image.format or "png")
    return picture(raster, image)


class _Output(TypedDict):
    """What is to be made of what is read, as the reader's verbs take it."""

    dst_crs: Crs | None
    width: int | None
    height: int | None
    max_size: int | None


def _output(request: PartRequest | PreviewRequest | FeatureRequest | StatisticsRequest) -> _Output:
    """Return the CRS and the size that a request asks for."""
    size = request.size
    return {"dst_crs": request.dst_crs, "width": size.width, "height": size.height, "max_size": size.max_size}


def _read_options(reader: Reader, image: ImageOptions) -> ReadOptions:
    """Return how the pixels of a picture are read, what memory is needed for each of them afterwards, and how many of
    them fit into an answer: known beforehand for a format that does not compress, at least as the number of bytes that
    each pixel will have.
    """
    most = answer_size.most()
    count, kind = _bands(reader, image.read)
    needed = cost.of_picture(count, kind, image.render, image.format)
    if image.format is None or math.isinf(most) or not formats.get(image.format).raw:
        return replace(image.read, bytes_a_pixel=needed)
    fit = int(most) // cost.of_answer(count, kind, image.render)
    return replace(image.read, bytes_a_pixel=needed, max_answer_pixels=fit)


def _counting_options(reader: Reader, image: ImageOptions, *, weighted: bool) -> ReadOptions:
    """Return how the pixels of statistics are read, and what memory is needed for each of them afterwards."""
    count, kind = _bands(reader, image.read)
    return replace(
        image.read, bytes_a_pixel=cost.of_statistics(count, kind, image.render, weighted=weighted) + weighted * 8
    )


def _bands(reader: Reader, options: ReadOptions) -> tuple[int, np.dtype[Any]]:
    """Return number and type of the bands that are read."""
    count = len(options.bands or reader.profile.data_bands or (1,))
    return count, np.dtype(np.float32) if options.unscale else reader.profile.dtype


def _statistics(raster: Raster, request: StatisticsRequest, weights: Any) -> dict[str, Any]:
    from tilery.rendering import statistics as statistics_

    return statistics_.statistics(pipeline.real(raster), coverage=weights, **_counted(request))


def _counted(request: StatisticsRequest) -> dict[str, Any]:
    """Return what is to be counted."""
    statistics = request.statistics
    return {
        "categorical": statistics.categorical,
        "categories": statistics.categories,
        "percentiles": statistics.percentiles,
        "bins": statistics.bins,
        "range": statistics.range,
    }
