"""Do render parameters make a picture of a raster? Asked before a layer has them, by the API's own parser and pipeline.

Parameters that do not would make every tile of the layer an error. No pixel is read: what fits is decided by the number
and type of bands, so empty ones of the same kind are rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np

from tilery.errors import InvalidBand, TileryError

if TYPE_CHECKING:
    from app.api.context import AppContext
    from tilery.catalog.layer import Layer, Query
    from tilery.publishing.plan import PublishPlan
    from tilery.reading.profile import Profile

_SIDE = 64
"""Pixels of the picture along each side: more than what any algorithm cuts off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """What of a raster decides which parameters fit."""

    count: int
    """All of them, alpha included."""
    data: tuple[int, ...]
    """Numbers of those that are not alpha."""
    dtype: np.dtype[Any]
    palette: dict[int, tuple[int, int, int, int]] | None = None

    @classmethod
    def of(cls, profile: Profile) -> Bands:
        """Return those of an open raster."""
        return cls(count=profile.count, data=profile.data_bands, dtype=profile.dtype, palette=profile.palette)

    @classmethod
    def planned(cls, plan: PublishPlan) -> Bands:
        """Return those of the raster that is to be published."""
        return cls(
            count=plan.bands,
            data=plan.profile.data_bands,
            dtype=plan.profile.dtype,
            palette=plan.profile.palette,
        )


def context(catalog: str | None = None) -> AppContext:
    """Return what an application of these settings is made of: its colormaps, its limits, an engine.

    Args:
        catalog: address of the catalog whose rasters are opened. None: none is opened.
    """
    from app.api.app import create_app
    from app.config.settings import Settings

    if catalog is None:  # which then may come to be with its first layer
        return create_app(Settings(catalog=None, sources=(), tile_store=None)).context
    return create_app(Settings(catalog=catalog, tile_store=None)).context


def check(app: AppContext, query: Query, bands: Bands | None) -> None:
    """Check that a tile with these parameters can be made of such a raster; None: of any.

    Raises:
        RequestError: it cannot; the text says which parameter is wrong.
    """
    from app.api.operation import known_to
    from app.api.params.parse import ParameterParser
    from app.api.raster import plans, tiles
    from tilery.geo.raster import Raster
    from tilery.rendering import pipeline

    values = ParameterParser(known_to(app, tiles.ANY_TILE).parameters).query(urlencode(query))
    options = plans.tile_plan(app, values).pixel_options
    if bands is None:
        return
    chosen = options.read.bands or bands.data
    if wrong := [number for number in chosen if not 1 <= number <= bands.count]:
        raise InvalidBand(f"The raster has {bands.count} bands and none of number {wrong[0]}.", parameter="bidx")
    dtype = np.dtype("float32") if options.read.unscale else bands.dtype
    raster = Raster(
        data=np.zeros((len(chosen), _SIDE, _SIDE), dtype),
        bounds=(0.0, 0.0, 1.0, 1.0),
        band_names=tuple(f"b{number}" for number in chosen),
        band_descriptions=("",) * len(chosen),
        colormap=bands.palette if len(chosen) == 1 else None,
    )
    with np.errstate(all="ignore"):
        pipeline.render(raster, options.render, "png")


def check_planned(app: AppContext, render: Mapping[str, Any], plan: PublishPlan) -> None:
    """Check that parameters fit what is to be published, with the bands that publishing chooses where they do not.

    Raises:
        RequestError: they do not.
    """
    from tilery.catalog import document
    from tilery.publishing import default_display

    shown = default_display.shown(plan.profile, plan.kind)
    completed = default_display.completed(
        render, {"bidx": list(shown)} if shown else {}, bands=len(plan.profile.data_bands), count=plan.bands
    )
    check(app, document.query(completed), Bands.planned(plan))


def bands_of(app: AppContext, layer: Layer) -> Bands:
    """Return the bands of a layer's raster.

    Raises:
        TileryError: it cannot be read from here.
    """
    from tilery.reading.source import raster

    with app.engine.open(raster(app.layer_locations.of(layer.source))) as reader:
        return Bands.of(reader.profile)


def misfits(app: AppContext, layer: Layer) -> Iterator[tuple[str, TileryError]]:
    """Names of a layer's styles that make no picture of its raster, and why; ``default`` is what it has without one."""
    from app.api.params.merging import over

    try:
        bands = bands_of(app, layer)
    except TileryError:
        return
    for name, render in (("default", layer.render), *((style.name, style.render) for style in layer.styles)):
        try:
            check(app, over(render, layer.render), bands)
        except TileryError as error:
            yield name, error
