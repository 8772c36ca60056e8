"""Does a finished file have the blocks that were compressed for it? Asked of every byte of it, by check sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tilery.errors import BrokenRaster
from tilery.publishing.rasters import BLOCK
from tilery.publishing.tiff import directories
from tilery.publishing.tiff.blocks import check_sum
from tilery.publishing.tiff.directories import Placed

_MASK = 4
_WRONG = "A block of the file is not what was written; nothing was published."


def need_same_blocks(levels: Sequence[tuple[Path, Path | None]], sums: Mapping[str, int], target: Path) -> None:
    """Check the blocks of a finished file, and that each of its masks shows what the one shows that it was made of.

    Args:
        levels: files of the raster and its overviews, with those of their masks.
        sums: check sums of the blocks of each of these, by its name, as they were compressed.
        target: what was made of them.

    Raises:
        BrokenRaster: a block is another one.
    """
    with target.open("rb") as file:
        images = list(directories.chain(file))
        of_levels = [image for image in images if not _is_mask(image)]
        of_masks = iter([image for image in images if _is_mask(image)])
        for (level, mask), image in zip(levels, of_levels, strict=True):
            _need_sum(_blocks(file, image), sums.get(level.name))
            if mask is not None:
                with mask.open("rb") as beside:
                    _need_same_mask(beside, directories.first(beside), sums.get(mask.name), file, next(of_masks, None))


def _is_mask(found: Placed) -> bool:
    tag = found.directory.get(directories.SUBFILE)
    return tag is not None and bool(tag.numbers[0] & _MASK)


def _blocks(file: BinaryIO, image: Placed) -> Iterator[bytes]:
    for offset, count in zip(*image.blocks(), strict=True):
        file.seek(int(offset))
        yield file.read(int(count))


def _need_sum(blocks: Iterator[bytes], expected: int | None) -> None:
    sums = np.array([check_sum(block) for block in blocks], "<u4")
    if check_sum(sums.tobytes()) != expected:
        raise BrokenRaster(_WRONG)


def _need_same_mask(beside: BinaryIO, mask: Placed, expected: int | None, file: BinaryIO, image: Placed | None) -> None:
    """A mask of bytes, compressed by ZSTD, and one of bits."""
    import imagecodecs  # large, and not needed before

    if image is None:
        raise BrokenRaster(_WRONG)
    _need_sum(_blocks(beside, mask), expected)
    octets: Any = np.empty(BLOCK * BLOCK, "u1")
    bits: Any = np.empty(BLOCK * BLOCK // 8, "u1")
    same: set[tuple[bytes, bytes]] = set()  # most blocks of a mask are one of two
    for one, other in zip(_blocks(beside, mask), _blocks(file, image), strict=True):
        if (one, other) in same:
            continue
        try:
            imagecodecs.zstd_decode(one, out=octets)
            imagecodecs.deflate_decode(other, out=bits)
        except RuntimeError as error:  # what all of imagecodecs' own errors are
            raise BrokenRaster(_WRONG, private=str(error)) from None
        if not np.array_equal(np.packbits(octets != 0), bits):
            raise BrokenRaster(_WRONG)
        if len(same) < 16:
            same.add((one, other))
