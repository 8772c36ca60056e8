"""The rasters that both servers are asked for, made anew for each run: small, smooth, and one of every kind.

Values change slowly from pixel to pixel, so that a sample taken one pixel away differs by little and a shift by much.
"""

from __future__ import annotations

import gzip
import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import Affine, from_bounds, from_origin
from rasterio.warp import transform_bounds

from tests.support import zarrs
from tests.support.zarrs import Variable, axis

LON, LAT = 3.0017, 50.0166
"""A position near the middle of every raster in UTM zone 31."""

UTM = "EPSG:32631"
UTM_ORIGIN = from_origin(495_000, 5_545_000, 10, 10)
SIZE = 768


def waves(height: int, width: int, bands: int = 1, *, phase: float = 0.0) -> np.ndarray:
    """Return values from 0 to 1, shape (bands, height, width), without a jump between neighbours."""
    rows, columns = np.mgrid[0:height, 0:width].astype("float64")
    layers = [
        0.5
        + 0.3 * np.sin(columns / (29 + 7 * band) + phase + band)
        + 0.2 * np.cos(rows / (23 + 5 * band) - columns / 97 + 2 * band)
        for band in range(bands)
    ]
    return np.asarray(np.clip(np.stack(layers), 0, 1))


def ellipse(height: int, width: int) -> np.ndarray:
    """True inside an ellipse that touches the edges."""
    rows, columns = np.mgrid[0:height, 0:width]
    inside: np.ndarray = (((columns - width / 2) / (width / 2)) ** 2 + ((rows - height / 2) / (height / 2)) ** 2) <= 1
    return inside


def _write(
    path: Path,
    data: np.ndarray,
    *,
    crs: str | None = UTM,
    transform: Affine | None = UTM_ORIGIN,
    driver: str = "COG",
    mask: np.ndarray | None = None,
    finish: Callable[[Any], None] | None = None,
    options: dict[str, Any] | None = None,
    **profile: Any,
) -> None:
    """A GeoTIFF of these pixels at ``path``."""
    count, height, width = data.shape
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore")
        kept = path.with_suffix(".src.tif") if driver == "COG" else path
        creation = (options or {}) if driver != "COG" else {}
        with rasterio.open(
            kept,
            "w",
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=data.dtype,
            crs=crs,
            transform=transform,
            **creation,
            **profile,
        ) as target:
            target.write(data)
            if mask is not None:
                target.write_mask(mask)
            if finish:
                finish(target)
        if driver == "COG":
            defaults = {"COMPRESS": "DEFLATE", "BLOCKSIZE": 256, "OVERVIEW_RESAMPLING": "NEAREST"}
            rasterio.shutil.copy(kept, path, driver="COG", **(defaults | (options or {})))
            kept.unlink()


def _byte(values: np.ndarray) -> np.ndarray:
    return (1 + 254 * values).astype("uint8")


def _alpha(target: Any) -> None:
    target.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)


def _rgb(target: Any) -> None:
    target.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


def _scaled(target: Any) -> None:
    target.scales = (0.1, 0.5)
    target.offsets = (5.0, -20.0)
    target.descriptions = ("warm", "cold")
    target.update_tags(ns="", AREA_OR_POINT="Area", made="for a test")


def _statistics(target: Any) -> None:
    target.update_tags(
        1,
        STATISTICS_MINIMUM="-50",
        STATISTICS_MAXIMUM="950",
        STATISTICS_MEAN="400",
        STATISTICS_STDDEV="200",
    )


def _palette(target: Any) -> None:
    target.write_colormap(1, {value: (value * 16 % 256, 255 - value * 16, value * 7 % 256, 255) for value in range(16)})


