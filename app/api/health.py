"""Is the process alive? Answers at once, under any load, and touches nothing else."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.responses import Response

from app.api import documents, results
from app.api.context import AppContext
from app.api.operation import FastRoute, Operation, RequestContext, fast_route, no_plan
from tilery import __version__


async def healthz(context: RequestContext[None]) -> Response:  # noqa: ARG001 - it needs none of it
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
    """Versions of the C libraries that rasterio brings along.

    Its wheels have them in the names of their files. To load the libraries for it would cost each new process a second
    on a small task, when its balancer first asks.
    """
    spec = find_spec("rasterio")
    folder = Path(spec.origin).parents[1] / "rasterio.libs" if spec and spec.origin else Path()
    names = "\n".join(path.name for path in folder.glob("lib*.so.*"))
    found = {
        library: re.search(rf"^lib{library}-[0-9a-f]+\.so\.(?:\d+\.)??(\d+\.\d+\.\d+)$", names, re.MULTILINE)
        for library in ("gdal", "proj", "geos")
    }
    versions = {library: match[1] for library, match in found.items() if match}
    return versions if len(versions) == len(found) else _native_loaded()


def _native_loaded() -> dict[str, str]:
    """The same, as the libraries say it."""
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
        plan=no_plan,
        answer=healthz,
        tag="Health Check",
        summary="Health Check",
        description="Health Check.",
        produces=results.produces(),
    ),
)


def fast_routes(app: AppContext) -> list[FastRoute]:
    """The short way to the answer: it must not wait until all other routes are loaded."""
    return [fast_route("/healthz|/ping", OPERATIONS[0], app)]
