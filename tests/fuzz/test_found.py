"""What fuzzing has found, each kind by itself: once a 500, a trace, or more memory than there is."""

from __future__ import annotations

import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.control import GroundControlPoint as Point
from rasterio.errors import BandOverviewError, RasterioIOError

from app.observing import logs
from tests.fuzz.targets import MATRIX_SET
from tests.support import items, mosaics, rasters, service
from tests.support.engine import ENGINE
from tests.support.tiff import changed
from tilery.errors import BrokenRaster, UpstreamError
from tilery.reading import source
from tilery.reading.gdal_handle import Handle
from tilery.reading.raster_dataset import open_raster
from tilery.storage.bytes.local import LocalSource
from tilery.storage.locations import FileLocation

WIDTH, HEIGHT, BLOCK, TIE_POINTS, SCALE, GEO_TEXT, SAMPLE_FORMAT = 256, 257, 322, 33922, 33550, 34737, 339
VERBS = (
    "info", "stac", "validate", "statistics", "preview.npy", "preview.npy?max_size=32", "point/8.5,46.5",
    "tiles/WebMercatorQuad/8/134/90.npy", "WMTSCapabilities.xml", "bounds", "WebMercatorQuad/tilejson.json",
)  # fmt: skip


def statuses(path: Path) -> dict[str, int]:
    """Return the status of each verb; a failure says what it is."""
    found = {}
    with service.client(path.parent) as client:
        for verb in VERBS:
            name, _, query = verb.partition("?")
            answer = client.get(f"/cog/{name}?url={path}&{query}")
            found[verb] = answer.status_code
            assert answer.status_code < 500, (verb, answer.text)
            if answer.status_code >= 400:
                assert answer.json()["detail"]
    return found


def rewritten(path: Path, *arguments: Any, **more: Any) -> Path:
    path.write_bytes(changed(path.read_bytes(), *arguments, **more))
    return path


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_ground_control_points_that_are_nowhere(tmp_path: Path, value: float) -> None:
    """LAPACK found no least squares of them."""
    points = [Point(0, 0, 8, 47), Point(0, 64, 9, 47), Point(64, 64, 9, 46), Point(64, 0, 8, 46)]
    path = rasters.gradient(tmp_path / "a.tif", size=64, gcps=(points, "EPSG:4326"), bounds=None)
    rewritten(path, TIE_POINTS, "6d", 0, 0, 0, value, 47, 0)
    assert set(statuses(path).values()) == {422}


@pytest.mark.parametrize("side", [1e308, 1e-310, 1e200])
@pytest.mark.parametrize("tiled", [True, False])
def test_a_place_that_floating_point_cannot_work_with(tmp_path: Path, side: float, tiled: bool) -> None:
    """Bounds were infinite, and how often the raster goes around the world with them; by both readers."""
    path = rewritten(rasters.gradient(tmp_path / "a.tif", size=64, tiled=tiled), SCALE, "3d", side, side, 0)
    assert set(statuses(path).values()) == {422}


def test_an_overview_of_another_shape_than_its_raster(tmp_path: Path) -> None:
    """Its rows were reckoned from its columns: 4 million of them took 800 MB for a preview of 64."""
    path = rasters.gradient(tmp_path / "a.tif", size=128, block=32, overviews=(2,), compress="lzw")
    rewritten(path, HEIGHT, "I", 1 << 22, directory=1)
    rewritten(path, HEIGHT, "H", 4, directory=1, field="type")
    found = statuses(path)
    assert found["preview.npy?max_size=32"] == 422
    assert found["info"] == found["bounds"] == 200


def test_an_overview_of_another_type_than_its_raster(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "a.tif", "float32", size=128, block=32, count=1, overviews=(2,), compress="lzw")
    rewritten(path, SAMPLE_FORMAT, "H", 1, directory=1)
    found = statuses(path)
    assert found["preview.npy?max_size=32"] == 422
    assert found["info"] == found["bounds"] == 200


