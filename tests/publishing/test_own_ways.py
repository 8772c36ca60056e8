"""What publishing works out while pixels are made: statistics, checks of overviews, warps of arrays in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from tests.support import rasters as made
from tilery.errors import BrokenRaster
from tilery.publishing import downsampling, grid, halving, overviews, rasters, statistics, transcode, warp, windows
from tilery.publishing.bounds import map_bounds
from tilery.publishing.cog import cog
from tilery.publishing.profiles import COMPRESSIONS
from tilery.publishing.tiff import directories
from tilery.publishing.tiff.blocks import encoding
from tilery.publishing.warp_window import source_window

QUIET = lambda _amount: None  # noqa: E731
UTM: dict[str, Any] = {"crs": "EPSG:32632", "transform": Affine(10, 0, 500_000, 0, -10, 5_300_000)}


def raster(path: Path, data: Any, *, mask: Any = None, colorinterp: Any = None, **profile: Any) -> Path:
    count, height, width = data.shape
    profile = UTM | {"count": count, "height": height, "width": width, "dtype": data.dtype.name} | profile
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasters.writing(path, **profile) as dataset:
        dataset.write(data)
        if colorinterp:
            dataset.colorinterp = colorinterp
        if mask is not None:
            dataset.write_mask(mask)
    return path


@pytest.mark.parametrize("case", ["plain", "nodata", "alpha", "mask", "signed", "native"])
def test_statistics_on_the_way_are_those_of_the_file(tmp_path: Path, case: str) -> None:
    rng = np.random.default_rng(3)
    data = rng.integers(0, 250, (3, 700, 900)).astype("uint8")
    options: dict[str, Any] = {}
    if case == "nodata":
        options["nodata"] = 7
    if case == "alpha":
        data = np.concatenate([data, (rng.random((1, 700, 900)) > 0.3).astype("uint8") * np.uint8(255)])
        options["colorinterp"] = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    if case in ("mask", "native"):
        options["mask"] = (rng.random((700, 900)) > 0.3).astype("uint8") * 255
    if case == "signed":
        data = (data.astype("int16") - 100) * 200
    source = raster(tmp_path / "a.tif", data, **options)
    profile = rasters.facts(source)
    target = tmp_path / "b.tif"
    chosen = encoding(COMPRESSIONS["deflate"], profile.dtypes[0])
    assert chosen is not None
    if case == "native":
        level = transcode.transcode(source, target, profile, {}, QUIET, encoding=chosen)
    else:
        covered = grid.covering(map_bounds(profile), 12)
        way = warp.missing(profile, keep_alpha=True)
        level = warp.warp(source, target, profile, covered, way, "nearest", QUIET, encoding=chosen)
    assert level is not None
    finished = rasters.facts(target, checked=True)
    on_the_way = statistics.statistics(target, finished, QUIET, level.facts()["counts"])
    assert on_the_way == statistics.statistics(target, finished, QUIET)
    assert 0 < on_the_way["b1"]["valid_percent"] < 100 or case == "native"


def test_an_overview_that_shows_something_else_is_seen_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = made.rgb(tmp_path / "a.tif", size=1200, overviews=())
    halve = downsampling.halve

    def wrong(*arguments: Any) -> Any:
        data, valid = halve(*arguments)
        return data // 2, valid

    overviews.overviews(source, 2, "cubic", QUIET, checked=True)
    monkeypatch.setattr(halving, "halve", wrong)
    with pytest.raises(BrokenRaster, match="does not show what the level above it shows"):
        overviews.overviews(source, 2, "cubic", QUIET, checked=True)


def test_a_block_that_does_not_decode_stops_the_overviews(tmp_path: Path) -> None:
    source = made.rgb(tmp_path / "a.tif", size=1200, overviews=())
    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    tiled = tmp_path / "tiled.tif"
    transcode.transcode(source, tiled, rasters.facts(source), {}, QUIET, encoding=chosen)
    with rasterio.open(tiled) as dataset:
        place = int(dataset.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", 1))
    with tiled.open("r+b") as file:
        file.seek(place + 200)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 255]))
    with pytest.raises(BrokenRaster):
        overviews.overviews(tiled, 2, "cubic", QUIET, checked=True)


@pytest.mark.parametrize("size", [1200, 1301])
@pytest.mark.parametrize("case", ["plain", "nodata", "alpha", "mask", "classes"])
def test_the_first_overview_is_the_one_that_is_made_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, size: int
) -> None:
    """Byte by byte, whatever is missing of the raster, at the seams of the windows it was made in too."""
    rng = np.random.default_rng(3)
    data = np.cumsum(rng.integers(-3, 4, (3, size, 1600)), axis=2).astype("uint8")
    options: dict[str, Any] = {}
    hole = np.hypot(*np.ogrid[-700 : size - 700, -1010:590]) < 300  # over the corner where four windows meet
    if case == "nodata":
        options["nodata"] = 0
        data[:, hole] = 0
    if case == "alpha":
        data = np.concatenate([data, np.where(hole, 0, 250).astype("uint8")[None]])
        options["colorinterp"] = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    if case == "mask":
        options["mask"] = np.where(hole, 0, 255).astype("uint8")
    source = raster(tmp_path / "a.tif", data, **options)
    profile = rasters.facts(source)
    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    assert chosen is not None
    monkeypatch.setattr(windows, "PIECE", 4 << 20)
    how = "mode" if case == "classes" else "cubic"
    made = [tmp_path / f"{name}.tif" for name in ("with", "after")]
    with_it = transcode.transcode(source, made[0], profile, {}, QUIET, encoding=chosen, overview=how)
    assert with_it is not None
    assert with_it.halved
    after = transcode.transcode(source, made[1], profile, {}, QUIET, encoding=chosen)
    assert after is not None
    assert not after.halved
    sums = overviews.overviews(made[1], 1, how, QUIET, encoding=chosen, checked=True)
    names = [overviews.level_file, *([overviews.mask_file] if case == "mask" else [])]
    assert [with_it.sums[of(made[0], 1).name] for of in names] == [sums[of(made[1], 1).name] for of in names]
    assert list(with_it.sums.values())[: len(names)] == list(after.sums.values())
    more = overviews.overviews(made[0], 2, how, QUIET, encoding=chosen, checked=True, first=2)
    assert set(more) == {of(made[0], 2).name for of in names}


def test_a_first_overview_that_shows_something_else_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = made.rgb(tmp_path / "a.tif", size=1200, overviews=())
    halve = downsampling.halve
    monkeypatch.setattr(halving, "halve", lambda *given: (halve(*given)[0] // 2, halve(*given)[1]))
    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    with pytest.raises(BrokenRaster, match="does not show what the level above it shows"):
        transcode.transcode(
            source, tmp_path / "b.tif", rasters.facts(source), {}, QUIET, encoding=chosen, overview="cubic"
        )


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"compress": "deflate", "predictor": 2}, True),
        ({"compress": "deflate", "predictor": 2, "zlevel": 1}, True),
        ({"compress": "deflate"}, False),
        ({"compress": "zstd", "predictor": 2}, False),
        ({"compress": "deflate", "predictor": 2, "blockxsize": 256, "blockysize": 256}, False),
    ],
)
def test_blocks_that_are_as_they_are_published_are_taken(tmp_path: Path, options: dict[str, Any], taken: bool) -> None:
    rng = np.random.default_rng(3)
    data = np.cumsum(rng.integers(-9, 10, (3, 1024, 1024)), axis=2).astype("uint8")
    data[:, :512, :512] = 7  # a block that may become smaller
    source = raster(tmp_path / "a.tif", data, **options)
    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    target = tmp_path / "b.tif"
    transcode.transcode(source, target, rasters.facts(source), {}, QUIET, encoding=chosen)

    def blocks(path: Path) -> list[bytes]:
        with path.open("rb") as file:
            places = zip(*directories.first(file).blocks(), strict=True)
            return [path.read_bytes()[offset : offset + count] for offset, count in places]

    before, after = blocks(source), blocks(target)
    if options.get("blockxsize") != 256:
        assert [one == other for one, other in zip(before[1:], after[1:], strict=True)] == [taken] * 3
        assert not taken or len(after[0]) <= len(before[0])
    with rasterio.open(target) as found:
        np.testing.assert_array_equal(found.read(), data)


@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic"])
def test_a_warp_in_memory_is_that_of_gdals_dataset(tmp_path: Path, resampling: str) -> None:
    rows, columns = np.mgrid[0:500, 0:600]
    data = np.stack([rows // 3 + columns // 9, 120 + 100 * np.sin(rows / 30) * np.cos(columns / 20)]).astype("uint8")
    source = raster(tmp_path / "a.tif", data)
    profile = rasters.facts(source)
    covered = grid.covering(map_bounds(profile), 13)
    way = warp.missing(profile, keep_alpha=True)
    assert way.mask
    target = tmp_path / "b.tif"
    warp.warp(source, target, profile, covered, way, resampling, QUIET)
    with rasterio.open(target) as found, warp.warped(source, profile, covered, way, resampling, add_alpha=True) as vrt:
        same = found.dataset_mask() == vrt.read(3)
        assert np.count_nonzero(~same) <= 20  # where an edge meets the middle of a pixel
        both = same & (vrt.read(3) != 0)
        difference = np.abs(found.read().astype(int) - vrt.read([1, 2]))[:, both]
    assert both.sum() > 100_000
    assert difference.max() <= (8 if resampling == "nearest" else 1)
    assert np.mean(difference > 1) < 0.02  # GDAL's places may miss by an eighth of a pixel


def test_a_window_beyond_the_raster_needs_none_of_it(tmp_path: Path) -> None:
    profile = rasters.facts(raster(tmp_path / "a.tif", np.ones((1, 400, 300), "uint8")))
    covered = grid.covering(map_bounds(profile), 16)
    window = Window(0, 0, 512, 512)
    far = grid.WebGrid(zoom=16, left=covered.left - 90_000, top=covered.top, width=512, height=512)
    found = source_window(profile, far, window, 1)
    assert found is not None
    assert found.width == 0


def test_a_window_that_needs_too_much_is_left_to_gdal(tmp_path: Path) -> None:
    profile = rasters.facts(raster(tmp_path / "a.tif", np.ones((1, 9000, 9000), "uint8")))
    covered = grid.covering(map_bounds(profile), 7)
    assert source_window(profile, covered, Window(0, 0, covered.width, covered.height), 1) is None


def test_a_window_across_a_seam_of_the_crs_is_left_to_gdal(tmp_path: Path) -> None:
    """A Mercator projection of the Pacific ends in the Atlantic, where its last column meets its first."""
    place = {"crs": "EPSG:3832", "transform": Affine(200_000, 0, -20_000_000, 0, -100_000, 5_000_000)}
    profile = rasters.facts(raster(tmp_path / "a.tif", np.ones((1, 100, 200), "uint8"), **place))
    world = grid.world(4)
    assert source_window(profile, world, Window(1024, 1536, 1024, 1024), 1) is None
    found = source_window(profile, world, Window(3072, 1536, 512, 512), 1)
    assert found is not None
    assert 0 < found.width < 60


@pytest.mark.parametrize("name", ["jpeg", "lerc"])
def test_what_only_gdal_compresses_is_left_to_it(tmp_path: Path, name: str) -> None:
    source = made.rgb(tmp_path / "a.tif", size=600, overviews=())
    working = tmp_path / "b.tif"
    transcode.transcode(source, working, rasters.facts(source), transcode.WORKING, QUIET)
    overviews.overviews(working, 1, "cubic", QUIET)
    cog(working, tmp_path / "c.tif", COMPRESSIONS[name], "uint8", 1, QUIET)
    with rasterio.open(tmp_path / "c.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert name in dataset.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"].lower()
