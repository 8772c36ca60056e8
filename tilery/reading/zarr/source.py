"""The sources of Zarr stores, for those who open none."""

from __future__ import annotations

from tilery.reading.source import Source
from tilery.reading.zarr.selecting import Selector
from tilery.storage.locations import Location

ZARR = "zarr"
"""The kind of one variable of a store, with what is selected of it."""
GROUP = "zarr-group"
"""The kind of a group of a store, none of whose variables is shown."""

_ANCHOR = "zarr.json"
"""An object of a store that need not be there: it stands for the store, which is a folder and no object."""


def anchor(url: str) -> str:
    """Return the address of an object in the store at an address, by which the policy is asked for the store."""
    return inside(url, _ANCHOR)


def base(location: Location) -> str:
    """Return the address of the store whose anchor a location is."""
    place, question, query = _parts(location.url)
    return place.removesuffix(f"/{_ANCHOR}") + question + query


def inside(url: str, key: str) -> str:
    """Return the address of an object in the store at an address; a query, as that of a signature, is part of each."""
    place, question, query = _parts(url)
    return f"{place.rstrip('/')}/{key}{question}{query}"


def _parts(url: str) -> tuple[str, str, str]:
    return url.partition("?") if url.lower().startswith(("http:", "https:")) else (url, "", "")


def group_source(location: Location, *, group: str | None = None, decode_times: bool = True) -> Source:
    """Return the source of a group.

    Args:
        location: of the store's `anchor`.
        group: its path in the store. None: the root.
        decode_times: whether times are made of numbers as CF has them.
    """
    return Source(kind=GROUP, locations=(location,), selection=(("group", group), ("decode_times", decode_times)))


def variable_source(
    location: Location,
    variable: str,
    *,
    select: tuple[Selector, ...] = (),
    group: str | None = None,
    decode_times: bool = True,
) -> Source:
    """Return the source of a variable; see `group_source`.

    Args:
        location: of the store's `anchor`.
        variable: its name.
        select: what is chosen along its dimensions.
        group: the path of its group.
        decode_times: whether times are made of numbers.
    """
    selection = (("variable", variable), ("select", select), ("group", group), ("decode_times", decode_times))
    return Source(kind=ZARR, locations=(location,), selection=selection)
