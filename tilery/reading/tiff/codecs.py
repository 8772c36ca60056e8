"""One block of a TIFF, from its bytes to an array.

The codecs are imagecodecs' (libdeflate, zstd, libjpeg-turbo…), at up to four times the speed of those in GDAL's
wheels. Each is given the memory that will keep the block, of exactly the size that the header promises: a block that
inflates to more, or to less, is an error and costs no memory.

Predictors: https://www.awaresystems.be/imaging/tiff/tifftags/predictor.html and Adobe's TIFF technical note 3 for
floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from tilery.errors import BrokenRaster
from tilery.geo.raster import Array

if TYPE_CHECKING:
    from tilery.reading.tiff.image import Image  # which asks for its blocks here

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
    """Return True when blocks of this image can be decoded here."""
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
        # libtiff gives LERC the bytes of each sample in the order of the file, so that what comes out of a big-endian
        # one are numbers of another kind, which LERC may have rounded or masked: only libtiff undoes that.
        if image.big_endian and image.dtype.itemsize > 1:
            return False
        # With a band of opacity the block's own mask may stand for it, which only GDAL puts back.
        additional = image.lerc[1] if len(image.lerc) > 1 else 0
        opacity = any(kind in (1, 2) for kind in image.extra_samples)
        return not opacity and additional in (0, 1, 2) and image.predictor == 1 and image.bits >= 8
    if image.predictor == 3 and image.dtype.kind != "f":
        return False
    if image.predictor != 1 and image.bits < 8:
        return False
    return image.compression == _NONE or image.compression in _STREAMS


def working_bytes(image: Image) -> int:
    """Return bytes that decoding one block may take beside the block itself."""
    if image.compression == _JPEG:
        return 2 * image.block_bytes  # all coefficients, where it is progressive
    if image.compression == _LERC:
        return 4 * image.block_bytes + _TOP  # inflated, copied, and its samples
    return 0 if image.compression in (_NONE, _WEBP) else image.block_bytes


def decode(image: Image, data: bytes, buffer: Array) -> None:
    """Fill ``buffer``, bytes as many as a decoded block has, with the samples, row by row.

    Raises:
        BrokenRaster: the bytes are not a block of this image. The buffer then holds anything.
    """
    samples = buffer.view(image.dtype).reshape(image.tile_height, image.tile_width, image.block_samples)
    try:
        if image.compression == _JPEG:
            _jpeg(image, data, samples)
        elif image.compression == _WEBP:
            imagecodecs.webp_decode(data, hasalpha=image.block_samples == 4, out=samples)
        elif image.compression == _LERC:
            _lerc(image, data, samples)
        elif image.bits < 8:
            _unpack(image, inflate(image.compression, data, np.empty(image.packed_bytes, np.uint8)), samples)
        elif image.predictor == 3:
            _float_predictor(image, inflate(image.compression, data, np.empty(buffer.size, np.uint8)), samples)
        else:
            inflate(image.compression, data, buffer)
            if image.big_endian and image.dtype.itemsize > 1:
                samples.byteswap(inplace=True)
            if image.predictor == 2:
                # Sums are taken of the bits as whole numbers, whatever they stand for.
                whole = samples.view(f"u{image.dtype.itemsize}")
                imagecodecs.delta_decode(whole, axis=1, out=whole)
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        # All that imagecodecs raises: its own errors are RuntimeErrors, a buffer of another shape is a ValueError.
        raise BrokenRaster(
            "A block of the raster is damaged.",
            parameter="url",
            private=f"codec {image.compression}: {type(error).__name__}: {error}",
        ) from None


def inflate(compression: int, data: bytes, buffer: Array) -> Array:
    """Return the buffer, filled to the last byte with a block as it was before compression.

    Args:
        compression: the tag's number, of a codec of plain bytes.
        data: the block.
        buffer: uint8, of the size that it has.

    Raises:
        RuntimeError, ValueError: it becomes more than that, or less, or nothing.
    """
    if compression == _NONE:
        raw = np.frombuffer(data, np.uint8)[: buffer.size]
        buffer[: raw.size] = raw
    else:
        raw = _STREAMS[compression](data, out=buffer)
    if raw.size != buffer.size:
        raise ValueError(f"{raw.size} bytes instead of {buffer.size}")
    return buffer


def _jpeg(image: Image, data: bytes, samples: Array) -> None:
    """Decode a JPEG block. Its colours are as the directory says: the block itself often does not say."""
    count = image.block_samples
    if image.photometric == _YCBCR:
        stored, wanted = "YCBCR", "RGB"
    else:
        stored = wanted = {1: "GRAYSCALE", 3: "RGB", 4: "CMYK"}.get(count, "UNKNOWN")
    out = samples if count > 1 else samples[:, :, 0]
    imagecodecs.jpeg8_decode(data, tables=image.jpeg_tables, colorspace=stored, outcolorspace=wanted, out=out)


def _lerc(image: Image, data: bytes, samples: Array) -> None:
    """Decode a LERC block, itself perhaps deflated. Samples that its mask leaves out are NaN, or 0 in integers."""
    additional = image.lerc[1] if len(image.lerc) > 1 else 0
    if additional:
        limit = np.empty(2 * image.block_bytes + _TOP, np.uint8)
        data = _STREAMS[_DEFLATE if additional == 1 else _ZSTD](data, out=limit).tobytes()
    if image.block_samples == 1:
        mask = _unmasked(data, samples[:, :, 0])
    else:
        try:
            mask = _unmasked(data, samples)
        except ValueError:  # bands apart in one block: so libtiff writes those of which other pixels are missing
            planes = np.empty((image.block_samples, image.tile_height, image.tile_width), image.dtype)
            mask = _unmasked(data, planes)
            samples[...] = planes.transpose(1, 2, 0)
            mask = mask.transpose(1, 2, 0) if mask is not None and mask.ndim == 3 else mask
    if mask is not None:
        samples[~mask] = np.nan if image.dtype.kind == "f" else 0


def _unmasked(data: bytes, out: Array) -> NDArray[np.bool_] | None:
    """Return what is valid of a LERC block that is decoded into an array of its shape; None: all."""
    mask: Any = imagecodecs.lerc_decode(data, masks=True, out=out)[1]
    if mask is None:
        return None
    found = np.asarray(mask, bool)
    return None if found.all() else found


def _float_predictor(image: Image, raw: Array, samples: Array) -> None:
    """Floating-point samples whose bytes were put apart (all first bytes of a row, then all second ones…) and
    differenced.

    Summing the bytes with one codec and putting them together by strided copies takes a third of the time of
    imagecodecs' own decoder of this predictor.
    """
    rows, columns, count = samples.shape
    size = image.dtype.itemsize
    summed = raw.reshape(rows, columns * size, count)
    imagecodecs.delta_decode(summed, axis=1, out=summed)
    apart = summed.reshape(rows, size, columns * count)
    together = samples.view(np.uint8).reshape(rows, columns * count, size)
    most_first = range(size) if image.dtype.newbyteorder("=").str[0] == ">" else range(size - 1, -1, -1)
    for place, part in enumerate(most_first):
        together[:, :, place] = apart[:, part]


def _unpack(image: Image, raw: Array, samples: Array) -> None:
    """Unpack samples of 1, 2 or 4 bits to bytes. Rows end on a whole byte."""
    rows, columns, count = samples.shape
    packed = raw.reshape(rows, -1)
    if image.bits == 1:
        spread = np.unpackbits(packed, axis=1)
    else:
        shifts = np.arange(8 - image.bits, -1, -image.bits, dtype=np.uint8)
        spread = ((packed[:, :, None] >> shifts) & np.uint8(2**image.bits - 1)).reshape(rows, -1)
    samples.reshape(rows, -1)[...] = spread[:, : columns * count]
