"""Blocks of TIFFs, back to bands."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tilery.publishing.tiff.blocks import _differences


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_any_part_of_a_block(kernels: ModuleType, dtype: str, bands: int) -> None:
    limits = np.iinfo(dtype)
    pixels = np.random.default_rng(4).integers(limits.min, limits.max, (9, 14, bands), dtype, endpoint=True)
    packed = _differences(pixels).view(dtype).reshape(pixels.shape)
    for block, differences in ((pixels, False), (packed, True)):
        for row, rows, column, columns in ((0, 9, 0, 14), (2, 3, 5, 1), (8, 1, 13, 1), (4, 0, 3, 2), (0, 9, 14, 0)):
            made = np.full((bands, 20, 30), 7, dtype)
            part = made[:, 3 : 3 + rows, 4 : 4 + columns]
            kernels.unfold(block, row, column, part, differences=differences)
            expected = np.full_like(made, 7)
            expected[:, 3 : 3 + rows, 4 : 4 + columns] = np.moveaxis(
                pixels[row : row + rows, column : column + columns], -1, 0
            )
            assert (made == expected).all()


@pytest.mark.parametrize("bands", [1, 3, 4, 6])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_bands_become_a_block(kernels: ModuleType, dtype: str, bands: int) -> None:
    """As they are and as differences; beyond them the outermost pixels again."""
    limits = np.iinfo(dtype)
    data = np.random.default_rng(4).integers(limits.min, limits.max, (bands, 20, 30), dtype, endpoint=True)
    for part in (data[:, 2:11, 3:17], data[:, :4, :5], data[:, 8::-1, :14], data[:, :9:9, 4:5]):
        pixels = np.pad(part, ((0, 0), (0, 9 - part.shape[1]), (0, 14 - part.shape[2])), "edge").transpose(1, 2, 0)
        for differences, expected in ((False, pixels), (True, _differences(pixels.copy()).view(dtype))):
            block = np.full((9, 14, bands), 7, dtype)
            kernels.fold(part, block, differences=differences)
            assert (block.ravel() == expected.ravel()).all()


def test_sizes_are_checked_before_the_loop() -> None:
    extension = pytest.importorskip("tilery.kernels._compiled", exc_type=ImportError)
    block, made = np.zeros((8, 9, 3), "uint8"), np.zeros((3, 4, 5), "uint8")
    good: tuple[Any, ...] = (block, 4, 4, True, made)
    extension.unfold(*good)
    cases: list[tuple[int, Any]] = [
        (0, block[:7]),
        (0, block[:, :8]),
        (0, block[:, ::2]),
        (0, block[:, :, :2]),
        (0, block.astype("uint16")),
        (1, 5),
        (1, -1),
        (1, 2**62),
        (2, 5),
        (2, -1),
        (4, np.zeros((3, 9, 5), "uint8")),
        (4, np.zeros((3, 4, 10), "uint8")),
        (4, made.astype("float32")),
        (4, bytes(60)),
    ]
    for number, wrong in cases:
        with pytest.raises((TypeError, ValueError, BufferError)):
            extension.unfold(*good[:number], wrong, *good[number + 1 :])
    folded: tuple[Any, ...] = (made, True, block)
    extension.fold(*folded)
    cases = [
        (0, made[:2]),
        (0, made[:, :0]),
        (0, made[:, :, :0]),
        (0, np.zeros((3, 9, 5), "uint8")),
        (0, np.zeros((3, 4, 10), "uint8")),
        (0, made.astype("uint16")),
        (0, made[:, :, ::2]),
        (2, block[:, ::2]),
        (2, block.tobytes()),
    ]
    for number, wrong in cases:
        with pytest.raises((TypeError, ValueError, BufferError)):
            extension.fold(*folded[:number], wrong, *folded[number + 1 :])
