"""A deployed service, asked a dozen things over HTTP: a table with ✓ and ✗, and an exit code.

    make test-deployed STACK=mytiler-lambda-dev                     the address comes from the stack's outputs
    make test-deployed STACK=mytiler-ecs-dev SOURCE=s3://my-bucket/imagery/a.tif
    make test-deployed URL=https://tiles.example.com SOURCE=dem     a layer's name will do

Without ``SOURCE`` the first layer is taken; without a layer, what needs a raster is left out and said so. ``TOKEN`` is
the access token. Nothing but Python's own library, so that it runs wherever a deployment does.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import re
import struct
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from cdk.outputs import NoOutputsError, of_stack

TMS = "WebMercatorQuad"
PATIENCE = 60
Pixels = list[list[tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        body = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return json.loads(body)


class NotSoError(AssertionError):
    """What is not as it should be."""


@dataclass(slots=True, kw_only=True)
class Service:
    """The service under test, and what is known of its raster."""

    url: str
    token: str | None = None
    source: str | None = None
    opener: urllib.request.OpenerDirector = field(default_factory=urllib.request.build_opener)

    def get(self, path: str, query: dict[str, str] | None = None, *, method: str = "GET", **headers: str) -> Answer:
        """Ask; an error's answer is an answer."""
        pairs = dict(query or {})
        if self.token:
            pairs["access_token"] = self.token
        address = f"{self.url}{quote(path, safe='/,@:')}" + (f"?{urlencode(pairs)}" if pairs else "")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(address, headers=named, method=method)
        begun = time.monotonic()
        try:
            with self.opener.open(request, timeout=PATIENCE) as response:
                status, body, head = response.status, response.read(), response.headers
        except urllib.error.HTTPError as refused:
            status, body, head = refused.code, refused.read(), refused.headers
        except (urllib.error.URLError, OSError) as problem:
            raise NotSoError(f"no answer: {getattr(problem, 'reason', problem)}") from None
        seconds = time.monotonic() - begun
        return Answer(status=status, headers={k.lower(): v for k, v in head.items()}, body=body, seconds=seconds)

    def of_raster(self, rest: str, query: dict[str, str] | None = None, **more: str) -> Answer:
        """Ask for something of the raster, which is an address or a layer's name."""
        if self.source and ("/" in self.source or ":" in self.source):
            return self.get(f"/cog/{rest}", {"url": self.source} | (query or {}), **more)
        return self.get(f"/layers/{self.source}/{rest}", query, **more)


def check(condition: object, otherwise: str) -> None:
    """Go on, or say what is wrong."""
    if not condition:
        raise NotSoError(otherwise)


def want(answer: Answer, status: int) -> None:
    """The status that is right."""
    check(answer.status == status, f"{answer.status} and not {status}: {answer.body[:200].decode(errors='replace')}")


def health(service: Service) -> str:
    """is well"""
    answer = service.get("/healthz")
    want(answer, 200)
    return f"{1000 * answer.seconds:.0f} ms"


def compressed(service: Service) -> str:
    """sends JSON with gzip"""
    plain, packed = service.get("/tileMatrixSets"), service.get("/tileMatrixSets", Accept_Encoding="gzip")
    want(packed, 200)
    check(packed.headers.get("content-encoding") == "gzip", "the answer is not compressed")
    check(plain.json() == packed.json(), "unpacked it is not the same")
    return f"{len(plain.body):,} bytes as {len(packed.body):,}"


def refused(service: Service) -> str:
    """reads nothing that is not listed"""
    seen = []
    for address in ("http://169.254.169.254/latest/meta-data/", "/etc/passwd", "file:///proc/self/environ"):
        answer = service.get("/cog/info", {"url": address})
        check(answer.status in {400, 403}, f"{answer.status} for {address}")
        check("root:" not in answer.body.decode(errors="replace"), f"{address} was read")
        seen.append(answer.json().get("code", "?"))
    return ", ".join(sorted(set(seen)))


