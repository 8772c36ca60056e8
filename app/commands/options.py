"""Options and small helpers that several commands have."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from app.config import settings
from app.config.engine_options import store_options

if TYPE_CHECKING:
    from tilery.publishing.progress import Advance
    from tilery.storage.objects import Store


def progress(quiet: bool, prefix: str = "") -> Any:
    """Return what shows steps: bars on standard error, or nothing."""
    if quiet:
        from tilery.publishing.progress import Silent

        return Silent()
    from tilery.publishing.progress_bars import Bars

    return Bars(prefix)


@contextmanager
def step_bar(title: str, total: int, unit: str) -> Iterator[Advance]:
    """A bar while one step runs."""
    with progress(quiet=False).step(title, total, unit) as advance:
        yield advance


def numbers(text: str | None, name: str) -> tuple[float, float, float, float] | None:
    """Return four numbers of an option, left, bottom, right, top."""
    if text is None:
        return None
    try:
        left, bottom, right, top = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter("give left,bottom,right,top", param_hint=name) from None
    if not all(map(math.isfinite, (left, bottom, right, top))):
        raise click.BadParameter("give four finite numbers", param_hint=name)
    if left >= right or bottom >= top:
        raise click.BadParameter("left has to be less than right, and bottom less than top", param_hint=name)
    return (left, bottom, right, top)


def catalog_store(address: str | None) -> Store:
    """Return the catalog that an option names, else ``TILERY_CATALOG``.

    Raises:
        click.UsageError: neither does.
        CatalogError: it is a directory that is not there.
    """
    from app.config import checks
    from tilery.errors import CatalogError
    from tilery.storage.objects import open_store

    address = address or settings.get().catalog
    if not address:
        raise click.UsageError("There is no catalog: give --catalog or set TILERY_CATALOG.")
    if wrong := checks.store(address, must_exist=True):
        raise CatalogError(f"There is no catalog: {wrong}")
    return open_store(address, store_options(settings.get()))


@contextmanager
def layer_of(store: Store, layer_id: str) -> Iterator[None]:
    """Work with a layer: where the catalog has none of that name, the error says which one may have been meant."""
    from tilery.did_you_mean import hint
    from tilery.errors import LayerNotFound

    try:
        yield
    except LayerNotFound as error:
        said = f"There is no layer '{layer_id}'.{hint(layer_id, store.folders())}"
        raise LayerNotFound(said, parameter=error.parameter) from None


def placement(crs: str | None, bounds: str | None, nodata: float | None) -> Any:
    """Return the options of `placed` as one value."""
    from tilery.geo import crs as crs_
    from tilery.publishing.rasters import Georeference

    return Georeference(
        crs=crs_.parse(crs, "--crs") if crs else None, bounds=numbers(bounds, "--bounds"), nodata=nodata
    )


class _Number(click.ParamType[float]):
    """A number; a whole one beyond 2⁵³, which floating point does not hold, stays one."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            found = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number.", param, ctx)
        whole = re.fullmatch(r"[+-]?[0-9]+", str(value).strip())
        return int(value) if whole and abs(found) >= 2**53 else found


def placed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the options that say what a raster does not say of itself."""
    for option in (
        click.option("--nodata", type=_Number(), help="Value that means missing."),
        click.option("--bounds", metavar="L,B,R,T", help="Where the raster is, in its CRS, when it does not say it."),
        click.option("--crs", metavar="EPSG:N", help="The raster's CRS, when it does not say it."),
    ):
        command = option(command)
    return command


trust_option = click.option(
    "--trust", is_flag=True, help="Take formats that may lead to other files and addresses (VRT, HDF5, WMS)."
)
catalog_option = click.option("--catalog", help="Directory or s3://bucket/sources/; else TILERY_CATALOG.")
