"""Files that are written block by block and put together without GDAL, read by GDAL."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from tilery.errors import BrokenRaster
from tilery.publishing import rasters
from tilery.publishing.profiles import COMPRESSIONS
from tilery.publishing.tiff import assembled, directories, level_writer
from tilery.publishing.tiff.blocks import WORKING, Encoding, encode, encoding, folded
from tilery.publishing.tiff.copied import need_same_blocks
from tilery.publishing.tiff.level_writer import writing_level, writing_mask
from tilery.publishing.verification import finished_file

PLACE: dict[str, Any] = {"crs": "EPSG:3857", "transform": Affine(10, 0, 1000, 0, -10, 9000)}


def noise(shape: tuple[int, ...], dtype: str, seed: int = 1) -> Any:
    """Return values of all sizes that the type has."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (rng.normal(size=shape) * 10.0 ** rng.integers(-9, 9, shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


SUMS: dict[str, int] = {}
"""Of the files that a test writes."""


def write(path: Path, data: Any, chosen: Encoding, describe: Any = None, **profile: Any) -> Path:
    count, height, width = data.shape
    profile = PLACE | {"count": count, "height": height, "width": width, "dtype": data.dtype.name} | profile
    with rasters.environment(), writing_level(path, chosen, describe, **profile) as level:
        for top in reversed(range(0, height, 512)):  # each row of blocks for itself, in whatever order
            window = Window(0, top, width, min(512, height - top))
            level.write(level.encoded(data[:, top : top + 512], window))
    SUMS[path.name] = level.sum()
    return path


