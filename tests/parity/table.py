"""The table of requests that both servers are asked, each with what is expected of the pair.

`same` compares everything, within a tolerance where sampling may choose a neighbour; `status` compares status and media
type only (pages, whose text is our own); `differs` names a line of docs/compatibility.md and Tilery's own status.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.parity.answers import EXACT, Tolerance
from tests.parity.rasters import LAT, LON
from tilery.geo import tms
from tilery.geo.crs import WGS84, transform_points
from tilery.geo.raster import Crs

RASTERS = [
    "rgb",
    "mask",
    "nodata",
    "alpha",
    "flat",
    "jpeg",
    "web",
    "planar",
    "u16",
    "five",
    "two",
    "one",
    "dem",
    "int16",
    "scale",
    "palette",
    "nan",
    "nan_unsaid",
    "f64",
    "u32",
    "world",
    "dateline",
    "laea",
    "lcc",
    "rotated",
    "gcps",
]
"""Rasters that both servers can open and place on Earth."""


ALGORITHMS = [
    "hillshade",
    "slope",
    "contours",
    "normalizedIndex",
    "terrarium",
    "terrainrgb",
    "cast",
    "ceil",
    "floor",
    "min",
    "max",
    "median",
    "mean",
    "std",
    "var",
    "sum",
    "grayscale",
    "bitonal",
]
EVERYWHERE = ("problem-body", "errors-not-cacheable", "opaque-png", "palette-png", "sampled-once")
"""Differences that are no row's own: the comparison knows of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Same:
    """Both give the same."""

    tolerance: Tolerance = EXACT
    but: tuple[str, ...] = ()
    """Ids of lines of docs/compatibility.md: what the tolerance leaves out is a difference on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Both give the same status and media type; the text is each server's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """Tilery's answer is another one, on purpose."""

    reason: str
    """Id of a line of docs/compatibility.md."""
    status: int
    """Tilery's."""
    peer: int | None = None
    """TiTiler's, where that is the difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request and what is expected."""

    name: str
    path: str
    file: str | None
    params: tuple[tuple[str, str], ...]
    body: Any
    method: str
    headers: tuple[tuple[str, str], ...]
    expect: Same | Status | Differs


TABLE: list[Row] = []


def near(*but: str, **tolerance: Any) -> Same:
    """Return the same within a tolerance, but for the differences that are named."""
    return Same(tolerance=Tolerance(**tolerance), but=but)


def differs(reason: str, status: int, peer: int | None = None) -> Differs:
    """Return another answer, on purpose."""
    return Differs(reason=reason, status=status, peer=peer)


SAME = Same()
STATUS = Status()
SAMPLED = near(share=0.02, around=True)
"""Nearest sampling through a warp: TiTiler's transformer is approximate (an eighth of a pixel), and where some bands
are read it samples twice, to the raster's own resolution and from there. Ours samples once, and exactly."""
SMOOTHED = near(mean=1.5, share=0.06)
"""Interpolated samples: kernels are the same, the level they start from may not be."""


