"""Every setting that the service reads from its environment: typed, explained, and printed by ``tilery settings``.

Ours begin with ``TILERY_``. Where TiTiler documents a setting of the same meaning its name is read as fallback, so that
an environment written for TiTiler works as it is. Only what runs before there are settings reads the environment by
itself: gunicorn's configuration, the Lambda handler.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, MutableMapping
from functools import cache
from ipaddress import ip_network
from typing import Any, Literal

from pydantic import AliasChoices, Field, field_validator

from app.config import shared
from app.config.environment import CommaList, EnvironmentSettings, WrongVariables

_FRAME_ANCESTOR = re.compile(r"'?self'?|\*|(?:https?://)?(?:\*\.)?[A-Za-z0-9.-]+(?::(?:\d{1,5}|\*))?|https?:")
"""A source of ``frame-ancestors`` (CSP 3, 6.4.2), with or without the quotes around ``self``."""


_NUMERIC = re.compile(r"[0-9a-fA-F:.]*(?:[.:]|/)[0-9a-fA-F:./]*")
"""What is meant as an address or a network and not as a name."""
_ADDRESS = re.compile(r"https?://[^/?#\s]+[^?#\s]*", re.IGNORECASE)
_BASEMAP = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?/[^\s#]*")
"""A host by name, without a user: it is written into the policy of the pages."""


def _names(name: str, *fallbacks: str) -> AliasChoices:
    return AliasChoices(f"TILERY_{name}", *fallbacks)


class Settings(EnvironmentSettings):
    """What an operator can set. The docstring under each field is what the manual prints; that of a field which the
    stacks have too is in `app.config.shared`.
    """

    # What may be read
    sources: CommaList = shared.SOURCES.field()
    sources_file: str | None = Field(None, validation_alias=_names("SOURCES_FILE"))
    """Path of a file (TOML or JSON) of further sources, each with how it is reached: region, endpoint, requester pays,
    keys or role for S3; request headers or a signature for https; or what would be in it. See ``docs/sources.md``."""
    catalog: str | None = shared.CATALOG.field()
    tile_store: str | None = Field(None, validation_alias=_names("TILE_STORE"))
    """Where finished tiles of layers are kept: a directory or ``s3://bucket/tiles/``. Not set: in memory only."""
    tile_store_mode: Literal["serve", "redirect"] = Field("serve", validation_alias=_names("TILE_STORE_MODE"))
    """``serve``: a stored tile is answered by us. ``redirect``: with 302 to ``tile_store_url``, as the AWS Lambda tiler
    did."""
    tile_store_url: str | None = Field(None, validation_alias=_names("TILE_STORE_URL"))
    """Public address of the tile store, for redirects."""
    tile_store_layout: Literal["revision", "plain"] = Field("revision", validation_alias=_names("TILE_STORE_LAYOUT"))
    """``revision``: keys change with a layer's data and style, so that no old tile is ever found. ``plain``:
    ``{id}/{z}/{x}/{y}.png``, for an S3 website in front; publishing again removes them."""
    tile_store_first: bool = Field(False, validation_alias=_names("TILE_STORE_FIRST"))
    """Name ``tile_store_url`` as the tiles' address in TileJSON and WMTS: a website, which leads here for tiles that it
    has not got. For the layout ``plain``."""
    s3_endpoint: str | None = Field(
        None, validation_alias=_names("S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    )
    """Address of an S3 server other than AWS, as ``http://127.0.0.1:9000``."""
    s3_anonymous: bool = Field(False, validation_alias=_names("S3_ANONYMOUS", "AWS_NO_SIGN_REQUEST"))
    """Read S3 without credentials (public buckets)."""

    # The face towards the net
    name: str = Field("Tilery", validation_alias=_names("NAME", "TITILER_API_NAME"))
    """Title of the API and of its pages."""
    description: str = Field(
        "A tile server for rasters.", validation_alias=_names("DESCRIPTION", "TITILER_API_DESCRIPTION")
    )
    """Text under the title."""
    public_url: str | None = Field(None, validation_alias=_names("PUBLIC_URL"))
    """The address that users see, as ``https://tiles.example.com/maps``; every link begins with it. Not set: links are
    made from the request, and from ``X-Forwarded-*`` of trusted proxies; see ``allowed_hosts``."""
    root_path: str = Field("", validation_alias=_names("ROOT_PATH", "TITILER_API_ROOT_PATH"))
    """Path prefix that a proxy adds, as ``/maps``; requests work with and without it."""
    trusted_proxies: CommaList = Field((), validation_alias=_names("TRUSTED_PROXIES", "FORWARDED_ALLOW_IPS"))
    """Addresses or networks whose ``X-Forwarded-*`` are believed, as ``10.0.0.0/8``; ``*`` believes everybody."""
    allowed_hosts: CommaList = Field((), validation_alias=_names("ALLOWED_HOSTS"))
    """Host names that links are made from without ``public_url``, as ``tiles.example.com`` or ``*.example.com``;
    with a port where users see one that we do not listen on, as ``tiles.example.com:8443``. Documents with such links
    may be kept by shared caches. Not set: links name whatever host is asked for, and those documents are ``private``.
    With a list, links for other names have no host."""
    cors_origins: CommaList = shared.CORS_ORIGINS.field()
    cors_allow_methods: CommaList = shared.CORS_ALLOW_METHODS.field()
    frame_ancestors: CommaList = Field(("self",), validation_alias=_names("FRAME_ANCESTORS"))
    """Sites that may show our pages in a frame of theirs: ``self``, ``https://maps.example.com``, ``*`` for every site.
    Empty: none."""
    cache_control: str = Field(
        "public, max-age=3600", validation_alias=_names("CACHE_CONTROL", "TITILER_API_CACHECONTROL")
    )
    """``Cache-Control`` of every successful answer to GET and HEAD; errors are never cacheable."""
    access_token: str | None = shared.ACCESS_TOKEN.field()
    admin_token: str | None = Field(None, min_length=16, repr=False, validation_alias=_names("ADMIN_TOKEN"))
    """Secret of those who may add, change and remove layers (``POST /layers``, ``PUT /layers/{id}``, …), as
    ``Authorization: Bearer``; at least 16 characters. It opens everything else too. Not set: nobody may but those whom
    ``access`` makes admins; without any there are no such routes."""
    access: str | None = shared.ACCESS.field()
    client_rate: float | None = Field(None, gt=0, le=1e6, allow_inf_nan=False, validation_alias=_names("CLIENT_RATE"))
    """Requests a second of one address (of IPv6: one network of 64 bits); further ones get 429 with Retry-After. All
    workers count together, each task for itself. Health checks are not counted, nor tokens that have a rate of their
    own. Not set: no limit."""
    client_burst: int | None = Field(None, gt=0, le=10**7, validation_alias=_names("CLIENT_BURST"))
    """Requests that one address may send at once, after a pause. Not set: those of 10 seconds."""
    api_docs: Literal["open", "admin", "off"] = Field("open", validation_alias=_names("API_DOCS"))
    """Who may see the API's description and its pages (``/api``, ``/api.html``, ``/redoc``): everybody, those whose
    token has the scope ``admin``, or nobody."""
    basemap: str = Field("world", validation_alias=_names("BASEMAP"))
    """What the maps of our pages show beside rasters: ``world``, Natural Earth's coasts, borders and names, which need
    no internet; ``none``; the address of a MapLibre style, as ``https://maps.example.com/style.json``; or that of
    tiles, as ``https://maps.example.com/{z}/{x}/{y}.png``. Pages may then ask that one host."""
    basemap_attribution: str | None = Field(None, validation_alias=_names("BASEMAP_ATTRIBUTION"))
    """Credit line of basemap tiles; a style has its own."""
    default_attribution: str | None = Field(
        None, validation_alias=_names("DEFAULT_ATTRIBUTION", "TITILER_DEFAULT_ATTRIBUTION")
    )
    """Credit line put into TileJSON and tilesets."""
    lower_case_query_parameters: bool = Field(
        False,
        validation_alias=_names("LOWER_CASE_QUERY_PARAMETERS", "TITILER_API_LOWER_CASE_QUERY_PARAMETERS"),
    )
    """Take query parameters whatever their case."""
    disable_cog: bool = Field(False, validation_alias=_names("DISABLE_COG", "TITILER_API_DISABLE_COG"))
    """Leave the ``/cog`` routes out."""
    disable_stac: bool = Field(False, validation_alias=_names("DISABLE_STAC", "TITILER_API_DISABLE_STAC"))
    """Leave the ``/stac`` routes out."""
    disable_mosaic: bool = Field(False, validation_alias=_names("DISABLE_MOSAIC", "TITILER_API_DISABLE_MOSAIC"))
    """Leave the ``/mosaicjson`` routes out."""
    disable_zarr: bool = Field(False, validation_alias=_names("DISABLE_ZARR", "TITILER_API_DISABLE_ZARR"))
    """Leave the ``/zarr`` routes out."""
    mosaic_strict_zoom: bool = Field(False, validation_alias=_names("MOSAIC_STRICT_ZOOM", "MOSAIC_STRICT_ZOOM"))
    """Refuse tiles below ``/mosaicjson`` whose zoom the mosaic does not offer, with 400."""
    stac_alternate: str | None = Field(None, validation_alias=_names("STAC_ALTERNATE", "RIO_TILER_STAC_ALTERNATE_KEY"))
    """Name of the alternate addresses of STAC assets that are read instead of their own, as ``s3``."""
    debug: bool = Field(False, validation_alias=_names("DEBUG", "TITILER_API_DEBUG"))
    """Log each request, whatever ``log_requests`` says."""
    template_directory: str | None = Field(
        None, validation_alias=_names("TEMPLATE_DIRECTORY", "TITILER_API_TEMPLATE_DIRECTORY")
    )
    """Folder whose Jinja templates take the place of ours of the same name."""
    tile_matrix_set_directory: str | None = Field(
        None, validation_alias=_names("TILE_MATRIX_SET_DIRECTORY", "TILEMATRIXSET_DIRECTORY")
    )
    """Folder of further tile matrix sets (JSON, OGC 17-083r4)."""
    colormap_directory: str | None = Field(None, validation_alias=_names("COLORMAP_DIRECTORY", "COLORMAP_DIRECTORY"))
    """Folder of further colormaps (``.npy`` or ``.json``)."""
    empty_tile: Literal["404", "204", "transparent"] = Field("404", validation_alias=_names("EMPTY_TILE"))
    """Answer for a tile outside the raster: the 404 that TiTiler gives (below ``/mosaicjson`` its 204), 204 without a
    body, or a transparent picture."""

    sidecars: bool = Field(False, validation_alias=_names("SIDECARS"))
    """Read the overviews and the mask that lie beside a raster, as ``a.tif.ovr`` and ``a.tif.msk``, and the names of
    its classes (``a.tif.aux.xml``), local or remote. They must be where ``sources`` allows. Costs three requests for
    each raster that is opened, and rasters with overviews or a mask there are read through GDAL. Off: ``/info`` and
    ``/validate`` name those."""

    browse: bool = Field(False, validation_alias=_names("BROWSE"))
    """List the files that ``sources`` allow, at ``/sources``: names of rasters in folders and buckets, STAC catalogs.
    Off: only who knows an address can ask for it. ``tilery serve`` for this machine alone, without tokens, turns it on;
    0 leaves it off there too. Callers who need a token need it for the lists as well."""

    # Limits of one request
    deadline: float = Field(25.0, gt=0, allow_inf_nan=False, validation_alias=_names("DEADLINE"))
    """Seconds that one request may take. Keep it below the load balancer's idle timeout (60)."""
    max_pixels: int = Field(2048 * 2048, gt=0, validation_alias=_names("MAX_PIXELS"))
    """Pixels of one output picture at most."""
    max_size: int = Field(4096, gt=0, validation_alias=_names("MAX_SIZE"))
    """Pixels along one side of an output picture at most."""
    max_bands: int = Field(64, gt=0, validation_alias=_names("MAX_BANDS"))
    """Bands that one request may ask for."""
    max_assets: int = Field(100, gt=0, validation_alias=_names("MAX_ASSETS"))
    """Rasters of a mosaic that one request may open."""
    max_decoded_bytes: int = Field(512 << 20, gt=0, validation_alias=_names("MAX_DECODED_BYTES"))
    """Bytes of decoded pixels that one request may need at most."""
    max_body_bytes: int = Field(2 << 20, gt=0, validation_alias=_names("MAX_BODY_BYTES"))
    """Bytes of a request body at most."""
    max_vertices: int = Field(100_000, gt=0, validation_alias=_names("MAX_VERTICES"))
    """Vertices of the geometries of one request at most."""
    max_features: int = Field(100, gt=0, validation_alias=_names("MAX_FEATURES"))
    """Features of one FeatureCollection at most."""

    # What a worker may use
    cores: int | None = Field(None, gt=0, validation_alias=_names("CORES"))
    """Cores that this worker may count on. Not set: the task's, shared among its workers."""
    render_slots: int | None = Field(None, gt=0, validation_alias=_names("RENDER_SLOTS"))
    """Renders at a time in one worker. Not set: one more than the cores of the task, at least two."""
    queue_length: int = Field(64, ge=0, validation_alias=_names("QUEUE_LENGTH"))
    """Requests that may wait for a slot; further ones get 503 with Retry-After at once."""
    memory: int | None = Field(None, gt=0, validation_alias=_names("MEMORY"))
    """Bytes of memory that this worker may use. Not set: the container's limit shared among its workers."""
    work_bytes: int | None = Field(None, gt=0, validation_alias=_names("WORK_BYTES"))
    """Bytes that the requests under way in one worker may take together, answers that wait to be sent included. Not
    set: what its memory leaves beside libraries and caches."""
    block_cache_bytes: int | None = Field(None, ge=0, validation_alias=_names("BLOCK_CACHE_BYTES"))
    """Bytes of decoded blocks kept for each worker; those of all are in one cache. Not set: a share of its memory."""
    tile_cache_bytes: int | None = Field(None, ge=0, validation_alias=_names("TILE_CACHE_BYTES"))
    """Bytes of finished tiles, other pictures and documents kept for each worker, in one cache too. Not set: a share of
    its memory; 0 keeps none."""
    kept_datasets: int = Field(128, gt=0, validation_alias=_names("KEPT_DATASETS"))
    """Open datasets that a worker keeps."""
    revalidate_seconds: float = Field(5.0, ge=0, validation_alias=_names("REVALIDATE_SECONDS"))
    """Seconds after which a kept dataset's identity is checked again."""
    zarr_chunk_seconds: float = Field(0.0, ge=0, validation_alias=_names("ZARR_CHUNK_SECONDS"))
    """Seconds after which a Zarr store is read anew whose metadata have not changed: its chunks may have been written
    over. 0: chunks are taken to stay as they are for as long as the metadata do."""
    fetch_threads: int = Field(16, gt=0, validation_alias=_names("FETCH_THREADS"))
    """Range requests under way at a time in one worker; and requests for rasters in stores, most of which wait."""

    # Upstream
    connect_timeout: float = Field(2.0, gt=0, validation_alias=_names("CONNECT_TIMEOUT"))
    """Seconds to wait for a connection to a store."""
    read_timeout: float = Field(10.0, gt=0, validation_alias=_names("READ_TIMEOUT"))
    """Seconds to wait for a store's next bytes."""
    fetch_retries: int = Field(4, ge=0, validation_alias=_names("FETCH_RETRIES"))
    """Further tries for a range that failed with 429, 5xx or a broken connection, while its request has time left."""

    # Process
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", validation_alias=_names("LOG_LEVEL", "LOG_LEVEL")
    )
    """How much is logged."""
    log_format: Literal["text", "json"] = Field("text", validation_alias=_names("LOG_FORMAT"))
    """``text``: lines for people. ``json``: one JSON object a line, for programs; `docs/operations.md` has the
    fields."""
    log_requests: Literal["auto", "all", "failed", "none"] = Field("auto", validation_alias=_names("LOG_REQUESTS"))
    """Which answers leave a line in the log: ``all``, those that ``failed`` (4xx, 5xx) or ``none``. ``auto``: all in
    JSON, else those that failed. A line has 0.3 to 0.6 kB."""

    metrics_port: int | None = Field(None, gt=0, lt=1 << 16, validation_alias=_names("METRICS_PORT"))
    """Port at which ``/metrics`` tells Prometheus the numbers of all workers. Not set: nowhere."""
    metrics_host: str = Field("127.0.0.1", min_length=1, validation_alias=_names("METRICS_HOST"))
    """Address at which that port is. As it is, only this machine (in a container: only the container) can ask.
    ``0.0.0.0``, or a private address of the machine, for a Prometheus elsewhere: let nobody else reach the port."""
    emf_namespace: str | None = Field(None, validation_alias=_names("EMF_NAMESPACE"))
    """Namespace in CloudWatch: each worker then logs its numbers once a minute as CloudWatch's Embedded Metric Format.
    CloudWatch bills 17 metrics for each service. Not set: no such lines."""

    telemetry: bool = Field(False, validation_alias=_names("TELEMETRY", "TITILER_API_TELEMETRY_ENABLED"))
    """Send traces by OpenTelemetry: a span for each request and each stage of its work. Where to is said by
    OpenTelemetry's own variables, as ``OTEL_EXPORTER_OTLP_ENDPOINT``. Needs ``pip install 'tilery[telemetry]'``."""

    @field_validator("root_path")
    @classmethod
    def _prefix(cls, value: str) -> str:
        """Return a path prefix with a slash before it and none behind it; nothing stays nothing."""
        return f"/{bare}" if (bare := value.strip("/")) else ""

    @field_validator("public_url", "tile_store_url", "s3_endpoint")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        """Return an address without slashes at its end."""
        if not value:
            return None
        if not _ADDRESS.fullmatch(value):
            raise ValueError("it is an address that begins with https:// or http://")
        return value.rstrip("/")

    @field_validator("basemap")
    @classmethod
    def _basemap(cls, value: str) -> str:
        """Return ``world``, ``none``, or an address that can stand in a policy of pages; nothing is ``world``."""
        if value in ("", "world", "none"):
            return value or "world"
        if not _BASEMAP.fullmatch(value):
            raise ValueError("it is 'world', 'none', or an address of a style or of tiles that begins with https://")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Return addresses, networks and names; a mistyped network would be one that nobody is in."""
        for item in value:
            if _NUMERIC.fullmatch(item):
                try:
                    ip_network(item, strict=False)
                except ValueError:
                    raise ValueError(f"{item!r} is no address or network, as 10.0.0.0/8") from None
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Return names of hosts, which no request would have with a scheme or a path."""
        for item in value:
            if "/" in item:
                raise ValueError(f"{item!r} is no host name, as tiles.example.com")
        return value

    @property
    def lists_sources(self) -> bool:
        """Whether there are lists of files: they are wanted, and there are pages to look at what they name."""
        return self.browse and not self.disable_cog

    @property
    def guarded(self) -> bool:
        """True when requests must say who sends them."""
        return bool(self.access_token or self.access)

    @property
    def logged_requests(self) -> Literal["all", "failed", "none"]:
        """Which answers leave a line in the log."""
        if self.debug:
            return "all"
        if self.log_requests == "auto":
            return "all" if self.log_format == "json" else "failed"
        return self.log_requests

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Return what is printed: no secrets."""
        return [(name, "…" if is_whole_file(name or "", value) else value) for name, value in super().__repr_args__()]

    def _wrong_together(self) -> dict[str, str]:
        """Return what settings say together that cannot be, by the variable to change."""
        problems = {}
        if self.tile_store_first and not (self.tile_store_url and self.tile_store_layout == "plain"):
            problems["TILERY_TILE_STORE_FIRST"] = "it needs TILERY_TILE_STORE_URL and TILERY_TILE_STORE_LAYOUT=plain"
        if not all(map(_FRAME_ANCESTOR.fullmatch, self.frame_ancestors)):
            problems["TILERY_FRAME_ANCESTORS"] = "it lists 'self', '*' or origins as https://maps.example.com"
        if self.tile_store and self.tile_store_mode == "redirect":
            if self.tile_store_url is None:
                problems["TILERY_TILE_STORE_URL"] = "TILERY_TILE_STORE_MODE=redirect needs the address to redirect to"
            elif self.tile_store_url == self.public_url:
                problems["TILERY_TILE_STORE_URL"] = "redirects would lead here again; use TILERY_TILE_STORE_MODE=serve"
        if self.api_docs == "admin" and not (self.admin_token or self.access):
            problems["TILERY_API_DOCS"] = "nobody is an admin without TILERY_ADMIN_TOKEN or TILERY_ACCESS"
        if self.telemetry and not _is_installed("opentelemetry.exporter.otlp.proto.http"):
            problems["TILERY_TELEMETRY"] = "it needs the packages of OpenTelemetry: pip install 'tilery[telemetry]'"
        return problems | self._wrong_documents()

    def _wrong_documents(self) -> dict[str, str]:
        """Return what is wrong in the documents that settings are or name, by the variable."""
        problems: dict[str, str] = {}
        if self.access:
            from app.config import access  # where there is one

            try:
                access.read(self.access)
            except WrongVariables as error:
                problems |= error.problems
        if self.sources_file:
            from app.config import sources_file  # it needs the library, which the stacks have not

            try:
                sources_file.read(self.sources_file)
            except WrongVariables as error:
                problems |= error.problems
        return problems


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def is_whole_file(field: str, value: Any) -> bool:
    """Return whether a setting that mostly names a file holds what would be in it, keys and all."""
    from app.config.documents import is_text  # it needs the library, which the stacks have not

    return field == "sources_file" and value is not None and is_text(value)


@cache
def get() -> Settings:
    """Return the settings of this process, read once.

    Raises:
        WrongVariables: a value is not what its setting takes.
    """
    return Settings()


def process_environment() -> dict[str, str]:
    """Return all variables of this process, to hand on to one that it starts."""
    return dict(os.environ)


def process() -> MutableMapping[str, str]:
    """Return the variables of this process themselves, for what native libraries have to be told before they are
    loaded.
    """
    return os.environ


def environment(name: str, default: str | None = None) -> str | None:
    """Return a variable that belongs to somebody else (AWS, GDAL, the container). The only reader of such."""
    return os.environ.get(name, default)