@pytest.mark.parametrize("name", ["deflate", "zstd"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)
def test_gdal_reads_what_was_written(tmp_path: Path, name: str, dtype: str) -> None:
    chosen = encoding(COMPRESSIONS[name], dtype)
    assert chosen is not None
    data = noise((3, 600, 530), dtype)
    data[:, 100:400, 50:500] = data[:, :1, :1]  # something that the slower codec makes smaller
    with rasterio.open(write(tmp_path / "a.tif", data, chosen)) as dataset:
        assert dataset.block_shapes == [(512, 512)] * 3
        assert dataset.compression.name == name
        np.testing.assert_array_equal(dataset.read(), data)


def test_what_was_not_written_is_missing(tmp_path: Path) -> None:
    profile = PLACE | {"width": 1100, "height": 10, "count": 1, "dtype": "int16", "nodata": -7}
    with rasters.environment(), writing_level(tmp_path / "a.tif", WORKING, **profile) as level:
        level.write(level.encoded(np.full((1, 10, 512), 3, "int16"), Window(512, 0, 512, 10)))
    with rasterio.open(tmp_path / "a.tif") as dataset:
        found = dataset.read(1)
    assert (found[:, 512:1024] == 3).all()
    assert (found[:, :512] == -7).all()
    assert (found[:, 1024:] == -7).all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_a_block_at_the_edge_has_its_outermost_pixels_again(dtype: str) -> None:
    data = np.arange(2 * 3 * 4, dtype=dtype).reshape(2, 3, 4)
    block = folded(data, 1).reshape(512, 512, 2)
    np.testing.assert_array_equal(block[:3, :4], data.transpose(1, 2, 0))
    assert (block[:3, 4:] == data[:, :, -1].T[:, None]).all()
    assert (block[3:] == block[2]).all()


def test_orderly_blocks_are_compressed_with_more_care() -> None:
    """Noise is left to the fast codec; a picture of stripes becomes as small as by zlib's sixth level."""
    chosen = Encoding(compress="DEFLATE", level=6)
    stripes = np.tile(np.arange(512, dtype="uint8") // 7 * 31, (1, 512, 1))
    assert len(encode(stripes, chosen)) <= 1.05 * len(zlib.compress(stripes.tobytes(), 6))


@pytest.mark.parametrize("half", ["photograph", "nothing", "words"])
def test_no_block_becomes_larger_without_a_search_for_strings(half: str) -> None:
    """A photograph's differences, half of it missing, and beside what repeats at distances that only a search finds."""
    rng = np.random.default_rng(8)
    data = np.cumsum(np.rint(rng.laplace(0, 3, (3, 512, 512))), axis=2).astype("int64").astype("uint8")
    if half == "nothing":
        data[:, :, 200:] = 0
    if half == "words":
        data[:] = np.tile(data[:, :, :64], (1, 1, 8))
    for predictor in (1, 2):
        chosen = Encoding(compress="DEFLATE", level=6, predictor=predictor)
        made, raw = encode(data, chosen), folded(data, predictor).tobytes()
        assert zlib.decompress(made) == raw
        assert len(made) <= 1.02 * len(zlib.compress(raw, 1))


@pytest.mark.parametrize("compress", ["DEFLATE", "ZSTD"])
def test_a_codec_that_errs_is_noticed_while_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: Any
) -> None:
    for wrong in (b"no block", zlib.compress(bytes(512 * 512)), imagecodecs.zstd_encode(bytes(512 * 512))):
        monkeypatch.setattr(level_writer, "encode", lambda _data, _chosen, made=wrong: made)
        with pytest.raises(BrokenRaster, match="compressed from"):
            write(tmp_path / "a.tif", noise((1, 512, 512), "uint8"), Encoding(compress=compress, level=1))


def levels_of(
    tmp_path: Path, width: int, height: int, *, masked: bool
) -> tuple[list[tuple[Path, Path | None]], Any, Any]:
    """Return files of a raster and two overviews with masks; what is in them."""

    def describe(dataset: Any) -> None:
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        dataset.set_band_description(2, "grün")
        dataset.scales, dataset.offsets = (0.5, 1, 1), (3, 0, 0)
        dataset.update_tags(OWNER="somebody & co")

    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    assert chosen is not None
    found, pixels, masks = [], [], []
    for level in range(3):
        shape = (3, -(-height // 2**level), -(-width // 2**level))
        pixels.append(noise(shape, "uint8", level))
        path = write(tmp_path / f"{level}.tif", pixels[-1], chosen, describe if not level else None)
        mask = None
        masks.append(np.ones(shape[1:], "bool"))
        if masked:
            masks[-1] = noise(shape[1:], "uint8", level + 9) > 100
            masks[-1][: shape[1] // 2] = True
            mask = tmp_path / f"{level}.msk"
            place = PLACE | {"width": shape[2], "height": shape[1]}
            with rasters.environment(), writing_mask(mask, **place) as made:
                said = masks[-1][None].astype("uint8") * np.uint8(255)
                made.write(made.encoded(said, Window(0, 0, shape[2], shape[1])))
            SUMS[mask.name] = made.sum()
        found.append((path, mask))
    return found, pixels, masks


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("big", [False, True])
def test_levels_become_one_cloud_optimized_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, masked: bool, big: bool
) -> None:
    if big:
        monkeypatch.setattr(assembled, "_LARGEST", 0)
    levels, pixels, masks = levels_of(tmp_path, 1300, 1100, masked=masked)
    target = tmp_path / "target.tif"
    assembled.assemble(levels, target)
    assert target.read_bytes()[2] == (43 if big else 42)
    for level in range(3):
        with rasterio.open(target, **({"overview_level": level - 1} if level else {})) as dataset:
            np.testing.assert_array_equal(dataset.read(), pixels[level])
            np.testing.assert_array_equal(dataset.dataset_mask() != 0, masks[level])
    with rasterio.open(target) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1) == [2, 4]
        assert (dataset.crs.to_epsg(), dataset.transform) == (3857, PLACE["transform"])
        assert dataset.descriptions == (None, "grün", None)
        assert (dataset.scales, dataset.offsets) == ((0.5, 1, 1), (3, 0, 0))
        assert dataset.tags()["OWNER"] == "somebody & co"
        assert dataset.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    finished_file.check(target, width=1300, height=1100, bands=3, dtype="uint8")
    need_same_blocks(levels, SUMS, target)


@pytest.mark.parametrize("image", [0, 1, 4, 5])
def test_a_byte_that_changed_on_the_way_is_seen(tmp_path: Path, image: int) -> None:
    """Of the raster, of its mask, and of the same of the smallest overview."""
    levels, _, _ = levels_of(tmp_path, 1300, 1100, masked=True)
    target = tmp_path / "target.tif"
    assembled.assemble(levels, target)
    with target.open("r+b") as file:
        offsets, counts = list(directories.chain(file))[image].blocks()
        file.seek(int(offsets[-1] + counts[-1] // 2))
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(BrokenRaster, match="not what was written"):
        need_same_blocks(levels, SUMS, target)


def test_files_that_end_too_early_are_not_copied(tmp_path: Path) -> None:
    levels, _, _ = levels_of(tmp_path, 600, 500, masked=False)
    path = levels[1][0]
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(BrokenRaster):
        assembled.assemble(levels, tmp_path / "target.tif")


@pytest.mark.parametrize(
    ("options", "copied"),
    [
        ({"compress": "DEFLATE", "predictor": 2}, True),
        ({"compress": "DEFLATE"}, False),
        ({"compress": "ZSTD", "predictor": 2}, False),
        ({"compress": "DEFLATE", "predictor": 2, "blockxsize": 256}, False),
        ({"compress": "DEFLATE", "predictor": 2, "tiled": False}, False),
    ],
)
def test_only_blocks_as_they_are_published_are_copied(tmp_path: Path, options: dict[str, Any], copied: bool) -> None:
    shape = {"width": 600, "height": 600, "count": 1, "dtype": "uint8"}
    with rasters.writing(tmp_path / "a.tif", **shape, **PLACE, **options) as dataset:
        dataset.write(noise((1, 600, 600), "uint8"))
    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    assert chosen is not None
    assert assembled.can_be_copied(tmp_path / "a.tif", chosen) is copied


def test_what_is_no_tiff_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"nothing")
    assert not assembled.can_be_copied(tmp_path / "a.tif", WORKING)