def row(
    name: str,
    path: str,
    file: str | None = "rgb",
    expect: Same | Status | Differs = SAME,
    *,
    body: Any = None,
    method: str | None = None,
    accept: str | None = None,
    params: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    """Put one request into the table; a parameter with a list is repeated."""
    pairs: list[tuple[str, str]] = []
    for key, value in ((params or {}) | more).items():
        items = value if isinstance(value, list) else [value]
        pairs += [(key, item if isinstance(item, str) else json.dumps(item)) for item in items]
    TABLE.append(
        Row(
            name=name,
            path=path,
            file=file if file is None or "." in file else f"{file}.tif",
            params=tuple(pairs),
            body=body,
            method=method or ("GET" if body is None else "POST"),
            headers=(("accept", accept),) if accept else (),
            expect=expect,
        )
    )


def tile(zoom: int, lon: float = LON, lat: float = LAT, name: str = "WebMercatorQuad") -> str:
    """Return the path of the tile of a zoom that holds a position."""
    matrix_set = tms.get(name)
    x, y = transform_points(WGS84, Crs(matrix_set.crs), lon, lat)
    column, line = matrix_set.tile_at(float(x), float(y), zoom)
    return f"/cog/tiles/{name}/{zoom}/{column}/{line}"


def polygon(*corners: tuple[float, float]) -> dict[str, Any]:
    """Return a GeoJSON feature."""
    ring = [list(corner) for corner in (*corners, corners[0])]
    return {
        "type": "Feature",
        "properties": {"name": "field"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


FIELD = polygon((2.985, 50.005), (3.02, 50.01), (3.015, 50.03), (2.99, 50.028))
LINE: dict[str, Any] = {
    **FIELD,
    "geometry": {"type": "LineString", "coordinates": [[2.985, 50.005], [3.0, 50.03], [3.02, 50.01]]},
}
POINTS: dict[str, Any] = {
    **FIELD,
    "geometry": {"type": "MultiPoint", "coordinates": [[2.985, 50.005], [3.0, 50.03], [3.02, 50.01]]},
}
COLLECTION: dict[str, Any] = {
    **FIELD,
    "geometry": {
        "type": "GeometryCollection",
        "geometries": [FIELD["geometry"], {"type": "Point", "coordinates": [3.03, 50.0]}],
    },
}
BOX = "2.99,50.0,3.02,50.025"
UTM_BOX = "497000,5539000,501000,5543000"
HEIGHTS: dict[str, Any] = {"colormap_name": "viridis", "rescale": "0,1000"}
DESCRIBED = ("two", "scale")
"""Rasters whose bands have a description each."""
NAN_UNSAID = ("nan_unsaid", "f64")
"""Rasters that have NaN in them and do not say so."""
DECODED = near(relative=0.02)
"""Statistics of JPEG blocks: two decoders differ by a value here and there."""
COVERED = near(relative=0.02)
"""Statistics of an area: where a pixel at its edge counts in part."""
PLACES = {"world": (3, 10.0, 20.0), "dateline": (7, 179.5, -1.0), "laea": (10, 5.9, 49.8), "lcc": (10, 3.08, 49.93)}
"""Zoom and position for rasters that are elsewhere."""


def place(file: str, deeper: int = 0) -> str:
    """Return a tile in the middle of a raster, near its own resolution."""
    zoom, lon, lat = PLACES.get(file, (10 if file in ("nan", "nan_unsaid", "f64", "u32") else 13, LON, LAT))
    return tile(zoom + deeper, lon, lat)


# What a raster says of itself
for f in RASTERS:
    expected = differs("gcps-alpha", 200) if f == "gcps" else SAME
    row(f"info {f}", "/cog/info", f, expected)
    row(f"info.geojson {f}", "/cog/info.geojson", f, expected)
row("info without a CRS", "/cog/info", "nocrs", differs("no-crs", 200, 500))
for crs in ("EPSG:3857", "http://www.opengis.net/def/crs/OGC/1.3/CRS84", "http://www.opengis.net/def/crs/EPSG/0/32631"):
    row(f"info.geojson in {crs}", "/cog/info.geojson", crs=crs)

row("info.geojson in a bare code", "/cog/info.geojson", expect=differs("crs-spellings", 200, 422), crs="3035")

# Statistics
for f in RASTERS:
    expected = differs("descriptions", 200) if f in DESCRIBED else differs("rotated", 200) if f == "rotated" else SAME
    row(f"statistics {f}", "/cog/statistics", f, DECODED if f == "jpeg" else expected)
row("statistics of bands", "/cog/statistics", "u16", bidx=[2, 1])
row("statistics of an expression", "/cog/statistics", "u16", expression="(b1-b2)/(b1+b2);b3*2")
row("statistics small", "/cog/statistics", max_size=100)
row("statistics width", "/cog/statistics", width=64)
row("statistics width and height", "/cog/statistics", width=64, height=50)
row("statistics bilinear", "/cog/statistics", "rgb", near(relative=0.05), max_size=100, resampling="bilinear")
row("statistics categorical", "/cog/statistics", "palette", categorical=True)
row("statistics categories", "/cog/statistics", "palette", categorical=True, c=[1, 2, 3, 99])
row("statistics percentiles", "/cog/statistics", p=[5, 50, 95])
row("statistics bins", "/cog/statistics", histogram_bins=5)
row("statistics bin edges", "/cog/statistics", histogram_bins="0,50,100,255")
row("statistics range", "/cog/statistics", histogram_range="50,200")
row("statistics, nodata given", "/cog/statistics", "one", nodata=100)
row("statistics unscaled", "/cog/statistics", "scale", differs("descriptions", 200), unscale=True)
row("statistics of an algorithm", "/cog/statistics", "two", differs("descriptions", 200), algorithm="normalizedIndex")
row("statistics in a polygon", "/cog/statistics", "rgb", COVERED, body=FIELD)
row("statistics in a polygon of floats", "/cog/statistics", "dem", COVERED, body=FIELD)
row("statistics in a polygon with nodata", "/cog/statistics", "nodata", COVERED, body=FIELD)
row(
    "statistics in two polygons",
    "/cog/statistics",
    "rgb",
    COVERED,
    body={"type": "FeatureCollection", "features": [FIELD, {**FIELD, "id": "two"}]},
)
row("statistics along a line", "/cog/statistics", "dem", COVERED, body=LINE)
row("statistics of points", "/cog/statistics", "dem", COVERED, body=POINTS)
row("statistics of a collection", "/cog/statistics", "dem", COVERED, body=COLLECTION)
row(
    "statistics of features of all kinds",
    "/cog/statistics",
    "dem",
    COVERED,
    body={"type": "FeatureCollection", "features": [LINE, FIELD, POINTS, COLLECTION]},
)
row("statistics in a polygon, coarse cover", "/cog/statistics", "rgb", COVERED, body=FIELD, cover_scale=2)
row("statistics in a polygon, small", "/cog/statistics", "rgb", COVERED, body=FIELD, max_size=64)
row("statistics in a polygon, bands", "/cog/statistics", "u16", COVERED, body=FIELD, bidx=[1, 3])
row("statistics in a polygon, expression", "/cog/statistics", "u16", near(relative=0.1), body=FIELD, expression="b1/b2")
row("statistics in a polygon, categorical", "/cog/statistics", "palette", COVERED, body=FIELD, categorical=True)
row(
    "statistics in a polygon, percentiles and bins",
    "/cog/statistics",
    "rgb",
    COVERED,
    body=FIELD,
    p=[10, 90],
    histogram_bins=4,
)
row(
    "statistics in a polygon, other CRS out",
    "/cog/statistics",
    "rgb",
    near(
        relative=0.02,
        ignore=tuple(f"properties.statistics.*.{key}" for key in ("histogram", "majority", "minority", "unique")),
    ),
    body=FIELD,
    dst_crs="EPSG:3857",
)
UTM_FIELD = polygon((497000, 5539000), (501000, 5539500), (500000, 5543000))
row("statistics in a polygon in UTM", "/cog/statistics", "rgb", COVERED, body=UTM_FIELD, coord_crs="EPSG:32631")

# Tilesets, TileJSON, WMTS, pages
TILESETS = near(
    "tileset-links",
    "tileset-crs",
    ignore=("tilesets.*.links", "tilesets.*.boundingBox", "tilesets.*.tileMatrixSetURI"),
)
TILESET = near(
    "tileset-links",
    "tileset-crs",
    "tileset-limits",
    ignore=("links", "boundingBox", "tileMatrixSetLimits", "tileMatrixSetURI"),
)
WMTS = near(
    "our-name",
    "wmts-layers",
    "wmts-crs",
    "wmts-matrices",
    "wmts-titles",
    "tileset-limits",
    "scale-denominators",
    ignore=(
        "/Layer/Title",
        "/Style/Title",
        "/TileMatrixSet/TileMatrix",
        "/ServiceIdentification/",
        "/ServiceProvider/",
        "/TileMatrixSetLimits/",
        "/SupportedCRS",
        "/TopLeftCorner",
        *("CDB1Global", "GNOSISGlobal", "LINZAntartica", "NZTM2000", "UPSAntarctic", "UPSArctic"),
    ),
)
"""Titles, limits, matrices and the layers of sets in which the raster does not lie are our own."""
row("tilesets", "/cog/tiles", "rgb", TILESETS)
row("tilesets of a DEM", "/cog/tiles", "dem", TILESETS, **HEIGHTS)
row("tilesets page", "/cog/tiles", expect=STATUS, f="html")
row("tilesets crs", "/cog/tiles", "rgb", TILESETS, crs="EPSG:3857")
for name in tms.names():
    row(f"tileset {name}", f"/cog/tiles/{name}", "world" if name != "WebMercatorQuad" else "rgb", TILESET)
    expected = differs("world-zoom", 200) if name in ("WebMercatorQuad", "WorldMercatorWGS84Quad") else SAME
    row(f"tilejson {name}", f"/cog/{name}/tilejson.json", "world", expected)
row("tileset zooms", "/cog/tiles/WebMercatorQuad", "rgb", TILESET, minzoom=9, maxzoom=12)
row("tileset page", "/cog/tiles/WebMercatorQuad", expect=STATUS, f="html")
for f in ("rgb", "u16", "dem", "palette", "scale", "dateline", "lcc", "gcps", "web"):
    expected = {"dateline": differs("antimeridian-center", 200), "gcps": differs("gcps-alpha", 200)}.get(f, SAME)
    row(f"tilejson {f}", "/cog/WebMercatorQuad/tilejson.json", f, expected)
row(
    "tilejson with everything",
    "/cog/WebMercatorQuad/tilejson.json",
    "u16",
    bidx=[3, 2, 1],
    rescale=["0,9000", "0,8000", "0,7000"],
    tile_format="webp",
    tilesize=256,
    minzoom=5,
    maxzoom=15,
    resampling="bilinear",
    color_formula="gamma R 1.2",
)
row("tilejson with a buffer", "/cog/WebMercatorQuad/tilejson.json", buffer=2, padding=1, return_mask=False)
for f in ("rgb", "u16", "world"):
    row(f"WMTS {f}", "/cog/WMTSCapabilities.xml", f, WMTS)
row("WMTS format", "/cog/WMTSCapabilities.xml", "rgb", WMTS, tile_format="jpeg")
row("WMTS EPSG", "/cog/WMTSCapabilities.xml", "rgb", WMTS, use_epsg=True)
row("WMTS zooms", "/cog/WMTSCapabilities.xml", "rgb", WMTS, zooms=["WebMercatorQuad::3,9", "*::1,5"])
row("WMTS parameters", "/cog/WMTSCapabilities.xml", "dem", WMTS, **HEIGHTS)
row("map page", "/cog/WebMercatorQuad/map.html", expect=STATUS)
row(
    "map page with parameters",
    "/cog/WebMercatorQuad/map.html",
    "dem",
    STATUS,
    tilesize=512,
    tile_format="png",
    minzoom=3,
    **HEIGHTS,
)
row("viewer", "/cog/viewer", None, STATUS)
row("validate", "/cog/validate")
row("validate a plain one", "/cog/validate", "flat")
row("validate strictly", "/cog/validate", "flat", strict=True)
row("stac", "/cog/stac", expect=differs("stac-valid-percent", 200), datetime="2024-01-02T03:04:05Z")
row(
    "stac of floats",
    "/cog/stac",
    "dem",
    datetime="2024-01-01/2024-02-01",
    collection="heights",
    collection_url="https://example.com/c.json",
    id="one",
    asset_name="image",
    asset_roles=["data", "visual"],
    asset_media_type="image/tiff",
    asset_href="https://example.com/a.tif",
)
row(
    "stac plain",
    "/cog/stac",
    "u16",
    datetime="2024-01-01",
    with_proj=False,
    with_raster=False,
    with_eo=False,
    geometry_densify=3,
    geometry_precision=4,
)
row(
    "stac small",
    "/cog/stac",
    "one",
    differs("stac-valid-percent", 200),
    datetime="2024-01-01",
    max_size=64,
    extensions=["https://stac-extensions.github.io/view/v1.0.0/schema.json"],
)

# Tiles of every raster: over and under its own resolution
for f in RASTERS:
    if f == "five":
        continue
    shown: dict[str, Any] = {"rescale": "0,10000", "bidx": [1, 2, 3]} if f == "u16" else {}
    if f in ("dem", "nan", "nan_unsaid", "int16", "scale", "f64", "u32"):
        low = {"f64": 1_000_000, "u32": 70_000, "int16": -2000}.get(f, 0)
        high = {"f64": 1_000_100, "u32": 1_070_000, "int16": 2000, "nan": 100, "nan_unsaid": 100}.get(f, 1000)
        shown = {"rescale": f"{low},{high}"}
    if f == "two":
        shown = {"bidx": 1}
    sampled: Same | Differs = near(mean=1.5, share=0.02) if f in ("jpeg", "gcps") else SAMPLED
    for deeper in (-3, 0, 2):
        found: Same | Differs = differs("nan-shown", 200) if f in NAN_UNSAID and deeper < 0 else sampled
        row(f"tile {f} {deeper:+d}", f"{place(f, deeper)}.png", f, found, **shown)
    row(f"tile {f} values", f"{place(f)}.npy", f, sampled)
    row(f"tile {f} GeoTIFF", f"{place(f, -1)}.tif", f, sampled)
for f in ("dateline", "world"):
    for lon in (-179.9, 179.9, -178):
        row(f"tile {f} at {lon}", f"{tile(7 if f == 'dateline' else 3, lon, -1.0)}.png", f, SAMPLED)
for zoom in (0, 1):
    row(f"tile of the world at {zoom}", f"/cog/tiles/WebMercatorQuad/{zoom}/0/0.png", "world", SAMPLED)
for name in tms.names():
    zoom = 5 if name in ("UTM31WGS84Quad", "LINZAntarticaMapTilegrid", "NZTM2000Quad") else 3
    where = {
        "CanadianNAD83_LCC": (-95.0, 60.0),
        "EuropeanETRS89_LAEAQuad": (10.0, 50.0),
        "LINZAntarticaMapTilegrid": (170.0, -78.0),
        "NZTM2000Quad": (173.0, -41.0),
        "UPSAntarcticWGS84Quad": (40.0, -80.0),
        "UPSArcticWGS84Quad": (40.0, 80.0),
        "UTM31WGS84Quad": (3.0, 40.0),
    }.get(name, (10.0, 20.0))
    expected = near("crs84", share=0.02, around=True) if name == "WorldCRS84Quad" else SAMPLED
    row(f"tile in {name}", f"{tile(zoom, *where, name)}.png", "world", expected)

# Formats
for suffix in ("png", "pngraw", "npy", "tif", "tiff", "jpeg", "jpg", "jp2", "webp"):
    lossy = differs("jpg-type", 200) if suffix == "jpg" else near(mean=3, share=0.02)
    expected = lossy if suffix in ("jpeg", "jpg", "jp2", "webp") else SAMPLED
    row(f"format {suffix}", f"{place('rgb')}.{suffix}", "rgb", expected)
    row(f"format= {suffix}", place("rgb"), "rgb", expected, format=suffix)
    loose = near(mean=5, share=0.06) if suffix in ("jpeg", "jp2", "webp") else expected
    row(f"format {suffix} with a mask", f"{place('mask', -2)}.{suffix}", "mask", loose)
row("16-bit PNG", f"{place('u16')}.png", "u16", SAMPLED, bidx=1)
row("16-bit PNG, four bands", f"{place('u16')}.png", "u16", SAMPLED)
row("16-bit JP2", f"{place('u16')}.jp2", "u16", near(mean=60), bidx=1)
row("no format, opaque", place("rgb"), expect=SAME)
row("no format, masked", place("mask", -2), "mask", SAMPLED)
row("no format, Accept", place("rgb"), accept="image/webp,image/png;q=0.8")
row("no format, uint16 with nodata", place("u16", -2), "u16", differs("automatic-rescale", 200), bidx=1)
row("no format, float", place("dem", 1), "dem", near(mean=3, share=0.06))
row("float PNG without rescale", f"{place('nan_unsaid', 1)}.png", "nan_unsaid", differs("float-range", 200))
row("JPEG of two bands", f"{place('two')}.jpeg", "two")
row("JPEG of five bands", f"{place('five')}.jpeg", "five")
row("PNG of five bands", f"{place('five')}.png", "five")
row(
    "PNG of two bands",
    f"{place('two')}.png",
    "two",
    SAMPLED,
)
row(
    "float as JP2",
    f"{place('dem')}.jp2",
    "dem",
    differs("float-range", 200),
)
row(
    "WebP of one band",
    f"{place('one')}.webp",
    "one",
    near(mean=5),
)

# Parameters of a tile
T = f"{place('rgb')}.png"
row("tilesize 512", T, expect=SAMPLED, tilesize=512)
row("tilesize 100", T, expect=SAMPLED, tilesize=100)
row("tilesize 0", T, tilesize=0)
row("buffer 2", T, expect=SAMPLED, buffer=2)
row("buffer 0.5", T, expect=SAMPLED, buffer=0.5)
row("buffer 0.3", T, expect=differs("user-mistakes", 422, 500), buffer=0.3)
row("padding 2", T, expect=SAMPLED, padding=2)
row("padding 2, cubic", T, expect=SMOOTHED, padding=2, reproject="cubic")
row("bidx", T, expect=SAMPLED, bidx=[3, 2, 1])
row("bidx once", T, expect=SAMPLED, bidx=2)
row("bidx twice the same", T, expect=SAMPLED, bidx=[1, 1, 1])
U = f"{place('u16')}.npy"
for text in (
    "b1+b2",
    "(b4-b3)/(b4+b3)",
    "b1*2;b2/3;b3-100",
    "where(b1>3000,b1,0)",
    "b1**2",
    "sqrt(b1)",
    "-b1",
    "b1%7",
    "abs(b1-b2)",
    "log(b1+1)",
    "b1/b2;b3",
    "where((b1>1)|(b2>2),1,0)",
    "arctan2(b1,b2)",
    "b1<<1",
    "1.5e3*b1",
):
    row(f"expression {text}", U, "u16", near(mean=3) if "%" in text else SAMPLED, expression=text)
for text in ("(b1>1000)&(b2<5000)", "~(b1>5)"):
    row(f"expression {text}", U, "u16", differs("boolean-bands", 200, 500), expression=text)
row("expression wins over bidx", U, "u16", SAMPLED, expression="b2", bidx=1)
row(
    "expression to PNG",
    f"{place('u16')}.png",
    "u16",
    near(share=0.06, mean=1.5),
    expression="(b4-b3)/(b4+b3)",
    rescale="-1,1",
    colormap_name="rdylgn",
)
for text in ("__import__('os')", "b1.real", "b1 if b2 else 3", "[b1]", "b1+", "lambda: 1", "foo(b1)"):
    row(f"expression {text} refused", U, "u16", expression=text)
row("expression with an empty block", U, "u16", SAMPLED, expression="b1;")
row("expression names no band", U, "u16", expression="1+1")
row("expression band beyond", U, "u16", differs("user-mistakes", 400, 500), expression="b9")
for number in (9, 0, -1):
    row(f"bidx {number}", T, expect=differs("user-mistakes", 400, 500), bidx=number)
row("nodata 0", f"{place('one', -2)}.png", "one", SAMPLED, nodata=0)
row("nodata 100", f"{place('one')}.png", "one", SAMPLED, nodata=100)
row("nodata nan on floats", f"{place('nan_unsaid')}.npy", "nan_unsaid", SAMPLED, nodata="nan")
row("nodata nan on integers", f"{place('one')}.png", "one", differs("user-mistakes", 422, 500), nodata="nan")
row("nodata other than its own", f"{place('nodata', -2)}.png", "nodata", SAMPLED, nodata=7)
row("nodata word", f"{place('one')}.png", "one", nodata="none")
row("unscale", f"{place('scale')}.npy", "scale", SAMPLED, unscale=True)
row("unscale to PNG", f"{place('scale')}.png", "scale", SAMPLED, unscale=True, bidx=1, rescale="0,105")
for method in ["nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode", "gauss", "rms"]:
    row(
        f"resampling {method}",
        f"{place('rgb', -1)}.png",
        expect=SAMPLED if method == "nearest" else near(mean=2.5, share=0.02),
        resampling=method,
    )
    row(
        f"preview resampling {method}",
        "/cog/preview.png",
        expect=SAMPLED if method == "nearest" else near(mean=2.5, share=0.02),
        resampling=method,
        max_size=200,
    )
for method in [
    "nearest",
    "bilinear",
    "cubic",
    "cubic_spline",
    "lanczos",
    "average",
    "mode",
    "max",
    "min",
    "med",
    "q1",
    "q3",
    "sum",
    "rms",
]:
    row(
        f"reproject {method}",
        f"{place('rgb', 1)}.png",
        expect=SAMPLED if method in ("nearest", "mode") else near(mean=2.5),
        reproject=method,
    )
    row(f"reproject {method} coarser", f"{place('rgb', -2)}.npy", expect=near(mean=6), reproject=method)
row(
    "resampling and reproject",
    f"{place('rgb', -1)}.png",
    expect=near(mean=2.5),
    resampling="bilinear",
    reproject="cubic",
)
row(
    "resampling with nodata",
    f"{place('nodata', -1)}.png",
    "nodata",
    near(mean=3, share=0.02),
    resampling="bilinear",
    reproject="bilinear",
)
row(
    "resampling with a mask",
    f"{place('mask', -1)}.png",
    "mask",
    near(mean=3, share=0.02),
    resampling="bilinear",
    reproject="bilinear",
)
row(
    "resampling with alpha",
    f"{place('alpha', -1)}.png",
    "alpha",
    near(mean=3, share=0.05),
    resampling="bilinear",
    reproject="bilinear",
)
row(
    "resampling with NaN",
    f"{place('nan')}.png",
    "nan",
    near(mean=3, share=0.02),
    resampling="bilinear",
    reproject="bilinear",
    rescale="0,100",
)
row("resampling web-aligned", f"{place('web', 1)}.png", "web", near(mean=1.5, share=0.02), resampling="cubic")
row("rescale", T, expect=SAMPLED, rescale="50,200")
row("rescale each", T, expect=SAMPLED, rescale=["0,100", "50,200", "100,255"])
row("rescale fewer", T, expect=SAMPLED, rescale=["0,200", "50,200"])
row("rescale in brackets", T, expect=SAMPLED, rescale="[0,200]")
row("rescale reversed", T, expect=differs("rescale-reversed", 200), rescale="200,0")
row("rescale one number", T, rescale="5")
row("rescale words", T, rescale="a,b")
row("rescale three", T, rescale="1,2,3")
row("rescale equal", T, expect=SAME, rescale="5,5")
for text in (
    "gamma RGB 1.5",
    "sigmoidal RGB 6 0.4",
    "saturation 1.4",
    "gamma R 1.2, gamma B 0.8, saturation 0.7 sigmoidal G 5 0.5",
    "gamma rg 2",
):
    row(f"color_formula {text}", T, expect=SAMPLED, color_formula=text)
row("color_formula unknown", T, color_formula="glow RGB 3")
row(
    "color_formula on one band",
    f"{place('one')}.png",
    "one",
    differs("user-mistakes", 400, 500),
    color_formula="gamma RGB 1.5",
)
row(
    "color_formula after rescale",
    f"{place('u16')}.png",
    "u16",
    SAMPLED,
    bidx=[1, 2, 3],
    rescale="0,9000",
    color_formula="gamma RGB 1.1, sigmoidal RGB 8 0.3",
)
row("return_mask false", f"{place('mask', -2)}.png", "mask", SAMPLED, return_mask=False)
row("return_mask false npy", f"{place('mask', -2)}.npy", "mask", SAMPLED, return_mask=False)
row("return_mask false tif", f"{place('nodata', -2)}.tif", "nodata", differs("geotiff-nodata", 200), return_mask=False)
ONE = f"{place('one')}.png"
for name in ("viridis", "cfastie", "rplumbo", "gray", "terrain", "schwarzwald", "rain_r", "tab10", "magma"):
    row(f"colormap {name}", ONE, "one", SAMPLED, colormap_name=name)
row("colormap with rescale", f"{place('dem', -2)}.png", "dem", SAMPLED, **HEIGHTS)
row("colormap unknown", ONE, "one", colormap_name="nothing")
row("colormap of a case", ONE, "one", colormap_name="Viridis")
for title, colours in {
    "hex": {"1": "#ff0000", "100": "#00ff0080", "200": "#abc"},
    "lists": {"50": [1, 2, 3], "51": [4, 5, 6, 128], "120": [9, 9, 9, 0]},
    "whole": {str(value): [value, 255 - value, 7, 255] for value in range(256)},
    "intervals": [[[0, 80], [255, 0, 0, 255]], [[80, 160], "#00ff00"], [[160, 256], [0, 0, 255]]],
    "wide": {"0": [0, 0, 0], "300": [1, 1, 1]},
}.items():
    row(f"colormap {title}", ONE, "one", SAMPLED, colormap=json.dumps(colours))
row(
    "colormap of floats",
    f"{place('dem')}.png",
    "dem",
    SAMPLED,
    colormap=json.dumps([[[-100, 200], "#ff0000"], [[200, 2000], "#0000ff"]]),
)
row("colormap not JSON", ONE, "one", colormap="{viridis")
row("colormap bad colour", ONE, "one", colormap=json.dumps({"1": "red"}))
row("colormap of another shape", ONE, "one", differs("user-mistakes", 400, 500), colormap="[1,2]")
row("colormap on three bands", T, colormap_name="viridis")
row("colormap name wins", ONE, "one", SAMPLED, colormap_name="viridis", colormap=json.dumps({"1": "#ff0000"}))
row("palette overruled", f"{place('palette')}.png", "palette", SAMPLED, colormap_name="viridis", rescale="0,16")
row("palette as values", f"{place('palette')}.npy", "palette", SAMPLED)
row("palette as JPEG", f"{place('palette')}.jpeg", "palette", near(mean=6))

# Algorithms
for name, file, given in (
    ("hillshade", "dem", {}),
    ("hillshade", "dem", {"azimuth": 90, "angle_altitude": 30, "z_exaggeration": 2}),
    ("slope", "dem", {}),
    ("slope", "dem", {"z_exaggeration": 3}),
    ("contours", "dem", {}),
    ("contours", "dem", {"increment": 100, "thickness": 3, "minz": 0, "maxz": 900}),
    ("normalizedIndex", "two", {}),
    ("terrarium", "dem", {}),
    ("terrarium", "dem", {"nodata_height": 0}),
    ("terrainrgb", "dem", {}),
    ("terrainrgb", "dem", {"interval": 1, "baseval": -500, "nodata_height": 3}),
    ("cast", "dem", {}),
    ("ceil", "nan", {}),
    ("floor", "nan", {}),
    ("min", "u16", {}),
    ("max", "u16", {}),
    ("median", "u16", {}),
    ("mean", "u16", {}),
    ("std", "u16", {}),
    ("var", "u16", {}),
    ("sum", "u16", {}),
    ("grayscale", "rgb", {}),
    ("bitonal", "rgb", {}),
):
    label = f"algorithm {name} {json.dumps(given) if given else ''}".strip()
    options: dict[str, Any] = {"algorithm": name} | ({"algorithm_params": json.dumps(given)} if given else {})
    row(f"{label} values", f"{place(file)}.npy", file, SAMPLED, **options)
    if name in ("hillshade", "slope"):
        row(f"{label} with a buffer", f"{place(file)}.tif", file, SAMPLED, buffer=3, **options)
    row(f"{label} preview", "/cog/preview.tif", file, near(share=0.01), max_size=300, **options)
row("algorithm to PNG", f"{place('dem')}.png", "dem", SAMPLED, algorithm="hillshade", buffer=3)
row(
    "algorithm to a colormap",
    f"{place('dem')}.png",
    "dem",
    SAMPLED,
    algorithm="slope",
    buffer=3,
    rescale="0,90",
    colormap_name="magma",
)
for name in ("terrainrgb", "terrarium"):
    heights: dict[str, Any] = {"algorithm": name}
    row(
        f"algorithm {name} in TileJSON",
        "/cog/WebMercatorQuad/tilejson.json",
        "dem",
        differs("terrain-format", 200),
        **heights,
    )
    row(f"algorithm {name} without a format", place("dem"), "dem", differs("terrain-format", 200), **heights)
row("algorithm terrainrgb to PNG", f"{place('dem', -2)}.png", "dem", SAMPLED, algorithm="terrainrgb")
row("algorithm unknown", T, algorithm="nothing")
row("algorithm of too few bands", ONE, "one", differs("user-mistakes", 400, 500), algorithm="normalizedIndex")
row(
    "algorithm with words",
    f"{place('dem')}.png",
    "dem",
    differs("algorithm-parameters", 422, 400),
    algorithm="hillshade",
    algorithm_params=json.dumps({"azimuth": "north"}),
)
row(
    "algorithm out of range",
    f"{place('dem')}.png",
    "dem",
    differs("algorithm-parameters", 422, 400),
    algorithm="hillshade",
    algorithm_params=json.dumps({"azimuth": 999}),
)
row(
    "algorithm with unknown parameters",
    f"{place('dem')}.png",
    "dem",
    differs("algorithm-parameters", 422, 200),
    algorithm="cast",
    algorithm_params=json.dumps({"colour": 1}),
)
row("algorithm parameters not JSON", f"{place('dem')}.png", "dem", STATUS, algorithm="hillshade", algorithm_params="{")

# Points
for f in RASTERS:
    zoom, lon, lat = PLACES.get(f, (0, LON, LAT))
    expected = differs("descriptions", 200) if f in DESCRIBED else near(relative=0.02) if f == "jpeg" else SAME
    row(f"point {f}", f"/cog/point/{lon},{lat}", f, expected)
row("point of bands", f"/cog/point/{LON},{LAT}", "u16", bidx=[4, 1])
row("point of an expression", f"/cog/point/{LON},{LAT}", "u16", expression="b1/b2;b3")
row("point in UTM", "/cog/point/500120,5541300", coord_crs="EPSG:32631")
row("point unscaled", f"/cog/point/{LON},{LAT}", "scale", differs("descriptions", 200), unscale=True)
row("point on nodata", "/cog/point/2.9315,50.0544", "nodata")
row("point under a mask", "/cog/point/2.9315,50.0544", "mask")
row("point on NaN", "/cog/point/3.4,50.45", "nan")
row("point over the antimeridian", "/cog/point/-179.5,-1", "dateline")
row("point bilinear", f"/cog/point/{LON},{LAT}", resampling="bilinear", reproject="bilinear")
row("point outside", "/cog/point/20,20", expect=differs("point-outside", 404, 500))
row("point beyond the pole", "/cog/point/20,120", expect=differs("point-outside", 404, 500))
row("point of words", "/cog/point/a,b")

# Previews
for f in RASTERS:
    if f != "five":
        sampled = near(mean=1.5) if f == "jpeg" else differs("rotated", 200) if f == "rotated" else SAMPLED
        found = differs("nan-shown", 200) if f in NAN_UNSAID else sampled
        row(f"preview {f}", "/cog/preview.tif", f, found, max_size=300)
row("preview without a format", "/cog/preview")
row("preview without a format, masked", "/cog/preview", "mask")
row("preview format=", "/cog/preview", expect=near(mean=5), format="webp", max_size=128)
row("preview with sizes", "/cog/preview/100x80.png")
row("preview width", "/cog/preview.png", width=90)
row("preview height", "/cog/preview.png", height=90)
row("preview both", "/cog/preview.png", width=90, height=30)
row("preview sizes beat max_size", "/cog/preview.png", width=90, max_size=20)
row("preview max_size 0", "/cog/preview.png", expect=SAMPLED, max_size=0)
row("statistics max_size 0", "/cog/statistics", max_size=0)
row("preview max_size beyond", "/cog/preview.png", expect=differs("limits", 400, 200), max_size=5000)
row("preview without a CRS", "/cog/preview.png", "nocrs", differs("no-crs", 200, 500))
row("preview in another CRS", "/cog/preview.tif", expect=SAMPLED, dst_crs="EPSG:4326", max_size=300)
row("preview in mercator", "/cog/preview.png", expect=SAMPLED, dst_crs="EPSG:3857", max_size=300)
row(
    "preview in mercator, smooth",
    "/cog/preview.png",
    expect=near(mean=2),
    dst_crs="EPSG:3857",
    max_size=300,
    reproject="bilinear",
    resampling="bilinear",
)
row("preview of bands", "/cog/preview.png", "u16", bidx=[3, 2, 1], rescale="0,9000")
row("preview of an expression", "/cog/preview.tif", "u16", near(share=0.01), expression="(b4-b3)/(b4+b3)")
row("preview in colours", "/cog/preview.png", "dem", near(share=0.01), **HEIGHTS)
row("preview CRS unknown", "/cog/preview.png", dst_crs="EPSG:999999")

# Bounding boxes
row("bbox", f"/cog/bbox/{BOX}.png", expect=SAMPLED)
row("bbox tif", f"/cog/bbox/{BOX}.tif", expect=SAMPLED)
row("bbox npy", f"/cog/bbox/{BOX}.npy", "dem", SAMPLED)
row("bbox jpeg", f"/cog/bbox/{BOX}.jpeg")
row("bbox with sizes", f"/cog/bbox/{BOX}/120x80.png", expect=SAMPLED)
row("bbox width", f"/cog/bbox/{BOX}.png", expect=SAMPLED, width=100)
row("bbox max_size", f"/cog/bbox/{BOX}.png", expect=SAMPLED, max_size=64)
row("bbox in UTM", f"/cog/bbox/{UTM_BOX}.tif", coord_crs="EPSG:32631")
row("bbox in UTM, small", f"/cog/bbox/{UTM_BOX}.tif", coord_crs="EPSG:32631", max_size=100)
row(
    "bbox in UTM, small and smooth",
    f"/cog/bbox/{UTM_BOX}.png",
    expect=near(mean=2),
    coord_crs="EPSG:32631",
    max_size=100,
    resampling="average",
)
row("bbox to UTM", f"/cog/bbox/{BOX}.tif", expect=SAMPLED, dst_crs="EPSG:32631")
row(
    "bbox UTM to mercator",
    f"/cog/bbox/{UTM_BOX}.tif",
    expect=SAMPLED,
    coord_crs="EPSG:32631",
    dst_crs="EPSG:3857",
)
row("bbox over the edge", "/cog/bbox/2.9,49.95,3.0,50.02.tif", "nodata", SAMPLED)
row(
    "bbox over the edge in UTM",
    "/cog/bbox/490000,5535000,500000,5545000.tif",
    "rgb",
    SAMPLED,
    coord_crs="EPSG:32631",
    max_size=200,
)
row("bbox of a DEM in colours", f"/cog/bbox/{BOX}.png", "dem", SAMPLED, **HEIGHTS)
row("bbox of alpha", "/cog/bbox/2.93,50.0,3.05,50.06.png", "alpha", SAMPLED)
row("bbox of gcps", "/cog/bbox/2.95,50.0,3.05,50.05.tif", "gcps", SAMPLED)
row(
    "bbox over the antimeridian",
    "/cog/bbox/178.5,-3,182,0.5.png",
    "dateline",
    differs("antimeridian-bbox", 200),
)
row(
    "bbox over the antimeridian, west over east",
    "/cog/bbox/178.5,-3,-178,0.5.png",
    "dateline",
    differs("bbox-inverted", 422, 200),
)
row("bbox outside", "/cog/bbox/20,20,21,21.png", expect=SAME, max_size=64)
row("bbox of many pixels", "/cog/bbox/20,20,21,21.png", expect=differs("limits", 413, 200))
row("bbox inverted", "/cog/bbox/3.02,50.0,2.99,50.025.png", expect=differs("bbox-inverted", 422, 200))
row("bbox of words", "/cog/bbox/a,b,c,d.png")
row("bbox of three numbers", "/cog/bbox/1,2,3.png")

# Features
row("feature", "/cog/feature", expect=SAMPLED, body=FIELD)
row("feature png", "/cog/feature.png", expect=SAMPLED, body=FIELD)
row("feature tif", "/cog/feature.tif", "dem", SAMPLED, body=FIELD)
row("feature npy", "/cog/feature.npy", "u16", SAMPLED, body=FIELD)
row("feature jpeg", "/cog/feature.jpeg", expect=near(mean=4), body=FIELD)
row("feature format=", "/cog/feature", expect=near(mean=4, share=0.06), body=FIELD, format="webp")
row("feature with sizes", "/cog/feature/100x70.png", expect=SAMPLED, body=FIELD)
row("feature max_size", "/cog/feature.png", expect=SAMPLED, body=FIELD, max_size=80)
row("feature to UTM", "/cog/feature.tif", expect=SAMPLED, body=FIELD, dst_crs="EPSG:32631")
row("feature in UTM", "/cog/feature.tif", expect=SAMPLED, body=UTM_FIELD, coord_crs="EPSG:32631")
row("feature in mercator", "/cog/feature.tif", expect=SAMPLED, body=FIELD, dst_crs="EPSG:3857", max_size=100)
row("feature in colours", "/cog/feature.png", "dem", SAMPLED, body=FIELD, **HEIGHTS)
row(
    "feature with a hole",
    "/cog/feature.png",
    expect=SAMPLED,
    body={
        **FIELD,
        "geometry": {
            "type": "Polygon",
            "coordinates": [
                FIELD["geometry"]["coordinates"][0],
                [[3.0, 50.015], [3.005, 50.015], [3.005, 50.02], [3.0, 50.015]],
            ],
        },
    },
)
row(
    "feature of many",
    "/cog/feature.png",
    expect=SAMPLED,
    body={**FIELD, "geometry": {"type": "MultiPolygon", "coordinates": [FIELD["geometry"]["coordinates"]]}},
)
row(
    "feature without a geometry",
    "/cog/feature.png",
    expect=differs("user-mistakes", 400, 500),
    body={**FIELD, "geometry": None},
)
row(
    "feature of a point",
    "/cog/feature.png",
    expect=differs("feature-lines", 200, 500),
    body={**FIELD, "geometry": {"type": "Point", "coordinates": [3.0, 50.0]}},
)
row("feature along a line", "/cog/feature.tif", expect=differs("feature-lines", 200), body=LINE)
row("feature that is none", "/cog/feature.png", body={"type": "Thing"})
row("feature outside", "/cog/feature.png", expect=STATUS, max_size=64, body=polygon((20, 20), (21, 20), (21, 21)))

# OGC API Maps
row("map", "/cog/map")
row("map bbox", "/cog/map", expect=SAMPLED, bbox=BOX)
row("map bbox of six", "/cog/map", expect=SAMPLED, bbox="2.99,50.0,0,3.02,50.025,0")
row(
    "map bbox-crs",
    "/cog/map",
    expect=SAMPLED,
    bbox=UTM_BOX,
    params={"bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/32631"},
)
row(
    "map bbox-crs with latitude first",
    "/cog/map",
    expect=differs("map-axes", 200, 200),
    bbox="50.0,2.99,50.025,3.02",
    params={"bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/4326"},
)
row("map crs", "/cog/map", expect=SAMPLED, bbox=BOX, crs="[EPSG:3857]")
row("map width", "/cog/map", expect=SAMPLED, bbox=BOX, width=100)
row("map size", "/cog/map", expect=SAMPLED, width=100, height=60)
row("map jpeg", "/cog/map", expect=near(mean=5), f="jpeg", width=100, height=60)
row("map tif", "/cog/map", "dem", SAMPLED, f="tif", bbox=BOX, crs="EPSG:4326")
row("map Accept", "/cog/map", expect=near(mean=5), accept="image/jpeg", width=100, height=100)
row(
    "map Accept of a browser",
    "/cog/map",
    expect=near(mean=5),
    accept="text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    width=100,
    height=100,
)
row("map in colours", "/cog/map", "dem", SAMPLED, bbox=BOX, **HEIGHTS)
row("map of five numbers", "/cog/map", bbox="1,2,3,4,5")
row("map of no width", "/cog/map", width=0)


# Shared
def colormap_picture(suffix: str) -> Same | Differs:
    """Return what is expected of a colormap drawn in a format."""
    if suffix in ("tif", "tiff"):
        return differs("colormap-place", 200)
    if suffix == "jpg":
        return differs("jpg-type", 200)
    return near(mean=3) if suffix in ("jpeg", "jp2", "webp") else SAME


row("landing", "/", None, differs("our-name", 200))
row("landing page", "/", None, STATUS, f="html")
row("landing in a browser", "/", None, STATUS, accept="text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
row("conformance", "/conformance", None, differs("conformance-classes", 200))
row("conformance page", "/conformance", None, STATUS, f="html")
row("tile matrix sets", "/tileMatrixSets", None)
row("tile matrix sets page", "/tileMatrixSets", None, STATUS, f="html")
for name in tms.names():
    expected = differs("scale-denominators", 200) if name == "CanadianNAD83_LCC" else SAME
    row(f"tile matrix set {name}", f"/tileMatrixSets/{name}", None, expected)
row("tile matrix set page", "/tileMatrixSets/WebMercatorQuad", None, STATUS, f="html")
row("tile matrix set unknown", "/tileMatrixSets/Nothing", None)
row(
    "colormaps",
    "/colorMaps",
    None,
    differs("colormap-list", 200),
)
row("colormaps page", "/colorMaps", None, STATUS, f="html")
for name in ("viridis", "cfastie", "tab10", "schwarzwald", "terrain_r"):
    row(f"colormap document {name}", f"/colorMaps/{name}", None)
row("colormap page", "/colorMaps/viridis", None, STATUS, f="html")
for suffix in ("png", "npy", "tif", "tiff", "jpeg", "jpg", "jp2", "webp", "pngraw"):
    row(
        f"colormap as {suffix}",
        "/colorMaps/viridis",
        None,
        colormap_picture(suffix),
        f=suffix,
    )
row("colormap upright", "/colorMaps/viridis", None, f="png", orientation="vertical")
row("colormap of a size", "/colorMaps/magma", None, f="png", width=100, height=7)
row("colormap document unknown", "/colorMaps/nothing", None)
row("algorithms", "/algorithms", None)
row("algorithms page", "/algorithms", None, STATUS, f="html")
for name in ALGORITHMS:
    row(f"algorithm document {name}", f"/algorithms/{name}", None)
row("algorithm page", "/algorithms/hillshade", None, STATUS, f="html")
row("algorithm document unknown", "/algorithms/nothing", None)
row("health", "/healthz", None, differs("health", 200))
row("OpenAPI page", "/api.html", None, STATUS)
row("ReDoc", "/redoc", None, STATUS)
row("OAuth page", "/docs/oauth2-redirect", None, differs("oauth-page", 404, 200))

# Mistakes
row("no url", "/cog/info", None)
row("no url for a tile", T, None)
row("no such file", "/cog/info", "gone", differs("user-mistakes", 404, 500))
row("no such file for a tile", T, "gone", differs("user-mistakes", 404, 500))
row("not a raster", "/cog/info", "text", differs("user-mistakes", 415, 500))
row("an empty file", "/cog/info", "empty", differs("user-mistakes", 415, 500))
row("a file cut short", f"{tile(9)}.png", "cut", differs("user-mistakes", 422, 500))
row("tile outside the raster", f"{tile(10, 40, 10)}.png")
row("tile outside the matrix", "/cog/tiles/WebMercatorQuad/2/9/9.png")
row("tile far too deep", "/cog/tiles/WebMercatorQuad/99/0/0.png", expect=SAME)
row(
    "tile with a negative row",
    "/cog/tiles/WebMercatorQuad/2/1/-1.png",
    "world",
    differs("outside-the-matrix", 404, 200),
)
row("tile of words", "/cog/tiles/WebMercatorQuad/a/b/c.png")
row("tile matrix set unknown to tiles", "/cog/tiles/Nothing/1/0/0.png")
row("format unknown", f"{place('rgb')}.bmp")
row("format= unknown", place("rgb"), format="bmp")
row("resampling unknown", T, resampling="sharp")
row("reproject unknown", T, reproject="sharp")
row("a bool that is none", T, unscale="perhaps")
row("a number that is none", T, tilesize="big")
row("unknown parameters are ignored", T, expect=SAMPLED, colour="red", BIDX=1)
row("a repeated scalar takes the last", T, expect=SAMPLED, tilesize=[128, 64])
row("histogram bins 0", "/cog/statistics", expect=differs("user-mistakes", 422, 500), histogram_bins=0)
row("histogram bins out of order", "/cog/statistics", expect=differs("user-mistakes", 422, 500), histogram_bins="3,1,2")
row("histogram range reversed", "/cog/statistics", expect=differs("user-mistakes", 422, 500), histogram_range="9,1")
row("percentile 101", "/cog/statistics", expect=differs("user-mistakes", 422, 500), p=101)
row("no such route", "/cog/nothing")
row("no such page", "/nothing", None)
row("HEAD", T, expect=differs("head", 200, 405), method="HEAD")
row("a trailing slash", "/cog/info/", expect=SAME)
row("the wrong method", "/cog/info", method="DELETE")

# STAC Items
ITEM = "item.json"
STAC_TILE = place("rgb").replace("/cog/", "/stac/")
EACH = ["one", "two", "u16", "dem", "scale"]
"""Assets of several types; the others of the item are masked."""
row("STAC assets", "/stac/assets", ITEM)
row("STAC info", "/stac/info", ITEM, assets=EACH)
row("STAC info of all", "/stac/info", ITEM, assets=":all:")
row(
    "STAC info with options",
    "/stac/info",
    ITEM,
    differs("stac-info-options", 200, 500),
    assets=["u16|bidx=2,1", "two|expression=b1*2"],
)
row("STAC info.geojson", "/stac/info.geojson", ITEM, assets=["one", "dem"])
row("STAC statistics", "/stac/statistics", ITEM, assets=["one", "dem"])
row("STAC statistics of an expression", "/stac/statistics", ITEM, assets=["one", "u16"], expression="b1+b2;b3")
row("STAC statistics in a polygon", "/stac/statistics", ITEM, COVERED, assets=["one", "u16|bidx=2"], body=FIELD)
row("STAC statistics by asset", "/stac/asset_statistics", ITEM, assets=["one", "u16|bidx=3", "dem"])
row("STAC point", f"/stac/point/{LON},{LAT}", ITEM, assets=["one", "two|bidx=2", "dem"])
row("STAC point as bands", f"/stac/point/{LON},{LAT}", ITEM, assets=["one", "dem"], asset_as_band=True)
row("STAC point of an expression", f"/stac/point/{LON},{LAT}", ITEM, assets=["one", "u16"], expression="b1*b2")
row("STAC preview", "/stac/preview.npy", ITEM, assets=["one", "two"])
row("STAC preview of bands by name", "/stac/preview.npy", ITEM, assets="two|bands=nir,red")
row("STAC preview of maths of assets", "/stac/preview.npy", ITEM, assets=["one|expression=b1*2", "two"])
row("STAC preview without a format", "/stac/preview", ITEM, assets="one")
row("STAC preview with sizes", "/stac/preview/100x80.png", ITEM, assets=["one", "two"])
row("STAC box with sizes", f"/stac/bbox/{BOX}/120x80.png", ITEM, SAMPLED, assets=["one", "two"])
row("STAC feature without a format", "/stac/feature", ITEM, SAMPLED, assets="one", body=FIELD)
row("STAC feature with sizes", "/stac/feature/100x70.png", ITEM, SAMPLED, assets=["one", "two"], body=FIELD)
row("STAC map of a box", "/stac/map", ITEM, SAMPLED, assets="one", bbox=BOX, width=90, height=70, f="png")
row("STAC viewer", "/stac/viewer", None, STATUS)
row("STAC box", f"/stac/bbox/{BOX}.npy", ITEM, SAMPLED, assets=["one", "two"])
row("STAC feature", "/stac/feature.npy", ITEM, SAMPLED, assets=["one", "two"], body=FIELD)
for assets in (["one", "two"], ["rgb"], ["u16|bidx=1", "one"], ["nodata"], ["mask", "one"], ["dem", "one"], ["scale"]):
    row(f"STAC tile of {' and '.join(assets)}", f"{STAC_TILE}.npy", ITEM, SAMPLED, assets=assets)
row("STAC tile of three assets", f"{STAC_TILE}.png", ITEM, SAMPLED, assets=["one", "two"])
row("STAC tile of an expression", f"{STAC_TILE}.npy", ITEM, SAMPLED, assets=["one", "two"], expression="b1+b2*b3")
row(
    "STAC tile of some of its assets",
    f"{STAC_TILE}.npy",
    ITEM,
    differs("stac-unused-assets", 200),
    assets=["one", "nodata"],
    expression="b1*2",
)
row("STAC tile unscaled", f"{STAC_TILE}.npy", ITEM, SAMPLED, assets=["scale", "one"], unscale=True)
row("STAC tile by statistics", STAC_TILE, ITEM, SAMPLED, assets="one")
SAID = near("stac-tilejson", ignore=("band_descriptions", "data_type", "minmax"))
row("STAC TileJSON", "/stac/WebMercatorQuad/tilejson.json", ITEM, SAID, assets=["one", "two"])
row("STAC tilesets", "/stac/tiles", ITEM, STATUS)
row("STAC tileset", "/stac/tiles/WebMercatorQuad", ITEM, STATUS)
row("STAC map", "/stac/WebMercatorQuad/map.html", ITEM, STATUS, assets="one")
row("STAC WMTS", "/stac/WMTSCapabilities.xml", ITEM, STATUS, assets="one")
row("STAC renders", "/stac/renders", ITEM, differs("stac-render-links", 200))
row("STAC render", "/stac/renders/index", ITEM, differs("stac-render-links", 200))
row("STAC render unknown", "/stac/renders/none", ITEM)
row("STAC without assets", "/stac/preview.png", ITEM)
row("STAC asset unknown", "/stac/preview.png", ITEM, assets="red")
row(
    "STAC asset with several bands as one",
    "/stac/preview.png",
    ITEM,
    differs("user-mistakes", 400, 500),
    assets="two",
    asset_as_band=True,
)
row("STAC no such file", "/stac/assets", "gone.json", differs("user-mistakes", 404, 500))
row("STAC Collection", "/stac/assets", "collection.json", differs("user-mistakes", 415, 500))

# Mosaics
MOSAIC = "mosaic.json"
PREFIXED = "prefixed.json.gz"
MOSAIC_TILE = place("rgb").replace("/cog/", "/mosaicjson/")
row("mosaic document", "/mosaicjson/", MOSAIC)
row("mosaic document packed", "/mosaicjson/", PREFIXED)
row("mosaic info", "/mosaicjson/info", MOSAIC)
row("mosaic info of a name", "/mosaicjson/info", PREFIXED)
row("mosaic info.geojson", "/mosaicjson/info.geojson", MOSAIC)
row("mosaic info.geojson in metres", "/mosaicjson/info.geojson", MOSAIC, crs="EPSG:3857")
for selection in ("first", "highest", "lowest", "mean", "median", "stdev", "lastbandlow", "lastbandhigh", "count"):
    row(f"mosaic tile, {selection}", f"{MOSAIC_TILE}.npy", MOSAIC, SAMPLED, pixel_selection=selection)
    row(f"mosaic tile of uint16, {selection}", f"{MOSAIC_TILE}.tif", PREFIXED, SAMPLED, pixel_selection=selection)
for deeper in (-3, -2, -1, 1):
    deep = place("rgb", deeper).replace("/cog/", "/mosaicjson/")
    row(f"mosaic tile {deeper}", f"{deep}.npy", MOSAIC, SAMPLED)
row("mosaic tile without a format", MOSAIC_TILE, MOSAIC, SAMPLED)
row("mosaic tile of bands", f"{MOSAIC_TILE}.npy", MOSAIC, SAMPLED, bidx=[3, 1])
row("mosaic tile of an expression", f"{MOSAIC_TILE}.npy", PREFIXED, SAMPLED, expression="b1-b2;b3*2")
row(
    "mosaic highest of an expression",
    f"{MOSAIC_TILE}.npy",
    PREFIXED,
    SAMPLED,
    expression="b1-b2",
    pixel_selection="highest",
)
row("mosaic tile with opacity", f"{MOSAIC_TILE}.png", "opacity.json", SAMPLED)
row("mosaic tile, nodata given", f"{MOSAIC_TILE}.npy", PREFIXED, SAMPLED, nodata=300)
row("mosaic tile with a buffer", f"{MOSAIC_TILE}.npy", MOSAIC, SAMPLED, buffer=2)
row("mosaic tile bilinear", f"{MOSAIC_TILE}.npy", MOSAIC, SMOOTHED, resampling="bilinear", reproject="bilinear")
row(
    "mosaic tile with a colormap",
    f"{MOSAIC_TILE}.png",
    PREFIXED,
    SAMPLED,
    bidx=1,
    rescale="0,9000",
    colormap_name="viridis",
)
row("mosaic tile of an algorithm", f"{MOSAIC_TILE}.npy", PREFIXED, SAMPLED, algorithm="cast")
row(
    "mosaic tile in another set",
    tile(12, name="WorldMercatorWGS84Quad").replace("/cog/", "/mosaicjson/") + ".npy",
    MOSAIC,
    SAMPLED,
)
row("mosaic tile outside", "/mosaicjson/tiles/WebMercatorQuad/10/0/0.png", MOSAIC)
row("mosaic tile outside of the matrix", "/mosaicjson/tiles/WebMercatorQuad/10/5000/0.png", MOSAIC)
row("mosaic tile of zoom 99", "/mosaicjson/tiles/WebMercatorQuad/99/0/0.png", MOSAIC)
row(
    "mosaic tile of bands that differ",
    f"{MOSAIC_TILE}.png",
    "bands.json",
    differs("user-mistakes", 400, 500),
    pixel_selection="highest",
)
row("mosaic tile with a missing raster that is not needed", f"{MOSAIC_TILE}.npy", "missing.json", SAMPLED)
row(
    "mosaic tile with a missing raster",
    f"{MOSAIC_TILE}.png",
    "missing.json",
    differs("user-mistakes", 404, 500),
    pixel_selection="highest",
)
row("mosaic selection unknown", f"{MOSAIC_TILE}.png", MOSAIC, pixel_selection="best")
row(
    "mosaic lastband of one band",
    f"{MOSAIC_TILE}.png",
    MOSAIC,
    differs("mosaic-last-band", 400, 200),
    bidx=1,
    pixel_selection="lastbandhigh",
)
row("mosaic point", f"/mosaicjson/point/{LON},{LAT}", MOSAIC)
row("mosaic point of an expression", f"/mosaicjson/point/{LON},{LAT}", PREFIXED, expression="b1+b2")
row("mosaic point on the edge", "/mosaicjson/point/2.9305,50.0545", MOSAIC)
row("mosaic point outside", "/mosaicjson/point/20,20", MOSAIC)
row("mosaic point in UTM", "/mosaicjson/point/500120,5541300", MOSAIC, coord_crs="EPSG:32631")
row("mosaic assets of a tile", f"{MOSAIC_TILE}/assets", MOSAIC)
row("mosaic assets of a low tile", place("rgb", -4).replace("/cog/", "/mosaicjson/") + "/assets", PREFIXED)
row("mosaic assets of a tile of another set", "/mosaicjson/tiles/WGS1984Quad/10/1040/227/assets", MOSAIC)
row("mosaic assets of a tile outside", "/mosaicjson/tiles/WebMercatorQuad/10/0/0/assets", MOSAIC)
row("mosaic assets of a point", f"/mosaicjson/point/{LON},{LAT}/assets", PREFIXED)
row("mosaic assets of a point outside", "/mosaicjson/point/20,20/assets", MOSAIC)
row("mosaic assets of a box", f"/mosaicjson/bbox/{BOX}/assets", PREFIXED)
row(
    "mosaic assets of a box in UTM",
    "/mosaicjson/bbox/496000,5538000,500000,5543000/assets",
    MOSAIC,
    coord_crs="EPSG:32631",
)
row("mosaic assets of a box outside", "/mosaicjson/bbox/20,20,21,21/assets", MOSAIC)
SAID = near("mosaic-tilejson", ignore=("band_descriptions", "data_type"))
row("mosaic TileJSON", "/mosaicjson/WebMercatorQuad/tilejson.json", MOSAIC, SAID)
row("mosaic TileJSON in another set", "/mosaicjson/WorldCRS84Quad/tilejson.json", MOSAIC, SAID)
row("mosaic tilesets", "/mosaicjson/tiles", MOSAIC, STATUS)
row("mosaic tileset", "/mosaicjson/tiles/WebMercatorQuad", MOSAIC, STATUS)
row("mosaic map", "/mosaicjson/WebMercatorQuad/map.html", MOSAIC, STATUS)
row("mosaic WMTS", "/mosaicjson/WMTSCapabilities.xml", MOSAIC, STATUS)
row("mosaic no such file", "/mosaicjson/info", "gone.json", differs("user-mistakes", 404, 424))
row("mosaic that is none", "/mosaicjson/info", "no-mosaic.json", differs("user-mistakes", 415, 500))
row("mosaic that is a raster", "/mosaicjson/info", "rgb", differs("user-mistakes", 415, 500))
row("mosaic validated", "/mosaicjson/validate", None, body={"mosaicjson": "0.0.2", "tiles": {"0": ["a.tif"]}})
row("mosaic not valid", "/mosaicjson/validate", None, body={"mosaicjson": "0.0.2"})

# Zarr
DAY = "time=2020-01-02"
ZARR_TILE = "/zarr/tiles/WebMercatorQuad/3/4/2"
ZARR_FEATURE = polygon((-10, -10), (20, -10), (20, 30), (-10, 30))
for store in ("world.zarr", "old.zarr", "sharded.zarr", "packed.zarr"):
    row(f"{store} info", "/zarr/info", store, variable="v", show_times=True)
    row(f"{store} info of a day", "/zarr/info", store, variable="v", sel=DAY)
    row(f"{store} tile", f"{ZARR_TILE}.npy", store, SAMPLED, variable="v", sel=DAY)
    if store != "packed.zarr":  # in which some pixels are missing: what an array holds there is each server's own
        row(f"{store} tile of zoom 0", "/zarr/tiles/WebMercatorQuad/0/0/0.npy", store, SAMPLED, variable="v")
    row(f"{store} point", "/zarr/point/10.2,40.1", store, variable="v", sel=[DAY, "time=2020-01-04"])
for method in ("bilinear", "cubic", "cubic_spline", "lanczos", "average"):  # of noise, whose deviation is 10
    row(
        f"zarr tile {method}",
        f"{ZARR_TILE}.npy",
        "world.zarr",
        near(mean=0.2, share=0.02),
        variable="v",
        sel=DAY,
        reproject=method,
    )
    row(
        f"zarr tile {method} from 0 to 360",
        f"{ZARR_TILE}.npy",
        "east.zarr",
        near(mean=0.2, share=0.02),
        variable="v",
        sel=DAY,
        reproject=method,
    )
    row(
        f"zarr tile {method} of zoom 0",
        "/zarr/tiles/WebMercatorQuad/0/0/0.npy",
        "world.zarr",
        near(mean=0.2, share=0.02),
        variable="v",
        sel=DAY,
        reproject=method,
    )
row("zarr tile in another set", "/zarr/tiles/WorldCRS84Quad/2/3/1.npy", "world.zarr", SAMPLED, variable="v", sel=DAY)
row("zarr tile as a picture", f"{ZARR_TILE}.png", "world.zarr", SAMPLED, variable="v", sel=DAY, rescale="250,310")
row(
    "zarr tile of a day that is near",
    f"{ZARR_TILE}.npy",
    "world.zarr",
    SAMPLED,
    variable="v",
    sel="time=nearest::2020-01-02T07",
)
row(
    "zarr tile, times not decoded",
    f"{ZARR_TILE}.npy",
    "world.zarr",
    SAMPLED,
    variable="v",
    sel="time=1",
    decode_times=False,
)
row("zarr tile from 0 to 360", f"{ZARR_TILE}.npy", "east.zarr", SAMPLED, variable="v", sel=DAY)
row(
    "zarr tile from 0 to 360 in the west",
    "/zarr/tiles/WebMercatorQuad/2/0/1.npy",
    "east.zarr",
    SAMPLED,
    variable="v",
    sel=DAY,
)
row("zarr info from 0 to 360", "/zarr/info", "east.zarr", variable="v", sel=DAY)
row(
    "zarr level", "/zarr/point/10.2,40.1", "levels.zarr", variable="w", sel=["level=nearest::700", "time=2020-01-01T06"]
)
row("zarr levels", "/zarr/info", "levels.zarr", variable="w", sel="time=pad::2020-01-01T11")
row("zarr level and time", "/zarr/info", "levels.zarr", variable="w", sel=["level=bfill::800", "time=2020-01-01"])
row("zarr info.geojson", "/zarr/info.geojson", "world.zarr", variable="v", sel=DAY)
row("zarr TileJSON", "/zarr/WebMercatorQuad/tilejson.json", "world.zarr", variable="v", sel=DAY)
row("zarr map", "/zarr/WebMercatorQuad/map.html", "world.zarr", STATUS, variable="v", sel=DAY)
row("zarr tilesets", "/zarr/tiles", "world.zarr", STATUS, variable="v", sel=DAY)
row("zarr tileset", "/zarr/tiles/WebMercatorQuad", "world.zarr", STATUS, variable="v", sel=DAY)
row("zarr box", "/zarr/bbox/-20,-20,30,40.npy", "world.zarr", variable="v", sel=DAY)
row("zarr box of a size", "/zarr/bbox/-20,-20,30,40/60x70.npy", "world.zarr", SAMPLED, variable="v", sel=DAY)
row("zarr feature", "/zarr/feature.npy", "world.zarr", body=ZARR_FEATURE, variable="v", sel=DAY)
row(
    "zarr feature without a format",
    "/zarr/feature",
    "world.zarr",
    body=ZARR_FEATURE,
    variable="v",
    sel=DAY,
    rescale="250,310",
)
row(
    "zarr feature with sizes",
    "/zarr/feature/60x80.png",
    "world.zarr",
    SAMPLED,
    body=ZARR_FEATURE,
    variable="v",
    sel=DAY,
    rescale="250,310",
)
row("zarr statistics", "/zarr/statistics", "packed.zarr", near(relative=1e-6), body=ZARR_FEATURE, variable="v", sel=DAY)
for path in ("dict", "keys", "dimensions"):
    row(f"zarr dataset {path}", f"/zarr/dataset/{path}", "levels.zarr")
    row(f"zarr dataset {path} of v2", f"/zarr/dataset/{path}", "old.zarr")
row("zarr dataset", "/zarr/dataset/", "levels.zarr", STATUS)
for name in ("time", "level"):
    row(f"zarr coordinate {name}", f"/zarr/dataset/coordinates/{name}", "levels.zarr")
row("zarr coordinate that is none", "/zarr/dataset/coordinates/w", "levels.zarr")
row("zarr validate", "/zarr/validate", "levels.zarr")
row("zarr validate of a coordinate", "/zarr/validate", "levels.zarr", variables="level", expect=STATUS)
row("zarr without a variable", "/zarr/info", "world.zarr")
row("zarr selection that is none", "/zarr/info", "world.zarr", variable="v", sel="time")
row("zarr variable that is none", "/zarr/info", "world.zarr", differs("user-mistakes", 404, 500), variable="w")
row("zarr variable of one dimension", "/zarr/info", "world.zarr", differs("user-mistakes", 415, 500), variable="lat")
row("zarr dimensions that are left", "/zarr/info", "levels.zarr", differs("user-mistakes", 422, 500), variable="w")
row(
    "zarr value that is not there",
    "/zarr/info",
    "world.zarr",
    differs("user-mistakes", 422, 500),
    variable="v",
    sel="time=2021-01-01",
)
row(
    "zarr dimension that is none",
    "/zarr/info",
    "world.zarr",
    differs("user-mistakes", 422, 500),
    variable="v",
    sel="a=1",
)
row("zarr no such store", "/zarr/info", "gone.zarr", differs("user-mistakes", 404, 500), variable="v")
row("zarr no such group", "/zarr/info", "world.zarr", differs("user-mistakes", 404, 500), variable="v", group="a")
