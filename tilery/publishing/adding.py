"""A layer of what lies somewhere already: a raster, the document of a mosaic, a STAC Item, a Zarr store.

Nothing is copied.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tilery.catalog.schema import FORMAT
from tilery.engine import Engine, EngineOptions
from tilery.errors import InvalidParameter, NotARaster
from tilery.geo import tms as tms_
from tilery.geo.mercator import LATITUDE
from tilery.reading.mosaic.source import mosaic_source
from tilery.reading.reader import Reader
from tilery.reading.source import Source, raster
from tilery.reading.stac import choice
from tilery.reading.stac.choice import item_source, stack_source
from tilery.reading.zarr import selecting
from tilery.reading.zarr.source import anchor, group_source, variable_source
from tilery.storage.locations import Location
from tilery.storage.options import StoreOptions
from tilery.storage.policy import Policy

if TYPE_CHECKING:
    from tilery.reading.stac.dataset import ItemDataset
    from tilery.reading.zarr.group import Group

Json = dict[str, Any]

_DOCUMENTS = (".json", ".json.gz", ".geojson")
"""What the names of mosaics and Items end with."""


def document(
    layer_id: str,
    address: str,
    *,
    sources: Sequence[str],
    stores: StoreOptions,
    render: Mapping[str, Any],
    kind: str | None = None,
    **given: str | None,
) -> Json:
    """Return the document of a layer, as `described` does with an engine of its own.

    Args:
        layer_id: its id.
        address: of the source; a relative path is one of this machine's.
        sources: what the service may read, which has to hold the address and all that it names.
        stores: how stores are reached.
        render: parameters for requests that give none; of an Item with its ``assets``, of a Zarr with its
            ``variable``.
        kind: ``raster``, ``mosaic``, ``stac`` or ``zarr``. None: what it turns out to be.
        given: ``name``, ``description``, ``attribution``.

    Raises:
        SourceRefused, SourceError, UpstreamError, InvalidParameter: as `described`.
    """
    if "://" not in address:
        address = os.path.abspath(Path(address).expanduser())  # noqa: PTH100  links stay as they are written
    with Engine(EngineOptions(stores=stores, policy=Policy.from_sources(list(sources)))) as engine:
        return described(engine, layer_id, address, render=render, kind=kind, **given)


def described(
    engine: Engine,
    layer_id: str,
    address: str,
    *,
    render: Mapping[str, Any],
    kind: str | None = None,
    **given: str | None,
) -> Json:
    """Return the document of a layer.

    Args:
        engine: opens the source; its policy says what may be one.
        layer_id: its id.
        address: of the source.
        render: parameters for requests that give none; of an Item with its ``assets``, of a Zarr with its ``variable``.
        kind: ``raster``, ``mosaic``, ``stac`` or ``zarr``. None: what it turns out to be.
        given: ``name``, ``description``, ``attribution``.

    Raises:
        SourceRefused: the service may not read it.
        SourceError, UpstreamError: it cannot be opened.
        InvalidParameter: no asset of an Item, or variable of a Zarr, is named.
    """
    for one in [kind] if kind else kinds_of(address):
        location = engine.locate(anchor(address) if one == "zarr" else address)
        try:
            with engine.open(source_of(one, location, render)) as reader:
                if one == "stac" and not render.get("assets"):
                    raise _nameless(reader)
                if one == "zarr" and not render.get("variable"):
                    raise _without_variable(reader)
                facts = _facts(reader)
        except NotARaster:
            if one == "mosaic" and kind is None:
                continue
            raise
        return {
            "tilejson": "3.0.0",
            "format": FORMAT,
            "id": layer_id,
            "name": given.get("name") or layer_id.rpartition("/")[2],
            **{key: value for key, value in given.items() if key != "name" and value is not None},
            "kind": one,
            "source": address,
            **facts,
            "render": dict(render),
        }
    raise NotARaster("It is neither a raster nor a mosaic nor a STAC Item.")


def kinds_of(address: str) -> tuple[str, ...]:
    """Return what a source may be, by its name."""
    if address.partition("?")[0].rstrip("/").lower().endswith(".zarr"):
        return ("zarr",)
    return ("mosaic", "stac") if address.partition("?")[0].lower().endswith(_DOCUMENTS) else ("raster",)


def source_of(kind: str, location: Location, render: Mapping[str, Any]) -> Source:
    """Return the source of what render parameters choose: ``assets`` of an Item, a ``variable`` of a Zarr; without
    these the Item or the group alone.

    Raises:
        InvalidParameter: they do not parse.
    """
    if kind == "mosaic":
        return mosaic_source(location)
    if kind == "raster":
        return raster(location)
    if kind == "zarr":
        return _of_zarr(location, render)
    named = render.get("assets")
    if not named:
        return item_source(location)
    try:
        return stack_source(location, tuple(map(choice.parse, named)))
    except ValueError as error:
        raise InvalidParameter(f"assets: {error}.", parameter="assets") from None


def _of_zarr(location: Location, render: Mapping[str, Any]) -> Source:
    variable, group = render.get("variable"), render.get("group")
    times = str(render.get("decode_times", "true")).lower() in ("true", "1", "yes", "on", "t", "y")
    if not variable:
        return group_source(location, group=group, decode_times=times)
    chosen = render.get("sel") or ()
    select = selecting.parse([chosen] if isinstance(chosen, str) else chosen)
    return variable_source(location, variable, select=select, group=group, decode_times=times)


def _without_variable(reader: Reader) -> InvalidParameter:
    from tilery.reading.zarr import documents

    names = ", ".join(documents.keys(cast("Group", reader.source))[:32])
    return InvalidParameter(
        f"Say in the render parameters which variable is shown, as variable=NAME: {names}.", parameter="render"
    )


def _nameless(reader: Reader) -> InvalidParameter:
    item = cast("ItemDataset", reader.source).item
    return InvalidParameter(
        f"Say in the render parameters which assets are shown, as assets=NAME: {', '.join(list(item.assets)[:32])}.",
        parameter="render",
    )


def _facts(reader: Reader) -> Json:
    """Return bounds and zooms."""
    west, south, east, north = reader.geographic_bounds()
    south, north = max(south, -LATITUDE), min(north, LATITUDE)
    lowest, highest = reader.zooms(tms_.get(tms_.DEFAULT))
    bounds = (max(west, -180.0), south, min(east, 180.0), north)
    return {"bounds": [round(edge, 9) for edge in bounds], "minzoom": lowest, "maxzoom": highest}
