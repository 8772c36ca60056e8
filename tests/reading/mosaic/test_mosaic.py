"""Mosaics, open: right pixels where rasters overlap, nothing opened that is not needed, changes seen, limits kept."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rasterio.shutil import copy
from rasterio.transform import from_bounds

from tests.support import exact, mosaics, rasters
from tests.support.upstream import Fault, Upstream
from tilery.engine import Engine, EngineOptions
from tilery.errors import (
    AnswerTooLarge,
    InvalidBand,
    NotARaster,
    SourceNotFound,
    SourceRefused,
    TileOutsideBounds,
    TooMuchWork,
    UnsupportedRaster,
    UpstreamError,
)
from tilery.geo import crs as crs_
from tilery.geo.raster import Raster
from tilery.geo.tms import get as matrix_set_of
from tilery.limits import memory
from tilery.limits.memory import Memory
from tilery.reading import source
from tilery.reading.mosaic import dataset, parts
from tilery.reading.mosaic.source import mosaic_source
from tilery.reading.options import PIXEL_SELECTIONS, ReadLimits, ReadOptions
from tilery.storage.policy import Policy

MERCATOR = matrix_set_of("WebMercatorQuad")
MIDDLE = exact.tile_of(8.5, 46.5, 10)
WEST: rasters.Bounds = (8.0, 46.0, 8.6, 47.0)
EAST: rasters.Bounds = (8.4, 46.0, 9.0, 47.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("mosaics").resolve()
    rasters.gradient(found / "west.tif", "int16", size=512, bounds=WEST)
    rasters.gradient(found / "east.tif", "int16", size=300, bounds=EAST, scales=(2.0, 1.0), offsets=(10.0, 0.0))
    rasters.half_masked(found / "half.tif", "nodata")
    rasters.constant(found / "nine.tif", 9, count=3)
    rasters.constant(found / "far.tif", 5, count=2, dtype="int16", bounds=(10, 46, 11, 47))
    mosaics.write(found / "both.json", "west.tif", "east.tif")
    mosaics.write(found / "far-first.json", "far.tif", "west.tif")
    mosaics.write(found / "gaps.json", "half.tif", "nine.tif", mosaicjson="0.0.3", asset_prefix=f"{found}/")
    (found / "packed.json.gz").write_bytes(gzip.compress(mosaics.encoded("west.tif", "east.tif")))
    mosaics.write(found / "missing.json", "west.tif", "gone.tif", "east.tif")
    return found


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    with Engine(EngineOptions(policy=Policy.from_sources([str(folder)]))) as found:
        yield found


def tile(
    engine: Engine, address: Path | str, place: tuple[int, int, int] = MIDDLE, *, edges: Any = None, **options: Any
) -> Raster:
    with engine.open(mosaic_source(engine.locate(str(address)))) as reader:
        return reader.tile(MERCATOR, *place, ReadOptions(**options), **(edges or {}))


def expected(bounds: rasters.Bounds, size: int, place: tuple[int, int, int] = MIDDLE) -> Any:
    data = rasters.columns_and_rows(size, size, "int16", 2)
    return exact.nearest(data, from_bounds(*bounds, size, size), "EPSG:4326", exact.tile_bounds(*place))


def shown(raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    return raster.data, np.ones(raster.data.shape[1:], bool) if raster.mask is None else raster.mask[0]


@pytest.mark.parametrize("name", ["both.json", "packed.json.gz"])
def test_the_first_raster_is_on_top_where_two_overlap(engine: Engine, folder: Path, name: str) -> None:
    place = exact.tile_of(8.6, 46.5, 10)
    left, right = expected(WEST, 512, place), expected(EAST, 300, place)
    values = np.where(left[1], left[0], right[0])
    raster = tile(engine, folder / name, place)
    exact.assert_shows(shown(raster), (values, left[1] | right[1], left[2] & right[2]))
    assert [name for name, _ in raster.parts] == ["west.tif", "east.tif"]
    assert (raster.band_names, raster.crs) == (("b1", "b2"), "EPSG:3857")


def test_gaps_are_filled_from_the_next(engine: Engine, folder: Path) -> None:
    raster = tile(engine, folder / "gaps.json")
    assert raster.mask is None
    west, _, east, _ = exact.tile_bounds(*MIDDLE)
    x = west + (np.arange(256) + 0.5) * (east - west) / 256
    degrees = np.asarray(crs_.transform_points(crs_.WEB_MERCATOR, crs_.WGS84, x, np.full(256, 5.86e6))[0])
    sure = np.abs(degrees - 8.5) > 1 / 256
    assert np.array_equal(raster.data[0, 100, sure], np.where(degrees < 8.5, 9, 100)[sure])


def test_an_expression_is_worked_out_before_pixels_are_chosen(engine: Engine, folder: Path) -> None:
    place = exact.tile_of(8.5, 46.5, 11)
    left, right = expected(WEST, 512, place), expected(EAST, 300, place)
    found = tile(engine, folder / "both.json", place, expression="b1-b2", bands=(1, 2), pixel_selection="highest")
    assert found.calculated
    wanted = np.maximum(left[0][0] - left[0][1], right[0][0] - right[0][1])
    sure = left[2] & right[2] & left[1] & right[1]
    assert np.array_equal(found.data[0][sure], wanted[sure])


def test_scale_nodata_and_bands_are_those_of_each_raster(engine: Engine, folder: Path) -> None:
    place = exact.tile_of(8.8, 46.5, 10)
    found = tile(engine, folder / "both.json", place, bands=(2, 1), unscale=True)
    right = expected(EAST, 300, place)
    sure = right[2] & right[1]
    assert np.array_equal(found.data[1][sure], right[0][0][sure] * 2.0 + 10.0)
    given = tile(engine, folder / "gaps.json", nodata=100)
    assert given.mask is None
    assert set(np.unique(given.data)) == {0, 9}


def test_edges_are_read_of_each_raster(engine: Engine, folder: Path) -> None:
    plain = tile(engine, folder / "both.json", edges={"padding": 3})
    assert np.array_equal(plain.data, tile(engine, folder / "both.json").data)
    wide = tile(engine, folder / "both.json", edges={"buffer": 2})
    assert wide.data.shape == (2, 260, 260)
    assert np.array_equal(wide.data[:, 2:-2, 2:-2], plain.data)


def test_a_raster_elsewhere_takes_no_part(engine: Engine, folder: Path) -> None:
    raster = tile(engine, folder / "far-first.json", exact.tile_of(8.3, 46.5, 11))
    assert [name for name, _ in raster.parts] == ["west.tif"]
    with pytest.raises(TileOutsideBounds):
        tile(engine, folder / "far-first.json", exact.tile_of(8.95, 46.5, 11))
    with pytest.raises(TileOutsideBounds):
        tile(engine, folder / "both.json", (10, 0, 0))


def test_a_part_without_rasters_is_empty(engine: Engine, folder: Path) -> None:
    with engine.open(mosaic_source(engine.locate(str(folder / "both.json")))) as reader:
        found = reader.part((20, 46, 21, 47), bounds_crs=crs_.WGS84, options=ReadOptions(), width=8, height=8)
        assert found.data.shape == (2, 8, 8)
        assert found.data.dtype == np.int16
        assert found.mask is not None
        assert not found.mask.any()
        whole = reader.preview(options=ReadOptions(), max_size=64)
        assert whole.data.shape == (2, 64, 64)
        assert reader.zooms(MERCATOR) == (7, 12)
        assert reader.zooms(matrix_set_of("WorldCRS84Quad")) == (0, 23)


def test_a_missing_raster_is_an_error_unless_it_is_to_be_left_out(engine: Engine, folder: Path) -> None:
    place = exact.tile_of(8.8, 46.5, 10)
    with pytest.raises(SourceNotFound, match=r"Raster 'gone.tif' of the mosaic") as missing:
        tile(engine, folder / "missing.json", place)
    assert str(folder) not in missing.value.detail
    found = tile(engine, folder / "missing.json", place, skip_missing=True)
    assert np.array_equal(found.data, tile(engine, folder / "both.json", place).data)
    covered = tile(engine, folder / "missing.json", exact.tile_of(8.2, 46.5, 11))
    assert [name for name, _ in covered.parts] == ["west.tif"]


def test_rasters_that_do_not_fit_together_are_refused(engine: Engine, folder: Path) -> None:
    mosaics.write(folder / "unlike.json", "half.tif", "west.tif")
    with pytest.raises(InvalidBand, match="2 bands where the first raster of the mosaic has 3"):
        tile(engine, folder / "unlike.json")
    found = tile(engine, folder / "unlike.json", bands=(1,))
    assert found.data.dtype == np.int16
    rasters.write(folder / "complex.tif", np.full((1, 64, 64), 1 + 2j, "complex64"))
    mosaics.write(folder / "complex.json", "complex.tif")
    assert tile(engine, folder / "complex.json", pixel_selection="mean").data[0, 9, 9] == 1 + 2j
    with pytest.raises(UnsupportedRaster, match="complex"):
        tile(engine, folder / "complex.json", pixel_selection="highest")


def test_addresses_are_checked_one_by_one(engine: Engine, folder: Path, tmp_path: Path) -> None:
    secret = rasters.constant(tmp_path / "secret.tif", 7)
    (folder / "link.tif").unlink(missing_ok=True)
    (folder / "link.tif").symlink_to(secret)
    away = ["../" * 20 + str(secret).lstrip("/"), str(secret), "http://169.254.169.254/a.tif", "link.tif"]
    for number, address in enumerate(away):
        mosaics.write(folder / f"hostile{number}.json", "far.tif", address)
        with pytest.raises(SourceRefused, match="of the mosaic") as refused:
            tile(engine, folder / f"hostile{number}.json")
        assert str(tmp_path) not in refused.value.detail
    mosaics.write(folder / "loop.json", "loop.json")
    with pytest.raises(NotARaster, match=r"loop\.json"):
        tile(engine, folder / "loop.json")


def test_more_rasters_than_may_be_opened_are_refused_before_any_is(tmp_path: Path) -> None:
    names = [f"{number}.tif" for number in range(6)]
    mosaics.write(tmp_path / "m.json", *names)
    few = ReadLimits(assets=5)
    with Engine(EngineOptions(policy=Policy.from_sources([str(tmp_path)]))) as engine:
        with pytest.raises(TooMuchWork, match="open 6 rasters") as refused:
            tile(engine, tmp_path / "m.json", exact.tile_of(8.5, 46.5, 7), limits=few)
        assert refused.value.limit == 5
        with pytest.raises(TooMuchWork):
            tile(engine, tmp_path / "m.json", pixel_selection="mean", limits=few)
        for name in names:
            rasters.half_masked(tmp_path / name, "nodata")
        with pytest.raises(TooMuchWork):  # of a stack the first are taken, until it takes too many
            tile(engine, tmp_path / "m.json", limits=few)
        rasters.constant(tmp_path / "0.tif", 1, count=3)
        assert (tile(engine, tmp_path / "m.json", limits=few).data == 1).all()


@pytest.mark.parametrize("selection", PIXEL_SELECTIONS)
@pytest.mark.parametrize("expression", [None, "b1/b2;b2*2.0"])
def test_memory_is_asked_for_before_it_is_taken(folder: Path, selection: str, expression: str | None) -> None:
    for number in range(6):
        data = np.full((2, 256, 256), number, "uint16")
        if not (folder / f"part{number}.tif").exists():
            rasters.write(folder / f"part{number}.tif", data, nodata=0, mask=None)
    mosaics.write(folder / "parts.json", *(f"part{number}.tif" for number in range(6)))
    options = EngineOptions(policy=Policy.from_sources([str(folder)]), block_cache_bytes=1 << 20)
    wanted = ReadOptions(bands=(1, 2), pixel_selection=selection, expression=expression)
    asked: list[int] = []
    budget = Memory(1 << 30)
    take = budget.take
    budget.take = lambda grant, size: (asked.append(size), take(grant, size))[1]  # type: ignore[method-assign,func-returns-value]
    with Engine(options) as engine:
        source_ = mosaic_source(engine.locate(str(folder / "parts.json")))
        with engine.open(source_) as reader:
            reader.tile(MERCATOR, *MIDDLE, wanted)
        tracemalloc.start()
        try:
            with budget.work(), engine.open(source_) as reader:
                reader.tile(MERCATOR, *MIDDLE, wanted, width=700, height=700)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert budget.held == 0
    assert peak < max(asked) + (1 << 20)


def test_a_low_zoom_is_answered_from_the_overview(tmp_path: Path) -> None:
    for number in range(3):
        rasters.constant(tmp_path / f"{number}.tif", number)
    rasters.constant(tmp_path / "low.tif", 77)
    names = [f"{number}.tif" for number in range(3)]
    mosaics.write(tmp_path / "m.json", *names, overview="low.tif", minzoom=9)
    with Engine(EngineOptions(policy=Policy.from_sources([str(tmp_path)]))) as engine:
        low = tile(engine, tmp_path / "m.json", exact.tile_of(8.5, 46.5, 7))
        assert low.data[0][shown(low)[1]].min() == 77
        assert [name for name, _ in low.parts] == ["low.tif"]
        assert tile(engine, tmp_path / "m.json", exact.tile_of(8.5, 46.5, 10)).data.max() == 0
        crowded = tile(engine, tmp_path / "m.json", MIDDLE, pixel_selection="mean", limits=ReadLimits(assets=2))
        assert crowded.data.max() == 77
        with engine.open(mosaic_source(engine.locate(str(tmp_path / "m.json")))) as reader:
            assert reader.zooms(MERCATOR) == (8, 12), "about as large as a tile"


def test_a_changed_raster_or_document_is_seen(tmp_path: Path) -> None:
    rasters.constant(tmp_path / "a.tif", 1)
    rasters.constant(tmp_path / "b.tif", 2)
    mosaics.write(tmp_path / "m.json", "a.tif")
    with Engine(EngineOptions(policy=Policy.from_sources([str(tmp_path)]))) as engine:
        mosaic = mosaic_source(engine.locate(str(tmp_path / "m.json")))

        def look() -> tuple[int, str]:
            with engine.open(mosaic) as reader:
                found = reader.tile(MERCATOR, *MIDDLE, ReadOptions())
                identity = reader.tile_identity(MERCATOR, *MIDDLE)
            with engine.open(mosaic) as reader:
                assert reader.tile_identity(MERCATOR, *MIDDLE) == identity
            return int(found.data[0, 9, 9]), identity

        first = look()
        assert first[0] == 1
        rasters.constant(tmp_path / "new.tif", 3).rename(tmp_path / "a.tif")
        second = look()
        assert second[0] == 3
        assert second[1] != first[1]
        mosaics.write(tmp_path / "new.json", "b.tif").rename(tmp_path / "m.json")
        engine.datasets.clear()
        third = look()
        assert third[0] == 2
        assert third[1] not in (first[1], second[1])


def test_rasters_that_are_missing_or_elsewhere_are_not_looked_for_without_end(tmp_path: Path) -> None:
    rasters.constant(tmp_path / "far.tif", 5, bounds=(10, 46, 11, 47))
    rasters.constant(tmp_path / "here.tif", 7)
    for number in range(12):
        (tmp_path / f"far{number}.tif").symlink_to(tmp_path / "far.tif")
    with Engine(EngineOptions(policy=Policy.from_sources([str(tmp_path)]))) as engine:
        for kind in ("gone", "far"):
            for before, is_refused in ((9, False), (10, True), (12, True)):
                mosaics.write(tmp_path / "m.json", *(f"{kind}{number}.tif" for number in range(before)), "here.tif")
                engine.datasets.clear()
                options: dict[str, Any] = {"limits": ReadLimits(assets=5), "skip_missing": True}
                for _ in range(2):  # the same when those that were opened are open
                    if not is_refused:
                        assert (tile(engine, tmp_path / "m.json", **options).data == 7).all()
                        continue
                    with pytest.raises(TooMuchWork) as refused:
                        tile(engine, tmp_path / "m.json", **options)
                    assert refused.value.limit == 5
                    assert len(engine.datasets) <= 11


def test_what_was_left_out_or_changed_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(parts, "time", SimpleNamespace(monotonic=lambda: clock.now))
    rasters.constant(tmp_path / "b.tif", 2)
    mosaics.write(tmp_path / "m.json", "a.tif", "b.tif")
    options = EngineOptions(policy=Policy.from_sources([str(tmp_path)]), revalidate_seconds=5)
    with Engine(options) as engine:
        mosaic = mosaic_source(engine.locate(str(tmp_path / "m.json")))

        def identity() -> str:
            with engine.open(mosaic) as reader:
                return reader.tile_identity(MERCATOR, *MIDDLE)

        def made() -> tuple[int, str]:
            with engine.open(mosaic) as reader:
                found = reader.tile(MERCATOR, *MIDDLE, ReadOptions(skip_missing=True))
                return int(found.data[0, 9, 9]), reader.tile_identity(MERCATOR, *MIDDLE)

        value, first = made()
        assert (value, identity()) == (2, first), "kept for a while"
        clock.now += 5
        assert identity() != first
        value, second = made()
        assert (value, identity()) == (2, second)
        rasters.constant(tmp_path / "a.tif", 1)
        clock.now += 5
        assert identity() not in (first, second)
        value, third = made()
        assert (value, identity()) == (1, third)
        assert third not in (first, second)
        # no longer open, as where there are many: known as long as an open one would not be checked
        with engine.open(mosaic) as reader:
            part = reader.source.parts  # type: ignore[attr-defined]
        engine.datasets.forget(part.get(0))
        clock.now = engine.datasets.get(mosaic).checked + 1
        assert part.identity(0)
        clock.now += 5
        assert part.identity(0) == ""
        clock.now -= 5
        part.forget(part.get(0))
        assert part.identity(0) == ""


def test_addresses_are_listed_up_to_a_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number:x}.tif" for number in range(300)]
    mosaics.write(tmp_path / "m.json", *names, asset_prefix="p" * 4000)
    total = 4000 * 300 + sum(map(len, names))
    asked: list[int] = []
    monkeypatch.setattr(memory, "need", asked.append)
    with Engine(EngineOptions(policy=Policy.from_sources([str(tmp_path)]))) as engine:
        opened: Any = engine.datasets.get(mosaic_source(engine.locate(str(tmp_path / "m.json")))).dataset
        monkeypatch.setattr(dataset, "MOST_LISTED", total)
        assert opened.assets_at(8.5, 46.5, crs_.WGS84) == ["p" * 4000 + name for name in names]
        assert asked[-1] > total
        monkeypatch.setattr(dataset, "MOST_LISTED", total - 1)
        looks: tuple[Callable[[], list[str]], ...] = (
            lambda: opened.assets_at(8.5, 46.5, crs_.WGS84),
            lambda: opened.assets_in((8.4, 46.4, 8.6, 46.6), crs_.WGS84),
            lambda: opened.assets_for(crs_.WEB_MERCATOR, exact.tile_bounds(*MIDDLE)),
        )
        for look in looks:
            with pytest.raises(AnswerTooLarge) as refused:
                look()
            assert refused.value.limit == total - 1


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


def away(upstream: Upstream, tmp_path: Path) -> Engine:
    boxes = {"whole": rasters.ALPS, "west": (8.0, 46.0, 8.5, 47.0), "east": (8.5, 46.0, 9.0, 47.0)}
    for number, (name, bounds) in enumerate(boxes.items()):
        rasters.constant(tmp_path / "a.tif", number + 1, size=1024, bounds=bounds)
        copy(tmp_path / "a.tif", tmp_path / "cog.tif", driver="COG", compress="none", blocksize=256)
        upstream.put(f"/{name}.tif", (tmp_path / "cog.tif").read_bytes())
    upstream.put("/covered.json", mosaics.encoded("whole.tif", "west.tif", "east.tif"))
    upstream.put("/halves.json", mosaics.encoded("west.tif", "east.tif"))
    return Engine(EngineOptions(policy=Policy.from_sources([upstream.root])))


def test_a_tile_that_is_full_opens_nothing_more(upstream: Upstream, tmp_path: Path) -> None:
    with away(upstream, tmp_path) as engine:
        raster = tile(engine, upstream.url("/covered.json"), exact.tile_of(8.4, 46.4, 12))
        assert (raster.data == 1).all()
        asked = [request.target for request in upstream.requests]
        assert (asked.count("/covered.json"), asked.count("/whole.tif")) == (1, 2)
        assert len(asked) == 3
        upstream.forget()
        tile(engine, upstream.url("/covered.json"), exact.tile_of(8.4, 46.4, 12))
        assert upstream.requests == []


def test_rasters_away_are_read_side_by_side(upstream: Upstream, tmp_path: Path) -> None:
    edge = exact.tile_of(8.5, 46.4, 11)
    with away(upstream, tmp_path) as engine:
        upstream.always = Fault(delay=0.05)
        mean = tile(engine, upstream.url("/covered.json"), edge, pixel_selection="mean")
        assert set(np.unique(mean.data)) <= {1, 2}
        assert upstream.busiest > 1
        upstream.busiest = 0
        engine.blocks.resize(0)
        engine.blocks.resize(64 << 20)
        first = tile(engine, upstream.url("/halves.json"), edge)
        assert set(np.unique(first.data)) == {2, 3}
        assert upstream.busiest >= 2, "where each has but a part, both are read at a time"


def test_a_document_here_may_lead_away(upstream: Upstream, tmp_path: Path) -> None:
    away(upstream, tmp_path).close()
    mosaics.write(tmp_path / "m.json", upstream.url("/west.tif"), str(tmp_path / "a.tif"))
    mosaics.write(tmp_path / "here.json", "a.tif")
    with Engine(EngineOptions(policy=Policy.from_sources([upstream.root, str(tmp_path)]))) as engine:
        for name, is_local in (("m.json", False), ("here.json", True)):
            with engine.open(mosaic_source(engine.locate(str(tmp_path / name)))) as reader:
                reader.tile(MERCATOR, *exact.tile_of(8.7, 46.4, 11), ReadOptions(pixel_selection="highest"))
                assert reader.is_local == is_local


def test_a_raster_that_is_replaced_while_it_is_read_is_read_anew(upstream: Upstream, tmp_path: Path) -> None:
    with away(upstream, tmp_path) as engine:
        assert tile(engine, upstream.url("/halves.json"), exact.tile_of(8.3, 46.4, 11)).data.max() == 2
        rasters.constant(tmp_path / "a.tif", 9, size=1024, compress="none", bounds=(8.0, 46.0, 8.5, 47.0))
        upstream.put("/west.tif", (tmp_path / "a.tif").read_bytes())
        assert tile(engine, upstream.url("/halves.json"), exact.tile_of(8.2, 46.8, 12)).data.max() == 9


def test_a_store_that_fails_is_no_missing_raster(upstream: Upstream, tmp_path: Path) -> None:
    with away(upstream, tmp_path) as engine:
        address, place = upstream.url("/halves.json"), exact.tile_of(8.3, 46.4, 11)
        with engine.open(mosaic_source(engine.locate(address))) as reader:
            engine.datasets.forget(engine.datasets.get(source.raster(engine.locate(upstream.url("/west.tif")))))
            upstream.always = Fault(status=500)
            with pytest.raises(UpstreamError, match=r"west\.tif"):
                reader.tile(MERCATOR, *place, ReadOptions(skip_missing=True))
        upstream.always = None
        del upstream.objects["/west.tif"]
        with pytest.raises(SourceNotFound, match=r"west\.tif"):
            tile(engine, address, place)
