"""Bytes that were deflated here, inflated by others."""

from __future__ import annotations

import zlib
from types import ModuleType
from typing import Any

import imagecodecs
import numpy as np
import pytest
from isal import isal_zlib

from tilery.geo.raster import Array


def kinds() -> dict[str, Array]:
    """Return bytes of all kinds: none, few, of one value, of runs of all lengths, rare and frequent ones, noise."""
    rng = np.random.default_rng(5)
    fibonacci = [1, 1]
    while sum(fibonacci) < 130_000:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    skewed = np.repeat(np.arange(len(fibonacci)), fibonacci)  # codes would be longer than they may be
    rng.shuffle(skewed)
    runs = np.repeat(rng.integers(0, 3, 4000), rng.integers(1, 700, 4000))
    return {
        "none": np.zeros(0),
        "one": np.full(1, 9),
        "two": np.array([9, 8]),
        "blank": np.full(131_072 * 2 + 1, 7),
        "all": np.arange(256),
        "runs": runs,
        "lengths": np.repeat(np.arange(600) % 2, np.arange(600)),
        "skewed": skewed,
        "noise": rng.integers(0, 256, 300_000),
        "few": rng.integers(0, 2, 140_000),
        "photograph": np.rint(rng.laplace(0, 4, 500_000)) % 256,
    }


KINDS = {name: values.astype("uint8") for name, values in kinds().items()}


@pytest.mark.parametrize("kind", KINDS)
def test_others_inflate_it(kernels: ModuleType, kind: str) -> None:
    raw = KINDS[kind]
    packed = kernels.deflate(raw)
    found = zlib.decompressobj(-15)
    assert found.decompress(packed) == raw.tobytes()
    assert found.eof
    assert not found.unused_data
    assert isal_zlib.decompress(packed, -15) == raw.tobytes()
    whole = b"\x78\x01" + packed + zlib.adler32(raw.tobytes()).to_bytes(4, "big")
    if raw.size:
        out: Any = np.empty(raw.size, "uint8")
        assert bytes(imagecodecs.deflate_decode(whole, out=out)) == raw.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_as_small_as_zlib_makes_it_in_the_same_way(compiled: ModuleType, kind: str) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
    other = packer.compress(KINDS[kind].tobytes()) + packer.flush()
    assert len(compiled.deflate(KINDS[kind])) <= 1.04 * len(other) + 300


def test_runs_that_begin_and_end_anywhere(compiled: ModuleType) -> None:
    rng = np.random.default_rng(9)
    for _ in range(300):
        raw = np.repeat(rng.integers(0, 3, 60), rng.integers(1, 40, 60)).astype("uint8")
        assert zlib.decompress(compiled.deflate(raw), -15) == raw.tobytes()


def test_any_type_and_shape(kernels: ModuleType) -> None:
    for raw in (np.arange(24, dtype="int16").reshape(4, 6), np.arange(24, dtype="uint8").reshape(4, 6)[:, ::2]):
        assert zlib.decompress(kernels.deflate(raw), -15) == raw.tobytes()


def test_room_is_checked_before_the_loop() -> None:
    extension = pytest.importorskip("tilery.kernels._compiled", exc_type=ImportError)
    raw = np.zeros(1000, "uint8")
    extension.deflate(raw, np.empty(1250 + 1024, "uint8"))
    for made in (np.empty(1250 + 1023, "uint8"), np.empty(9000, "uint16"), bytes(9000), np.empty((3, 3000), "uint8")):
        with pytest.raises((TypeError, ValueError, BufferError)):
            extension.deflate(raw, made)
    for wrong in (raw.astype("uint16"), raw.reshape(10, 100), raw[::2]):
        with pytest.raises((TypeError, ValueError)):
            extension.deflate(wrong, np.empty(9000, "uint8"))
