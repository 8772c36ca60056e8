"""From a raster to the bytes of a picture: what is shown, in which kind of file, with which opacity."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
import rasterio
from PIL import Image

from tilery.errors import InvalidBand, InvalidColormap, InvalidFormat, InvalidParameter
from tilery.geo.raster import Array, Crs, Raster
from tilery.rendering import colormap, pipeline
from tilery.rendering.options import RenderOptions

ROWS, COLUMNS = 24, 32
VALID = np.ones((ROWS, COLUMNS), dtype=np.bool_)
VALID[:6, :9] = False


def scene(bands: int, kind: str = "uint8", most: int = 250) -> Array:
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    return np.stack([(x * (band + 3) + y * 5) * most // 400 % most for band in range(bands)]).astype(kind)


def render(raster: Raster, name: str | None = None, **options: Any) -> pipeline.Rendered:
    return pipeline.render(raster, RenderOptions(**options), name)


def shown(result: pipeline.Rendered, mode: str | None = None) -> Array:
    """Return pixels as Pillow reads them, bands first."""
    image = Image.open(io.BytesIO(result.body))
    pixels = np.asarray(image.convert(mode) if mode else image)
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def mode_of(result: pipeline.Rendered) -> str:
    return Image.open(io.BytesIO(result.body)).mode


def bands_of(result: pipeline.Rendered) -> Array:
    with (
        warnings.catch_warnings(action="ignore", category=rasterio.errors.NotGeoreferencedWarning),
        rasterio.MemoryFile(result.body) as memory,
        memory.open() as dataset,
    ):
        pixels: Array = dataset.read()
        return pixels


def data_of(result: pipeline.Rendered) -> Array:
    loaded: Array = np.load(io.BytesIO(result.body))
    return loaded


# the format


def test_without_a_format_an_opaque_picture_is_a_jpeg() -> None:
    result = render(Raster(data=scene(3)))
    assert (result.format, result.media_type) == ("jpeg", "image/jpeg")
    assert Image.open(io.BytesIO(result.body)).format == "JPEG"


def test_without_a_format_a_masked_picture_is_a_png() -> None:
    result = render(Raster(data=scene(3), mask=VALID[np.newaxis]))
    assert (result.format, result.media_type) == ("png", "image/png")
    assert mode_of(result) == "RGBA"


def test_without_a_format_everything_has_eight_bits() -> None:
    masked = Raster(data=scene(3, "uint16", 60000), mask=VALID[np.newaxis])
    pixels = shown(render(masked))
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels[:3][:, VALID], (masked.data // 257)[:, VALID])


def test_a_mask_without_a_masked_pixel_is_none() -> None:
    everything = np.ones((1, ROWS, COLUMNS), dtype=np.bool_)
    assert render(Raster(data=scene(3), mask=everything)).format == "jpeg"
    assert mode_of(render(Raster(data=scene(3), mask=everything), "png")) == "RGB"


@pytest.mark.parametrize("name", [None, "png", "webp"])
def test_packed_heights_lose_nothing(name: str | None) -> None:
    heights = np.random.default_rng(3).uniform(-400, 8800, (1, 64, 64)).round(1)
    rendered = pipeline.render(Raster(data=heights), RenderOptions(algorithm="terrainrgb"), name)
    assert rendered.format == (name or "png")
    decode = imagecodecs.webp_decode if name == "webp" else imagecodecs.png_decode
    red, green, blue = decode(rendered.body)[..., :3].astype(float).transpose(2, 0, 1)
    assert (red * 65536 + green * 256 + blue) * 0.1 - 10000 == pytest.approx(heights[0], abs=1e-6)


def test_half_transparent_pixels_make_a_png() -> None:
    alpha = np.full((ROWS, COLUMNS), 255, dtype=np.uint8)
    assert render(Raster(data=scene(3), alpha=alpha)).format == "jpeg"
    alpha[3, 4] = 200
    result = render(Raster(data=scene(3), alpha=alpha))
    assert result.format == "png"
    assert np.array_equal(shown(result)[3], alpha)


def test_masked_without_a_mask_in_the_picture_is_still_a_png() -> None:
    result = render(Raster(data=scene(3), mask=VALID[np.newaxis]), return_mask=False)
    assert (result.format, mode_of(result)) == ("png", "RGB")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("png", "image/png"),
        ("pngraw", "image/png"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("webp", "image/webp"),
        ("jp2", "image/jp2"),
        ("tif", "image/tiff; application=geotiff"),
        ("tiff", "image/tiff; application=geotiff"),
        ("npy", "application/x-binary"),
    ],
)
def test_formats_asked_for(name: str, media_type: str) -> None:
    result = render(Raster(data=scene(3)), name)
    assert (result.format, result.media_type) == (name, media_type)


def test_unknown_formats() -> None:
    with pytest.raises(InvalidParameter):
        render(Raster(data=scene(3)), "gif")


@pytest.mark.parametrize(
    ("name", "bands", "return_mask"),
    [("png", 4, True), ("png", 5, False), ("jpeg", 2, True), ("jpeg", 5, True), ("webp", 4, True), ("webp", 2, False),
     (None, 2, True), (None, 5, True)],
)  # fmt: skip
def test_bands_that_a_format_does_not_hold(name: str | None, bands: int, return_mask: bool) -> None:
    with pytest.raises(InvalidFormat) as caught:
        render(Raster(data=scene(bands)), name, return_mask=return_mask)
    assert caught.value.status == 400
    assert caught.value.limit is not None


# pixels and opacity


@pytest.mark.parametrize("layout", ["bands", "pixels"])
@pytest.mark.parametrize(("bands", "opaque", "masked"), [(1, "L", "LA"), (3, "RGB", "RGBA")])
def test_bytes_are_shown_as_they_are(bands: int, opaque: str, masked: str, layout: str) -> None:
    data = scene(bands)
    if layout == "pixels":
        data = np.ascontiguousarray(data.transpose(1, 2, 0)).transpose(2, 0, 1)
    plain = render(Raster(data=data), "png")
    assert mode_of(plain) == opaque
    assert np.array_equal(shown(plain), data)
    clear = render(Raster(data=data, mask=VALID[np.newaxis]), "png")
    assert mode_of(clear) == masked
    assert np.array_equal(shown(clear)[:-1], data)
    assert np.array_equal(shown(clear)[-1], np.where(VALID, 255, 0))


def test_sixteen_bits_stay_in_a_png() -> None:
    data = scene(1, "uint16", 60000)
    assert np.array_equal(shown(render(Raster(data=data), "png")), data)


def test_a_pixel_is_masked_when_all_its_bands_are() -> None:
    mask = np.stack([VALID, np.ones_like(VALID), VALID & (np.arange(COLUMNS) < 20)])
    assert mode_of(render(Raster(data=scene(3), mask=mask), "png")) == "RGB"
    mask[1] = VALID
    pixels = shown(render(Raster(data=scene(3), mask=mask), "png"))
    assert np.array_equal(pixels[3] == 0, ~mask.any(axis=0))


def test_alpha_and_mask_are_combined() -> None:
    """Readers mask what is transparent in part: such pixels keep their alpha, but not outside of a geometry."""
    alpha = np.full((ROWS, COLUMNS), 255, dtype=np.uint8)
    alpha[0] = 90
    raster = Raster(data=scene(3), alpha=alpha, mask=VALID[np.newaxis])
    expected = np.where(VALID, alpha, 0)
    expected[0] = 90
    assert np.array_equal(shown(render(raster, "png"))[3], expected)
    cut = replace(raster, cutline=VALID)
    assert np.array_equal(shown(render(cut, "png"))[3], np.where(VALID, alpha, 0))


def test_alpha_takes_the_type_of_the_picture() -> None:
    alpha = np.full((ROWS, COLUMNS), 65535, dtype=np.uint16)
    alpha[0] = 32768
    pixels = shown(render(Raster(data=scene(3, "uint16"), alpha=alpha), "png", rescale=((0, 250),)))
    assert pixels[3, 0, 0] == 127
    assert pixels[3, 1, 0] == 255
    small = render(Raster(data=scene(1, "uint16"), alpha=(alpha >> 8).astype(np.uint8)), "npy")
    assert data_of(small)[1, :2, 0].tolist() == [128 * 257, 65535]


@pytest.mark.parametrize("name", ["png", "webp"])
def test_without_mask_there_is_no_alpha_channel(name: str) -> None:
    raster = Raster(data=scene(3), mask=VALID[np.newaxis])
    assert mode_of(render(raster, name, return_mask=False)) == "RGB"
    assert mode_of(render(raster, name)) == "RGBA"


def test_two_bands_and_the_mask_are_three_channels_as_in_titiler() -> None:
    data = scene(2)
    pixels = shown(render(Raster(data=data, mask=VALID[np.newaxis]), "png"))
    assert np.array_equal(pixels, np.stack([*data, np.where(VALID, 255, 0)]))
    assert np.array_equal(shown(render(Raster(data=data), "png"))[2], np.full((ROWS, COLUMNS), 255))
    assert mode_of(render(Raster(data=data), "png", return_mask=False)) == "LA"


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 50), (50, 1), (3, 257)])
@pytest.mark.parametrize("name", ["png", "pngraw", "jpeg", "webp", "jp2", "tif", "npy", None])
def test_odd_sizes(name: str | None, rows: int, columns: int) -> None:
    data = np.arange(3 * rows * columns, dtype=np.uint16).reshape(3, rows, columns)
    mask = np.ones((1, rows, columns), dtype=np.bool_)
    mask[0, 0, 0] = False
    for options in ({}, {"rescale": ((0, 50),)}):
        for opacity in (None, mask):
            assert render(Raster(data=data, mask=opacity, bounds=(0, 0, 1, 1)), name, **options).body
    assert render(Raster(data=data[:1], mask=mask), name, rescale=((0, 50),), colormap=colormap.get("viridis")).body


def test_the_raster_is_left_as_it_was() -> None:
    data = scene(3)
    data.setflags(write=False)
    mask = VALID[np.newaxis].copy()
    mask.setflags(write=False)
    raster = Raster(data=data, mask=mask)
    for name in ("png", "jpeg", "webp", "npy", "tif", None):
        for options in ({}, {"rescale": ((0, 100),)}, {"color_formula": "gamma RGB 1.5"}, {"expression": "b1*2;b2;b3"}):
            assert render(raster, name, **options).body


# steps


def test_rescale() -> None:
    data = scene(3, "uint16", 4000)
    pixels = shown(render(Raster(data=data, mask=VALID[np.newaxis]), "png", rescale=((0, 2000),)))
    expected = np.trunc(np.minimum(data / 2000, 1) * 255) * VALID
    assert np.array_equal(pixels[:3], expected)
    assert np.array_equal(pixels[3], np.where(VALID, 255, 0))


def test_steps_come_in_their_order() -> None:
    data = scene(2, "uint16", 4000)
    options: dict[str, Any] = {
        "expression": "b1+b2", "algorithm": "max", "rescale": ((0, 8000),), "colormap": colormap.get("viridis"),
    }  # fmt: skip
    pixels = shown(render(Raster(data=data), "png", **options), "RGB")
    index = np.trunc((data[0].astype(float) + data[1]) / 8000 * 255).astype(int)
    assert np.array_equal(pixels, colormap.get("viridis").rgba[index][..., :3].transpose(2, 0, 1))


def test_colour_formulas_follow_the_rescale() -> None:
    data = scene(3, "uint16", 4000)
    pixels = shown(render(Raster(data=data), "png", rescale=((0, 4000),), color_formula="gamma RGB 2"))
    rescaled = np.trunc(data / 4000 * 255)
    assert np.array_equal(pixels, np.trunc(np.sqrt(rescaled / 255) * 255))


def test_calculated_is_expression_and_algorithm() -> None:
    raster = Raster(data=scene(2))
    options = RenderOptions(expression="b1*2;b2*3", algorithm="sum", rescale=((0, 1),))
    result = pipeline.calculated(raster, options)
    assert np.array_equal(result.data[0], raster.data[0].astype(int) * 2 + raster.data[1].astype(int) * 3)
    assert pipeline.calculated(raster, RenderOptions()) is raster


# types that a format does not hold


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", None])
def test_floats_are_visible(name: str | None) -> None:
    """TiTiler 2.4 shows floats without a range as transparent, or of one grey."""
    data = scene(1, "float32") - 100
    pixels = shown(render(Raster(data=data, mask=VALID[np.newaxis]), name))
    seen = pixels[0][VALID].astype(int)
    assert seen.max() > 240
    assert seen.min() < 15


def test_statistics_make_all_tiles_alike() -> None:
    for part in (slice(0, 10), slice(10, 24)):
        data = scene(1, "float32")[:, part]
        pixels = shown(render(Raster(data=data, statistics=((0.0, 250.0),)), "png"))
        assert np.array_equal(pixels, np.trunc(data / 250 * 255))


def test_slopes_are_alike_in_all_tiles() -> None:
    flat = Raster(data=np.zeros((1, 20, 20), np.float32), bounds=(0.0, 0.0, 20.0, 20.0))
    assert set(shown(render(flat, "png", algorithm="slope")).ravel().tolist()) == {0}


def test_an_index_is_shown_between_its_bounds() -> None:
    data = np.array([[[0, 100, 100]], [[100, 100, 0]]], dtype=np.uint16)
    assert shown(render(Raster(data=data), "png", expression="(b1-b2)/(b1+b2)")).tolist() == [[[0, 127, 255]]]
    assert shown(render(Raster(data=data), "png", algorithm="normalizedIndex")).tolist() == [[[255, 127, 0]]]


def test_band_maths_on_bytes_that_changes_nothing_shows_the_same() -> None:
    assert np.array_equal(shown(render(Raster(data=scene(3)), "png", expression="b1;b2;b3")), scene(3))


def test_comparisons_are_black_and_white() -> None:
    raster = Raster(data=np.array([[[1, 200]]], dtype=np.uint8))
    assert shown(render(raster, "png", expression="b1>100")).tolist() == [[[0, 255]]]
    assert data_of(render(raster, "npy", expression="b1>100")).tolist() == [[[0, 1]], [[255, 255]]]


# colormaps


@pytest.mark.parametrize("name", ["png", "pngraw", None])
def test_colormapped_pngs_have_a_palette(name: str | None) -> None:
    result = render(Raster(data=scene(1), mask=VALID[np.newaxis]), name, colormap=colormap.get("viridis"))
    assert mode_of(result) == "P"
    pixels = shown(result, "RGBA")
    table = colormap.get("viridis").rgba[scene(1)[0]].transpose(2, 0, 1)
    assert np.array_equal(pixels[:, VALID], table[:, VALID])
    assert not pixels[3][~VALID].any()


@pytest.mark.parametrize("name", ["tif", "npy", "webp", "jp2"])
def test_colormapped_data_have_colours_and_opacity(name: str) -> None:
    raster = Raster(data=scene(1), mask=VALID[np.newaxis], bounds=(0, 0, 1, 1))
    result = render(raster, name, colormap=colormap.get("viridis"))
    if name == "npy":
        pixels = data_of(result)
    elif name == "webp":
        pixels = shown(result)
    else:
        pixels = bands_of(result)
    assert pixels.shape == (4, ROWS, COLUMNS)
    if name in {"tif", "npy"}:
        table = colormap.get("viridis").rgba[scene(1)[0]].transpose(2, 0, 1)
        assert np.array_equal(pixels[:3], table[:3])
        assert np.array_equal(pixels[3], np.where(VALID, 255, 0))


def test_transparent_entries_decide_on_the_format() -> None:
    mapping = colormap.parse('[[[0, 100], "#ff0000"], [[100, 300], "#00ff0080"]]')
    low, high = (np.full((1, 4, 4), value, dtype=np.uint8) for value in (10, 200))
    assert render(Raster(data=low), colormap=mapping).format == "jpeg"
    assert render(Raster(data=high), colormap=mapping).format == "png"
    assert shown(render(Raster(data=high), colormap=mapping), "RGBA")[:, 0, 0].tolist() == [0, 255, 0, 128]
    unlisted = colormap.parse('{"10": "#ff0000"}')
    assert render(Raster(data=low), colormap=unlisted).format == "jpeg"
    assert render(Raster(data=high), colormap=unlisted).format == "png"


@pytest.mark.parametrize("name", ["png", "webp", "npy"])
def test_colormaps_without_mask(name: str) -> None:
    raster = Raster(data=scene(1), mask=VALID[np.newaxis])
    result = render(raster, name, colormap=colormap.get("viridis"), return_mask=False)
    if name == "npy":
        assert data_of(result).shape[0] == 3
    else:
        pixels = shown(result, "RGBA")
        assert (pixels[3] == 255).all()


def test_many_colours_need_no_palette() -> None:
    mapping = colormap.parse(json.dumps({str(value): [value % 256, value // 256, 0] for value in range(500)}))
    data = np.arange(ROWS * COLUMNS, dtype=np.int32).reshape(1, ROWS, COLUMNS)
    result = render(Raster(data=data), "png", colormap=mapping)
    assert mode_of(result) == "RGBA"
    pixels = shown(result)
    assert np.array_equal(pixels[3] == 255, data[0] < 500)
    assert pixels[:, 10, 17].tolist() == [337 % 256, 1, 0, 255]


def test_colormaps_need_one_band() -> None:
    with pytest.raises(InvalidColormap) as caught:
        render(Raster(data=scene(3)), "png", colormap=colormap.get("viridis"))
    assert caught.value.status == 400


PALETTE: Mapping[int, tuple[int, int, int, int]] = {value: (value, 255 - value, 7, 255) for value in range(250)}


def test_the_sources_own_palette() -> None:
    raster = Raster(data=scene(1), colormap=dict(PALETTE))
    pixels = shown(render(raster, "png"), "RGBA")
    assert np.array_equal(pixels[0], scene(1)[0])
    assert np.array_equal(pixels[1], 255 - scene(1)[0])


def test_the_callers_colormap_wins_over_the_sources() -> None:
    raster = Raster(data=scene(1), colormap=dict(PALETTE))
    pixels = shown(render(raster, "png", colormap=colormap.get("gray")), "RGB")
    assert np.array_equal(pixels[0], pixels[1])


@pytest.mark.parametrize("options", [{"expression": "b1*1"}, {"algorithm": "max"}, {"algorithm": "terrarium"}])
def test_the_sources_palette_is_for_its_own_values_only(options: dict[str, Any]) -> None:
    raster = Raster(data=scene(1), colormap=dict(PALETTE))
    assert mode_of(render(raster, "png", **options)) in {"L", "RGB"}


# data formats


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "float32"])
def test_npy(kind: str) -> None:
    data = scene(2, kind)
    array = data_of(render(Raster(data=data, mask=VALID[np.newaxis]), "npy"))
    info = np.finfo(kind) if kind == "float32" else np.iinfo(kind)
    assert array.dtype == kind
    assert np.array_equal(array[:2], data)
    assert np.array_equal(array[2], np.where(VALID, info.max, info.min).astype(kind))
    assert np.array_equal(data_of(render(Raster(data=data), "npy"))[2], np.full((ROWS, COLUMNS), info.max, kind))
    assert data_of(render(Raster(data=data), "npy", return_mask=False)).shape[0] == 2


def test_geotiff() -> None:
    raster = Raster(
        data=scene(2, "float32"), mask=VALID[np.newaxis], bounds=(500000.0, 4000000.0, 500320.0, 4000240.0),
        crs=Crs("EPSG:32631"), band_descriptions=("red", "nir"), nodata=-1.0,
    )  # fmt: skip
    with rasterio.MemoryFile(render(raster, "tif").body) as memory, memory.open() as dataset:
        assert dataset.crs.to_epsg() == 32631
        assert tuple(dataset.bounds) == raster.bounds
        assert dataset.res == (10, 10)
        assert dataset.descriptions[:2] == ("red", "nir")
        assert np.array_equal(dataset.read([1, 2]), raster.data)
        assert np.array_equal(dataset.read(3) > 0, VALID)
    with rasterio.MemoryFile(render(raster, "tif", return_mask=False).body) as memory, memory.open() as dataset:
        assert dataset.count == 2
        assert dataset.nodata == -1


def test_any_number_of_bands_in_data_formats() -> None:
    assert data_of(render(Raster(data=scene(12)), "npy")).shape == (13, ROWS, COLUMNS)
    assert bands_of(render(Raster(data=scene(12)), "tif")).shape == (13, ROWS, COLUMNS)


def test_errors_of_the_steps_are_told() -> None:
    with pytest.raises(InvalidBand):
        render(Raster(data=scene(1)), "png", expression="b2")
    with pytest.raises(InvalidParameter):
        render(Raster(data=scene(1)), "png", algorithm="nothing")


# what a new process pays


def test_importing_takes_no_codec_and_no_gdal() -> None:
    code = (
        "import sys, tilery.rendering.pipeline; "
        "print([name for name in ('imagecodecs', 'rasterio', 'rio_tiler', 'color_operations') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_png_needs_neither_rasterio_nor_rio_tiler() -> None:
    code = (
        "import sys, numpy; from tilery.geo.raster import Raster; from tilery.rendering import colormap, pipeline; "
        "from tilery.rendering.options import RenderOptions; "
        "options = RenderOptions(colormap=colormap.get('viridis')); "
        "pipeline.render(Raster(data=numpy.zeros((1, 9, 9), 'uint8')), options, 'png'); "
        "print([name for name in ('rasterio', 'rio_tiler', 'color_operations') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