def wrong(service: Service) -> str:
    """says which parameter is wrong"""
    answer = service.get(f"/cog/tiles/{TMS}/0/0/0.png", {"url": service.source or "s3://a/b.tif", "rescale": "x"})
    check(400 <= answer.status < 500, f"{answer.status}")
    check(answer.json().get("parameter") in {"rescale", "url"}, f"it names {answer.json().get('parameter')}")
    return f"{answer.status}, {answer.json()['parameter']}"


def nothing(service: Service) -> str:
    """has a problem for an unknown path"""
    answer = service.get("/no/such/path")
    want(answer, 404)
    return str(answer.json()["code"])


def links(service: Service) -> str:
    """makes links that lead here"""
    answer = service.of_raster(f"{TMS}/tilejson.json")
    want(answer, 200)
    template: str = answer.json()["tiles"][0]
    begin = service.url
    if re.match(r"http://(127\.|localhost\b)", begin) and template.startswith("https:"):
        begin = begin.replace("http:", "https:", 1)  # a front on this machine has no TLS and speaks as the real one
    check(template.startswith(begin + "/"), f"they lead to {template.partition('{')[0][:80]}")
    return template.partition("?")[0].removeprefix(begin)[:40]


def picture(service: Service) -> str:
    """draws the right pixels"""
    z, x, y, query, known = chosen(service)
    answer = service.of_raster(f"tiles/{TMS}/{z}/{x}/{y}.png", query)
    want(answer, 200)
    check(answer.headers.get("content-type") == "image/png", f"it is {answer.headers.get('content-type')}")
    pixels = decode(answer.body)
    check((len(pixels), len(pixels[0])) == (256, 256), "it is not 256 pixels wide and high")
    for (column, row), expected in known.items():
        found = pixels[row][column]
        check(alike(found, expected), f"pixel {column},{row} is {found}; the raster has {expected or 'nothing'} there")
    return f"{z}/{x}/{y}, {len(known)} pixels, {len(answer.body):,} bytes, {1000 * answer.seconds:.0f} ms"


def kept(service: Service) -> str:
    """answers 304 to who has it"""
    z, x, y, query, _ = chosen(service)
    path = f"tiles/{TMS}/{z}/{x}/{y}.png"
    first = service.of_raster(path, query)
    etag = first.headers.get("etag")
    check(etag, "there is no ETag")
    check("max-age" in first.headers.get("cache-control", ""), "nobody is told how long to keep it")
    again = service.of_raster(path, query, If_None_Match=str(etag))
    want(again, 304)
    check(again.body == b"", "a 304 has a body")
    return str(etag)


def headed(service: Service) -> str:
    """answers HEAD as GET, without a body"""
    z, x, y, query, _ = chosen(service)
    answer = service.of_raster(f"tiles/{TMS}/{z}/{x}/{y}.png", query, method="HEAD")
    want(answer, 200)
    check(answer.body == b"", "HEAD has a body")
    return answer.headers.get("content-type", "?")


def outside(service: Service) -> str:
    """says 404 outside the raster"""
    west, south, east, north = bounds(service)
    for lon, lat in ((-179, -80), (179, 80), (-179, 80), (179, -80)):
        if not (west - 1 <= lon <= east + 1 and south - 1 <= lat <= north + 1):
            x, y = (int(part) for part in at(lon, lat, 8))
            answer = service.of_raster(f"tiles/{TMS}/8/{x}/{y}.png")
            want(answer, 404)
            return str(answer.json()["code"])
    answer = service.of_raster(f"tiles/{TMS}/1/2/2.png")  # the raster is everywhere, but the grid ends
    want(answer, 404)
    return str(answer.json()["code"])


ALWAYS: tuple[Callable[[Service], str], ...] = (health, nothing, wrong, refused, compressed)
OF_RASTERS: tuple[Callable[[Service], str], ...] = (links, picture, kept, headed, outside)


def at(lon: float, lat: float, z: int) -> tuple[float, float]:
    """Return column and row of the tile, with fractions.

    The formula of web Mercator: https://docs.ogc.org/is/17-083r4/17-083r4.html, annex D.
    """
    sine = math.sin(math.radians(max(-85.05, min(85.05, lat))))
    across = (lon + 180) / 360
    down = 0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)
    return across * 2**z, down * 2**z


