"""What is fuzzed: each target makes one input at random, asks the service about it, and returns what was wrong.

A further kind of source is one more class here, in `TARGETS`.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, Protocol
from urllib.parse import quote

from tests.fuzz import mutate, queries
from tests.fuzz.service import FuzzRequest, Service
from tests.fuzz.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input: what was written where, and the requests about it."""

    asks: tuple[FuzzRequest, ...]
    files: tuple[tuple[str, bytes], ...] = ()
    """Paths and contents."""


class Target(Protocol):
    """One way to make inputs."""

    def cases(self, chance: random.Random) -> Iterator[Case]:
        """Return inputs without end."""
        ...


class RequestsTarget:
    """Requests to every route."""

    def __init__(self, world: World, service: Service) -> None:
        self._requests = queries.Requests(service.app, dict(world.urls))

    def cases(self, chance: random.Random) -> Iterator[Case]:
        """Return requests."""
        while True:
            yield Case(asks=(self._requests.draw(chance),))


class _Files:
    """One file that is changed, and asked about."""

    paths: ClassVar[tuple[str, ...]]

    def __init__(self, world: World, service: Service) -> None:
        self.world = world

    def content(self, chance: random.Random) -> bytes:
        raise NotImplementedError

    def cases(self, chance: random.Random) -> Iterator[Case]:
        """Return changed files, each under one of a few names and asked about in one or two ways."""
        while True:
            name = f"{self.world.folder}/changed-{chance.randrange(8)}"
            asks = tuple(self._ask(path, name, chance) for path in chance.sample(self.paths, 2))
            yield Case(asks=asks, files=((name, self.content(chance)),))

    def _ask(self, path: str, name: str, chance: random.Random) -> FuzzRequest:
        path, _, query = path.partition("?")
        return FuzzRequest(path=path, query=f"url={quote(name)}&{query}".encode())


class TiffTarget(_Files):
    """TIFFs whose header, tables or blocks are changed."""

    paths = (
        "/cog/info", "/cog/preview.png?max_size=64&bidx=1", "/cog/preview.npy?max_size=64",
        "/cog/statistics?max_size=64",
        "/cog/point/8.5,46.5", "/cog/tiles/WebMercatorQuad/8/134/90.png?bidx=1",
        "/cog/tiles/WebMercatorQuad/11/1072/723.npy",
        "/cog/WebMercatorQuad/tilejson.json", "/cog/validate", "/cog/info.geojson", "/cog/bbox/8.2,46.2,8.8,46.8.npy",
        "/cog/preview.png?max_size=64&resampling=cubic&bidx=1", "/cog/stac", "/cog/WMTSCapabilities.xml",
        "/cog/preview.tif",
        "/cog/tiles/WebMercatorQuad/8/134/90.npy?reproject=bilinear", "/cog/viewer",
        "/cog/map?width=64&height=64&bidx=1",
    )  # fmt: skip

    def content(self, chance: random.Random) -> bytes:
        seed = self.world.seeds[chance.choice(sorted(self.world.seeds))]
        return mutate.tiff(seed, chance)


class ItemTarget(_Files):
    """STAC Items with something changed in them."""

    paths = (
        "/stac/info?assets=rgb", "/stac/assets", "/stac/preview.png?assets=rgb&max_size=64",
        "/stac/statistics?assets=rgb&max_size=64",
        "/stac/info.geojson?assets=rgb", "/stac/WebMercatorQuad/tilejson.json?assets=rgb", "/stac/renders",
        "/stac/renders/red",
        "/stac/WMTSCapabilities.xml?assets=rgb", "/stac/WMTSCapabilities.xml", "/stac/point/8.5,46.5?assets=rgb",
        "/stac/bounds",
        "/stac/asset_statistics?assets=rgb", "/stac/tiles/WebMercatorQuad/8/134/90.png?assets=rgb",
        "/stac/viewer?assets=rgb",
        "/stac/tiles?assets=rgb", "/stac/wms?request=GetCapabilities&service=WMS&assets=rgb",
        "/stac/preview.png?assets=rgb|bands=red",
    )  # fmt: skip

    def content(self, chance: random.Random) -> bytes:
        return mutate.document(self.world.item, chance)


