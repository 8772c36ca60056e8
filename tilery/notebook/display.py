"""What a style leaves open, chosen from the data: the bands that make a picture, and the range of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tilery.notebook import style
from tilery.notebook.measuring import Statistics
from tilery.notebook.style import Query
from tilery.publishing import default_display
from tilery.publishing.kinds import Kind
from tilery.publishing.statistics import limits_for_display
from tilery.reading.profile import Profile

Count = Callable[[tuple[int, ...], str | None], Statistics]
"""Statistics of bands (none: all of them) or of an expression."""

_BY_THEMSELVES = frozenset({"algorithm", "color_formula", "colormap"})
"""Parameters that say themselves which values are what colour."""

_STACK, _COLOURS = "STAC", 3
"""Three assets of an item are meant as red, green and blue, in the order in which they are named."""


def completed(given: Query, profile: Profile, count: Count, kind: Callable[[], Kind]) -> Query:
    """Return a style with what it leaves open, as a published layer has it.

    Args:
        given: parameters.
        profile: of the raster.
        count: counts its values.
        kind: tells what its data are.
    """
    names = {name for name, _ in given}
    if names & _BY_THEMSELVES:
        return given
    needs_range = "rescale" not in names
    if "expression" in names:
        expression = dict(given)["expression"]
        return (*given, *_range(needs_range, count((), expression) if needs_range else {}, "float32"))
    if "bidx" in names:
        bands = tuple(int(value) for name, value in given if name == "bidx" and value.isdecimal())
        return (*given, *_range(needs_range, count(bands, None) if needs_range else {}, profile.dtypes[0]))
    if profile.driver == _STACK and len(profile.data_bands) == _COLOURS and "colormap_name" not in names:
        return completed((*style.query(bidx=profile.data_bands), *given), profile, count, kind)
    default: dict[str, Any] = default_display.default_render(profile, count((), None), kind())
    if "colormap_name" in names and len(profile.data_bands) > 1:
        first = (default.get("bidx") or profile.data_bands)[0]
        return completed((*style.query(bidx=first), *given), profile, count, kind)
    ranges: Sequence[str] = default.get("rescale") or () if needs_range else ()
    return (*style.query(bidx=default.get("bidx")), *given, *(("rescale", text) for text in ranges))


def _range(needed: bool, counted: Statistics, dtype: str) -> Query:
    """Return the range of most of the values as parameters."""
    found = limits_for_display(counted, dtype) if needed else None
    return tuple(("rescale", text) for text in found or ())
