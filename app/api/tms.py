"""``/tileMatrixSets``: the grids that tiles may be asked for in (OGC 17-083r4)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import answers
from app.api.operation import Operation, RequestContext, no_plan
from app.api.params.table import MATRIX_SET, PAGE_FORMAT
from tilery.geo.tms import TileMatrixSet

TAG = "Tiling Schemes"


async def tile_matrix_sets(context: RequestContext[None]) -> Response:
    """Return the list of tile matrix sets."""
    body: dict[str, Any] = {
        "tileMatrixSets": [
            {
                "id": name,
                "links": [
                    {
                        "href": answers.link(context, f"/tileMatrixSets/{name}"),
                        "rel": "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme",
                        "type": "application/json",
                        "title": f"Definition of {name} tileMatrixSet",
                    }
                ],
            }
            for name in context.app.tile_matrix_sets.names()
        ]
    }
    return answers.document(
        context,
        body,
        title="Tile matrix sets",
        description="The grids that tiles can be asked for in.",
        entries=[{"name": name, "path": f"tileMatrixSets/{name}"} for name in context.app.tile_matrix_sets.names()],
    )


async def tile_matrix_set(context: RequestContext[None]) -> Response:
    """Return the definition of a tile matrix set, as OGC publishes it."""
    found = context.app.tile_matrix_sets.get(context.path.name("tileMatrixSetId"))
    return answers.document(context, _whole(found), title=found.id, description=found.title)


_ROUNDED = 1e-3
"""Relative difference of a scale denominator up to which it is a rounded one and stays as it was published."""


def _whole(found: TileMatrixSet) -> dict[str, Any]:
    """Return the definition with what the standard takes for granted written out, because not all clients know it, and
    with scale denominators that agree with the sizes of cells.
    """
    matrices = []
    for matrix in found.document["tileMatrices"]:
        scale = found.scale_denominator(float(matrix["cellSize"]))
        agrees = abs(float(matrix["scaleDenominator"]) / scale - 1) < _ROUNDED
        matrices.append({"cornerOfOrigin": "topLeft", **matrix} | ({} if agrees else {"scaleDenominator": scale}))
    return {**found.document, "tileMatrices": matrices}


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="getTileMatrixSetsList",
        paths=("/tileMatrixSets",),
        parameters=(PAGE_FORMAT,),
        answer=tile_matrix_sets,
        plan=no_plan,
        tag=TAG,
        summary="Retrieve the list of available tiling schemes (tile matrix sets).",
        produces=answers.PRODUCES,
    ),
    Operation(
        id="getTileMatrixSet",
        paths=("/tileMatrixSets/{tileMatrixSetId}",),
        parameters=(MATRIX_SET, PAGE_FORMAT),
        answer=tile_matrix_set,
        plan=no_plan,
        tag=TAG,
        summary="Retrieve the definition of the specified tiling scheme (tile matrix set).",
        produces=answers.PRODUCES,
    ),
)
