"""`tilery.rio_tiler.Reader` beside `rio_tiler.io.Reader`: the same file, the same call, the same answer.

rio-tiler's own tests of its reader say what is worth asking; the rasters are made here. Where the two differ on
purpose, docs/rio-tiler.md says so, and a test here says which is right.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import morecantile
import numpy as np
import pytest
import rasterio
import rio_tiler.errors
import rio_tiler.io
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rio_tiler.io import BaseReader
from rio_tiler.io import Reader as Theirs
from rio_tiler.mosaic import mosaic_reader

from tests.support import rasters
from tests.support.s3 import S3, s3, s3_server  # noqa: F401  fixtures
from tests.support.upstream import Upstream
from tilery.engine import Engine, EngineOptions
from tilery.reading import gdal_options
from tilery.rio_tiler import Reader, default_engine, stores_of

ROOT = Path(__file__).parent.parent
Call = Callable[[Any], Any]

pytestmark = [
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]


def _with_nan(path: Path) -> Path:
    data = rasters.columns_and_rows(256, 256, "float32")
    data[:, 50:90, 50:90] = np.nan
    return rasters.write(path, data)


DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
MASKS = ("nodata", "nan", "mask", "alpha")
BLOCKS: dict[str, Callable[[Path], Path]] = {
    **{dtype: partial(rasters.gradient, dtype=dtype) for dtype in DTYPES},
    **{kind: partial(rasters.half_masked, kind=kind) for kind in MASKS},
    "palette": rasters.palette,
    "rgb": rasters.rgb,
    "bands apart": lambda path: rasters.gradient(path, count=4, interleave="band"),
    "strips": lambda path: rasters.gradient(path, tiled=False, overviews=()),
    "scaled": lambda path: rasters.gradient(
        path,
        "int16",
        scales=(0.1, 2.5),
        offsets=(3.3, -7.0),
        tags={"made": "by hand"},
        band_tags=[{"STATISTICS_MINIMUM": "1", "STATISTICS_MAXIMUM": "7"}] * 2,
    ),
    "not a number": _with_nan,
    "web mercator": lambda path: rasters.position(path, "EPSG:3857"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    folder = tmp_path_factory.mktemp("rasters")

    def make(kind: str) -> str:
        path = folder / f"{kind.replace(' ', '-')}.tif"
        return str(path if path.exists() else BLOCKS[kind](path))

    return make


NATIVE = (8.21, 46.33, 8.47, 46.61)
BEYOND = (7.5, 45.5, 8.25, 46.75)
TRIANGLE = {"type": "Polygon", "coordinates": [[(8.21, 46.33), (8.47, 46.33), (8.34, 46.61), (8.21, 46.33)]]}
EXACT: dict[str, Call] = {
    "tile": lambda r: r.tile(*_middle(r, 0)),
    "tile, far out": lambda r: r.tile(*_middle(r, -2)),
    "tile, deep": lambda r: r.tile(*_middle(r, 2)),
    "tile of 512": lambda r: r.tile(*_middle(r, 0), tilesize=512),
    "tile in degrees": lambda r: _in(r, "WGS1984Quad").tile(*_middle(_in(r, "WGS1984Quad"), 2)),
    "part": lambda r: r.part(NATIVE),
    "part of one width": lambda r: r.part(NATIVE, width=60),
    "part of a size": lambda r: r.part(NATIVE, max_size=50),
    "part in its own CRS": lambda r: r.part(_own(r), bounds_crs=r.crs),
    "part in its own CRS, of a size": lambda r: r.part(_own(r), bounds_crs=r.crs, max_size=40),
    "part with a buffer": lambda r: r.part(_own(r), bounds_crs=r.crs, buffer=2, width=64, height=64),
    "part with padding": lambda r: r.part(_own(r), bounds_crs=r.crs, padding=2, width=64, height=64),
    "part on the raster's pixels": lambda r: r.part(_own(r), bounds_crs=r.crs, align_bounds_with_dataset=True),
    "part in another CRS": lambda r: r.part(NATIVE, dst_crs=CRS.from_epsg(3857), max_size=100),
    "part with another nodata": lambda r: r.part(_own(r), bounds_crs=r.crs, nodata=100),
    "preview": lambda r: r.preview(),
    "preview of a size": lambda r: r.preview(max_size=100),
    "preview of a height": lambda r: r.preview(height=70, max_size=None),
    "read": lambda r: r.read(),
    "read with nodata": lambda r: r.read(nodata=5),
    "read a window": lambda r: r.read(window=((10, 50), (20, 80))),
    "read a band twice": lambda r: r.read(indexes=(1, 1)),
    "read one band": lambda r: r.read(indexes=1),
    "read with an expression": lambda r: r.read(expression="b1*2;b1+1"),
    "read and process": lambda r: r.read(post_process=lambda data: data + data),
    "read as another type": lambda r: r.read(out_dtype="float32"),
    "point": lambda r: r.point(8.31, 46.61),
    "point in its own CRS": lambda r: r.point(_own(r)[0], _own(r)[3], coord_crs=r.crs),
    "point with nodata": lambda r: r.point(8.7, 46.61, nodata=5, expression="b1+1"),
    "point between pixels": lambda r: r.point(8.31, 46.61, interpolate=True, resampling_method="bilinear"),
    "feature": lambda r: r.feature(TRIANGLE),
    "feature of a size": lambda r: r.feature(TRIANGLE, max_size=64, indexes=1),
}
LESS = {"int8", "uint32", "int32", "float64"}
SOME = {"tile", "tile, far out", "part of a size", "part in its own CRS, of a size", "read with nodata", "point"}
"""All that is asked of data types that differ from others in no more than their size."""
TWICE = {"feature of a size"}
"""Where rio-tiler's warp reads some of the bands it samples twice: see below."""


