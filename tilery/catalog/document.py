"""A layer's document to a `Layer` and back: the only place that knows how ``index.json`` is written.

TileJSON 3 (https://github.com/mapbox/tilejson-spec/tree/master/3.0.0) with the Lambda tiler's ``meta`` and what we add:
``source``, ``revision``, ``render``, ``styles``, ``statistics``. A document that the Lambda tiler wrote (TileJSON 2, no
``source``, no ``revision``) is read too.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilery.catalog.layer import Layer, Meta, Query, Style
from tilery.did_you_mean import hint
from tilery.errors import BrokenDocument
from tilery.limits import untrusted_json

if TYPE_CHECKING:
    from tilery.catalog.schema import LayerDocument

MAX_BYTES = 8 << 20
MAX_DEPTH = 32
"""Lists and objects in one another: what is deeper would end the encoder of every document that shows it."""
RENDER_PARAMETERS = frozenset(
    [
        "algorithm",
        "algorithm_params",
        "asset_as_band",
        "assets",
        "bidx",
        "buffer",
        "color_formula",
        "colormap",
        "colormap_name",
        "decode_times",
        "expression",
        "group",
        "labels",
        "nodata",
        "padding",
        "pixel_selection",
        "reproject",
        "resampling",
        "rescale",
        "return_mask",
        "sel",
        "skip_missing",
        "unscale",
        "variable",
    ]
)
"""What ``render`` and ``styles`` may set: all that decides how pixels look, nothing that decides where they are."""

_REPEATED = ("assets", "bidx", "rescale", "sel")
_STYLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
WRONG_STYLE_NAME = "A style's name has letters, digits, '-', '_' and '.' only."
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def query(render: Mapping[str, Any]) -> Query:
    """Return render parameters as pairs of a query string.

    Lists are repeats (``"bidx": [4, 3, 2]``), a list of pairs is a list of ranges (``"rescale": [[0, 3000]]``), an
    object is JSON text (``"colormap": {"1": "#ff0000"}``): the way of STAC's renders extension, so that one can be
    pasted from there.

    Raises:
        BrokenDocument: a name that may not be set here.
    """
    pairs: list[tuple[str, str]] = []
    for name in sorted(render):
        if name not in RENDER_PARAMETERS:
            meant = hint(name, RENDER_PARAMETERS)
            raise BrokenDocument(
                f"'{name[:64]}' cannot be set in a layer's render parameters.{meant}", parameter="render"
            )
        value = render[name]
        many = name in _REPEATED and isinstance(value, list)
        if many and name == "rescale" and value and not isinstance(value[0], list | str):
            value = [value]
        pairs += [(name, _text(item)) for item in (value if many else [value]) if item is not None]
    return tuple(pairs)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, int | float) for item in value):
        return ",".join(f"{item:.15g}" for item in value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def is_style_name(text: str) -> bool:
    """Return whether a style can be called so."""
    return _STYLE_NAME.fullmatch(text) is not None


def parse(layer_id: str, body: bytes, *, version: str, folder: str) -> Layer:
    """Return the layer that a document describes.

    Args:
        layer_id: the id, from the name of the document's folder.
        body: the document's bytes.
        version: identity of the document.
        folder: address of the document's folder, ending in a slash; relative sources are below it.

    Raises:
        BrokenDocument: not JSON, not a layer, or of a version to come.
    """
    if len(body) > MAX_BYTES:
        raise BrokenDocument(f"The document is longer than {MAX_BYTES} bytes.", limit=MAX_BYTES)
    from pydantic import ValidationError

    from tilery.catalog.schema import LayerDocument

    try:
        raw = untrusted_json.parse(body, deepest=MAX_DEPTH)
        found = LayerDocument.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BrokenDocument(f"{where}: {first['msg']}", parameter=where) from None
    except untrusted_json.TooDeep:
        raise BrokenDocument(f"The document is nested more than {MAX_DEPTH} levels deep.", limit=MAX_DEPTH) from None
    except (ValueError, RecursionError):
        raise BrokenDocument("The document is not JSON.") from None
    for name in found.styles:
        if not is_style_name(name):
            raise BrokenDocument(WRONG_STYLE_NAME, parameter="styles")
    if found.minzoom > found.maxzoom:
        raise BrokenDocument("minzoom is above maxzoom.", parameter="minzoom")
    return Layer(
        id=layer_id,
        name=found.name or layer_id,
        source=_source(found, folder),
        kind=found.kind,
        revision=found.revision or version,
        version=version,
        bounds=found.bounds,
        minzoom=found.minzoom,
        maxzoom=found.maxzoom,
        description=found.description,
        attribution=found.attribution,
        render=query(found.render),
        styles=tuple(
            Style(name=name, title=style.title, render=query(style.render)) for name, style in found.styles.items()
        ),
        meta=Meta(
            approximate_zoom=found.meta.approximate_zoom,
            band_count=found.meta.band_count,
            width=found.meta.width,
            height=found.meta.height,
            source=found.meta.source,
        ),
        published=found.published,
        order=found.order,
        statistics=found.statistics,
        document=raw,
    )


def _source(found: LayerDocument, folder: str) -> str:
    """Return the raster's address. Without ``source``: the Lambda tiler's ``meta.source``, and the ``index.tif`` that
    stands beside an ``index.vrt``, because we reproject by ourselves and need no VRT for it.
    """
    written = found.source
    if written is None and found.meta.source is not None:
        written = re.sub(r"(^|/)index\.vrt$", r"\1index.tif", found.meta.source)
    written = written or "index.tif"
    if "\x00" in written:
        raise BrokenDocument("The source holds a NUL.", parameter="source")
    if written.startswith("/") or _SCHEME.match(written):
        return written
    if ".." in written.split("/"):
        raise BrokenDocument("A relative source cannot climb out of the layer's folder.", parameter="source")
    scheme, separator, path = folder.rpartition("://")
    return f"{scheme}{separator}{posixpath.join(path, written)}"


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of a document: indented, UTF-8, no NaN."""
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"
