"""The layers of a catalog: add, list, show, remove, style, index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from app.commands import styles
from app.commands.options import catalog_option, catalog_store, layer_of
from app.commands.tiles import forget_tiles
from app.config import settings
from app.config.engine_options import store_options
from tilery.errors import InvalidFormat, SourceRefused, TileryError, UnsupportedRaster

if TYPE_CHECKING:
    from tilery.catalog.layer import Layer
    from tilery.storage.objects import Store


@click.group()
def layers() -> None:
    """Add, list, show, remove, style and index the layers of a catalog."""


@layers.command("list")
@catalog_option
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def list_(catalog: str | None, as_json: bool) -> None:
    """Print the layers, and what is wrong with those that cannot be served."""
    from tilery.catalog.catalog import Catalog

    found = Catalog(catalog_store(catalog))
    all_of_them = found.layers()
    if as_json:
        rows = [{"id": x.id, "name": x.name, "revision": x.revision, "bounds": x.bounds} for x in all_of_them]
        click.echo(json.dumps(rows, indent=1))
    else:
        for layer in all_of_them:
            zooms = f"z{layer.minzoom}-{layer.maxzoom}"
            click.echo(f"{layer.id:<24} {zooms:<8} {layer.revision:<24} {layer.name}")
        if not all_of_them:
            click.echo("There are no layers here.", err=True)
    for layer_id, problem in found.problems().items():
        click.echo(f"{layer_id}: {problem}", err=True)


@layers.command("index")
@catalog_option
def index_(catalog: str | None) -> None:
    """Make the index of the layers, layers.gpkg, anew of their documents.

    Lists of layers come from it. Publishing keeps it; this is for documents that were put there in other ways.
    """
    from tilery.catalog import index

    store = catalog_store(catalog)
    count, found = index.rebuild(store)
    for layer_id, problem in sorted((found.broken | found.unreachable).items()):
        click.echo(f"{layer_id}: {problem}", err=True)
    click.echo(f"{store.address}{index.NAME} lists {count} layer{'' if count == 1 else 's'}.", err=True)


@layers.command()
@click.argument("layer_id", metavar="ID")
@click.argument("source")
@catalog_option
@click.option("--kind", type=click.Choice(["raster", "mosaic", "stac", "zarr"]), help="Of SOURCE; else found out.")
@click.option("--name", help="Shown to people.")
@click.option("--description")
@click.option("--attribution", help="Credits, shown on maps.")
@click.option("--render", help="Parameters for requests that give none, as 'assets=B04&rescale=0,3000'.")
@click.option("--replace", is_flag=True, help="Take the place of the layer that there is.")
def add(layer_id: str, source: str, catalog: str | None, replace: bool, **given: str | None) -> None:
    """Make SOURCE, as it is, the layer ID: a raster, a MosaicJSON document, a STAC Item or a Zarr store.

    Nothing is copied. SOURCE, and the rasters that a mosaic or an Item names, must be where TILERY_SOURCES allows.
    """
    from tilery.catalog import document, editing, ids
    from tilery.publishing import adding

    ids.check(layer_id)
    found, store = settings.get(), catalog_store(catalog)
    render = editing.render_of(given.pop("render") or "")
    try:
        written = adding.document(
            layer_id, source, sources=found.sources, stores=store_options(found), render=render, **given
        )
    except SourceRefused as error:
        raise SourceRefused(f"{error.detail} TILERY_SOURCES lists those.", private=error.private) from None
    layer = document.parse(layer_id, document.encode(written), version="new", folder=f"{store.address}{layer_id}/")
    try:
        _need_fitting(store, layer, "default", render)
    except (InvalidFormat, UnsupportedRaster) as error:  # requests can choose bands, or ask for the data
        click.echo(f"Warning: tiles are no pictures as long as requests say nothing: {error.detail}", err=True)
    editing.add(store, layer_id, written, replace=replace)
    forget_tiles(layer_id)
    click.echo(f"{layer_id}: a {layer.kind}, zooms {layer.minzoom} to {layer.maxzoom}.", err=True)
    click.echo(f"/{layer_id}/{{z}}/{{x}}/{{y}}.png")


@layers.command()
@click.argument("layer_id", metavar="ID")
@catalog_option
def show(layer_id: str, catalog: str | None) -> None:
    """Print a layer's document."""
    from tilery.catalog import editing

    store = catalog_store(catalog)
    with layer_of(store, layer_id):
        click.echo(json.dumps(editing.read(store, layer_id)[0], indent=1, ensure_ascii=False))


@layers.command()
@click.argument("layer_id", metavar="ID")
@catalog_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(layer_id: str, catalog: str | None, yes: bool) -> None:
    """Remove a layer, its files, and its tiles from TILERY_TILE_STORE."""
    from tilery.catalog import editing

    store = catalog_store(catalog)
    with layer_of(store, layer_id):
        count = len(editing.files(store, layer_id))
    if not yes:
        click.confirm(f"Remove {layer_id} and its {count} files from {store.address}?", abort=True)
    click.echo(f"Removed {editing.remove(store, layer_id)} files.", err=True)
    forget_tiles(layer_id, removed=True)


@layers.command()
@click.argument("layer_id", metavar="ID")
@click.argument("name")
@click.argument("render", required=False)
@catalog_option
@click.option("--title", help="Shown to people.")
@click.option("--remove", "drop", is_flag=True, help="Take the style away.")
def style(
    layer_id: str,
    name: str,
    render: str | None,
    catalog: str | None,
    title: str | None,
    drop: bool,
) -> None:
    """Set the style NAME of a layer to RENDER, as 'rescale=0,3000&colormap_name=viridis'.

    The name 'default' stands for what is used when a request says nothing.
    """
    from tilery.catalog import editing
    from tilery.catalog.catalog import Catalog

    store = catalog_store(catalog)
    if drop == (render is not None):
        raise click.UsageError("Give either RENDER or --remove.")
    parameters = editing.render_of(render or "")
    with layer_of(store, layer_id):
        layer = Catalog(store).get(layer_id)
    if not drop:
        _need_fitting(store, layer, name, parameters)
    if name == "default":
        editing.set_render(store, layer_id, parameters)
    elif drop:
        editing.drop_style(store, layer_id, name)
    else:
        editing.set_style(store, layer_id, name, parameters, title)
    forget_tiles(layer_id)


def _need_fitting(store: Store, layer: Layer, name: str, parameters: dict[str, Any]) -> None:
    """Check that a layer's raster can be shown in this way; where it cannot be read from here, only what is written.

    Raises:
        RequestError: it cannot; nothing was changed.
    """
    from app.api.families.layer_styles import bands_of, check
    from app.api.params.merging import over
    from tilery.catalog import document

    app, query = styles.context(store.address), document.query(parameters)
    try:
        bands = bands_of(app, layer)
    except TileryError as error:
        click.echo(f"Warning: the style was not checked against the raster: {error.detail}", err=True)
        check(app, query, None)
        return
    check(app, query if name == "default" else over(query, layer.render), bands)
