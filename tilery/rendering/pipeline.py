"""Pixels to the bytes of a picture: expression, algorithm, rescale, colour formula, colormap, encoder, in this order.

The pixels are TiTiler's. What differs is how they are written: opaque pictures have no alpha channel, a colormapped PNG
has a palette, half-transparent pixels make a PNG and not a JPEG when no format is asked for, and data that a format
cannot hold are rescaled as `tilery.rendering.rescale.automatic` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery import stages
from tilery.errors import InvalidColormap, UnsupportedRaster
from tilery.geo.raster import Array, Bounds, Picture, Raster
from tilery.rendering import colormap as colormap_
from tilery.rendering import rescale
from tilery.rendering.colormap import Colormap
from tilery.rendering.encoding import encode, formats
from tilery.rendering.encoding.formats import Format
from tilery.rendering.options import RenderOptions

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

_ROWS = 64
"""Rows of a picture that are mixed with a background at a time."""
_SHOWN = replace(formats.get("png"), dtypes=("uint8",))
"""What a picture for looking at is made as, before it gets its format: it may have opacity, and no more than 8 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A finished picture."""

    body: bytes
    """The bytes of the file."""
    media_type: str
    """``image/png``…"""
    format: str
    """Name of the format, as it was asked for or as it was chosen: ``png`` or ``jpeg``."""
    bounds: Bounds
    """Left, bottom, right, top of the picture in the units of the raster's CRS: an algorithm may have cut off its
    edges."""


def render(raster: Raster, options: RenderOptions, format_name: str | None = None) -> Rendered:
    """Return the picture of a raster, as ``options`` have it. Without ``format_name``: PNG where anything is masked or
    transparent, else JPEG, both of uint8.

    Numbers that an algorithm packed into bytes are PNG without a format, and WebP of them is lossless.

    Raises:
        RequestError: an option does not fit the data (see the modules that apply them).
        UnsupportedRaster: the values are complex numbers and should be shown.
        InvalidFormat: the format cannot hold this number of bands.
    """
    exact = bool(options.algorithm) and _packs(options.algorithm)
    if exact and format_name is None:
        format_name = "png"
    wanted = None if format_name is None else formats.get(format_name)
    with stages.stage(stages.RENDER):
        picture, row, bounds = _pictured(raster, options, wanted)
    if exact:
        picture = replace(picture, exact=True)
    return _encoded(picture, row, bounds)


def on_background(raster: Raster, options: RenderOptions, format_name: str, background: Color | None) -> Rendered:
    """Return the picture of a raster as map servers make it: 8 bits a channel, and a colour where data are missing.

    Args:
        raster: the pixels.
        options: as for `render`, which has the errors too.
        format_name: of a format that holds three channels of 8 bits.
        background: the colour; None: transparent, where the format can say so.
    """
    with stages.stage(stages.RENDER):
        picture, _, bounds = _pictured(raster, options, _SHOWN)
        if picture.data.shape[2] == 2:  # red and green
            picture = replace(picture, data=np.pad(picture.data, ((0, 0), (0, 0), (0, 1))))
        if background is not None:
            picture = _flattened(picture, background)
    return _encoded(picture, formats.get(format_name), bounds)


def colors(raster: Raster, options: RenderOptions) -> NDArray[np.uint8]:
    """Return the colours of a raster's pixels, shape (rows, columns, 4); see `render`."""
    picture, _, _ = _pictured(raster, options, _SHOWN)
    if picture.palette is not None:
        shown = colormap_.colors_of(picture.data[..., 0], picture.palette)
    else:
        channels = picture.data if picture.data.shape[2] == 3 else picture.data[..., [0, 0, 0]]
        shown = np.dstack([channels, np.full(channels.shape[:2], 255, np.uint8)])
    if picture.mask is not None:
        shown[..., 3] = np.where(picture.mask == 0, np.uint8(0), shown[..., 3])
    return shown


def _encoded(picture: Picture, row: Format, bounds: Bounds) -> Rendered:
    """Return a picture as the bytes of a format."""
    with stages.stage(stages.ENCODE):
        body = encode(picture, row)
    return Rendered(body=body, media_type=row.media_type, format=row.name, bounds=bounds)


