"""PNG: what is written is what a decoder that is not ours reads, in every kind of picture."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tilery.geo.raster import Array, Picture
from tilery.rendering.encoding import encode as encode_any
from tilery.rendering.encoding import formats, png

SIZES = [(1, 1), (1, 7), (7, 1), (3, 5), (16, 33), (64, 64), (256, 256)]


def noise(rows: int, columns: int, channels: int, kind: str = "uint8", seed: int = 0) -> Array:
    info = np.iinfo(kind)
    return np.random.default_rng(seed).integers(0, info.max, (rows, columns, channels), dtype=kind, endpoint=True)


def smooth(rows: int, columns: int, channels: int, kind: str = "uint8") -> Array:
    y, x = np.mgrid[0:rows, 0:columns]
    wave = (np.sin(x / 9.0) + np.cos(y / 7.0) + 2) / 4 * np.iinfo(kind).max
    return np.stack([wave / (1 + channel) for channel in range(channels)], axis=-1).astype(kind)


def flat(rows: int, columns: int, channels: int, kind: str = "uint8") -> Array:
    return np.full((rows, columns, channels), 37, dtype=kind)


def decoded(body: bytes) -> Array:
    image = Image.open(io.BytesIO(body))
    image.load()
    pixels = np.asarray(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def chunks(body: bytes) -> dict[str, bytes]:
    """Return the chunks of a PNG, their checksums checked."""
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    found, position = {}, 8
    while position < len(body):
        (length,) = struct.unpack(">I", body[position : position + 4])
        name, content = body[position + 4 : position + 8], body[position + 8 : position + 8 + length]
        assert struct.unpack(">I", body[position + 8 + length : position + 12 + length])[0] == zlib.crc32(
            name + content
        )
        found[name.decode()] = content
        position += 12 + length
    assert next(iter(found)) == "IHDR"
    assert list(found)[-1] == "IEND"
    return found


def sixteen(body: bytes) -> Array:
    """Return pixels of a 16-bit PNG by RFC 2083's rules, which Pillow cuts to 8 bits where there is more than one
    channel.
    """
    parts = chunks(body)
    width, height, depth, color = struct.unpack(">IIBB", parts["IHDR"][:10])
    assert depth == 16
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[color]
    step, length = channels * 2, width * channels * 2
    raw = np.frombuffer(zlib.decompress(parts["IDAT"]), np.uint8).reshape(height, length + 1)
    out = np.zeros((height, length), np.uint8)
    for row in range(height):
        line = raw[row, 1:].copy()
        if raw[row, 0] == 1:
            for start in range(step):
                line[start::step] = np.cumsum(line[start::step], dtype=np.uint8)
        elif raw[row, 0] == 2 and row:
            line += out[row - 1]
        out[row] = line
    return out.view(">u2").reshape(height, width, channels).astype(np.uint16)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("content", [noise, smooth, flat])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_bytes_without_opacity(size: tuple[int, int], channels: int, content, fast: bool) -> None:  # type: ignore[no-untyped-def]
    pixels = content(*size, channels)
    assert np.array_equal(decoded(png.encode(Picture(data=pixels), fast=fast)), pixels)


@pytest.mark.parametrize("content", [noise, smooth])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_bytes_with_opacity(size: tuple[int, int], channels: int, content) -> None:  # type: ignore[no-untyped-def]
    pixels, opacity = content(*size, channels), noise(*size, 1, seed=5)[..., 0]
    result = decoded(png.encode(Picture(data=pixels, mask=opacity)))
    assert np.array_equal(result[..., :-1], pixels)
    assert np.array_equal(result[..., -1], opacity)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("content", [noise, smooth])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_sixteen_bits(size: tuple[int, int], channels: int, content, masked: bool) -> None:  # type: ignore[no-untyped-def]
    pixels = content(*size, channels, "uint16")
    opacity = noise(*size, 1, "uint16", seed=5)[..., 0] if masked else None
    body = png.encode(Picture(data=pixels, mask=opacity))
    result = sixteen(body)
    assert np.array_equal(result[..., :channels], pixels)
    assert result.shape[2] == channels + masked
    if opacity is not None:
        assert np.array_equal(result[..., -1], opacity)
    elif channels == 1:
        assert np.array_equal(decoded(body)[..., 0], pixels[..., 0])


@pytest.mark.parametrize("layout", ["bands", "strided", "reversed", "read-only"])
def test_any_layout_in_memory(layout: str) -> None:
    pixels = noise(40, 50, 3)
    given = pixels
    if layout == "bands":
        given = np.ascontiguousarray(pixels.transpose(2, 0, 1)).transpose(1, 2, 0)
    if layout == "strided":
        given = np.repeat(pixels, 2, axis=1)[:, ::2]
    if layout == "reversed":
        given = pixels[::-1, :, ::-1].copy()[::-1, :, ::-1]
    if layout == "read-only":
        given.setflags(write=False)
    assert np.array_equal(decoded(png.encode(Picture(data=given))), pixels)


# palettes


def table(entries: int, seed: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (entries, 4), dtype=np.uint8)


def shown(body: bytes) -> Array:
    """RGBA of a palette PNG."""
    image = Image.open(io.BytesIO(body))
    assert image.mode == "P"
    return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("entries", [1, 2, 17, 255, 256])
def test_palettes(entries: int, size: tuple[int, int]) -> None:
    indexes = np.random.default_rng(1).integers(0, entries, (*size, 1), dtype=np.uint8)
    palette = table(entries)
    assert np.array_equal(shown(png.encode(Picture(data=indexes, palette=palette))), palette[indexes[..., 0]])


@pytest.mark.parametrize("used", [range(5, 200), range(256), range(200), [0, 255], range(0, 256, 2)])
def test_masked_pixels_of_a_palette_picture_are_transparent(used) -> None:  # type: ignore[no-untyped-def]
    palette = table(256)
    palette[:, 3] = 255
    indexes = np.random.default_rng(1).choice(np.array(list(used), np.uint8), (48, 64))
    mask = np.where(np.random.default_rng(2).random((48, 64)) < 0.3, 0, 255).astype(np.uint8)
    body = png.encode(Picture(data=indexes[..., np.newaxis], palette=palette, mask=mask))
    result = np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))
    assert np.array_equal(result[..., 3], mask)
    assert np.array_equal(result[mask == 255], palette[indexes][mask == 255])
    if len(list(used)) < 256:
        assert Image.open(io.BytesIO(body)).mode == "P"


def test_a_short_palette_with_masked_pixels() -> None:
    palette = np.array([[10, 20, 30, 255], [40, 50, 60, 128]], np.uint8)
    indexes = np.array([[[0], [1], [1]]], np.uint8)
    mask = np.array([[255, 255, 0]], np.uint8)
    result = shown(png.encode(Picture(data=indexes, palette=palette, mask=mask)))
    assert result[0, 0].tolist() == [10, 20, 30, 255]
    assert result[0, 1].tolist() == [40, 50, 60, 128]
    assert result[0, 2, 3] == 0


def test_palettes_are_cut_to_what_is_in_use() -> None:
    palette = table(256)
    palette[:, 3] = 255
    parts = chunks(png.encode(Picture(data=np.full((4, 4, 1), 9, np.uint8), palette=palette)))
    assert len(parts["PLTE"]) == 30
    assert "tRNS" not in parts


def test_a_palette_that_is_masked_costs_one_byte_of_transparency() -> None:
    palette = table(256)
    palette[:, 3] = 255
    mask = np.array([[0, 255]], np.uint8)
    parts = chunks(png.encode(Picture(data=np.array([[[0], [3]]], np.uint8), palette=palette, mask=mask)))
    assert parts["tRNS"] == b"\x00"


def test_opaque_pictures_have_no_alpha_channel() -> None:
    assert chunks(png.encode(Picture(data=noise(4, 4, 3))))["IHDR"][9] == 2
    assert chunks(png.encode(Picture(data=noise(4, 4, 3), mask=np.zeros((4, 4), np.uint8))))["IHDR"][9] == 6
    assert chunks(png.encode(Picture(data=noise(4, 4, 1))))["IHDR"][9] == 0
    assert chunks(png.encode(Picture(data=noise(4, 4, 1), mask=np.zeros((4, 4), np.uint8))))["IHDR"][9] == 4


def test_smooth_content_is_made_small() -> None:
    """A fifth more than the sixth level of zlib on the same lines, and in a tenth of its time."""
    pixels = smooth(256, 256, 3)
    plain = pixels.reshape(256, -1)
    up = np.vstack([plain[:1], plain[1:] - plain[:-1]])
    best = min(len(zlib.compress(up.tobytes(), 6)), len(zlib.compress(plain.tobytes(), 6)))
    assert len(png.encode(Picture(data=pixels))) < best * 1.2 + 200


def test_rows_that_repeat_and_noise() -> None:
    repeated = np.repeat(noise(64, 256, 3), 4, axis=0)
    assert len(png.encode(Picture(data=repeated))) < repeated.size * 0.35
    assert len(png.encode(Picture(data=noise(256, 256, 3)))) < 256 * 256 * 3 * 1.01


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    masked=st.booleans(),
    spread=st.integers(1, 256),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150)
def test_any_picture_comes_back(rows: int, columns: int, channels: int, masked: bool, spread: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, spread, (rows, columns, channels), dtype=np.uint8)
    opacity = generator.integers(0, spread, (rows, columns), dtype=np.uint8) if masked else None
    result = decoded(encode_any(Picture(data=pixels, mask=opacity), formats.get("png")))
    assert np.array_equal(result[..., :channels], pixels)
    if opacity is not None:
        assert np.array_equal(result[..., channels], opacity)


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (3, "uint8"), (4, "uint8"), (3, ">u2")])
def test_every_filter_is_undone_by_any_reader(kind: png.Filter, channels: int, dtype: str) -> None:
    random = np.random.default_rng(7)
    pixels = random.integers(0, np.iinfo(dtype).max, (37, 23, channels), endpoint=True).astype(dtype)
    depth = pixels.dtype.itemsize
    lines = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    color = {1: 0, 3: 2, 4: 6}[channels]
    body = b"".join(
        [
            png._SIGNATURE,
            png._chunk(b"IHDR", struct.pack(">IIBBBBB", 23, 37, 8 * depth, color, 0, 0, 0)),
            png._chunk(b"IDAT", zlib.compress(png._filtered(lines, channels * depth, kind).tobytes())),
            png._chunk(b"IEND", b""),
        ]
    )
    assert imagecodecs.png_decode(body).reshape(pixels.shape).tolist() == pixels.tolist()


@pytest.mark.parametrize("grain", [0, 1, 3, 6, 10, 16, 24, 40, 90])
def test_photographs_of_any_grain_come_back_whole(grain: int) -> None:
    """From smooth to noisy: every way that the encoder chooses between is taken once."""
    random = np.random.default_rng(grain)
    rows, columns = np.mgrid[0:256, 0:256]
    pixels = np.stack([rows / 2 + columns / 3, rows / 3 + 40, 200 - columns / 4], axis=-1)
    pixels = np.clip(pixels + random.normal(0, max(grain, 1e-9), pixels.shape), 0, 255).astype(np.uint8)
    assert np.array_equal(imagecodecs.png_decode(png.encode(Picture(data=pixels))), pixels)
