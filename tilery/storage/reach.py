"""Can the sources that a policy names be reached? Asked without reading anything of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from tilery.errors import DeadlineExceeded, SourceDenied, SourceError, UpstreamError
from tilery.limits import deadline
from tilery.storage.locations import FileLocation, HttpLocation, Location
from tilery.storage.stores import Stores

_AT_ONCE = 8


def unreachable(places: Sequence[Location], stores: Stores, *, seconds: float) -> list[tuple[Location, str]]:
    """Return those of some places whose directory, bucket or server does not answer, and why.

    Args:
        places: from `tilery.storage.policy.Policy.named`.
        stores: what reads them.
        seconds: for all of them together.
    """
    if not places:
        return []
    with deadline.limit(seconds), ThreadPoolExecutor(min(_AT_ONCE, len(places)), thread_name_prefix="reach") as threads:
        asked = [threads.submit(copy_context().run, _problem, place, stores) for place in places]
        answers = [one.result() for one in asked]
    return [(place, problem) for place, problem in zip(places, answers, strict=True) if problem is not None]


def _problem(place: Location, stores: Stores) -> str | None:
    """Return why a place cannot be reached; None when it answers, whatever it says."""
    try:
        if isinstance(place, FileLocation):
            os.stat(place.path)  # noqa: PTH116  a path is text here
        elif isinstance(place, HttpLocation):
            from tilery.storage.bytes.connection import Broken

            server = stores.servers.of(place)
            try:
                server.give(server.take())  # to be connected is enough, and leaves no line in its log
            except Broken as error:
                return str(error)
        else:
            stores.open(place).close()
    except SourceDenied as error:
        from tilery.storage.s3.client import is_unknown_to_aws

        return error.private if error.private and is_unknown_to_aws(error.private) else None
    except SourceError:
        return None  # nothing is there: it was the store that said so
    except (UpstreamError, DeadlineExceeded, OSError) as error:
        return str(getattr(error, "private", None) or error)
    return None