class MosaicTarget(_Files):
    """MosaicJSON documents with something changed in them."""

    paths = (
        "/mosaicjson/", "/mosaicjson/info", "/mosaicjson/info.geojson", "/mosaicjson/WebMercatorQuad/tilejson.json",
        "/mosaicjson/tiles/WebMercatorQuad/8/133/90.png?bidx=1", "/mosaicjson/tiles/WebMercatorQuad/8/133/90/assets",
        "/mosaicjson/point/8.3,46.3", "/mosaicjson/point/8.3,46.3/assets", "/mosaicjson/bbox/8,46,9,47/assets",
        "/mosaicjson/viewer",
        "/mosaicjson/bbox/8.1,46.1,8.5,46.5/64x64.png?bidx=1", "/mosaicjson/WMTSCapabilities.xml", "/mosaicjson/tiles",
        "/mosaicjson/bounds",
    )  # fmt: skip

    def content(self, chance: random.Random) -> bytes:
        found = dict(self.world.mosaic)
        if chance.random() < 0.3:
            found |= {"tilematrixset": MATRIX_SET}
        body = mutate.document(found, chance)
        if chance.random() < 0.1:
            packed = gzip.compress(body)
            return packed if chance.random() < 0.5 else mutate.content(packed, chance)
        return body


class LayerTarget:
    """Documents of layers with something changed in them."""

    paths = (
        "/layers", "/layers/{id}", "/layers/{id}/info", "/layers/{id}/8/134/90.png", "/{id}/8/134/90.png",
        "/layers/{id}/tilejson.json",
        "/layers/{id}/WebMercatorQuad/tilejson.json", "/layers/{id}/WMTSCapabilities.xml", "/wmts",
        "/wms?service=WMS&request=GetCapabilities",
        "/", "/collections", "/collections/{id}", "/layers/{id}/statistics", "/layers/{id}/viewer",
        "/layers/{id}/preview.png?style=gray",
        "/layers/{id}/tiles", "/layers/{id}/map?width=32&height=32", "/{id}/tilejson.json", "/layers?f=html",
        "/?f=html", "/{id}.json",
        "/wms?service=WMS&version=1.3.0&request=GetMap&layers={id}&styles=&crs=EPSG:4326&bbox=46,8,47,9&width=32&height=32&format=image/png",
        "/layers/{id}/tiles/WebMercatorQuad/8/134/90?style=gray", "/layers?limit=2", "/layers/{id}/bounds",
        "/layers/{id}/point/8.5,46.5",
    )  # fmt: skip

    def __init__(self, world: World, service: Service) -> None:
        self.world = world

    def cases(self, chance: random.Random) -> Iterator[Case]:
        """Return documents, each asked about alone and in lists."""
        seeds = [json.loads(path.read_bytes()) for path in sorted(self.world.catalog.glob("*/index.json"))]
        for number in count():
            shutil.rmtree(self.world.catalog / f"changed-{number - 4}", ignore_errors=True)
            name = f"changed-{number}"  # a new one: of a broken document the last good one would be served
            content = mutate.document(chance.choice(seeds), chance)
            asks = []
            for path in chance.sample(self.paths, 3):
                plain, _, query = path.replace("{id}", name).partition("?")
                asks.append(FuzzRequest(path=plain, query=query.encode(), headers=self._headers(chance)))
            yield Case(asks=tuple(asks), files=((f"{self.world.catalog}/{name}/index.json", content),))

    def _headers(self, chance: random.Random) -> list[tuple[bytes, bytes]]:
        return [(b"accept", b"text/html")] if chance.random() < 0.3 else []