def _pictured(raster: Raster, options: RenderOptions, wanted: Format | None) -> tuple[Picture, Format, Bounds]:
    """Return what the encoder gets, for which format, and where it lies."""
    raster = calculated(raster, options)
    colormap = _colormap(raster, options)
    changed = bool(options.return_mask or options.rescale or options.color_formula or colormap is not None)
    if changed or wanted is None or wanted.channels:
        raster = real(raster)  # a format for data holds complex ones, as they are
    if options.rescale:
        raster = rescale.linear(raster, options.rescale)
    if options.color_formula:
        from tilery.rendering import color_formula

        raster = color_formula.apply(raster, options.color_formula)
    if colormap is None:
        picture, row = _plain(raster, wanted, return_mask=options.return_mask)
    else:
        picture, row = _mapped(raster, colormap, wanted, return_mask=options.return_mask)
    return picture, row, raster.bounds


def _flattened(picture: Picture, background: Color) -> Picture:
    """Return an 8-bit picture as one without opacity: each pixel in front of the background, rounded to the nearest.

    Some rows at a time: what is worked out has twice as many bytes as the picture.
    """
    palette, mask = picture.palette, picture.mask
    if palette is None and mask is None:
        return picture
    behind = np.array(background, np.uint16)
    pixels = np.empty((*picture.data.shape[:2], 3), np.uint8)
    for first in range(0, len(pixels), _ROWS):
        rows = slice(first, first + _ROWS)
        colors, opacity = picture.data[rows], np.uint8(255) if mask is None else mask[rows]
        if palette is not None:
            rgba = palette.take(colors[..., 0], axis=0)
            colors, opacity = rgba[..., :3], np.where(opacity == 0, np.uint8(0), rgba[..., 3])
        front = np.asarray(opacity, np.uint16)[..., np.newaxis]
        pixels[rows] = (colors * front + behind * (255 - front) + 127) // 255
    return replace(picture, data=pixels, mask=None, palette=None)


def cut_off(options: RenderOptions) -> int:
    """Return pixels that the algorithm cuts off on each side of what it gets, because it needs neighbours.

    Raises:
        InvalidParameter: the algorithm's parameters are not its.
    """
    if not options.algorithm:
        return 0
    from tilery.rendering import algorithms

    return algorithms.cut_off(options.algorithm, options.algorithm_params)


def _packs(algorithm: str | None) -> bool:
    from tilery.rendering import algorithms

    return algorithms.packs(algorithm)


def calculated(raster: Raster, options: RenderOptions) -> Raster:
    """Return the raster after band maths and algorithm: the values that statistics and points tell of."""
    if options.expression and not raster.calculated:
        from tilery.rendering import expression

        raster = expression.apply(expression.parse(options.expression), raster)
    if options.algorithm:
        from tilery.rendering import algorithms

        try:
            raster = algorithms.apply(options.algorithm, options.algorithm_params, raster)
        except (TypeError, ValueError):  # as numpy says it, of what is not defined for complex numbers
            real(raster)
            raise
    return raster


def real(raster: Raster) -> Raster:
    """Return the raster, whose values can be shown and counted.

    Raises:
        UnsupportedRaster: they are complex numbers.
    """
    if raster.data.dtype.kind == "c":
        raise UnsupportedRaster(
            "The values are complex numbers, which can neither be shown nor counted. Ask for their real part with "
            "unscale=true, or for the data as tif or npy with return_mask=false."
        )
    return raster


def _colormap(raster: Raster, options: RenderOptions) -> Colormap | None:
    """Return the caller's colormap, else the source's palette as long as the values are still the source's."""
    if options.colormap is not None:
        return options.colormap
    if raster.colormap and raster.count == 1 and not (options.expression or options.algorithm):
        return colormap_.from_palette(raster.colormap)
    return None


