"""What can be made of a query alone, before the path is looked at: once for all the tiles of a map."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.context import AppContext
from app.api.operation import RequestContext
from app.api.params import options
from app.api.params.parse import Values
from app.serving.requests import ImageOptions, Size, StatisticsOptions
from tilery.geo.crs import WGS84
from tilery.geo.raster import Crs
from tilery.reading.options import ReadOptions
from tilery.rendering import algorithms
from tilery.rendering.encoding import formats
from tilery.rendering.options import RenderOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelOptions:
    """How pixels are read and shown; the format may still come from the path."""

    read: ReadOptions
    render: RenderOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """How a picture is rendered, its size and its CRSs."""

    pixel_options: PixelOptions
    size: Size
    coord_crs: Crs
    dst_crs: Crs | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsPlan:
    """What statistics are made of and what is counted."""

    image_plan: ImagePlan
    statistics: StatisticsOptions
    cover_scale: int


def pixel_options(app: AppContext, values: Values) -> PixelOptions:
    """Parameters of reading and rendering."""
    return PixelOptions(
        read=options.read_options(values, app.read_limits),
        render=options.render_options(values, app.colormaps),
    )


def tile_pixel_options(app: AppContext, values: Values) -> PixelOptions:
    """The same, with the size of the tiles checked where it is given."""
    if any(values[name] is not None for name in ("tilesize", "buffer", "padding")):
        options.check_tile(
            app.settings,
            tilesize=values.get("tilesize", 256),
            buffer=values["buffer"],
            padding=values["padding"],
        )
    return pixel_options(app, values)


def image_plan(app: AppContext, values: Values) -> ImagePlan:
    """Parameters of a picture that is no tile."""
    width, height, max_size = values.get("width"), values.get("height"), values.get("max_size")
    options.check_size(app.settings, width=width, height=height)
    options.check_size(app.settings, max_size=None if width or height else max_size)
    return ImagePlan(
        pixel_options=pixel_options(app, values),
        size=Size(width=width, height=height, max_size=max_size or None),
        coord_crs=values.get("coord_crs", WGS84),
        dst_crs=values.get("dst_crs"),
    )


def statistics_plan(app: AppContext, values: Values) -> StatisticsPlan:
    """Parameters of statistics."""
    return StatisticsPlan(
        image_plan=image_plan(app, values),
        statistics=options.statistics_options(values),
        cover_scale=values.get("cover_scale", 10),
    )


def image_options(
    context: RequestContext[PixelOptions] | RequestContext[ImagePlan], shown: PixelOptions
) -> ImageOptions:
    """The rendering with its format: the path's suffix, else the parameter."""
    return ImageOptions(
        read=shown.read, render=shown.render, format=context.path.get("format") or context.values.get("format")
    )


def media_type(image_options: ImageOptions) -> str | None:
    """What a picture of that style is; None where its pixels decide."""
    row = formats.FORMATS.get(image_options.format or "")
    return None if row is None else row.media_type


def format_of_tiles(values: Values) -> str | None:
    """The format that addresses of tiles name; None: each tile's pixels decide.

    Numbers packed into colours are PNG where none, or one that would destroy them, is asked for.
    """
    name: str | None = values["tile_format"]
    if not algorithms.packs(values["algorithm"]):
        return name
    return "png" if name is None or formats.get(name).lossy else name


def size(context: RequestContext[ImagePlan]) -> Size:
    """The size of a picture: the path's, else the parameters'.

    Raises:
        OverLimit: the path's is too large.
    """
    if "width" not in context.path:
        return context.plan.size
    width, height = context.path["width"], context.path["height"]
    options.check_size(context.app.settings, width=width, height=height)
    return Size(width=width, height=height)
