"""The picture formats that the service writes: names, media types and what each can hold.

One row a format. Everything else (parameters, OpenAPI, WMTS, pages) asks this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tilery.errors import InvalidFormat, InvalidParameter

Codec = Literal["png", "jpeg", "webp", "jp2", "tif", "npy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format as callers name it: a suffix, or the value of ``format``, ``f`` or ``tile_format``."""

    name: str
    codec: Codec
    media_type: str
    dtypes: tuple[str, ...] = ()
    """Data types that it holds; empty: any."""
    mask: bool = True
    """True when it can hold opacity."""
    channels: tuple[int, ...] = ()
    """Numbers of channels that it holds, the mask counted; empty: any."""
    gray_as_rgb: bool = False
    """True when one band is written as three alike."""
    fast: bool = False
    """Prefer speed to size."""
    raw: bool = False
    """True when it does not compress: its size is that of its pixels."""


_PNG = Format(name="png", codec="png", media_type="image/png", dtypes=("uint8", "uint16"), channels=(1, 2, 3, 4))
_JPEG = Format(name="jpeg", codec="jpeg", media_type="image/jpeg", dtypes=("uint8",), mask=False, channels=(1, 3, 4))
_TIFF = Format(name="tif", codec="tif", media_type="image/tiff; application=geotiff", raw=True)


def _named(other: Format, name: str, *, fast: bool = False) -> Format:
    return Format(
        name=name,
        codec=other.codec,
        media_type=other.media_type,
        dtypes=other.dtypes,
        mask=other.mask,
        channels=other.channels,
        fast=fast,
        raw=other.raw,
    )


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        _PNG,
        Format(name="npy", codec="npy", media_type="application/x-binary", raw=True),
        _TIFF,
        _named(_TIFF, "tiff"),
        _JPEG,
        _named(_JPEG, "jpg"),
        Format(name="jp2", codec="jp2", media_type="image/jp2", dtypes=("uint8", "int16", "uint16")),
        Format(
            name="webp", codec="webp", media_type="image/webp", dtypes=("uint8",), channels=(3, 4), gray_as_rgb=True
        ),
        _named(_PNG, "pngraw", fast=True),
    )
}
"""Every format by name, in the order in which TiTiler lists them."""


def get(name: str) -> Format:
    """The format of that name. InvalidParameter when there is none."""
    try:
        return FORMATS[name]
    except KeyError:
        raise InvalidParameter(f"format must be one of {', '.join(FORMATS)}.", parameter="format") from None


def by_media_type(media_type: str) -> Format | None:
    """The first format of that media type, parameters aside; ``image/jpg`` is taken for ``image/jpeg``."""
    wanted = media_type.split(";", maxsplit=1)[0].strip().lower().replace("image/jpg", "image/jpeg")
    for row in FORMATS.values():
        if row.media_type.split(";")[0] == wanted:
            return row
    return None


def holds(row: Format, dtype: np.dtype[np.generic]) -> bool:
    """True when the format can hold values of that type as they are."""
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
