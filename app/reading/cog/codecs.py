"""One block of a TIFF, from its bytes to an array.

The codecs are imagecodecs' (libdeflate, zstd, libjpeg-turbo…), at up to four times the speed of those in GDAL's
wheels. Each is given a buffer of exactly the size that the header promises: a block that inflates to more, or to
less, is an error and costs no memory.

Predictors: https://www.awaresystems.be/imaging/tiff/tifftags/predictor.html and Adobe's TIFF technical note 3 for
floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np

from app.errors import BrokenRaster
from app.raster import Array
from app.reading.cog.header import Image

_NONE, _LZW, _JPEG, _DEFLATE, _PACKBITS, _OLD_DEFLATE = 1, 5, 7, 8, 32773, 32946
_LERC, _LZMA, _ZSTD, _WEBP = 34887, 34925, 50000, 50001

_STREAMS: dict[int, Callable[..., Any]] = {
    _LZW: imagecodecs.lzw_decode,
    _DEFLATE: imagecodecs.deflate_decode,
    _OLD_DEFLATE: imagecodecs.deflate_decode,
    _PACKBITS: imagecodecs.packbits_decode,
    _LZMA: imagecodecs.lzma_decode,
    _ZSTD: imagecodecs.zstd_decode,
}
"""Codecs of plain bytes, whatever the samples in them."""

_CIELAB = 8
_YCBCR = 6
_MASK = 4
_TOP = 1 << 16
"""Bytes of a LERC block's header and masks beside its samples, at most."""


def supports(image: Image) -> bool:
    """True when blocks of this image can be decoded here."""
    if image.photometric == _CIELAB or image.predictor not in (1, 2, 3):
        return False
    if image.compression == _JPEG:
        coloured = image.photometric != _YCBCR or (image.block_samples == 3 and not image.planar)
        return image.bits == 8 and image.dtype == np.uint8 and image.predictor == 1 and coloured
    if image.photometric == _YCBCR:
        return False
    if image.compression == _WEBP:
        return image.dtype == np.uint8 and image.bits == 8 and image.block_samples in (3, 4) and image.predictor == 1
    if image.compression == _LERC:
        # With a band of opacity the block's own mask may stand for it, which only GDAL puts back.
        additional = image.lerc[1] if len(image.lerc) > 1 else 0
        opacity = any(kind in (1, 2) for kind in image.extra_samples)
        return not opacity and additional in (0, 1, 2) and image.predictor == 1 and image.bits >= 8
    if image.predictor == 3 and image.dtype.kind != "f":
        return False
    if image.predictor != 1 and image.bits < 8:
        return False
    return image.compression == _NONE or image.compression in _STREAMS


def decode(image: Image, data: bytes) -> Array:
    """The samples of a block: shape (tile rows, tile columns, samples of a block), not to be written to.

    Raises:
        BrokenRaster: the bytes are not a block of this image.
    """
    try:
        if image.compression == _JPEG:
            block = _jpeg(image, data)
        elif image.compression == _WEBP:
            block = imagecodecs.webp_decode(data, hasalpha=image.block_samples == 4, out=_pixels(image))
        elif image.compression == _LERC:
            block = _lerc(image, data)
        else:
            block = _unpredicted(image, _stream(image.compression, data, image.packed_bytes))
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        # All that imagecodecs raises: its own errors are RuntimeErrors, a buffer of another shape is a ValueError.
        raise BrokenRaster(
            "A block of the raster is damaged.",
            parameter="url",
            private=f"codec {image.compression}: {type(error).__name__}: {error}",
        ) from None
    block.flags.writeable = False
    return block


def _shape(image: Image) -> tuple[int, int, int]:
    return (image.tile_height, image.tile_width, image.block_samples)


def _pixels(image: Image) -> Array:
    return np.empty(_shape(image), image.dtype)


def _stream(compression: int, data: bytes, length: int) -> Array:
    """The bytes of a block as they were before compression, exactly ``length`` of them."""
    if compression == _NONE:
        raw = np.frombuffer(data, np.uint8)[:length].copy()
    else:
        raw = _STREAMS[compression](data, out=np.empty(length, np.uint8))
    if raw.size != length:
        raise ValueError(f"{raw.size} bytes instead of {length}")
    return raw


