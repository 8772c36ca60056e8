"""The engine's options, made from the service's settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from app.config import sources_file
from app.config.settings import Settings
from tilery.engine import EngineOptions
from tilery.reading import sidecars
from tilery.reading.gdal_options import ALONE
from tilery.reading.options import ReadLimits
from tilery.reading.sidecars import SidecarLocations
from tilery.storage.options import Exchange, StoreOptions
from tilery.storage.policy import Policy
from tilery.storage.source_options import SourceOptions

Observe = Callable[[Exchange], None]

_CLOUDS = ("GOOGLE_", "GCE_", "AZURE_", "IDENTITY_", "MSI_")
"""How the names of variables of Google's and Azure's tools begin."""
_SIBLINGS = "GDAL_DISABLE_READDIR_ON_OPEN"
"""GDAL's own variable for the same, as TiTiler's operators know it."""
_ALONE = ALONE[_SIBLINGS]


def store_options(settings: Settings, observe: Observe | None = None) -> StoreOptions:
    """Return how stores are reached; ``observe`` is told of each request for a raster."""
    return StoreOptions(
        s3_endpoint=settings.s3_endpoint,
        s3_anonymous=settings.s3_anonymous,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        request_timeout=settings.deadline,
        fetch_retries=settings.fetch_retries,
        fetch_threads=settings.fetch_threads,
        aws={name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        clouds=_cloud_variables(),
        observe=observe,
        sources=_sources(settings),
    )


def _cloud_variables() -> dict[str, str] | None:
    """Return the variables of Google's and Azure's tools; None in AWS Lambda, where nothing goes on in the
    background.
    """
    if os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        return None
    return {name: value for name, value in os.environ.items() if name.startswith(_CLOUDS)}


def source_policy(settings: Settings, *more: str) -> Policy:
    """Return what may be read: the sources, those of their file, and more.

    Raises:
        WrongSourcesError: an entry has no meaning.
        WrongVariables: the file has none.
    """
    listed = Policy.from_sources([*settings.sources, *more])
    return Policy(entries=(*listed.entries, *(entry for one in _sources(settings) for entry in one.where.entries)))


def _sources(settings: Settings) -> tuple[SourceOptions, ...]:
    return sources_file.read(settings.sources_file) if settings.sources_file else ()


def engine_options(
    settings: Settings, observe: Observe | None = None, trace_headers: Callable[[], str] | None = None
) -> EngineOptions:
    """Return what the engine of a worker may use.

    Args:
        settings: of the service.
        observe: is told of each request for a raster.
        trace_headers: says which trace such a request belongs to, see `StoreOptions`.
    """
    return EngineOptions(
        stores=replace(store_options(settings, observe), trace_headers=trace_headers),
        open_datasets=settings.kept_datasets,
        revalidate_seconds=settings.revalidate_seconds,
        block_cache_bytes=settings.block_cache_bytes,
        cores=settings.cores,
        sidecars=_sidecars(settings),
        policy=source_policy(settings),
        alternate=settings.stac_alternate,
        chunk_seconds=settings.zarr_chunk_seconds,
    )


def _sidecars(settings: Settings) -> SidecarLocations | None:
    """Return what tells where files beside a raster may be read. None: they are not wanted."""
    if not (settings.sidecars or os.environ.get(_SIBLINGS, _ALONE) != _ALONE):
        return None
    of_callers = source_policy(settings)
    of_layers = of_callers.with_catalog(settings.catalog) if settings.catalog else of_callers
    return partial(sidecars.allowed, policies=(of_callers, of_layers))


def read_limits(settings: Settings) -> ReadLimits:
    """Return what one read may take."""
    return ReadLimits(
        pixels=settings.max_pixels,
        decoded_bytes=settings.max_decoded_bytes,
        bands=settings.max_bands,
        vertices=settings.max_vertices,
        assets=settings.max_assets,
    )
