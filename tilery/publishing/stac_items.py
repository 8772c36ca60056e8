"""STAC Items that a mosaic is made of: of a file, of a stac-geoparquet table, of a STAC API's answers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from tilery.errors import InvalidParameter, NotARaster
from tilery.reading.stac.item import parse

Json = dict[str, Any]

DOCUMENTS = (".json", ".geojson")
TABLES = (".parquet", ".geoparquet")
_PAGE = 250
"""Items that a page of a search is to have."""
_LISTS = ("ids", "collections", "bbox", "sortby")
"""Parameters of a search that are lists."""
_TEXTS = ("datetime", "filter", "filter-lang")


def is_of_items(source: str) -> bool:
    """Return whether a source means Items: by the end of its path."""
    return _path(source).endswith((*DOCUMENTS, *TABLES)) or _is_search(source)


def addresses(source: str, read: Callable[[], bytes], asset: str | None, most: int) -> list[str]:
    """Return the address of one asset of each Item, in the order of the Items.

    Args:
        source: address of an Item or an ItemCollection as JSON or as stac-geoparquet; or that of a STAC API's search,
            with its parameters.
        read: returns the content of a file.
        asset: name of the asset. None: the only one that can be a raster.
        most: Items that a search may give.

    Raises:
        InvalidParameter: there are none, or one has not that asset.
        SourceError, UpstreamError: it cannot be read.
    """
    if _is_search(source):
        items = _found(source, most)
    else:
        items = _listed((_rows if _path(source).endswith(TABLES) else _document)(read(), source))
    found = [_address(item, asset) for item in items]
    if not found:
        raise InvalidParameter(f"There is no STAC Item in {source}.")
    return found


def _is_search(source: str) -> bool:
    return source.startswith(("https://", "http://")) and _path(source).endswith("/search")


def _path(source: str) -> str:
    return (urlsplit(source).path if source.startswith(("https://", "http://")) else source).lower()


def _document(content: bytes, source: str) -> Json:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidParameter(f"{source} is no JSON document of STAC Items.")
    return found


def _rows(content: bytes, source: str) -> Json:
    """Return the rows of a stac-geoparquet table, as an ItemCollection."""
    rustac = _rustac(source)
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(content)
        file.flush()
        try:
            return cast("Json", rustac.read_sync(file.name))
        except rustac.RustacError as error:
            raise InvalidParameter(f"{source} is no stac-geoparquet table: {str(error)[:300]}") from None


def _found(source: str, most: int) -> list[Json]:
    """Return the Items that a search gives, one page after the other."""
    parts = urlsplit(source)
    given = dict(parse_qsl(parts.query))
    if unknown := given.keys() - {*_LISTS, *_TEXTS, "limit"}:
        known = ", ".join((*_LISTS, *_TEXTS))
        raise InvalidParameter(f"{min(unknown)!r} is no parameter of a search. There are: {known}.")
    wanted: Json = {name: given[name].split(",") for name in _LISTS if name in given}
    wanted |= {name.replace("-", "_"): given[name] for name in _TEXTS if name in given}
    try:
        if "bbox" in wanted:
            wanted["bbox"] = [float(edge) for edge in wanted["bbox"]]
    except ValueError:
        raise InvalidParameter("The bbox of a search is four numbers.", parameter="bbox") from None
    root = urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix("/search"), "", ""))
    rustac = _rustac(source)
    try:
        found = rustac.search_sync(root, limit=_PAGE, max_items=most + 1, **wanted)
    except rustac.RustacError as error:
        raise InvalidParameter(f"The search at {root} failed: {str(error)[:300]}") from None
    if len(found) > most:
        raise InvalidParameter(f"The search gives more than {most} Items: narrow it.", limit=most)
    return cast("list[Json]", found)


def _rustac(source: str) -> Any:
    try:
        import rustac
    except ModuleNotFoundError:
        raise InvalidParameter(f"{source} needs what pip install 'tilery[search]' brings.") from None
    return rustac


def _listed(document: Mapping[str, Any]) -> list[Any]:
    items = document.get("features") if document.get("type") == "FeatureCollection" else [document]
    return items if isinstance(items, list) else []


def _address(item: Any, asset: str | None) -> str:
    """Return the address of one asset of an Item."""
    try:
        known = parse(json.dumps(item).encode()).assets
    except NotARaster as error:
        raise InvalidParameter(error.detail) from None
    name = asset or (next(iter(known)) if len(known) == 1 else None)
    if name is None or name not in known:
        listed = ", ".join(list(known)[:32])
        raise InvalidParameter(
            f"An Item has no asset {name!r}. It has: {listed}."
            if name
            else f"An Item has several assets: name one of {listed}.",
            parameter="asset",
        )
    href = known[name].fields.get("href")
    if not isinstance(href, str) or not (href.startswith("/") or "://" in href):
        raise InvalidParameter("An asset of an Item has no address, or one that is relative to where it came from.")
    return href
