"""Assets stacked: the right values of each on one grid, the right masks, and bytes fetched once and side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.shutil import copy
from rasterio.transform import from_bounds

from tests.support import exact, items, rasters
from tests.support.upstream import Fault, Upstream
from tilery.engine import Engine, EngineOptions
from tilery.errors import InvalidBand, NotARaster, SourceNotFound, SourceRefused
from tilery.geo import crs
from tilery.geo.raster import Raster
from tilery.geo.tms import get as matrix_set_of
from tilery.reading.options import ReadOptions
from tilery.reading.stac import choice
from tilery.reading.stac.stack import AssetAsBand
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.policy import Policy

ZOOM, COLUMN, ROW = exact.tile_of(8.5, 46.5, 10)
MERCATOR = matrix_set_of("WebMercatorQuad")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("items").resolve()
    rasters.gradient(found / "fine.tif", "uint8", size=512, count=1)
    rasters.gradient(found / "coarse.tif", "int16", size=128, count=2, scales=(2.0, 1.0), offsets=(10.0, 0.0))
    rasters.half_masked(found / "nodata.tif", "nodata")
    rasters.half_masked(found / "mask.tif", "mask")
    rasters.half_masked(found / "alpha.tif", "alpha")
    rasters.position(found / "utm.tif", crs="EPSG:32632")
    items.write(found / "item.json", "fine", "coarse", "nodata", "mask", "alpha", "utm")
    return found


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    with Engine(EngineOptions(policy=Policy.from_sources([str(folder)]))) as found:
        yield found


def tile(engine: Engine, folder: Path, *assets: str, bands: tuple[int, ...] | None = None, **options: Any) -> Raster:
    place = engine.locate(str(folder / "item.json"))
    chosen = tuple(map(choice.parse, assets))
    with engine.open(choice.stack_source(place, chosen, unscale=options.get("unscale", False))) as reader:
        return reader.tile(MERCATOR, ZOOM, COLUMN, ROW, ReadOptions(bands=bands, **options))


def shown(raster: Raster, place: slice) -> tuple[np.ndarray, np.ndarray]:
    mask = np.ones(raster.data.shape[1:], bool) if raster.mask is None else raster.mask[0]
    return raster.data[place], mask


def test_each_asset_has_its_own_pixels_on_the_same_grid(engine: Engine, folder: Path) -> None:
    raster = tile(engine, folder, "coarse", "fine")
    assert raster.data.dtype == np.int16
    assert raster.band_descriptions == ("coarse_b1", "coarse_b2", "fine_b1")
    bounds = exact.tile_bounds(ZOOM, COLUMN, ROW)
    for place, size, count in ((slice(0, 2), 128, 2), (slice(2, 3), 512, 1)):
        data = rasters.columns_and_rows(size, size, "uint8" if size == 512 else "int16", count)
        expected = exact.nearest(data, from_bounds(*rasters.ALPS, size, size), "EPSG:4326", bounds)
        exact.assert_shows(shown(raster, place), expected)


@pytest.mark.parametrize("kind", ["nodata", "mask", "alpha"])
def test_each_band_has_the_mask_of_its_asset(engine: Engine, folder: Path, kind: str) -> None:
    raster = tile(engine, folder, "fine", kind)
    assert raster.count == 4
    assert raster.mask is not None
    assert raster.mask[0].all()
    left, _, right, _ = exact.tile_bounds(ZOOM, COLUMN, ROW)
    x = left + (np.arange(256) + 0.5) * (right - left) / 256
    valid = np.broadcast_to(x * 180 / exact.HALF >= 8.5, (256, 256))
    for band in (1, 2, 3):
        assert np.array_equal(raster.mask[band], valid)
        assert (raster.data[band][valid] == 100).all()


def test_bands_and_expressions_of_assets(engine: Engine, folder: Path) -> None:
    whole = tile(engine, folder, "coarse").data
    assert np.array_equal(tile(engine, folder, "coarse|bidx=2").data, whole[1:])
    raster = tile(engine, folder, "fine", "coarse|expression=b1*2;b2-b1")
    assert raster.band_descriptions == ("fine_b1", "coarse_b1*2", "coarse_b2-b1")
    assert np.array_equal(raster.data[1], whole[0] * 2)
    assert np.array_equal(raster.data[2], whole[1] - whole[0])
    turned = tile(engine, folder, "fine", "coarse|expression=b1*2;b2-b1", bands=(3, 1, 3))
    assert np.array_equal(turned.data, raster.data[[2, 0, 2]])


def test_scales_are_applied_before_an_expression(engine: Engine, folder: Path) -> None:
    whole = tile(engine, folder, "coarse").data.astype("float64")
    plain = tile(engine, folder, "coarse", unscale=True).data
    assert np.allclose(plain, np.stack([whole[0] * 2 + 10, whole[1]]))
    worked = tile(engine, folder, "coarse|expression=b1*3", unscale=True).data
    assert np.allclose(worked[0], (whole[0] * 2 + 10) * 3)


def test_a_point_is_where_it_is_in_each_asset(engine: Engine, folder: Path) -> None:
    place = engine.locate(str(folder / "item.json"))
    source = choice.stack_source(place, tuple(map(choice.parse, ("utm", "fine", "coarse"))))
    with engine.open(source) as reader:
        raster = reader.point(8.3004, 46.7004, coord_crs=crs.WGS84, options=ReadOptions())
    assert raster.data[2:, 0, 0].tolist() == [float(int(0.3004 * 512) % 256), int(0.3004 * 128), int(0.2996 * 128)]
    x, y = (float(value) for value in raster.data[:2, 0, 0])
    with engine.open(choice.stack_source(place, (choice.parse("utm"),))) as reader:
        assert reader.profile.bounds[0] <= x <= reader.profile.bounds[2]
        half = max(reader.profile.resolution) / 2
    from pyproj import Transformer

    east, north = Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True).transform(8.3004, 46.7004)
    assert abs(x - east) <= half
    assert abs(y - north) <= half


def test_the_frame_is_the_finest_asset_and_covers_all(engine: Engine, folder: Path, tmp_path: Path) -> None:
    place = engine.locate(str(folder / "item.json"))
    with engine.open(choice.stack_source(place, tuple(map(choice.parse, ("coarse", "fine"))))) as reader:
        profile = reader.profile
        assert (profile.width, profile.height, profile.bounds) == (512, 512, rasters.ALPS)
        assert reader.preview(options=ReadOptions(), max_size=None).data.shape == (3, 512, 512)


def test_the_frame_is_as_fine_as_the_finest_asset_in_another_crs(tmp_path: Path) -> None:
    """Of 64 pixels along a degree, and of 100 m: near 46.5° N one of these has the area of 0.00108° by itself."""
    rasters.write(tmp_path / "a.tif", np.zeros((1, 64, 64), "uint8"))
    rasters.write(
        tmp_path / "b.tif",
        np.zeros((1, 90, 80), "uint8"),
        crs="EPSG:32632",
        bounds=(440_000, 5_145_000, 448_000, 5_154_000),
    )
    items.write(tmp_path / "item.json", "a", "b")
    with Engine(EngineOptions(policy=Policy.from_sources([str(tmp_path)]))) as own:
        place = own.locate(str(tmp_path / "item.json"))
        for names in (["a", "b"], ["b", "a"]):
            with own.open(choice.stack_source(place, tuple(map(choice.parse, names)))) as reader:
                metres = 1.0 if names[0] == "b" else 100 / 0.001083
                assert [side * metres for side in reader.profile.resolution] == pytest.approx([100, 100], rel=0.02)


def test_what_cannot_be_is_refused(engine: Engine, folder: Path) -> None:
    place = engine.locate(str(folder / "item.json"))
    with pytest.raises(InvalidBand, match="bands 1 to 2, and no band 3"):
        tile(engine, folder, "coarse|bidx=3")
    with pytest.raises(InvalidBand, match="names no bands"):
        tile(engine, folder, "coarse|bands=red")
    source = choice.stack_source(place, (choice.parse("coarse"),), as_bands=True)
    with pytest.raises(AssetAsBand), engine.open(source):
        pass


def test_statistics_of_the_item_count_where_the_asset_has_none(tmp_path: Path) -> None:
    rasters.gradient(tmp_path / "a.tif", count=2)
    said = [{"statistics": {"minimum": low, "maximum": 9}} for low in (1, 2)]
    assets = {"a": {"href": "a.tif", "raster:bands": said}}
    items.write(tmp_path / "item.json", assets=assets)
    with Engine(EngineOptions(policy=Policy.from_sources([str(tmp_path)]))) as engine:
        raster = tile(engine, tmp_path, "a|bidx=2", "a")
    assert raster.statistics == ((2.0, 9.0), (1.0, 9.0), (2.0, 9.0))


def test_addresses_of_assets_are_checked_one_by_one(engine: Engine, folder: Path, tmp_path: Path) -> None:
    secret = rasters.constant(tmp_path / "secret.tif", 7)
    hrefs = [str(secret), f"file://{secret}", "../" * 20 + str(secret).lstrip("/"), "http://169.254.169.254/a.tif"]
    assets = {f"a{number}": {"href": href} for number, href in enumerate(hrefs)}
    (folder / "link.tif").unlink(missing_ok=True)
    (folder / "link.tif").symlink_to(secret)
    items.write(folder / "hostile.json", "fine", "link", assets=assets)
    place = engine.locate(str(folder / "hostile.json"))
    for name in (*assets, "link"):
        source = choice.stack_source(place, (choice.parse("fine"), choice.parse(name)))
        with pytest.raises(SourceRefused, match=f"Asset '{name}'") as refused, engine.open(source):
            pass
        assert "secret" not in refused.value.detail


def test_an_item_is_no_asset_of_itself(engine: Engine, folder: Path) -> None:
    assets = {"self": {"href": "loop.json"}, "none": {"href": "missing.tif"}, "nothing": {}}
    items.write(folder / "loop.json", assets=assets)
    place = engine.locate(str(folder / "loop.json"))
    for name, error in (("self", NotARaster), ("none", SourceNotFound), ("nothing", NotARaster)):
        with pytest.raises(error, match=name), engine.open(choice.stack_source(place, (choice.parse(name),))):
            pass


def test_a_large_item_is_refused(tmp_path: Path) -> None:
    document = items.item("a") | {"links": ["x" * (5 << 20)]}
    (tmp_path / "item.json").write_text(json.dumps(document))
    with Engine(EngineOptions(policy=Policy.from_sources([str(tmp_path)]))) as engine:
        source = choice.item_source(engine.locate(str(tmp_path / "item.json")))
        with pytest.raises(NotARaster, match="bytes"), engine.open(source):
            pass


def test_a_changed_asset_or_item_is_opened_anew(tmp_path: Path) -> None:
    rasters.constant(tmp_path / "a.tif", 1)
    rasters.constant(tmp_path / "b.tif", 2)
    items.write(tmp_path / "item.json", "a")
    with Engine(EngineOptions(policy=Policy.from_sources([str(tmp_path)]))) as engine:
        source = choice.stack_source(engine.locate(str(tmp_path / "item.json")), (choice.parse("a"),))

        def value() -> int:
            for _ in range(2):
                try:
                    with engine.open(source) as reader:
                        return int(reader.preview(options=ReadOptions()).data[0, 5, 5])
                except SourceChanged:
                    continue
            raise AssertionError

        assert value() == 1
        rasters.constant(tmp_path / "new.tif", 3).rename(tmp_path / "a.tif")
        assert value() == 3
        items.write(tmp_path / "new.json", assets={"a": {"href": "b.tif"}}).rename(tmp_path / "item.json")
        assert value() == 2


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


def away(upstream: Upstream, tmp_path: Path) -> None:
    for number, name in enumerate(("red", "green", "blue")):
        rasters.constant(tmp_path / "a.tif", number, size=1024)
        copy(tmp_path / "a.tif", tmp_path / "cog.tif", driver="COG", compress="none", blocksize=256)
        upstream.put(f"/{name}.tif", (tmp_path / "cog.tif").read_bytes())
    upstream.put("/item.json", items.encoded("red", "green", "blue"))


def test_a_first_tile_takes_one_request_and_two_for_each_asset_side_by_side(upstream: Upstream, tmp_path: Path) -> None:
    away(upstream, tmp_path)
    with Engine(EngineOptions(policy=Policy.from_sources([upstream.root]))) as engine:
        place = engine.locate(upstream.url("/item.json"))
        source = choice.stack_source(place, tuple(map(choice.parse, ("red", "green", "blue"))))
        upstream.always = Fault(delay=0.05)
        with engine.open(source) as reader:
            raster = reader.tile(MERCATOR, *exact.tile_of(8.4, 46.4, 12), ReadOptions())
        assert [int(band.max()) for band in raster.data] == [0, 1, 2]
        asked = [request.target for request in upstream.requests]
        assert asked.count("/item.json") == 1
        assert [asked.count(f"/{name}.tif") for name in ("red", "green", "blue")] == [2, 2, 2]
        assert upstream.busiest >= 3
        upstream.forget()
        with engine.open(source) as reader:
            reader.tile(MERCATOR, *exact.tile_of(8.4, 46.4, 12), ReadOptions())
        assert upstream.requests == []


def test_an_asset_that_is_replaced_at_its_store_is_read_anew(upstream: Upstream, tmp_path: Path) -> None:
    away(upstream, tmp_path)
    with Engine(EngineOptions(policy=Policy.from_sources([upstream.root]), block_cache_bytes=0)) as engine:
        source = choice.stack_source(engine.locate(upstream.url("/item.json")), (choice.parse("red"),))
        with engine.open(source) as reader:
            assert reader.tile(MERCATOR, ZOOM, COLUMN, ROW, ReadOptions()).data.max() == 0
        rasters.constant(tmp_path / "a.tif", 9, size=1024, compress="none")
        upstream.put("/red.tif", (tmp_path / "a.tif").read_bytes())
        with pytest.raises(SourceChanged), engine.open(source) as reader:
            reader.tile(MERCATOR, ZOOM + 1, COLUMN * 2, ROW * 2, ReadOptions())
        with engine.open(source) as reader:
            assert reader.tile(MERCATOR, ZOOM + 1, COLUMN * 2, ROW * 2, ReadOptions()).data.max() == 9
