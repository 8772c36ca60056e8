"""With which words and which status the process ends."""

from __future__ import annotations

from app.config.environment import WrongVariables
from tilery.errors import CatalogError, Conflict, NotFound, RequestError, SourceError, TileryError, UpstreamError
from tilery.storage import file_errors
from tilery.storage.policy import WrongSourcesError

FAULT, USAGE, SOURCE, STORE, CONFLICT, INTERRUPTED = 1, 2, 3, 4, 5, 130
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (Conflict, CONFLICT),
    (CatalogError, STORE),
    (UpstreamError, STORE),
    (SourceError, SOURCE),
    (NotFound, SOURCE),
    (RequestError, USAGE),
    (WrongVariables, USAGE),
    (WrongSourcesError, USAGE),
    (OSError, STORE),
)


def status_of(error: Exception) -> int:
    """Return the process's exit status for a failure."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), FAULT)


def lines_of(error: Exception) -> list[str]:
    """Return what a person is told of a failure: a sentence, and below it what only an operator may know."""
    match error:
        case WrongVariables():
            return [f"Error: {name}: {problem}" for name, problem in error.problems.items()]
        case TileryError():
            return [f"Error: {error.detail}", *([f"  ({error.private.strip()})"] if error.private else [])]
        case OSError():
            place = f"'{error.filename}'" if error.filename else "A file or folder"
            return [f"Error: {file_errors.sentence(error.errno, place=place, use='use')}", f"  ({error})"]
        case MemoryError():
            return ["Error: memory ran out. Nothing is half done."]
    return [f"Error: {error}."]
