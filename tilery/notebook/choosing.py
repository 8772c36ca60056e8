"""What of a source is opened: a raster, assets of a STAC Item, a mosaic, or a variable of a Zarr store.

A document names other files. Whoever opens one that lies on this machine may read all that it names, wherever that is;
one from elsewhere does not lead to files of this machine, nor to hosts that only this machine knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tilery.engine import Engine
from tilery.errors import InvalidParameter, NotARaster
from tilery.notebook import style
from tilery.notebook.style import Query
from tilery.publishing import adding
from tilery.reading.mosaic.parts import OVERVIEW
from tilery.reading.reader import Reader
from tilery.reading.source import RASTER, Source, raster
from tilery.reading.stac.item import resolved
from tilery.reading.zarr import source as zarr_
from tilery.storage.locations import FileLocation, HttpLocation, Location
from tilery.storage.policy import Policy, WrongSourcesError, without_gdal

if TYPE_CHECKING:
    from tilery.reading.mosaic.dataset import MosaicDataset
    from tilery.reading.stac.dataset import ItemDataset
    from tilery.reading.zarr.group import Group

FAMILIES = {RASTER: "cog", "mosaic": "mosaicjson", "stac": "stac", "zarr": "zarr"}
"""The routes of the service, by the kind of a source."""
_MOST_NAMED = 64
"""Files that are allowed one by one; of more, the folders that they are in."""
_VISUAL = "visual"
"""The asset that is a picture for people, as STAC's best practices call it."""

Selection = Mapping[str, Any] | Sequence[str]
"""What is chosen along the dimensions of a variable: ``{"time": "2020-01-01"}``, or texts as ``time=nearest::2020``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A source with what is chosen of it."""

    source: Source
    url: str
    """As the server's ``url=`` takes it."""
    family: str = FAMILIES[RASTER]
    query: Query = ()
    """The parameters that say what is chosen, without ``url``."""
    named: tuple[str, ...] = ()
    """Entries of a policy: what it names, which has to be read too."""


def kinds_of(text: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a source may be, by what is chosen of it and by its name."""
    if given.get("variable") or given.get("sel") or given.get("group"):
        return ("zarr",)
    return ("stac",) if given.get("assets") else adding.kinds_of(text)


def chosen(
    engine: Engine, location: Location, kinds: Sequence[str], given: Mapping[str, Any], *, grows: bool
) -> Choice:
    """Return what is opened.

    Args:
        engine: opens documents.
        location: of the source; of a Zarr that of its anchor.
        kinds: what it may be; the first that it is counts.
        given: ``assets``, ``variable``, ``sel``, ``group``; None where nothing is.
        grows: whether the engine's policy is extended by what the document names.

    Raises:
        SourceError, UpstreamError: it cannot be opened.
        InvalidParameter: nobody said which of several assets or variables.
    """
    render = {name: _texts(name, value) for name, value in given.items() if value is not None}
    for kind in kinds:
        try:
            return _of_kind(engine, location, kind, render, grows=grows)
        except NotARaster:
            if kind == kinds[-1]:
                raise
    raise NotARaster("It is no raster.")


def _of_kind(engine: Engine, location: Location, kind: str, render: dict[str, Any], *, grows: bool) -> Choice:
    if kind == RASTER:
        return Choice(source=raster(location), url=_address(location))
    url = zarr_.base(location) if kind == "zarr" else _address(location)
    named: tuple[str, ...] = (url.partition("?")[0] if "://" in url else url,)
    if grows and kind == "zarr":
        _extend(engine, named)
    source = adding.source_of(kind, location, {"group": render.get("group")})
    with engine.open(source) as reader:
        if kind == "stac":
            named = _entries(location, _of_item(reader, location, engine.alternate))
            render["assets"] = render.get("assets") or _only_asset(reader)
        elif kind == "mosaic":
            named = _entries(location, _of_mosaic(reader, location))
        else:
            render["variable"] = render.get("variable") or _only_variable(reader)
    if grows and kind != "zarr":
        _extend(engine, named)
        if kind == "mosaic":  # which learns of its bands from a raster, as it is opened
            engine.datasets.forget(engine.datasets.get(source))
    return Choice(
        source=adding.source_of(kind, location, render),
        url=url,
        family=FAMILIES[kind],
        query=style.query(**render),
        named=named,
    )


def _address(location: Location) -> str:
    return location.path if isinstance(location, FileLocation) else location.url


def _texts(name: str, value: Any) -> Any:
    """Return a choice as the service's parameter has it."""
    if name == "sel" and isinstance(value, Mapping):
        return [f"{key}={one}" for key, several in value.items() for one in _several(several)]
    return list(map(str, _several(value))) if name in ("assets", "sel") else str(value)


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _only_asset(reader: Reader) -> list[str]:
    names = list(cast("ItemDataset", reader.source).item.assets)
    if len(names) == 1 or _VISUAL in names:
        return [names[0] if len(names) == 1 else _VISUAL]
    raise InvalidParameter(f"Say which assets are meant, as assets=['NAME']: {', '.join(names[:32])}.")


def _only_variable(reader: Reader) -> str:
    from tilery.reading.zarr import documents

    names = documents.keys(cast("Group", reader.source))
    if len(names) == 1:
        return str(names[0])
    raise InvalidParameter(f"Say which variable is meant, as variable='NAME': {', '.join(names[:32])}.")


def _of_item(reader: Reader, location: Location, alternate: str | None) -> Iterable[str]:
    for asset in cast("ItemDataset", reader.source).item.assets.values():
        with suppress(NotARaster):  # without an address
            yield asset.address(location, alternate)


def _of_mosaic(reader: Reader, location: Location) -> Iterable[str]:
    dataset = cast("MosaicDataset", reader.source)
    mosaic = dataset.mosaic
    yield from (resolved(location, mosaic.prefix + name) for name in mosaic.index.names)
    if mosaic.overview is not None:
        yield resolved(location, dataset.parts.name(OVERVIEW))


def _entries(document: Location, addresses: Iterable[str]) -> tuple[str, ...]:
    """Return entries of a policy that allow what a document names."""
    found = dict.fromkeys(_plain(address) for address in addresses)
    if len(found) > _MOST_NAMED:
        found = dict.fromkeys(f"{address.rpartition('/')[0]}/" for address in found)
    allowed = (_entry(entry) for entry in found if _may_name(document, entry))
    return tuple(dict.fromkeys(entry for entry in allowed if entry is not None))


def _entry(address: str) -> str | None:
    """Return the entry that allows an address; of a file that is not there its folder, so that reading it says so."""
    for entry in (address, f"{address.rpartition('/')[0]}/"):
        with suppress(WrongSourcesError):
            Policy.from_sources([entry])
            return entry
    return None


def _plain(address: str) -> str:
    """Return an address as entries are written: without a query, and not in GDAL's spelling."""
    plain = without_gdal(address)
    return plain.partition("?")[0] if "://" in plain else plain


def _may_name(document: Location, entry: str) -> bool:
    if isinstance(document, FileLocation):
        return True
    if isinstance(document, HttpLocation) and entry.startswith(f"{document.scheme}://{document.authority}/"):
        return True
    return entry.lower().startswith(("s3:", "gs:", "az:"))  # and any public host by https, as redirects may lead to


def _extend(engine: Engine, entries: Sequence[str]) -> None:
    """Let an engine read what entries allow."""
    engine.policy = engine.policy.also(Policy.from_sources(entries))
