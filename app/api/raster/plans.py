"""What can be made of a query alone, before the path is looked at: once for all the tiles of a map."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.context import Desk
from app.api.operation import Ask
from app.api.params import options
from app.api.params.parse import Values
from app.serving.requests import Size, Style, Tally
from tilery.geo.crs import WGS84
from tilery.geo.raster import Crs
from tilery.reading.options import ReadOptions
from tilery.rendering import algorithms
from tilery.rendering.encoding import formats
from tilery.rendering.options import RenderOptions

_LOSSY = ("jpeg", "jp2")
"""Codecs that change packed numbers; WebP of them is lossless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How pixels are read and shown; the format may still come from the path."""

    read: ReadOptions
    render: RenderOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """A look, a size and the CRSs of a picture."""

    look: Look
    size: Size
    coord_crs: Crs
    dst_crs: Crs | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What statistics are made of and what is counted."""

    framed: Framed
    tally: Tally
    cover_scale: int


def look(desk: Desk, values: Values) -> Look:
    """Parameters of reading and rendering."""
    return Look(read=options.read_options(values, desk.settings), render=options.render_options(values))


def look_of_tiles(desk: Desk, values: Values) -> Look:
    """The same, with the size of the tiles checked where it is given."""
    if any(values[name] is not None for name in ("tilesize", "buffer", "padding")):
        options.check_tile(
            desk.settings,
            tilesize=values.get("tilesize", 256),
            buffer=values["buffer"],
            padding=values["padding"],
        )
    return look(desk, values)


def framed(desk: Desk, values: Values) -> Framed:
    """Parameters of a picture that is no tile."""
    width, height, max_size = values.get("width"), values.get("height"), values.get("max_size")
    options.check_size(desk.settings, width=width, height=height)
    options.check_size(desk.settings, max_size=None if width or height else max_size)
    return Framed(
        look=look(desk, values),
        size=Size(width=width, height=height, max_size=max_size or None),
        coord_crs=values.get("coord_crs", WGS84),
        dst_crs=values.get("dst_crs"),
    )


def counted(desk: Desk, values: Values) -> Counted:
    """Parameters of statistics."""
    return Counted(
        framed=framed(desk, values),
        tally=options.tally(values),
        cover_scale=values.get("cover_scale", 10),
    )


def style(ask: Ask[Look] | Ask[Framed], shown: Look) -> Style:
    """The look with its format: the path's suffix, else the parameter."""
    return Style(read=shown.read, render=shown.render, format=ask.path.get("format") or ask.values.get("format"))


def media_type(style: Style) -> str | None:
    """What a picture of that style is; None where its pixels decide."""
    row = formats.FORMATS.get(style.format or "")
    return None if row is None else row.media_type


def format_of_tiles(values: Values) -> str | None:
    """The format that addresses of tiles name; None: each tile's pixels decide.

    Numbers packed into colours are PNG where none, or one that would destroy them, is asked for.
    """
    name: str | None = values["tile_format"]
    if not algorithms.packs(values["algorithm"]):
        return name
    return "png" if name is None or formats.get(name).codec in _LOSSY else name


def size(ask: Ask[Framed]) -> Size:
    """The size of a picture: the path's, else the parameters'.

    Raises:
        OverLimit: the path's is too large.
    """
    if "width" not in ask.path:
        return ask.plan.size
    width, height = ask.path["width"], ask.path["height"]
    options.check_size(ask.desk.settings, width=width, height=height)
    return Size(width=width, height=height)
