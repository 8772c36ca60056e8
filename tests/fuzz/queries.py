"""Requests to every route, with values that are right, nearly right and nothing at all."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from urllib.parse import quote

from app.api.app import Application
from tests.fuzz import mutate
from tests.fuzz.service import FuzzRequest, Headers

RING = [[8.2, 46.2], [8.4, 46.2], [8.4, 46.4], [8.2, 46.2]]
FEATURE = {"type": "Feature", "properties": {"a": 1}, "geometry": {"type": "Polygon", "coordinates": [RING]}}
COLLECTION = {"type": "FeatureCollection", "features": [FEATURE, FEATURE]}

NUMBERS = ("0", "1", "2", "7", "8", "255", "256", "-1", "1e308", "-1e308", "1e-320", "nan", "inf", "0.5", "99999999999",
           "1" * 40, "1_0", "\u0663", " 1", "", "0x10", "1.0", "5,5", "1e400")  # fmt: skip
TEXTS = ("", "a", "\0", "\r\n", "a" * 5000, "\ud800", "é", "\u202e", "../..", "/etc/passwd", "%00", "'", '"', "<b>",
         "{}", "[]",
         "null", "true", "b1", "1", ";", "\\", "{{7*7}}", "${x}", "http://169.254.169.254/")  # fmt: skip
CRSS = ("EPSG:4326", "EPSG:3857", "EPSG:2056", "EPSG:32661", "EPSG:4978", "EPSG:5773", "EPSG:0", "OGC:CRS84",
        "+proj=ortho",
        "+proj=geos +h=35785831", "IAU_2015:30100", "ESRI:54009", "EPSG:2193", "EPSG:27700", "3857", "epsg:4326",
        "http://www.opengis.net/def/crs/EPSG/0/4326", "urn:ogc:def:crs:EPSG::4326", "[EPSG:4326]",
        "+proj=longlat +pm=180",
        "+proj=merc +lon_0=150", "+proj=utm +zone=32", "+init=epsg:4326", "+proj=pipeline", '{"type":"CRS"}', "PROJCS[",
        "EPSG:4326+5773", "+proj=lcc +lat_1=90 +lat_2=90", "+proj=aea", "+proj=tmerc +k=0",
        "+proj=longlat +a=1 +b=1")  # fmt: skip
POOLS: dict[str, Sequence[str]] = {
    "bidx": ("1", "2", "3", "4", "0", "99", "1,2,3", "-1"),
    "expression": ("b1", "b1*2;b2", "b1/b2", "(b1-b2)/(b1+b2)", "where(b1>10,1,0)", "b1**9", "b9", "b1+", "1",
                   "sqrt(-b1)",
                   "b1/0", "log(b1)", "b1%0", "b1<<40", "~b1", "1e308*b1*1e308", "b1,b2", "x", "c1", "red_b1*2"),
    "rescale": ("0,255", "0,0", "10,5", "-1e308,1e308", "1", "a,b", "0,1,0,1", "[0,1]", "nan,1", "0,5e-324"),
    "colormap_name": ("viridis", "Viridis", "none", "cfastie", "rainbow_r"),
    "colormap": ('{"0":"#ff0000","1":[1,2,3,4]}', '[[[0,1],[1,2,3,4]]]', '{"0":[256,0,0,0]}', "[[[1,0],[0,0,0,0]]]",
                 "[]", "{}",
                 '{"a":"b"}', '{"-1":"#000"}', "[[[null,1],[0,0,0,0]]]", '{"1e400":"#000000"}',
                 '[[[0,1e400],[1,2,3,4]]]'),
    "color_formula": ("gamma RGB 1.5", "sigmoidal RGB 6 0.5", "saturation 2", "gamma R 0", "gamma", "x",
                      "gamma RGB 1e400",
                      "sigmoidal R 1e308 0", "saturation -1", "gamma RGB nan", "saturation 1e308"),
    "algorithm": ("hillshade", "contours", "slope", "terrarium", "terrainrgb", "normalizedIndex", "cast", "ceil",
                  "min", "median",
                  "var", "toBitonal", "none"),
    "algorithm_params": ('{"azimuth":45}', '{"buffer":100000}', '{"increment":0}', "[]", "{", '{"thickness":1e308}',
                         '{"buffer":-1}',
                         '{"angle_altitude":"x"}', '{"minz":null}', '{"interval":0}', '{"baseval":1e400}'),
    "resampling": ("nearest", "bilinear", "cubic", "lanczos", "average", "mode", "gauss", "rms", "x"),
    "reproject": ("nearest", "bilinear", "cubic", "lanczos", "average", "mode", "max", "q1", "x"),
    "nodata": ("0", "nan", "inf", "-inf", "1e400", "x", "", "-9999"),
    "unscale": ("true", "false", "maybe"),
    "return_mask": ("true", "false"),
    "tilesize": ("256", "512", "1", "4096", "100000", "0"),
    "buffer": ("0.5", "1", "100", "0.3", "-1"),
    "padding": ("0", "1", "7", "5000"),
    "max_size": ("0", "1", "64", "4096", "100000"),
    "width": ("1", "64", "2048", "4097", "0", "1000000000000"),
    "height": ("1", "64", "2048", "4097", "0"),
    "format": ("png", "jpg", "jpeg", "webp", "tif", "jp2", "npy", "pngraw", "x", "PNG"),
    "f": ("png", "html", "json", "x"),
    "tileMatrixSetId": ("WebMercatorQuad", "WorldCRS84Quad", "UPSArcticWGS84Quad", "CanadianNAD83_LCC",
                        "CDB1GlobalGrid", "GNOSISGlobalGrid",
                        "LINZAntarticaMapTilegrid", "EuropeanETRS89_LAEAQuad", "NZTM2000Quad", "x", "..",
                        "WorldMercatorWGS84Quad"),
    "p": ("2", "98", "101", "-1"),
    "c": ("1", "2", "1e400"),
    "categorical": ("true", "false"),
    "histogram_bins": ("10", "0", "1,2,3", "3,2", "50000000", "0.5,nan"),
    "histogram_range": ("0,10", "10,0", "0,0", "a", "-1e308,1e308"),
    "bbox": ("8,46,9,47", "0,0,0,0", "-180,-90,180,90", "9,47,8,46", "1,2,3", "nan,0,1,1", "-1e308,-1e308,1e308,1e308",
             "8,46,0,9,47,100"),
    "zooms": ("0-5", "5", "30-31", "9-1"),
    "minzoom": ("0", "5", "31", "-1"), "maxzoom": ("0", "12", "31", "99"),
    "tile_scale": ("1", "4", "5", "0"), "tile_format": ("png", "x", "webp"),
    "assets": ("rgb", "heights", "rgb|indexes=1", "rgb|bidx=1,2", "heights|expression=b1*2", "x", "rgb|", "rgb|a=b",
               ""),
    "asset_as_band": ("true", "false"), "asset_bidx": ("rgb|1", "rgb|1,2", "x"), "asset_expression": ("rgb|b1*2", "x"),
    "asset_bands": ("rgb|red",),
    "pixel_selection": ("first", "highest", "lowest", "mean", "median", "stdev", "lastbandhigh", "count", "x"),
    "skip_missing": ("true", "false"),
    "style": ("gray", "default", "x"),
    "z": ("8", "0", "9", "30", "31", "-1", "x", "500"), "x": ("134", "133", "0", "-1", "x", "999999999999"),
    "y": ("90", "91", "0", "-1", "x"), "scale": ("1", "2", "4", "5", "0", "x"),
    "lon": ("8.5", "9.99", "0", "181", "-1e308", "nan", "inf", "x"), "lat": ("46.5", "0", "90", "91", "1e308", "nan"),
    "minx": ("8.1", "-180", "-1e308", "nan", "9"), "miny": ("46.1", "-90", "1e-320", "47"),
    "maxx": ("8.9", "180", "1e308", "8.1", "inf"), "maxy": ("46.9", "90", "46.1"),
    "layer": ("dem", "plan", "pile", "x", "..", "DEM", "a" * 65, "dem%00"),
    "subset": ("Lat(46.1:46.9),Lon(8.1:8.9)", "Lat(1)", "x(", "Lat(nan:1),Lon(0:1)", "E(0:1e308)"),
    "subset-crs": CRSS, "bbox-crs": CRSS, "crs": CRSS, "coord_crs": CRSS, "coord-crs": CRSS, "dst_crs": CRSS,
    "bounds_crs": CRSS,
    "srs": CRSS, "offset": NUMBERS, "limit": NUMBERS, "bgcolor": ("0xff0000", "x", "transparent", "0xff000080"),
    "algorithmId": ("hillshade", "x"), "colorMapId": ("viridis", "x", "..%2f..%2fetc"),
    "service": ("WMS", "WMTS", "wms", "x"), "version": ("1.3.0", "1.1.1", "1.0.0", "9"), "styles": ("", "gray",
                "default", "a,b"),
    "request": ("GetCapabilities", "GetMap", "GetTile", "GetFeatureInfo", "GetLegendGraphic", "x"),
    "layers": ("dem", "plan", "dem,plan", "x", "default", ""), "tilematrixset": ("WebMercatorQuad", "x"),
    "tilematrix": ("8", "x", "31"),
    "tilerow": ("90", "x"), "tilecol": ("134", "-1"), "i": NUMBERS, "j": NUMBERS, "query_layers": ("dem", "x"),
    "transparent": ("TRUE", "x"),
    "info_format": ("application/json", "text/html", "x"), "exceptions": ("XML", "INIMAGE", "BLANK", "x"),
    "feature_count": NUMBERS,
    "cover_scale": ("1", "10", "100000", "0"), "samples": ("2", "9", "4096", "1"),
    "with_raster": ("true", "x"), "asset_name": TEXTS, "collection": TEXTS,
    "geographic_crs": CRSS,
    "colormaps": ("viridis",), "orientation": ("vertical", "horizontal", "x"),
}  # fmt: skip
"""Values of parameters by their names: most that can be meant, and some that cannot."""
PIXELS = ("bidx", "expression", "rescale", "colormap_name", "colormap", "color_formula", "algorithm",
          "algorithm_params",
          "resampling", "reproject", "nodata", "unscale", "return_mask", "tilesize", "buffer", "padding", "max_size",
          "width", "height",
          "format", "f", "dst_crs", "coord_crs", "crs", "bbox", "bbox-crs", "subset", "assets", "pixel_selection",
          "style", "p",
          "histogram_bins", "histogram_range", "categorical", "c", "cover_scale", "samples", "limit", "offset", "zooms",
          "tile_scale",
          "asset_as_band", "minzoom", "maxzoom", "subset-crs", "coord-crs", "tile_format", "skip_missing")  # fmt: skip
OGC = ("service", "version", "request", "layers", "styles", "srs", "crs", "bbox", "width", "height", "format",
       "transparent", "i", "j",
       "query_layers", "info_format", "exceptions", "tilematrixset", "tilematrix", "tilerow", "tilecol", "style",
       "layer", "bgcolor",
       "feature_count")  # fmt: skip
HEADERS: dict[bytes, Sequence[bytes]] = {
    b"accept": (b"text/html", b"image/webp,*/*;q=0.1", b"a/b;q=x", b"*/*;q=nan", b",,,;;;", b"image/png;q=1e400",
    b"\xff\xfe", b"a" * 9000),
    b"accept-encoding": (b"gzip", b"br;q=0", b"*", b"gzip;q=nan", b"zstd, deflate;q=0.1", b";", b"identity;q=0, *;q=0"),
    b"if-none-match": (b"*", b'""', b'W/"a"', b'"a', b'"\xff"', b'"a","b",' * 2000, b"\0"),
    b"if-modified-since": (b"x", b"Wed, 21 Oct 2015 07:28:00 GMT", b"Wed, 99 Oct 99999 07:28:00 GMT"),
    b"range": (b"bytes=0-1", b"bytes=-1", b"bytes=5-1", b"bytes=0-,1-,2-" + b",0-" * 4000, b"x",
    b"bytes=99999999999999999999-"),
    b"host": (b"evil.example", b"", b"a b", b"a:99999", b"[::1", b"\xff", b"a\r\nb: c", b"localhost:80:80",
    b"a" * 5000),
    b"origin": (b"null", b"http://evil.example", b"\xff", b""),
    b"x-forwarded-host": (b"evil.example", b"a,b"), b"x-forwarded-proto": (b"javascript", b"https,http"),
    b"x-forwarded-prefix": (b"/../..", b"//evil.example"), b"forwarded": (b"for=1;host=evil.example",),
    b"x-forwarded-for": (b"1.2.3.4, x", b"a" * 4000),
    b"x-request-id": (b"a", b"a b", b"a" * 5000, b"\r\n"), b"x-amzn-trace-id": (b"Root=1-a", b"\xff"),
    b"authorization": (b"Bearer x", b"Bearer", b"Basic \xff", b"\xff"),
    b"content-type": (b"application/json", b"multipart/form-data; boundary=a", b"text/plain; charset=utf-7", b"\xff"),
    b"content-encoding": (b"gzip", b"br"), b"content-length": (b"-1", b"x", b"99999999999"),
    b"expect": (b"100-continue", b"x"),
    b"access-control-request-method": (b"GET", b"\xff"), b"access-control-request-headers": (b"a", b"a" * 9000),
    b"traceparent": (b"00-x", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"), b"cookie": (b"a=b",),
    b"te": (b"trailers",),
}  # fmt: skip


class Requests:
    """Requests drawn at random, to the routes that an application has."""

    def __init__(self, app: Application, urls: dict[str, Sequence[str]]) -> None:
        """Ask about what ``urls`` names, by the family that reads it (``cog``, ``stac``, ``mosaicjson``)."""
        self._urls = urls
        found = (
            (getattr(route, "path", ""), getattr(route, "methods", None) or {"GET"})
            for route in app.routes().router.routes
        )
        self._routes = sorted((path, method) for path, methods in found for method in methods if path)
        self._families = sorted({path.split("/")[1] for path, _ in self._routes})

    def draw(self, chance: random.Random) -> FuzzRequest:
        """Return a request."""
        family = chance.choice(self._families)
        path, method = chance.choice([route for route in self._routes if route[0].split("/")[1] == family])
        method = (
            chance.choice(("OPTIONS", "PUT", "DELETE", "HEAD", "PATCH", "TRACE")) if chance.random() < 0.04 else method
        )
        address = re.sub(
            r"\{(\w+)(?::\w+)?\}",
            lambda found: quote(self._value(found[1], chance), safe="", errors="surrogatepass"),
            path,
        )
        if chance.random() < 0.03:
            address += chance.choice(("/", "//", "%00", "/..", "%ff", ".png", "?", "/%2e%2e/"))
        headers: Headers = []
        if chance.random() < 0.3:
            name = chance.choice(sorted(HEADERS))
            headers.append((name, chance.choice(HEADERS[name])))
        body = self._body(chance) if method in ("POST", "PUT", "PATCH") else b""
        return FuzzRequest(
            path=address, query=self._query(path, family, chance), method=method, headers=headers, body=body
        )

    def _query(self, path: str, family: str, chance: random.Random) -> bytes:
        pairs: list[tuple[str, str]] = []
        if family in self._urls and chance.random() < 0.98:
            pairs.append(("url", chance.choice(self._urls[family])))
        if family == "stac" and chance.random() < 0.8:
            pairs.append(("assets", self._value("assets", chance)))
        is_ogc = path.endswith(("wms", "wmts")) and chance.random() < 0.9
        names = OGC if is_ogc else PIXELS
        for _ in range(chance.choice((0, 0, 1, 1, 2, 3, 5)) + 6 * is_ogc):
            name = chance.choice(names)
            pairs.append((name, self._value(name, chance)))
        if is_ogc:
            pairs += [(name, POOLS[name][0]) for name in names if chance.random() < 0.6]
            pairs = [(name.upper() if chance.random() < 0.3 else name, value) for name, value in pairs]
        if chance.random() < 0.03:
            pairs.append((chance.choice(TEXTS), chance.choice(TEXTS)))
        text = "&".join(
            f"{quote(name, safe='', errors='surrogatepass')}={_quoted(value, chance)}" for name, value in pairs
        )
        raw = text.encode()
        return mutate.content(raw, chance) if raw and chance.random() < 0.02 else raw

    def _value(self, name: str, chance: random.Random) -> str:
        kind = chance.random()
        if kind < 0.9:
            pool = POOLS.get(name, TEXTS)
            return pool[0] if chance.random() < 0.4 else chance.choice(pool)
        text = chance.choice(chance.choice((NUMBERS, TEXTS, CRSS, *POOLS.values())))
        return "1" if "{" in name else text

    def _body(self, chance: random.Random) -> bytes:
        kind = chance.random()
        if kind < 0.3:
            return json.dumps(chance.choice((FEATURE, COLLECTION))).encode()
        return mutate.document(chance.choice((FEATURE, COLLECTION)), chance)


def _quoted(value: str, chance: random.Random) -> str:
    if chance.random() < 0.03:
        return re.sub(r"[ &#]", "+", value.encode("utf-8", "replace").decode("latin-1"))
    return quote(value, safe="", errors="surrogatepass")
