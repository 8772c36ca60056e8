"""Rasters become layers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.commands import styles
from app.commands.options import catalog_option, placed, placement, progress, trust_option
from app.commands.tiles import forget_tiles
from app.config import settings
from app.config.engine_options import store_options

if TYPE_CHECKING:
    from tilery.publishing.plan import PublishOptions, PublishPlan


@click.command()
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
    type=click.Choice(["auto", "web", "native"]),
    default="auto",
    show_default=True,
    help="Warp to Web Mercator's grid, or leave the pixels where they are; auto: that only across the antimeridian.",
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
@trust_option
@placed
def publish(source: str, dry_run: bool, quiet: bool, **options: Any) -> None:
    """Make SOURCE (a file, https:// or s3://) a layer, in one step for everybody who looks.

    Interrupt it whenever you like: the same command goes on where it was, and until its last step the layer is what it
    was before.
    """
    from tilery.publishing import plan as planning
    from tilery.publishing import publish as publishing

    order = _order(source, options)
    if dry_run:
        _show_plan(order, planning.dry_run(order))
        return
    done = publishing.publish(order, progress(quiet))
    if done.note:
        click.echo(done.note, err=True)
    click.echo(f"{done.id} is published, revision {done.revision}.", err=True)
    if done.document["history"]:
        _tell_of_misfits(order.to, done.id)
    forget_tiles(done.id)
    _show(order.to, done.id)


@click.command("publish-incoming")
@click.argument("address")
@catalog_option
@click.option("--profile", default="deflate", show_default=True, help="deflate, zstd, jpeg, webp or lerc.")
@click.option("--work", type=click.Path(path_type=Path), help="Folder to work in; needs about the raster's size.")
def publish_incoming(address: str, catalog: str | None, profile: str, work: Path | None) -> None:
    """Publish the object at ADDRESS, s3://bucket/incoming/NAME, under an id made from NAME.

    What came of it is written to s3://bucket/reports/NAME.json. This is what runs in AWS for each object that is
    uploaded.
    """
    from tilery.publishing import incoming

    to = catalog or settings.get().catalog
    if not to:
        raise click.UsageError("There is no catalog: give --catalog or set TILERY_CATALOG.")
    report, failure = incoming.take_in(
        address,
        to,
        stores=store_options(settings.get()),
        progress=progress(quiet=False),
        options={"profile": profile, "work": work},
    )
    if failure is not None:
        raise failure
    click.echo(f"{report.source}: {report.status}. {report.detail or report.revision or ''}".rstrip(), err=True)
    if report.status == "published" and report.layer:
        forget_tiles(report.layer)
        _show(to, report.layer)


def _order(source: str, options: dict[str, Any]) -> PublishOptions:
    from tilery.catalog import editing
    from tilery.publishing.describe import slug
    from tilery.publishing.fetch import name_of
    from tilery.publishing.plan import PublishOptions

    to, layer_id = options["to"], options["layer_id"]
    if to is None:
        to = settings.get().catalog
        layer_id = layer_id or slug(Path(name_of(source)).stem)
    elif layer_id is None:
        if re.fullmatch(r"s3://[^/]*/*", to):
            raise click.UsageError(f"Which layer? Give --to {to.rstrip('/')}/ID, or --id beside it.")
        to, layer_id = _parted(to)
    if not to:
        raise click.UsageError("Where to? Give --to CATALOG/ID, or set TILERY_CATALOG.")
    render = editing.render_of(options["render"]) if options["render"] is not None else None
    check = None if render is None else _check_of(render)
    given = {name: options[name] for name in ("name", "description", "attribution") if options[name] is not None}
    return PublishOptions(
        source=source,
        to=to,
        id=layer_id,
        placement=placement(options["crs"], options["bounds"], options["nodata"]),
        kind=options["kind"],
        profile=options["profile"],
        quality=options["quality"],
        grid=options["grid"],
        layout=options["layout"],
        zoom=options["deepest"],
        rule=options["rule"],
        work=options["work"],
        trust=options["trust"],
        stores=store_options(settings.get()),
        given=given | ({"render": render} if render is not None else {}),
        check=check,
    )


def _parted(to: str) -> tuple[str, str]:
    """Return the catalog and the id of an address of a layer: what is below ``TILERY_CATALOG`` may have folders."""
    known = (settings.get().catalog or "").rstrip("/")
    if known and to.startswith(f"{known}/"):
        return known, to.removeprefix(f"{known}/").strip("/")
    catalog, _, layer_id = to.rstrip("/").rpartition("/")
    return catalog or ".", layer_id


def _check_of(render: dict[str, Any]) -> Callable[[PublishPlan], None]:
    """Return what checks that parameters fit the raster; that they are parameters at all is checked here and now."""
    from app.api.families.layer_styles import check
    from tilery.catalog import document

    app = styles.context()
    check(app, document.query(render), None)
    return partial(styles.check_planned, app, render)


def _tell_of_misfits(catalog: str, layer_id: str) -> None:
    """Warn of styles that the layer had before, and that make no picture of its new raster."""
    from tilery.catalog.catalog import open_catalog

    layer = open_catalog(catalog, options=store_options(settings.get())).get(layer_id)
    for name, error in styles.misfits(styles.context(catalog), layer):
        click.echo(f"Warning: the style '{name}' does not fit the raster: {error.detail}", err=True)


def _show(catalog: str, layer_id: str) -> None:
    """Print the address of the layer's map, and the path of its tiles."""
    found = settings.get()
    if found.public_url:
        click.echo(f"Map: {found.public_url}/{layer_id}/map", err=True)
    else:
        host, port = settings.environment("HOST") or "127.0.0.1", settings.environment("PORT") or "8000"
        chosen = "" if catalog == found.catalog else f" --catalog {shlex.quote(catalog)}"
        click.echo(f"Map: http://{host}:{port}/{layer_id}/map, while 'tilery serve{chosen}' runs", err=True)
    click.echo(f"/{layer_id}/{{z}}/{{x}}/{{y}}.png")


def _show_plan(order: PublishOptions, found: PublishPlan) -> None:
    from tilery.publishing.estimate import estimate

    profile = found.profile
    times = estimate(found)
    lines = {
        "source": f"{profile.width} x {profile.height} px, {profile.count} x {profile.dtypes[0]}, {profile.driver}",
        "kind": found.kind,
        "layer": f"{order.id} in {order.to}",
        "raster": f"{found.width} x {found.height} px, {found.compression.name}, about {_size(found.expected_bytes)}",
        "zooms": f"{found.minzoom} to {found.zoom}",
        "grid": "native, pixels stay where they are" if found.native else "Web Mercator",
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
