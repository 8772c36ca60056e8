"""Tiles of a layer made ahead, by way of the service's own tiers and no route."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import urlencode

from app.api import stored_tiles
from app.api.context import AppContext
from app.api.families import layer_sources, layers
from app.api.operation import bound, known_to
from app.api.params.parse import ParameterParser, Values
from app.api.raster import plans, tiles
from app.api.raster.plans import TilePlan
from app.serving import render
from app.serving.requests import ImageOptions, TileRequest
from app.serving.service import CallerGone
from app.serving.tile_store import TileStore
from tilery.catalog.layer import Layer
from tilery.errors import NotFound, TileryError
from tilery.geo import tms as tms_
from tilery.reading.source import Source

log = logging.getLogger("tilery.tile_store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeder:
    """Puts tiles of one layer, in one of its styles, into the tile store."""

    app: AppContext
    store: TileStore
    layer: Layer
    style: str | None
    values: Values
    plan: TilePlan
    source: Source
    document: Source
    """The file that the layer names."""

    async def keep(self, tile: tuple[int, int, int], suffix: str) -> bool | None:
        """Return True when a tile is in the store now, None when there is none to keep, False when it failed.

        Args:
            tile: zoom, column and row.
            suffix: ``.png``, ``@2x.jpg``.
        """
        service = self.app.service
        scale, _, name = suffix.lstrip("@").rpartition(".")
        size, pixels = self.plan.size, self.plan.pixel_options
        request = TileRequest(
            matrix_set=self.app.tile_matrix_sets.get(tms_.DEFAULT),
            z=tile[0],
            x=tile[1],
            y=tile[2],
            size=size.tilesize or (256 * int(scale.removesuffix("x")) if scale else None),
            buffer=size.buffer,
            padding=size.padding,
            image=ImageOptions(read=pixels.read, render=pixels.render, format=name),
        )
        work = render.TileWork(request)
        try:
            identity = ""
            if stored_tiles.needs_identity(self.store, self.layer):
                identity = await service.identity(self.document)
            place = stored_tiles.tile_of(self.store, self.layer, self.style, tile, suffix, identity)
            if place is None:
                return None
            return await service.ensure_stored(
                self.source,
                f"{tiles.text_of(request)} {self.layer.id} {self.layer.revision} {self.values.canonical}",
                work,
                place,
                check=work.check,
            )
        except NotFound:
            return None
        except (TileryError, CallerGone) as error:
            log.warning("tile %d/%d/%d%s was not made: %s", *tile, suffix, error)
            return False


def seeder(app: AppContext, layer: Layer, style: str | None) -> Seeder | None:
    """Return what seeds a layer; None where the application has no tile store.

    Raises:
        TileryError: the layer's parameters are not what a tile takes, or its source may not be read.
    """
    store = app.service.tile_store
    if store is None:
        return None
    parser = ParameterParser(known_to(app, bound(layers.FAMILY, tiles.ANY_TILE)).parameters)
    query = layers.merged(layer.render, layer.styles, urlencode({"style": style}).encode() if style else b"")
    values = parser.query(query)
    return Seeder(
        app=app,
        store=store,
        layer=layer,
        style=style,
        values=values,
        plan=plans.tile_plan(app, values),
        source=layer_sources.source_of(app, layer, values),
        document=layer_sources.document_of(app, layer),
    )