def _plain(raster: Raster, wanted: Format | None, *, return_mask: bool) -> tuple[Picture, Format]:
    if wanted is None:
        row = formats.get("jpeg" if _opacity(raster, np.dtype(np.uint8)) is None else "png")
        fits = raster.data.dtype == np.uint8
    else:
        row = wanted
        fits = formats.holds(row, raster.data.dtype)
    formats.check_channels(row, raster.count, masked=return_mask)
    if not fits:
        raster = rescale.automatic(raster)
    data = raster.data.view(np.uint8) if raster.data.dtype == np.bool_ else raster.data
    pixels = data.transpose(1, 2, 0)
    mask = _opacity(raster, data.dtype) if return_mask and row.mask else None
    if mask is None and return_mask and _has_mask_band(row, raster.count):
        mask = np.full(pixels.shape[:2], _most(data.dtype), dtype=data.dtype)
    if mask is not None and raster.count == 2 and row.channels and row is not _SHOWN:
        # two bands and a mask are three channels: TiTiler makes red, green and blue of them
        pixels = np.concatenate([pixels, mask[..., np.newaxis]], axis=2)
        mask = None
    return _picture(raster, pixels, mask), row


def _mapped(raster: Raster, colormap: Colormap, wanted: Format | None, *, return_mask: bool) -> tuple[Picture, Format]:
    if raster.count != 1:
        raise InvalidColormap(
            f"A colormap needs one band, and there are {raster.count}. Choose one with bidx or expression.",
            parameter="colormap",
        )
    indexes, palette = colormap_.apply(colormap, raster.data[0])
    mask = _opacity(raster, np.dtype(np.uint8))
    row = wanted
    if row is None:
        clear = mask is not None or (palette[:, 3].min() < 255 and palette[:, 3].take(indexes).min() < 255)
        row = formats.get("png" if clear else "jpeg")
    if row.palette and indexes.dtype == np.uint8:
        if not return_mask:
            mask, palette = None, _opaque(palette)
        return _picture(raster, indexes[..., np.newaxis], mask, palette), row
    rgba = colormap_.colors_of(indexes, palette)
    opacity: NDArray[np.uint8] | None = None
    if return_mask and row.mask:
        opacity = rgba[..., 3] if mask is None else np.where(mask == 0, np.uint8(0), rgba[..., 3])
    return _picture(raster, rgba[..., :3], opacity), row


def _picture(raster: Raster, pixels: Array, mask: Array | None, palette: NDArray[np.uint8] | None = None) -> Picture:
    return Picture(
        data=pixels,
        mask=mask,
        palette=palette,
        bounds=raster.bounds,
        crs=raster.crs,
        nodata=raster.nodata,
        band_names=raster.band_names,
        band_descriptions=raster.band_descriptions if palette is None else (),
    )


def _opaque(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    palette = palette.copy()
    palette[:, 3] = 255
    return palette


def _has_mask_band(row: Format, count: int) -> bool:
    """Return True where the mask is a band of its own right, opaque or not: data formats, and two bands in
    a picture.
    """
    return not row.channels or (count == 2 and row.mask)


def _opacity(raster: Raster, kind: np.dtype[Any]) -> Array | None:
    """Return 0 where masked, else the source's alpha or the most that the type holds; None when everything is opaque.

    A pixel is masked when all its bands are: rio-tiler's rule. Readers mask what their alpha band shows in part; such a
    pixel keeps its alpha, unless it is outside of the geometry that was asked for.
    """
    mask = raster.mask
    valid = None
    if mask is not None and not mask.all():
        valid = mask[0] if len(mask) == 1 else np.logical_or.reduce(mask, axis=0)
        if valid.all():
            valid = None
    if raster.alpha is None:
        return None if valid is None else np.where(valid, _most(kind), kind.type(0))
    alpha = raster.alpha.astype(kind) if kind.kind == "f" else rescale.opacity(raster.alpha, kind)
    if valid is not None:
        shown = valid | (raster.alpha != _most(raster.alpha.dtype))
        if raster.cutline is not None:
            shown &= raster.cutline
        return np.where(shown, alpha, kind.type(0))
    return None if kind.kind != "f" and alpha.min() == _most(kind) else alpha


def _most(kind: np.dtype[Any]) -> Any:
    return kind.type(np.finfo(kind).max if kind.kind == "f" else np.iinfo(kind).max)
