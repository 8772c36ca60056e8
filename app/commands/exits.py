"""With which status the process ends."""

from __future__ import annotations

from tilery.errors import CatalogError, Conflict, NotFound, RequestError, SourceError, TileryError, UpstreamError

FAULT, USAGE, SOURCE, STORE, CONFLICT, INTERRUPTED = 1, 2, 3, 4, 5, 130


def status_of(error: TileryError) -> int:
    """The process's exit status for a failure."""
    table: tuple[tuple[type[TileryError], int], ...] = (
        (Conflict, CONFLICT),
        (CatalogError, STORE),
        (UpstreamError, STORE),
        (SourceError, SOURCE),
        (NotFound, SOURCE),
        (RequestError, USAGE),
    )
    return next((status for kind, status in table if isinstance(error, kind)), FAULT)
