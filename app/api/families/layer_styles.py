"""Do render parameters make a picture of a raster? Asked before a layer has them, by the API's own parser and pipeline.

Parameters that do not would make every tile of the layer an error. No pixel is read: what fits is decided by the number
and type of bands, so empty ones of the same kind are rendered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np

from app.api.context import AppContext
from app.api.families import layer_sources
from app.api.operation import known_to
from app.api.params import table, zarrs
from app.api.params.parameter import optional
from app.api.params.parse import ParameterParser
from app.api.raster import plans, tiles
from tilery.catalog.layer import Layer, Query
from tilery.errors import InvalidBand
from tilery.geo.raster import Raster
from tilery.reading.profile import Profile, no_band
from tilery.rendering import pipeline

_SOURCE = (
    *(optional(table.ASSETS), table.ASSET_AS_BAND, table.UNSCALE),
    *(optional(zarrs.VARIABLE), *zarrs.VARIABLE_PARAMETERS[1:]),
)
"""Parameters that say what a layer is made of."""
_SIDE = 64
"""Pixels of the picture along each side: more than what any algorithm cuts off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterBands:
    """What of a raster decides which parameters fit."""

    count: int
    """All of them, alpha included."""
    data: tuple[int, ...]
    """Numbers of those that are not alpha."""
    dtype: np.dtype[Any]
    palette: dict[int, tuple[int, int, int, int]] | None = None

    @classmethod
    def of(cls, profile: Profile) -> RasterBands:
        """Return those of an open raster."""
        return cls(count=profile.count, data=profile.data_bands, dtype=profile.dtype, palette=profile.palette)


def check(app: AppContext, query: Query, bands: RasterBands | None) -> None:
    """Check that a tile with these parameters can be made of such a raster; None: of any.

    Raises:
        RequestError: it cannot; the text says which parameter is wrong.
    """
    values = ParameterParser(known_to(app, tiles.ANY_TILE).parameters).query(urlencode(query))
    options = plans.tile_plan(app, values).pixel_options
    if bands is None:
        return
    chosen = options.read.bands or bands.data
    if wrong := [number for number in chosen if not 1 <= number <= bands.count]:
        raise InvalidBand(no_band(bands.count, wrong[0]), parameter="bidx")
    dtype = np.dtype("float32") if options.read.unscale else bands.dtype
    blank = Raster(
        data=np.zeros((len(chosen), _SIDE, _SIDE), dtype),
        bounds=(0.0, 0.0, 1.0, 1.0),
        band_names=tuple(f"b{number}" for number in chosen),
        band_descriptions=("",) * len(chosen),
        colormap=bands.palette if len(chosen) == 1 else None,
    )
    with np.errstate(all="ignore"):
        pipeline.render(blank, options.render, "png")


def bands_of(app: AppContext, layer: Layer) -> RasterBands:
    """Return the bands of a layer's raster.

    Raises:
        TileryError: it cannot be read from here.
    """
    values = ParameterParser(_SOURCE).query(urlencode(layer.render))
    with app.engine.open(layer_sources.source_of(app, layer, values)) as reader:
        return RasterBands.of(reader.profile)
