"""Failures as WMS clients read them: a ``ServiceExceptionReport`` in the version of the request."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from app.api import kvp, ows
from app.api.wms.request import version
from tilery.errors import OverLimit, TileryError

_CODES = {"layer_not_found": "LayerNotDefined", "invalid_format": "InvalidFormat"}
_READ = {404: 400, 422: 400}
"""Clients look into the answer to a bad request; that something is not found they take for the service itself."""
_HEAD = {
    "1.3.0": (
        '<ServiceExceptionReport version="1.3.0" xmlns="http://www.opengis.net/ogc" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.opengis.net/ogc '
        'http://schemas.opengis.net/wms/1.3.0/exceptions_1_3_0.xsd">'
    ),
    "1.1.1": '<ServiceExceptionReport version="1.1.1">',
}
_TYPES = {"1.3.0": "text/xml", "1.1.1": "application/vnd.ogc.se_xml"}


def report(error: TileryError, request: Request) -> Response:
    """Return the failure as XML, with the status that the problem document would have, or 400."""
    try:
        spoken = version(kvp.given(request.scope["query_string"]))
    except OverLimit:
        spoken = "1.3.0"
    reason = error.reason if isinstance(error, ows.ServiceError) else _CODES.get(error.code, "")
    code = f' code="{reason}"' if reason else ""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{_HEAD[spoken]}'
        f"<ServiceException{code}>{ows.said(error, request)}</ServiceException></ServiceExceptionReport>\n"
    )
    response = ows.answer(error, request, text, _TYPES[spoken])
    response.status_code = _READ.get(response.status_code, response.status_code)
    return response
