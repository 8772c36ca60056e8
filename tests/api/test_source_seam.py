"""A new kind of source gets every route of a raster by an opener and a family: here one whose pixels are computed."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.api.app import create_app
from app.api.context import AppContext
from app.api.operation import Family, Resolved, Subject
from app.api.params.kinds import Text
from app.api.params.parameter import Parameter
from app.api.params.parse import Values
from app.api.params.path import PathValues
from app.config.settings import Settings
from tests.support.openapi import parameters
from tilery.errors import SourceNotFound, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Grid
from tilery.geo.tms import get as matrix_set_of
from tilery.reading.dataset import Resources
from tilery.reading.grid_reader import GridReader, Pixels
from tilery.reading.profile import Profile
from tilery.reading.source import Source


class Computed:
    """The world in degrees: a pixel's value is its longitude + 180, in whole degrees, times a factor."""

    def __init__(self, factor: int) -> None:
        self.identity = f"computed{factor}"
        self.factor = factor
        self.touched: list[Grid] = []
        self.profile = Profile(
            driver="computed",
            width=360,
            height=180,
            count=1,
            dtypes=("int32",),
            crs=crs_.WGS84,
            transform=(1.0, 0.0, -180.0, 0.0, -1.0, 90.0),
            nodata=None,
            colorinterp=("gray",),
            has_mask=False,
            scales=(1.0,),
            offsets=(0.0,),
            descriptions=("longitude",),
            overviews=(),
            block_shapes=((256, 256),),
            palette=None,
            band_tags=({},),
        )

    @property
    def identity_for(self) -> Callable[[Grid], str]:
        """The east and the west are parts of their own."""
        return lambda grid: f"{self.identity}{'east' if grid.bounds[0] >= 0 else 'west'}"

    def reader_for(self, method: str) -> GridReader:
        return self

    def read(self, grid: Grid, *, bands: tuple[int, ...], nodata: float | None, method: str) -> Pixels:
        left, bottom, right, top = grid.bounds
        xs = left + (np.arange(grid.width) + 0.5) * (right - left) / grid.width
        ys = top - (np.arange(grid.height) + 0.5) * (top - bottom) / grid.height
        across, down = np.meshgrid(xs, ys)
        lon, lat = crs_.transform_points(grid.crs or crs_.WGS84, crs_.WGS84, across.ravel(), down.ravel())
        value = (np.floor(np.asarray(lon) + 180.0) * self.factor).reshape(across.shape)
        inside = (np.abs(np.asarray(lat)) <= 90.0).reshape(across.shape)
        data = np.where(inside, value, 0).astype(np.int32)
        return Pixels(data=np.stack([data] * len(bands)), mask=inside[np.newaxis], alpha=None)

    def estimate(self, grid: Grid, *, bands: tuple[int, ...]) -> int:
        return grid.width * grid.height * len(bands) * 4

    def work(self, grid: Grid, *, bands: tuple[int, ...], method: str) -> int:
        return 64 * grid.width * grid.height

    def gdal(self, overview: int | None = None) -> AbstractContextManager[Any]:
        raise UnsupportedRaster("Computed pixels are in no file.")

    def unchanged(self) -> bool:
        return True

    def refresh(self) -> bool:
        return True

    def close(self) -> None:
        pass


def open_computed(engine: Resources, source: Source) -> Computed:
    factor = dict(source.selection)["factor"]
    if factor > 9:
        raise SourceNotFound("There is no such factor.", parameter="factor")
    return Computed(factor)


async def resolve(app: AppContext, path: PathValues, query: bytes) -> Resolved:
    def subject_of(values: Values) -> Subject:
        factor = int(values["factor"])
        return Subject(
            source=Source(kind="computed", locations=(), selection=(("factor", factor),)),
            base="/computed",
            address=f"factor {factor}",
            name="computed",
            title="computed",
        )

    return query, subject_of


FAMILY = Family(
    name="computed",
    path="/computed",
    tag="Computed",
    parameters=(Parameter(name="factor", kind=Text(pattern="[0-9]{1,2}"), description="A factor.", required=True),),
    resolve=resolve,
    openers={"computed": open_computed},
)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = create_app(Settings(_env_file=None), families=(FAMILY,))
    yield TestClient(app, raise_server_exceptions=False)
    app.context.service.close()
    app.context.engine.close()


def pixels(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(path, params={"factor": 2} | params)
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content))


def test_a_tile_has_the_computed_values(client: TestClient) -> None:
    tile = pixels(client, "/computed/tiles/WebMercatorQuad/3/5/3.npy")
    left, _, right, _ = matrix_set_of("WebMercatorQuad").tile_bounds(3, 5, 3)
    degrees = 180.0 / 20037508.342789244
    lon = (left + (np.arange(256) + 0.5) * (right - left) / 256) * degrees
    assert np.array_equal(tile[0], np.broadcast_to(np.floor(lon + 180) * 2, (256, 256)))


def test_every_verb_answers(client: TestClient) -> None:
    assert pixels(client, "/computed/preview.npy").shape == (2, 180, 360)
    assert pixels(client, "/computed/bbox/10,10,20,20.npy").shape == (2, 10, 10)
    assert client.get("/computed/point/45.5,10", params={"factor": 2}).json()["values"] == [450]
    facts = client.get("/computed/info", params={"factor": 2}).json()
    assert (facts["width"], facts["height"], facts["dtype"]) == (360, 180, "int32")
    numbers = client.get("/computed/statistics", params={"factor": 1}).json()["b1"]
    assert (numbers["min"], numbers["max"]) == (0, 359)
    assert math.isclose(numbers["mean"], 179.5)
    document = client.get("/computed/WebMercatorQuad/tilejson.json", params={"factor": 2}).json()
    assert "/computed/tiles/" in document["tiles"][0]
    assert b"<Layer>" in client.get("/computed/WMTSCapabilities.xml", params={"factor": 2}).content
    assert client.get("/computed/WebMercatorQuad/map.html", params={"factor": 2}).status_code == 200
    box = [[10, 10], [20, 10], [20, 20], [10, 20], [10, 10]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [box]}}
    cut = client.post("/computed/feature.png", params={"factor": 1, "rescale": "0,360"}, content=json.dumps(feature))
    assert Image.open(io.BytesIO(cut.content)).size == (10, 10)


def test_what_gdal_has_to_open_is_refused_in_a_sentence(client: TestClient) -> None:
    answer = client.get("/computed/validate", params={"factor": 2})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_raster")


def test_what_the_opener_refuses_is_the_answer(client: TestClient) -> None:
    answer = client.get("/computed/info", params={"factor": 10})
    assert (answer.status_code, answer.json()["parameter"]) == (404, "factor")


def test_tiles_of_parts_have_tags_of_their_own(client: TestClient) -> None:
    """The same request for another state of the part that it touches is another answer, for other parts it is not."""
    path = "/computed/tiles/WebMercatorQuad/1/{}/0.png"
    tags = {}
    for column in (0, 1):
        answer = client.get(path.format(column), params={"factor": 2, "rescale": "0,720"})
        tags[column] = answer.headers["etag"]
        again = client.get(
            path.format(column), params={"factor": 2, "rescale": "0,720"}, headers={"If-None-Match": tags[column]}
        )
        assert again.status_code == 304
    assert tags[0] != tags[1]


def test_its_routes_are_described(client: TestClient) -> None:
    document = client.get("/api").json()
    operation = document["paths"]["/computed/tiles/{tileMatrixSetId}/{z}/{x}/{y}"]["get"]
    assert operation["operationId"].startswith(".computed.")
    assert "factor" in {parameter["name"] for parameter in parameters(document, operation)}