def place(z: int, x: float, y: float) -> tuple[float, float]:
    """Return longitude and latitude of a column and row with fractions: the way back."""
    return x / 2**z * 360 - 180, math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y / 2**z))))


def bounds(service: Service) -> tuple[float, float, float, float]:
    """Return west, south, east, north of the raster."""
    west, south, east, north = service.of_raster(f"{TMS}/tilejson.json").json()["bounds"]
    return west, south, east, north


Known = dict[tuple[int, int], tuple[int, ...] | None]


def chosen(service: Service) -> tuple[int, int, int, dict[str, str], Known]:
    """Return a tile in the middle of the raster at its full resolution, its parameters, and pixels of it as points tell
    them.

    Of bytes the picture has the values themselves. Anything else is rescaled around the value in the middle, so that
    the middle pixel alone is known: half way between black and white.
    """
    answer = service.of_raster(f"{TMS}/tilejson.json")
    want(answer, 200)
    document = answer.json()
    west, south, east, north = document["bounds"]
    z = min(int(document["maxzoom"]) + 1, 24)
    x, y = at((west + east) / 2, (south + north) / 2, z)
    middle = min(255, int(x % 1 * 256)), min(255, int(y % 1 * 256))
    column, row = int(x), int(y)

    def point(pixel: tuple[int, int]) -> list[float | None]:
        lon, lat = place(z, column + (pixel[0] + 0.5) / 256, row + (pixel[1] + 0.5) / 256)
        asked = service.of_raster(f"point/{lon!r},{lat!r}")
        want(asked, 200)
        values: list[float | None] = asked.json()["values"]
        return values

    info = service.of_raster("info").json()
    if info["dtype"] == "uint8" and info["count"] in {1, 3} and "palette" not in info.get("colorinterp", []):
        others = {(middle[0] ^ 8, middle[1]), (middle[0], middle[1] ^ 8)}
        inside = [middle, *(pixel for pixel in sorted(others) if within(document["bounds"], z, column, row, pixel))]
        known: Known = {}
        for pixel in inside:
            values = point(pixel)
            known[pixel] = None if None in values else tuple(int(value or 0) for value in values)
        return z, column, row, {}, known
    value = point(middle)[0]
    if value is None:
        return z, column, row, {"bidx": "1", "rescale": "0,1"}, {middle: None}
    return z, column, row, {"bidx": "1", "rescale": f"{value - 1},{value + 1}"}, {middle: (128,)}


def within(box: list[float], z: int, column: int, row: int, pixel: tuple[int, int]) -> bool:
    """Return whether a pixel of the tile lies in the raster."""
    lon, lat = place(z, column + (pixel[0] + 0.5) / 256, row + (pixel[1] + 0.5) / 256)
    return box[0] < lon < box[2] and box[1] < lat < box[3]


def alike(found: tuple[int, ...], expected: tuple[int, ...] | None) -> bool:
    """Return whether a pixel is what the raster has, to the rounding of one; grey may come in one channel
    or in three.
    """
    if expected is None:
        return len(found) in {2, 4} and found[-1] == 0
    wanted = expected * 3 if len(expected) == 1 and len(found) >= 3 else expected
    return all(abs(a - b) <= 1 for a, b in zip(found, wanted, strict=False))