def make(folder: Path) -> None:
    """Every raster of the table in ``folder``."""
    rgb = _byte(waves(SIZE, SIZE, 3))
    inside = ellipse(SIZE, SIZE)
    _write(folder / "rgb.tif", rgb, finish=_rgb)
    _write(folder / "mask.tif", rgb, finish=_rgb, mask=inside)
    _write(folder / "nodata.tif", np.where(inside, rgb, 0), finish=_rgb, nodata=0)
    opacity = np.where(inside, 255, 0).astype("uint8")
    opacity[:, SIZE // 2 : SIZE // 2 + 60] = np.where(inside, 120, 0)[:, SIZE // 2 : SIZE // 2 + 60]
    _write(folder / "alpha.tif", np.concatenate([rgb, opacity[None]]), finish=_alpha)
    _write(folder / "flat.tif", rgb, driver="GTiff", options={"compress": "lzw"}, finish=_rgb)
    _write(
        folder / "jpeg.tif",
        rgb,
        finish=_rgb,
        options={"COMPRESS": "JPEG", "QUALITY": 90, "OVERVIEW_RESAMPLING": "AVERAGE"},
    )
    _write(folder / "web.tif", rgb, finish=_rgb, options={"TILING_SCHEME": "GoogleMapsCompatible"})
    _write(
        folder / "planar.tif",
        rgb,
        driver="GTiff",
        finish=_rgb,
        options={"tiled": True, "blockxsize": 128, "blockysize": 256, "compress": "deflate", "interleave": "band"},
    )
    many = (200 + 9000 * waves(SIZE, SIZE, 4, phase=1)).astype("uint16")
    _write(folder / "u16.tif", np.where(inside, many, 0), nodata=0, options={"PREDICTOR": "YES"})
    _write(folder / "five.tif", np.concatenate([rgb, rgb[:2]]))
    _write(folder / "two.tif", rgb[:2], finish=lambda t: setattr(t, "descriptions", ("red", "near infrared")))
    _write(folder / "one.tif", rgb[:1])
    height = (1000 * waves(SIZE, SIZE) - 30).astype("float32")
    _write(
        folder / "dem.tif",
        np.where(inside, height, np.float32(-9999)),
        nodata=-9999,
        finish=_statistics,
        options={"PREDICTOR": "YES"},
    )
    _write(folder / "int16.tif", (4000 * waves(SIZE, SIZE) - 2000).astype("int16"))
    _write(folder / "scale.tif", (1000 * waves(SIZE, SIZE, 2)).astype("int16"), nodata=0, finish=_scaled)
    classes = (16 * waves(SIZE, SIZE)[0] * 0.999).astype("uint8")[None]
    _write(folder / "palette.tif", classes, photometric="palette", finish=_palette)
    degrees = from_bounds(2, 49, 4, 51, 512, 512)
    hole = (100 * waves(512, 512)).astype("float32")
    hole[:, 100:180, 300:420] = np.nan
    _write(folder / "nan.tif", hole, crs="EPSG:4326", transform=degrees, nodata=np.nan)
    _write(folder / "nan_unsaid.tif", hole, crs="EPSG:4326", transform=degrees)
    _write(folder / "f64.tif", hole.astype("float64") + 1e6, crs="EPSG:4326", transform=degrees)
    _write(folder / "u32.tif", (70_000 + 1e6 * waves(512, 512)).astype("uint32"), crs="EPSG:4326", transform=degrees)
    _write(
        folder / "world.tif",
        _byte(waves(360, 720, 3)),
        crs="EPSG:4326",
        transform=from_bounds(-180, -90, 180, 90, 720, 360),
        finish=_rgb,
    )
    _write(
        folder / "dateline.tif",
        _byte(waves(512, 512)),
        crs="EPSG:32660",
        transform=from_origin(600_000, 100_000, 1000, 1000),
    )
    _write(
        folder / "laea.tif",
        _byte(waves(512, 512, 3)),
        crs="EPSG:3035",
        transform=from_origin(4_000_000, 3_000_000, 100, 100),
    )
    _write(
        folder / "lcc.tif",
        _byte(waves(512, 512)),
        crs="+proj=lcc +lat_1=45 +lat_2=52 +lat_0=48 +lon_0=3 +ellps=GRS80 +units=m +no_defs",
        transform=from_origin(-20_000, 240_000, 100, 100),
    )
    _write(
        folder / "rotated.tif",
        rgb,
        driver="GTiff",
        transform=Affine.translation(497_000, 5_545_000) @ Affine.rotation(20) @ Affine.scale(8, -8),
    )
    _write(folder / "nocrs.tif", rgb, driver="GTiff", crs=None, transform=None)
    corners = [(0, 0, 2.9, 50.1), (0, 512, 3.1, 50.09), (512, 0, 2.89, 49.97), (512, 512, 3.09, 49.96)]
    _write(
        folder / "gcps.tif",
        _byte(waves(512, 512)),
        driver="GTiff",
        crs=None,
        transform=None,
        options={"tiled": True, "blockxsize": 256, "blockysize": 256},
        finish=lambda t: setattr(
            t, "gcps", ([GroundControlPoint(row, column, x, y) for row, column, x, y in corners], "EPSG:4326")
        ),
    )
    with rasterio.open(folder / "gcps.tif", "r+") as target:
        target.build_overviews([2], Resampling.nearest)
    (folder / "empty.tif").write_bytes(b"")
    (folder / "text.tif").write_text("not a raster\n" * 50, encoding="ascii")
    (folder / "cut.tif").write_bytes((folder / "rgb.tif").read_bytes()[:3000])
    _items(folder)
    later = _byte(waves(SIZE, SIZE, 3, phase=2))
    beside = from_origin(499_000, 5_543_000, 10, 10)
    _write(folder / "beside.tif", later, transform=beside, finish=_rgb)
    _write(folder / "more.tif", np.where(inside, many[:, ::-1] // 2, 0), nodata=0, transform=beside)
    _mosaics(folder)
    _stores(folder)


def _stores(folder: Path) -> None:
    """Zarr stores: of both versions, from 0 to 360 degrees, with levels, packed, projected."""
    data = np.random.default_rng(5).normal(280, 10, (4, 90, 180)).astype("f4")
    said = {"units": "K", "valid_range": [200.0, 320.0]}
    zarrs.world(folder / "world.zarr", data=data, attrs=said)
    zarrs.world(folder / "old.zarr", data=data, version=2)
    zarrs.world(folder / "sharded.zarr", data=data, shards=(1, 64, 80))
    zarrs.world(folder / "east.zarr", data=data, latitudes=zarrs.LATITUDES[::-1], longitudes=1 + 2.0 * np.arange(180))
    packed = np.rint((data - 273.15) * 100).astype("i2")
    packed[:, :20, :20] = -32768
    scale = {"scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -32768}
    zarrs.world(folder / "packed.zarr", data=packed, attrs=scale)
    zarrs.write(
        folder / "levels.zarr",
        {
            "w": Variable(data=data[None].repeat(2, 0), dims=("time", "level", "lat", "lon")),
            "time": axis(np.arange(2) * 6, "time", units="hours since 2020-01-01"),
            "level": axis(np.array([1000.0, 850.0, 500.0, 250.0], "f4"), "level", positive="down"),
            "lat": axis(zarrs.LATITUDES, "lat"),
            "lon": axis(zarrs.LONGITUDES, "lon"),
        },
        attributes={"title": "Levels"},
    )


def _mosaics(folder: Path) -> None:
    """MosaicJSON documents of these rasters, which overlap."""

    def write(file: str, *rasters: str, pack: bool = False, **more: Any) -> None:
        boxes = []
        for raster in rasters:
            if (folder / f"{raster}.tif").exists():
                with rasterio.open(folder / f"{raster}.tif") as source:
                    boxes.append(transform_bounds(source.crs, "EPSG:4326", *source.bounds))
        west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
        east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
        zoom = more.get("quadkey_zoom", 12)
        first, last = _tile(west, north, zoom), _tile(east, south, zoom)
        prefix = more.get("asset_prefix", "")
        assets = [f"{folder}/{raster}.tif".removeprefix(prefix) for raster in rasters]
        quadkeys = [
            "".join(str((x >> bit & 1) + 2 * (y >> bit & 1)) for bit in range(zoom - 1, -1, -1))
            for x in range(first[0], last[0] + 1)
            for y in range(first[1], last[1] + 1)
        ]
        document = {
            "mosaicjson": "0.0.2",
            "minzoom": 11,
            "maxzoom": 14,
            "quadkey_zoom": zoom,
            "bounds": [west, south, east, north],
            "tiles": dict.fromkeys(quadkeys, assets),
            **more,
        }
        content = json.dumps(document).encode()
        (folder / file).write_bytes(gzip.compress(content) if pack else content)

    write("mosaic.json", "nodata", "beside", "mask")
    prefixed = {"mosaicjson": "0.0.3", "asset_prefix": f"{folder}/", "name": "two", "description": "Two rasters."}
    write("prefixed.json.gz", "u16", "more", pack=True, quadkey_zoom=13, **prefixed)
    write("opacity.json", "alpha", "beside")
    write("bands.json", "one", "rgb")
    write("missing.json", "nodata", "gone", "beside")
    (folder / "no-mosaic.json").write_text('{"mosaicjson": "0.0.2"}', encoding="utf-8")


def _tile(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    """Return column and row of the tile of WebMercatorQuad that holds a position."""
    down = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int((lon / 360 + 0.5) * 2**zoom), int(down * 2**zoom)


def _items(folder: Path) -> None:
    """STAC Items of these rasters, in the same UTM zone, with what the projection extension says of each."""
    assets: dict[str, Any] = {}
    for name in ("one", "two", "rgb", "u16", "dem", "nodata", "mask", "alpha", "scale"):
        with rasterio.open(folder / f"{name}.tif") as source:
            assets[name] = {
                "href": f"./{name}.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "proj:code": UTM,
                "proj:shape": list(source.shape),
                "proj:transform": list(source.transform)[:6],
            }
            west, south, east, north = transform_bounds(UTM, "EPSG:4326", *source.bounds)
    assets["one"]["bands"] = [{"name": "B1", "statistics": {"minimum": 0, "maximum": 200}}]
    assets["two"]["bands"] = [{"name": "B1", "eo:common_name": "red"}, {"name": "B2", "eo:common_name": "nir"}]
    assets["picture"] = {"href": "./one.jpg", "type": "image/jpeg"}
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
        "id": "item",
        "bbox": [west, south, east, north],
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
        },
        "properties": {
            "datetime": "2026-01-01T00:00:00Z",
            "proj:code": UTM,
            "renders": {
                "index": {"title": "Index", "assets": ["two"], "expression": "(b2-b1)/(b2+b1)", "rescale": [[-1, 1]]},
                "old": {"assets": ["rgb"], "asset_bidx": "rgb|3,2,1"},
                "wrong": {"assets": ["two"], "resampling": "sharp"},
            },
        },
        "links": [],
        "assets": assets,
    }
    (folder / "item.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "collection.json").write_text('{"type": "Collection", "id": "x"}', encoding="utf-8")
