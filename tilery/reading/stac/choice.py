"""What callers choose of an item: assets by name, each with the bands or the expression that are wanted of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilery.reading.source import Source
from tilery.storage.locations import Location

ITEM = "stac-item"
"""The kind of an item alone, none of whose assets is opened."""
STACK = "stac"
"""The kind of an item's assets, stacked band by band."""
ALL = ":all:"
"""The name that stands for every asset that can be a raster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetChoice:
    """One asset, and what is wanted of it."""

    name: str
    indexes: tuple[int, ...] | None = None
    """Numbers of bands, from 1. None: all that are not alpha."""
    bands: tuple[str, ...] | None = None
    """Names of bands, as the item's metadata have them."""
    expression: str | None = None
    """Band maths on the asset's own bands."""

    @property
    def label(self) -> str:
        """The key of this choice in documents by asset, as rio-tiler writes it."""
        options: dict[str, Any] = {}
        if self.indexes is not None:
            options["indexes"] = list(self.indexes)
        if self.expression is not None:
            options["expression"] = self.expression
        if self.bands is not None:
            options["bands"] = list(self.bands)
        if not options:
            return self.name
        return f"{self.name}|{'&'.join(f'{name}={value}'.replace(' ', '') for name, value in options.items())}"


def parse(text: str) -> AssetChoice:
    """Return the choice that is written as ``name|bidx=1,2|expression=b1*2|bands=red``; other options mean nothing.

    Raises:
        ValueError: an option has no value, or a number of a band is none.
    """
    name, *options = text.split("|")
    indexes: tuple[int, ...] | None = None
    bands: tuple[str, ...] | None = None
    expression: str | None = None
    for option in options:
        key, separator, value = option.partition("=")
        if not separator or not value:
            raise ValueError(f"the option {option[:64]!r} should be name=value")
        if key == "bidx":
            indexes = tuple(int(number) for number in value.split(","))
        elif key == "bands":
            bands = tuple(value.split(","))
        elif key == "expression":
            expression = value
    if not name:
        raise ValueError("an asset has a name")
    return AssetChoice(name=name, indexes=indexes, bands=bands, expression=expression)


def item_source(location: Location) -> Source:
    """Return the source of an item alone."""
    return Source(kind=ITEM, locations=(location,))


def stack_source(
    location: Location, assets: tuple[AssetChoice, ...], *, as_bands: bool = False, unscale: bool = False
) -> Source:
    """Return the source of assets of the item at a location, stacked.

    Args:
        location: of the item.
        assets: in the order of the stack.
        as_bands: each asset has one band, which is called after it.
        unscale: scale and offset are applied before the expressions of assets.
    """
    selection: tuple[tuple[str, Any], ...] = (("assets", assets),)
    if as_bands:
        selection += (("as_bands", True),)
    if unscale and any(choice.expression is not None for choice in assets):
        selection += (("unscale", True),)
    return Source(kind=STACK, locations=(location,), selection=selection)
