"""What fuzzing Zarr stores, and reading the code with its eyes, has found: each kind by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api import json_documents
from app.process import budget
from tests.support import service
from tilery.errors import DeadlineExceeded
from tilery.limits import deadline

BYTES: Any = [{"name": "bytes", "configuration": {"endian": "little"}}]
TEXTS: Any = [{"name": "vlen-utf8"}]
ODD: tuple[Any, ...] = ({}, [1], float("inf"))
MEGABYTE = "a" * 1_000_000


def array(
    shape: list[int], dims: list[str], type_: Any = "float32", fill: Any = 0, codecs: Any = BYTES, **attributes: Any
) -> Any:
    """Return the metadata of an array of which nothing is stored."""
    return {
        "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": type_, "fill_value": fill,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [min(length, 1 << 22) for length in shape]}},
        "chunk_key_encoding": {"name": "default"}, "codecs": codecs, "attributes": attributes, "dimension_names": dims,
    }  # fmt: skip


def variable(type_: Any = "float32", times: int = 2, name: str = "time", **attributes: Any) -> Any:
    return array([times, 18, 36], [name, "lat", "lon"], type_, **attributes)


def mapping(**attributes: Any) -> Any:
    return array([], [], "int32", **attributes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path.resolve() / "s.zarr"
    for name, values in (("lat", np.arange(-85.0, 90, 10)), ("lon", np.arange(-175.0, 180, 10))):
        (found / name / "c").mkdir(parents=True)
        (found / name / "zarr.json").write_text(json.dumps(array([len(values)], [name], "float64")))
        (found / name / "c" / "0").write_bytes(values.astype("<f8").tobytes())
    (found / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    return found


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    memory = (512 << 20) + budget.resident()  # what the tests before have left is not the service's
    with service.client(f"{folder.parent}/", deadline=20, memory=memory) as found:
        yield found


def asked(client: TestClient, folder: Path, path: str, **arrays: Any) -> Any:
    for name, said in arrays.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "zarr.json").write_text(json.dumps(said))
    return client.get(f"/zarr{path}", params={"url": str(folder), **({} if "dataset" in path else {"variable": "v"})})


@pytest.mark.parametrize(
    ("arrays", "status"),
    [
        ({"v": variable(valid_range=[0, 10**400])}, 200),
        ({"v": variable(scale_factor=10**400)}, 422),
        ({"v": variable(grid_mapping="m"), "m": mapping(GeoTransform=[10**400, 1, 0, 0, 0, 1])}, 200),
        *(
            (
                {
                    "v": variable(grid_mapping="m"),
                    "m": mapping(grid_mapping_name="geostationary", perspective_point_height=1, sweep_angle_axis=one,
                                 geographic_crs_name=one, towgs84=one, semi_major_axis=one),
                },
                415,
            )
            for one in ODD
        ),
        ({"v": variable({"name": "fixed_length_utf32", "configuration": {"length_bytes": float("inf")}})}, 415),
        ({"v": variable({"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 10**30}})}, 415),
        ({"v": variable("f8,(")}, 415),
        ({"v": variable("S0")}, 415),
        ({"v": variable(), "time": array([2], ["time"], "<M8[ns]", [1, 2, 3])}, 422),
        ({"v": variable(), "time": array([2], ["time"], "<M8[ns]", 1.5)}, 422),
        ({"v": variable(times=1 << 22)}, 422),
    ],
)  # fmt: skip
def test_values_of_another_kind_or_size(client: TestClient, folder: Path, arrays: dict[str, Any], status: int) -> None:
    answer = asked(client, folder, "/info", **arrays)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("filters", [1.5, {"a": 1}, "delta", [{"id": "delta", "dtype": "<f4"}] * 16])
def test_filters_that_are_none(client: TestClient, tmp_path: Path, filters: Any) -> None:
    store = tmp_path.resolve() / "old.zarr"
    (store / "v").mkdir(parents=True)
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    said = {"zarr_format": 2, "shape": [2, 2], "chunks": [2, 2], "dtype": "<f4", "compressor": None, "order": "C"}
    (store / "v" / ".zarray").write_text(json.dumps(said | {"filters": filters, "fill_value": 0}))
    answer = client.get("/zarr/info", params={"url": str(store), "variable": "v"})
    assert (answer.status_code, answer.json()["code"]) == (422, "broken_raster")
    assert "filters" in answer.json()["detail"]


def test_what_a_dimension_says_is_not_told_of_each_band_without_end(client: TestClient, folder: Path) -> None:
    """A megabyte of attributes, told of 65,536 bands, froze the process for minutes."""
    time = array([1 << 16], ["time"], "int32", pad=MEGABYTE)
    answer = asked(client, folder, "/info", v=variable(times=1 << 16), time=time)
    assert (answer.status_code, answer.json()["parameter"]) == (413, "sel")


def test_a_long_text_in_place_of_what_is_not_stored(client: TestClient, folder: Path) -> None:
    """One of a megabyte, four million times."""
    texts = array([1 << 22], ["name"], "string", MEGABYTE, TEXTS)
    answer = asked(client, folder, "/dataset/coordinates/name", v=variable(), name=texts)
    assert answer.status_code == 413
    labels = array([1 << 12], ["name"], "string", MEGABYTE, TEXTS)
    answer = asked(client, folder, "/info", v=variable(times=1 << 12, name="name"), name=labels)
    assert answer.status_code == 200
    assert len(answer.content) < 1 << 20


@pytest.mark.parametrize("calendar", ["360_day", "standard"])
def test_moments_beyond_what_an_answer_has(client: TestClient, folder: Path, calendar: str) -> None:
    """Four million of them held the process for a minute, and a gigabyte."""
    time = array([1 << 22], ["time"], "int32", 1, units="days since 2000-01-01", calendar=calendar)
    answer = asked(client, folder, "/dataset/coordinates/time", v=variable(), time=time)
    assert answer.status_code == 413
    few = time | {"shape": [3000], "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3000]}}}
    found = asked(client, folder, "/dataset/coordinates/time", time=few).json()["data"]
    assert (len(found), found[0][:10], found[2999]) == (3000, "2000-01-02", found[0])


def test_long_documents_are_written_as_short_ones_are_and_end_in_time() -> None:
    long: Any = {"a": [1.5, float("nan"), "é\ud800"] * 5000, "b": {"c": list(range(9000))}, "d": 1 + 2j}
    said = json.loads(json_documents.encode(long))
    assert said == {"a": [1.5, None, "é?"] * 5000, "b": {"c": list(range(9000))}, "d": "1+2j"}
    with deadline.limit(0), pytest.raises(DeadlineExceeded):
        json_documents.encode(long)
