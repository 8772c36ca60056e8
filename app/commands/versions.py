"""What is running: our own version and those of the libraries that make answers, for ``tilery --version``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import click

from tilery import __version__

_PACKAGES = ("rasterio", "rio-tiler", "numpy", "imagecodecs", "obstore", "fastapi", "starlette", "uvicorn", "gunicorn")


def show(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print the versions and end."""
    if not wanted or context.resilient_parsing:
        return
    click.echo(f"tilery {__version__}")
    for name, number in found().items():
        click.echo(f"  {name} {number}")
    context.exit()


def found() -> dict[str, str]:
    """Return the versions of the libraries, by name."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions | _native()


def _native() -> dict[str, str]:
    """Return the versions of the C libraries that rasterio brings along."""
    import rasterio

    return {
        "gdal": rasterio.__gdal_version__,
        "proj": rasterio.__proj_version__,
        "geos": rasterio.__geos_version__,
    }
