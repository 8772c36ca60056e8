"""A STAC Item that describes the raster."""

from __future__ import annotations

import datetime as dt
from typing import Any

from starlette.responses import Response

from app import crs as crs_
from app.api import results
from app.api.operation import Ask, Operation, Subject, nothing
from app.api.params import options, table
from app.api.params.parse import Values
from app.errors import InvalidParameter, TooMuchWork
from app.reading.options import ReadOptions
from app.reading.profile import Profile
from app.reading.reader import Reader

Json = dict[str, Any]
Moment = dt.datetime


async def stac(ask: Ask[None]) -> Response:
    """A STAC Item with the raster as its asset."""
    values = ask.values
    options.check_size(ask.desk.settings, max_size=values["max_size"])
    times = _times(values.get("datetime"))

    def work(reader: Reader) -> Json:
        _check_pixels(reader.profile, values["max_size"], ask.desk.settings.max_pixels)
        return _item(reader, ask.subject, values, times)

    return await results.document(ask, "stac", work)


def _check_pixels(profile: Profile, max_size: int, limit: int) -> None:
    """Nothing, when the statistics are taken from no more pixels than a picture may have."""
    shrunk = min(1.0, max_size / max(profile.width, profile.height))
    if profile.width * shrunk * profile.height * shrunk > limit:
        raise TooMuchWork(
            f"Statistics would be taken from more than {limit} pixels. Give a smaller max_size.",
            parameter="max_size",
            limit=limit,
        )


def _item(reader: Reader, subject: Subject, values: Values, times: tuple[Moment, ...]) -> Json:
    from rio_stac.stac import create_stac_item

    # Says no where taking the statistics would decode more than one request may.
    reader.preview(options=ReadOptions(), width=1, height=1)
    source = subject.source
    if reader.profile.crs is not None:
        crs_.transformer(reader.profile.crs, crs_.WGS84)  # says no where the footprint cannot be given
    with reader.dataset() as dataset:
        item = create_stac_item(
            dataset,
            input_datetime=times[0] if len(times) == 1 else None,
            properties=_properties(times),
            extensions=list(values.get("extensions", ())),
            collection=values["collection"],
            collection_url=values["collection_url"],
            id=values["id"] or subject.name,
            asset_name=values["asset_name"],
            asset_roles=list(values.get("asset_roles", ())),
            asset_media_type=values["asset_media_type"],
            asset_href=values["asset_href"] or source,
            with_proj=values["with_proj"],
            with_raster=values["with_raster"],
            with_eo=values["with_eo"],
            raster_max_size=values["max_size"],
            geom_densify_pts=values["geometry_densify"],
            geom_precision=values["geometry_precision"],
        )
    document: Json = item.to_dict()
    return document


def _times(text: str | None) -> tuple[Moment, ...]:
    """No, one or two moments: that of the data, or start and end."""
    if text is None:
        return ()
    from pystac.utils import str_to_datetime

    parts = text.split("/")
    if len(parts) > 2:
        raise _no_time()
    try:
        return tuple(str_to_datetime(part) for part in parts)
    except (ValueError, OverflowError):
        raise _no_time() from None


def _no_time() -> InvalidParameter:
    return InvalidParameter("datetime is a moment as 2020-01-01T00:00:00Z, or start/end.", parameter="datetime")


def _properties(times: tuple[Moment, ...]) -> Json:
    if len(times) < 2:
        return {}
    from pystac.utils import datetime_to_str

    return {"start_datetime": datetime_to_str(times[0]), "end_datetime": datetime_to_str(times[1])}


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="createSTAC",
        paths=("/stac",),
        parameters=(*table.STAC,),
        plan=nothing,
        answer=stac,
        summary="Create STAC Item",
        description="A STAC Item that describes the raster.",
        produces=results.produces(),
    ),
)