def _in(reader: Any, tms: str) -> Any:
    return type(reader)(reader.input, tms=morecantile.tms.get(tms))


def _own(reader: Any) -> Any:
    return transform_bounds("EPSG:4326", reader.crs, *NATIVE)


def _middle(reader: Any, deeper: int) -> Any:
    return reader.tms.tile(8.4, 46.5, max(0, reader.maxzoom + deeper))


def _same(ours: Any, theirs: Any) -> None:
    """Hold all that an image or a point says to rio-tiler's. Values count where they are valid; NaN never is."""
    _same_facts(ours, theirs)
    mask = np.ma.getmaskarray(ours.array)
    assert np.array_equal(mask, np.ma.getmaskarray(theirs.array) | np.isnan(theirs.data))
    assert np.array_equal(ours.data[~mask], theirs.data[~mask])
    if getattr(theirs, "alpha_mask", None) is not None:
        assert np.array_equal(ours.alpha_mask, theirs.alpha_mask)


def _same_facts(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    assert ours.array.shape == theirs.array.shape
    assert ours.array.dtype == theirs.array.dtype
    names = ("crs", "assets", "band_names", "band_descriptions", "metadata", "scales", "offsets", "dataset_statistics")
    for name in (*names, "coordinates", "pixel_location"):
        assert getattr(ours, name, None) == getattr(theirs, name, None), name
    assert ours.nodata == pytest.approx(theirs.nodata, nan_ok=True)
    if hasattr(theirs, "bounds"):
        assert ours.bounds == pytest.approx(theirs.bounds)
        assert (getattr(ours, "alpha_mask", None) is None) == (theirs.alpha_mask is None)


@pytest.mark.parametrize("kind", BLOCKS)
def test_it_says_the_same_of_a_raster(kind: str, made: Callable[[str], str]) -> None:
    with Reader(made(kind)) as ours, Theirs(made(kind)) as theirs:
        related: bool = isinstance(ours, BaseReader)
        assert related
        assert ours.accelerated
        for name in ("bounds", "crs", "transform", "height", "width", "minzoom", "maxzoom", "colormap", "tms"):
            assert getattr(ours, name) == getattr(theirs, name), name
        assert _plain(ours.info()) == _plain(theirs.info())
        assert ours.get_geographic_bounds(CRS.from_epsg(4326)) == theirs.get_geographic_bounds(CRS.from_epsg(4326))
        assert ours._rasterio is None, "no part of this needs a rasterio dataset"
        assert str(ours.dataset.profile) == str(theirs.dataset.profile)
    assert ours.dataset.closed


def _plain(info: Any) -> Any:
    found = info.model_dump()
    if found.get("nodata_value") != found.get("nodata_value"):
        found["nodata_value"] = "nan"
    return found


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in BLOCKS for name in EXACT if kind not in LESS or name in SOME]
)
def test_it_reads_the_same(kind: str, name: str, made: Callable[[str], str]) -> None:
    file, call = made(kind), EXACT[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rio-tiler computes with what is not a number
        with Reader(file) as ours, Theirs(file) as theirs:
            found, wanted = call(ours), call(theirs)
    if name in TWICE or (kind == "not a number" and name in ("read with an expression", "read as another type")):
        _same_facts(found, wanted)
    elif kind == "web mercator" and name in ("tile", "tile, far out", "tile of 512"):
        _same_facts(found, wanted)  # a raster that begins within a pixel: see the test of edges
    else:
        _same(found, wanted)


@pytest.mark.parametrize("kind", ["uint8", "mask", "nodata", "scaled"])
def test_statistics_are_the_same(kind: str, made: Callable[[str], str]) -> None:
    with Reader(made(kind)) as ours, Theirs(made(kind)) as theirs:
        for options in ({}, {"max_size": 64, "percentiles": [5]}, {"categorical": True, "indexes": 1}):
            assert ours.statistics(**options) == theirs.statistics(**options)
        shape = ours.part(NATIVE).statistics(), theirs.part(NATIVE).statistics()
        assert shape[0] == shape[1]


def test_scale_and_offset_are_applied_in_double_precision(made: Callable[[str], str]) -> None:
    with Reader(made("scaled"), options={"unscale": True}) as ours:
        with Theirs(made("scaled"), options={"unscale": True}) as theirs:
            for call in (EXACT["tile"], EXACT["read"], EXACT["point"]):
                _same(call(ours), call(theirs))
        exact = rasters.columns_and_rows(512, 512, "int16").astype("float64") * [[[0.1]], [[2.5]]] + [[[3.3]], [[-7]]]
        assert np.allclose(ours.read().data, exact, rtol=1e-6)
        assert ours.read(unscale=False).data.dtype == np.int16


SMOOTH = ("bilinear", "cubic", "lanczos", "average", "mode")


@pytest.mark.parametrize("method", SMOOTH)
@pytest.mark.parametrize(("dtype", "most"), [("uint8", 1.0), ("uint16", 1.0), ("float32", 0.01)])
def test_it_resamples_the_same(
    method: str, dtype: str, most: float, made: Callable[[str], str], tmp_path: Path
) -> None:
    data = (rasters.columns_and_rows(512, 512, "float64") / 4).astype(dtype)
    file = str(rasters.write(tmp_path / "a.tif", data))
    calls: tuple[Call, ...] = (
        lambda r: r.part(NATIVE, bounds_crs=r.crs, max_size=40, resampling_method=method),
        lambda r: r.part(NATIVE, bounds_crs=r.crs, width=300, height=300, resampling_method=method),
        lambda r: r.tile(*_middle(r, 2), reproject_method=method),
    )
    with Reader(file) as ours, Theirs(file) as theirs:
        for call in calls:
            found, wanted = call(ours), call(theirs)
            assert np.abs(found.data.astype("float64") - wanted.data).max() <= most
            assert np.array_equal(found.array.mask, wanted.array.mask)


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:3035", "EPSG:2056"])
def test_samples_lie_at_exact_positions(crs: str, tmp_path: Path) -> None:
    """rio-tiler's warp is approximate: a few of its pixels are of the one beside, where ours are of the right one."""
    file = str(rasters.position(tmp_path / "a.tif", crs))
    with Reader(file) as ours, Theirs(file) as theirs:
        found, wanted = EXACT["tile"](ours), EXACT["tile"](theirs)
        assert (found.data != wanted.data).any(axis=0).mean() < 0.05
        assert (found.array.mask != wanted.array.mask).mean() < 0.01
        assert np.ma.abs(found.array - wanted.array).max() < 1.01 * max(ours.transform.a, -ours.transform.e)
        assert _farthest(ours, found) <= 0.5001
        # Of some of the bands rio-tiler's samples are taken twice.
        x, y, z = _middle(ours, 0)
        single = ours.tile(x, y, z, indexes=1)
        assert np.array_equal(single.data[0], found.data[0])
        assert (single.data != theirs.tile(x, y, z, indexes=1).data).mean() > 0.1


def _farthest(reader: Any, image: Any) -> float:
    """Return how far samples are from where they should be, in pixels of the raster, along either axis."""
    import pyproj

    columns, rows = np.meshgrid(np.arange(image.width) + 0.5, np.arange(image.height) + 0.5)
    xs, ys = image.transform @ (columns, rows)
    to = pyproj.Transformer.from_crs(image.crs.to_wkt(), reader.crs.to_wkt(), always_xy=True)
    x, y = to.transform(xs, ys)
    valid = ~image.array.mask.any(axis=0)
    across, down = np.abs(image.data[0] - x) / reader.transform.a, np.abs(image.data[1] - y) / -reader.transform.e
    return float(max(across[valid].max(), down[valid].max()))


def test_a_pixel_at_the_edge_belongs_to_where_its_middle_lies(made: Callable[[str], str]) -> None:
    with Reader(made("uint16")) as ours, Theirs(made("uint16")) as theirs:
        found, wanted = (r.part(BEYOND, bounds_crs=r.crs) for r in (ours, theirs))
        columns, rows = np.meshgrid(np.arange(found.width) + 0.5, np.arange(found.height) + 0.5)
        xs, ys = found.transform @ (columns, rows)
        left, bottom, right, top = ours.bounds
        inside = (xs > left) & (xs < right) & (ys > bottom) & (ys < top)
        assert np.array_equal(~found.array.mask[0], inside)
        assert (found.array.mask != wanted.array.mask).mean() < 0.01
        both = ~found.array.mask & ~wanted.array.mask
        assert np.array_equal(found.data[both], wanted.data[both])


def test_tiles_exist_alike(made: Callable[[str], str], tmp_path: Path) -> None:
    files = [made("uint8"), made("web mercator"), str(rasters.position(tmp_path / "a.tif", "EPSG:32632"))]
    for file in files:
        with Reader(file) as ours, Theirs(file) as theirs:
            for zoom in (0, 5, 9, 10):
                x, y, _ = ours.tms.tile(8.5, 46.5, zoom)
                columns, rows = (range(max(0, at - 4), min(2**zoom, at + 5)) for at in (x, y))
                for column, row in product(columns, rows):
                    assert ours.tile_exists(column, row, zoom) == theirs.tile_exists(column, row, zoom)


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.read(indexes=9),
        lambda r: r.read(nodata=-9999),
        lambda r: r.tile(0, 0, 9),
        lambda r: r.point(-100.0, -80.0),
        lambda r: r.tile(*_middle(r, 0), buffer=0.8),
        lambda r: r.preview(expression="nothing"),
        lambda r: r.tile(*_middle(r, 0), resampling_method="finest"),
        lambda r: r.tile(*_middle(r, 0), sharpen=True),
        lambda r: r.part(NATIVE, minimum_overlap=2.0),
        lambda r: r.feature({"type": "Polygon", "coordinates": []}),
    ],
)
def test_it_raises_the_same(call: Call, made: Callable[[str], str]) -> None:
    with Reader(made("uint8")) as ours, Theirs(made("uint8")) as theirs:
        assert _raised(call, ours) == _raised(call, theirs)


