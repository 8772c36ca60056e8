"""HTML pages: templates that escape what they are given, and the headers that every page carries.

A page names its scripts and styles relative to itself, so that it works under any path prefix, known to us or not. No
page holds a script of its own: what a script needs to know stands in a JSON element, which browsers do not run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.api import static_files
from app.api.access import credentials
from app.config import access
from app.config.settings import Settings
from tilery import __version__

if TYPE_CHECKING:
    import jinja2

_OURS: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "font-src": "'self' data:",
    "worker-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
}
"""What a page may load: our own scripts and styles, pictures, and answers of our own API."""


@cache
def environment(folder: str | None) -> jinja2.Environment:
    """Return the templates: those of the operator's folder, then ours. Everything put into one is escaped."""
    import jinja2

    folders: list[jinja2.BaseLoader] = [jinja2.FileSystemLoader(Path(__file__).parent / "templates")]
    if folder:
        folders.insert(0, jinja2.FileSystemLoader(folder))
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def root(request: Request) -> str:
    """Return the way from the page that is asked for to the root of the service: ``./``, ``../``, ``../../``…"""
    path: str = request.scope["path"]  # without a prefix, which the middleware has taken off
    return "../" * (path.count("/") - 1) or "./"


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    policy: Mapping[str, str] | None = None,
    data: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    **context: Any,
) -> HTMLResponse:
    """Return a page made from a template.

    Args:
        request: what asked for it.
        template: file name in ``templates/``.
        status: of the answer.
        policy: directives of the content security policy that differ from the usual.
        data: what the page's script is to know, written as JSON. ``root``, ``basemap``,
            ``editing`` and ``files`` are added to it.
        settings: those of the application, where the request has not been led to it.
        context: what the template shows.
    """
    way = root(request)
    if settings is None:
        settings = request.app.state.context.settings
    editing = settings.catalog is not None and access.rules_of(settings).has_admins
    missing: list[str] = []

    def static(name: str) -> str:
        if not static_files.exists(name):
            missing.append(name)
        return way + static_files.address(name)

    body = (
        environment(settings.template_directory)
        .get_template(template)
        .render(
            static=static,
            lacking=lambda: static_files.NOT_BUILT if missing else None,
            to=_addresses(request, way),
            service=settings.name,
            api_docs=settings.api_docs != "off",
            version=__version__,
            files=settings.lists_sources,
            data={
                "root": way,
                "basemap": _basemap(settings),
                **({"editing": True} if editing else {}),
                **({"files": True} if settings.lists_sources else {}),
                **(data or {}),
            },
            editing=editing,
            **context,
        )
    )
    # half a character, out of a layer's document, cannot be said in UTF-8
    return HTMLResponse(body.encode(errors="replace"), status_code=status, headers=_headers(settings, policy or {}))


def _addresses(request: Request, way: str) -> Callable[..., str]:
    """Makes addresses below the root for a template, with what the page itself was let in by."""
    carried = credentials.carried(request.scope["query_string"])

    def to(path: str, **query: str) -> str:
        query.update(carried)
        return f"{way}{path}?{urlencode(query)}" if query else way + path

    return to


def _headers(settings: Settings, policy: Mapping[str, str]) -> dict[str, str]:
    directives = dict(_OURS)
    # Where tiles come by another address than the page, the page must be allowed to fetch them there.
    redirects = settings.tile_store is not None and settings.tile_store_mode == "redirect"
    store = settings.tile_store_url if redirects or settings.tile_store_first else None
    basemap = _basemap(settings).get("url")
    for elsewhere in dict.fromkeys(map(_origin, (settings.public_url, store, basemap))):
        if elsewhere:
            for name in ("img-src", "connect-src"):
                directives[name] = f"{directives[name]} {elsewhere}"
    ancestors = [f"'{name}'" if name == "self" else name for name in settings.frame_ancestors]
    directives["frame-ancestors"] = " ".join(ancestors) or "'none'"
    directives |= policy
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in directives.items()),
        "X-Content-Type-Options": "nosniff",
        # A token or a signature may stand in the page's own address: no other site learns it.
        "Referrer-Policy": "same-origin",
        "Vary": "Accept",
    }


def _basemap(settings: Settings) -> dict[str, str | None]:
    """Return what the pages' maps show beside rasters: its kind, and for the operator's own its address and credits."""
    chosen = settings.basemap
    if chosen in ("world", "none"):
        return {"kind": chosen}
    kind = "tiles" if "{z}" in chosen else "style"
    return {"kind": kind, "url": chosen, "attribution": settings.basemap_attribution}


def _origin(address: str | None) -> str | None:
    if not address:
        return None
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
