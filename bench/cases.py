"""What is measured, and what issue it is held to: one line a case."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from bench import arrays
from bench.tiles import Tile

Pairs = tuple[tuple[str, str], ...]
DEM: Pairs = (("rescale", "900,2900"), ("colormap_name", "viridis"))
SENTINEL: Pairs = (("bidx", "3"), ("bidx", "2"), ("bidx", "1"), ("rescale", "200,4000"))

ASSETS: Pairs = (*(("assets", name) for name in ("red", "green", "blue")), ("rescale", "200,4000"))
NDVI: Pairs = (
    *(("assets", name) for name in ("nir", "red")),
    ("expression", "(b1-b2)/(b1+b2)"),
    ("rescale", "-1,1"),
    ("colormap_name", "viridis"),
)
ARRAY: Pairs = (("variable", arrays.VARIABLE), ("sel", f"time={arrays.DAY}"), *DEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A list of tiles of one raster in one format, asked of both servers."""

    name: str
    says: str
    """What the table calls it."""
    raster: str
    tiles: str
    """A list of `bench.tiles`: ``pan``, ``scattered``, ``views``, ``outside``."""
    suffix: str
    goal: float | None
    """Least ratio of tiles a second; None where none was set."""
    params: Pairs = ()
    family: str = "cog"
    """Routes that are asked: ``mosaicjson`` for the pieces of the raster, ``stac`` for its bands as assets,
    ``zarr`` for a store of it.
    """
    remote: bool = False
    expect: int = 200
    lossless: bool = True
    connections: int = 8
    count: float = 1.0
    """Length of the list, of the usual one."""

    def path(self, tile: Tile, url: str) -> str:
        """Return the request for one tile."""
        z, x, y = tile
        query = urlencode([("url", url), *self.params])
        return f"/{self.family}/tiles/WebMercatorQuad/{z}/{x}/{y}.{self.suffix}?{query}"


def _smooth(method: str) -> Pairs:
    return (("resampling", method), ("reproject", method))


CASES = (
    Case(name="pan-png", says="pan, RGB, PNG", raster="rgb_deflate", tiles="pan", suffix="png", goal=12),
    Case(name="pan-jpeg", says="pan, RGB, JPEG", raster="rgb_jpeg", tiles="pan", suffix="jpeg", goal=10),
    Case(name="pan-webp", says="pan, RGB, WebP", raster="rgb_deflate", tiles="pan", suffix="webp", goal=6),
    Case(name="pan-web", says="pan, web-aligned, PNG", raster="web256", tiles="pan", suffix="png", goal=12),
    Case(
        name="pan-web512", says="pan, web-aligned, 512 blocks, PNG", raster="web512", tiles="pan", suffix="png", goal=12
    ),
    Case(
        name="pan-dem",
        says="pan, float DEM, colormap, PNG",
        raster="dem",
        tiles="pan",
        suffix="png",
        goal=7,
        params=DEM,
    ),
    Case(
        name="pan-sentinel",
        says="pan, 4-band uint16, rescale, PNG",
        raster="sentinel",
        tiles="pan",
        suffix="png",
        goal=6,
        params=SENTINEL,
    ),
    Case(
        name="pan-mosaic",
        says="pan, mosaic of 16 with overlap, RGB, PNG",
        raster="rgb_deflate",
        tiles="pan",
        suffix="png",
        goal=15,
        family="mosaicjson",
    ),
    Case(
        name="pan-mosaic-400",
        says="pan, mosaic of 400 small JPEGs, JPEG",
        raster="rgb_jpeg",
        tiles="pan",
        suffix="jpeg",
        goal=30,
        family="mosaicjson",
    ),
    Case(
        name="random-mosaic-400",
        says="random, mosaic of 400 small JPEGs, JPEG",
        raster="rgb_jpeg",
        tiles="scattered",
        suffix="jpeg",
        goal=15,
        family="mosaicjson",
    ),
    Case(
        name="pan-stac",
        says="pan, STAC Item, three assets, PNG",
        raster="sentinel",
        tiles="pan",
        suffix="png",
        goal=15,
        params=ASSETS,
        family="stac",
    ),
    Case(
        name="pan-stac-ndvi",
        says="pan, STAC Item, NDVI, colormap, PNG",
        raster="sentinel",
        tiles="pan",
        suffix="png",
        goal=15,
        params=NDVI,
        family="stac",
    ),
    Case(
        name="pan-zarr",
        says="pan, Zarr, a day, colormap, PNG",
        raster="dem",
        tiles="pan",
        suffix="png",
        goal=10,
        params=ARRAY,
        family="zarr",
    ),
    Case(
        name="random-zarr",
        says="random, Zarr, a day, colormap, PNG",
        raster="dem",
        tiles="scattered",
        suffix="png",
        goal=6,
        params=ARRAY,
        family="zarr",
    ),
    Case(name="random-png", says="random, RGB, PNG", raster="rgb_deflate", tiles="scattered", suffix="png", goal=5),
    Case(name="random-jpeg", says="random, RGB, JPEG", raster="rgb_jpeg", tiles="scattered", suffix="jpeg", goal=4),
    Case(
        name="random-sentinel",
        says="random, 4-band uint16, PNG",
        raster="sentinel",
        tiles="scattered",
        suffix="png",
        goal=4,
        params=SENTINEL,
    ),
    Case(
        name="random-bilinear",
        says="random, RGB, bilinear, PNG",
        raster="rgb_deflate",
        tiles="scattered",
        suffix="png",
        goal=4,
        params=_smooth("bilinear"),
    ),
    Case(
        name="random-cubic",
        says="random, RGB, cubic, PNG",
        raster="rgb_deflate",
        tiles="scattered",
        suffix="png",
        goal=4,
        params=_smooth("cubic"),
    ),
    Case(
        name="random-sentinel-cubic",
        says="random, 4-band uint16, cubic, PNG",
        raster="sentinel",
        tiles="scattered",
        suffix="png",
        goal=4,
        params=SENTINEL + _smooth("cubic"),
    ),
    Case(
        name="views",
        says="repeated views, RGB, PNG",
        raster="rgb_deflate",
        tiles="views",
        suffix="png",
        goal=None,
        count=2,
    ),
    Case(
        name="remote-pan",
        says="25 ms away: pan, RGB, JPEG",
        raster="rgb_jpeg",
        tiles="pan",
        suffix="jpeg",
        goal=6,
        remote=True,
        connections=16,
    ),
    Case(
        name="remote-random",
        says="25 ms away: random, RGB, JPEG",
        raster="rgb_jpeg",
        tiles="scattered",
        suffix="jpeg",
        goal=3,
        remote=True,
        connections=16,
    ),
    Case(
        name="remote-random-png",
        says="25 ms away: random, RGB DEFLATE, PNG",
        raster="rgb_deflate",
        tiles="scattered",
        suffix="png",
        goal=3,
        remote=True,
        connections=16,
    ),
    Case(
        name="outside",
        says="outside the raster, 404",
        raster="rgb_deflate",
        tiles="outside",
        suffix="png",
        goal=20,
        expect=404,
        count=24,
    ),
)
"""Whole lists against both servers; bench/extra.py has what is not one."""

EXTRAS = (
    "first-tile",
    "unseen-tile",
    "held",
    "not-modified",
    "task",
    "memory",
    "sizes",
    "cold-start",
    "library",
    "publishing",
    "seed",
)