def _raised(call: Call, reader: Any) -> tuple[type[BaseException], str]:
    with pytest.raises(Exception) as caught:  # noqa: PT011  the caller compares it
        call(reader)
    return caught.type, str(caught.value)


def test_what_is_not_on_earth_raises_the_same(tmp_path: Path) -> None:
    file = str(rasters.gradient(tmp_path / "a.tif", crs="IAU_2015:49900"))
    raised = []
    for reader in (Reader, Theirs):
        with reader(file) as opened:
            assert opened.preview(max_size=64, indexes=2).array.shape == (1, 64, 64)
            calls: tuple[Call, ...] = (
                lambda r: r.tile(0, 0, 0),
                lambda r: r.part(NATIVE),
                lambda r: r.point(8.5, 46.5),
            )
            raised.append([_raised(call, opened)[0] for call in calls])
    assert raised[0] == raised[1]


def test_a_missing_file_raises_the_same(tmp_path: Path) -> None:
    for reader in (Reader, Theirs):
        with pytest.raises(rasterio.errors.RasterioIOError, match="No such file"):
            reader(str(tmp_path / "none.tif"))


def test_it_warns_the_same(tmp_path: Path, made: Callable[[str], str]) -> None:
    bare = str(rasters.gradient(tmp_path / "a.tif", size=520, overviews=()))
    readers: tuple[Any, ...] = (Reader, Theirs)
    for reader in readers:
        with pytest.warns(rio_tiler.errors.NoOverviewWarning):
            reader(bare).close()
        with reader(made("uint8")) as opened:
            with pytest.warns(rio_tiler.errors.ExpressionMixingWarning):
                assert opened.preview(indexes=(1, 2), expression="b1*2").count == 1
            with pytest.warns(UserWarning, match="max_size"):
                assert opened.preview(width=50).width == 50


