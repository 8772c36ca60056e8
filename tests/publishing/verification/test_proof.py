"""What the check of a finished raster finds: overviews, places and tiles that are not what they should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling

from app.commands.exits import SOURCE, status_of
from tests.support import rasters as made
from tilery.catalog.catalog import Catalog
from tilery.errors import BrokenRaster, SourceNotFound
from tilery.geo.mercator import HALF
from tilery.publishing import publish as publishing
from tilery.publishing import rasters, warp
from tilery.publishing.overviews import level_file, mask_file
from tilery.publishing.overviews import overviews as make_overviews
from tilery.publishing.plan import PublishOptions
from tilery.publishing.publish import publish
from tilery.publishing.tiff import directories
from tilery.publishing.tiff.blocks import check_sum
from tilery.publishing.verification import overview_levels, served_tiles, valid_area
from tilery.reading.reader import Reader
from tilery.storage.objects import open_store

QUIET = lambda _amount: None  # noqa: E731


def order(source: Path, tmp_path: Path, **changes: Any) -> PublishOptions:
    return PublishOptions(source=str(source), to=str(tmp_path / "catalog"), id="alps", **changes)


def refused(what: PublishOptions, match: str) -> None:
    """It is refused with status 3, and the layer that is there stays."""
    catalog = open_store(what.to)
    before = Catalog(catalog).get("alps").revision
    with pytest.raises(BrokenRaster, match=match) as caught:
        publish(what)
    assert status_of(caught.value) == SOURCE
    assert Catalog(catalog).get("alps").revision == before


def masked(tmp_path: Path, side: int = 1100) -> Path:
    valid = np.random.default_rng(1).random((side, side)) < 0.75
    valid[:, : side // 4] = False
    data = np.where(valid, np.random.default_rng(2).integers(60, 200, (3, side, side)), 0).astype("uint8")
    return made.write(tmp_path / "masked.tif", data, mask=valid, overviews=())


def spoiled(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]) -> None:
    """Overviews are made, and then spoiled."""
    real = make_overviews

    def overviews(path: Path, *arguments: Any, **options: Any) -> Any:
        made = real(path, *arguments, **options)
        spoil(path)
        return made

    monkeypatch.setattr(publishing, "overviews", overviews)


def change(path: Path, work: Callable[[Any], Any]) -> None:
    with rasterio.open(path, "r+") as dataset:
        dataset.write(work(dataset.read()))


def darkened(data: Any) -> Any:
    """Return some pixels in the middle of those that are there are not."""
    rows, columns = np.nonzero(data[0])
    row, column = int(np.median(rows)), int(np.median(columns))
    data[:, row : row + 4, column : column + 4] = 0
    return data


FAULTS: dict[str, Callable[[Path], None]] = {
    "zeros": lambda path: change(level_file(path, 1), np.zeros_like),
    "darker": lambda path: change(level_file(path, 2), lambda data: data // 2),
    "a few dark pixels": lambda path: change(level_file(path, 1), darkened),
    "a mask worn away": lambda path: change(mask_file(path, 1), darkened),
    "a mask filled": lambda path: change(mask_file(path, 2), lambda data: np.full_like(data, 255)),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("grid", ["web", "native"])
def test_an_overview_that_shows_something_else_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, grid: Any
) -> None:
    source = masked(tmp_path)
    what = order(source, tmp_path, kind="imagery", grid=grid)
    publish(what)  # as it is meant nothing is wrong with it
    spoiled(monkeypatch, FAULTS[fault])
    # What is copied block by block is held against what was compressed, the rest against the level above.
    refused(order(source, tmp_path, kind="imagery", grid=grid, profile="zstd"), "not what was written")
    refused(order(source, tmp_path, kind="imagery", grid=grid, profile="lerc"), "overview of 1:")


@pytest.mark.parametrize("method", ["cubic", "mode"])
def test_overviews_that_gdal_spoils_are_found(tmp_path: Path, method: str) -> None:
    """Cubic ones under a mask, and of the mode with a negative nodata value."""
    valid = np.random.default_rng(1).random((1, 1500, 1500)) < 0.75
    valid[:, :700] = False
    path = tmp_path / "a.tif"
    if method == "cubic":
        made.write(
            path, np.where(valid, 200, 0).astype("uint8"), mask=valid[0], overviews=(2, 4), resampling=Resampling.cubic
        )
    else:
        data = np.where(valid, 7, -9999).astype("int16")
        made.write(path, data, nodata=-9999, overviews=(2, 4), resampling=Resampling.mode)
    with pytest.raises(BrokenRaster, match="overview of 1:2 "):
        overview_levels.need_true_overviews(path, rasters.facts(path), method, QUIET, lossless=True)


def lossy(real: Any, lose: Callable[[Any], None]) -> Any:
    """Return a warp that makes something else of a part."""

    def warped(source: Path, target: Path, *arguments: Any, **options: Any) -> Any:
        made = real(source, target, *arguments, **options)
        with rasterio.open(target, "r+") as dataset:
            lose(dataset)
        return replace(made, sums={name: sum_of(target.with_name(name)) for name in made.sums})

    return warped


def sum_of(path: Path) -> int:
    """Of the blocks that a file has now."""
    with path.open("rb") as file:
        places = zip(*directories.first(file).blocks(), strict=True)
        sums = [check_sum(path.read_bytes()[offset : offset + count]) for offset, count in places]
    return check_sum(np.array(sums, "<u4").tobytes())


@pytest.mark.parametrize("part", [0.5, 0.1])
def test_a_part_that_is_lost_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: float) -> None:
    def lose(dataset: Any) -> None:
        data = dataset.read()
        columns = np.flatnonzero((data[0] != -9999).any(axis=0))
        data[:, :, columns[: int(columns.size * part)]] = -9999
        dataset.write(data)

    data = np.random.default_rng(1).integers(1, 3000, (1, 700, 700)).astype("int16")
    source = made.write(tmp_path / "a.tif", data, nodata=-9999)
    publish(order(source, tmp_path))
    monkeypatch.setattr(warp, "warp", lossy(warp.warp, lose))
    refused(order(source, tmp_path, profile="zstd"), "source are missing")


def test_what_comes_from_nowhere_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def invent(dataset: Any) -> None:
        data = dataset.read()
        data[data == -9999] = 0
        dataset.write(data)

    data = np.random.default_rng(1).integers(1, 3000, (1, 700, 700)).astype("int16")
    data[:, :350] = -9999
    source = made.write(tmp_path / "a.tif", data, nodata=-9999)
    publish(order(source, tmp_path))
    monkeypatch.setattr(warp, "warp", lossy(warp.warp, invent))
    refused(order(source, tmp_path, profile="zstd"), "the source has none")


def test_a_raster_elsewhere_is_found(tmp_path: Path) -> None:
    """Half a degree off, all of it."""
    data = np.ones((1, 300, 300), "uint8")
    right = made.write(tmp_path / "a.tif", data, crs="EPSG:4326", bounds=(8, 46, 9, 47))
    wrong = made.write(tmp_path / "b.tif", data, crs="EPSG:3857", bounds=(946000, 5780000, 1057000, 5942000))
    with pytest.raises(BrokenRaster, match="source are missing"):
        valid_area.need_same_area(right, rasters.facts(right), wrong, rasters.facts(wrong))


@pytest.mark.parametrize("fault", ["fails", "empty", "other values"])
def test_a_zoom_that_the_server_does_not_show_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    from dataclasses import replace

    real = Reader.tile

    def tile(self: Reader, matrices: Any, z: int, *arguments: Any, **options: Any) -> Any:
        found = real(self, matrices, z, *arguments, **options)
        if z != 8:
            return found
        if fault == "fails":
            raise SourceNotFound("Gone.")
        if fault == "empty":
            return replace(found, mask=np.zeros((1, *found.data.shape[1:]), "bool"))
        return replace(found, data=found.data + 1)

    source = made.rgb(tmp_path / "a.tif", size=1100)
    assert publish(order(source, tmp_path)).document["minzoom"] <= 8
    monkeypatch.setattr(Reader, "tile", tile)
    with pytest.raises(BrokenRaster, match="ile 8/"):
        publish(order(source, tmp_path, profile="zstd"))


@pytest.mark.parametrize("kind", ["mask", "nodata", "alpha"])
@pytest.mark.parametrize("profile", ["deflate", "jpeg", "webp"])
@pytest.mark.parametrize("grid", ["web", "native"])
def test_what_is_right_passes(tmp_path: Path, kind: str, profile: str, grid: Any) -> None:
    """A quarter of it missing in specks, in a projection that turns it, of an odd size, with losses."""
    size = (901, 1203)
    valid = np.random.default_rng(1).random(size) < 0.75
    data = np.where(valid, np.random.default_rng(2).integers(60, 200, (3, *size)), 0).astype("uint8")
    options: dict[str, Any] = {"mask": valid} if kind == "mask" else {}
    if kind == "nodata":
        options["nodata"] = 0
        if profile != "deflate":
            pytest.skip("such profiles take no nodata value")
    if kind == "alpha":
        data = np.concatenate([data, np.where(valid, 255, 0).astype("uint8")[None]])
        options["alpha"] = True
        if profile != "deflate" and grid == "native":
            pytest.skip("they leave an alpha band out, and native bands stay as they are")
    place: dict[str, Any] = {"crs": "EPSG:32631", "bounds": (200000, 5000000, 260000, 5045000)}
    source = made.write(tmp_path / "a.tif", data, photometric="rgb", overviews=(), **place, **options)
    publish(order(source, tmp_path, kind="imagery", profile=profile, grid=grid))


@pytest.mark.parametrize("kind", ["imagery", "classes"])
def test_infinities_are_missing_wherever_it_is_looked(tmp_path: Path, kind: Any) -> None:
    """As ratios and logarithms have them; a tenth of the pixels, on the map's own grid, where none is made anew."""
    infinite = np.random.default_rng(1).random((1, 700, 700)) < 0.1
    data = np.where(infinite, np.inf, np.random.default_rng(2).uniform(5, 9, (1, 700, 700))).astype("float32")
    data[0, 300:400] *= -1
    step = 2 * HALF / 256 / 2**12
    place: dict[str, Any] = {"crs": "EPSG:3857", "bounds": (0, -700 * step, 700 * step, 0)}
    source = made.write(tmp_path / "a.tif", data, overviews=(), **place)
    document = publish(order(source, tmp_path, kind=kind, grid="web", zoom=12)).document
    assert document["statistics"]["b1"]["valid_pixels"] == np.count_nonzero(~infinite)


def test_nothing_valid_is_nothing_wrong(tmp_path: Path) -> None:
    source = made.write(tmp_path / "a.tif", np.zeros((1, 600, 600), "int16"), nodata=0)
    publish(order(source, tmp_path))
    assert served_tiles._place(rasters.facts(source), valid_area.Points(np.array([], "int64"), np.array([], "int64")))
