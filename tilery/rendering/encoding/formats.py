"""The picture formats that the service writes: names, media types and what each can hold.

One row a format. Everything else (parameters, OpenAPI, WMTS, pages) asks this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tilery.errors import InvalidFormat, InvalidParameter
from tilery.geo.raster import Picture
from tilery.rendering.encoding import encoders


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format as callers name it: a suffix, or the value of ``format``, ``f`` or ``tile_format``."""

    name: str
    media_type: str
    encoder: Callable[[Picture], bytes]
    """What writes it."""
    memory: Callable[[int, int], int]
    """Bytes a pixel that the encoder takes, its result included, of channels and the bytes of a value."""
    dtypes: tuple[str, ...] = ()
    """Data types that it holds; empty: any."""
    mask: bool = True
    """True when it can hold opacity."""
    palette: bool = False
    """True when it can hold a palette."""
    channels: tuple[int, ...] = ()
    """Numbers of channels that it holds, the mask counted; empty: any."""
    gray_as_rgb: bool = False
    """True when one band is written as three alike."""
    raw: bool = False
    """True when it does not compress: its size is that of its pixels."""
    lossy: bool = False
    """True when it changes values even of a picture that has to be exact."""


_PNG = Format(
    name="png",
    media_type="image/png",
    encoder=encoders.png,
    memory=lambda channels, size: 4 * channels * size + 1,
    dtypes=("uint8", "uint16"),
    palette=True,
    channels=(1, 2, 3, 4),
)
_NPY = Format(
    name="npy",
    media_type="application/x-binary",
    encoder=encoders.npy,
    memory=lambda channels, size: 3 * channels * size,
    raw=True,
)
_TIFF = Format(
    name="tif",
    media_type="image/tiff; application=geotiff",
    encoder=encoders.geotiff,
    memory=lambda channels, size: 4 * channels * size,
    raw=True,
)
_JPEG = Format(
    name="jpeg",
    media_type="image/jpeg",
    encoder=encoders.jpeg,
    memory=lambda channels, _size: 2 * channels + 2,
    dtypes=("uint8",),
    mask=False,
    channels=(1, 3, 4),
    lossy=True,
)
_JP2 = Format(
    name="jp2",
    media_type="image/jp2",
    encoder=encoders.jp2,
    memory=lambda channels, _size: 16 * channels,
    dtypes=("uint8", "int16", "uint16"),
    lossy=True,
)
_WEBP = Format(
    name="webp",
    media_type="image/webp",
    encoder=encoders.webp,
    memory=lambda channels, _size: 8 * max(channels, 4),
    dtypes=("uint8",),
    channels=(3, 4),
    gray_as_rgb=True,
)

FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        _PNG,
        _NPY,
        _TIFF,
        replace(_TIFF, name="tiff"),
        _JPEG,
        replace(_JPEG, name="jpg"),
        _JP2,
        _WEBP,
        replace(_PNG, name="pngraw", encoder=encoders.fast_png),
    )
}
"""Every format by name, in the order in which TiTiler lists them."""


def get(name: str) -> Format:
    """Return the format of that name. InvalidParameter when there is none."""
    try:
        return FORMATS[name]
    except KeyError:
        raise InvalidParameter(f"format must be one of {', '.join(FORMATS)}.", parameter="format") from None


def by_media_type(media_type: str) -> Format | None:
    """Return the first format of that media type, parameters aside; ``image/jpg`` is taken for ``image/jpeg``."""
    wanted = media_type.split(";", maxsplit=1)[0].strip().lower().replace("image/jpg", "image/jpeg")
    for row in FORMATS.values():
        if row.media_type.split(";")[0] == wanted:
            return row
    return None


def holds(row: Format, dtype: np.dtype[np.generic]) -> bool:
    """Return True when the format can hold values of that type as they are."""
    return not row.dtypes or dtype.name in row.dtypes


def check_channels(row: Format, count: int, *, masked: bool) -> None:
    """InvalidFormat, which names the limit, unless the format holds ``count`` bands and a mask beside them."""
    if count == 1 and row.gray_as_rgb:
        count = 3
    total = count + 1 if masked and row.mask else count
    if row.channels and total not in row.channels:
        *most, last = (str(number) for number in row.channels)
        beside = " with the mask" if masked and row.mask else ""
        raise InvalidFormat(
            f"{row.name} holds {', '.join(most)} or {last} channels; this picture has {total}{beside}."
            " Choose bands with bidx or expression, or ask for tif or npy.",
            parameter="format",
            limit=last,
        )
