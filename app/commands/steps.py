"""One step of publishing at a time, on a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.commands.options import placed, placement, progress, step_bar, trust_option


@click.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--rule", type=click.Choice(["upper", "nearest", "lambda"]), default="upper", show_default=True)
@trust_option
@placed
def zoom(file: Path, rule: Any, crs: str | None, bounds: str | None, nodata: float | None, trust: bool) -> None:
    """Print the deepest zoom that FILE is worth.

    upper: the shallowest that loses no detail. nearest: as GDAL's COG driver and TiTiler choose. lambda: as the AWS
    Lambda tiler did.
    """
    from tilery.publishing import rasters
    from tilery.publishing import zoom as zooms

    profile = rasters.facts(file, placement(crs, bounds, nodata), trust=trust)
    rasters.crs_of(profile)
    click.echo(zooms.maximum(profile, rule))


@click.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--profile", default="deflate", show_default=True, help="deflate, zstd, jpeg, webp or lerc.")
@click.option("--quality", type=click.IntRange(1, 100), help="Of jpeg and webp.")
@trust_option
@placed
def transcode(
    file: Path,
    output: Path,
    profile: str,
    quality: int | None,
    crs: str | None,
    bounds: str | None,
    nodata: float | None,
    trust: bool,
) -> None:
    """Write FILE as a GeoTIFF of 512-pixel tiles, in its own CRS."""
    from tilery.publishing import kinds, profiles, rasters
    from tilery.publishing import transcode as step
    from tilery.publishing.inexact_nodata import closed

    rasters.need_output(output)
    facts = rasters.facts(file, placement(crs, bounds, nodata), trust=trust)
    compression = profiles.compression(profile, facts, kinds.guess(facts, kinds.sample(file, facts.driver)), quality)
    facts, gaps = closed(facts, own=nodata is None)
    part = output.with_name(f".part-{output.name}")
    try:
        with step_bar("transcode", facts.width * facts.height, "px") as advance:
            step.transcode(
                file, part, facts, step.final(compression, facts.dtypes[0]), advance, mask_inside=True, gaps=gaps
            )
        part.replace(output)
    finally:
        rasters.discard(part)


@click.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--kind", type=click.Choice(["imagery", "continuous", "classes"]), help="Else guessed from the data.")
def overviews(file: Path, kind: Any) -> None:
    """Write FILE.ovr: as many overviews as the size needs, resampled as the kind of data needs.

    They go into FILE itself when it has its mask inside.
    """
    from tilery.publishing import kinds, rasters
    from tilery.publishing import overviews as step

    rasters.need_output(step.level_file(file, 1))
    facts = rasters.facts(file)
    kind = kind or kinds.guess(facts, kinds.sample(file, facts.driver))
    chosen = step.factors(facts.width, facts.height)
    if facts.has_mask and facts.alpha_band is None and facts.nodata is None and not step.mask_file(file).exists():
        step.inside(file, chosen, kinds.OVERVIEWS[kind])
    else:
        with step_bar("overviews", step.pixels(facts.width, facts.height), "px") as advance:
            step.sidecar(file, len(chosen), kinds.OVERVIEWS[kind], advance)
    click.echo(f"{len(chosen)} overviews, {kinds.OVERVIEWS[kind]}", err=True)


@click.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--zoom", "deepest", type=click.IntRange(0, 22), help="Else the Lambda tiler's rule.")
@trust_option
@placed
def vrt(
    file: Path,
    output: Path,
    deepest: int | None,
    crs: str | None,
    bounds: str | None,
    nodata: float | None,
    trust: bool,
) -> None:
    """Write a warped VRT of FILE: Web Mercator, the whole world, the deepest zoom's pixels."""
    from tilery.publishing import kinds, rasters
    from tilery.publishing import vrt as step
    from tilery.publishing import zoom as zooms

    rasters.need_output(output)
    facts = rasters.facts(file, placement(crs, bounds, nodata), trust=trust)
    kind = kinds.guess(facts, kinds.sample(file, facts.driver))
    deepest = zooms.maximum(facts, "lambda") if deepest is None else deepest
    step.vrt(file, output, facts, deepest, kinds.WARP[kind])


@click.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--id", "layer_id", help="Else made from the file's name.")
@trust_option
@placed
def metadata(
    file: Path, layer_id: str | None, crs: str | None, bounds: str | None, nodata: float | None, trust: bool
) -> None:
    """Print the layer document of FILE as it is, with exact statistics."""
    from tilery.publishing import describe

    layer_id = layer_id or describe.slug(file.stem)
    found = describe.describe(file, layer_id, placement(crs, bounds, nodata), progress(quiet=False), trust=trust)
    click.echo(json.dumps(found, indent=1))
