"""Styles as the command line checks them: with an application of its own, and before anything is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tilery.errors import TileryError

if TYPE_CHECKING:
    from app.api.context import AppContext
    from tilery.catalog.layer import Layer
    from tilery.publishing.plan import PublishPlan


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


def check_planned(app: AppContext, render: Mapping[str, Any], plan: PublishPlan) -> None:
    """Check that parameters fit what is to be published, with the bands that publishing chooses where they do not.

    Raises:
        RequestError: they do not.
    """
    from app.api.families.layer_styles import RasterBands, check
    from tilery.catalog import document
    from tilery.publishing import default_display

    shown = default_display.shown(plan.profile, plan.kind)
    completed = default_display.completed(
        render, {"bidx": list(shown)} if shown else {}, bands=len(plan.profile.data_bands), count=plan.bands
    )
    bands = RasterBands(
        count=plan.bands,
        data=plan.profile.data_bands,
        dtype=plan.profile.dtype,
        palette=plan.profile.palette,
    )
    check(app, document.query(completed), bands)


def misfits(app: AppContext, layer: Layer) -> Iterator[tuple[str, TileryError]]:
    """Yield names of a layer's styles that make no picture of its raster, and why; ``default`` is what it has without
    one.
    """
    from app.api.families.layer_styles import bands_of, check
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
