"""What the values of an asset's bands stand for, as its item says it: ``classification:classes``.

The classification extension (https://github.com/stac-extensions/classification) lists classes for an asset of one band,
or for each of its ``bands`` (STAC 1.1) or ``raster:bands``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tilery.reading.profile import Profile
from tilery.reading.stac.item import Asset

_MOST = 4096
"""Classes of a band."""
_LONGEST = 200
_SHORT = 40
"""Letters of a description that may stand for a name."""
_COLOR = re.compile(r"#?([0-9A-Fa-f]{6})")


def described(profile: Profile, asset: Asset) -> Profile:
    """Return the facts of an asset's raster with the names and colours of classes that its item says."""
    fields = asset.fields
    said = [fields.get("bands"), fields.get("raster:bands")]
    names, colors = dict(profile.class_names), dict(profile.class_colors)
    for band in range(1, profile.count + 1):
        of_band = [one[band - 1] for one in said if isinstance(one, list) and len(one) >= band]
        lists = [one.get("classification:classes") for one in of_band if isinstance(one, dict)]
        if len(profile.data_bands) == 1 and band in profile.data_bands:
            lists.append(fields.get("classification:classes"))
        found = next((one for one in lists if isinstance(one, list)), [])[:_MOST]
        classes = [(value, one) for one in found if isinstance(one, dict) and (value := _value(one)) is not None]
        if named := {value: name for value, one in classes if (name := _name(one))}:
            names[band] = named
        if coloured := {value: color for value, one in classes if (color := _color(one))}:
            colors[band] = coloured
    return replace(profile, class_names=names, class_colors=colors)


def _value(one: Mapping[str, Any]) -> float | None:
    value = one.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 2**53 or not math.isfinite(value):
        return None
    return float(value)


def _name(one: Mapping[str, Any]) -> str:
    """Return what people call a class: its title, a short description, or the name for machines."""
    texts = {
        key: " ".join(one[key].split())[:_LONGEST] for key in ("title", "description", "name") if _is_text(one, key)
    }
    description = texts.get("description", "")
    short = description if len(description) <= _SHORT else ""
    return texts.get("title") or short or texts.get("name") or description


def _is_text(one: Mapping[str, Any], key: str) -> bool:
    return isinstance(one.get(key), str)


def _color(one: Mapping[str, Any]) -> str | None:
    hint = one.get("color_hint")
    found = _COLOR.fullmatch(hint) if isinstance(hint, str) else None
    return None if found is None else f"#{found[1].lower()}"
