"""How a layer is shown to those who ask for a picture and say nothing of how: a published layer always can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilery.publishing.kinds import Kind
from tilery.publishing.statistics import limits_for_display
from tilery.reading.class_names import ClassNames, written
from tilery.reading.profile import Profile

_COLOURS = ("red", "green", "blue")
_CHOOSE = ("bidx", "expression", "algorithm")
"""Parameters that say themselves what of the bands is shown."""
_ONE = ("colormap", "colormap_name")
"""Parameters that want a single band."""


def default_render(
    profile: Profile, statistics: Mapping[str, Mapping[str, Any]], kind: Kind, names: ClassNames | None = None
) -> dict[str, Any]:
    """Return render parameters of a raster: which bands are shown, where a picture has no room for all, over which
    range, and what the values of a single band are called.

    Args:
        profile: facts of the raster that is published.
        statistics: of its bands, by ``b1``, ``b2``…
        kind: of its data.
        names: of values, by band.
    """
    bands = shown(profile, kind)
    of_bands = list(statistics.values())
    chosen = {f"b{band}": of_bands[profile.data_bands.index(band)] for band in bands or profile.data_bands}
    found: dict[str, Any] = {"bidx": list(bands)} if bands else {}
    ranges = _whole_ranges(profile, chosen) if kind == "classes" else limits_for_display(chosen, profile.dtypes[0])
    one = bands or profile.data_bands
    named = (names or {}).get(one[0]) if len(one) == 1 else None
    return found | ({"rescale": ranges} if ranges else {}) | ({"labels": written(named)} if named else {})


def shown(profile: Profile, kind: Kind) -> tuple[int, ...] | None:
    """Return numbers of the bands that make a picture; None where all do, in their order.

    Red, green and blue where bands say that they are, in their meaning or their name; else the first three. Of two
    bands and of several bands of classes the first: a picture of two bands shows the mask as blue.
    """
    bands = profile.data_bands
    if len(bands) == 1:
        return None
    if kind == "classes" or len(bands) == 2:
        return bands[:1]
    for names in (profile.colorinterp, tuple((text or "").strip().lower() for text in profile.descriptions)):
        if set(_COLOURS) <= set(names):
            found = tuple(names.index(colour) + 1 for colour in _COLOURS)
            return None if found == bands else found
    return None if len(bands) == 3 else bands[:3]


def completed(render: Mapping[str, Any], default: Mapping[str, Any], *, bands: int, count: int) -> dict[str, Any]:
    """Return render parameters that somebody wrote, with a choice of bands where they make none or one of missing
    bands.

    Args:
        render: the parameters.
        default: those of `default_render`.
        bands: of the published raster, alpha left out.
        count: all of its bands.
    """
    found = dict(render)
    if missing_bands(found, count):
        del found["bidx"]
    if "bidx" not in default or bands == 3 or any(found.get(name) for name in _CHOOSE):
        return found
    chosen = default["bidx"][:1] if any(found.get(name) for name in _ONE) else default["bidx"]
    return {"bidx": chosen} | found


def missing_bands(render: Mapping[str, Any], count: int) -> list[int]:
    """Return numbers of the bands that render parameters name and a raster of ``count`` has not got."""
    named = render.get("bidx")
    if named is None:
        return []
    try:
        numbers = [int(number) for number in (named if isinstance(named, list) else [named])]
    except (TypeError, ValueError):
        return []  # not numbers, which whoever reads the document says
    return [number for number in numbers if not 1 <= number <= count]


def _whole_ranges(profile: Profile, statistics: Mapping[str, Mapping[str, Any]]) -> list[str] | None:
    """Return the range of numbers that stand for something; None where a palette or the numbers themselves
    are colours.
    """
    if profile.palette is not None or profile.dtypes[0] == "uint8":
        return None
    pairs = [(band.get("min"), band.get("max")) for band in statistics.values()]
    if any(low is None or high is None or low == high for low, high in pairs):
        return None
    return [f"{low:.15g},{high:.15g}" for low, high in pairs]
