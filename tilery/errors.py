"""Every failure that a caller can be told of, as one hierarchy.

    TileryError                     500 internal_error
    ├── RequestError                what was asked cannot be meant
    │   ├── InvalidParameter        422 invalid_parameter     (type, range, enumeration, missing)
    │   ├── InvalidExpression       400 invalid_expression
    │   ├── InvalidColormap         400 invalid_colormap
    │   ├── InvalidBand             400 invalid_band
    │   ├── InvalidFormat           400 invalid_format        (data that the picture format cannot hold)
    │   ├── InvalidGeometry         400 invalid_geometry
    │   └── OverLimit               400 over_limit            (one parameter beyond its limit)
    ├── TooMuchWork                 413 too_much_work         (the request as a whole is beyond its budget)
    │   └── AnswerTooLarge          413 answer_too_large      (more bytes than what carries the answer takes)
    ├── Unauthorized                401 unauthorized
    ├── Forbidden                   403 forbidden             (who asks is known, and may not)
    ├── TooManyRequests             429 rate_limited          (comes with Retry-After)
    ├── TooManyGuesses              429 too_many_guesses
    ├── NotFound                    404 not_found
    │   ├── LayerNotFound           404 layer_not_found
    │   ├── RevisionNotFound        404 revision_not_found
    │   ├── TileOutsideBounds       404 tile_outside_bounds
    │   └── PointOutsideBounds      404 point_outside_bounds
    ├── SourceError                 what the request points at
    │   ├── SourceRefused           403 source_refused        (the policy says no)
    │   ├── SourceDenied            403 source_denied         (the store says no)
    │   ├── SourceNotFound          404 source_not_found
    │   ├── NotARaster              415 not_a_raster
    │   ├── UnsupportedRaster       415 unsupported_raster    (a raster, but a codec or layout we do not read)
    │   └── BrokenRaster            422 broken_raster         (damaged or lying about itself)
    ├── UpstreamError               502 upstream_failed
    │   └── UpstreamTimeout         504 upstream_timeout
    ├── CatalogError                500 catalog_error         (a store of layers or tiles)
    │   ├── BrokenDocument          500 broken_document       (not JSON, or not a layer's)
    │   ├── Conflict                409 conflict              (somebody else wrote in between)
    │   │   ├── PreconditionFailed  412 precondition_failed   (it is another one than the caller knows)
    │   │   └── PreconditionNeeded  428 precondition_required (the caller does not say which one he knows)
    │   └── StoreFull               507 store_full
    ├── DeadlineExceeded            504 deadline_exceeded
    └── Busy                        503 busy                  (comes with Retry-After)

``detail`` is written for the caller: it never holds a path, a host, a credential or a library's text. What an operator
needs beside it goes into ``private``, which only the log shows.
"""

from __future__ import annotations

from typing import Any, ClassVar


class TileryError(Exception):
    """The root: something failed inside, and the caller is told no more than that."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    text: ClassVar[str] = "The server failed to answer this request."
    """What the caller is told where whoever raises it has nothing better to say."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        parameter: str | None = None,
        limit: float | str | None = None,
        private: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Keep what the caller may read (``detail``, ``parameter``, ``limit``) apart from what only the log shows."""
        super().__init__(detail or self.text)
        self.detail = detail or self.text
        self.parameter = parameter
        self.limit = limit
        self.private = private
        self.retry_after = retry_after


class RequestError(TileryError):
    """What was asked cannot be meant."""

    code = "bad_request"
    status = 400


class InvalidParameter(RequestError):
    """A parameter is missing, of the wrong type, out of range or not one of its values."""

    code = "invalid_parameter"
    status = 422
    errors: tuple[dict[str, Any], ...] = ()
    """Everything that was wrong, in the shape of FastAPI's validation errors, where several were looked for."""


class InvalidExpression(RequestError):
    """Band maths that does not parse, or names what it may not."""

    code = "invalid_expression"


class InvalidColormap(RequestError):
    """A colormap that is not JSON, not a colormap, or does not fit the data."""

    code = "invalid_colormap"


class InvalidBand(RequestError):
    """A band that the dataset does not have, or too few of them."""

    code = "invalid_band"


