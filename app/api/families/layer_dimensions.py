"""The dimensions of a layer that are not on the map: time, level, member of a Zarr's variable. Any other has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

from app.api import responses
from app.api.operation import RequestContext
from tilery.reading.reader import Reader
from tilery.reading.source import Source
from tilery.reading.zarr.source import ZARR

if TYPE_CHECKING:
    from tilery.reading.zarr.dataset import ZarrDataset

Json = dict[str, Any]


async def dimensions(context: RequestContext[None]) -> Response:
    """Return names and values of the dimensions that `sel` chooses along, and which value is shown."""
    source = context.subject.source
    return await responses.document(context, "dimensions", lambda reader: {"dimensions": _found(reader, source)})


def _found(reader: Reader, source: Source) -> list[Json]:
    if source.kind != ZARR:
        return []
    from tilery.reading.zarr import documents

    return documents.along(cast("ZarrDataset", reader.source))


OPERATION = responses.document_operation(
    "getDimensions", ("/dimensions",), dimensions, "Dimensions that are not on the map, with their values"
)
