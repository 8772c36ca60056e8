"""Rasters become a mosaic: a MosaicJSON document, and a raster for its low zooms."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from app.commands.options import progress
from app.config import settings
from app.config.engine_options import store_options

if TYPE_CHECKING:
    from tilery.publishing.mosaic import MosaicRaster
    from tilery.storage.objects import Store
    from tilery.storage.options import StoreOptions


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--to", required=True, help="The document: a path or s3://bucket/key, ending in .json or .json.gz.")
@click.option("--asset", help="Of STAC Items: the name of the asset to take.")
@click.option("--name", help="Shown to people.")
@click.option("--description")
@click.option("--attribution", help="Credits.")
@click.option("--minzoom", type=click.IntRange(0, 30), help="The shallowest zoom that opens the rasters.")
@click.option("--maxzoom", type=click.IntRange(0, 30), help="Else that of the finest raster.")
@click.option(
    "--quadkey-zoom", type=click.IntRange(0, 30), help="The zoom of the tiles that are listed; else --minzoom."
)
@click.option(
    "--relative", is_flag=True, help="Write addresses relative to the document's folder, which holds the rasters."
)
@click.option(
    "--overview", is_flag=True, help="Write a COG of the whole for zooms below --minzoom beside the document."
)
@click.option("--kind", type=click.Choice(["imagery", "continuous", "classes"]), help="Of the data; else guessed.")
@click.option(
    "--profile", default="deflate", show_default=True, help="Of the overview: deflate, zstd, jpeg, webp or lerc."
)
@click.option("--quality", type=click.IntRange(1, 100), help="Of jpeg and webp.")
@click.option("--quiet", is_flag=True, help="No bars.")
def mosaic(sources: tuple[str, ...], to: str, **options: Any) -> None:
    """Make a mosaic of SOURCEs: folders, s3://bucket/prefix/, rasters, or STAC Items.

    Items are those of a file (.json, or .parquet as stac-geoparquet; by path or address), or what a STAC API finds:
    'https://host/v1/search?collections=…&bbox=…&datetime=…'.

    Where rasters lie over each other the first is on top: those of a folder by name, those of a search in its order.
    """
    from tilery.publishing import mosaic as making

    stores = store_options(settings.get())
    places = list(
        dict.fromkeys(place for source in sources for place in making.addresses(source, stores, options["asset"]))
    )
    store, key = _target(to, stores)
    steps = progress(options["quiet"])
    with making.engine_for(places, stores) as engine, steps.step("open", len(places), "rasters") as advance:
        found = making.rasters(engine, places, advance)
    if (difference := making.differing(found)) is not None:
        click.echo(difference, err=True)
    known = {
        name: options[name] for name in ("minzoom", "maxzoom", "quadkey_zoom", "name", "description", "attribution")
    }
    relative = store.address if options["relative"] else None
    document = making.document(found, relative_to=relative, **known)
    if options["overview"]:
        with tempfile.TemporaryDirectory(dir=_beside(store)) as folder:
            whole = json.dumps(making.document(found, **known)).encode()
            document["overview"] = _overview(Path(folder), whole, found, store, key, stores, options)
    body = json.dumps(document, separators=(",", ":")).encode()
    store.write(key, gzip.compress(body, 9) if key.endswith(".gz") else body, media_type="application/json")
    tiles = len(document["tiles"])
    click.echo(
        f"{len(found)} rasters in {tiles} tiles, zooms {document['minzoom']} to {document['maxzoom']}.", err=True
    )
    click.echo(f"/mosaicjson/WebMercatorQuad/map.html?url={quote(store.address + key, safe='/:')}")


def _target(to: str, stores: StoreOptions) -> tuple[Store, str]:
    """Return the folder of the document, and its name there."""
    from tilery.storage.objects import open_store

    if not to.endswith((".json", ".json.gz")):
        raise click.BadParameter("the document's name ends with .json or .json.gz", param_hint="--to")
    folder, _, name = to.rpartition("/")
    return open_store(f"{folder}/" if folder or to.startswith("/") else "./", stores), name


def _beside(store: Store) -> str | None:
    """Return where large files are made before they are put into a store: in its folder, where it has one."""
    if "://" in store.address:
        return None
    Path(store.address).mkdir(parents=True, exist_ok=True)
    return store.address


def _overview(
    folder: Path,
    document: bytes,
    found: list[MosaicRaster],
    store: Store,
    key: str,
    stores: StoreOptions,
    options: dict[str, Any],
) -> str:
    """Return the name of the overview, which is then beside the document."""
    from tilery.publishing import kinds, mosaic_overview, profiles
    from tilery.publishing import mosaic as making
    from tilery.reading.mosaic.source import mosaic_source
    from tilery.reading.options import NO_LIMITS, ReadOptions
    from tilery.reading.source import raster

    written, steps = folder / "mosaic.json", progress(options["quiet"])
    written.write_bytes(document)
    name = f"{key.removesuffix('.gz').removesuffix('.json')}.overview.tif"
    first = found[0]
    with making.engine_for([first.address, *(one.address for one in found), str(written)], stores) as engine:
        kind = options["kind"]
        if kind is None:
            with engine.open(raster(engine.locate(first.address))) as reader:
                sample = reader.preview(options=ReadOptions(limits=NO_LIMITS), max_size=256)
            kind = kinds.guess(first.profile, sample.data[0])
        compression = profiles.compression(options["profile"], first.profile, kind, options["quality"])
        with engine.open(mosaic_source(engine.locate(str(written.resolve())))) as reader:
            mosaic_overview.write(reader, folder / name, kind, compression, steps)
    size = (folder / name).stat().st_size
    with steps.step("store", size, "B") as advance:
        store.upload(name, folder / name, media_type="image/tiff", progress=advance)
    return name
