"""Mosaics and a STAC Item of the benchmark's rasters, with the smaller rasters that they are made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from bench import tiles

QUADKEYS = 13
"""The zoom at which a mosaic's document lists its rasters."""
BANDS = ("blue", "green", "red", "nir")
"""Assets of the Item, a raster each, as Sentinel-2's are."""
COG = "image/tiff; application=geotiff; profile=cloud-optimized"

WriteCog = Callable[..., None]
"""Writes a COG, of a source, to a path, with GDAL's options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaic:
    """How a raster is cut into the pieces of one."""

    side: int
    """Pieces along each side."""
    over: int
    """Part of a piece by which its neighbours lie over it."""
    options: dict[str, str | int]


MOSAICS = {
    "rgb_deflate": Mosaic(side=4, over=8, options={"COMPRESS": "DEFLATE", "PREDICTOR": "YES"}),
    "rgb_jpeg": Mosaic(side=20, over=16, options={"COMPRESS": "JPEG", "QUALITY": 85}),
}


def pieces(folder: Path, raster: str) -> list[Path]:
    """Return the rasters of a mosaic."""
    side = MOSAICS[raster].side
    inside = folder / f"{raster}.pieces"
    return [inside / f"{row}-{column}.tif" for row in range(side) for column in range(side)]


def bands(folder: Path, raster: str) -> list[Path]:
    """Return the rasters of an Item."""
    return [folder / f"{raster}.bands" / f"{name}.tif" for name in BANDS]


def make(folder: Path, write_cog: WriteCog) -> None:
    """Make all of them; what is there is kept."""
    for raster, mosaic in MOSAICS.items():
        _cut(folder, raster, mosaic, write_cog)
        _save(folder / f"{raster}.json", _mosaic(pieces(folder, raster)))
    _save(folder / "warm.json", _mosaic([folder / "warm.tif"]))
    _part(folder, "sentinel", write_cog)
    _save(folder / "sentinel.item.json", _item(dict(zip(BANDS, bands(folder, "sentinel"), strict=True))))
    _save(folder / "warm.item.json", _item(dict.fromkeys(BANDS, folder / "warm.tif")))


def _save(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def _cut(folder: Path, raster: str, mosaic: Mosaic, write_cog: WriteCog) -> None:
    """Cut a raster into pieces that overlap."""
    (folder / f"{raster}.pieces").mkdir(exist_ok=True)
    with rasterio.open(folder / f"{raster}.tif") as whole:
        side = whole.width // mosaic.side
        over = side // mosaic.over
        for number, path in enumerate(pieces(folder, raster)):
            row, column = divmod(number, mosaic.side)
            left, top = max(column * side - over, 0), max(row * side - over, 0)
            right, bottom = min((column + 1) * side + over, whole.width), min((row + 1) * side + over, whole.height)
            _copy(whole, path, Window(left, top, right - left, bottom - top), None, mosaic.options, write_cog)


def _part(folder: Path, raster: str, write_cog: WriteCog) -> None:
    """Write each band of a raster as one of its own."""
    (folder / f"{raster}.bands").mkdir(exist_ok=True)
    with rasterio.open(folder / f"{raster}.tif") as whole:
        window = Window(0, 0, whole.width, whole.height)
        for number, path in enumerate(bands(folder, raster), 1):
            _copy(whole, path, window, number, {"COMPRESS": "DEFLATE", "PREDICTOR": "STANDARD"}, write_cog)


def _copy(
    whole: Any, path: Path, window: Window, band: int | None, options: dict[str, str | int], write_cog: WriteCog
) -> None:
    if path.exists():
        return
    profile = {name: value for name, value in whole.profile.items() if name not in {"photometric", "compress"}}
    facts = {
        "driver": "GTiff",
        "width": window.width,
        "height": window.height,
        "count": 1 if band else whole.count,
        "transform": whole.window_transform(window),
        "interleave": "pixel",
    }
    source = path.with_suffix(".src.tif")
    with rasterio.open(source, "w", **(profile | facts)) as target:
        if band is None:
            target.write(whole.read(window=window))
        else:
            target.write(whole.read(band, window=window), 1)
    write_cog(source, path, **options)
    source.unlink()


def _mosaic(files: list[Path]) -> dict[str, Any]:
    """Return a MosaicJSON document of rasters by their whole paths, as both servers understand them."""
    found: dict[str, list[str]] = {}
    boxes = []
    for path in files:
        with rasterio.open(path) as source:
            boxes.append(transform_bounds(source.crs, "EPSG:4326", *source.bounds))
            box = transform_bounds(source.crs, "EPSG:3857", *source.bounds)
        _, left, top = tiles.at(box[0], box[3], QUADKEYS)
        _, right, bottom = tiles.at(box[2], box[1], QUADKEYS)
        for x in range(left, right + 1):
            for y in range(top, bottom + 1):
                bits = range(QUADKEYS - 1, -1, -1)
                quadkey = "".join(str((x >> bit & 1) + 2 * (y >> bit & 1)) for bit in bits)
                found.setdefault(quadkey, []).append(str(path))
    return {
        "mosaicjson": "0.0.2",
        "minzoom": QUADKEYS,
        "maxzoom": tiles.NATIVE,
        "quadkey_zoom": QUADKEYS,
        "bounds": [*(min(box[i] for box in boxes) for i in (0, 1)), *(max(box[i] for box in boxes) for i in (2, 3))],
        "tiles": found,
    }


def _item(assets: dict[str, Path]) -> dict[str, Any]:
    """Return a STAC Item of rasters by their whole paths."""
    with rasterio.open(next(iter(assets.values()))) as source:
        west, south, east, north = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "bench",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {"datetime": "2026-01-01T00:00:00Z"},
        "links": [],
        "assets": {name: {"href": str(path), "type": COG} for name, path in assets.items()},
    }