def decode(png: bytes) -> Pixels:
    """Return the pixels of a PNG of eight bits, row by row, each with its channels.

    Written out here so that the picture is not judged by the library that made it: https://www.w3.org/TR/png-3/.
    """
    check(png[:8] == b"\x89PNG\r\n\x1a\n", "it does not begin as a PNG")
    packed, palette, alpha = b"", b"", b""
    width = height = kind = 0
    for name, data in chunks(png):
        if name == b"IHDR":
            width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data)
            check(depth == 8 and not interlaced, f"a PNG of {depth} bits, interlaced {interlaced}")
        elif name == b"PLTE":
            palette = data
        elif name == b"tRNS":
            alpha = data
        elif name == b"IDAT":
            packed += data
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    stream, stride, above = zlib.decompress(packed), width * channels, bytes(width * channels)
    rows: Pixels = []
    for number in range(height):
        begin = number * (stride + 1)
        above = unfilter(stream[begin], stream[begin + 1 : begin + 1 + stride], above, channels)
        cells = [tuple(above[i : i + channels]) for i in range(0, stride, channels)]
        if kind == 3:
            cells = [(*palette[3 * i : 3 * i + 3], alpha[i] if i < len(alpha) else 255) for (i,) in cells]
        rows.append(cells)
    return rows


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and data of each chunk, its checksum compared."""
    begin = 8
    while begin < len(png):
        (length,) = struct.unpack(">I", png[begin : begin + 4])
        name, data = png[begin + 4 : begin + 8], png[begin + 8 : begin + 8 + length]
        (checksum,) = struct.unpack(">I", png[begin + 8 + length : begin + 12 + length])
        check(zlib.crc32(name + data) == checksum, f"the chunk {name.decode('ascii', 'replace')} is damaged")
        yield name, data
        begin += 12 + length


def unfilter(kind: int, data: bytes, above: bytes, step: int) -> bytes:
    """Return a row without its filter."""
    row = bytearray(data)
    for i, value in enumerate(data):
        left = row[i - step] if i >= step else 0
        up, corner = above[i], above[i - step] if i >= step else 0
        if kind == 4:
            guess = left + up - corner
            distances = abs(guess - left), abs(guess - up), abs(guess - corner)
            added = (left, up, corner)[distances.index(min(distances))]
        else:
            added = (0, left, up, (left + up) // 2)[kind]
        row[i] = (value + added) & 255
    return bytes(row)


def run(service: Service) -> int:
    """Ask everything and print the table; returns how many answers were wrong."""
    tests = list(ALWAYS)
    if service.source is None:
        try:
            layers = service.get("/layers").json().get("layers", [])
        except (NotSoError, ValueError):
            layers = []
        service.source = layers[0]["id"] if layers else None
    if service.source is not None:
        tests += OF_RASTERS
    bad = 0
    sys.stdout.write(f"{service.url}  {service.source or ''}\n")
    for test in tests:
        try:
            mark, said = "✓", test(service)
        except NotSoError as problem:
            mark, said = "✗", str(problem)
        except Exception as problem:  # noqa: BLE001 - an answer of another shape is a wrong one as well
            mark, said = "✗", f"{type(problem).__name__}: {problem}"
        bad += mark == "✗"
        sys.stdout.write(f"  {mark} {(test.__doc__ or '').strip():<38} {said}\n")
        sys.stdout.flush()
    if service.source is None:
        sys.stdout.write("  - no tile was asked for: name a raster with SOURCE=s3://… or publish a layer\n")
    sys.stdout.write(f"{len(tests) - bad} of {len(tests)} are right\n")
    return bad


def main() -> None:
    """Find the address, run the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", help="name of a deployed stack")
    where.add_argument("--url", help="address of a service")
    parser.add_argument("--outputs", help="file that `cdk deploy --outputs-file` wrote; without it AWS is asked")
    parser.add_argument("--source", help="address of a raster, or a layer's name")
    parser.add_argument("--token", help="access token")
    parser.add_argument("--wait", type=float, default=0, help="seconds to wait until the service answers at all")
    arguments = parser.parse_args()
    if not (arguments.stack or arguments.url):
        parser.error("name a deployed stack or an address: STACK=mytiler-lambda-dev or URL=https://…")
    try:
        url = arguments.url or of_stack(arguments.stack, arguments.outputs)["Url"]
    except NoOutputsError as problem:
        sys.exit(f"No address: {problem}")
    except KeyError:
        sys.exit(f"No address: {arguments.stack} has no output Url.")
    service = Service(url=url.rstrip("/"), token=arguments.token or None, source=arguments.source or None)
    until = time.monotonic() + arguments.wait
    while time.monotonic() < until:
        try:
            service.get("/healthz")
            break
        except NotSoError:
            time.sleep(1)
    sys.exit(1 if run(service) else 0)


if __name__ == "__main__":
    main()
