"""Finished tiles: made before anybody asks, and removed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from app.commands import exits
from app.commands.options import catalog_store, layer_of, numbers, progress, step_bar
from app.config import checks, settings
from app.config.engine_options import store_options
from tilery.did_you_mean import hint
from tilery.errors import CatalogError

if TYPE_CHECKING:
    from tilery.catalog.layer import Layer
    from tilery.publishing.seed import SeedPart
    from tilery.storage.objects import Store


def _zooms(text: str | None, minzoom: int, maxzoom: int) -> tuple[int, int]:
    """Return the range of an option, ``3-7`` or ``5``, within what the layer has."""
    if text is None:
        return minzoom, maxzoom
    first, _, last = text.partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or int(first) > int(last or first):
        raise click.BadParameter("give 3-7 or 5", param_hint="--zooms")
    return max(minzoom, int(first)), min(maxzoom, int(last or first))


def _suffixes(text: str) -> list[str]:
    """Return what stands after the row in the paths of tiles: ``.png``, ``@2x.webp``."""
    from tilery.rendering.encoding import formats

    found = []
    for word in text.split(","):
        scale, _, name = word.strip().rpartition(".")
        if scale not in ("", "@1x", "@2x", "@3x", "@4x") or name not in formats.FORMATS:
            raise click.BadParameter("give png,webp,@2x.png", param_hint="--formats")
        found.append(f"{scale}.{name}")
    return found


def _part(text: str | None) -> SeedPart:
    """Return the part that an option says; in an array job of AWS Batch the one of this machine."""
    from tilery.publishing import seed as seeding

    if text is not None:
        return seeding.SeedPart.parse(text)
    index = settings.environment("AWS_BATCH_JOB_ARRAY_INDEX")
    if index is None:
        return seeding.WHOLE
    of = settings.environment("AWS_BATCH_JOB_ARRAY_SIZE", "")
    if not (index.isdigit() and of and of.isdigit()):
        raise click.UsageError("AWS Batch did not say how many parts there are; give --part.")
    return seeding.SeedPart.parse(f"{int(index) + 1}/{of}")


def _tile_store() -> Store:
    from tilery.storage.objects import open_store

    address = settings.get().tile_store
    if not address:
        raise click.UsageError("There is no tile store: set TILERY_TILE_STORE.")
    if wrong := checks.store(address):
        raise CatalogError(f"There is no tile store: {wrong}")
    return open_store(address, store_options(settings.get()))


_part_option = click.option(
    "--part", help="Do the third of ten parts with 3/10, the others elsewhere. In an array job of AWS Batch: its own."
)


@click.command()
@click.argument("layer_id", metavar="ID")
@click.option("--zooms", help="As 3-7; else all that the layer has.")
@click.option("--formats", default="png", show_default=True, help="As png,webp,@2x.png.")
@click.option("--style", help="Name of one of the layer's styles.")
@click.option("--bounds", metavar="W,S,E,N", help="Only tiles that touch these degrees.")
@_part_option
def seed(
    layer_id: str, zooms: str | None, formats: str, style: str | None, bounds: str | None, part: str | None
) -> None:
    """Fill TILERY_TILE_STORE with the tiles of the layer ID. Tiles that are there already are left alone."""
    import asyncio

    from app.api.app import create_app
    from app.commands.seeding import seeder
    from tilery.publishing import seed as seeding
    from tilery.publishing.bounds import count_tiles
    from tilery.publishing.windows import threads

    if style and settings.get().tile_store_layout == "plain":
        raise click.UsageError("The layout 'plain' keeps tiles of no style.")
    from tilery.catalog.catalog import Catalog

    catalog = catalog_store(None)
    with layer_of(catalog, layer_id):
        layer = Catalog(catalog).get(layer_id)
    if style and layer.style(style) is None:
        meant = hint(style, (one.name for one in layer.styles))
        raise click.BadParameter(f"the layer has no style '{style}'.{meant}", param_hint="--style")
    found = seeder(create_app().context, layer, style)
    if found is None:
        raise click.UsageError("There is no tile store: set TILERY_TILE_STORE.")
    first, last = _zooms(zooms, layer.minzoom, layer.maxzoom)
    place = numbers(bounds, "--bounds") or layer.bounds
    mine, suffixes = _part(part), _suffixes(formats)
    total = count_tiles(place, first, last) * len(suffixes) // mine.of
    wanted = ((tile, suffix) for tile in seeding.tiles(place, first, last, mine) for suffix in suffixes)
    with step_bar("seed", total, "tiles") as advance:
        done = asyncio.run(seeding.seed(wanted, found.keep, at_a_time=threads() + 2, advance=advance))
    found.store.close()
    click.echo(f"{done.written} tiles are in the store, {done.empty} are empty, {done.failed} failed.", err=True)
    if done.failed:
        sys.exit(exits.STORE)


@click.command()
@click.argument("layer_id", metavar="ID")
@click.option("--old", is_flag=True, help="Only tiles of revisions and styles that are no longer served.")
@_part_option
def purge(layer_id: str, old: bool, part: str | None) -> None:
    """Remove the tiles of the layer ID from TILERY_TILE_STORE."""
    from app.serving.etag import files_version
    from app.serving.tile_store import variants
    from tilery.catalog import ids
    from tilery.catalog.catalog import Catalog
    from tilery.publishing import seed as seeding

    keep = None
    if old:
        catalog = catalog_store(None)
        with layer_of(catalog, layer_id):
            layer = Catalog(catalog).get(layer_id)
        served = tuple(f"{layer_id}/{name}/" for name in variants(layer, _source(layer), files_version(settings.get())))
        keep = lambda key: key.startswith(served)  # noqa: E731 - a name for one of two
    store, mine = _tile_store(), _part(part)
    with progress(quiet=False).step("purge", None, "tiles") as advance:
        removed = seeding.purge(store, f"{ids.check(layer_id)}/", keep=keep, part=mine, advance=advance)
    click.echo(f"Removed {removed} tiles.", err=True)


def _source(layer: Layer) -> str:
    """Return what stands in keys for a raster that may be written over."""
    if layer.is_sealed:
        return ""
    from app.api.app import create_app
    from app.api.families import layer_sources
    from app.serving import render

    context = create_app().context
    return render.identity(context.engine, layer_sources.document_of(context, layer))


def forget_tiles(layer_id: str, *, removed: bool = False) -> None:
    """Remove the tiles whose addresses do not change with the layer, once no server makes any of the old data; all of
    them when the layer was removed.
    """
    import time

    from tilery.publishing import seed as seeding

    found = settings.get()
    plain = found.tile_store_layout == "plain"
    if found.tile_store is None or not (plain or removed):
        return
    if plain:
        click.echo("Waiting until no server makes old tiles any more, then removing those that there are.", err=True)
        time.sleep(seconds_until_known())
    seeding.purge(_tile_store(), f"{layer_id}/", advance=lambda _: None)


def seconds_until_known() -> float:
    """Return, after a layer has changed, the seconds until every server knows of it and has ended what it had begun
    before.
    """
    from app.serving.tile_store import LONGEST_WRITE

    found = settings.get()
    return 2 * found.revalidate_seconds + found.deadline + LONGEST_WRITE