class StoreTarget:
    """Zarr stores with something changed in their metadata, chunks or shards."""

    paths = (
        "/zarr/info?variable=v", "/zarr/info?variable=v&show_times=true", "/zarr/info.geojson?variable=v",
        "/zarr/dataset/", "/zarr/dataset/dict", "/zarr/dataset/keys", "/zarr/dataset/dimensions", "/zarr/validate",
        "/zarr/dataset/coordinates/time", "/zarr/dataset/coordinates/lat", "/zarr/bounds?variable=v",
        "/zarr/preview.png?variable=v&bidx=1&max_size=64&rescale=0,10", "/zarr/preview.npy?variable=v&max_size=64",
        "/zarr/point/8.5,46.5?variable=v", "/zarr/statistics?variable=v&max_size=64",
        "/zarr/tiles/WebMercatorQuad/1/1/0.png?variable=v&bidx=1&rescale=0,10",
        "/zarr/tiles/WebMercatorQuad/7/67/44.npy?variable=v&sel=time=2020-01-02",
        "/zarr/bbox/-20,-10,40,30.npy?variable=v&resampling=bilinear", "/zarr/WebMercatorQuad/tilejson.json?variable=v",
        "/zarr/preview.npy?variable=v&sel=time=nearest::2020-01-02&reproject=bilinear&max_size=64",
        "/zarr/info?variable=v&sel=height=nearest::5", "/zarr/preview.npy?variable=time&decode_times=false",
        "/zarr/WMTSCapabilities.xml?variable=v", "/zarr/viewer?variable=v",
    )  # fmt: skip

    def __init__(self, world: World, service: Service) -> None:
        from tests.fuzz import stores  # what writes Zarr takes a second to load

        self.world = world
        self._changed = stores.changed
        folder = world.catalog.parent / "stores"
        shutil.rmtree(folder, ignore_errors=True)
        self._seeds = stores.seeds(folder)

    def cases(self, chance: random.Random) -> Iterator[Case]:
        """Return stores, each of a new name."""
        for number in count():
            shutil.rmtree(f"{self.world.folder}/changed-{number - 4}.zarr", ignore_errors=True)
            name = f"{self.world.folder}/changed-{number}.zarr"
            store = self._changed(self._seeds[chance.choice(sorted(self._seeds))], chance)
            asks = []
            for asked in chance.sample(self.paths, 3):
                path, _, query = asked.partition("?")
                asks.append(FuzzRequest(path=path, query=f"url={quote(name)}&{query}".encode()))
            yield Case(asks=tuple(asks), files=tuple((f"{name}/{key}", data) for key, data in store.items()))


class BodyTarget:
    """GeoJSON bodies, and mosaics to validate."""

    def __init__(self, world: World, service: Service) -> None:
        self.world = world

    def cases(self, chance: random.Random) -> Iterator[Case]:
        """Return requests with bodies."""
        paths = (
            "/cog/statistics",
            "/cog/feature.png",
            "/cog/feature/32x32.npy",
            "/mosaicjson/validate",
            "/mosaicjson/feature.png",
        )
        while True:
            path = chance.choice(paths)
            name = (
                "mosaic.json"
                if path.startswith("/mosaicjson")
                else chance.choice(("rgb.tif", "heights.tif", "turned.tif"))
            )
            seed: Any = self.world.mosaic if path.endswith("validate") else chance.choice(SHAPES)
            crs = chance.choice(("", "&coord_crs=EPSG:3857", "&dst_crs=EPSG:2056"))
            query = f"url={quote(str(self.world.folder / name))}&bidx=1&max_size=64{crs}"
            yield Case(
                asks=(FuzzRequest(path=path, query=query.encode(), method="POST", body=mutate.document(seed, chance)),)
            )


def _feature(kind: str, coordinates: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": 1,
        "bbox": [8, 46, 9, 47],
        "properties": {"a": 1},
        "geometry": {"type": kind, "coordinates": coordinates},
    }


_RING = queries.RING
SHAPES: tuple[Any, ...] = (
    queries.FEATURE, queries.COLLECTION, _feature("Point", [8.3, 46.3]), _feature("MultiPoint", [[8.3, 46.3], [8.4,
    46.4]]),
    _feature("LineString", _RING), _feature("MultiLineString", [_RING, _RING]), _feature("MultiPolygon", [[_RING],
    [_RING, _RING]]),
    {"type": "Feature", "properties": None, "geometry": {"type": "GeometryCollection", "geometries": [
        {"type": "Polygon", "coordinates": [_RING]}, {"type": "Point", "coordinates": [8.3, 46.3]}]}},
    _feature("Polygon", [[[179, 46], [-179, 46], [-179, 47], [179, 46]]]),
)  # fmt: skip
MATRIX_SET: dict[str, Any] = {
    "id": "own", "title": "t", "crs": "http://www.opengis.net/def/crs/EPSG/0/3857", "orderedAxes": ["X", "Y"],
    "tileMatrices": [
        {"id": str(z), "scaleDenominator": 559082264.0287178 / 2**z, "cellSize": 156543.03392804097 / 2**z,
         "pointOfOrigin": [-20037508.3427892, 20037508.3427892], "tileWidth": 256, "tileHeight": 256,
         "matrixWidth": 2**z, "matrixHeight": 2**z} for z in range(13)
    ],
}  # fmt: skip

TARGETS: dict[str, type[Any]] = {
    "requests": RequestsTarget,
    "tiffs": TiffTarget,
    "items": ItemTarget,
    "mosaics": MosaicTarget,
    "stores": StoreTarget,
    "layers": LayerTarget,
    "bodies": BodyTarget,
}
"""Targets by name, each made of the world and the service."""
