"""The layer document of a raster as it is, without publishing anything."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tilery.catalog import ids
from tilery.publishing import kinds, metadata, rasters, zoom
from tilery.publishing.bounds import bounds_of, size_at
from tilery.publishing.default_display import default_render
from tilery.publishing.progress import Progress
from tilery.publishing.rasters import Georeference
from tilery.publishing.statistics import passes, statistics
from tilery.reading import class_names


def slug(text: str) -> str:
    """Return a layer's id made from a file's name.

    Raises:
        InvalidParameter: nothing of the name can be used.
    """
    return ids.check(re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:64])


def describe(
    path: Path, layer_id: str, placement: Georeference, progress: Progress, *, trust: bool = False
) -> dict[str, Any]:
    """Return the document, its source being the file itself.

    Args:
        path: a raster.
        layer_id: the id to write.
        placement: what the raster does not say.
        progress: is shown the reading.
        trust: take a file of any format, wherever it leads.
    """
    profile = rasters.facts(path, placement, trust=trust)
    rasters.crs_of(profile)
    bounds = bounds_of(profile)
    deepest = zoom.maximum(profile, "nearest")
    with progress.step("statistics", profile.width * profile.height * passes(profile.dtypes[0]), "px") as advance:
        found = statistics(path, profile, advance)
    kind = kinds.guess(profile, kinds.sample(path, profile.driver))
    render = default_render(profile, found, kind, class_names.beside(path))
    return metadata.document(
        layer_id=layer_id,
        bounds=bounds,
        minzoom=zoom.minimum(*size_at(bounds, deepest), deepest),
        maxzoom=deepest,
        bands=len(profile.data_bands),
        width=profile.width,
        height=profile.height,
        source=str(path.absolute()),
        meta_source=str(path.absolute()),
        revision=rasters.identity(path),
        published=datetime.now(UTC).isoformat(timespec="seconds"),
        statistics=found,
        given={"render": render} if render else {},
    )