OTHER: dict[str, Callable[[Path], Path]] = {
    "no CRS": lambda path: rasters.gradient(path, crs=None),
    "turned": lambda path: rasters.write(
        path, rasters.columns_and_rows(256, 256), transform=rasterio.Affine(0.004, 0.001, 8, 0.001, -0.004, 47)
    ),
    "control points": lambda path: rasters.gradient(
        path,
        bounds=None,
        gcps=(
            [
                GroundControlPoint(row, column, 8 + column / 512, 47 - row / 512)
                for row in (0, 512)
                for column in (0, 512)
            ],
            CRS.from_epsg(4326),
        ),
    ),
    "complex": lambda path: rasters.gradient(path, "complex64"),
    "heights": lambda path: rasters.gradient(path, crs="EPSG:4326+5773"),
}


@pytest.mark.parametrize("kind", OTHER)
def test_what_the_engine_does_not_read_is_read_by_rio_tiler(kind: str, tmp_path: Path) -> None:
    file = str(OTHER[kind](tmp_path / "a.tif"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Reader(file) as ours, Theirs(file) as theirs:
            assert not ours.accelerated
            assert (ours.bounds, ours.crs, ours.colormap) == (theirs.bounds, theirs.crs, theirs.colormap)
            _same(ours.preview(max_size=100), theirs.preview(max_size=100))
            if kind not in ("no CRS", "complex"):  # those two have no tiles in rio-tiler
                assert ours.info() == theirs.info()
                _same(ours.tile(*_middle(ours, 0)), theirs.tile(*_middle(theirs, 0)))
    assert ours.dataset.closed


def test_a_dataset_that_is_given_is_read_by_rio_tiler(made: Callable[[str], str]) -> None:
    with rasterio.open(made("uint8")) as dataset, WarpedVRT(dataset, crs="EPSG:3035") as warped:
        with Reader(None, dataset=warped) as ours, Theirs(None, dataset=warped) as theirs:
            assert not ours.accelerated
            assert ours.dataset is warped
            _same(ours.tile(*_middle(ours, 0)), theirs.tile(*_middle(theirs, 0)))
        assert not warped.closed
    with (
        MemoryFile(Path(made("uint8")).read_bytes()) as memory,
        memory.open() as dataset,
        Reader(None, dataset=dataset) as ours,
    ):
        assert ours.read().data[0, 0, 5] == 5


@pytest.mark.parametrize(
    "options",
    [
        {"vrt_options": {"cutline": "POLYGON ((0 0, 300 0, 300 300, 0 300, 0 0))"}},
        {"out_dtype": "float32"},
        {"dst_crs": CRS.from_epsg(3857)},
    ],
)
def test_options_that_the_engine_has_not_are_rio_tilers(options: dict[str, Any], made: Callable[[str], str]) -> None:
    with Reader(made("uint16")) as ours, Theirs(made("uint16")) as theirs:
        _same(ours.read(**options), theirs.read(**options))
    with Reader(made("uint16"), options={"nodata": 5}) as ours, Theirs(made("uint16"), options={"nodata": 5}) as theirs:
        assert ours.info().nodata_value == 5
        _same(ours.preview(), theirs.preview())


def test_south_up(tmp_path: Path) -> None:
    upwards = rasterio.Affine(1 / 256, 0, 8, 0, 1 / 256, 46)
    file = str(rasters.write(tmp_path / "a.tif", rasters.columns_and_rows(256, 256), transform=upwards, overviews=()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of both: the bounds are inverted
        with Reader(file) as ours, Theirs(file) as theirs:
            assert (ours.bounds, ours.minzoom, ours.maxzoom) == (theirs.bounds, theirs.minzoom, theirs.maxzoom)
            for name in ("tile", "tile, deep", "preview", "read", "point", "point with nodata"):
                _same(EXACT[name](ours), EXACT[name](theirs))
            # A part of one in its own CRS is an error to rio-tiler.
            part = ours.part((8.25, 46.25, 8.5, 46.75), bounds_crs=ours.crs)
    assert part.array.shape == (2, 128, 64)
    assert part.data[1, 0, 0] == 191, "north is on top: the rows of the raster are counted from the south"


def test_a_point_on_the_border_of_pixels_is_in_the_one_that_rasterio_finds(tmp_path: Path) -> None:
    bounds = (-74.40144738395827, 44.93464268754855, -71.33803677853456, 47.09685599202326)
    data = rasters.columns_and_rows(400, 200)
    file = str(rasters.write(tmp_path / "a.tif", data, bounds=bounds, overviews=()))
    with Reader(file) as ours, Theirs(file) as theirs:
        for column, row in [(200, 100), (1, 1), (399, 199), (37, 113), (250, 3)]:
            x, y = ours.transform @ (column, row)
            for aside in (-1e-9, 0.0, 1e-9):
                found, wanted = (reader.point(x + aside, y + aside) for reader in (ours, theirs))
                assert tuple(found.array.tolist()) == found.pixel_location
                # on the line the last digit decides, which versions of affine compute differently
                most = 0 if aside else 1
                assert np.abs(np.subtract(found.pixel_location, wanted.pixel_location)).max() <= most


def test_across_the_antimeridian(tmp_path: Path) -> None:
    """rio-tiler reads such a part at the resolution of the world's width, as one pixel or from a coarse overview."""
    file = str(rasters.across_antimeridian(tmp_path / "a.tif"))
    with Reader(file) as ours, Theirs(file) as theirs:
        _same(ours.preview(), theirs.preview())
        west = ours.bounds[0]
        image = ours.part((179.2, 45.5, 179.6, 46.0))
        assert min(image.width, image.height) > 20
        columns = _columns(ours, image, west)
        assert np.abs(image.data[0] - columns)[~image.array.mask[0]].max() <= 0.51
        x, y, z = ours.tms.tile(179.4, 45.8, 9)
        tile = ours.tile(x, y, z)
        assert np.abs(tile.data[0] - _columns(ours, tile, west))[~tile.array.mask[0]].max() <= 0.51


def _columns(reader: Any, image: Any, west: float) -> Any:
    """Return column of the raster at the middle of each pixel of an image, counted from the middles of its own."""
    import pyproj

    columns, rows = np.meshgrid(np.arange(image.width) + 0.5, np.arange(image.height) + 0.5)
    xs, ys = image.transform @ (columns, rows)
    to = pyproj.Transformer.from_crs(image.crs.to_wkt(), reader.crs.to_wkt(), always_xy=True)
    return (to.transform(xs, ys)[0] - west) / reader.transform.a - 0.5


def test_values_of_a_raster_with_alpha_can_be_scaled(made: Callable[[str], str]) -> None:
    """rio-tiler refuses to: its opacity is of another type then."""
    with Reader(made("alpha")) as ours, Theirs(made("alpha")) as theirs:
        with pytest.raises(ValueError, match="AlphaMask"):
            theirs.read(unscale=True)
        assert np.array_equal(ours.read(unscale=True).array.mask, theirs.read().array.mask)


def test_each_band_has_its_own_description(tmp_path: Path) -> None:
    file = str(rasters.gradient(tmp_path / "a.tif", descriptions=("columns", "rows")))
    with Reader(file) as ours:
        assert ours.read().band_descriptions == ["columns", "rows"]
        assert ours.tile(*_middle(ours, 0), expression="b1-b2").band_descriptions == ["columns-rows"]
        assert list(ours.statistics()) == ["b1", "b2"]
        assert ours.statistics()["b2"].description == "rows"


def test_what_is_read_is_the_callers_own(made: Callable[[str], str]) -> None:
    for call in (EXACT["tile"], EXACT["read"], EXACT["read a window"], EXACT["tile, deep"]):
        with Reader(made("rgb")) as ours:
            first = call(ours)
            before = first.data.copy()
            first.rescale(in_range=((0, 10),))
            first.array.data[:] = 7
            assert np.array_equal(call(ours).data, before)


def test_files_beside_a_raster_are_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in gdal_options.ALONE:
        monkeypatch.delenv(name, raising=False)
        sys.modules["rasterio._env"].del_gdal_config(name)
    data = np.full((1, 128, 128), 9, "uint8")
    path = rasters.write(tmp_path / "a.tif", data, overviews=())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as target:
        target.write_mask(np.repeat([[True, False]], 64, axis=1).repeat(128, axis=0))
    assert (tmp_path / "a.tif.msk").exists()
    with Reader(str(path)) as ours, Theirs(str(path)) as theirs:
        assert ours.info() == theirs.info()
        _same(ours.read(), theirs.read())
        assert ours.read().array.mask.mean() == 0.5


@pytest.mark.parametrize("suffix", [".tif.aux.xml", ".tfw", ".wld"])
def test_a_file_that_describes_a_raster_from_beside_leaves_it_to_rio_tiler(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rasters.constant(tmp_path / "a.tif", 9)
    (tmp_path / f"a{suffix}").write_text("<PAMDataset/>" if suffix.endswith("xml") else "1\n0\n0\n-1\n0\n0\n")
    for told, accelerated in (("EMPTY_DIR", True), ("FALSE", False)):
        monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", told)
        with Reader(str(path)) as ours:
            assert ours.accelerated == accelerated


def test_a_file_that_is_replaced_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for value in (3, 9):
        rasters.constant(tmp_path / "next.tif", value)
        (tmp_path / "next.tif").replace(path)
        with Reader(str(path)) as ours:
            assert ours.accelerated
            assert ours.read().data.max() == value


def test_names_of_files(made: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(made("uint8"))
    monkeypatch.chdir(path.parent)
    names: tuple[Any, ...] = (path, path.name, f"./{path.name}", f"file://{path}")  # rio-tiler takes paths too
    for name in names:
        with Reader(name) as ours:
            assert ours.accelerated, name
            assert ours.read(indexes=1).assets == [name]


def test_a_reader_is_shown_without_being_opened(made: Callable[[str], str]) -> None:
    with Reader(made("uint8")) as ours:
        assert "uint8.tif" in repr(ours)
        assert ours._rasterio is None


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.mark.parametrize("kind", ["uint8", "web mercator"])
def test_over_http(kind: str, made: Callable[[str], str], upstream: Upstream) -> None:
    upstream.put("/a.tif?signed=1", Path(made(kind)).read_bytes())
    with Engine() as engine, Reader(f"{upstream.root}a.tif?signed=1", engine=engine) as ours:
        assert ours.accelerated
        assert upstream.requests, "the query is part of the address"
        assert "signed=1" in upstream.requests[0].target
        with Theirs(made(kind)) as theirs:
            theirs.input = ours.input
            for name in ("tile, deep", "part", "read a window", "point"):
                _same(EXACT[name](ours), EXACT[name](theirs))
        assert ours._rasterio is None
    assert all(request.method == "GET" for request in upstream.requests)
    assert not any(request.target.endswith((".aux.xml", ".ovr", ".msk")) for request in upstream.requests)


def test_over_s3(made: Callable[[str], str], s3: S3) -> None:  # noqa: F811  a fixture
    s3.bucket("rasters")
    s3.put("rasters", "some day/a+b.tif", Path(made("uint8")).read_bytes())
    stores = stores_of({**os.environ, "AWS_S3_ENDPOINT": f"127.0.0.1:{s3.port}", "AWS_HTTPS": "NO"})
    with (
        Engine(EngineOptions(stores=stores)) as engine,
        Reader("s3://rasters/some day/a+b.tif", engine=engine) as ours,
        Theirs(made("uint8")) as theirs,
    ):
        assert ours.accelerated
        theirs.input = ours.input
        _same(EXACT["tile"](ours), EXACT["tile"](theirs))


def test_stores_are_those_that_gdal_would_reach() -> None:
    assert stores_of({}).s3_endpoint is None
    assert stores_of({"AWS_S3_ENDPOINT": "minio:9000", "AWS_HTTPS": "NO"}).s3_endpoint == "http://minio:9000"
    assert stores_of({"AWS_S3_ENDPOINT": "s3.example.org"}).s3_endpoint == "https://s3.example.org"
    assert stores_of({"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}).s3_endpoint == "http://127.0.0.1:9000"
    assert stores_of({"AWS_NO_SIGN_REQUEST": "yes"}).s3_anonymous
    assert not stores_of({"AWS_NO_SIGN_REQUEST": "NO"}).s3_anonymous
    assert dict(stores_of({"AWS_PROFILE": "me", "HOME": "/"}).aws) == {"AWS_PROFILE": "me"}


def test_readers_share_an_engine_that_is_not_theirs_to_close(made: Callable[[str], str]) -> None:
    assert default_engine() is default_engine()
    with Engine() as engine:
        for _ in range(2):
            with Reader(made("uint8"), engine=engine) as ours:
                _ = ours.tile(*_middle(ours, 0))
        assert ours.read(indexes=1).data.shape == (1, 512, 512), "closing a reader does not close the engine"


def test_threads_read_the_same_raster(made: Callable[[str], str]) -> None:
    with Reader(made("uint16")) as ours:
        wanted = EXACT["tile"](ours).data
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(EXACT["tile"](ours).data)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 8
    assert all(np.array_equal(data, wanted) for data in found)


def test_a_forked_process_has_an_engine_of_its_own(made: Callable[[str], str]) -> None:
    code = (
        "import os, sys\n"
        "from tilery.rio_tiler import Reader, default_engine\n"
        "name = sys.argv[1]\n"
        "first = default_engine()\n"
        "assert Reader(name).read(indexes=1).data.max() == 255\n"
        "if (child := os.fork()) == 0:\n"
        "    good = default_engine() is not first and Reader(name).read(indexes=1).data.max() == 255\n"
        "    os._exit(0 if good else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    subprocess.run([sys.executable, "-c", code, made("uint8")], check=True, timeout=60, cwd=ROOT)


def test_mosaics_are_made_of_it(tmp_path: Path) -> None:
    files = [
        str(rasters.constant(tmp_path / "west.tif", 1, bounds=(8.0, 46.0, 8.5, 47.0))),
        str(rasters.constant(tmp_path / "east.tif", 2, bounds=(8.5, 46.0, 9.0, 47.0))),
    ]

    def read(reader: type[Any]) -> Any:
        def tile(name: str, *place: int) -> Any:
            with reader(name) as opened:
                return opened.tile(*place)

        return mosaic_reader(files, tile, *morecantile.tms.get("WebMercatorQuad").tile(8.5, 46.5, 8), threads=0)[0]

    ours, theirs = read(Reader), read(Theirs)
    _same(ours, theirs)
    assert set(np.unique(ours.array.compressed())) == {1, 2}


def test_the_library_needs_rio_tiler_nowhere_else() -> None:
    for path in sorted((ROOT / "tilery").rglob("*.py")):
        if "rio_tiler" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "rio_tiler" for name in names), path
    code = "import sys, tilery.engine; sys.exit('rio_tiler' in sys.modules or 'rasterio' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)