def _jpeg(image: Image, data: bytes) -> Array:
    """A JPEG block. Its colours are as the directory says: the block itself often does not say."""
    samples = image.block_samples
    if image.photometric == _YCBCR:
        stored, wanted = "YCBCR", "RGB"
    else:
        stored = wanted = {1: "GRAYSCALE", 3: "RGB", 4: "CMYK"}.get(samples, "UNKNOWN")
    out = np.empty((image.tile_height, image.tile_width) + ((samples,) if samples > 1 else ()), np.uint8)
    block: Array = imagecodecs.jpeg8_decode(
        data, tables=image.jpeg_tables, colorspace=stored, outcolorspace=wanted, out=out
    )
    return block.reshape(_shape(image))


def _lerc(image: Image, data: bytes) -> Array:
    """A LERC block, itself perhaps deflated. Samples that its mask leaves out are NaN, or 0 in integers."""
    additional = image.lerc[1] if len(image.lerc) > 1 else 0
    if additional:
        limit = np.empty(2 * image.block_bytes + _TOP, np.uint8)
        data = _STREAMS[_DEFLATE if additional == 1 else _ZSTD](data, out=limit).tobytes()
    shape = _shape(image)
    out = np.empty(shape if shape[2] > 1 else shape[:2], image.dtype)
    block, mask = imagecodecs.lerc_decode(data, masks=True, out=out)
    block = block.reshape(shape)
    if mask is not None and not mask.all():
        mask = np.asarray(mask, bool)
        if mask.ndim == 3:
            mask = mask.transpose(1, 2, 0) if mask.shape[0] != shape[0] else mask
        block[~mask] = np.nan if image.dtype.kind == "f" else 0
    return block


def _unpredicted(image: Image, raw: Array) -> Array:
    """Samples from a block's plain bytes."""
    shape = _shape(image)
    if image.bits < 8:
        return _unpacked(image, raw)
    if image.predictor == 3:
        return _float_predictor(image, raw)
    samples = raw.view(image.dtype if not image.big_endian else image.dtype.newbyteorder(">")).reshape(shape)
    if image.big_endian and image.dtype.itemsize > 1:
        samples = samples.astype(image.dtype)
    if image.predictor == 2:
        # Sums are taken of the bits as whole numbers, whatever they stand for.
        whole = samples.view(f"u{image.dtype.itemsize}")
        imagecodecs.delta_decode(whole, axis=1, out=whole)
    return samples


def _float_predictor(image: Image, raw: Array) -> Array:
    """Floating-point samples whose bytes were put apart (all first bytes of a row, then all second ones…) and
    differenced.

    Summing the bytes with one codec and putting them together by strided copies takes a third of the time of
    imagecodecs' own decoder of this predictor.
    """
    rows, columns, samples = _shape(image)
    size = image.dtype.itemsize
    summed = raw.reshape(rows, columns * size, samples)
    imagecodecs.delta_decode(summed, axis=1, out=summed)
    apart = summed.reshape(rows, size, columns * samples)
    together = np.empty((rows, columns * samples, size), np.uint8)
    most_first = range(size) if image.dtype.newbyteorder("=").str[0] == ">" else range(size - 1, -1, -1)
    for place, part in enumerate(most_first):
        together[:, :, place] = apart[:, part]
    return together.view(image.dtype).reshape(rows, columns, samples)


def _unpacked(image: Image, raw: Array) -> Array:
    """Samples of 1, 2 or 4 bits as bytes. Rows end on a whole byte."""
    rows, columns, samples = _shape(image)
    packed = raw.reshape(rows, -1)
    if image.bits == 1:
        spread = np.unpackbits(packed, axis=1)
    else:
        shifts = np.arange(8 - image.bits, -1, -image.bits, dtype=np.uint8)
        spread = ((packed[:, :, None] >> shifts) & np.uint8(2**image.bits - 1)).reshape(rows, -1)
    return np.ascontiguousarray(spread[:, : columns * samples]).reshape(rows, columns, samples)
