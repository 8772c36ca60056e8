"""What is fuzzed with: small rasters of each kind that is read in its own way, and documents about them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.support import items, mosaics, rasters

SETTINGS: dict[str, Any] = {
    "deadline": 5.0,
    "revalidate_seconds": 0.0,
    "render_slots": 2,
    "memory": 512 << 20,
    "block_cache_bytes": 8 << 20,
    "tile_cache_bytes": 1 << 20,
    "kept_datasets": 16,
    "log_requests": "none",
    "fetch_retries": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Folders with everything in them."""

    folder: Path
    """What sources may name."""
    catalog: Path
    seeds: dict[str, bytes]
    """TIFFs to change, by name."""
    item: dict[str, Any]
    mosaic: dict[str, Any]
    layer: dict[str, Any]

    @property
    def urls(self) -> dict[str, tuple[str, ...]]:
        """What is asked about, by family."""
        names = (
            "rgb.tif",
            "heights.tif",
            "turned.tif",
            "palette.tif",
            "strips.tif",
            "points.tif",
            "none.tif",
            "text.tif",
        )
        cog = tuple(f"{self.folder}/{name}" for name in names)
        return {
            "cog": cog,
            "stac": (f"{self.folder}/item.json", f"{self.folder}/mosaic.json", *cog[:1]),
            "mosaicjson": (f"{self.folder}/mosaic.json", f"{self.folder}/item.json", *cog[:1]),
        }


def make(root: Path) -> World:
    """Make it below a folder, which is empty."""
    folder, catalog = root / "rasters", root / "catalog"
    folder.mkdir()
    catalog.mkdir()
    seeds = _rasters(folder)
    (folder / "text.tif").write_text("no raster")
    item = items.item("rgb", "heights")
    item["properties"] |= {"renders": {"red": {"assets": ["rgb"], "bidx": [1], "rescale": [[0, 255]]}}}
    item["assets"]["rgb"] |= {
        "bands": [{"name": "red", "eo:common_name": "red", "statistics": {"minimum": 0, "maximum": 255}}],
        "raster:bands": [{"nodata": 0, "scale": 1.0, "offset": 0.0}],
        "proj:epsg": 4326,
    }
    mosaic = mosaics.document(f"{folder}/rgb.tif", f"{folder}/turned.tif", bounds=(8.0, 46.0, 8.6, 46.6))
    mosaic |= {"name": "m", "version": "1.0.0", "center": [8.3, 46.3, 8], "description": "d", "asset_type": "COG"}
    layer: dict[str, Any] = {
        "tilejson": "3.0.0", "id": "dem", "name": "A dem", "source": f"{folder}/heights.tif", "kind": "raster",
        "bounds": [8, 46, 9, 47], "minzoom": 4, "maxzoom": 12, "revision": "r1", "description": "d",
        "attribution": "© x",
        "render": {"rescale": [[0, 1000]], "colormap_name": "viridis", "bidx": [1]},
        "styles": {"gray": {"title": "Gray", "render": {"rescale": [[0, 500]], "colormap": {"1": "#ff0000"}}}},
        "statistics": {"b1": {"min": 0, "max": 1000, "percentile_2": 20, "percentile_98": 980, "histogram": [[1, 2],
        [0, 1, 2]]}},
        "meta": {"approximateZoom": 9, "bandCount": 1, "width": 512, "height": 512, "source": "index.tif"},
        "vector_layers": [], "published": "2026-01-01T00:00:00Z", "center": [8.5, 46.5, 8],
    }  # fmt: skip
    (folder / "item.json").write_text(json.dumps(item))
    (folder / "mosaic.json").write_text(json.dumps(mosaic))
    for name, more in (
        ("dem", {}),
        ("plan", {"source": f"{folder}/item.json", "kind": "stac", "render": {"assets": ["rgb"]}, "styles": {}}),
        ("pile", {"source": f"{folder}/mosaic.json", "kind": "mosaic", "render": {}, "styles": {}}),
    ):
        (catalog / name).mkdir()
        (catalog / name / "index.json").write_text(json.dumps(layer | {"id": name} | more))
    return World(folder=folder, catalog=catalog, seeds=seeds, item=item, mosaic=mosaic, layer=layer)


def _rasters(folder: Path) -> dict[str, bytes]:
    rows, columns = np.mgrid[0:128, 0:128]
    heights = (rows * 3.5 + columns).astype("float32")[None]
    pixels = np.stack([rows * 2, columns * 2, rows + columns]).astype("uint8")
    small: dict[str, Any] = {"block": 32, "overviews": (2,)}
    made = [
        rasters.rgb(folder / "rgb.tif", size=256, block=64),
        rasters.write(folder / "heights.tif", heights, nodata=-9999.0, scales=(0.1,), offsets=(5.0,), **small),
        rasters.write(folder / "big.tif", pixels, BIGTIFF="YES", ENDIANNESS="BIG", compress="lzw", predictor=2,
        **small),
        rasters.write(folder / "masked.tif", pixels, mask=rows > columns, compress="zstd", **small),
        rasters.write(folder / "planes.tif", pixels, interleave="band", compress="none", **small),
        rasters.write(folder / "jpeg.tif", pixels, compress="jpeg", photometric="YCBCR", **small),
        rasters.write(folder / "webp.tif", pixels, compress="webp", interleave="pixel", **small),
        rasters.write(folder / "lerc.tif", heights, compress="lerc_zstd", **small),
        rasters.write(folder / "strips.tif", pixels, tiled=False, overviews=()),
        rasters.write(folder / "tagged.tif", heights, descriptions=("height",), tags={"A": "b"},
        band_tags=({"c": "d"},), **small),
        rasters.write(folder / "utm.tif", pixels, crs="EPSG:32632", bounds=(4e5, 5e6, 5e5, 5.1e6), nodata=0, **small),
        rasters.palette(folder / "palette.tif", size=64),
    ]  # fmt: skip
    from rasterio.control import GroundControlPoint as Point
    from rasterio.transform import Affine

    turned = Affine(0.005, 0.003, 8.0, 0.003, -0.005, 46.8)
    rasters.write(folder / "turned.tif", pixels, transform=turned, bounds=None, **small)
    points = [Point(0, 0, 8, 47), Point(0, 128, 9, 47), Point(128, 128, 9, 46), Point(128, 0, 8, 46)]
    made.append(rasters.write(folder / "points.tif", pixels, gcps=(points, "EPSG:4326"), bounds=None, **small))
    rasters.write(folder / "none.tif", pixels, crs=None, bounds=None, **small)
    return {path.stem: path.read_bytes() for path in made}
