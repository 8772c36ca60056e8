"""Finished tiles: made before anybody asks, and removed."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from app import settings
from app.commands import exits
from app.commands.options import catalog_store, numbers, progress, step_bar

if TYPE_CHECKING:
    from app.catalog.stores import Store


def _zooms(text: str | None, minzoom: int, maxzoom: int) -> tuple[int, int]:
    """The range of an option, ``3-7`` or ``5``, within what the layer has."""
    if text is None:
        return minzoom, maxzoom
    first, _, last = text.partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or int(first) > int(last or first):
        raise click.BadParameter("give 3-7 or 5", param_hint="--zooms")
    return max(minzoom, int(first)), min(maxzoom, int(last or first))


def _tile_store() -> Store:
    from app.catalog.stores import open_store

    address = settings.get().tile_store
    if not address:
        raise click.UsageError("There is no tile store: set TILERY_TILE_STORE.")
    return open_store(address)


_part_option = click.option("--part", default="1/1", help="Do the third of ten parts with 3/10, the others elsewhere.")


@click.command()
@click.argument("layer_id", metavar="ID")
@click.option("--zooms", help="As 3-7; else all that the layer has.")
@click.option("--formats", default="png", show_default=True, help="As png,webp,@2x.png.")
@click.option("--style", help="Name of one of the layer's styles.")
@click.option("--bounds", metavar="W,S,E,N", help="Only tiles that touch these degrees.")
@_part_option
def seed(layer_id: str, zooms: str | None, formats: str, style: str | None, bounds: str | None, part: str) -> None:
    """Fill TILERY_TILE_STORE with the tiles of the layer ID. Tiles that are there already are left alone."""
    import asyncio
    from urllib.parse import urlencode

    from app.api.app import create_app
    from app.catalog.catalog import Catalog
    from app.inside import status_of
    from app.publishing import seed as seeding
    from app.publishing.bounds import count_tiles
    from app.publishing.windows import threads

    _tile_store()
    layer = Catalog(catalog_store(None)).get(layer_id)
    first, last = _zooms(zooms, layer.minzoom, layer.maxzoom)
    place = numbers(bounds, "--bounds") or layer.bounds
    mine = seeding.Part.parse(part)
    suffixes = [text if text.startswith("@") else f".{text.lstrip('.')}" for text in formats.split(",")]
    total = count_tiles(place, first, last) * len(suffixes) // mine.of
    paths = (
        f"/{layer_id}/{z}/{x}/{y}{suffix}" for z, x, y in seeding.tiles(place, first, last, mine) for suffix in suffixes
    )
    # As redirects: then the answer says whether the tile is in the store.
    app = create_app(replace(settings.get(), tile_store_mode="redirect", access_token=None))
    query = urlencode({"style": style}) if style else ""

    with step_bar("seed", total, "tiles") as advance:
        done = asyncio.run(
            seeding.seed(paths, lambda path: status_of(app, path, query), at_a_time=threads() + 2, advance=advance)
        )
    click.echo(f"{done.kept} tiles are in the store, {done.empty} are empty, {done.failed} failed.", err=True)
    if done.failed:
        sys.exit(exits.STORE)


@click.command()
@click.argument("layer_id", metavar="ID")
@click.option("--old", is_flag=True, help="Only tiles of revisions and styles that are no longer served.")
@_part_option
def purge(layer_id: str, old: bool, part: str) -> None:
    """Remove the tiles of the layer ID from TILERY_TILE_STORE."""
    from app.catalog import ids
    from app.catalog.catalog import Catalog
    from app.publishing import seed as seeding
    from app.serving.tile_store import variants

    keep = None
    if old:
        served = tuple(f"{layer_id}/{name}/" for name in variants(Catalog(catalog_store(None)).get(layer_id)))
        keep = lambda key: key.startswith(served)  # noqa: E731
    store, mine = _tile_store(), seeding.Part.parse(part)
    with progress(quiet=False).step("purge", None, "tiles") as advance:
        removed = seeding.purge(store, f"{ids.check(layer_id)}/", keep=keep, part=mine, advance=advance)
    click.echo(f"Removed {removed} tiles.", err=True)


def forget_tiles(layer_id: str) -> None:
    """Remove the tiles whose addresses do not change with the layer, once every server knows of the change."""
    import time

    from app.publishing import seed as seeding

    found = settings.get()
    if found.tile_store is None or found.tile_store_layout != "plain":
        return
    click.echo("Waiting until all servers know, then removing the layer's old tiles.", err=True)
    time.sleep(2 * found.revalidate_seconds + 1)
    seeding.purge(_tile_store(), f"{layer_id}/", advance=lambda _: None)
