"""The steps one by one: kinds, profiles, windows, transcode, overviews, VRT, statistics, check."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.errors import NotGeoreferencedWarning

from tests.support import rasters as made
from tilery.errors import BrokenRaster, InvalidParameter, NotARaster, SourceNotFound, TileryError, UnsupportedRaster
from tilery.publishing import kinds, overviews, profiles, rasters, statistics, transcode, vrt
from tilery.publishing.overviews import factors
from tilery.publishing.progress import Silent
from tilery.publishing.rasters import Georeference
from tilery.publishing.subprocess_work import apart
from tilery.publishing.verification import finished_file
from tilery.publishing.windows import in_order, pieces

QUIET = lambda _amount: None  # noqa: E731


def guess(path: Path) -> str:
    return kinds.guess(rasters.facts(path), kinds.sample(path))


def test_kinds_of_data(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    assert guess(made.rgb(tmp_path / "rgb.tif")) == "imagery"
    assert guess(made.palette(tmp_path / "palette.tif")) == "classes"
    assert guess(made.position(tmp_path / "float.tif")) == "continuous"
    classes = noise.integers(0, 9, (1, 300, 300)).astype("uint8")
    assert guess(made.write(tmp_path / "classes.tif", classes)) == "classes"
    gray = noise.integers(0, 255, (1, 300, 300)).astype("uint8")
    assert guess(made.write(tmp_path / "gray.tif", gray)) == "imagery"
    heights = noise.integers(0, 4000, (1, 300, 300)).astype("int16")
    assert guess(made.write(tmp_path / "heights.tif", heights)) == "continuous"


def test_profiles_refuse_what_they_would_spoil(tmp_path: Path) -> None:
    rgb = rasters.facts(made.rgb(tmp_path / "rgb.tif"))
    heights = rasters.facts(made.gradient(tmp_path / "heights.tif"))
    holes = rasters.facts(made.half_masked(tmp_path / "holes.tif", "nodata"))
    assert profiles.compression("jpeg", rgb, "imagery", 70).options("uint8")["QUALITY"] == "70"
    for name, facts, kind, quality in [
        ("jpeg", heights, "continuous", None),
        ("webp", heights, "continuous", None),
        ("jpeg", holes, "imagery", None),
        ("jpeg", rgb, "classes", None),
        ("deflate", rgb, "imagery", 80),
        ("none", rgb, "imagery", None),
    ]:
        with pytest.raises(InvalidParameter):
            profiles.compression(name, facts, kind, quality)  # type: ignore[arg-type]


def test_predictors_go_by_type() -> None:
    deflate = profiles.COMPRESSIONS["deflate"]
    assert deflate.options("uint16")["PREDICTOR"] == "STANDARD"
    assert deflate.options("float32")["PREDICTOR"] == "FLOATING_POINT"
    assert "PREDICTOR" not in profiles.COMPRESSIONS["lerc"].options("float32")


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([1, 3, 64, 4096]), st.booleans())
@settings(max_examples=60)
def test_pieces_cover_everything_once(width: int, height: int, pixel: int, rows_only: bool) -> None:
    seen = np.zeros((height, width), "uint8")
    for window in pieces(width, height, pixel, rows_only=rows_only):
        seen[window.toslices()] += 1
        assert rows_only or (window.col_off % 512 == 0 and window.row_off % 512 == 0)
    assert (seen == 1).all()


def test_work_comes_back_in_order_and_failures_come_out() -> None:
    windows: list[Any] = list(range(50))
    assert [result for _, result in in_order(windows, lambda number: number * 2)] == [n * 2 for n in range(50)]

    def failing(number: int) -> int:
        if number == 7:
            raise BrokenRaster("no")
        return number

    with pytest.raises(BrokenRaster):
        list(in_order(windows, failing))


@pytest.mark.parametrize("size", [1, 511, 512, 513, 1024, 1025, 100_000])
def test_overviews_end_with_one_block(size: int) -> None:
    found = factors(size, 10)
    assert found == tuple(2**n for n in range(1, len(found) + 1))
    smallest = size / (found[-1] if found else 1)
    assert smallest <= 512
    assert not found or smallest > 256


def test_a_striped_raster_becomes_tiles_with_the_same_pixels(tmp_path: Path) -> None:
    source = made.write(
        tmp_path / "striped.tif",
        made.columns_and_rows(700, 600),
        tiled=False,
        overviews=(),
        scales=(0.1, 1),
        offsets=(5, 0),
    )
    facts = rasters.facts(source)
    assert not transcode.is_random_access(facts) or facts.width <= 2048
    target = tmp_path / "tiled.tif"
    counted: list[int] = []
    transcode.transcode(source, target, facts, transcode.final(profiles.COMPRESSIONS["zstd"], "uint16"), counted.append)
    with rasterio.open(source) as before, rasterio.open(target) as after:
        assert (before.read() == after.read()).all()
        assert after.block_shapes == [(512, 512)] * 2
        assert after.compression.name == "zstd"
        assert after.scales == (0.1, 1)
        assert after.offsets == (5, 0)
        assert (before.crs, before.transform) == (after.crs, after.transform)
    assert sum(counted) == 700 * 600


@pytest.mark.parametrize("kind", ["mask", "nodata", "alpha"])
def test_transcoding_keeps_what_is_missing(tmp_path: Path, kind: str) -> None:
    source = made.half_masked(tmp_path / "source.tif", kind)
    target = tmp_path / "target.tif"
    facts = rasters.facts(source)
    transcode.transcode(
        source, target, facts, transcode.final(profiles.COMPRESSIONS["deflate"], "uint8"), QUIET, mask_inside=True
    )
    with rasterio.open(source) as before, rasterio.open(target) as after:
        assert (before.dataset_mask() == after.dataset_mask()).all()
        assert before.colorinterp == after.colorinterp
    assert not target.with_name("target.tif.msk").exists()


def test_a_picture_without_a_place_gets_one(tmp_path: Path) -> None:
    source = tmp_path / "picture.png"
    data = made.columns_and_rows(300, 200, "uint8", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(source, "w", driver="PNG", width=300, height=200, count=1, dtype="uint8") as file:
            file.write(data)
    with pytest.raises(UnsupportedRaster, match="--crs"):
        rasters.crs_of(rasters.facts(source))
    facts = rasters.facts(source, Georeference(crs="EPSG:4326", bounds=(8, 46, 9, 47), nodata=3))  # type: ignore[arg-type]
    target = tmp_path / "tiled.tif"
    transcode.transcode(source, target, facts, transcode.WORKING, QUIET)
    with rasterio.open(target) as after:
        assert after.bounds == (8, 46, 9, 47)
        assert after.crs.to_epsg() == 4326
        assert after.nodata == 3
        assert (after.read() == data).all()


@pytest.mark.parametrize("inside", [True, False])
def test_overviews_follow_the_mask(tmp_path: Path, *, inside: bool) -> None:
    mask = np.ones((1100, 1100), "bool")
    mask[:, :550] = False
    source = made.write(tmp_path / "source.tif", np.full((1, 1100, 1100), 200, "uint8"), mask=mask, overviews=())
    path = tmp_path / "a.tif"
    transcode.transcode(source, path, rasters.facts(source), transcode.WORKING, QUIET, mask_inside=inside)
    if inside:
        overviews.inside(path, factors(1100, 1100), "average")
    else:
        overviews.sidecar(path, 2, "average", QUIET)
    assert path.with_name("a.tif.ovr").exists() != inside
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2, 4]
    with rasterio.open(path, overview_level=1) as dataset:
        values, valid = dataset.read(1), dataset.dataset_mask()
        assert (valid[:, :137] == 0).all()
        assert (values[:, 140:] == 200).all()


def test_the_vrt_is_the_whole_world_at_the_zoom(tmp_path: Path) -> None:
    source = made.gradient(tmp_path / "index.tif")
    target = tmp_path / "index.vrt"
    vrt.vrt(source, target, rasters.facts(source), 9, "nearest")
    assert str(tmp_path) not in target.read_text()
    with rasterio.open(target) as dataset:
        assert (dataset.width, dataset.height) == (256 * 2**9, 256 * 2**9)
        assert dataset.crs.to_epsg() == 3857
        half = 20037508.342789244
        assert dataset.bounds == pytest.approx((-half, -half, half, half))
        assert dataset.colorinterp[-1].name == "alpha"
        window = dataset.window(890_556, 5_780_350, 1_001_875, 5_942_074)  # the raster's square degree
        alpha = dataset.read(dataset.count, window=window)
        assert (alpha > 0).mean() > 0.95


def exact(data: Any, valid: Any) -> dict[str, float]:
    values = data[valid].astype("float64")
    return {
        "min": values.min(),
        "max": values.max(),
        "mean": values.mean(),
        "std": values.std(),
        "sum": values.sum(),
        "count": values.size,
        "median": np.median(values),
        "percentile_2": np.percentile(values, 2),
        "percentile_98": np.percentile(values, 98),
        "valid_percent": round(100 * values.size / data.size, 2),
    }


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16"])
def test_statistics_of_small_integers_are_exact(tmp_path: Path, dtype: str) -> None:
    random = np.random.default_rng(3)
    limits = np.iinfo(dtype)
    data = random.integers(limits.min, limits.max, (2, 300, 400), endpoint=True).astype(dtype)
    mask = random.random((300, 400)) > 0.3
    path = made.write(tmp_path / "a.tif", data, mask=mask)
    found = statistics.statistics(path, rasters.facts(path), QUIET)
    for number, band in enumerate(data, 1):
        wanted = exact(band, mask)
        assert {name: found[f"b{number}"][name] for name in wanted} == pytest.approx(wanted)
        values, counts = np.unique(band[mask], return_counts=True)
        assert found[f"b{number}"]["unique"] == values.size
        assert counts[values == found[f"b{number}"]["majority"]] == counts.max()
        assert sum(found[f"b{number}"]["histogram"][0]) == mask.sum()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint32"])
def test_statistics_of_other_types_are_close(tmp_path: Path, dtype: str) -> None:
    data = (np.random.default_rng(4).normal(1e6, 2e5, (1, 300, 400))).astype(dtype)
    if dtype.startswith("float"):
        data[0, :20] = np.nan
        data[0, 20] = np.inf
    path = made.write(tmp_path / "a.tif", data)
    found = statistics.statistics(path, rasters.facts(path), QUIET)["b1"]
    wanted = exact(data[0], np.isfinite(data[0]))
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-4)


def test_values_that_only_stand_for_missing_ones_are_told(tmp_path: Path) -> None:
    data = np.random.default_rng(4).normal(100, 10, (1, 300, 400))
    data[0, :20] = np.finfo("float64").min
    path = made.write(tmp_path / "a.tif", data)
    with pytest.raises(UnsupportedRaster, match=r"--nodata=-1\.797"):
        statistics.statistics(path, rasters.facts(path), QUIET)


def test_statistics_of_nothing_and_of_one_value(tmp_path: Path) -> None:
    nothing = made.write(tmp_path / "nothing.tif", np.zeros((1, 100, 100), "uint8"), nodata=0)
    found = statistics.statistics(nothing, rasters.facts(nothing), QUIET)["b1"]
    assert found == {
        "count": 0, "valid_pixels": 0, "masked_pixels": 10_000, "valid_percent": 0.0, "description": "b1",
    }  # fmt: skip
    for dtype in ("uint8", "float32"):
        same = made.constant(tmp_path / f"same-{dtype}.tif", 7, dtype)
        found = statistics.statistics(same, rasters.facts(same), QUIET)["b1"]
        assert (found["min"], found["max"], found["std"], found["percentile_98"]) == (7, 7, 0, 7)
        assert sum(found["histogram"][0]) == 64 * 64


@pytest.mark.parametrize(
    ("dtype", "nodata", "fits"),
    [
        ("uint8", -9999, False),
        ("uint8", float("nan"), False),
        ("uint8", 255, True),
        ("int16", -9999, True),
        ("float32", float("nan"), True),
    ],
)
def test_nodata_has_to_be_a_value_of_the_type(tmp_path: Path, dtype: str, nodata: float, fits: bool) -> None:
    path = made.gradient(tmp_path / "a.tif", dtype, size=100)
    if fits:
        assert rasters.facts(path, rasters.Georeference(nodata=nodata)).nodata == pytest.approx(nodata, nan_ok=True)
        return
    with pytest.raises(InvalidParameter):
        rasters.facts(path, rasters.Georeference(nodata=nodata))


def test_limits_for_display() -> None:
    bands: dict[str, dict[str, Any]] = {
        "b1": {"percentile_2": 1.0, "percentile_98": 9.0},
        "b2": {"percentile_2": 4, "percentile_98": 4, "min": 4, "max": 4},
    }
    assert statistics.limits_for_display(bands, "uint16") == ["1,9", "4,5"]
    far = {"b1": {"percentile_2": 1_700_000_006.0, "percentile_98": 1_700_000_294.0}}
    assert statistics.limits_for_display(far, "uint32") == ["1700000006,1700000294"]
    large = {"b1": {"percentile_2": 1e20, "percentile_98": 1e20, "min": 1e20, "max": 1e20}}
    (pair,) = statistics.limits_for_display(large, "float32") or []
    low, high = map(float, pair.split(","))
    assert low < high
    assert statistics.limits_for_display(bands, "uint8") is None
    assert statistics.limits_for_display({"b1": {"count": 0}}, "uint16") is None


def test_a_file_that_is_not_cloud_optimized_does_not_pass(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.tif", made.columns_and_rows(1200, 1200), block=256, overviews=(2, 4))
    with pytest.raises(BrokenRaster, match="block size"):
        finished_file.check(path, width=1200, height=1200, bands=2, dtype="uint16")
    with pytest.raises(BrokenRaster, match="number of bands"):
        finished_file.check(path, width=1200, height=1200, bands=3, dtype="uint16", cloud_optimized=False)


def test_what_is_not_a_raster(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        rasters.facts(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(NotARaster):
        rasters.facts(tmp_path / "text.tif")
    path = made.write(tmp_path / "complex.tif", np.zeros((1, 64, 64), "complex64"))
    with pytest.raises(UnsupportedRaster):
        rasters.facts(path)


def test_work_in_another_process_tells_its_failures() -> None:
    with pytest.raises(SourceNotFound):
        apart(rasters.facts, Path("/nowhere/none.tif"))
    with pytest.raises(TileryError, match="killed"):
        apart(_die)
    with pytest.raises(TileryError) as caught:
        apart(int, "not a number")
    assert "ValueError" in (caught.value.private or "")


def _die() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def test_silence() -> None:
    with Silent().step("warp", 10, "px") as advance:
        advance(3)
