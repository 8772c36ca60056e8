"""Two answers to one request, compared: status, media type, headers, JSON, XML, pixels, place on Earth.

`differences` gives back what is not the same, in words; nothing there means the same.
"""

from __future__ import annotations

import io
import json
import math
import re
import warnings
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import numpy as np
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

LOSSY = {"image/jpeg", "image/jpg", "image/webp", "image/jp2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far two answers may be apart and still count as the same."""

    share: float = 0.0
    """Part of the pixels that may have another value at all: both read samples, but not always the same ones."""
    step: float = math.inf
    """What such a pixel may differ by at most."""
    around: bool = False
    """A pixel is also the same when its value lies among those around its place in the other answer: a sample taken a
    fraction of a pixel away, where values change slowly."""
    mean: float | None = None
    """For lossy formats and for interpolation: the mean difference allowed, instead of `share`."""
    relative: float = 1e-6
    """For the numbers of a JSON document."""
    ignore: tuple[str, ...] = ()
    """Keys of a JSON document that are not compared; ``a.b`` for b inside a, ``*`` for any one key or index. Of XML:
    parts of lines that are not."""


EXACT = Tolerance()


@dataclass(slots=True, kw_only=True)
class Pixels:
    """A decoded picture: channels without alpha, and opacity."""

    data: np.ndarray
    """Shape (channels, rows, columns)."""
    alpha: np.ndarray | None
    facts: dict[str, Any] = field(default_factory=dict)
    """Data type, and for GeoTIFF the place on Earth."""


def media_type(response: httpx.Response) -> str:
    """Return the media type without parameters."""
    return str(response.headers.get("content-type", "")).split(";")[0].strip().lower()


def decode(body: bytes, kind: str) -> Pixels:
    """Return pixels of a picture in any of the formats."""
    if kind == "application/x-binary":
        array = np.load(io.BytesIO(body))
        return Pixels(data=array, alpha=None, facts={"dtype": str(array.dtype)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile(body) as memory, memory.open() as source:
            data = source.read()
            facts: dict[str, Any] = {"dtype": source.dtypes[0]}
            if kind == "image/tiff":
                facts |= {
                    "crs": source.crs.to_wkt() if source.crs else None,
                    "transform": tuple(round(value, 9) for value in source.transform),
                    "nodata": None if source.nodata is None else repr(source.nodata),
                    "count": source.count,
                }
            if source.colorinterp[0].name == "palette":
                table = np.zeros((256, 4), "uint8")
                for value, colour in source.colormap(1).items():
                    table[value] = colour
                data = table[data[0]].transpose(2, 0, 1)
            elif source.colorinterp[-1].name != "alpha":
                return Pixels(data=data, alpha=None, facts=facts)
            return Pixels(data=data[:-1], alpha=data[-1], facts=facts)


def _plain(pixels: Pixels, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return colour channels and opacity in the form in which two ways of writing the same picture are equal."""
    data = pixels.data
    alpha = pixels.alpha
    if alpha is None:
        most = np.finfo(data.dtype).max if data.dtype.kind == "f" else np.iinfo(data.dtype).max
        alpha = np.full(data.shape[1:], most, data.dtype)
    if kind in ("image/png", "image/webp") and data.shape[0] == 1:
        data = np.repeat(data, 3, axis=0)
    return data, alpha


def compare_pixels(ours: httpx.Response, theirs: httpx.Response, tolerance: Tolerance) -> list[str]:
    """Return what differs between two pictures."""
    kind = media_type(ours)
    mine, other = decode(ours.content, kind), decode(theirs.content, media_type(theirs))
    found = [
        f"{name}: {mine.facts.get(name)!r} for {value!r}"
        for name, value in other.facts.items()
        if mine.facts.get(name) != value and not (name == "transform" and _close(mine.facts[name], value))
    ]
    a, alpha_a = _plain(mine, kind)
    b, alpha_b = _plain(other, kind)
    if a.shape != b.shape:
        return [*found, f"shape {a.shape} for {b.shape}"]
    if a.dtype != b.dtype:
        return found
    opacity = alpha_a != alpha_b
    if tolerance.around:
        opacity &= ~_beside(alpha_a[None], alpha_b[None])
    if np.mean(opacity) > max(tolerance.share, 0.002 if kind in LOSSY else 0):
        found.append(f"opacity differs in {np.mean(opacity):.2%} of the pixels")
    return found + _compare_values(a, b, (alpha_a > _least(alpha_a)) & (alpha_b > _least(alpha_b)), kind, tolerance)


def _compare_values(a: np.ndarray, b: np.ndarray, both: np.ndarray, kind: str, tolerance: Tolerance) -> list[str]:
    """Return what differs between the values where both show something."""
    found: list[str] = []
    if not both.any():
        return found
    x, y = a[:, both].astype("float64"), b[:, both].astype("float64")
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0, np.abs(x - y))
    mean = tolerance.mean if tolerance.mean is not None else 1.5 if kind in LOSSY else None
    if mean is not None:
        if not distance.mean() <= mean:
            found.append(f"mean difference {distance.mean():.4g}, at most {distance.max():.4g}")
        return found
    other_value = ~same.all(axis=0)
    if tolerance.around:
        other_value &= ~_beside(a, b)[both]
    share = np.mean(other_value)
    if share > tolerance.share:
        found.append(f"{share:.2%} of the pixels differ, mean {distance.mean():.4g}, at most {distance.max():.4g}")
    elif distance.max() > tolerance.step:
        found.append(f"a pixel differs by {distance.max():.4g}")
    return found


def _least(alpha: np.ndarray) -> Any:
    """Return the value that says masked: TiTiler stretches a mask over the range of the type."""
    return np.finfo(alpha.dtype).min if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).min


def _beside(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return True where every channel's value of ``a`` lies among those within one pixel of its place in ``b``, give or
    take a tenth of their range. Shape (rows, columns).
    """
    rows, columns = a.shape[1:]
    padded = np.pad(b.astype("float64"), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = [padded[:, down : down + rows, right : right + columns] for down in range(3) for right in range(3)]
    low, high = np.fmin.reduce(around), np.fmax.reduce(around)
    slack = 0.1 * (high - low)
    missing = np.isnan(a) & np.any([np.isnan(layer) for layer in around], axis=0) if a.dtype.kind == "f" else False
    return np.asarray((((a >= low - slack) & (a <= high + slack)) | missing).all(axis=0))


def _close(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(math.isclose(p, q, rel_tol=1e-6, abs_tol=1e-9) for p, q in zip(a, b, strict=True))


def _ignored(at: tuple[str, ...], tolerance: Tolerance) -> bool:
    patterns = [pattern.split(".") for pattern in tolerance.ignore]
    return any(len(p) == len(at) and all(a in ("*", b) for a, b in zip(p, at, strict=True)) for p in patterns)


def compare_json(ours: Any, theirs: Any, tolerance: Tolerance, at: tuple[str, ...] = ()) -> list[str]:
    """Return what differs between two JSON documents, each with its place."""
    if _ignored(at, tolerance):
        return []
    where = ".".join(at) or "document"
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = []
        for key in theirs.keys() | ours.keys():
            path = (*at, key)
            if key not in ours:
                found += compare_json(None, theirs[key], tolerance, path) and [f"{'.'.join(path)} is missing"]
            elif key not in theirs:
                found += compare_json(ours[key], None, tolerance, path) and [f"{'.'.join(path)} is not in TiTiler's"]
            else:
                found += compare_json(ours[key], theirs[key], tolerance, path)
        return sorted(found)
    if isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return [f"{where} has {len(ours)} items for {len(theirs)}"]
        return [
            text
            for index, (a, b) in enumerate(zip(ours, theirs, strict=True))
            for text in compare_json(a, b, tolerance, (*at, str(index)))
        ]
    number = (int, float)
    if (
        isinstance(ours, number)
        and isinstance(theirs, number)
        and not isinstance(ours, bool)
        and not isinstance(theirs, bool)
        and math.isclose(ours, theirs, rel_tol=tolerance.relative, abs_tol=1e-9)
    ):
        return []
    same = _sorted(ours) == _sorted(theirs) if isinstance(ours, str) and isinstance(theirs, str) else ours == theirs
    return [] if same and type(ours) is type(theirs) else [f"{where}: {ours!r:.200} for {theirs!r:.200}"]


def _lines(node: ET.Element, ignore: tuple[str, ...], above: str = "") -> list[str]:
    """Return element by element: path, attributes, text. Layers and tile matrix sets to ignore are left out
    as a whole.
    """
    name = node.tag.split("}")[-1]
    if name in ("Layer", "TileMatrixSet"):
        own = " ".join(child.text or "" for child in node if child.tag.endswith("Identifier"))
        if any(part in own for part in ignore):
            return []
    attributes = " ".join(f"{key.split('}')[-1]}={_sorted(value)}" for key, value in sorted(node.attrib.items()))
    line = f"{above}/{name} {attributes} {(node.text or '').strip()}".strip()
    own_line = [] if any(part in line for part in ignore) else [line]
    return own_line + [text for child in node for text in _lines(child, ignore, f"{above}/{name}")]


def compare_xml(ours: str, theirs: str, ignore: tuple[str, ...] = ()) -> list[str]:
    """Return what differs between two XML documents: elements, attributes, text, in any order."""
    a, b = (_lines(ET.fromstring(text), ignore) for text in (ours, theirs))
    missing = [line for line in b if line not in set(a)]
    further = [line for line in a if line not in set(b)]
    found = [f"missing {line:.300}" for line in missing[:5]] + [f"further {line:.300}" for line in further[:5]]
    if not found and sorted(a) != sorted(b):
        found = [f"{len(a)} elements for {len(b)}"]
    return found


def _sorted(text: str) -> str:
    """Return an address with the parameters of its query in order of their names; any other text as it is."""
    if "?" not in text:
        return text
    path, query = text.split("?", 1)
    return f"{path}?{'&'.join(sorted(query.split('&'), key=lambda pair: pair.split('=')[0]))}"


def _text(response: httpx.Response, address: str) -> str:
    """Return the body with the server's own address taken out."""
    host = address.removeprefix("http://")
    pattern = rf"(http://|http%3A%2F%2F|http:%2F%2F){re.escape(host).replace(':', '(?::|%3A)')}"
    return re.sub(pattern, "http://server", response.text)


def compare_headers(ours: httpx.Response, theirs: httpx.Response) -> list[str]:
    """Return what differs in the headers that clients read."""
    found = []
    names = ["content-type", "content-bbox", "content-crs"]
    if ours.request.method == "GET":
        names.append("cache-control")
    for name in names:
        a, b = ours.headers.get(name), theirs.headers.get(name)
        if name == "content-bbox" and a and b:
            a, b = (tuple(float(value) for value in text.split(",")) for text in (a, b))
            if _close(a, b):
                continue
        if a != b and not (name == "content-crs" and str(a).endswith("/CRS84>") and str(b).endswith("/CRS84>")):
            found.append(f"{name}: {a!r} for {b!r}")
    return found


def differences(
    ours: tuple[str, httpx.Response], theirs: tuple[str, httpx.Response], tolerance: Tolerance = EXACT
) -> list[str]:
    """Return what is not the same in two answers; each comes with the address of its server."""
    (address, mine), (peer, other) = ours, theirs
    if mine.status_code != other.status_code:
        return [f"status {mine.status_code} for {other.status_code}: {mine.text[:200]} | {other.text[:200]}"]
    if mine.status_code >= 400:
        return []
    found = compare_headers(mine, other)
    kind = media_type(other)
    if kind.split("/")[0] != media_type(mine).split("/")[0]:
        return found
    if kind.startswith("image/") or kind == "application/x-binary":
        return found + compare_pixels(mine, other, tolerance)
    if "json" in kind:
        return found + compare_json(json.loads(_text(mine, address)), json.loads(_text(other, peer)), tolerance)
    if kind.endswith("xml"):
        return found + compare_xml(_text(mine, address), _text(other, peer), tolerance.ignore)
    return found