class InvalidFormat(RequestError):
    """Data that the picture format cannot hold."""

    code = "invalid_format"


class InvalidGeometry(RequestError):
    """A body that is not a GeoJSON geometry that can be cut out."""

    code = "invalid_geometry"


class OverLimit(RequestError):
    """One parameter beyond its limit; ``limit`` has the number."""

    code = "over_limit"


class TooMuchWork(TileryError):
    """The request as a whole would read or make more than its budget."""

    code = "too_much_work"
    status = 413


class AnswerTooLarge(TooMuchWork):
    """The answer has more bytes than what carries it takes; ``limit`` has the number."""

    code = "answer_too_large"


class Unauthorized(TileryError):
    """The access token is missing or wrong."""

    code = "unauthorized"
    status = 401


class Forbidden(TileryError):
    """Who asks is known, and may not ask for this."""

    code = "forbidden"
    status = 403


class TooManyRequests(TileryError):
    """Requests come faster than they may."""

    code = "rate_limited"
    status = 429


class TooManyGuesses(TileryError):
    """Wrong access tokens come faster than they may be tried."""

    code = "too_many_guesses"
    status = 429


class NotFound(TileryError):
    """There is no such thing."""

    code = "not_found"
    status = 404
    text = "Nothing is there."


class LayerNotFound(NotFound):
    """The catalog has no layer of that name."""

    code = "layer_not_found"
    text = "There is no layer of that name."


class RevisionNotFound(NotFound):
    """The layer has no such revision, or none any more."""

    code = "revision_not_found"
    text = "The layer has no revision of that name, or none any more."


class TileOutsideBounds(NotFound):
    """The tile does not touch the dataset, or is not in the tile matrix set."""

    code = "tile_outside_bounds"
    text = "The tile does not touch the raster."


class PointOutsideBounds(NotFound):
    """The position is not on the dataset."""

    code = "point_outside_bounds"
    text = "The position is outside of the raster."


class SourceError(TileryError):
    """What the request points at cannot be read."""

    code = "source_error"
    status = 400


class SourceRefused(SourceError):
    """The policy does not list this source. Nothing was opened."""

    code = "source_refused"
    status = 403


class SourceDenied(SourceError):
    """The store refused us this object."""

    code = "source_denied"
    status = 403
    text = "This source may not be read."


class SourceNotFound(SourceError):
    """The store has no such object."""

    code = "source_not_found"
    status = 404
    text = "There is no such source."


class NotARaster(SourceError):
    """The object is not a raster of a kind we open."""

    code = "not_a_raster"
    status = 415


class UnsupportedRaster(SourceError):
    """A raster, but of a codec, layout or georeferencing that we do not read."""

    code = "unsupported_raster"
    status = 415


class BrokenRaster(SourceError):
    """A raster that is damaged, cut short or says of itself what is not so."""

    code = "broken_raster"
    status = 422


class UpstreamError(TileryError):
    """The store failed to answer."""

    code = "upstream_failed"
    status = 502
    text = "The store of this source failed to answer."


class UpstreamTimeout(UpstreamError):
    """The store did not answer in time."""

    code = "upstream_timeout"
    status = 504
    text = "The store of this source does not answer."


class CatalogError(TileryError):
    """A store of layers or of tiles cannot do what it should."""

    code = "catalog_error"


class BrokenDocument(CatalogError):
    """A layer's document that is not JSON, or not a layer's. The catalog keeps the last good one."""

    code = "broken_document"


class Conflict(CatalogError):
    """Somebody else wrote in between; nothing was written."""

    code = "conflict"
    status = 409


class PreconditionFailed(Conflict):
    """What is to be changed is another one by now than the one that the caller knows; nothing was written."""

    code = "precondition_failed"
    status = 412


class PreconditionNeeded(Conflict):
    """The caller does not say which one he means to change; nothing was written."""

    code = "precondition_required"
    status = 428


class StoreFull(CatalogError):
    """No room is left."""

    code = "store_full"
    status = 507


class DeadlineExceeded(TileryError):
    """The work did not finish in the time that one request may take."""

    code = "deadline_exceeded"
    status = 504


class Busy(TileryError):
    """Every slot is taken and the queue is full."""

    code = "busy"
    status = 503
