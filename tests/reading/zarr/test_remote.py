"""Stores on HTTP servers and in S3: how many requests they cost, what servers do wrong, what the policy forbids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import service, zarrs
from tests.support.s3 import S3, s3, s3_server  # noqa: F401  fixtures
from tests.support.upstream import Fault, Upstream

T = "time=2020-01-02"
BOX = "/zarr/bbox/-30,-40,70,50.npy"
"""Of nine chunks."""
EXPECTED = zarrs.positions()[1, 25:70, 75:125][::-1]
SHARDED: dict[str, Any] = {"shards": (1, 96, 200)}


def files(path: Path) -> dict[str, bytes]:
    return {
        found.relative_to(path.parent).as_posix(): found.read_bytes() for found in path.rglob("*") if found.is_file()
    }


def put(upstream: Upstream, path: Path) -> str:
    for name, data in files(path).items():
        upstream.put(f"/{name}", data)
    return upstream.url(f"/{path.name}")


@pytest.mark.parametrize("kind", ["v3", "v2", "sharded", "not consolidated"])
def test_requests(tmp_path: Path, kind: str) -> None:
    """Each object that is needed is asked for once; another selection asks for its chunks alone."""
    path = zarrs.world(
        tmp_path / "w.zarr",
        version=2 if kind == "v2" else 3,
        consolidated=kind != "not consolidated",
        **(SHARDED if kind == "sharded" else {}),
    )
    with Upstream() as upstream, service.client(upstream.url("/")) as client:
        query = {"url": put(upstream, path), "variable": "v", "sel": T}
        picture, mask = service.array(client.get(BOX, params=query).content)
        assert np.array_equal(picture[0], EXPECTED)
        assert mask.all()
        asked = [request.target for request in upstream.requests]
        assert len(set(asked)) == len(asked) or kind == "sharded", asked
        chunks = [
            target for target in asked if "/v/" in target and not target.endswith((".json", ".zarray", ".zattrs"))
        ]
        assert len(set(chunks)) == (1 if kind == "sharded" else 9)
        coordinates = [target for target in asked if any(f"/{name}/" in target for name in ("lat", "lon", "time"))]
        beside = len(asked) - len(chunks) - len(coordinates)
        assert beside <= {"v2": 2, "v3": 2, "sharded": 2, "not consolidated": 4}[kind], asked
        del upstream.requests[:]
        client.get(BOX, params=query | {"sel": "time=2020-01-03"})
        again = {request.target for request in upstream.requests}
        assert len(again) == len(set(chunks)), again
        assert all("/v/" in target for target in again)


def test_servers_without_ranges_and_with_faults(tmp_path: Path) -> None:
    path = zarrs.world(tmp_path / "w.zarr")
    with Upstream() as upstream, service.client(upstream.url("/"), fetch_retries=1) as client:
        query = {"url": put(upstream, path), "variable": "v", "sel": T}
        upstream.always = Fault(ignore_range=True)
        assert np.array_equal(service.array(client.get(BOX, params=query).content)[0][0], EXPECTED)
        upstream.always = Fault(status=503)
        failed = client.get(BOX, params=query | {"sel": "time=2020-01-01"})
        assert failed.status_code == 502
        upstream.always = Fault(status=403)
        denied = client.get(BOX, params=query | {"sel": "time=2020-01-01"})
        assert denied.status_code == 403
        upstream.always = Fault(drop_after=10)
        assert client.get(BOX, params=query | {"sel": "time=2020-01-01"}).status_code == 502
        upstream.always = None
        assert client.get(BOX, params=query | {"sel": "time=2020-01-01"}).status_code == 200


def test_a_signature_is_part_of_every_address(tmp_path: Path) -> None:
    path = zarrs.world(tmp_path / "w.zarr")
    with Upstream() as upstream, service.client(upstream.url("/")) as client:
        for name, data in files(path).items():
            upstream.put(f"/{name}?sig=a%2Fb", data)
        query = {"url": f"{upstream.url('/w.zarr')}?sig=a%2Fb", "variable": "v", "sel": T}
        assert np.array_equal(service.array(client.get(BOX, params=query).content)[0][0], EXPECTED)
        assert all(request.target.endswith("?sig=a%2Fb") for request in upstream.requests)


def test_what_may_not_be_read_is_not_asked_for(tmp_path: Path) -> None:
    path = zarrs.world(tmp_path / "w.zarr")
    with Upstream() as upstream, service.client(upstream.url("/other/")) as client:
        answer = client.get(BOX, params={"url": put(upstream, path), "variable": "v"})
        assert answer.status_code == 403
        assert not upstream.requests


def test_a_store_in_a_bucket(s3: S3, tmp_path: Path) -> None:  # noqa: F811
    s3.bucket("arrays")
    for name, more in (("w.zarr", {}), ("s.zarr", SHARDED)):
        for key, data in files(zarrs.world(tmp_path / name, **more)).items():
            if not key.endswith("/c/1/2/4"):  # which is read as the fill value
                s3.put("arrays", f"a/{key}", data)
    with service.client("s3://arrays/a/", s3_endpoint=s3.endpoint) as client:
        for name in ("w.zarr", "s.zarr"):
            query = {"url": f"s3://arrays/a/{name}/", "variable": "v", "sel": T}
            found = client.get(BOX, params=query)
            assert np.array_equal(service.array(found.content)[0][0], EXPECTED), found.text
        assert client.get("/zarr/point/179.1,89.1", params=query | {"url": "s3://arrays/a/w.zarr"}).json()[
            "values"
        ] == [0]
        assert client.get("/zarr/info", params=query | {"url": "s3://arrays/a/gone.zarr"}).status_code == 404
        assert client.get("/zarr/info", params=query | {"url": "s3://arrays/w.zarr"}).status_code == 403
        assert client.get("/zarr/dataset/keys", params={"url": "s3://arrays/a/w.zarr"}).json() == ["v"]
