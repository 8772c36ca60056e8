"""What a layer is made of, as its document says: a raster, assets of a STAC Item, a mosaic, or a Zarr."""

from __future__ import annotations

from app.api.context import AppContext
from app.api.families import zarr
from app.api.params.groups import Assets
from app.api.params.parse import Values
from app.api.params.zarrs import Variable
from tilery.catalog.layer import Layer
from tilery.reading.mosaic.source import mosaic_source
from tilery.reading.source import Source, raster
from tilery.reading.stac.choice import item_source, stack_source
from tilery.reading.zarr.source import anchor, group_source


def source_of(app: AppContext, layer: Layer, values: Values) -> Source:
    """Return what tiles of a layer are made of; of a STAC Item the assets, of a Zarr the variable
    that the layer or the request names.

    Raises:
        SourceRefused: the policy does not allow it.
    """
    if layer.kind == "zarr":
        return zarr.source_of(app.layer_locations.of(anchor(layer.source)), values.to(Variable))
    if layer.kind != "stac":
        return document_of(app, layer)
    asked, location = values.to(Assets), app.layer_locations.of(layer.source)
    if asked.assets is None:
        return item_source(location)
    return stack_source(location, asked.assets, as_bands=asked.as_bands, unscale=asked.unscale)


def document_of(app: AppContext, layer: Layer) -> Source:
    """Return the one file that a layer names, whose identity stands in the keys of its stored tiles.

    Raises:
        SourceRefused: the policy does not allow it.
    """
    if layer.kind == "zarr":
        group = dict(layer.render).get("group")
        return group_source(app.layer_locations.of(anchor(layer.source)), group=group)
    location = app.layer_locations.of(layer.source)
    if layer.kind == "stac":
        return item_source(location)
    return mosaic_source(location) if layer.kind == "mosaic" else raster(location)