@pytest.mark.parametrize(
    "error", [BandOverviewError("a"), RasterioIOError("b"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "c")]
)
def test_whatever_gdal_fails_with_is_a_broken_raster(tmp_path: Path, error: Exception) -> None:
    """Whoever asked an open dataset for more than pixels handed on what rasterio raised."""
    path = rasters.gradient(tmp_path / "a.tif", size=64)
    opened = open_raster(ENGINE, source.raster(FileLocation(path=str(path))))
    with pytest.raises(BrokenRaster) as caught, opened.gdal():
        raise error
    opened.close()
    assert caught.value.private == str(error)


def test_a_header_that_leads_beyond_what_a_file_may_have(tmp_path: Path) -> None:
    """A position of 64 bits is none for the system."""
    path = rasters.gradient(tmp_path / "a.tif", size=64, tiled=False, overviews=(), BIGTIFF="YES")
    data = bytearray(path.read_bytes())
    (position,) = struct.unpack_from("<Q", data, 8)
    struct.pack_into("<HQQ", data, position + 8 + 2, 16, 1 << 20, (1 << 64) - 8)
    path.write_bytes(data)
    assert 200 not in statuses(path).values()


def test_words_in_an_encoding_that_nobody_names(tmp_path: Path) -> None:
    """Descriptions of bands in Latin-1 count as none; a CRS in it is none."""
    path = rasters.gradient(tmp_path / "a.tif", size=64, descriptions=("Hoehe", "Tiefe"), overviews=(), tiled=False)
    path.write_bytes(path.read_bytes().replace(b"Hoehe", b"H\xf6\xffhe"))
    assert {verb for verb, status in statuses(path).items() if status != 200} == {"stac"}  # rio-stac reads them itself
    with service.client(tmp_path) as client:
        assert client.get(f"/cog/info?url={path}").json()["band_descriptions"] == [["b1", "b1"], ["b2", "b2"]]
    path = rasters.gradient(tmp_path / "b.tif", size=64, overviews=())
    path.write_bytes(path.read_bytes().replace(b"WGS 84", b"W\xff\xfe 84"))
    statuses(path)


def test_what_cannot_be_raised_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Ignored:
        object, exc_type, exc_value, err_msg, exc_traceback = (
            "rasterio._env.log_error",
            ValueError,
            ValueError("a"),
            None,
            None,
        )

    before = sys.unraisablehook
    try:
        logs._note_ignored(Ignored())  # type: ignore[arg-type]  # Python's own cannot be made
    finally:
        sys.unraisablehook = before
    (record,) = caplog.records
    assert record.name == logs.GDAL
    assert record.getMessage() == "ignored in rasterio._env.log_error: ValueError: a"
    assert record.exc_info is None


HALF = "\ud800"


def test_half_a_character_in_a_document(tmp_path: Path) -> None:
    """JSON can say one, UTF-8 cannot: whatever makes an address of it failed."""
    rasters.rgb(tmp_path / "rgb.tif", size=64, overviews=())
    item = items.item("rgb")
    item["assets"][HALF] = dict(item["assets"]["rgb"])
    item["properties"]["renders"] = {HALF: {"assets": ["rgb", HALF], "title": HALF}}
    (tmp_path / "item.json").write_text(json.dumps(item))
    mosaic = mosaics.document(f"{tmp_path}/rgb.tif", name=HALF, attribution=HALF)
    mosaic["tiles"] |= {HALF: [HALF]}
    (tmp_path / "mosaic.json").write_text(json.dumps(mosaic))
    layer = tmp_path / "layers" / "a"
    layer.mkdir(parents=True)
    document = {
        "name": HALF, "source": f"{tmp_path}/rgb.tif", "bounds": [8, 46, 9, 47], "minzoom": 0, "maxzoom": 9,
        "render": {"expression": f"b1{HALF}"}, "attribution": HALF,
    }  # fmt: skip
    (layer / "index.json").write_text(json.dumps(document))
    with service.client(tmp_path, catalog=str(tmp_path / "layers")) as client:
        for path in (
            "renders",
            "renders/%EF%BF%BD",
            "assets",
            "WMTSCapabilities.xml",
            "info?assets=%EF%BF%BD",
            "preview.png?assets=rgb",
        ):
            name, _, query = path.partition("?")
            assert client.get(f"/stac/{name}?url={tmp_path}/item.json&{query}").status_code == 200, path
        for path in ("", "info", "WMTSCapabilities.xml", "WebMercatorQuad/tilejson.json"):
            assert client.get(f"/mosaicjson/{path}?url={tmp_path}/mosaic.json").status_code == 200, path
        for path in ("/layers", "/layers/a", "/wmts", "/", "/collections"):
            assert client.get(path).status_code == 200, path
        assert client.get("/a/8/134/90.png").json()["parameter"] == "expression"


