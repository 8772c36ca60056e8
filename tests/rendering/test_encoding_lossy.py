"""JPEG and WebP: near enough to the picture, of the right kind, small enough."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tilery.geo.raster import Array, Picture
from tilery.rendering.encoding import encode, formats

JPEG, WEBP = formats.get("jpeg"), formats.get("webp")
SIZES = [(1, 1), (1, 9), (9, 1), (17, 31), (256, 256)]


def scene(rows: int, columns: int, channels: int, *, rough: float = 0.0) -> Array:
    y, x = np.mgrid[0:rows, 0:columns]
    bands = [127 + 90 * np.sin(x / (11 + band)) * np.cos(y / (13 - band)) for band in range(channels)]
    noise = np.random.default_rng(4).normal(0, rough, (rows, columns, 1)) if rough else 0
    return np.clip(np.stack(bands, axis=-1) + noise, 0, 255).astype(np.uint8)


def opened(body: bytes, kind: str) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    assert image.format == kind
    image.load()
    return image


def psnr(one: Array, other: Array) -> float:
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(99.0 if error == 0 else 10 * np.log10(255**2 / error))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_jpeg(channels: int, mode: str, size: tuple[int, int]) -> None:
    pixels = scene(*size, channels)
    image = opened(encode(Picture(data=pixels), JPEG), "JPEG")
    assert (image.mode, image.size) == (mode, size[::-1])
    assert psnr(np.asarray(image).reshape(pixels.shape), pixels) > 36


def test_jpeg_of_four_channels_is_cmyk() -> None:
    pixels = scene(64, 64, 4)
    image = opened(encode(Picture(data=pixels), JPEG), "JPEG")
    assert image.mode == "CMYK"
    # Pillow hands out the values of an Adobe file turned round
    assert psnr(255 - np.asarray(image), pixels) > 34


def test_jpeg_leaves_opacity_out() -> None:
    pixels = scene(32, 32, 3)
    plain = encode(Picture(data=pixels), JPEG)
    assert encode(Picture(data=pixels, mask=np.zeros((32, 32), np.uint8)), JPEG) == plain


def test_jpeg_has_colour_at_half_resolution() -> None:
    image = opened(encode(Picture(data=scene(64, 64, 3)), JPEG), "JPEG")
    assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]  # type: ignore[attr-defined]


def landscape(contrast: float) -> Array:
    """Return a picture with the spectrum of photographs: amplitude falls as frequency rises."""
    generator = np.random.default_rng(0)
    frequency = np.fft.fftfreq(256)
    fall = 1 / np.maximum(np.hypot(*np.meshgrid(frequency, frequency)), 1 / 256)
    land = np.fft.ifft2(np.fft.fft2(generator.normal(size=(256, 256))) * fall).real
    land = land / land.std() * contrast + 120
    fine = generator.normal(size=(256, 256)) * 2
    bands = np.stack([land, land * 0.95 + 3, land * 0.9 + fine], axis=-1)
    picture: np.ndarray = np.clip(bands, 0, 255).astype(np.uint8)
    return picture


@pytest.mark.parametrize("contrast", [2, 10, 20, 40, 60])
def test_jpeg_is_near_the_size_that_the_best_tables_give(contrast: float) -> None:
    pixels = landscape(contrast)
    body = encode(Picture(data=pixels), JPEG)
    best = io.BytesIO()
    Image.fromarray(pixels).save(best, "JPEG", quality=85, subsampling="4:2:0", optimize=True)
    assert len(body) <= len(best.getvalue()) * 1.035
    ours, theirs = (np.asarray(Image.open(io.BytesIO(each))) for each in (body, best.getvalue()))
    assert abs(psnr(ours, pixels) - psnr(theirs, pixels)) < 0.2


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_webp(channels: int, size: tuple[int, int]) -> None:
    pixels = scene(*size, channels)
    image = opened(encode(Picture(data=pixels), WEBP), "WEBP")
    assert (image.mode, image.size) == ("RGB", size[::-1])
    assert psnr(np.asarray(image), np.broadcast_to(pixels, (*size, 3))) > 30


@pytest.mark.parametrize("channels", [1, 3])
def test_webp_with_opacity(channels: int) -> None:
    pixels = scene(64, 80, channels)
    opacity = np.zeros((64, 80), np.uint8)
    opacity[:, 30:] = 255
    opacity[10:20, 40:50] = 120
    image = opened(encode(Picture(data=pixels, mask=opacity), WEBP), "WEBP")
    assert image.mode == "RGBA"
    result = np.asarray(image)
    assert np.array_equal(result[..., 3], opacity)
    visible = opacity == 255
    assert psnr(result[visible][:, :3], np.broadcast_to(pixels, (64, 80, 3))[visible]) > 30


def test_webp_that_is_opaque_has_no_alpha_channel() -> None:
    full = np.full((32, 32), 255, np.uint8)
    assert opened(encode(Picture(data=scene(32, 32, 3), mask=full), WEBP), "WEBP").mode == "RGB"


@pytest.mark.parametrize("contrast", [10, 40])
def test_webp_is_near_the_size_and_quality_of_libwebps_default(contrast: float) -> None:
    pixels = landscape(contrast)
    body = encode(Picture(data=pixels), WEBP)
    usual = io.BytesIO()
    Image.fromarray(pixels).save(usual, "WEBP", quality=75, method=4)
    assert len(body) <= len(usual.getvalue()) * 1.08
    ours, theirs = (np.asarray(Image.open(io.BytesIO(each))) for each in (body, usual.getvalue()))
    assert psnr(ours, pixels) > psnr(theirs, pixels) - 1.0


@pytest.mark.parametrize("row", [JPEG, WEBP])
def test_palettes_are_written_in_colour(row: formats.Format) -> None:
    palette = np.array([[200, 30, 40, 255], [10, 180, 60, 255]], np.uint8)
    indexes = np.repeat(np.repeat(np.array([[0, 1], [1, 0]], np.uint8), 32, 0), 32, 1)[..., np.newaxis]
    result = np.asarray(Image.open(io.BytesIO(encode(Picture(data=indexes, palette=palette), row))))
    inner = (slice(8, 24), slice(8, 24))
    assert np.abs(result[inner].astype(int) - palette[0, :3]).max() < 12


@pytest.mark.parametrize("row", [JPEG, WEBP])
def test_any_layout_in_memory(row: formats.Format) -> None:
    pixels = scene(40, 48, 3)
    views = [np.ascontiguousarray(pixels.transpose(2, 0, 1)).transpose(1, 2, 0), np.repeat(pixels, 2, axis=1)[:, ::2]]
    assert all(encode(Picture(data=view), row) == encode(Picture(data=pixels), row) for view in views)
