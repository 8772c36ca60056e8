"""What can be made of a query alone, before the path is looked at: once for all the tiles of a map."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.context import AppContext
from app.api.operation import RequestContext
from app.api.params import groups, options
from app.api.params.groups import NO_SIZE, Crss, PictureSize, TileSize
from app.api.params.parse import Values
from app.serving.requests import ImageOptions, Size, StatisticsOptions
from tilery.geo.raster import Crs
from tilery.reading.options import ReadOptions
from tilery.rendering import algorithms
from tilery.rendering.encoding import formats
from tilery.rendering.options import RenderOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelOptions:
    """How pixels are read and shown."""

    read: ReadOptions
    render: RenderOptions
    format: str | None
    """What the query says; that of the path wins over it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePlan:
    """How tiles are rendered, and what else of them the query says."""

    pixel_options: PixelOptions
    size: TileSize
    matrix_set: str
    """Where the path names none."""


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
    """Return parameters of reading and rendering."""
    return PixelOptions(
        read=options.read_options(values, app.read_limits),
        render=options.render_options(values, app.colormaps),
        format=groups.picture_format(values),
    )


def tile_plan(app: AppContext, values: Values) -> TilePlan:
    """Return parameters of tiles, whose size is checked where it is given."""
    size = values.to(TileSize)
    if size != NO_SIZE:
        options.check_tile(
            app.settings,
            tilesize=256 if size.tilesize is None else size.tilesize,
            buffer=size.buffer,
            padding=size.padding,
        )
    return TilePlan(pixel_options=pixel_options(app, values), size=size, matrix_set=groups.matrix_set(values))


def image_plan(app: AppContext, values: Values) -> ImagePlan:
    """Return parameters of a picture that is no tile."""
    size, crss = values.to(PictureSize), values.to(Crss)
    options.check_size(app.settings, width=size.width, height=size.height)
    options.check_size(app.settings, max_size=None if size.width or size.height else size.max_size)
    return ImagePlan(
        pixel_options=pixel_options(app, values),
        size=Size(width=size.width, height=size.height, max_size=size.max_size or None),
        coord_crs=crss.coord_crs,
        dst_crs=crss.dst_crs,
    )


def statistics_plan(app: AppContext, values: Values) -> StatisticsPlan:
    """Return parameters of statistics."""
    return StatisticsPlan(
        image_plan=image_plan(app, values),
        statistics=options.statistics_options(values),
        cover_scale=groups.cover_scale(values),
    )


def image_options(context: RequestContext[TilePlan] | RequestContext[ImagePlan], shown: PixelOptions) -> ImageOptions:
    """Return the rendering with its format: the path's suffix, else the parameter."""
    return ImageOptions(read=shown.read, render=shown.render, format=context.path.format or shown.format)


def media_type(image_options: ImageOptions) -> str | None:
    """Return what a picture of that style is; None where its pixels decide."""
    row = formats.FORMATS.get(image_options.format or "")
    return None if row is None else row.media_type


def format_of_tiles(name: str | None, shown: PixelOptions) -> str | None:
    """Return the format that addresses of tiles name, where ``name`` is asked for; None: each tile's pixels decide.

    Numbers packed into colours are PNG where none, or one that would destroy them, is asked for.
    """
    if not algorithms.packs(shown.render.algorithm):
        return name
    return "png" if name is None or formats.get(name).lossy else name


def size(context: RequestContext[ImagePlan]) -> Size:
    """Return the size of a picture: the path's, else the parameters'.

    Raises:
        OverLimit: the path's is too large.
    """
    if context.path.size is None:
        return context.plan.size
    width, height = context.path.size
    options.check_size(context.app.settings, width=width, height=height)
    return Size(width=width, height=height)
