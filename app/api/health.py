"""Is the process alive? Answers at once, under any load, and touches nothing else."""

from __future__ import annotations

import re
from functools import cache

from starlette.responses import Response

from app import __version__
from app.api import documents, results
from app.api.desk import Desk
from app.api.operation import Ask, Lane, Operation, endpoint, nothing


async def healthz(ask: Ask[None]) -> Response:  # noqa: ARG001 - it needs none of it
    """The versions that are running."""
    return Response(_body(), media_type="application/json")


@cache
def _body() -> bytes:
    from importlib.metadata import PackageNotFoundError, version

    versions = {"tilery": __version__}
    for package in ("rasterio", "rio-tiler", "fastapi", "starlette"):
        try:
            versions[package.replace("-", "_")] = version(package)
        except PackageNotFoundError:
            continue
    return documents.encode({"versions": versions | _native()})


def _native() -> dict[str, str]:
    """Versions of the C libraries that rasterio brings along."""
    import rasterio

    return {
        "gdal": rasterio.__gdal_version__,
        "proj": rasterio.__proj_version__,
        "geos": rasterio.__geos_version__,
    }


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="healthCheck",
        paths=("/healthz", "/ping"),
        parameters=(),
        plan=nothing,
        answer=healthz,
        tag="Health Check",
        summary="Health Check",
        description="Health Check.",
        produces=results.produces(),
    ),
)


def lanes(desk: Desk) -> list[Lane]:
    """The short way to the answer: it must not wait until all other routes are loaded."""
    return [Lane(pattern=re.compile("/healthz|/ping"), handler=endpoint(OPERATIONS[0], desk))]