@pytest.mark.parametrize(
    "changes",
    [
        {"bbox": [1e308, 46, -1e308, 47]},
        {"bbox": [8, 46, 9, 1e300]},
        {"bbox": None, "geometry": {"type": "Point", "coordinates": [1e308, -1e308]}},
        {
            "properties": {
                "proj:code": "EPSG:32632",
                "proj:transform": [1e-320, 0, 0, 0, -1e-320, 0],
                "proj:shape": [9, 9],
            }
        },
        {
            "properties": {
                "proj:code": "EPSG:32632",
                "proj:transform": [1e308, 0, 0, 0, -1e308, 0],
                "proj:shape": [9, 9],
            }
        },
    ],
)
def test_an_item_that_says_that_it_is_nowhere(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Its grid had an infinite number of pixels."""
    (tmp_path / "item.json").write_text(json.dumps(items.item("rgb") | changes))
    with service.client(tmp_path) as client:
        for path in ("bounds", "tiles", "assets", "renders"):
            answer = client.get(f"/stac/{path}?url={tmp_path}/item.json")
            assert answer.status_code in (200, 415), answer.text


def test_rasters_of_an_item_that_are_on_no_grid_together(tmp_path: Path) -> None:
    """As many pixels as there are between two places a million kilometres apart, each as small as an atom."""
    rasters.gradient(tmp_path / "a.tif", size=8, crs="EPSG:3857", bounds=(0, 0, 1e-9, 1e-9), overviews=())
    rasters.gradient(tmp_path / "b.tif", size=8, crs="EPSG:3857", bounds=(1e9, 0, 1.1e9, 1e8), overviews=())
    items.write(tmp_path / "item.json", "a", "b")
    with service.client(tmp_path) as client:
        answer = client.get(f"/stac/preview.npy?url={tmp_path}/item.json&assets=a&assets=b")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_raster")


def test_one_layer_with_a_number_that_is_too_large_spoils_no_list(tmp_path: Path) -> None:
    """A whole number of 400 digits is none for floating point: the list of all layers failed with one of them."""
    rasters.gradient(tmp_path / "a.tif", size=64, overviews=())
    for name, rescale in (("good", [0, 9]), ("bad", [0, 10**400])):
        (tmp_path / "layers" / name).mkdir(parents=True)
        document = {
            "source": f"{tmp_path}/a.tif",
            "bounds": [8, 46, 9, 47],
            "minzoom": 0,
            "maxzoom": 9,
            "render": {"rescale": rescale},
        }
        (tmp_path / "layers" / name / "index.json").write_text(json.dumps(document))
    with service.client(tmp_path, catalog=str(tmp_path / "layers")) as client:
        for path in ("/layers", "/", "/wmts", "/collections", "/good/8/134/90.png?bidx=1"):
            assert client.get(path).status_code == 200, path
        assert client.get("/bad/8/134/90.png?bidx=1").json()["parameter"] == "rescale"


@pytest.mark.parametrize(
    "changes",
    [
        {"cellSize": 0}, {"cellSize": -1.0}, {"cellSize": 1e308}, {"cellSize": math.nan}, {"scaleDenominator": 0},
        {"pointOfOrigin": [1e308, 0]}, {"pointOfOrigin": [math.inf, 0]}, {"matrixWidth": 0}, {"matrixWidth": 10**30},
        {"tileWidth": 0}, {"tileHeight": -256}, {"id": "-99"}, {"id": "3"},
    ],
    ids=str,
)  # fmt: skip
def test_a_tile_matrix_set_that_no_tile_can_be_found_in(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A mosaic may bring one along: cells of no size were divided by."""
    rasters.rgb(tmp_path / "a.tif", size=64, overviews=())
    matrices = [dict(matrix) for matrix in MATRIX_SET["tileMatrices"]]
    matrices[8] |= changes
    mosaics.write(tmp_path / "mosaic.json", f"{tmp_path}/a.tif", tilematrixset=MATRIX_SET | {"tileMatrices": matrices})
    with service.client(tmp_path) as client:
        for path in ("info", "point/8.3,46.3", "tiles/WebMercatorQuad/8/133/90/assets", "bbox/8,46,9,47/assets"):
            answer = client.get(f"/mosaicjson/{path}?url={tmp_path}/mosaic.json")
            assert (answer.status_code, answer.json()["code"]) == (415, "not_a_raster"), path


BLOCKS = 324


def test_a_directory_that_cannot_be_read_again(tmp_path: Path) -> None:
    """GDAL goes back to the directory of the raster after it was at that of an overview; where it could not, it decoded
    blocks of one into memory of the other, and the worker was killed. Here a block lies on the directory, and is
    damaged: what looks at blocks refused to read it.
    """
    path = rasters.gradient(tmp_path / "a.tif", "float32", size=128, count=1, block=32, overviews=(2,))
    rewritten(path, BLOCKS, "I", 8)
    src = LocalSource(FileLocation(path=str(path)))
    for _ in range(20):
        handle = Handle(src)
        with pytest.raises(BrokenRaster, match="block"), handle.use() as dataset:
            dataset.read(1)
        with handle.use() as dataset:
            assert dataset.read(1, out_shape=(64, 64)).shape == (64, 64)
        handle.close()


class Leaving(LocalSource):
    """A source that GDAL reads by way of our bytes, and that goes away."""

    has_left = False

    def __init__(self, location: FileLocation) -> None:
        super().__init__(location)
        self.open_path = None

    def read(self, start: int, length: int) -> bytes:
        if self.has_left:
            raise UpstreamError
        return super().read(start, length)


@pytest.mark.parametrize("shape", [(64, 64), (128, 128)])
def test_a_source_that_fails_for_good_once_a_raster_is_open(tmp_path: Path, shape: tuple[int, int]) -> None:
    """The same by a store that goes away: directories come from what was read before."""
    path = rasters.gradient(tmp_path / "a.tif", "float32", size=128, count=1, block=32, overviews=(2,), compress="lzw")
    for _ in range(20):
        src = Leaving(FileLocation(path=str(path)))
        handle = Handle(src)
        src.has_left = True
        with pytest.raises(UpstreamError), handle.use() as dataset:
            dataset.read(1, out_shape=shape)
        with pytest.raises(UpstreamError), handle.use() as dataset:
            dataset.read(1, out_shape=shape[::-1])
        handle.close()


@pytest.mark.filterwarnings("ignore")  # NumPy's, of the overflow
def test_values_that_no_histogram_can_be_made_of(tmp_path: Path) -> None:
    """From the least number of their type to the largest is farther than the type can say."""
    values = np.linspace(-3e38, 3e38, 64 * 64).astype("float32").reshape(1, 64, 64)
    path = rasters.write(tmp_path / "a.tif", values, overviews=())
    found = statuses(path)
    assert found.pop("stac") == 415
    assert set(found.values()) == {200}


def test_what_is_wrong_in_a_body_is_not_said_again_however_long_it_is(tmp_path: Path) -> None:
    """A body of two megabytes whose type was all of it came back in the problem, written on the event loop."""
    rasters.rgb(tmp_path / "a.tif", size=64, overviews=())
    with service.client(tmp_path) as client:
        for given, said in (("Polygon", "Polygon"), ("a" * 500_000, None), ([[1, 2]] * 100_000, None), (3, 3)):
            answer = client.post(f"/cog/feature.png?url={tmp_path}/a.tif", json={"type": given, "geometry": None})
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["input"] == said
            assert len(answer.content) < 1000
